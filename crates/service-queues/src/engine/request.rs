//! What is asked of a queue's owner, and its replies.
//!
//! Lives here: requests, results, errors: plain data.
//! Does not live here: what is done about them (`owner`).

use std::time::Duration;

use model::arn::Arn;
use store::{CommitError, ReadError};
use tokio::sync::oneshot;

use super::receipt::Receipt;
use super::record::{CorruptMessage, Message};

/// What an owner is asked.
pub(crate) enum Request {
    /// Keep these messages.
    Send {
        /// The messages.
        messages: Vec<Outgoing>,
        /// What was kept, in the same order.
        reply: oneshot::Sender<Result<Vec<Sent>, Failed>>,
    },
    /// Hand out messages.
    Receive {
        /// Which, and how.
        wish: Wish,
        /// Dropped by whoever no longer waits: the messages are visible again then.
        reply: oneshot::Sender<Result<Vec<Received>, ReceiveError>>,
    },
    /// Delete messages.
    Delete {
        /// Which.
        receipts: Vec<Receipt>,
        /// What became of each.
        reply: oneshot::Sender<Result<Outcomes, Failed>>,
    },
    /// Change how long messages are in flight.
    Change {
        /// From now on.
        changes: Vec<(Receipt, Duration)>,
        /// What became of each.
        reply: oneshot::Sender<Result<Outcomes, Failed>>,
    },
    /// Count the messages.
    Count {
        /// How many.
        reply: oneshot::Sender<Result<Counts, Failed>>,
    },
    /// Move messages to other queues.
    Move {
        /// At most so many.
        messages_max: usize,
        /// Where to; none: back to where each came from.
        destination: Option<Arn>,
        /// What was moved.
        reply: oneshot::Sender<Result<Moved, Failed>>,
    },
    /// End: the queue is about to be deleted.
    Stop {
        /// When it has.
        reply: oneshot::Sender<()>,
    },
}

/// A message to keep.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    /// The message; when it is due is set by the owner.
    pub(crate) message: Message,
    /// How long it waits, if not as long as its queue says.
    pub(crate) delay: Option<Duration>,
}

/// A message that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Its id; of a duplicate, the first one's.
    pub(crate) id: [u8; 16],
    /// Its number, in a FIFO queue.
    pub(crate) sequence: Option<String>,
}

/// What a receive asks for.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// Messages, at most.
    pub(crate) messages_max: usize,
    /// How long they are in flight, if not as long as the queue says.
    pub(crate) visibility: Option<Duration>,
    /// How long to wait for the first, if not as long as the queue says.
    pub(crate) wait: Option<Duration>,
    /// By which a receive is repeated whose answer was lost.
    pub(crate) attempt: Option<String>,
}

/// A message that was received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// The message; its body is here.
    pub(crate) message: Message,
    /// Its body.
    pub(crate) body: String,
    /// How often it was received, this one included.
    pub(crate) receives: u32,
    /// When that happened first.
    pub(crate) first_received_us: i64,
    /// By which it is deleted.
    pub(crate) receipt: Receipt,
}

/// What became of each receipt.
pub(crate) type Outcomes = Vec<Result<(), ReceiptError>>;

/// A receipt cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReceiptError {
    /// Its time is over.
    #[error("the receipt handle has expired")]
    Expired,
    /// The message is gone, or waits.
    #[error("the message is not in flight")]
    NotInFlight,
    /// The message would be in flight for more than twelve hours.
    #[error("the message would be in flight for too long")]
    TooLong,
}

/// How many messages there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// That can be received.
    pub(crate) visible: u64,
    /// That are in flight.
    pub(crate) in_flight: u64,
    /// That are not due yet.
    pub(crate) delayed: u64,
}

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Moved {
    /// Messages.
    pub(crate) messages: u64,
    /// Why no more can be: the destination that is not there.
    pub(crate) missing: Option<String>,
}

/// Messages could not be received.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// Too many are in flight.
    #[error("too many messages are in flight")]
    OverLimit,
    /// The store failed.
    #[error(transparent)]
    Failed(#[from] Failed),
}

/// The store failed; a later try may succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Failed {
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A row is damaged.
    #[error(transparent)]
    Corrupt(#[from] CorruptMessage),
}

impl Request {
    /// Answers that the store failed.
    pub(super) fn refuse(self, failed: &Failed) {
        match self {
            Self::Send { reply, .. } => drop(reply.send(Err(failed.clone()))),
            Self::Receive { reply, .. } => {
                drop(reply.send(Err(ReceiveError::Failed(failed.clone()))));
            }
            Self::Delete { reply, .. } | Self::Change { reply, .. } => {
                drop(reply.send(Err(failed.clone())));
            }
            Self::Count { reply } => drop(reply.send(Err(failed.clone()))),
            Self::Move { reply, .. } => drop(reply.send(Err(failed.clone()))),
            // The queue goes anyway.
            Self::Stop { reply } => drop(reply.send(())),
        }
    }
}
