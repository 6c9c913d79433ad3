//! A sleep from which a thread of a fork can wake, though the thread that fell asleep was not copied.
//!
//! Lives here: the system calls that must be made with the registers at hand.
//! Does not live here: who sleeps and who is woken (`threads`), condition variables (`conditions`).
//!
//! A thread puts the registers that a function has to preserve on its stack, notes where the stack ends, and sleeps. In a
//! fork, the stack is there and the thread is not. A new thread that begins on that stack takes the registers from it and
//! returns to where the sleep was called from: for the code there, the sleep is over.
#![allow(unsafe_code, reason = "it is about registers")]

use std::arch::naked_asm;
use std::ffi::c_void;
use std::sync::atomic::AtomicUsize;

/// A length of time, or a point in it, as the system takes it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct TimeSpec {
    pub(super) seconds: i64,
    pub(super) nanoseconds: i64,
}

/// Where a new thread begins, and what the system is to know of it.
#[repr(C)]
pub(super) struct Beginning {
    pub(super) flags: usize,
    pub(super) stack: usize,
    pub(super) thread_pointer: usize,
    pub(super) thread_id: *mut i32,
}

/// Takes from the stack what [`sleep`] has put there, and returns to where it was called from.
macro_rules! wake_up {
    () => {
        "ldmxcsr [rsp]
         fldcw [rsp + 4]
         add rsp, 8
         pop r15
         pop r14
         pop r13
         pop r12
         pop rbx
         pop rbp
         ret"
    };
}

/// Sleeps while `word` holds `value`: the system call `futex`, whose result it returns. While it does, `stack_end` says
/// where a new thread can go on; the caller sets it back to 0.
///
/// # Safety
/// `word`, `until` (when it is given) and `stack_end` can be read and written during the call.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn sleep(
    word: *const c_void,
    operation: usize,
    value: usize,
    until: *const TimeSpec,
    stack_end: *const AtomicUsize,
) -> isize {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov [r8], rsp",
        // The system wants its fourth argument elsewhere. The fifth does not matter, the sixth has all bits set.
        "mov r10, rcx",
        "xor r8d, r8d",
        "mov r9d, 0xffffffff",
        "mov eax, 202",
        "syscall",
        wake_up!(),
    )
}

/// Begins a thread that returns from a [`sleep`] of another thread's, with 0: the system call `clone`. The calling thread
/// gets the new thread's number, or an error as a negative number.
///
/// # Safety
/// `stack` was noted by a [`sleep`] that has not returned, of a thread that does not exist any more, whose thread-local
/// storage and number `thread_pointer` and `thread_id` are.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn wake(beginning: *const Beginning) -> isize {
    naked_asm!(
        "mov rax, rdi",
        "mov rdi, [rax]",
        "mov rsi, [rax + 8]",
        "mov r8, [rax + 16]",
        "mov rdx, [rax + 24]",
        "mov r10, rdx",
        "mov eax, 56",
        "syscall",
        "test rax, rax",
        "jz 2f",
        "ret",
        "2:",
        wake_up!(),
    )
}
