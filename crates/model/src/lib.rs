//! The nouns of the product, as plain data: ids, ARNs, limits, problems in people's files, applications.
//!
//! Lives here: types that two or more crates pass to one another, and the parsing that makes them true.
//! Does not live here: traits (`interfaces`), I/O, anything that waits.

pub mod application;
pub mod arn;
pub mod artefact;
pub mod asynchronous;
pub mod coverage;
pub mod delivery;
pub mod digits;
pub mod door;
pub mod event_source;
pub mod function;
pub mod function_url;
pub mod http_api;
pub mod ids;
pub mod limits;
pub mod lineage;
pub mod load_balancer;
pub mod principal;
pub mod problem;
pub mod rest_api;
pub mod suggestion;
pub mod time;
pub mod websocket_api;
