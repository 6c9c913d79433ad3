//! Attribute values from JSON.
//!
//! Lives here: the values that DynamoDB's JSON can hold, and its words for what is wrong with them.
//! Does not live here: the other parts of a request (`fields`), writing JSON (`json_write`).
//!
//! DynamoDB first reads a whole request and then judges it. So what cannot be read at all ends the reading, while the
//! first value that is merely wrong is kept, and told when its turn comes.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::fault::Fault;
use super::json_read::Json;
use crate::engine::number::{Number, ParseError};
use crate::engine::value::{Attributes, Value};

/// Documents within documents, the item itself counted.
const LEVELS_MAX: usize = model::limits::DYNAMODB_NESTING_MAX;
/// An attribute's name is shorter than this, in bytes.
const NAME_BYTES_LIMIT: usize = 65_536;

/// What was read, or what is wrong with it: told only once the whole request has been read.
pub(crate) type Judged<T> = Result<T, Fault>;

/// Reads attribute values by name, as `Item` or `Key`.
///
/// # Errors
/// A serialization fault when they are not of that shape.
pub(crate) fn read_attributes(json: Json<'_>) -> Result<Judged<Attributes>, Fault> {
    let mut reader = Reader::default();
    let attributes = reader.attributes(json, 1)?;
    Ok(match reader.wrong {
        Some(fault) => Err(fault),
        None => Ok(attributes),
    })
}

/// Reads one attribute value.
///
/// # Errors
/// A serialization fault when it is not of that shape.
pub(crate) fn read_value(json: Json<'_>) -> Result<Judged<Value>, Fault> {
    let mut reader = Reader::default();
    let value = reader.value(json, 1)?;
    Ok(match reader.wrong {
        Some(fault) => Err(fault),
        None => Ok(value),
    })
}

/// Reads a list of attribute values.
///
/// # Errors
/// A serialization fault when it is not of that shape.
pub(crate) fn read_values(json: Json<'_>) -> Result<Judged<Vec<Value>>, Fault> {
    read_list(json)?.into_iter().map(read_value).collect()
}

/// Reads values, and keeps the first fault of one that is of the right shape.
#[derive(Debug, Default)]
struct Reader {
    wrong: Option<Fault>,
}

impl Reader {
    fn wrong(&mut self, fault: Fault) {
        self.wrong.get_or_insert(fault);
    }

    fn invalid(&mut self, what: impl AsRef<str>) {
        self.wrong(Fault::invalid(what));
    }

