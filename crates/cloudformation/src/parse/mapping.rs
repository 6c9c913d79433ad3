//! A mapping while it is read: keys, duplicates, merges.
//!
//! Lives here: which key gets which value.
//! Does not live here: reading keys and values (`yaml`).

use std::collections::HashSet;

use model::problem::{Place, Problem};

use super::{Problems, json};
use crate::node::{Entry, Kind, Mapping, Node};

#[derive(Debug, Default)]
pub(super) struct MappingUnderConstruction {
    pub(super) mapping: Mapping,
    /// The key whose value comes next.
    pub(super) key: Option<Key>,
    /// Whether a key came in by `<<`, so that the mapping's own may take its place.
    merged: HashSet<String>,
}

#[derive(Debug)]
pub(super) enum Key {
    Named {
        text: String,
        place: Place,
    },
    Merge,
    /// What cannot be a key; its problem was reported, and its value goes nowhere.
    Unusable,
}

/// Adds a key with its value; one that is there already is a problem, unless a merge brought it.
pub(super) fn add_entry(
    under_construction: &mut MappingUnderConstruction,
    text: String,
    place: Place,
    value: Node,
    problems: &mut Problems,
) {
    let MappingUnderConstruction {
        mapping, merged, ..
    } = under_construction;
    if let Some(first) = mapping.entry(&text)
        && !merged.remove(&text)
    {
        problems.push(json::duplicate(&text, &place, &first.key_place));
        return;
    }
    mapping.set(&text, &place, value);
}

/// `<<`: adds the keys that the mapping does not have. Of several mappings, the first that has a key wins.
pub(super) fn merge(
    under_construction: &mut MappingUnderConstruction,
    value: Node,
    problems: &mut Problems,
) {
    let place = value.place.clone();
    let sources = match value.kind {
        Kind::Mapping(mapping) => vec![mapping],
        Kind::Sequence(items) => {
            let mut mappings = Vec::new();
            for item in items {
                if let Kind::Mapping(mapping) = item.kind {
                    mappings.push(mapping);
                } else {
                    problems.push(not_mergeable(&item.place));
                }
            }
            mappings
        }
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) => {
            problems.push(not_mergeable(&place));
            return;
        }
    };
    for Entry {
        key,
        key_place,
        value,
    } in sources.into_iter().flatten()
    {
        if under_construction.mapping.get(&key).is_none() {
            under_construction.mapping.set(&key, &key_place, value);
            under_construction.merged.insert(key);
        }
    }
}

/// What stands where a key must stand cannot be one.
pub(super) fn key_not_text(node: &Node, place: &Place) -> Problem {
    Problem::error("parse::key-not-text", "a key must be a text")
        .at(place)
        .because(format!(
            "{} stands where a key is expected",
            node.kind_name()
        ))
        .help("quote the key if it is a text that begins with `{` or `[`")
}

fn not_mergeable(place: &Place) -> Problem {
    Problem::error(
        "parse::merge",
        "`<<` takes a mapping, or a list of mappings",
    )
    .at(place)
    .help("put an alias of a mapping here, as `<<: *defaults`")
}
