//! A process that goes on in the place of the calling one, with another number: in another process namespace.
//!
//! Lives here: the call that makes it, and what the C library believes about its thread.
//! Does not live here: why that is needed (`entry`).
//!
//! A fork would do, and cost a copy of every page table and then of every page that either touches. So the two share
//! their memory, as a thread would, and the old one ends without touching it again: not even its stack, which is the
//! new one's already. All that it still does are two system calls from registers. The C library's own notes about the
//! thread must stay true meanwhile: the kernel, which clears two of them when a thread ends, is told of other places.

#![expect(
    unsafe_code,
    reason = "two processes share a stack for a moment, which no library has a form for"
)]

use core::arch::asm;
use core::ffi::{c_int, c_long, c_ulong};
use core::sync::atomic::AtomicI32;

use super::calls::{number, syscall, thread_number_slot};

const CLONE_VM: c_ulong = 0x100;
const CLONE_PARENT: c_ulong = 0x8000;
const CLONE_PARENT_SETTID: c_ulong = 0x0010_0000;
const CLONE_CHILD_CLEARTID: c_ulong = 0x0020_0000;
const CLONE_CHILD_SETTID: c_ulong = 0x0100_0000;
const SIGCHLD: c_ulong = 17;
const SIG_SETMASK: c_ulong = 2;
const SIGNAL_SET_BYTES: c_ulong = 8;
const ROBUST_HEAD_BYTES: c_ulong = 24;

/// Where the kernel writes the successor's number, for the old process to send: nobody else may write there, since the
/// successor may be faster.
static SUCCESSOR: AtomicI32 = AtomicI32::new(0);
/// Where the kernel clears the old process's number when that ends.
static CLEARED: AtomicI32 = AtomicI32::new(0);

/// Goes on as a new process, a child of the caller's parent, whose number is written to `report` (i32). The caller must
/// have one thread. An error leaves everything as it was.
pub(super) fn hand_over_to_a_successor(report: c_int) -> Result<(), c_int> {
    let slot = thread_number_slot();
    let number_flags = if slot.is_null() {
        0
    } else {
        CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID
    };
    let all = [u64::MAX; 1];
    let mut mask = [0u64; 1];
    let mut robust = [0usize; 2];
    // SAFETY: every pointer is to something that outlives its call. No signal may come while the stack is shared: what
    // handles one would write to it.
    unsafe {
        let (set, old) = (all.as_ptr(), mask.as_mut_ptr());
        syscall(number::SIGPROCMASK, SIG_SETMASK, set, old, SIGNAL_SET_BYTES);
        syscall(
            number::GET_ROBUST_LIST,
            0usize,
            &raw mut robust[0],
            &raw mut robust[1],
        );
        syscall(number::SET_ROBUST_LIST, 0usize, ROBUST_HEAD_BYTES);
        syscall(number::SET_TID_ADDRESS, CLEARED.as_ptr());
    }
    let flags = CLONE_VM | CLONE_PARENT | CLONE_PARENT_SETTID | number_flags | SIGCHLD;
    // SAFETY: the memory that both share is touched by the successor alone, see there; the places that the kernel writes
    // to live as long as the memory does.
    let result = unsafe { clone_and_leave(flags, SUCCESSOR.as_ptr(), slot, c_long::from(report)) };
    // SAFETY: as above. From here on this is the successor, or nothing has happened.
    unsafe {
        syscall(number::SET_ROBUST_LIST, robust[0], ROBUST_HEAD_BYTES);
        if result < 0 && !slot.is_null() {
            syscall(number::SET_TID_ADDRESS, slot);
        }
        let nothing: *mut u64 = core::ptr::null_mut();
        syscall(
            number::SIGPROCMASK,
            SIG_SETMASK,
            mask.as_ptr(),
            nothing,
            SIGNAL_SET_BYTES,
        );
    }
    if result < 0 {
        Err(-(result as c_int))
    } else {
        Ok(())
    }
}

/// Returns in the successor with 0, or at once with a negated error. The calling process writes the number and ends.
///
/// # Safety
/// With these flags both run on one stack: nothing between the call and the end of the old process may touch memory, and
/// no signal may be handled there.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_and_leave(flags: c_ulong, to: *mut i32, slot: *mut i32, report: c_long) -> c_long {
    let result: c_long;
    // SAFETY: the old process uses registers only: it writes four bytes at `to`, and ends. In the successor, and after an
    // error, every register but the result is as it was.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jle 2f",
            "mov rdi, r9",
            "mov rsi, rdx",
            "mov edx, 4",
            "mov eax, 1",
            "syscall",
            "3:",
            "xor edi, edi",
            "mov eax, 231",
            "syscall",
            "jmp 3b",
            "2:",
            inlateout("rax") number::CLONE => result,
            in("rdi") flags,
            in("rsi") 0u64,
            in("rdx") to,
            in("r10") slot,
            in("r8") 0u64,
            in("r9") report,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Returns in the successor with 0, or at once with a negated error. The calling process writes the number and ends.
///
/// # Safety
/// With these flags both run on one stack: nothing between the call and the end of the old process may touch memory, and
/// no signal may be handled there.
#[cfg(target_arch = "aarch64")]
unsafe fn clone_and_leave(flags: c_ulong, to: *mut i32, slot: *mut i32, report: c_long) -> c_long {
    let result: c_long;
    // SAFETY: the old process uses registers only: it writes four bytes at `to`, and ends. In the successor, and after an
    // error, every register but the result is as it was.
    unsafe {
        asm!(
            "svc 0",
            "cmp x0, #0",
            "b.le 2f",
            "mov x0, x9",
            "mov x1, x2",
            "mov x2, #4",
            "mov x8, #64",
            "svc 0",
            "3:",
            "mov x0, #0",
            "mov x8, #94",
            "svc 0",
            "b 3b",
            "2:",
            inlateout("x0") flags as c_long => result,
            in("x1") 0u64,
            in("x2") to,
            in("x3") 0u64,
            in("x4") slot,
            in("x8") number::CLONE,
            in("x9") report,
            options(nostack),
        );
    }
    result
}
