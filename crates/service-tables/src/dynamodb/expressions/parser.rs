//! From tokens to a tree.
//!
//! Lives here: the grammar of conditions and of paths, syntax errors as DynamoDB words them.
//! Does not live here: what a tree may not say (`check`), tokens (`lexer`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "Condition and filter expressions, operators, and functions".

use super::lexer::{self, Kind, Token};
use super::syntax::{Comparator, Node, Path, Step};

/// Bytes of an expression.
pub const EXPRESSION_BYTES_MAX: usize = 4_096;
/// The last member of a list that a path can name.
const INDEX_MAX: usize = 2_147_483_647;
/// Operators and functions of an expression.
pub const OPERATORS_MAX: usize = 300;
/// Parentheses, `NOT`s and calls within one another: more than [`OPERATORS_MAX`] lets make sense, since redundant
/// parentheses are refused, and few enough for the stack of any thread.
const DEPTH_MAX: usize = 160;

/// Reads a condition.
///
/// # Errors
/// The text that stands after `Invalid …Expression: `.
pub fn condition(text: &str) -> Result<Node, String> {
    let mut parser = Parser::new(text)?;
    let node = parser.or()?;
    parser.end()?;
    if parser.redundant_parentheses {
        return Err("The expression has redundant parentheses;".to_owned());
    }
    Ok(node)
}

