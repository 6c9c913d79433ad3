//! The tokens of a JSON text, with the place up to which it was read.
//!
//! Lives here: what a pattern is read from, and the words in which EventBridge tells of a text that is no JSON.
//! Does not live here: what a pattern means (`compile`).
//!
//! Patterns that are refused are told with a line and a column, and users paste these texts into their search engines. So the
//! place moves as it does in the cloud: behind the first character of a text until the text is wanted, and behind the value's
//! first token as soon as its name was read.

use crate::PatternError;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Name(String),
    /// A text begins here; [`Tokens::text`] reads it.
    Text,
    Number(String),
    True,
    False,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Object,
    Array,
}

/// Reads tokens one by one.
#[derive(Debug)]
pub(crate) struct Tokens<'t> {
    source: &'t str,
    /// Up to here it was read, in bytes.
    at: usize,
    /// The value whose name was read last.
    ahead: Option<Token>,
    /// Where the text began that was not read to its end.
    open_text: Option<usize>,
    inside: Vec<Inside>,
    /// Whether a value or member was read in the innermost object or array.
    follows: bool,
}

const VALID_TOKENS: &str =
    "was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

impl<'t> Tokens<'t> {
    pub(crate) fn new(source: &'t str) -> Self {
        Self {
            source,
            at: 0,
            ahead: None,
            open_text: None,
            inside: Vec::new(),
            follows: false,
        }
    }

    /// An error at the place that was reached.
    pub(crate) fn refuse(&self, reason: impl Into<String>) -> PatternError {
        PatternError {
            reason: reason.into(),
            place: self.place(),
        }
    }

    /// The text that began with the last token.
    pub(crate) fn text(&mut self) -> Result<String, PatternError> {
        let Some(start) = self.open_text else {
            return Err(self.refuse("a text was expected"));
        };
        self.close_text()?;
        let quoted = self.source.get(start..self.at).unwrap_or_default();
        serde_json::from_str(quoted).map_err(|_| self.refuse("Unrecognized character escape"))
    }

    /// The next token; its absence is an error.
    pub(crate) fn next(&mut self) -> Result<Token, PatternError> {
        if let Some(token) = self.ahead.take() {
            return Ok(token);
        }
        self.close_text()?;
        self.skip_space();
        if let Some(inside) = self.inside.last().copied() {
            if self.eat(end_of(inside)) {
                self.inside.pop();
                self.follows = true;
                return Ok(match inside {
                    Inside::Object => Token::ObjectEnd,
                    Inside::Array => Token::ArrayEnd,
                });
            }
            if self.follows {
                if !self.eat(b',') {
                    return Err(self.unexpected(&format!(
                        "was expecting comma to separate {} entries",
                        name_of(inside)
                    )));
                }
                self.skip_space();
            }
            if inside == Inside::Object {
                return self.name();
            }
        }
        self.value()
    }

    fn name(&mut self) -> Result<Token, PatternError> {
        let start = self.at;
        if !self.eat(b'"') {
            return Err(self.unexpected("was expecting double-quote to start field name"));
        }
        self.open_text = Some(start);
        let name = self.text()?;
        self.skip_space();
        if !self.eat(b':') {
            return Err(self.unexpected("was expecting a colon to separate field name and value"));
        }
        self.skip_space();
        let value = self.value()?;
        self.ahead = Some(value);
        Ok(Token::Name(name))
    }

    fn value(&mut self) -> Result<Token, PatternError> {
        self.follows = true;
        let start = self.at;
        match self.peek() {
            Some(b'{') => Ok(self.enter(Inside::Object)),
            Some(b'[') => Ok(self.enter(Inside::Array)),
            Some(b'"') => {
                self.at += 1;
                self.open_text = Some(start);
                Ok(Token::Text)
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() => self.word(),
            Some(_) => Err(self.unexpected(
                "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
            )),
            None => Err(self.ended()),
        }
    }

    fn enter(&mut self, inside: Inside) -> Token {
        self.at += 1;
        self.inside.push(inside);
        self.follows = false;
        match inside {
            Inside::Object => Token::ObjectStart,
            Inside::Array => Token::ArrayStart,
        }
    }

    fn number(&mut self) -> Result<Token, PatternError> {
        let text = self.take_while(|byte| {
            byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
        });
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Ok(Token::Number(text.to_owned())),
            Err(_) => Err(self.refuse(format!("Invalid numeric value: {text}"))),
        }
    }

    fn word(&mut self) -> Result<Token, PatternError> {
        let word = self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match word {
            "true" => Ok(Token::True),
            "false" => Ok(Token::False),
            "null" => Ok(Token::Null),
            _ => Err(self.refuse(format!("Unrecognized token '{word}': {VALID_TOKENS}"))),
        }
    }

    fn close_text(&mut self) -> Result<(), PatternError> {
        let Some(start) = self.open_text.take() else {
            return Ok(());
        };
        let bytes = self.source.as_bytes();
        let mut at = start + 1;
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => {
                    self.at = self.source.len();
                    return Err(self.refuse(
                        "Unexpected end-of-input: was expecting closing quote for a string value",
                    ));
                }
            }
        }
        self.at = at + 1;
        Ok(())
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'t str {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
        self.source.get(start..self.at).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    fn eat(&mut self, wanted: u8) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn unexpected(&mut self, wanted: &str) -> PatternError {
        let rest = self.source.get(self.at..).unwrap_or_default();
        let Some(char) = rest.chars().next() else {
            return self.ended();
        };
        self.at += char.len_utf8();
        self.refuse(format!(
            "Unexpected character ('{char}' (code {})): {wanted}",
            u32::from(char)
        ))
    }

    fn ended(&self) -> PatternError {
        let reason = match self.inside.last() {
            Some(inside) => format!(
                "Unexpected end-of-input: expected close marker for {}",
                name_of(*inside)
            ),
            None => "No content to map due to end-of-input".to_owned(),
        };
        self.refuse(reason)
    }

    /// Contract: the recorded answers of `TestEventPattern` and `PutRule`.
    fn place(&self) -> String {
        let read = self.source.get(..self.at).unwrap_or(self.source);
        let line = read.matches('\n').count() + 1;
        let column = read
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .encode_utf16()
            .count()
            + 1;
        format!(
            "\n at [Source: (String)\"{}\"; line: {line}, column: {column}]",
            self.source
        )
    }
}

const fn end_of(inside: Inside) -> u8 {
    match inside {
        Inside::Object => b'}',
        Inside::Array => b']',
    }
}

const fn name_of(inside: Inside) -> &'static str {
    match inside {
        Inside::Object => "Object",
        Inside::Array => "Array",
    }
}
