//! `Ref` and `Fn::GetAtt`.
//!
//! Lives here: what a name may stand for: pseudo parameters, parameters, resources and their attributes.
//! Does not live here: what resources say (`Scope`).
//!
//! Contract: AWS CloudFormation Template Reference, "Ref", "Fn::GetAtt", "Pseudo parameters reference".

use model::ids::LogicalId;
use model::problem::{Place, Problem};
use serde_json::Value;

use super::{Evaluator, Outcome, Setting, problem};
use crate::node::{Kind, Node};
use crate::template::Resource;

impl Evaluator<'_> {
    pub(super) fn reference(&self, argument: &Node, place: &Place) -> Outcome {
        let Some(name) = argument.as_str() else {
            return self.fail(
                problem(
                    &format!("`Ref` takes a name, and this is {}", argument.kind_name()),
                    &argument.place,
                )
                .because("CloudFormation: every Ref object must have a single String value"),
            );
        };
        self.reference_by_name(name, place)
    }

    /// What `Ref` of a name gives: a pseudo parameter, a parameter, or a resource.
    pub(super) fn reference_by_name(&self, name: &str, place: &Place) -> Outcome {
        if let Some(outcome) = self.pseudo_parameter(name) {
            return outcome;
        }
        if let Some(value) = self.context.parameters.get(name) {
            return self.spend_value(value.clone(), place);
        }
        if self.context.template.parameters.contains_key(name) {
            return self.fail_silently();
        }
        let resource = self.context.template.resources.get(&LogicalId::new(name));
        match resource {
            Some(resource) if self.setting == Setting::Properties => {
                if let Some(outcome) = self.refuse_absent(resource, place) {
                    return outcome;
                }
                self.answer(self.scope.reference(resource), place, || {
                    problem(&format!("`Ref` of `{name}` has no value"), place)
                })
            }
            Some(_) => self.fail(
                problem(
                    &format!("a condition cannot refer to the resource `{name}`"),
                    place,
                )
                .because("conditions are evaluated before any resource is made")
                .help("refer to parameters, mappings and other conditions"),
            ),
            None => self.fail(self.unknown_name(
                name,
                "CloudFormation: unresolved resource dependencies in the template",
                place,
            )),
        }
    }

    /// What is not there because we do not build it is no mistake of the template, and the cloud takes it.
    fn unknown_name(&self, name: &str, refused: &str, place: &Place) -> Problem {
        let template = self.context.template;
        let unbuilt = template.unbuilt(name);
        let problem = problem(
            &format!("no parameter or resource is called `{name}`"),
            place,
        )
        .because(unbuilt.map_or(refused, |it| &it.because));
        if unbuilt.is_some_and(|it| !it.may_be_misspelt) {
            return problem;
        }
        let names = template.parameters.keys().map(String::as_str);
        let mut names = names.chain(template.resources.keys().map(AsRef::as_ref));
        match names.find(|known| known.eq_ignore_ascii_case(name)) {
            Some(known) => problem.help(format!("did you mean `{known}`?")),
            None => problem.help("add it to `Resources` or `Parameters`, or mend the name"),
        }
    }

    fn pseudo_parameter(&self, name: &str) -> Option<Outcome> {
        let environment = self.context.environment;
        let region = environment.region.as_str();
        let text = match name {
            "AWS::AccountId" => environment.account.to_string(),
            "AWS::Region" => region.to_owned(),
            "AWS::StackName" => environment.stack.to_string(),
            "AWS::StackId" => environment.stack_id.clone(),
            // Every ARN that is formed here says `aws`, also for regions that live elsewhere in the cloud.
            "AWS::Partition" => model::arn::PARTITION.to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            // Stacks have no notification topics here.
            "AWS::NotificationARNs" => return Some(Outcome::Value(Value::Array(Vec::new()))),
            "AWS::NoValue" => return Some(Outcome::NoValue),
            _others => return None,
        };
        Some(Outcome::Value(Value::String(text)))
    }

    /// A resource whose condition does not hold cannot be referred to.
    fn refuse_absent(&self, resource: &Resource, place: &Place) -> Option<Outcome> {
        let condition = resource.condition.as_ref()?;
        match self.context.holds(&condition.name) {
            Some(true) => None,
            None => Some(self.fail_silently()),
            Some(false) => Some(
                self.fail(
                    problem(
                        &format!(
                            "`{}` does not exist, since the condition `{}` does not hold",
                            resource.logical_id, condition.name
                        ),
                        place,
                    )
                    .because("CloudFormation: unresolved resource dependencies in the template")
                    .help(format!(
                        "put the reference into `Fn::If: [{}, …]`",
                        condition.name
                    )),
                ),
            ),
        }
    }

    pub(super) fn attribute(&self, argument: &Node, place: &Place) -> Outcome {
        let parts = match &argument.kind {
            Kind::String(text) => text
                .split_once('.')
                .map(|(resource, attribute)| (resource.to_owned(), attribute.to_owned())),
            Kind::Sequence(items) => match items.as_slice() {
                [resource, attributes @ ..] if !attributes.is_empty() => {
                    self.attribute_parts(resource, attributes)
                }
                _others => None,
            },
            Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::Mapping(_) => None,
        };
        match parts {
            Some((resource, attribute)) if !resource.is_empty() && !attribute.is_empty() => {
                self.attribute_by_name(&resource, &attribute, place)
            }
            Some(_) | None => self.fail(
                problem("`Fn::GetAtt` takes a resource's name and an attribute's", &argument.place)
                    .because("CloudFormation: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
                    .help("write `!GetAtt Resource.Attribute`"),
            ),
        }
    }

    /// The list form; the attribute's name may come from a `Ref`, or be in several parts.
    fn attribute_parts(&self, resource: &Node, attributes: &[Node]) -> Option<(String, String)> {
        let resource = resource.as_str()?.to_owned();
        let mut names = Vec::new();
        for attribute in attributes {
            match self.evaluate(attribute) {
                Outcome::Value(Value::String(name)) => names.push(name),
                Outcome::Value(_) | Outcome::NoValue | Outcome::Failed => return None,
            }
        }
        Some((resource, names.join(".")))
    }

    /// What `Fn::GetAtt` gives.
    pub(super) fn attribute_by_name(
        &self,
        resource: &str,
        attribute: &str,
        place: &Place,
    ) -> Outcome {
        if self.setting == Setting::Conditions {
            return self.fail(
                problem("a condition cannot use `Fn::GetAtt`", place)
                    .because("conditions are evaluated before any resource is made"),
            );
        }
        let id = LogicalId::new(resource);
        let Some(found) = self.context.template.resources.get(&id) else {
            let refused = format!(
                "CloudFormation: instance of Fn::GetAtt references undefined resource {resource}"
            );
            return self.fail(self.unknown_name(resource, &refused, place));
        };
        if let Some(outcome) = self.refuse_absent(found, place) {
            return outcome;
        }
        self.answer(self.scope.attribute(found, attribute), place, || {
            let kind = &found.resource_type;
            problem(
                &format!("`{resource}` ({kind}) has no attribute `{attribute}`"),
                place,
            )
        })
    }
}
