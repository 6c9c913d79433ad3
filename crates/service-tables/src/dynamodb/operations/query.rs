//! `Query`.
//!
//! Lives here: from conditions on keys to a range of keys; pure but for the table's look-up.
//! Does not live here: which conditions there are (`expressions::key_condition`), reading pages (`pages`).

use store::keys::KeyWriter;
use store::{Direction, Range};

use super::Context;
use super::expression_fields::Takes;
use super::pages::{PageFields, Rounding};
use super::sources::Source;
use crate::dynamodb::expressions::condition::Condition;
use crate::dynamodb::expressions::key_condition::{self, KeyCondition, Test};
use crate::dynamodb::expressions::placeholders::PathStep;
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::engine::keys::KeyPart;
use crate::engine::table::KeyAttribute;
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
    let (table_name, index_name) = (page.table_name.clone(), page.index_name.clone());
    let consistency = page.consistency;
    let request = page.read()?;
    let conditions = match &request.expressions.key_condition {
        Some(condition) => key_condition::conditions(condition)?,
        None => Vec::new(),
    };

    let table = context.table(&table_name).await?;
    let source = Source::find(&table, index_name.as_deref(), consistency)?;
    if let Some(filter) = &request.expressions.filter {
        judge_filter(source, filter, request.expressions.filter_parameter)?;
    }
    let range = plan(source, &conditions, start_key.as_ref(), direction)?;
    request.expressions.judge_key_paths(&table)?;
    request
        .answer(context, source, range, direction, Rounding::Together)
        .await
}

/// The range of keys that a query walks.
fn plan(
    source: Source<'_>,
    conditions: &[KeyCondition],
    start_key: Option<&Attributes>,
    direction: Direction,
) -> Result<Range, Fault> {
    if start_key.is_some_and(|key| !source.has_place_size(key)) {
        return Err(Fault::validation("The provided starting key is invalid"));
    }
    if source.is_composite() {
        judge_composite(source, conditions)?;
    } else {
        judge_single(source, conditions)?;
    }
    judge_values(source, conditions)?;
    let part = |attribute: &KeyAttribute| match test_of(conditions, attribute) {
        Some(Test::Equal(value)) => KeyPart::of(value, attribute.key_type).ok_or_else(wrong_type),
        Some(_) | None => Err(not_supported()),
    };
    let parts = source.partition_keys().iter().map(part);
    let partition = source.partition(&parts.collect::<Result<Vec<_>, _>>()?);
    let mut range = Range::of_prefix(partition.clone());
    let mut before = partition.clone();
    let mut walk = Walk::WholePartition;
    for attribute in source.sort_keys() {
        let Some(test) = test_of(conditions, attribute) else {
            break;
        };
        walk = Walk::Sorted;
        range = sort_range(&before, attribute, test)?;
        before.clone_from(&range.start);
    }
    if let Some(start_key) = start_key {
        let key = source.row_key(start_key)?;
        judge_start(&range, &partition, &key, walk)?;
        if source.index.is_none() && source.sort_keys().is_empty() {
            return Err(only_one_row(start_key));
        }
        range = match direction {
            Direction::Forward => range.after(&key),
            Direction::Backward => range.before(&key),
        };
    }
    Ok(range)
}

fn test_of<'c>(conditions: &'c [KeyCondition], attribute: &KeyAttribute) -> Option<&'c Test> {
    let mut found = conditions.iter();
    let condition = found.find(|condition| condition.attribute == attribute.name)?;
    Some(&condition.test)
}

/// Judges the conditions on a key with one attribute or two.
fn judge_single(source: Source<'_>, conditions: &[KeyCondition]) -> Result<(), Fault> {
    if 2 < conditions.len() {
        return Err(key_condition::too_many());
    }
    let attributes: Vec<_> = source.key_attributes().collect();
    if attributes.len() == 1 && 1 < conditions.len() {
        return Err(not_supported());
    }
    for (index, attribute) in attributes.iter().enumerate() {
        let Some(test) = test_of(conditions, attribute) else {
            if index == 0 || 1 < conditions.len() {
                return Err(Fault::validation(format!(
                    "Query condition missed key schema element: {}",
                    attribute.name
                )));
            }
            continue;
        };
        judge_type(attribute, test)?;
        if index == 0 && !matches!(test, Test::Equal(_)) {
            return Err(not_supported());
        }
    }
    Ok(())
}

