//! PartiQL: statements as another way to write requests.
//!
//! Lives here: the language, from a text to conditions, updates, projections and ranges of keys of the expression language.
//! Does not live here: judging items (`expressions::condition`), carrying statements out (`operations::statements`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "PartiQL - a SQL-compatible query language for Amazon DynamoDB".

mod compile;
mod lexer;
mod literals;
mod parser;
mod ranges;
mod syntax;
mod target;
mod terms;
mod words;

pub(super) use compile::{Compiled, Output, Select, compile};
pub(super) use ranges::{Partition, Schema, Walk, walk};
pub(super) use syntax::{Order, Returning};
pub(super) use target::{Target, demanded, target};

use super::fault::Fault;

/// Characters of a statement.
pub(super) const STATEMENT_CHARACTERS_MAX: usize = 8_192;

/// A statement that the service cannot read; some have no text for why.
fn malformed(why: &str) -> Fault {
    Fault::validation(format!(
        "Statement wasn't well formed, can't be processed: {why}"
    ))
}
