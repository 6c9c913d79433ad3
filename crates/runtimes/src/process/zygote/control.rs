//! The channel over which a warm process is asked to fork, and says how its children ended.
//!
//! Lives here: the frames, the descriptors that travel with them, who waits for which answer.
//! Does not live here: what is asked of a fork once it is there (`instance`), when a zygote is made (`bases`,
//! `templates`).
//!
//! A frame is as those of instances: the length of its body (u32, big-endian), its type (u8), and the body. We say
//! `FORK` with a number (u32), and attach the child's socket, standard output and standard error, and to have it enter a
//! sandbox, a ticket. It says `FORKED`
//! with that number and the child's (u32), which in a sandbox is another than out here, a pidfd attached, or `FORKED_ALONE`
//! where the system lets it attach none; or `FORK_FAILED` with that number and the system's error (i32). Whenever a child has ended and is collected, it says `EXITED` with the child's number, how (u8) and the
//! status or signal (i32). A template has loaded user code: what it says is bounded, timed, and believed only as far
//! as a pidfd proves it.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BufMut, BytesMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown,
};
use rustix::process::{Pid, Signal};
use sandbox::EntryError;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use crate::process::child::Exit;
use crate::process::launch::{self, TheirEnds};

const TYPE_FORK: u8 = 3;
const TYPE_FORKED: u8 = 32;
const TYPE_FORK_FAILED: u8 = 33;
const TYPE_EXITED: u8 = 34;
/// Processes of an ordinary user share how many descriptors may be on their way in sockets; any of them can use that up.
const TYPE_FORKED_ALONE: u8 = 35;

const HEADER_BYTES: usize = 5;
/// No frame of a zygote's is larger.
const BODY_BYTES_MAX: usize = 64;
const READ_BYTES: usize = 4 * 1024;
/// Descriptors that came and whose frame did not.
const DESCRIPTORS_WAITING_MAX: usize = 16;
/// What a zygote has to say of one child: that it is there or could not be made, and how it ended.
const FRAMES_PER_CHILD: u64 = 2;
/// How many ends are waited for at least before it is looked at which of them nobody waits for any more.
const LIVING_SWEPT_MIN: usize = 64;
/// The description of a descriptor is read so far. That of a pidfd is shorter; that of another one may have any length.
const DESCRIPTION_BYTES_MAX: u64 = 1_024;
/// Forks that may be under way at once from one zygote. The next one is refused.
const FORKS_WAITING_MAX: usize = 1_024;

