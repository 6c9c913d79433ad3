//! Handing an event to whatever it is for: a queue, a topic, a bus, a log group, a stream, an address.
//!
//! Lives here: the seam between `event-delivery`, which keeps what is still to be delivered and retries it, and the services
//! that take it.
//! Does not live here: what is still to be delivered (`outbox`), functions (`invoke`).

use model::delivery::{Message, Sender, Target};

use crate::BoxFuture;

/// Takes events for targets of one kind.
pub trait EventSink: Send + Sync {
    /// Whether this target is of that kind, be it there or not.
    fn serves(&self, target: &Target) -> bool;

    /// Takes one event; durable when it returns. The sink asks whether the sender may (`Authorize`, with the policy of the
    /// resource), as for any other call.
    ///
    /// # Errors
    /// [`SinkError`], which says whether another try can help.
    fn take<'a>(
        &'a self,
        target: &'a Target,
        sender: &'a Sender,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), SinkError>>;

    /// What would become of events of this sender now.
    ///
    /// # Errors
    /// [`SinkError::Transient`] where that cannot be told.
    fn reception<'a>(
        &'a self,
        _target: &'a Target,
        _sender: &'a Sender,
    ) -> BoxFuture<'a, Result<Reception, SinkError>> {
        Box::pin(std::future::ready(Ok(Reception::Taken)))
    }
}

/// Tells of any target, be it a function or something that a sink serves: asked before a rule is kept that sends events there.
pub trait Receptions: Send + Sync {
    /// What would become of events of this sender now.
    ///
    /// # Errors
    /// [`SinkError::Transient`] where that cannot be told.
    fn reception<'a>(
        &'a self,
        target: &'a Target,
        sender: &'a Sender,
    ) -> BoxFuture<'a, Result<Reception, SinkError>>;
}

/// What would become of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reception {
    /// Their target would take them.
    Taken,
    /// There is no such target.
    Missing,
    /// Their sender may not.
    Denied,
}

/// An event was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// It never will be: the target is not there, the sender may not, the event is too large.
    #[error("{code}: {message}")]
    Permanent {
        /// The service's code, as `AWS.SimpleQueueService.NonExistentQueue`: dead letters carry it.
        code: String,
        /// Its words.
        message: String,
    },
    /// It may be later.
    #[error("{code}: {message}")]
    Transient {
        /// The service's code.
        code: String,
        /// Its words.
        message: String,
    },
}
