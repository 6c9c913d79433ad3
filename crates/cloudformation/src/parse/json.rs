//! JSON with places.
//!
//! Lives here: RFC 8259, strictly, into the same tree as YAML.
//! Does not live here: comments and trailing commas, which CloudFormation refuses.

use std::sync::Arc;

use model::problem::{Place, Problem};
use serde_json::Number;

use super::{DEPTH_MAX, NODES_MAX, Parsed, Problems};
use crate::node::{Kind, Mapping, Node};

/// Reads one value.
pub(super) fn read(file: &str, text: &str) -> Parsed {
    let mut reader = Reader {
        file: file.into(),
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        line: 1,
        column: 1,
        nodes: 0,
        problems: Problems::default(),
    };
    let node = reader.document();
    let problems = &mut reader.problems;
    let node = match node {
        Ok(node) => Some(node),
        Err(fault) => {
            problems.push(
                Problem::error(
                    "parse::json",
                    format!("not well-formed JSON: {}", fault.what),
                )
                .at(&fault.place)
                .help(fault.help),
            );
            None
        }
    };
    Parsed {
        node,
        problems: reader.problems.into_list(),
    }
}

/// Why reading ended.
struct Fault {
    place: Place,
    what: String,
    help: &'static str,
}

struct Reader<'a> {
    file: Arc<str>,
    rest: &'a str,
    line: u32,
    column: u32,
    nodes: usize,
    problems: Problems,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Node, Fault> {
        self.skip_space();
        let node = self.value(0)?;
        self.skip_space();
        match self.peek() {
            None => Ok(node),
            Some(_) => Err(self.fault(
                "more text after the end of the value",
                "remove what follows the last bracket",
            )),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Fault> {
        self.nodes += 1;
        if DEPTH_MAX <= depth {
            return Err(self.fault(
                &format!("more than {DEPTH_MAX} levels of nesting"),
                "nest less",
            ));
        }
        if NODES_MAX < self.nodes {
            return Err(self.fault(&format!("more than {NODES_MAX} values"), "split the file"));
        }
        let start = self.place(1);
        let kind = match self.peek() {
            Some('{') => return self.object(depth, &start),
            Some('[') => return self.array(depth, &start),
            Some('"') => Kind::String(self.string()?),
            Some('-' | '0'..='9') => self.number()?,
            Some(letter) if letter.is_ascii_alphabetic() => self.word()?,
            Some('\'') => {
                return Err(self.fault("a text in single quotes", "use double quotes"));
            }
            Some('/' | '#') => {
                return Err(self.fault(
                    "a comment",
                    "JSON has no comments: remove it, or keep the file as YAML",
                ));
            }
            Some(other) => {
                return Err(self.fault(
                    &format!("a value cannot begin with `{}`", other.escape_debug()),
                    "put a value here",
                ));
            }
            None => {
                return Err(self.fault(
                    "the file ends where a value is expected",
                    "put a value here",
                ));
            }
        };
        let width = self.column.saturating_sub(start.column).max(1);
        Ok(Node::new(kind, &Place { width, ..start }))
    }

    fn object(&mut self, depth: usize, start: &Place) -> Result<Node, Fault> {
        let mut mapping = Mapping::default();
        self.advance();
        self.skip_space();
        if self.take('}') {
            return Ok(Node::new(Kind::Mapping(mapping), start));
        }
        loop {
            self.skip_space();
            let key_start = self.place(1);
            if self.peek() != Some('"') {
                return Err(self.fault(
                    "a key is expected here",
                    "keys stand in double quotes, and no comma follows the last value",
                ));
            }
            let key = self.string()?;
            let width = self.column.saturating_sub(key_start.column).max(1);
            let key_place = Place { width, ..key_start };
            self.skip_space();
            if !self.take(':') {
                return Err(self.fault(
                    "a colon is expected here",
                    "put a `:` between key and value",
                ));
            }
            self.skip_space();
            let value = self.value(depth + 1)?;
            if let Some(first) = mapping.entry(&key) {
                let problem = duplicate(&key, &key_place, &first.key_place);
                self.problems.push(problem);
            } else {
                mapping.set(&key, &key_place, value);
            }
            self.skip_space();
            if self.take('}') {
                return Ok(Node::new(Kind::Mapping(mapping), start));
            }
            if !self.take(',') {
                return Err(self.fault(
                    "a comma or the closing brace is expected here",
                    "put a `,` between two keys, or close the brace",
                ));
            }
        }
    }

    fn array(&mut self, depth: usize, start: &Place) -> Result<Node, Fault> {
        let mut items = Vec::new();
        self.advance();
        self.skip_space();
        if self.take(']') {
            return Ok(Node::new(Kind::Sequence(items), start));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take(']') {
                return Ok(Node::new(Kind::Sequence(items), start));
            }
            if !self.take(',') {
                return Err(self.fault(
                    "a comma or the closing bracket is expected here",
                    "put a `,` between two values, or close the bracket",
                ));
            }
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        self.advance();
        loop {
            match self.peek() {
                Some('"') => {
                    self.advance();
                    return Ok(text);
                }
                Some('\\') => {
                    self.advance();
                    text.push(self.escape()?);
                }
                Some(control) if control < ' ' => {
                    return Err(self.fault(
                        "a line end or control character in a text",
                        "close the quote, or write the character as an escape (`\\n`)",
                    ));
                }
                Some(character) => {
                    self.advance();
                    text.push(character);
                }
                None => return Err(self.fault("the file ends inside a text", "close the quote")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let escaped = match self.peek() {
            Some(same @ ('"' | '\\' | '/')) => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                self.advance();
                return self.unicode_escape();
            }
            Some(_) | None => {
                return Err(self.fault(
                    "an escape that JSON does not have",
                    "write a backslash as `\\\\`",
                ));
            }
        };
        self.advance();
        Ok(escaped)
    }

    fn unicode_escape(&mut self) -> Result<char, Fault> {
        let high = self.four_digits()?;
        let code = if (0xd800..0xdc00).contains(&high) && self.rest.starts_with("\\u") {
            self.advance();
            self.advance();
            let low = self.four_digits()?;
            if (0xdc00..0xe000).contains(&low) {
                0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
            } else {
                high
            }
        } else {
            high
        };
        char::from_u32(code).ok_or_else(|| {
            self.fault(
                "half of a surrogate pair",
                "write both halves, or the character itself",
            )
        })
    }

    fn four_digits(&mut self) -> Result<u32, Fault> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|character| character.to_digit(16)) else {
                return Err(self.fault(
                    "`\\u` without four hexadecimal digits",
                    "write it as `\\u00e9`",
                ));
            };
            code = code * 16 + digit;
            self.advance();
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<Kind, Fault> {
        let length = self
            .rest
            .find(|character: char| {
                !(character.is_ascii_digit() || matches!(character, '-' | '+' | '.' | 'e' | 'E'))
            })
            .unwrap_or(self.rest.len());
        let text = self.rest.get(..length).unwrap_or_default().to_owned();
        let Ok(value) = serde_json::from_str::<Number>(&text) else {
            return Err(self.fault(
                &format!("`{text}` is no number of JSON"),
                "quote it if it is a text",
            ));
        };
        for _ in 0..length {
            self.advance();
        }
        Ok(Kind::Number { value, text })
    }

    fn word(&mut self) -> Result<Kind, Fault> {
        let length = self
            .rest
            .find(|character: char| !character.is_ascii_alphanumeric())
            .unwrap_or(self.rest.len());
        let kind = match self.rest.get(..length).unwrap_or_default() {
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "null" => Kind::Null,
            other => {
                return Err(self.fault(
                    &format!("`{other}` is no value of JSON"),
                    "put texts in double quotes",
                ));
            }
        };
        for _ in 0..length {
            self.advance();
        }
        Ok(kind)
    }

    fn skip_space(&mut self) {
        while let Some(' ' | '\t' | '\n' | '\r') = self.peek() {
            self.advance();
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.advance();
        }
        is_there
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn advance(&mut self) {
        let mut characters = self.rest.chars();
        match characters.next() {
            Some('\n') => {
                self.line = self.line.saturating_add(1);
                self.column = 1;
            }
            Some(_) => self.column = self.column.saturating_add(1),
            None => {}
        }
        self.rest = characters.as_str();
    }

    fn place(&self, width: u32) -> Place {
        Place {
            file: self.file.clone(),
            line: self.line,
            column: self.column,
            width,
        }
    }

    fn fault(&self, what: &str, help: &'static str) -> Fault {
        Fault {
            place: self.place(1),
            what: what.to_owned(),
            help,
        }
    }
}

/// The same key twice in one mapping.
pub(super) fn duplicate(key: &str, place: &Place, first: &Place) -> Problem {
    Problem::error(
        "parse::duplicate-key",
        format!("the key `{key}` stands here twice"),
    )
    .at(place)
    .because(format!(
        "it has a value at {first} already; some tools take the first, some the last, some refuse"
    ))
    .help("remove or rename one of them")
}
