//! V8's own threads, which a fork does not have, and which are started there anew.
//!
//! Lives here: which threads those are, where each of them sleeps, waking them in a fork.
//! Does not live here: the registers (`resume`), condition variables (`conditions`).
//!
//! They are the threads that Node.js starts before it requires this addon, and that sleep on a condition variable. Each gets
//! a stack of its own: glibc hands out those that it made itself again after a fork. A new thread takes the place of each:
//! its stack, its registers, its thread-local storage.
#![allow(
    unsafe_code,
    reason = "memory of other threads is used, and functions of the C library are called"
)]

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::io;
use std::mem::{self, MaybeUninit};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::resume::{self, Beginning};
use crate::system;

/// Threads that can be started anew in a fork. V8 has four, unless Node.js is told otherwise.
const SLEEPERS_MAX: usize = 32;
/// Where in a thread's own storage glibc keeps its number is looked for up to here.
const THREAD_ID_OFFSET_MAX: usize = 2048;
const PAGE_BYTES: usize = 4096;

type Routine = extern "C" fn(*mut c_void) -> *mut c_void;
type Create = unsafe extern "C" fn(*mut usize, *const Attributes, Routine, *mut c_void) -> c_int;

/// `pthread_attr_t`: as large as glibc has it.
#[repr(C, align(8))]
struct Attributes([u8; 56]);

struct Sleeper {
    /// Where its stack ends while it sleeps; 0 while it does not.
    stack_end: AtomicUsize,
    thread_pointer: AtomicUsize,
    /// Where glibc keeps its number. Joining it and its locks depend on that.
    thread_id: AtomicPtr<i32>,
    /// It was started anew: glibc does not count it, and must not see it end.
    is_resumed: AtomicBool,
}

static SLEEPERS: [Sleeper; SLEEPERS_MAX] = [const {
    Sleeper {
        stack_end: AtomicUsize::new(0),
        thread_pointer: AtomicUsize::new(0),
        thread_id: AtomicPtr::new(ptr::null_mut()),
        is_resumed: AtomicBool::new(false),
    }
}; SLEEPERS_MAX];
static SLEEPERS_COUNT: AtomicUsize = AtomicUsize::new(0);
/// Threads that are started now are Node's own.
static IS_STARTUP: AtomicBool = AtomicBool::new(false);
/// This process is a fork whose sleepers are not there yet.
static IS_FORK: AtomicBool = AtomicBool::new(false);
/// Where a thread's own storage has its number; 0 when that is not known.
static THREAD_ID_OFFSET: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static OWN: Cell<Option<&'static Sleeper>> = const { Cell::new(None) };
}

#[allow(
    clashing_extern_declarations,
    reason = "a thread's handle is a number here and an address in the sandbox's file"
)]
unsafe extern "C" {
    fn pthread_attr_destroy(attributes: *mut Attributes) -> c_int;
    fn pthread_attr_getdetachstate(attributes: *const Attributes, state: *mut c_int) -> c_int;
    fn pthread_attr_getstacksize(attributes: *const Attributes, size: *mut usize) -> c_int;
    fn pthread_attr_init(attributes: *mut Attributes) -> c_int;
    fn pthread_attr_setstack(attributes: *mut Attributes, from: *mut c_void, size: usize) -> c_int;
    fn pthread_self() -> usize;
    fn mmap(
        near: *mut c_void,
        length: usize,
        access: c_int,
        flags: c_int,
        file: c_int,
        offset: i64,
    ) -> *mut c_void;
    fn mprotect(from: *mut c_void, length: usize, access: c_int) -> c_int;
    fn munmap(from: *mut c_void, length: usize) -> c_int;
    fn syscall(number: std::ffi::c_long, ...) -> std::ffi::c_long;
}

/// From now on, threads that are started are Node's own.
pub(crate) fn begin_startup() {
    // SAFETY: it only answers.
    let own = unsafe { pthread_self() };
    let thread_id = system::thread_id();
    let offset = (0..THREAD_ID_OFFSET_MAX)
        .step_by(size_of::<i32>())
        // SAFETY: glibc's own storage of a thread is larger than that, and aligned.
        .find(|offset| unsafe { *ptr::with_exposed_provenance::<i32>(own + offset) } == thread_id);
    if let Some(offset) = offset {
        THREAD_ID_OFFSET.store(offset, Ordering::Relaxed);
        IS_STARTUP.store(true, Ordering::Release);
    }
}

/// From now on, threads that are started are the function's, or belong to what it uses.
pub(crate) fn end_startup() {
    IS_STARTUP.store(false, Ordering::Release);
}

