//! Judging the keys that come with requests.
//!
//! Lives here: whether an item or a key fits its table, in DynamoDB's words.
//! Does not live here: where the item then is (`engine::table`).

use super::fault::Fault;
use super::index_keys;
use crate::engine::table::{ItemKey, KeyAttribute, Table};
use crate::engine::value::{Attributes, Value};

/// Which part of the key an attribute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Partition,
    Sort,
}

/// Where the item of this `Key` is.
///
/// # Errors
/// A validation fault.
pub(super) fn of_key(table: &Table, key: &Attributes) -> Result<ItemKey, Fault> {
    if table.key_attributes().count() != key.len() {
        return Err(no_match());
    }
    for (attribute, part) in parts(table) {
        let value = key.get(&attribute.name).ok_or_else(no_match)?;
        if value.type_name() != attribute.key_type.name() {
            return Err(no_match());
        }
        if let Some(kind) = emptiness(value) {
            return Err(Fault::invalid(format!(
                "The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {}",
                attribute.name
            )));
        }
        judge_size(value, part)?;
    }
    table.item_key(key).ok_or_else(no_match)
}

/// Where this `Item` is to be.
///
/// # Errors
/// A validation fault.
pub(super) fn of_item(table: &Table, item: &Attributes) -> Result<ItemKey, Fault> {
    for (attribute, part) in parts(table) {
        let name = &attribute.name;
        let value = item
            .get(name)
            .ok_or_else(|| Fault::invalid(format!("Missing the key {name} in the item")))?;
        if value.type_name() != attribute.key_type.name() {
            return Err(Fault::invalid(format!(
                "Type mismatch for key {name} expected: {} actual: {}",
                attribute.key_type.name(),
                value.type_name()
            )));
        }
        if let Some(kind) = emptiness(value) {
            return Err(Fault::validation(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {name}"
            )));
        }
        judge_size(value, part)?;
    }
    index_keys::judge_item(table, item)?;
    table.item_key(item).ok_or_else(no_match)
}

/// A fault of [`of_item`] as the service words it in a batch.
#[must_use]
pub(super) fn as_in_batch(fault: Fault) -> Fault {
    let of_a_key = ["Missing the key", "Type mismatch for key"];
    if of_a_key.iter().any(|text| fault.message.contains(text)) {
        return no_match();
    }
    fault
}

/// The attributes of the key alone.
pub(super) fn key_of(table: &Table, item: &Attributes) -> Attributes {
    table
        .key_attributes()
        .filter_map(|attribute| {
            let value = item.get(&attribute.name)?;
            Some((attribute.name.clone(), value.clone()))
        })
        .collect()
}

pub(super) fn no_match() -> Fault {
    Fault::validation("The provided key element does not match the schema")
}

fn parts(table: &Table) -> impl Iterator<Item = (&KeyAttribute, Part)> {
    table.key_attributes().zip([Part::Partition, Part::Sort])
}

fn emptiness(value: &Value) -> Option<&'static str> {
    match value {
        Value::S(text) if text.is_empty() => Some("string"),
        Value::B(bytes) if bytes.is_empty() => Some("binary"),
        Value::S(_)
        | Value::B(_)
        | Value::N(_)
        | Value::Bool(_)
        | Value::Null
        | Value::Ss(_)
        | Value::Ns(_)
        | Value::Bs(_)
        | Value::L(_)
        | Value::M(_) => None,
    }
}

fn judge_size(value: &Value, part: Part) -> Result<(), Fault> {
    if matches!(value, Value::N(_)) {
        return Ok(());
    }
    match part {
        // The missing space is the service's.
        Part::Partition if model::limits::DYNAMODB_PARTITION_KEY_BYTES_MAX < value.size() => Err(
            Fault::invalid("Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        ),
        Part::Sort if model::limits::DYNAMODB_SORT_KEY_BYTES_MAX < value.size() => {
            Err(Fault::invalid(
                "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
            ))
        }
        Part::Partition | Part::Sort => Ok(()),
    }
}
