//! Signing requests, for clients of our own and for tests.
//!
//! Lives here: the headers that a signed request carries.
//! Does not live here: presigning, which only clients need.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use model::principal::Credentials;
use model::time::Timestamp;
use sha2::{Digest as _, Sha256};

use super::canonical::{Terms, string_to_sign};
use super::time::basic;
use super::{
    ALGORITHM, CredentialScope, SignedRequest, SigningKey, TERMINATOR, UNSIGNED_PAYLOAD, Validity,
};

/// Who signs, for what, and when.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    /// The keys.
    pub credentials: &'a Credentials,
    /// The region.
    pub region: &'a str,
    /// The service's signing name.
    pub service: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// Signs a request in its `Authorization` header. `headers` must hold `host`; the date and the session token are
/// added. Covered are `host`, `content-type` and all `x-amz-` headers.
///
/// # Errors
/// When a key or token holds characters that no header may hold.
pub fn sign(
    signer: Signer<'_>,
    method: &Method,
    path_and_query: &str,
    headers: &mut HeaderMap,
    body: &[u8],
) -> Result<(), http::header::InvalidHeaderValue> {
    signed(signer, method, path_and_query, headers, (body, None))
}

/// The hash of a body, as `x-amz-content-sha256` has it.
#[must_use]
pub fn payload_hash(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// Signs as [`sign`] does, but for a body that is not here yet: what is signed of it is what `x-amz-content-sha256` says, as it
/// stands.
///
/// # Errors
/// When a key or token holds characters that no header may hold.
pub fn sign_head(
    signer: Signer<'_>,
    method: &Method,
    path_and_query: &str,
    headers: &mut HeaderMap,
) -> Result<(), http::header::InvalidHeaderValue> {
    let claim = headers.get("x-amz-content-sha256");
    let claim = claim.and_then(|value| value.to_str().ok());
    let claim = claim.unwrap_or(UNSIGNED_PAYLOAD).to_owned();
    signed(signer, method, path_and_query, headers, (&[], Some(&claim)))
}

fn signed(
    signer: Signer<'_>,
    method: &Method,
    path_and_query: &str,
    headers: &mut HeaderMap,
    (body, payload): (&[u8], Option<&str>),
) -> Result<(), http::header::InvalidHeaderValue> {
    let date_time = basic(signer.now);
    headers.insert("x-amz-date", HeaderValue::from_str(&date_time)?);
    if let Some(token) = &signer.credentials.session_token {
        headers.insert("x-amz-security-token", HeaderValue::from_str(token)?);
    }
    let mut signed_headers: Vec<String> = headers
        .keys()
        .filter(|name| is_signed(name))
        .map(|name| name.as_str().to_owned())
        .collect();
    signed_headers.sort_unstable();
    let scope = CredentialScope {
        date: date_time.get(..8).unwrap_or_default().to_owned(),
        region: signer.region.to_owned(),
        service: signer.service.to_owned(),
    };
    let request = SignedRequest {
        method,
        path_and_query,
        headers,
        body,
    };
    let terms = Terms {
        scope: &scope,
        signed_headers: &signed_headers,
        signed_at: signer.now,
        validity: Validity::Header,
        payload,
    };
    let key = SigningKey::derive(&signer.credentials.secret_access_key, &scope);
    let signature = hex::encode(key.sign(string_to_sign(request, terms).as_bytes()));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}/{}/{}/{TERMINATOR}, SignedHeaders={}, Signature={signature}",
        signer.credentials.access_key_id,
        scope.date,
        scope.region,
        scope.service,
        signed_headers.join(";"),
    );
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&authorization)?);
    Ok(())
}

fn is_signed(name: &HeaderName) -> bool {
    *name == HOST || *name == CONTENT_TYPE || name.as_str().starts_with("x-amz-")
}
