//! From what stands in a statement to values.
//!
//! Lives here: literals, sets and parameters as values, in the service's words for what is wrong with them.
//! Does not live here: reading literals (`terms`), reading parameters from JSON (`dynamodb::values`).

use std::collections::BTreeSet;

use super::malformed;
use super::syntax::{Literal, Parsed};
use crate::dynamodb::expressions::placeholders::Placeholders;
use crate::dynamodb::fault::Fault;
use crate::dynamodb::values;
use crate::engine::number::Number;
use crate::engine::value::{Attributes, Value};

/// What the exponent of a number may come to before the service cannot read it at all: a 32-bit integer.
const EXPONENT_MAX: i64 = 2_147_483_647;

/// The placeholders of a statement's trees, with the parameters of the request in place.
///
/// # Errors
/// A validation fault.
pub(super) fn bind(parsed: &Parsed, parameters: &[Value]) -> Result<Placeholders, Fault> {
    let bound = parsed
        .literals
        .iter()
        .map(|(placeholder, literal)| Ok((placeholder.clone(), value(literal, parameters)?)))
        .collect::<Result<Attributes, Fault>>()?;
    Placeholders::new(
        (!parsed.names.is_empty()).then(|| parsed.names.clone()),
        (!bound.is_empty()).then_some(Ok(bound)),
    )
}

/// The value of a literal.
///
/// # Errors
/// A validation fault.
pub(super) fn value(literal: &Literal, parameters: &[Value]) -> Result<Value, Fault> {
    under(literal, parameters, "root")
}

/// The item of an `INSERT`: each of its attributes is a value by itself.
///
/// # Errors
/// A validation fault.
pub(super) fn item(literal: &Literal, parameters: &[Value]) -> Result<Attributes, Fault> {
    if let Literal::Map(members) = literal {
        return map(members, |_, member| value(member, parameters));
    }
    let value = value(literal, parameters)?;
    if let Value::M(item) = value {
        return Ok(item);
    }
    Err(Fault::validation(format!(
        "The value of an INSERT statement must be a map; type: {}",
        value.type_name()
    )))
}

/// The same, at this place of the whole value.
fn under(literal: &Literal, parameters: &[Value], place: &str) -> Result<Value, Fault> {
    Ok(match literal {
        Literal::Plain(value) => value.clone(),
        Literal::Number(text) => Value::N(number(text, place)?),
        Literal::Parameter(index) => parameters.get(*index).cloned().ok_or_else(|| {
            Fault::validation("Number of parameters in request and statement don't match.")
        })?,
        Literal::List(members) => {
            let members = members
                .iter()
                .enumerate()
                .map(|(index, member)| under(member, parameters, &format!("{place}[{index}]")));
            Value::L(members.collect::<Result<_, _>>()?)
        }
        Literal::Map(members) => Value::M(map(members, |name, member| {
            under(member, parameters, &format!("{place}.{name}"))
        })?),
        Literal::Bag(members) => bag(members, place)?,
    })
}

fn map(
    members: &[(String, Literal)],
    value_of: impl Fn(&str, &Literal) -> Result<Value, Fault>,
) -> Result<Attributes, Fault> {
    let mut map = Attributes::new();
    for (name, member) in members {
        if let Some(fault) = values::name_fault(name) {
            return Err(fault);
        }
        map.insert(name.clone(), value_of(name, member)?);
    }
    Ok(map)
}

fn number(text: &str, place: &str) -> Result<Number, Fault> {
    if !has_readable_exponent(text) {
        return Err(malformed(""));
    }
    Number::parse(text).map_err(|error| {
        let mut fault = values::number_fault(text, error);
        fault.message.push_str(" under ");
        fault.message.push_str(place);
        fault
    })
}

/// Whether the exponent, and the scale that digits after the point make of it, are 32-bit integers.
fn has_readable_exponent(text: &str) -> bool {
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else {
        return true;
    };
    let Ok(exponent) = exponent.parse::<i64>() else {
        return false;
    };
    let fraction = digits.split_once('.').map_or(0, |(_, after)| after.len());
    let scale = i64::try_from(fraction)
        .unwrap_or(i64::MAX)
        .saturating_sub(exponent);
    exponent.abs() <= EXPONENT_MAX && scale.abs() <= EXPONENT_MAX
}

/// A set of texts or of numbers.
fn bag(members: &[Literal], place: &str) -> Result<Value, Fault> {
    let unsupported = || {
        Fault::validation(
            "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags",
        )
    };
    let Some(first) = members.first() else {
        return Err(Fault::validation("Empty bags are not supported"));
    };
    if matches!(first, Literal::Number(_)) {
        let mut numbers = Vec::with_capacity(members.len());
        for member in members {
            let Literal::Number(text) = member else {
                return Err(unsupported());
            };
            numbers.push(number(text, place)?);
        }
        return distinct(numbers).map(Value::Ns);
    }
    let mut texts = Vec::with_capacity(members.len());
    for member in members {
        let Literal::Plain(Value::S(text)) = member else {
            return Err(unsupported());
        };
        texts.push(text.clone());
    }
    distinct(texts).map(Value::Ss)
}

fn distinct<T: Ord>(members: Vec<T>) -> Result<Vec<T>, Fault> {
    let mut seen = BTreeSet::new();
    if members.iter().all(|member| seen.insert(member)) {
        return Ok(members);
    }
    Err(Fault::validation("Input collection contains duplicates"))
}
