//! Attributes of messages, as they are sent.
//!
//! Lives here: reading and checking them, showing them.
//! Does not live here: their digest (`crate::message`).
//!
//! Contract: Amazon SQS Developer Guide, "Amazon SQS message attributes"; the texts are Amazon SQS's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::limits::SQS_MESSAGE_ATTRIBUTES_MAX;
use serde_json::{Map, Value, json};

use super::fault::{Fault, Kind};
use crate::engine::record::{Attribute, AttributeValue};

const NAME_CHARACTERS_MAX: usize = 256;
const TYPE_CHARACTERS_MAX: usize = 256;

/// Reads the attributes of a message.
///
/// # Errors
/// One of them cannot be so.
pub(crate) fn read(input: &Map<String, Value>) -> Result<Vec<Attribute>, Fault> {
    let Some(members) = input.get("MessageAttributes").and_then(Value::as_object) else {
        return Ok(Vec::new());
    };
    if SQS_MESSAGE_ATTRIBUTES_MAX < members.len() {
        return Err(refuse(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{SQS_MESSAGE_ATTRIBUTES_MAX}].",
            members.len()
        )));
    }
    members
        .iter()
        .map(|(name, value)| read_one(name, value))
        .collect()
}

/// Reads `AWSTraceHeader`, the only system attribute that can be sent.
///
/// # Errors
/// It is another, or no text.
pub(crate) fn read_system(input: &Map<String, Value>) -> Result<Option<Attribute>, Fault> {
    let members = input
        .get("MessageSystemAttributes")
        .and_then(Value::as_object);
    let mut trace = None;
    for (name, value) in members.into_iter().flatten() {
        if name != "AWSTraceHeader" {
            return Err(refuse(format!(
                "Message system attribute name '{name}' is invalid."
            )));
        }
        let attribute = read_value(name, value)?;
        if attribute.data_type != "String" {
            return Err(refuse(format!(
                "Message system attribute '{name}' has an invalid message attribute type, the set of supported type \
                 prefixes is String."
            )));
        }
        trace = Some(attribute);
    }
    Ok(trace)
}

/// Bytes that attributes count towards a message's size.
pub(crate) fn size(attributes: &[Attribute]) -> usize {
    let one = |attribute: &Attribute| {
        let value = match &attribute.value {
            AttributeValue::Text(text) => text.len(),
            AttributeValue::Binary(bytes) => bytes.len(),
        };
        attribute.name.len() + attribute.data_type.len() + value
    };
    attributes.iter().map(one).sum()
}

/// An attribute as it is shown.
pub(crate) fn show(attribute: &Attribute) -> Value {
    match &attribute.value {
        AttributeValue::Text(text) => {
            json!({ "StringValue": text, "DataType": attribute.data_type })
        }
        AttributeValue::Binary(bytes) => {
            json!({ "BinaryValue": STANDARD.encode(bytes), "DataType": attribute.data_type })
        }
    }
}

/// Whether a receive that asks for these names gets an attribute.
pub(crate) fn is_wished(name: &str, wished: &[String]) -> bool {
    wished.iter().any(|wish| {
        let prefix = wish.strip_suffix(".*").or_else(|| wish.strip_suffix('*'));
        match prefix {
            _ if wish == "All" => true,
            Some(prefix) => name.starts_with(prefix),
            None => name == wish,
        }
    })
}

/// Whether every character may be in a message.
///
/// Contract: Amazon SQS API Reference, `SendMessage`, "MessageBody".
pub(crate) fn is_allowed(text: &str) -> bool {
    text.chars().all(|character| {
        matches!(character,
            '\u{9}' | '\u{a}' | '\u{d}' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
    })
}

fn read_one(name: &str, value: &Value) -> Result<Attribute, Fault> {
    check_name(name)?;
    read_value(name, value)
}

fn read_value(name: &str, value: &Value) -> Result<Attribute, Fault> {
    let text = |member: &str| value.get(member).and_then(Value::as_str);
    let data_type = text("DataType").unwrap_or_default();
    if data_type.is_empty() {
        return Err(refuse(format!(
            "The message attribute '{name}' must contain non-empty message attribute type."
        )));
    }
    if TYPE_CHARACTERS_MAX < data_type.chars().count() {
        return Err(refuse(format!(
            "Length of message attribute type must be less than {TYPE_CHARACTERS_MAX} bytes."
        )));
    }
    let value = match data_type.split('.').next() {
        Some("Binary") => {
            let bytes = text("BinaryValue").filter(|value| !value.is_empty());
            let bytes = bytes.ok_or_else(|| empty(name, "Binary"))?;
            let bytes = STANDARD.decode(bytes).map_err(|_| empty(name, "Binary"))?;
            AttributeValue::Binary(Bytes::from(bytes))
        }
        Some(kind @ ("String" | "Number")) => {
            let value = text("StringValue").filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| empty(name, kind))?;
            check_text(name, kind, value)?;
            AttributeValue::Text(value.to_owned())
        }
        Some(_) | None => {
            return Err(refuse(format!(
                "The type of message (user) attribute '{name}' is invalid. You must use only the following supported type \
                 prefixes: Binary, Number, String."
            )));
        }
    };
    Ok(Attribute {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        value,
    })
}

fn check_text(name: &str, kind: &str, value: &str) -> Result<(), Fault> {
    if !is_allowed(value) {
        return Err(refuse(format!(
            "Invalid binary character in message (user) attribute '{name}'."
        )));
    }
    if kind == "Number" && value.parse::<f64>().is_err() {
        return Err(refuse(format!(
            "Can't cast the value of message (user) attribute '{name}' to a number."
        )));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Fault> {
    let lower = name.to_ascii_lowercase();
    let is_ours = ["aws.", "amazon."]
        .iter()
        .any(|prefix| lower.starts_with(prefix));
    let is_allowed = name
        .chars()
        .all(|character| character.is_alphanumeric() || "_-.".contains(character));
    let is_placed = !name.starts_with('.') && !name.ends_with('.') && !name.contains("..");
    let is_short = (1..=NAME_CHARACTERS_MAX).contains(&name.chars().count());
    if !is_short {
        return Err(refuse(format!(
            "Message (user) attribute name must be shorter than {NAME_CHARACTERS_MAX} characters, and not empty."
        )));
    }
    if is_ours || !is_allowed || !is_placed {
        return Err(refuse(format!(
            "Invalid message (user) attribute name '{name}'."
        )));
    }
    Ok(())
}

fn empty(name: &str, kind: &str) -> Fault {
    refuse(format!(
        "Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."
    ))
}

fn refuse(message: String) -> Fault {
    Fault::new(Kind::InvalidParameterValue, message)
}
