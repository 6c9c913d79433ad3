//! `BatchExecuteStatement`.
//!
//! Lives here: its members, carrying out each statement by itself, the answer.
//! Does not live here: one statement (`execute_statement`), all or nothing (`execute_transaction`).

use super::Context;
use super::execute_select;
use super::execute_statement::{StatementFields, write};
use crate::dynamodb::capacity::{Also, Consistency, Consumed, ConsumedByTable, Units, Wanted};
use crate::dynamodb::fault::{Detail, Fault, Kind};
use crate::dynamodb::fields::Fields;
use crate::dynamodb::partiql::{self, Compiled, Select};
use crate::dynamodb::throughput::Use;
use crate::dynamodb::{item_keys, json_write};
use crate::engine::codec;
use crate::engine::items::AccessError;
use crate::engine::table::Table;
use crate::engine::value::{self, Attributes};

/// Amazon DynamoDB API Reference, `BatchExecuteStatement`: `Statements`.
const STATEMENTS_MAX: usize = 25;

struct Member {
    fields: StatementFields,
    consistency: Consistency,
}

/// What became of one statement.
struct Answer {
    table: Option<String>,
    outcome: Result<Option<Attributes>, Fault>,
}

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let wanted = Wanted::take(&mut fields)?;
    let members = members(&mut fields)?;
    fields.finish()?;
    let compiled: Vec<_> = members.iter().map(|one| one.fields.compile()).collect();
    judge_kinds(&compiled)?;
    let mut answers = Vec::with_capacity(members.len());
    let mut used = ConsumedByTable::default();
    for (member, compiled) in members.iter().zip(compiled) {
        let mut table = None;
        let outcome = match compiled {
            Ok(compiled) => {
                table = Some(compiled.table().to_owned());
                carry_out(context, member, compiled).await
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = &outcome
            && fault.kind == Kind::InternalServerError
        {
            return Err(fault.clone());
        }
        let outcome = outcome.map(|(item, consumed)| {
            if let Some(table) = &table {
                used.add(table, consumed);
            }
            item
        });
        answers.push(Answer { table, outcome });
    }
    Ok(answer(&answers, wanted, &used))
}

fn members(fields: &mut Fields<'_>) -> Result<Vec<Member>, Fault> {
    let Some(structures) = fields.structures("Statements", "BatchStatementRequest")? else {
        fields.violation(None, "statements", "not be null");
        return Ok(Vec::new());
    };
    if structures.is_empty() {
        let least = "have length greater than or equal to 1";
        fields.violation(Some("[]"), "statements", least);
    }
    if STATEMENTS_MAX < structures.len() {
        let all = format!("[{} statements]", structures.len());
        let most = "have length less than or equal to 25";
        fields.violation(Some(&all), "statements", most);
        return Ok(Vec::new());
    }
    let mut members = Vec::with_capacity(structures.len());
    for (index, mut structure) in structures.into_iter().enumerate() {
        let path = format!("statements.{}.member.", index + 1);
        members.push(Member {
            fields: StatementFields::take(&mut structure, &path)?,
            consistency: Consistency::take(&mut structure)?,
        });
        structure.nothing_left()?;
        fields.adopt(&mut structure);
    }
    Ok(members)
}

/// All of them must read, or all of them write.
fn judge_kinds(compiled: &[Result<Compiled, Fault>]) -> Result<(), Fault> {
    let reads = |compiled: &Compiled| matches!(compiled, Compiled::Select(_) | Compiled::Exists(_));
    let mut kinds = compiled.iter().flatten().map(reads);
    let Some(first) = kinds.next() else {
        return Ok(());
    };
    if kinds.all(|other| other == first) {
        return Ok(());
    }
    Err(Fault::validation(
        "BatchExecuteStatement API does not support both read and write operations in the same request.",
    ))
}

async fn carry_out(
    context: &Context<'_>,
    member: &Member,
    compiled: Compiled,
) -> Result<(Option<Attributes>, Consumed), Fault> {
    let table = context.table(compiled.table()).await?;
    if let Compiled::Select(select) = &compiled {
        return read(context, &table, select, member.consistency).await;
    }
    let written = write(context, &table, compiled, member.fields.on_failure).await?;
    Ok((written.returned, written.consumed))
}

/// Reads one item, which the condition must name by its whole key.
async fn read(
    context: &Context<'_>,
    table: &Table,
    select: &Select,
    consistency: Consistency,
) -> Result<(Option<Attributes>, Consumed), Fault> {
    let target = match &select.index {
        None => partiql::target(table, select.condition.as_ref())?,
        Some(name) => {
            if table.index(name).is_none() {
                return Err(Fault::validation(
                    "The table does not have the specified index",
                ));
            }
            None
        }
    };
    let target = target.ok_or_else(|| {
        Fault::validation(
            "Select statements within BatchExecuteStatement must specify the primary key in the where clause.",
        )
    })?;
    let key = item_keys::of_key(table, &target.key)?;
    context.admit_read(table, None)?;
    let item = match context.items.get(&key).await? {
        Some(bytes) => Some(codec::decode(&bytes).map_err(AccessError::from)?),
        None => None,
    };
    let units = Units::of_read(item.as_ref().map_or(0, value::size), consistency);
    let condition = target.condition.as_ref();
    let item = item
        .filter(|item| condition.is_none_or(|condition| condition.holds(item)))
        .map(|item| execute_select::projected(select.projection.as_deref(), item));
    let consumed = Consumed::of_table(units);
    context.spend(table, Use::Read, &consumed);
    Ok((item, consumed))
}

fn answer(answers: &[Answer], wanted: Wanted, used: &ConsumedByTable) -> Vec<u8> {
    let mut out = b"{\"Responses\":[".to_vec();
    for (index, answer) in answers.iter().enumerate() {
        if index != 0 {
            out.push(b',');
        }
        write_one(&mut out, answer);
    }
    out.push(b']');
    used.write(&mut out, wanted, Also::Nothing);
    out.push(b'}');
    out
}

fn write_one(out: &mut Vec<u8>, answer: &Answer) {
    out.push(b'{');
    if let Err(fault) = &answer.outcome {
        out.extend_from_slice(b"\"Error\":{\"Code\":");
        json_write::string(out, code(fault.kind));
        out.extend_from_slice(b",\"Message\":");
        json_write::string(out, &fault.message);
        if let Some(Detail::Item(item)) = fault.detail.as_deref() {
            out.extend_from_slice(b",\"Item\":");
            json_write::attributes(out, item);
        }
        out.push(b'}');
    }
    if let Some(table) = &answer.table {
        if answer.outcome.is_err() {
            out.push(b',');
        }
        out.extend_from_slice(b"\"TableName\":");
        json_write::string(out, table);
    }
    if let Ok(Some(item)) = &answer.outcome {
        out.extend_from_slice(b",\"Item\":");
        json_write::attributes(out, item);
    }
    out.push(b'}');
}

/// What a batch calls a fault of one of its statements.
///
/// Contract: Amazon DynamoDB API Reference, `BatchStatementError`: `Code`.
fn code(kind: Kind) -> &'static str {
    const CODES: [(Kind, &str); 6] = [
        (Kind::ConditionalCheckFailed, "ConditionalCheckFailed"),
        (Kind::DuplicateItem, "DuplicateItem"),
        (Kind::ResourceNotFound, "ResourceNotFound"),
        (
            Kind::ProvisionedThroughputExceeded,
            "ProvisionedThroughputExceeded",
        ),
        (Kind::Throttling, "ThrottlingError"),
        (Kind::InternalServerError, "InternalServerError"),
    ];
    let found = CODES.iter().find(|(known, _)| *known == kind);
    found.map_or("ValidationError", |(_, code)| code)
}
