//! From a tree to a condition that makes sense.
//!
//! Lives here: which functions there are, what they take, what may stand where, reserved words; DynamoDB's words for all
//! that is wrong, in its order.
//! Does not live here: syntax (`parser`), judging items (`condition`), which conditions keys allow (`key_condition`).

use super::condition::{Condition, Operand};
use super::paths;
use super::placeholders::{PathStep, Placeholders};
use super::reserved;
use super::syntax::{Comparator, Node, Path, Step};
use crate::engine::value::Value;

/// The functions of conditions, with how many operands they take.
const FUNCTIONS: [(&str, usize); 6] = [
    ("attribute_exists", 1),
    ("attribute_not_exists", 1),
    ("attribute_type", 2),
    ("begins_with", 2),
    ("contains", 2),
    ("size", 1),
];

/// What one `IN` may list.
const CANDIDATES_MAX: usize = 100;

/// The functions that only updates have.
const OF_UPDATES: [&str; 2] = ["if_not_exists", "list_append"];

const TYPE_NAMES: [&str; 10] = ["S", "N", "B", "NULL", "SS", "BOOL", "L", "BS", "NS", "M"];

/// Checks a condition.
///
/// # Errors
/// The text that stands after `Invalid …Expression: `.
pub fn condition(node: &Node, placeholders: &Placeholders) -> Result<Condition, String> {
    let mut functions = Vec::new();
    collect_functions(node, Place::Condition, &mut functions);
    if let Some((name, _)) = functions
        .iter()
        .find(|(name, _)| operands_of(name).is_none() && !OF_UPDATES.contains(name))
    {
        return Err(format!("Invalid function name; function: {name}"));
    }
    if let Some((name, _)) = functions
        .iter()
        .find(|(name, place)| !may_stand(name, *place))
    {
        return Err(format!(
            "The function is not allowed to be used this way in an expression; function: {name}"
        ));
    }
    if let Some(word) = first_reserved(node) {
        return Err(reserved_word(word));
    }
    convert(node, placeholders)
}

/// Checks a path outside of conditions, as in a projection.
///
/// # Errors
/// The text that stands after `Invalid …Expression: `.
pub fn path(path: &Path, placeholders: &Placeholders) -> Result<Vec<PathStep>, String> {
    match reserved_in(path) {
        Some(word) => Err(reserved_word(word)),
        None => placeholders.path(path),
    }
}

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Condition,
    Operand,
}

fn may_stand(function: &str, place: Place) -> bool {
    !OF_UPDATES.contains(&function) && (function == "size") == (place == Place::Operand)
}

fn operands_of(function: &str) -> Option<usize> {
    let found = FUNCTIONS.iter().find(|(name, _)| *name == function);
    found.map(|(_, count)| *count)
}

fn collect_functions<'a>(node: &'a Node, place: Place, found: &mut Vec<(&'a str, Place)>) {
    match node {
        Node::Path(_) | Node::Value(_) => {}
        Node::Call { name, operands } => {
            found.push((name, place));
            for operand in operands {
                collect_functions(operand, Place::Operand, found);
            }
        }
        Node::Compare { .. } | Node::Between { .. } | Node::In { .. } => {
            for operand in children(node) {
                collect_functions(operand, Place::Operand, found);
            }
        }
        Node::And(_) | Node::Or(_) | Node::Not(_) => {
            for inner in children(node) {
                collect_functions(inner, Place::Condition, found);
            }
        }
    }
}

fn children(node: &Node) -> Vec<&Node> {
    match node {
        Node::Path(_) | Node::Value(_) => Vec::new(),
        Node::Call { operands, .. } => operands.iter().collect(),
        Node::Compare { sides, .. } => sides.iter().collect(),
        Node::Between { operands } => operands.iter().collect(),
        Node::In {
            operand,
            candidates,
        } => std::iter::once(&**operand).chain(candidates).collect(),
        Node::And(sides) | Node::Or(sides) => sides.iter().collect(),
        Node::Not(inner) => vec![inner],
    }
}

fn first_reserved(node: &Node) -> Option<&str> {
    if let Node::Path(path) = node {
        return reserved_in(path);
    }
    children(node).into_iter().find_map(first_reserved)
}

fn reserved_in(path: &Path) -> Option<&str> {
    path.steps.iter().find_map(|step| match step {
        Step::Name(name) if reserved::contains(name) => Some(name.as_str()),
        Step::Name(_) | Step::Placeholder(_) | Step::Index(_) => None,
    })
}