/// Called in a fork: the sleepers are not there.
pub(crate) fn note_fork() {
    IS_FORK.store(true, Ordering::Relaxed);
}

/// Starts threads in the place of those that slept in this fork's parent, and says how many.
///
/// They lack what glibc tells the system when it starts a thread: the list of robust mutexes, which nobody here uses, and
/// where the number of the processor is noted. What `sched_getcpu` says in such a thread is that of its predecessor.
pub(crate) fn wake() -> io::Result<i32> {
    // All that threads share: memory, files, signals; and the number is told to glibc.
    const FLAGS: usize = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x4_0000 | NUMBER_FLAGS;
    const NUMBER_FLAGS: usize = 0x8_0000 | 0x10_0000 | 0x20_0000;
    if !IS_FORK.swap(false, Ordering::Relaxed) {
        return Ok(0);
    }
    let count = SLEEPERS_COUNT.load(Ordering::Acquire).min(SLEEPERS_MAX);
    let mut woken = 0;
    for sleeper in SLEEPERS.iter().take(count) {
        let stack = sleeper.stack_end.load(Ordering::Relaxed);
        if stack == 0 {
            continue;
        }
        sleeper.is_resumed.store(true, Ordering::Relaxed);
        let beginning = Beginning {
            flags: FLAGS,
            stack,
            thread_pointer: sleeper.thread_pointer.load(Ordering::Relaxed),
            thread_id: sleeper.thread_id.load(Ordering::Relaxed),
        };
        // SAFETY: this is a fork, so that thread does not exist, and it was asleep there: its stack is as it left it.
        let result = unsafe { resume::wake(&beginning) };
        if result < 0 {
            let code = i32::try_from(-result).unwrap_or_default();
            return Err(io::Error::from_raw_os_error(code));
        }
        woken += 1;
    }
    Ok(woken)
}

/// Runs a sleep, which notes where the thread's stack ends: in the thread's own place when it has one.
pub(super) fn note_sleep(sleep: impl FnOnce(*const AtomicUsize) -> isize) -> isize {
    let nowhere = AtomicUsize::new(0);
    let sleeper = OWN.get();
    let stack_end = sleeper.map_or(&nowhere, |sleeper| &sleeper.stack_end);
    let result = sleep(stack_end);
    // A thread that was started anew in a fork comes here as well.
    stack_end.store(0, Ordering::Relaxed);
    result
}

/// # Safety
/// As POSIX has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut usize,
    wanted: *const Attributes,
    routine: Routine,
    argument: *mut c_void,
) -> c_int {
    const EAGAIN: c_int = 11;
    let Some(create) = create() else {
        return EAGAIN;
    };
    // SAFETY: the caller has initialised the attributes, when it gives some.
    let stack_bytes = unsafe { wanted_stack_bytes(wanted) };
    if let Some(stack_bytes) = stack_bytes
        && IS_STARTUP.load(Ordering::Acquire)
        && SLEEPERS_COUNT.load(Ordering::Relaxed) < SLEEPERS_MAX
        && let Some(stack) = Stack::new(stack_bytes)
    {
        return stack.create_on(create, thread, Task { routine, argument });
    }
    // SAFETY: the caller keeps to POSIX.
    unsafe { create(thread, wanted, routine, argument) }
}

fn create() -> Option<Create> {
    static FOUND: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    let mut found = FOUND.load(Ordering::Relaxed);
    if found.is_null() {
        found = system::next_symbol(c"pthread_create")?.as_ptr();
        FOUND.store(found, Ordering::Relaxed);
    }
    // SAFETY: that is what the name stands for in the C library.
    NonNull::new(found).map(|found| unsafe { mem::transmute::<NonNull<c_void>, Create>(found) })
}

/// How large the stack of a thread is to be that somebody will join; nothing for a thread of another kind.
///
/// # Safety
/// The attributes are initialised, or none are given.
unsafe fn wanted_stack_bytes(wanted: *const Attributes) -> Option<usize> {
    const JOINABLE: c_int = 0;
    let (mut state, mut size) = (JOINABLE, 0);
    if wanted.is_null() {
        let default = OwnAttributes::new()?;
        // SAFETY: they were just initialised.
        unsafe { pthread_attr_getstacksize(default.pointer(), &mut size) };
    } else {
        // SAFETY: the caller has initialised them.
        unsafe {
            pthread_attr_getdetachstate(wanted, &mut state);
            pthread_attr_getstacksize(wanted, &mut size);
        }
    }
    (state == JOINABLE && 0 < size).then_some(size)
}

