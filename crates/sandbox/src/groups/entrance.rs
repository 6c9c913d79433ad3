//! How a process gets into its group.
//!
//! Lives here: the files through which it goes by itself, and whether it is in.
//! Does not live here: the groups (`groups`), who gives a process those files (`entry`, `supervision`).
//!
//! Moving another process takes the kernel's lock on all forks of the machine, and with it a wait for every processor:
//! tens of milliseconds on a machine where nothing was moved lately. A thread that moves itself, and nothing else,
//! needs no such lock. In the first version any thread may, by writing 0 to `tasks`; in the second only within groups
//! of threads, which know no limit of memory: there a process is moved.
//!
//! Contract: Linux, `cgroup_procs_write_start`: "If we migrate a single thread, we don't care about threadgroup
//! stability. If the thread is `current`, it won't exit(2) under our hands or change PID through exec(2)."

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::places::Version;
use super::{Group, GroupError, write};

/// Hierarchies that a group may be in: of memory, of processes and of processor time.
const ENTRANCES_MAX: usize = 3;

/// The way into one group.
#[derive(Debug, Clone)]
pub struct Entrance {
    version: Version,
    folders: Arc<[PathBuf]>,
}

impl Group {
    /// The way in.
    pub fn entrance(&self) -> Entrance {
        Entrance {
            version: self.version,
            folders: self.folders.iter().map(|one| one.path.clone()).collect(),
        }
    }
}

impl Entrance {
    /// Files to which a process with one thread writes 0 to be in. They open nothing else: whoever keeps one can put
    /// processes of its own into this group, and none out of it. None where there is no such way.
    pub(crate) fn files(&self) -> Vec<OwnedFd> {
        if self.version == Version::Second || ENTRANCES_MAX < self.folders.len() {
            return Vec::new();
        }
        let open = |folder: &PathBuf| {
            let file = fs::File::options().write(true).open(folder.join("tasks"));
            file.map(OwnedFd::from)
        };
        let all: io::Result<Vec<OwnedFd>> = self.folders.iter().map(open).collect();
        // Without them it is moved, which fails with a reason if it must.
        all.unwrap_or_default()
    }

    /// Makes sure that a process is in, with all its threads: it should be by now, and is moved if it is not.
    ///
    /// # Errors
    /// It has ended, or may not be moved.
    pub fn ensure(&self, pid: i32) -> Result<(), GroupError> {
        if self.version == Version::First && self.holds(pid) {
            return Ok(());
        }
        let mut folders = self.folders.iter();
        folders.try_for_each(|folder| write(&folder.join("cgroup.procs"), &pid.to_string()))
    }

    /// Whether a process is in, and has no other thread that might not be.
    fn holds(&self, pid: i32) -> bool {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).map(Iterator::count);
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let ends_with = |line: &str, folder: &PathBuf| {
            let mut names = folder.iter().rev().filter_map(|name| name.to_str());
            let mut found = line.rsplit('/');
            // The run's own folder and the group's: no other two are called so.
            (0..2).all(|_| names.next().is_some_and(|name| found.next() == Some(name)))
        };
        let is_in = |line: &&str| self.folders.iter().any(|folder| ends_with(line, folder));
        let count = text.lines().filter(is_in).count();
        matches!(threads, Ok(1)) && count == self.folders.len()
    }
}
