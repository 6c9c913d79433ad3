//! Changing an item by an update expression.
//!
//! Lives here: checked updates, and the item that comes of one; pure.
//! Does not live here: syntax (`parser`), which item (`operations::update_item`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "Update expressions". All values are worked out on the item as it was; then
//! attributes are set in the order of their paths, and list members are removed last and from behind, so that all indexes
//! are those of the item as it was.

use super::cache;
use super::condition::at;
use super::paths;
use super::placeholders::{PathStep, Placeholders};
use super::reserved;
use super::syntax::{Node, Path, Step};
use super::update_parser::{Action, Sign};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::values::number_fault;
use crate::engine::number::{Number, ParseError};
use crate::engine::value::{Attributes, Value};

/// The functions of updates, with how many operands they take.
const FUNCTIONS: [(&str, usize); 2] = [("if_not_exists", 2), ("list_append", 2)];

/// An update that makes sense.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update {
    changes: Vec<Change>,
    words: Words,
}

/// What the parameter `AttributeUpdates` does to one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeAction {
    /// It becomes this.
    Put(Value),
    /// A number is added to it, or members.
    Add(Value),
    /// It goes, or these members of it do.
    Delete(Option<Value>),
}

/// In which words an operand of the wrong type is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Words {
    /// Those of expressions.
    #[default]
    Expression,
    /// Those of `AttributeUpdates`.
    Parameter,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    path: Vec<PathStep>,
    kind: ChangeKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ChangeKind {
    Set(Source),
    Remove,
    Add(Value),
    Delete(Value),
}

/// Where a new value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Path(Vec<PathStep>),
    Value(Value),
    Sum(Sign, Box<[Source; 2]>),
    IfNotExists(Vec<PathStep>, Box<Source>),
    ListAppend(Box<[Source; 2]>),
}

impl Update {
    /// Reads an update.
    ///
    /// # Errors
    /// The text that stands after `Invalid UpdateExpression: `.
    pub fn read(text: &str, placeholders: &Placeholders) -> Result<Self, String> {
        Self::of_actions(&cache::update(text)?, placeholders)
    }

    /// The update of these changes.
    ///
    /// # Errors
    /// The text that stands after `Invalid UpdateExpression: `.
    pub(in crate::dynamodb) fn of_actions(
        actions: &[Action],
        placeholders: &Placeholders,
    ) -> Result<Self, String> {
        judge_words(actions)?;
        let changes = actions
            .iter()
            .map(|action| change(action, placeholders))
            .collect::<Result<Vec<_>, _>>()?;
        let all: Vec<_> = changes
            .iter()
            .map(|change| change.path.as_slice())
            .collect();
        paths::judge(&all)?;
        for change in &changes {
            judge_operand(&change.kind)?;
        }
        Ok(Self {
            changes,
            words: Words::Expression,
        })
    }

    /// The update that `AttributeUpdates` comes to.
    #[must_use]
    pub fn of_attributes(updates: Vec<(String, AttributeAction)>) -> Self {
        let changes = updates.into_iter().map(|(name, update)| Change {
            path: vec![PathStep::Name(name)],
            kind: match update {
                AttributeAction::Put(value) => ChangeKind::Set(Source::Value(value)),
                AttributeAction::Add(value) => ChangeKind::Add(value),
                AttributeAction::Delete(None) => ChangeKind::Remove,
                AttributeAction::Delete(Some(value)) => ChangeKind::Delete(value),
            },
        });
        Self {
            changes: changes.collect(),
            words: Words::Parameter,
        }
    }

    /// All places that it changes.
    pub fn paths(&self) -> impl Iterator<Item = &[PathStep]> {
        self.changes.iter().map(|change| change.path.as_slice())
    }

    /// Whether it only takes away: then it leaves an item that is not there as it is.
    #[must_use]
    pub fn only_takes(&self) -> bool {
        !self.changes.is_empty()
            && self.changes.iter().all(|change| match change.kind {
                ChangeKind::Remove | ChangeKind::Delete(_) => true,
                ChangeKind::Set(_) | ChangeKind::Add(_) => false,
            })
    }

