//! What a process does to itself to be locked in, before it runs a line of user code.
//!
//! Lives here: a fork of a base that enters a sandbox, a fork of a template that becomes an instance, what both and
//! an executed program have in common. It needs nothing but system calls and allocates nothing, so that a library
//! loaded into an interpreter can hold this same file.
//! Does not live here: making the sandbox (`nanny`), what the order says (`order`), who answers (`supervision`).
//!
//! A base runs outside. It forks; the fork, of which only the calling thread exists, calls [`enter_sandbox`] with one
//! descriptor, the ticket. Over it come the order and a pidfd of the sandbox's nanny. The fork joins the nanny's
//! namespaces, and because a process cannot change its own process namespace it makes a successor there, to which it
//! leaves its memory (`successor`), with the base as the parent of both: so whoever forks and collects sees no
//! difference. It tells the base the number of its successor and ends. Every failure is told over the ticket with its step, and the caller must then end at once.

#![expect(
    unsafe_code,
    reason = "system calls without a safe form, in a process that may not allocate"
)]

mod calls;
mod order;
mod successor;

use core::ffi::{c_int, c_ulong};

use calls::{
    CLOSE_RANGE, GIVEN_MAX, LANDLOCK_ADD_RULE, LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF,
    check, close, number, prctl, receive, retry, syscall,
};
pub use calls::{Failure, Step};
pub use order::{
    FILTER_INSTRUCTIONS_MAX, FLAG_CLOSE, FLAG_JOIN, FLAG_KEEP_GROUPS, FLAG_NOTIFY, HEADER_BYTES,
    ORDER_BYTES_MAX, ORDER_MAGIC, Order,
};

/// The highest descriptor that is kept: standard streams, and the channel.
const KEPT_DESCRIPTOR_MAX: c_int = 3;
/// Files of groups that a process is given to go in through.
const ENTRANCES_MAX: usize = GIVEN_MAX - 1;
/// How many bits the number of one of them has. No process has a million descriptors.
const ENTRANCE_BITS: u32 = 20;

const NEW_NS: c_ulong = 0x0002_0000;
const NEW_UTS: c_ulong = 0x0400_0000;
const NEW_IPC: c_ulong = 0x0800_0000;
const NEW_USER: c_ulong = 0x1000_0000;
const NEW_PID: c_ulong = 0x2000_0000;
const NEW_NET: c_ulong = 0x4000_0000;
/// The namespaces of a sandbox.
pub const SANDBOX_NAMESPACES: c_ulong = NEW_NS | NEW_UTS | NEW_IPC | NEW_USER | NEW_PID | NEW_NET;
/// The namespaces that an instance has besides. Shared memory of the older kind belongs to no process, and would outlive
/// the instance: so it goes with a namespace. The filter lets these pass in one call, if the supervisor agrees.
pub const INSTANCE_NAMESPACES: c_ulong = NEW_USER | NEW_NS | NEW_IPC;

const SIGKILL: c_ulong = 9;
const RLIMIT_NPROC: u64 = 6;
const EPROTO: c_int = 71;

const PR_SET_PDEATHSIG: c_ulong = 1;
const PR_SET_DUMPABLE: c_ulong = 4;
const PR_CAPBSET_READ: c_ulong = 23;
const PR_CAPBSET_DROP: c_ulong = 24;
const PR_SET_NO_NEW_PRIVS: c_ulong = 38;
const PR_CAP_AMBIENT: c_ulong = 47;

/// Enters the sandbox that the ticket is for. Called in a fork, as the only thread; `report` takes the number (i32) by
/// which the base knows the process that comes back.
///
/// Returns 0 in the process that is inside. Any other value is the negated error of a failed step, in a process that
/// must end at once without running anything else. Both descriptors are closed on success.
pub fn enter_sandbox(ticket: c_int, report: c_int) -> c_int {
    let mut order = OrderBytes([0; ORDER_BYTES_MAX]);
    match enter(ticket, report, &mut order) {
        Ok(()) => 0,
        Err(failure) => fail(ticket, failure),
    }
}

