//! What this library is when it is preloaded into Node.js: condition variables, and threads, that survive a fork.
//!
//! Lives here: whether it is preloaded, and what the rest of the addon asks of it.
//! Does not live here: condition variables (`conditions`), threads (`threads`), how a thread is taken up again (`resume`).
//!
//! V8 hands pieces of its work to threads of its own, even when it is told to use a single one, and those sleep on condition
//! variables. Fork does not copy them. Two things then go wrong in a fork: glibc's condition variables wait for sleepers
//! that they count and that are gone, in the third or fourth large collection; and a worker that ends waits for work
//! that only the lost threads could have taken.
//!
//! It is for x86-64. Elsewhere nothing is replaced, and `hasPreload` is false: there Node.js needs a version that
//! forks well without.

#[cfg(target_arch = "x86_64")]
mod conditions;
#[cfg(target_arch = "x86_64")]
mod resume;
#[cfg(target_arch = "x86_64")]
mod threads;

#[cfg(target_arch = "x86_64")]
mod effective {
    #![allow(
        unsafe_code,
        reason = "the loader calls a function of ours, which changes the environment"
    )]
    use std::ffi::{c_char, c_int};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::{conditions, threads};
    use crate::system;

    static IS_ACTIVE: AtomicBool = AtomicBool::new(false);

    /// Called by the loader, before the program begins, or when the addon is required.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static BEGIN: extern "C" fn() = begin;

    unsafe extern "C" {
        fn unsetenv(name: *const c_char) -> c_int;
    }

    extern "C" fn begin() {
        // A program that is not Node.js (a script around it) hands the library on to the next.
        if !conditions::are_in_effect() || system::symbol(c"napi_create_function").is_none() {
            return;
        }
        threads::begin_startup();
        IS_ACTIVE.store(true, Ordering::Relaxed);
        // SAFETY: the name ends with a zero, and nobody else reads the environment before the program begins.
        unsafe { unsetenv(c"LD_PRELOAD".as_ptr()) };
    }

    pub(crate) fn is_active() -> bool {
        IS_ACTIVE.load(Ordering::Relaxed)
    }

    pub(crate) use super::threads::{end_startup, note_fork, wake as wake_threads};
}

#[cfg(not(target_arch = "x86_64"))]
mod effective {
    pub(crate) fn is_active() -> bool {
        false
    }

    pub(crate) fn end_startup() {}

    pub(crate) fn note_fork() {}

    pub(crate) fn wake_threads() -> std::io::Result<i32> {
        Ok(0)
    }
}

pub(crate) use effective::{end_startup, is_active, note_fork, wake_threads};
