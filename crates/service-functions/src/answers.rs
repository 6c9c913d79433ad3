//! Lambda's error answers.
//!
//! Lives here: code, status, shape and words of each.
//! Does not live here: when one is due (`service`, `function_name`).
//!
//! Contract: AWS Lambda API Reference, `Invoke`, "Errors", and answers recorded from the service. `Type` is part of
//! most bodies; the text is in `Message` for some errors and in `message` for the others.

use bytes::Bytes;
use interfaces::service::ServiceAnswer;
use serde_json::{Value, json};

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    code: &'static str,
    body: Value,
}

impl Refusal {
    pub(crate) fn function_not_found(arn: &str) -> Self {
        Self::not_found(format!("Function not found: {arn}"))
    }

    pub(crate) fn other_region(asked: &str, here: &str) -> Self {
        Self::not_found(format!(
            "Functions from '{asked}' are not reachable in this region ('{here}')"
        ))
    }

    pub(crate) fn other_account() -> Self {
        Self {
            status: 403,
            code: "AccessDeniedException",
            body: json!({"Message": null}),
        }
    }

    pub(crate) fn invalid_parameter(message: &str) -> Self {
        Self::user(400, "InvalidParameterValueException", message)
    }

    /// A member that breaks its constraint.
    pub(crate) fn validation(value: &str, member: &str, constraint: &str) -> Self {
        let message = format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
        );
        Self {
            status: 400,
            code: "ValidationException",
            body: json!({"message": message}),
        }
    }

    pub(crate) fn invalid_content(reason: &str) -> Self {
        let message = format!(
            "Could not parse request body into json: Could not parse payload into json: {reason}"
        );
        Self::user(400, "InvalidRequestContentException", &message)
    }

    /// Not recorded from the service, which documents no words for it.
    pub(crate) fn invalid_client_context() -> Self {
        let message = "Client context must be a valid Base64-encoded JSON object.";
        Self::user(400, "InvalidRequestContentException", message)
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let message = format!(
            "Request must be smaller than {bytes_max} bytes for the InvokeFunction operation"
        );
        Self {
            status: 413,
            code: "RequestEntityTooLargeException",
            body: json!({"Message": message}),
        }
    }

    pub(crate) fn throttled(reason: &str) -> Self {
        let body = json!({"Reason": reason, "Type": "User", "message": "Rate Exceeded."});
        Self {
            status: 429,
            code: "TooManyRequestsException",
            body,
        }
    }

    pub(crate) fn service(message: &str) -> Self {
        let body = json!({"Type": "Service", "Message": message});
        Self {
            status: 500,
            code: "ServiceException",
            body,
        }
    }

    pub(crate) fn unknown_operation() -> Self {
        let body =
            json!({"Message": "Unable to determine service/operation name to be authorized"});
        Self {
            status: 403,
            code: "AccessDeniedException",
            body,
        }
    }

    /// Not the provider's: what this version does not do. SDKs do not try again after a 501.
    pub(crate) fn not_implemented(what: &str) -> Self {
        let message = format!("{what} is not implemented by this version of Cloudless");
        Self::user(501, "NotImplementedException", &message)
    }

    pub(crate) fn answer(&self) -> ServiceAnswer {
        ServiceAnswer {
            status: self.status,
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("x-amzn-errortype", self.code.to_owned()),
            ],
            body: Bytes::from(self.body.to_string()),
            rest: None,
        }
    }

    fn not_found(message: String) -> Self {
        let body = json!({"Type": "User", "Message": message});
        Self {
            status: 404,
            code: "ResourceNotFoundException",
            body,
        }
    }

    fn user(status: u16, code: &'static str, message: &str) -> Self {
        Self {
            status,
            code,
            body: json!({"Type": "User", "message": message}),
        }
    }
}
