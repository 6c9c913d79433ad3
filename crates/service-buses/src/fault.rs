//! Refusals, as EventBridge and its Scheduler word and shape them.
//!
//! Lives here: codes, statuses, bodies.
//! Does not live here: which request is refused with which words (`events`, `scheduler`).

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

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    pub(crate) fn exists(message: impl Into<String>) -> Self {
        Self::new("ResourceAlreadyExistsException", message)
    }

    pub(crate) fn limit() -> Self {
        let message = "The requested resource exceeds the maximum number allowed.";
        Self::new("LimitExceededException", message)
    }

    pub(crate) fn no_bus(name: &str) -> Self {
        Self::not_found(format!("Event bus {name} does not exist."))
    }

    pub(crate) fn no_rule(bus: &str, name: &str) -> Self {
        Self::not_found(format!("Rule {name} does not exist on EventBus {bus}."))
    }

    /// The service knows this, and we do not carry it out.
    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::validation(format!("{what} is not implemented by Cloudless yet"))
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// As an answer of JSON 1.1.
    pub(crate) fn of_events(&self) -> ServiceAnswer {
        let body = json!({"__type": self.code, "message": self.message});
        answer(self.status, "application/x-amz-json-1.1", &body)
    }

    /// As an answer of REST.
    pub(crate) fn of_scheduler(&self) -> ServiceAnswer {
        let body = json!({"Message": self.message});
        let mut answer = answer(self.status, "application/json", &body);
        answer
            .headers
            .push(("x-amzn-errortype", self.code.to_owned()));
        answer
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a request to buses failed"
        );
        Self::new("InternalException", "Internal server error").with_status(500)
    }
}

pub(crate) fn answer(status: u16, content_type: &str, body: &Value) -> ServiceAnswer {
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    ServiceAnswer {
        status,
        headers: vec![("content-type", content_type.to_owned())],
        body: body.into(),
        rest: None,
    }
}
