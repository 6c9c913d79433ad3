//! `ExecuteTransaction`.
//!
//! Lives here: its members, statements as actions of a transaction, reading all items at one moment, the answer.
//! Does not live here: what a transaction does (`transactions`), the language (`partiql`).

use super::Context;
use super::collection_metrics::{Metrics, MetricsWanted};
use super::execute_select;
use super::execute_statement::StatementFields;
use super::execute_write;
use super::expression_fields::Expressions;
use super::transact_get_items::units_of;
use super::transact_write_items::take_token;
use super::transactions::{self, ACTIONS_MAX, Action, ActionKind, BYTES_MAX, Outcome, Token};
use super::writes::OnFailure;
use crate::dynamodb::capacity::{Also, ConsumedByTable, Wanted};
use crate::dynamodb::expressions::condition::Condition;
use crate::dynamodb::expressions::placeholders::PathStep;
use crate::dynamodb::expressions::update::Update;
use crate::dynamodb::fault::{Detail, Fault, Kind, Reason};
use crate::dynamodb::fields::Fields;
use crate::dynamodb::partiql::{self, Compiled, Select, Target};
use crate::dynamodb::throughput::Use;
use crate::dynamodb::{item_keys, json_write};
use crate::engine::codec;
use crate::engine::items::AccessError;
use crate::engine::table::Table;
use crate::engine::value::{self, Attributes};

/// A statement that makes sense.
struct Member {
    compiled: Compiled,
    on_failure: OnFailure,
}

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let wanted = Wanted::take(&mut fields)?;
    let token = take_token(&mut fields, "TransactStatements")?;
    let statements = statements(&mut fields)?;
    fields.finish()?;
    let mut members = Vec::with_capacity(statements.len());
    for (position, statement) in statements.into_iter().enumerate() {
        let compiled = compile(&statement).map_err(|fault| placed(fault, position))?;
        members.push(Member {
            compiled,
            on_failure: statement.on_failure,
        });
    }
    let reads = |member: &Member| matches!(member.compiled, Compiled::Select(_));
    let count = members.iter().filter(|member| reads(member)).count();
    if count == members.len() {
        return read(context, &members, wanted).await;
    }
    if count != 0 {
        return Err(Fault::validation(
            "ExecuteTransaction API does not support both read and write operations in the same request.",
        ));
    }
    write(context, members, wanted, token).await
}

fn statements(fields: &mut Fields<'_>) -> Result<Vec<StatementFields>, Fault> {
    let Some(structures) = fields.structures("TransactStatements", "ParameterizedStatement")?
    else {
        fields.violation(None, "transactStatements", "not be null");
        return Ok(Vec::new());
    };
    if structures.is_empty() {
        let least = "have length greater than or equal to 1";
        fields.violation(Some("[]"), "transactStatements", least);
    }
    if ACTIONS_MAX < structures.len() {
        let all = format!("[{}]", structures.len());
        let most = format!("have length less than or equal to {ACTIONS_MAX}");
        fields.violation(Some(&all), "transactStatements", &most);
        return Ok(Vec::new());
    }
    let mut statements = Vec::with_capacity(structures.len());
    for (index, mut structure) in structures.into_iter().enumerate() {
        let path = format!("transactStatements.{}.member.", index + 1);
        statements.push(StatementFields::take(&mut structure, &path)?);
        structure.nothing_left()?;
        fields.adopt(&mut structure);
    }
    Ok(statements)
}

/// Reads a statement, and refuses what no transaction takes.
fn compile(statement: &StatementFields) -> Result<Compiled, Fault> {
    let compiled = statement.compile()?;
    let returning = match &compiled {
        Compiled::Update { returning, .. } | Compiled::Delete { returning, .. } => *returning,
        Compiled::Select(_) | Compiled::Insert { .. } | Compiled::Exists(_) => None,
    };
    if returning.is_some() {
        return Err(Fault::validation(
            "RETURNING clause is not supported in ExecuteTransaction.",
        ));
    }
    if let Compiled::Select(select) | Compiled::Exists(select) = &compiled
        && select.index.is_some()
    {
        return Err(Fault::validation(
            "Reads on indices are not supported within transactions.",
        ));
    }
    Ok(compiled)
}

/// A fault of one statement, with its place.
fn placed(mut fault: Fault, position: usize) -> Fault {
    if fault.kind == Kind::Validation {
        fault.message = format!(
            "Validation failed in TransactStatements[{position}]: {}",
            fault.message
        );
    }
    fault
}

