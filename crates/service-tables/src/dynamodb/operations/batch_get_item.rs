//! `BatchGetItem`.
//!
//! Lives here: its members and limits, its checks in the service's order, the answer.
//! Does not live here: projections (`expressions`).

use std::sync::Arc;

use super::Context;
use super::batch_tables;
use super::expression_fields::{ExpressionFields, Expressions, Takes};
use crate::dynamodb::capacity::{Also, Consistency, Consumed, ConsumedByTable, Units, Wanted};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::throughput::Use;
use crate::dynamodb::values::Judged;
use crate::dynamodb::{item_keys, json_write};
use crate::engine::codec;
use crate::engine::items::AccessError;
use crate::engine::table::{ItemKey, Table};
use crate::engine::value::Attributes;

/// Keys of one batch.
const KEYS_MAX: usize = 100;
/// Bytes of items in one answer; the keys of the others come back unprocessed.
const ANSWER_BYTES_MAX: usize = model::limits::DYNAMODB_REQUEST_BYTES_MAX;

/// What is asked of one table, as it was sent.
struct TableFields {
    name: String,
    keys: Vec<Judged<Attributes>>,
    consistency: Consistency,
    expressions: ExpressionFields,
}

/// What is asked of one table.
struct TableRequest {
    name: String,
    keys: Vec<Attributes>,
    consistency: Consistency,
    /// The members that say what is wanted, to be sent back with keys that were not processed.
    asked: Vec<(&'static str, serde_json::Value)>,
    expressions: Expressions,
}

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let wanted = Wanted::take(&mut fields)?;
    let tables = take_tables(&mut fields)?;
    fields.finish()?;
    if tables.is_empty() {
        return Err(batch_tables::none_given("BatchGetItem"));
    }
    let tables = judge(tables)?;
    let mut found = Vec::with_capacity(tables.len());
    for request in tables {
        let table = context.table(&request.name).await?;
        let keys = request
            .keys
            .iter()
            .map(|key| item_keys::of_key(&table, key));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        request.expressions.judge_key_paths(&table)?;
        found.push((request, table, keys));
    }
    let mut answer = Answer::default();
    for (request, table, keys) in &found {
        answer.add_table(context, request, table, keys).await?;
    }
    match answer.refusal.take() {
        // Whoever got nothing is refused; others may come again for the rest.
        Some(refusal) if answer.keys_read == 0 => Err(refusal),
        Some(_) | None => Ok(answer.finish(wanted)),
    }
}

fn take_tables(fields: &mut Fields<'_>) -> Result<Vec<TableFields>, Fault> {
    let Some(tables) = fields.structures_by_name("RequestItems", "KeysAndAttributes")? else {
        fields.violation(None, "requestItems", "not be null");
        return Ok(Vec::new());
    };
    let mut taken = Vec::with_capacity(tables.len());
    for (name, mut structure) in tables {
        batch_tables::judge_name(fields, &name);
        let keys = structure.attribute_maps("Keys")?;
        match keys.as_ref().map(Vec::len) {
            None => structure.violation(None, "keys", "not be null"),
            Some(0) => {
                structure.violation(Some("[]"), "keys", "have length greater than or equal to 1");
            }
            Some(length) if KEYS_MAX < length => {
                let path = format!("RequestItems.{name}.member.Keys");
                let constraint = format!("have length less than or equal to {KEYS_MAX}");
                structure.violation_by_name(&path, &constraint);
            }
            Some(_) => {}
        }
        taken.push(TableFields {
            name,
            keys: keys.unwrap_or_default(),
            consistency: Consistency::take(&mut structure)?,
            expressions: ExpressionFields::take(&mut structure, Takes::Projection)?,
        });
        fields.close(structure)?;
    }
    Ok(taken)
}

