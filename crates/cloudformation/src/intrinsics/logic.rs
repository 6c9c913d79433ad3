//! Conditions: `Fn::If`, `Fn::Equals`, `Fn::And`, `Fn::Or`, `Fn::Not`, `Condition`.
//!
//! Lives here: the section `Conditions`, each evaluated once, and circles among them.
//! Does not live here: which resources a condition governs (`crate::order`, `deployment`).
//!
//! Contract: AWS CloudFormation Template Reference, "Condition functions".

use std::collections::BTreeMap;

use model::problem::{Place, Problem};
use serde_json::Value;

use super::functions::text_of;
use super::{Context, Evaluator, Outcome, Scope, Setting, problem};
use crate::node::Node;

/// "Fn::And", "Fn::Or": the most conditions that one takes.
const OPERANDS_MAX: usize = 10;

/// Evaluates the section `Conditions`.
pub(super) fn all_conditions(
    context: &Context<'_>,
    scope: &dyn Scope,
) -> (BTreeMap<String, Option<bool>>, Vec<Problem>) {
    let evaluator = Evaluator::new(context, scope, Setting::Conditions);
    for name in context.template.conditions.keys() {
        // One broken condition does not keep the others from being judged.
        let failures = evaluator.run.borrow().failures;
        evaluator.run.borrow_mut().before_calls = vec![failures];
        evaluator.condition(name, None);
    }
    let run = evaluator.run.into_inner();
    (run.done, run.problems)
}

