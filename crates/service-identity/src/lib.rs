//! Who may do what: AWS IAM and STS, the keys of functions, users and sessions.
//!
//! Lives here: principals with their policies, judging by them, the APIs and resource types that make and change them.
//! Does not live here: evaluating a policy (`policy`), policies of resources (their services), signatures (`aws-wire`).

mod documents;
mod functions;
mod iam;
mod judge;
mod keys;
mod managed;
mod resources;
mod service;
mod state;
mod sts;
#[cfg(test)]
mod tests;
mod wire;

pub use resources::coverage;
pub use service::Service;

/// Every operation of AWS IAM and AWS STS by its service, with whether it is carried out.
pub fn operations() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    let iam = iam::OPERATIONS.iter();
    let iam = iam.map(|(name, parameters)| ("iam", *name, parameters.is_some()));
    let sts = sts::OPERATIONS.iter();
    iam.chain(sts.map(|(name, is_carried_out)| ("sts", *name, *is_carried_out)))
}

/// Reads any text as a policy document, as those of identities and of roles' trust: for fuzzing. Never panics.
#[must_use]
pub fn read_hostile(text: &str) -> bool {
    let reads = |of| documents::read(of, text).is_ok();
    reads(documents::Of::Identity) | reads(documents::Of::Trust)
}
