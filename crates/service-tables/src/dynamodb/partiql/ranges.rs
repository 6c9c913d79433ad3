//! Which keys a `SELECT` walks.
//!
//! Lives here: from a checked condition to ranges of keys, narrowed as far as the condition names keys; pure.
//! Does not live here: judging what is found there: that is the whole condition, once more, for each item (`select`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "PartiQL select statements for DynamoDB": a condition that names partition
//! keys by `=` or `IN`, in each of its alternatives, reads those partitions alone; any other reads the whole table.

use store::Range;
use store::keys::KeyWriter;

use crate::dynamodb::expressions::condition::{Condition, Operand};
use crate::dynamodb::expressions::key_condition::{self, Test};
use crate::dynamodb::expressions::placeholders::PathStep;
use crate::dynamodb::expressions::syntax::Comparator;
use crate::dynamodb::fault::Fault;
use crate::engine::keys::{self, KeyPart};
use crate::engine::table::KeyAttribute;
use crate::engine::value::Value;

/// Partitions that one statement reads.
const PARTITIONS_MAX: usize = 300;

/// The key by which items are found, of a table or of an index.
#[derive(Debug, Clone, Copy)]
pub(in crate::dynamodb) struct Schema<'a> {
    /// What the keys begin with.
    pub(in crate::dynamodb) prefix: &'a [u8],
    /// The partition key.
    pub(in crate::dynamodb) partition_key: &'a KeyAttribute,
    /// The sort key.
    pub(in crate::dynamodb) sort_key: Option<&'a KeyAttribute>,
}

/// What is walked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dynamodb) enum Walk {
    /// Everything.
    Whole(Range),
    /// Some partitions, or parts of them.
    Partitions(Vec<Partition>),
}

/// A part of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dynamodb) struct Partition {
    /// The value of its partition key.
    pub(in crate::dynamodb) value: Value,
    /// Keys.
    pub(in crate::dynamodb) range: Range,
}

/// One alternative of a condition, as far as it names keys.
#[derive(Debug, Clone)]
struct Branch {
    partition: Value,
    tests: Vec<Test>,
    /// Whether it also says of the sort key what it is not: then it may overlap with others.
    excludes: bool,
}

/// The keys that a condition walks.
///
/// # Errors
/// A validation fault when a key is compared with a value of another type, or alternatives overlap.
pub(in crate::dynamodb) fn walk(
    schema: Schema<'_>,
    condition: Option<&Condition>,
) -> Result<Walk, Fault> {
    let branches = match condition {
        Some(condition) => branches(schema, condition)?,
        None => None,
    };
    let Some(branches) = branches else {
        return Ok(Walk::Whole(Range::of_prefix(schema.prefix.to_vec())));
    };
    if PARTITIONS_MAX < branches.len() {
        return Err(Fault::validation(format!(
            "The condition names too many keys; keys: {}, at most: {PARTITIONS_MAX}",
            branches.len()
        )));
    }
    let mut partitions: Vec<(Partition, bool)> = Vec::new();
    for branch in &branches {
        let range = range_of(schema, branch)?;
        if range.is_empty() {
            continue;
        }
        add(&mut partitions, branch, range)?;
    }
    Ok(Walk::Partitions(
        partitions
            .into_iter()
            .map(|(partition, _)| partition)
            .collect(),
    ))
}

/// Adds a range. One that overlaps is refused, or joined where alternatives say what the sort key is not.
fn add(
    partitions: &mut Vec<(Partition, bool)>,
    branch: &Branch,
    mut range: Range,
) -> Result<(), Fault> {
    let mut place = partitions.len();
    while let Some(index) = partitions
        .iter()
        .position(|(other, _)| overlap(&other.range, &range))
    {
        let (other, excludes) = partitions.remove(index);
        if !excludes && !branch.excludes {
            return Err(Fault::validation(
                "Overlapping conditions with range keys are not supported in where clause",
            ));
        }
        range = Range {
            start: range.start.min(other.range.start),
            end: match (range.end, other.range.end) {
                (Some(left), Some(right)) => Some(left.max(right)),
                (None, _) | (_, None) => None,
            },
        };
        place = place.min(index).min(partitions.len());
    }
    let value = branch.partition.clone();
    partitions.insert(place, (Partition { value, range }, branch.excludes));
    Ok(())
}