struct OwnAttributes(MaybeUninit<Attributes>);

impl OwnAttributes {
    fn new() -> Option<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: there is room for them.
        let status = unsafe { pthread_attr_init(attributes.as_mut_ptr()) };
        (status == 0).then_some(Self(attributes))
    }

    fn pointer(&self) -> *const Attributes {
        self.0.as_ptr()
    }
}

impl Drop for OwnAttributes {
    fn drop(&mut self) {
        // SAFETY: they were initialised.
        unsafe { pthread_attr_destroy(self.0.as_mut_ptr()) };
    }
}

/// What a new thread is to do.
struct Task {
    routine: Routine,
    argument: *mut c_void,
}

/// A stack that stays: a thread of a fork may need it.
struct Stack {
    start: *mut c_void,
    bytes: usize,
}

impl Stack {
    /// A stack of that size, and a page below it that nobody can touch.
    fn new(bytes: usize) -> Option<Self> {
        const NONE: c_int = 0;
        const READ_AND_WRITE: c_int = 3;
        // Private, anonymous, nothing set aside for it, a stack.
        const FLAGS: c_int = 0x2 | 0x20 | 0x4000 | 0x2_0000;
        let bytes = bytes
            .checked_next_multiple_of(PAGE_BYTES)?
            .checked_add(PAGE_BYTES)?;
        // SAFETY: new memory is asked for.
        let start = unsafe { mmap(ptr::null_mut(), bytes, READ_AND_WRITE, FLAGS, -1, 0) };
        if start.addr() == usize::MAX {
            return None;
        }
        // SAFETY: the page is part of what was just made, and unused.
        let status = unsafe { mprotect(start, PAGE_BYTES, NONE) };
        let stack = Self { start, bytes };
        if status != 0 {
            stack.give_back();
            return None;
        }
        Some(stack)
    }

    fn create_on(self, create: Create, thread: *mut usize, task: Task) -> c_int {
        const ENOMEM: c_int = 12;
        let Some(mut attributes) = OwnAttributes::new() else {
            self.give_back();
            return ENOMEM;
        };
        let task = Box::into_raw(Box::new(task));
        // SAFETY: the attributes are initialised, the stack is new, and the task is the thread's from here on.
        let status = unsafe {
            pthread_attr_setstack(
                attributes.0.as_mut_ptr(),
                self.start.byte_add(PAGE_BYTES),
                self.bytes - PAGE_BYTES,
            );
            create(thread, attributes.pointer(), begin, task.cast())
        };
        if status != 0 {
            // SAFETY: there is no thread that could own it.
            drop(unsafe { Box::from_raw(task) });
            self.give_back();
        }
        status
    }

    fn give_back(self) {
        // SAFETY: it was made here, and no thread uses it.
        unsafe { munmap(self.start, self.bytes) };
    }
}

/// Where a thread begins that can be started anew in a fork.
extern "C" fn begin(task: *mut c_void) -> *mut c_void {
    // SAFETY: it was made by `create_on`, for this thread.
    let Task { routine, argument } = *unsafe { Box::from_raw(task.cast::<Task>()) };
    OWN.set(take_place());
    let result = routine(argument);
    if OWN
        .get()
        .is_some_and(|own| own.is_resumed.load(Ordering::Relaxed))
    {
        end_resumed();
    }
    OWN.set(None);
    result
}

fn take_place() -> Option<&'static Sleeper> {
    // SAFETY: it only answers.
    let own = unsafe { pthread_self() };
    let thread_id =
        ptr::with_exposed_provenance_mut::<i32>(own + THREAD_ID_OFFSET.load(Ordering::Relaxed));
    // SAFETY: it lies within glibc's own storage of this thread.
    if unsafe { *thread_id } != system::thread_id() {
        return None;
    }
    let sleeper = SLEEPERS.get(SLEEPERS_COUNT.fetch_add(1, Ordering::AcqRel))?;
    sleeper.thread_pointer.store(own, Ordering::Relaxed);
    sleeper.thread_id.store(thread_id, Ordering::Relaxed);
    Some(sleeper)
}

/// Ends a thread that glibc does not count. The system sets its number to 0, which is what whoever joins it waits for.
fn end_resumed() -> ! {
    const SYS_EXIT: std::ffi::c_long = 60;
    loop {
        // SAFETY: it ends this thread, which holds nothing.
        unsafe { syscall(SYS_EXIT, 0_u64) };
    }
}