    fn attributes(&mut self, json: Json<'_>, level: usize) -> Result<Attributes, Fault> {
        let members = match json {
            Json::Map(members) => members,
            Json::List(_) => {
                return Err(Fault::serialization(
                    "Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>",
                ));
            }
            Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_) => {
                return Err(Fault::serialization("Unexpected field type"));
            }
        };
        let mut attributes = Attributes::new();
        for (name, value) in members {
            if let Some(fault) = name_fault(&name) {
                self.wrong(fault);
            }
            let value = self.value(value, level)?;
            attributes.insert(name.into_owned(), value);
        }
        Ok(attributes)
    }

    fn value(&mut self, json: Json<'_>, level: usize) -> Result<Value, Fault> {
        let members = match json {
            Json::Map(members) => members,
            Json::Null => Vec::new(),
            Json::List(_) => {
                return Err(Fault::serialization(
                    "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue",
                ));
            }
            Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_) => {
                return Err(Fault::serialization("Unexpected value type in payload"));
            }
        };
        let mut values = Vec::with_capacity(1);
        for (type_name, json) in members {
            if json != Json::Null {
                values.extend(self.typed(&type_name, json, level)?);
            }
        }
        match values.len() {
            0 => self.wrong(Fault::validation(
                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            )),
            1 => {}
            _ => self.wrong(Fault::validation(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
            )),
        }
        Ok(values.into_iter().next().unwrap_or(Value::Null))
    }

    /// The value under a type's name; none when there is no such type.
    fn typed(
        &mut self,
        type_name: &str,
        json: Json<'_>,
        level: usize,
    ) -> Result<Option<Value>, Fault> {
        Ok(Some(match type_name {
            "S" => Value::S(read_text(json)?.into_owned()),
            "N" => Value::N(self.number(&read_text(json)?)),
            "B" => Value::B(read_blob(json)?.1),
            "BOOL" => Value::Bool(read_boolean(&json)?),
            "NULL" => {
                if !read_boolean(&json)? {
                    self.invalid("Null attribute value types must have the value of true");
                }
                Value::Null
            }
            "SS" => self.texts(json)?,
            "NS" => self.numbers(json)?,
            "BS" => self.blobs(json)?,
            "L" => {
                let deeper = self.deeper(level)?;
                let values = read_list(json)?
                    .into_iter()
                    .map(|member| self.value(member, deeper));
                Value::L(values.collect::<Result<_, _>>()?)
            }
            "M" => {
                let deeper = self.deeper(level)?;
                Value::M(self.attributes(json, deeper)?)
            }
            _ => return Ok(None),
        }))
    }

    /// One level further down; too far ends the reading, so that nobody leads us into the depth.
    fn deeper(&mut self, level: usize) -> Result<usize, Fault> {
        if level < LEVELS_MAX {
            return Ok(level + 1);
        }
        Err(too_deep())
    }

    fn number(&mut self, text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|error| {
            self.wrong(number_fault(text, error));
            Number::ZERO
        })
    }

    fn texts(&mut self, json: Json<'_>) -> Result<Value, Fault> {
        let texts = read_members(json, |member| Ok(read_text(member)?.into_owned()))?;
        if texts.is_empty() {
            self.invalid("An string set  may not be empty");
        }
        if has_duplicates(&texts) {
            let all = texts.join(", ");
            self.invalid(format!("Input collection [{all}] contains duplicates."));
        }
        Ok(Value::Ss(texts))
    }

    fn numbers(&mut self, json: Json<'_>) -> Result<Value, Fault> {
        let numbers = read_members(json, |member| Ok(self.number(&read_text(member)?)))?;
        if numbers.is_empty() {
            self.invalid("An number set  may not be empty");
        }
        if has_duplicates(&numbers) {
            self.wrong(Fault::validation("Input collection contains duplicates"));
        }
        Ok(Value::Ns(numbers))
    }

    fn blobs(&mut self, json: Json<'_>) -> Result<Value, Fault> {
        let read = read_members(json, read_blob)?;
        let (texts, blobs): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        if blobs.is_empty() {
            self.invalid("Binary sets should not be empty");
        }
        if has_duplicates(&blobs) {
            // The missing space is the service's.
            let all = texts.join(", ");
            self.invalid(format!(
                "Input collection [{all}]of type BS contains duplicates."
            ));
        }
        Ok(Value::Bs(blobs))
    }
}

/// Refuses an item whose documents are nested too deep, as they may be after an update.
///
/// # Errors
/// A validation fault.
pub(crate) fn judge_nesting(item: &Attributes) -> Result<(), Fault> {
    fn levels(value: &Value) -> usize {
        let deepest = match value {
            Value::M(members) => members.values().map(levels).max(),
            Value::L(members) => members.iter().map(levels).max(),
            Value::S(_)
            | Value::N(_)
            | Value::B(_)
            | Value::Bool(_)
            | Value::Null
            | Value::Ss(_)
            | Value::Ns(_)
            | Value::Bs(_) => return 0,
        };
        1 + deepest.unwrap_or(0)
    }
    let deepest = item.values().map(levels).max().unwrap_or(0);
    if deepest < LEVELS_MAX {
        return Ok(());
    }
    Err(too_deep())
}

fn too_deep() -> Fault {
    Fault::validation(
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
    )
}

/// What is wrong with an attribute's name.
#[must_use]
pub(crate) fn name_fault(name: &str) -> Option<Fault> {
    if name.is_empty() {
        return Some(Fault::validation("Empty attribute name"));
    }
    (NAME_BYTES_LIMIT <= name.len()).then(|| {
        Fault::validation(format!(
            "Attribute name is too large, must be less than {NAME_BYTES_LIMIT} bytes"
        ))
    })
}