/// A zygote did not fork.
#[derive(Debug, thiserror::Error)]
pub(in crate::process) enum ForkError {
    #[error("could not make the pipes of a new process{}", launch::advice(.0))]
    Pipes(#[source] io::Error),
    #[error("could not fork a new process{}", launch::advice(.0))]
    Refused(#[source] io::Error),
    #[error("too many processes are waiting to be forked")]
    Busy,
    #[error("the process that new ones are forked from has ended")]
    Gone,
    #[error("the process that new ones are forked from did not answer")]
    TimedOut,
    #[error("the process that new ones are forked from named another process than it made")]
    Lied,
    #[error("what the function's process takes could not be bounded")]
    Bounds(#[source] io::Error),
    #[error("the function's process did not get into its sandbox")]
    Entry(#[source] EntryError),
}

/// A child of a zygote.
pub(super) struct Forked {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) exit: oneshot::Receiver<Exit>,
    /// It has ended and was collected before we could look: its number, which nobody proved, may be another's by now.
    pub(super) is_collected: bool,
}

/// Our end of a zygote's channel. It is read all the time by [`Control::read`].
pub(super) struct Control {
    zygote: Pid,
    stream: UnixStream,
    ledger: Mutex<Ledger>,
}

struct Ledger {
    is_open: bool,
    last_number: u32,
    asked: HashMap<u32, oneshot::Sender<Result<Forked, ForkError>>>,
    living: HashMap<u32, oneshot::Sender<Exit>>,
    /// At how many of them to forget those that nobody waits for, whose zygote keeps their end to itself.
    living_swept_at: usize,
    /// How much it may still say. It has no reason to speak of what it was not asked for.
    frames_left: u64,
}

/// What was read and not yet understood.
#[derive(Default)]
struct Inbound {
    bytes: BytesMut,
    descriptors: VecDeque<OwnedFd>,
}

/// It does not keep to the protocol, or is gone.
struct Broken;

impl Control {
    pub(super) fn new(zygote: Pid, stream: UnixStream) -> Arc<Self> {
        Arc::new(Self {
            zygote,
            stream,
            ledger: Mutex::new(Ledger {
                is_open: true,
                last_number: 0,
                asked: HashMap::new(),
                living: HashMap::new(),
                living_swept_at: LIVING_SWEPT_MIN,
                frames_left: 0,
            }),
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.ledger().is_open
    }

    /// Asks for one child with these ends.
    /// With a ticket it enters a sandbox.
    pub(super) async fn ask(
        &self,
        ends: TheirEnds,
        ticket: Option<OwnedFd>,
    ) -> Result<Forked, ForkError> {
        let (reply, answer) = oneshot::channel();
        let number = {
            let mut ledger = self.ledger();
            if !ledger.is_open {
                return Err(ForkError::Gone);
            }
            if FORKS_WAITING_MAX <= ledger.asked.len() {
                return Err(ForkError::Busy);
            }
            ledger.last_number = ledger.last_number.wrapping_add(1);
            let number = ledger.last_number;
            ledger.asked.insert(number, reply);
            ledger.frames_left += FRAMES_PER_CHILD;
            number
        };
        if self.send(number, &ends, ticket.as_ref()).await.is_err() {
            self.close();
        }
        drop((ends, ticket));
        answer.await.unwrap_or(Err(ForkError::Gone))
    }

    async fn send(
        &self,
        number: u32,
        ends: &TheirEnds,
        ticket: Option<&OwnedFd>,
    ) -> io::Result<()> {
        let mut frame = Vec::with_capacity(HEADER_BYTES + 4);
        frame.put_u32(4);
        frame.put_u8(TYPE_FORK);
        frame.put_u32(number);
        let ends = [&ends.channel, &ends.stdout, &ends.stderr];
        let descriptors = ends.into_iter().chain(ticket).map(OwnedFd::as_fd);
        let descriptors: Vec<_> = descriptors.collect();
        let attempt = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
            let mut rights = SendAncillaryBuffer::new(&mut space);
            rights.push(SendAncillaryMessage::ScmRights(&descriptors));
            let flags = SendFlags::NOSIGNAL;
            rustix::net::sendmsg(&self.stream, &[IoSlice::new(&frame)], &mut rights, flags)
                .map_err(io::Error::from)
        };
        let sent = self.stream.async_io(Interest::WRITABLE, attempt).await?;
        // A socket takes so few bytes whole or not at all.
        if sent == frame.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    /// Reads until the zygote is gone or talks nonsense.
    pub(super) async fn read(&self) {
        let mut inbound = Inbound::default();
        while self.read_once(&mut inbound).await.is_ok() {
            if self.take_all(&mut inbound).is_err() {
                break;
            }
        }
        self.close();
    }

    /// Tells it that nobody will ask any more, and everybody who waits that nothing will come.
    pub(super) fn close(&self) {
        {
            let mut ledger = self.ledger();
            ledger.is_open = false;
            ledger.asked.clear();
            ledger.living.clear();
        }
        // It fails only when the other end is gone, which is what was wanted.
        let _ = rustix::net::shutdown(&self.stream, Shutdown::Both);
    }

    async fn read_once(&self, inbound: &mut Inbound) -> Result<(), Broken> {
        let mut bytes = [0; READ_BYTES];
        let mut received = Vec::new();
        let attempt = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut rights = RecvAncillaryBuffer::new(&mut space);
            let mut buffers = [IoSliceMut::new(&mut bytes)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let message = rustix::net::recvmsg(&self.stream, &mut buffers, &mut rights, flags)?;
            for attached in rights.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = attached {
                    received.extend(descriptors);
                }
            }
            Ok(message.bytes)
        };
        let count = self.stream.async_io(Interest::READABLE, attempt).await;
        let count = count.map_err(|_| Broken)?;
        inbound.descriptors.extend(received);
        inbound
            .bytes
            .put_slice(bytes.get(..count).unwrap_or_default());
        if count == 0 || DESCRIPTORS_WAITING_MAX < inbound.descriptors.len() {
            return Err(Broken);
        }
        Ok(())
    }

    fn take_all(&self, inbound: &mut Inbound) -> Result<(), Broken> {
        while HEADER_BYTES <= inbound.bytes.len() {
            let body_bytes = inbound.bytes.as_ref().get_u32() as usize;
            if BODY_BYTES_MAX < body_bytes {
                return Err(Broken);
            }
            if inbound.bytes.len() < HEADER_BYTES + body_bytes {
                break;
            }
            let mut frame = inbound.bytes.split_to(HEADER_BYTES + body_bytes);
            frame.advance(4);
            self.count_frame()?;
            self.understand(frame, &mut inbound.descriptors)?;
        }
        Ok(())
    }

    fn count_frame(&self) -> Result<(), Broken> {
        let mut ledger = self.ledger();
        ledger.frames_left = ledger.frames_left.checked_sub(1).ok_or(Broken)?;
        Ok(())
    }

    fn understand(
        &self,
        mut frame: BytesMut,
        descriptors: &mut VecDeque<OwnedFd>,
    ) -> Result<(), Broken> {
        match frame.try_get_u8()? {
            TYPE_FORKED => {
                let (number, pid) = (frame.try_get_u32()?, frame.try_get_u32()?);
                let pidfd = descriptors.pop_front().ok_or(Broken)?;
                self.forked(number, pid, pidfd)?;
            }
            TYPE_FORKED_ALONE => {
                let (number, pid) = (frame.try_get_u32()?, frame.try_get_u32()?);
                let pidfd = super::kin::child(self.zygote, pid).ok_or(Broken)?;
                self.forked(number, pid, pidfd)?;
            }
            TYPE_FORK_FAILED => {
                let (number, code) = (frame.try_get_u32()?, frame.try_get_i32()?);
                let error = io::Error::from_raw_os_error(code);
                if let Some(reply) = self.ledger().asked.remove(&number) {
                    // Whoever asked may have given up.
                    let _ = reply.send(Err(ForkError::Refused(error)));
                }
            }
            TYPE_EXITED => {
                let pid = frame.try_get_u32()?;
                let exit = match (frame.try_get_u8()?, frame.try_get_i32()?) {
                    (0, status) => Exit::Status(status),
                    (1, signal) => Exit::Signal(signal),
                    _ => Exit::Unknown,
                };
                if let Some(watcher) = self.ledger().living.remove(&pid) {
                    // Whoever watched may have gone.
                    let _ = watcher.send(exit);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn forked(&self, number: u32, named: u32, pidfd: OwnedFd) -> Result<(), Broken> {
        let reply = self.ledger().asked.remove(&number).ok_or(Broken)?;
        let answer = prove(&pidfd, self.zygote).and_then(|proven| {
            let is_collected = proven.is_none();
            let pid = proven.or_else(|| Pid::from_raw(i32::try_from(named).ok()?));
            Ok(Forked {
                pid: pid.ok_or(ForkError::Lied)?,
                pidfd,
                exit: self.ledger().expect_end(named),
                is_collected,
            })
        });
        if let Err(Ok(unwanted)) = reply.send(answer) {
            // Whoever asked has given up. It fails only when the process has just ended, which is what was wanted.
            let _ = rustix::process::pidfd_send_signal(&unwanted.pidfd, Signal::KILL);
        }
        Ok(())
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn expect_end(&mut self, named: u32) -> oneshot::Receiver<Exit> {
        if self.living_swept_at <= self.living.len() {
            self.living.retain(|_, watcher| !watcher.is_closed());
            self.living_swept_at = LIVING_SWEPT_MIN.max(2 * self.living.len());
        }
        let (watcher, exit) = oneshot::channel();
        self.living.insert(named, watcher);
        exit
    }
}

impl From<bytes::TryGetError> for Broken {
    fn from(_: bytes::TryGetError) -> Self {
        Self
    }
}

/// The child that a descriptor stands for, as the kernel says: nothing makes user code attach its own child's. The
/// number that the zygote names is only its name for it. None: it has ended and is collected.
fn prove(pidfd: &OwnedFd, zygote: Pid) -> Result<Option<Pid>, ForkError> {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let mut text = String::new();
    let described = File::open(path)
        .and_then(|file| file.take(DESCRIPTION_BYTES_MAX).read_to_string(&mut text));
    described.map_err(|_| ForkError::Lied)?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    let number = line.and_then(|number| number.trim().parse::<i32>().ok());
    let number = number.ok_or(ForkError::Lied)?;
    // A process that has ended and is collected has no number any more, and soon no entry.
    if number < 0 {
        return Ok(None);
    }
    let Ok(status) = std::fs::read_to_string(format!("/proc/{number}/stat")) else {
        return Ok(None);
    };
    let after_name = status.rsplit_once(')').map_or("", |(_, rest)| rest);
    let parent = after_name.split_whitespace().nth(1);
    match (
        Pid::from_raw(number),
        parent.and_then(|number| number.parse().ok()),
    ) {
        (Some(pid), Some(parent)) if Pid::from_raw(parent) == Some(zygote) => Ok(Some(pid)),
        (Some(_) | None, Some(_) | None) => Err(ForkError::Lied),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream as Blocking;

    use super::*;
    use crate::process::launch;

    /// What comes of asking a zygote that answers with these bytes and is gone.
    async fn answered(bytes: &'static [u8]) -> String {
        let (ours, mut theirs) = Blocking::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let stream = UnixStream::from_std(ours).unwrap();
        let control = Control::new(rustix::process::getpid(), stream);
        let mut tasks = tokio::task::JoinSet::new();
        let reader = control.clone();
        tasks.spawn(async move { reader.read().await });
        let zygote = tokio::task::spawn_blocking(move || {
            let mut frame = [0; HEADER_BYTES + 4];
            theirs.read_exact(&mut frame).unwrap();
            assert_eq!(frame, [0, 0, 0, 4, TYPE_FORK, 0, 0, 0, 1]);
            // The reader may have given up on the rest.
            let _ = theirs.write_all(bytes);
        });
        let (_ours, theirs) = launch::ends(b"{}").unwrap();
        let Err(error) = control.ask(theirs, None).await else {
            return "forked".to_owned();
        };
        zygote.await.unwrap();
        error.to_string()
    }

    #[tokio::test]
    async fn a_zygote_is_believed_no_further_than_its_descriptors_go() {
        let gone = "the process that new ones are forked from has ended";
        let cases: [(&str, &'static [u8], &str); 9] = [
            ("nothing", b"", gone),
            ("half a frame", b"\0\0\0\x08\x20\0\0", gone),
            ("a frame over the limit", b"\xff\xff\xff\xff\x20abc", gone),
            ("a body that is too short", b"\0\0\0\x01\x20\0", gone),
            (
                "a child without its descriptor",
                b"\0\0\0\x08\x20\0\0\0\x01\0\0\0\x07",
                gone,
            ),
            (
                "a child without its descriptor, which is nobody's",
                b"\0\0\0\x08\x23\0\0\0\x01\0\0\0\x07",
                gone,
            ),
            (
                "a refusal of what was not asked for",
                b"\0\0\0\x08\x21\0\0\0\x07\0\0\0\x0b",
                gone,
            ),
            (
                "more than there is to say of one child",
                b"\0\0\0\x09\x22\0\0\0\x07\0\0\0\0\0\0\0\0\x09\x22\0\0\0\x07\0\0\0\0\0\0\0\0\x08\x21\0\0\0\x01\0\0\0\x0b",
                gone,
            ),
            (
                "the end of a stranger, then a refusal",
                b"\0\0\0\x09\x22\0\0\0\x07\0\0\0\0\0\0\0\0\x08\x21\0\0\0\x01\0\0\0\x16",
                "could not fork a new process",
            ),
        ];
        for (what, bytes, expected) in cases {
            assert_eq!(answered(bytes).await, expected, "{what}");
        }
    }
}
