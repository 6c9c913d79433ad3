//! A place in a template's text.
//!
//! Lives here: looking ahead, moving on, counting what is nested, naming places.
//! Does not live here: what the text means (`parse`).

use crate::{NESTING_MAX, ParseError};

#[derive(Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    /// Bytes, always at a character.
    at: usize,
    depth: usize,
    /// Where the text begins, when it stands inside another.
    origin: Option<(usize, usize)>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            origin: None,
        }
    }

    /// A cursor in a text that stands where this one is.
    pub(super) fn inside<'b>(&self, text: &'b str) -> Result<Cursor<'b>, ParseError> {
        let mut inner = Cursor {
            text,
            at: 0,
            depth: self.depth,
            origin: Some(self.place()),
        };
        inner.enter()?;
        Ok(inner)
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The text from an earlier position on.
    pub(super) fn since(&self, position: usize) -> &'a str {
        self.text.get(position..self.at).unwrap_or_default()
    }

    pub(super) fn back_to(&mut self, position: usize) {
        self.at = position;
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    /// So many characters on.
    pub(super) fn skip(&mut self, characters: usize) {
        let rest = self.rest();
        let end = rest.char_indices().nth(characters);
        self.at += end.map_or(rest.len(), |(end, _)| end);
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let is_there = self.starts_with(text);
        if is_there {
            self.at += text.len();
        }
        is_there
    }

    /// A word that ends here.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let next = self.rest().strip_prefix(word);
        let is_whole = next.is_some_and(|rest| !rest.starts_with(is_of_identifier));
        if is_whole {
            self.at += word.len();
        }
        is_whole
    }

    /// The text up to one of these, or all of it.
    pub(super) fn until(&mut self, stops: &[char]) -> &'a str {
        let rest = self.rest();
        let end = rest.find(stops).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// The text up to this mark, which is taken, too.
    pub(super) fn behind(&mut self, mark: &str) -> Option<&'a str> {
        let (before, _) = self.rest().split_once(mark)?;
        self.at += before.len() + mark.len();
        Some(before)
    }

    pub(super) fn count(&self, letter: char) -> usize {
        self.rest().chars().take_while(|it| *it == letter).count()
    }

    pub(super) fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    pub(super) fn peek_past_blanks(&self) -> Option<char> {
        self.rest().trim_start_matches([' ', '\t']).chars().next()
    }

    /// Takes blanks and the line break behind them; nothing, when something else follows.
    pub(super) fn skip_line_end(&mut self) -> bool {
        let behind = self.rest().trim_start_matches([' ', '\t']);
        let next = ["\r\n", "\n", "\r"]
            .iter()
            .find_map(|end| behind.strip_prefix(end));
        if let Some(next) = next {
            self.at = self.text.len() - next.len();
        }
        next.is_some()
    }

    /// Whether nothing but blanks stands before this place in its line.
    pub(super) fn begins_line(&self) -> bool {
        let before = self.text.get(..self.at).unwrap_or_default();
        let before = before.trim_end_matches([' ', '\t']);
        before.is_empty() || before.ends_with(['\n', '\r'])
    }

    pub(super) fn identifier(&mut self) -> String {
        let name = identifier_of(self.rest());
        self.at += name.len();
        name.to_owned()
    }

    /// The name behind a `#`, in braces or not.
    pub(super) fn directive_name(&self) -> Option<String> {
        let behind = self.rest().strip_prefix('#')?;
        let name = match behind.strip_prefix('{') {
            Some(inner) => {
                let name = identifier_of(inner);
                inner.get(name.len()..)?.strip_prefix('}')?;
                name
            }
            None => directive_of(behind),
        };
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// Goes behind the name of a directive.
    pub(super) fn skip_directive(&mut self) {
        let behind = self.rest().strip_prefix('#').unwrap_or_default();
        let length = match behind.strip_prefix('{') {
            Some(inner) => identifier_of(inner).len() + 2,
            None => directive_of(behind).len(),
        };
        self.at += 1 + length;
    }

    pub(super) fn enter(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        if NESTING_MAX < self.depth {
            return Err(self.error(format!("it is nested more than {NESTING_MAX} deep")));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    pub(super) fn error(&self, what: String) -> ParseError {
        let (line, column) = self.place();
        ParseError { line, column, what }
    }

    fn place(&self) -> (usize, usize) {
        if let Some(origin) = self.origin {
            return origin;
        }
        let before = self.text.get(..self.at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let last = before.rsplit('\n').next().unwrap_or_default();
        (line, last.chars().count() + 1)
    }
}

fn is_of_identifier(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'
}

/// Letters, digits, `_` and `-`, the first a letter or `_`.
fn identifier_of(text: &str) -> &str {
    let starts = text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    let end = text
        .find(|letter: char| !is_of_identifier(letter))
        .unwrap_or(text.len());
    text.get(..if starts { end } else { 0 }).unwrap_or_default()
}

/// The same without `-`.
fn directive_of(text: &str) -> &str {
    let name = identifier_of(text);
    name.split('-').next().unwrap_or_default()
}
