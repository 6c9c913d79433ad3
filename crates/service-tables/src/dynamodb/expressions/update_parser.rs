//! The grammar of update expressions.
//!
//! Lives here: from a text to the changes that it lists.
//! Does not live here: what they may not say, carrying them out (`update`), paths and operands (`parser`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "Update expressions".

use super::lexer::Kind;
use super::parser::Parser;
use super::syntax::{Node, Path};

/// One change, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dynamodb) enum Action {
    /// `SET path = value`
    Set {
        path: Path,
        /// One operand or two, each with the sign before it.
        value: Vec<(Sign, Node)>,
    },
    /// `REMOVE path`
    Remove { path: Path },
    /// `ADD path :value`
    Add { path: Path, value: String },
    /// `DELETE path :value`
    Delete { path: Path, value: String },
}

/// What stands before an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dynamodb) enum Sign {
    Plus,
    Minus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Set,
    Remove,
    Add,
    Delete,
}

const SECTIONS: [(&str, Section); 4] = [
    ("SET", Section::Set),
    ("REMOVE", Section::Remove),
    ("ADD", Section::Add),
    ("DELETE", Section::Delete),
];

impl Action {
    pub(super) const fn path(&self) -> &Path {
        match self {
            Self::Set { path, .. }
            | Self::Remove { path }
            | Self::Add { path, .. }
            | Self::Delete { path, .. } => path,
        }
    }

    /// The operands of a new value.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        let value = match self {
            Self::Set { value, .. } => value.as_slice(),
            Self::Remove { .. } | Self::Add { .. } | Self::Delete { .. } => &[],
        };
        value.iter().map(|(_, node)| node)
    }
}

/// Reads an update.
pub(super) fn update(text: &str) -> Result<Vec<Action>, String> {
    let mut parser = Parser::new(text)?;
    let mut seen = Vec::new();
    let mut actions = Vec::new();
    loop {
        let found = SECTIONS.iter().find(|(word, _)| parser.take_word(word));
        let Some((word, section)) = found else {
            return Err(parser.syntax_error());
        };
        if seen.contains(section) {
            return Err(format!(
                "The \"{word}\" section can only be used once in an update expression;"
            ));
        }
        seen.push(*section);
        loop {
            actions.push(parser.action(*section)?);
            if !parser.take_mark(",") {
                break;
            }
        }
        if parser.peek().is_none() {
            return Ok(actions);
        }
    }
}

impl Parser<'_> {
    fn action(&mut self, section: Section) -> Result<Action, String> {
        self.count_operator()?;
        let path = self.path()?;
        Ok(match section {
            Section::Set => {
                self.expect_mark("=")?;
                let value = self.set_value()?;
                Action::Set { path, value }
            }
            Section::Remove => Action::Remove { path },
            Section::Add => {
                let value = self.placeholder()?;
                Action::Add { path, value }
            }
            Section::Delete => {
                let value = self.placeholder()?;
                Action::Delete { path, value }
            }
        })
    }

    /// An operand or a sum of two, in parentheses or not.
    fn set_value(&mut self) -> Result<Vec<(Sign, Node)>, String> {
        if self.take_mark("(") {
            let mut value = self.deeper(Self::set_value)?;
            self.expect_mark(")")?;
            if value.len() == 1 {
                self.second_operand(&mut value)?;
            }
            return Ok(value);
        }
        let mut value = vec![(Sign::Plus, self.primary()?)];
        self.second_operand(&mut value)?;
        Ok(value)
    }

    fn second_operand(&mut self, value: &mut Vec<(Sign, Node)>) -> Result<(), String> {
        let sign = if self.take_mark("+") {
            Sign::Plus
        } else if self.take_mark("-") {
            Sign::Minus
        } else {
            return Ok(());
        };
        self.count_operator()?;
        value.push((sign, self.primary()?));
        Ok(())
    }

    fn placeholder(&mut self) -> Result<String, String> {
        if let Some(Kind::ValuePlaceholder(_)) = self.peek()
            && let Node::Value(name) = self.primary()?
        {
            return Ok(name);
        }
        Err(self.syntax_error())
    }
}
