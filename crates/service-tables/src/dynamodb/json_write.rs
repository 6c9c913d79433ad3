//! Items as JSON, straight from their bytes in the store.
//!
//! Lives here: writing strings, values and items into a growing answer, without a tree in between.
//! Does not live here: reading JSON (`values`, `fields`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::engine::codec::{self, CorruptItem, Head, Reader};
use crate::engine::number::Number;
use crate::engine::value::{Attributes, Value};

/// How deep values may be nested: more than the API lets in.
const DEPTH_MAX: usize = 64;

/// Writes a text with its quotes.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    // Runs that need no escape are copied whole.
    while let Some(at) = rest
        .iter()
        .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))
    {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = from.split_first() else {
            break;
        };
        escape(out, *byte);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
    }
}

/// Writes an encoded item.
///
/// # Errors
/// [`CorruptItem`]; what was written by then is not JSON.
pub(crate) fn encoded_item(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), CorruptItem> {
    encoded_map(out, &mut codec::open(bytes)?, DEPTH_MAX)
}

fn encoded_map(
    out: &mut Vec<u8>,
    reader: &mut Reader<'_>,
    depth: usize,
) -> Result<(), CorruptItem> {
    let count = reader.length()?;
    out.push(b'{');
    for index in 0..count {
        if index != 0 {
            out.push(b',');
        }
        string(out, reader.text()?);
        out.push(b':');
        encoded_value(out, reader, depth)?;
    }
    out.push(b'}');
    Ok(())
}

fn encoded_value(
    out: &mut Vec<u8>,
    reader: &mut Reader<'_>,
    depth: usize,
) -> Result<(), CorruptItem> {
    let deeper = depth.checked_sub(1).ok_or(CorruptItem::Damaged)?;
    match reader.head()? {
        Head::S(text) => tagged(out, "S", |out| string(out, text)),
        Head::N(value) => tagged(out, "N", |out| number(out, value)),
        Head::B(bytes) => tagged(out, "B", |out| binary(out, bytes)),
        Head::Bool(true) => tagged(out, "BOOL", |out| out.extend_from_slice(b"true")),
        Head::Bool(false) => tagged(out, "BOOL", |out| out.extend_from_slice(b"false")),
        Head::Null => tagged(out, "NULL", |out| out.extend_from_slice(b"true")),
        Head::Ss(count) => encoded_members(out, "SS", count, |out| {
            string(out, reader.text()?);
            Ok(())
        })?,
        Head::Ns(count) => encoded_members(out, "NS", count, |out| {
            number(out, reader.number()?);
            Ok(())
        })?,
        Head::Bs(count) => encoded_members(out, "BS", count, |out| {
            binary(out, reader.bytes()?);
            Ok(())
        })?,
        Head::L(count) => {
            encoded_members(out, "L", count, |out| encoded_value(out, reader, deeper))?;
        }
        Head::M => {
            out.extend_from_slice(b"{\"M\":");
            encoded_map(out, reader, deeper)?;
            out.push(b'}');
        }
    }
    Ok(())
}

fn encoded_members(
    out: &mut Vec<u8>,
    type_name: &str,
    count: usize,
    mut write: impl FnMut(&mut Vec<u8>) -> Result<(), CorruptItem>,
) -> Result<(), CorruptItem> {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(type_name.as_bytes());
    out.extend_from_slice(b"\":[");
    for index in 0..count {
        if index != 0 {
            out.push(b',');
        }
        write(out)?;
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

/// Writes a comma, unless the object has only just begun.
pub(crate) fn separate(out: &mut Vec<u8>) {
    if !out.ends_with(b"{") {
        out.push(b',');
    }
}

/// Writes an item or a map.
pub(crate) fn attributes(out: &mut Vec<u8>, members: &Attributes) {
    out.push(b'{');
    for (index, (name, member)) in members.iter().enumerate() {
        if index != 0 {
            out.push(b',');
        }
        string(out, name);
        out.push(b':');
        value(out, member);
    }
    out.push(b'}');
}

/// Writes a value with its type.
pub(crate) fn value(out: &mut Vec<u8>, member: &Value) {
    tagged(out, member.type_name(), |out| match member {
        Value::S(text) => string(out, text),
        Value::N(value) => number(out, *value),
        Value::B(bytes) => binary(out, bytes),
        Value::Bool(true) | Value::Null => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Ss(texts) => list(out, texts, |out, text| string(out, text)),
        Value::Ns(numbers) => list(out, numbers, |out, value| number(out, *value)),
        Value::Bs(all) => list(out, all, |out, bytes| binary(out, bytes)),
        Value::L(values) => list(out, values, value),
        Value::M(members) => attributes(out, members),
    });
}

fn list<T>(out: &mut Vec<u8>, members: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, member) in members.iter().enumerate() {
        if index != 0 {
            out.push(b',');
        }
        write(out, member);
    }
    out.push(b']');
}

fn tagged(out: &mut Vec<u8>, type_name: &str, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(type_name.as_bytes());
    out.extend_from_slice(b"\":");
    write(out);
    out.push(b'}');
}

fn number(out: &mut Vec<u8>, number: Number) {
    out.push(b'"');
    number.write(out);
    out.push(b'"');
}

fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = match out.get_mut(start..) {
        Some(room) => STANDARD.encode_slice(bytes, room).unwrap_or_default(),
        None => 0,
    };
    out.truncate(start + written);
    out.push(b'"');
}
