//! Queues without their API.
//!
//! Lives here: which queues there are, what their messages go through, how all that is kept.
//! Does not live here: AWS's names, protocols and errors (`sqs`).
//!
//! Each queue has one owner, a task: whatever is asked of a queue is done by it, in turn. While it waits for a commit, requests
//! gather; the next commit carries out all of them. So a queue's order is decided in one place, and a flush serves many.

pub(crate) mod ask;
pub(crate) mod book;
pub(crate) mod catalogue;
pub(crate) mod cycle;
pub(crate) mod descriptor;
pub(crate) mod duplicates;
mod fifo;
pub(crate) mod hand_out;
pub(crate) mod keys;
mod left;
pub(crate) mod owner;
pub(crate) mod receipt;
pub(crate) mod record;
pub(crate) mod request;
mod standard;
#[cfg(test)]
mod tests;
mod waiting;
