//! `Query`.
//!
//! Lives here: from conditions on keys to a range of keys; pure but for the table's look-up.
//! Does not live here: which conditions there are (`expressions::key_condition`), reading pages (`pages`).

use store::keys::KeyWriter;
use store::{Direction, Range};

use super::Context;
use super::expression_fields::Takes;
use super::pages::{PageFields, invalid_start};
use crate::dynamodb::expressions::condition::Condition;
use crate::dynamodb::expressions::key_condition::{self, KeyCondition, Test};
use crate::dynamodb::expressions::placeholders::PathStep;
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::item_keys;
use crate::engine::keys::{self, KeyPart};
use crate::engine::table::{KeyAttribute, Table};
use crate::engine::value::{Attributes, Value};

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let mut page = PageFields::take(&mut fields, Takes::Query)?;
    let forward = fields.boolean("ScanIndexForward")?;
    fields.finish()?;
    let start_key = page.judge()?;
    if !page.has_key_condition() {
        return Err(Fault::validation(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        ));
    }
    let direction = match forward {
        Some(false) => Direction::Backward,
        Some(true) | None => Direction::Forward,
    };
    let table_name = page.table_name.clone();
    let request = page.read()?;
    let conditions = match &request.expressions.key_condition {
        Some(condition) => key_condition::conditions(condition)?,
        None => Vec::new(),
    };

    let table = context.table(&table_name).await?;
    if let Some(filter) = &request.expressions.filter {
        judge_filter(&table, filter, request.expressions.filter_parameter)?;
    }
    let range = plan(&table, &conditions, start_key.as_ref(), direction)?;
    request.expressions.judge_key_paths(&table)?;
    request.answer(context, &table, range, direction).await
}

/// The range of keys that a query walks.
fn plan(
    table: &Table,
    conditions: &[KeyCondition],
    start_key: Option<&Attributes>,
    direction: Direction,
) -> Result<Range, Fault> {
    let attributes: Vec<_> = table.key_attributes().collect();
    if start_key.is_some_and(|key| key.len() != attributes.len()) {
        return Err(Fault::validation("The provided starting key is invalid"));
    }
    judge_conditions(table, conditions)?;
    let of = |attribute: &KeyAttribute| {
        let mut found = conditions.iter();
        found.find(|condition| condition.attribute == attribute.name)
    };
    let partition_key = &table.descriptor.partition_key;
    let Some(Test::Equal(partition_value)) = of(partition_key).map(|condition| &condition.test)
    else {
        return Err(not_supported());
    };
    let part = KeyPart::of(partition_value, partition_key.key_type).ok_or_else(wrong_type)?;
    let partition = keys::partition(&table.items, part);
    let sort = table.descriptor.sort_key.as_ref();
    let sort_test = sort.and_then(|attribute| Some((attribute, &of(attribute)?.test)));
    let mut range = match sort_test {
        None => Range::of_prefix(partition.clone()),
        Some((attribute, test)) => sort_range(&partition, attribute, test)?,
    };
    if let Some(key) = start_key {
        let key = item_keys::of_key(table, key).map_err(|fault| invalid_start(&fault.message))?;
        judge_start(
            &range,
            &partition,
            key.as_bytes(),
            sort_test.map(|(_, test)| test),
        )?;
        range = match direction {
            Direction::Forward => range.after(key.as_bytes()),
            Direction::Backward => range.before(key.as_bytes()),
        };
    }
    Ok(range)
}

fn judge_conditions(table: &Table, conditions: &[KeyCondition]) -> Result<(), Fault> {
    let attributes: Vec<_> = table.key_attributes().collect();
    if attributes.len() == 1 && 1 < conditions.len() {
        return Err(not_supported());
    }
    for (index, attribute) in attributes.iter().enumerate() {
        let found = conditions
            .iter()
            .find(|condition| condition.attribute == attribute.name);
        let Some(condition) = found else {
            if index == 0 || 1 < conditions.len() {
                return Err(Fault::validation(format!(
                    "Query condition missed key schema element: {}",
                    attribute.name
                )));
            }
            continue;
        };
        let mut values = condition.test.values();
        if values.any(|value| KeyPart::of(value, attribute.key_type).is_none()) {
            return Err(wrong_type());
        }
        if index == 0 && !matches!(condition.test, Test::Equal(_)) {
            return Err(not_supported());
        }
        if let Some(kind) = condition.test.values().find_map(empty_kind) {
            return Err(Fault::invalid(format!(
                "The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {}",
                attribute.name
            )));
        }
    }
    Ok(())
}

fn empty_kind(value: &Value) -> Option<&'static str> {
    if *value == Value::S(String::new()) {
        return Some("string");
    }
    (*value == Value::B(bytes::Bytes::new())).then_some("binary")
}

fn sort_range(partition: &[u8], attribute: &KeyAttribute, test: &Test) -> Result<Range, Fault> {
    let part = |value| KeyPart::of(value, attribute.key_type).ok_or_else(wrong_type);
    let key = |value| Ok::<_, Fault>(part(value)?.append(KeyWriter::after(partition)).finish());
    let all = Range::of_prefix(partition.to_vec());
    // Keys of items end with the sort key, so the key itself is the smallest that is not before it.
    Ok(match test {
        Test::Equal(value) => Range::of_prefix(key(value)?),
        Test::Less(value) => all.before(&key(value)?),
        Test::LessOrEqual(value) => all.before(&store::scan::after_key(&key(value)?)),
        Test::Greater(value) => all.after(&key(value)?),
        Test::GreaterOrEqual(value) => Range {
            start: key(value)?,
            end: all.end,
        },
        Test::Between(low, high) => Range::new(key(low)?, store::scan::after_key(&key(high)?)),
        Test::BeginsWith(start) => {
            if matches!(start, Value::N(_)) {
                return Err(wrong_type());
            }
            Range::of_prefix(
                part(start)?
                    .append_open(KeyWriter::after(partition))
                    .finish(),
            )
        }
    })
}

/// The start key must be where the query could have stopped.
fn judge_start(
    range: &Range,
    partition: &[u8],
    key: &[u8],
    sort_test: Option<&Test>,
) -> Result<(), Fault> {
    let within = range.start.as_slice() <= key && range.end.as_deref().is_none_or(|end| key < end);
    if within {
        return Ok(());
    }
    Err(Fault::validation(
        match (sort_test.is_some(), key.starts_with(partition)) {
            (true, true) => "The provided starting key does not match the range key predicate",
            (true, false) => "The query can return at most one row and cannot be restarted",
            (false, _) => {
                "The provided starting key is outside query boundaries based on provided conditions"
            }
        },
    ))
}

fn judge_filter(table: &Table, filter: &Condition, parameter: &str) -> Result<(), Fault> {
    let key = table.key_attributes().find(|attribute| {
        filter.paths().iter().any(
            |path| matches!(path.first(), Some(PathStep::Name(name)) if *name == attribute.name),
        )
    });
    match key {
        Some(attribute) => Err(Fault::validation(format!(
            "{parameter} can only contain non-primary key attributes: Primary key attribute: {}",
            attribute.name
        ))),
        None => Ok(()),
    }
}

fn not_supported() -> Fault {
    Fault::validation("Query key condition not supported")
}

fn wrong_type() -> Fault {
    Fault::invalid("Condition parameter type does not match schema type")
}