/// Judges the conditions on a key with more attributes: all of the partition key are to be equal to something, those of the
/// sort key are given from the left, and only the last may be compared otherwise.
fn judge_composite(source: Source<'_>, conditions: &[KeyCondition]) -> Result<(), Fault> {
    for attribute in source.key_attributes() {
        if let Some(test) = test_of(conditions, attribute) {
            judge_type(attribute, test)?;
        }
    }
    let is_equal =
        |attribute: &KeyAttribute| matches!(test_of(conditions, attribute), Some(Test::Equal(_)));
    if !source.partition_keys().iter().all(is_equal) {
        return Err(Fault::validation(
            "Query key condition not supported: all HASH key attributes of the index must have equality conditions",
        ));
    }
    let sort_keys = source.sort_keys();
    let given = sort_keys
        .iter()
        .take_while(|attribute| test_of(conditions, attribute).is_some())
        .count();
    let (given_keys, others) = sort_keys.split_at(given);
    let has_gap = others
        .iter()
        .any(|attribute| test_of(conditions, attribute).is_some());
    let before_last = given_keys
        .split_last()
        .map_or(given_keys, |(_, before)| before);
    if has_gap || !before_last.iter().all(is_equal) {
        return Err(Fault::validation(
            "Query key condition not supported: RANGE key attributes of the index must be given from the left without a gap, and all but the last with equality conditions",
        ));
    }
    if conditions.len() != source.partition_keys().len() + given {
        return Err(not_supported());
    }
    Ok(())
}

fn judge_type(attribute: &KeyAttribute, test: &Test) -> Result<(), Fault> {
    let mut values = test.values();
    if values.any(|value| KeyPart::of(value, attribute.key_type).is_none()) {
        return Err(wrong_type());
    }
    Ok(())
}

fn judge_values(source: Source<'_>, conditions: &[KeyCondition]) -> Result<(), Fault> {
    for attribute in source.key_attributes() {
        let values = test_of(conditions, attribute).map(Test::values);
        if let Some(kind) = values.into_iter().flatten().find_map(empty_kind) {
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

/// The rows after these parts of the key whose next part passes the test.
fn sort_range(before: &[u8], attribute: &KeyAttribute, test: &Test) -> Result<Range, Fault> {
    let part = |value| KeyPart::of(value, attribute.key_type).ok_or_else(wrong_type);
    let with = |value| {
        let key = part(value)?.append(KeyWriter::after(before)).finish();
        Ok::<_, Fault>(Range::of_prefix(key))
    };
    let all = Range::of_prefix(before.to_vec());
    Ok(match test {
        Test::Equal(value) => with(value)?,
        Test::Less(value) => Range {
            end: Some(with(value)?.start),
            ..all
        },
        Test::LessOrEqual(value) => Range {
            end: with(value)?.end,
            ..all
        },
        Test::Greater(value) => Range {
            start: with(value)?.end.unwrap_or(all.start),
            end: all.end,
        },
        Test::GreaterOrEqual(value) => Range {
            start: with(value)?.start,
            end: all.end,
        },
        Test::Between(low, high) => Range {
            start: with(low)?.start,
            end: with(high)?.end,
        },
        Test::BeginsWith(start) => {
            if matches!(start, Value::N(_)) {
                return Err(wrong_type());
            }
            Range::of_prefix(part(start)?.append_open(KeyWriter::after(before)).finish())
        }
    })
}

/// A partition without a sort key has one item: a page that begins after it is never answered.
fn only_one_row(start_key: &Attributes) -> Fault {
    let shown = start_key.iter().map(|(name, value)| {
        let value = match value {
            Value::S(text) => format!("S:{text}"),
            Value::N(number) => format!("N:{number}"),
            Value::B(_)
            | Value::Bool(_)
            | Value::Null
            | Value::Ss(_)
            | Value::Ns(_)
            | Value::Bs(_)
            | Value::L(_)
            | Value::M(_) => value.type_name().to_owned(),
        };
        format!("{name}=AttributeValue: {{{value}}}")
    });
    let shown: Vec<_> = shown.collect();
    Fault::validation(format!(
        "The provided exclusive start key is invalid: ExclusiveStartKey: {{{}}}",
        shown.join(", ")
    ))
}

/// Which part of a partition a query walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    WholePartition,
    /// What passes a test of the sort key.
    Sorted,
}

/// The start key must be where the query could have stopped.
fn judge_start(range: &Range, partition: &[u8], key: &[u8], walk: Walk) -> Result<(), Fault> {
    let within = range.start.as_slice() <= key && range.end.as_deref().is_none_or(|end| key < end);
    if within {
        return Ok(());
    }
    Err(Fault::validation(
        match (walk, key.starts_with(partition)) {
            (Walk::Sorted, true) => {
                "The provided starting key does not match the range key predicate"
            }
            (Walk::Sorted, false) => "The query can return at most one row and cannot be restarted",
            (Walk::WholePartition, _) => {
                "The provided starting key is outside query boundaries based on provided conditions"
            }
        },
    ))
}

fn judge_filter(source: Source<'_>, filter: &Condition, parameter: &str) -> Result<(), Fault> {
    let mut attributes = source.key_attributes();
    let key = attributes.find(|attribute| {
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
