//! Evaluates a template's nodes: intrinsic functions, pseudo parameters, conditions, dynamic references.
//!
//! Lives here: what a reference may ask its surroundings (`Scope`), the walk over a tree, what leaves it.
//! Does not live here: the functions (`functions`, `references`, `sub`, `logic`, `cidr`), values of parameters (`crate::parameters`),
//! which order resources are made in (`crate::order`).
//!
//! Contract: AWS CloudFormation Template Reference, "Intrinsic function reference", "Pseudo parameters reference";
//! User Guide, "Get values stored in other services using dynamic references".

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::ids::{AccountId, Region, StackName};
use model::problem::{Place, Problem};
use serde_json::{Map, Value};

use crate::node::{Kind, Mapping, Node};
use crate::parameters;
use crate::template::{Resource, Template};

mod cidr;
pub(crate) mod dynamic;
mod functions;
mod logic;
mod references;
pub(crate) mod sub;
#[cfg(test)]
mod tests;

/// How much text one evaluation may make, in bytes: `Fn::Sub` can repeat a long parameter without end.
pub const EVALUATED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How much text all evaluations of one context may make together, in bytes.
pub const CONTEXT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many problems one evaluation gives.
pub const PROBLEMS_MAX: usize = 100;
/// How deep functions and data may be nested.
const DEPTH_MAX: usize = 2 * crate::parse::DEPTH_MAX;

/// Where a template is deployed: what its pseudo parameters say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// `AWS::AccountId`.
    pub account: AccountId,
    /// `AWS::Region`.
    pub region: Region,
    /// `AWS::StackName`.
    pub stack: StackName,
    /// `AWS::StackId`.
    pub stack_id: String,
}

/// What resources, other stacks and other services say.
pub trait Scope {
    /// What `Ref` of a resource gives: its physical id.
    fn reference(&self, resource: &Resource) -> Lookup;

    /// What `Fn::GetAtt` of a resource gives; nested names keep their dots.
    fn attribute(&self, resource: &Resource, attribute: &str) -> Lookup;

    /// The value that another stack exports under this name.
    fn import(&self, export: &str) -> Lookup;

    /// What `{{resolve:service:key}}` stands for; `service` is `ssm`, `ssm-secure` or `secretsmanager`.
    fn dynamic(&self, service: &str, key: &str) -> Lookup;
}

/// An answer of a [`Scope`].
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// The value.
    Found(Value),
    /// There is none, and this is why.
    Missing(String),
    /// There is none because of what was reported already: no further problem is made of it.
    Silent,
}

/// What became of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// Its value. What failed is left out of it; none when the node as a whole failed, or is `AWS::NoValue`.
    pub value: Option<Value>,
    /// Whether a part could not be evaluated.
    pub failed: bool,
    /// What is wrong. Empty when all that failed was reported already.
    pub problems: Vec<Problem>,
}

/// A template with the values of its parameters and conditions.
#[derive(Debug)]
pub struct Context<'a> {
    /// The template.
    pub template: &'a Template,
    environment: &'a Environment,
    parameters: BTreeMap<String, Value>,
    /// Of each condition, whether it holds; none: it could not be evaluated.
    conditions: BTreeMap<String, Option<bool>>,
    /// Bytes of text that evaluations have made so far.
    bytes: AtomicUsize,
}

impl<'a> Context<'a> {
    /// Finds the values of parameters and conditions.
    pub fn new(
        template: &'a Template,
        environment: &'a Environment,
        given: &BTreeMap<String, String>,
        scope: &dyn Scope,
    ) -> (Self, Vec<Problem>) {
        let (parameters, mut problems) = parameters::values(template, environment, given, scope);
        let mut context = Self {
            template,
            environment,
            parameters,
            conditions: BTreeMap::new(),
            bytes: AtomicUsize::new(0),
        };
        let (conditions, mut found) = logic::all_conditions(&context, scope);
        context.conditions = conditions;
        problems.append(&mut found);
        (context, problems)
    }

    /// Whether a condition holds; none when it does not exist or could not be evaluated.
    #[must_use]
    pub fn holds(&self, condition: &str) -> Option<bool> {
        self.conditions.get(condition).copied().flatten()
    }

    /// Evaluates a node: all functions carried out, `AWS::NoValue` taken out, dynamic references resolved.
    #[must_use]
    pub fn evaluate(&self, node: &Node, scope: &dyn Scope) -> Evaluated {
        let evaluator = Evaluator::new(self, scope, Setting::Properties);
        let outcome = evaluator.evaluate(node);
        let run = evaluator.run.into_inner();
        Evaluated {
            value: match outcome {
                Outcome::Value(value) => Some(value),
                Outcome::NoValue | Outcome::Failed => None,
            },
            failed: run.failed,
            problems: run.problems,
        }
    }
}

/// What a node comes to.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Value(Value),
    /// `AWS::NoValue`: whatever holds it does without.
    NoValue,
    /// A problem was reported.
    Failed,
}

/// Which functions are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setting {
    /// Resources and outputs.
    Properties,
    /// The `Conditions` section: no resources yet, and `Condition` is a function.
    Conditions,
}

/// One evaluation.
struct Evaluator<'a> {
    context: &'a Context<'a>,
    scope: &'a dyn Scope,
    setting: Setting,
    run: RefCell<Run>,
}

