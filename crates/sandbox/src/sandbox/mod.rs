//! A sandbox as we hold it: its nanny, its listeners, the ways into it.
//!
//! Lives here: tickets for forked templates, programs that are executed inside, the permission to become an instance,
//! its end.
//! Does not live here: one without an owner (`spare`), making it (`maker`), answers to its calls (`supervision`), its
//! network (`egress`, `resolver`).

mod admission;
mod inside;
mod spare;

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

pub use admission::{Admission, Entered, EntryError, Ticket};
pub use inside::OnInstance;
pub(crate) use inside::{Arriving, Inside, user_namespace};
pub use spare::{SHOWN_LATER_MAX, SpareSandbox};

use crate::egress::Egress;
use crate::groups::Entrance;
use crate::orders::{
    Confinement, Execute, Family, Listen, Origin, Plan, Request, SocketKind, SupplementaryGroups,
    SurplusDescriptors,
};
use crate::supervision::Supervision;
use crate::system::processes::Ending;

/// A sandbox. When it is dropped, everything in it is killed.
pub struct Sandbox {
    inside: Arc<Inside>,
    plan: Plan,
    listeners: HashMap<Listen, OwnedFd>,
    groups: SupplementaryGroups,
    supervision: Supervision,
}

/// A program to run inside.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its path inside.
    pub path: PathBuf,
    /// Its arguments, the first of which is its name.
    pub arguments: Vec<OsString>,
    /// Its whole environment, as `NAME=value`.
    pub variables: Vec<OsString>,
    /// Its working folder inside.
    pub directory: PathBuf,
}

/// A program that runs inside.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub process: Entered,
    /// How it ends.
    pub end: ProgramEnd,
}

/// Learns how a program ended: its parent is the nanny.
#[derive(Debug)]
pub struct ProgramEnd(OwnedFd);

impl ProgramEnd {
    /// Waits for it. `None` when the whole sandbox ended.
    pub fn wait(&self) -> Option<Ending> {
        let mut message = [0u8; crate::nanny::ENDING_BYTES];
        let count = rustix::io::retry_on_intr(|| rustix::io::read(&self.0, &mut message)).ok()?;
        let (how, value) = message.get(..count)?.split_first()?;
        let value = i32::from_ne_bytes(value.try_into().ok()?);
        Some(if *how == 0 {
            Ending::Status(value)
        } else {
            Ending::Signal(value)
        })
    }

    /// The descriptor, for an event loop: readable when there is something to be learnt.
    pub fn descriptor(&self) -> &OwnedFd {
        &self.0
    }
}

impl std::os::fd::AsRawFd for ProgramEnd {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}

impl Sandbox {
    pub(crate) fn new(
        plan: Plan,
        (user_namespace, pidfd): (u64, OwnedFd),
        channel: OwnedFd,
        listeners: HashMap<Listen, OwnedFd>,
        groups: SupplementaryGroups,
        supervision: &Supervision,
    ) -> Self {
        let inside = Inside::new((user_namespace, pidfd), channel, plan.tmp_bytes_max);
        let supervision = supervision.clone();
        Self {
            inside: Arc::new(inside),
            plan,
            listeners,
            groups,
            supervision,
        }
    }

    /// What it was made by.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A socket of the plan, to be served. Once; nothing where this machine lacks its family.
    pub fn take_listener(&mut self, listen: Listen) -> Option<OwnedFd> {
        self.listeners.remove(&listen)
    }

    /// Carries out, from now on, what its processes send to addresses outside.
    pub fn open_network(&self, egress: Arc<Egress>) {
        self.inside.open_network(egress);
    }

    /// Has a group made for each instance from now on, before it goes on. It holds up the sandbox.
    pub fn meet_instances(&self, meet: Box<OnInstance>) {
        self.inside.meet_instances(meet);
    }

    /// Makes ready for the first instance, while nobody waits for it.
    pub fn prepare_for_instances(&self) {
        self.inside.worker().prepare();
    }

