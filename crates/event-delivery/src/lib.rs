//! Every retry in the product: from sources of records to functions.
//!
//! Lives here: event source mappings at work: batches, filters, retries, the place up to which each has come.
//! Does not live here: what is in a record (its source), running functions (the invoker, which never retries).
//!
//! One task a mapping follows the shards of its source; each shard is read by one lane, or by several that share its
//! records by what they are about. A lane gathers a batch, has it delivered, and stores how far it has come: so every
//! record is delivered at least once, and those of one item in their order, whenever the process ends.

mod answer;
mod checkpoints;
mod delivery;
mod feed;
mod lane;
mod plan;
#[cfg(test)]
mod tests;

pub use delivery::{Delivery, Parts};
