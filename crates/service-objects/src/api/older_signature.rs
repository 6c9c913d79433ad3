//! URLs that are presigned by signature version 2: boto3 makes such by default, and Amazon S3 takes them in its oldest regions.
//!
//! Lives here: recognising them, who signed them.
//! Does not live here: signature version 4 (`gateway::service_door`), forms (`post`).
//!
//! Contract: Amazon S3 API Reference, "Signing and authenticating REST requests" (version 2), "Query string request
//! authentication alternative".

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use interfaces::principals::Key;
use interfaces::service::ServiceCall;
use model::principal::Principal;

use super::post::unknown_signer;
use super::request::Named;
use super::service::Inner;
use crate::engine::fault::{self, Fault};

/// Parameters that are signed with the path.
const SIGNED_PARAMETERS: [&str; 24] = [
    "acl",
    "cors",
    "delete",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "partNumber",
    "policy",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// What a URL shows of its signer.
struct Shown<'a> {
    key_id: &'a str,
    signature: &'a str,
    expires: &'a str,
}

fn shown(query: &[(String, String)]) -> Option<Shown<'_>> {
    let get = |wanted: &str| {
        let mut pairs = query.iter();
        pairs
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    Some(Shown {
        key_id: get("AWSAccessKeyId")?,
        signature: get("Signature")?,
        expires: get("Expires")?,
    })
}

/// Whether a request is signed so.
pub(super) fn is_signed(named: &Named) -> bool {
    shown(&named.query).is_some()
}

impl Inner {
    /// Who signed a request, if it is signed so: the door takes it for unsigned.
    pub(super) fn older_caller(&self, call: &ServiceCall) -> Result<Option<Principal>, Fault> {
        let named = Named::read(&call.path_and_query, &call.headers)?;
        let Some(shown) = shown(&named.query) else {
            return Ok(None);
        };
        if !matches!(call.caller, Principal::Anonymous { .. }) {
            return Ok(None);
        }
        let expired = || Fault::saying(fault::ACCESS_DENIED, "Request has expired");
        let expires: i64 = shown.expires.parse().map_err(|_| expired())?;
        if expires < self.objects.clock.now().epoch_s() {
            return Err(expired().with("Expires", shown.expires));
        }
        match self.principals.find(shown.key_id) {
            Key::Issued(holder) => {
                let token = amz_values(call, &named).remove("x-amz-security-token");
                if token != holder.credentials.session_token {
                    return Err(fault::UNKNOWN_KEY.into());
                }
                let secret = holder.credentials.secret_access_key.as_bytes();
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
                let sent = BASE64.decode(shown.signature).unwrap_or_default();
                let text = string_to_sign(call, &named, shown.expires);
                ring::hmac::verify(&key, text.as_bytes(), &sent)
                    .map_err(|_| Fault::from(fault::SIGNATURE_MISMATCH))?;
                Ok(Some(holder.principal))
            }
            Key::Unknown => {
                let stream = call.stream.as_ref();
                let unknown = stream.and_then(|stream| stream.0.unknown_keys_act_as());
                unknown_signer(shown.key_id, unknown).map(Some)
            }
            Key::Revoked | Key::Withdrawn => Err(fault::UNKNOWN_KEY.into()),
        }
    }
}

/// All `x-amz-` headers; a URL carries some as parameters.
fn amz_values(call: &ServiceCall, named: &Named) -> BTreeMap<String, String> {
    let of_headers = call.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
        (name.as_str().to_owned(), value)
    });
    let of_query = named
        .query
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    of_headers
        .chain(of_query)
        .filter(|(name, _)| name.starts_with("x-amz-"))
        .collect()
}

fn string_to_sign(call: &ServiceCall, named: &Named, expires: &str) -> String {
    let header = |name: &str| {
        let value = call.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let mut text = format!(
        "{}\n{}\n{}\n{expires}\n",
        call.method,
        header("content-md5"),
        header("content-type"),
    );
    for (name, value) in amz_values(call, named) {
        text.push_str(&format!("{name}:{value}\n"));
    }
    let path = call.path_and_query.split('?').next().unwrap_or_default();
    let bucket = named.bucket.as_deref().unwrap_or_default();
    let is_in_path = path
        .strip_prefix('/')
        .and_then(|path| path.split('/').next())
        .is_some_and(|first| first == bucket);
    if !is_in_path && !bucket.is_empty() {
        text.push('/');
        text.push_str(bucket);
    }
    text.push_str(path);
    let mut signed: Vec<_> = named
        .query
        .iter()
        .filter(|(name, _)| SIGNED_PARAMETERS.contains(&name.as_str()))
        .collect();
    signed.sort();
    for (index, (name, value)) in signed.into_iter().enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        text.push_str(name);
        if !value.is_empty() {
            text.push('=');
            text.push_str(value);
        }
    }
    text
}
