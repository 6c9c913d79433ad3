//! Ways through the manifest's tree: reaching a node, replacing it, finding texts with variables.
//!
//! Lives here: paths, and how much a tree weighs.
//! Does not live here: what variables mean (`resolver`).

use cloudformation::node::{Kind, Node};

/// The keys and indexes that lead to a node.
pub(super) type Path = Vec<String>;

/// What a tree costs to copy.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    /// Bytes, roughly: of texts and keys, and of each node itself.
    pub(super) bytes: usize,
    /// Levels.
    pub(super) height: usize,
}

/// What a node costs beside its text, in bytes: its kind, its place, its slot.
const NODE_BYTES: usize = 96;

pub(super) fn weight(node: &Node) -> Weight {
    let mut total = Weight {
        bytes: NODE_BYTES,
        height: 1,
    };
    let mut add = |inner: Weight| {
        total.bytes = total.bytes.saturating_add(inner.bytes);
        total.height = total.height.max(inner.height + 1);
    };
    match &node.kind {
        Kind::Null | Kind::Bool(_) => {}
        Kind::Number { text, .. } | Kind::String(text) => add(Weight {
            bytes: text.len(),
            height: 0,
        }),
        Kind::Sequence(items) => items.iter().for_each(|item| add(weight(item))),
        Kind::Mapping(mapping) => {
            for entry in mapping {
                let mut inner = weight(&entry.value);
                inner.bytes = inner.bytes.saturating_add(entry.key.len());
                add(inner);
            }
        }
    }
    total
}

/// Puts a node at the end of the path, if the way there exists.
pub(super) fn replace(root: &mut Node, path: &[String], node: Node) {
    let mut here = root;
    for step in path {
        let next = match &mut here.kind {
            Kind::Mapping(mapping) => mapping.get_mut(step),
            Kind::Sequence(items) => step
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get_mut(index)),
            Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) => None,
        };
        let Some(next) = next else { return };
        here = next;
    }
    *here = node;
}

/// All texts below a node in which a dollar sign stands, with their paths.
pub(super) fn texts_with_dollars(node: &Node, path: &mut Path, found: &mut Vec<(Path, Node)>) {
    match &node.kind {
        Kind::String(text) if text.contains('$') => found.push((path.clone(), node.clone())),
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) => {}
        Kind::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                texts_with_dollars(item, path, found);
                path.pop();
            }
        }
        Kind::Mapping(mapping) => {
            for entry in mapping {
                path.push(entry.key.clone());
                texts_with_dollars(&entry.value, path, found);
                path.pop();
            }
        }
    }
}
