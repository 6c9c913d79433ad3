//! Attributes of messages.
//!
//! Lives here: reading and checking them, how policies and subscribers see them.
//! Does not live here: messages themselves (`message`).
//!
//! Contract: Amazon SNS Developer Guide, "Amazon SNS message attributes"; transcripts of the service's answers.

use aws_wire::query::Form;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::delivery::Attribute;
use serde_json::{Map, Number, Value};

use crate::filter::Candidate;
use crate::refusal::Refusal;

const NAME_BYTES_MAX: usize = 256;
const ARRAY: &str = "String.Array";

/// What a type's name begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Binary,
}

/// Reads the attributes of a message. `path` is how validation names them.
pub(super) fn read(form: &Form, path: &str) -> Result<Vec<Attribute>, Refusal> {
    let Some(map) = form.member("MessageAttributes") else {
        return Ok(Vec::new());
    };
    let entries = map.list("entry").into_iter();
    entries.map(|entry| one(entry, path)).collect()
}

fn one(entry: &Form, path: &str) -> Result<Attribute, Refusal> {
    let name = entry.text("Name").unwrap_or_default();
    check_name(name)?;
    let given = entry.member("Value");
    let part = |part: &str| given.and_then(|value| value.text(part));
    let Some(data_type) = part("DataType") else {
        return Err(Refusal::validation(&format!(
            "{path}.{name}.member.dataType"
        )));
    };
    let kind = kind(data_type).ok_or_else(|| {
        Refusal::value(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is \
             Binary, Number, and String."
        ))
    })?;
    let (text, binary) = (part("StringValue"), part("BinaryValue"));
    let (own, other, field) = match kind {
        Kind::Text | Kind::Number => (text, binary, "String"),
        Kind::Binary => (binary, text, "Binary"),
    };
    let own = own.filter(|value| !value.is_empty());
    let Some(value) = own else {
        return Err(Refusal::value(match other {
            Some(_) => format!(
                "The message attribute '{name}' with type '{data_type}' must use field '{field}'."
            ),
            None => format!(
                "The message attribute '{name}' must contain non-empty message attribute value for message attribute type \
                 '{data_type}'."
            ),
        }));
    };
    if kind == Kind::Number && value.trim().parse::<f64>().is_err() {
        return Err(Refusal::value(format!(
            "Could not cast message attribute '{name}' value to number."
        )));
    }
    if kind == Kind::Binary && STANDARD.decode(value).is_err() {
        return Err(Refusal::value(format!(
            "The message attribute '{name}' holds no base64."
        )));
    }
    Ok(Attribute {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        value: value.to_owned(),
    })
}

fn check_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::value("Message attribute name can not be empty."));
    }
    if NAME_BYTES_MAX < name.len() {
        return Err(Refusal::value(
            "Length of message attribute name must be less than 256 bytes.",
        ));
    }
    if name.starts_with('.') {
        return Err(Refusal::value(
            "Invalid message attribute name starting with character '.' was found.",
        ));
    }
    if name.ends_with('.') {
        return Err(Refusal::value(
            "Invalid message attribute name ending with character '.' was found.",
        ));
    }
    let allowed = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    if let Some(other) = name.chars().find(|char| !allowed(*char)) {
        let code = u32::from(other);
        return Err(Refusal::value(format!(
            "Invalid non-alphanumeric character '#x{code:X}' was found in the message attribute name. Can only include \
             alphanumeric characters, hyphens, underscores, or dots."
        )));
    }
    if name.contains("..") {
        return Err(Refusal::value(
            "Message attribute name can not have successive '.' character.",
        ));
    }
    Ok(())
}

fn kind(data_type: &str) -> Option<Kind> {
    let (base, own) = match data_type.split_once('.') {
        Some((base, own)) => (base, Some(own)),
        None => (data_type, None),
    };
    if own == Some("") {
        return None;
    }
    match base {
        "String" => Some(Kind::Text),
        "Number" => Some(Kind::Number),
        "Binary" => Some(Kind::Binary),
        _ => None,
    }
}

/// Bytes that count against the size of a message.
pub(super) fn size(attributes: &[Attribute]) -> usize {
    let of_one = |one: &Attribute| {
        let value = match kind(&one.data_type) {
            Some(Kind::Binary) => STANDARD.decode(&one.value).map_or(0, |bytes| bytes.len()),
            Some(Kind::Text | Kind::Number) | None => one.value.len(),
        };
        one.name.len() + one.data_type.len() + value
    };
    attributes.iter().map(of_one).sum()
}

/// Attributes as filter policies see them. Binary ones are not looked at.
pub(super) fn candidate(attributes: &[Attribute]) -> Candidate {
    let mut members = Map::new();
    for attribute in attributes {
        let text = || Value::from(attribute.value.as_str());
        let value = match kind(&attribute.data_type) {
            Some(Kind::Binary) | None => continue,
            Some(Kind::Number) => {
                let number = attribute.value.trim().parse().ok();
                number.and_then(Number::from_f64).map(Value::Number)
            }
            Some(Kind::Text) if attribute.data_type == ARRAY => {
                let array = serde_json::from_str(&attribute.value).ok();
                array.filter(Value::is_array)
            }
            Some(Kind::Text) => None,
        };
        members.insert(attribute.name.clone(), value.unwrap_or_else(text));
    }
    Candidate::of_members(members)
}