fn judge(tables: Vec<TableFields>) -> Result<Vec<TableRequest>, Fault> {
    let mut count = 0;
    let mut judged = Vec::with_capacity(tables.len());
    for table in tables {
        table.expressions.judge(Takes::Projection)?;
        let asked = table.expressions.projection_members();
        let expressions = table.expressions.read()?;
        let mut keys: Vec<Attributes> = Vec::with_capacity(table.keys.len());
        for key in table.keys {
            let key = key?;
            if keys.contains(&key) {
                return Err(batch_tables::duplicates());
            }
            keys.push(key);
            count += 1;
            if KEYS_MAX < count {
                return Err(Fault::validation(
                    "Too many items requested for the BatchGetItem call",
                ));
            }
        }
        judged.push(TableRequest {
            name: table.name,
            keys,
            consistency: table.consistency,
            asked,
            expressions,
        });
    }
    Ok(judged)
}

/// The answer as far as it goes.
#[derive(Default)]
struct Answer {
    responses: Vec<u8>,
    unprocessed: Vec<u8>,
    bytes: usize,
    consumed: ConsumedByTable,
    keys_read: usize,
    /// Why keys were left that the answer has room for.
    refusal: Option<Fault>,
}

impl Answer {
    async fn add_table(
        &mut self,
        context: &Context<'_>,
        request: &TableRequest,
        table: &Arc<Table>,
        keys: &[ItemKey],
    ) -> Result<(), Fault> {
        let mut left = Vec::new();
        begin_table(&mut self.responses, &request.name);
        self.responses.push(b'[');
        let mut is_first = true;
        for (key, attributes) in keys.iter().zip(&request.keys) {
            if ANSWER_BYTES_MAX <= self.bytes {
                left.push(attributes);
                continue;
            }
            if let Err(refusal) = context.admit_read(table, None) {
                self.refusal = Some(refusal);
                left.push(attributes);
                continue;
            }
            self.keys_read += 1;
            let found = context.items.get(key).await?;
            let size = found.as_deref().map_or(Ok(0), codec::size_of);
            let size = size.map_err(AccessError::from)?;
            self.bytes += size;
            let units = Units::of_read(size, request.consistency);
            let consumed = Consumed::of_table(units);
            context.spend(table, Use::Read, &consumed);
            self.consumed.add(&request.name, consumed);
            if let Some(bytes) = found {
                if !is_first {
                    self.responses.push(b',');
                }
                is_first = false;
                let written = request
                    .expressions
                    .write_projected(&mut self.responses, &bytes);
                written.map_err(AccessError::from)?;
            }
        }
        self.responses.push(b']');
        if !left.is_empty() {
            begin_table(&mut self.unprocessed, &request.name);
            write_unprocessed(&mut self.unprocessed, request, &left);
        }
        Ok(())
    }

    fn finish(self, wanted: Wanted) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.responses.len() + self.unprocessed.len() + 64);
        out.extend_from_slice(b"{\"Responses\":{");
        out.extend_from_slice(&self.responses);
        out.extend_from_slice(b"},\"UnprocessedKeys\":{");
        out.extend_from_slice(&self.unprocessed);
        out.push(b'}');
        self.consumed.write(&mut out, wanted, Also::Nothing);
        out.push(b'}');
        out
    }
}

fn begin_table(out: &mut Vec<u8>, name: &str) {
    if !out.is_empty() {
        out.push(b',');
    }
    json_write::string(out, name);
    out.push(b':');
}

fn write_unprocessed(out: &mut Vec<u8>, request: &TableRequest, keys: &[&Attributes]) {
    out.extend_from_slice(b"{\"Keys\":[");
    for (position, key) in keys.iter().enumerate() {
        if position != 0 {
            out.push(b',');
        }
        json_write::attributes(out, key);
    }
    out.push(b']');
    for (name, value) in &request.asked {
        out.push(b',');
        json_write::string(out, name);
        out.push(b':');
        out.extend_from_slice(value.to_string().as_bytes());
    }
    if request.consistency == Consistency::Strong {
        out.extend_from_slice(b",\"ConsistentRead\":true");
    }
    out.push(b'}');
}
