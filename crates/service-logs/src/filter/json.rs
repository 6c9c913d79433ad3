//! Patterns for messages that are JSON: `{ $.status = 500 && $.path = "/a*" }`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::reader::Reader;
use super::{Comparison, InvalidPattern, Operand, invalid};

/// How deep conditions stand in one another.
const DEPTH_MAX: usize = 64;
/// Values that one selector finds: of `[*]` in `[*]`.
const FOUND_MAX: usize = 10_000;

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Compare(Selector, Comparison, Operand),
    Is(Selector, Option<bool>),
    Exists(Selector, bool),
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selector {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Member(String),
    Item(usize),
    Each,
}

impl Condition {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let mut reader = Reader::new(text);
        reader.take("{");
        let condition = any(&mut reader, 0)?;
        if !reader.take("}") || !reader.is_over() {
            return Err(invalid("it does not end with the condition"));
        }
        Ok(condition)
    }

    pub(super) fn holds(&self, document: &Value) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|one| one.holds(document)),
            Self::Any(conditions) => conditions.iter().any(|one| one.holds(document)),
            Self::Compare(selector, comparison, operand) => {
                let found = selector.find(document);
                found
                    .iter()
                    .any(|value| compare(value, *comparison, operand))
            }
            Self::Is(selector, wanted) => {
                let is = |value: &&Value| match wanted {
                    Some(flag) => value.as_bool() == Some(*flag),
                    None => value.is_null(),
                };
                selector.find(document).iter().any(is)
            }
            Self::Exists(selector, wanted) => selector.find(document).is_empty() != *wanted,
        }
    }

    pub(super) fn extract(&self, message: &str) -> BTreeMap<String, String> {
        let mut extracted = BTreeMap::new();
        if let Ok(document) = serde_json::from_str(message) {
            self.extract_from(&document, &mut extracted);
        }
        extracted
    }

    fn extract_from(&self, document: &Value, extracted: &mut BTreeMap<String, String>) {
        match self {
            Self::All(conditions) | Self::Any(conditions) => {
                for condition in conditions {
                    condition.extract_from(document, extracted);
                }
            }
            Self::Compare(selector, _, _) | Self::Is(selector, _) | Self::Exists(selector, _) => {
                if let Some(value) = selector.find(document).first() {
                    extracted.insert(selector.text.clone(), plain(value));
                }
            }
        }
    }
}

/// The value of a selector in a message.
pub(super) fn value(selector: &str, message: &str) -> Option<String> {
    let mut reader = Reader::new(selector);
    let selector = Selector::read(&mut reader).ok()?;
    let document: Value = serde_json::from_str(message).ok()?;
    selector.find(&document).first().map(|value| plain(value))
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn compare(value: &Value, comparison: Comparison, operand: &Operand) -> bool {
    match value {
        Value::Object(_) | Value::Array(_) => false,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            operand.compare(comparison, &plain(value), value.as_f64())
        }
    }
}

fn any(reader: &mut Reader<'_>, depth: usize) -> Result<Condition, InvalidPattern> {
    let mut conditions = vec![all(reader, depth)?];
    while reader.take("||") {
        conditions.push(all(reader, depth)?);
    }
    Ok(one_or(conditions, Condition::Any))
}

fn all(reader: &mut Reader<'_>, depth: usize) -> Result<Condition, InvalidPattern> {
    let mut conditions = vec![single(reader, depth)?];
    while reader.take("&&") {
        conditions.push(single(reader, depth)?);
    }
    Ok(one_or(conditions, Condition::All))
}

fn one_or(mut conditions: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match conditions.pop() {
        Some(only) if conditions.is_empty() => only,
        Some(last) => {
            conditions.push(last);
            many(conditions)
        }
        None => many(conditions),
    }
}

fn single(reader: &mut Reader<'_>, depth: usize) -> Result<Condition, InvalidPattern> {
    if DEPTH_MAX < depth {
        return Err(invalid("conditions stand too deep in one another"));
    }
    if reader.take("(") {
        let condition = any(reader, depth + 1)?;
        return match reader.take(")") {
            true => Ok(condition),
            false => Err(invalid("a bracket is not closed")),
        };
    }
    reader.skip_space();
    let selector = Selector::read(reader)?;
    if reader.take_word("IS") {
        for (word, wanted) in [("NULL", None), ("TRUE", Some(true)), ("FALSE", Some(false))] {
            if reader.take_word(word) {
                return Ok(Condition::Is(selector, wanted));
            }
        }
        return Err(invalid("IS goes on with NULL, TRUE or FALSE"));
    }
    if reader.take_word("NOT") {
        return match reader.take_word("EXISTS") {
            true => Ok(Condition::Exists(selector, false)),
            false => Err(invalid("NOT goes on with EXISTS")),
        };
    }
    if reader.take_word("EXISTS") {
        return Ok(Condition::Exists(selector, true));
    }
    let comparison = reader.comparison();
    let comparison = comparison.ok_or_else(|| invalid("a comparison is missing"))?;
    Ok(Condition::Compare(
        selector,
        comparison,
        Operand::read(reader)?,
    ))
}

impl Selector {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidPattern> {
        if !reader.take("$") {
            return Err(invalid("a selector begins with $"));
        }
        let mut selector = Self {
            text: "$".to_owned(),
            steps: Vec::new(),
        };
        loop {
            match reader.peek() {
                Some('.') => {
                    reader.next();
                    let ends = |letter: char| {
                        letter.is_whitespace() || ".[]=!<>&|(){},\"".contains(letter)
                    };
                    let name = reader.until(ends);
                    if name.is_empty() {
                        return Err(invalid("a name is missing in a selector"));
                    }
                    selector.text.push('.');
                    selector.text.push_str(name);
                    selector.steps.push(Step::Member(name.to_owned()));
                }
                Some('[') => {
                    reader.next();
                    let inside = reader.until(|letter| letter == ']');
                    if reader.next().is_none() {
                        return Err(invalid("a bracket is not closed"));
                    }
                    selector.text.push_str(&format!("[{inside}]"));
                    selector.steps.push(in_brackets(inside.trim())?);
                }
                Some(_) | None => break,
            }
        }
        match selector.steps.is_empty() {
            true => Err(invalid("a selector names nothing")),
            false => Ok(selector),
        }
    }

    fn find<'d>(&self, document: &'d Value) -> Vec<&'d Value> {
        let mut found = vec![document];
        for step in &self.steps {
            let next = found.into_iter().flat_map(|value| step.of(value));
            found = next.take(FOUND_MAX).collect();
        }
        found
    }
}

fn in_brackets(inside: &str) -> Result<Step, InvalidPattern> {
    let quoted = |quote: char| inside.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(name) = quoted('\'').or_else(|| quoted('"')) {
        return Ok(Step::Member(name.to_owned()));
    }
    if inside == "*" {
        return Ok(Step::Each);
    }
    let item = inside.parse().map(Step::Item);
    item.map_err(|_| invalid("brackets hold a number, * or a name in quotes"))
}

impl Step {
    fn of<'d>(&self, value: &'d Value) -> Vec<&'d Value> {
        match self {
            Self::Member(name) => value.get(name).into_iter().collect(),
            Self::Item(number) => value.get(*number).into_iter().collect(),
            Self::Each => value.as_array().into_iter().flatten().collect(),
        }
    }
}
