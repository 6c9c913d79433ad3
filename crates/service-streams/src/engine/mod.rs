//! What streams are: rows, shards, records, and reading and writing them.
//!
//! Lives here: one file for each of these.
//! Does not live here: the API (`kinesis`), templates (`resources`).

pub(crate) mod catalogue;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod numbers;
pub(crate) mod rows;
pub(crate) mod shards;
pub(crate) mod subscriptions;
pub(crate) mod wakers;