    /// The item that comes of this one.
    ///
    /// # Errors
    /// A validation fault when the item does not fit the update.
    pub fn apply(&self, item: &Attributes) -> Result<Attributes, Fault> {
        let mut new = Value::M(item.clone());
        let mut changes = Vec::new();
        let mut removed = Vec::new();
        for change in &self.changes {
            match &change.kind {
                ChangeKind::Set(source) => changes.push((&change.path, Some(source.value(item)?))),
                ChangeKind::Add(value) => {
                    let sum = added(at(item, &change.path), value, self.words)?;
                    changes.push((&change.path, Some(sum)));
                }
                ChangeKind::Delete(value) => {
                    if let Some(existing) = at(item, &change.path) {
                        changes.push((&change.path, without(existing, value, self.words)?));
                    }
                }
                ChangeKind::Remove => removed.push(&change.path),
            }
        }
        changes.sort_by(|left, right| left.0.cmp(right.0));
        removed.sort();
        for (path, value) in changes {
            match value {
                Some(value) => put(&mut new, path, value)?,
                None => take(&mut new, path)?,
            }
        }
        for path in removed.into_iter().rev() {
            take(&mut new, path)?;
        }
        // The outermost value is the item itself, which no path can replace.
        let Value::M(new) = new else {
            return Err(invalid_path());
        };
        Ok(new)
    }
}

fn judge_words(actions: &[Action]) -> Result<(), String> {
    let nodes = || actions.iter().flat_map(|action| action.nodes());
    let word = actions
        .iter()
        .find_map(|action| reserved_in(action.path()))
        .or_else(|| nodes().find_map(first_reserved));
    if let Some(word) = word {
        return Err(format!(
            "Attribute name is a reserved keyword; reserved keyword: {word}"
        ));
    }
    match nodes().find_map(unknown_function) {
        Some(name) => Err(format!("Invalid function name; function: {name}")),
        None => Ok(()),
    }
}

fn reserved_in(path: &Path) -> Option<&str> {
    path.steps.iter().find_map(|step| match step {
        Step::Name(name) if reserved::contains(name) => Some(name.as_str()),
        Step::Name(_) | Step::Placeholder(_) | Step::Index(_) => None,
    })
}

fn first_reserved(node: &Node) -> Option<&str> {
    if let Node::Call { operands, .. } = node {
        return operands.iter().find_map(first_reserved);
    }
    if let Node::Path(path) = node {
        return reserved_in(path);
    }
    None
}

fn unknown_function(node: &Node) -> Option<&str> {
    let Node::Call { name, operands } = node else {
        return None;
    };
    if FUNCTIONS.iter().all(|(known, _)| known != name) {
        return Some(name);
    }
    operands.iter().find_map(unknown_function)
}

fn change(action: &Action, placeholders: &Placeholders) -> Result<Change, String> {
    let path = placeholders.path(action.path())?;
    let kind = match action {
        Action::Set { value, .. } => ChangeKind::Set(match value.as_slice() {
            [(_, only)] => source(only, placeholders)?,
            [(_, first), (sign, second)] => {
                let sides = [source(first, placeholders)?, source(second, placeholders)?];
                Source::Sum(*sign, Box::new(sides))
            }
            _ => return Err("Syntax error; a value has one operand or two".to_owned()),
        }),
        Action::Remove { .. } => ChangeKind::Remove,
        Action::Add { value, .. } => ChangeKind::Add(placeholders.value(value)?.clone()),
        Action::Delete { value, .. } => ChangeKind::Delete(placeholders.value(value)?.clone()),
    };
    Ok(Change { path, kind })
}

fn source(node: &Node, placeholders: &Placeholders) -> Result<Source, String> {
    match node {
        Node::Path(path) => Ok(Source::Path(placeholders.path(path)?)),
        Node::Value(name) => Ok(Source::Value(placeholders.value(name)?.clone())),
        Node::Call { name, operands } => call(name, operands, placeholders),
        Node::Compare { .. }
        | Node::Between { .. }
        | Node::In { .. }
        | Node::And(_)
        | Node::Or(_)
        | Node::Not(_) => Err("Syntax error; a condition is no value".to_owned()),
    }
}

