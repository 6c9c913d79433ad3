//! Processes: making one in namespaces of its own, looking into one, and what a process says of itself.
//!
//! Lives here: `clone`, ids, signals as a descriptor, another's memory and descriptors.
//! Does not live here: what the new process does (`nanny`), what one does to lock itself in (`entry`).

#![expect(unsafe_code, reason = "these calls have no safe form")]

use std::ffi::{CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::checked;

/// Which of the two a process is after a fork.
pub(crate) enum Fork {
    Child,
    Parent { pid: i32, pidfd: OwnedFd },
}

/// Forks the calling process, which must have one thread, into new namespaces.
///
/// It is the bare call: the C library's own notes of the thread's number are not renewed, which matters only to code
/// that starts threads or takes recursive locks. The child must do neither.
pub(crate) fn fork_into(namespaces: libc::c_ulong) -> io::Result<Fork> {
    let flags = namespaces | libc::CLONE_PIDFD as libc::c_ulong | libc::SIGCHLD as libc::c_ulong;
    let mut pidfd: RawFd = -1;
    // SAFETY: the same stack and a copy of the memory, as for a fork. The kernel writes one descriptor.
    let pid = checked(unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags,
            0usize,
            &raw mut pidfd,
            0usize,
            0usize,
        )
    })?;
    if pid == 0 {
        return Ok(Fork::Child);
    }
    // SAFETY: the kernel gave it to us just now.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Fork::Parent {
        pid: pid as i32,
        pidfd,
    })
}

/// The stack of a process that only waits.
const WAITING_STACK_BYTES: usize = 16 * 1024;

/// Runs something while there is a process in a user namespace of its own, by its number. That process shares our memory,
/// so that none is copied, and does nothing but wait for its end.
pub(crate) fn in_user_namespace<T>(run: impl FnOnce(i32) -> io::Result<T>) -> io::Result<T> {
    extern "C" fn wait(_: *mut libc::c_void) -> libc::c_int {
        // SAFETY: plain numbers. Whoever made this process ends it, and the kernel does so if that one is killed before.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
            loop {
                libc::pause();
            }
        }
    }
    let mut stack = vec![0u128; WAITING_STACK_BYTES / size_of::<u128>()];
    let top = stack.as_mut_ptr_range().end;
    let flags = libc::CLONE_VM | libc::CLONE_NEWUSER | libc::SIGCHLD;
    // SAFETY: the stack is large enough, aligned, and lives until the process has been waited for.
    let pid = unsafe { libc::clone(wait, top.cast(), flags, std::ptr::null_mut()) };
    checked(i64::from(pid))?;
    let result = run(pid);
    // SAFETY: it is our child, not yet waited for. Where children are ignored the kernel collects it, and the call, which
    // then fails, returns after its end all the same.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        while libc::waitpid(pid, std::ptr::null_mut(), 0) < 0
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
    }
    drop(stack);
    result
}

/// Takes one id for good, and dies with the thread that forked it.
pub(crate) fn become_id(uid: u32, gid: u32) -> io::Result<()> {
    // The bare calls: the C library's would look for other threads to change as well.
    // SAFETY: plain numbers.
    unsafe {
        match checked(libc::syscall(
            libc::SYS_setgroups,
            0,
            std::ptr::null::<u32>(),
        )) {
            // An ordinary user's maps forbid it: what those groups may read on the host is then readable where it is shown.
            Err(error) if error.raw_os_error() != Some(libc::EPERM) => return Err(error),
            Ok(_) | Err(_) => {}
        }
        checked(libc::syscall(libc::SYS_setresgid, gid, gid, gid))?;
        checked(libc::syscall(libc::SYS_setresuid, uid, uid, uid))?;
        checked(i64::from(libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0)))?;
    }
    die_with_parent()
}

/// Has the kernel kill this process when the thread that forked it ends. A change of ids undoes it.
pub(crate) fn die_with_parent() -> io::Result<()> {
    // SAFETY: plain numbers.
    checked(i64::from(unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0)
    }))?;
    Ok(())
}

/// What the process is called in lists of processes.
pub(crate) fn set_name(name: &std::ffi::CStr) {
    // SAFETY: the string lives through the call. It cannot fail otherwise.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

/// A descriptor that becomes readable when a child has ended, which then no longer interrupts anything.
pub(crate) fn children_ended() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised before it is read, and lives through the calls. Nothing of ours runs on a signal.
    unsafe {
        // Ignored, children would be collected by the kernel, and how they ended be lost.
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        checked(i64::from(libc::sigprocmask(
            libc::SIG_BLOCK,
            &raw const set,
            std::ptr::null_mut(),
        )))?;
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        let descriptor = checked(i64::from(libc::signalfd(-1, &raw const set, flags)))?;
        Ok(OwnedFd::from_raw_fd(descriptor as i32))
    }
}

/// Undoes what [`children_ended`] blocked, in a child that is to execute a program.
pub(crate) fn unblock_signals() {
    // SAFETY: the set is initialised before it is read, and lives through the call, which cannot fail with it.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
        // An ignored signal stays so through `exec`, and Rust's own start ignores this one.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

/// Collects one ended child, any; its number and how it ended.
pub(crate) fn collect() -> Option<(i32, Ending)> {
    let mut status = 0;
    // SAFETY: the kernel writes one number.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    if pid <= 0 {
        return None;
    }
    Some((pid, ending(status)))
}

