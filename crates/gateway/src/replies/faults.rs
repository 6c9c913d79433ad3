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
    FunctionUrl,
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
    /// The server that an integration names cannot be reached, or did not answer.
    IntegrationUnreachable,
    /// The event is over the function's limit.
    EventTooLarge,
    /// The caller may not do this: no API key that opens the stage.
    Forbidden,
    /// Nothing shows who calls, or the authorizer knows nobody by what is shown.
    Unauthorized,
    /// Policies do not let the caller do this: it is told which user may not do what.
    AccessDenied,
    /// The authorizer's function could not be asked, or its answer is none.
    AuthorizerFailed,
    /// The authorizer's function threw.
    AuthorizerThrew,
    /// The request is not signed.
    NotSigned,
    /// The signature lacks a part.
    IncompleteSignature,
    /// The signature does not hold.
    BadSignature,
    /// Nobody holds the keys that signed it.
    UnknownClient,
    /// The keys that signed it have expired.
    ExpiredToken,
    /// Path and method make an ARN that is too long.
    UriTooLong,
    /// Required parameters are not there: the client is told which.
    MissingParameters,
    /// The body does not fit its model.
    InvalidBody,
    /// Nothing is known to do with bodies of this content type.
    UnsupportedMediaType,
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

/// What a REST API says of a fault.
#[derive(Debug, Clone, Copy)]
struct Words {
    /// `x-amzn-ErrorType`.
    error_type: &'static str,
    message: &'static str,
}

const INTERNAL_HTTP: &str = r#"{"message":"Internal Server Error"}"#;
const UNAVAILABLE: &str = r#"{"message":"Service Unavailable"}"#;

/// What a REST API says where its authorizer failed.
const NO_MESSAGE: &str = r#"{"message":null}"#;

/// What the front of a REST API answers to a body over its limit: no JSON.
const REST_BODY_TOO_LARGE: &str = "HTTP content length exceeded 10485760 bytes.";

/// The answer to a fault, without ids. `said` stands for the usual message where that depends on the request.
pub(crate) fn response(fault: Fault, style: Style, said: Option<&str>) -> Response {
    match style {
        Style::Rest if fault == Fault::BodyTooLarge => {
            Response::new(StatusCode::PAYLOAD_TOO_LARGE, REST_BODY_TOO_LARGE)
                .with_header("Content-Type", HeaderValue::from_static("text/plain"))
        }
        Style::Rest => {
            let words = rest(fault);
            let body = match said {
                Some(said) if fault == Fault::AccessDenied => {
                    serde_json::json!({ "Message": said }).to_string()
                }
                Some(said) => serde_json::json!({ "message": said }).to_string(),
                None if matches!(fault, Fault::AuthorizerFailed | Fault::AuthorizerThrew) => {
                    NO_MESSAGE.to_owned()
                }
                None => format!(r#"{{"message":{}"{}"}}"#, blank(fault), words.message),
            };
            Response::new(rest_status(fault), body)
                .with_header("Content-Type", HeaderValue::from_static("application/json"))
                .with_header(
                    "x-amzn-ErrorType",
                    HeaderValue::from_static(words.error_type),
                )
        }
        Style::FunctionUrl => super::url_faults::response(fault),
        Style::Http => {
            let (status, body) = http(fault);
            Response::new(status, body)
                .with_header("content-type", HeaderValue::from_static("application/json"))
        }
    }
}

/// What a REST API's usual answer to a fault says.
pub(crate) fn message(fault: Fault) -> &'static str {
    rest(fault).message
}

/// The status of a REST API's usual answer to a fault.
pub(crate) fn rest_status(fault: Fault) -> StatusCode {
    match fault {
        Fault::BadRequest | Fault::MissingParameters | Fault::InvalidBody => {
            StatusCode::BAD_REQUEST
        }
        Fault::Unauthorized => StatusCode::UNAUTHORIZED,
        Fault::NoRoute
        | Fault::Forbidden
        | Fault::AccessDenied
        | Fault::NotSigned
        | Fault::IncompleteSignature
        | Fault::BadSignature
        | Fault::UnknownClient
        | Fault::ExpiredToken => StatusCode::FORBIDDEN,
        Fault::UriTooLong => StatusCode::URI_TOO_LONG,
        Fault::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
        Fault::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Fault::BodyTooLarge | Fault::EventTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Fault::TooManyRequests | Fault::QuotaUsedUp => StatusCode::TOO_MANY_REQUESTS,
        Fault::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Fault::AuthorizerFailed
        | Fault::AuthorizerThrew
        | Fault::BadBase64
        | Fault::Throttled
        | Fault::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
        Fault::FunctionFailed | Fault::BadReply => StatusCode::BAD_GATEWAY,
        Fault::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        Fault::IntegrationTimeout | Fault::IntegrationUnreachable => StatusCode::GATEWAY_TIMEOUT,
    }
}

