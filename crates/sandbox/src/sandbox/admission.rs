//! How a process gets in: the ticket it is given, and what is looked at before it may go on.
//!
//! Lives here: both ends of a ticket, why a process did not get in.
//! Does not live here: what the process does on its side (`entry`).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_passcred, set_socket_timeout};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::Inside;
use crate::entry::Step;
use crate::groups::{Entrance, GroupError};
use crate::orders::Fault;
use crate::supervision::Supervision;
use crate::system::{messages, processes};

/// How long a process may take from its ticket to being locked in.
const ENTRY_WAIT_MAX: Duration = Duration::from_secs(5);
/// The highest number at which a process may hold what it was given: standard streams, and its channel.
const GIVEN_DESCRIPTOR_MAX: i32 = 3;

/// A process did not get in. It ends, or has ended, and nothing has run in it.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Nobody is left to ask.
    #[error("the sandbox is gone")]
    Gone(#[source] io::Error),
    /// It ended on its way.
    #[error("the process ended before it was locked in")]
    Ended,
    /// A step of its own failed.
    #[error("the process could not be locked in: {step}")]
    Refused {
        /// Which one.
        step: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// Its program is not one that can be executed.
    #[error("the program cannot be executed")]
    Execute(#[source] io::Error),
    /// A step of the nanny's failed.
    #[error("the sandbox could not run the program")]
    Fault(#[source] Fault),
    /// It held something that it must not hold inside.
    #[error("the process brought `{0}` along, which reaches outside")]
    Descriptor(String),
    /// It could not be put into its group.
    #[error(transparent)]
    Group(GroupError),
    /// More were ordered than may be on their way.
    #[error("too many instances wait for their `/tmp`")]
    Busy,
}

/// Lets one process in. `theirs` goes to the process, which gives it to `entry::enter_sandbox`.
pub struct Ticket {
    /// The process's end.
    pub theirs: OwnedFd,
    /// Ours.
    pub admission: Admission,
}

/// Waits for the process that has the ticket.
pub struct Admission {
    ours: OwnedFd,
    inside: Arc<Inside>,
    supervision: Supervision,
    group: Option<Entrance>,
}

/// A process that is locked in.
#[derive(Debug)]
pub struct Entered {
    /// Its number out here.
    pub pid: i32,
    /// It.
    pub pidfd: OwnedFd,
}

impl Admission {
    /// A ticket's two ends: ours, and the process's.
    pub(super) fn new(
        inside: &Arc<Inside>,
        supervision: &Supervision,
        group: Option<&Entrance>,
    ) -> Result<(Self, OwnedFd), EntryError> {
        let (ours, theirs) = messages::pair().map_err(EntryError::Gone)?;
        // The kernel then says which process a message is from, whatever the message says.
        set_socket_passcred(&ours, true).map_err(|error| EntryError::Gone(error.into()))?;
        set_socket_timeout(&ours, Timeout::Recv, Some(ENTRY_WAIT_MAX))
            .map_err(|error| EntryError::Gone(error.into()))?;
        let (inside, supervision) = (inside.clone(), supervision.clone());
        Ok((
            Self {
                ours,
                inside,
                supervision,
                group: group.cloned(),
            },
            theirs,
        ))
    }

    /// Sends the order, before anybody reads it: it waits in the socket, with a pidfd by which namespaces are joined, and
    /// the files of its groups.
    pub(super) fn send_order(&self, order: &[u8]) -> Result<(), EntryError> {
        let entrances = self.group.as_ref().map(Entrance::files).unwrap_or_default();
        let mut given = vec![self.inside.nanny()];
        given.extend(entrances.iter().map(OwnedFd::as_fd));
        messages::send(self.ours.as_fd(), order, &given).map_err(EntryError::Gone)
    }

    /// Waits until the process is locked in, looks at what it holds, takes its filter's listener, and lets it go on.
    /// Blocks.
    ///
    /// # Errors
    /// [`EntryError`]: it is not in, and must be killed if it is still there.
    pub fn admit(self) -> Result<Entered, EntryError> {
        self.let_in()
    }

    /// As [`Self::admit`], and waits until the process has become its program.
    pub(super) fn admit_program(self) -> Result<Entered, EntryError> {
        let entered = self.let_in()?;
        // The ticket closes when the program begins.
        match messages::receive(self.ours.as_fd()).map_err(EntryError::Gone)? {
            None => Ok(entered),
            Some(received) => Err(refusal(&received.bytes).unwrap_or(EntryError::Ended)),
        }
    }

    fn let_in(&self) -> Result<Entered, EntryError> {
        let received = messages::receive(self.ours.as_fd()).map_err(EntryError::Gone)?;
        let received = received.ok_or(EntryError::Ended)?;
        let (_, value) = understand(&received.bytes).ok_or(EntryError::Ended)?;
        if let Some(refusal) = refusal(&received.bytes) {
            return Err(refusal);
        }
        let pid = received
            .sender
            .and_then(Pid::from_raw)
            .ok_or(EntryError::Ended)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| EntryError::Ended)?;
        let number = pid.as_raw_nonzero().get();
        look_at_descriptors(number)?;
        if let Some(group) = &self.group {
            group.ensure(number).map_err(EntryError::Group)?;
        }
        let listener =
            processes::take_descriptor(pidfd.as_fd(), value).map_err(|_| EntryError::Ended)?;
        self.supervision
            .watch(listener, self.inside.clone())
            .map_err(EntryError::Gone)?;
        messages::send(self.ours.as_fd(), &[1], &[]).map_err(|_| EntryError::Ended)?;
        Ok(Entered { pid: number, pidfd })
    }
}

/// A folder of the host would be a way around every wall, and so would a socket of ours: besides what it was given, a
/// process may have only its ticket and what belongs to nobody else, such as the innards of an event loop.
fn look_at_descriptors(pid: i32) -> Result<(), EntryError> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).map_err(|_| EntryError::Ended)?;
    let mut tickets = 0;
    for entry in entries.flatten() {
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let is_given = number.is_some_and(|number: i32| number <= GIVEN_DESCRIPTOR_MAX);
        // One that was closed meanwhile is no harm.
        let Ok(target) = std::fs::read_link(entry.path()) else {
            continue;
        };
        let text = target.to_string_lossy();
        let is_socket = text.starts_with("socket:[");
        tickets += usize::from(is_socket && !is_given);
        let is_harmless = text.starts_with("pipe:[")
            || text.starts_with("anon_inode:")
            || text.starts_with("/dev/null")
            || (is_socket && tickets <= 1);
        if !is_harmless {
            return Err(EntryError::Descriptor(text.into_owned()));
        }
    }
    Ok(())
}