fn reserved_word(word: &str) -> String {
    format!("Attribute name is a reserved keyword; reserved keyword: {word}")
}

fn convert(node: &Node, placeholders: &Placeholders) -> Result<Condition, String> {
    Ok(match node {
        Node::Or(sides) => Condition::Or(convert_all(sides, placeholders)?),
        Node::And(sides) => Condition::And(convert_all(sides, placeholders)?),
        Node::Not(inner) => Condition::Not(Box::new(convert(inner, placeholders)?)),
        Node::Compare { comparator, sides } => {
            let [left, right] = &**sides;
            let sides = [operand(left, placeholders)?, operand(right, placeholders)?];
            let [left, right] = &sides;
            distinct(comparator.text(), left, right)?;
            ordered_type(*comparator, &sides)?;
            Condition::Compare {
                comparator: *comparator,
                sides: Box::new(sides),
            }
        }
        Node::Between { operands } => {
            let [tested, low, high] = &**operands;
            let operands = [
                operand(tested, placeholders)?,
                operand(low, placeholders)?,
                operand(high, placeholders)?,
            ];
            between(&operands)?;
            Condition::Between {
                operands: Box::new(operands),
            }
        }
        Node::In {
            operand: tested,
            candidates,
        } => {
            if CANDIDATES_MAX < candidates.len() {
                return Err(format!(
                    "Too many operands for the operator or function; operator or function: IN, number of operands: {}",
                    candidates.len()
                ));
            }
            Condition::In {
                operand: operand(tested, placeholders)?,
                candidates: candidates
                    .iter()
                    .map(|candidate| operand(candidate, placeholders))
                    .collect::<Result<_, _>>()?,
            }
        }
        Node::Call { name, operands } => call(name, operands, placeholders)?,
        // An operand by itself says nothing that could be true or false.
        Node::Path(_) | Node::Value(_) => return Err(operand_alone(node)),
    })
}

fn convert_all(nodes: &[Node], placeholders: &Placeholders) -> Result<Vec<Condition>, String> {
    nodes
        .iter()
        .map(|node| convert(node, placeholders))
        .collect()
}

fn operand_alone(node: &Node) -> String {
    let text = match node {
        Node::Path(path) => path_text(path),
        Node::Value(name) => name.clone(),
        Node::Call { .. }
        | Node::Compare { .. }
        | Node::Between { .. }
        | Node::In { .. }
        | Node::And(_)
        | Node::Or(_)
        | Node::Not(_) => "(".to_owned(),
    };
    format!("Syntax error; token: \"<EOF>\", near: \"{text}\"")
}

fn operand(node: &Node, placeholders: &Placeholders) -> Result<Operand, String> {
    match node {
        Node::Path(path) => Ok(Operand::Path(placeholders.path(path)?)),
        Node::Value(name) => Ok(Operand::Value(placeholders.value(name)?.clone())),
        Node::Call { name, operands } => {
            // Only `size` may stand here: see `may_stand`.
            let [inner] = operands.as_slice() else {
                return Err(wrong_count(name, operands.len()));
            };
            let inner = operand(inner, placeholders)?;
            match &inner {
                Operand::Value(value @ (Value::N(_) | Value::Bool(_) | Value::Null)) => {
                    return Err(wrong_type(name, value.type_name()));
                }
                // A size is a number, and those have none.
                Operand::Size(_) => return Err(wrong_type(name, "N")),
                Operand::Value(_) | Operand::Path(_) => {}
            }
            Ok(Operand::Size(Box::new(inner)))
        }
        Node::Compare { .. }
        | Node::Between { .. }
        | Node::In { .. }
        | Node::And(_)
        | Node::Or(_)
        | Node::Not(_) => Err(operand_alone(node)),
    }
}

