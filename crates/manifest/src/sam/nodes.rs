//! Building nodes: what the transform writes has the place of what caused it.
//!
//! Lives here: short forms for mappings, lists and the intrinsic functions that the transform writes.
//! Does not live here: evaluating intrinsics (`cloudformation`).

use cloudformation::node::{Kind, Mapping, Node};
use model::problem::Place;
use serde_json::Value;

/// A text.
pub(super) fn text(text: impl Into<String>, place: &Place) -> Node {
    Node::string(text, place)
}

/// A list.
pub(super) fn list(items: Vec<Node>, place: &Place) -> Node {
    Node::new(Kind::Sequence(items), place)
}

/// A mapping of these entries.
pub(super) fn mapping<'k>(
    entries: impl IntoIterator<Item = (&'k str, Node)>,
    place: &Place,
) -> Node {
    let mut mapping = Mapping::default();
    for (key, value) in entries {
        mapping.set(key, place, value);
    }
    Node::new(Kind::Mapping(mapping), place)
}

/// Plain JSON.
pub(super) fn json(value: &Value, place: &Place) -> Node {
    Node::from_json(value, place)
}

/// `{"Ref": …}`.
pub(super) fn reference(logical_id: &str, place: &Place) -> Node {
    mapping([("Ref", text(logical_id, place))], place)
}

/// `{"Fn::GetAtt": [logical id, attribute]}`.
pub(super) fn attribute(logical_id: &str, name: &str, place: &Place) -> Node {
    let path = list(vec![text(logical_id, place), text(name, place)], place);
    mapping([("Fn::GetAtt", path)], place)
}

/// `{"Fn::Sub": text}`.
pub(super) fn substitution(template: &str, place: &Place) -> Node {
    mapping([("Fn::Sub", text(template, place))], place)
}

/// `{"Fn::If": [condition, node, {"Ref": "AWS::NoValue"}]}`.
pub(super) fn only_if(condition: &str, node: Node, place: &Place) -> Node {
    let nothing = reference("AWS::NoValue", place);
    let branches = list(vec![text(condition, place), node, nothing], place);
    mapping([("Fn::If", branches)], place)
}

/// The one key of a mapping, with its value, when that is all it has.
pub(super) fn single(node: &Node) -> Option<(&str, &Node)> {
    let mapping = node.as_mapping()?;
    let entry = mapping.iter().next()?;
    (mapping.len() == 1).then_some((entry.key.as_str(), &entry.value))
}

/// Whether this is an intrinsic function.
pub(super) fn is_intrinsic(node: &Node) -> bool {
    single(node)
        .is_some_and(|(key, _)| key == "Ref" || key == "Condition" || key.starts_with("Fn::"))
}

/// The logical id in `{"Ref": …}`.
pub(super) fn referred(node: &Node) -> Option<&str> {
    match single(node)? {
        ("Ref", target) => target.as_str(),
        _ => None,
    }
}

/// The mapping in the node; an empty one when it is something else.
pub(super) fn members(node: Option<&Node>) -> Mapping {
    node.and_then(Node::as_mapping).cloned().unwrap_or_default()
}

/// Changes the value at a key, which becomes an empty mapping when it was not there or none.
pub(super) fn inner<'m>(
    mapping: &'m mut Mapping,
    key: &str,
    place: &Place,
) -> Option<&'m mut Mapping> {
    if mapping.get(key).and_then(Node::as_mapping).is_none() {
        let empty = Node::new(Kind::Mapping(Mapping::default()), place);
        mapping.set(key, place, empty);
    }
    match mapping.get_mut(key).map(|node| &mut node.kind) {
        Some(Kind::Mapping(inner)) => Some(inner),
        Some(
            Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Sequence(_),
        )
        | None => None,
    }
}
