//! Clocks: one that stands still, one that follows tokio's time, and the real one.
//!
//! Lives here: implementations of `Clock` for tests.
//! Does not live here: the product's clock (`cloudless::system`).

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use interfaces::clock::Clock;
use model::time::Timestamp;

/// Stands still until the test moves it.
#[derive(Debug)]
pub struct StoppedClock {
    started_at: Timestamp,
    started: Instant,
    passed: Mutex<Duration>,
}

/// Follows tokio's time: under `#[tokio::test(start_paused = true)]` hours pass at once. Its wall clock begins at 1970.
#[derive(Debug)]
pub struct PausedClock {
    started: tokio::time::Instant,
}

/// The real time, for tests with processes, which have no other.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunningClock;

impl StoppedClock {
    /// A clock that shows this time.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant cannot be made of a number; from here on it is only added to"
    )]
    pub fn at(now: Timestamp) -> Self {
        Self {
            started_at: now,
            started: Instant::now(),
            passed: Mutex::default(),
        }
    }

    /// Lets this much time pass, on the wall clock and the monotonic one.
    pub fn advance(&self, by: Duration) {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    fn passed(&self) -> Duration {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PausedClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            started: tokio::time::Instant::now(),
        }
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        later(self.started_at, self.passed())
    }

    fn instant(&self) -> Instant {
        self.started + self.passed()
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        later(Timestamp::from_micros(0), self.started.elapsed())
    }

    fn instant(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that asks")]
impl Clock for RunningClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        later(Timestamp::from_micros(0), since_epoch.unwrap_or_default())
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

fn later(than: Timestamp, by: Duration) -> Timestamp {
    let by_us = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(than.epoch_us().saturating_add(by_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_clock_moves_when_it_is_told_to_and_both_its_hands_together() {
        let clock = StoppedClock::at(Timestamp::from_micros(5));
        let before = clock.instant();
        assert_eq!((clock.now().epoch_us(), clock.instant()), (5, before));
        clock.advance(Duration::from_micros(7));
        assert_eq!(clock.now().epoch_us(), 12);
        assert_eq!(clock.instant() - before, Duration::from_micros(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_follows_tokio() {
        let clock = PausedClock::start();
        let before = clock.instant();
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(clock.instant() - before, Duration::from_hours(1));
        assert_eq!(clock.now().epoch_us(), 3_600_000_000);
    }
}
