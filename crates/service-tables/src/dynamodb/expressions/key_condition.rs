//! Conditions that a query puts on keys.
//!
//! Lives here: which conditions those may be, and what they say of each attribute.
//! Does not live here: the table's keys, and the range that comes of it (`operations::query`).

use super::condition::{Condition, Operand};
use super::placeholders::PathStep;
use super::syntax::Comparator;
use crate::dynamodb::fault::Fault;
use crate::engine::value::Value;

/// Conditions of one query: as many as the key of an index can have attributes.
const CONDITIONS_MAX: usize = 8;

/// A condition on one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCondition {
    /// The attribute.
    pub attribute: String,
    /// What it must be.
    pub test: Test,
}

/// What an attribute must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// This.
    Equal(Value),
    /// Less than this.
    Less(Value),
    /// This or less.
    LessOrEqual(Value),
    /// Greater than this.
    Greater(Value),
    /// This or greater.
    GreaterOrEqual(Value),
    /// Within these, both included.
    Between(Value, Value),
    /// Something that begins with this.
    BeginsWith(Value),
}

impl Test {
    /// The values that came with it.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let (first, second) = match self {
            Self::Equal(value)
            | Self::Less(value)
            | Self::LessOrEqual(value)
            | Self::Greater(value)
            | Self::GreaterOrEqual(value)
            | Self::BeginsWith(value) => (value, None),
            Self::Between(low, high) => (low, Some(high)),
        };
        std::iter::once(first).chain(second)
    }
}

/// The conditions on attributes that a checked condition consists of.
///
/// # Errors
/// A validation fault when keys cannot be found by it.
pub fn conditions(condition: &Condition) -> Result<Vec<KeyCondition>, Fault> {
    let mut found = Vec::new();
    collect(condition, &mut found)?;
    if CONDITIONS_MAX < found.len() {
        return Err(too_many());
    }
    Ok(found)
}

/// More conditions than a key with one attribute or two can have.
#[must_use]
pub fn too_many() -> Fault {
    Fault::validation("Conditions can be of length 1 or 2 only")
}

fn collect(condition: &Condition, found: &mut Vec<KeyCondition>) -> Result<(), Fault> {
    let one = match condition {
        Condition::And(sides) => {
            return sides.iter().try_for_each(|side| collect(side, found));
        }
        Condition::Compare { comparator, sides } => compared(*comparator, sides)?,
        Condition::Between { operands } => between(operands)?,
        Condition::BeginsWith { operands } => begins_with(operands)?,
        Condition::Or(_) => return Err(invalid_operator("OR")),
        Condition::Not(inner) => {
            // The tree has no node of its own for this function.
            return Err(invalid_operator(match **inner {
                Condition::Exists(_) => "attribute_not_exists",
                Condition::Or(_)
                | Condition::And(_)
                | Condition::Not(_)
                | Condition::Compare { .. }
                | Condition::Between { .. }
                | Condition::In { .. }
                | Condition::IsType { .. }
                | Condition::BeginsWith { .. }
                | Condition::Contains { .. } => "NOT",
            }));
        }
        Condition::In { .. } => return Err(invalid_operator("IN")),
        Condition::Exists(_) => return Err(invalid_operator("attribute_exists")),
        Condition::IsType { .. } => return Err(invalid_operator("attribute_type")),
        Condition::Contains { .. } => return Err(invalid_operator("contains")),
    };
    if found.iter().any(|other| other.attribute == one.attribute) {
        return Err(Fault::validation(
            "KeyConditionExpressions must only contain one condition per key",
        ));
    }
    found.push(one);
    Ok(())
}

fn invalid_operator(name: &str) -> Fault {
    Fault::validation(format!(
        "Invalid operator used in KeyConditionExpression: {name}"
    ))
}

fn compared(comparator: Comparator, sides: &[Operand; 2]) -> Result<KeyCondition, Fault> {
    if comparator == Comparator::NotEqual {
        return Err(invalid_operator("<>"));
    }
    no_nested_operation(sides)?;
    let (path, value, comparator) = match sides {
        [Operand::Path(path), Operand::Value(value)] => (path, value, comparator),
        [Operand::Value(value), Operand::Path(path)] => (path, value, comparator.swapped()),
        [Operand::Path(_), Operand::Path(_)] => return Err(several_names()),
        _ => return Err(no_key_attribute()),
    };
    let value = value.clone();
    let test = match comparator {
        Comparator::Equal => Test::Equal(value),
        Comparator::Less => Test::Less(value),
        Comparator::LessOrEqual => Test::LessOrEqual(value),
        Comparator::Greater => Test::Greater(value),
        Comparator::GreaterOrEqual => Test::GreaterOrEqual(value),
        Comparator::NotEqual => return Err(invalid_operator("<>")),
    };
    key_condition(path, test)
}

fn between(operands: &[Operand; 3]) -> Result<KeyCondition, Fault> {
    no_nested_operation(operands)?;
    match operands {
        [
            Operand::Path(path),
            Operand::Value(low),
            Operand::Value(high),
        ] => key_condition(path, Test::Between(low.clone(), high.clone())),
        [Operand::Path(_), _, _] => Err(several_names()),
        _ => Err(not_first("BETWEEN")),
    }
}

fn begins_with(operands: &[Operand; 2]) -> Result<KeyCondition, Fault> {
    no_nested_operation(operands)?;
    match operands {
        [Operand::Path(path), Operand::Value(start)] => {
            key_condition(path, Test::BeginsWith(start.clone()))
        }
        [Operand::Path(_), _] => Err(several_names()),
        _ => Err(not_first("begins_with")),
    }
}

fn key_condition(path: &[PathStep], test: Test) -> Result<KeyCondition, Fault> {
    match path {
        [PathStep::Name(name)] => Ok(KeyCondition {
            attribute: name.clone(),
            test,
        }),
        _ => Err(Fault::validation(
            "KeyConditionExpressions cannot have conditions on nested attributes",
        )),
    }
}

fn no_nested_operation(operands: &[Operand]) -> Result<(), Fault> {
    if operands
        .iter()
        .any(|operand| matches!(operand, Operand::Size(_)))
    {
        return Err(Fault::validation(
            "KeyConditionExpressions cannot contain nested operations",
        ));
    }
    Ok(())
}

fn several_names() -> Fault {
    Fault::validation(
        "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
    )
}

fn no_key_attribute() -> Fault {
    Fault::validation("Invalid condition in KeyConditionExpression: No key attribute specified")
}

fn not_first(operator: &str) -> Fault {
    Fault::validation(format!(
        "Invalid condition in KeyConditionExpression: {operator} operator must have the key attribute as its first operand"
    ))
}
