//! What a sandbox is made of, and the messages between us, the maker and a nanny.
//!
//! Lives here: plans, orders and answers as data; the bytes of an order that a process locks itself in by.
//! Does not live here: carrying them out (`maker`, `nanny`, `entry`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::entry;
use crate::filter;

/// The id that everything in a sandbox runs under, as seen inside.
pub const INSIDE_UID: u32 = 1000;
/// And its group.
pub const INSIDE_GID: u32 = 1000;
/// The folder above an instance's `/tmp`: `/tmp` itself is a link into it, since a rule for files cannot stand on a
/// place that something is mounted on.
pub(crate) const INSTANCE_FOLDER: &str = "/instance";
pub(crate) const INSTANCE_TMP: &str = "/instance/tmp";

/// What a sandbox is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// Its host name, and part of its processes' names in lists.
    pub name: String,
    /// What is shown of the host's files, besides the system's own programs and libraries.
    pub shown: Vec<Shown>,
    /// The size of `/tmp`, in bytes: the template's, until an instance has its own.
    pub tmp_bytes_max: u64,
    /// Ids outside that nothing else has. Only root can give them; without, they are our own. A sandbox that could not
    /// read what it shows, because a file system maps no ids, has those of the owner instead.
    pub outside: Option<OutsideIds>,
    /// Sockets that listen inside and are served by us.
    pub listeners: Vec<Listen>,
    /// Names by which programs inside reach one another, besides `localhost`.
    pub own_names: Vec<String>,
}

/// A file or folder of the host, read-only.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Shown {
    /// Where it is on the host.
    pub from: PathBuf,
    /// Where it is seen.
    pub to: PathBuf,
}

impl Shown {
    /// Seen where it is.
    pub fn in_place(path: impl Into<PathBuf>) -> Self {
        let from = path.into();
        Self {
            to: from.clone(),
            from,
        }
    }

    /// Seen elsewhere.
    pub fn at(from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        Self {
            from: from.into(),
            to: to.into(),
        }
    }
}

/// Ids of the host.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, Hash)]
pub struct OutsideIds {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// A socket inside.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, Hash)]
pub struct Listen {
    /// Where.
    pub address: SocketAddr,
    /// What for.
    pub kind: SocketKind,
}

/// Connections or datagrams.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// TCP.
    Stream,
    /// UDP.
    Datagram,
}

/// The two families of addresses.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) fn of(address: SocketAddr) -> Self {
        if address.is_ipv6() {
            Self::V6
        } else {
            Self::V4
        }
    }
}

/// What becomes of descriptors that a fork of a base has besides its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SurplusDescriptors {
    /// They are closed: of an interpreter that needs none.
    Closed,
    /// They are looked at, and none may reach outside: of one with an event loop, whose innards they are.
    Checked,
}

/// Whether processes inside still have the groups of whoever made the sandbox: an ordinary user cannot take them away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SupplementaryGroups {
    Kept,
    GivenUp,
}

/// What we ask of the maker. The nanny's end of its channel comes with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Make {
    pub(crate) plan: Plan,
    pub(crate) use_of_it: Use,
}

/// When a sandbox is to be used.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) enum Use {
    Now,
    /// When somebody needs one: the rest of what it shows, and its `/tmp`, come with [`Request::Furnish`].
    Later,
}

/// What the maker answers. A pidfd of the nanny comes with success.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Made {
    Forked {
        pid: i32,
        /// The ids that it has outside, if it has some of its own.
        outside: Option<OutsideIds>,
    },
    Failed(Fault),
}

/// What a nanny says first. The listeners come with success, in the order of the plan.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ready {
    Whole {
        /// Which of the plan's listeners could be made: those of a family that this machine has.
        listening: Vec<bool>,
    },
    Failed(Fault),
}

/// What we ask of a nanny.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// A socket inside, unbound.
    Socket { family: Family, kind: SocketKind },
    /// The rest of what is shown, and a `/tmp`: once, of a sandbox that was made to be used later, and before all that
    /// needs either.
    Furnish {
        shown: Vec<Shown>,
        tmp_bytes_max: u64,
    },
    /// A `/tmp` of this size for the process that the attached pidfd stands for.
    Tmp { bytes_max: u64 },
    /// The end of every process of a user namespace, by its number.
    Sweep { namespace: u64 },
    /// A program. Attached: the ticket, the socket for its end, the files of its groups, then what it has at 0, 1, 2 and
    /// so on.
    Execute(Box<Execute>),
}

