//! A template: its sections as typed data, every part with its place.
//!
//! Lives here: reading the sections and refusing what is not one.
//! Does not live here: values of parameters (`crate::parameters`), evaluating anything (`crate::intrinsics`).
//!
//! Contract: AWS CloudFormation User Guide, "Template sections", "Resource attributes", "CloudFormation quotas".

use indexmap::IndexMap;
use model::ids::LogicalId;
use model::problem::{Place, Problem, any_error};

use crate::node::{Entry, Kind, Node};

mod parameter;
mod resource;
#[cfg(test)]
mod tests;

pub use parameter::{Parameter, ParameterType, Scalar};
pub use resource::{Dependency, Policy, Resource};

/// "CloudFormation quotas": resources in a template.
pub const RESOURCES_MAX: usize = 500;
/// "CloudFormation quotas": parameters in a template.
pub const PARAMETERS_MAX: usize = 200;
/// "CloudFormation quotas": mappings in a template.
pub const MAPPINGS_MAX: usize = 200;
/// "CloudFormation quotas": outputs in a template.
pub const OUTPUTS_MAX: usize = 200;
/// Our own: conditions in a template.
pub const CONDITIONS_MAX: usize = 500;

/// A template that was read. What could not be read is missing, and a problem says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Where it begins.
    pub place: Place,
    /// `Description`.
    pub description: Option<String>,
    /// `Parameters`, in the order of the file.
    pub parameters: IndexMap<String, Parameter>,
    /// `Mappings`: each a mapping of mappings.
    pub mappings: IndexMap<String, Node>,
    /// `Conditions`, not evaluated.
    pub conditions: IndexMap<String, Node>,
    /// `Resources`, in the order of the file.
    pub resources: IndexMap<LogicalId, Resource>,
    /// `Outputs`, in the order of the file.
    pub outputs: IndexMap<String, Output>,
    /// Whether it was read without an error. CloudFormation refuses the whole template otherwise; what is missing
    /// here may only be misspelt there.
    pub is_sound: bool,
    /// What is missing without being the template's mistake. Whoever wrote the template says so.
    pub unbuilt: Vec<Unbuilt>,
}

/// Resources that the cloud would have and this template has not, since what makes them is not built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unbuilt {
    /// What their names begin with.
    pub prefix: String,
    /// What would make them, or might, as a cause.
    pub because: String,
    /// Whether a name that begins so may also be a mistake.
    pub may_be_misspelt: bool,
}

/// One of the `Outputs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Its `Value`, not evaluated.
    pub value: Node,
    /// `Export.Name`, not evaluated.
    pub export: Option<Node>,
    /// The condition under which it exists.
    pub condition: Option<Dependency>,
    /// Where it stands.
    pub place: Place,
}

impl Template {
    /// Reads a template, as far as it can be read.
    #[must_use]
    pub fn read(node: &Node) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut template = Self {
            place: node.place.clone(),
            description: None,
            parameters: IndexMap::new(),
            mappings: IndexMap::new(),
            conditions: IndexMap::new(),
            resources: IndexMap::new(),
            outputs: IndexMap::new(),
            is_sound: false,
            unbuilt: Vec::new(),
        };
        let Kind::Mapping(sections) = &node.kind else {
            problems.push(wrong_kind("the template", "a mapping of sections", node));
            return (template, problems);
        };
        for section in sections {
            template.read_section(section, &mut problems);
        }
        if sections.get("Resources").is_none() {
            problems.push(
                Problem::error("template::no-resources", "the template has no `Resources`")
                    .at(&node.place)
                    .because("CloudFormation: at least one Resources member must be defined")
                    .help("add a `Resources` section"),
            );
        }
        template.is_sound = !any_error(&problems);
        (template, problems)
    }

    /// What would make a resource of this name, if that is not built.
    pub(crate) fn unbuilt(&self, name: &str) -> Option<&Unbuilt> {
        let mut unbuilt = self.unbuilt.iter();
        unbuilt.find(|it| name.len() > it.prefix.len() && name.starts_with(&it.prefix))
    }

    fn read_section(&mut self, section: &Entry, problems: &mut Vec<Problem>) {
        let value = &section.value;
        match section.key.as_str() {
            "AWSTemplateFormatVersion" => {
                if value.scalar_text().as_deref() != Some("2010-09-09") {
                    problems.push(
                        Problem::error(
                            "template::version",
                            "an unknown version of the template format",
                        )
                        .at(&value.place)
                        .help("the only version is `\"2010-09-09\"`"),
                    );
                }
            }
            "Description" => match value.scalar_text() {
                Some(text) => self.description = Some(text),
                None => problems.push(wrong_kind("`Description`", "a text", value)),
            },
            "Metadata" => {}
            "Parameters" => {
                for entry in members(value, "Parameters", PARAMETERS_MAX, problems) {
                    let parameter = parameter::read(entry, problems);
                    self.parameters.insert(entry.key.clone(), parameter);
                }
            }
            "Mappings" => {
                for entry in members(value, "Mappings", MAPPINGS_MAX, problems) {
                    check_mapping(entry, problems);
                    self.mappings.insert(entry.key.clone(), entry.value.clone());
                }
            }
            "Conditions" => {
                for entry in members(value, "Conditions", CONDITIONS_MAX, problems) {
                    self.conditions
                        .insert(entry.key.clone(), entry.value.clone());
                }
            }
            "Resources" => {
                for entry in members(value, "Resources", RESOURCES_MAX, problems) {
                    if let Some(resource) = resource::read(entry, problems) {
                        self.resources.insert(resource.logical_id.clone(), resource);
                    }
                }
            }
            "Outputs" => {
                for entry in members(value, "Outputs", OUTPUTS_MAX, problems) {
                    if let Some(output) = read_output(entry, problems) {
                        self.outputs.insert(entry.key.clone(), output);
                    }
                }
            }
            "Transform" => check_transform(value, problems),
            other => problems.push(unknown_section(other, &section.key_place)),
        }
    }
}