fn ending(status: i32) -> Ending {
    if libc::WIFEXITED(status) {
        Ending::Status(libc::WEXITSTATUS(status))
    } else {
        Ending::Signal(libc::WTERMSIG(status))
    }
}

/// Ends this process, and runs nothing on the way.
pub(crate) fn leave(status: i32) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(status) }
}

/// Puts a descriptor at a number, to be kept through `exec`.
pub(crate) fn place(descriptor: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: plain numbers. Whatever the number stood for is of no more use to the caller, a child about to execute.
    unsafe {
        if descriptor == number {
            checked(i64::from(libc::fcntl(number, libc::F_SETFD, 0)))?;
        } else {
            checked(i64::from(libc::dup2(descriptor, number)))?;
        }
    }
    Ok(())
}

/// A second number, from this one up, for a descriptor. It is closed by `exec`.
pub(crate) fn lift(descriptor: RawFd, above: RawFd) -> io::Result<RawFd> {
    // SAFETY: plain numbers.
    let lifted = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, above) };
    checked(i64::from(lifted)).map(|number| number as RawFd)
}

/// Becomes another program. Returns only the error.
pub(crate) fn execute(
    program: &CString,
    arguments: &[CString],
    variables: &[CString],
) -> io::Error {
    let list = |strings: &[CString]| {
        let mut pointers: Vec<*const c_char> = strings.iter().map(|one| one.as_ptr()).collect();
        pointers.push(std::ptr::null());
        pointers
    };
    let (arguments, variables) = (list(arguments), list(variables));
    // SAFETY: both lists end with null, and they and their strings live through the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), variables.as_ptr()) };
    io::Error::last_os_error()
}

/// Reads from another process's memory; how many bytes were there.
pub(crate) fn read_memory(pid: i32, address: u64, into: &mut [u8]) -> io::Result<usize> {
    let here = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: into.len(),
    };
    let there = libc::iovec {
        iov_base: address as *mut libc::c_void,
        iov_len: into.len(),
    };
    // SAFETY: the local part is a slice of ours. The other is not touched by us: the kernel checks it.
    let count = unsafe { libc::process_vm_readv(pid, &raw const here, 1, &raw const there, 1, 0) };
    if count < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(count as usize)
}

/// A descriptor for a thread or process.
pub(crate) fn open_thread(pid: i32) -> io::Result<OwnedFd> {
    const PIDFD_THREAD: libc::c_int = libc::O_EXCL;
    match open_by_number(pid, PIDFD_THREAD) {
        // A kernel that has descriptors for whole processes only. All its threads share what they have open.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            open_by_number(process_of(pid)?, 0)
        }
        opened => opened,
    }
}

/// A descriptor for a process.
pub(crate) fn open_process(pid: i32) -> io::Result<OwnedFd> {
    open_by_number(pid, 0)
}

fn open_by_number(pid: i32, flags: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; a returned descriptor belongs to nobody else.
    unsafe {
        let pidfd = checked(libc::syscall(libc::SYS_pidfd_open, pid, flags))?;
        Ok(OwnedFd::from_raw_fd(pidfd as i32))
    }
}

fn process_of(thread: i32) -> io::Result<i32> {
    let text = std::fs::read_to_string(format!("/proc/{thread}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Tgid:"));
    line.and_then(|number| number.trim().parse().ok())
        .ok_or(io::ErrorKind::NotFound.into())
}

/// Makes namespaces of the calling process's own.
pub(crate) fn unshare(namespaces: libc::c_ulong) -> io::Result<()> {
    // SAFETY: plain numbers.
    checked(unsafe { libc::syscall(libc::SYS_unshare, namespaces) })?;
    Ok(())
}

/// A copy of another process's descriptor.
pub(crate) fn take_descriptor(of: BorrowedFd<'_>, number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; a returned descriptor belongs to nobody else.
    unsafe {
        let taken = checked(libc::syscall(
            libc::SYS_pidfd_getfd,
            of.as_raw_fd(),
            number,
            0,
        ))?;
        Ok(OwnedFd::from_raw_fd(taken as i32))
    }
}

/// Closes every descriptor that is not of these, which must be in order.
pub(crate) fn close_all_but(kept: &[RawFd]) {
    let mut first = 0u32;
    for number in kept {
        let Ok(number) = u32::try_from(*number) else {
            continue;
        };
        if first < number {
            // SAFETY: plain numbers. The caller says that nothing uses what is closed.
            unsafe { libc::syscall(libc::SYS_close_range, first, number - 1, 0) };
        }
        first = number + 1;
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// Names the host, inside a namespace for that.
pub(crate) fn set_host_name(name: &str) -> io::Result<()> {
    // SAFETY: the bytes live through the call.
    checked(i64::from(unsafe {
        libc::sethostname(name.as_ptr().cast(), name.len())
    }))?;
    Ok(())
}

/// Has the kernel collect every child that ends.
pub(crate) fn ignore_children() {
    // SAFETY: a plain number and a constant; nothing of ours runs on the signal.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// The version of the kernel's Landlock; 0 where it has none, or it is not switched on.
pub fn landlock_version() -> u32 {
    const VERSION: libc::c_int = 1;
    let nothing: *const u8 = std::ptr::null();
    // SAFETY: with this flag the kernel reads no structure.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0, VERSION) };
    u32::try_from(version).unwrap_or(0)
}
