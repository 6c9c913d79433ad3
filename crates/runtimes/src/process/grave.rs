//! Processes that are to end, and that nobody waits for any more.
//!
//! Lives here: how one is looked at until it is gone.
//! Does not live here: who looks, and how often (`launch`).

use std::os::fd::OwnedFd;

use rustix::process::Signal;

use super::child;

/// How many looks a process has that was asked to end, before it is killed: about a second.
const LOOKS_BEFORE_KILL: u32 = 50;

/// A process that is to end.
pub(super) struct Grave {
    pidfd: OwnedFd,
    kin: Kin,
    looks_before_kill: u32,
}

/// Who collects it.
enum Kin {
    /// We do.
    Child,
    /// The process that forked it.
    Descendant,
}

impl Grave {
    /// Of a child of ours that was killed.
    pub(super) fn of_child(pidfd: OwnedFd) -> Self {
        Self {
            pidfd,
            kin: Kin::Child,
            looks_before_kill: 0,
        }
    }

    /// Of a child of ours that was asked to end.
    pub(super) fn of_leaving_child(pidfd: OwnedFd) -> Self {
        Self {
            looks_before_kill: LOOKS_BEFORE_KILL,
            ..Self::of_child(pidfd)
        }
    }

    /// Of a process that another one forked and collects, and that was asked to end.
    pub(super) fn of_leaving_descendant(pidfd: OwnedFd) -> Self {
        Self {
            kin: Kin::Descendant,
            ..Self::of_leaving_child(pidfd)
        }
    }

    /// Looks once. True when there is nothing more to do.
    pub(super) fn is_closed(&mut self) -> bool {
        let is_closed = match self.kin {
            Kin::Child => child::reap(&self.pidfd).is_some(),
            Kin::Descendant => child::has_ended(&self.pidfd),
        };
        if !is_closed && 0 < self.looks_before_kill {
            self.looks_before_kill -= 1;
            if self.looks_before_kill == 0 {
                // It fails only when the process has just ended, which is what was wanted.
                let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
            }
        }
        is_closed
    }
}
