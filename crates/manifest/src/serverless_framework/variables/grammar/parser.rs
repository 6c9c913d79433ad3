//! Takes a text apart, byte by byte: everything that means something is ASCII.
//!
//! Lives here: the rules of the notation.
//! Does not live here: what is found (`grammar`), what it stands for (`resolver`).

use serde_json::Value;

use super::{GrammarError, Meaning, NESTING_MAX, Source, Template, Text, Variable};
use crate::serverless_framework::script;

/// Finds the variables of a text; none at all leaves the list empty.
pub(in super::super) fn parse(text: &str) -> Result<Vec<Variable>, GrammarError> {
    if !text.contains('$') {
        return Ok(Vec::new());
    }
    let mut parser = Parser {
        text,
        position: 0,
        depth: 0,
    };
    let mut found = Vec::new();
    parser.outside(&mut found)?;
    Ok(found)
}

/// Whether the variable stands in a parameter or address of another: there, everything has to be a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Outside,
    Inside,
}

/// How a source ended.
#[derive(Debug, PartialEq)]
enum End {
    Closed,
    NextSource,
    /// `${name::…}` is none of ours.
    Foreign,
}

/// What an address stands behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// `name(…)`, with a colon to come if there is an address.
    Params,
    /// `name:`
    Name,
    /// The same, where a second colon makes the whole foreign.
    FirstName,
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
    depth: usize,
}

