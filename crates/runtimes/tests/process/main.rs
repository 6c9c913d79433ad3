//! Instances as their callers see them, with the Python and the Node.js of this machine.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub,
    reason = "these are tests"
)]

mod ahead;
mod alone;
mod environment;
mod failures;
mod faults;
mod folders;
mod forking;
mod forking_node;
mod handlers;
mod harness;
mod hostile;
mod in_a_row;
mod lifecycle;
mod limits;
mod logs;
mod maker;
mod pipes;
mod probe;
mod spares;
mod streams;
mod walls;

/// Here Python functions are forked, as users have it; `spawned` runs the same tests the other way.
const STARTS: model::function::Starts = model::function::Starts::Automatic;
