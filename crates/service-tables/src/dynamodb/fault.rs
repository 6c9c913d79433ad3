//! Refusals, as DynamoDB words and shapes them.
//!
//! Lives here: the kinds of errors and their JSON.
//! Does not live here: which request is refused with which words (`operations`, `values`, `expressions`).
//!
//! Contract: Amazon DynamoDB API Reference, "Common Errors" and the errors of each action.

use super::json_write;
use crate::engine::catalogue;
use crate::engine::items::AccessError;
use crate::engine::value::Attributes;

/// Why a request was not carried out, as its sender is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?}: {message}")]
pub struct Fault {
    /// Which error.
    pub kind: Kind,
    /// Its text.
    pub message: String,
    /// What its JSON tells besides: it belongs to some kinds alone.
    pub detail: Option<Box<Detail>>,
}

/// What an error tells besides its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// The item that a condition does not hold for.
    Item(Attributes),
    /// What became of each action of a transaction.
    Cancellation(Vec<Reason>),
    /// What was used up.
    Throttling {
        /// As the API names it.
        reason: String,
        /// The ARN of the table or the index.
        resource: String,
    },
}

/// What became of one action of a transaction that was cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Nothing was wrong with it.
    None,
    /// This was.
    Failed {
        /// Which kind.
        code: &'static str,
        /// Its text.
        message: String,
        /// The item that its condition does not hold for, if it was asked for.
        item: Option<Attributes>,
    },
}

impl Reason {
    /// As the API names it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Failed { code, .. } => code,
        }
    }
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
    /// More is going on than is allowed at once.
    LimitExceeded,
    /// The caller may not do that.
    AccessDenied,
    /// There is no such table, as operations on backups say it.
    TableNotFound,
    /// An iterator of a stream is too old.
    ExpiredIterator,
    /// The records of a stream that are asked for have gone.
    TrimmedDataAccess,
    /// What is provisioned is used up for now.
    ProvisionedThroughputExceeded,
    /// A ceiling is reached for now.
    Throttling,
    /// A condition does not hold.
    ConditionalCheckFailed,
    /// An item of this key is there already.
    DuplicateItem,
    /// A transaction was given up as a whole.
    TransactionCanceled,
    /// A token was used before, with another request.
    IdempotentParameterMismatch,
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
            Self::LimitExceeded => "com.amazonaws.dynamodb.v20120810#LimitExceededException",
            Self::AccessDenied => "com.amazon.coral.service#AccessDeniedException",
            Self::TableNotFound => "com.amazonaws.dynamodb.v20120810#TableNotFoundException",
            Self::ExpiredIterator => "com.amazonaws.dynamodb.v20120810#ExpiredIteratorException",
            Self::TrimmedDataAccess => {
                "com.amazonaws.dynamodb.v20120810#TrimmedDataAccessException"
            }
            Self::ProvisionedThroughputExceeded => {
                "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
            }
            Self::Throttling => "com.amazon.coral.availability#ThrottlingException",
            Self::ConditionalCheckFailed => {
                "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
            }
            Self::DuplicateItem => "com.amazonaws.dynamodb.v20120810#DuplicateItemException",
            Self::TransactionCanceled => {
                "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
            }
            Self::IdempotentParameterMismatch => {
                "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException"
            }
            Self::InternalServerError => "com.amazonaws.dynamodb.v20120810#InternalServerError",
        }
    }

    /// Whether the same request may well be let in later.
    #[must_use]
    pub const fn is_throttling(self) -> bool {
        matches!(self, Self::ProvisionedThroughputExceeded | Self::Throttling)
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
            | Self::LimitExceeded
            | Self::AccessDenied
            | Self::TableNotFound
            | Self::ExpiredIterator
            | Self::TrimmedDataAccess
            | Self::ProvisionedThroughputExceeded
            | Self::Throttling
            | Self::ConditionalCheckFailed
            | Self::DuplicateItem
            | Self::TransactionCanceled
            | Self::IdempotentParameterMismatch => 400,
            Self::InternalServerError => 500,
        }
    }
}

impl Fault {
    /// A refusal of this kind.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            detail: None,
        }
    }

    /// A parameter is wrong.
    #[must_use]
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(Kind::Validation, message)
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
        Self::new(Kind::Serialization, message)
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
        Self::new(Kind::ResourceNotFound, "Requested resource not found")
    }

    /// An operation on tables names a table that is not there.
    #[must_use]
    pub fn no_table_called(name: &str) -> Self {
        Self::new(
            Kind::ResourceNotFound,
            format!("Requested resource not found: Table: {name} not found"),
        )
    }

    /// Something of ours failed: the log says what, the sender that it may try again.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a request to tables failed");
        Self::new(Kind::InternalServerError, "Internal server error")
    }

    /// Its JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        out.extend_from_slice(b"{\"__type\":");
        json_write::string(&mut out, self.kind.type_name());
        if !self.message.is_empty() {
            // Where the sender's JSON could not be read at all, DynamoDB writes the name with a capital letter.
            let name = match self.kind {
                Kind::Serialization => ",\"Message\":",
                Kind::UnknownOperation
                | Kind::Validation
                | Kind::ResourceNotFound
                | Kind::ResourceInUse
                | Kind::LimitExceeded
                | Kind::AccessDenied
                | Kind::TableNotFound
                | Kind::ExpiredIterator
                | Kind::TrimmedDataAccess
                | Kind::ProvisionedThroughputExceeded
                | Kind::Throttling
                | Kind::ConditionalCheckFailed
                | Kind::DuplicateItem
                | Kind::IdempotentParameterMismatch
                | Kind::InternalServerError => ",\"message\":",
                Kind::TransactionCanceled => ",\"Message\":",
            };
            out.extend_from_slice(name.as_bytes());
            json_write::string(&mut out, &self.message);
        }
        match self.detail.as_deref() {
            None => {}
            Some(Detail::Item(item)) => write_item(&mut out, item),
            Some(Detail::Cancellation(reasons)) => write_reasons(&mut out, reasons),
            Some(Detail::Throttling { reason, resource }) => {
                // The two errors write the member's name each in its own way.
                let member: &[u8] = if self.kind == Kind::Throttling {
                    b",\"throttlingReasons\":[{\"reason\":"
                } else {
                    b",\"ThrottlingReasons\":[{\"reason\":"
                };
                out.extend_from_slice(member);
                json_write::string(&mut out, reason);
                out.extend_from_slice(b",\"resource\":");
                json_write::string(&mut out, resource);
                out.extend_from_slice(b"}]");
            }
        }
        out.push(b'}');
        out
    }
}

fn write_item(out: &mut Vec<u8>, item: &Attributes) {
    out.extend_from_slice(b",\"Item\":");
    json_write::attributes(out, item);
}

fn write_reasons(out: &mut Vec<u8>, reasons: &[Reason]) {
    out.extend_from_slice(b",\"CancellationReasons\":[");
    for (index, reason) in reasons.iter().enumerate() {
        if index != 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"Code\":");
        json_write::string(out, reason.code());
        if let Reason::Failed { message, item, .. } = reason {
            out.extend_from_slice(b",\"Message\":");
            json_write::string(out, message);
            if let Some(item) = item {
                write_item(out, item);
            }
        }
        out.push(b'}');
    }
    out.push(b']');
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
