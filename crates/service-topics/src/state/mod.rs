//! What the service keeps.
//!
//! Lives here: topics, subscriptions, platform applications: their records, their rows, and a copy of all in memory.
//! Does not live here: what operations make of them (`operations`, `publishing`).

pub(crate) mod catalogue;
pub(crate) mod deduplication;
pub(crate) mod delivery_policy;
pub(crate) mod keys;
pub(crate) mod platform;
pub(crate) mod subscription;
pub(crate) mod topic;
