//! Instances as their callers see them, with the Python and the Node.js of this machine.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "these are tests"
)]

mod handlers;
mod harness;
