//! Who may do what: AWS IAM and STS, the keys of functions, users and sessions.
//!
//! Lives here: principals with their policies, judging by them, the APIs and resource types that make and change them.
//! Does not live here: evaluating a policy (`policy`), policies of resources (their services), signatures (`aws-wire`).

mod documents;
mod iam;
mod judge;
mod keys;
mod managed;
mod resources;
mod service;
mod state;
mod sts;
mod wire;

pub use resources::coverage;
pub use service::Service;
