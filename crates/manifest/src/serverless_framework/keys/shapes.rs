//! What values look like, and what the tool makes of those that look otherwise.
//!
//! Lives here: turning `'10'` into a number where one is due, and the like.
//! Does not live here: which key has which shape (the rows).
//!
//! Contract: Ajv 8, "Type coercion", with `coerceTypes: 'array'`.

use cloudformation::node::{Kind, Node};

use crate::serverless_framework::script;

/// What a value looks like. Intrinsic functions may stand wherever a template takes them, and null is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Whatever.
    Any,
    /// A text.
    Text,
    /// A number.
    Number,
    /// A boolean.
    Flag,
    /// A list; a single value counts as a list of one.
    List,
    /// An ARN, a resource's name, or a list; a list of one ARN or name counts as its item, but one of `*` does not.
    ArnOrList,
    /// A mapping.
    Mapping,
}

/// Makes the node what the shape says, or says what it should be.
pub(super) fn coerce(node: &mut Node, shape: Shape) -> Result<(), &'static str> {
    if node.kind == Kind::Null || is_function(node) {
        return Ok(());
    }
    match shape {
        Shape::Any => Ok(()),
        Shape::Text => text(node),
        Shape::Number => number(node),
        Shape::Flag => flag(node),
        Shape::List => {
            let is_list = matches!(node.kind, Kind::Sequence(_));
            if !is_list && node.as_mapping().is_some() {
                return Err("a list");
            }
            if !is_list {
                let item = node.clone();
                node.kind = Kind::Sequence(vec![item]);
            }
            Ok(())
        }
        Shape::ArnOrList => {
            let single = node.as_sequence().filter(|items| items.len() == 1);
            let single = single.and_then(|items| items.first()?.as_str());
            if single.is_some_and(is_arn_or_name) {
                unwrap_single(node);
            }
            Ok(())
        }
        Shape::Mapping => match node.kind {
            Kind::Mapping(_) => Ok(()),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Number { .. }
            | Kind::String(_)
            | Kind::Sequence(_) => Err("a mapping"),
        },
    }
}

/// `{"Ref": …}`, `{"Fn::…": …}`: its value is not known before deployment.
pub(super) fn is_function(node: &Node) -> bool {
    let mut entries = node.as_mapping().into_iter().flatten();
    match (entries.next(), entries.next()) {
        (Some(only), None) => only.key == "Ref" || only.key.starts_with("Fn::"),
        (_, _) => false,
    }
}

/// What the schema's patterns take for an ARN or a name.
fn is_arn_or_name(text: &str) -> bool {
    let name = text.strip_suffix('*').unwrap_or(text);
    let is_name_letter = |letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '#' | '-' | '_' | '.' | '/')
    };
    text.starts_with("arn:")
        || text.starts_with("execute-api:/")
        || (!name.is_empty() && name.chars().all(is_name_letter))
}

fn text(node: &mut Node) -> Result<(), &'static str> {
    unwrap_single(node);
    match &node.kind {
        Kind::Bool(_) | Kind::Number { .. } => {
            let text = script::text_of(node).unwrap_or_default();
            node.kind = Kind::String(text);
            Ok(())
        }
        Kind::Null | Kind::String(_) => Ok(()),
        Kind::Sequence(_) | Kind::Mapping(_) => Err("a text"),
    }
}

fn number(node: &mut Node) -> Result<(), &'static str> {
    let number = match &node.kind {
        Kind::Null | Kind::Number { .. } => return Ok(()),
        Kind::Bool(value) => Some(i32::from(*value).into()),
        Kind::String(text) => script::number_of(text),
        Kind::Sequence(_) | Kind::Mapping(_) => None,
    };
    let value = number.ok_or("a number")?;
    let text = script::text_of(node).unwrap_or_default();
    node.kind = Kind::Number { value, text };
    Ok(())
}

fn flag(node: &mut Node) -> Result<(), &'static str> {
    let flag = match &node.kind {
        Kind::Null | Kind::Bool(_) => return Ok(()),
        Kind::Number { value, .. } => match value.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            Some(_) | None => None,
        },
        Kind::String(text) => text.parse().ok(),
        Kind::Sequence(_) | Kind::Mapping(_) => None,
    };
    node.kind = Kind::Bool(flag.ok_or("a boolean")?);
    Ok(())
}

/// A list of a single scalar becomes that scalar.
fn unwrap_single(node: &mut Node) {
    let Kind::Sequence(items) = &node.kind else {
        return;
    };
    if let [only] = items.as_slice()
        && !matches!(only.kind, Kind::Sequence(_) | Kind::Mapping(_))
    {
        *node = only.clone();
    }
}