fn call(name: &str, nodes: &[Node], placeholders: &Placeholders) -> Result<Condition, String> {
    let operands = nodes
        .iter()
        .map(|node| operand(node, placeholders))
        .collect::<Result<Vec<_>, _>>()?;
    if operands_of(name) != Some(operands.len()) {
        return Err(wrong_count(name, operands.len()));
    }
    let mut operands = operands.into_iter();
    let (Some(first), second) = (operands.next(), operands.next()) else {
        return Err(wrong_count(name, 0));
    };
    if let Some(second) = &second {
        distinct(name, &first, second)?;
    }
    match (name, first, second) {
        ("attribute_exists", Operand::Path(path), None) => Ok(Condition::Exists(path)),
        ("attribute_not_exists", Operand::Path(path), None) => {
            Ok(Condition::Not(Box::new(Condition::Exists(path))))
        }
        ("attribute_exists" | "attribute_not_exists", _, _) => Err(format!(
            "Operator or function requires a document path; operator or function: {name}"
        )),
        ("attribute_type", operand, Some(Operand::Value(Value::S(type_name)))) => {
            if !TYPE_NAMES.contains(&type_name.as_str()) {
                return Err(format!(
                    "Invalid attribute type name found; type: {type_name}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
                ));
            }
            Ok(Condition::IsType { operand, type_name })
        }
        ("attribute_type", _, Some(Operand::Value(other))) => {
            Err(wrong_type(name, other.type_name()))
        }
        ("attribute_type", _, _) => Err(wrong_type(name, "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")),
        ("begins_with", whole, Some(start)) => {
            for operand in [&whole, &start] {
                match operand {
                    Operand::Value(Value::S(_) | Value::B(_)) | Operand::Path(_) => {}
                    Operand::Value(other) => return Err(wrong_type(name, other.type_name())),
                    Operand::Size(_) => return Err(wrong_type(name, "N")),
                }
            }
            Ok(Condition::BeginsWith {
                operands: Box::new([whole, start]),
            })
        }
        ("contains", whole, Some(part)) => Ok(Condition::Contains {
            operands: Box::new([whole, part]),
        }),
        _ => Err(format!("Invalid function name; function: {name}")),
    }
}

fn wrong_count(name: &str, count: usize) -> String {
    format!(
        "Incorrect number of operands for operator or function; operator or function: {name}, number of operands: {count}"
    )
}

fn wrong_type(name: &str, type_name: &str) -> String {
    format!(
        "Incorrect operand type for operator or function; operator or function: {name}, operand type: {type_name}"
    )
}

fn distinct(name: &str, first: &Operand, second: &Operand) -> Result<(), String> {
    match (first, second) {
        (Operand::Path(first), Operand::Path(second)) if first == second => Err(format!(
            "The first operand must be distinct from the remaining operands for this operator or function; operator: {name}, first operand: {}",
            paths::text_of(first)
        )),
        _ => Ok(()),
    }
}

/// Order is known for texts, numbers and bytes alone.
fn ordered_type(comparator: Comparator, sides: &[Operand; 2]) -> Result<(), String> {
    match comparator {
        Comparator::Equal | Comparator::NotEqual => return Ok(()),
        Comparator::Less
        | Comparator::LessOrEqual
        | Comparator::Greater
        | Comparator::GreaterOrEqual => {}
    }
    for side in sides {
        match side {
            Operand::Value(Value::S(_) | Value::N(_) | Value::B(_))
            | Operand::Path(_)
            | Operand::Size(_) => {}
            Operand::Value(other) => return Err(wrong_type(comparator.text(), other.type_name())),
        }
    }
    Ok(())
}

fn between(operands: &[Operand; 3]) -> Result<(), String> {
    for operand in operands {
        if let Operand::Value(value) = operand
            && !matches!(value, Value::S(_) | Value::N(_) | Value::B(_))
        {
            return Err(wrong_type("BETWEEN", value.type_name()));
        }
    }
    let [_, Operand::Value(low), Operand::Value(high)] = operands else {
        return Ok(());
    };
    let bounds = || {
        format!(
            "lower bound operand: AttributeValue: {}, upper bound operand: AttributeValue: {}",
            value_text(low),
            value_text(high)
        )
    };
    if low.type_name() != high.type_name() {
        return Err(format!(
            "The BETWEEN operator requires same data type for lower and upper bounds; {}",
            bounds()
        ));
    }
    if super::condition::order(low, high).is_some_and(std::cmp::Ordering::is_gt) {
        return Err(format!(
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {}",
            bounds()
        ));
    }
    Ok(())
}

/// A value as the service prints it in messages: `{S:abc}`.
fn value_text(value: &Value) -> String {
    let mut json = Vec::new();
    crate::dynamodb::json_write::value(&mut json, value);
    String::from_utf8_lossy(&json).replace('"', "")
}

fn path_text(path: &Path) -> String {
    let mut text = String::new();
    for step in &path.steps {
        match step {
            Step::Name(name) | Step::Placeholder(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}
