//! The way in, as a library that an interpreter loads.
//!
//! Lives here: the two functions under their C names.
//! Does not live here: what they do (`entry`).

#[path = "../src/entry/mod.rs"]
#[allow(
    dead_code,
    reason = "the order's other half is used by the library itself"
)]
pub mod entry;

/// See `entry::enter_sandbox`.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "a name that an interpreter can look up")]
pub extern "C" fn cloudless_enter_sandbox(ticket: i32, report: i32) -> i32 {
    entry::enter_sandbox(ticket, report)
}

/// See `entry::enter_instance`.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "a name that an interpreter can look up")]
pub extern "C" fn cloudless_enter_instance(scoped: u64, processes_max: u64) -> i32 {
    entry::enter_instance(scoped, processes_max)
}
