//! IAM policies: reading them, and what they say of a request.
//!
//! Lives here: documents, patterns, condition operators, policy variables, the order of evaluation.
//! Does not live here: who calls and what they would touch (`gateway`, the services), where policies are kept.
//!
//! A document is read once ([`Policy::read`]) and judged often ([`Policy::says`]); [`judge`] puts the verdicts of all
//! policies that concern a request together as the cloud does.
//!
//! Contract: AWS Identity and Access Management User Guide, "Policy evaluation logic" and "IAM JSON policy reference".

mod address;
mod condition;
mod context;
mod document;
mod evaluation;
mod pattern;
mod principal;
mod statement;

pub use address::AddressRange;
pub use condition::ConditionError;
pub use context::Context;
pub use document::{Policy, ReadError};
pub use evaluation::{Kind, Policies, Refusal, ResourceRule, Verdict, judge};
pub use principal::Caller;
pub use statement::{Effect, Request, Said};