fn understand(bytes: &[u8]) -> Option<(u32, i32)> {
    let step = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
    let value = i32::from_ne_bytes(bytes.get(4..8)?.try_into().ok()?);
    (bytes.len() == 8).then_some((step, value))
}

/// Why the process says that it did not get in; nothing when it says that it did.
fn refusal(bytes: &[u8]) -> Option<EntryError> {
    let (step, value) = understand(bytes)?;
    let source = io::Error::from_raw_os_error(value);
    match step {
        0 => None,
        step if step == Step::Execute as u32 => Some(EntryError::Execute(source)),
        step => Some(EntryError::Refused {
            step: step_name(step),
            source,
        }),
    }
}

fn step_name(step: u32) -> &'static str {
    const STEPS: &[(Step, &str)] = &[
        (Step::Order, "it could not read its order"),
        (Step::Join, "it could not join the namespaces"),
        (Step::Fork, "it could not fork into the process namespace"),
        (Step::Session, "it could not begin a session"),
        (Step::Identity, "it could not take its ids"),
        (Step::Limits, "a limit could not be set"),
        (Step::Privileges, "it could not give up its privileges"),
        (Step::Landlock, "Landlock refused its rules"),
        (Step::Filter, "the kernel refused the filter"),
        (Step::Handover, "its filter was not taken over"),
        (Step::Unshare, "it could not make namespaces of its own"),
        (Step::Tmp, "it got no `/tmp`"),
    ];
    let found = STEPS.iter().find(|(one, _)| *one as u32 == step);
    found.map_or("at a step that nobody knows", |(_, name)| name)
}