impl Evaluator<'_> {
    pub(super) fn logic(&self, name: &str, argument: &Node, place: &Place) -> Outcome {
        if name == "Fn::If" {
            return self.choose(argument);
        }
        if self.setting == Setting::Properties {
            return self.fail(
                problem(
                    &format!("`{name}` is for the section `Conditions` alone"),
                    place,
                )
                .help("declare a condition, and use it in `Fn::If`"),
            );
        }
        let value = match name {
            "Fn::Equals" => self.equals(argument),
            "Fn::Not" => self.not(argument),
            "Fn::And" => self
                .operands(argument, "Fn::And")
                .map(|all| all.iter().all(|one| *one)),
            "Fn::Or" => self
                .operands(argument, "Fn::Or")
                .map(|all| all.iter().any(|one| *one)),
            _condition => self.named(argument),
        };
        match value {
            Some(value) => Outcome::Value(Value::Bool(value)),
            None => Outcome::Failed,
        }
    }

    fn choose(&self, argument: &Node) -> Outcome {
        let refuse = || {
            self.fail(
                problem("`Fn::If` takes a condition's name and two values", &argument.place)
                    .because("CloudFormation: Fn::If requires a list argument with three elements")
                    .help("write `!If [Condition, value, otherwise]`, with `!Ref AWS::NoValue` for nothing"),
            )
        };
        let Some([condition, then, otherwise]) = argument.as_sequence() else {
            return refuse();
        };
        let Some(name) = condition.as_str() else {
            return refuse();
        };
        match self.condition(name, Some(&condition.place)) {
            Some(true) => self.evaluate(then),
            Some(false) => self.evaluate(otherwise),
            None => Outcome::Failed,
        }
    }

    fn named(&self, argument: &Node) -> Option<bool> {
        let Some(name) = argument.as_str() else {
            self.fail(problem(
                "`Condition` takes a condition's name",
                &argument.place,
            ));
            return None;
        };
        self.condition(name, Some(&argument.place))
    }

    /// Whether a condition holds; `place` is where it is used.
    fn condition(&self, name: &str, place: Option<&Place>) -> Option<bool> {
        let known = match self.setting {
            Setting::Properties => self.context.conditions.get(name).copied(),
            Setting::Conditions => self.run.borrow().done.get(name).copied(),
        };
        if let Some(known) = known {
            if known.is_none() {
                self.fail_silently();
            }
            return known;
        }
        let place = place.unwrap_or(&self.context.template.place);
        let Some(node) = self.context.template.conditions.get(name) else {
            self.fail(
                problem(&format!("no condition is called `{name}`"), place)
                    .because(format!(
                        "CloudFormation: unresolved condition dependency {name}"
                    ))
                    .help("add it to `Conditions`, or mend the name"),
            );
            return None;
        };
        if self.run.borrow().open.iter().any(|open| open == name) {
            let circle = self.run.borrow().open.join(", ");
            self.fail(
                problem(
                    &format!("conditions refer to one another in a circle: {circle}"),
                    place,
                )
                .because("CloudFormation: circular dependencies between conditions"),
            );
            return None;
        }
        self.run.borrow_mut().open.push(name.to_owned());
        let outcome = self.evaluate(node);
        self.run.borrow_mut().open.pop();
        let holds = match outcome {
            Outcome::Value(value) => boolean_of(&value),
            Outcome::NoValue | Outcome::Failed => None,
        };
        if holds.is_none() {
            self.failed_or(|| {
                self.fail(
                    problem(
                        &format!("the condition `{name}` is neither true nor false"),
                        &node.place,
                    )
                    .because(
                        "CloudFormation: every Conditions member must contain a condition function",
                    )
                    .help("use Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition"),
                )
            });
        }
        self.run.borrow_mut().done.insert(name.to_owned(), holds);
        holds
    }

    fn equals(&self, argument: &Node) -> Option<bool> {
        let Some([left, right]) = argument.as_sequence() else {
            self.fail(
                problem("`Fn::Equals` takes two values", &argument.place).because(
                    "CloudFormation: every Fn::Equals object requires a list of 2 string parameters",
                ),
            );
            return None;
        };
        match (self.evaluate(left), self.evaluate(right)) {
            (Outcome::Value(left), Outcome::Value(right)) => {
                // Numbers and booleans are texts to CloudFormation.
                match (text_of(&left), text_of(&right)) {
                    (Some(left), Some(right)) => Some(left == right),
                    (_, _) => Some(left == right),
                }
            }
            (_, _) => {
                self.failed_or(|| {
                    self.fail(problem("`Fn::Equals` takes two values", &argument.place))
                });
                None
            }
        }
    }

    fn not(&self, argument: &Node) -> Option<bool> {
        let Some([operand]) = argument.as_sequence() else {
            self.fail(
                problem("`Fn::Not` takes a list of one condition", &argument.place)
                    .because("CloudFormation: every Fn::Not object requires one boolean parameter")
                    .help("write `!Not [!Equals […]]`"),
            );
            return None;
        };
        self.operand(operand).map(|value| !value)
    }

    fn operands(&self, argument: &Node, name: &str) -> Option<Vec<bool>> {
        let operands = argument.as_sequence().unwrap_or_default();
        if operands.len() < 2 || OPERANDS_MAX < operands.len() {
            self.fail(
                problem(&format!("`{name}` takes 2 to {OPERANDS_MAX} conditions"), &argument.place)
                    .because(format!("CloudFormation: every {name} object requires a list of at least 2 and at most 10 boolean parameters")),
            );
            return None;
        }
        // All are evaluated, so that all their problems are found.
        let values: Vec<Option<bool>> = operands.iter().map(|one| self.operand(one)).collect();
        values.into_iter().collect()
    }

    fn operand(&self, node: &Node) -> Option<bool> {
        match self.evaluate(node) {
            Outcome::Value(value) => {
                let truth = boolean_of(&value);
                if truth.is_none() {
                    self.fail(
                        problem("a condition is expected here", &node.place)
                            .help("refer to a condition by `Condition: Name`"),
                    );
                }
                truth
            }
            Outcome::NoValue | Outcome::Failed => {
                self.failed_or(|| self.fail(problem("a condition is expected here", &node.place)));
                None
            }
        }
    }
}

fn boolean_of(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text == "true" => Some(true),
        Value::String(text) if text == "false" => Some(false),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}
