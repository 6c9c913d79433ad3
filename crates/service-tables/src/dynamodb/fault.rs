//! Refusals, as DynamoDB words and shapes them.
//!
//! Lives here: the kinds of errors and their JSON.
//! Does not live here: which request is refused with which words (`operations`, `values`, `expressions`).
//!
//! Contract: Amazon DynamoDB API Reference, "Common Errors" and the errors of each action.

use crate::engine::catalogue;
use crate::engine::items::AccessError;

/// Why a request was not carried out, as its sender is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?}: {message}")]
pub struct Fault {
    /// Which error.
    pub kind: Kind,
    /// Its text.
    pub message: String,
}

/// The kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The body is not what the operation takes.
    Serialization,
    /// There is no such operation, or it is not carried out here.
    UnknownOperation,
    /// A parameter is wrong.
    Validation,
    /// There is no such table.
    ResourceNotFound,
    /// There is such a table already.
    ResourceInUse,
    /// A condition does not hold.
    ConditionalCheckFailed,
    /// A fault of ours.
    InternalServerError,
}

impl Kind {
    const fn type_name(self) -> &'static str {
        match self {
            Self::Serialization => "com.amazon.coral.service#SerializationException",
            Self::UnknownOperation => "com.amazon.coral.service#UnknownOperationException",
            Self::Validation => "com.amazon.coral.validate#ValidationException",
            Self::ResourceNotFound => "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
            Self::ResourceInUse => "com.amazonaws.dynamodb.v20120810#ResourceInUseException",
            Self::ConditionalCheckFailed => {
                "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
            }
            Self::InternalServerError => "com.amazonaws.dynamodb.v20120810#InternalServerError",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Serialization
            | Self::UnknownOperation
            | Self::Validation
            | Self::ResourceNotFound
            | Self::ResourceInUse
            | Self::ConditionalCheckFailed => 400,
            Self::InternalServerError => 500,
        }
    }
}

impl Fault {
    /// A parameter is wrong.
    #[must_use]
    pub fn validation(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Validation,
            message: message.into(),
        }
    }

    /// A parameter is wrong, in the words that many of these texts begin with.
    #[must_use]
    pub fn invalid(what: impl AsRef<str>) -> Self {
        Self::validation(format!(
            "One or more parameter values were invalid: {}",
            what.as_ref()
        ))
    }

    /// The body is not what the operation takes.
    #[must_use]
    pub fn serialization(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Serialization,
            message: message.into(),
        }
    }

    /// DynamoDB knows this parameter, and we do not carry it out yet.
    #[must_use]
    pub fn not_implemented(operation: &str, parameter: &str) -> Self {
        Self::validation(format!(
            "{operation} with the parameter {parameter} is not implemented by Cloudless yet"
        ))
    }

    /// An operation on items names a table that is not there.
    #[must_use]
    pub fn no_table() -> Self {
        Self {
            kind: Kind::ResourceNotFound,
            message: "Requested resource not found".to_owned(),
        }
    }

    /// An operation on tables names a table that is not there.
    #[must_use]
    pub fn no_table_called(name: &str) -> Self {
        Self {
            kind: Kind::ResourceNotFound,
            message: format!("Requested resource not found: Table: {name} not found"),
        }
    }

    /// Something of ours failed: the log says what, the sender that it may try again.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a request to tables failed");
        Self {
            kind: Kind::InternalServerError,
            message: "Internal server error".to_owned(),
        }
    }

    /// Its JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        out.extend_from_slice(b"{\"__type\":");
        super::json_write::string(&mut out, self.kind.type_name());
        if !self.message.is_empty() {
            // Where the sender's JSON could not be read at all, DynamoDB writes the name with a capital letter.
            let name = match self.kind {
                Kind::Serialization => ",\"Message\":",
                Kind::UnknownOperation
                | Kind::Validation
                | Kind::ResourceNotFound
                | Kind::ResourceInUse
                | Kind::ConditionalCheckFailed
                | Kind::InternalServerError => ",\"message\":",
            };
            out.extend_from_slice(name.as_bytes());
            super::json_write::string(&mut out, &self.message);
        }
        out.push(b'}');
        out
    }
}

impl From<AccessError> for Fault {
    fn from(error: AccessError) -> Self {
        Self::internal(&error)
    }
}

impl From<catalogue::Error> for Fault {
    fn from(error: catalogue::Error) -> Self {
        Self::internal(&error)
    }
}
