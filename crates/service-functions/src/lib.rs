//! Functions as a service: Lambda's API.
//!
//! Lives here: the operations of the API, in the provider's shapes and words.
//! Does not live here: running functions (behind `Invoke`), asynchronous invocation (`event-delivery`), the records of
//! deployed functions (`deployment`).

mod answers;
mod event_stream;
mod function_name;
mod operations;
mod service;

pub use service::Service;
