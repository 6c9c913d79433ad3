//! Answers the calls that a filter asks about.
//!
//! Lives here: the threads that wait for calls, reading an address out of a caller's memory.
//! Does not live here: what takes longer (`work`), which addresses may be reached (`policy`),
//! what carries the bytes (`egress`).
//!
//! A call that waits stands still, and with it its process. Each filter has a thread that answers its calls and no
//! others: reading a caller's memory waits for whoever is changing what is mapped there, and a caller can make that last
//! for most of a second, again and again. So none can hold up its neighbours. What takes longer than reading memory and
//! looking an address up, which are microseconds, is done by another thread of the sandbox's own.

mod files;
mod work;

use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};

pub(crate) use work::Worker;
use work::{Task, Work};

use crate::egress::Step;
use crate::entry::INSTANCE_NAMESPACES;
use crate::orders::SocketKind;
use crate::sandbox::Inside;
use crate::system::notify::{self, Answer, Call};
use crate::system::processes;

/// Messages of one `sendmmsg` that are looked at. The kernel sends no more than 1,024; libraries send some tens.
const MESSAGES_MAX: u64 = 64;
const SOCKET_ADDRESS_BYTES_MAX: usize = size_of::<libc::sockaddr_un>();
const MESSAGE_STRIDE_BYTES: u64 = 64;
/// A thread that answers needs no more.
const STACK_BYTES: usize = 256 * 1024;

/// The threads that answer. Cloned freely; they end with the last clone.
#[derive(Clone)]
pub struct Supervision {
    /// Closed, as far as the threads see it, when nobody holds the other end.
    ended: Arc<OwnedFd>,
    _open: Arc<OwnedFd>,
}

struct Listener {
    descriptor: OwnedFd,
    inside: Arc<Inside>,
}

impl Supervision {
    /// Makes what the threads wait by.
    ///
    /// # Errors
    /// No descriptor was to be had.
    pub fn start() -> io::Result<Self> {
        let (ended, open) = io::pipe()?;
        Ok(Self {
            ended: Arc::new(ended.into()),
            _open: Arc::new(open.into()),
        })
    }

    /// Answers the calls that this listener tells, until nobody is left under its filter.
    pub(crate) fn watch(&self, descriptor: OwnedFd, inside: Arc<Inside>) -> io::Result<()> {
        notify::wake_on_same_processor(descriptor.as_fd());
        let listener = Arc::new(Listener { descriptor, inside });
        let ended = self.ended.clone();
        let named = thread::Builder::new().name("sandbox-calls".to_owned());
        named
            .stack_size(STACK_BYTES)
            .spawn(move || listener.attend(&ended))?;
        Ok(())
    }
}

impl Listener {
    /// Returns when nobody is left under the filter, or nobody is to be answered any more.
    fn attend(self: &Arc<Self>, ended: &OwnedFd) {
        loop {
            let mut ready = [
                PollFd::new(&self.descriptor, PollFlags::IN),
                PollFd::new(ended, PollFlags::IN),
            ];
            if rustix::io::retry_on_intr(|| poll(&mut ready, None)).is_err() {
                return;
            }
            let [asked, ended] = ready.map(|one| one.revents());
            if !ended.is_empty() || !asked.contains(PollFlags::IN) {
                return;
            }
            match notify::receive(self.descriptor.as_fd()) {
                Ok(Some(call)) => self.decide(call),
                Ok(None) => {}
                Err(_) => return,
            }
        }
    }

    fn decide(self: &Arc<Self>, call: Call) {
        if let Some(answer) = self.try_answer(call) {
            notify::answer(self.descriptor.as_fd(), call.id, answer);
        }
    }

