//! Reading filter policies.
//!
//! Lives here: the shapes that are accepted, in the order in which the service finds fault, and its words.
//! Does not live here: trying messages (`filter`, `value_test`).
//!
//! Contract: Amazon SNS Developer Guide, "Filter policy constraints". What is said of a fault ends where the service adds the
//! line and column of its parser.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::value_test::{Bound, Test};
use super::{FilterPolicy, Nesting, Node, Wanted};

/// Combinations of values.
const COMBINATIONS_MAX: u64 = 150;
/// Names at the top.
const KEYS_MAX: usize = 5;
/// How deep fields may nest: a policy is walked recursively.
const DEPTH_MAX: u64 = 100;
/// Numbers that can be compared.
const NUMBER_MAX: f64 = 5.0e9;
const OR: &str = "$or";

/// A text is no filter policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FilterPolicyError {
    /// The service's words.
    pub reason: String,
}

type Read<T> = Result<T, FilterPolicyError>;

pub(super) fn read(text: &str) -> Read<Option<FilterPolicy>> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| fault(format!("failed to parse JSON. {error}")))?;
    let Value::Object(members) = value else {
        return Err(fault("Filter is not an object"));
    };
    if members.is_empty() {
        return Ok(None);
    }
    let mut nesting = Nesting::Flat;
    let root = node(&members, 1, &mut nesting)?;
    if KEYS_MAX < keys(&members) {
        return Err(fault(format!(
            "Filter policy can not have more than {KEYS_MAX} keys"
        )));
    }
    if COMBINATIONS_MAX < combinations(&members, 1) {
        return Err(fault("Filter policy is too complex"));
    }
    Ok(Some(FilterPolicy { root, nesting }))
}

fn fault(reason: impl Into<String>) -> FilterPolicyError {
    FilterPolicyError {
        reason: reason.into(),
    }
}

fn node(members: &Map<String, Value>, depth: u64, nesting: &mut Nesting) -> Read<Node> {
    if DEPTH_MAX < depth {
        return Err(fault("Filter policy is too complex"));
    }
    if members.is_empty() {
        return Err(fault("Empty objects are not allowed"));
    }
    let mut found = Node::default();
    for (name, value) in members {
        if let Some(listed) = alternatives(name, value) {
            let listed = listed.into_iter().map(|one| node(one, depth, nesting));
            found.alternatives.push(listed.collect::<Read<_>>()?);
            continue;
        }
        let wanted = match value {
            Value::Object(inner) => {
                *nesting = Nesting::Nested;
                Wanted::Object(node(inner, depth + 1, nesting)?)
            }
            Value::Array(values) if values.is_empty() => {
                return Err(fault("Empty arrays are not allowed"));
            }
            Value::Array(values) => {
                let tests = values.iter().map(test);
                Wanted::AnyOf(tests.collect::<Read<_>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(fault(format!("\"{name}\" must be an object or an array")));
            }
        };
        place(&mut found, name, wanted);
    }
    Ok(found)
}

/// Takes a name with dots apart, and joins what is asked of one object.
fn place(node: &mut Node, name: &str, wanted: Wanted) {
    let (step, wanted) = match name.split_once('.') {
        None => (name, wanted),
        Some((step, rest)) => {
            let mut inner = Node::default();
            place(&mut inner, rest, wanted);
            (step, Wanted::Object(inner))
        }
    };
    let known = node.named.iter_mut().find_map(|(name, known)| match known {
        Wanted::Object(known) if name == step => Some(known),
        Wanted::Object(_) | Wanted::AnyOf(_) => None,
    });
    match (known, wanted) {
        (Some(known), Wanted::Object(inner)) => {
            for (name, wanted) in inner.named {
                place(known, &name, wanted);
            }
            known.alternatives.extend(inner.alternatives);
        }
        (Some(_) | None, wanted) => node.named.push((step.to_owned(), wanted)),
    }
}

/// The objects of an `$or`. With anything else in it, it is a field of that name.
fn alternatives<'v>(name: &str, value: &'v Value) -> Option<Vec<&'v Map<String, Value>>> {
    let listed = value.as_array().filter(|_| name == OR)?;
    let objects: Option<Vec<_>> = listed.iter().map(Value::as_object).collect();
    objects.filter(|objects| 2 <= objects.len())
}

