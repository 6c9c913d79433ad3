//! Asking for the time.

use std::time::Instant;

use model::time::Timestamp;

/// The time, as an argument: a test holds it in its hand.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// The monotonic clock: for measuring how long something took.
    fn instant(&self) -> Instant;
}
