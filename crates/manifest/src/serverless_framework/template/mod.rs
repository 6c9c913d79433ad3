//! The template that the Serverless Framework writes for a manifest.
//!
//! Lives here: the order in which its parts are written, and how the manifest's own resources are merged in.
//! Does not live here: what each part looks like (the modules below), what a resource does (`deployment`).
//!
//! Contract: `serverless package` of the Serverless Framework 3.40, recorded in `tests/serverless_framework/cases`.

use cloudformation::node::{Kind, Mapping, Node};
use model::problem::{Place, Problem};

use super::build::{self, Object};
use super::lift;
use super::service::Service;

mod bucket;
mod events;
mod extensions;
mod functions;
mod http_api;
mod invocations;
pub(super) mod layers;
mod rest_api;
mod roles;
mod streams;
mod versions;
mod websockets;

/// A template under construction.
pub(super) struct Draft {
    pub(super) resources: Mapping,
    pub(super) outputs: Mapping,
    /// The generated role, until it is complete.
    role: Option<roles::Role>,
    pub(super) problems: Vec<Problem>,
}

/// Writes the template.
pub(super) fn write(service: &Service<'_>) -> (Node, Vec<Problem>) {
    let place = service.root.place.clone();
    let mut draft = Draft {
        resources: Mapping::default(),
        outputs: Mapping::default(),
        role: None,
        problems: Vec::new(),
    };
    bucket::write(service, &mut draft);
    roles::write(service, &mut draft);
    layers::write(service, &mut draft);
    for (id, resource) in lift::resources(service) {
        draft.add(&id, resource);
    }
    functions::write(service, &mut draft);
    // In the order of the tool, which is that of the statements in the role.
    events::schedules::write(service, &mut draft);
    events::buckets::write(service, &mut draft);
    rest_api::write(service, &mut draft);
    websockets::write(service, &mut draft);
    events::topics::write(service, &mut draft);
    streams::write(service, &mut draft);
    events::load_balancers::write(service, &mut draft);
    events::rules::write_cloud_watch(service, &mut draft);
    events::logs::write(service, &mut draft);
    events::rules::write_event_bridge(service, &mut draft);
    events::queues::write(service, &mut draft);
    http_api::write(service, &mut draft);
    if let Some(role) = draft.role.take() {
        let node = role.resource();
        draft.add(roles::LOGICAL_ID, node);
    }
    add_export_names(service, &mut draft.outputs, &place);
    let mut template = Object::new(&place)
        .with("AWSTemplateFormatVersion", "2010-09-09")
        .with(
            "Description",
            "The AWS CloudFormation template for this Serverless application",
        )
        .with(
            "Resources",
            Node::new(Kind::Mapping(draft.resources), &place),
        )
        .with("Outputs", Node::new(Kind::Mapping(draft.outputs), &place))
        .node();
    extensions::merge(service, &mut template, &mut draft.problems);
    strip_nulls(&mut template);
    (template, draft.problems)
}

impl Draft {
    /// Adds a resource, or replaces the one of this name.
    pub(super) fn add(&mut self, id: &str, resource: Object) {
        let node = resource.node();
        let place = node.place.clone();
        self.resources.set(id, &place, node);
    }

    /// Adds a resource, or merges it into the one of this name.
    fn merge(&mut self, id: &str, resource: Object) {
        let node = resource.node();
        match self.resources.get_mut(id) {
            Some(known) => build::merge(known, &node),
            None => {
                let place = node.place.clone();
                self.resources.set(id, &place, node);
            }
        }
    }

    /// Adds an item to a list among a resource's properties.
    fn append(&mut self, id: &str, property: &str, item: Node) {
        let resource = self.resources.get_mut(id).map(|node| &mut node.kind);
        let Some(Kind::Mapping(resource)) = resource else {
            return;
        };
        let properties = resource.get_mut("Properties").map(|node| &mut node.kind);
        let Some(Kind::Mapping(properties)) = properties else {
            return;
        };
        let place = item.place.clone();
        match properties.get_mut(property).map(|node| &mut node.kind) {
            Some(Kind::Sequence(items)) => items.push(item),
            Some(_) | None => {
                let list = Node::new(Kind::Sequence(vec![item]), &place);
                properties.set(property, &place, list);
            }
        }
    }

    pub(super) fn add_output(&mut self, id: &str, output: Object) {
        let node = output.node();
        let place = node.place.clone();
        self.outputs.set(id, &place, node);
    }

    /// Adds a statement to the generated role, if there is one.
    fn allow(&mut self, statement: Node) {
        if let Some(role) = &mut self.role {
            role.statements.push(statement);
        }
    }

    /// The same, unless the role has it already.
    fn allow_once(&mut self, statement: Node) {
        if let Some(role) = &mut self.role {
            let json = statement.to_json();
            if role.statements.iter().all(|other| other.to_json() != json) {
                role.statements.push(statement);
            }
        }
    }
}

fn add_export_names(service: &Service<'_>, outputs: &mut Mapping, place: &Place) {
    let names: Vec<String> = outputs.iter().map(|entry| entry.key.clone()).collect();
    for name in names {
        let export = format!("sls-{}-{}-{name}", service.name, service.stage);
        if let Some(Kind::Mapping(output)) = outputs.get_mut(&name).map(|node| &mut node.kind) {
            let node = Object::new(place).with("Name", export).node();
            output.set("Export", place, node);
        }
    }
}

/// Takes nulls out of all properties, as the tool does before it saves the template.
fn strip_nulls(template: &mut Node) {
    let Kind::Mapping(template) = &mut template.kind else {
        return;
    };
    let Some(Kind::Mapping(resources)) = template
        .get_mut("Resources")
        .map(|resources| &mut resources.kind)
    else {
        return;
    };
    let ids: Vec<String> = resources.iter().map(|entry| entry.key.clone()).collect();
    for id in ids {
        if let Some(Kind::Mapping(resource)) = resources.get_mut(&id).map(|node| &mut node.kind) {
            match resource.get_mut("Properties") {
                Some(Node {
                    kind: Kind::Null, ..
                }) => {
                    resource.remove("Properties");
                }
                Some(properties) => without_nulls(properties),
                None => {}
            }
        }
    }
}

fn without_nulls(node: &mut Node) {
    match &mut node.kind {
        Kind::Mapping(mapping) => {
            let mut kept = Mapping::default();
            for entry in mapping.iter() {
                if entry.value.kind != Kind::Null {
                    let mut value = entry.value.clone();
                    without_nulls(&mut value);
                    kept.set(&entry.key, &entry.key_place, value);
                }
            }
            *mapping = kept;
        }
        Kind::Sequence(items) => items.iter_mut().for_each(without_nulls),
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) => {}
    }
}

/// A list of tags, in the order of the mapping.
fn tag_list(tags: &[&Node], place: &Place) -> Node {
    let mut merged = Node::new(Kind::Mapping(Mapping::default()), place);
    for tags in tags {
        if let (Kind::Mapping(target), Some(source)) = (&mut merged.kind, tags.as_mapping()) {
            for entry in source {
                target.set(&entry.key, &entry.key_place, entry.value.clone());
            }
        }
    }
    let pairs: Vec<Object> = merged
        .as_mapping()
        .into_iter()
        .flat_map(|mapping| mapping.iter())
        .map(|entry| {
            Object::new(&entry.key_place)
                .with("Key", &entry.key)
                .with("Value", &entry.value)
        })
        .collect();
    build::Part::into_node(pairs, place)
}