/// Names at the top, those of alternatives included.
fn keys(members: &Map<String, Value>) -> usize {
    let of_one = |(name, value): (&String, &Value)| match alternatives(name, value) {
        None => 1,
        Some(listed) => listed.into_iter().map(keys).sum(),
    };
    members.iter().map(of_one).sum()
}

/// How many combinations of values a policy lists: each counts as often as it is deep.
fn combinations(members: &Map<String, Value>, depth: u64) -> u64 {
    members.iter().fold(1, |product: u64, (name, value)| {
        let factor = match (alternatives(name, value), value) {
            (Some(listed), _) => listed
                .into_iter()
                .map(|one| combinations(one, depth))
                .fold(0, u64::saturating_add),
            (None, Value::Object(inner)) => combinations(inner, depth + 1),
            (None, Value::Array(values)) => {
                depth.saturating_mul(u64::try_from(values.len()).unwrap_or(u64::MAX))
            }
            (None, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => 1,
        };
        product.saturating_mul(factor)
    })
}

fn test(value: &Value) -> Read<Test> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(Test::Equals(value.clone())),
        Value::Number(_) => Ok(Test::Number(in_range(value)?)),
        Value::Array(_) => Err(fault(
            "Match value must be String, number, true, false, or null",
        )),
        Value::Object(members) => {
            let mut members = members.iter();
            let Some((operator, operand)) = members.next() else {
                return Err(fault("Match expression name not found"));
            };
            let test = comparison(operator, operand)?;
            match members.next() {
                None => Ok(test),
                Some(_) => Err(fault("Only one key allowed in match expression")),
            }
        }
    }
}

fn comparison(operator: &str, operand: &Value) -> Read<Test> {
    match operator {
        "exists" => match operand {
            Value::Bool(true) => Ok(Test::Exists),
            Value::Bool(false) => Ok(Test::Absent),
            Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => Err(fault("exists match pattern must be either true or false.")),
        },
        "prefix" => text(operator, operand).map(Test::Prefix),
        "suffix" => text(operator, operand).map(Test::Suffix),
        "equals-ignore-case" => {
            text(operator, operand).map(|text| Test::IgnoringCase(text.to_lowercase()))
        }
        // The service says `prefix` of this one too.
        "cidr" => cidr(&text("prefix", operand)?),
        "numeric" => numeric(operand),
        "anything-but" => anything_but(operand),
        _ => Err(fault(format!("Unrecognized match type {operator}"))),
    }
}

fn text(operator: &str, operand: &Value) -> Read<String> {
    let text = operand.as_str().map(str::to_owned);
    text.ok_or_else(|| fault(format!("{operator} match pattern must be a string")))
}

fn anything_but(operand: &Value) -> Read<Test> {
    let one = |value: &Value| match value {
        Value::String(_) => Ok(Test::Equals(value.clone())),
        Value::Number(_) => in_range(value).map(Test::Number),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(fault(
            "Inside anything but list, start|null|boolean is not supported.",
        )),
    };
    match operand {
        Value::Object(members) => {
            let mut members = members.iter();
            let Some((operator, operand)) = members.next() else {
                return Err(fault("Anything-But expression name not found"));
            };
            if operator != "prefix" {
                return Err(fault(format!(
                    "Unsupported anything-but pattern: {operator}"
                )));
            }
            let start = text(operator, operand)?;
            if members.next().is_some() {
                return Err(fault("Only one key allowed in match expression"));
            }
            Ok(Test::Not(vec![Test::Prefix(start)]))
        }
        Value::Array(values) if values.is_empty() => Err(fault("Empty arrays are not allowed")),
        Value::Array(values) => {
            let is_mixed =
                values.iter().any(Value::is_string) && values.iter().any(Value::is_number);
            let tests = values.iter().map(one).collect::<Read<_>>()?;
            if is_mixed {
                return Err(fault(
                    "Inside anything but list, either all values are number or string, mixed type is not supported",
                ));
            }
            Ok(Test::Not(tests))
        }
        Value::String(_) | Value::Number(_) => Ok(Test::Not(vec![one(operand)?])),
        Value::Null | Value::Bool(_) => Err(fault(
            "Value of anything-but must be an array or single string/number value.",
        )),
    }
}

