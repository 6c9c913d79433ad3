//! Compares properties with the tables.
//!
//! Lives here: unknown names, missing ones, values of the wrong shape, and what is not carried out.
//! Does not live here: the tables (one file a service), rules about values that only one service has.

use interfaces::resource_provider::{Properties, PropertyProblem};
use model::problem::Severity;
use model::suggestion::nearest;
use serde_json::Value;

use crate::table::{Fate, Presence, Property, Shape};
use crate::values::text_of;

/// A problem that makes the resource unusable.
pub fn problem_at(path: &[&str], title: String) -> PropertyProblem {
    PropertyProblem {
        path: path.iter().map(|step| (*step).to_owned()).collect(),
        severity: Severity::Error,
        title,
        cause: None,
        help: None,
    }
}

/// Turning a problem into the one that is meant.
pub trait Details {
    /// The same, as a warning.
    fn warning(self) -> Self;
    /// The same, with its cause.
    fn because(self, cause: impl Into<String>) -> Self;
}

impl Details for PropertyProblem {
    fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

/// Everything that is wrong with these properties, or not carried out.
pub fn check_properties(
    known: &[Property],
    given: &Properties,
    path: &[&str],
    problems: &mut Vec<PropertyProblem>,
) {
    for property in known {
        if property.presence == Presence::Required && !given.contains_key(property.name) {
            problems.push(
                problem_at(path, format!("`{}` is missing", property.name))
                    .because(format!("Property {} cannot be empty.", property.name)),
            );
        }
    }
    for (name, value) in given {
        let mut here = path.to_vec();
        here.push(name);
        match known.iter().find(|property| property.name == name) {
            Some(property) => check_property(property, value, &here, problems),
            None => problems.push(unknown(known, name, &here)),
        }
    }
}

fn check_property(
    property: &Property,
    value: &Value,
    path: &[&str],
    problems: &mut Vec<PropertyProblem>,
) {
    match property.fate {
        Fate::CarriedOut => check_shape(property.shape, value, path, problems),
        Fate::NothingToDo(_) | Fate::Missing(_) if asks_for_nothing(value) => {}
        Fate::NothingToDo(_) | Fate::Missing(_) => {
            report(property.fate, property.name, path, problems);
        }
    }
}

/// Whether a value says what its absence says too: the Serverless Framework writes `Policy: ''` into every REST API.
pub fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn report(fate: Fate, what: &str, path: &[&str], problems: &mut Vec<PropertyProblem>) {
    match fate {
        Fate::CarriedOut | Fate::NothingToDo(_) => {}
        Fate::Missing(why) => problems.push(
            problem_at(path, format!("`{what}` is not carried out"))
                .warning()
                .because(why),
        ),
    }
}

fn unknown(known: &[Property], name: &str, path: &[&str]) -> PropertyProblem {
    let near = nearest(name, known.iter().map(|property| property.name));
    let mut problem = problem_at(path, format!("there is no property `{name}`"))
        .because(format!("Encountered unsupported property {name}"));
    problem.help = near.map(|meant| format!("did you mean `{meant}`?"));
    problem
}

fn check_shape(shape: Shape, value: &Value, path: &[&str], problems: &mut Vec<PropertyProblem>) {
    let name = path.last().copied().unwrap_or_default();
    let mut refuse = |wanted: &str| {
        problems.push(
            problem_at(path, format!("`{name}` is not {wanted}"))
                .because(format!("Value of property {name} must be {wanted}")),
        );
    };
    match shape {
        Shape::Any => {}
        Shape::Text => {
            if text_of(value).is_none() {
                refuse("of type String");
            }
        }
        Shape::Flag => {
            if !matches!(text_of(value).as_deref(), Some("true" | "false")) {
                refuse("of type Boolean");
            }
        }
        Shape::Whole(least, most) => {
            match text_of(value).and_then(|text| text.parse::<i64>().ok()) {
                None => refuse("of type Integer"),
                Some(number) if number < least || most < number => {
                    refuse(&format!("between {least} and {most}"));
                }
                Some(_) => {}
            }
        }
        Shape::Number => match text_of(value).and_then(|text| text.parse::<f64>().ok()) {
            Some(number) if number.is_finite() && 0.0 <= number => {}
            Some(_) | None => refuse("a number that is not negative"),
        },
        Shape::Choice(choices) => check_choice(choices, value, path, problems),
        Shape::TextMap => match value.as_object() {
            Some(members) if members.values().all(|member| text_of(member).is_some()) => {}
            Some(_) | None => refuse("an object with String (or simple type) properties"),
        },
        Shape::Map(member_shape) => match value.as_object() {
            None => refuse("an object"),
            Some(members) => {
                for (name, member) in members {
                    let mut here = path.to_vec();
                    here.push(name);
                    check_shape(*member_shape, member, &here, problems);
                }
            }
        },
        Shape::List(item_shape) => match value.as_array() {
            None => refuse("of type List"),
            Some(items) => {
                for (index, item) in items.iter().enumerate() {
                    let index = index.to_string();
                    let mut here = path.to_vec();
                    here.push(&index);
                    check_shape(*item_shape, item, &here, problems);
                }
            }
        },
        Shape::Object(known) => match value.as_object() {
            None => refuse("an object"),
            Some(members) => check_properties(known, members, path, problems),
        },
    }
}

fn check_choice(
    choices: &[(&str, Fate)],
    value: &Value,
    path: &[&str],
    problems: &mut Vec<PropertyProblem>,
) {
    let name = path.last().copied().unwrap_or_default();
    let text = text_of(value);
    match choices
        .iter()
        .find(|(choice, _)| text.as_deref() == Some(*choice))
    {
        Some((choice, fate)) => report(*fate, &format!("{name}: {choice}"), path, problems),
        None => {
            let all: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            let shown = text.unwrap_or_else(|| value.to_string());
            problems.push(
                problem_at(path, format!("`{shown}` is no value of `{name}`"))
                    .because(format!("it is one of {}", all.join(", "))),
            );
        }
    }
}
