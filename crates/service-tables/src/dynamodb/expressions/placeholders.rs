//! What the placeholders of a request's expressions stand for.
//!
//! Lives here: reading both maps, resolving names and values, telling those that nobody used.
//! Does not live here: expressions (`parser`).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::syntax::{Path, Step};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::values::{self, Judged};
use crate::engine::value::{Attributes, Value};

/// The placeholders of one request.
#[derive(Debug, Default)]
pub struct Placeholders {
    names: Option<BTreeMap<String, String>>,
    values: Option<Attributes>,
    used: RefCell<BTreeSet<String>>,
}

/// A step with its placeholder resolved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathStep {
    /// A member of a map.
    Name(String),
    /// A member of a list.
    Index(usize),
}

impl Placeholders {
    /// The placeholders of a request.
    ///
    /// # Errors
    /// A validation fault, in the order in which the service checks.
    pub fn new(
        names: Option<BTreeMap<String, String>>,
        values: Option<Judged<Attributes>>,
    ) -> Result<Self, Fault> {
        if let Some(names) = &names {
            judge_keys("ExpressionAttributeNames", '#', names.keys())?;
            if let Some(fault) = names.values().find_map(|name| values::name_fault(name)) {
                return Err(fault);
            }
        }
        let values = match values {
            None => None,
            Some(Ok(values)) => {
                judge_keys("ExpressionAttributeValues", ':', values.keys())?;
                Some(values)
            }
            Some(Err(fault)) => {
                return Err(Fault::validation(format!(
                    "ExpressionAttributeValues contains invalid value: {}",
                    fault.message
                )));
            }
        };
        Ok(Self {
            names,
            values,
            used: RefCell::default(),
        })
    }

    /// The value behind a placeholder.
    ///
    /// # Errors
    /// The text that stands after `Invalid …Expression: `.
    pub fn value(&self, name: &str) -> Result<&Value, String> {
        self.used.borrow_mut().insert(name.to_owned());
        self.values
            .as_ref()
            .and_then(|values| values.get(name))
            .ok_or_else(|| {
                format!("An expression attribute value used in expression is not defined; attribute value: {name}")
            })
    }

    /// A path with its placeholders resolved.
    ///
    /// # Errors
    /// The text that stands after `Invalid …Expression: `.
    pub fn path(&self, path: &Path) -> Result<Vec<PathStep>, String> {
        path.steps
            .iter()
            .map(|step| {
                Ok(match step {
                    Step::Name(name) => PathStep::Name(name.clone()),
                    Step::Index(index) => PathStep::Index(*index),
                    Step::Placeholder(name) => PathStep::Name(self.name(name)?.to_owned()),
                })
            })
            .collect()
    }

    fn name(&self, name: &str) -> Result<&str, String> {
        self.used.borrow_mut().insert(name.to_owned());
        self.names
            .as_ref()
            .and_then(|names| names.get(name))
            .map(String::as_str)
            .ok_or_else(|| {
                format!("An expression attribute name used in the document path is not defined; attribute name: {name}")
            })
    }

    /// Refuses placeholders that no expression used.
    ///
    /// # Errors
    /// A validation fault that names them.
    pub fn all_used(&self) -> Result<(), Fault> {
        let used = self.used.borrow();
        let unused = |keys: Vec<&String>| {
            let unused: Vec<_> = keys
                .into_iter()
                .filter(|key| !used.contains(*key))
                .map(String::as_str)
                .collect();
            unused.join(", ")
        };
        let names = unused(self.names.iter().flat_map(BTreeMap::keys).collect());
        let values = unused(self.values.iter().flat_map(BTreeMap::keys).collect());
        for (parameter, unused) in [
            ("ExpressionAttributeNames", names),
            ("ExpressionAttributeValues", values),
        ] {
            if !unused.is_empty() {
                return Err(Fault::validation(format!(
                    "Value provided in {parameter} unused in expressions: keys: {{{unused}}}"
                )));
            }
        }
        Ok(())
    }
}

fn judge_keys<'a>(
    parameter: &str,
    mark: char,
    mut keys: impl ExactSizeIterator<Item = &'a String>,
) -> Result<(), Fault> {
    if keys.len() == 0 {
        return Err(Fault::validation(format!("{parameter} must not be empty")));
    }
    let fits = |key: &str| {
        key.strip_prefix(mark).is_some_and(|name| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
    };
    match keys.find(|key| !fits(key)) {
        Some(key) => Err(Fault::validation(format!(
            "{parameter} contains invalid key: Syntax error; key: \"{key}\""
        ))),
        None => Ok(()),
    }
}