/// Makes a fork of a template an instance: a user, mount and ipc namespace of its own, in which the nanny mounts its `/tmp`,
/// then no capability in those either, and where the kernel can a Landlock domain that its siblings are outside of.
///
/// `processes_max` is how many processes and threads it may have: counted in its own user namespace, and so of it alone.
/// A limit of the template's would count all of its instances together.
///
/// On its way the supervisor gives it the files of its groups, and it goes in, while its `/tmp` is made. Blocks until the
/// supervisor has seen both. Returns 0, or a negated error; then the process must end.
pub fn enter_instance(scoped: u64, processes_max: u64) -> c_int {
    match become_instance(scoped, processes_max) {
        Ok(()) => 0,
        Err((_, error)) => -error.max(1),
    }
}

/// The order, aligned for what the kernel reads out of it.
#[repr(C, align(8))]
struct OrderBytes([u8; ORDER_BYTES_MAX]);

fn enter(ticket: c_int, report: c_int, bytes: &mut OrderBytes) -> Result<(), Failure> {
    let (length, [nanny, entrances @ ..]) = receive(ticket, &mut bytes.0)?;
    let order =
        Order::read(bytes.0.get(..length).unwrap_or_default()).ok_or((Step::Order, EPROTO))?;
    for entrance in entrances {
        go_in(entrance);
    }
    if order.flags & FLAG_JOIN != 0 {
        join(nanny, report)?;
    }
    close(nanny);
    close(report);
    confine(&order, ticket)?;
    close(ticket);
    Ok(())
}

fn join(nanny: c_int, report: c_int) -> Result<(), Failure> {
    // SAFETY: setns takes two numbers.
    check(Step::Join, unsafe {
        syscall(number::SETNS, nanny, SANDBOX_NAMESPACES)
    })?;
    successor::hand_over_to_a_successor(report).map_err(|error| (Step::Fork, error))
}

/// Locks the calling process in, for ever, and hands the filter's listener over. Also for a child of the nanny, which
/// is in the namespaces already. The ticket stays open: whoever executes a program can still tell that it failed.
pub fn confine(order: &Order<'_>, ticket: c_int) -> Result<(), Failure> {
    // SAFETY: system calls with plain numbers, here and in the next blocks.
    check(Step::Session, unsafe { syscall(number::SETSID) })?;
    unsafe {
        if order.flags & FLAG_KEEP_GROUPS == 0 {
            check(Step::Identity, syscall(number::SETGROUPS, 0usize, 0usize))?;
        }
        let (uid, gid) = (order.uid as c_ulong, order.gid as c_ulong);
        check(Step::Identity, syscall(number::SETRESGID, gid, gid, gid))?;
        check(Step::Identity, syscall(number::SETRESUID, uid, uid, uid))?;
    }
    // A change of ids clears it. Until the filter stands nobody in here may look at this process, or write into it: a
    // program may join another's namespaces, in which hostile code runs already.
    prctl(Step::Identity, PR_SET_PDEATHSIG, SIGKILL)?;
    prctl(Step::Identity, PR_SET_DUMPABLE, 0)?;
    if order.flags & FLAG_CLOSE != 0 {
        close_surplus(ticket);
    }
    for (resource, value) in order.limits() {
        set_limit(resource, value)?;
    }
    drop_capabilities(Step::Privileges)?;
    prctl(Step::Privileges, PR_SET_NO_NEW_PRIVS, 1)?;
    restrict_files(order)?;
    let listener = install_filter(order)?;
    // The supervisor reads socket addresses out of the memory of what runs here, which for an ordinary user takes a
    // dumpable process; what others here may read is limited by their user namespaces.
    prctl(Step::Identity, PR_SET_DUMPABLE, 1)?;
    hand_over(order, ticket, listener)
}

fn become_instance(scoped: u64, processes_max: u64) -> Result<(), Failure> {
    // SAFETY: plain numbers. The supervisor lets the first pass once for each fork that it has ordered; the second
    // changes nothing, but the supervisor answers it only when the mount is made.
    unsafe {
        check(Step::Unshare, syscall(number::UNSHARE, INSTANCE_NAMESPACES))?;
        let given = check(Step::Tmp, syscall(number::UNSHARE, 0usize))?;
        if given != 0 {
            for place in 0..ENTRANCES_MAX {
                go_in(entrance_at(given, place));
            }
            check(Step::Tmp, syscall(number::UNSHARE, 0usize))?;
        }
    }
    set_limit(RLIMIT_NPROC, processes_max)?;
    drop_capabilities(Step::Privileges)?;
    if scoped != 0 {
        restrict(
            &Ruleset {
                files: 0,
                network: 0,
                scoped,
            },
            |_| Ok(()),
        )?;
    }
    Ok(())
}

