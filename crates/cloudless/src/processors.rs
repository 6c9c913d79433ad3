//! Whether the machine has processors to spare.
//!
//! Lives here: asking the kernel how many threads want one, seldom enough to cost nothing.
//! Does not live here: what is done with a processor that would sleep otherwise (`gateway::http`).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often the kernel is asked at most. It takes some ten microseconds.
const ASKED_EVERY: Duration = Duration::from_millis(10);
/// How long a machine that was busy is taken for busy: a build pauses now and then.
const BUSY_FOR: Duration = Duration::from_millis(200);

/// What was found, and until when that is good enough: for the whole process, as there is one machine.
static IDLE: AtomicBool = AtomicBool::new(false);
static GOOD_UNTIL_US: AtomicU64 = AtomicU64::new(0);

/// Whether one processor at least would have nothing to do if this thread kept its own. Not where that is not known, as on
/// systems other than Linux.
pub(crate) fn is_idle() -> bool {
    let now_us = microseconds();
    if now_us < GOOD_UNTIL_US.load(Ordering::Relaxed) {
        return IDLE.load(Ordering::Relaxed);
    }
    let idle = has_room();
    IDLE.store(idle, Ordering::Relaxed);
    let good_for = if idle { ASKED_EVERY } else { BUSY_FOR };
    let good_for_us = u64::try_from(good_for.as_micros()).unwrap_or(u64::MAX);
    GOOD_UNTIL_US.store(now_us.saturating_add(good_for_us), Ordering::Relaxed);
    idle
}

fn has_room() -> bool {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    let processors = PROCESSORS
        .get_or_init(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    running(&text).is_some_and(|running| running < *processors)
}

/// Threads that run or want to, this one included. Contract: proc_loadavg(5), the fourth field.
fn running(text: &str) -> Option<usize> {
    let (running, _) = text.split(' ').nth(3)?.split_once('/')?;
    running.parse().ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long the kernel's answer is good enough is nothing that a test would hold"
)]
fn microseconds() -> u64 {
    static BEGAN_AT: OnceLock<Instant> = OnceLock::new();
    let elapsed = BEGAN_AT.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_field_says_how_many_threads_want_a_processor() {
        assert_eq!(running("0.52 0.58 0.59 3/812 12345\n"), Some(3));
        assert_eq!(running(""), None);
    }
}
