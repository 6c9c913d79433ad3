//! Filter patterns: which messages are meant.
//!
//! Lives here: reading a pattern, terms, and what all kinds of pattern share: comparing one value.
//! Does not live here: JSON (`json`), messages of columns (`columns`).
//!
//! Contract: Amazon CloudWatch Logs User Guide, "Filter pattern syntax for metric filters, subscription filters, and filter
//! log events".

mod columns;
mod json;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use columns::Columns;
use json::Condition;
use reader::Reader;

/// Characters of a pattern.
const PATTERN_LENGTH_MAX: usize = 1_024;

/// A pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Everything,
    Terms(Terms),
    Json(Condition),
    Columns(Columns),
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Terms {
    wanted: Vec<String>,
    optional: Vec<String>,
    unwanted: Vec<String>,
}

/// A pattern cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidPattern {
    /// Why.
    pub reason: String,
}

impl Pattern {
    /// Reads a pattern; an empty one means every message.
    ///
    /// # Errors
    /// [`InvalidPattern`].
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        if PATTERN_LENGTH_MAX < text.chars().count() {
            return Err(invalid("it is too long"));
        }
        let trimmed = text.trim();
        let kind = match trimmed.chars().next() {
            None => Kind::Everything,
            Some('{') => Kind::Json(Condition::parse(trimmed)?),
            Some('[') => Kind::Columns(Columns::parse(trimmed)?),
            Some(_) => Kind::Terms(Terms::parse(trimmed)?),
        };
        Ok(Self(kind))
    }

    /// Whether a message is meant.
    #[must_use]
    pub fn holds(&self, message: &str) -> bool {
        match &self.0 {
            Kind::Everything => true,
            Kind::Terms(terms) => terms.hold(message),
            Kind::Json(condition) => serde_json::from_str(message)
                .is_ok_and(|document: serde_json::Value| condition.holds(&document)),
            Kind::Columns(columns) => columns.hold(message),
        }
    }

    /// The values that the pattern names, as they stand in a message that it means.
    #[must_use]
    pub fn extract(&self, message: &str) -> BTreeMap<String, String> {
        match &self.0 {
            Kind::Everything | Kind::Terms(_) => BTreeMap::new(),
            Kind::Json(condition) => condition.extract(message),
            Kind::Columns(columns) => columns.extract(message),
        }
    }

    /// The value of `$.selector` or `$column` in a message.
    #[must_use]
    pub fn value(&self, name: &str, message: &str) -> Option<String> {
        match &self.0 {
            Kind::Columns(columns) => columns.extract(message).remove(name),
            Kind::Everything | Kind::Terms(_) | Kind::Json(_) => json::value(name, message),
        }
    }
}

impl Terms {
    fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let mut reader = Reader::new(text);
        let mut terms = Self::default();
        loop {
            reader.skip_space();
            let Some(first) = reader.peek() else { break };
            let list = match first {
                '?' => {
                    reader.next();
                    &mut terms.optional
                }
                '-' => {
                    reader.next();
                    &mut terms.unwanted
                }
                _ => &mut terms.wanted,
            };
            list.push(term(&mut reader)?);
        }
        Ok(terms)
    }

    /// Optional terms count only where no others stand beside them.
    fn hold(&self, message: &str) -> bool {
        let there = |term: &String| message.contains(term.as_str());
        let is_alone = self.wanted.is_empty() && self.unwanted.is_empty();
        self.wanted.iter().all(there)
            && !self.unwanted.iter().any(there)
            && (!is_alone || self.optional.is_empty() || self.optional.iter().any(there))
    }
}

fn term(reader: &mut Reader<'_>) -> Result<String, InvalidPattern> {
    match reader.peek() {
        Some('"') => reader.quoted(),
        Some('%') => Err(no_expressions()),
        Some(_) | None => {
            let word = reader.until(char::is_whitespace);
            let is_plain = |letter: char| letter.is_alphanumeric() || letter == '_';
            if word.is_empty() || !word.chars().all(is_plain) {
                return Err(invalid(&format!("Invalid character(s) in term '{word}'")));
            }
            Ok(word.to_owned())
        }
    }
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// What a value is compared with: a number where it is one, else a text in which `*` stands for anything.
#[derive(Debug, Clone, PartialEq)]
struct Operand {
    text: String,
    number: Option<f64>,
}

impl Operand {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidPattern> {
        reader.skip_space();
        match reader.peek() {
            Some('"') => Ok(Self {
                text: reader.quoted()?,
                number: None,
            }),
            Some('%') => Err(no_expressions()),
            Some(_) | None => {
                let ends =
                    |letter: char| letter.is_whitespace() || "&|(){}[],=<>\"".contains(letter);
                let text = reader.until(ends).to_owned();
                if text.is_empty() {
                    return Err(invalid("a value is missing"));
                }
                let number = text.parse().ok().filter(|number: &f64| number.is_finite());
                Ok(Self { text, number })
            }
        }
    }

    fn compare(&self, comparison: Comparison, text: &str, number: Option<f64>) -> bool {
        let ordered = || Some(number?.total_cmp(&self.number?));
        match comparison {
            Comparison::Equal => match (number, self.number) {
                (Some(left), Some(right)) => left.total_cmp(&right).is_eq(),
                (Some(_), None) | (None, Some(_) | None) => like(&self.text, text),
            },
            Comparison::Unequal => !self.compare(Comparison::Equal, text, number),
            Comparison::Less => ordered().is_some_and(std::cmp::Ordering::is_lt),
            Comparison::AtMost => ordered().is_some_and(std::cmp::Ordering::is_le),
            Comparison::Greater => ordered().is_some_and(std::cmp::Ordering::is_gt),
            Comparison::AtLeast => ordered().is_some_and(std::cmp::Ordering::is_ge),
        }
    }
}

/// Whether a text is like another one in which `*` stands for anything: the pieces stand in it one after the other.
fn like(wanted: &str, text: &str) -> bool {
    let Some((start, rest)) = wanted.split_once('*') else {
        return wanted == text;
    };
    let Some(mut left) = text.strip_prefix(start) else {
        return false;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*').filter(|piece| !piece.is_empty()) {
        match left.split_once(piece) {
            Some((_, behind)) => left = behind,
            None => return false,
        }
    }
    left.ends_with(end)
}

fn invalid(reason: &str) -> InvalidPattern {
    InvalidPattern {
        reason: format!("Invalid filter pattern: {reason}"),
    }
}

fn no_expressions() -> InvalidPattern {
    invalid("regular expressions (%…%) are not implemented by Cloudless yet")
}
