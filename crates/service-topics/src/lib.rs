//! Topics: Amazon SNS.
//!
//! Lives here: topics, subscriptions and their filter policies, what subscribers receive, platform applications as records.
//! Does not live here: delivering and retrying (`event-delivery`), keys and certificates (`cloudless`), sending HTTP requests
//! (`gateway`).
//!
//! [`Service`] is the API; what it keeps is in `state`. A message that is published becomes deliveries of the outbox, one for each
//! subscription that it concerns, in one commit. The service itself takes deliveries for topics and for addresses.

mod arns;
pub mod filter;
mod form;
mod notary;
mod operations;
mod publishing;
mod refusal;
mod resources;
mod service;
mod sink;
mod state;
mod times;

pub use notary::{Notary, SignatureVersion};
pub use operations::names::operations;
pub use resources::coverage;
pub use service::{Parts, Service};
