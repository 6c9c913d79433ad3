//! Templates: one for each version of a function.
//!
//! Lives here: which there are, and what is known of those that could not be made.
//! Does not live here: making one (`forking`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interfaces::runtime::StartError;
use model::function::Function;
use model::ids::FunctionName;

use super::Zygote;
use crate::process::keys::IssuedKeys;
use crate::process::recent::Recent;

/// Versions whose templates are kept. Each is a process that waits, and mostly shares its memory with its base. The version
/// that was not started for the longest goes when there is one more; its next start does the init anew.
const TEMPLATES_MAX: usize = 256;

/// The templates of a runtime.
pub(in crate::process) struct Templates {
    slots: Mutex<Recent<Version, Slot>>,
}

impl Default for Templates {
    fn default() -> Self {
        Self {
            slots: Mutex::new(Recent::new(TEMPLATES_MAX)),
        }
    }
}

pub(super) type Version = (FunctionName, String);

/// A process that has loaded a function and done its init.
pub(in crate::process) struct Template {
    pub(in crate::process) zygote: Arc<Zygote>,
    /// Clients that its init made keep the keys that they saw, so all its instances have these.
    pub(in crate::process) keys: Arc<IssuedKeys>,
}

/// The place of one template. Whoever makes it holds the lock; the others wait for what comes of it.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) made: tokio::sync::Mutex<Made>,
    makings: AtomicU64,
}

/// What came of making a template.
#[derive(Default)]
pub(super) enum Made {
    #[default]
    Nothing,
    Template(Arc<Template>),
    /// This version must not be forked.
    Spawned,
    /// The how-manieth making failed, and how: for those who waited for it.
    Failed {
        making: u64,
        error: StartError,
    },
}

impl Templates {
    pub(super) fn slot(&self, function: &Function) -> Arc<Slot> {
        self.slots().place(version(function))
    }

    /// Forgets a version. Its template ends when the last of its instances has.
    pub(in crate::process) fn retire(&self, function: &Function) {
        let gone = self.slots().remove(&version(function));
        drop(gone);
    }

    fn slots(&self) -> MutexGuard<'_, Recent<Version, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// How many makings have come to an end.
    pub(super) fn makings(&self) -> u64 {
        self.makings.load(Ordering::Acquire)
    }

    /// Counts one more.
    pub(super) fn count_making(&self) -> u64 {
        self.makings.fetch_add(1, Ordering::AcqRel) + 1
    }
}

pub(super) fn version(function: &Function) -> Version {
    (function.name.clone(), function.fingerprint.clone())
}
