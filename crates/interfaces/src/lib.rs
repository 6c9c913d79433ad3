//! The verbs of the product: one trait a file, admitted only when two sibling crates need it.
//!
//! Lives here: the seams at which siblings meet, and the plain data that passes through them.
//! Does not live here: implementations; `cloudless::wiring` joins them.

pub mod authorize;
pub mod clock;
pub mod counters;
pub mod event_sink;
pub mod http_client;
pub mod invoke;
pub mod log_sink;
pub mod message_source;
pub mod objects;
pub mod packages;
pub mod principals;
pub mod random;
pub mod record_source;
pub mod reply_stream;
pub mod resource_provider;
pub mod runtime;
pub mod service;
pub mod stored_values;

use std::future::Future;
use std::pin::Pin;

/// What an async method of a `dyn` seam returns: one allocation a call, nothing next to a process or a network hop.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
