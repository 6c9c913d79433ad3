//! Whether a signature holds.
//!
//! Lives here: comparing it with our own, and its age.
//! Does not live here: whether the keys do (`gateway::service_door`).

use std::time::Duration;

use http::HeaderMap;
use model::time::Timestamp;
use subtle::ConstantTimeEq;

use super::canonical::{Terms, string_to_sign};
use super::payload::PayloadClaim;
use super::{Presented, SignedRequest, SigningKey, Validity};
use crate::errors::AuthenticationError;

/// How far a signature's time and ours may differ: "Troubleshoot Signature Version 4 signing", 15 minutes.
pub(super) const AGE_MAX: Duration = Duration::from_secs(15 * 60);
const AGE_MAX_MIN: u32 = 15;

/// Checks that the signature is that of this key and this request. It does not look at the time: see
/// [`Presented::check_time`].
///
/// # Errors
/// [`AuthenticationError::Mismatch`], or `ChunkedPayload` for bodies that are signed chunk by chunk.
pub fn verify(
    key: &SigningKey,
    presented: &Presented,
    request: SignedRequest<'_>,
) -> Result<(), AuthenticationError> {
    let is_chunked = request
        .headers
        .get("x-amz-content-sha256")
        .is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-"));
    if is_chunked {
        return Err(AuthenticationError::ChunkedPayload);
    }
    let terms = Terms {
        scope: &presented.scope,
        signed_headers: &presented.signed_headers,
        signed_at: presented.signed_at,
        validity: presented.validity,
        payload: None,
    };
    let ours = key.sign(string_to_sign(request, terms).as_bytes());
    compare(ours, &presented.signature)
}

/// Checks the signature of a request whose body is still to come: what its head claims of the body is signed, and
/// [`PayloadClaim`] says what is to be checked when it arrives. `body` of the request is not looked at.
///
/// # Errors
/// [`AuthenticationError::Mismatch`].
pub fn verify_head(
    key: &SigningKey,
    presented: &Presented,
    request: SignedRequest<'_>,
    claim: &PayloadClaim,
) -> Result<(), AuthenticationError> {
    let payload = (*claim).signed_text();
    let terms = Terms {
        scope: &presented.scope,
        signed_headers: &presented.signed_headers,
        signed_at: presented.signed_at,
        validity: presented.validity,
        payload: Some(&payload),
    };
    let ours = key.sign(string_to_sign(request, terms).as_bytes());
    compare(ours, &presented.signature)
}

/// Checks the signature of a text of which it is all that is signed: the policy of a form of Amazon S3.
///
/// # Errors
/// [`AuthenticationError::Mismatch`].
pub fn verify_text(
    key: &SigningKey,
    text: &str,
    signature: &str,
) -> Result<(), AuthenticationError> {
    compare(key.sign(text.as_bytes()), signature)
}

pub(super) fn compare(ours: [u8; 32], theirs: &str) -> Result<(), AuthenticationError> {
    if bool::from(hex::encode(ours).as_bytes().ct_eq(theirs.as_bytes())) {
        Ok(())
    } else {
        Err(AuthenticationError::Mismatch)
    }
}

impl Presented {
    /// Checks that the signature is neither too old nor from the future.
    ///
    /// # Errors
    /// [`AuthenticationError::Expired`] or [`AuthenticationError::NotYetCurrent`].
    pub fn check_time(&self, now: Timestamp) -> Result<(), AuthenticationError> {
        let lifetime = match self.validity {
            Validity::Header => AGE_MAX,
            Validity::Presigned { expires } => expires,
        };
        if self.signed_at.plus(lifetime) < now {
            return Err(AuthenticationError::Expired {
                signed_at: self.signed_at,
                now,
                age_max_min: u32::try_from(lifetime.as_secs() / 60).unwrap_or(u32::MAX),
            });
        }
        if now.plus(AGE_MAX) < self.signed_at {
            return Err(AuthenticationError::NotYetCurrent {
                signed_at: self.signed_at,
                now,
                ahead_max_min: AGE_MAX_MIN,
            });
        }
        Ok(())
    }

    /// Checks that the signature covers all headers of Amazon's own: whoever holds a presigned URL of Amazon S3 could else say
    /// more than its signer did, as what is copied, or who may read it.
    ///
    /// Contract: Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters": "any x-amz-* headers that you plan
    /// to include in the request" are signed.
    ///
    /// # Errors
    /// [`AuthenticationError::HeadersNotSigned`].
    pub fn check_headers(&self, headers: &HeaderMap) -> Result<(), AuthenticationError> {
        let is_covered = |name: &str| self.signed_headers.iter().any(|signed| signed == name);
        let is_open = |name: &str| name.starts_with("x-amz-") && !is_covered(name);
        if self.scope.service == "s3" && headers.keys().any(|name| is_open(name.as_str())) {
            return Err(AuthenticationError::HeadersNotSigned);
        }
        Ok(())
    }

    /// Checks the session token against the one that belongs to the keys. The two are compared in constant time.
    ///
    /// # Errors
    /// [`AuthenticationError::InvalidToken`] when they differ, or only one of them is there.
    pub fn check_token(&self, issued: Option<&str>) -> Result<(), AuthenticationError> {
        let holds = match (self.session_token.as_deref(), issued) {
            (None, None) => true,
            (Some(sent), Some(issued)) => bool::from(sent.as_bytes().ct_eq(issued.as_bytes())),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if holds {
            Ok(())
        } else {
            Err(AuthenticationError::InvalidToken)
        }
    }
}
