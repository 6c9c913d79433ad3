//! The system calls that are needed here and that the standard library does not have, each behind a safe function.
//!
//! Lives here: their declarations, for Linux with glibc on 64-bit machines, and their errors as `io::Error`.
//! Does not live here: messages with descriptors (`message`), in what order they are called (`park`, `child`).
#![allow(unsafe_code, reason = "functions of the C library are called")]

use std::ffi::{CStr, c_char, c_int, c_long, c_ulong, c_void};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::time::Duration;

mod message;
mod reading;
pub(crate) use message::{receive, send};
pub(crate) use reading::{read_at_once, read_when_ready, receive_when_ready, write_all};

use crate::frames::Ended;

const SIGCHLD: c_int = 17;
const SIGKILL: c_int = 9;
const EINVAL: i32 = 22;
pub(crate) const EMFILE: i32 = 24;
pub(crate) const ESRCH: i32 = 3;
pub(crate) const ETOOMANYREFS: i32 = 109;
pub(crate) const ENOMEM: i32 = 12;
pub(crate) const EPERM: i32 = 1;

const SYS_PIDFD_SEND_SIGNAL: c_long = 424;
const SYS_PIDFD_OPEN: c_long = 434;

#[repr(C)]
struct SigInfo {
    signal: c_int,
    error: c_int,
    code: c_int,
    padding: c_int,
    pid: c_int,
    user: u32,
    status: c_int,
    rest: [c_int; 25],
}

/// What a process does on a signal, as it was found.
#[repr(C)]
pub(crate) struct SignalAction {
    handler: usize,
    mask: [u64; 16],
    flags: c_int,
    restorer: usize,
}

#[repr(C)]
struct PollDescriptor {
    descriptor: c_int,
    wanted: i16,
    found: i16,
}

#[derive(Clone, Copy)]
#[cfg_attr(target_arch = "x86_64", repr(C, packed))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C))]
struct EpollEvent {
    events: u32,
    token: u64,
}

unsafe extern "C" {
    fn _exit(code: c_int) -> !;
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dup3(from: c_int, to: c_int, flags: c_int) -> c_int;
    fn dup2(from: c_int, to: c_int) -> c_int;
    fn close(descriptor: c_int) -> c_int;
    fn epoll_create1(flags: c_int) -> c_int;
    fn epoll_ctl(poller: c_int, what: c_int, of: c_int, event: *mut EpollEvent) -> c_int;
    fn epoll_wait(poller: c_int, events: *mut EpollEvent, max: c_int, timeout: c_int) -> c_int;
    fn eventfd(initial: u32, flags: c_int) -> c_int;
    fn fcntl(descriptor: c_int, command: c_int, ...) -> c_int;
    fn fork() -> c_int;
    fn getpid() -> c_int;
    fn getppid() -> c_int;
    fn getrandom(into: *mut c_void, length: usize, flags: u32) -> isize;
    fn gettid() -> c_int;
    #[link_name = "kill"]
    fn kill_pid(pid: c_int, signal: c_int) -> c_int;
    fn killpg(group: c_int, signal: c_int) -> c_int;
    fn madvise(from: *mut c_void, length: usize, advice: c_int) -> c_int;
    fn pipe2(pair: *mut [c_int; 2], flags: c_int) -> c_int;
    fn poll(descriptors: *mut PollDescriptor, count: c_ulong, timeout: c_int) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
    fn setsid() -> c_int;
    fn shutdown(socket: c_int, how: c_int) -> c_int;
    fn sigaction(signal: c_int, new: *const SignalAction, old: *mut SignalAction) -> c_int;
    fn socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut [c_int; 2]) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
    fn waitid(kind: c_int, which: u32, info: *mut SigInfo, options: c_int) -> c_int;
}

/// Ends the process, without anything that was registered for its end.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: it only ends the process.
    unsafe { _exit(code) }
}

/// A function of this process's by its name, wherever it was linked in.
pub(crate) fn symbol(name: &CStr) -> Option<NonNull<c_void>> {
    const DEFAULT: *mut c_void = ptr::null_mut();
    // SAFETY: the name ends with a zero, and the handle is one that the function knows.
    NonNull::new(unsafe { dlsym(DEFAULT, name.as_ptr()) })
}

