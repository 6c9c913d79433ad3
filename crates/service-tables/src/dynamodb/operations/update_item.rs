//! `UpdateItem`.
//!
//! Lives here: its members, its checks in the service's order, the write.
//! Does not live here: update expressions (`expressions::update`), what writes have in common (`writes`).

use std::sync::Arc;

use super::Context;
use super::writes::{Returned, Write, WriteFields, WriteKind, Written};
use crate::dynamodb::expressions::placeholders::PathStep;
use crate::dynamodb::expressions::projection::Projection;
use crate::dynamodb::expressions::update::Update;
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::{index_keys, item_keys, values};
use crate::engine::items::{Change, Depends};
use crate::engine::table::Table;
use crate::engine::value::{self, Attributes};

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let write = WriteFields::take(&mut fields, WriteKind::Update)?;
    let key = fields.attributes("Key")?;
    if key.is_none() {
        fields.violation(None, "key", "not be null");
    }
    fields.finish()?;
    write.judge_expressions()?;
    let key = key.unwrap_or_else(|| Ok(Attributes::new()))?;
    let table_name = write.table_name.clone();
    let write = write.read_expressions()?;
    let update = write.expressions.update.clone().unwrap_or_default();

    let table = context.table(&table_name).await?;
    let item_key = item_keys::of_key(&table, &key)?;
    judge_key_attributes(&table, &update)?;
    write.expressions.judge_key_paths(&table)?;
    let (new, before) = context
        .items
        .change(&table, &item_key, Depends::OnTheItem, |existing| {
            // What becomes of indexes is known only when the item is.
            context.admit_write(&table, existing, existing)?;
            write.decide(context, &table, existing)?;
            if existing.is_none() && update.only_takes() {
                return Ok((Change::Keep, Arc::default()));
            }
            let new = Arc::new(updated(&table, existing.unwrap_or(&key), &update)?);
            context.admit_write(&table, existing, Some(&new))?;
            Ok((Change::Put(Arc::clone(&new)), new))
        })
        .await?;
    let returned = returned(&write, &update, before.as_ref(), &new);
    let written = Written {
        key: &key,
        returned: returned.as_ref(),
        before: before.as_ref(),
        after: Some(&new),
    };
    write.answer(context, &table, &item_key, written).await
}

/// The new item, if it is fit to be stored.
pub(super) fn updated(
    table: &Table,
    item: &Attributes,
    update: &Update,
) -> Result<Attributes, Fault> {
    let new = update.apply(item)?;
    if model::limits::DYNAMODB_ITEM_BYTES_MAX < value::size(&new) {
        return Err(Fault::validation(
            "Item size to update has exceeded the maximum allowed size",
        ));
    }
    values::judge_nesting(&new)?;
    index_keys::judge_update(table, item, &new)?;
    Ok(new)
}

fn returned(
    write: &Write,
    update: &Update,
    before: Option<&Attributes>,
    new: &Attributes,
) -> Option<Attributes> {
    let parts = |item: &Attributes| {
        let parts = Projection::of_paths(update.paths()).apply(item);
        (!parts.is_empty()).then_some(parts)
    };
    match write.return_values {
        Returned::Nothing => None,
        Returned::AllOld => before.cloned(),
        Returned::AllNew => (!new.is_empty()).then(|| new.clone()),
        Returned::UpdatedOld => before.and_then(parts),
        Returned::UpdatedNew => parts(new),
    }
}

pub(super) fn judge_key_attributes(table: &Table, update: &Update) -> Result<(), Fault> {
    let changed = table.key_attributes().find(|attribute| {
        update.paths().any(
            |path| matches!(path.first(), Some(PathStep::Name(name)) if *name == attribute.name),
        )
    });
    match changed {
        Some(attribute) => Err(Fault::invalid(format!(
            "Cannot update attribute {}. This attribute is part of the key",
            attribute.name
        ))),
        None => Ok(()),
    }
}
