//! Why a caller is turned away, in AWS's codes and words.
//!
//! Lives here: the faults of a signature, and each protocol's name, status and text for them.
//! Does not live here: the shape around them (`protocol`), finding the faults (`sigv4`).
//!
//! Contract: AWS General Reference, "Common errors" and "Troubleshoot Signature Version 4 signing for AWS API
//! requests"; Amazon S3 API Reference, "Error responses"; Amazon DynamoDB Developer Guide, "Error handling".

use http::StatusCode;

use crate::protocol::{ErrorAnswer, Protocol};
use crate::sigv4::time::basic;
use model::time::Timestamp;

/// Why a request is not taken for its caller's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// It is not signed.
    #[error("the request is not signed")]
    Missing,
    /// It is signed in the `Authorization` header and in the query at once.
    #[error("the request is signed twice")]
    Twice,
    /// What should prove its caller lacks a part, or cannot be read.
    #[error("the signature is incomplete: {message}")]
    Incomplete {
        /// AWS's words.
        message: String,
    },
    /// What should prove its caller contradicts itself.
    #[error("the signature is invalid: {message}")]
    Invalid {
        /// AWS's words.
        message: String,
    },
    /// The signature is not that of these keys and this request.
    #[error("the signature does not match")]
    Mismatch,
    /// It was signed too long ago.
    #[error("the signature has expired")]
    Expired {
        /// When it was signed, or would have had to arrive.
        signed_at: Timestamp,
        /// The server's time.
        now: Timestamp,
        /// How old a signature may be, in minutes.
        age_max_min: u32,
    },
    /// It will be signed in the future.
    #[error("the signature is from the future")]
    NotYetCurrent {
        /// When it says it was signed.
        signed_at: Timestamp,
        /// The server's time.
        now: Timestamp,
        /// How far ahead a signature may be, in minutes.
        ahead_max_min: u32,
    },
    /// Nobody was issued this access key.
    #[error("the access key is unknown")]
    UnknownKey,
    /// The session token does not belong to this access key.
    #[error("the session token is invalid")]
    InvalidToken,
    /// The temporary keys have expired.
    #[error("the session token has expired")]
    ExpiredToken,
    /// The body is signed chunk by chunk, which this version does not serve.
    #[error("bodies signed in chunks are not served")]
    ChunkedPayload,
    /// Headers of Amazon's own are there that the signature does not cover.
    #[error("headers are not signed")]
    HeadersNotSigned,
    /// `x-amz-content-sha256` is no hash.
    #[error("the hash of the body cannot be read")]
    ContentHash,
}

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your \
    AWS Secret Access Key and signing method. Consult the service documentation for details.";
const CONTENT_HASH: &str = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
    STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.";
const NOT_SIGNED: &str = "There were headers present in the request which were not signed";
const INVALID_TOKEN: &str = "The security token included in the request is invalid.";

impl AuthenticationError {
    /// The refusal, as a service of this protocol words it.
    #[must_use]
    pub fn answer(
        &self,
        protocol: Protocol,
        service: Option<&str>,
        request_id: &str,
    ) -> ErrorAnswer {
        let (status, code, message) = match protocol {
            Protocol::Json10 | Protocol::Json11 => {
                let (code, message) = self.words(service);
                (StatusCode::BAD_REQUEST, format!("{code}Exception"), message)
            }
            Protocol::RestJson => {
                let (code, message) = self.words(service);
                (StatusCode::FORBIDDEN, format!("{code}Exception"), message)
            }
            Protocol::Query => self.query_words(),
            Protocol::RestXml => self.s3_words(),
        };
        let status = if *self == Self::ChunkedPayload {
            StatusCode::NOT_IMPLEMENTED
        } else {
            status
        };
        protocol.error(status, &code, &message, request_id)
    }

    /// The exception and the text by which Amazon API Gateway refuses a call of a REST API.
    #[must_use]
    pub fn gateway_words(&self) -> (String, String) {
        let (code, message) = self.words(Some("execute-api"));
        (format!("{code}Exception"), message)
    }

    /// Code, without `Exception`, and text in the JSON protocols.
    fn words(&self, service: Option<&str>) -> (&'static str, String) {
        match self {
            Self::Missing if service == Some("dynamodb") => (
                "MissingAuthenticationToken",
                "Request is missing Authentication Token".to_owned(),
            ),
            Self::Missing => (
                "MissingAuthenticationToken",
                "Missing Authentication Token".to_owned(),
            ),
            Self::Twice => (
                "InvalidSignature",
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
                    .to_owned(),
            ),
            Self::Incomplete { message } => ("IncompleteSignature", message.clone()),
            Self::Invalid { message } => ("InvalidSignature", message.clone()),
            Self::Mismatch => ("InvalidSignature", MISMATCH.to_owned()),
            Self::HeadersNotSigned => ("InvalidSignature", NOT_SIGNED.to_owned()),
            Self::Expired {
                signed_at,
                now,
                age_max_min,
            } => ("InvalidSignature", expired(*signed_at, *now, *age_max_min)),
            Self::NotYetCurrent {
                signed_at,
                now,
                ahead_max_min,
            } => (
                "InvalidSignature",
                not_yet_current(*signed_at, *now, *ahead_max_min),
            ),
            Self::UnknownKey | Self::InvalidToken => {
                ("UnrecognizedClient", INVALID_TOKEN.to_owned())
            }
            Self::ExpiredToken => (
                "ExpiredToken",
                "The security token included in the request is expired".to_owned(),
            ),
            Self::ChunkedPayload => ("NotImplemented", self.to_string()),
            Self::ContentHash => ("IncompleteSignature", CONTENT_HASH.to_owned()),
        }
    }

