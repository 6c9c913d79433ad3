//! Event patterns: which events a rule, a subscription or a mapping is about.
//!
//! Lives here: reading patterns, telling what is wrong with one, matching them with events.
//! Does not live here: where events come from (`event-delivery`, the services).
//!
//! Fields of a pattern must all match; of the values that one field lists any one. An array in an event matches if one
//! of its elements does; what a pattern asks of one object inside an array, one element has to fulfil as a whole.
//!
//! Contract: Amazon EventBridge User Guide, "Creating Amazon EventBridge event patterns" and "Comparison operators for use
//! in event patterns"; AWS Lambda Developer Guide, "Control which events Lambda sends to your function".

mod operators;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use operators::Test;

/// How deep fields may nest. Events of the services nest less than twenty deep; a pattern is walked recursively.
const DEPTH_MAX: usize = 100;
/// The key that lists alternatives.
const OR: &str = "$or";

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    root: Fields,
}

/// A text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PatternError {
    /// What is wrong.
    pub reason: String,
}

/// What an object must fulfil: all of it.
#[derive(Debug, Clone, PartialEq)]
struct Fields {
    named: Vec<(String, Wanted)>,
    /// Of each list one.
    alternatives: Vec<Vec<Fields>>,
}

/// What is asked of one field.
#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    /// Its value is an object that fulfils this.
    Object(Fields),
    /// Its value, or one of its elements, passes one of these.
    AnyOf(Vec<Test>),
}

impl Pattern {
    /// Reads a pattern from its JSON.
    ///
    /// # Errors
    /// [`PatternError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        match serde_json::from_str(text) {
            Ok(value) => Self::read(&value),
            Err(error) => Err(PatternError::new(format!("it is not JSON: {error}"))),
        }
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`] says what is wrong with it.
    pub fn read(value: &Value) -> Result<Self, PatternError> {
        match value {
            Value::Object(members) => Ok(Self {
                root: read_fields(members, 0)?,
            }),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(PatternError::new("a pattern is a JSON object")),
        }
    }

    /// Whether an event matches.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        event
            .as_object()
            .is_some_and(|members| holds(&self.root, members))
    }
}

impl PatternError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

fn read_fields(members: &Map<String, Value>, depth: usize) -> Result<Fields, PatternError> {
    if DEPTH_MAX <= depth {
        let reason = format!("its fields nest more than {DEPTH_MAX} deep");
        return Err(PatternError::new(reason));
    }
    if members.is_empty() {
        return Err(PatternError::new(
            "an object without fields asks for nothing",
        ));
    }
    let mut fields = Fields {
        named: Vec::new(),
        alternatives: Vec::new(),
    };
    for (name, value) in members {
        match (alternatives(name, value), value) {
            (Some(listed), _) => {
                let listed = listed.into_iter().map(|one| read_fields(one, depth + 1));
                fields.alternatives.push(listed.collect::<Result<_, _>>()?);
            }
            (None, Value::Object(inner)) => {
                let inner = read_fields(inner, depth + 1)?;
                fields.named.push((name.clone(), Wanted::Object(inner)));
            }
            (None, Value::Array(values)) => {
                if values.is_empty() {
                    let reason = format!("`{name}` lists no value, so nothing could match");
                    return Err(PatternError::new(reason));
                }
                let tests = values.iter().map(|value| Test::read(name, value));
                let tests = tests.collect::<Result<_, _>>()?;
                fields.named.push((name.clone(), Wanted::AnyOf(tests)));
            }
            (None, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                let reason = format!("`{name}` must be an object or a list of values");
                return Err(PatternError::new(reason));
            }
        }
    }
    Ok(fields)
}

/// The objects of an `$or`. With anything else in it, it is a field of that name.
fn alternatives<'v>(name: &str, value: &'v Value) -> Option<Vec<&'v Map<String, Value>>> {
    let listed = value.as_array().filter(|_| name == OR)?;
    let objects: Option<Vec<_>> = listed.iter().map(Value::as_object).collect();
    objects.filter(|objects| 2 <= objects.len())
}

fn holds(fields: &Fields, members: &Map<String, Value>) -> bool {
    let named = |(name, wanted): &(String, Wanted)| field_holds(wanted, members.get(name));
    let one_holds = |listed: &Vec<Fields>| listed.iter().any(|fields| holds(fields, members));
    fields.named.iter().all(named) && fields.alternatives.iter().all(one_holds)
}

fn field_holds(wanted: &Wanted, value: Option<&Value>) -> bool {
    match wanted {
        Wanted::Object(fields) => match value {
            Some(Value::Object(members)) => holds(fields, members),
            Some(Value::Array(elements)) => elements
                .iter()
                .any(|element| field_holds(wanted, Some(element))),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
                // Nothing below it is there: that may be what is asked for.
                holds(fields, &Map::new())
            }
        },
        Wanted::AnyOf(tests) => tests.iter().any(|test| test.passes(&leaves(value))),
    }
}

/// The scalar at a field, or those in its array, however deep.
fn leaves(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None | Some(Value::Object(_)) => Vec::new(),
        Some(Value::Array(elements)) => elements
            .iter()
            .flat_map(|element| leaves(Some(element)))
            .collect(),
        Some(scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))) => {
            vec![scalar]
        }
    }
}
