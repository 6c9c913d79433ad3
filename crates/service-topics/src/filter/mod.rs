//! Filter policies: which messages a subscription is about.
//!
//! Lives here: policies as they are kept, their scope, trying a message.
//! Does not live here: reading a policy (`reading`), single tests (`value_test`), where policies are kept (`state`).
//!
//! Contract: Amazon SNS Developer Guide, "Amazon SNS subscription filter policies"; the words of refusals as they were recorded.
//! A dot in a name is a step: `a.b` in a policy or in a message is `b` in `a`. What a policy asks of an object inside an array,
//! one element has to fulfil as a whole.

#![expect(
    clippy::module_name_repetitions,
    reason = "the service calls them so, and they stand alone where they are used"
)]

mod reading;
mod value_test;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

pub use reading::FilterPolicyError;
use value_test::Test;

/// A policy, compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterPolicy {
    root: Node,
    nesting: Nesting,
}

/// Whether fields of a policy lie within others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nesting {
    Flat,
    Nested,
}

/// A message as policies see it. Made once for all subscriptions of a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    members: Option<Map<String, Value>>,
}

/// What an object must fulfil: all of it.
#[derive(Debug, Clone, PartialEq, Default)]
struct Node {
    named: Vec<(String, Wanted)>,
    /// Of each list one.
    alternatives: Vec<Vec<Node>>,
}

/// What is asked of one field.
#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    Object(Node),
    /// Its value, or one of its elements, passes one of these.
    AnyOf(Vec<Test>),
}

impl FilterPolicy {
    /// Reads a policy. None: it is empty, and asks for nothing.
    ///
    /// # Errors
    /// [`FilterPolicyError`], with the service's words.
    pub fn parse(text: &str) -> Result<Option<Self>, FilterPolicyError> {
        reading::read(text)
    }

    pub(crate) fn nesting(&self) -> Nesting {
        self.nesting
    }

    /// Whether it is about a message.
    #[must_use]
    pub fn matches(&self, candidate: &Candidate) -> bool {
        let members = candidate.members.as_ref();
        members.is_some_and(|members| holds(&self.root, members))
    }
}

impl Candidate {
    /// A message by its body: one that is no JSON object matches no policy.
    #[must_use]
    pub fn of_body(body: &str) -> Self {
        let members = match serde_json::from_str(body) {
            Ok(Value::Object(members)) => Some(undotted_members(members)),
            Ok(
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_),
            )
            | Err(_) => None,
        };
        Self { members }
    }

    /// A message by its attributes.
    #[must_use]
    pub fn of_members(members: Map<String, Value>) -> Self {
        Self {
            members: Some(undotted_members(members)),
        }
    }
}

/// Takes names with dots apart, however deep. Where two ways lead to one field, it has both values.
fn undotted_members(members: Map<String, Value>) -> Map<String, Value> {
    let mut taken = Map::new();
    for (name, value) in members {
        place(&mut taken, &name, undotted(value));
    }
    taken
}

fn undotted(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(undotted_members(members)),
        Value::Array(elements) => Value::Array(elements.into_iter().map(undotted).collect()),
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => scalar,
    }
}

fn place(members: &mut Map<String, Value>, name: &str, value: Value) {
    let Some((step, rest)) = name.split_once('.') else {
        join(members, name, value);
        return;
    };
    if let Some(Value::Object(inner)) = members.get_mut(step) {
        place(inner, rest, value);
        return;
    }
    let mut inner = Map::new();
    place(&mut inner, rest, value);
    join(members, step, Value::Object(inner));
}

fn join(members: &mut Map<String, Value>, name: &str, value: Value) {
    let joined = match (members.remove(name), value) {
        (None, value) => value,
        (Some(Value::Object(mut one)), Value::Object(other)) => {
            for (name, value) in other {
                join(&mut one, &name, value);
            }
            Value::Object(one)
        }
        (Some(one), other) => Value::Array(vec![one, other]),
    };
    members.insert(name.to_owned(), joined);
}

fn holds(node: &Node, members: &Map<String, Value>) -> bool {
    let named = |(name, wanted): &(String, Wanted)| field_holds(wanted, members.get(name));
    let one_holds = |nodes: &Vec<Node>| nodes.iter().any(|node| holds(node, members));
    node.named.iter().all(named) && node.alternatives.iter().all(one_holds)
}

fn field_holds(wanted: &Wanted, value: Option<&Value>) -> bool {
    match wanted {
        Wanted::Object(node) => match value {
            Some(Value::Object(members)) => holds(node, members),
            Some(Value::Array(elements)) => elements
                .iter()
                .any(|element| field_holds(wanted, Some(element))),
            // Nothing below it is there: that may be what is asked for.
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
                holds(node, &Map::new())
            }
        },
        Wanted::AnyOf(tests) => {
            let leaves = leaves(value);
            tests.iter().any(|test| test.passes(&leaves))
        }
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
