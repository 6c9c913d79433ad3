//! Paths into events.
//!
//! Lives here: reading `$.detail.items[0].name`, and what it leads to.
//! Does not live here: what is done with that (`input`, the services).
//!
//! Contract: Amazon EventBridge User Guide, "Amazon EventBridge input transformation", "Common issues": dot and bracket
//! notation, array indexes, wildcards.

use serde_json::Value;

/// A path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(usize),
    /// All members or elements.
    All,
}

/// It is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a path of the form $.member[0]['member'][*]")]
pub struct PathError;

/// Values that one path may lead to.
const FOUND_MAX: usize = 10_000;

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut rest = text.strip_prefix('$').ok_or(PathError)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (name, after) = after.split_at(end);
                (member(name)?, after)
            } else {
                let inner = rest.strip_prefix('[').ok_or(PathError)?;
                bracketed(inner)?
            };
            steps.push(step);
            rest = after;
        }
        Ok(Self { steps })
    }

    /// What it leads to; none when there is nothing. With a wildcard it leads to a list of all.
    #[must_use]
    pub fn find(&self, event: &Value) -> Option<Value> {
        let mut found = vec![event];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                match (step, value) {
                    (Step::Member(name), Value::Object(members)) => next.extend(members.get(name)),
                    (Step::Element(number), Value::Array(elements)) => {
                        next.extend(elements.get(*number));
                    }
                    (Step::All, Value::Array(elements)) => next.extend(elements),
                    (Step::All, Value::Object(members)) => next.extend(members.values()),
                    (Step::Member(_) | Step::Element(_) | Step::All, _) => {}
                }
            }
            next.truncate(FOUND_MAX);
            found = next;
        }
        if self.steps.contains(&Step::All) {
            return Some(Value::Array(found.into_iter().cloned().collect()));
        }
        found.first().map(|value| (*value).clone())
    }
}

fn member(name: &str) -> Result<Step, PathError> {
    match name {
        "" => Err(PathError),
        "*" => Ok(Step::All),
        name if name.contains([']', '\'', '"', '(', ')', '?', ' ']) => Err(PathError),
        name => Ok(Step::Member(name.to_owned())),
    }
}

fn bracketed(inner: &str) -> Result<(Step, &str), PathError> {
    for quote in ['\'', '"'] {
        if let Some(quoted) = inner.strip_prefix(quote) {
            let (name, after) = quoted.split_once(quote).ok_or(PathError)?;
            let after = after.strip_prefix(']').ok_or(PathError)?;
            return Ok((Step::Member(name.to_owned()), after));
        }
    }
    let (number, after) = inner.split_once(']').ok_or(PathError)?;
    if number == "*" {
        return Ok((Step::All, after));
    }
    let number = number.parse().map_err(|_| PathError)?;
    Ok((Step::Element(number), after))
}