    /// Lets a fork of a base in, and into its group.
    ///
    /// # Errors
    /// [`EntryError::Gone`]: no socket could be made.
    pub fn ticket(
        &self,
        confinement: &Confinement,
        surplus: SurplusDescriptors,
        group: Option<&Entrance>,
    ) -> Result<Ticket, EntryError> {
        let (admission, theirs) = Admission::new(&self.inside, &self.supervision, group)?;
        admission.send_order(&confinement.order(Origin::Base(self.groups, surplus)))?;
        Ok(Ticket { theirs, admission })
    }

    /// Runs a program inside, in its group. It shares its `/tmp` and its processes with the programs before it. `descriptors` are what it has at 0, 1, 2 and so on. Blocks for some milliseconds.
    ///
    /// # Errors
    /// [`EntryError`]: nothing was run. [`EntryError::Execute`]: because of the program.
    pub fn execute(
        &self,
        program: &Program,
        confinement: &Confinement,
        descriptors: &[OwnedFd],
        group: Option<&Entrance>,
    ) -> Result<Running, EntryError> {
        let (admission, theirs) = Admission::new(&self.inside, &self.supervision, group)?;
        let entrances = group.map(Entrance::files).unwrap_or_default();
        let (end, their_end) = std::os::unix::net::UnixStream::pair().map_err(EntryError::Gone)?;
        let bytes = |list: &[OsString]| list.iter().cloned().map(OsStringExt::into_vec).collect();
        let request = Request::Execute(Box::new(Execute {
            program: program.path.clone(),
            arguments: bytes(&program.arguments),
            variables: bytes(&program.variables),
            directory: program.directory.clone(),
            tmp_bytes_max: self.plan.tmp_bytes_max,
            entrances: entrances.len(),
            order: confinement.order(Origin::Nanny),
        }));
        let mut attached = vec![theirs.as_fd(), their_end.as_fd()];
        attached.extend(entrances.iter().map(OwnedFd::as_fd));
        attached.extend(descriptors.iter().map(OwnedFd::as_fd));
        self.inside
            .ask(&request, &attached)
            .map_err(EntryError::Fault)?;
        drop((theirs, their_end));
        let process = admission.admit_program()?;
        self.inside.note_instance(process.pid);
        Ok(Running {
            process,
            end: ProgramEnd(end.into()),
        })
    }

    /// A socket for a connection to a listener inside, connected to nothing yet: wherever it is connected from, it stays
    /// in the network inside.
    ///
    /// # Errors
    /// [`EntryError::Fault`]: none could be made.
    pub fn connector(&self) -> Result<OwnedFd, EntryError> {
        let socket = self.inside.socket(Family::V4, SocketKind::Stream);
        socket.map_err(EntryError::Fault)
    }

    /// Lets one child of a template, by the template's number, become an instance: the next that asks. One that was kept
    /// ahead and has ended may be replaced as well; the numbers of such are given, to be swept away.
    ///
    /// # Errors
    /// [`EntryError::Busy`]: too many were ordered and have not come.
    pub fn expect_instance(&self, template: i32) -> Result<Vec<i32>, EntryError> {
        self.inside.expect(template)
    }

    /// Takes one permission back: the template has not forked.
    pub fn expect_one_less(&self, template: i32) {
        self.inside.expect_one_less(template);
    }

    /// To be called with the number of each instance that was asked for: from then on it is kept until it is swept away.
    pub fn know_instance(&self, instance: i32) {
        self.inside.know(instance);
    }

    /// Ends what an instance, by its number, has left behind: children that began sessions of their own included. To be
    /// called when it has ended. What `/tmp` held goes with its last process.
    ///
    /// # Errors
    /// [`EntryError::Fault`]: they forked faster than they could be killed, or the sandbox is gone. It should be dropped.
    pub fn sweep(&self, instance: i32) -> Result<(), EntryError> {
        self.inside.sweep(instance).map_err(EntryError::Fault)
    }

    /// The nanny, which is alive as long as the sandbox is.
    pub fn nanny(&self) -> &OwnedFd {
        self.inside.nanny_pidfd()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.inside.end();
    }
}