/// What DynamoDB says of a number that it does not take.
#[must_use]
pub(crate) fn number_fault(text: &str, error: ParseError) -> Fault {
    Fault::validation(match error {
        ParseError::Syntax if text.is_empty() => {
            "The parameter cannot be converted to a numeric value".to_owned()
        }
        ParseError::Syntax => {
            format!("The parameter cannot be converted to a numeric value: {text}")
        }
        ParseError::Overflow => {
            "Number overflow. Attempting to store a number with magnitude larger than supported range".to_owned()
        }
        ParseError::Underflow => {
            "Number underflow. Attempting to store a number with magnitude smaller than supported range".to_owned()
        }
        ParseError::Precision => {
            "Attempting to store more than 38 significant digits in a Number".to_owned()
        }
    })
}

/// Reads a text.
///
/// # Errors
/// A serialization fault, as for all that follow.
pub(crate) fn read_text(json: Json<'_>) -> Result<Cow<'_, str>, Fault> {
    if let Json::Text(text) = json {
        return Ok(text);
    }
    Err(misfit(&json, "String", "class java.lang.String"))
}

/// Reads a boolean; the service takes some texts for one.
///
/// # Errors
/// A serialization fault.
pub(crate) fn read_boolean(json: &Json<'_>) -> Result<bool, Fault> {
    let unexpected = || Fault::serialization("Unexpected token received from parser");
    match json {
        Json::Bool(value) => Ok(*value),
        Json::Text(text) => match text.to_ascii_uppercase().as_str() {
            "TRUE" | "1" | "YES" => Ok(true),
            "FALSE" | "0" | "NO" => Ok(false),
            _ => Err(unexpected()),
        },
        Json::Null | Json::Integer(_) | Json::Decimal(_) | Json::List(_) | Json::Map(_) => {
            Err(misfit(json, "Boolean", "class java.lang.Boolean"))
        }
    }
}

/// Reads a list.
///
/// # Errors
/// A serialization fault.
pub(crate) fn read_list(json: Json<'_>) -> Result<Vec<Json<'_>>, Fault> {
    match json {
        Json::List(members) => Ok(members),
        Json::Map(_) => Err(Fault::serialization(
            "Start of structure or map found where not expected",
        )),
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_) => {
            Err(Fault::serialization("Unexpected field type"))
        }
    }
}

/// What the service says when a scalar is wanted and this stands there.
#[must_use]
pub(crate) fn misfit(json: &Json<'_>, wanted: &str, collection: &str) -> Fault {
    Fault::serialization(match (json.token_name(), json) {
        (Some(token), _) => format!("{token} cannot be converted to {wanted}"),
        (None, Json::List(_)) => format!("Unrecognized collection type {collection}"),
        (None, _) => "Start of structure or map found where not expected".to_owned(),
    })
}

/// The members of a set; null ones are left out.
fn read_members<'a, T>(
    json: Json<'a>,
    mut read: impl FnMut(Json<'a>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    read_list(json)?
        .into_iter()
        .filter(|member| *member != Json::Null)
        .map(&mut read)
        .collect()
}

/// The text and the bytes that it stands for.
fn read_blob(json: Json<'_>) -> Result<(Cow<'_, str>, Bytes), Fault> {
    let text = match json {
        Json::Text(text) => text,
        Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) => {
            return Err(Fault::serialization(
                "only base-64-encoded strings are convertible to bytes",
            ));
        }
        Json::Null | Json::List(_) | Json::Map(_) => {
            return Err(misfit(&json, "ByteBuffer", "class java.nio.ByteBuffer"));
        }
    };
    if !text.len().is_multiple_of(4) {
        return Err(Fault::serialization(format!(
            "Base64 encoded length is expected a multiple of 4 bytes but found: {}",
            text.len()
        )));
    }
    // The spelling is the service's.
    let bytes = STANDARD
        .decode(text.as_bytes())
        .map_err(|_| Fault::serialization("Invalid last non-pad Base64 character dectected"))?;
    Ok((text, Bytes::from(bytes)))
}

fn has_duplicates<T: Ord>(members: &[T]) -> bool {
    let mut seen = BTreeSet::new();
    !members.iter().all(|member| seen.insert(member))
}