/// The function of that name which this library stands before.
#[cfg(target_arch = "x86_64")]
pub(crate) fn next_symbol(name: &CStr) -> Option<NonNull<c_void>> {
    let next = ptr::without_provenance_mut::<c_void>(usize::MAX);
    // SAFETY: as above.
    NonNull::new(unsafe { dlsym(next, name.as_ptr()) })
}

/// Has OpenSSL draw fresh randomness, where it is linked in.
pub(crate) fn reseed_openssl() -> bool {
    let Some(found) = symbol(c"RAND_poll") else {
        return false;
    };
    // SAFETY: OpenSSL's documentation gives that name this signature.
    let rand_poll =
        unsafe { std::mem::transmute::<NonNull<c_void>, unsafe extern "C" fn() -> c_int>(found) };
    // SAFETY: it takes nothing and may be called at any time.
    unsafe { rand_poll() == 1 }
}

pub(crate) fn pid() -> i32 {
    // SAFETY: it only answers.
    unsafe { getpid() }
}

pub(crate) fn parent_pid() -> i32 {
    // SAFETY: it only answers.
    unsafe { getppid() }
}

pub(crate) fn thread_id() -> i32 {
    // SAFETY: it only answers.
    unsafe { gettid() }
}

/// The number of the child, or nothing in the child.
pub(crate) fn fork_process() -> io::Result<Option<i32>> {
    // SAFETY: the caller's other threads are at rest (`rest`), and what the child then does is written for that.
    match check(unsafe { fork() })? {
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// Makes this process the leader of a session and a group of its own.
pub(crate) fn begin_session() -> io::Result<()> {
    // SAFETY: it takes nothing.
    check(unsafe { setsid() }).map(drop)
}

/// Has the system kill this process when its parent ends.
pub(crate) fn end_with_parent() -> io::Result<()> {
    const PR_SET_PDEATHSIG: c_int = 1;
    // SAFETY: the option takes one number.
    check(unsafe { prctl(PR_SET_PDEATHSIG, SIGKILL as c_ulong) }).map(drop)
}

pub(crate) fn random_bytes() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    // SAFETY: as many bytes are written as there is room for.
    let count = unsafe { getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    // The system promises that up to 256 bytes come whole.
    if usize::try_from(count) == Ok(bytes.len()) {
        Ok(bytes)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Puts a descriptor in another's place. Programs that are started inherit it there.
pub(crate) fn replace_inherited(place: RawFd, with: &OwnedFd) -> io::Result<()> {
    // SAFETY: `with` is open; what is closed in its place belongs to nobody in Rust.
    check(unsafe { dup2(with.as_raw_fd(), place) }).map(drop)
}

/// Puts a descriptor in another's place. No program inherits it there.
pub(crate) fn replace_private(place: RawFd, with: &OwnedFd) -> io::Result<()> {
    const O_CLOEXEC: c_int = 0o2_000_000;
    // SAFETY: as above.
    check(unsafe { dup3(with.as_raw_fd(), place, O_CLOEXEC) }).map(drop)
}

/// Has reading from and writing to a descriptor wait.
pub(crate) fn make_blocking(descriptor: RawFd) -> io::Result<()> {
    const F_GETFL: c_int = 3;
    const F_SETFL: c_int = 4;
    const O_NONBLOCK: c_int = 0o4000;
    // SAFETY: only flags are read.
    let flags = check(unsafe { fcntl(descriptor, F_GETFL) })?;
    // SAFETY: only flags are set.
    check(unsafe { fcntl(descriptor, F_SETFL, flags & !O_NONBLOCK) }).map(drop)
}

/// The other end finds the end of what this one has to say.
pub(crate) fn say_no_more(socket: RawFd) -> io::Result<()> {
    const SHUT_WR: c_int = 1;
    // SAFETY: plain numbers.
    check(unsafe { shutdown(socket, SHUT_WR) }).map(drop)
}

pub(crate) fn socket_pair() -> io::Result<[OwnedFd; 2]> {
    const AF_UNIX: c_int = 1;
    const SOCK_STREAM_CLOEXEC: c_int = 0o2_000_001;
    let mut pair = [-1; 2];
    // SAFETY: two numbers are written, where there is room for two.
    check(unsafe { socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, &mut pair) })?;
    // SAFETY: both were just made, and nobody else knows of them.
    Ok(pair.map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

const CLOEXEC_NONBLOCK: c_int = 0o2_004_000;

/// A pipe, to read from and to write to, that waits for nobody and is inherited by no program.
pub(crate) fn pipe() -> io::Result<[OwnedFd; 2]> {
    let mut pair = [-1; 2];
    // SAFETY: two numbers are written, where there is room for two.
    check(unsafe { pipe2(&mut pair, CLOEXEC_NONBLOCK) })?;
    // SAFETY: both were just made, and nobody else knows of them.
    Ok(pair.map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

/// A counter that can be waited for, as event loops are woken by.
pub(crate) fn event_counter() -> io::Result<OwnedFd> {
    // SAFETY: it takes two numbers.
    let descriptor = check(unsafe { eventfd(0, CLOEXEC_NONBLOCK) })?;
    // SAFETY: it was just made, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// What waits for many descriptors.
pub(crate) fn poller() -> io::Result<OwnedFd> {
    const EPOLL_CLOEXEC: c_int = 0o2_000_000;
    // SAFETY: it takes one number.
    let descriptor = check(unsafe { epoll_create1(EPOLL_CLOEXEC) })?;
    // SAFETY: it was just made, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Has a poller, by its number, wait for a descriptor.
pub(crate) fn wait_for_events(
    poller: RawFd,
    descriptor: RawFd,
    events: u32,
    token: u64,
) -> io::Result<()> {
    const EPOLL_CTL_ADD: c_int = 1;
    let mut event = EpollEvent { events, token };
    // SAFETY: the event is read during the call only.
    check(unsafe { epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &mut event) }).map(drop)
}

/// Closes what belongs to nobody in Rust.
pub(crate) fn close_number(descriptor: RawFd) {
    // SAFETY: it takes one number, which no `OwnedFd` stands for.
    unsafe { close(descriptor) };
}

/// Where nothing that is written is kept.
pub(crate) fn nowhere() -> io::Result<OwnedFd> {
    File::options()
        .write(true)
        .open("/dev/null")
        .map(OwnedFd::from)
}

/// Undoes `MADV_DONTFORK` on a range of memory.
///
/// Where nothing of that kind is (the system's own pages, memory that another thread has given back), nothing is done.
pub(crate) fn copy_at_fork(from: usize, length: usize) -> io::Result<()> {
    const MADV_DOFORK: c_int = 11;
    let from = ptr::without_provenance_mut(from);
    // SAFETY: what is in the range stays as it is; the advice concerns forks only.
    let done = check(unsafe { madvise(from, length, MADV_DOFORK) });
    match done {
        Err(error) if !matches!(error.raw_os_error(), Some(EINVAL | ENOMEM)) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Lets a child that ends be collected: not by a handler, not by nobody. Says what was there before.
pub(crate) fn keep_ended_children() -> io::Result<SignalAction> {
    let default = SignalAction {
        handler: 0,
        mask: [0; 16],
        flags: 0,
        restorer: 0,
    };
    let mut before = SignalAction { ..default };
    // SAFETY: both have the layout that glibc documents, on the machines that this is built for.
    check(unsafe { sigaction(SIGCHLD, &default, &mut before) })?;
    Ok(before)
}

pub(crate) fn restore_ended_children(before: &SignalAction) -> io::Result<()> {
    // SAFETY: that is what the process had, and its handler is still there.
    check(unsafe { sigaction(SIGCHLD, before, ptr::null_mut()) }).map(drop)
}

pub(crate) fn open_pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers.
    let descriptor = check_long(unsafe { syscall(SYS_PIDFD_OPEN, c_long::from(pid), 0_u64) })?;
    // SAFETY: it was just made, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

pub(crate) fn kill(pidfd: &OwnedFd) {
    // SAFETY: the call takes numbers, and no further description of the signal. It fails only when the process has ended.
    unsafe {
        syscall(
            SYS_PIDFD_SEND_SIGNAL,
            c_long::from(pidfd.as_raw_fd()),
            c_long::from(SIGKILL),
            ptr::null::<c_void>(),
            0_u64,
        )
    };
}

/// Kills a child that is not collected yet, so that the number is its own.
pub(crate) fn kill_unwatched(pid: i32) {
    // SAFETY: it takes two numbers.
    unsafe { kill_pid(pid, SIGKILL) };
}

/// Kills a group of processes. It fails only when nobody is left in it.
pub(crate) fn kill_group(group: i32) {
    // SAFETY: it takes two numbers.
    unsafe { killpg(group, SIGKILL) };
}

/// Whether a process is to stay where it is after its end was seen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collect {
    Later,
    Now,
}

/// Waits for the end of a child.
pub(crate) fn wait_for(pid: u32, collect: Collect) -> io::Result<Ended> {
    const P_PID: c_int = 1;
    const WEXITED: c_int = 4;
    const WNOWAIT: c_int = 0x0100_0000;
    const CLD_EXITED: c_int = 1;
    let options = match collect {
        Collect::Later => WEXITED | WNOWAIT,
        Collect::Now => WEXITED,
    };
    let mut info = SigInfo {
        signal: 0,
        error: 0,
        code: 0,
        padding: 0,
        pid: 0,
        user: 0,
        status: 0,
        rest: [0; 25],
    };
    // SAFETY: `info` has the layout and the size that the system documents.
    uninterrupted(|| check(unsafe { waitid(P_PID, pid, &mut info, options) }))?;
    Ok(if info.code == CLD_EXITED {
        Ended::Status(info.status)
    } else {
        Ended::Signal(info.status)
    })
}

/// Whether a descriptor can be read from within that time.
pub(crate) fn is_readable_within(descriptor: &OwnedFd, wait_max: Duration) -> bool {
    let milliseconds = c_int::try_from(wait_max.as_millis()).unwrap_or(c_int::MAX);
    let mut asked = PollDescriptor {
        descriptor: descriptor.as_raw_fd(),
        wanted: POLLIN as i16,
        found: 0,
    };
    // SAFETY: one entry is given.
    let count = uninterrupted(|| check(unsafe { poll(&mut asked, 1, milliseconds) }));
    count.is_ok_and(|count| count == 1)
}

const POLLIN: u32 = 1;

/// Waits for any of several descriptors, each known by a token of the caller's.
pub(crate) struct Poller(Option<OwnedFd>);

/// How many tokens are fetched at a time.
const TOKENS: usize = 64;

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Some(poller()?)))
    }

    /// In a fork, which shares it with its parent: nothing more can be waited for.
    pub(crate) fn close(&mut self) {
        self.0 = None;
    }

    fn descriptor(&self) -> RawFd {
        self.0.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    pub(crate) fn add(&self, descriptor: RawFd, token: u64) -> io::Result<()> {
        wait_for_events(self.descriptor(), descriptor, POLLIN, token)
    }

    /// It must come before the descriptor is closed: where somebody else holds the same, it would stay here for ever.
    pub(crate) fn remove(&self, descriptor: RawFd) -> io::Result<()> {
        const EPOLL_CTL_DEL: c_int = 2;
        let mut event = EpollEvent {
            events: 0,
            token: 0,
        };
        // SAFETY: as above.
        check(unsafe { epoll_ctl(self.descriptor(), EPOLL_CTL_DEL, descriptor, &mut event) })
            .map(drop)
    }

    /// The tokens of descriptors that can be read: at least one, unless there is a limit and it has passed.
    pub(crate) fn wait(
        &self,
        milliseconds_max: Option<i32>,
    ) -> io::Result<impl ExactSizeIterator<Item = u64> + use<>> {
        const FOR_EVER: c_int = -1;
        let milliseconds = milliseconds_max.unwrap_or(FOR_EVER);
        let mut events = [EpollEvent {
            events: 0,
            token: 0,
        }; TOKENS];
        let count = uninterrupted(|| {
            // SAFETY: as many events are written as there is room for.
            check(unsafe {
                epoll_wait(
                    self.descriptor(),
                    events.as_mut_ptr(),
                    TOKENS as c_int,
                    milliseconds,
                )
            })
        })?;
        let count = usize::try_from(count).unwrap_or_default();
        Ok(events.into_iter().take(count).map(|event| event.token))
    }
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn check_long(result: c_long) -> io::Result<c_int> {
    check(c_int::try_from(result).unwrap_or(-1))
}

/// Repeats what a signal interrupted.
fn uninterrupted<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
