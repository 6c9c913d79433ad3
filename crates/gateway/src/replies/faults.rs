//! What the client sees when the gateway, and not the function, answers: the cloud's own words.
//!
//! Lives here: status, body and error type of every fault, for both kinds of API.
//! Does not live here: why it happened, which is told to the developer alone (`application::access`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Gateway response types for API Gateway" and "Create routes for HTTP
//! APIs"; recorded exchanges. Bodies are the cloud's to the byte: some of its texts have a blank behind the colon.
//! Differs: the cloud's answers to oversized heads come from what stands before the gateway and vary; here they are
//! always 431. A body that comes too slowly is 408.

use http::{HeaderValue, StatusCode};

use crate::http::Response;

/// Whose words are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Rest,
    Http,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No route takes this method and path.
    NoRoute,
    /// The path cannot be decoded, or the body's framing broke.
    BadRequest,
    /// Request line and header values are over the limit together.
    HeadTooLarge,
    /// The body is over the gateway's limit.
    BodyTooLarge,
    /// The body made no progress.
    BodyTooSlow,
    /// The function threw, ended, ran into its own timeout, or never loaded.
    FunctionFailed,
    /// The function returned what is no reply.
    BadReply,
    /// The function's body is not the base64 that it claims to be.
    BadBase64,
    /// The function had not replied when the integration's timeout ended.
    IntegrationTimeout,
    /// The event is over the function's limit.
    EventTooLarge,
    /// The caller may not do this: no API key that opens the stage.
    Forbidden,
    /// A limit on how often requests come is met.
    TooManyRequests,
    /// The quota of the caller's key is used up.
    QuotaUsedUp,
    /// The function's concurrency is used up.
    Throttled,
    /// The integration is not served, names no function, or a response that cannot be sent.
    Misconfigured,
    /// The server is stopping.
    Stopping,
}

struct Words {
    status: StatusCode,
    /// `x-amzn-ErrorType`.
    error_type: &'static str,
    body: &'static str,
}

const INTERNAL_REST: &str = r#"{"message": "Internal server error"}"#;
const INTERNAL_HTTP: &str = r#"{"message":"Internal Server Error"}"#;
const UNAVAILABLE: &str = r#"{"message":"Service Unavailable"}"#;

/// What the front of a REST API answers to a body over its limit: no JSON.
const REST_BODY_TOO_LARGE: &str = "HTTP content length exceeded 10485760 bytes.";

/// The answer to a fault, without ids.
pub(crate) fn response(fault: Fault, style: Style) -> Response {
    match style {
        Style::Rest if fault == Fault::BodyTooLarge => {
            Response::new(StatusCode::PAYLOAD_TOO_LARGE, REST_BODY_TOO_LARGE)
                .with_header("Content-Type", HeaderValue::from_static("text/plain"))
        }
        Style::Rest => {
            let words = rest(fault);
            Response::new(words.status, words.body)
                .with_header("Content-Type", HeaderValue::from_static("application/json"))
                .with_header(
                    "x-amzn-ErrorType",
                    HeaderValue::from_static(words.error_type),
                )
        }
        Style::Http => {
            let (status, body) = http(fault);
            Response::new(status, body)
                .with_header("content-type", HeaderValue::from_static("application/json"))
        }
    }
}

fn rest(fault: Fault) -> Words {
    let words = |status, error_type, body| Words {
        status,
        error_type,
        body,
    };
    let internal = |status| words(status, "InternalServerErrorException", INTERNAL_REST);
    match fault {
        Fault::NoRoute => words(
            StatusCode::FORBIDDEN,
            "MissingAuthenticationTokenException",
            r#"{"message":"Missing Authentication Token"}"#,
        ),
        Fault::BadRequest => words(
            StatusCode::BAD_REQUEST,
            "BadRequestException",
            r#"{"message":"Bad Request"}"#,
        ),
        Fault::HeadTooLarge => words(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "RequestTooLargeException",
            r#"{"message":"Request Header Fields Too Large"}"#,
        ),
        Fault::BodyTooSlow => words(
            StatusCode::REQUEST_TIMEOUT,
            "BadRequestException",
            r#"{"message":"Request Timeout"}"#,
        ),
        Fault::BodyTooLarge | Fault::EventTooLarge => words(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLargeException",
            r#"{"message":"Request Too Long"}"#,
        ),
        Fault::FunctionFailed | Fault::BadReply => internal(StatusCode::BAD_GATEWAY),
        Fault::BadBase64 | Fault::Throttled | Fault::Misconfigured => {
            internal(StatusCode::INTERNAL_SERVER_ERROR)
        }
        Fault::Forbidden => words(
            StatusCode::FORBIDDEN,
            "ForbiddenException",
            r#"{"message":"Forbidden"}"#,
        ),
        Fault::TooManyRequests => words(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            r#"{"message":"Too Many Requests"}"#,
        ),
        Fault::QuotaUsedUp => words(
            StatusCode::TOO_MANY_REQUESTS,
            "LimitExceededException",
            r#"{"message":"Limit Exceeded"}"#,
        ),
        Fault::IntegrationTimeout => words(
            StatusCode::GATEWAY_TIMEOUT,
            "InternalServerErrorException",
            r#"{"message": "Endpoint request timed out"}"#,
        ),
        Fault::Stopping => words(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailableException",
            UNAVAILABLE,
        ),
    }
}

fn http(fault: Fault) -> (StatusCode, &'static str) {
    match fault {
        Fault::NoRoute => (StatusCode::NOT_FOUND, r#"{"message":"Not Found"}"#),
        Fault::BadRequest => (StatusCode::BAD_REQUEST, r#"{"message":"Bad Request"}"#),
        Fault::HeadTooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            r#"{"message":"Request Header Fields Too Large"}"#,
        ),
        Fault::BodyTooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            r#"{"message":"Request Timeout"}"#,
        ),
        Fault::BodyTooLarge | Fault::EventTooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            r#"{"message":"Request Entity Too Large"}"#,
        ),
        Fault::Forbidden => (StatusCode::FORBIDDEN, r#"{"message":"Forbidden"}"#),
        Fault::TooManyRequests | Fault::QuotaUsedUp => (
            StatusCode::TOO_MANY_REQUESTS,
            r#"{"message":"Too Many Requests"}"#,
        ),
        Fault::FunctionFailed | Fault::BadReply | Fault::BadBase64 | Fault::Misconfigured => {
            (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_HTTP)
        }
        Fault::IntegrationTimeout | Fault::Throttled | Fault::Stopping => {
            (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE)
        }
    }
}
