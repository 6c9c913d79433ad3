//! A pattern, letter by letter.

use super::{Comparison, InvalidPattern, invalid};

/// What is left of a pattern.
#[derive(Debug, Clone)]
pub(super) struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let next = letters.next();
        self.rest = letters.as_str();
        next
    }

    pub(super) fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes this text, behind spaces, if it comes next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let after = self.rest.trim_start().strip_prefix(text);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Takes this word, in letters of any case, if it comes next.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start();
        let Some((start, after)) = rest.split_at_checked(word.len()) else {
            return false;
        };
        let is_whole = !after.starts_with(|letter: char| letter.is_alphanumeric());
        let is_there = is_whole && start.eq_ignore_ascii_case(word);
        if is_there {
            self.rest = after;
        }
        is_there
    }

    pub(super) fn until(&mut self, ends: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// A text in quotes, in which a backslash escapes.
    pub(super) fn quoted(&mut self) -> Result<String, InvalidPattern> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => match self.next() {
                    Some(letter @ ('"' | '\\')) => text.push(letter),
                    Some(letter) => text.extend(['\\', letter]),
                    None => return Err(invalid("a quote is not closed")),
                },
                Some(letter) => text.push(letter),
                None => return Err(invalid("a quote is not closed")),
            }
        }
    }

    pub(super) fn comparison(&mut self) -> Option<Comparison> {
        let all = [
            ("!=", Comparison::Unequal),
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let found = all.iter().find(|(text, _)| self.take(text));
        found.map(|(_, comparison)| *comparison)
    }

    pub(super) fn is_over(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty()
    }
}
