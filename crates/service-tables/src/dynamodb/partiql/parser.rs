//! From tokens to a statement.
//!
//! Lives here: the grammar of statements, and what is refused of PartiQL by name.
//! Does not live here: conditions, new values and literals (`terms`), tokens (`lexer`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "PartiQL statements for DynamoDB".

use std::collections::BTreeMap;

use super::lexer::{self, Token};
use super::syntax::{Order, Parsed, Returning, Select, Statement};
use super::{malformed, words};
use crate::dynamodb::expressions::syntax::Node;
use crate::dynamodb::expressions::update_parser::Action;
use crate::dynamodb::fault::Fault;

/// Parentheses, `NOT`s, calls and documents within one another: few enough for the stack of any thread.
const DEPTH_MAX: usize = 100;

/// What the service says when a statement goes on after its end.
const LEFTOVER: &str = "Unexpected token after expression";

/// Reads a statement.
///
/// # Errors
/// A validation fault.
pub(super) fn statement(text: &str) -> Result<Parsed, Fault> {
    let tokens = lexer::tokens(text).map_err(|_| malformed(""))?;
    let mut parser = Parser::new(tokens);
    let statement = parser.statement()?;
    parser.end()?;
    Ok(Parsed {
        statement,
        literals: parser.literals,
        names: parser
            .names
            .into_iter()
            .map(|(name, placeholder)| (placeholder, name))
            .collect(),
        parameters: parser.parameters,
    })
}