fn call(name: &str, operands: &[Node], placeholders: &Placeholders) -> Result<Source, String> {
    let [first, second] = operands else {
        return Err(format!(
            "Incorrect number of operands for operator or function; operator or function: {name}, number of operands: {}",
            operands.len()
        ));
    };
    let (first, second) = (source(first, placeholders)?, source(second, placeholders)?);
    if name == "list_append" {
        if [&first, &second]
            .iter()
            .any(|operand| matches!(operand, Source::ListAppend(_)))
        {
            return Err(format!(
                "The function is not allowed to be used this way in an expression; function: {name}"
            ));
        }
        return Ok(Source::ListAppend(Box::new([first, second])));
    }
    match first {
        Source::Path(path) => Ok(Source::IfNotExists(path, Box::new(second))),
        Source::Value(_) | Source::Sum(..) | Source::IfNotExists(..) | Source::ListAppend(_) => {
            Err(format!(
                "Operator or function requires a document path; operator or function: {name}"
            ))
        }
    }
}

fn judge_operand(kind: &ChangeKind) -> Result<(), String> {
    let wrong = |what: &str, name: &str, type_name: &str| {
        Err(format!(
            "Incorrect operand type for operator or function; {what}: {name}, operand type: {type_name}"
        ))
    };
    match kind {
        ChangeKind::Set(source) => judge_source(source),
        ChangeKind::Remove => Ok(()),
        ChangeKind::Add(Value::N(_) | Value::Ss(_) | Value::Ns(_) | Value::Bs(_))
        | ChangeKind::Delete(Value::Ss(_) | Value::Ns(_) | Value::Bs(_)) => Ok(()),
        ChangeKind::Add(other) => wrong("operator", "ADD", long_type_name(other)),
        ChangeKind::Delete(other) => wrong("operator", "DELETE", long_type_name(other)),
    }
}

fn judge_source(source: &Source) -> Result<(), String> {
    let (name, sides) = match source {
        Source::Path(_) | Source::Value(_) => return Ok(()),
        Source::IfNotExists(_, second) => return judge_source(second),
        Source::Sum(Sign::Plus, sides) => ("+", sides),
        Source::Sum(Sign::Minus, sides) => ("-", sides),
        Source::ListAppend(sides) => ("list_append", sides),
    };
    for side in sides.iter() {
        let fits = match side {
            Source::Value(Value::N(_)) => name != "list_append",
            Source::Value(Value::L(_)) => name == "list_append",
            Source::Value(_) => false,
            Source::Path(_) | Source::Sum(..) | Source::IfNotExists(..) | Source::ListAppend(_) => {
                true
            }
        };
        if let (false, Source::Value(value)) = (fits, side) {
            return Err(format!(
                "Incorrect operand type for operator or function; operator or function: {name}, operand type: {}",
                value.type_name()
            ));
        }
        judge_source(side)?;
    }
    Ok(())
}

fn long_type_name(value: &Value) -> &'static str {
    match value {
        Value::S(_) => "STRING",
        Value::N(_) => "NUMBER",
        Value::B(_) => "BINARY",
        Value::Bool(_) => "BOOLEAN",
        Value::Null => "NULL",
        Value::L(_) => "LIST",
        Value::M(_) => "MAP",
        Value::Ss(_) | Value::Ns(_) | Value::Bs(_) => value.type_name(),
    }
}

impl Source {
    fn value(&self, item: &Attributes) -> Result<Value, Fault> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Path(path) => at(item, path).cloned().ok_or_else(|| {
                Fault::validation(
                    "The provided expression refers to an attribute that does not exist in the item",
                )
            }),
            Self::IfNotExists(path, otherwise) => match at(item, path) {
                Some(value) => Ok(value.clone()),
                None => otherwise.value(item),
            },
            Self::Sum(sign, sides) => {
                let [left, right] = &**sides;
                match (left.value(item)?, right.value(item)?, sign) {
                    (Value::N(left), Value::N(right), Sign::Plus) => sum(left, right),
                    (Value::N(left), Value::N(right), Sign::Minus) => sum(left, right.negated()),
                    _ => Err(wrong_type()),
                }
            }
            Self::ListAppend(sides) => {
                let [left, right] = &**sides;
                match (left.value(item)?, right.value(item)?) {
                    (Value::L(mut members), Value::L(more)) => {
                        members.extend(more);
                        Ok(Value::L(members))
                    }
                    _ => Err(wrong_type()),
                }
            }
        }
    }
}

