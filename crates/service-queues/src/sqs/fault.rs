//! Refusals, in the words of Amazon SQS.
//!
//! Lives here: the codes of both protocols, statuses, texts.
//! Does not live here: the frame around them (`answer`).
//!
//! The JSON protocol names a shape; a header repeats the code that the query protocol has for it, since clients have long
//! caught that.

use crate::engine::ask::AskError;
use crate::engine::catalogue::CatalogueError;
use crate::engine::owner::ReceiptError;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    /// Which refusal it is.
    pub(crate) kind: Kind,
    /// Its words.
    pub(crate) message: String,
}

/// The refusals of Amazon SQS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InternalError,
    InvalidAction,
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidBatchEntryId,
    InvalidMessageContents,
    InvalidParameterValue,
    MissingParameter,
    OverLimit,
    PurgeQueueInProgress,
    QueueDeletedRecently,
    QueueDoesNotExist,
    QueueNameExists,
    ReceiptHandleIsInvalid,
    ResourceNotFound,
    TooManyEntriesInBatchRequest,
}

impl Kind {
    /// Its shape in the JSON protocol, its code in the query protocol, its status.
    pub(crate) fn names(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::BatchEntryIdsNotDistinct => (
                "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
                "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
                400,
            ),
            Self::BatchRequestTooLong => (
                "com.amazonaws.sqs#BatchRequestTooLong",
                "AWS.SimpleQueueService.BatchRequestTooLong",
                400,
            ),
            Self::EmptyBatchRequest => (
                "com.amazonaws.sqs#EmptyBatchRequest",
                "AWS.SimpleQueueService.EmptyBatchRequest",
                400,
            ),
            Self::InternalError => ("com.amazonaws.sqs#InternalError", "InternalError", 500),
            Self::InvalidAction => (
                "com.amazon.coral.service#InvalidActionException",
                "InvalidAction",
                400,
            ),
            Self::InvalidAttributeName => (
                "com.amazonaws.sqs#InvalidAttributeName",
                "InvalidAttributeName",
                400,
            ),
            Self::InvalidAttributeValue => (
                "com.amazonaws.sqs#InvalidAttributeValue",
                "InvalidAttributeValue",
                400,
            ),
            Self::InvalidBatchEntryId => (
                "com.amazonaws.sqs#InvalidBatchEntryId",
                "AWS.SimpleQueueService.InvalidBatchEntryId",
                400,
            ),
            Self::InvalidMessageContents => (
                "com.amazonaws.sqs#InvalidMessageContents",
                "InvalidMessageContents",
                400,
            ),
            Self::InvalidParameterValue => (
                "com.amazon.coral.service#InvalidParameterValueException",
                "InvalidParameterValue",
                400,
            ),
            Self::MissingParameter => (
                "com.amazon.coral.service#MissingRequiredParameterException",
                "MissingParameter",
                400,
            ),
            Self::OverLimit => ("com.amazonaws.sqs#OverLimit", "OverLimit", 403),
            Self::PurgeQueueInProgress => (
                "com.amazonaws.sqs#PurgeQueueInProgress",
                "AWS.SimpleQueueService.PurgeQueueInProgress",
                403,
            ),
            Self::QueueDeletedRecently => (
                "com.amazonaws.sqs#QueueDeletedRecently",
                "AWS.SimpleQueueService.QueueDeletedRecently",
                400,
            ),
            Self::QueueDoesNotExist => (
                "com.amazonaws.sqs#QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue",
                400,
            ),
            Self::QueueNameExists => (
                "com.amazonaws.sqs#QueueNameExists",
                "QueueAlreadyExists",
                400,
            ),
            Self::ReceiptHandleIsInvalid => (
                "com.amazonaws.sqs#ReceiptHandleIsInvalid",
                "ReceiptHandleIsInvalid",
                404,
            ),
            Self::ResourceNotFound => (
                "com.amazonaws.sqs#ResourceNotFoundException",
                "ResourceNotFoundException",
                404,
            ),
            Self::TooManyEntriesInBatchRequest => (
                "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
                400,
            ),
        }
    }

    /// Whether it is the sender's fault.
    pub(crate) fn is_senders(self) -> bool {
        self != Self::InternalError
    }
}

impl Fault {
    /// A refusal in these words.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// A parameter that must be there.
    pub(crate) fn missing(name: &str) -> Self {
        Self::new(
            Kind::MissingParameter,
            format!("The request must contain the parameter {name}."),
        )
    }

    /// A parameter that has no such value.
    pub(crate) fn value(value: &str, name: &str, reason: &str) -> Self {
        Self::new(
            Kind::InvalidParameterValue,
            format!("Value {value} for parameter {name} is invalid. Reason: {reason}"),
        )
    }

    /// A queue that is not there.
    pub(crate) fn no_queue() -> Self {
        Self::new(
            Kind::QueueDoesNotExist,
            "The specified queue does not exist.",
        )
    }

    /// A receipt that is none.
    pub(crate) fn no_receipt(receipt: &str) -> Self {
        Self::new(
            Kind::ReceiptHandleIsInvalid,
            format!("The input receipt handle \"{receipt}\" is not a valid receipt handle."),
        )
    }

    /// A receipt that cannot be used.
    pub(crate) fn receipt(receipt: &str, error: ReceiptError, visibility_s: u64) -> Self {
        match error {
            ReceiptError::Expired => {
                Self::value(receipt, "ReceiptHandle", "The receipt handle has expired.")
            }
            ReceiptError::NotInFlight => Self::value(
                receipt,
                "ReceiptHandle",
                "Message does not exist or is not available for visibility timeout change.",
            ),
            ReceiptError::TooLong => Self::value(
                &visibility_s.to_string(),
                "VisibilityTimeout",
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
            ),
        }
    }
}

impl From<AskError> for Fault {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Missing => Self::no_queue(),
            AskError::OverLimit => Self::new(
                Kind::OverLimit,
                "Too many messages in flight. Delete some of them, or wait until they are visible again.",
            ),
            AskError::Failed(error) => internal(&error),
            AskError::Catalogue(error) => error.into(),
        }
    }
}

impl From<CatalogueError> for Fault {
    fn from(error: CatalogueError) -> Self {
        match error {
            CatalogueError::Missing => Self::no_queue(),
            CatalogueError::DeletedRecently => Self::new(
                Kind::QueueDeletedRecently,
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
            ),
            error @ (CatalogueError::Read(_)
            | CatalogueError::Commit(_)
            | CatalogueError::Descriptor(_)) => internal(&error),
        }
    }
}

fn internal(error: &(dyn std::error::Error + 'static)) -> Fault {
    tracing::error!(error, "a queue could not be read or written");
    Fault::new(
        Kind::InternalError,
        "The request processing has failed because of an unknown error, exception or failure.",
    )
}