    /// What is answered at once. Nothing when a thread will.
    fn try_answer(self: &Arc<Self>, call: Call) -> Option<Answer> {
        let [first, second, third, _, fifth, sixth] = call.arguments;
        match i64::from(call.number) {
            libc::SYS_connect => self.ring_all(call, &[(second, third as u32)]),
            libc::SYS_sendto => self.ring_all(call, &[(fifth, sixth as u32)]),
            libc::SYS_sendmsg => self.ring_all(call, &self.addresses(&call, second, 1)),
            libc::SYS_sendmmsg => self.ring_all(
                call,
                &self.addresses(&call, second, third.min(MESSAGES_MAX)),
            ),
            libc::SYS_unshare if first == INSTANCE_NAMESPACES => Some(self.let_unshare(&call)),
            libc::SYS_unshare => self.arrive(call).err().map(Answer::Fail),
            _ => Some(Answer::Fail(libc::EPERM)),
        }
    }

    /// Somebody wants to reach these addresses: makes sure that they lead somewhere, or says that they do not.
    ///
    /// Whatever the memory holds by the time the kernel looks, only sockets of ours are there to be reached, and the
    /// policy is asked again about what was reached. So it is no harm that the caller may change it in between.
    fn ring_all(self: &Arc<Self>, call: Call, addresses: &[(u64, u32)]) -> Option<Answer> {
        let is_connect = i64::from(call.number) == libc::SYS_connect;
        let kind = || {
            if is_connect {
                kind_of(&call)
            } else {
                Some(SocketKind::Datagram)
            }
        };
        let mut ways = Vec::new();
        for address in addresses {
            let step = match self.read_target(&call, *address) {
                Ok(Target::Other) => continue,
                Ok(Target::File(path)) if is_connect => {
                    return self.connect_to_file(call, path).err().map(Answer::Fail);
                }
                // Which file it is could change until the kernel looks. A connected socket can be written to instead.
                Ok(Target::File(_)) => Err(libc::EACCES),
                Ok(Target::Internet(to)) => match self.inside.egress() {
                    Some(egress) => egress.look(to, kind),
                    None => continue,
                },
                Err(error) => Err(error),
            };
            match step {
                Ok(Step::Nothing) => {}
                Ok(Step::MakeWay(listen)) => ways.push(listen),
                Err(error) => return Some(Answer::Fail(error)),
            }
        }
        if ways.is_empty() {
            return Some(Answer::Continue);
        }
        let task = Task {
            listener: self.clone(),
            call: call.id,
            work: Work::MakeWays(ways),
        };
        self.inside.worker().add(task).err().map(Answer::Fail)
    }

    fn read_target(&self, call: &Call, (address, length): (u64, u32)) -> Result<Target, i32> {
        if address == 0 || length == 0 {
            return Ok(Target::Other);
        }
        let mut bytes = [0; SOCKET_ADDRESS_BYTES_MAX];
        let wanted = (length as usize).min(bytes.len());
        let part = bytes.get_mut(..wanted).unwrap_or_default();
        if processes::read_memory(call.thread, address, part).ok() != Some(wanted) {
            return Err(libc::EFAULT);
        }
        // Only now is it sure that the number was the caller's all along.
        if !notify::still_waits(self.descriptor.as_fd(), call.id) {
            return Err(libc::ESRCH);
        }
        Ok(target(part))
    }

    /// Where messages are sent to, by their headers. One that cannot be read is found by the kernel as well, which says
    /// so better.
    fn addresses(&self, call: &Call, headers: u64, count: u64) -> Vec<(u64, u32)> {
        let read = |index: u64| {
            let mut header = [0; 16];
            let at = headers.wrapping_add(index * MESSAGE_STRIDE_BYTES);
            let count = processes::read_memory(call.thread, at, &mut header).ok()?;
            let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = header;
            let address = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
            (count == header.len()).then(|| (address, u32::from_ne_bytes([i, j, k, l])))
        };
        (0..count).map_while(read).collect()
    }

