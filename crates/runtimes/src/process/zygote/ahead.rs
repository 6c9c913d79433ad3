//! Processes that are started before anybody asks for them.
//!
//! Lives here: keeping one for each version of a function whose instances are not forked, and for how long.
//! Does not live here: starting one, and what becomes of it (`starting`).
//!
//! Such a process does its init while nobody waits. Nobody looks after it either: what it writes and says stays in its
//! pipes and its socket until it is taken, or killed because nobody came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    kept: Arc<Mutex<BTreeMap<Version, Kept>>>,
    expiries: Mutex<JoinSet<()>>,
}

enum Kept {
    /// Somebody is starting it.
    Promised,
    Process {
        instance: Box<ProcessInstance>,
        expiry: AbortHandle,
    },
}

impl Ahead {
    /// The process that was started ahead for this version.
    pub(in crate::process) fn take(&self, function: &Function) -> Option<ProcessInstance> {
        let mut kept = lock(&self.kept);
        let version = version(function);
        match kept.remove(&version)? {
            Kept::Process { instance, expiry } => {
                expiry.abort();
                Some(*instance)
            }
            promised @ Kept::Promised => {
                kept.insert(version, promised);
                None
            }
        }
    }

    /// Whether the caller is to start one: then it must [`Ahead::keep`] it, or say that it could not.
    pub(in crate::process) fn promise(&self, function: &Function) -> bool {
        let mut kept = lock(&self.kept);
        let version = version(function);
        if kept.contains_key(&version) || AHEAD_MAX <= kept.len() {
            return false;
        }
        kept.insert(version, Kept::Promised);
        true
    }

    /// Keeps what was promised; none: it did not start. One whose version was retired meanwhile ends.
    pub(in crate::process) fn keep(&self, function: &Function, instance: Option<ProcessInstance>) {
        let version = version(function);
        let mut kept = lock(&self.kept);
        if kept.remove(&version).is_none() {
            return;
        }
        let Some(instance) = instance else { return };
        let expiry = self.expire(version.clone());
        let instance = Box::new(instance);
        kept.insert(version, Kept::Process { instance, expiry });
    }

    /// Ends what is kept for a version that has gone.
    pub(in crate::process) fn retire(&self, function: &Function) {
        let gone = lock(&self.kept).remove(&version(function));
        drop(gone);
    }

    fn expire(&self, version: Version) -> AbortHandle {
        let mut expiries = lock(&self.expiries);
        while expiries.try_join_next().is_some() {}
        let kept = self.kept.clone();
        expiries.spawn(async move {
            tokio::time::sleep(AHEAD_IDLE_MAX).await;
            // Whoever takes the process first aborts this.
            let gone = lock(&kept).remove(&version);
            drop(gone);
        })
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