/// A program that is to run inside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Execute {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) variables: Vec<Vec<u8>>,
    pub(crate) directory: PathBuf,
    /// The size of `/tmp`, should it be the first.
    pub(crate) tmp_bytes_max: u64,
    /// How many files of groups come with it.
    pub(crate) entrances: usize,
    /// By which it locks itself in.
    pub(crate) order: Vec<u8>,
}

/// What a nanny answers. A socket comes with the answer to a request for one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Failed(Fault),
}

/// A step that failed: what was tried, on what, and the system's error.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Fault {
    /// What was tried.
    pub step: String,
    /// The system's error.
    pub error: i32,
}

impl Fault {
    pub(crate) fn of(step: impl Into<String>, error: &std::io::Error) -> Self {
        Self {
            step: step.into(),
            error: error.raw_os_error().unwrap_or(libc::EIO),
        }
    }

    pub(crate) fn at(step: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::of(format!("{step} `{}`", path.display()), &error)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let error = std::io::Error::from_raw_os_error(self.error);
        write!(out, "{}: {error}", self.step)
    }
}

impl std::error::Error for Fault {}

/// How a process is locked in, beyond the walls of its sandbox.
#[derive(Debug, Clone)]
pub struct Confinement {
    /// Its limits, by the kernel's numbers of resources.
    pub limits: Vec<(ResourceLimit, u64)>,
    /// What Landlock can do here.
    pub landlock: Landlock,
}

/// A limit that a process and its children each have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceLimit {
    /// Open descriptors.
    OpenFiles,
    /// Processes and threads of its user namespace.
    Processes,
    /// The size of a dump of its memory, in bytes.
    CoreBytes,
    /// Memory that cannot be swapped out, in bytes.
    LockedBytes,
    /// Bytes of messages in queues.
    QueueBytes,
    /// Signals that wait, and timers: of all its user has, an instance's share.
    PendingSignals,
}

impl ResourceLimit {
    fn number(self) -> u64 {
        (match self {
            Self::OpenFiles => libc::RLIMIT_NOFILE,
            Self::Processes => libc::RLIMIT_NPROC,
            Self::CoreBytes => libc::RLIMIT_CORE,
            Self::LockedBytes => libc::RLIMIT_MEMLOCK,
            Self::QueueBytes => libc::RLIMIT_MSGQUEUE,
            Self::PendingSignals => libc::RLIMIT_SIGPENDING,
        }) as u64
    }
}

/// What the kernel's Landlock knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landlock {
    /// Every kind of access to files, as bits.
    pub files: u64,
    /// Signals and abstract sockets, as bits.
    pub scoped: u64,
}

impl Landlock {
    /// Of a kernel whose Landlock has this version; 0 is none.
    pub fn of_version(version: u32) -> Self {
        let files = match version {
            0 => 0,
            1 => (1 << 13) - 1,
            2 => (1 << 14) - 1,
            3 | 4 => (1 << 15) - 1,
            _ => (1 << 16) - 1,
        };
        Self {
            files,
            scoped: if version < 6 { 0 } else { 3 },
        }
    }

    const EXECUTE: u64 = 1;
    const WRITE_FILE: u64 = 1 << 1;
    const READ_FILE: u64 = 1 << 2;
    const READ_FOLDER: u64 = 1 << 3;
    const MAKE_CHARACTER_DEVICE: u64 = 1 << 6;
    const MAKE_BLOCK_DEVICE: u64 = 1 << 11;
    const DEVICE_REQUESTS: u64 = 1 << 15;

    fn rules(self) -> Vec<(u64, &'static str)> {
        if self.files == 0 {
            return Vec::new();
        }
        let all = self.files & !(Self::MAKE_CHARACTER_DEVICE | Self::MAKE_BLOCK_DEVICE);
        let devices = self.files & (Self::WRITE_FILE | Self::READ_FILE | Self::DEVICE_REQUESTS);
        vec![
            (Self::EXECUTE | Self::READ_FILE | Self::READ_FOLDER, "/"),
            (all, INSTANCE_FOLDER),
            (devices, "/dev"),
        ]
    }
}