/// Goes into a group, which concerns the calling thread alone, and closes the way.
pub fn go_in(entrance: c_int) {
    if entrance < 0 {
        return;
    }
    let itself = b"0";
    // SAFETY: the byte is ours. Whoever let us in looks whether we are, and sees to it if we are not.
    unsafe { syscall(number::WRITE, entrance, itself.as_ptr(), itself.len()) };
    close(entrance);
}

/// The numbers of files that the supervisor has given, in one: so many bits each, 0 where there is none, which is no number
/// that it gives.
pub fn entrances_in_one(numbers: &[c_int]) -> i64 {
    let places = numbers.iter().zip(0u32..);
    places.fold(0, |all, (number, place)| {
        all | i64::from(*number) << (place * ENTRANCE_BITS)
    })
}

fn entrance_at(given: i64, place: usize) -> c_int {
    let number = given >> (place as u32 * ENTRANCE_BITS) & ((1 << ENTRANCE_BITS) - 1);
    if number == 0 { -1 } else { number as c_int }
}

/// Sets a limit, or as much of it as this process may have: an ordinary user's own may be below it, as that of processes is by
/// default on machines with little memory.
fn set_limit(resource: u64, value: u64) -> Result<(), Failure> {
    let none: *mut u64 = core::ptr::null_mut();
    if change_limit(resource, [value, value].as_ptr(), none).is_ok() {
        return Ok(());
    }
    let mut own = [0; 2];
    change_limit(resource, none, own.as_mut_ptr())?;
    let value = value.min(own[1]);
    change_limit(resource, [value, value].as_ptr(), none)
}

/// Both are pairs, of what is used and of what that may be raised to.
fn change_limit(resource: u64, new: *const u64, old: *mut u64) -> Result<(), Failure> {
    let resource = resource as c_ulong;
    // SAFETY: whoever calls it gives pairs that live through the call, or nothing.
    let result = unsafe { syscall(number::PRLIMIT, 0usize, resource, new, old) };
    check(Step::Limits, result).map(|_| ())
}

fn drop_capabilities(step: Step) -> Result<(), Failure> {
    let mut capability = 0;
    // SAFETY: plain numbers; the header and data have the kernel's layout and live through the call.
    unsafe {
        while syscall(
            number::PRCTL,
            PR_CAPBSET_READ,
            capability,
            0usize,
            0usize,
            0usize,
        ) >= 0
        {
            check(
                step,
                syscall(
                    number::PRCTL,
                    PR_CAPBSET_DROP,
                    capability,
                    0usize,
                    0usize,
                    0usize,
                ),
            )?;
            capability += 1 as c_ulong;
        }
        // Clear all; kernels that know no ambient capabilities have none to clear.
        syscall(
            number::PRCTL,
            PR_CAP_AMBIENT,
            4usize,
            0usize,
            0usize,
            0usize,
        );
        let header: [u32; 2] = [0x2008_0522, 0];
        let none: [u32; 6] = [0; 6];
        check(
            step,
            syscall(number::CAPSET, header.as_ptr(), none.as_ptr()),
        )?;
    }
    Ok(())
}

#[repr(C)]
struct Ruleset {
    files: u64,
    network: u64,
    scoped: u64,
}

fn restrict_files(order: &Order<'_>) -> Result<(), Failure> {
    if order.handled_files == 0 && order.scoped == 0 {
        return Ok(());
    }
    let rules = Ruleset {
        files: order.handled_files,
        network: 0,
        scoped: order.scoped,
    };
    restrict(&rules, |ruleset| {
        for (access, path) in order.rules() {
            add_rule(ruleset, access, path)?;
        }
        Ok(())
    })
}

fn restrict(
    rules: &Ruleset,
    fill: impl FnOnce(c_int) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // Kernels before the scopes take a shorter structure, and one with zeroes at its end.
    // SAFETY: the structure has the kernel's layout and lives through the call.
    let ruleset = check(Step::Landlock, unsafe {
        syscall(
            LANDLOCK_CREATE_RULESET,
            rules as *const Ruleset,
            size_of::<Ruleset>(),
            0usize,
        )
    })? as c_int;
    fill(ruleset)?;
    // SAFETY: plain numbers.
    check(Step::Landlock, unsafe {
        syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0usize)
    })?;
    close(ruleset);
    Ok(())
}

