//! The same promises as in `process`, held by Python functions of which each instance is a process from the beginning.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "these are tests"
)]

#[path = "../process/environment.rs"]
mod environment;
#[path = "../process/failures.rs"]
mod failures;
#[path = "../process/handlers.rs"]
mod handlers;
#[path = "../process/harness.rs"]
mod harness;
#[path = "../process/hostile.rs"]
mod hostile;
#[path = "../process/lifecycle.rs"]
mod lifecycle;
#[path = "../process/logs.rs"]
mod logs;
#[path = "../process/maker.rs"]
mod maker;
#[path = "../process/streams.rs"]
mod streams;

/// As functions are started whose init cannot be forked.
const STARTS: model::function::Starts = model::function::Starts::Spawned;