    fn query_words(&self) -> (StatusCode, String, String) {
        let (_, message) = self.words(None);
        let (status, code) = match self {
            Self::Missing => (StatusCode::FORBIDDEN, "MissingAuthenticationToken"),
            Self::Incomplete { .. } => (StatusCode::BAD_REQUEST, "IncompleteSignature"),
            Self::Twice
            | Self::Invalid { .. }
            | Self::Mismatch
            | Self::HeadersNotSigned
            | Self::Expired { .. }
            | Self::NotYetCurrent { .. } => (StatusCode::FORBIDDEN, "SignatureDoesNotMatch"),
            Self::UnknownKey | Self::InvalidToken => {
                (StatusCode::FORBIDDEN, "InvalidClientTokenId")
            }
            Self::ExpiredToken => (StatusCode::FORBIDDEN, "ExpiredToken"),
            Self::ChunkedPayload => (StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
            Self::ContentHash => (StatusCode::BAD_REQUEST, "IncompleteSignature"),
        };
        (status, code.to_owned(), message)
    }

    fn s3_words(&self) -> (StatusCode, String, String) {
        let (status, code, message) = match self {
            Self::Missing => (StatusCode::FORBIDDEN, "AccessDenied", "Access Denied"),
            Self::Twice => (
                StatusCode::BAD_REQUEST,
                "InvalidArgument",
                "Only one auth mechanism allowed",
            ),
            Self::Incomplete { message } => (
                StatusCode::BAD_REQUEST,
                "AuthorizationHeaderMalformed",
                message.as_str(),
            ),
            Self::Invalid { .. } | Self::Mismatch => (
                StatusCode::FORBIDDEN,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your key and \
                 signing method.",
            ),
            Self::HeadersNotSigned => (StatusCode::FORBIDDEN, "AccessDenied", NOT_SIGNED),
            Self::Expired { .. } | Self::NotYetCurrent { .. } => (
                StatusCode::FORBIDDEN,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            ),
            Self::UnknownKey => (
                StatusCode::FORBIDDEN,
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
            ),
            Self::InvalidToken => (
                StatusCode::BAD_REQUEST,
                "InvalidToken",
                "The provided token is malformed or otherwise invalid.",
            ),
            Self::ExpiredToken => (
                StatusCode::BAD_REQUEST,
                "ExpiredToken",
                "The provided token has expired.",
            ),
            Self::ChunkedPayload => (
                StatusCode::NOT_IMPLEMENTED,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented.",
            ),
            Self::ContentHash => (StatusCode::BAD_REQUEST, "InvalidArgument", CONTENT_HASH),
        };
        (status, code.to_owned(), message.to_owned())
    }
}

/// The refusal of a call that its caller may not make, in the words of the policies' judge.
///
/// Contract: AWS General Reference, "Common errors", and the "Common Errors" of each service; Amazon SNS API Reference,
/// `AuthorizationError`; Amazon SQS API Reference, "Error messages for the AWS JSON protocol".
#[must_use]
pub fn access_denied(
    protocol: Protocol,
    service: Option<&str>,
    message: &str,
    request_id: &str,
) -> ErrorAnswer {
    let (status, code) = match (protocol, service) {
        (Protocol::Json10 | Protocol::Json11, Some("sqs")) => {
            (StatusCode::FORBIDDEN, "AccessDenied")
        }
        (Protocol::Json10 | Protocol::Json11, _) => {
            (StatusCode::BAD_REQUEST, "AccessDeniedException")
        }
        (Protocol::RestJson, _) => (StatusCode::FORBIDDEN, "AccessDeniedException"),
        (Protocol::Query, Some("sns")) => (StatusCode::FORBIDDEN, "AuthorizationError"),
        (Protocol::Query | Protocol::RestXml, _) => (StatusCode::FORBIDDEN, "AccessDenied"),
    };
    let mut answer = protocol.error(status, code, message, request_id);
    match protocol {
        // Here the cloud writes the text's name with a capital, unlike in other errors.
        Protocol::Json10 | Protocol::Json11 => {
            let kind = format!("com.amazon.coral.service#{code}");
            answer.body = serde_json::json!({ "__type": kind, "Message": message })
                .to_string()
                .into_bytes();
            if service == Some("sqs") {
                let of_queries = format!("{code};Sender");
                answer.headers.push(("x-amzn-query-error", of_queries));
            }
        }
        Protocol::RestJson => {
            answer.body = serde_json::json!({ "Message": message })
                .to_string()
                .into_bytes();
        }
        Protocol::Query | Protocol::RestXml => {}
    }
    answer
}

fn expired(signed_at: Timestamp, now: Timestamp, age_max_min: u32) -> String {
    let limit = shifted(now, -i64::from(age_max_min));
    format!(
        "Signature expired: {} is now earlier than {} ({} - {age_max_min} min.)",
        basic(signed_at),
        basic(limit),
        basic(now),
    )
}

fn not_yet_current(signed_at: Timestamp, now: Timestamp, ahead_max_min: u32) -> String {
    let limit = shifted(now, i64::from(ahead_max_min));
    format!(
        "Signature not yet current: {} is still later than {} ({} + {ahead_max_min} min.)",
        basic(signed_at),
        basic(limit),
        basic(now),
    )
}

fn shifted(at: Timestamp, minutes: i64) -> Timestamp {
    Timestamp::from_micros(
        at.epoch_us()
            .saturating_add(minutes.saturating_mul(60_000_000)),
    )
}
