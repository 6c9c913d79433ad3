//! What the client of a function URL sees when its function does not answer: Lambda's own words.
//!
//! Lives here: status, body and error type of every fault.
//! Does not live here: the words of APIs (`faults`).
//!
//! Contract: AWS Lambda Developer Guide, "Monitoring Lambda function URLs" and "Troubleshoot configuration issues in
//! Lambda", 403 for whoever may not call, 429 for a function that is throttled, 502 for one that failed; AWS Lambda API
//! Reference, "Common errors".

use http::{HeaderValue, StatusCode};

use super::faults::Fault;
use crate::http::Response;

const FORBIDDEN: &str = r#"{"Message":"Forbidden"}"#;
const THROTTLED: &str =
    r#"{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}"#;
const TOO_LARGE: &str = r#"{"Message":"Request entity too large","Type":"User"}"#;

/// The answer to a fault.
pub(super) fn response(fault: Fault) -> Response {
    let (status, error_type, body) = words(fault);
    let json = HeaderValue::from_static("application/json");
    let response = Response::new(status, body).with_header("Content-Type", json);
    match error_type {
        Some(error_type) => {
            response.with_header("x-amzn-ErrorType", HeaderValue::from_static(error_type))
        }
        None => response,
    }
}

fn words(fault: Fault) -> (StatusCode, Option<&'static str>, &'static str) {
    match fault {
        Fault::NoRoute
        | Fault::Forbidden
        | Fault::Unauthorized
        | Fault::AccessDenied
        | Fault::AuthorizerFailed
        | Fault::AuthorizerThrew
        | Fault::NotSigned
        | Fault::IncompleteSignature
        | Fault::BadSignature
        | Fault::UnknownClient
        | Fault::ExpiredToken => (
            StatusCode::FORBIDDEN,
            Some("AccessDeniedException"),
            FORBIDDEN,
        ),
        Fault::BadRequest | Fault::MissingParameters | Fault::InvalidBody => (
            StatusCode::BAD_REQUEST,
            Some("BadRequestException"),
            r#"{"Message":"Bad Request"}"#,
        ),
        Fault::UnsupportedMediaType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            None,
            r#"{"Message":"Unsupported Media Type"}"#,
        ),
        Fault::UriTooLong => (
            StatusCode::URI_TOO_LONG,
            None,
            r#"{"Message":"URI Too Long"}"#,
        ),
        Fault::HeadTooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            None,
            r#"{"Message":"Request Header Fields Too Large"}"#,
        ),
        Fault::BodyTooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            None,
            r#"{"Message":"Request Timeout"}"#,
        ),
        Fault::BodyTooLarge | Fault::EventTooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            Some("RequestEntityTooLargeException"),
            TOO_LARGE,
        ),
        Fault::TooManyRequests | Fault::QuotaUsedUp | Fault::Throttled => (
            StatusCode::TOO_MANY_REQUESTS,
            Some("TooManyRequestsException"),
            THROTTLED,
        ),
        Fault::FunctionFailed
        | Fault::BadReply
        | Fault::BadBase64
        | Fault::IntegrationUnreachable
        | Fault::Misconfigured => (StatusCode::BAD_GATEWAY, None, "Internal Server Error"),
        Fault::IntegrationTimeout => (
            StatusCode::GATEWAY_TIMEOUT,
            None,
            r#"{"Message":"Gateway Timeout"}"#,
        ),
        Fault::Stopping => (
            StatusCode::SERVICE_UNAVAILABLE,
            Some("ServiceUnavailableException"),
            r#"{"Message":"Service Unavailable"}"#,
        ),
    }
}
