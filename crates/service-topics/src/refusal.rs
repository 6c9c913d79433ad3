//! Refusals, in the service's codes and words.
//!
//! Lives here: the error of every operation, as it goes back to the caller.
//! Does not live here: when something is refused (each operation).
//!
//! Contract: Amazon SNS API Reference, the errors of each operation; transcripts of the service's answers.

use aws_wire::protocol::Protocol;
use aws_wire::xml::Xml;
use bytes::Bytes;
use http::StatusCode;
use interfaces::service::ServiceAnswer;
use store::{CommitError, ReadError};

use crate::operations::NAMESPACE;

/// Why a call is turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// `Invalid parameter: …`.
    pub(crate) fn parameter(what: impl std::fmt::Display) -> Self {
        Self::invalid(format!("Invalid parameter: {what}"))
    }

    /// The same code, in words of its own.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidParameter", message)
    }

    /// About an attribute of a message.
    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ParameterValueInvalid", message)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        let message = format!("{what} does not exist");
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// A tag operation on a topic that is not there.
    pub(crate) fn resource_not_found() -> Self {
        let message = "Resource does not exist";
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFound", message)
    }

    pub(crate) fn validation(name: &str) -> Self {
        let message = format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        );
        Self::new(StatusCode::BAD_REQUEST, "ValidationError", message)
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AuthorizationError", message)
    }

    /// Something of the service that is not carried out here.
    pub(crate) fn not_implemented(what: &str) -> Self {
        let message = format!("{what} is not implemented by Cloudless");
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    pub(crate) fn unknown_operation(name: &str) -> Self {
        let message = format!("Could not find operation {name} for version 2010-03-31");
        Self::new(StatusCode::BAD_REQUEST, "InvalidAction", message)
    }

    pub(crate) fn internal() -> Self {
        let message = "An internal error occurred; the log of the server says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// The same, said of one attribute among several.
    pub(crate) fn of_attributes(self) -> Self {
        let rest = self.message.strip_prefix("Invalid parameter: ");
        match rest {
            Some(rest) => Self::parameter(format!("Attributes Reason: {rest}")),
            None => self,
        }
    }

    /// As it goes over the wire: unlike other services of the query protocol, this one sends no `Detail`.
    pub(crate) fn answer(&self, request_id: &str) -> ServiceAnswer {
        let kind = if self.status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        let mut xml = Xml::document();
        xml.open_with("ErrorResponse", &[("xmlns", NAMESPACE)]);
        xml.element("Error", |xml| {
            xml.text("Type", kind);
            xml.text("Code", self.code);
            xml.text("Message", &self.message);
        });
        xml.text("RequestId", request_id);
        xml.close("ErrorResponse");
        let content_type = Protocol::Query.content_type().to_owned();
        ServiceAnswer {
            status: self.status.as_u16(),
            headers: vec![("content-type", content_type)],
            body: Bytes::from(xml.finish()),
            rest: None,
        }
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "topics could not be read");
        Self::internal()
    }
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        if let CommitError::TooLarge { .. } = error {
            return Self::parameter("Message too long");
        }
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "topics could not be written");
        Self::internal()
    }
}