impl Parser<'_> {
    fn outside(&mut self, found: &mut Vec<Variable>) -> Result<(), GrammarError> {
        // Where the backslashes begin that stand right before this position.
        let mut slashes: Option<usize> = None;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => {
                    let start = *slashes.get_or_insert(self.position);
                    self.position += 1;
                    match self.peek() {
                        Some(b'$') => {
                            self.escaped_dollar(start, found);
                            slashes = None;
                        }
                        Some(b'\\') => self.position += 1,
                        Some(_) => {
                            slashes = None;
                            self.position += 1;
                        }
                        None => {}
                    }
                }
                b'$' => self.variable(slashes.take(), Scope::Outside, 0, found)?,
                _other => {
                    slashes = None;
                    self.position += 1;
                }
            }
        }
        Ok(())
    }

    /// An odd number of backslashes, then a dollar: an escape if a brace follows.
    fn escaped_dollar(&mut self, start: usize, found: &mut Vec<Variable>) {
        let slashes = self.position - start;
        self.position += 1;
        match self.peek() {
            Some(b'{') => {
                found.push(Variable {
                    span: start..self.position,
                    meaning: Meaning::Escape(format!("{}$", "\\".repeat(slashes / 2))),
                });
                self.position += 1;
            }
            Some(b'\\' | b'$') | None => {}
            Some(_) => self.position += 1,
        }
    }

    /// From a dollar on. `base` is where the text begins that spans are counted from.
    fn variable(
        &mut self,
        mut slashes: Option<usize>,
        scope: Scope,
        base: usize,
        found: &mut Vec<Variable>,
    ) -> Result<(), GrammarError> {
        let start = self.position;
        self.position += 1;
        loop {
            match self.next() {
                Some(b'{') => break,
                Some(b'$') => slashes = None,
                Some(_) => return Ok(()),
                None => return ended(scope),
            }
        }
        if let Some(slashes) = slashes {
            let dollar = self.position - 2;
            found.push(Variable {
                span: slashes..dollar,
                meaning: Meaning::Escape("\\".repeat((dollar - slashes) / 2)),
            });
        }
        self.depth += 1;
        if NESTING_MAX < self.depth {
            return Err(GrammarError::TooDeep);
        }
        let sources = self.first_source(scope, base, found);
        self.depth -= 1;
        if let Some(sources) = sources? {
            found.push(Variable {
                span: start - base..self.position - base,
                meaning: Meaning::Sources(sources),
            });
        }
        Ok(())
    }

    /// What stands behind `${`: the sources, or none if it is foreign.
    fn first_source(
        &mut self,
        scope: Scope,
        base: usize,
        found: &mut Vec<Variable>,
    ) -> Result<Option<Vec<Source>>, GrammarError> {
        let start = self.position;
        if self.peek().is_some_and(|byte| byte.is_ascii_lowercase()) {
            self.skip_name();
            if let Some(b':' | b'(') = self.peek() {
                let kind = self.slice(start, self.position).to_owned();
                return self.sources(kind, scope, base, found);
            }
        }
        match (self.peek(), scope) {
            (None, _) => ended(scope).map(|()| None),
            (Some(_), Scope::Inside) => Err(GrammarError::Type { at: start }),
            (Some(_), Scope::Outside) => self.foreign(base, found).map(|()| None),
        }
    }

    /// `${AWS::Region}` and its like: left alone, but for variables inside.
    fn foreign(&mut self, base: usize, found: &mut Vec<Variable>) -> Result<(), GrammarError> {
        while let Some(byte) = self.peek() {
            match byte {
                b'}' => {
                    self.position += 1;
                    return Ok(());
                }
                b'$' => self.variable(None, Scope::Outside, base, found)?,
                _other => self.position += 1,
            }
        }
        Ok(())
    }

    fn sources(
        &mut self,
        mut kind: String,
        scope: Scope,
        base: usize,
        found: &mut Vec<Variable>,
    ) -> Result<Option<Vec<Source>>, GrammarError> {
        let mut sources = Vec::new();
        loop {
            let params = match self.next() {
                Some(b'(') => Some(self.params()?),
                Some(_) | None => None,
            };
            let behind = match (&params, scope) {
                (Some(_), _) => Behind::Params,
                (None, Scope::Outside) if sources.is_empty() => Behind::FirstName,
                (None, Scope::Outside | Scope::Inside) => Behind::Name,
            };
            let (address, end) = self.address(behind)?;
            sources.push(Source::Call {
                kind,
                params: params.unwrap_or_default(),
                address,
            });
            match end {
                End::Closed => return Ok(Some(sources)),
                End::Foreign => return self.foreign(base, found).map(|()| None),
                End::NextSource => match self.next_source()? {
                    NextSource::Call(next) => kind = next,
                    NextSource::Literal(literal) => {
                        sources.push(Source::Literal(literal));
                        return Ok(Some(sources));
                    }
                },
            }
        }
    }

    fn params(&mut self) -> Result<Vec<Text>, GrammarError> {
        let mut params = Vec::new();
        loop {
            self.skip_spaces();
            let start = self.position;
            match self.peek().ok_or(GrammarError::Unterminated)? {
                b')' => {
                    self.position += 1;
                    return Ok(params);
                }
                b',' => {
                    self.position += 1;
                    params.push(Text::Value(Value::Null));
                }
                b'}' => return Err(GrammarError::Param { at: start }),
                b'"' | b'\'' => {
                    params.push(Text::Value(self.quoted()?));
                    self.skip_spaces();
                    match self.next().ok_or(GrammarError::Unterminated)? {
                        b')' => return Ok(params),
                        b',' => {}
                        _other => return Err(GrammarError::Param { at: start }),
                    }
                }
                _other => {
                    let (text, closing) = self.template(b")", GrammarError::Param { at: start })?;
                    match text {
                        Text::Value(Value::String(word)) => {
                            params.push(Text::Value(literal(&word).unwrap_or(Value::String(word))));
                        }
                        Text::Value(Value::Null) => {}
                        text @ (Text::Value(_) | Text::Template(_)) => params.push(text),
                    }
                    if closing == b')' {
                        return Ok(params);
                    }
                }
            }
        }
    }

    fn address(&mut self, behind: Behind) -> Result<(Option<Text>, End), GrammarError> {
        if behind == Behind::Params {
            self.skip_spaces();
            match self.next().ok_or(GrammarError::Unterminated)? {
                b':' => {}
                b'}' => return Ok((None, End::Closed)),
                b',' => return Ok((None, End::NextSource)),
                _other => {
                    return Err(GrammarError::Address {
                        at: self.position - 1,
                    });
                }
            }
        }
        self.skip_spaces();
        let start = self.position;
        let wrong = GrammarError::Address { at: start };
        let (address, closing) = match self.peek().ok_or(GrammarError::Unterminated)? {
            closing @ (b'}' | b',') => {
                self.position += 1;
                (None, closing)
            }
            b':' if behind == Behind::FirstName => return Ok((None, End::Foreign)),
            b':' => return Err(wrong),
            b'"' | b'\'' => {
                let text = Text::Value(self.quoted()?);
                self.skip_spaces();
                (Some(text), self.next().ok_or(GrammarError::Unterminated)?)
            }
            _other => {
                let (text, closing) = self.template(b"}", wrong.clone())?;
                (Some(text), closing)
            }
        };
        match closing {
            b'}' => Ok((address, End::Closed)),
            b',' => Ok((address, End::NextSource)),
            _other => Err(wrong),
        }
    }

    /// A parameter or address without quotes: up to a comma, or to what closes it, which is returned, too.
    fn template(
        &mut self,
        closing: &[u8],
        wrong: GrammarError,
    ) -> Result<(Text, u8), GrammarError> {
        let start = self.position;
        let mut variables = Vec::new();
        let mut has_dollar = false;
        loop {
            let byte = self.peek().ok_or(GrammarError::Unterminated)?;
            if byte == b',' || closing.contains(&byte) {
                let text = self.slice(start, self.position).trim();
                let value = if text.is_empty() {
                    Text::Value(Value::Null)
                } else if has_dollar {
                    Text::Template(Template {
                        text: text.to_owned(),
                        variables,
                    })
                } else {
                    Text::Value(Value::String(text.to_owned()))
                };
                self.position += 1;
                return Ok((value, byte));
            }
            match byte {
                b'}' => return Err(wrong),
                b'$' => {
                    has_dollar = true;
                    self.variable(None, Scope::Inside, start, &mut variables)?;
                }
                _other => self.position += 1,
            }
        }
    }

    /// Behind a comma: another source, or a literal, which then is the last.
    fn next_source(&mut self) -> Result<NextSource, GrammarError> {
        self.skip_spaces();
        let start = self.position;
        let wrong = GrammarError::Source { at: start };
        match self.peek().ok_or(GrammarError::Unterminated)? {
            b'"' | b'\'' => {
                let literal = self.quoted()?;
                self.skip_spaces();
                return match self.next().ok_or(GrammarError::Unterminated)? {
                    b'}' => Ok(NextSource::Literal(literal)),
                    _other => Err(wrong),
                };
            }
            byte if is_name_byte(byte) => {}
            _other => return Err(wrong),
        }
        while self
            .peek()
            .is_some_and(|byte| is_name_byte(byte) || byte == b' ')
        {
            self.position += 1;
        }
        let text = self.slice(start, self.position);
        match self.peek().ok_or(GrammarError::Unterminated)? {
            b':' | b'(' if is_type(text) => Ok(NextSource::Call(text.to_owned())),
            b'}' => {
                let word = text.trim();
                let value = literal(word).ok_or_else(|| GrammarError::Literal {
                    literal: word.to_owned(),
                })?;
                self.position += 1;
                Ok(NextSource::Literal(value))
            }
            _other => Err(wrong),
        }
    }

    /// A text in quotes: in single ones as it stands, in double ones as JSON has it.
    fn quoted(&mut self) -> Result<Value, GrammarError> {
        let start = self.position;
        let quote = self.next().ok_or(GrammarError::Unterminated)?;
        loop {
            let byte = self.next().ok_or(GrammarError::Unterminated)?;
            if byte == quote {
                break;
            }
            if byte == b'\\' && quote == b'"' {
                self.next().ok_or(GrammarError::Unterminated)?;
            }
        }
        let text = self.slice(start, self.position);
        if quote == b'\'' {
            let inner = text.trim_matches('\'').to_owned();
            return Ok(Value::String(inner));
        }
        serde_json::from_str(text).map_err(|_error| GrammarError::Quoted { at: start })
    }

    fn skip_name(&mut self) {
        while self.peek().is_some_and(is_name_byte) {
            self.position += 1;
        }
    }

    fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.position += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.position += 1;
        Some(byte)
    }

    /// Both ends are where an ASCII character begins or ends, so the slice is there.
    fn slice(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or_default()
    }
}

enum NextSource {
    Call(String),
    Literal(Value),
}

/// The text ended: inside a variable, that is an error.
fn ended(scope: Scope) -> Result<(), GrammarError> {
    match scope {
        Scope::Outside => Ok(()),
        Scope::Inside => Err(GrammarError::Unterminated),
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-'
}

fn is_type(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric())
}

/// `true`, `false`, `null`, or what JavaScript takes for a number.
fn literal(word: &str) -> Option<Value> {
    match word {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" => Some(Value::Null),
        number => script::number_of(number).map(Value::Number),
    }
}
