//! Properties and methods of values.
//!
//! Lives here: who has which, and those of maps, entries, numbers and loops.
//! Does not live here: those of texts (`text_methods`), of lists (`list_methods`), of `$input` and `$util` (`roots`).
//!
//! Contract: Apache Velocity 1.7: a method that nobody has gives nothing; Java SE 8 for what each one does.

use std::sync::Arc;

use super::Machine;
use super::expression::number;
use crate::RenderError;
use crate::value::{Look, Value};

/// What a method came to: a value, nothing because there is no such method, or why it failed.
pub(super) type Called = Result<Value, Failure>;

pub(super) enum Failure {
    Unknown,
    Failed(String),
    Ended(RenderError),
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        Self::Ended(error)
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

impl Machine<'_> {
    pub(super) fn property(&mut self, value: &Value, name: &str) -> Result<Value, RenderError> {
        Ok(match value {
            Value::Map(map) => self.heap.member(*map, name),
            Value::Entry(entry) => match name {
                "key" => self.heap.entry_key(*entry),
                "value" => self.heap.entry_value(*entry),
                _ => Value::Null,
            },
            Value::Loop(turn) => self.turn(*turn, name),
            Value::Input => return self.input_property(name),
            Value::List(_) | Value::Text(_) if name == "empty" => {
                return self.method(value, "isEmpty", &[]);
            }
            Value::Null
            | Value::Bool(_)
            | Value::Whole(_)
            | Value::Decimal(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Block(_)
            | Value::Util => Value::Null,
        })
    }

    pub(super) fn method(
        &mut self,
        value: &Value,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, RenderError> {
        let called = match (name, arguments) {
            ("toString", []) => self
                .shown(value)
                .and_then(|text| self.text(&text))
                .map_err(Failure::from),
            ("equals", [other]) => self.equals(value, other),
            ("hashCode" | "getClass" | "wait" | "notify", _) => Err(Failure::Unknown),
            _ => match value {
                Value::Text(text) => self.text_method(&Arc::clone(text), name, arguments),
                Value::List(list) => self.list_method(*list, name, arguments),
                Value::Map(map) => self.map_method(*map, name, arguments),
                Value::Entry(entry) => match (name, arguments) {
                    ("getKey", []) => Ok(self.heap.entry_key(*entry)),
                    ("getValue", []) => Ok(self.heap.entry_value(*entry)),
                    _ => Err(Failure::Unknown),
                },
                Value::Whole(_) | Value::Decimal(_) => self.number_method(value, name, arguments),
                Value::Bool(known) => match (name, arguments) {
                    ("booleanValue", []) => Ok(Value::Bool(*known)),
                    ("parseBoolean" | "valueOf", [Value::Text(text)]) => {
                        Ok(Value::Bool(text.eq_ignore_ascii_case("true")))
                    }
                    _ => Err(Failure::Unknown),
                },
                Value::Loop(turn) => match (name, arguments) {
                    ("hasNext", []) => Ok(self.turn(*turn, "hasNext")),
                    ("getIndex", []) => Ok(self.turn(*turn, "index")),
                    ("getCount", []) => Ok(self.turn(*turn, "count")),
                    _ => Err(Failure::Unknown),
                },
                Value::Input => self.input_method(name, arguments),
                Value::Util => self.util_method(name, arguments),
                Value::Null | Value::Block(_) => Err(Failure::Unknown),
            },
        };
        match called {
            Ok(value) => Ok(value),
            Err(Failure::Unknown) => Ok(Value::Null),
            Err(Failure::Ended(error)) => Err(error),
            Err(Failure::Failed(reason)) => Err(RenderError::Failed {
                call: format!("{name}(…)"),
                reason,
            }),
        }
    }

    /// Values of different kinds are not equal here, other than by `==`.
    fn equals(&mut self, value: &Value, other: &Value) -> Called {
        let same_kind = std::mem::discriminant(value) == std::mem::discriminant(other);
        Ok(Value::Bool(same_kind && self.are_equal(value, other)?))
    }

    fn turn(&self, turn: usize, name: &str) -> Value {
        let Some(place) = self.loops.get(turn) else {
            return Value::Null;
        };
        let whole = |number: usize| Value::Whole(i64::try_from(number).unwrap_or(i64::MAX));
        match name {
            "index" => whole(place.index),
            "count" => whole(place.index + 1),
            "hasNext" => Value::Bool(place.index + 1 < place.count),
            "first" => Value::Bool(place.index == 0),
            "last" => Value::Bool(place.index + 1 == place.count),
            "parent" => place.parent.map_or(Value::Null, Value::Loop),
            "topmost" => Value::Loop(0),
            _ => Value::Null,
        }
    }

    fn map_method(&mut self, map: usize, name: &str, arguments: &[Value]) -> Called {
        let count = self.heap.entries(map).len();
        match (name, arguments) {
            ("size", []) => Ok(Value::Whole(i64::try_from(count).unwrap_or(i64::MAX))),
            ("isEmpty", []) => Ok(Value::Bool(count == 0)),
            ("get", [key]) => {
                let key = self.shown(key)?;
                Ok(self.heap.member(map, &key))
            }
            ("getOrDefault", [key, otherwise]) => {
                let key = self.shown(key)?;
                let known = self.heap.get_map(map).and_then(|map| map.get(&key));
                Ok(known.unwrap_or(otherwise).clone())
            }
            ("put", [key, value]) => {
                let key = self.shown(key)?;
                let map = self.heap.map_mut(map);
                let before = map.and_then(|map| map.put(key.into(), value.clone()));
                Ok(before.unwrap_or(Value::Null))
            }
            ("putAll", [Value::Map(other)]) => {
                let entries = self.heap.entries(*other).to_vec();
                self.made(entries.len() * size_of::<Value>())?;
                if let Some(map) = self.heap.map_mut(map) {
                    for (key, value) in entries {
                        map.put(key, value);
                    }
                }
                Ok(Value::Null)
            }
            ("remove", [key]) => {
                let key = self.shown(key)?;
                self.passed(count)?;
                let removed = self.heap.map_mut(map).and_then(|map| map.remove(&key));
                Ok(removed.unwrap_or(Value::Null))
            }
            ("clear", []) => {
                if let Some(map) = self.heap.map_mut(map) {
                    map.clear();
                }
                Ok(Value::Null)
            }
            ("containsKey", [key]) => {
                let key = self.shown(key)?;
                let known = self.heap.get_map(map).and_then(|map| map.get(&key));
                Ok(Value::Bool(known.is_some()))
            }
            ("containsValue", [wanted]) => {
                let mut place = 0;
                while let Some((_, value)) = self.heap.entries(map).get(place).cloned() {
                    place += 1;
                    self.step()?;
                    if self.are_equal(&value, wanted)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            ("keySet" | "values" | "entrySet", []) => self.parts_of(map, name),
            _ => Err(Failure::Unknown),
        }
    }

    fn parts_of(&mut self, map: usize, name: &str) -> Called {
        let entries = self.heap.entries(map).len();
        self.made(entries * (size_of::<Value>() + size_of::<(Arc<str>, Value)>()))?;
        let entries = self.heap.entries(map).to_vec();
        let part = |(key, value): (Arc<str>, Value)| match name {
            "keySet" => Value::Text(key),
            "values" => value,
            _ => self.heap.entry(key, value),
        };
        let parts = entries.into_iter().map(part).collect();
        Ok(self.heap.list(parts, Look::Java))
    }

    fn number_method(&mut self, value: &Value, name: &str, arguments: &[Value]) -> Called {
        // `$n.parseInt("5")`, with `$n` of any whole number, is how templates read numbers.
        match (name, arguments) {
            ("parseInt" | "parseLong" | "valueOf", [Value::Text(text)])
                if matches!(value, Value::Whole(_)) =>
            {
                let read = text.parse().map(Value::Whole);
                read.map_err(|_| Failure::Failed(format!("For input string: \"{text}\"")))
            }
            ("parseDouble" | "valueOf", [Value::Text(text)]) => {
                let read = text.trim().parse().map(Value::Decimal);
                read.map_err(|_| Failure::Failed(format!("For input string: \"{text}\"")))
            }
            #[expect(clippy::cast_possible_truncation, reason = "Java cuts off, too")]
            ("intValue" | "longValue", []) => {
                if let Value::Decimal(number) = value {
                    return Ok(Value::Whole(*number as i64));
                }
                Ok(value.clone())
            }
            ("doubleValue" | "floatValue", []) => {
                Ok(number(value).map_or(Value::Null, Value::Decimal))
            }
            ("compareTo", [other]) => {
                let order = number(value)
                    .zip(number(other))
                    .and_then(|(value, other)| value.partial_cmp(&other));
                Ok(order.map_or(Value::Null, |order| Value::Whole(order as i64)))
            }
            ("toString", [other]) => {
                let text = self.shown(other)?;
                Ok(self.text(&text)?)
            }
            _ => Err(Failure::Unknown),
        }
    }
}
