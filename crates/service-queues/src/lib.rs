//! Queues: Amazon SQS.
//!
//! Lives here: `engine`, queues and their messages over the store; `sqs`, the API over it; the resources of templates; taking
//! events for queues, and handing messages to whoever calls functions with them.
//! Does not live here: calling functions (`event-delivery`), who may do what (`service-identity`).

mod engine;
mod message;
mod resources;
mod sink;
mod source;
mod sqs;
mod tasks;

pub use resources::coverage;
pub use sqs::Service;
