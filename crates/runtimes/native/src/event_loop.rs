//! Node's event loop, in a fork.
//!
//! Lives here: what libuv has to be told after a fork.
//! Does not live here: the fork (`park`).
#![allow(unsafe_code, reason = "functions of libuv are called")]

use std::ffi::{CStr, c_void};
use std::mem::transmute;
use std::ptr::NonNull;

use crate::napi::{Env, Thrown};
use crate::system;

type Fork = unsafe extern "C" fn(*mut c_void) -> i32;
type UpdateTime = unsafe extern "C" fn(*mut c_void);
type IsAlive = unsafe extern "C" fn(*const c_void) -> i32;

/// The event loop of the thread that runs JavaScript.
pub(crate) struct EventLoop {
    pointer: *mut c_void,
    fork: Fork,
    update_time: UpdateTime,
    is_alive: IsAlive,
}

/// libuv could not make its descriptors anew.
pub(crate) struct Disordered;

impl EventLoop {
    pub(crate) fn of(env: Env) -> Result<Self, Thrown> {
        let find = |name: &CStr| -> Result<NonNull<c_void>, Thrown> {
            let missing = || env.throw("this Node.js does not say where libuv's functions are");
            system::symbol(name).ok_or_else(missing)
        };
        let (fork, update_time) = (find(c"uv_loop_fork")?, find(c"uv_update_time")?);
        let is_alive = find(c"uv_loop_alive")?;
        Ok(Self {
            pointer: env.event_loop()?,
            // SAFETY: libuv's documentation gives that name this signature.
            fork: unsafe { transmute::<NonNull<c_void>, Fork>(fork) },
            // SAFETY: as above.
            update_time: unsafe { transmute::<NonNull<c_void>, UpdateTime>(update_time) },
            // SAFETY: as above.
            is_alive: unsafe { transmute::<NonNull<c_void>, IsAlive>(is_alive) },
        })
    }

    /// Whether there is something that the loop would wait for. Work that another thread does is among it, and shows
    /// nowhere else.
    pub(crate) fn is_alive(&self) -> bool {
        // SAFETY: it only looks at the loop, which is that of this thread.
        unsafe { (self.is_alive)(self.pointer) != 0 }
    }

    /// In a fork: gives the loop descriptors of its own, and the present time. Timers set before the fork would end too
    /// early otherwise, by as long as the process was parked.
    pub(crate) fn set_right_after_fork(&self) -> Result<(), Disordered> {
        // SAFETY: the loop is that of this thread, which is the one that forked, and it is not polling.
        let status = unsafe { (self.fork)(self.pointer) };
        if status != 0 {
            return Err(Disordered);
        }
        self.note_time();
        Ok(())
    }

    /// Has the loop know what time it is.
    pub(crate) fn note_time(&self) {
        // SAFETY: the loop is that of this thread.
        unsafe { (self.update_time)(self.pointer) };
    }
}
