//! The way into a sandbox, as a library that Python loads.
//!
//! Lives here: the two functions under their C names.
//! Does not live here: what they do, which is the sandbox's own file; Node.js has it in its addon (`src/lib.rs`).

#[path = "../../../sandbox/src/entry/mod.rs"]
#[allow(
    clashing_extern_declarations,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "a file of the sandbox's, checked there; the other half of an order is used by whoever writes it"
)]
mod entry;

/// Enters the sandbox that the ticket is for; the number of the process that is inside goes to `report`.
#[unsafe(no_mangle)]
#[allow(unsafe_code, reason = "a name that an interpreter can look up")]
pub extern "C" fn cloudless_enter_sandbox(ticket: i32, report: i32) -> i32 {
    entry::enter_sandbox(ticket, report)
}

/// Makes an instance of a fork of a process that is inside.
#[unsafe(no_mangle)]
#[allow(unsafe_code, reason = "a name that an interpreter can look up")]
pub extern "C" fn cloudless_enter_instance(scoped: u64, processes_max: u64) -> i32 {
    entry::enter_instance(scoped, processes_max)
}
