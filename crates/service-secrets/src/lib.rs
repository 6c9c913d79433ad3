//! Parameters, secrets and keys: SSM Parameter Store, AWS Secrets Manager, AWS KMS.
//!
//! Lives here: the three of them, since each keeps its values under keys of the third; the resources of templates for all of
//! these.
//! Does not live here: who may do what (`service-identity`).

mod engine;
mod fault;
mod fields;
mod kms;
mod resources;
mod secretsmanager;
mod service;
mod ssm;
mod values;

pub use resources::coverage;
pub use service::{Parts, Service, kms_operations, secretsmanager_operations, ssm_operations};
pub use values::Question;
