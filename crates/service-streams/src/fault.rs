//! Refusals, as Kinesis words and shapes them.
//!
//! Lives here: codes, statuses, bodies.
//! Does not live here: which request is refused with which words (`kinesis`).

use interfaces::service::ServiceAnswer;
use serde_json::{Value, json};

use crate::cbor::{self, Wire};
use crate::engine::catalogue::Error;
use crate::engine::keys::Place;

const JSON_1_1: &str = "application/x-amz-json-1.1";

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

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new("InvalidArgumentException", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    pub(crate) fn in_use(message: impl Into<String>) -> Self {
        Self::new("ResourceInUseException", message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new("LimitExceededException", message)
    }

    pub(crate) fn no_stream(place: &Place, name: &str) -> Self {
        Self::not_found(format!(
            "Stream {name} under account {} not found.",
            place.account
        ))
    }

    pub(crate) fn no_shard(place: &Place, stream: &str, shard: &str) -> Self {
        Self::not_found(format!(
            "Shard {shard} in stream {stream} under account {} does not exist",
            place.account
        ))
    }

    /// The service knows this, and we do not carry it out.
    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::validation(format!("{what} is not implemented by Cloudless yet"))
    }

    /// As an answer.
    pub(crate) fn to_answer(&self, wire: Wire) -> ServiceAnswer {
        let body = json!({"__type": self.code, "message": self.message});
        answer(self.status, wire, &body)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a request to streams failed"
        );
        let fault = Self::new("InternalFailure", "Internal server error");
        Self {
            status: 500,
            ..fault
        }
    }
}

pub(crate) fn answer(status: u16, wire: Wire, body: &Value) -> ServiceAnswer {
    let (content_type, body) = match (wire, body) {
        (Wire::Cbor, Value::Null) => (cbor::CONTENT_TYPE, Vec::new()),
        (Wire::Json, Value::Null) => (JSON_1_1, Vec::new()),
        (Wire::Cbor, body) => (cbor::CONTENT_TYPE, cbor::encode(body)),
        (Wire::Json, body) => (JSON_1_1, body.to_string().into_bytes()),
    };
    ServiceAnswer {
        status,
        headers: vec![("content-type", content_type.to_owned())],
        body: body.into(),
        rest: None,
    }
}
