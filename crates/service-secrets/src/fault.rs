//! Refusals, as the services word and shape them.
//!
//! Lives here: codes, statuses, bodies.
//! Does not live here: which request is refused with which words (`kms`, `secretsmanager`, `ssm`).

use interfaces::service::ServiceAnswer;
use serde_json::{Map, Value};

use crate::engine::catalogue::Error;

const JSON_1_1: &str = "application/x-amz-json-1.1";

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    /// Empty: the cloud says nothing more.
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

    /// A code that says all.
    pub(crate) fn bare(code: &'static str) -> Self {
        Self::new(code, "")
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// The service knows this, and we do not carry it out.
    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::validation(format!("{what} is not implemented by Cloudless yet"))
    }

    pub(crate) fn unknown_operation(name: &str) -> Self {
        let message = format!("The operation {name} is not known.");
        Self::new("UnknownOperationException", message)
    }

    /// As an answer of JSON 1.1. Services differ in how they write the name of the message.
    pub(crate) fn answer(&self, message: &str) -> ServiceAnswer {
        let mut body = Map::new();
        body.insert("__type".to_owned(), self.code.into());
        if !self.message.is_empty() {
            body.insert(message.to_owned(), self.message.as_str().into());
        }
        answer(self.status, &Value::Object(body))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a request to secrets failed"
        );
        let message = match error {
            Error::Root(_) | Error::Sealed => error.to_string(),
            Error::Read(_) | Error::Commit(_) | Error::TooManyPlaces | Error::Row(_) => {
                "Internal server error".to_owned()
            }
        };
        Self {
            status: 500,
            ..Self::new("InternalServerError", message)
        }
    }
}

pub(crate) fn answer(status: u16, body: &Value) -> ServiceAnswer {
    let body = match body {
        body if body.is_null() => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    ServiceAnswer {
        status,
        headers: vec![("content-type", JSON_1_1.to_owned())],
        body: body.into(),
        rest: None,
    }
}
