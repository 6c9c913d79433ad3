//! Reading references and expressions.
//!
//! Lives here: `$a.b(1)[2]`, literals, operators and which binds stronger.
//! Does not live here: text and directives (`parse`).

use std::sync::Arc;

use super::{Parser, interpolated};
use crate::tree::{Expression, Operator, Reference, Step};
use crate::{ParseError, text};

/// Operators, from those that bind least; what has two spellings is listed twice. Longer ones come first.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("or", Operator::Or)],
    &[("&&", Operator::And), ("and", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("eq", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("ne", Operator::NotEqual),
    ],
    &[
        ("<=", Operator::LessOrEqual),
        ("le", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("ge", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        ("lt", Operator::Less),
        (">", Operator::Greater),
        ("gt", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[
        ("*", Operator::Multiply),
        ("/", Operator::Divide),
        ("%", Operator::Remainder),
    ],
];

/// Methods of texts whose first argument is a pattern.
const TAKES_PATTERN: [&str; 4] = ["replaceAll", "replaceFirst", "matches", "split"];

impl Parser<'_> {
    /// A reference; none: the `$` here is a letter like others.
    pub(super) fn reference(&mut self) -> Result<Option<Reference>, ParseError> {
        let begin = self.cursor.position();
        self.cursor.skip_space();
        let found = self.reference_here()?;
        if found.is_none() {
            self.cursor.back_to(begin);
        }
        Ok(found)
    }

    fn reference_here(&mut self) -> Result<Option<Reference>, ParseError> {
        let begin = self.cursor.position();
        if !self.cursor.eat("$") {
            return Ok(None);
        }
        self.cursor.eat("!");
        let in_braces = self.cursor.eat("{");
        let name = self.cursor.identifier();
        if name.is_empty() {
            return Ok(None);
        }
        self.cursor.enter()?;
        let steps = self.steps()?;
        self.cursor.leave();
        if in_braces && !self.cursor.eat("}") {
            return Ok(None);
        }
        Ok(Some(Reference {
            name: name.into(),
            steps,
            written: self.cursor.since(begin).into(),
        }))
    }

    fn steps(&mut self) -> Result<Vec<Step>, ParseError> {
        let mut steps = Vec::new();
        loop {
            let here = self.cursor.position();
            if self.cursor.eat(".") {
                let name = self.cursor.identifier();
                if name.is_empty() {
                    self.cursor.back_to(here);
                    return Ok(steps);
                }
                if self.cursor.peek() == Some('(') {
                    let place = self.cursor.clone();
                    let arguments = self.arguments()?;
                    if TAKES_PATTERN.contains(&name.as_str())
                        && let Some(Expression::Text(pattern)) = arguments.first()
                    {
                        text::pattern(pattern).map_err(|bad| place.error(bad))?;
                    }
                    steps.push(Step::Method(name.into(), arguments));
                } else {
                    steps.push(Step::Property(name.into()));
                }
            } else if self.cursor.peek() == Some('[') && self.is_index() {
                self.cursor.skip(1);
                let index = self.expression()?;
                self.cursor.skip_space();
                if !self.cursor.eat("]") {
                    return Err(self.cursor.error("an index has no `]`".to_owned()));
                }
                steps.push(Step::Index(index));
            } else {
                return Ok(steps);
            }
        }
    }

    /// A bracket behind a reference is an index when something that can be one stands in it: `$a[ ]` and `$a[x]` are texts.
    fn is_index(&self) -> bool {
        let inner = self.cursor.rest().get(1..).unwrap_or_default();
        let first = inner.trim_start().chars().next();
        first.is_some_and(|letter| letter.is_ascii_digit() || "$\"'-".contains(letter))
    }

    /// `(a, b)`.
    fn arguments(&mut self) -> Result<Vec<Expression>, ParseError> {
        self.cursor.skip(1);
        let mut arguments = Vec::new();
        loop {
            self.cursor.skip_space();
            if self.cursor.eat(")") {
                return Ok(arguments);
            }
            if !arguments.is_empty() && !self.cursor.eat(",") {
                return Err(self.cursor.error("a call has no `)`".to_owned()));
            }
            arguments.push(self.expression()?);
        }
    }

    /// `(a b)`, of a macro, with the line's end behind it.
    pub(super) fn arguments_apart(&mut self) -> Result<Vec<Expression>, ParseError> {
        self.open()?;
        let mut arguments = Vec::new();
        loop {
            self.cursor.skip_space();
            self.cursor.eat(",");
            self.cursor.skip_space();
            if self.cursor.peek() == Some(')') {
                self.close()?;
                return Ok(arguments);
            }
            arguments.push(self.primary()?);
        }
    }

    /// `$name`, and nothing else.
    pub(super) fn variable(&mut self) -> Result<Arc<str>, ParseError> {
        let place = self.cursor.clone();
        match self.reference()? {
            Some(reference) if reference.steps.is_empty() => Ok(reference.name),
            Some(_) | None => Err(place.error("a variable is meant here, as `$name`".to_owned())),
        }
    }

    pub(super) fn open(&mut self) -> Result<(), ParseError> {
        self.cursor.skip_space();
        if self.cursor.eat("(") {
            return Ok(());
        }
        Err(self.cursor.error("a `(` is missing".to_owned()))
    }

    /// Whether it took the end of the line, too.
    pub(super) fn close(&mut self) -> Result<bool, ParseError> {
        self.cursor.skip_space();
        if self.cursor.eat(")") {
            return Ok(self.cursor.skip_line_end());
        }
        Err(self.cursor.error("a `)` is missing".to_owned()))
    }

    pub(super) fn expression(&mut self) -> Result<Expression, ParseError> {
        self.cursor.enter()?;
        let read = self.level(0);
        self.cursor.leave();
        read
    }

    fn level(&mut self, level: usize) -> Result<Expression, ParseError> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.level(level + 1)?;
        let mut chained = 0;
        while let Some(operator) = self.operator(operators) {
            // A chain leans to the left, and is as deep as it is long.
            chained += 1;
            self.cursor.enter()?;
            let right = self.level(level + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        for _ in 0..chained {
            self.cursor.leave();
        }
        Ok(left)
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        let here = self.cursor.position();
        self.cursor.skip_space();
        for (spelling, operator) in operators {
            let is_word = spelling.starts_with(|letter: char| letter.is_ascii_alphabetic());
            let is_there = if is_word {
                self.cursor.eat_word(spelling)
            } else {
                self.cursor.eat(spelling)
            };
            if is_there {
                return Some(*operator);
            }
        }
        self.cursor.back_to(here);
        None
    }

    fn unary(&mut self) -> Result<Expression, ParseError> {
        self.cursor.skip_space();
        let negated = if self.cursor.starts_with("!") && !self.cursor.starts_with("!=") {
            self.cursor.eat("!")
        } else {
            self.cursor.eat_word("not")
        };
        if !negated {
            return self.primary();
        }
        self.cursor.enter()?;
        let inner = self.unary()?;
        self.cursor.leave();
        Ok(Expression::Not(Box::new(inner)))
    }

    fn primary(&mut self) -> Result<Expression, ParseError> {
        self.cursor.skip_space();
        match self.cursor.peek() {
            Some('$') => {
                let reference = self.reference()?;
                let missing = || self.cursor.error("a `$` names nothing".to_owned());
                reference.map(Expression::Reference).ok_or_else(missing)
            }
            Some('"') => self.quoted('"'),
            Some('\'') => self.quoted('\''),
            Some('(') => {
                self.cursor.skip(1);
                let inner = self.expression()?;
                self.cursor.skip_space();
                if self.cursor.eat(")") {
                    return Ok(inner);
                }
                Err(self.cursor.error("a `)` is missing".to_owned()))
            }
            Some('[') => self.list(),
            Some('{') => self.map(),
            Some(letter) if letter.is_ascii_digit() || letter == '-' => self.number(),
            _ if self.cursor.eat_word("true") => Ok(Expression::Bool(true)),
            _ if self.cursor.eat_word("false") => Ok(Expression::Bool(false)),
            Some(letter) => Err(self
                .cursor
                .error(format!("`{letter}` begins no value: texts stand in quotes"))),
            None => Err(self.cursor.error("a value is missing".to_owned())),
        }
    }

    /// Quotes inside are doubled; `\u00e9` is a letter. Nothing else is escaped.
    fn quoted(&mut self, quote: char) -> Result<Expression, ParseError> {
        let place = self.cursor.clone();
        self.cursor.skip(1);
        let mut text = String::new();
        loop {
            text.push_str(self.cursor.until(&[quote]));
            if self.cursor.peek().is_none() {
                return Err(place.error("a text has no quote at its end".to_owned()));
            }
            self.cursor.skip(1);
            if self.cursor.peek() != Some(quote) {
                break;
            }
            text.push(quote);
            self.cursor.skip(1);
        }
        let text = text::with_letters(&text);
        if quote == '"' && text.contains(['$', '#']) {
            return Ok(Expression::Interpolated(interpolated(&text, &place)?));
        }
        Ok(Expression::Text(text.into()))
    }

    fn number(&mut self) -> Result<Expression, ParseError> {
        let begin = self.cursor.position();
        self.cursor.eat("-");
        let digits = |parser: &mut Self| {
            while parser
                .cursor
                .peek()
                .is_some_and(|letter| letter.is_ascii_digit())
            {
                parser.cursor.skip(1);
            }
        };
        digits(self);
        // Two full stops make a range.
        let is_decimal = self.cursor.starts_with(".") && !self.cursor.starts_with("..");
        if is_decimal {
            self.cursor.skip(1);
            digits(self);
        }
        let written = self.cursor.since(begin);
        let bad = || self.cursor.error(format!("`{written}` is no number"));
        if is_decimal {
            return written.parse().map(Expression::Decimal).map_err(|_| bad());
        }
        written.parse().map(Expression::Whole).map_err(|_| bad())
    }

    /// `[a, b]` or `[a..b]`.
    fn list(&mut self) -> Result<Expression, ParseError> {
        self.cursor.skip(1);
        let mut items = Vec::new();
        loop {
            self.cursor.skip_space();
            if self.cursor.eat("]") {
                return Ok(Expression::List(items));
            }
            if !items.is_empty() && !self.cursor.eat(",") {
                return Err(self.cursor.error("a list has no `]`".to_owned()));
            }
            let item = self.expression()?;
            self.cursor.skip_space();
            if items.is_empty() && self.cursor.eat("..") {
                let last = self.expression()?;
                self.cursor.skip_space();
                if !self.cursor.eat("]") {
                    return Err(self.cursor.error("a range has no `]`".to_owned()));
                }
                return Ok(Expression::Range(Box::new(item), Box::new(last)));
            }
            items.push(item);
        }
    }

    /// `{a: b}`.
    fn map(&mut self) -> Result<Expression, ParseError> {
        self.cursor.skip(1);
        let mut entries = Vec::new();
        loop {
            self.cursor.skip_space();
            if self.cursor.eat("}") {
                return Ok(Expression::Map(entries));
            }
            if !entries.is_empty() && !self.cursor.eat(",") {
                return Err(self.cursor.error("a map has no `}`".to_owned()));
            }
            let key = self.expression()?;
            self.cursor.skip_space();
            if !self.cursor.eat(":") {
                return Err(self
                    .cursor
                    .error("a map needs a `:` behind each key".to_owned()));
            }
            entries.push((key, self.expression()?));
        }
    }
}