/// Where a process is when it gets its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A fork of a base, outside.
    Base(SupplementaryGroups, SurplusDescriptors),
    /// A child of the nanny, inside, which gave its groups up if it could.
    Nanny,
}

impl Confinement {
    /// The bytes that `entry` reads.
    pub(crate) fn order(&self, origin: Origin) -> Vec<u8> {
        let (origin_flags, groups) = match origin {
            Origin::Base(groups, SurplusDescriptors::Closed) => {
                (entry::FLAG_JOIN | entry::FLAG_CLOSE, groups)
            }
            Origin::Base(groups, SurplusDescriptors::Checked) => (entry::FLAG_JOIN, groups),
            Origin::Nanny => (0, SupplementaryGroups::Kept),
        };
        let mut flags = origin_flags | entry::FLAG_NOTIFY;
        if groups == SupplementaryGroups::Kept {
            flags |= entry::FLAG_KEEP_GROUPS;
        }
        let mut rules = Vec::new();
        for (access, path) in self.landlock.rules() {
            // Ends with at least one zero byte, and on a border of eight.
            let length = (path.len() + 8) & !7;
            rules.extend(access.to_ne_bytes());
            rules.extend((length as u64).to_ne_bytes());
            rules.extend(path.as_bytes());
            rules.resize(rules.len() + length - path.len(), 0);
        }
        let program = filter::compile();
        let numbers = [
            entry::ORDER_MAGIC,
            flags,
            INSIDE_UID,
            INSIDE_GID,
            self.limits.len() as u32,
            rules.len() as u32,
            (program.len() / 8) as u32,
            0,
            0,
            0,
        ];
        let mut order = Vec::new();
        order.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
        order.extend(self.landlock.files.to_ne_bytes());
        order.extend(self.landlock.scoped.to_ne_bytes());
        order.extend(program);
        for (resource, value) in &self.limits {
            order.extend(resource.number().to_ne_bytes());
            order.extend(value.to_ne_bytes());
        }
        order.extend(rules);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Order;

    fn order() -> Vec<u8> {
        let confinement = Confinement {
            limits: vec![(ResourceLimit::OpenFiles, 7), (ResourceLimit::CoreBytes, 0)],
            landlock: Landlock::of_version(6),
        };
        confinement.order(Origin::Base(
            SupplementaryGroups::Kept,
            SurplusDescriptors::Closed,
        ))
    }

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let bytes = order();
        assert!(bytes.len() <= entry::ORDER_BYTES_MAX);
        let read = Order::read(&bytes).unwrap();
        assert_eq!(read.limits().collect::<Vec<_>>(), [(7, 7), (4, 0)]);
        let rules: Vec<_> = read
            .rules()
            .map(|(access, path)| (access, path.split(|byte| *byte == 0).next().unwrap()))
            .collect();
        assert_eq!(
            rules,
            [
                (13, b"/".as_slice()),
                (0xffff & !(1 << 6 | 1 << 11), b"/instance"),
                (0x8006, b"/dev")
            ]
        );
    }

    #[test]
    fn an_order_that_is_cut_or_changed_is_not_read_past_its_end() {
        let whole = order();
        for length in 0..whole.len() {
            assert!(Order::read(&whole[..length]).is_none(), "{length}");
        }
        for at in 0..entry::HEADER_BYTES {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            if let Some(read) = Order::read(&changed) {
                assert!(read.limits().count() <= 2 && read.rules().count() <= 3);
            }
        }
    }

    #[test]
    fn landlock_handles_no_more_than_a_kernel_knows() {
        for (version, files, scoped) in [
            (0, 0, 0),
            (1, 0x1fff, 0),
            (2, 0x3fff, 0),
            (4, 0x7fff, 0),
            (5, 0xffff, 0),
            (6, 0xffff, 3),
            (9, 0xffff, 3),
        ] {
            assert_eq!(Landlock::of_version(version), Landlock { files, scoped });
        }
        assert!(
            Landlock::of_version(1)
                .rules()
                .iter()
                .all(|(access, _)| access & !0x1fff == 0)
        );
    }
}