fn add_rule(ruleset: c_int, access: u64, path: &[u8]) -> Result<(), Failure> {
    #[repr(C, packed)]
    struct PathBeneath {
        access: u64,
        parent: i32,
    }
    const AT_FDCWD: c_int = -100;
    const O_PATH_CLOEXEC: c_ulong = 0o10_000_000 | 0o2_000_000;
    // SAFETY: every path of an order ends with a zero byte: `Order::rules` gives no other.
    let parent = check(Step::Landlock, unsafe {
        syscall(
            number::OPENAT,
            AT_FDCWD,
            path.as_ptr(),
            O_PATH_CLOEXEC,
            0usize,
        )
    })? as c_int;
    let rule = PathBeneath { access, parent };
    // SAFETY: the structure has the kernel's layout and lives through the call.
    check(Step::Landlock, unsafe {
        syscall(LANDLOCK_ADD_RULE, ruleset, 1usize, &raw const rule, 0usize)
    })?;
    close(parent);
    Ok(())
}

fn install_filter(order: &Order<'_>) -> Result<c_int, Failure> {
    #[repr(C)]
    struct Program {
        length: u16,
        instructions: *const u8,
    }
    const SET_MODE_FILTER: c_ulong = 1;
    /// New listener; a call that waits for its answer is woken by a fatal signal only.
    const LISTENER_FLAGS: c_ulong = 1 << 3 | 1 << 5;
    if order.filter.is_empty() {
        return Ok(-1);
    }
    let program = Program {
        length: (order.filter.len() / 8) as u16,
        instructions: order.filter.as_ptr(),
    };
    let notify = order.flags & FLAG_NOTIFY != 0;
    let flags = if notify { LISTENER_FLAGS } else { 0 };
    // SAFETY: the program has the kernel's layout and lives through the call; its length was counted above.
    let listener = check(Step::Filter, unsafe {
        syscall(number::SECCOMP, SET_MODE_FILTER, flags, &raw const program)
    })?;
    Ok(if notify { listener as c_int } else { -1 })
}

/// `sendmsg` is itself supervised from here on, so the listener's number is told and the supervisor takes it.
fn hand_over(order: &Order<'_>, ticket: c_int, listener: c_int) -> Result<(), Failure> {
    tell(ticket, 0, listener);
    let mut answer = [0u8; 1];
    // SAFETY: the buffer is ours.
    let count = retry(|| unsafe { syscall(number::READ, ticket, answer.as_mut_ptr(), 1usize) });
    if order.flags & FLAG_NOTIFY != 0 {
        close(listener);
    }
    if check(Step::Handover, count)? != 1 {
        return Err((Step::Handover, EPROTO));
    }
    Ok(())
}

/// Tells a failed step, and gives what the caller returns.
pub fn fail(ticket: c_int, (step, error): Failure) -> c_int {
    let error = error.max(1);
    tell(ticket, step as u32, error);
    -error
}

fn tell(ticket: c_int, step: u32, value: c_int) {
    let mut message = [0u8; 8];
    let (first, second) = message.split_at_mut(4);
    first.copy_from_slice(&step.to_ne_bytes());
    second.copy_from_slice(&value.to_ne_bytes());
    // SAFETY: the buffer is ours. Nobody listening means that the supervisor is gone, and this process with it.
    unsafe { syscall(number::WRITE, ticket, message.as_ptr(), message.len()) };
}

fn close_surplus(ticket: c_int) {
    let first = KEPT_DESCRIPTOR_MAX + 1;
    // SAFETY: plain numbers. Kernels before `close_range` are refused by `capabilities`.
    unsafe {
        if first <= ticket {
            if first < ticket {
                syscall(CLOSE_RANGE, first, ticket - 1, 0usize);
            }
            syscall(CLOSE_RANGE, ticket + 1, u32::MAX as c_ulong, 0usize);
        } else {
            syscall(CLOSE_RANGE, first, u32::MAX as c_ulong, 0usize);
        }
    }
}
