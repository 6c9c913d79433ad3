//! Condition variables that keep no count of who sleeps on them.
//!
//! Lives here: `pthread_cond_*`, in the place of the C library's.
//! Does not live here: threads that sleep on them in a fork's parent (`threads`).
//!
//! A variable is a number that every signal changes; whoever waits sleeps while it is what it was. Nothing there can be
//! out of date in a fork. A sleeper may wake for nothing, which the contract allows and every caller expects.
//!
//! Contract: POSIX.1-2017, `pthread_cond_wait` and its family; glibc's size and initial value of `pthread_cond_t`.
//! Differs: waiting is no cancellation point. Nothing in Node.js cancels threads.
#![allow(
    unsafe_code,
    reason = "callers pass pointers, and functions of the C library are called"
)]

use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::resume::{self, TimeSpec};
use super::threads;
use crate::system;

const CLOCK_REALTIME: c_int = 0;
const CLOCK_MONOTONIC: c_int = 1;

const EINVAL: c_int = 22;
const ETIMEDOUT: c_int = 110;

const FUTEX_WAKE: usize = 1;
const FUTEX_WAIT_BITSET: usize = 9;
const FUTEX_PRIVATE: usize = 128;
const FUTEX_CLOCK_REALTIME: usize = 256;
const SYS_FUTEX: c_long = 202;

/// What is kept in a `pthread_cond_t`, which is larger. One that is initialised statically is all zeros: the real-time
/// clock, one process.
#[repr(C)]
struct Condition {
    signals: AtomicU32,
    clock: c_int,
    shared: c_int,
}

unsafe extern "C" {
    fn pthread_condattr_getclock(attributes: *const c_void, clock: *mut c_int) -> c_int;
    fn pthread_condattr_getpshared(attributes: *const c_void, shared: *mut c_int) -> c_int;
    fn pthread_mutex_lock(mutex: *mut c_void) -> c_int;
    fn pthread_mutex_unlock(mutex: *mut c_void) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

/// Whether the whole process uses these functions: only when the library is preloaded.
pub(super) fn are_in_effect() -> bool {
    let ours = pthread_cond_wait as unsafe extern "C" fn(_, _) -> _;
    system::symbol(c"pthread_cond_wait").is_some_and(|found| found.as_ptr() == ours as *mut c_void)
}

/// # Safety
/// As POSIX has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_init(
    condition: *mut Condition,
    attributes: *const c_void,
) -> c_int {
    let (mut clock, mut shared) = (CLOCK_REALTIME, 0);
    if !attributes.is_null() {
        // SAFETY: the caller has initialised the attributes.
        unsafe {
            pthread_condattr_getclock(attributes, &mut clock);
            pthread_condattr_getpshared(attributes, &mut shared);
        }
    }
    // SAFETY: the caller has room for a `pthread_cond_t`, which nobody uses yet.
    unsafe {
        condition.write(Condition {
            signals: AtomicU32::new(0),
            clock,
            shared,
        });
    }
    0
}

/// # Safety
/// As POSIX has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_destroy(_: *mut Condition) -> c_int {
    0
}

/// # Safety
/// As POSIX has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_wait(condition: *mut Condition, mutex: *mut c_void) -> c_int {
    // SAFETY: the caller keeps to POSIX.
    unsafe { wait(condition, mutex, CLOCK_MONOTONIC, ptr::null()) }
}

/// # Safety
/// As POSIX has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_timedwait(
    condition: *mut Condition,
    mutex: *mut c_void,
    until: *const TimeSpec,
) -> c_int {
    // SAFETY: the caller keeps to POSIX.
    unsafe { wait_until(condition, mutex, (*condition).clock, until) }
}

/// # Safety
/// As POSIX has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_clockwait(
    condition: *mut Condition,
    mutex: *mut c_void,
    clock: c_int,
    until: *const TimeSpec,
) -> c_int {
    // SAFETY: the caller keeps to POSIX.
    unsafe { wait_until(condition, mutex, clock, until) }
}

/// # Safety
/// As POSIX has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_signal(condition: *mut Condition) -> c_int {
    // SAFETY: the caller keeps to POSIX.
    unsafe { signal(condition, 1) }
}

/// # Safety
/// As POSIX has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_broadcast(condition: *mut Condition) -> c_int {
    // SAFETY: the caller keeps to POSIX.
    unsafe { signal(condition, c_int::MAX) }
}

/// # Safety
/// As `pthread_cond_clockwait`.
unsafe fn wait_until(
    condition: *mut Condition,
    mutex: *mut c_void,
    clock: c_int,
    until: *const TimeSpec,
) -> c_int {
    // SAFETY: the caller's time can be read.
    let TimeSpec {
        seconds,
        nanoseconds,
    } = unsafe { *until };
    if !matches!(clock, CLOCK_REALTIME | CLOCK_MONOTONIC)
        || !(0..1_000_000_000).contains(&nanoseconds)
    {
        return EINVAL;
    }
    // Before the beginning of all time, which the system does not take for a time.
    if seconds < 0 {
        return ETIMEDOUT;
    }
    // SAFETY: the caller keeps to POSIX.
    unsafe { wait(condition, mutex, clock, until) }
}

/// Waits without end when `until` is null.
///
/// # Safety
/// As `pthread_cond_clockwait`, but that the clock and the time are good.
unsafe fn wait(
    condition: *mut Condition,
    mutex: *mut c_void,
    clock: c_int,
    until: *const TimeSpec,
) -> c_int {
    // SAFETY: the caller has initialised the variable, and keeps it while anybody waits.
    let condition = unsafe { &*condition };
    // Read under the mutex: a signal that comes once it is unlocked changes the number, and the sleep ends at once.
    let seen = condition.signals.load(Ordering::SeqCst);
    let mut operation = FUTEX_WAIT_BITSET | condition.scope();
    if clock == CLOCK_REALTIME && !until.is_null() {
        operation |= FUTEX_CLOCK_REALTIME;
    }
    // SAFETY: the caller holds the mutex.
    let refused = unsafe { pthread_mutex_unlock(mutex) };
    if refused != 0 {
        return refused;
    }
    let word = ptr::from_ref(&condition.signals).cast();
    let result = threads::note_sleep(|stack_end| {
        // SAFETY: the variable, the time and `stack_end` are there until the sleep ends.
        unsafe { resume::sleep(word, operation, seen as usize, until, stack_end) }
    });
    // SAFETY: the caller keeps the mutex while anybody waits.
    let locked = unsafe { pthread_mutex_lock(mutex) };
    if locked == 0 && result == -(ETIMEDOUT as isize) {
        ETIMEDOUT
    } else {
        locked
    }
}

/// # Safety
/// As `pthread_cond_signal`.
unsafe fn signal(condition: *mut Condition, sleepers_max: c_int) -> c_int {
    // SAFETY: the caller has initialised the variable.
    let condition = unsafe { &*condition };
    let operation = FUTEX_WAKE | condition.scope();
    let word = condition.signals.as_ptr();
    condition.signals.fetch_add(1, Ordering::SeqCst);
    // From here on the variable may be gone: whoever waited may have seen the number and destroyed it. The system then
    // wakes nobody, or somebody for nothing.
    // SAFETY: the call takes an address which it does not read from, and numbers.
    unsafe {
        syscall(
            SYS_FUTEX,
            word,
            operation,
            sleepers_max as c_long,
            0_usize,
            0_usize,
            0_usize,
        )
    };
    0
}

impl Condition {
    fn scope(&self) -> usize {
        if self.shared == 0 { FUTEX_PRIVATE } else { 0 }
    }
}
