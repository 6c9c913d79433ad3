//! From a statement's tree to conditions, updates and projections.
//!
//! Lives here: putting parameters in place, and handing trees to the checks of the expression language.
//! Does not live here: those checks (`expressions`), what a statement comes to for one table (`ranges`, `target`).

use std::collections::BTreeSet;

use super::literals;
use super::parser;
use super::syntax::{Order, Returning, Statement};
use crate::dynamodb::expressions::check;
use crate::dynamodb::expressions::condition::Condition;
use crate::dynamodb::expressions::placeholders::{PathStep, Placeholders};
use crate::dynamodb::expressions::syntax::{Node, Path};
use crate::dynamodb::expressions::update::Update;
use crate::dynamodb::fault::Fault;
use crate::engine::value::{Attributes, Value};

/// A statement that makes sense, whatever its table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dynamodb) enum Compiled {
    /// It reads.
    Select(Select),
    /// It makes an item.
    Insert {
        /// The table.
        table: String,
        /// The item.
        item: Attributes,
    },
    /// It changes an item.
    Update {
        /// The table.
        table: String,
        /// The changes.
        update: Update,
        /// Which item, and on which condition.
        condition: Option<Condition>,
        /// What is answered.
        returning: Option<Returning>,
    },
    /// It deletes an item.
    Delete {
        /// The table.
        table: String,
        /// Which item, and on which condition.
        condition: Option<Condition>,
        /// What is answered.
        returning: Option<Returning>,
    },
    /// It lets a transaction go on only if a condition holds.
    Exists(Select),
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dynamodb) struct Select {
    /// The table.
    pub(in crate::dynamodb) table: String,
    /// Its index.
    pub(in crate::dynamodb) index: Option<String>,
    /// Parts of the items; none is all of them.
    pub(in crate::dynamodb) projection: Option<Vec<Output>>,
    /// Which items.
    pub(in crate::dynamodb) condition: Option<Condition>,
    /// Their order.
    pub(in crate::dynamodb) order: Vec<(String, Order)>,
}

/// A part of an item, under the name with which it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dynamodb) struct Output {
    /// The last name of its path, with the places in lists behind it.
    pub(in crate::dynamodb) name: String,
    /// Where it is.
    pub(in crate::dynamodb) path: Vec<PathStep>,
}

impl Compiled {
    /// The table.
    pub(in crate::dynamodb) fn table(&self) -> &str {
        match self {
            Self::Select(select) | Self::Exists(select) => &select.table,
            Self::Insert { table, .. }
            | Self::Update { table, .. }
            | Self::Delete { table, .. } => table,
        }
    }
}

/// Reads a statement and checks what can be checked without its table.
///
/// # Errors
/// A validation fault.
pub(in crate::dynamodb) fn compile(text: &str, parameters: &[Value]) -> Result<Compiled, Fault> {
    let parsed = parser::statement(text)?;
    if parameters.len() < parsed.parameters {
        return Err(Fault::validation(
            "Number of parameters in request and statement don't match.",
        ));
    }
    let placeholders = literals::bind(&parsed, parameters)?;
    Ok(match parsed.statement {
        Statement::Select(tree) => Compiled::Select(select(tree, &placeholders)?),
        Statement::Exists(tree) => Compiled::Exists(select(tree, &placeholders)?),
        Statement::Insert { table, item } => Compiled::Insert {
            table,
            item: literals::item(&item, parameters)?,
        },
        Statement::Update {
            table,
            actions,
            condition: tree,
            returning,
        } => Compiled::Update {
            table,
            update: Update::of_actions(&actions, &placeholders).map_err(Fault::validation)?,
            condition: condition(tree.as_ref(), &placeholders)?,
            returning,
        },
        Statement::Delete {
            table,
            condition: tree,
            returning,
        } => Compiled::Delete {
            table,
            condition: condition(tree.as_ref(), &placeholders)?,
            returning,
        },
    })
}

fn select(tree: super::syntax::Select, placeholders: &Placeholders) -> Result<Select, Fault> {
    let projection = tree
        .projection
        .map(|paths| outputs(&paths, placeholders))
        .transpose()?;
    Ok(Select {
        condition: condition(tree.condition.as_ref(), placeholders)?,
        projection,
        table: tree.table,
        index: tree.index,
        order: tree.order,
    })
}

fn condition(tree: Option<&Node>, placeholders: &Placeholders) -> Result<Option<Condition>, Fault> {
    tree.map(|tree| check::condition(tree, placeholders).map_err(Fault::validation))
        .transpose()
}

fn outputs(paths: &[Path], placeholders: &Placeholders) -> Result<Vec<Output>, Fault> {
    let mut seen = BTreeSet::new();
    let mut outputs = Vec::with_capacity(paths.len());
    for path in paths {
        let path = placeholders.path(path).map_err(Fault::validation)?;
        let name = output_name(&path);
        if !seen.insert(name.clone()) {
            return Err(Fault::validation(format!(
                "Duplicate identifiers in select clause: {name}"
            )));
        }
        outputs.push(Output { name, path });
    }
    Ok(outputs)
}

/// The last name of a path with the places in lists behind it: of `m.k[1]` it is `k[1]`.
fn output_name(path: &[PathStep]) -> String {
    let mut name = String::new();
    for step in path {
        match step {
            PathStep::Name(step) => name.clone_from(step),
            PathStep::Index(index) => name.push_str(&format!("[{index}]")),
        }
    }
    name
}