async fn read(context: &Context<'_>, members: &[Member], wanted: Wanted) -> Result<Vec<u8>, Fault> {
    let mut reads: Vec<(&Select, Target)> = Vec::with_capacity(members.len());
    let mut tables = Vec::with_capacity(members.len());
    let mut keys = Vec::with_capacity(members.len());
    for (position, member) in members.iter().enumerate() {
        let Compiled::Select(select) = &member.compiled else {
            continue;
        };
        let table = context.table(&select.table).await?;
        let target = partiql::target(&table, select.condition.as_ref())
            .and_then(|target| target.ok_or_else(no_whole_key))
            .map_err(|fault| placed(fault, position))?;
        let key = item_keys::of_key(&table, &target.key);
        let key =
            key.map_err(|fault| transactions::cancelled_by(fault, position, members.len()))?;
        if keys.contains(&key) {
            return Err(transactions::several_on_one_item());
        }
        keys.push(key);
        reads.push((select, target));
        tables.push(table);
    }
    transactions::admit_reads(context, tables.iter())?;
    let found = context.items.get_all(&keys).await?;
    let mut consumed = ConsumedByTable::default();
    let mut bytes_read = 0;
    let mut out = b"{\"Responses\":[".to_vec();
    let asked = reads.iter().zip(&tables).zip(&found);
    for (position, (((select, target), table), bytes)) in asked.enumerate() {
        if position != 0 {
            out.push(b',');
        }
        let item = bytes.as_deref().map(codec::decode).transpose();
        let item = item.map_err(AccessError::from)?;
        let bytes = item.as_ref().map_or(0, value::size);
        bytes_read += bytes;
        consumed.add(table.name(), units_of(bytes));
        out.push(b'{');
        let condition = target.condition.as_ref();
        let holds = |item: &Attributes| condition.is_none_or(|condition| condition.holds(item));
        if let Some(item) = item.filter(holds) {
            let part = execute_select::projected(select.projection.as_deref(), item);
            out.extend_from_slice(b"\"Item\":");
            json_write::attributes(&mut out, &part);
        }
        out.push(b'}');
    }
    let names = tables.iter().map(|table| table.name());
    transactions::spend(context, names.zip(&tables), Use::Read, &consumed);
    if BYTES_MAX < bytes_read {
        return Err(transactions::too_large());
    }
    out.push(b']');
    consumed.write(&mut out, wanted, Also::Read);
    out.push(b'}');
    Ok(out)
}

fn no_whole_key() -> Fault {
    Fault::validation(
        "Select statements within ExecuteTransaction must specify the primary key in the where clause.",
    )
}

async fn write(
    context: &Context<'_>,
    members: Vec<Member>,
    wanted: Wanted,
    token: Option<Token>,
) -> Result<Vec<u8>, Fault> {
    let inserts: Vec<bool> = members
        .iter()
        .map(|member| matches!(member.compiled, Compiled::Insert { .. }))
        .collect();
    let mut actions = Vec::with_capacity(members.len());
    for (position, member) in members.into_iter().enumerate() {
        let table = context.table(member.compiled.table()).await?;
        let action = action(&table, member).map_err(|fault| placed(fault, position))?;
        actions.push(action);
    }
    let mut metrics = Metrics::of(MetricsWanted::Nothing);
    let outcome = transactions::write(context, actions, token, &mut metrics)
        .await
        .map_err(|fault| with_duplicates(fault, &inserts))?;
    // Nothing is read, so that no statement has an answer.
    let mut out = b"{\"Responses\":[]".to_vec();
    match outcome {
        Outcome::Written(consumed) => consumed.write(&mut out, wanted, Also::Write),
        Outcome::Repeated(consumed) => consumed.write(&mut out, wanted, Also::Read),
    }
    out.push(b'}');
    Ok(out)
}

/// What a statement does to its item.
fn action(table: &Table, member: Member) -> Result<Action, Fault> {
    let exists = || {
        Condition::Exists(vec![PathStep::Name(
            table.descriptor.partition_key.name.clone(),
        )])
    };
    let missing = || Condition::Not(Box::new(exists()));
    let target = |condition: Option<&Condition>| execute_write::target_of_write(table, condition);
    let (kind, attributes, update, condition) = match member.compiled {
        Compiled::Insert { item, .. } => {
            execute_write::judge_item(&item)?;
            (ActionKind::Put, item, None, Some(missing()))
        }
        Compiled::Update {
            update, condition, ..
        } => {
            let target = target(condition.as_ref())?;
            let condition =
                Condition::And(std::iter::once(exists()).chain(target.condition).collect());
            (
                ActionKind::Update,
                target.key,
                Some(update),
                Some(condition),
            )
        }
        Compiled::Delete { condition, .. } => {
            let target = target(condition.as_ref())?;
            // One that is not there is deleted without a word.
            let condition = target.condition;
            let condition = condition.map(|condition| Condition::Or(vec![missing(), condition]));
            (ActionKind::Delete, target.key, None, condition)
        }
        Compiled::Exists(select) | Compiled::Select(select) => {
            let target = partiql::target(table, select.condition.as_ref())?;
            let Some(Target {
                key,
                condition: Some(condition),
            }) = target
            else {
                return Err(Fault::validation(
                    "EXISTS() must contain a single item read with additional condition",
                ));
            };
            let condition = Condition::And(vec![exists(), condition]);
            (ActionKind::Check, key, None, Some(condition))
        }
    };
    Ok(Action {
        table_name: table.name().to_owned(),
        kind,
        attributes,
        expressions: expressions(update, condition),
        on_failure: member.on_failure,
    })
}

fn expressions(update: Option<Update>, condition: Option<Condition>) -> Expressions {
    Expressions {
        update,
        condition,
        filter: None,
        filter_parameter: "",
        key_condition: None,
        projection: None,
    }
}

/// An `INSERT` whose condition does not hold has found an item of its key.
fn with_duplicates(mut fault: Fault, inserts: &[bool]) -> Fault {
    let Some(Detail::Cancellation(reasons)) = fault.detail.as_deref_mut() else {
        return fault;
    };
    for (reason, is_insert) in reasons.iter_mut().zip(inserts) {
        if let Reason::Failed { code, message, .. } = reason
            && *is_insert
            && *code == "ConditionalCheckFailed"
        {
            *code = "DuplicateItem";
            *message = "Duplicate primary key exists in table".to_owned();
        }
    }
    let reasons = std::mem::take(reasons);
    transactions::cancelled(reasons)
}
