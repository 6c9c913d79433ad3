//! Requests all the time, many at once now and then, and what became of them.
//!
//! Lives here: the threads of the load, and which replies are right.
//! Does not live here: why a reply may fail (`faults`).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::PATHS;
use crate::http::{self, Connection, Swarm, now};
use crate::random::Random;

/// Connections that always have something to ask.
pub(super) const STEADY: u64 = 8;
/// The longest pause of such a connection.
const PAUSE_MS_MAX: u64 = 30;
/// Requests of the bursts, in turn. They are not drawn at random: what is there on average is to be the same in each part
/// of a run, so that a little growth shows. Their number is odd, so that each size comes to both functions.
const BURSTS: [usize; 7] = [60, 20, 45, 5, 30, 10, 50];
/// How long each of a burst keeps its instance busy.
const BURST_MS: u64 = 150;
/// Between two bursts.
const BETWEEN: Duration = Duration::from_secs(3);
/// How long after a kill a request may still fail: those that wait for a template that is made again.
const ECHO: Duration = Duration::from_secs(5);

/// What became of all requests, and what explains failures.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    stopped: AtomicBool,
    statuses: Mutex<BTreeMap<u16, u64>>,
    kills: Mutex<Vec<Instant>>,
    changes: Mutex<u64>,
    wrong: Mutex<Option<String>>,
}

impl Outcomes {
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Sleeps, but not beyond the end.
    pub(super) fn pause(&self, duration: Duration) {
        const SLICE: Duration = Duration::from_millis(50);
        let until = now() + duration;
        while !self.is_stopped() {
            let left = until.saturating_duration_since(now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(SLICE));
        }
    }

    /// A process is about to be killed.
    pub(super) fn killing(&self) {
        lock(&self.kills).push(now());
    }

    /// A file was changed.
    pub(super) fn changed(&self) {
        *lock(&self.changes) += 1;
    }

    pub(super) fn went_wrong(&self, what: String) {
        lock(&self.wrong).get_or_insert(what);
    }

    /// Notes a reply: a success is right, and so is the gateway's word for an instance that died, shortly after a
    /// kill.
    fn answered(&self, sent_at: Instant, status: u16, body: &str) {
        *lock(&self.statuses).entry(status).or_default() += 1;
        let is_right = match status {
            200 => true,
            500 | 502 => lock(&self.kills)
                .iter()
                .rev()
                .any(|kill| sent_at <= *kill + ECHO),
            _ => false,
        };
        if !is_right {
            self.went_wrong(format!("a request was answered {status}: {body}"));
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match &*lock(&self.wrong) {
            Some(wrong) => bail!("{wrong}"),
            None => Ok(()),
        }
    }

    pub(super) fn summary(&self) -> String {
        let statuses: Vec<String> = lock(&self.statuses)
            .iter()
            .map(|(status, count)| format!("{count} × {status}"))
            .collect();
        format!(
            "{}, {} kills, {} changes of code",
            statuses.join(", "),
            lock(&self.kills).len(),
            lock(&self.changes)
        )
    }
}

/// One request after the other, on a kept connection.
pub(super) fn steady(port: u16, seed: u64, outcomes: &Outcomes) {
    let mut random = Random::new(seed);
    let mut ask = || -> Result<()> {
        let mut connection = Connection::open(port)?;
        while !outcomes.is_stopped() {
            let path = random.pick(&PATHS).copied().unwrap_or_default();
            let sent_at = now();
            let (reply, _) = connection.exchange(&http::get(path))?;
            outcomes.answered(sent_at, reply.status, &reply.body);
            std::thread::sleep(Duration::from_millis(random.below(PAUSE_MS_MAX)));
        }
        Ok(())
    };
    if let Err(error) = ask() {
        outcomes.went_wrong(format!("a request was not answered: {error:#}"));
    }
}

/// Many requests at once, each of which needs an instance of its own.
pub(super) fn bursts(port: u16, outcomes: &Outcomes) {
    for (count, path) in BURSTS.into_iter().cycle().zip(PATHS.into_iter().cycle()) {
        outcomes.pause(BETWEEN);
        if outcomes.is_stopped() {
            return;
        }
        let requests = vec![http::get(&format!("{path}?ms={BURST_MS}")); count];
        let sent_at = now();
        match Swarm::open(port, count).and_then(|swarm| swarm.burst(&requests)) {
            Ok(replies) => {
                for (reply, _) in replies {
                    outcomes.answered(sent_at, reply.status, &reply.body);
                }
            }
            Err(error) => outcomes.went_wrong(format!("a burst was not answered: {error:#}")),
        }
    }
}

/// A thread that panicked while it held the lock left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_right_only_after_a_kill() {
        let outcomes = Outcomes::default();
        outcomes.answered(now(), 200, "");
        assert!(outcomes.check().is_ok());
        outcomes.killing();
        outcomes.answered(now(), 502, "");
        assert!(outcomes.check().is_ok());
        outcomes.answered(now() + 2 * ECHO, 502, "late");
        assert!(outcomes.check().is_err());
    }

    #[test]
    fn any_other_answer_is_wrong_even_after_a_kill() {
        for status in [403, 404, 429, 503, 504] {
            let outcomes = Outcomes::default();
            outcomes.killing();
            outcomes.answered(now(), status, "");
            assert!(outcomes.check().is_err(), "{status}");
        }
    }
}
