//! The SAM and CloudFormation front end.
//!
//! Lives here: reading a template, and the SAM transform, which makes a CloudFormation template of it.
//! Does not live here: what CloudFormation makes of that (`cloudformation`, `deployment`).
//!
//! Contract: AWS SAM Developer Guide, "AWS SAM resources and properties"; the output of the public SAM transform.

mod apis;
mod auth;
mod code;
mod compiling;
mod context;
mod definition;
mod door;
mod events;
mod function;
mod function_url;
mod globals;
mod hash;
mod http_api;
mod invoke_config;
mod nodes;
mod others;
mod permissions;
mod policies;
mod properties;
mod pull;
mod push;
mod rename;
mod resource_policy;
mod rest_api;
mod role;
mod structure;
#[cfg(test)]
mod tests;

use cloudformation::node::{Entry, Kind, Mapping, Node};
use cloudformation::parse::{self, Dialect};
use cloudformation::template::Unbuilt;
use model::ids::{Region, StackName};
use model::problem::{Place, Problem};

use crate::reading::{Answers, ReadRequest, Reading, Step};
use apis::{Api, ApiKind, Apis};
use context::{Context, Declared};

const TRANSFORM: &str = "AWS::Serverless-2016-10-31";
const REGION_DEFAULT: &str = "us-east-1";
/// The longest name that a folder gives its stack. A stack's may have 128 letters, digits and hyphens, but templates make
/// names of functions of it, which have at most 64.
const STACK_NAME_LENGTH_MAX: usize = 24;
const STACK_NAME_DEFAULT: &str = "sam-app";

/// Reads a SAM template, or a plain CloudFormation one. CloudFormation parameters keep their names; values that the
/// request gives are handed on.
#[must_use]
pub fn read(request: &ReadRequest, answers: &Answers) -> Step {
    let parsed = parse::any(&request.manifest, &request.text, Dialect::CloudFormation);
    let mut reading = Reading {
        stack: stack_name(&request.folder_name),
        region: Region::new(request.region.as_deref().unwrap_or(REGION_DEFAULT)),
        stage: None,
        template: None,
        unbuilt: Vec::new(),
        parameters: request.params.clone(),
        artefacts: Vec::new(),
        problems: parsed.problems,
    };
    let Some(root) = parsed.node else {
        return Step::Done(Box::new(reading));
    };
    let Kind::Mapping(template) = &root.kind else {
        reading.problems.push(
            Problem::error(
                "manifest::invalid-template",
                "the template is not a mapping",
            )
            .at(&root.place),
        );
        return Step::Done(Box::new(reading));
    };
    let mut context = Context::new(request, answers, template);
    let transformed = if uses_sam(template, &mut context) {
        transform(template, &root.place, &mut context)
    } else {
        plain(template, &root.place, &mut context)
    };
    if !context.needs.is_empty() {
        return Step::Needs(context.needs);
    }
    reading.problems.append(&mut context.problems);
    reading
        .problems
        .sort_by(|left, right| left.place.cmp(&right.place));
    reading.artefacts = context.artefacts;
    reading.unbuilt = context.unbuilt;
    reading.template = Some(Node::new(Kind::Mapping(transformed), &root.place));
    Step::Done(Box::new(reading))
}

/// The folder's name, as far as a stack may be called so, and short enough for names that are made of it.
fn stack_name(folder: &str) -> StackName {
    let letters: String = folder
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .take(STACK_NAME_LENGTH_MAX)
        .collect();
    let name = letters
        .trim_start_matches(|letter: char| !letter.is_ascii_alphabetic())
        .trim_end_matches('-');
    StackName::new(if name.is_empty() {
        STACK_NAME_DEFAULT
    } else {
        name
    })
}

/// Whether the template asks for the SAM transform; others that it asks for are reported.
fn uses_sam(template: &Mapping, context: &mut Context<'_>) -> bool {
    let Some(node) = template.get("Transform") else {
        return false;
    };
    let names = node.as_sequence().unwrap_or(std::slice::from_ref(node));
    let mut uses = false;
    for name in names {
        if name.as_str() == Some(TRANSFORM) {
            uses = true;
        } else {
            let shown = name.as_str().unwrap_or("(a mapping)").to_owned();
            context.not_implemented(
                "manifest::transform-not-implemented",
                &format!("transform `{shown}`"),
                "the template is read as if it were not there",
                &name.place,
            );
            context.unbuilt.push(Unbuilt {
                prefix: String::new(),
                because: format!("the transform `{shown}` may make it, which is not built yet"),
                may_be_misspelt: true,
            });
        }
    }
    uses
}

fn plain(template: &Mapping, place: &Place, context: &mut Context<'_>) -> Mapping {
    let mut written = template.clone();
    written.remove("Transform");
    let Some(Kind::Mapping(resources)) = written.get_mut("Resources").map(|node| &mut node.kind)
    else {
        return written;
    };
    let names: Vec<String> = resources.iter().map(|entry| entry.key.clone()).collect();
    for name in names {
        let Some(Kind::Mapping(resource)) = resources.get_mut(&name).map(|node| &mut node.kind)
        else {
            continue;
        };
        let kind = resource
            .get("Type")
            .and_then(Node::as_str)
            .unwrap_or_default();
        if kind.starts_with("AWS::Serverless::") {
            context.problems.push(
                Problem::error(
                    "manifest::invalid-template",
                    format!("`{kind}` needs the SAM transform"),
                )
                .at(place)
                .help(format!(
                    "add `Transform: {TRANSFORM}` at the top of the template"
                )),
            );
        }
        others::plain(resource, &name, context);
    }
    written
}

