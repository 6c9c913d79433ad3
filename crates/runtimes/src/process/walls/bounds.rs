//! How much of this machine a process in a sandbox may take.
//!
//! Lives here: which limits a function has, and who keeps them: the kernel, where we may make control groups, and
//! somebody who looks at the memory of each process.
//! Does not live here: the limits that each process has of its own (`walls`), the groups themselves (`sandbox`).
//!
//! Files in `/tmp` are memory to the kernel, and none of the function's. So a group bounds both together, and what the
//! function itself has is looked at.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use model::function::Function;
use sandbox::{Group, GroupError, GroupLimits, Groups, Places, Watch, Watchdog};

use super::PROCESSES_MAX;

/// Processor time is not rationed: an init has more of it in the cloud than what comes with the memory.
const PROCESSOR_THOUSANDTHS: u64 = 1_024_000;

/// Who keeps limits.
pub(super) struct Keepers {
    groups: Option<Groups>,
    watchdog: Watchdog,
    last_number: AtomicU64,
}

/// What one process of a function may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    memory_bytes_max: u64,
    tmp_bytes_max: u64,
}

impl Bounds {
    pub(super) fn of(function: &Function) -> Self {
        Self {
            memory_bytes_max: u64::from(function.memory_mb) << 20,
            tmp_bytes_max: u64::from(function.ephemeral_storage_mb) << 20,
        }
    }
}

impl Keepers {
    /// Those of this machine.
    pub(super) fn here() -> io::Result<Self> {
        let groups = Places::find()
            .ok()
            .and_then(|(places, _)| Groups::open(&places).ok());
        Ok(Self {
            groups,
            watchdog: Watchdog::start()?,
            last_number: AtomicU64::new(0),
        })
    }

    /// Puts a process into a group of its own, where there are groups.
    pub(super) fn group(&self, pid: i32, bounds: Bounds) -> Result<Option<Group>, GroupError> {
        let Some(groups) = &self.groups else {
            return Ok(None);
        };
        let number = self.last_number.fetch_add(1, Ordering::Relaxed);
        let limits = GroupLimits {
            memory_bytes_max: bounds.memory_bytes_max + bounds.tmp_bytes_max,
            processes_max: PROCESSES_MAX,
            processor_thousandths: PROCESSOR_THOUSANDTHS,
        };
        let group = groups.make(&number.to_string(), &limits)?;
        group.add(pid)?;
        Ok(Some(group))
    }

    /// Looks at a process's memory from now on.
    pub(super) fn watch(&self, pid: i32, pidfd: OwnedFd, bounds: Bounds) -> Watch {
        self.watchdog.watch(pid, pidfd, bounds.memory_bytes_max)
    }
}

/// What keeps one process within its bounds.
pub(in crate::process) struct Kept {
    pub(super) group: Option<Group>,
    pub(super) watch: Watch,
}

impl Kept {
    pub(super) fn was_out_of_memory(&self) -> bool {
        let in_group = self.group.as_ref().is_some_and(Group::was_out_of_memory);
        in_group || self.watch.was_killed()
    }
}
