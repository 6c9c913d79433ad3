//! `GetItem`.
//!
//! Lives here: its members, its checks in the service's order, the answer.
//! Does not live here: projections (`expressions`).

use super::Context;
use super::expression_fields::{ExpressionFields, Takes};
use crate::dynamodb::capacity::{self, Consistency, Consumed, Units, Wanted};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::item_keys;
use crate::dynamodb::throughput::Use;
use crate::engine::codec;
use crate::engine::items::AccessError;
use crate::engine::value::Attributes;

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let wanted = Wanted::take(&mut fields)?;
    let table_name = fields.table_name()?;
    let key = fields.attributes("Key")?;
    if key.is_none() {
        fields.violation(None, "key", "not be null");
    }
    let consistency = Consistency::take(&mut fields)?;
    let expressions = ExpressionFields::take(&mut fields, Takes::Projection)?;
    fields.finish()?;
    expressions.judge(Takes::Projection)?;
    let key = key.unwrap_or_else(|| Ok(Attributes::new()))?;
    let expressions = expressions.read()?;

    let table = context.table(&table_name).await?;
    let key = item_keys::of_key(&table, &key)?;
    expressions.judge_key_paths(&table)?;
    context.admit_read(&table, None)?;
    let found = context.items.get(&key).await?;

    let mut out = Vec::with_capacity(found.as_ref().map_or(64, |bytes| bytes.len() * 2 + 64));
    out.push(b'{');
    if let Some(bytes) = &found {
        out.extend_from_slice(b"\"Item\":");
        let written = expressions.write_projected(&mut out, bytes);
        written.map_err(AccessError::from)?;
    }
    if wanted != Wanted::Nothing || context.meter.binds(&table) {
        let size = found.as_deref().map_or(Ok(0), codec::size_of);
        let units = Units::of_read(size.map_err(AccessError::from)?, consistency);
        let consumed = Consumed::of_table(units);
        context.spend(&table, Use::Read, &consumed);
        if wanted != Wanted::Nothing && found.is_some() {
            out.push(b',');
        }
        capacity::write(&mut out, wanted, &table_name, &consumed);
    }
    out.push(b'}');
    Ok(out)
}
