//! Every retry in the product: from whatever sends events to whatever gets them.
//!
//! Lives here: what services sent, on its way; asynchronous invocations; event source mappings at work: batches, filters,
//! retries, the place up to which each has come.
//! Does not live here: what is in a record or a message (its source), running functions (the invoker, which never retries).
//!
//! Events that services sent lie in the outbox until their targets took them (`dispatch`, `lanes`, `attempt`). A queue is
//! read in batches (`queue`, `messages`). A stream has one task a mapping that follows its shards; each shard is read by one lane, or by
//! several that share its records by what they are about. A lane gathers a batch, has it delivered, and stores how far it
//! has come: so every record is delivered at least once, and those of one item in their order, whenever the process ends.

mod answer;
mod asynchronous;
mod attempt;
mod checkpoints;
mod delivery;
mod dispatch;
mod feed;
mod filters;
mod follower;
mod lane;
mod lanes;
mod letters;
mod log;
mod messages;
mod permissions;
mod plan;
mod queue;
mod receptions;
mod stream_letters;
#[cfg(test)]
mod tests;

pub use delivery::{Delivery, Parts};
pub use log::{DeliveryLog, Event, EventResult};
