//! The real clock and the real randomness: the only place that asks the machine for either.

use std::cell::RefCell;
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

/// How many bytes are asked of the kernel at once: each request needs some sixty, in several places.
const DRAWN_BYTES: usize = 1_024;

thread_local! {
    /// Drawn and not given away yet. Each thread has its own: those that serve would wait for one another.
    static DRAWN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The kernel's random bytes, drawn ahead.
#[derive(Debug, Default)]
pub struct RealRandom(());

impl Random for RealRandom {
    fn fill(&self, buffer: &mut [u8]) {
        DRAWN.with_borrow_mut(|drawn| give(drawn, buffer));
    }
}

fn give(drawn: &mut Vec<u8>, buffer: &mut [u8]) {
    let mut left = buffer;
    while !left.is_empty() {
        if drawn.is_empty() {
            *drawn = draw();
        }
        let count = left.len().min(drawn.len());
        let (now, later) = left.split_at_mut(count);
        // Taken out, never read again: what was given away is not kept.
        let from = drawn.len() - count;
        now.copy_from_slice(drawn.get(from..).unwrap_or_default());
        drawn.truncate(from);
        left = later;
    }
}

fn draw() -> Vec<u8> {
    let mut bytes = vec![0; DRAWN_BYTES];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            // Keys and ids made without randomness would be worse than none at all.
            Err(error) => unreachable!("the kernel gives random bytes once it has booted: {error}"),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_drawn_is_never_drawn_again() {
        let random = RealRandom::default();
        let ids: std::collections::BTreeSet<String> = (0..1_000)
            .map(|_| random.request_id().to_string())
            .collect();
        assert_eq!(ids.len(), 1_000);
    }
}
