//! A sandbox that was made before anybody needed it.
//!
//! Lives here: letting a process in to wait, and making it the sandbox of somebody.
//! Does not live here: who keeps it, and for how long; how what it shows is got at (`nanny::picker`).

use std::os::fd::{AsFd as _, OwnedFd};

use super::{EntryError, Sandbox, Ticket};
use crate::groups::Entrance;
use crate::orders::{Confinement, Fault, Listen, OutsideIds, Request, Shown, SurplusDescriptors};
use crate::system::messages;
use crate::views;

/// Files and folders that can be shown later.
pub const SHOWN_LATER_MAX: usize = messages::DESCRIPTORS_MAX;

/// A sandbox without an owner. When it is dropped, everything in it is killed.
pub struct SpareSandbox(Sandbox);

impl SpareSandbox {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self(sandbox)
    }

    /// As [`Sandbox::take_listener`].
    pub fn take_listener(&mut self, listen: Listen) -> Option<OwnedFd> {
        self.0.take_listener(listen)
    }

    /// As [`Sandbox::ticket`]. What comes in must run nobody's code before this is somebody's.
    ///
    /// # Errors
    /// As [`Sandbox::ticket`].
    pub fn ticket(
        &self,
        confinement: &Confinement,
        surplus: SurplusDescriptors,
        group: Option<&Entrance>,
    ) -> Result<Ticket, EntryError> {
        self.0.ticket(confinement, surplus, group)
    }

    /// What it shows already.
    pub fn shown(&self) -> &[Shown] {
        &self.0.plan.shown
    }

    /// The nanny, which is alive as long as the sandbox is.
    pub fn nanny(&self) -> &OwnedFd {
        self.0.nanny()
    }

    /// Makes it somebody's, which shows this besides, and has a `/tmp` of this size. Blocks for part of a millisecond.
    ///
    /// # Errors
    /// A step failed; the sandbox has ended.
    pub fn furnish(self, shown: Vec<Shown>, tmp_bytes_max: u64) -> Result<Sandbox, Fault> {
        let Self(mut sandbox) = self;
        let request = Request::Furnish {
            shown: shown.clone(),
            tmp_bytes_max,
        };
        // As root it is we who take hold of it: nobody else can map its owners' ids.
        let views = match sandbox.plan.outside {
            Some(ids) => taken(&shown, ids)?,
            None => Vec::new(),
        };
        let attached: Vec<_> = views.iter().map(OwnedFd::as_fd).collect();
        sandbox.inside.ask(&request, &attached)?;
        sandbox.inside.bound_tmp(tmp_bytes_max);
        sandbox.plan.shown.extend(shown);
        sandbox.plan.tmp_bytes_max = tmp_bytes_max;
        Ok(sandbox)
    }
}

/// What is shown, for a sandbox that has these ids already.
fn taken(shown: &[Shown], ids: OutsideIds) -> Result<Vec<OwnedFd>, Fault> {
    let views = views::take(shown, ids)?;
    if views.ids == ids {
        return Ok(views.trees);
    }
    Err(Fault {
        step: "map the ids of what is shown".to_owned(),
        error: libc::EOPNOTSUPP,
    })
}
