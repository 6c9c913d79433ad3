//! Functions as a service: Lambda's API.
//!
//! Lives here: the operations of the API, in the provider's shapes and words, and what it makes and changes.
//! Does not live here: running functions (behind `Invoke`), asynchronous invocation (`event-delivery`), templates
//! (`deployment`).
//!
//! Whatever a template declares is taken over ([`Service::adopt`]) and kept beside what the API makes; both come back as
//! resources ([`Service::everything`]), of which one application is made.

mod account;
mod adoption;
mod aliases;
mod answers;
mod catalogue;
mod checks;
mod code;
mod concurrency;
mod creation;
mod deletion;
mod emission;
mod event_invokes;
mod event_stream;
mod function_name;
mod invoke;
mod keeper;
mod layer_policies;
mod layers;
mod mappings;
mod operations;
mod permissions;
mod reads;
mod rendering;
mod request;
mod roles;
mod service;
mod settings;
mod tags;
mod updates;
mod urls;
mod versions;

pub use adoption::{Built, Declared, is_known};
pub use catalogue::Kind;
pub use emission::{Everything, Package, Standing};
pub use service::{Parts, Service, operations};
