//! A process that forks whenever it is asked to, and does nothing else: no JavaScript runs here.
//!
//! Lives here: getting ready, the loop, which answer follows which request.
//! Does not live here: the frames (`channel`), the children (`children`), a fork's first steps (`child`).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::channel::{Asked, Channel, Ends};
use crate::child::{self, Door, Inside, Parent};
use crate::children::Children;
use crate::event_loop::EventLoop;
use crate::spare::{Spare, Spares};
use crate::system::{self, EMFILE, ESRCH, ETOOMANYREFS, Poller, SignalAction};
use crate::{frames, heap, rest};

/// Stands for the channel. A child is known by its pidfd, which is never negative.
const CHANNEL: u64 = u64::MAX;

/// Why a process cannot be forked. It goes on as it was.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A fork would have this thread only, and Node.js cannot do without its main one.
    AnotherThread,
    Channel(io::Error),
    Restless(rest::Restless),
    Heap(io::Error),
    Descriptors(io::Error),
    Signals(io::Error),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AnotherThread => write!(to, "only the main thread can be forked"),
            Self::Channel(error) => write!(to, "the channel cannot be used: {error}"),
            Self::Restless(restless) => restless.fmt(to),
            Self::Heap(error) => write!(to, "the memory cannot be made to be forked: {error}"),
            Self::Descriptors(error) => write!(to, "descriptors cannot be made: {error}"),
            Self::Signals(error) => write!(to, "ended children cannot be collected: {error}"),
        }
    }
}

struct Parked<'a> {
    pid: i32,
    channel: Channel,
    poller: Poller,
    children: Children,
    on_ended_children: SignalAction,
    event_loop: &'a EventLoop,
    inside: Option<Inside>,
    keeps_spares: bool,
    spares: Spares,
}

/// What became of this process.
enum After {
    /// It is parked as before.
    Fork,
    Forked(Fork),
}

/// What a fork is.
pub(crate) enum Fork {
    /// Somebody has asked for it. With randomness of its own.
    Child([u8; 16]),
    /// Nobody has, so far: it is to wait for its ends. With randomness of its own.
    Spare([u8; 16]),
}

/// Says `ready` and waits. It returns in forks only.
pub(crate) fn park(
    channel: i32,
    ready: &[u8],
    keeps_spares: bool,
    inside: Option<Inside>,
    event_loop: &EventLoop,
) -> Result<Fork, Refused> {
    if system::thread_id() != system::pid() {
        return Err(Refused::AnotherThread);
    }
    let channel = Channel::new(channel).map_err(Refused::Channel)?;
    rest::wait_for_other_threads().map_err(Refused::Restless)?;
    heap::copy_at_fork().map_err(Refused::Heap)?;
    let nowhere = system::nowhere().map_err(Refused::Descriptors)?;
    let poller = Poller::new().map_err(Refused::Descriptors)?;
    poller
        .add(channel.descriptor(), CHANNEL)
        .map_err(Refused::Descriptors)?;
    // A handler of the function's would run here, in the process that all its instances are made from.
    let on_ended_children = system::keep_ended_children().map_err(Refused::Signals)?;
    child::silence(&nowhere).map_err(Refused::Descriptors)?;
    drop(nowhere);
    let mut parked = Parked {
        pid: system::pid(),
        channel,
        poller,
        children: Children::default(),
        on_ended_children,
        event_loop,
        inside,
        keeps_spares,
        spares: Spares::default(),
    };
    parked.tell(ready);
    Ok(parked.fork_when_asked())
}