/// What one evaluation has used up and found.
#[derive(Default)]
struct Run {
    bytes: usize,
    is_over_reported: bool,
    depth: usize,
    failed: bool,
    /// How many failures there were, and how many of them before each call that is under way.
    failures: usize,
    before_calls: Vec<usize>,
    problems: Vec<Problem>,
    /// Conditions under evaluation, innermost last, and those that are done.
    open: Vec<String>,
    done: BTreeMap<String, Option<bool>>,
}

impl<'a> Evaluator<'a> {
    fn new(context: &'a Context<'a>, scope: &'a dyn Scope, setting: Setting) -> Self {
        Self {
            context,
            scope,
            setting,
            run: RefCell::new(Run::default()),
        }
    }

    fn evaluate(&self, node: &Node) -> Outcome {
        if DEPTH_MAX < self.run.borrow().depth {
            return self.fail(problem("nesting is too deep", &node.place));
        }
        self.run.borrow_mut().depth += 1;
        let outcome = self.evaluate_kind(node);
        self.run.borrow_mut().depth -= 1;
        outcome
    }

    fn evaluate_kind(&self, node: &Node) -> Outcome {
        match &node.kind {
            Kind::Null => Outcome::Value(Value::Null),
            Kind::Bool(value) => Outcome::Value(Value::Bool(*value)),
            Kind::Number { value, .. } => Outcome::Value(Value::Number(value.clone())),
            Kind::String(text) => self.text(text, &node.place),
            Kind::Sequence(items) => {
                let mut values = Vec::new();
                for item in items {
                    match self.evaluate(item) {
                        Outcome::Value(value) => values.push(value),
                        Outcome::NoValue | Outcome::Failed => {}
                    }
                }
                Outcome::Value(Value::Array(values))
            }
            Kind::Mapping(mapping) => match self.function_of(mapping) {
                Some((name, argument)) => {
                    let failures = self.run.borrow().failures;
                    self.run.borrow_mut().before_calls.push(failures);
                    let outcome = self.call(name, argument, &node.place);
                    self.run.borrow_mut().before_calls.pop();
                    outcome
                }
                None => self.members(mapping),
            },
        }
    }

    fn members(&self, mapping: &Mapping) -> Outcome {
        let mut values = Map::new();
        for entry in mapping {
            if entry.key.starts_with("Fn::") {
                let title = format!("`{}` must stand alone in its mapping", entry.key);
                self.fail(
                    problem(&title, &entry.key_place)
                        .because("a function takes the place of its whole mapping")
                        .help("move the other keys out"),
                );
                continue;
            }
            self.spend(entry.key.len(), &entry.key_place);
            match self.evaluate(&entry.value) {
                Outcome::Value(value) => {
                    values.insert(entry.key.clone(), value);
                }
                Outcome::NoValue | Outcome::Failed => {}
            }
        }
        Outcome::Value(Value::Object(values))
    }

    /// The function that this mapping calls, if it does.
    fn function_of<'n>(&self, mapping: &'n Mapping) -> Option<(&'n str, &'n Node)> {
        let mut entries = mapping.iter();
        let (Some(entry), None) = (entries.next(), entries.next()) else {
            return None;
        };
        let name = entry.key.as_str();
        let is_function = name == "Ref"
            || name.starts_with("Fn::")
            || (name == "Condition" && self.setting == Setting::Conditions);
        is_function.then_some((name, &entry.value))
    }

    /// A literal text, with its dynamic references resolved.
    fn text(&self, text: &str, place: &Place) -> Outcome {
        if !self.spend(text.len(), place) {
            return Outcome::Failed;
        }
        if self.setting == Setting::Properties && text.contains("{{resolve:") {
            return dynamic::resolve(self, text, place);
        }
        Outcome::Value(Value::String(text.to_owned()))
    }

    /// Takes text out of the budget. Says false, and reports it once, when it is used up.
    fn spend(&self, bytes: usize, place: &Place) -> bool {
        let before = self.context.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut run = self.run.borrow_mut();
        run.bytes = run.bytes.saturating_add(bytes);
        let is_over =
            EVALUATED_BYTES_MAX < run.bytes || CONTEXT_BYTES_MAX < before.saturating_add(bytes);
        if !is_over {
            return true;
        }
        let is_reported = std::mem::replace(&mut run.is_over_reported, true);
        drop(run);
        if is_reported {
            self.fail_silently();
        } else {
            let problem = problem("evaluating this makes too much text", place);
            self.fail(problem.because(format!(
                "one value may come to {EVALUATED_BYTES_MAX} bytes, and all of a template to {CONTEXT_BYTES_MAX}"
            )));
        }
        false
    }

    fn fail(&self, problem: Problem) -> Outcome {
        let mut run = self.run.borrow_mut();
        run.failed = true;
        run.failures += 1;
        if run.problems.len() < PROBLEMS_MAX {
            run.problems.push(problem);
        }
        Outcome::Failed
    }

    /// A failure that somebody else has reported.
    fn fail_silently(&self) -> Outcome {
        let mut run = self.run.borrow_mut();
        run.failed = true;
        run.failures += 1;
        Outcome::Failed
    }
}

/// A problem of a function's arguments.
fn problem(title: &str, place: &Place) -> Problem {
    Problem::error("intrinsics::invalid", title.to_owned()).at(place)
}
