//! Streams: Amazon Kinesis Data Streams.
//!
//! Lives here: streams, their shards and records, iterators, consumers; reading them for functions, taking events for them;
//! the resources of templates for all of these.
//! Does not live here: calling functions (`event-delivery`), who may do what (`service-identity`).

mod cbor;
mod engine;
mod fault;
mod fields;
pub mod fuzz;
mod kinesis;
mod resources;
mod service;
mod sink;
mod source;

pub use resources::coverage;
pub use service::{Service, operations};