fn overlap(left: &Range, right: &Range) -> bool {
    let begins_within = |inner: &Range, outer: &Range| {
        outer.start <= inner.start && outer.end.as_ref().is_none_or(|end| inner.start < *end)
    };
    begins_within(left, right) || begins_within(right, left)
}

/// The alternatives of a condition; none when one of them does not name its partition.
fn branches(schema: Schema<'_>, condition: &Condition) -> Result<Option<Vec<Branch>>, Fault> {
    match condition {
        Condition::Or(sides) => {
            let mut all = Vec::new();
            for side in sides {
                match branches(schema, side)? {
                    Some(branches) => all.extend(branches),
                    None => return Ok(None),
                }
            }
            Ok(Some(all))
        }
        Condition::And(sides) => {
            let mut flat = Vec::new();
            flatten(sides, &mut flat);
            conjoined(schema, &flat)
        }
        Condition::Compare { .. } | Condition::In { .. } => {
            Ok(named(condition, schema.partition_key)?.map(|values| {
                let branch = |partition| Branch {
                    partition,
                    tests: Vec::new(),
                    excludes: false,
                };
                values.into_iter().map(branch).collect()
            }))
        }
        Condition::Not(_)
        | Condition::Between { .. }
        | Condition::Exists(_)
        | Condition::IsType { .. }
        | Condition::BeginsWith { .. }
        | Condition::Contains { .. } => Ok(None),
    }
}

fn flatten<'a>(sides: &'a [Condition], flat: &mut Vec<&'a Condition>) {
    for side in sides {
        match side {
            Condition::And(inner) => flatten(inner, flat),
            Condition::Or(_)
            | Condition::Not(_)
            | Condition::Compare { .. }
            | Condition::Between { .. }
            | Condition::In { .. }
            | Condition::Exists(_)
            | Condition::IsType { .. }
            | Condition::BeginsWith { .. }
            | Condition::Contains { .. } => flat.push(side),
        }
    }
}

/// The branches of the first side that names partitions, narrowed by what the others say of the sort key.
fn conjoined(schema: Schema<'_>, sides: &[&Condition]) -> Result<Option<Vec<Branch>>, Fault> {
    let mut found = None;
    for (index, side) in sides.iter().enumerate() {
        if let Some(branches) = branches(schema, side)? {
            found = Some((index, branches));
            break;
        }
    }
    let Some((index, mut all)) = found else {
        return Ok(None);
    };
    let Some(sort_key) = schema.sort_key else {
        return Ok(Some(all));
    };
    for (other, side) in sides.iter().enumerate() {
        if other == index {
            continue;
        }
        if matches!(side, Condition::In { .. })
            && let Some(values) = named(side, sort_key)?
        {
            if PARTITIONS_MAX < all.len().saturating_mul(values.len()) {
                continue;
            }
            all = all
                .iter()
                .flat_map(|branch| values.iter().map(|value| with_test(branch, value)))
                .collect();
            continue;
        }
        let excludes = excludes(side, sort_key);
        let test = sort_test(side, sort_key)?;
        for branch in &mut all {
            branch.excludes |= excludes;
            branch.tests.extend(test.clone());
        }
    }
    Ok(Some(all))
}

fn with_test(branch: &Branch, value: &Value) -> Branch {
    let mut branch = branch.clone();
    branch.tests.push(Test::Equal(value.clone()));
    branch
}

/// The values that a condition gives for a key attribute by `=` or `IN`.
fn named(condition: &Condition, key: &KeyAttribute) -> Result<Option<Vec<Value>>, Fault> {
    let Some(values) = values_of(condition, key) else {
        return Ok(None);
    };
    for value in &values {
        judge_type(value, key)?;
    }
    Ok(Some(values))
}

fn values_of(condition: &Condition, key: &KeyAttribute) -> Option<Vec<Value>> {
    if let Condition::Compare {
        comparator: Comparator::Equal,
        sides,
    } = condition
    {
        return match &**sides {
            [Operand::Path(path), Operand::Value(value)]
            | [Operand::Value(value), Operand::Path(path)]
                if is_key(path, key) =>
            {
                Some(vec![value.clone()])
            }
            _ => None,
        };
    }
    let Condition::In {
        operand: Operand::Path(path),
        candidates,
    } = condition
    else {
        return None;
    };
    let values = candidates.iter().map(|candidate| match candidate {
        Operand::Value(value) => Some(value.clone()),
        Operand::Path(_) | Operand::Size(_) => None,
    });
    is_key(path, key).then(|| values.collect())?
}

