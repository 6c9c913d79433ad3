//! What a statement says.
//!
//! Lives here: the tree that the parser makes; conditions and new values in it are those of `expressions::syntax`.
//! Does not live here: reading it (`parser`), what it comes to for a table (`plan`).

use std::collections::BTreeMap;

use crate::dynamodb::expressions::syntax::{Node, Path};
use crate::dynamodb::expressions::update_parser::Action;
use crate::engine::value::Value;

/// A statement with the values that stand in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parsed {
    /// What it does.
    pub(super) statement: Statement,
    /// Literals and parameters, by the placeholder that stands for them in conditions and new values.
    pub(super) literals: BTreeMap<String, Literal>,
    /// Names, by the placeholder that stands for them in paths.
    pub(super) names: BTreeMap<String, String>,
    /// How many parameters it has.
    pub(super) parameters: usize,
}

/// What a statement does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement {
    /// It reads.
    Select(Select),
    /// It makes an item.
    Insert {
        /// The table.
        table: String,
        /// The item, a map.
        item: Literal,
    },
    /// It changes an item.
    Update {
        /// The table.
        table: String,
        /// The changes.
        actions: Vec<Action>,
        /// Which item, and on which condition.
        condition: Option<Node>,
        /// What is answered.
        returning: Option<Returning>,
    },
    /// It deletes an item.
    Delete {
        /// The table.
        table: String,
        /// Which item, and on which condition.
        condition: Option<Node>,
        /// What is answered.
        returning: Option<Returning>,
    },
    /// It lets a transaction go on only if a condition holds.
    Exists(Select),
}

/// What is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Select {
    /// The table.
    pub(super) table: String,
    /// Its index.
    pub(super) index: Option<String>,
    /// Parts of the items; none is all of them.
    pub(super) projection: Option<Vec<Path>>,
    /// Which items.
    pub(super) condition: Option<Node>,
    /// Their order.
    pub(super) order: Vec<(String, Order)>,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dynamodb) enum Order {
    /// Small ones first.
    Ascending,
    /// Large ones first.
    Descending,
}

/// What a write answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dynamodb) enum Returning {
    AllOld,
    AllNew,
    ModifiedOld,
    ModifiedNew,
}

impl Returning {
    /// As it is written.
    pub(in crate::dynamodb) const fn text(self) -> &'static str {
        match self {
            Self::AllOld => "ALL OLD",
            Self::AllNew => "ALL NEW",
            Self::ModifiedOld => "MODIFIED OLD",
            Self::ModifiedNew => "MODIFIED NEW",
        }
    }
}

/// A value as it stands in a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    /// A text, a truth value or null.
    Plain(Value),
    /// A number, sign included.
    Number(String),
    /// A parameter, counted from 0.
    Parameter(usize),
    /// A list.
    List(Vec<Literal>),
    /// A map.
    Map(Vec<(String, Literal)>),
    /// A set.
    Bag(Vec<Literal>),
}
