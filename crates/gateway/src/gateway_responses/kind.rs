//! The types of gateway responses.
//!
//! Lives here: which type each fault is.
//! Does not live here: the types' usual words (`replies::faults`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Gateway response types for API Gateway". As observed of the service: what
//! a function does wrong (502) is of no type of its own, and falls to `DEFAULT_5XX`.

use http::StatusCode;

use crate::replies::faults::Fault;

const DEFAULT_4XX: &str = "DEFAULT_4XX";
const DEFAULT_5XX: &str = "DEFAULT_5XX";

/// The type of a fault.
pub(crate) fn response_type(fault: Fault) -> &'static str {
    match fault {
        Fault::NoRoute | Fault::NotSigned => "MISSING_AUTHENTICATION_TOKEN",
        Fault::MissingParameters => "BAD_REQUEST_PARAMETERS",
        Fault::InvalidBody => "BAD_REQUEST_BODY",
        Fault::BodyTooLarge | Fault::EventTooLarge | Fault::UriTooLong | Fault::HeadTooLarge => {
            "REQUEST_TOO_LARGE"
        }
        Fault::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
        Fault::Unauthorized => "UNAUTHORIZED",
        Fault::AccessDenied => "ACCESS_DENIED",
        Fault::AuthorizerFailed => "AUTHORIZER_CONFIGURATION_ERROR",
        Fault::AuthorizerThrew => "AUTHORIZER_FAILURE",
        Fault::IncompleteSignature | Fault::BadSignature => "INVALID_SIGNATURE",
        Fault::ExpiredToken => "EXPIRED_TOKEN",
        Fault::Forbidden => "INVALID_API_KEY",
        Fault::TooManyRequests => "THROTTLED",
        Fault::QuotaUsedUp => "QUOTA_EXCEEDED",
        Fault::IntegrationTimeout => "INTEGRATION_TIMEOUT",
        Fault::IntegrationUnreachable => "INTEGRATION_FAILURE",
        Fault::Misconfigured => "API_CONFIGURATION_ERROR",
        Fault::BadRequest | Fault::BodyTooSlow | Fault::UnknownClient => DEFAULT_4XX,
        Fault::FunctionFailed
        | Fault::BadReply
        | Fault::BadBase64
        | Fault::Throttled
        | Fault::Stopping => DEFAULT_5XX,
    }
}

/// The default of a status's class.
pub(super) fn class(status: StatusCode) -> Option<&'static str> {
    if status.is_client_error() {
        Some(DEFAULT_4XX)
    } else if status.is_server_error() {
        Some(DEFAULT_5XX)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authorizer_that_threw_is_told_from_one_that_could_not_be_asked() {
        let types = [Fault::AuthorizerThrew, Fault::AuthorizerFailed].map(response_type);
        assert_eq!(
            types,
            ["AUTHORIZER_FAILURE", "AUTHORIZER_CONFIGURATION_ERROR"]
        );
    }
}