fn sum(left: Number, right: Number) -> Result<Value, Fault> {
    // The service calls a sum of too many digits an overflow, too.
    left.plus(right).map(Value::N).map_err(|error| match error {
        ParseError::Precision => number_fault("", ParseError::Overflow),
        error @ (ParseError::Syntax | ParseError::Overflow | ParseError::Underflow) => {
            number_fault("", error)
        }
    })
}

fn added(existing: Option<&Value>, value: &Value, words: Words) -> Result<Value, Fault> {
    match (existing, value) {
        (None, value) => Ok(value.clone()),
        (Some(Value::N(left)), Value::N(right)) => sum(*left, *right),
        (Some(Value::Ss(left)), Value::Ss(right)) => Ok(Value::Ss(union(left, right))),
        (Some(Value::Ns(left)), Value::Ns(right)) => Ok(Value::Ns(union(left, right))),
        (Some(Value::Bs(left)), Value::Bs(right)) => Ok(Value::Bs(union(left, right))),
        // Only `AttributeUpdates` adds lists: see `judge_operand`.
        (Some(Value::L(left)), Value::L(right)) => Ok(Value::L([&left[..], right].concat())),
        (Some(_), _) => Err(words.wrong_type()),
    }
}

fn union<T: Ord + Clone>(left: &[T], right: &[T]) -> Vec<T> {
    let known: std::collections::BTreeSet<&T> = left.iter().collect();
    let new = right.iter().filter(|member| !known.contains(member));
    left.iter().chain(new).cloned().collect()
}

/// The set without some members; none when nothing is left of it, since there are no empty sets.
fn without(existing: &Value, value: &Value, words: Words) -> Result<Option<Value>, Fault> {
    fn left<T: Ord + Clone>(members: &[T], gone: &[T]) -> Option<Vec<T>> {
        let gone: std::collections::BTreeSet<&T> = gone.iter().collect();
        let left: Vec<T> = members
            .iter()
            .filter(|member| !gone.contains(member))
            .cloned()
            .collect();
        (!left.is_empty()).then_some(left)
    }
    match (existing, value) {
        (Value::Ss(members), Value::Ss(gone)) => Ok(left(members, gone).map(Value::Ss)),
        (Value::Ns(members), Value::Ns(gone)) => Ok(left(members, gone).map(Value::Ns)),
        (Value::Bs(members), Value::Bs(gone)) => Ok(left(members, gone).map(Value::Bs)),
        _ => Err(words.wrong_type()),
    }
}

/// The document that a path's last step leads into.
fn parent<'v, 'p>(
    value: &'v mut Value,
    path: &'p [PathStep],
) -> Result<(&'v mut Value, &'p PathStep), Fault> {
    let (last, steps) = path.split_last().ok_or_else(invalid_path)?;
    let mut value = value;
    for step in steps {
        value = match (value, step) {
            (Value::M(members), PathStep::Name(name)) => members.get_mut(name),
            (Value::L(members), PathStep::Index(index)) => members.get_mut(*index),
            _ => None,
        }
        .ok_or_else(invalid_path)?;
    }
    Ok((value, last))
}

fn put(item: &mut Value, path: &[PathStep], value: Value) -> Result<(), Fault> {
    match parent(item, path)? {
        (Value::M(members), PathStep::Name(name)) => {
            members.insert(name.clone(), value);
        }
        (Value::L(members), PathStep::Index(index)) => match members.get_mut(*index) {
            Some(member) => *member = value,
            None => members.push(value),
        },
        _ => return Err(invalid_path()),
    }
    Ok(())
}

fn take(item: &mut Value, path: &[PathStep]) -> Result<(), Fault> {
    match parent(item, path)? {
        (Value::M(members), PathStep::Name(name)) => {
            members.remove(name);
        }
        (Value::L(members), PathStep::Index(index)) => {
            if *index < members.len() {
                members.remove(*index);
            }
        }
        _ => return Err(invalid_path()),
    }
    Ok(())
}

fn invalid_path() -> Fault {
    Fault::validation("The document path provided in the update expression is invalid for update")
}

impl Words {
    fn wrong_type(self) -> Fault {
        match self {
            Self::Expression => wrong_type(),
            Self::Parameter => Fault::validation("Type mismatch for attribute to update"),
        }
    }
}

fn wrong_type() -> Fault {
    Fault::validation("An operand in the update expression has an incorrect data type")
}
