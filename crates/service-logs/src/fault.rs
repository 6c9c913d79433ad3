//! Refusals of CloudWatch Logs, as it words and shapes them.
//!
//! Lives here: codes and bodies.
//! Does not live here: which request is refused with which words (`logs`), the refusals of metrics (`metrics`).

use interfaces::service::ServiceAnswer;
use serde_json::{Value, json};

use crate::engine::catalogue::Error;

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) status: u16,
}

/// What an operation answers.
pub(crate) type Answer = Result<Value, Fault>;

impl Fault {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            status: 400,
        }
    }

    pub(crate) fn parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    pub(crate) fn exists(message: impl Into<String>) -> Self {
        Self::new("ResourceAlreadyExistsException", message)
    }

    pub(crate) fn limit() -> Self {
        Self::new("LimitExceededException", "Resource limit exceeded.")
    }

    pub(crate) fn no_group() -> Self {
        Self::not_found("The specified log group does not exist.")
    }

    pub(crate) fn no_stream() -> Self {
        Self::not_found("The specified log stream does not exist.")
    }

    /// The service knows this, and we do not carry it out.
    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::parameter(format!("{what} is not implemented by Cloudless yet"))
    }

    /// As an answer of JSON 1.1.
    pub(crate) fn answer(&self) -> ServiceAnswer {
        let body = json!({"__type": self.code, "message": self.message});
        answer(self.status, &body)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a request to logs failed"
        );
        Self {
            status: 500,
            ..Self::new(
                "ServiceUnavailableException",
                "The service cannot complete the request.",
            )
        }
    }
}

pub(crate) fn answer(status: u16, body: &Value) -> ServiceAnswer {
    let body = match body.is_null() {
        true => Vec::new(),
        false => body.to_string().into_bytes(),
    };
    ServiceAnswer {
        status,
        headers: vec![("content-type", "application/x-amz-json-1.1".to_owned())],
        body: body.into(),
        rest: None,
    }
}