    /// Has a thread connect to a socket that is a file, and answer: whoever listens there may let it wait.
    fn connect_to_file(self: &Arc<Self>, call: Call, path: PathBuf) -> Result<(), i32> {
        let room = self.inside.file_connections().ok_or(libc::EAGAIN)?;
        let listener = self.clone();
        let connect = move || {
            let waits = || notify::still_waits(listener.descriptor.as_fd(), call.id);
            let answer = match files::connect(call.thread, call.arguments[0] as i32, &path, waits) {
                Ok(()) => Answer::Done(0),
                Err(error) => Answer::Fail(error.raw_os_error().unwrap_or(libc::ECONNREFUSED)),
            };
            notify::answer(listener.descriptor.as_fd(), call.id, answer);
            drop(room);
        };
        // It ends with the sandbox at the latest: then nobody listens on the file any more.
        let started = thread::Builder::new()
            .name("sandbox-file".to_owned())
            .spawn(connect);
        started.map(|_| ()).map_err(|_| libc::EAGAIN)
    }

    fn let_unshare(&self, call: &Call) -> Answer {
        let may = self.inside.may_unshare(call.thread);
        if may && notify::still_waits(self.descriptor.as_fd(), call.id) {
            Answer::Continue
        } else {
            Answer::Fail(libc::EPERM)
        }
    }

    fn arrive(self: &Arc<Self>, call: Call) -> Result<(), i32> {
        if !self.inside.is_arriving(call.thread) {
            return Err(libc::EPERM);
        }
        let process = processes::open_process(call.thread).map_err(|_| libc::ESRCH)?;
        if !notify::still_waits(self.descriptor.as_fd(), call.id) {
            return Err(libc::ESRCH);
        }
        let work = Work::Arrive {
            number: call.thread,
            process,
        };
        self.inside.worker().add(Task {
            listener: self.clone(),
            call: call.id,
            work,
        })
    }
}

/// What kind of socket a call is about. Nothing for one that is neither, or has gone.
fn kind_of(call: &Call) -> Option<SocketKind> {
    let thread = processes::open_thread(call.thread).ok()?;
    let socket = processes::take_descriptor(thread.as_fd(), call.arguments[0] as i32).ok()?;
    let kind = rustix::net::sockopt::socket_type(&socket).ok()?;
    if kind == rustix::net::SocketType::STREAM {
        Some(SocketKind::Stream)
    } else if kind == rustix::net::SocketType::DGRAM {
        Some(SocketKind::Datagram)
    } else {
        None
    }
}

/// What a call is about.
enum Target {
    Internet(SocketAddr),
    /// A socket that is a file.
    File(PathBuf),
    /// Nothing that leads out: a name of the sandbox's own, or no address at all.
    Other,
}

/// The address of a call, as it stands in memory.
fn target(bytes: &[u8]) -> Target {
    let number = |at: usize| Some([*bytes.get(at)?, *bytes.get(at + 1)?]);
    let family = number(0).map_or(0, |two| i32::from(u16::from_ne_bytes(two)));
    let port = number(2).map_or(0, u16::from_be_bytes);
    match family {
        libc::AF_INET => match bytes
            .get(4..8)
            .and_then(|octets| <[u8; 4]>::try_from(octets).ok())
        {
            Some(octets) => Target::Internet(SocketAddr::from((Ipv4Addr::from(octets), port))),
            None => Target::Other,
        },
        libc::AF_INET6 => match bytes
            .get(8..24)
            .and_then(|octets| <[u8; 16]>::try_from(octets).ok())
        {
            Some(octets) => {
                let address = crate::policy::unmapped(Ipv6Addr::from(octets).into());
                Target::Internet(SocketAddr::new(address, port))
            }
            None => Target::Other,
        },
        libc::AF_UNIX => {
            let name = bytes.get(2..).unwrap_or_default();
            let path = name.split(|byte| *byte == 0).next().unwrap_or_default();
            if path.is_empty() {
                Target::Other
            } else {
                Target::File(PathBuf::from(OsStr::from_bytes(path)))
            }
        }
        _ => Target::Other,
    }
}
