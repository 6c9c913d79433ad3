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
use crate::template::{Dependency, Template};

/// An order of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// All resources that can be made: each after all that it depends on; what is free to choose, in the order of
    /// the file.
    pub resources: Vec<LogicalId>,
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
                    problems.push(unknown_dependency(template, id, dependency));
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
            problems,
        }
    }
}

fn unknown_dependency(template: &Template, id: &LogicalId, dependency: &Dependency) -> Problem {
    let name = &dependency.name;
    let problem = Problem::error(
        "order::unknown",
        format!("`{id}` depends on `{name}`, which is no resource"),
    )
    .at(&dependency.place);
    if let Some(unbuilt) = template.unbuilt(name) {
        return problem.because(unbuilt.because.as_str());
    }
    problem.because(format!(
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

/// The order in which rounds over the file, each taking what has become free, would place them: stable, and close to
/// the file's own. The rounds are counted, not made: a long chain that is written backwards would take as many as it
/// has resources.
fn linear(
    template: &Template,
    dependencies: &BTreeMap<LogicalId, BTreeMap<LogicalId, Place>>,
) -> Vec<LogicalId> {
    let mut needed_by: BTreeMap<&LogicalId, Vec<usize>> = BTreeMap::new();
    let mut waiting: Vec<Waiting<'_>> = Vec::new();
    for (position, id) in template.resources.keys().enumerate() {
        let needed = dependencies.get(id).into_iter().flatten();
        let mut needs = 0;
        for (one, _) in needed {
            needed_by.entry(one).or_default().push(position);
            needs += 1;
        }
        let round = 0;
        waiting.push(Waiting { id, needs, round });
    }
    let mut free: Vec<usize> = (0..waiting.len())
        .filter(|position| waiting.get(*position).is_some_and(|it| it.needs == 0))
        .collect();
    let mut placed: Vec<(usize, usize, &LogicalId)> = Vec::new();
    while let Some(position) = free.pop() {
        let Some(&Waiting { id, round, .. }) = waiting.get(position) else {
            continue;
        };
        placed.push((round, position, id));
        for dependent in needed_by.get(id).into_iter().flatten() {
            let Some(other) = waiting.get_mut(*dependent) else {
                continue;
            };
            // Whoever stands before what it needs has been passed over in the round that placed that.
            other.round = other.round.max(round + usize::from(*dependent < position));
            other.needs -= 1;
            if other.needs == 0 {
                free.push(*dependent);
            }
        }
    }
    placed.sort_unstable();
    placed.into_iter().map(|(_, _, id)| id.clone()).collect()
}

/// A resource that is not placed yet.
struct Waiting<'a> {
    id: &'a LogicalId,
    /// How many that it depends on are not placed either.
    needs: usize,
    /// The earliest round in which it can be.
    round: usize,
}

/// One problem a circle. Follows, from each resource that was not placed, one dependency that was not placed
/// either: that must end in a circle.
fn circles(
    template: &Template,
    dependencies: &BTreeMap<LogicalId, BTreeMap<LogicalId, Place>>,
    placed: &BTreeSet<&LogicalId>,
) -> Vec<Problem> {
    // Each is walked over once: the way from it leads into a circle that is known by then.
    let mut walked: BTreeSet<&LogicalId> = BTreeSet::new();
    let mut problems = Vec::new();
    for start in template.resources.keys() {
        let mut way: Vec<(&LogicalId, &Place)> = Vec::new();
        let mut at = start;
        while !placed.contains(at) {
            if !walked.insert(at) {
                if let Some(entry) = way.iter().position(|(id, _)| *id == at) {
                    problems.push(circular(&way.split_off(entry)));
                }
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
