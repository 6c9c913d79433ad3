//! Logs and metrics: Amazon CloudWatch Logs and CloudWatch.
//!
//! Lives here: log groups, their streams and events, filter patterns, subscriptions; functions' logs on their way there;
//! metrics; the resources of templates for all of these.
//! Does not live here: delivering to subscribers (`event-delivery`), who may do what (`service-identity`), the terminal
//! (`cloudless`).

mod engine;
mod fault;
mod fields;
pub mod filter;
mod function_log;
mod logs;
mod metrics;
mod own_metrics;
mod resources;
mod service;
mod sink;

pub use own_metrics::LambdaMetrics;
pub use resources::coverage;
pub use service::{Parts, Service, log_operations, metric_operations};
