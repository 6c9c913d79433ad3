//! The system calls of the way in, without any library but the C library's door to them.
//!
//! Lives here: their numbers, a message with a descriptor, where the C library keeps a thread's number, steps as errors.
//! Does not live here: which calls are made in which order (`entry`).

#![expect(
    unsafe_code,
    reason = "system calls without a safe form, in a process that may not allocate"
)]

use core::ffi::{c_int, c_long, c_ulong, c_void};

/// A step of the way in, as told when it fails. Zero is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Step {
    /// The order could not be read.
    Order = 1,
    /// The namespaces could not be joined.
    Join = 2,
    /// The second fork failed.
    Fork = 3,
    /// No session of its own.
    Session = 4,
    /// The ids could not be taken.
    Identity = 5,
    /// A limit could not be set.
    Limits = 6,
    /// Capabilities or the promise never to gain any.
    Privileges = 7,
    /// Landlock refused.
    Landlock = 8,
    /// The filter was refused.
    Filter = 9,
    /// Nobody took the filter's listener.
    Handover = 10,
    /// Namespaces of an instance's own.
    Unshare = 11,
    /// The instance's `/tmp`.
    Tmp = 12,
    /// The program could not be executed.
    Execute = 13,
}

/// A failed step, and the system's error.
pub type Failure = (Step, c_int);

const PR_GET_TID_ADDRESS: c_ulong = 40;
const EINTR: c_int = 4;
const ESRCH: c_int = 3;
/// Words of a thread's own block that are searched for its number.
const THREAD_WORDS_MAX: usize = 512;

unsafe extern "C" {
    pub(super) fn syscall(number: c_long, ...) -> c_long;
    fn __errno_location() -> *mut c_int;
    fn pthread_self() -> *mut c_void;
}

#[cfg(target_arch = "x86_64")]
pub(super) mod number {
    use core::ffi::c_long;
    pub(crate) const SIGPROCMASK: c_long = 14;
    pub(crate) const SET_TID_ADDRESS: c_long = 218;
    pub(crate) const SET_ROBUST_LIST: c_long = 273;
    pub(crate) const GET_ROBUST_LIST: c_long = 274;
    pub(crate) const READ: c_long = 0;
    pub(crate) const WRITE: c_long = 1;
    pub(crate) const CLOSE: c_long = 3;
    pub(crate) const RECVMSG: c_long = 47;
    pub(crate) const CLONE: c_long = 56;
    pub(crate) const SETSID: c_long = 112;
    pub(crate) const SETGROUPS: c_long = 116;
    pub(crate) const SETRESUID: c_long = 117;
    pub(crate) const SETRESGID: c_long = 119;
    pub(crate) const CAPSET: c_long = 126;
    pub(crate) const PRCTL: c_long = 157;
    pub(crate) const GETTID: c_long = 186;
    pub(crate) const OPENAT: c_long = 257;
    pub(crate) const UNSHARE: c_long = 272;
    pub(crate) const PRLIMIT: c_long = 302;
    pub(crate) const SETNS: c_long = 308;
    pub(crate) const SECCOMP: c_long = 317;
}
#[cfg(target_arch = "aarch64")]
pub(super) mod number {
    use core::ffi::c_long;
    pub(crate) const SIGPROCMASK: c_long = 135;
    pub(crate) const SET_TID_ADDRESS: c_long = 96;
    pub(crate) const SET_ROBUST_LIST: c_long = 99;
    pub(crate) const GET_ROBUST_LIST: c_long = 100;
    pub(crate) const READ: c_long = 63;
    pub(crate) const WRITE: c_long = 64;
    pub(crate) const CLOSE: c_long = 57;
    pub(crate) const RECVMSG: c_long = 212;
    pub(crate) const CLONE: c_long = 220;
    pub(crate) const SETSID: c_long = 157;
    pub(crate) const SETGROUPS: c_long = 159;
    pub(crate) const SETRESUID: c_long = 147;
    pub(crate) const SETRESGID: c_long = 149;
    pub(crate) const CAPSET: c_long = 91;
    pub(crate) const PRCTL: c_long = 167;
    pub(crate) const GETTID: c_long = 178;
    pub(crate) const OPENAT: c_long = 56;
    pub(crate) const UNSHARE: c_long = 97;
    pub(crate) const PRLIMIT: c_long = 261;
    pub(crate) const SETNS: c_long = 268;
    pub(crate) const SECCOMP: c_long = 277;
}
pub(super) const CLOSE_RANGE: c_long = 436;
pub(super) const LANDLOCK_CREATE_RULESET: c_long = 444;
pub(super) const LANDLOCK_ADD_RULE: c_long = 445;
pub(super) const LANDLOCK_RESTRICT_SELF: c_long = 446;

