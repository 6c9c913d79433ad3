//! The supervisor's half of a filter: calls that wait for our answer.
//!
//! Lives here: the three requests that a filter's listener understands.
//! Does not live here: what is answered (`supervision`).

#![expect(
    unsafe_code,
    reason = "the requests of a filter's listener have no safe form"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::checked;

// Their numbers hold the sizes of the structures, which every architecture we run on shares.
const RECEIVE: libc::Ioctl = 0xC050_2100u32 as libc::Ioctl;
const SEND: libc::Ioctl = 0xC018_2101u32 as libc::Ioctl;
const IS_VALID: libc::Ioctl = 0x4008_2102u32 as libc::Ioctl;
const ADD_DESCRIPTOR: libc::Ioctl = 0x4018_2103u32 as libc::Ioctl;
const SET_FLAGS: libc::Ioctl = 0x4008_2104u32 as libc::Ioctl;
const CONTINUE: u32 = 1;
const SYNC_WAKE_UP: u64 = 1;

/// A call that waits. The process id is of the thread that calls, as we see it.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) thread: i32,
    flags: u32,
    pub(crate) number: i32,
    architecture: u32,
    instruction: u64,
    pub(crate) arguments: [u64; 6],
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The kernel carries the call out, with whatever the arguments point to by then.
    Continue,
    /// The call returns this and does nothing.
    Done(i64),
    /// The call fails with this error.
    Fail(i32),
}

#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// Has the kernel run the answered thread on the processor that answers: saves half of the way.
pub(crate) fn wake_on_same_processor(listener: BorrowedFd<'_>) {
    // SAFETY: plain numbers. Kernels that do not know it are only slower.
    unsafe { libc::ioctl(listener.as_raw_fd(), SET_FLAGS, SYNC_WAKE_UP) };
}

/// The next call. `Ok(None)` when its thread was killed meanwhile.
pub(crate) fn receive(listener: BorrowedFd<'_>) -> io::Result<Option<Call>> {
    let mut call = Call::default();
    // SAFETY: the structure has the kernel's layout, is zeroed as it demands, and lives through the call.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE, &raw mut call) };
    match checked(i64::from(result)) {
        Ok(_) => Ok(Some(call)),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOENT | libc::EINTR) => Ok(None),
            Some(_) | None => Err(error),
        },
    }
}

/// Whether the call still waits: until then its thread's number, and what was read by it, are of that thread.
pub(crate) fn still_waits(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: one number, alive through the call.
    unsafe { libc::ioctl(listener.as_raw_fd(), IS_VALID, &raw const id) == 0 }
}

/// Gives whoever waits a copy of a descriptor, which is closed by `exec`; the number that it has there.
pub(crate) fn give(listener: BorrowedFd<'_>, id: u64, given: BorrowedFd<'_>) -> io::Result<i32> {
    #[repr(C)]
    struct Addition {
        id: u64,
        flags: u32,
        ours: u32,
        theirs: u32,
        their_flags: u32,
    }
    let addition = Addition {
        id,
        flags: 0,
        ours: given.as_raw_fd() as u32,
        theirs: 0,
        their_flags: libc::O_CLOEXEC as u32,
    };
    // SAFETY: the structure has the kernel's layout and lives through the call.
    let number = unsafe { libc::ioctl(listener.as_raw_fd(), ADD_DESCRIPTOR, &raw const addition) };
    checked(i64::from(number)).map(|number| number as i32)
}

/// Answers. A caller that was killed meanwhile needs no answer.
pub(crate) fn answer(listener: BorrowedFd<'_>, id: u64, answer: Answer) {
    let response = match answer {
        Answer::Continue => Response {
            id,
            value: 0,
            error: 0,
            flags: CONTINUE,
        },
        Answer::Done(value) => Response {
            id,
            value,
            error: 0,
            flags: 0,
        },
        Answer::Fail(error) => Response {
            id,
            value: 0,
            error: -error,
            flags: 0,
        },
    };
    // SAFETY: the structure has the kernel's layout and lives through the call.
    unsafe { libc::ioctl(listener.as_raw_fd(), SEND, &raw const response) };
}
