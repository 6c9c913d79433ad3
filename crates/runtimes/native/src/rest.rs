//! Whether a process can be forked now: a lock that another thread holds would stay locked in the fork for ever.
//!
//! Lives here: waiting until every other thread sleeps.
//! Does not live here: what becomes of those threads in a fork (`preload`).

use std::fmt;
use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::system;

/// How long the other threads have. V8's own take less than a collection of the whole heap to finish.
const REST_MAX: Duration = Duration::from_secs(2);
const LOOK_AGAIN_AFTER: Duration = Duration::from_micros(200);
/// A thread that sleeps may be about to be woken by one that was looked at after it. Nobody is left for that when twice in
/// a row all sleep.
const LOOKS: usize = 2;

/// Other threads that do not sleep.
#[derive(Debug)]
pub(crate) enum Restless {
    Busy,
    Unknown(io::Error),
}

impl fmt::Display for Restless {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => write!(to, "another thread was still busy after {REST_MAX:?}"),
            Self::Unknown(error) => write!(to, "the threads cannot be listed: {error}"),
        }
    }
}

pub(crate) fn wait_for_other_threads() -> Result<(), Restless> {
    let deadline = Deadline::after(REST_MAX);
    let mut looks = 0;
    while looks < LOOKS {
        if all_others_sleep().map_err(Restless::Unknown)? {
            looks += 1;
            continue;
        }
        looks = 0;
        if deadline.left().is_zero() {
            return Err(Restless::Busy);
        }
        thread::sleep(LOOK_AGAIN_AFTER);
    }
    Ok(())
}

fn all_others_sleep() -> io::Result<bool> {
    let own = system::thread_id().to_string();
    for thread in fs::read_dir("/proc/self/task")? {
        let thread = thread?;
        if thread.file_name() == *own {
            continue;
        }
        match fs::read_to_string(thread.path().join("stat")) {
            Ok(stat) if !sleeps(&stat) => return Ok(false),
            // It has ended since.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(true)
}

/// Whether a thread waits for somebody, from a line such as `1 (node) S 0 …`. Its name may hold anything.
fn sleeps(stat: &str) -> bool {
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('S'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_known_to_sleep_whatever_its_name() {
        assert!(sleeps("12 (V8 Worker) S 1 12 12"));
        assert!(sleeps("12 (a) R b) S 1 12 12"));
    }

    #[test]
    fn a_thread_that_runs_or_waits_for_a_disk_does_not_sleep() {
        assert!(!sleeps("12 (V8 Worker) R 1 12 12"));
        assert!(!sleeps("12 (V8 Worker) D 1 12 12"));
    }

    #[test]
    fn a_thread_that_computes_is_noticed() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            let found = all_others_sleep().unwrap();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(!found);
        });
    }
}