fn rest(fault: Fault) -> Words {
    let (error_type, message) = match fault {
        Fault::NoRoute | Fault::NotSigned => (
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ),
        Fault::Unauthorized => ("UnauthorizedException", "Unauthorized"),
        Fault::AccessDenied => (
            "AccessDeniedException",
            "User is not authorized to access this resource",
        ),
        Fault::AuthorizerFailed | Fault::AuthorizerThrew => {
            ("AuthorizerConfigurationException", "")
        }
        Fault::IncompleteSignature => ("IncompleteSignatureException", "Incomplete signature"),
        Fault::BadSignature => ("InvalidSignatureException", "Invalid signature"),
        Fault::UnknownClient => (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        Fault::ExpiredToken => (
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ),
        Fault::UriTooLong => ("RequestTooLargeException", "Request URI too long"),
        Fault::BadRequest => ("BadRequestException", "Bad Request"),
        Fault::MissingParameters => ("BadRequestException", "Missing required request parameters"),
        Fault::InvalidBody => ("BadRequestException", "Invalid request body"),
        Fault::BodyTooSlow => ("BadRequestException", "Request Timeout"),
        Fault::UnsupportedMediaType => ("BadRequestException", "Unsupported Media Type"),
        Fault::HeadTooLarge => (
            "RequestTooLargeException",
            "Request Header Fields Too Large",
        ),
        Fault::BodyTooLarge | Fault::EventTooLarge => {
            ("RequestTooLargeException", "Request Too Long")
        }
        Fault::Forbidden => ("ForbiddenException", "Forbidden"),
        Fault::TooManyRequests => ("TooManyRequestsException", "Too Many Requests"),
        Fault::QuotaUsedUp => ("LimitExceededException", "Limit Exceeded"),
        Fault::FunctionFailed
        | Fault::BadReply
        | Fault::BadBase64
        | Fault::Throttled
        | Fault::Misconfigured => ("InternalServerErrorException", "Internal server error"),
        Fault::IntegrationTimeout => ("InternalServerErrorException", "Endpoint request timed out"),
        Fault::IntegrationUnreachable => (
            "InternalServerErrorException",
            "Network error communicating with endpoint",
        ),
        Fault::Stopping => ("ServiceUnavailableException", "Service Unavailable"),
    };
    Words {
        error_type,
        message,
    }
}

/// The cloud's texts about what it could not do have a blank behind the colon.
fn blank(fault: Fault) -> &'static str {
    if rest(fault).error_type == "InternalServerErrorException" {
        " "
    } else {
        ""
    }
}

fn http(fault: Fault) -> (StatusCode, &'static str) {
    match fault {
        Fault::NoRoute => (StatusCode::NOT_FOUND, r#"{"message":"Not Found"}"#),
        Fault::BadRequest
        | Fault::MissingParameters
        | Fault::InvalidBody
        | Fault::UnsupportedMediaType => (StatusCode::BAD_REQUEST, r#"{"message":"Bad Request"}"#),
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
        Fault::Unauthorized => (StatusCode::UNAUTHORIZED, r#"{"message":"Unauthorized"}"#),
        Fault::UriTooLong => (
            StatusCode::URI_TOO_LONG,
            r#"{"message":"Request URI too long"}"#,
        ),
        Fault::Forbidden
        | Fault::AccessDenied
        | Fault::NotSigned
        | Fault::IncompleteSignature
        | Fault::BadSignature
        | Fault::UnknownClient
        | Fault::ExpiredToken => (StatusCode::FORBIDDEN, r#"{"message":"Forbidden"}"#),
        Fault::TooManyRequests | Fault::QuotaUsedUp => (
            StatusCode::TOO_MANY_REQUESTS,
            r#"{"message":"Too Many Requests"}"#,
        ),
        Fault::AuthorizerFailed
        | Fault::AuthorizerThrew
        | Fault::FunctionFailed
        | Fault::BadReply
        | Fault::BadBase64
        | Fault::Misconfigured => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_HTTP),
        Fault::IntegrationTimeout
        | Fault::IntegrationUnreachable
        | Fault::Throttled
        | Fault::Stopping => (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
    }
}
