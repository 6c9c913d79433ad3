//! JavaScript's habits, as far as the Serverless Framework's results show them.
//!
//! Lives here: truth, numbers as texts and texts as numbers, what JSON makes of a number.
//! Does not live here: anything that knows a manifest.
//!
//! Contract: ECMAScript 2023, "Type Conversion".

use cloudformation::node::{Kind, Node};
use serde_json::Number;

/// Up to here every integer is exact in a JavaScript number.
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// Whether a value counts as true: everything but null, `false`, zero and the empty text.
pub(super) fn is_true(node: &Node) -> bool {
    match &node.kind {
        Kind::Null => false,
        Kind::Bool(value) => *value,
        Kind::Number { value, .. } => value.as_f64().is_some_and(|number| number != 0.0),
        Kind::String(text) => !text.is_empty(),
        Kind::Sequence(_) | Kind::Mapping(_) => true,
    }
}

/// The value, if it counts as true: what `a || b` is made of.
pub(super) fn truthy(node: Option<&Node>) -> Option<&Node> {
    node.filter(|node| is_true(node))
}

/// The value, unless it is null.
pub(super) fn present(node: Option<&Node>) -> Option<&Node> {
    node.filter(|node| node.kind != Kind::Null)
}

/// A scalar as text: `2.0` is `2`. A list is its parts with commas; null and mappings have no text.
pub(super) fn text_of(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Null | Kind::Mapping(_) => None,
        Kind::Bool(value) => Some(value.to_string()),
        Kind::Number { value, .. } => Some(exact(value).to_string()),
        Kind::String(text) => Some(text.clone()),
        Kind::Sequence(items) => {
            let parts: Vec<String> = items.iter().map(part_text).collect();
            Some(parts.join(","))
        }
    }
}

/// The number that a text says: `12`, `-1.5`, `0x1F`, `1e3`, but not `12px`.
pub(super) fn number_of(text: &str) -> Option<Number> {
    let text = text.trim();
    let radix = |prefix: &str, radix: u32| {
        let digits = text
            .strip_prefix(prefix)
            .or_else(|| text.strip_prefix(&prefix.to_uppercase()))?;
        u64::from_str_radix(digits, radix).ok().map(Number::from)
    };
    if let Some(number) = radix("0x", 16)
        .or_else(|| radix("0o", 8))
        .or_else(|| radix("0b", 2))
    {
        return Some(number);
    }
    let digits = text.trim_start_matches(['+', '-']);
    // Rust also reads `inf` and `nan`, and JSON has neither.
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(Number::from(number));
    }
    Number::from_f64(text.parse::<f64>().ok()?).map(|number| exact(&number))
}

/// The tree as JavaScript sees it: a float that is whole is an integer.
pub(super) fn exact_numbers(mut node: Node) -> Node {
    walk(&mut node);
    node
}

fn walk(node: &mut Node) {
    match &mut node.kind {
        Kind::Number { value, text } => {
            let whole = exact(value);
            if whole != *value {
                *text = whole.to_string();
                *value = whole;
            }
        }
        Kind::Sequence(items) => items.iter_mut().for_each(walk),
        Kind::Mapping(mapping) => {
            let keys: Vec<String> = mapping.iter().map(|entry| entry.key.clone()).collect();
            for key in keys {
                if let Some(value) = mapping.get_mut(&key) {
                    walk(value);
                }
            }
        }
        Kind::Null | Kind::Bool(_) | Kind::String(_) => {}
    }
}

fn exact(number: &Number) -> Number {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.clone();
    };
    if float.fract() != 0.0 || INTEGER_MAX <= float.abs() {
        return number.clone();
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and smaller than 2^53: the guard above"
    )]
    Number::from(float as i64)
}

fn part_text(node: &Node) -> String {
    match &node.kind {
        Kind::Mapping(_) => "[object Object]".to_owned(),
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Sequence(_) => {
            text_of(node).unwrap_or_default()
        }
    }
}
