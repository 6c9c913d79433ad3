//! Values of a template while it is rendered.
//!
//! Lives here: lists, maps and their entries, which several names may share, and how each value is written.
//! Does not live here: their methods (`render::methods`), JSON (`json`).
//!
//! They live in a heap that ends with the rendering, so that one that holds itself, or others a million deep, costs nothing
//! afterwards.

use std::sync::Arc;

use crate::java::decimal;
use crate::tree::Block;
use crate::{NESTING_MAX, json};

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Whole(i64),
    Decimal(f64),
    Text(Arc<str>),
    List(usize),
    Map(usize),
    /// An entry of a map.
    Entry(usize),
    /// What `#define` made.
    Block(Arc<Block>),
    /// `$foreach`, by its place among the loops under way.
    Loop(usize),
    /// `$input`.
    Input,
    /// `$util`.
    Util,
}

impl Value {
    /// Its place in the heap, when it is a map.
    pub(crate) fn as_map(&self) -> Option<usize> {
        if let Self::Map(map) = self {
            return Some(*map);
        }
        None
    }

    /// Its place in the heap, when it is a list.
    pub(crate) fn as_list(&self) -> Option<usize> {
        if let Self::List(list) = self {
            return Some(*list);
        }
        None
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// How a list or a map writes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// As Java's collections do: `[a, b]`, `{a=b}`.
    Java,
    /// Lists of JSON documents: JSON.
    Json,
    /// Maps of `$context`: nothing.
    Nothing,
}

#[derive(Debug)]
pub(crate) struct List {
    pub(crate) items: Vec<Value>,
    pub(crate) look: Look,
}

/// A map that keeps the order in which keys came. Most are small; larger ones have an index.
#[derive(Debug)]
pub(crate) struct Map {
    entries: Vec<(Arc<str>, Value)>,
    index: Option<std::collections::HashMap<Arc<str>, usize>>,
    pub(crate) look: Look,
}

/// Maps with more keys have an index.
const UNINDEXED_MAX: usize = 16;

impl Map {
    pub(crate) fn new(look: Look) -> Self {
        Self {
            entries: Vec::new(),
            index: None,
            look,
        }
    }

    fn place(&self, key: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(key).copied(),
            None => self.entries.iter().position(|(known, _)| &**known == key),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(self.place(key)?).map(|(_, value)| value)
    }

    /// Sets a value, and gives the one before.
    pub(crate) fn put(&mut self, key: Arc<str>, value: Value) -> Option<Value> {
        if let Some(place) = self.place(&key) {
            let (_, known) = self.entries.get_mut(place)?;
            return Some(std::mem::replace(known, value));
        }
        if let Some(index) = &mut self.index {
            index.insert(Arc::clone(&key), self.entries.len());
        }
        self.entries.push((key, value));
        if self.index.is_none() && UNINDEXED_MAX < self.entries.len() {
            self.number();
        }
        None
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Value> {
        let place = self.place(key)?;
        let (_, value) = self.entries.remove(place);
        if self.index.is_some() {
            self.number();
        }
        Some(value)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.index = None;
    }

    pub(crate) fn entries(&self) -> &[(Arc<str>, Value)] {
        &self.entries
    }

    fn number(&mut self) {
        let numbered = self.entries.iter().enumerate();
        self.index = Some(
            numbered
                .map(|(place, (key, _))| (Arc::clone(key), place))
                .collect(),
        );
    }
}

/// Where lists, maps and their entries live.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    lists: Vec<List>,
    maps: Vec<Map>,
    pairs: Vec<(Arc<str>, Value)>,
}

impl Heap {
    pub(crate) fn list(&mut self, items: Vec<Value>, look: Look) -> Value {
        self.lists.push(List { items, look });
        Value::List(self.lists.len() - 1)
    }

    pub(crate) fn map(&mut self, map: Map) -> Value {
        self.maps.push(map);
        Value::Map(self.maps.len() - 1)
    }

    /// An entry of a map, as it is now.
    pub(crate) fn entry(&mut self, key: Arc<str>, value: Value) -> Value {
        self.pairs.push((key, value));
        Value::Entry(self.pairs.len() - 1)
    }

    pub(crate) fn entry_key(&self, entry: usize) -> Value {
        let pair = self.pairs.get(entry);
        pair.map_or(Value::Null, |(key, _)| Value::Text(Arc::clone(key)))
    }

    pub(crate) fn entry_value(&self, entry: usize) -> Value {
        let pair = self.pairs.get(entry);
        pair.map_or(Value::Null, |(_, value)| value.clone())
    }

    pub(crate) fn items(&self, list: usize) -> &[Value] {
        self.lists
            .get(list)
            .map_or(&[], |list| list.items.as_slice())
    }

    pub(crate) fn items_mut(&mut self, list: usize) -> Option<&mut Vec<Value>> {
        self.lists.get_mut(list).map(|list| &mut list.items)
    }

    pub(crate) fn look(&self, list: usize) -> Look {
        self.lists.get(list).map_or(Look::Java, |list| list.look)
    }

    pub(crate) fn get_map(&self, map: usize) -> Option<&Map> {
        self.maps.get(map)
    }

    pub(crate) fn map_mut(&mut self, map: usize) -> Option<&mut Map> {
        self.maps.get_mut(map)
    }

    pub(crate) fn entries(&self, map: usize) -> &[(Arc<str>, Value)] {
        self.maps.get(map).map_or(&[], Map::entries)
    }

    pub(crate) fn member(&self, map: usize, key: &str) -> Value {
        let found = self.maps.get(map).and_then(|map| map.get(key));
        found.cloned().unwrap_or(Value::Null)
    }
}

/// A value is nested too deep to be written, or holds itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotWritten {
    TooDeep,
    TooMuch,
}

/// Writes a value as `toString()` does. Blocks and the roots write nothing here.
pub(crate) fn write(
    value: &Value,
    heap: &Heap,
    text: &mut String,
    (depth, bytes_max): (usize, usize),
) -> Result<(), NotWritten> {
    if NESTING_MAX < depth {
        return Err(NotWritten::TooDeep);
    }
    if bytes_max < text.len() {
        return Err(NotWritten::TooMuch);
    }
    let limits = (depth + 1, bytes_max);
    match value {
        Value::Null | Value::Block(_) | Value::Loop(_) | Value::Input | Value::Util => {}
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Whole(number) => text.push_str(&number.to_string()),
        Value::Decimal(number) => text.push_str(&decimal(*number)),
        Value::Text(plain) => text.push_str(plain),
        Value::Entry(entry) => {
            write_inner(&heap.entry_key(*entry), heap, text, limits)?;
            text.push('=');
            write_inner(&heap.entry_value(*entry), heap, text, limits)?;
        }
        Value::List(list) if heap.look(*list) == Look::Json => {
            json::write(value, heap, text, (depth, bytes_max))?;
        }
        Value::List(list) => {
            text.push('[');
            for (index, item) in heap.items(*list).iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write_inner(item, heap, text, limits)?;
            }
            text.push(']');
        }
        Value::Map(map) => {
            if heap.get_map(*map).map(|map| map.look) == Some(Look::Nothing) {
                return Ok(());
            }
            text.push('{');
            for (index, (key, value)) in heap.entries(*map).iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                text.push_str(key);
                text.push('=');
                write_inner(value, heap, text, limits)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

fn write_inner(
    value: &Value,
    heap: &Heap,
    text: &mut String,
    limits: (usize, usize),
) -> Result<(), NotWritten> {
    if let Value::Null = value {
        text.push_str("null");
        return Ok(());
    }
    write(value, heap, text, limits)
}
