//! A tree of YAML or JSON in which every node remembers where it stands in its file.
//!
//! Lives here: the tree, looking things up in it, and turning it into plain JSON.
//! Does not live here: reading text (`parse`), what a template means (`template`), intrinsics (`intrinsics`).

use std::collections::HashMap;

use model::problem::Place;
use serde_json::{Map, Number, Value};

/// From how many keys on a mapping is searched by a table instead of one by one.
const INDEXED_FROM: usize = 16;

/// A value, and where it stands. What a front end writes of its own accord has the place of what caused it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub kind: Kind,
    /// Where its first character is.
    pub place: Place,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `null`, `~`, or nothing at all.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number, with its text: `2012-10-17` is a string, but `1e3`, `0x1F` and `012` are not what they seem,
    /// and `Version: 2.0` must not become `2`.
    Number {
        /// Its value.
        value: Number,
        /// As it was written.
        text: String,
    },
    /// A text, quoted or not.
    String(String),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping. A short-form tag is one too: `!Ref A` is `{"Ref": "A"}` with the tag's place.
    Mapping(Mapping),
}

/// A mapping in the order in which it was written; keys are unique.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    entries: Vec<Entry>,
    /// Where each key stands in `entries`; empty while there are few. Hostile files have many keys.
    index: HashMap<String, usize>,
}

impl PartialEq for Mapping {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

/// One key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_place: Place,
    /// The value.
    pub value: Node,
}

impl Node {
    /// A node of this kind.
    #[must_use]
    pub fn new(kind: Kind, place: &Place) -> Self {
        Self {
            kind,
            place: place.clone(),
        }
    }

    /// A text.
    #[must_use]
    pub fn string(text: impl Into<String>, place: &Place) -> Self {
        Self::new(Kind::String(text.into()), place)
    }

    /// A node that says the same as this JSON; every part of it has the one place.
    #[must_use]
    pub fn from_json(json: &Value, place: &Place) -> Self {
        let kind = match json {
            Value::Null => Kind::Null,
            Value::Bool(value) => Kind::Bool(*value),
            Value::Number(value) => Kind::Number {
                value: value.clone(),
                text: value.to_string(),
            },
            Value::String(text) => Kind::String(text.clone()),
            Value::Array(items) => Kind::Sequence(
                items
                    .iter()
                    .map(|item| Self::from_json(item, place))
                    .collect(),
            ),
            Value::Object(members) => {
                let mut mapping = Mapping::default();
                for (key, value) in members {
                    mapping.set(key, place, Self::from_json(value, place));
                }
                Kind::Mapping(mapping)
            }
        };
        Self::new(kind, place)
    }

    /// The same value without its places.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number { value, .. } => Value::Number(value.clone()),
            Kind::String(text) => Value::String(text.clone()),
            Kind::Sequence(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Mapping(mapping) => {
                let members = mapping
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }

    /// The text, if it is one. Numbers and booleans are not: see [`Node::scalar_text`].
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Kind::String(text) = &self.kind {
            Some(text)
        } else {
            None
        }
    }

    /// The text of any scalar but null, as its author wrote it.
    #[must_use]
    pub fn scalar_text(&self) -> Option<String> {
        match &self.kind {
            Kind::Bool(value) => Some(value.to_string()),
            Kind::Number { text, .. } | Kind::String(text) => Some(text.clone()),
            Kind::Null | Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// The boolean, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Kind::Bool(value) = self.kind {
            Some(value)
        } else {
            None
        }
    }

    /// The list, if it is one.
    #[must_use]
    pub fn as_sequence(&self) -> Option<&[Self]> {
        if let Kind::Sequence(items) = &self.kind {
            Some(items)
        } else {
            None
        }
    }

    /// The mapping, if it is one.
    #[must_use]
    pub fn as_mapping(&self) -> Option<&Mapping> {
        if let Kind::Mapping(mapping) = &self.kind {
            Some(mapping)
        } else {
            None
        }
    }

    /// The value of this key, if the node is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_mapping()?.get(key)
    }

    /// The node at the end of this way of keys and indexes.
    #[must_use]
    pub fn at_path<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Self> {
        path.into_iter()
            .try_fold(self, |node, step| match &node.kind {
                Kind::Mapping(mapping) => mapping.get(step),
                Kind::Sequence(items) => items.get(step.parse::<usize>().ok()?),
                Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) => None,
            })
    }

    /// What kind of value it is, for messages: `a list`.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Number { .. } => "a number",
            Kind::String(_) => "a string",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        }
    }
}

impl Mapping {
    /// The value of this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value of this key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let position = self.position(key)?;
        self.entries.get_mut(position).map(|entry| &mut entry.value)
    }

    /// The key with its place and value.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(self.position(key)?)
    }

    /// Gives the key this value; a key that is there keeps its position.
    pub fn set(&mut self, key: &str, key_place: &Place, value: Node) {
        let known = self.position(key);
        if let Some(entry) = known.and_then(|position| self.entries.get_mut(position)) {
            entry.key_place = key_place.clone();
            entry.value = value;
            return;
        }
        self.entries.push(Entry {
            key: key.to_owned(),
            key_place: key_place.clone(),
            value,
        });
        if self.entries.len() == INDEXED_FROM {
            self.index_all();
        } else if INDEXED_FROM < self.entries.len() {
            self.index.insert(key.to_owned(), self.entries.len() - 1);
        }
    }

    /// Takes the key out.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let position = self.position(key)?;
        let removed = self.entries.remove(position).value;
        self.index_all();
        Some(removed)
    }

    fn position(&self, key: &str) -> Option<usize> {
        if self.entries.len() < INDEXED_FROM {
            return self.entries.iter().position(|entry| entry.key == key);
        }
        self.index.get(key).copied()
    }

    fn index_all(&mut self) {
        self.index.clear();
        if self.entries.len() < INDEXED_FROM {
            return;
        }
        for (position, entry) in self.entries.iter().enumerate() {
            self.index.insert(entry.key.clone(), position);
        }
    }

    /// All entries, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<'a> IntoIterator for &'a Mapping {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Mapping {
    type Item = Entry;
    type IntoIter = std::vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl Node {
    /// Where the value at the end of this way stands, or the nearest one around it: a way may lead into what an
    /// intrinsic function only makes when it is evaluated.
    #[must_use]
    pub fn place_at(&self, path: &[String]) -> &Place {
        let mut node = self;
        for step in path {
            match node.at_path([step.as_str()]) {
                Some(next) => node = next,
                None => break,
            }
        }
        &node.place
    }
}
