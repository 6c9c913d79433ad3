//! `PutItem`.
//!
//! Lives here: its members, its checks in the service's order, the write.
//! Does not live here: what writes have in common (`writes`).

use std::sync::Arc;

use super::Context;
use super::writes::{WriteFields, WriteKind, Written};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::item_keys;
use crate::engine::items::Change;
use crate::engine::value;

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let write = WriteFields::take(&mut fields, WriteKind::Whole)?;
    let item = fields.attributes("Item")?;
    if item.is_none() {
        fields.violation(None, "item", "not be null");
    }
    fields.finish()?;
    write.judge_expressions()?;
    let item = item.unwrap_or_else(|| Ok(value::Attributes::new()))?;
    write.judge_return_values()?;
    let bytes = value::size(&item);
    if model::limits::DYNAMODB_ITEM_BYTES_MAX < bytes {
        return Err(Fault::validation(
            "Item size has exceeded the maximum allowed size",
        ));
    }
    let table_name = write.table_name.clone();
    let write = write.read_expressions()?;

    let table = context.table(&table_name).await?;
    write.expressions.judge_key_paths(&table)?;
    let key = item_keys::of_item(&table, &item)?;
    let item = Arc::new(item);
    let ((), before) = context
        .items
        .change(&table, &key, write.depends(context, &table), |existing| {
            context.admit_write(&table, existing, Some(&item))?;
            write.decide(context, &table, existing)?;
            Ok((Change::Put(Arc::clone(&item)), ()))
        })
        .await?;
    let returned = write.old_if_wanted(before.as_ref());
    let written = Written {
        key: &item,
        returned,
        before: before.as_ref(),
        after: Some(&item),
    };
    write.answer(context, &table, &key, written).await
}