/// Where the C library keeps the number of the calling thread: it compares it with the owners of locks. Null when it
/// is not to be found.
pub(super) fn thread_number_slot() -> *mut c_int {
    // SAFETY: a plain number.
    let own = unsafe { syscall(number::GETTID) } as c_int;
    let mut registered: *mut c_int = core::ptr::null_mut();
    // SAFETY: the kernel writes one pointer, where it is to clear the number at the thread's end: libc's own slot,
    // mapped as long as the thread lives.
    unsafe {
        let got = syscall(
            number::PRCTL,
            PR_GET_TID_ADDRESS,
            &raw mut registered,
            0usize,
            0usize,
            0usize,
        );
        if got == 0 && !registered.is_null() && registered.is_aligned() && *registered == own {
            return registered;
        }
    }
    // SAFETY: the block of a thread is larger than what is searched of it.
    let block =
        unsafe { core::slice::from_raw_parts(pthread_self().cast::<c_int>(), THREAD_WORDS_MAX) };
    let mut found = block.iter().filter(|word| **word == own);
    match (found.next(), found.next()) {
        (Some(word), None) => core::ptr::from_ref(word).cast_mut(),
        (Some(_) | None, Some(_) | None) => core::ptr::null_mut(),
    }
}

/// What comes with an order: the nanny's pidfd, then the files through which the process enters its groups.
pub(super) const GIVEN_MAX: usize = 4;

/// One message: the order, and what came with it, the rest of which is -1.
pub(super) fn receive(
    ticket: c_int,
    into: &mut [u8],
) -> Result<(usize, [c_int; GIVEN_MAX]), Failure> {
    #[repr(C)]
    struct Vector {
        base: *mut u8,
        length: usize,
    }
    #[repr(C)]
    struct Message {
        name: *mut c_void,
        name_length: u32,
        vectors: *mut Vector,
        vector_count: usize,
        control: *mut c_void,
        control_length: usize,
        flags: c_int,
    }
    #[repr(C, align(8))]
    struct Control {
        length: usize,
        level: c_int,
        kind: c_int,
        descriptors: [c_int; GIVEN_MAX],
    }
    const CMSG_CLOEXEC: c_ulong = 0x4000_0000;
    const SOL_SOCKET: c_int = 1;
    const SCM_RIGHTS: c_int = 1;
    let mut vector = Vector {
        base: into.as_mut_ptr(),
        length: into.len(),
    };
    let mut control = Control {
        length: 0,
        level: 0,
        kind: 0,
        descriptors: [-1; GIVEN_MAX],
    };
    let mut message = Message {
        name: core::ptr::null_mut(),
        name_length: 0,
        vectors: &raw mut vector,
        vector_count: 1,
        control: (&raw mut control).cast(),
        control_length: size_of::<Control>(),
        flags: 0,
    };
    // SAFETY: every pointer is to something of this frame, with its true length.
    let count =
        retry(|| unsafe { syscall(number::RECVMSG, ticket, &raw mut message, CMSG_CLOEXEC) });
    let count = check(Step::Order, count)? as usize;
    let has_descriptors = control.level == SOL_SOCKET && control.kind == SCM_RIGHTS;
    let given = if has_descriptors {
        control.descriptors
    } else {
        [-1; GIVEN_MAX]
    };
    Ok((count, given))
}

pub(super) fn retry(mut call: impl FnMut() -> c_long) -> c_long {
    loop {
        let result = call();
        if result != -1 || errno() != EINTR {
            return result;
        }
    }
}

pub(super) fn prctl(step: Step, what: c_ulong, value: c_ulong) -> Result<(), Failure> {
    // SAFETY: plain numbers.
    check(step, unsafe {
        syscall(number::PRCTL, what, value, 0usize, 0usize, 0usize)
    })
    .map(|_| ())
}

pub(super) fn close(descriptor: c_int) {
    if 0 <= descriptor {
        // SAFETY: a plain number that the caller owns.
        unsafe { syscall(number::CLOSE, descriptor) };
    }
}

pub(super) fn check(step: Step, result: c_long) -> Result<c_long, Failure> {
    if result == -1 {
        Err((step, errno()))
    } else {
        Ok(result)
    }
}

fn errno() -> c_int {
    // SAFETY: the C library's own place for it, valid for the calling thread.
    let error = unsafe { *__errno_location() };
    if error == 0 { ESRCH } else { error }
}