fn numeric(operand: &Value) -> Read<Test> {
    let Value::Array(parts) = operand else {
        return Err(fault("Value of numeric must be an array."));
    };
    let mut parts = parts.iter();
    let operator = match parts.next() {
        Some(Value::String(operator)) => operator.as_str(),
        other => {
            let shown = shown(other);
            return Err(fault(format!("Invalid member in numeric match: {shown}")));
        }
    };
    let named = if operator == "=" { "equals" } else { operator };
    let test = match operator {
        "=" | "<" | "<=" | ">" | ">=" => {
            let number = bound(named, parts.next())?;
            match operator {
                "=" => Test::Number(number),
                "<" => Test::Range(Bound::None, Bound::Open(number)),
                "<=" => Test::Range(Bound::None, Bound::Closed(number)),
                ">" => return range(Bound::Open(number), number, parts),
                _ => return range(Bound::Closed(number), number, parts),
            }
        }
        _ => {
            return Err(fault(format!(
                "Unrecognized numeric range operator: {operator}"
            )));
        }
    };
    match parts.next() {
        None => Ok(test),
        Some(_) => Err(fault("Too many elements in numeric expression")),
    }
}

/// What follows a lower bound.
fn range(low: Bound, bottom: f64, mut parts: std::slice::Iter<'_, Value>) -> Read<Test> {
    let operator = match parts.next() {
        None => return Ok(Test::Range(low, Bound::None)),
        Some(Value::String(operator)) => operator.as_str(),
        other => {
            let shown = shown(other);
            return Err(fault(format!("Bad value in numeric range: {shown}")));
        }
    };
    if operator != "<" && operator != "<=" {
        return Err(fault(format!("Bad numeric range operator: {operator}")));
    }
    let top = bound(operator, parts.next())?;
    if parts.next().is_some() {
        return Err(fault("Too many terms in numeric range expression"));
    }
    if top <= bottom {
        return Err(fault("Bottom must be less than top"));
    }
    let high = if operator == "<" {
        Bound::Open(top)
    } else {
        Bound::Closed(top)
    };
    Ok(Test::Range(low, high))
}

fn bound(operator: &str, value: Option<&Value>) -> Read<f64> {
    match value {
        Some(value) if value.is_number() => in_range(value),
        Some(_) | None => Err(fault(format!("Value of {operator} must be numeric"))),
    }
}

fn in_range(value: &Value) -> Read<f64> {
    let number = value.as_f64().filter(|number| number.abs() <= NUMBER_MAX);
    number.ok_or_else(|| fault("Value must be between -5.0E9 and 5.0E9, inclusive"))
}

/// A part as the service's parser shows it; the end of the list is one too.
fn shown(part: Option<&Value>) -> String {
    match part {
        None => "]".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(_)) => "[".to_owned(),
        Some(Value::Object(_)) => "{".to_owned(),
        Some(scalar @ (Value::Null | Value::Bool(_) | Value::Number(_))) => scalar.to_string(),
    }
}

fn cidr(text: &str) -> Read<Test> {
    let parts: Vec<&str> = text.split('/').collect();
    let [address, bits] = parts.as_slice() else {
        return Err(fault("Malformed CIDR, one '/' required"));
    };
    let bits: u8 = bits
        .parse()
        .map_err(|_| fault("Malformed CIDR, mask bits must be an integer"))?;
    let address: IpAddr = address
        .parse()
        .map_err(|_| fault(format!("Nonstandard IP address: {address}")))?;
    match address {
        IpAddr::V4(_) if 32 < bits => Err(fault("IPv4 mask bits must be < 32")),
        IpAddr::V6(_) if 128 < bits => Err(fault("IPv6 mask bits must be < 128")),
        IpAddr::V4(_) | IpAddr::V6(_) => Ok(Test::Cidr(address, bits)),
    }
}
