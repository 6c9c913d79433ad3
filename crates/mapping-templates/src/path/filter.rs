//! Conditions of a path: `[?(@.price < 10 && @.kind == 'book')]`.
//!
//! Lives here: whether one holds.
//! Does not live here: reading it (`parse`).

use super::{Found, Path, TooMany, Visits};
use crate::text;
use crate::value::{Heap, Value};

#[derive(Debug, Clone)]
pub(super) enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Operand, Comparison, Operand),
    /// A pattern, and its weight.
    Fits(Operand, regex_lite::Regex, usize),
    IsThere(Operand),
}

#[derive(Debug, Clone)]
pub(super) enum Operand {
    /// Below the candidate.
    Here(Path),
    /// Below the document.
    Root(Path),
    Text(String),
    Number(f64),
    Bool(bool),
    Null,
    List(Vec<Operand>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Among,
    NotAmong,
}

/// A value that can be compared.
#[derive(Debug, Clone, PartialEq)]
enum Plain {
    Missing,
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Plain>),
    Other,
}

impl Condition {
    pub(super) fn holds(
        &self,
        here: &Value,
        root: &Value,
        heap: &Heap,
        visits: &mut Visits<'_>,
    ) -> Result<bool, TooMany> {
        visits.one()?;
        match self {
            Self::Any(conditions) => {
                for condition in conditions {
                    if condition.holds(here, root, heap, visits)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::All(conditions) => {
                for condition in conditions {
                    if !condition.holds(here, root, heap, visits)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Not(condition) => Ok(!condition.holds(here, root, heap, visits)?),
            Self::IsThere(operand) => {
                Ok(operand.value(here, root, heap, visits)? != Plain::Missing)
            }
            Self::Fits(operand, pattern, weight) => {
                Ok(match operand.value(here, root, heap, visits)? {
                    Plain::Text(text) => {
                        visits.steps(text::steps_of_search(text.len(), *weight))?;
                        pattern.is_match(&text)
                    }
                    Plain::Missing
                    | Plain::Null
                    | Plain::Bool(_)
                    | Plain::Number(_)
                    | Plain::List(_)
                    | Plain::Other => false,
                })
            }
            Self::Compare(left, comparison, right) => {
                let left = left.value(here, root, heap, visits)?;
                let right = right.value(here, root, heap, visits)?;
                Ok(comparison.holds(&left, &right))
            }
        }
    }
}

impl Comparison {
    fn holds(self, left: &Plain, right: &Plain) -> bool {
        let order = match (left, right) {
            (Plain::Number(left), Plain::Number(right)) => left.partial_cmp(right),
            (Plain::Text(left), Plain::Text(right)) => Some(left.cmp(right)),
            _ => None,
        };
        let is_among = || matches!(right, Plain::List(items) if items.contains(left));
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => order.is_some_and(std::cmp::Ordering::is_lt),
            Self::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
            Self::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
            Self::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
            Self::Among => is_among(),
            Self::NotAmong => !is_among(),
        }
    }
}

impl Operand {
    fn value(
        &self,
        here: &Value,
        root: &Value,
        heap: &Heap,
        visits: &mut Visits<'_>,
    ) -> Result<Plain, TooMany> {
        Ok(match self {
            Self::Here(path) => plain(path.find(here, heap, visits)?, heap, visits)?,
            Self::Root(path) => plain(path.find(root, heap, visits)?, heap, visits)?,
            Self::Text(text) => Plain::Text(text.clone()),
            Self::Number(number) => Plain::Number(*number),
            Self::Bool(value) => Plain::Bool(*value),
            Self::Null => Plain::Null,
            Self::List(items) => {
                let mut values = Vec::new();
                for item in items {
                    values.push(item.value(here, root, heap, visits)?);
                }
                Plain::List(values)
            }
        })
    }
}

fn plain(found: Found, heap: &Heap, visits: &mut Visits<'_>) -> Result<Plain, TooMany> {
    Ok(match found {
        Found::Nothing => Plain::Missing,
        Found::Several(values) if values.is_empty() => Plain::Missing,
        Found::Several(values) => {
            let values = values.iter().map(|value| plain_of(value, heap, visits));
            Plain::List(values.collect::<Result<_, _>>()?)
        }
        Found::One(value) => plain_of(&value, heap, visits)?,
    })
}

/// It is copied, however large it is.
fn plain_of(value: &Value, heap: &Heap, visits: &mut Visits<'_>) -> Result<Plain, TooMany> {
    Ok(match value {
        Value::Null => Plain::Null,
        Value::Bool(value) => Plain::Bool(*value),
        #[expect(
            clippy::cast_precision_loss,
            reason = "numbers of JSON are compared as such"
        )]
        Value::Whole(number) => Plain::Number(*number as f64),
        Value::Decimal(number) => Plain::Number(*number),
        Value::Text(text) => {
            visits.passed(text.len())?;
            Plain::Text(text.to_string())
        }
        Value::List(list) => {
            visits.passed(heap.items(*list).len())?;
            let flat = |item: &Value| {
                if item.as_list().is_some() {
                    return Ok(Plain::Other);
                }
                plain_of(item, heap, visits)
            };
            let items = heap.items(*list).iter().map(flat);
            Plain::List(items.collect::<Result<_, _>>()?)
        }
        Value::Map(_)
        | Value::Entry(_)
        | Value::Block(_)
        | Value::Loop(_)
        | Value::Input
        | Value::Util => Plain::Other,
    })
}
