//! One of a template's resources.
//!
//! Lives here: its type and attributes, as declared.
//! Does not live here: what its properties mean (its resource provider).
//!
//! Contract: AWS CloudFormation Template Reference, "Resource attributes".

use model::ids::LogicalId;
use model::problem::{Place, Problem};

use super::wrong_kind;
use crate::node::{Entry, Kind, Mapping, Node};

/// A resource, as declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its name.
    pub logical_id: LogicalId,
    /// Its type, as `AWS::DynamoDB::Table`.
    pub resource_type: String,
    /// Where the type stands.
    pub type_place: Place,
    /// The whole resource, for the places in it.
    pub node: Node,
    /// Its properties, not evaluated: always a mapping or an intrinsic function.
    pub properties: Node,
    /// `DependsOn`.
    pub depends_on: Vec<Dependency>,
    /// The condition under which it exists.
    pub condition: Option<Dependency>,
    /// `DeletionPolicy`: what happens to it when it leaves the template.
    pub deletion_policy: Policy,
    /// `UpdateReplacePolicy`: what happens to the old one when it is replaced.
    pub replace_policy: Policy,
    /// `Metadata`, for whoever knows it.
    pub metadata: Option<Node>,
    /// Where its name stands.
    pub place: Place,
}

/// A name that is used elsewhere than where it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The name.
    pub name: String,
    /// Where it is used.
    pub place: Place,
}

/// What becomes of a resource that is no longer wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// It is deleted.
    Delete,
    /// It stays.
    Retain,
    /// It stays, unless the very deployment that made it failed.
    RetainExceptOnCreate,
}

/// Reads one resource.
pub(super) fn read(entry: &Entry, problems: &mut Vec<Problem>) -> Option<Resource> {
    let name = &entry.key;
    let Kind::Mapping(parts) = &entry.value.kind else {
        problems.push(wrong_kind(
            &format!("the resource `{name}`"),
            "a mapping",
            &entry.value,
        ));
        return None;
    };
    if name.starts_with("Fn::ForEach") {
        problems.push(
            Problem::error("template::not-done", "`Fn::ForEach` is not carried out yet")
                .at(&entry.key_place)
                .help("write the resources out"),
        );
        return None;
    }
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        problems.push(
            Problem::error(
                "template::name",
                format!("`{name}` cannot be the name of a resource"),
            )
            .at(&entry.key_place)
            .because("CloudFormation: resource names must be alphanumeric"),
        );
    }
    let Some(resource_type) = parts.get("Type").and_then(Node::as_str) else {
        problems.push(
            Problem::error(
                "template::no-type",
                format!("the resource `{name}` has no `Type`"),
            )
            .at(&entry.key_place)
            .because("CloudFormation: every resource must have a Type attribute of type string")
            .help("add its `Type`, as `AWS::DynamoDB::Table`"),
        );
        return None;
    };
    let mut resource = Resource {
        logical_id: LogicalId::new(name.as_str()),
        resource_type: resource_type.to_owned(),
        type_place: parts
            .get("Type")
            .map_or_else(|| entry.key_place.clone(), |node| node.place.clone()),
        node: entry.value.clone(),
        properties: Node::new(Kind::Mapping(Mapping::default()), &entry.value.place),
        depends_on: Vec::new(),
        condition: None,
        deletion_policy: Policy::Delete,
        replace_policy: Policy::Delete,
        metadata: None,
        place: entry.key_place.clone(),
    };
    for part in parts {
        read_part(&mut resource, part, problems);
    }
    Some(resource)
}

fn read_part(resource: &mut Resource, part: &Entry, problems: &mut Vec<Problem>) {
    let value = &part.value;
    match part.key.as_str() {
        // The type is read by the caller. A description is for people; the version, which custom resources alone may
        // have, is `1.0` and no other.
        "Type" | "Description" | "Version" => {}
        "Properties" => match &value.kind {
            Kind::Mapping(_) => resource.properties = value.clone(),
            Kind::Null => {}
            Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Sequence(_) => {
                problems.push(wrong_kind("`Properties`", "a mapping", value));
            }
        },
        "DependsOn" => match &value.kind {
            Kind::Sequence(items) => {
                let names = items.iter().filter_map(|item| name_in(item, problems));
                resource.depends_on = names.collect();
            }
            Kind::Null
            | Kind::Bool(_)
            | Kind::Number { .. }
            | Kind::String(_)
            | Kind::Mapping(_) => resource.depends_on.extend(name_in(value, problems)),
        },
        "Condition" => resource.condition = name_in(value, problems),
        "DeletionPolicy" => resource.deletion_policy = policy(part, problems),
        "UpdateReplacePolicy" => resource.replace_policy = policy(part, problems),
        "Metadata" => resource.metadata = Some(value.clone()),
        "CreationPolicy" | "UpdatePolicy" => problems.push(
            Problem::warning(
                "template::not-done",
                format!("`{}` is not carried out", part.key),
            )
            .at(&part.key_place)
            .because(
                "resources here are ready when they are made, so there is nothing to wait for",
            ),
        ),
        other => problems.push(
            Problem::error(
                "template::unknown-key",
                format!("a resource has no attribute `{other}`"),
            )
            .at(&part.key_place)
            .because("CloudFormation refuses the whole template")
            .help(format!(
                "put `{other}` below `Properties` if it is a property of {}",
                resource.resource_type
            )),
        ),
    }
}

/// A name where one is expected.
pub(super) fn name_in(node: &Node, problems: &mut Vec<Problem>) -> Option<Dependency> {
    let name = node.as_str().map(|name| Dependency {
        name: name.to_owned(),
        place: node.place.clone(),
    });
    if name.is_none() {
        problems.push(wrong_kind("this", "a name", node));
    }
    name
}

fn policy(part: &Entry, problems: &mut Vec<Problem>) -> Policy {
    match part.value.as_str() {
        Some("Delete") => Policy::Delete,
        Some("Retain") => Policy::Retain,
        Some("RetainExceptOnCreate") if part.key == "DeletionPolicy" => {
            Policy::RetainExceptOnCreate
        }
        Some("Snapshot") => {
            problems.push(
                Problem::warning(
                    "template::not-done",
                    "no snapshots are made: the resource is kept instead",
                )
                .at(&part.value.place)
                .because("CloudFormation would make a snapshot and delete the resource"),
            );
            Policy::Retain
        }
        Some(_) | None => {
            problems.push(
                Problem::error(
                    "template::policy",
                    format!("an unknown `{}`: the resource is kept", part.key),
                )
                .at(&part.value.place)
                .help("use Delete, Retain, RetainExceptOnCreate (for DeletionPolicy alone) or Snapshot"),
            );
            Policy::Retain
        }
    }
}
