//! JSON documents and a template's values.
//!
//! Lives here: reading documents into the heap, writing values, and values of our own as plain JSON.
//! Does not live here: paths into them (`path`).
//!
//! Contract: as API Gateway's reader does, what is no JSON is one text.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::NESTING_MAX;
use crate::java::{decimal, push_units};
use crate::value::{Heap, Look, Map, NotWritten, Value};

/// A payload: JSON, or a text.
pub(crate) fn read(text: &str, heap: &mut Heap) -> Value {
    match serde_json::from_str(text) {
        Ok(json) => of_json(json, heap, Look::Java),
        Err(_) => Value::Text(text.into()),
    }
}

/// A document's value. `maps` is the look of its maps.
pub(crate) fn of_json(json: Json, heap: &mut Heap, maps: Look) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Whole(whole),
            None => Value::Decimal(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(text.into()),
        Json::Array(items) => {
            let items = items
                .into_iter()
                .map(|item| of_json(item, heap, maps))
                .collect();
            heap.list(items, Look::Json)
        }
        Json::Object(members) => {
            let mut map = Map::new(maps);
            for (key, value) in members {
                let value = of_json(value, heap, maps);
                map.put(Arc::from(key), value);
            }
            heap.map(map)
        }
    }
}

/// A value as plain JSON; what has no such form, or is nested too deep, is null. What is in several places is written in each,
/// so that it is counted there too.
pub(crate) fn to_json(
    value: &Value,
    heap: &Heap,
    (depth, bytes_left): (usize, &mut usize),
) -> Result<Json, NotWritten> {
    if NESTING_MAX < depth {
        return Ok(Json::Null);
    }
    let own_bytes = if let Value::Text(text) = value {
        text.len()
    } else {
        0
    };
    let left = bytes_left.checked_sub(size_of::<Json>() + own_bytes);
    *bytes_left = left.ok_or(NotWritten::TooMuch)?;
    Ok(match value {
        Value::Bool(value) => Json::from(*value),
        Value::Whole(number) => Json::from(*number),
        Value::Decimal(number) => Json::from(*number),
        Value::Text(text) => Json::from(&**text),
        Value::List(list) => heap
            .items(*list)
            .iter()
            .map(|item| to_json(item, heap, (depth + 1, bytes_left)))
            .collect::<Result<_, _>>()?,
        Value::Map(map) => {
            let mut members = serde_json::Map::new();
            for (key, value) in heap.entries(*map) {
                let left = bytes_left.checked_sub(key.len());
                *bytes_left = left.ok_or(NotWritten::TooMuch)?;
                let value = to_json(value, heap, (depth + 1, bytes_left))?;
                members.insert(key.to_string(), value);
            }
            Json::Object(members)
        }
        Value::Null
        | Value::Entry(_)
        | Value::Block(_)
        | Value::Loop(_)
        | Value::Input
        | Value::Util => Json::Null,
    })
}

/// Writes a value as JSON without blanks.
pub(crate) fn write(
    value: &Value,
    heap: &Heap,
    text: &mut String,
    (depth, bytes_max): (usize, usize),
) -> Result<(), NotWritten> {
    if NESTING_MAX * 2 < depth {
        return Err(NotWritten::TooDeep);
    }
    if bytes_max < text.len() {
        return Err(NotWritten::TooMuch);
    }
    let limits = (depth + 1, bytes_max);
    match value {
        Value::Null | Value::Block(_) | Value::Loop(_) | Value::Input | Value::Util => {
            text.push_str("null");
        }
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Whole(number) => text.push_str(&number.to_string()),
        Value::Decimal(number) => text.push_str(&decimal(*number)),
        Value::Text(plain) => write_text(plain, text),
        Value::List(list) => {
            text.push('[');
            for (index, item) in heap.items(*list).iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                write(item, heap, text, limits)?;
            }
            text.push(']');
        }
        Value::Map(map) => {
            text.push('{');
            for (index, (key, value)) in heap.entries(*map).iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                write_text(key, text);
                text.push(':');
                write(value, heap, text, limits)?;
            }
            text.push('}');
        }
        Value::Entry(entry) => {
            text.push('{');
            let mut key = String::new();
            crate::value::write(&heap.entry_key(*entry), heap, &mut key, limits)?;
            write_text(&key, text);
            text.push(':');
            write(&heap.entry_value(*entry), heap, text, limits)?;
            text.push('}');
        }
    }
    Ok(())
}

fn write_text(plain: &str, text: &mut String) {
    text.push('"');
    for letter in plain.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2000}'..='\u{20ff}' => {
                push_units(text, letter);
            }
            other => text.push(other),
        }
    }
    text.push('"');
}
