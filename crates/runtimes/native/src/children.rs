//! The forks of a parked process that have not ended.
//!
//! Lives here: which they are, how one is collected, how all are ended.
//! Does not live here: how they are made (`park`).

use std::collections::TryReserveError;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::frames::Ended;
use crate::system::{self, Collect, Poller};

/// How long children have to end by themselves, all together.
const END_MAX: Duration = Duration::from_millis(500);

struct Child {
    pid: u32,
    pidfd: OwnedFd,
    /// Whoever asked for it knows of it, and is to know how it ended.
    is_known: bool,
}

/// A child that has ended.
pub(crate) struct Collected {
    pub(crate) pid: u32,
    pub(crate) ended: Ended,
    /// Somebody is to be told.
    pub(crate) is_known: bool,
}

/// As many as this process may hold descriptors: each has one.
#[derive(Default)]
pub(crate) struct Children(Vec<Child>);

impl Children {
    /// Has room for one more, so that [`Children::add`] cannot fail.
    pub(crate) fn make_room(&mut self) -> Result<(), TryReserveError> {
        self.0.try_reserve(1)
    }

    /// One that nobody knows of yet.
    pub(crate) fn add(&mut self, pid: u32, pidfd: OwnedFd) {
        // Room was made before there was a child.
        self.0.push(Child {
            pid,
            pidfd,
            is_known: false,
        });
    }

    /// From now on somebody knows of it: by this pidfd.
    pub(crate) fn make_known(&mut self, pid: u32) -> Option<&OwnedFd> {
        let child = self.0.iter_mut().find(|child| child.pid == pid)?;
        child.is_known = true;
        Some(&child.pidfd)
    }

    /// Collects the child whose pidfd this is, which has ended.
    pub(crate) fn collect(&mut self, poller: &Poller, descriptor: u64) -> Option<Collected> {
        let is_it = |child: &Child| u64::try_from(child.pidfd.as_raw_fd()) == Ok(descriptor);
        let index = self.0.iter().position(is_it)?;
        let child = self.0.swap_remove(index);
        // It was added, so it can be removed.
        let _ = poller.remove(child.pidfd.as_raw_fd());
        Some(Collected {
            pid: child.pid,
            ended: end_of(child.pid),
            is_known: child.is_known,
        })
    }

    /// Nobody asks any more, so nobody uses the children either: as a rule they are ending already.
    pub(crate) fn end(&mut self) {
        let deadline = Deadline::after(END_MAX);
        for child in self.0.drain(..) {
            if !system::is_readable_within(&child.pidfd, deadline.left()) {
                system::kill(&child.pidfd);
            }
            end_of(child.pid);
        }
    }

    /// In a child: its brothers are none of its business.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

/// How a child ended. Its own children go first: until it is collected, nobody else can have its number.
fn end_of(pid: u32) -> Ended {
    if system::wait_for(pid, Collect::Later).is_err() {
        return Ended::Unknown;
    }
    if let Ok(group) = i32::try_from(pid) {
        system::kill_group(group);
    }
    system::wait_for(pid, Collect::Now).unwrap_or(Ended::Unknown)
}
