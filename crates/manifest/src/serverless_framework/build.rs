//! Writing nodes: mappings, references and joins, each part with the place that caused it.
//!
//! Lives here: short ways to say what templates consist of.
//! Does not live here: which resources there are (`template`).

use cloudformation::node::{Kind, Mapping, Node};
use model::problem::Place;
use serde_json::Value;

/// A mapping under construction. What it is given without a place has the mapping's.
#[derive(Debug, Clone)]
pub(super) struct Object {
    place: Place,
    mapping: Mapping,
}

/// What can be a value in a mapping.
pub(super) trait Part {
    /// The value as a node, at this place unless it has one of its own.
    fn into_node(self, place: &Place) -> Node;
}

impl Object {
    pub(super) fn new(place: &Place) -> Self {
        Self {
            place: place.clone(),
            mapping: Mapping::default(),
        }
    }

    pub(super) fn with(mut self, key: &str, value: impl Part) -> Self {
        self.set(key, value);
        self
    }

    /// Leaves the key out when there is no value.
    pub(super) fn with_some(mut self, key: &str, value: Option<impl Part>) -> Self {
        if let Some(value) = value {
            self.set(key, value);
        }
        self
    }

    pub(super) fn set(&mut self, key: &str, value: impl Part) {
        let node = value.into_node(&self.place);
        self.mapping.set(key, &self.place, node);
    }

    /// With the members of another mapping behind those that are under this key; nothing when there are none.
    pub(super) fn joining(mut self, key: &str, more: Self) -> Self {
        if more.is_empty() {
            return self;
        }
        let mut node = more.clone().node();
        if let Some(known) = self.mapping.get(key) {
            node = known.clone();
            merge(&mut node, &more.node());
        }
        self.set(key, node);
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.mapping.is_empty()
    }

    pub(super) fn node(self) -> Node {
        Node::new(Kind::Mapping(self.mapping), &self.place)
    }
}

impl Part for Node {
    fn into_node(self, _place: &Place) -> Node {
        self
    }
}

impl Part for &Node {
    fn into_node(self, _place: &Place) -> Node {
        self.clone()
    }
}

impl Part for Object {
    fn into_node(self, _place: &Place) -> Node {
        self.node()
    }
}

impl Part for &str {
    fn into_node(self, place: &Place) -> Node {
        Node::string(self, place)
    }
}

impl Part for String {
    fn into_node(self, place: &Place) -> Node {
        Node::string(self, place)
    }
}

impl Part for &String {
    fn into_node(self, place: &Place) -> Node {
        Node::string(self.clone(), place)
    }
}

impl Part for bool {
    fn into_node(self, place: &Place) -> Node {
        Node::new(Kind::Bool(self), place)
    }
}

impl Part for u32 {
    fn into_node(self, place: &Place) -> Node {
        Node::from_json(&Value::from(self), place)
    }
}

impl Part for Value {
    fn into_node(self, place: &Place) -> Node {
        Node::from_json(&self, place)
    }
}

impl<P: Part> Part for Vec<P> {
    fn into_node(self, place: &Place) -> Node {
        let items = self.into_iter().map(|item| item.into_node(place)).collect();
        Node::new(Kind::Sequence(items), place)
    }
}

/// A resource with properties.
pub(super) fn resource(resource_type: &str, properties: Object) -> Object {
    Object::new(&properties.place.clone())
        .with("Type", resource_type)
        .with("Properties", properties)
}

/// `{"Ref": id}`.
pub(super) fn reference(id: &str, place: &Place) -> Node {
    Object::new(place).with("Ref", id).node()
}

/// `{"Fn::GetAtt": [id, name]}`.
pub(super) fn attribute(id: &str, name: &str, place: &Place) -> Node {
    Object::new(place).with("Fn::GetAtt", vec![id, name]).node()
}

/// `{"Fn::Join": [separator, parts]}`.
pub(super) fn joined(separator: &str, parts: Vec<Node>, place: &Place) -> Node {
    let arguments = vec![
        Node::string(separator, place),
        Node::new(Kind::Sequence(parts), place),
    ];
    Object::new(place).with("Fn::Join", arguments).node()
}

/// `{"Fn::Sub": text}`.
pub(super) fn substituted(text: &str, place: &Place) -> Node {
    Object::new(place).with("Fn::Sub", text).node()
}

/// Parts of a join, in which `AWS::…` are pseudo parameters and all else is text.
pub(super) fn arn_parts(parts: &[&str], place: &Place) -> Vec<Node> {
    parts
        .iter()
        .map(|part| {
            if part.starts_with("AWS::") {
                reference(part, place)
            } else {
                Node::string(*part, place)
            }
        })
        .collect()
}

/// The ARN that says what may call: any method of an API, up to `suffix`.
pub(super) fn api_source_arn(api: Node, suffix: &str, place: &Place) -> Node {
    let mut parts = arn_parts(
        &[
            "arn:",
            "AWS::Partition",
            ":execute-api:",
            "AWS::Region",
            ":",
            "AWS::AccountId",
            ":",
        ],
        place,
    );
    parts.push(api);
    parts.push(Node::string(suffix, place));
    joined("", parts, place)
}

/// What API Gateway calls to invoke a function: `target` is the function's ARN, in one or more parts.
pub(super) fn invocation_uri(target: Vec<Node>, place: &Place) -> Node {
    function_uri("2015-03-31", target, "/invocations", place)
}

/// What API Gateway calls to invoke a function whose reply it hands on while it is written.
pub(super) fn streaming_uri(target: Vec<Node>, place: &Place) -> Node {
    function_uri(
        "2021-11-15",
        target,
        "/response-streaming-invocations",
        place,
    )
}

fn function_uri(version: &str, target: Vec<Node>, action: &str, place: &Place) -> Node {
    let functions = format!(":lambda:path/{version}/functions/");
    let mut parts = arn_parts(
        &[
            "arn:",
            "AWS::Partition",
            ":apigateway:",
            "AWS::Region",
            &functions,
        ],
        place,
    );
    parts.extend(target);
    parts.push(Node::string(action, place));
    joined("", parts, place)
}

/// Merges as lodash's `merge` does: mappings by key, lists by index, all else replaced.
pub(super) fn merge(target: &mut Node, source: &Node) {
    match (&mut target.kind, &source.kind) {
        (Kind::Mapping(target), Kind::Mapping(source)) => {
            for entry in source {
                match target.get_mut(&entry.key) {
                    Some(old) => merge(old, &entry.value),
                    None => target.set(&entry.key, &entry.key_place, entry.value.clone()),
                }
            }
        }
        (Kind::Sequence(target), Kind::Sequence(source)) => {
            for (index, item) in source.iter().enumerate() {
                match target.get_mut(index) {
                    Some(old) => merge(old, item),
                    None => target.push(item.clone()),
                }
            }
        }
        (_, _) => *target = source.clone(),
    }
}