pub(super) struct Parser<'a> {
    pub(super) tokens: Vec<Token<'a>>,
    pub(super) next: usize,
    pub(super) literals: BTreeMap<String, super::syntax::Literal>,
    /// Placeholders by name.
    pub(super) names: BTreeMap<String, String>,
    pub(super) parameters: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(tokens: Vec<Token<'a>>) -> Self {
        Self {
            tokens,
            next: 0,
            literals: BTreeMap::new(),
            names: BTreeMap::new(),
            parameters: 0,
            depth: 0,
        }
    }

    fn statement(&mut self) -> Result<Statement, Fault> {
        if self.take_word("SELECT") {
            return self.select().map(Statement::Select);
        }
        if self.take_word("INSERT") {
            return self.insert();
        }
        if self.take_word("UPDATE") {
            return self.update();
        }
        if self.take_word("DELETE") {
            return self.delete();
        }
        if self.take_word("FROM") {
            return self.update_from();
        }
        if self.take_word("EXISTS") {
            self.expect_mark("(")?;
            if !self.take_word("SELECT") {
                return Err(malformed("Unexpected term"));
            }
            let select = self.select()?;
            self.expect_mark(")")?;
            return Ok(Statement::Exists(select));
        }
        Err(malformed("Expected data manipulation"))
    }

    fn select(&mut self) -> Result<Select, Fault> {
        let projection = self.projection()?;
        if !self.take_word("FROM") {
            return Err(malformed("Expected FROM after select list"));
        }
        let (table, index) = self.source()?;
        self.no_alias()?;
        let condition = self.condition_if_any()?;
        let order = self.order()?;
        for clause in ["LIMIT", "GROUP", "HAVING", "OFFSET"] {
            if self.at_word(clause) {
                let name = if clause == "GROUP" {
                    "GROUP BY"
                } else {
                    clause
                };
                return Err(Fault::validation(format!("Unsupported clause: {name}")));
            }
        }
        Ok(Select {
            table,
            index,
            projection,
            condition,
            order,
        })
    }

    /// The paths of a `SELECT`; none for `*`.
    fn projection(
        &mut self,
    ) -> Result<Option<Vec<crate::dynamodb::expressions::syntax::Path>>, Fault> {
        if self.take_mark("*") {
            if self.peek() == Some(&Token::Mark(",")) {
                return Err(star_and_others());
            }
            return Ok(None);
        }
        let mut paths = Vec::new();
        loop {
            if self.peek() == Some(&Token::Mark("*")) {
                return Err(star_and_others());
            }
            paths.push(self.path()?);
            if self.at_word("AS") {
                return Err(Fault::validation("Aliasing is not supported"));
            }
            if !self.take_mark(",") {
                return Ok(Some(paths));
            }
        }
    }

    /// A table, and its index if one is named.
    fn source(&mut self) -> Result<(String, Option<String>), Fault> {
        if self.peek().is_none() {
            return Err(malformed("Unexpected term"));
        }
        let mut names = vec![self.plain_name()?];
        while self.take_mark(".") {
            names.push(self.plain_name()?);
        }
        if 2 < names.len() {
            return Err(Fault::validation(
                "A path may contain at most 2 components in the FROM clause",
            ));
        }
        if names.iter().any(String::is_empty) {
            return Err(Fault::validation(
                "Path component cannot be an empty string",
            ));
        }
        let mut names = names.into_iter();
        Ok((names.next().unwrap_or_default(), names.next()))
    }

    /// The table of a write.
    fn target(&mut self) -> Result<String, Fault> {
        let named = match self.peek() {
            Some(Token::Name(_)) => true,
            Some(Token::Word(word)) => !words::contains(word),
            Some(Token::Text(_) | Token::Number(_) | Token::Mark(_)) | None => false,
        };
        if !named {
            return Err(malformed("Expected identifier for simple path"));
        }
        let (table, index) = self.source()?;
        if index.is_some() {
            return Err(Fault::validation(
                "This operation is not supported on an index",
            ));
        }
        Ok(table)
    }

    fn no_alias(&self) -> Result<(), Fault> {
        let alias = match self.peek() {
            Some(Token::Word(word)) => {
                word.eq_ignore_ascii_case("AS") || (!words::contains(word) && !is_clause(word))
            }
            Some(Token::Name(_)) => true,
            Some(Token::Text(_) | Token::Number(_) | Token::Mark(_)) | None => false,
        };
        if alias {
            return Err(Fault::validation("Aliasing is not supported"));
        }
        Ok(())
    }

    fn condition_if_any(&mut self) -> Result<Option<Node>, Fault> {
        if !self.take_word("WHERE") {
            return Ok(None);
        }
        self.condition().map(Some)
    }

    fn order(&mut self) -> Result<Vec<(String, Order)>, Fault> {
        let mut order = Vec::new();
        if !self.take_word("ORDER") {
            return Ok(order);
        }
        if !self.take_word("BY") {
            return Err(malformed("Unexpected keyword"));
        }
        loop {
            let name = self.plain_name()?;
            let direction = if self.take_word("DESC") {
                Order::Descending
            } else {
                self.take_word("ASC");
                Order::Ascending
            };
            order.push((name, direction));
            if !self.take_mark(",") {
                return Ok(order);
            }
        }
    }

    fn insert(&mut self) -> Result<Statement, Fault> {
        if !self.take_word("INTO") {
            return Err(malformed("Expected data manipulation"));
        }
        let table = self.target()?;
        if !self.take_word("VALUE") {
            return Err(malformed(LEFTOVER));
        }
        let item = self.literal()?;
        Ok(Statement::Insert { table, item })
    }

    fn update(&mut self) -> Result<Statement, Fault> {
        let table = self.target()?;
        if !self.at_word("SET") && !self.at_word("REMOVE") {
            self.no_alias()?;
        }
        let actions = self.actions()?;
        if actions.is_empty() {
            return Err(malformed("Expected data manipulation"));
        }
        let condition = self.condition_if_any()?;
        let returning = self.returning()?;
        Ok(Statement::Update {
            table,
            actions,
            condition,
            returning,
        })
    }

    /// The form that begins with `FROM`: its condition stands before its changes.
    fn update_from(&mut self) -> Result<Statement, Fault> {
        let table = self.target()?;
        self.no_alias()?;
        let condition = self.condition_if_any()?;
        let actions = self.actions()?;
        if actions.is_empty() {
            return Err(malformed("Expected data manipulation"));
        }
        let returning = self.returning()?;
        Ok(Statement::Update {
            table,
            actions,
            condition,
            returning,
        })
    }

    fn actions(&mut self) -> Result<Vec<Action>, Fault> {
        let mut actions = Vec::new();
        loop {
            let sets = self.take_word("SET");
            if !sets && !self.take_word("REMOVE") {
                return Ok(actions);
            }
            loop {
                let path = self.path()?;
                actions.push(if sets {
                    self.set(path)?
                } else {
                    Action::Remove { path }
                });
                if !self.take_mark(",") {
                    break;
                }
            }
        }
    }

    fn delete(&mut self) -> Result<Statement, Fault> {
        if !self.take_word("FROM") {
            return Err(malformed("Expected data manipulation"));
        }
        let table = self.target()?;
        self.no_alias()?;
        let condition = self.condition_if_any()?;
        let returning = self.returning()?;
        if let Some(other @ (Returning::AllNew | Returning::ModifiedOld | Returning::ModifiedNew)) =
            returning
        {
            return Err(Fault::validation(format!(
                "Invalid returning clause: RETURNING {} *. Only RETURNING ALL OLD * is allowed in DELETE statements.",
                other.text()
            )));
        }
        Ok(Statement::Delete {
            table,
            condition,
            returning,
        })
    }

    fn returning(&mut self) -> Result<Option<Returning>, Fault> {
        if !self.take_word("RETURNING") {
            return Ok(None);
        }
        let all = self.take_word("ALL");
        if !all && !self.take_word("MODIFIED") {
            return Err(malformed("Expected ALL or MODIFIED in a returning clause."));
        }
        let old = self.take_word("OLD");
        if !old && !self.take_word("NEW") {
            return Err(malformed("Expected OLD or NEW in a returning clause."));
        }
        if !self.take_mark("*") {
            return Err(Fault::validation(
                "Only RETURNING * is supported in statements",
            ));
        }
        Ok(Some(match (all, old) {
            (true, true) => Returning::AllOld,
            (true, false) => Returning::AllNew,
            (false, true) => Returning::ModifiedOld,
            (false, false) => Returning::ModifiedNew,
        }))
    }

    fn end(&mut self) -> Result<(), Fault> {
        self.take_mark(";");
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(malformed(LEFTOVER)),
        }
    }

    /// Reads something that can hold itself.
    pub(super) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if DEPTH_MAX <= self.depth {
            return Err(malformed("The statement is nested too deeply"));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// A name by itself, bare or in quotes.
    pub(super) fn plain_name(&mut self) -> Result<String, Fault> {
        let name = match self.peek() {
            Some(Token::Name(name)) => name.to_string(),
            Some(Token::Word(word)) if words::contains(word) => {
                return Err(malformed("Unexpected keyword"));
            }
            Some(Token::Word(word)) => (*word).to_owned(),
            Some(Token::Text(_) | Token::Number(_) | Token::Mark(_)) | None => {
                return Err(malformed("Unexpected term"));
            }
        };
        self.next += 1;
        Ok(name)
    }

    pub(super) fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.next)
    }

    pub(super) fn at_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        self.next += usize::from(found);
        found
    }

    pub(super) fn take_mark(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Mark(found)) if *found == mark);
        self.next += usize::from(found);
        found
    }

    pub(super) fn expect_mark(&mut self, mark: &str) -> Result<(), Fault> {
        if self.take_mark(mark) {
            return Ok(());
        }
        Err(malformed(match self.peek() {
            None => "Unexpected term",
            Some(_) => LEFTOVER,
        }))
    }
}

/// Words that begin a clause and are names elsewhere.
fn is_clause(word: &str) -> bool {
    ["OFFSET", "RETURNING", "REMOVE"]
        .iter()
        .any(|clause| word.eq_ignore_ascii_case(clause))
}

fn star_and_others() -> Fault {
    Fault::validation("Other attributes should not be present in the projection when '*' is used.")
}
