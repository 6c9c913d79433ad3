//! Reading paths.
//!
//! Lives here: segments, and the conditions of `[?(…)]`.
//! Does not live here: what they find (`path`, `filter`).

use super::filter::{Comparison, Condition, Operand};
use super::{Path, Segment, Selector};
use crate::{NESTING_MAX, text};

/// Segments of one path.
const SEGMENTS_MAX: usize = 256;

/// Reads a whole path. One that does not begin with `$` is below it.
pub(super) fn path(text: &str) -> Result<Path, String> {
    let text = text.trim();
    let mut reader = Reader {
        rest: text,
        depth: 0,
    };
    if !reader.eat("$") && !reader.eat("@") && !text.starts_with(['.', '[']) {
        let owned = format!(".{text}");
        let mut reader = Reader {
            rest: &owned,
            depth: 0,
        };
        return reader.whole();
    }
    reader.whole()
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn whole(&mut self) -> Result<Path, String> {
        let path = self.segments()?;
        if self.rest.is_empty() {
            return Ok(path);
        }
        Err(format!("`{}` is not understood", self.rest))
    }

    fn eat(&mut self, text: &str) -> bool {
        let behind = self.rest.strip_prefix(text);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn segments(&mut self) -> Result<Path, String> {
        let mut segments = Vec::new();
        loop {
            if SEGMENTS_MAX < segments.len() {
                return Err(format!("it has more than {SEGMENTS_MAX} parts"));
            }
            let is_deep = self.eat("..");
            if is_deep || self.eat(".") {
                if self.rest.starts_with('[') {
                    let selector = self.bracket()?;
                    segments.push(Segment { is_deep, selector });
                    continue;
                }
                let end = self.rest.find([
                    '.', '[', '(', ')', ' ', '=', '!', '<', '>', '&', '|', ',', ']', '~',
                ]);
                let (name, behind) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                if let Some(behind) = behind.strip_prefix("()") {
                    if name != "length" && name != "size" {
                        return Err(format!("the function `{name}()` is not carried out"));
                    }
                    self.rest = behind;
                    return Ok(Path {
                        segments,
                        is_counted: true,
                    });
                }
                let selector = match name {
                    "" => return Err("a name is missing behind a full stop".to_owned()),
                    "*" => Selector::All,
                    name => Selector::Member(name.to_owned()),
                };
                self.rest = behind;
                segments.push(Segment { is_deep, selector });
            } else if self.rest.starts_with('[') {
                let selector = self.bracket()?;
                segments.push(Segment {
                    is_deep: false,
                    selector,
                });
            } else {
                return Ok(Path {
                    segments,
                    is_counted: false,
                });
            }
        }
    }

    fn bracket(&mut self) -> Result<Selector, String> {
        self.eat("[");
        self.skip_space();
        if self.eat("?") {
            self.skip_space();
            if !self.eat("(") {
                return Err("a condition stands in parentheses, as `[?(@.a == 1)]`".to_owned());
            }
            let condition = self.condition()?;
            self.skip_space();
            if !self.eat(")") {
                return Err("a condition has no `)`".to_owned());
            }
            self.skip_space();
            return self.closed(Selector::Filter(condition));
        }
        if self.eat("*") {
            self.skip_space();
            return self.closed(Selector::All);
        }
        if self.rest.starts_with(['\'', '"']) {
            let mut names = vec![self.quoted()?];
            self.skip_space();
            while self.eat(",") {
                self.skip_space();
                names.push(self.quoted()?);
                self.skip_space();
            }
            let selector = match names.pop() {
                Some(only) if names.is_empty() => Selector::Member(only),
                last => {
                    names.extend(last);
                    Selector::Members(names)
                }
            };
            return self.closed(selector);
        }
        let end = self.rest.find(']').ok_or("a `[` has no `]`")?;
        let (inner, behind) = self.rest.split_at(end);
        self.rest = behind;
        let number = |text: &str| {
            let text = text.trim();
            text.parse::<i64>()
                .map_err(|_| format!("`{text}` is no index"))
        };
        let bound = |text: &str| {
            let is_there = !text.trim().is_empty();
            is_there.then(|| number(text)).transpose()
        };
        let selector = if let Some((from, to)) = inner.split_once(':') {
            Selector::Slice(bound(from)?, bound(to)?)
        } else if inner.contains(',') {
            Selector::Elements(inner.split(',').map(number).collect::<Result<_, _>>()?)
        } else {
            Selector::Element(number(inner)?)
        };
        self.closed(selector)
    }

    fn closed(&mut self, selector: Selector) -> Result<Selector, String> {
        if self.eat("]") {
            return Ok(selector);
        }
        Err("a `[` has no `]`".to_owned())
    }

    fn quoted(&mut self) -> Result<String, String> {
        let quote = self.rest.chars().next().filter(|it| "'\"".contains(*it));
        let quote = quote.ok_or("a name in quotes is missing")?;
        let mut letters = self.rest.char_indices().skip(1);
        let mut text = String::new();
        while let Some((place, letter)) = letters.next() {
            match letter {
                '\\' => text.extend(letters.next().map(|(_, letter)| letter)),
                letter if letter == quote => {
                    self.rest = self.rest.get(place + 1..).unwrap_or_default();
                    return Ok(text);
                }
                other => text.push(other),
            }
        }
        Err("a name has no quote at its end".to_owned())
    }

    fn condition(&mut self) -> Result<Condition, String> {
        self.depth += 1;
        if NESTING_MAX < self.depth {
            return Err(format!(
                "conditions are nested more than {NESTING_MAX} deep"
            ));
        }
        let mut any = vec![self.conjunction()?];
        self.skip_space();
        while self.eat("||") {
            any.push(self.conjunction()?);
            self.skip_space();
        }
        self.depth -= 1;
        Ok(Condition::Any(any))
    }

    fn conjunction(&mut self) -> Result<Condition, String> {
        let mut all = vec![self.term()?];
        self.skip_space();
        while self.eat("&&") {
            all.push(self.term()?);
            self.skip_space();
        }
        Ok(Condition::All(all))
    }

    fn term(&mut self) -> Result<Condition, String> {
        self.skip_space();
        if self.rest.starts_with('!') {
            self.eat("!");
            self.depth += 1;
            if NESTING_MAX < self.depth {
                return Err(format!(
                    "conditions are nested more than {NESTING_MAX} deep"
                ));
            }
            let inner = self.term()?;
            self.depth -= 1;
            return Ok(Condition::Not(Box::new(inner)));
        }
        if self.eat("(") {
            let inner = self.condition()?;
            self.skip_space();
            if !self.eat(")") {
                return Err("a condition has no `)`".to_owned());
            }
            return Ok(inner);
        }
        let left = self.operand()?;
        self.skip_space();
        if self.eat("=~") {
            self.skip_space();
            let (pattern, weight) = self.pattern()?;
            return Ok(Condition::Fits(left, pattern, weight));
        }
        for (spelling, comparison) in [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
            ("in ", Comparison::Among),
            ("nin ", Comparison::NotAmong),
        ] {
            if self.eat(spelling) {
                let right = self.operand()?;
                return Ok(Condition::Compare(left, comparison, right));
            }
        }
        Ok(Condition::IsThere(left))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        self.skip_space();
        let first = self.rest.chars().next().ok_or("a condition is empty")?;
        match first {
            '@' | '$' => {
                self.rest = self.rest.get(1..).unwrap_or_default();
                let path = self.segments()?;
                Ok(if first == '@' {
                    Operand::Here(path)
                } else {
                    Operand::Root(path)
                })
            }
            '\'' | '"' => Ok(Operand::Text(self.quoted()?)),
            '[' => {
                self.eat("[");
                let mut items = Vec::new();
                loop {
                    self.skip_space();
                    if self.eat("]") {
                        return Ok(Operand::List(items));
                    }
                    if !items.is_empty() && !self.eat(",") {
                        return Err("a list has no `]`".to_owned());
                    }
                    self.skip_space();
                    if self.rest.starts_with('[') {
                        return Err("a list in a list is not understood".to_owned());
                    }
                    items.push(self.operand()?);
                }
            }
            _ => {
                let is_of_word =
                    |letter: char| letter.is_ascii_alphanumeric() || "+-._".contains(letter);
                let end = self.rest.find(|letter| !is_of_word(letter));
                let (word, behind) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                let operand = match word {
                    "true" => Operand::Bool(true),
                    "false" => Operand::Bool(false),
                    "null" => Operand::Null,
                    word => match word.parse() {
                        Ok(number) => Operand::Number(number),
                        Err(_) => return Err(format!("`{}` is not understood", self.rest)),
                    },
                };
                self.rest = behind;
                Ok(operand)
            }
        }
    }

    /// `/pattern/i`.
    fn pattern(&mut self) -> Result<(regex_lite::Regex, usize), String> {
        if !self.eat("/") {
            return Err("a pattern stands between slashes".to_owned());
        }
        let end = self
            .rest
            .find('/')
            .ok_or("a pattern has no `/` at its end")?;
        let (inner, behind) = self.rest.split_at(end);
        self.rest = behind;
        self.eat("/");
        let flags = if self.eat("i") { "(?i)" } else { "" };
        text::pattern(&format!("{flags}^(?:{inner})$"))
    }
}
