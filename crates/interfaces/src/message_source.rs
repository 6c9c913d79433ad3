//! Queues that functions are called with the messages of.
//!
//! Lives here: the seam between `event-delivery`, which batches and calls, and the service that owns queues.
//! Does not live here: batches, filters, how many calls run at once (`event-delivery`).
//!
//! Read in process, never through our own API, but checked like any other call: with the role of the function.

use std::time::Duration;

use bytes::Bytes;
use model::arn::Arn;
use model::time::Timestamp;

use crate::BoxFuture;

/// Reads queues of one kind.
pub trait MessageSource: Send + Sync {
    /// Whether this ARN names a queue of this kind, be it there or not.
    fn serves(&self, queue: &Arn) -> bool;

    /// Takes up to so many messages; they are invisible to others for the queue's visibility timeout. Waits up to `wait`
    /// for the first. Cancel-safe: what was taken when it is dropped becomes visible again.
    ///
    /// # Errors
    /// [`QueueError`].
    fn receive<'a>(
        &'a self,
        queue: &'a Arn,
        messages_max: usize,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<QueueMessage>, QueueError>>;

    /// Deletes messages that were dealt with.
    ///
    /// # Errors
    /// [`QueueError`].
    fn delete<'a>(
        &'a self,
        queue: &'a Arn,
        receipts: &'a [String],
    ) -> BoxFuture<'a, Result<(), QueueError>>;

    /// Makes messages visible again after this time; without one, when the queue's visibility timeout has passed since they
    /// were received, which needs no call.
    ///
    /// # Errors
    /// [`QueueError`].
    fn release<'a>(
        &'a self,
        queue: &'a Arn,
        receipts: &'a [String],
        after: Duration,
    ) -> BoxFuture<'a, Result<(), QueueError>>;
}

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// Its id: functions name it in `batchItemFailures`.
    pub id: String,
    /// By which it is deleted or released.
    pub receipt: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Its group, in a FIFO queue: messages of one group must stay in order.
    pub group: Option<String>,
    /// How often it was received, this time included.
    pub receives: u32,
    /// The dead-letter queue that it goes to if it is not deleted now; none while it may be received again.
    pub dead_letters: Option<Arn>,
    /// The trace that it was sent in.
    pub trace: Option<String>,
    /// One element of the event's `Records`, as JSON.
    pub payload: Bytes,
}

/// A queue could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// There is no such queue.
    #[error("there is no queue `{queue}`")]
    Missing {
        /// Its ARN.
        queue: String,
    },
    /// It could not be read now; a later try may succeed.
    #[error("the queue could not be read: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}
