//! Templates: one for each version of a function.
//!
//! Lives here: which there are, and what is known of those that could not be made.
//! Does not live here: making one (`forking`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interfaces::runtime::StartError;
use model::function::Function;
use model::ids::FunctionName;

use super::Zygote;
use crate::process::keys::IssuedKeys;

/// The templates of a runtime. There are as many as versions of functions were started and not retired.
#[derive(Default)]
pub(in crate::process) struct Templates {
    slots: Mutex<BTreeMap<Version, Arc<Slot>>>,
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
        self.slots().entry(version(function)).or_default().clone()
    }

    /// Forgets a version. Its template ends when the last of its instances has.
    pub(in crate::process) fn retire(&self, function: &Function) {
        let gone = self.slots().remove(&version(function));
        drop(gone);
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<Version, Arc<Slot>>> {
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
