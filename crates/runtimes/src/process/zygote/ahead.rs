//! Processes that are started before anybody asks for them.
//!
//! Lives here: keeping one for each version of a function whose instances are not forked, and for how long.
//! Does not live here: starting one, and what becomes of it (`spawning`).
//!
//! Such a process does its init while nobody waits. Nobody looks after it either: what it writes and says stays in its
//! pipes and its socket until it is taken, or killed because nobody came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::function::Function;
use tokio::task::{AbortHandle, JoinSet};

use super::templates::{Version, version};
use crate::process::instance::ProcessInstance;

/// Processes kept ahead, of all functions together: each holds the memory of a whole process.
const AHEAD_MAX: usize = 16;
/// How long one is kept that nobody takes.
const AHEAD_IDLE_MAX: Duration = Duration::from_mins(5);

/// The processes kept ahead by a runtime.
#[derive(Default)]
pub(in crate::process) struct Ahead {
    kept: Arc<Shelf>,
    expiries: Mutex<JoinSet<()>>,
}

type Shelf = Mutex<BTreeMap<Version, Kept>>;

enum Kept {
    /// Somebody is starting it.
    Promised,
    Process {
        started: Box<StartedAhead>,
        expiry: AbortHandle,
    },
}

/// A process that does its init, or has done it.
pub(in crate::process) struct StartedAhead {
    pub(in crate::process) instance: ProcessInstance,
    pub(in crate::process) at: Instant,
}

/// A place for a process that is being started. Dropped unkept, it is free again.
pub(in crate::process) struct Promise<'a> {
    ahead: &'a Ahead,
    version: Version,
}

impl Ahead {
    /// The process that was started ahead for this version.
    pub(in crate::process) fn take(&self, function: &Function) -> Option<StartedAhead> {
        let mut kept = lock(&self.kept);
        let version = version(function);
        match kept.remove(&version)? {
            Kept::Process { started, expiry } => {
                expiry.abort();
                Some(*started)
            }
            promised @ Kept::Promised => {
                kept.insert(version, promised);
                None
            }
        }
    }

    /// A place for the caller to start one; none when there is one, or no room.
    pub(in crate::process) fn promise(&self, function: &Function) -> Option<Promise<'_>> {
        let mut kept = lock(&self.kept);
        let version = version(function);
        if kept.contains_key(&version) || AHEAD_MAX <= kept.len() {
            return None;
        }
        kept.insert(version.clone(), Kept::Promised);
        Some(Promise {
            ahead: self,
            version,
        })
    }

    /// Ends what is kept for a version that has gone.
    pub(in crate::process) fn retire(&self, function: &Function) {
        let gone = lock(&self.kept).remove(&version(function));
        if let Some(Kept::Process { started, expiry }) = gone {
            expiry.abort();
            drop(started);
        }
    }

    /// Lets go of a process that nobody takes, or that ends before somebody does: else it stays in the system's table.
    fn expire(
        &self,
        version: Version,
        end: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let mut expiries = lock(&self.expiries);
        while expiries.try_join_next().is_some() {}
        let kept = self.kept.clone();
        expiries.spawn(async move {
            // The same for both: dropping it collects it. Whoever takes the process first aborts this.
            let has_ended = tokio::time::timeout(AHEAD_IDLE_MAX, end).await.is_ok();
            let gone = {
                let mut kept = lock(&kept);
                // Not one that came in its place meanwhile.
                let is_it = matches!(kept.get(&version), Some(Kept::Process { started, .. })
                    if !(has_ended && started.instance.is_alive()));
                is_it.then(|| kept.remove(&version))
            };
            drop(gone);
        })
    }
}

impl Promise<'_> {
    /// Keeps what was promised. A process whose version was retired meanwhile ends.
    pub(in crate::process) fn keep(self, started: StartedAhead) {
        let mut kept = lock(&self.ahead.kept);
        if let Some(place) = kept.get_mut(&self.version) {
            let end = started.instance.end();
            let expiry = self.ahead.expire(self.version.clone(), end);
            let started = Box::new(started);
            *place = Kept::Process { started, expiry };
        }
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        let mut kept = lock(&self.ahead.kept);
        if matches!(kept.get(&self.version), Some(Kept::Promised)) {
            kept.remove(&self.version);
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