/// Reads paths with commas between them, as in a projection.
///
/// # Errors
/// The text that stands after `Invalid …Expression: `.
pub fn paths(text: &str) -> Result<Vec<Path>, String> {
    let mut parser = Parser::new(text)?;
    let mut paths = vec![parser.path()?];
    while parser.take_mark(",") {
        paths.push(parser.path()?);
    }
    parser.end()?;
    Ok(paths)
}

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    next: usize,
    depth: usize,
    operators: usize,
    redundant_parentheses: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("The expression can not be empty;".to_owned());
        }
        if EXPRESSION_BYTES_MAX < text.len() {
            return Err(format!(
                "Expression size has exceeded the maximum allowed size; expression size: {}",
                text.len()
            ));
        }
        Ok(Self {
            text,
            tokens: lexer::tokens(text),
            next: 0,
            depth: 0,
            operators: 0,
            redundant_parentheses: false,
        })
    }

    fn or(&mut self) -> Result<Node, String> {
        self.deeper(|parser| {
            let first = parser.and()?;
            let mut sides = vec![first];
            while parser.take_word("OR") {
                parser.count_operator()?;
                sides.push(parser.and()?);
            }
            Ok(joined(sides, Node::Or))
        })
    }

    fn and(&mut self) -> Result<Node, String> {
        let mut sides = vec![self.not()?];
        while self.take_word("AND") {
            self.count_operator()?;
            sides.push(self.not()?);
        }
        Ok(joined(sides, Node::And))
    }

    fn not(&mut self) -> Result<Node, String> {
        if self.take_word("NOT") {
            self.count_operator()?;
            let inner = self.deeper(Self::not)?;
            return Ok(Node::Not(Box::new(inner)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Node, String> {
        let left = self.primary()?;
        if let Some(comparator) = self.take_comparator() {
            self.count_operator()?;
            let sides = Box::new([left, self.primary()?]);
            return Ok(Node::Compare { comparator, sides });
        }
        if self.take_word("BETWEEN") {
            self.count_operator()?;
            let low = self.primary()?;
            if !self.take_word("AND") {
                return Err(self.syntax_error());
            }
            let operands = Box::new([left, low, self.primary()?]);
            return Ok(Node::Between { operands });
        }
        if self.take_word("IN") {
            self.count_operator()?;
            self.expect_mark("(")?;
            let candidates = self.operands()?;
            let operand = Box::new(left);
            return Ok(Node::In {
                operand,
                candidates,
            });
        }
        Ok(left)
    }

    pub(super) fn primary(&mut self) -> Result<Node, String> {
        match self.peek() {
            Some(Kind::Mark("(")) => self.parentheses(),
            Some(Kind::ValuePlaceholder(name)) => {
                self.next += 1;
                Ok(Node::Value(name.to_owned()))
            }
            Some(Kind::Name(name))
                if !is_word(name) && self.peek_at(1) == Some(Kind::Mark("(")) =>
            {
                self.count_operator()?;
                self.next += 2;
                let operands = self.deeper(Self::operands)?;
                Ok(Node::Call {
                    name: name.to_owned(),
                    operands,
                })
            }
            _ => self.path().map(Node::Path),
        }
    }

    fn parentheses(&mut self) -> Result<Node, String> {
        self.next += 1;
        let doubled = self.peek() == Some(Kind::Mark("("));
        let inner_start = self.next;
        let inner = self.or()?;
        // `((a))` is refused, `((a) AND (b))` is not: the inner pair must end right before the outer one.
        if doubled && self.closes_before(inner_start) {
            self.redundant_parentheses = true;
        }
        self.expect_mark(")")?;
        Ok(inner)
    }

    /// Whether the parenthesis opened at this token is closed by the last token that was read.
    fn closes_before(&self, opened: usize) -> bool {
        let mut open = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().take(self.next).skip(opened) {
            if token.kind == Kind::Mark("(") {
                open += 1;
            } else if token.kind == Kind::Mark(")") {
                open = open.saturating_sub(1);
            }
            if open == 0 {
                return at + 1 == self.next;
            }
        }
        false
    }

    /// Operands with commas between them, up to the closing parenthesis.
    fn operands(&mut self) -> Result<Vec<Node>, String> {
        let mut operands = vec![self.primary()?];
        while self.take_mark(",") {
            operands.push(self.primary()?);
        }
        self.expect_mark(")")?;
        Ok(operands)
    }

    pub(super) fn path(&mut self) -> Result<Path, String> {
        let mut steps = vec![self.path_name()?];
        loop {
            if self.take_mark(".") {
                steps.push(self.path_name()?);
            } else if self.take_mark("[") {
                let Some(Kind::Digits(digits)) = self.peek() else {
                    return Err(self.syntax_error());
                };
                let index = digits
                    .parse()
                    .ok()
                    .filter(|index| *index <= INDEX_MAX)
                    .ok_or_else(|| {
                        format!("List index is not within the allowable range; index: [{digits}]")
                    })?;
                self.next += 1;
                steps.push(Step::Index(index));
                self.expect_mark("]")?;
            } else if model::limits::DYNAMODB_NESTING_MAX < steps.len() {
                return Err(format!(
                    "The document path has too many nesting elements; nesting levels: {}",
                    steps.len()
                ));
            } else {
                return Ok(Path { steps });
            }
        }
    }

    fn path_name(&mut self) -> Result<Step, String> {
        let step = match self.peek() {
            Some(Kind::Name(name)) if !is_word(name) => Step::Name(name.to_owned()),
            Some(Kind::NamePlaceholder(name)) => Step::Placeholder(name.to_owned()),
            _ => return Err(self.syntax_error()),
        };
        self.next += 1;
        Ok(step)
    }

    pub(super) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, String> {
        if DEPTH_MAX <= self.depth {
            return Err("The expression is nested too deeply;".to_owned());
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    pub(super) fn count_operator(&mut self) -> Result<(), String> {
        self.operators += 1;
        if OPERATORS_MAX < self.operators {
            return Err(format!(
                "The expression contains too many operators; operator count: {}",
                self.operators
            ));
        }
        Ok(())
    }

    pub(super) fn peek(&self) -> Option<Kind<'a>> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<Kind<'a>> {
        self.tokens.get(self.next + ahead).map(|token| token.kind)
    }

    pub(super) fn take_mark(&mut self, mark: &str) -> bool {
        let found = self.peek() == Some(Kind::Mark(mark));
        self.next += usize::from(found);
        found
    }

    pub(super) fn expect_mark(&mut self, mark: &str) -> Result<(), String> {
        if self.take_mark(mark) {
            return Ok(());
        }
        Err(self.syntax_error())
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Kind::Name(name)) if name.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    fn take_comparator(&mut self) -> Option<Comparator> {
        let Some(Kind::Mark(mark)) = self.peek() else {
            return None;
        };
        let comparator = match mark {
            "=" => Comparator::Equal,
            "<>" => Comparator::NotEqual,
            "<" => Comparator::Less,
            "<=" => Comparator::LessOrEqual,
            ">" => Comparator::Greater,
            ">=" => Comparator::GreaterOrEqual,
            _ => return None,
        };
        self.next += 1;
        Some(comparator)
    }

    pub(super) fn end(&self) -> Result<(), String> {
        if self.next == self.tokens.len() {
            return Ok(());
        }
        Err(self.syntax_error())
    }

    /// Names the next token, and shows it between its neighbours.
    pub(super) fn syntax_error(&self) -> String {
        let token = self.peek().map_or("<EOF>", Kind::text);
        let before = self.next.checked_sub(1).and_then(|at| self.tokens.get(at));
        let start = before
            .or_else(|| self.tokens.get(self.next))
            .map_or(0, |token| token.start);
        let end = self
            .tokens
            .get(self.next + 1)
            .map_or(self.text.len(), |token| token.end);
        let near = self.text.get(start..end).unwrap_or_default().trim_end();
        format!("Syntax error; token: \"{token}\", near: \"{near}\"")
    }
}

/// One node of several, which are one level of the tree however many they are.
fn joined(mut nodes: Vec<Node>, join: impl FnOnce(Vec<Node>) -> Node) -> Node {
    match (nodes.pop(), nodes.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            nodes.extend(last);
            join(nodes)
        }
    }
}

/// The words of the language that cannot be names at all.
fn is_word(name: &str) -> bool {
    ["AND", "OR", "NOT", "BETWEEN", "IN"]
        .iter()
        .any(|word| name.eq_ignore_ascii_case(word))
}
