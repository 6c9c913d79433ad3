//! Event patterns, and what becomes of an event before a target gets it.
//!
//! Lives here: reading patterns, telling what is wrong with one, matching them with events, one by one or many at once;
//! paths into events and templates for what a target gets.
//! Does not live here: where events come from (`event-delivery`, the services).
//!
//! Fields of a pattern must all match; of the values that one field lists any one. An event is looked at as a list of its
//! scalars, each with its path: `{"a": {"b": 1}}` and `{"a.b": 1}` are the same. An array in an event matches if one
//! of its elements does; what a pattern asks of one object inside an array, one element has to fulfil as a whole.
//!
//! Contract: Amazon EventBridge User Guide, "Creating Amazon EventBridge event patterns" and "Comparison operators for use
//! in event patterns"; AWS Lambda Developer Guide, "Control which events Lambda sends to your function".

mod compile;
mod event;
mod index;
mod input;
mod operators;
mod paths;
#[cfg(test)]
mod tests;
mod tokens;
mod wildcard;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

pub use event::Event;
pub use index::Index;
pub use input::{Facts, Template, TemplateError, Unusable};
pub use paths::{Path, PathError};

use operators::Test;

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// An event matches if it fulfils one of these: `$or` makes several.
    ways: Vec<Way>,
}

/// What is asked of each path: all of it.
type Way = BTreeMap<Arc<str>, Arc<[Test]>>;

/// A text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PatternError {
    /// What is wrong, in EventBridge's words.
    pub reason: String,
    /// Where: `\n at [Source: (String)"…"; line: …, column: …]`; empty where EventBridge does not tell.
    pub place: String,
}

impl Pattern {
    /// Reads a pattern from its JSON.
    ///
    /// # Errors
    /// [`PatternError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let ways = compile::compile(text)?;
        wildcard::judge_complexity(&ways)?;
        Ok(Self { ways })
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`] says what is wrong with it.
    pub fn read(value: &Value) -> Result<Self, PatternError> {
        Self::parse(&value.to_string())
    }

    /// Whether an event matches.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        event.is_object() && self.holds(&Event::of(event))
    }

    /// Whether an event matches.
    #[must_use]
    pub fn holds(&self, event: &Event<'_>) -> bool {
        self.ways.iter().any(|way| event.fulfils(way))
    }
}

impl PatternError {
    /// All that EventBridge says of it.
    #[must_use]
    pub fn in_full(&self) -> String {
        format!("{}{}", self.reason, self.place)
    }

    pub(crate) fn without_place(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            place: String::new(),
        }
    }

    /// EventBridge tells the place of what is wrong inside a list twice.
    pub(crate) fn twice(mut self) -> Self {
        self.place = self.place.repeat(2);
        self
    }
}
