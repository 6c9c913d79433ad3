//! Conditions, new values, paths and literals of statements.
//!
//! Lives here: their grammar; what comes of it is the tree of the expression language, with a placeholder for each literal,
//! parameter and name, so that one checker and one evaluator serve both.
//! Does not live here: statements (`parser`), what a tree may not say (`expressions::check`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "Use PartiQL functions with DynamoDB" and "PartiQL arithmetic, comparison,
//! and logical operators for DynamoDB".

use super::lexer::Token;
use super::parser::Parser;
use super::syntax::Literal;
use super::{malformed, words};
use crate::dynamodb::expressions::syntax::{Comparator, Node, Path, Step};
use crate::dynamodb::expressions::update_parser::{Action, Sign};
use crate::dynamodb::fault::Fault;
use crate::engine::value::Value;

/// The functions of conditions, as the expression language calls them.
const FUNCTIONS: [&str; 6] = [
    "attribute_exists",
    "attribute_not_exists",
    "attribute_type",
    "begins_with",
    "contains",
    "size",
];

/// Words that join two operands, and so cannot stand where one begins.
const OPERATORS: [&str; 6] = ["AND", "OR", "IS", "IN", "LIKE", "BETWEEN"];

/// Types that `IS` could ask for in PartiQL at large.
const TYPES: [&str; 24] = [
    "BAG",
    "BLOB",
    "BOOL",
    "BOOLEAN",
    "CHAR",
    "CHARACTER",
    "CLOB",
    "DATE",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "INT",
    "INT4",
    "INT8",
    "INTEGER",
    "LIST",
    "NUMERIC",
    "REAL",
    "SEXP",
    "SMALLINT",
    "STRING",
    "STRUCT",
    "SYMBOL",
    "TIMESTAMP",
];

const NO_RIGHT_SIDE: &str = "Missing right-hand side expression of infix operator";

