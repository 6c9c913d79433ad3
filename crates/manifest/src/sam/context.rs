//! What one transformation knows and gathers.
//!
//! Lives here: parameters, the resources written so far, artefacts, problems, files that are needed.
//! Does not live here: what is written for each type (the sibling files).

use std::collections::BTreeMap;

use cloudformation::node::{Mapping, Node};
use cloudformation::parse::{self, Dialect};
use cloudformation::template::Unbuilt;
use model::artefact::Artefact;
use model::problem::{Place, Problem};

use super::nodes::{mapping, referred};
use crate::reading::{Answers, Need, ReadRequest};

/// Attributes of a resource that its generated companions have too.
const PASSED_ON: [&str; 3] = ["Condition", "DeletionPolicy", "UpdateReplacePolicy"];
/// All attributes that a resource keeps.
pub(super) const KEPT: [&str; 7] = [
    "Condition",
    "CreationPolicy",
    "DeletionPolicy",
    "DependsOn",
    "Metadata",
    "UpdatePolicy",
    "UpdateReplacePolicy",
];

/// What one transformation knows and gathers.
pub(super) struct Context<'a> {
    pub(super) request: &'a ReadRequest,
    pub(super) answers: &'a Answers,
    /// The values of parameters that have one.
    pub(super) parameters: BTreeMap<String, Node>,
    /// The resources that the template itself declares.
    pub(super) declared: Mapping,
    /// The resources of the template that is written.
    pub(super) resources: Mapping,
    /// Conditions that are written besides the template's own.
    pub(super) conditions: Mapping,
    /// What buckets tell functions: it is added to them at the end.
    pub(super) notifications: Vec<super::push::Notification>,
    /// What stands for something else in references: `Function.Alias`, and layers that got a new name.
    pub(super) renamed: BTreeMap<String, String>,
    /// What the template that is written lacks.
    pub(super) unbuilt: Vec<Unbuilt>,
    pub(super) artefacts: Vec<Artefact>,
    pub(super) problems: Vec<Problem>,
    pub(super) needs: Vec<Need>,
}

/// One resource of the manifest.
pub(super) struct Declared<'n> {
    pub(super) logical_id: &'n str,
    /// Its properties, those of `Globals` included.
    pub(super) properties: Mapping,
    /// The whole resource, for its attributes.
    pub(super) resource: Mapping,
    pub(super) place: &'n Place,
}

impl Declared<'_> {
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.properties.get(name)
    }

    /// `Condition` of the resource.
    pub(super) fn condition(&self) -> Option<&str> {
        self.resource.get("Condition").and_then(Node::as_str)
    }
}

impl<'a> Context<'a> {
    pub(super) fn new(request: &'a ReadRequest, answers: &'a Answers, template: &Mapping) -> Self {
        let declared = template.get("Parameters").and_then(Node::as_mapping);
        let mut parameters = BTreeMap::new();
        for entry in declared.into_iter().flatten() {
            let given = request
                .params
                .get(&entry.key)
                .map(|value| Node::string(value.clone(), &entry.key_place));
            if let Some(value) = given.or_else(|| entry.value.get("Default").cloned()) {
                parameters.insert(entry.key.clone(), value);
            }
        }
        let place = Place::start_of(&request.manifest);
        let region = request.region.as_deref().unwrap_or(super::REGION_DEFAULT);
        for (name, value) in [("AWS::Region", region), ("AWS::Partition", "aws")] {
            parameters.insert(name.to_owned(), Node::string(value, &place));
        }
        Self {
            request,
            answers,
            parameters,
            declared: super::nodes::members(template.get("Resources")),
            notifications: Vec::new(),
            resources: Mapping::default(),
            conditions: Mapping::default(),
            renamed: BTreeMap::new(),
            unbuilt: Vec::new(),
            artefacts: Vec::new(),
            problems: Vec::new(),
            needs: Vec::new(),
        }
    }

    /// Where the manifest begins: the place of what nothing in it causes.
    pub(super) fn start(&self) -> Place {
        Place::start_of(&self.request.manifest)
    }

    /// The node, or the parameter's value when it is a reference to one.
    pub(super) fn resolved<'s>(&'s self, node: &'s Node) -> &'s Node {
        referred(node)
            .and_then(|name| self.parameters.get(name))
            .unwrap_or(node)
    }

