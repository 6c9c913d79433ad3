//! Judging what an item holds for the indexes of its table.
//!
//! Lives here: whether attributes that are in the keys of indexes fit them, in DynamoDB's words.
//! Does not live here: the table's own key (`item_keys`), the entries that come of it (`engine::indexes`).
//!
//! An item without such an attribute is just not in the index; one that has it must have it with the right type.

use super::expressions::placeholders::PathStep;
use super::fault::Fault;
use crate::engine::indexes::{Index, IndexKind};
use crate::engine::keys::KeyPart;
use crate::engine::table::{KeyAttribute, Table};
use crate::engine::value::{Attributes, Value};

/// Refuses an item that an index could not hold.
///
/// # Errors
/// A validation fault.
pub(super) fn judge_item(table: &Table, item: &Attributes) -> Result<(), Fault> {
    for kind in [IndexKind::Global, IndexKind::Local] {
        let indexes = table.indexes.iter().filter(|index| index.takes_entries());
        for index in indexes.filter(|index| index.settings.kind == kind) {
            judge_entry(index, item)?;
        }
    }
    Ok(())
}

/// Refuses a change that an index could not follow. What was in the item before the index is left alone.
///
/// # Errors
/// A validation fault.
pub(super) fn judge_update(
    table: &Table,
    before: &Attributes,
    after: &Attributes,
) -> Result<(), Fault> {
    if table.indexes.is_empty() {
        return Ok(());
    }
    let names = table.indexes.iter().flat_map(Index::key_attributes);
    let changed: Attributes = names
        .filter_map(|attribute| {
            let (name, value) = after.get_key_value(&attribute.name)?;
            let is_new = before.get(name) != Some(value);
            is_new.then(|| (name.clone(), value.clone()))
        })
        .collect();
    judge_item(table, &changed)
}

/// Refuses a step into an attribute of the table's key or of an index's key: such attributes have no parts.
///
/// # Errors
/// A validation fault.
pub(super) fn judge_path(table: &Table, path: &[PathStep]) -> Result<(), Fault> {
    let [PathStep::Name(name), _, ..] = path else {
        return Ok(());
    };
    let mut of_indexes = table.indexes.iter().flat_map(Index::key_attributes);
    let place = if table
        .key_attributes()
        .any(|attribute| attribute.name == *name)
    {
        "Key"
    } else if of_indexes.any(|attribute| attribute.name == *name) {
        "IndexKey"
    } else {
        return Ok(());
    };
    Err(Fault::validation(format!(
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: {place}: {name}"
    )))
}

fn judge_entry(index: &Index, item: &Attributes) -> Result<(), Fault> {
    for attribute in index.key_attributes() {
        if let Some(value) = item.get(&attribute.name) {
            judge_value(index, attribute, value)?;
        }
    }
    let bytes = |attributes: &[KeyAttribute]| -> usize {
        let values = attributes
            .iter()
            .filter_map(|attribute| item.get(&attribute.name));
        let sized = values.filter(|value| !matches!(value, Value::N(_)));
        sized.map(Value::size).sum()
    };
    let settings = &index.settings;
    if model::limits::DYNAMODB_PARTITION_KEY_BYTES_MAX < bytes(&settings.partition_keys) {
        // The missing space is the service's.
        return Err(Fault::invalid(
            "Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ));
    }
    if model::limits::DYNAMODB_SORT_KEY_BYTES_MAX < bytes(&settings.sort_keys) {
        return Err(Fault::invalid(
            "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
        ));
    }
    Ok(())
}

fn judge_value(index: &Index, attribute: &KeyAttribute, value: &Value) -> Result<(), Fault> {
    let (name, index_name) = (&attribute.name, index.name());
    let Some(part) = KeyPart::of(value, attribute.key_type) else {
        return Err(Fault::invalid(format!(
            "Type mismatch for Index Key {name} Expected: {} Actual: {} IndexName: {index_name}",
            attribute.key_type.name(),
            value.type_name()
        )));
    };
    if part.is_empty() {
        let kind = match part {
            KeyPart::B(_) => "binary",
            KeyPart::S(_) | KeyPart::N(_) => "string",
        };
        return Err(Fault::validation(format!(
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty {kind} value. IndexName: {index_name}, IndexKey: {name}"
        )));
    }
    Ok(())
}
