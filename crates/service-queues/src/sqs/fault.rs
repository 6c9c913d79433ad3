//! Refusals, in the words of Amazon SQS.
//!
//! Lives here: the codes of both protocols, statuses, texts.
//! Does not live here: the frame around them (`answer`).
//!
//! The JSON protocol names a shape; a header repeats the code that the query protocol has for it, since clients have long
//! caught that.

use crate::engine::ask::AskError;
use crate::engine::catalogue::CatalogueError;
use crate::engine::request::ReceiptError;

/// Before the names of shapes that all services have.
const COMMON: &str = "com.amazon.coral.service#";
/// Before the names of the service's own shapes.
const OWN: &str = "com.amazonaws.sqs#";
/// Before most of its codes.
const CODES: &str = "AWS.SimpleQueueService.";

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
    RequestThrottled,
    ResourceNotFound,
    TooManyEntriesInBatchRequest,
}

impl Kind {
    /// Its shape in the JSON protocol, its code in the query protocol, its status.
    pub(crate) fn names(self) -> (String, String, u16) {
        // The code of most is their shape's name, with what all of the service's own have before it.
        let (shape, code, status) = match self {
            Self::BatchEntryIdsNotDistinct => ("BatchEntryIdsNotDistinct", None, 400),
            Self::BatchRequestTooLong => ("BatchRequestTooLong", None, 400),
            Self::EmptyBatchRequest => ("EmptyBatchRequest", None, 400),
            Self::InternalError => ("InternalError", Some("InternalError"), 500),
            Self::InvalidAction => ("InvalidActionException", Some("InvalidAction"), 400),
            Self::InvalidAttributeName => plain("InvalidAttributeName", 400),
            Self::InvalidAttributeValue => plain("InvalidAttributeValue", 400),
            Self::InvalidBatchEntryId => ("InvalidBatchEntryId", None, 400),
            Self::InvalidMessageContents => plain("InvalidMessageContents", 400),
            Self::InvalidParameterValue => (
                "InvalidParameterValueException",
                Some("InvalidParameterValue"),
                400,
            ),
            Self::MissingParameter => (
                "MissingRequiredParameterException",
                Some("MissingParameter"),
                400,
            ),
            Self::OverLimit => plain("OverLimit", 403),
            Self::PurgeQueueInProgress => ("PurgeQueueInProgress", None, 403),
            Self::QueueDeletedRecently => ("QueueDeletedRecently", None, 400),
            Self::QueueDoesNotExist => (
                "QueueDoesNotExist",
                Some("AWS.SimpleQueueService.NonExistentQueue"),
                400,
            ),
            Self::QueueNameExists => ("QueueNameExists", Some("QueueAlreadyExists"), 400),
            Self::ReceiptHandleIsInvalid => plain("ReceiptHandleIsInvalid", 404),
            Self::RequestThrottled => plain("RequestThrottled", 400),
            Self::ResourceNotFound => plain("ResourceNotFoundException", 404),
            Self::TooManyEntriesInBatchRequest => ("TooManyEntriesInBatchRequest", None, 400),
        };
        let is_common = [
            Self::InvalidAction,
            Self::InvalidParameterValue,
            Self::MissingParameter,
        ]
        .contains(&self);
        let namespace = if is_common { COMMON } else { OWN };
        let code = code.map_or_else(|| format!("{CODES}{shape}"), str::to_owned);
        (format!("{namespace}{shape}"), code, status)
    }

    /// Whether it is the sender's fault.
    pub(crate) fn is_senders(self) -> bool {
        self != Self::InternalError
    }
}

/// A refusal whose code is its shape's name.
const fn plain(name: &'static str, status: u16) -> (&'static str, Option<&'static str>, u16) {
    (name, Some(name), status)
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
