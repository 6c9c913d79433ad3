//! What is deployed: brings stacks to what their templates say, and makes applications of them.
//!
//! Lives here: plans, the driver that carries them out, records of what was made, revisions.
//! Does not live here: templates and intrinsics (`cloudformation`), resources that keep state (their services).

pub mod application;
mod apply;
mod deployed;
mod looked_up;
mod naming;
mod outputs;
mod plan;
pub mod records;
mod references;
mod revision;
mod scope;
mod series;
mod state;
mod steps;
#[cfg(test)]
mod tests;

pub use apply::Deployer;
pub use deployed::{Changes, DeployRequest, Deployed, DeployedResource, Emptied, Removals};
pub use looked_up::LookedUp;
pub use series::Series;
pub use state::StateError;
