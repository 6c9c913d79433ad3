//! The end of a wait.
//!
//! Lives here: the only look at a clock. What calls this is Node.js, which has no clock to give.

use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(length: Duration) -> Self {
        Self(now() + length)
    }

    /// How long it is until then; zero when it is past.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(now())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is a library within Node.js, not a part of the product that could be given a clock"
)]
fn now() -> Instant {
    Instant::now()
}