impl Parked<'_> {
    fn fork_when_asked(mut self) -> Fork {
        loop {
            let Ok(tokens) = self.poller.wait(self.spares.limit()) else {
                self.end();
            };
            if tokens.len() == 0
                && self.spares.is_quiet()
                && let After::Forked(fork) = self.fork_spare()
            {
                return fork;
            }
            for token in tokens {
                if token != CHANNEL {
                    self.report_end(token);
                } else if let After::Forked(fork) = self.take_request() {
                    return fork;
                }
            }
        }
    }

    fn report_end(&mut self, descriptor: u64) {
        let Some(collected) = self.children.collect(&self.poller, descriptor) else {
            return;
        };
        self.spares.forget(collected.pid);
        if collected.is_known {
            self.tell(&frames::exited(collected.pid, collected.ended));
        }
    }

    fn take_request(&mut self) -> After {
        let (number, ends) = match self.channel.receive() {
            Asked::Fork { number, ends } => (number, ends),
            Asked::NoRoom { number } => {
                self.tell(&frames::fork_failed(number, EMFILE));
                return After::Fork;
            }
            Asked::End => self.end(),
        };
        if self.keeps_spares {
            self.spares.note_request();
        }
        while let Some(spare) = self.spares.take() {
            // One that has died is no worse than none.
            if spare.adopt(&ends).is_ok() {
                self.tell_forked(number, spare.pid);
                return After::Fork;
            }
        }
        let forked = match ends.ticket {
            Some(_) => self.fork_inside(number, ends),
            None => self.fork(number, ends),
        };
        match forked {
            Ok(after) => after,
            Err(error) => {
                let code = error.raw_os_error().unwrap_or_default();
                self.tell(&frames::fork_failed(number, code));
                After::Fork
            }
        }
    }

    fn fork(&mut self, number: u32, ends: Ends) -> io::Result<After> {
        self.children
            .make_room()
            .map_err(|_| io::Error::from_raw_os_error(system::ENOMEM))?;
        let Some(pid) = system::fork_process()? else {
            return Ok(After::Forked(self.become_child(ends, None)));
        };
        // Before anything else is opened: now there is room again for the child's pidfd.
        drop(ends);
        self.take_over(number, pid)
    }

    /// As [`Self::fork`], into a sandbox. The fork goes on there as a process of another number, which is our child as
    /// well; what it was before ends.
    fn fork_inside(&mut self, number: u32, mut ends: Ends) -> io::Result<After> {
        self.children
            .make_room()
            .map_err(|_| io::Error::from_raw_os_error(system::ENOMEM))?;
        let [told, report] = system::socket_pair()?;
        let Some(entering) = system::fork_process()? else {
            drop(told);
            let door = ends.ticket.take().map(|ticket| Door { ticket, report });
            return Ok(After::Forked(self.become_child(ends, door)));
        };
        drop((ends, report));
        let mut number_inside = [0; 4];
        let received = system::receive(told.as_raw_fd(), &mut number_inside);
        // It ends by itself as soon as it has told the number, or has failed.
        let _ = system::wait_for(entering.unsigned_abs(), system::Collect::Now);
        if received?.bytes != number_inside.len() {
            return Err(io::Error::from_raw_os_error(system::EPERM));
        }
        self.take_over(number, i32::from_ne_bytes(number_inside))
    }

    /// Watches a child, and tells of it.
    fn take_over(&mut self, number: u32, pid: i32) -> io::Result<After> {
        let pidfd = match self.watch(pid) {
            Ok(pidfd) => pidfd,
            Err(error) => {
                end_unwatched(pid);
                return Err(error);
            }
        };
        let pid = pid.unsigned_abs();
        self.children.add(pid, pidfd);
        self.tell_forked(number, pid);
        Ok(After::Fork)
    }

    /// What hinders it hinders whoever asks next, who is told.
    fn fork_spare(&mut self) -> After {
        let Ok([ours, theirs]) = system::socket_pair() else {
            return After::Fork;
        };
        if self.children.make_room().is_err() {
            return After::Fork;
        }
        let pid = match system::fork_process() {
            Ok(Some(pid)) => pid,
            Ok(None) => {
                drop(ours);
                return After::Forked(self.become_spare(theirs));
            }
            Err(_) => return After::Fork,
        };
        drop(theirs);
        match self.watch(pid) {
            Ok(pidfd) => {
                let pid = pid.unsigned_abs();
                self.children.add(pid, pidfd);
                self.spares.add(Spare::new(pid, ours));
            }
            Err(_) => end_unwatched(pid),
        }
        After::Fork
    }

    fn watch(&self, pid: i32) -> io::Result<OwnedFd> {
        let pidfd = system::open_pidfd(pid)?;
        let descriptor = pidfd.as_raw_fd();
        self.poller
            .add(descriptor, u64::from(descriptor.unsigned_abs()))?;
        Ok(pidfd)
    }

    fn become_child(&mut self, ends: Ends, door: Option<Door>) -> Fork {
        let parent = self.as_parent();
        let made = child::become_child(&parent, ends, door);
        made.map_or_else(|_| system::exit_now(1), Fork::Child)
    }

    fn become_spare(&mut self, line: OwnedFd) -> Fork {
        let parent = self.as_parent();
        let made = child::become_spare(&parent, line);
        made.map_or_else(|_| system::exit_now(1), Fork::Spare)
    }

    /// In a fork: what it has to do with this process. With its brothers it has nothing to do.
    fn as_parent(&mut self) -> Parent<'_> {
        self.children.forget();
        self.spares.clear();
        self.poller.close();
        Parent {
            pid: self.pid,
            channel: self.channel.descriptor(),
            on_ended_children: &self.on_ended_children,
            event_loop: self.event_loop,
            inside: self.inside,
        }
    }

    fn tell_forked(&mut self, number: u32, pid: u32) {
        let told = match self.children.make_known(pid) {
            Some(pidfd) => match self.channel.send(&frames::forked(number, pid), Some(pidfd)) {
                // Other processes of this user have too many descriptors on their way for one more: it is found by its
                // number.
                Err(error) if error.raw_os_error() == Some(ETOOMANYREFS) => {
                    self.channel.send(&frames::forked_alone(number, pid), None)
                }
                told => told,
            },
            None => self.channel.send(&frames::fork_failed(number, ESRCH), None),
        };
        if told.is_err() {
            self.end();
        }
    }

    fn tell(&mut self, frame: &[u8]) {
        if self.channel.send(frame, None).is_err() {
            self.end();
        }
    }

    fn end(&mut self) -> ! {
        self.spares.clear();
        self.children.end();
        // What the function registered for the end of its process is for its instances.
        system::exit_now(0)
    }
}

/// A child that nobody could be told of.
fn end_unwatched(pid: i32) {
    system::kill_unwatched(pid);
    // It is ours and was killed, so it is there to be collected.
    let _ = system::wait_for(pid.unsigned_abs(), system::Collect::Now);
}
