//! Amazon SQS: the names, shapes and words of the API.
//!
//! Lives here: both protocols, operations, what attributes may be.
//! Does not live here: queues and messages themselves (`engine`).
//!
//! Contract: Amazon SQS API Reference.

mod answer;
pub(crate) mod attributes;
mod batch;
mod checks;
mod fault;
mod message_attributes;
mod messages;
mod moves;
mod operations;
mod permissions;
mod polls;
mod queues;
mod receiving;
mod request;
mod sending;
mod service;
pub(crate) mod urls;

pub(crate) use queues::{check_dead_letters, check_name};
pub use service::Service;
