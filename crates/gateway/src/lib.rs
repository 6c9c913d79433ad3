//! Listeners, routes, the steps of a request, event shapes, and the service door.
//!
//! Lives here: see the modules.
//! Does not live here: anything that another crate of the import table owns.

pub mod application;
mod cors;
pub mod events;
pub mod http;
mod replies;
pub mod routes;
pub mod service_door;
