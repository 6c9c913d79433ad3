//! CloudFormation templates: the one intermediate form of every AWS project.
//!
//! Lives here: reading text with positions, intrinsics, the order of resources.
//! Does not live here: making resources (`deployment` and the services), how other manifests become templates (`manifest`).

pub mod fuzz;
pub mod intrinsics;
pub mod node;
pub mod order;
pub mod parameters;
pub mod parse;
pub mod template;
