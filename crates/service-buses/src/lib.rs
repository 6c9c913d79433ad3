//! Buses and schedules: Amazon EventBridge and EventBridge Scheduler.
//!
//! Lives here: buses, rules and their targets, events on their way to them, connections and API destinations; schedules with
//! time zones; the time at which each of them fires; the resources of templates for all of these.
//! Does not live here: delivering and retrying (`event-delivery`), matching (`patterns`), who may do what (`service-identity`).

mod engine;
mod events;
mod fault;
mod fields;
pub mod fuzz;
mod resources;
mod roles;
mod scheduler;
mod service;
mod sink;
mod times;

pub use resources::coverage;
pub use service::{Parts, Service, event_operations, scheduler_operations};
