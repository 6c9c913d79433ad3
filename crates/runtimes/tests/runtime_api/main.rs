//! Functions that ask for their events over the Runtime API, and extensions, as their callers see them.

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

mod bootstraps;
mod clients;
mod entries;
mod extensions;
#[path = "../process/harness.rs"]
mod harness;
mod hostile;
#[path = "../process/maker.rs"]
mod maker;
mod other_clients;
mod telemetry;

/// Functions in Python are started as users have them.
const STARTS: model::function::Starts = model::function::Starts::Automatic;
