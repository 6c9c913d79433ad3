//! The functions, one method each.
//!
//! Lives here: which function is called, and those that shape texts and lists.
//! Does not live here: `Ref` and `Fn::GetAtt` (`references`), `Fn::Sub` (`sub`), conditions (`logic`), `Fn::Cidr` (`cidr`).

use base64::Engine;
use model::problem::{Place, Problem};
use serde_json::Value;

use super::{Evaluator, Lookup, Outcome, Setting, cidr, problem};
use crate::node::Node;

impl Evaluator<'_> {
    /// Calls a function by its long name.
    pub(super) fn call(&self, name: &str, argument: &Node, place: &Place) -> Outcome {
        match name {
            "Ref" => self.reference(argument, place),
            "Fn::GetAtt" => self.attribute(argument, place),
            "Fn::Sub" => self.sub(argument, place),
            "Fn::Join" => self.join(argument, place),
            "Fn::Select" => self.select(argument, place),
            "Fn::Split" => self.split(argument, place),
            "Fn::FindInMap" => self.find_in_map(argument, place),
            "Fn::Base64" => self.base64(argument, place),
            "Fn::GetAZs" => self.availability_zones(argument, place),
            "Fn::ImportValue" => self.import(argument, place),
            "Fn::Cidr" => cidr::call(self, argument, place),
            "Fn::Length" => self.length(argument, place),
            "Fn::ToJsonString" => self.to_json_string(argument),
            "Fn::If" | "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" | "Condition" => {
                self.logic(name, argument, place)
            }
            "Fn::Transform" => self.fail(
                problem("`Fn::Transform` is not carried out here", place)
                    .because("CloudFormation would run a macro, or include a file from a bucket")
                    .help("write out what it would put here"),
            ),
            "Fn::ForEach" => self.fail(
                problem("`Fn::ForEach` is not carried out yet", place).help("write the loop out"),
            ),
            "Fn::Contains"
            | "Fn::EachMemberEquals"
            | "Fn::EachMemberIn"
            | "Fn::RefAll"
            | "Fn::ValueOf"
            | "Fn::ValueOfAll" => self.fail(
                problem(&format!("`{name}` is for the section `Rules` alone"), place)
                    .help("use conditions instead"),
            ),
            other => self.fail(
                problem(&format!("no intrinsic function is called `{other}`"), place)
                    .because("CloudFormation refuses the whole template")
                    .help("see the intrinsic function reference for their names"),
            ),
        }
    }

    fn join(&self, argument: &Node, place: &Place) -> Outcome {
        let refuse = || {
            self.fail(
                problem("`Fn::Join` takes a delimiter and a list of texts", &argument.place)
                    .because("CloudFormation: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined"),
            )
        };
        let Some([delimiter, list]) = argument.as_sequence() else {
            return refuse();
        };
        let (Outcome::Value(Value::String(delimiter)), Outcome::Value(list)) =
            (self.evaluate(delimiter), self.evaluate(list))
        else {
            return self.failed_or(refuse);
        };
        let Some(texts) = texts_of(&list) else {
            return self.failed_or(refuse);
        };
        let bytes = texts.iter().map(|text| text.len() + delimiter.len()).sum();
        if !self.spend(bytes, place) {
            return Outcome::Failed;
        }
        self.finished(texts.join(&delimiter), place)
    }

    fn select(&self, argument: &Node, _place: &Place) -> Outcome {
        let refuse = || {
            self.fail(
                problem("`Fn::Select` takes an index and a list", &argument.place)
                    .because("CloudFormation: Fn::Select requires a list argument with two elements: an integer index and a list"),
            )
        };
        let Some([index, list]) = argument.as_sequence() else {
            return refuse();
        };
        let (Outcome::Value(index), Outcome::Value(Value::Array(items))) =
            (self.evaluate(index), self.evaluate(list))
        else {
            return self.failed_or(refuse);
        };
        let Some(index) = text_of(&index).and_then(|text| text.parse::<usize>().ok()) else {
            return self.failed_or(refuse);
        };
        let count = items.len();
        match items.into_iter().nth(index) {
            Some(value) => Outcome::Value(value),
            None => self.failed_or(|| {
                self.fail(
                    problem(
                        &format!("no value at index {index}: the list has {count}"),
                        &argument.place,
                    )
                    .because(format!(
                        "CloudFormation: Fn::Select cannot select nonexistent value at index {index}"
                    )),
                )
            }),
        }
    }

    fn split(&self, argument: &Node, place: &Place) -> Outcome {
        let refuse = || {
            self.fail(
                problem("`Fn::Split` takes a delimiter and a text", &argument.place)
                    .because("CloudFormation: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split"),
            )
        };
        let Some([delimiter, text]) = argument.as_sequence() else {
            return refuse();
        };
        let (Outcome::Value(Value::String(delimiter)), Outcome::Value(text)) =
            (self.evaluate(delimiter), self.evaluate(text))
        else {
            return self.failed_or(refuse);
        };
        let Some(text) = text_of(&text) else {
            return refuse();
        };
        if delimiter.is_empty() {
            return refuse();
        }
        if !self.spend(text.len(), place) {
            return Outcome::Failed;
        }
        let parts = text.split(delimiter.as_str());
        Outcome::Value(parts.map(|part| Value::String(part.to_owned())).collect())
    }

    fn find_in_map(&self, argument: &Node, place: &Place) -> Outcome {
        let refuse = || {
            self.fail(
                problem("`Fn::FindInMap` takes a map's name and two keys", &argument.place)
                    .because("CloudFormation: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value"),
            )
        };
        let Some([map, top, second, options @ ..]) = argument.as_sequence() else {
            return refuse();
        };
        let default = match options {
            [] => None,
            [only] => match only.get("DefaultValue") {
                Some(default) => Some(default),
                None => return refuse(),
            },
            _more => return refuse(),
        };
        let mut names = Vec::new();
        for part in [map, top, second] {
            match self.evaluate(part) {
                Outcome::Value(value) => match text_of(&value) {
                    Some(name) => names.push(name),
                    None => return refuse(),
                },
                Outcome::NoValue | Outcome::Failed => return self.failed_or(refuse),
            }
        }
        let [map, top, second] = names.as_slice() else {
            return refuse();
        };
        let mapping = self.context.template.mappings.get(map);
        let found = mapping.and_then(|mapping| mapping.get(top)?.get(second));
        match (found, default) {
            // Mappings hold data alone; functions in them stay as they are written.
            (Some(node), _) => self.spend_value(node.to_json(), place),
            (None, Some(default)) => self.evaluate(default),
            (None, None) => self.fail(
                problem(&format!("`Mappings` has no `{map}.{top}.{second}`"), place)
                    .because(format!(
                        "CloudFormation: unable to get mapping for {map}::{top}::{second}"
                    ))
                    .help("add the keys to `Mappings`, or give a `DefaultValue`"),
            ),
        }
    }

    fn base64(&self, argument: &Node, place: &Place) -> Outcome {
        let refuse = || {
            self.fail(
                problem("`Fn::Base64` takes a text", &argument.place).because(
                    "CloudFormation: every Fn::Base64 object must have a String-typed value",
                ),
            )
        };
        let Outcome::Value(value) = self.evaluate(argument) else {
            return self.failed_or(refuse);
        };
        let Some(text) = text_of(&value) else {
            return self.failed_or(refuse);
        };
        if !self.spend(text.len().saturating_mul(2), place) {
            return Outcome::Failed;
        }
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        Outcome::Value(Value::String(encoded))
    }

    fn availability_zones(&self, argument: &Node, _place: &Place) -> Outcome {
        let refuse = || {
            self.fail(
                problem("`Fn::GetAZs` takes a region's name", &argument.place)
                    .help("write `!GetAZs ''` for the region of the stack"),
            )
        };
        let Outcome::Value(Value::String(region)) = self.evaluate(argument) else {
            return self.failed_or(refuse);
        };
        let region = if region.is_empty() {
            self.context.environment.region.to_string()
        } else {
            region
        };
        // A default VPC has a subnet in every zone; three zones are what nearly every region has.
        let zones = ["a", "b", "c"].map(|zone| Value::String(format!("{region}{zone}")));
        Outcome::Value(Value::Array(zones.to_vec()))
    }

    fn import(&self, argument: &Node, place: &Place) -> Outcome {
        let refuse = || {
            self.fail(problem(
                "`Fn::ImportValue` takes the name of an export",
                &argument.place,
            ))
        };
        let Outcome::Value(Value::String(export)) = self.evaluate(argument) else {
            return self.failed_or(refuse);
        };
        self.answer(self.scope.import(&export), place, || {
            problem(&format!("no export is called `{export}`"), place)
                .help("deploy the stack that exports it first")
        })
    }

    fn length(&self, argument: &Node, _place: &Place) -> Outcome {
        match self.evaluate(argument) {
            Outcome::Value(Value::Array(items)) => Outcome::Value(items.len().into()),
            Outcome::Value(_) | Outcome::NoValue | Outcome::Failed => self.failed_or(|| {
                self.fail(
                    problem("`Fn::Length` takes a list", &argument.place)
                        .because("CloudFormation: Fn::Length only accepts values of type list"),
                )
            }),
        }
    }

    fn to_json_string(&self, argument: &Node) -> Outcome {
        match self.evaluate(argument) {
            Outcome::Value(value @ (Value::Array(_) | Value::Object(_))) => {
                let text = value.to_string();
                if self.spend(text.len(), &argument.place) {
                    Outcome::Value(Value::String(text))
                } else {
                    Outcome::Failed
                }
            }
            Outcome::Value(_) | Outcome::NoValue | Outcome::Failed => self.failed_or(|| {
                self.fail(problem(
                    "`Fn::ToJsonString` takes a mapping or a list",
                    &argument.place,
                ))
            }),
        }
    }

    /// A lookup's answer as an outcome.
    pub(super) fn answer(
        &self,
        lookup: Lookup,
        place: &Place,
        missing: impl FnOnce() -> Problem,
    ) -> Outcome {
        match lookup {
            Lookup::Found(value) => self.spend_value(value, place),
            Lookup::Missing(cause) => self.fail(missing().because(cause)),
            Lookup::Silent => self.fail_silently(),
        }
    }

    pub(super) fn spend_value(&self, value: Value, place: &Place) -> Outcome {
        if self.spend(text_bytes(&value), place) {
            Outcome::Value(value)
        } else {
            Outcome::Failed
        }
    }

    /// Reports wrong arguments, unless an argument has failed and said so itself.
    pub(super) fn failed_or(&self, refuse: impl FnOnce() -> Outcome) -> Outcome {
        let run = self.run.borrow();
        let has_failed = run.before_calls.last().copied().unwrap_or(0) < run.failures;
        drop(run);
        if has_failed {
            return Outcome::Failed;
        }
        refuse()
    }

    /// A text that was put together: it may hold a dynamic reference, whose parts came from parameters.
    pub(super) fn finished(&self, text: String, place: &Place) -> Outcome {
        if self.setting == Setting::Properties && text.contains("{{resolve:") {
            return super::dynamic::resolve(self, &text, place);
        }
        Outcome::Value(Value::String(text))
    }
}

/// The text of a scalar; CloudFormation takes numbers and booleans for texts.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn texts_of(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(text_of).collect()
}

fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(text_bytes).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| key.len() + text_bytes(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}
