//! In which order resources are made: what each depends on, and circles.
//!
//! Lives here: dependencies from functions and `DependsOn`, a stable order, whole circles with their places.
//! Does not live here: making anything (`deployment`), what a function gives (`intrinsics`).
//!
//! Contract: AWS CloudFormation Template Reference, "`DependsOn` attribute". As there, both branches of an `Fn::If`
//! count, and so do resources whose condition does not hold.

use std::collections::{BTreeMap, BTreeSet};

use model::ids::LogicalId;
use model::problem::{Place, Problem};

use crate::intrinsics::sub;
use crate::node::{Kind, Node};
use crate::template::Template;

/// An order of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// All resources that can be made: each after all that it depends on; what is free to choose, in the order of
    /// the file.
    pub resources: Vec<LogicalId>,
    /// What each resource depends on, and where it says so first.
    pub dependencies: BTreeMap<LogicalId, BTreeMap<LogicalId, Place>>,
    /// Circles, and `DependsOn` of what does not exist.
    pub problems: Vec<Problem>,
}

impl Order {
    /// Orders the resources of a template. Those in a circle, or behind one, are left out.
    #[must_use]
    pub fn of(template: &Template) -> Self {
        let mut problems = Vec::new();
        let mut dependencies = BTreeMap::new();
        for (id, resource) in &template.resources {
            let mut found = BTreeMap::new();
            for dependency in &resource.depends_on {
                let target = LogicalId::new(dependency.name.as_str());
                if template.resources.contains_key(&target) {
                    found.entry(target).or_insert(dependency.place.clone());
                } else {
                    problems.push(unknown_dependency(id, &dependency.name, &dependency.place));
                }
            }
            references(&resource.properties, template, &mut found);
            dependencies.insert(id.clone(), found);
        }
        let resources = linear(template, &dependencies);
        let placed: BTreeSet<&LogicalId> = resources.iter().collect();
        problems.extend(circles(template, &dependencies, &placed));
        Self {
            resources,
            dependencies,
            problems,
        }
    }
}

fn unknown_dependency(id: &LogicalId, name: &str, place: &Place) -> Problem {
    Problem::error(
        "order::unknown",
        format!("`{id}` depends on `{name}`, which is no resource"),
    )
    .at(place)
    .because(format!(
        "CloudFormation: unresolved resource dependencies [{name}] in the Resources block of the template"
    ))
    .help("add the resource, or mend the name")
}

/// Every resource that a node refers to.
fn references(node: &Node, template: &Template, found: &mut BTreeMap<LogicalId, Place>) {
    let mut add = |name: &str, place: &Place| {
        let id = LogicalId::new(name);
        if template.resources.contains_key(&id) {
            found.entry(id).or_insert_with(|| place.clone());
        }
    };
    match &node.kind {
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) => {}
        Kind::Sequence(items) => {
            for item in items {
                references(item, template, found);
            }
        }
        Kind::Mapping(mapping) => {
            let mut entries = mapping.iter();
            if let (Some(only), None) = (entries.next(), entries.next()) {
                match (only.key.as_str(), &only.value.kind) {
                    ("Ref", Kind::String(name)) => add(name, &node.place),
                    ("Fn::GetAtt", Kind::String(text)) => {
                        add(text.split('.').next().unwrap_or_default(), &node.place);
                    }
                    ("Fn::GetAtt", Kind::Sequence(items)) => {
                        if let Some(name) = items.first().and_then(Node::as_str) {
                            add(name, &node.place);
                        }
                    }
                    ("Fn::Sub", Kind::String(text)) => {
                        substituted(text, &[], &node.place, &mut add);
                    }
                    ("Fn::Sub", Kind::Sequence(items)) => {
                        let text = items.first().and_then(Node::as_str).unwrap_or_default();
                        let values = items.get(1).and_then(Node::as_mapping);
                        let own = values.into_iter().flatten();
                        let own: Vec<&str> = own.map(|entry| entry.key.as_str()).collect();
                        substituted(text, &own, &node.place, &mut add);
                    }
                    _others => {}
                }
            }
            for entry in mapping {
                references(&entry.value, template, found);
            }
        }
    }
}

fn substituted(text: &str, own: &[&str], place: &Place, add: &mut dyn FnMut(&str, &Place)) {
    for part in sub::parts(text) {
        match part {
            sub::Part::Literal(_) => {}
            sub::Part::Name { name, .. } if own.contains(&name) => {}
            sub::Part::Name { name, .. } => add(name.split('.').next().unwrap_or_default(), place),
        }
    }
}

/// Rounds over the file, each taking what has become free: stable, and at most as many rounds as resources.
fn linear(
    template: &Template,
    dependencies: &BTreeMap<LogicalId, BTreeMap<LogicalId, Place>>,
) -> Vec<LogicalId> {
    let mut placed = BTreeSet::new();
    let mut order = Vec::new();
    loop {
        let before = order.len();
        for id in template.resources.keys() {
            let is_free = dependencies
                .get(id)
                .is_none_or(|needed| needed.keys().all(|one| placed.contains(one)));
            if is_free && placed.insert(id.clone()) {
                order.push(id.clone());
            }
        }
        if order.len() == before {
            return order;
        }
    }
}

/// One problem a circle. Follows, from each resource that was not placed, one dependency that was not placed
/// either: that must end in a circle.
fn circles(
    template: &Template,
    dependencies: &BTreeMap<LogicalId, BTreeMap<LogicalId, Place>>,
    placed: &BTreeSet<&LogicalId>,
) -> Vec<Problem> {
    let mut reported: BTreeSet<&LogicalId> = BTreeSet::new();
    let mut problems = Vec::new();
    for start in template.resources.keys() {
        let mut way: Vec<(&LogicalId, &Place)> = Vec::new();
        let mut at = start;
        while !placed.contains(at) && !reported.contains(at) {
            if let Some(entry) = way.iter().position(|(id, _)| *id == at) {
                let circle = way.split_off(entry);
                reported.extend(circle.iter().map(|(id, _)| *id));
                problems.push(circular(&circle));
                break;
            }
            let next = dependencies
                .get(at)
                .and_then(|needed| needed.iter().find(|(id, _)| !placed.contains(id)));
            let Some((next, place)) = next else { break };
            way.push((at, place));
            at = next;
        }
    }
    problems
}

fn circular(circle: &[(&LogicalId, &Place)]) -> Problem {
    let names: Vec<&str> = circle.iter().map(|(id, _)| id.as_str()).collect();
    let steps: Vec<String> = circle
        .iter()
        .map(|(id, place)| format!("`{id}` refers on at {place}"))
        .collect();
    let problem = Problem::error(
        "order::circular",
        format!(
            "circular dependency between resources: [{}]",
            names.join(", ")
        ),
    )
    .because(steps.join("; "))
    .help("take one of the references out, or move it into a resource of its own");
    match circle.first() {
        Some((_, place)) => problem.at(place),
        None => problem,
    }
}
