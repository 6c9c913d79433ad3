//! Signature Version 4: who signed a request, and whether the signature holds.
//!
//! Lives here: reading what a request presents, the canonical request, keys, verifying and signing.
//! Does not live here: who holds which keys and the cache of signing keys (`gateway::service_door`), the words of
//! refusals (`errors`).
//!
//! Contract: AWS Identity and Access Management User Guide, "AWS Signature Version 4 for API requests"; Amazon S3
//! API Reference, "Authenticating Requests (AWS Signature Version 4)".

mod canonical;
pub mod chunks;
mod key;
mod payload;
mod presented;
mod signing;
pub mod time;
mod verification;

use http::{HeaderMap, Method};

pub use key::SigningKey;
pub use payload::PayloadClaim;
pub use presented::{CredentialScope, Presented, Validity};
pub use signing::{Signer, payload_hash, sign, sign_head};
pub use verification::{verify, verify_head, verify_text};

/// The one algorithm.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What a scope ends in.
pub(crate) const TERMINATOR: &str = "aws4_request";
/// The hash in place of that of a body which is not signed.
pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The parts of a request that a signature covers.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query, as sent.
    pub path_and_query: &'a str,
    /// The headers, `host` among them.
    pub headers: &'a HeaderMap,
    /// The body, whole.
    pub body: &'a [u8],
}

/// Reads whatever bytes as the `Authorization` header and the target of a request: for fuzzing. Never panics.
#[must_use]
pub fn read_hostile(authorization: &[u8], target: &str) -> bool {
    let mut headers = HeaderMap::new();
    if let Ok(value) = http::HeaderValue::from_bytes(authorization) {
        headers.insert(http::header::AUTHORIZATION, value);
    }
    let Ok(presented) = Presented::find(target, &headers) else {
        return false;
    };
    let request = SignedRequest {
        method: &Method::GET,
        path_and_query: target,
        headers: &headers,
        body: &[],
    };
    let key = SigningKey::derive("secret", &presented.scope);
    verify(&key, &presented, request).is_ok()
}
