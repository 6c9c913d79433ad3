//! `Fn::Sub`: texts with `${…}` in them.
//!
//! Lives here: taking such a text apart, and both forms of the function.
//! Does not live here: what a name stands for (`functions`).
//!
//! Contract: AWS CloudFormation Template Reference, "Fn::Sub".

use std::collections::HashMap;

use model::problem::Place;
use serde_json::Value;

use super::functions::text_of;
use super::{Evaluator, Outcome, problem};
use crate::node::Node;

/// A stretch of such a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'t> {
    /// Stays as it is. `${!Name}` is the two parts `${` and `Name}`.
    Literal(&'t str),
    /// `${Name}`, `${Resource.Attribute}`.
    Name {
        /// What stands between the braces.
        name: &'t str,
        /// How many characters stand before its `$`.
        offset: usize,
    },
}

/// Takes a text apart. A `${` that nothing closes stays as it is.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut offset = 0;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            break;
        };
        offset += before.chars().count();
        found.push(Part::Literal(before));
        if let Some(literal) = name.strip_prefix('!') {
            found.extend(["${", literal, "}"].map(Part::Literal));
        } else {
            found.push(Part::Name { name, offset });
        }
        offset += name.chars().count() + 3;
        rest = behind;
    }
    found.push(Part::Literal(rest));
    found
}

/// Where `${name}` stands in the text of a node. Known when the text was written on one line without escapes;
/// otherwise it is the whole text that is marked.
fn place_of(node: &Node, text: &str, name: &str, offset: usize) -> Place {
    // What stands around the text on its line: nothing, quotes, `!Sub `, or both.
    const AROUND: [(usize, usize); 4] = [(0, 0), (2, 1), (5, 5), (7, 6)];
    let place = &node.place;
    let chars = text.chars().count();
    let extra = usize::try_from(place.width)
        .ok()
        .and_then(|width| width.checked_sub(chars));
    let before = AROUND
        .iter()
        .find(|(around, _)| Some(*around) == extra && !text.contains('\n'));
    let exact = before.and_then(|(_, before)| {
        let column = u32::try_from(before + offset).ok()?;
        let width = u32::try_from(name.chars().count() + 3).ok()?;
        Some(Place {
            column: place.column.checked_add(column)?,
            width,
            ..place.clone()
        })
    });
    exact.unwrap_or_else(|| place.clone())
}

impl Evaluator<'_> {
    pub(super) fn sub(&self, argument: &Node, place: &Place) -> Outcome {
        let refuse = || {
            self.fail(
                problem("`Fn::Sub` takes a text, or a text and a mapping of values", &argument.place)
                    .because("CloudFormation: one or more Fn::Sub intrinsic functions don't specify expected arguments; specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string"),
            )
        };
        if let Some(text) = argument.as_str() {
            return self.substitute(argument, text, &HashMap::new(), place);
        }
        let Some([node, values]) = argument.as_sequence() else {
            return refuse();
        };
        let (Some(text), Some(mapping)) = (node.as_str(), values.as_mapping()) else {
            return refuse();
        };
        let mut variables = HashMap::new();
        for entry in mapping {
            let value = self.evaluate(&entry.value);
            variables.insert(entry.key.as_str(), value);
        }
        self.substitute(node, text, &variables, place)
    }

    fn substitute(
        &self,
        node: &Node,
        text: &str,
        variables: &HashMap<&str, Outcome>,
        place: &Place,
    ) -> Outcome {
        let mut result = String::new();
        let mut failed = false;
        for part in parts(text) {
            let added = match part {
                Part::Literal(literal) => Some(literal.to_owned()),
                Part::Name { name, offset } => {
                    self.variable(name, variables, &place_of(node, text, name, offset))
                }
            };
            match added {
                Some(added) => {
                    if !self.spend(added.len(), place) {
                        return Outcome::Failed;
                    }
                    result.push_str(&added);
                }
                None => failed = true,
            }
        }
        if failed {
            return Outcome::Failed;
        }
        self.finished(result, place)
    }

    fn variable(
        &self,
        name: &str,
        variables: &HashMap<&str, Outcome>,
        place: &Place,
    ) -> Option<String> {
        let is_name = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | ':')
        };
        if name.is_empty() || !name.chars().all(is_name) {
            self.fail(
                problem(&format!("`${{{name}}}` does not hold a name"), place)
                    .because("CloudFormation: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons")
                    .help(format!("write `${{!{name}}}` if the text itself is meant")),
            );
            return None;
        }
        let outcome = match (variables.get(name), name.split_once('.')) {
            (Some(value), _) => value.clone(),
            (None, Some((resource, attribute))) => {
                self.attribute_by_name(resource, attribute, place)
            }
            (None, None) => self.reference_by_name(name, place),
        };
        match outcome {
            Outcome::Value(value) => match text_of(&value) {
                Some(text) => Some(text),
                None => {
                    self.fail(
                        problem(&format!("`${{{name}}}` does not stand for a text"), place)
                            .because(format!("its value is {}", kind_of(&value)))
                            .help("join a list with `Fn::Join` first"),
                    );
                    None
                }
            },
            Outcome::NoValue => {
                self.fail(problem(&format!("`${{{name}}}` has no value"), place));
                None
            }
            Outcome::Failed => None,
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
