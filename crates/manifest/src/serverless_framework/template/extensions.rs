//! The manifest's own part of the template.
//!
//! Lives here: merging `resources` into what was generated, and `resources.extensions`, which changes parts of it.
//! Does not live here: checking resources (`cloudformation`, `deployment`).

use cloudformation::node::{Entry, Kind, Mapping, Node};
use model::problem::Problem;

use crate::serverless_framework::build;
use crate::serverless_framework::service::Service;
use crate::serverless_framework::suggestion;

/// What an extension may change.
const ATTRIBUTES: &[&str] = &[
    "Condition",
    "CreationPolicy",
    "DeletionPolicy",
    "UpdatePolicy",
    "UpdateReplacePolicy",
    "Properties",
    "DependsOn",
    "Metadata",
];

pub(super) fn merge(service: &Service<'_>, template: &mut Node, problems: &mut Vec<Problem>) {
    let Some(resources) = service.root.get("resources") else {
        return;
    };
    let mut own = resources.clone();
    let mut extensions = None;
    if let Kind::Mapping(mapping) = &mut own.kind {
        extensions = mapping.remove("extensions");
        // `Resources:` with nothing below it leaves the generated ones alone.
        for section in ["Resources", "Outputs"] {
            if mapping
                .get(section)
                .is_some_and(|node| node.kind == Kind::Null)
            {
                mapping.remove(section);
            }
        }
        build::merge(template, &own);
    }
    let Some(Kind::Mapping(extensions)) = extensions.map(|node| node.kind) else {
        return;
    };
    for extension in &extensions {
        if let Err(problem) = extend(template, extension) {
            problems.push(*problem);
        }
    }
}

fn extend(template: &mut Node, extension: &Entry) -> Result<(), Box<Problem>> {
    let resources = match &mut template.kind {
        Kind::Mapping(mapping) => mapping.get_mut("Resources"),
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Sequence(_) => {
            None
        }
    };
    let Some(Kind::Mapping(resources)) = resources.map(|node| &mut node.kind) else {
        return Ok(());
    };
    let known: Vec<String> = resources.iter().map(|entry| entry.key.clone()).collect();
    let Some(Kind::Mapping(resource)) =
        resources.get_mut(&extension.key).map(|node| &mut node.kind)
    else {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        return Err(Box::new(
            Problem::error(
                "manifest::unknown-resource-extended",
                format!("there is no resource `{}` to extend", extension.key),
            )
            .at(&extension.key_place)
            .because("`extensions` changes resources that the template has already")
            .help(suggestion::help(&extension.key, &known)),
        ));
    };
    for attribute in extension.value.as_mapping().into_iter().flatten() {
        match attribute.key.as_str() {
            "Properties" | "Metadata" => assign(resource, attribute),
            "DependsOn" => append(resource, attribute),
            known if ATTRIBUTES.contains(&known) => {
                resource.set(known, &attribute.key_place, attribute.value.clone());
            }
            other => {
                return Err(Box::new(
                    Problem::error(
                        "manifest::attribute-not-extendable",
                        format!("the attribute `{other}` cannot be extended"),
                    )
                    .at(&attribute.key_place)
                    .help(suggestion::help(other, ATTRIBUTES)),
                ));
            }
        }
    }
    Ok(())
}

/// Replaces single keys of a mapping.
fn assign(resource: &mut Mapping, attribute: &Entry) {
    if resource.get(&attribute.key).is_none() {
        let empty = Node::new(Kind::Mapping(Mapping::default()), &attribute.key_place);
        resource.set(&attribute.key, &attribute.key_place, empty);
    }
    let target = resource.get_mut(&attribute.key).map(|node| &mut node.kind);
    if let (Some(Kind::Mapping(target)), Some(source)) = (target, attribute.value.as_mapping()) {
        for entry in source {
            target.set(&entry.key, &entry.key_place, entry.value.clone());
        }
    }
}

fn append(resource: &mut Mapping, attribute: &Entry) {
    let mut items: Vec<Node> = Vec::new();
    for source in [resource.get(&attribute.key), Some(&attribute.value)] {
        match source {
            Some(Node {
                kind: Kind::Sequence(more),
                ..
            }) => items.extend(more.iter().cloned()),
            Some(one) => items.push(one.clone()),
            None => {}
        }
    }
    let node = Node::new(Kind::Sequence(items), &attribute.value.place);
    resource.set(&attribute.key, &attribute.key_place, node);
}
