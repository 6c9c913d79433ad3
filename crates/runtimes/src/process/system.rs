//! The few system calls for which Rust has no safe form.
//!
//! Lives here: all unsafe code of this crate: what a new process does between `fork` and `exec`, watching a pidfd.
//! Does not live here: which program runs with what (`environment`), who waits for it (`child`).

use std::ffi::c_int;
use std::fs;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{Errno, FdFlags, dup2, fcntl_setfd};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use sandbox::ProgramEnd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The descriptor at which an instance finds its end of the socket pair. It is low because Node marks only the first
/// descriptors as not to be inherited by the function's own children.
pub(super) const CHANNEL_FD: RawFd = 3;

/// Makes the command's process a session of its own that dies with the calling thread and holds the channel, if it has
/// one, at [`CHANNEL_FD`]. Every other descriptor of ours is closed by `exec`.
#[expect(
    unsafe_code,
    reason = "`pre_exec` is the only way to set up a session and a death signal"
)]
pub(super) fn prepare(command: &mut Command, channel: Option<OwnedFd>) {
    let parent = rustix::process::getpid();
    // SAFETY: between `fork` and `exec` only async-signal-safe work is allowed. `enter` makes plain system calls
    // through rustix, which uses no libc state, takes no lock and allocates nothing; its error is a bare number.
    unsafe {
        command.pre_exec(move || enter(channel.as_ref(), parent).map_err(io::Error::from));
    }
}

fn enter(channel: Option<&OwnedFd>, parent: Pid) -> Result<(), Errno> {
    rustix::process::setsid()?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before the line above: then nobody will ever kill this process.
    if rustix::process::getppid() != Some(parent) {
        return Err(Errno::SRCH);
    }
    // A function that crashes leaves no dump of its memory, and its secrets, in a folder of the developer.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none)?;
    channel.map_or(Ok(()), place_channel)
}

#[expect(
    unsafe_code,
    reason = "`dup2` wants to own the descriptor that it replaces"
)]
fn place_channel(channel: &OwnedFd) -> Result<(), Errno> {
    if channel.as_raw_fd() == CHANNEL_FD {
        // `dup2` onto itself would leave close-on-exec set.
        return fcntl_setfd(channel, FdFlags::empty());
    }
    // SAFETY: whatever this number stood for belongs to the parent's descriptor table, of which this process has a
    // copy of its own; nothing here uses it again. Should it be the pipe on which the standard library reports a
    // failing `exec`, then that failure shows as a process that ends before it has spoken. It is never dropped.
    let mut target = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(CHANNEL_FD) });
    dup2(channel, &mut target)
}

/// Marks every descriptor that we ourselves inherited as not to be handed on: those that Rust opens are so already.
#[expect(
    unsafe_code,
    reason = "descriptors that nobody here opened have no owner to borrow from"
)]
pub(super) fn keep_inherited_descriptors_private() -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|text| text.parse::<RawFd>().ok()) else {
            continue;
        };
        if number <= 2 {
            continue;
        }
        // SAFETY: the borrow lasts for one `fcntl`, which fails harmlessly with EBADF if the number has been closed.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        match fcntl_setfd(descriptor, FdFlags::CLOEXEC) {
            Ok(()) | Err(Errno::BADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// How a process competes for processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schedule {
    /// When it is woken it may take the processor from whoever has it.
    Usual = 0,
    /// It gets its share as before, but never takes a processor from anybody: `SCHED_BATCH`.
    Batch = 3,
}

/// What a process starts is scheduled as usual.
const RESET_ON_FORK: c_int = 0x4000_0000;

#[repr(C)]
struct SchedulingPriority(c_int);

#[expect(unsafe_code, reason = "the call has no safe form")]
unsafe extern "C" {
    fn sched_setscheduler(pid: c_int, policy: c_int, priority: *const SchedulingPriority) -> c_int;
}

/// Has the main thread of a process compete for processors so, which runs the handlers of our bootstraps. Its other threads stay as
/// they are.
#[expect(unsafe_code, reason = "the call has no safe form")]
pub(super) fn schedule(pid: Pid, schedule: Schedule) -> io::Result<()> {
    let priority = SchedulingPriority(0);
    let policy = schedule as c_int | RESET_ON_FORK;
    // SAFETY: the priority is read, and nothing is written.
    let done = unsafe { sched_setscheduler(pid.as_raw_pid(), policy, &priority) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Has the event loop watch for the end of a program in a sandbox.
#[expect(
    unsafe_code,
    reason = "the event loop must be promised that its descriptor stays open"
)]
pub(super) fn watch_end(end: ProgramEnd) -> io::Result<AsyncFd<ProgramEnd>> {
    // SAFETY: it keeps the same descriptor open until it is dropped, and the `AsyncFd` owns it.
    let watched = unsafe { AsyncFd::register_with_interest(end, Interest::READABLE) };
    watched.map_err(io::Error::from)
}

/// Has the event loop watch a descriptor for this alone: a pidfd, which becomes readable when its process ends, a socket.
#[expect(
    unsafe_code,
    reason = "the event loop must be promised that its descriptor stays open"
)]
pub(super) fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` names the same descriptor and keeps it open until it is dropped, and the `AsyncFd` owns it.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, interest) };
    watched.map_err(io::Error::from)
}