/// The members of a section, at most `count_max` of them.
fn members<'a>(
    section: &'a Node,
    name: &str,
    count_max: usize,
    problems: &mut Vec<Problem>,
) -> impl Iterator<Item = &'a Entry> + use<'a> {
    let entries = match &section.kind {
        Kind::Mapping(mapping) => {
            if let Some(extra) = mapping.iter().nth(count_max) {
                problems.push(
                    Problem::error(
                        "template::too-many",
                        format!("more than {count_max} members of `{name}`"),
                    )
                    .at(&extra.key_place)
                    .because("CloudFormation takes no more in one template")
                    .help("split the template"),
                );
            }
            Some(mapping)
        }
        Kind::Null => None,
        Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Sequence(_) => {
            problems.push(wrong_kind(&format!("`{name}`"), "a mapping", section));
            None
        }
    };
    // All are read all the same: what refers to the others would only seem to be wrong too.
    entries.into_iter().flatten()
}

fn unknown_section(name: &str, place: &Place) -> Problem {
    let problem = Problem::error(
        "template::unknown-section",
        format!("a template has no section `{name}`"),
    )
    .at(place);
    match name {
        "Rules" => Problem::error("template::not-done", "`Rules` are not checked yet")
            .at(place)
            .because("CloudFormation would check parameter values by them before it makes anything"),
        "Hooks" => Problem::error("template::not-done", "`Hooks` are not carried out")
            .at(place)
            .because("CloudFormation would run blue/green deployments by them"),
        "Globals" => problem
            .because("only the SAM transform knows `Globals`")
            .help("add `Transform: AWS::Serverless-2016-10-31`"),
        _other => problem.help(
            "the sections are AWSTemplateFormatVersion, Description, Metadata, Parameters, Mappings, Conditions, Transform, Resources and Outputs",
        ),
    }
}

/// The SAM transform has been carried out by the reader of SAM manifests before; language extensions are part of
/// `intrinsics`.
fn check_transform(value: &Node, problems: &mut Vec<Problem>) {
    let items = match &value.kind {
        Kind::Sequence(items) => items.iter().collect::<Vec<_>>(),
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Mapping(_) => {
            vec![value]
        }
    };
    for item in items {
        match item.as_str() {
            Some("AWS::Serverless-2016-10-31" | "AWS::LanguageExtensions") => {}
            name => problems.push(
                Problem::error(
                    "template::not-done",
                    format!(
                        "the transform `{}` is not carried out",
                        name.unwrap_or("AWS::Include")
                    ),
                )
                .at(&item.place)
                .because("CloudFormation would rewrite the template by it")
                .help("write out what the transform adds"),
            ),
        }
    }
}

fn check_mapping(entry: &Entry, problems: &mut Vec<Problem>) {
    let title = format!("the mapping `{}`", entry.key);
    let Kind::Mapping(top) = &entry.value.kind else {
        problems.push(wrong_kind(&title, "a mapping of mappings", &entry.value));
        return;
    };
    for second in top {
        if second.value.as_mapping().is_none() {
            problems.push(wrong_kind(
                &format!("`{}.{}`", entry.key, second.key),
                "a mapping",
                &second.value,
            ));
        }
    }
}

fn read_output(entry: &Entry, problems: &mut Vec<Problem>) -> Option<Output> {
    let name = &entry.key;
    let Kind::Mapping(parts) = &entry.value.kind else {
        problems.push(wrong_kind(
            &format!("the output `{name}`"),
            "a mapping",
            &entry.value,
        ));
        return None;
    };
    let mut output = Output {
        value: Node::new(Kind::Null, &entry.value.place),
        export: None,
        condition: None,
        place: entry.key_place.clone(),
    };
    for part in parts {
        match part.key.as_str() {
            "Description" => {}
            "Value" => output.value = part.value.clone(),
            "Condition" => output.condition = resource::name_in(&part.value, problems),
            "Export" => match part.value.get("Name") {
                Some(export) => output.export = Some(export.clone()),
                None => problems.push(
                    Problem::error("template::export", "`Export` has no `Name`")
                        .at(&part.value.place)
                        .help("write `Export: {Name: …}`"),
                ),
            },
            other => problems.push(
                Problem::error(
                    "template::unknown-key",
                    format!("an output has no `{other}`"),
                )
                .at(&part.key_place)
                .help("it has Description, Value, Condition and Export"),
            ),
        }
    }
    if parts.get("Value").is_none() {
        problems.push(
            Problem::error(
                "template::output",
                format!("the output `{name}` has no `Value`"),
            )
            .at(&entry.key_place)
            .because("CloudFormation: every Outputs member must contain a Value object")
            .help("add its `Value`"),
        );
        return None;
    }
    Some(output)
}

/// Something is not of the kind that it has to be.
fn wrong_kind(what: &str, wanted: &str, node: &Node) -> Problem {
    Problem::error(
        "template::wrong-kind",
        format!("{what} must be {wanted}, and is {}", node.kind_name()),
    )
    .at(&node.place)
}
