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

/// An answer with this body.
pub(crate) fn json(status: u16, body: &Value) -> ServiceAnswer {
    ServiceAnswer {
        status,
        headers: vec![("content-type", "application/json".to_owned())],
        body: Bytes::from(body.to_string()),
        rest: None,
    }
}

/// An answer with a page of a list.
pub(crate) fn page(
    status: u16,
    name: &str,
    items: Vec<Value>,
    marker: Option<String>,
) -> ServiceAnswer {
    let mut body = serde_json::Map::new();
    body.insert(name.to_owned(), Value::Array(items));
    if let Some(marker) = marker {
        body.insert("NextMarker".to_owned(), Value::String(marker));
    }
    json(status, &Value::Object(body))
}

/// An answer without a body.
pub(crate) fn empty(status: u16) -> ServiceAnswer {
    ServiceAnswer {
        status,
        headers: Vec::new(),
        body: Bytes::new(),
        rest: None,
    }
}

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

    /// A body that is not JSON.
    pub(crate) fn invalid_body(reason: &str) -> Self {
        let message = format!("Could not parse request body into json: {reason}");
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

    /// Contract: `Invoke`, "Errors", in the words that the API Reference has for it.
    pub(crate) fn recursive() -> Self {
        let message = "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services \
                       resources and stopped your function's invocation.";
        Self {
            status: 400,
            code: "RecursiveInvocationException",
            body: json!({"Type": "User", "Message": message}),
        }
    }

    /// Members that break their constraints, each in the provider's words.
    pub(crate) fn validations(errors: &[String]) -> Self {
        let count = errors.len();
        let plural = if count == 1 { "" } else { "s" };
        let message = format!(
            "{count} validation error{plural} detected: {}",
            errors.join("; ")
        );
        Self {
            status: 400,
            code: "ValidationException",
            body: json!({"message": message}),
        }
    }

    /// A body whose members have other types than the API's.
    pub(crate) fn serialization(reason: &str) -> Self {
        Self {
            status: 400,
            code: "SerializationException",
            body: json!({"Type": "User", "message": reason}),
        }
    }

    /// The same code as [`invalid_parameter`](Self::invalid_parameter), in the shape of older parts of the service.
    pub(crate) fn invalid_parameter_untyped(message: &str) -> Self {
        Self {
            status: 400,
            code: "InvalidParameterValueException",
            body: json!({"message": message}),
        }
    }

    pub(crate) fn conflict(message: &str) -> Self {
        Self::user(409, "ResourceConflictException", message)
    }

    /// A `RevisionId` that is not the current one.
    pub(crate) fn other_revision(operation: &str) -> Self {
        let message = format!(
            "The Revision Id provided does not match the latest Revision Id. Call the {operation} API to retrieve the latest Revision Id"
        );
        Self::user(412, "PreconditionFailedException", &message)
    }

    pub(crate) fn policy_too_large(bytes_max: usize) -> Self {
        let message = format!("The final policy size is bigger than the limit ({bytes_max}).");
        Self::user(400, "PolicyLengthExceededException", &message)
    }

    pub(crate) fn nothing_provisioned() -> Self {
        Self::user(
            404,
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
        )
    }

    pub(crate) fn request_too_large(message: &str) -> Self {
        Self {
            status: 413,
            code: "RequestEntityTooLargeException",
            body: json!({"Message": message}),
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

    /// Whether a member breaks its constraint.
    pub(crate) fn is_validation(&self) -> bool {
        self.code == "ValidationException"
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

    pub(crate) fn not_found(message: String) -> Self {
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
