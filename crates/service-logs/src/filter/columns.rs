//! Patterns for messages of columns: `[ip, user, ..., status = 4* || status = 5*, bytes > 1000]`.

use std::collections::BTreeMap;

use super::reader::Reader;
use super::{Comparison, InvalidPattern, Operand, invalid};

/// Columns of a pattern, and of a message that is split for one.
const COLUMNS_MAX: usize = 256;

/// What each column has to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Columns {
    before: Vec<Column>,
    /// Behind `...`, counted from the end; none: there are as many columns as are named.
    behind: Option<Vec<Column>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Column {
    name: String,
    /// One of these, of which all hold; empty: it is whatever it is.
    choices: Vec<Vec<(Comparison, Operand)>>,
}

impl Columns {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let mut reader = Reader::new(text);
        reader.take("[");
        let mut columns = Self {
            before: Vec::new(),
            behind: None,
        };
        if reader.take("]") {
            return finish(columns, &mut reader);
        }
        for _ in 0..COLUMNS_MAX {
            if reader.take("...") {
                if columns.behind.replace(Vec::new()).is_some() {
                    return Err(invalid("... stands in it twice"));
                }
            } else {
                let column = Column::read(&mut reader)?;
                columns
                    .behind
                    .as_mut()
                    .unwrap_or(&mut columns.before)
                    .push(column);
            }
            if reader.take("]") {
                return finish(columns, &mut reader);
            }
            if !reader.take(",") {
                return Err(invalid("columns are separated by commas"));
            }
        }
        Err(invalid("it has too many columns"))
    }

    pub(super) fn hold(&self, message: &str) -> bool {
        if self.before.is_empty() && self.behind.is_none() {
            return true;
        }
        let values = split(message);
        let pairs = self.pairs(&values);
        pairs.is_some_and(|pairs| pairs.iter().all(|(column, value)| column.holds(value)))
    }

    pub(super) fn extract(&self, message: &str) -> BTreeMap<String, String> {
        let values = split(message);
        let pairs = self.pairs(&values).unwrap_or_default();
        let named = pairs
            .into_iter()
            .enumerate()
            .map(|(number, (column, value))| {
                let name = match column.name.as_str() {
                    "" => format!("${}", number + 1),
                    name => format!("${name}"),
                };
                (name, value.to_owned())
            });
        named.collect()
    }

    fn pairs<'p>(&'p self, values: &[&'p str]) -> Option<Vec<(&'p Column, &'p str)>> {
        let behind = self.behind.as_deref().unwrap_or_default();
        let least = self.before.len() + behind.len();
        if values.len() < least || self.behind.is_none() && least < values.len() {
            return None;
        }
        let start = self.before.iter().zip(values.iter().copied());
        let skipped = values.len() - behind.len();
        let end = behind.iter().zip(values.iter().copied().skip(skipped));
        Some(start.chain(end).collect())
    }
}

fn finish(columns: Columns, reader: &mut Reader<'_>) -> Result<Columns, InvalidPattern> {
    match reader.is_over() {
        true => Ok(columns),
        false => Err(invalid("it does not end with the bracket")),
    }
}

impl Column {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidPattern> {
        let name = word(reader);
        let mut column = Self {
            choices: Vec::new(),
            name,
        };
        let Some(comparison) = reader.comparison() else {
            return Ok(column);
        };
        let mut all = vec![(comparison, Operand::read(reader)?)];
        loop {
            let is_more = reader.take("&&");
            if !is_more && !reader.take("||") {
                column.choices.push(all);
                return Ok(column);
            }
            let name = word(reader);
            if name != column.name {
                return Err(invalid("a column is compared by its own name"));
            }
            let comparison = reader.comparison();
            let comparison = comparison.ok_or_else(|| invalid("a comparison is missing"))?;
            let next = (comparison, Operand::read(reader)?);
            if is_more {
                all.push(next);
            } else {
                column.choices.push(std::mem::replace(&mut all, vec![next]));
            }
        }
    }

    fn holds(&self, value: &str) -> bool {
        let number = value.parse().ok().filter(|number: &f64| number.is_finite());
        let holds = |(comparison, operand): &(Comparison, Operand)| {
            operand.compare(*comparison, value, number)
        };
        self.choices.is_empty() || self.choices.iter().any(|all| all.iter().all(holds))
    }
}

fn word(reader: &mut Reader<'_>) -> String {
    reader.skip_space();
    let ends = |letter: char| letter.is_whitespace() || ",]=!<>&|\"".contains(letter);
    reader.until(ends).to_owned()
}

/// What stands in brackets or quotes is one column.
fn split(message: &str) -> Vec<&str> {
    let mut values = Vec::new();
    let mut rest = message.trim_start();
    while !rest.is_empty() && values.len() <= COLUMNS_MAX {
        let close = match rest.chars().next() {
            Some('[') => Some(']'),
            Some('"') => Some('"'),
            Some(_) | None => None,
        };
        let inside = close.and_then(|close| rest.get(1..)?.split_once(close));
        let (value, behind) = match inside {
            Some(found) => found,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        values.push(value);
        rest = behind.trim_start();
    }
    values
}