impl Parser<'_> {
    /// A condition.
    pub(super) fn condition(&mut self) -> Result<Node, Fault> {
        self.deeper(|parser| {
            let mut sides = vec![parser.conjunction()?];
            while parser.take_word("OR") {
                parser.right_side()?;
                sides.push(parser.conjunction()?);
            }
            Ok(joined(sides, Node::Or))
        })
    }

    fn conjunction(&mut self) -> Result<Node, Fault> {
        let mut sides = vec![self.negation()?];
        while self.take_word("AND") {
            self.right_side()?;
            sides.push(self.negation()?);
        }
        Ok(joined(sides, Node::And))
    }

    fn negation(&mut self) -> Result<Node, Fault> {
        if self.take_word("NOT") {
            let inner = self.deeper(Self::negation)?;
            return Ok(Node::Not(Box::new(inner)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Node, Fault> {
        let left = self.operand()?;
        if let Some(comparator) = self.take_comparator() {
            self.right_side()?;
            let sides = Box::new([left, self.operand()?]);
            return Ok(Node::Compare { comparator, sides });
        }
        if self.take_word("IS") {
            return self.is(left);
        }
        let negated = self.take_word("NOT");
        let node = if self.take_word("BETWEEN") {
            let low = self.operand()?;
            if !self.take_word("AND") {
                return Err(malformed("Expected AND after BETWEEN"));
            }
            let operands = Box::new([left, low, self.operand()?]);
            Node::Between { operands }
        } else if self.take_word("IN") {
            Node::In {
                operand: Box::new(left),
                candidates: self.candidates()?,
            }
        } else if self.at_word("LIKE") {
            return Err(Fault::validation("Unsupported operation: LIKE"));
        } else if negated {
            return Err(malformed("Unexpected token after expression"));
        } else {
            return Ok(left);
        };
        Ok(if negated {
            Node::Not(Box::new(node))
        } else {
            node
        })
    }

    fn is(&mut self, tested: Node) -> Result<Node, Fault> {
        let negated = self.take_word("NOT");
        let node = if self.take_word("MISSING") {
            Node::Call {
                name: "attribute_not_exists".to_owned(),
                operands: vec![tested],
            }
        } else if self.take_word("NULL") {
            let null = self.value(Literal::Plain(Value::S("NULL".to_owned())));
            Node::Call {
                name: "attribute_type".to_owned(),
                operands: vec![tested, null],
            }
        } else if TYPES.iter().any(|name| self.at_word(name)) {
            return Err(Fault::validation("Unsupported operation: IsType"));
        } else {
            return Err(malformed("Expected type name"));
        };
        Ok(if negated {
            Node::Not(Box::new(node))
        } else {
            node
        })
    }

    /// What stands after `IN`: operands in brackets, parentheses or set marks.
    fn candidates(&mut self) -> Result<Vec<Node>, Fault> {
        let pairs = [("[", "]"), ("(", ")"), ("<<", ">>")];
        let Some((_, close)) = pairs.iter().find(|(open, _)| self.take_mark(open)) else {
            return Err(malformed("Unexpected term"));
        };
        let mut candidates = vec![self.operand()?];
        while self.take_mark(",") {
            candidates.push(self.operand()?);
        }
        self.expect_mark(close)?;
        Ok(candidates)
    }

    /// A path, a value, a call, or a condition in parentheses.
    fn operand(&mut self) -> Result<Node, Fault> {
        if self.take_mark("(") {
            let inner = self.condition()?;
            self.expect_mark(")")?;
            return Ok(inner);
        }
        if self.at_call() {
            return self.call();
        }
        if self.at_literal() {
            let literal = self.literal()?;
            return Ok(self.value(literal));
        }
        self.path().map(Node::Path)
    }

    fn at_call(&self) -> bool {
        matches!(self.peek(), Some(Token::Word(_)))
            && self.tokens.get(self.next + 1) == Some(&Token::Mark("("))
            && !OPERATORS.iter().any(|word| self.at_word(word))
    }

    fn call(&mut self) -> Result<Node, Fault> {
        let Some(Token::Word(name)) = self.peek() else {
            return Err(malformed("Unexpected term"));
        };
        let name = name.to_ascii_lowercase();
        if name == "exists" {
            return Err(Fault::validation(
                "EXISTS is only supported as a statement of its own in ExecuteTransaction",
            ));
        }
        if !FUNCTIONS.contains(&name.as_str()) {
            return Err(Fault::validation(format!(
                "Invalid function name; function: {name}"
            )));
        }
        self.next += 2;
        let operands = self.deeper(Self::operands)?;
        Ok(Node::Call { name, operands })
    }

    /// Operands with commas between them, up to the closing parenthesis.
    fn operands(&mut self) -> Result<Vec<Node>, Fault> {
        let mut operands = vec![self.operand()?];
        while self.take_mark(",") {
            operands.push(self.operand()?);
        }
        self.expect_mark(")")?;
        Ok(operands)
    }

    /// `= value` of a `SET`. Sets are changed by functions that name the attribute again: `SET s = set_add(s, <<'x'>>)`.
    pub(super) fn set(&mut self, path: Path) -> Result<Action, Fault> {
        self.expect_mark("=")?;
        for (function, adds) in [("set_add", true), ("set_delete", false)] {
            if !self.at_call() || !self.at_word(function) {
                continue;
            }
            self.next += 2;
            let changed = self.path()?;
            self.expect_mark(",")?;
            let literal = self.literal()?;
            self.expect_mark(")")?;
            if changed != path {
                return Err(Fault::validation(format!(
                    "The first argument of {function} must be the attribute that is set"
                )));
            }
            let value = self.placeholder(literal);
            return Ok(if adds {
                Action::Add { path, value }
            } else {
                Action::Delete { path, value }
            });
        }
        let mut value = vec![(Sign::Plus, self.new_value()?)];
        let sign = if self.take_mark("+") {
            Sign::Plus
        } else if self.take_mark("-") {
            Sign::Minus
        } else {
            return Ok(Action::Set { path, value });
        };
        self.right_side()?;
        value.push((sign, self.new_value()?));
        Ok(Action::Set { path, value })
    }

    fn new_value(&mut self) -> Result<Node, Fault> {
        if self.at_call() {
            let Some(Token::Word(name)) = self.peek() else {
                return Err(malformed("Unexpected term"));
            };
            let name = name.to_ascii_lowercase();
            if name != "list_append" {
                return Err(Fault::validation(format!(
                    "Invalid function name; function: {name}"
                )));
            }
            self.next += 2;
            let mut operands = vec![self.deeper(Self::new_value)?];
            while self.take_mark(",") {
                operands.push(self.deeper(Self::new_value)?);
            }
            self.expect_mark(")")?;
            return Ok(Node::Call { name, operands });
        }
        if self.at_literal() {
            let literal = self.literal()?;
            return Ok(self.value(literal));
        }
        self.path().map(Node::Path)
    }

    /// A path, its names behind placeholders.
    pub(super) fn path(&mut self) -> Result<Path, Fault> {
        let first = self.first_name()?;
        let mut steps = vec![self.name(first)];
        loop {
            if self.take_mark(".") {
                let name = self.plain_name()?;
                steps.push(self.name(name));
            } else if self.take_mark("[") {
                let step = match self.peek() {
                    Some(Token::Number(digits)) => {
                        let index = digits.parse().ok().filter(|index| *index <= INDEX_MAX);
                        Step::Index(index.ok_or_else(|| {
                            Fault::validation(format!(
                                "List index is not within the allowable range; index: [{digits}]"
                            ))
                        })?)
                    }
                    Some(Token::Text(name)) => {
                        let name = name.to_string();
                        self.name(name)
                    }
                    Some(Token::Word(_) | Token::Name(_) | Token::Mark(_)) | None => {
                        return Err(malformed("Unexpected path component"));
                    }
                };
                self.next += 1;
                steps.push(step);
                self.expect_mark("]")?;
            } else if model::limits::DYNAMODB_NESTING_MAX < steps.len() {
                return Err(Fault::validation(format!(
                    "The document path has too many nesting elements; nesting levels: {}",
                    steps.len()
                )));
            } else {
                return Ok(Path { steps });
            }
        }
    }

    /// The name that a path begins with, in the words for what may stand there instead.
    fn first_name(&mut self) -> Result<String, Fault> {
        match self.peek() {
            Some(Token::Word(word))
                if OPERATORS
                    .iter()
                    .any(|other| other.eq_ignore_ascii_case(word)) =>
            {
                Err(malformed("Unexpected operator"))
            }
            Some(Token::Mark("=" | "<>" | "!=" | "<" | "<=" | ">" | ">=")) => {
                Err(malformed("Unexpected operator"))
            }
            Some(Token::Name(name)) if name.is_empty() => Err(Fault::validation(
                "Path component cannot be an empty string",
            )),
            Some(
                Token::Word(_)
                | Token::Name(_)
                | Token::Text(_)
                | Token::Number(_)
                | Token::Mark(_),
            )
            | None => self.plain_name(),
        }
    }

    fn name(&mut self, name: String) -> Step {
        let number = self.names.len();
        let placeholder = self.names.entry(name);
        Step::Placeholder(placeholder.or_insert_with(|| format!("#n{number}")).clone())
    }

    fn value(&mut self, literal: Literal) -> Node {
        Node::Value(self.placeholder(literal))
    }

    fn placeholder(&mut self, literal: Literal) -> String {
        let placeholder = format!(":v{}", self.literals.len());
        self.literals.insert(placeholder.clone(), literal);
        placeholder
    }

    fn at_literal(&self) -> bool {
        match self.peek() {
            Some(Token::Text(_) | Token::Number(_)) => true,
            Some(Token::Mark(mark)) => ["?", "[", "{", "<<", "-", "+"].contains(mark),
            Some(Token::Word(_)) => ["TRUE", "FALSE", "NULL"]
                .iter()
                .any(|word| self.at_word(word)),
            Some(Token::Name(_)) | None => false,
        }
    }

    /// A value as it stands in the statement.
    pub(super) fn literal(&mut self) -> Result<Literal, Fault> {
        let literal = match self.peek() {
            Some(Token::Text(text)) => Literal::Plain(Value::S(text.to_string())),
            Some(Token::Number(number)) => Literal::Number((*number).to_owned()),
            Some(Token::Mark("?")) => {
                self.parameters += 1;
                Literal::Parameter(self.parameters - 1)
            }
            Some(Token::Mark(sign @ ("-" | "+"))) => {
                let sign = if *sign == "-" { "-" } else { "" };
                self.next += 1;
                let Some(Token::Number(number)) = self.peek() else {
                    return Err(malformed("Unexpected term"));
                };
                Literal::Number(format!("{sign}{number}"))
            }
            Some(Token::Mark("[")) => return self.members("]").map(Literal::List),
            Some(Token::Mark("<<")) => return self.members(">>").map(Literal::Bag),
            Some(Token::Mark("{")) => return self.map(),
            Some(Token::Word(_)) if self.at_word("TRUE") => Literal::Plain(Value::Bool(true)),
            Some(Token::Word(_)) if self.at_word("FALSE") => Literal::Plain(Value::Bool(false)),
            Some(Token::Word(_)) if self.at_word("NULL") => Literal::Plain(Value::Null),
            Some(Token::Word(word)) if words::contains(word) => {
                return Err(malformed("Unexpected keyword"));
            }
            Some(Token::Word(_) | Token::Name(_) | Token::Mark(_)) | None => {
                return Err(malformed("Unexpected term"));
            }
        };
        self.next += 1;
        Ok(literal)
    }

    /// Literals with commas between them, after the opening mark.
    fn members(&mut self, close: &str) -> Result<Vec<Literal>, Fault> {
        self.next += 1;
        let mut members = Vec::new();
        if self.take_mark(close) {
            return Ok(members);
        }
        loop {
            members.push(self.deeper(Self::literal)?);
            if !self.take_mark(",") {
                self.expect_mark(close)?;
                return Ok(members);
            }
        }
    }

    fn map(&mut self) -> Result<Literal, Fault> {
        self.next += 1;
        let mut members = Vec::new();
        if self.take_mark("}") {
            return Ok(Literal::Map(members));
        }
        loop {
            let Some(Token::Text(name)) = self.peek() else {
                return Err(malformed("Unexpected term"));
            };
            let name = name.to_string();
            self.next += 1;
            self.expect_mark(":")?;
            members.push((name, self.deeper(Self::literal)?));
            if !self.take_mark(",") {
                self.expect_mark("}")?;
                return Ok(Literal::Map(members));
            }
        }
    }

    /// Refuses an operator with nothing after it.
    fn right_side(&self) -> Result<(), Fault> {
        match self.peek() {
            None | Some(Token::Mark(";")) => Err(malformed(NO_RIGHT_SIDE)),
            Some(_) => Ok(()),
        }
    }

    fn take_comparator(&mut self) -> Option<Comparator> {
        let Some(Token::Mark(mark)) = self.peek() else {
            return None;
        };
        let comparator = match *mark {
            "=" => Comparator::Equal,
            "<>" | "!=" => Comparator::NotEqual,
            "<" => Comparator::Less,
            "<=" => Comparator::LessOrEqual,
            ">" => Comparator::Greater,
            ">=" => Comparator::GreaterOrEqual,
            _ => return None,
        };
        self.next += 1;
        Some(comparator)
    }
}

/// The last member of a list that a path can name.
const INDEX_MAX: usize = 2_147_483_647;

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
