//! How often requests are let in.
//!
//! Lives here: counting in this process.
//! Does not live here: which limits a route has (`model::door`), the refusal's words (`replies::faults`).

mod local;

pub use local::LocalCounters;
