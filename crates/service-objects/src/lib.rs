//! Objects in buckets: Amazon S3.
//!
//! Lives here: buckets and their settings, objects and their versions, uploads in parts, listing, who may do what by access
//! control lists, the events that buckets send.
//! Does not live here: signatures and the framing of bodies (`gateway::service_door`), judging policies (`service-identity`),
//! delivering events (`event-delivery`).

mod api;
mod engine;
mod resources;

pub use api::operations::operations;
pub use api::request::host_bucket;
pub use api::service::{NewBuckets, Parts, Service};
pub use resources::coverage;

/// What fuzzing reads: bodies of XML and of forms.
pub mod hostile {
    /// Reads whatever bytes as a document. Never panics.
    #[must_use]
    pub fn document(bytes: &[u8]) -> bool {
        crate::engine::node::Node::read(bytes).is_ok()
    }

    /// Reads whatever bytes as a form with this boundary. Never panics.
    #[must_use]
    pub fn form(boundary: &str, bytes: &[u8]) -> usize {
        crate::api::form::read_hostile(boundary, bytes)
    }
}
