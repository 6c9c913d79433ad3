//! Batches: up to ten entries, each with an outcome of its own.
//!
//! Lives here: what entries have in common, and the reply.
//! Does not live here: what is done with an entry (`sending`, `messages`).

use std::collections::HashSet;

use model::limits::SQS_BATCH_ENTRIES_MAX;
use serde_json::{Value, json};

use super::fault::{Fault, Kind};
use super::operations::{Context, Members};
use super::request::Input as _;

const ID_CHARACTERS_MAX: usize = 80;

/// The entries of a batch.
///
/// # Errors
/// There are none, too many, or their ids cannot be.
pub(super) fn entries<'a>(context: &Context<'a>) -> Result<Vec<(&'a str, &'a Members)>, Fault> {
    let entries = context.input.get("Entries").and_then(Value::as_array);
    let entries: Vec<_> = entries
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .collect();
    if entries.is_empty() {
        return Err(Fault::new(
            Kind::EmptyBatchRequest,
            "There should be at least one entry in the request.",
        ));
    }
    if SQS_BATCH_ENTRIES_MAX < entries.len() {
        return Err(Fault::new(
            Kind::TooManyEntriesInBatchRequest,
            format!(
                "Maximum number of entries per request are {SQS_BATCH_ENTRIES_MAX}. You have sent {}.",
                entries.len()
            ),
        ));
    }
    let mut seen = HashSet::new();
    let mut named = Vec::with_capacity(entries.len());
    for entry in entries {
        let id = entry.text("Id").unwrap_or_default();
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=ID_CHARACTERS_MAX).contains(&id.len()) || !id.bytes().all(is_allowed) {
            return Err(Fault::new(
                Kind::InvalidBatchEntryId,
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 \
                 letters long.",
            ));
        }
        if !seen.insert(id) {
            return Err(Fault::new(
                Kind::BatchEntryIdsNotDistinct,
                format!("Id {id} repeated."),
            ));
        }
        named.push((id, entry));
    }
    Ok(named)
}

/// What became of a batch.
#[derive(Default)]
pub(super) struct Outcomes {
    successful: Vec<Value>,
    failed: Vec<Value>,
}

impl Outcomes {
    /// An entry that went well.
    pub(super) fn done(&mut self, id: &str, mut members: Members) {
        members.insert("Id".to_owned(), id.into());
        self.successful.push(Value::Object(members));
    }

    /// One that did not.
    pub(super) fn failed(&mut self, id: &str, fault: &Fault) {
        let (_, code, _) = fault.kind.names();
        self.failed.push(json!({
            "Id": id,
            "SenderFault": fault.kind.is_senders(),
            "Code": code,
            "Message": fault.message,
        }));
    }

    /// The reply.
    pub(super) fn into_members(self) -> Members {
        let lists = [("Successful", self.successful), ("Failed", self.failed)];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        lists
            .map(|(name, list)| (name.to_owned(), Value::Array(list)))
            .collect()
    }
}
