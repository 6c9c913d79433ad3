//! The AWS protocols, SigV4 and error shapes; pure.
//!
//! Lives here: what is on the wire between an AWS client and any service: signatures, the JSON protocol's
//! envelope and members, hosts, the query protocol's forms, writing XML, the shapes in which errors are told.
//! Does not live here: operations and their parameters (each service), sockets and who holds which keys (`gateway`).

pub mod errors;
pub mod event_stream;
pub mod host;
pub mod json;
pub mod members;
pub mod protocol;
pub mod query;
pub mod sigv4;
pub mod xml;