fn transform(template: &Mapping, place: &Place, context: &mut Context<'_>) -> Mapping {
    let globals = globals::read(template, context);
    let empty = others::empty(place);
    let resources = template.get("Resources").unwrap_or(&empty);
    if resources.as_mapping().is_none_or(Mapping::is_empty) {
        context.invalid(
            "manifest::invalid-template",
            "`Resources` is a mapping of at least one resource",
            &resources.place,
        );
    }
    for entry in resources.as_mapping().into_iter().flatten() {
        structure::check_form(entry, context);
        let kind = type_of(entry);
        if let Some(section) = kind.strip_prefix("AWS::Serverless::") {
            structure::check_properties(section, &declared(entry, &globals), context);
        }
    }
    let mut apis = Apis::new();
    for entry in resources.as_mapping().into_iter().flatten() {
        let kind = match type_of(entry) {
            "AWS::Serverless::Api" => ApiKind::Rest,
            "AWS::Serverless::HttpApi" => ApiKind::Http,
            _ => continue,
        };
        let declared = declared(entry, &globals);
        let api = apis::declared(kind, declared, context);
        apis.insert(entry.key.clone(), api);
    }
    for entry in resources.as_mapping().into_iter().flatten() {
        transform_resource(entry, &globals, &mut apis, context);
    }
    for (_, api) in apis {
        match api.kind {
            ApiKind::Rest => rest_api::transform(api, context),
            ApiKind::Http => http_api::transform(api, context),
        }
    }
    push::apply(context);
    finished(template, place, context)
}

fn type_of(entry: &Entry) -> &str {
    entry
        .value
        .get("Type")
        .and_then(Node::as_str)
        .unwrap_or_default()
}

/// A resource with the properties that `Globals` adds.
fn declared<'n>(entry: &'n Entry, globals: &Mapping) -> Declared<'n> {
    let section = type_of(entry).rsplit("::").next().unwrap_or_default();
    let own = nodes::members(entry.value.get("Properties"));
    let mut properties = globals::merged(globals, section, &own, entry.value.get("IgnoreGlobals"));
    // A property without a value is one that is not there.
    let empty: Vec<String> = properties
        .iter()
        .filter(|entry| matches!(entry.value.kind, Kind::Null))
        .map(|entry| entry.key.clone())
        .collect();
    for name in empty {
        properties.remove(&name);
    }
    Declared {
        logical_id: &entry.key,
        properties,
        resource: nodes::members(Some(&entry.value)),
        place: &entry.key_place,
    }
}

fn transform_resource<'n>(
    entry: &'n Entry,
    globals: &Mapping,
    apis: &mut Apis<'n>,
    context: &mut Context<'_>,
) {
    let kind = type_of(entry);
    match kind {
        "AWS::Serverless::Api" | "AWS::Serverless::HttpApi" => {}
        "AWS::Serverless::Function" => {
            let function = declared(entry, globals);
            let target = function::transform(&function, context);
            let make_implicit = |kind: ApiKind| implicit_api(kind, globals, &entry.key_place);
            events::transform(&function, &target, apis, &make_implicit, context);
        }
        "AWS::Serverless::SimpleTable" => others::simple_table(&declared(entry, globals), context),
        "AWS::Serverless::LayerVersion" => {
            others::layer_version(&declared(entry, globals), context)
        }
        _ => {
            let unbuilt = others::UNBUILT_TYPES.contains(&kind);
            if !unbuilt && kind.starts_with("AWS::Serverless::") {
                let title = format!("there is no type `{kind}`");
                context.invalid("manifest::invalid-type", title, &entry.key_place);
            } else {
                let mut resource = entry.value.clone();
                if let Kind::Mapping(members) = &mut resource.kind {
                    members.remove("Connectors");
                    others::plain(members, &entry.key, context);
                }
                if unbuilt {
                    context.unbuilt.push(Unbuilt {
                        prefix: entry.key.clone(),
                        because: format!(
                            "it would come with `{}`: the type `{kind}` is not built yet",
                            entry.key
                        ),
                        may_be_misspelt: false,
                    });
                }
                context
                    .resources
                    .set(&entry.key, &entry.key_place, resource);
            }
        }
    }
}

fn implicit_api<'n>(kind: ApiKind, globals: &Mapping, place: &'n Place) -> Api<'n> {
    let (section, own) = match kind {
        ApiKind::Rest => ("Api", rest_api::implicit_properties(place)),
        ApiKind::Http => ("HttpApi", Mapping::default()),
    };
    apis::implicit(kind, globals::merged(globals, section, &own, None), place)
}

/// The template around the resources that were written.
fn finished(template: &Mapping, place: &Place, context: &mut Context<'_>) -> Mapping {
    let mut written = template.clone();
    written.remove("Transform");
    written.remove("Globals");
    let resources = std::mem::take(&mut context.resources);
    written.set(
        "Resources",
        place,
        Node::new(Kind::Mapping(resources), place),
    );
    if !context.conditions.is_empty()
        && let Some(conditions) = nodes::inner(&mut written, "Conditions", place)
    {
        for entry in &context.conditions {
            conditions.set(&entry.key, &entry.key_place, entry.value.clone());
        }
    }
    let mut node = Node::new(Kind::Mapping(written), place);
    rename::references(&mut node, &context.renamed);
    nodes::members(Some(&node))
}
