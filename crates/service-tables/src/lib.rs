//! Tables: one engine, and the DynamoDB skin.
//!
//! Lives here: the engine, the DynamoDB API, the resources of its templates.
//! Does not live here: protocol frames and signatures (`gateway::service_door`), the store below (`store`).

pub mod engine;
