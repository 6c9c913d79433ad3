//! How fast one sandbox may go through something that its neighbours need as well.
//!
//! Lives here: how long the next one has to wait.
//! Does not live here: waiting, and what is counted (`egress`).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many at once, and then so many a second.
pub(super) struct Pace {
    interval: Duration,
    at_once: u32,
    /// When all that has passed would have passed at an even pace.
    even_at: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(at_once: u32, per_second: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.max(1),
            at_once,
            even_at: Mutex::default(),
        }
    }

    /// Counts one more; how long it has to wait from now on.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let mut even_at = self.even_at.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = self.interval * self.at_once;
        // Nobody saves up more than that.
        let from = even_at.map_or(now, |at| at.max(now));
        let to = from + self.interval;
        *even_at = Some(to);
        to.saturating_duration_since(now + ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_pass_at_once_and_the_others_at_an_even_pace() {
        let (pace, now) = (Pace::new(3, 10), Instant::now());
        let waits: Vec<u128> = (0..6).map(|_| pace.wait(now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200, 300]);
    }

    #[test]
    fn a_pause_gives_back_what_passes_at_once_and_no_more() {
        let (pace, start) = (Pace::new(2, 10), Instant::now());
        for _ in 0..2 {
            assert_eq!(pace.wait(start), Duration::ZERO);
        }
        let later = start + Duration::from_secs(60);
        let waits: Vec<u128> = (0..4).map(|_| pace.wait(later).as_millis()).collect();
        assert_eq!(waits, [0, 0, 100, 200]);
    }
}
