//! `TransactGetItems`.
//!
//! Lives here: its members and limits, its checks in the service's order, the answer.
//! Does not live here: projections (`expressions`), how a transaction is refused (`transactions`).

use super::Context;
use super::expression_fields::{ExpressionFields, Expressions, Takes};
use super::transact_write_items::judge_count;
use super::transactions::{self, BYTES_MAX};
use crate::dynamodb::capacity::{Also, Consistency, Consumed, ConsumedByTable, Units, Wanted};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::item_keys;
use crate::dynamodb::throughput::Use;
use crate::dynamodb::values::Judged;
use crate::engine::codec;
use crate::engine::items::AccessError;
use crate::engine::value::Attributes;

/// What is asked for, as it was sent.
struct GetFields {
    table_name: String,
    key: Judged<Attributes>,
    expressions: ExpressionFields,
}

/// What is asked for.
struct Get {
    table_name: String,
    key: Attributes,
    expressions: Expressions,
}

/// What it costs to read so much in a transaction.
pub(super) fn units_of(bytes: usize) -> Consumed {
    Consumed::of_table(Units::of_read(bytes, Consistency::Strong)).doubled()
}

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let wanted = Wanted::take(&mut fields)?;
    let gets = take_gets(&mut fields)?;
    fields.finish()?;
    let gets = gets.into_iter().map(judge);
    let gets = gets.collect::<Result<Vec<_>, _>>()?;

    let mut tables = Vec::with_capacity(gets.len());
    for get in &gets {
        tables.push(context.table(&get.table_name).await?);
    }
    let mut keys = Vec::with_capacity(gets.len());
    for (position, (get, table)) in gets.iter().zip(&tables).enumerate() {
        let key = item_keys::of_key(table, &get.key)
            .and_then(|key| get.expressions.judge_key_paths(table).map(|()| key));
        let key = key.map_err(|fault| transactions::cancelled_by(fault, position, gets.len()))?;
        if keys.contains(&key) {
            return Err(transactions::several_on_one_item());
        }
        keys.push(key);
    }
    transactions::admit_reads(context, tables.iter())?;
    let found = context.items.get_all(&keys).await?;

    let mut consumed = ConsumedByTable::default();
    let mut bytes_read = 0;
    let mut out = b"{\"Responses\":[".to_vec();
    for (position, (get, item)) in gets.iter().zip(&found).enumerate() {
        if position != 0 {
            out.push(b',');
        }
        out.push(b'{');
        let mut bytes = 0;
        if let Some(encoded) = item {
            bytes = codec::size_of(encoded).map_err(AccessError::from)?;
            out.extend_from_slice(b"\"Item\":");
            let written = get.expressions.write_projected(&mut out, encoded);
            written.map_err(AccessError::from)?;
        }
        out.push(b'}');
        bytes_read += bytes;
        consumed.add(&get.table_name, units_of(bytes));
    }
    let names = gets.iter().map(|get| get.table_name.as_str());
    transactions::spend(context, names.zip(&tables), Use::Read, &consumed);
    if BYTES_MAX < bytes_read {
        return Err(transactions::too_large());
    }
    out.push(b']');
    consumed.write(&mut out, wanted, Also::Read);
    out.push(b'}');
    Ok(out)
}

fn take_gets(fields: &mut Fields<'_>) -> Result<Vec<GetFields>, Fault> {
    let structures = fields.placed_structures("TransactItems", "TransactGetItem")?;
    judge_count(fields, structures.as_ref().map(Vec::len));
    let mut gets = Vec::new();
    for mut structure in structures.unwrap_or_default() {
        match structure.placed_structure("Get", "Get")? {
            None => structure.violation(None, "get", "not be null"),
            Some(mut get) => {
                let table_name = get.table_name()?;
                let key = get.attributes("Key")?;
                if key.is_none() {
                    get.violation(None, "key", "not be null");
                }
                gets.push(GetFields {
                    table_name,
                    key: key.unwrap_or_else(|| Ok(Attributes::new())),
                    expressions: ExpressionFields::take_expressions(&mut get, Takes::Projection)?,
                });
                structure.close(get)?;
            }
        }
        fields.close(structure)?;
    }
    Ok(gets)
}

fn judge(get: GetFields) -> Result<Get, Fault> {
    get.expressions.judge(Takes::Projection)?;
    Ok(Get {
        table_name: get.table_name,
        key: get.key?,
        expressions: get.expressions.read()?,
    })
}
