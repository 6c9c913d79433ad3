//! Variables: `${self:custom.name}`, `${opt:stage, 'dev'}`, `${file(./x.yml):a.b}`…
//!
//! Lives here: replacing all of them in a manifest, asking for files and environment variables on the way.
//! Does not live here: what the resolved manifest means (`template`).
//!
//! Contract: Serverless Framework 3, Guide, "Variables".

use std::collections::BTreeSet;

use cloudformation::node::Node;
use model::problem::Problem;

use crate::reading::{Answers, Need, ReadRequest};

mod faults;
mod grammar;
mod resolver;
mod sources;
mod stored;
#[cfg(test)]
mod tests;
mod tree;

/// A manifest in which every variable that could be resolved is.
pub(super) struct Resolved {
    /// The manifest.
    pub(super) root: Node,
    /// What has to be found out first; the rest is worth nothing unless this is empty.
    pub(super) needs: BTreeSet<Need>,
    /// What is wrong with variables.
    pub(super) problems: Vec<Problem>,
}

/// Resolves the variables of a manifest.
pub(super) fn resolve(root: Node, request: &ReadRequest, answers: &Answers) -> Resolved {
    resolver::Resolver::new(root, request, answers).run()
}

/// Whether the text has a well-formed variable syntax; for the fuzzer.
pub(super) fn is_well_formed(text: &str) -> bool {
    grammar::parse(text).is_ok()
}