/// What a condition says of the sort key, if it is one by which keys are found.
fn sort_test(condition: &Condition, key: &KeyAttribute) -> Result<Option<Test>, Fault> {
    let Ok(found) = key_condition::conditions(condition) else {
        return Ok(None);
    };
    let Some(one) = found.into_iter().find(|found| found.attribute == key.name) else {
        return Ok(None);
    };
    for value in one.test.values() {
        judge_type(value, key)?;
    }
    Ok(Some(one.test))
}

/// Whether a condition says what the sort key is not.
fn excludes(condition: &Condition, key: &KeyAttribute) -> bool {
    let negative = matches!(
        condition,
        Condition::Not(_)
            | Condition::Compare {
                comparator: Comparator::NotEqual,
                ..
            }
    );
    negative && condition.paths().iter().any(|path| is_key(path, key))
}

fn is_key(path: &[PathStep], key: &KeyAttribute) -> bool {
    matches!(path, [PathStep::Name(name)] if *name == key.name)
}

pub(in crate::dynamodb) fn judge_type(value: &Value, key: &KeyAttribute) -> Result<(), Fault> {
    if KeyPart::of(value, key.key_type).is_some() {
        return Ok(());
    }
    Err(Fault::validation(
        "Key attribute's data type should match its data type in table's schema",
    ))
}

fn range_of(schema: Schema<'_>, branch: &Branch) -> Result<Range, Fault> {
    judge_type(&branch.partition, schema.partition_key)?;
    let Some(part) = KeyPart::of(&branch.partition, schema.partition_key.key_type) else {
        return Ok(Range::new(Vec::new(), Vec::new()));
    };
    let partition = keys::partition(schema.prefix, part);
    let mut range = Range::of_prefix(partition.clone());
    if let Some(sort_key) = schema.sort_key {
        for test in &branch.tests {
            range = common(range, sort_range(&partition, sort_key, test));
        }
    }
    Ok(range)
}

fn common(left: Range, right: Range) -> Range {
    Range {
        start: left.start.max(right.start),
        end: match (left.end, right.end) {
            (Some(left), Some(right)) => Some(left.min(right)),
            (Some(end), None) | (None, Some(end)) => Some(end),
            (None, None) => None,
        },
    }
}

/// The keys that a test of the sort key leaves. A key goes on behind the sort key in an index, so a value's keys are all
/// those that begin with it.
fn sort_range(partition: &[u8], sort_key: &KeyAttribute, test: &Test) -> Range {
    let whole = Range::of_prefix(partition.to_vec());
    let part = |value| KeyPart::of(value, sort_key.key_type);
    let of = |value| {
        part(value).map(|part| Range::of_prefix(part.append(KeyWriter::after(partition)).finish()))
    };
    let narrowed = |low: Option<Range>, high: Option<Range>, after_low: bool, before_high: bool| {
        let mut range = whole.clone();
        if let Some(low) = low {
            match (after_low, low.end) {
                (true, Some(end)) => range.start = end,
                (true, None) => {}
                (false, _) => range.start = low.start,
            }
        }
        if let Some(high) = high {
            range.end = if before_high {
                Some(high.start)
            } else {
                high.end
            };
        }
        range
    };
    match test {
        Test::Equal(value) => of(value).unwrap_or_else(|| whole.clone()),
        Test::Less(value) => narrowed(None, of(value), false, true),
        Test::LessOrEqual(value) => narrowed(None, of(value), false, false),
        Test::Greater(value) => narrowed(of(value), None, true, false),
        Test::GreaterOrEqual(value) => narrowed(of(value), None, false, false),
        Test::Between(low, high) => narrowed(of(low), of(high), false, false),
        Test::BeginsWith(start) => match part(start) {
            Some(part @ (KeyPart::S(_) | KeyPart::B(_))) => {
                Range::of_prefix(part.append_open(KeyWriter::after(partition)).finish())
            }
            // A number begins with nothing; the whole condition says so for each item.
            Some(KeyPart::N(_)) | None => whole.clone(),
        },
    }
}
