//! The real clock and the real randomness: the only place that asks the machine for either.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use interfaces::clock::Clock;
use interfaces::random::Random;
use model::time::Timestamp;

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealClock;

impl Clock for RealClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everybody else is handed"
    )]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everybody else is handed"
    )]
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// The kernel's random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealRandom;

impl Random for RealRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                // Keys and ids made without randomness would be worse than none at all.
                Err(error) => {
                    unreachable!("the kernel gives random bytes once it has booted: {error}")
                }
            }
        }
    }
}
