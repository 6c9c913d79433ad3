//! What a condition comes to for an item.
//!
//! Lives here: checked conditions, comparing values as DynamoDB does; pure.
//! Does not live here: making conditions (`check`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "Condition and filter expressions, operators, and functions". A comparison
//! with an attribute that is not there does not hold, `<>` excepted; values of two types are never equal and have no order.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::placeholders::PathStep;
use super::syntax::Comparator;
use crate::engine::number::Number;
use crate::engine::value::{Attributes, Value};

/// A condition on one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// One of them, or more.
    Or(Vec<Condition>),
    /// All of them.
    And(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// A comparison.
    Compare {
        /// The operator.
        comparator: Comparator,
        /// What stands before and after it.
        sides: Box<[Operand; 2]>,
    },
    /// Not below the second and not above the third.
    Between {
        /// What is tested, the lower and the upper bound.
        operands: Box<[Operand; 3]>,
    },
    /// Equal to one of them.
    In {
        /// What is tested.
        operand: Operand,
        /// What it may be.
        candidates: Vec<Operand>,
    },
    /// There is something at this place.
    Exists(Vec<PathStep>),
    /// It is of this type.
    IsType {
        /// What is tested.
        operand: Operand,
        /// The name of the type.
        type_name: String,
    },
    /// The first begins with the second.
    BeginsWith {
        /// Whole and start.
        operands: Box<[Operand; 2]>,
    },
    /// The second is a part of the first, or a member of it.
    Contains {
        /// Whole and part.
        operands: Box<[Operand; 2]>,
    },
}

/// What a condition speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A place in the item.
    Path(Vec<PathStep>),
    /// A value that came with the request.
    Value(Value),
    /// The size of something.
    Size(Box<Operand>),
}

impl Condition {
    /// Whether it holds for an item; an item that is not there has no attributes.
    #[must_use]
    pub fn holds(&self, item: &Attributes) -> bool {
        match self {
            Self::Or(sides) => sides.iter().any(|side| side.holds(item)),
            Self::And(sides) => sides.iter().all(|side| side.holds(item)),
            Self::Not(inner) => !inner.holds(item),
            Self::Compare { comparator, sides } => {
                let [left, right] = &**sides;
                match (left.value(item), right.value(item)) {
                    (Some(left), Some(right)) => compare(*comparator, &left, &right),
                    (None, _) | (_, None) => *comparator == Comparator::NotEqual,
                }
            }
            Self::Between { operands } => {
                let [tested, low, high] = &**operands;
                let not_after = |left: &Operand, right: &Operand| {
                    let (left, right) = (left.value(item), right.value(item));
                    let order = left
                        .zip(right)
                        .and_then(|(left, right)| order(&left, &right));
                    order.is_some_and(Ordering::is_le)
                };
                not_after(low, tested) && not_after(tested, high)
            }
            Self::In {
                operand,
                candidates,
            } => operand.value(item).is_some_and(|value| {
                let mut candidates = candidates.iter().filter_map(|other| other.value(item));
                candidates.any(|other| value.same(&other))
            }),
            Self::Exists(path) => at(item, path).is_some(),
            Self::IsType { operand, type_name } => operand
                .value(item)
                .is_some_and(|value| value.type_name() == type_name),
            Self::BeginsWith { operands } => {
                let [whole, start] = &**operands;
                let pair = whole.value(item).zip(start.value(item));
                pair.is_some_and(|(whole, start)| begins_with(&whole, &start))
            }
            Self::Contains { operands } => {
                let [whole, part] = &**operands;
                let pair = whole.value(item).zip(part.value(item));
                pair.is_some_and(|(whole, part)| contains(&whole, &part))
            }
        }
    }

    /// All places in the item that it speaks of.
    #[must_use]
    pub fn paths(&self) -> Vec<&[PathStep]> {
        let operands: Vec<&Operand> = match self {
            Self::Or(sides) | Self::And(sides) => {
                return sides.iter().flat_map(Self::paths).collect();
            }
            Self::Not(inner) => return inner.paths(),
            Self::Exists(path) => return vec![path],
            Self::Compare { sides, .. } => sides.iter().collect(),
            Self::Between { operands } => operands.iter().collect(),
            Self::In {
                operand,
                candidates,
            } => std::iter::once(operand).chain(candidates).collect(),
            Self::IsType { operand, .. } => vec![operand],
            Self::BeginsWith { operands } | Self::Contains { operands } => {
                operands.iter().collect()
            }
        };
        operands.into_iter().filter_map(Operand::path).collect()
    }
}

impl Operand {
    fn value<'a>(&'a self, item: &'a Attributes) -> Option<Cow<'a, Value>> {
        match self {
            Self::Path(path) => at(item, path).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(inner) => {
                let size = size_of(&*inner.value(item)?)?;
                Some(Cow::Owned(Value::N(Number::of_count(size))))
            }
        }
    }

    fn path(&self) -> Option<&[PathStep]> {
        match self {
            Self::Path(path) => Some(path),
            Self::Value(_) => None,
            Self::Size(inner) => inner.path(),
        }
    }
}

/// What is at this place in an item.
#[must_use]
pub fn at<'a>(item: &'a Attributes, path: &[PathStep]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let PathStep::Name(name) = first else {
        return None;
    };
    rest.iter()
        .try_fold(item.get(name)?, |value, step| match (value, step) {
            (Value::M(members), PathStep::Name(name)) => members.get(name),
            (Value::L(members), PathStep::Index(index)) => members.get(*index),
            _ => None,
        })
}

/// The order of two values: known for texts, numbers and bytes of one type.
#[must_use]
pub fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::S(left), Value::S(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (Value::N(left), Value::N(right)) => Some(left.cmp(right)),
        (Value::B(left), Value::B(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn compare(comparator: Comparator, left: &Value, right: &Value) -> bool {
    let ordered = |accepts: fn(Ordering) -> bool| order(left, right).is_some_and(accepts);
    match comparator {
        Comparator::Equal => left.same(right),
        Comparator::NotEqual => !left.same(right),
        Comparator::Less => ordered(Ordering::is_lt),
        Comparator::LessOrEqual => ordered(Ordering::is_le),
        Comparator::Greater => ordered(Ordering::is_gt),
        Comparator::GreaterOrEqual => ordered(Ordering::is_ge),
    }
}

fn begins_with(whole: &Value, start: &Value) -> bool {
    match (whole, start) {
        (Value::S(whole), Value::S(start)) => whole.starts_with(start.as_str()),
        (Value::B(whole), Value::B(start)) => whole.starts_with(start),
        _ => false,
    }
}

fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::S(whole), Value::S(part)) => whole.contains(part.as_str()),
        (Value::B(whole), Value::B(part)) => memchr::memmem::find(whole, part).is_some(),
        (Value::Ss(members), Value::S(part)) => members.contains(part),
        (Value::Ns(members), Value::N(part)) => members.contains(part),
        (Value::Bs(members), Value::B(part)) => members.contains(part),
        (Value::L(members), part) => members.iter().any(|member| member.same(part)),
        _ => false,
    }
}

/// Characters of a text, bytes, members; none for what has no size.
fn size_of(value: &Value) -> Option<usize> {
    match value {
        Value::S(text) => Some(text.chars().count()),
        Value::B(bytes) => Some(bytes.len()),
        Value::Ss(members) => Some(members.len()),
        Value::Ns(members) => Some(members.len()),
        Value::Bs(members) => Some(members.len()),
        Value::L(members) => Some(members.len()),
        Value::M(members) => Some(members.len()),
        Value::N(_) | Value::Bool(_) | Value::Null => None,
    }
}
