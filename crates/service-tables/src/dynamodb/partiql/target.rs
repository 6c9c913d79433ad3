//! Which item a write or a transactional read is about.
//!
//! Lives here: taking the whole key out of a condition; pure.
//! Does not live here: conditions that name several items (`ranges`).

use super::ranges::judge_type;
use crate::dynamodb::expressions::condition::{Condition, Operand};
use crate::dynamodb::expressions::placeholders::PathStep;
use crate::dynamodb::expressions::syntax::Comparator;
use crate::dynamodb::fault::Fault;
use crate::engine::table::Table;
use crate::engine::value::{Attributes, Value};

/// One item, and what must hold for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dynamodb) struct Target {
    /// Its key.
    pub(in crate::dynamodb) key: Attributes,
    /// The rest of the condition.
    pub(in crate::dynamodb) condition: Option<Condition>,
}

/// The item that a condition names by its whole key; none when it does not.
///
/// # Errors
/// A validation fault when a part of the key has another type.
pub(in crate::dynamodb) fn target(
    table: &Table,
    condition: Option<&Condition>,
) -> Result<Option<Target>, Fault> {
    let mut sides = Vec::new();
    if let Some(condition) = condition {
        flatten(condition, &mut sides);
    }
    let mut key = Attributes::new();
    let mut rest = Vec::new();
    for side in sides {
        let named = equality(side).and_then(|(name, value)| {
            let attribute = table.key_attributes().find(|key| key.name == name)?;
            Some((attribute, value))
        });
        match named {
            Some((attribute, value)) if !key.contains_key(&attribute.name) => {
                judge_type(value, attribute)?;
                key.insert(attribute.name.clone(), value.clone());
            }
            Some(_) | None => rest.push(side.clone()),
        }
    }
    if key.len() != table.key_attributes().count() {
        return Ok(None);
    }
    let condition = match (rest.pop(), rest.is_empty()) {
        (None, _) => None,
        (Some(only), true) => Some(only),
        (Some(last), false) => {
            rest.push(last);
            Some(Condition::And(rest))
        }
    };
    Ok(Some(Target { key, condition }))
}

/// The value that a condition demands of an attribute, whatever else it demands.
pub(in crate::dynamodb) fn demanded<'a>(
    condition: &'a Condition,
    attribute: &str,
) -> Option<&'a Value> {
    let mut sides = Vec::new();
    flatten(condition, &mut sides);
    let values = sides.into_iter().filter_map(equality);
    let mut values = values.filter(|(name, _)| *name == attribute);
    values.next().map(|(_, value)| value)
}

fn flatten<'a>(condition: &'a Condition, sides: &mut Vec<&'a Condition>) {
    if let Condition::And(inner) = condition {
        for side in inner {
            flatten(side, sides);
        }
    } else {
        sides.push(condition);
    }
}

/// The attribute and the value of `attribute = value`.
fn equality(condition: &Condition) -> Option<(&str, &Value)> {
    let Condition::Compare {
        comparator: Comparator::Equal,
        sides,
    } = condition
    else {
        return None;
    };
    match &**sides {
        [Operand::Path(path), Operand::Value(value)]
        | [Operand::Value(value), Operand::Path(path)] => match path.as_slice() {
            [PathStep::Name(name)] => Some((name, value)),
            _ => None,
        },
        _ => None,
    }
}