    /// The text of a scalar, or of the parameter that is referred to.
    pub(super) fn resolved_text(&self, node: &Node) -> Option<String> {
        self.resolved(node).scalar_text()
    }

    /// Something that the transform itself would refuse.
    pub(super) fn invalid(&mut self, code: &'static str, title: impl Into<String>, place: &Place) {
        self.problems.push(Problem::error(code, title).at(place));
    }

    /// Something that is right, and not built yet.
    pub(super) fn not_implemented(
        &mut self,
        code: &'static str,
        what: &str,
        because: &str,
        place: &Place,
    ) {
        self.problems.push(
            Problem::error(code, format!("{what} is not built yet"))
                .at(place)
                .because(because),
        );
    }

    /// A resource as the template declares it.
    pub(super) fn template_resource(&self, logical_id: &str) -> Option<&Node> {
        self.declared.get(logical_id)
    }

    /// Sets an attribute of a resource that is written.
    pub(super) fn set_attribute(&mut self, logical_id: &str, name: &str, value: Node) {
        if let Some(node) = self.resources.get_mut(logical_id)
            && let cloudformation::node::Kind::Mapping(resource) = &mut node.kind
        {
            let place = value.place.clone();
            resource.set(name, &place, value);
        }
    }

    /// Writes the resource that a declared one becomes; it keeps all attributes.
    pub(super) fn write(
        &mut self,
        declared: &Declared<'_>,
        logical_id: &str,
        resource_type: &str,
        properties: Mapping,
    ) {
        self.write_with(declared, logical_id, resource_type, properties, &KEPT);
    }

    /// Writes a companion of a declared resource; it has the condition and the policies.
    pub(super) fn write_companion(
        &mut self,
        declared: &Declared<'_>,
        logical_id: &str,
        resource_type: &str,
        properties: Mapping,
    ) {
        if self.declared.get(logical_id).is_some() {
            let title = format!(
                "`{}` makes a resource `{logical_id}`, which the template declares itself",
                declared.logical_id
            );
            self.invalid("manifest::invalid-resource", title, declared.place);
        }
        self.write_with(declared, logical_id, resource_type, properties, &PASSED_ON);
    }

    fn write_with(
        &mut self,
        declared: &Declared<'_>,
        logical_id: &str,
        resource_type: &str,
        properties: Mapping,
        attributes: &[&str],
    ) {
        let place = declared.place;
        let mut resource = Mapping::default();
        resource.set("Type", place, Node::string(resource_type, place));
        let mut written = mapping([], place);
        written.kind = cloudformation::node::Kind::Mapping(properties);
        resource.set("Properties", place, written);
        for entry in &declared.resource {
            if attributes.contains(&entry.key.as_str()) {
                resource.set(&entry.key, &entry.key_place, entry.value.clone());
            }
        }
        let node = Node::new(cloudformation::node::Kind::Mapping(resource), place);
        self.resources.set(logical_id, place, node);
    }

    /// A path beside the manifest, relative to the project's folder.
    pub(super) fn path_of(&self, path: &str) -> String {
        let folder = match self.request.manifest.rsplit_once('/') {
            Some((folder, _)) => folder,
            None => "",
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in folder.split('/').chain(path.split('/')) {
            match part {
                "" | "." => {}
                ".." if parts.last().is_some_and(|last| *last != "..") => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        if parts.is_empty() {
            ".".to_owned()
        } else {
            parts.join("/")
        }
    }

    /// The content of a YAML or JSON file beside the manifest; none while it is still needed, or when it is not there.
    pub(super) fn file(&mut self, path: &str, place: &Place) -> Option<Node> {
        let path = self.path_of(path);
        let need = Need::File(path.clone());
        match self.answers.get(&need) {
            None => {
                if !self.needs.contains(&need) {
                    self.needs.push(need);
                }
                None
            }
            Some(None) => {
                self.invalid(
                    "manifest::file-not-found",
                    format!("there is no file `{path}`"),
                    place,
                );
                None
            }
            Some(Some(content)) => {
                let parsed = parse::any(&path, content, Dialect::CloudFormation);
                self.problems.extend(parsed.problems);
                parsed.node
            }
        }
    }
}
