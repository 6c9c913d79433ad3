//! A process's place in a sandbox.
//!
//! Lives here: what is kept for as long as a process is, and what becomes of it then.
//! Does not live here: the sandbox (`cell`), its bounds (`bounds`).

use std::sync::{Arc, Mutex, PoisonError};

use super::bounds::Kept;
use super::cell::Cell;

/// A process's place in a sandbox, which it keeps.
pub(in crate::process) struct Quarters {
    cell: Arc<Cell>,
    /// What is to be cleared away when the process has ended, once.
    left: Mutex<Left>,
    kept: Option<Kept>,
}

/// What a process leaves behind.
#[derive(Clone, Copy, Default)]
enum Left {
    /// Others are in the sandbox, or come: of a template, of a runtime with extensions.
    #[default]
    Nothing,
    /// What an instance among others has made.
    OfInstance(i32),
    /// All that is in the sandbox.
    All,
}

impl Quarters {
    /// Of a process whose sandbox goes on without it.
    pub(in crate::process) fn among(cell: Arc<Cell>, kept: Option<Kept>) -> Self {
        Self {
            cell,
            left: Mutex::default(),
            kept,
        }
    }

    /// Of a process that has its sandbox to itself.
    pub(in crate::process) fn whole(cell: Arc<Cell>, kept: Kept) -> Self {
        Self {
            cell,
            left: Mutex::new(Left::All),
            kept: Some(kept),
        }
    }

    /// Of an instance that was forked from a template.
    pub(in crate::process) fn shared(cell: Arc<Cell>, instance: i32, kept: Kept) -> Self {
        Self {
            cell,
            left: Mutex::new(Left::OfInstance(instance)),
            kept: Some(kept),
        }
    }

    /// Whether it was killed for having taken more memory than it may.
    pub(in crate::process) fn was_out_of_memory(&self) -> bool {
        self.kept.as_ref().is_some_and(Kept::was_out_of_memory)
    }

    /// An event begins: its init is done.
    pub(in crate::process) fn begin_event(&self) {
        if let Some(kept) = &self.kept {
            kept.begin_event();
        }
    }

    /// An event has ended. Whether its instance was held back meanwhile, for making processes without end.
    pub(in crate::process) fn end_event(&self) -> bool {
        self.kept.as_ref().is_some_and(Kept::end_event)
    }

    /// The most memory that it and its children are known to have had at once, in bytes, of which so much was seen.
    pub(in crate::process) fn memory_peak_bytes(&self, seen: u64) -> u64 {
        let kept = self.kept.as_ref();
        kept.map_or(seen, |kept| kept.memory_peak_bytes(seen))
    }

    pub(in crate::process) fn cell(&self) -> &Arc<Cell> {
        &self.cell
    }

    /// To be called when the process has ended.
    pub(in crate::process) fn clear(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::take(&mut *left) {
            Left::Nothing => {}
            Left::OfInstance(instance) => self.cell.sweep(instance),
            Left::All => self.cell.end(),
        }
    }
}

impl Drop for Quarters {
    fn drop(&mut self) {
        self.clear();
    }
}
