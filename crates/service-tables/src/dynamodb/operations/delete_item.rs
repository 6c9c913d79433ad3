//! `DeleteItem`.
//!
//! Lives here: its members, its checks in the service's order, the write.
//! Does not live here: what writes have in common (`writes`).

use super::Context;
use super::writes::{WriteFields, WriteKind, Written};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::item_keys;
use crate::engine::items::Change;
use crate::engine::value::Attributes;

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let write = WriteFields::take(&mut fields, WriteKind::Whole)?;
    let key = fields.attributes("Key")?;
    if key.is_none() {
        fields.violation(None, "key", "not be null");
    }
    fields.finish()?;
    write.judge_expressions()?;
    let key = key.unwrap_or_else(|| Ok(Attributes::new()))?;
    write.judge_return_values()?;
    let table_name = write.table_name.clone();
    let write = write.read_expressions()?;

    let table = context.table(&table_name).await?;
    write.expressions.judge_key_paths(&table)?;
    let item_key = item_keys::of_key(&table, &key)?;
    let ((), before) = context
        .items
        .change(
            &table,
            &item_key,
            write.depends(context, &table),
            |existing| {
                context.admit_write(&table, existing, None)?;
                write.decide(context, &table, existing)?;
                Ok((Change::Delete, ()))
            },
        )
        .await?;
    let returned = write.old_if_wanted(before.as_ref());
    let written = Written {
        key: &key,
        returned,
        before: before.as_ref(),
        after: None,
    };
    write.answer(context, &table, &item_key, written).await
}
