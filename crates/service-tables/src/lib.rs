//! Tables: one engine, and the DynamoDB skin.
//!
//! Lives here: the engine, the DynamoDB API, the resources of its templates.
//! Does not live here: protocol frames and signatures (`gateway::service_door`), the store below (`store`).
//!
//! A request goes one way: its JSON is read and judged (`dynamodb`), a pure function decides on the item that is there,
//! and one batch is committed (`engine`). What the store's keys and values look like is said in `engine::keys` and
//! `engine::codec`, and never changes without a new format byte.

pub mod dynamodb;
pub mod engine;
mod resources;

pub use dynamodb::{Service, Throughput, operations};
pub use resources::coverage;
