//! Items as bytes.
//!
//! Lives here: the one encoding of items in the store, writing it and reading it.
//! Does not live here: the order of keys (`keys`), JSON.
//!
//! # Encoding, version 1
//! `01`, the item's size as DynamoDB counts it, then a map. Lengths, counts and sizes are unsigned LEB128 ("varints").
//!
//! | what | bytes |
//! | --- | --- |
//! | map | count, then for each member, by name: length of the name, name, value |
//! | `S` | `00`, length, UTF-8 |
//! | `N` | `01`, the encoding of [`Number`] |
//! | `B` | `02`, length, bytes |
//! | `BOOL` | `03` false, `04` true |
//! | `NULL` | `05` |
//! | `SS` | `06`, count, each: length, UTF-8 |
//! | `NS` | `07`, count, each: the encoding of [`Number`] |
//! | `BS` | `08`, count, each: length, bytes |
//! | `L` | `09`, count, values |
//! | `M` | `0A`, map |

use bytes::Bytes;

use super::number::Number;
use super::value::{self, Attributes, Value};

/// The first byte of every item.
pub const FORMAT: u8 = 1;

/// How deep values may be nested when they are read: more than the API lets in.
const DEPTH_MAX: usize = 64;

/// The bytes are not an item that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorruptItem {
    /// The format byte is another one.
    #[error("the item has format {0}, and this version knows {FORMAT}")]
    Format(u8),
    /// Something in it is not as it should be.
    #[error("the item's bytes are damaged")]
    Damaged,
}

/// An item's bytes.
#[must_use]
pub fn encode(item: &Attributes) -> Vec<u8> {
    let size = value::size(item);
    let mut out = Vec::with_capacity(size + size / 8 + 32);
    out.push(FORMAT);
    write_length(&mut out, size);
    write_map(&mut out, item);
    out
}

/// The item that these bytes are.
///
/// # Errors
/// [`CorruptItem`].
pub fn decode(bytes: &[u8]) -> Result<Attributes, CorruptItem> {
    let mut reader = open(bytes)?;
    let item = decode_map(&mut reader, DEPTH_MAX)?;
    if reader.rest.is_empty() {
        Ok(item)
    } else {
        Err(CorruptItem::Damaged)
    }
}

/// What the item weighs, as it was counted when it was written.
///
/// # Errors
/// [`CorruptItem`].
pub fn size_of(bytes: &[u8]) -> Result<usize, CorruptItem> {
    open_sized(bytes).map(|(size, _)| size)
}

/// Reads an item without building it: each value is handed on as it comes.
///
/// # Errors
/// [`CorruptItem`].
pub fn open(bytes: &[u8]) -> Result<Reader<'_>, CorruptItem> {
    open_sized(bytes).map(|(_, reader)| reader)
}

fn open_sized(bytes: &[u8]) -> Result<(usize, Reader<'_>), CorruptItem> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => {
            let mut reader = Reader { rest };
            Ok((reader.length()?, reader))
        }
        Some((other, _)) => Err(CorruptItem::Format(*other)),
        None => Err(CorruptItem::Damaged),
    }
}

/// Walks through encoded values.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// The beginning of a value; the members of a document or set follow in the reader.
#[derive(Debug, Clone, Copy)]
pub enum Head<'a> {
    /// A text.
    S(&'a str),
    /// A number.
    N(Number),
    /// Bytes.
    B(&'a [u8]),
    /// True or false.
    Bool(bool),
    /// Null.
    Null,
    /// A set of so many texts.
    Ss(usize),
    /// A set of so many numbers.
    Ns(usize),
    /// A set of so many bytes.
    Bs(usize),
    /// A list of so many values.
    L(usize),
    /// A map; its count follows.
    M,
}

impl<'a> Reader<'a> {
    /// A length or a count.
    ///
    /// # Errors
    /// [`CorruptItem`], as for all methods here.
    pub fn length(&mut self) -> Result<usize, CorruptItem> {
        let mut length = 0_usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            let part = usize::from(byte & 0x7f);
            length |= part.checked_shl(shift).ok_or(CorruptItem::Damaged)?;
            if byte & 0x80 == 0 {
                return Ok(length);
            }
        }
        Err(CorruptItem::Damaged)
    }

    /// Bytes with their length before them.
    ///
    /// # Errors
    /// [`CorruptItem`].
    pub fn bytes(&mut self) -> Result<&'a [u8], CorruptItem> {
        let length = self.length()?;
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(CorruptItem::Damaged)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A text with its length before it.
    ///
    /// # Errors
    /// [`CorruptItem`].
    pub fn text(&mut self) -> Result<&'a str, CorruptItem> {
        std::str::from_utf8(self.bytes()?).map_err(|_| CorruptItem::Damaged)
    }

    /// A number.
    ///
    /// # Errors
    /// [`CorruptItem`].
    pub fn number(&mut self) -> Result<Number, CorruptItem> {
        let (number, rest) = Number::decode(self.rest).map_err(|_| CorruptItem::Damaged)?;
        self.rest = rest;
        Ok(number)
    }

    /// The beginning of a value.
    ///
    /// # Errors
    /// [`CorruptItem`].
    pub fn head(&mut self) -> Result<Head<'a>, CorruptItem> {
        Ok(match self.byte()? {
            0x00 => Head::S(self.text()?),
            0x01 => Head::N(self.number()?),
            0x02 => Head::B(self.bytes()?),
            0x03 => Head::Bool(false),
            0x04 => Head::Bool(true),
            0x05 => Head::Null,
            0x06 => Head::Ss(self.length()?),
            0x07 => Head::Ns(self.length()?),
            0x08 => Head::Bs(self.length()?),
            0x09 => Head::L(self.length()?),
            0x0a => Head::M,
            _ => return Err(CorruptItem::Damaged),
        })
    }

    fn byte(&mut self) -> Result<u8, CorruptItem> {
        let (byte, rest) = self.rest.split_first().ok_or(CorruptItem::Damaged)?;
        self.rest = rest;
        Ok(*byte)
    }
}

fn decode_map(reader: &mut Reader<'_>, depth: usize) -> Result<Attributes, CorruptItem> {
    let count = reader.length()?;
    let mut members = Attributes::new();
    for _ in 0..count {
        let name = reader.text()?.to_owned();
        members.insert(name, decode_value(reader, depth)?);
    }
    Ok(members)
}

fn decode_value(reader: &mut Reader<'_>, depth: usize) -> Result<Value, CorruptItem> {
    let deeper = depth.checked_sub(1).ok_or(CorruptItem::Damaged)?;
    Ok(match reader.head()? {
        Head::S(text) => Value::S(text.to_owned()),
        Head::N(number) => Value::N(number),
        Head::B(bytes) => Value::B(Bytes::copy_from_slice(bytes)),
        Head::Bool(value) => Value::Bool(value),
        Head::Null => Value::Null,
        Head::Ss(count) => Value::Ss(repeat(count, || Ok(reader.text()?.to_owned()))?),
        Head::Ns(count) => Value::Ns(repeat(count, || reader.number())?),
        Head::Bs(count) => Value::Bs(repeat(count, || {
            Ok(Bytes::copy_from_slice(reader.bytes()?))
        })?),
        Head::L(count) => Value::L(repeat(count, || decode_value(reader, deeper))?),
        Head::M => Value::M(decode_map(reader, deeper)?),
    })
}

/// So many members. The count is not trusted with memory: each member takes at least a byte of what is there.
fn repeat<T>(
    count: usize,
    mut read: impl FnMut() -> Result<T, CorruptItem>,
) -> Result<Vec<T>, CorruptItem> {
    let mut members = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        members.push(read()?);
    }
    Ok(members)
}

fn write_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let part = u8::try_from(length & 0x7f).unwrap_or_default();
        length >>= 7;
        if length == 0 {
            out.push(part);
            return;
        }
        out.push(part | 0x80);
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn write_map(out: &mut Vec<u8>, members: &Attributes) {
    write_length(out, members.len());
    for (name, value) in members {
        write_bytes(out, name.as_bytes());
        write_value(out, value);
    }
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::S(text) => {
            out.push(0x00);
            write_bytes(out, text.as_bytes());
        }
        Value::N(number) => {
            out.push(0x01);
            number.encode(out);
        }
        Value::B(bytes) => {
            out.push(0x02);
            write_bytes(out, bytes);
        }
        Value::Bool(false) => out.push(0x03),
        Value::Bool(true) => out.push(0x04),
        Value::Null => out.push(0x05),
        Value::Ss(texts) => {
            out.push(0x06);
            write_length(out, texts.len());
            texts
                .iter()
                .for_each(|text| write_bytes(out, text.as_bytes()));
        }
        Value::Ns(numbers) => {
            out.push(0x07);
            write_length(out, numbers.len());
            numbers.iter().for_each(|number| number.encode(out));
        }
        Value::Bs(all) => {
            out.push(0x08);
            write_length(out, all.len());
            all.iter().for_each(|bytes| write_bytes(out, bytes));
        }
        Value::L(values) => {
            out.push(0x09);
            write_length(out, values.len());
            values.iter().for_each(|value| write_value(out, value));
        }
        Value::M(members) => {
            out.push(0x0a);
            write_map(out, members);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let number = || any::<i64>().prop_map(|number| Number::parse(&number.to_string()).unwrap());
        let bytes = || prop::collection::vec(any::<u8>(), 0..9).prop_map(Bytes::from);
        let scalar = prop_oneof![
            ".{0,9}".prop_map(Value::S),
            number().prop_map(Value::N),
            bytes().prop_map(Value::B),
            any::<bool>().prop_map(Value::Bool),
            Just(Value::Null),
            prop::collection::vec(".{0,5}", 1..4).prop_map(Value::Ss),
            prop::collection::vec(number(), 1..4).prop_map(Value::Ns),
            prop::collection::vec(bytes(), 1..4).prop_map(Value::Bs),
        ];
        scalar.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::L),
                prop::collection::btree_map(".{0,5}", inner, 0..5).prop_map(Value::M),
            ]
        })
    }

    proptest! {
        #[test]
        fn items_read_back_as_they_were_written(item in prop::collection::btree_map(".{1,9}", value(), 0..6)) {
            let bytes = encode(&item);
            prop_assert_eq!(decode(&bytes), Ok(item.clone()));
            prop_assert_eq!(size_of(&bytes), Ok(value::size(&item)));
        }

        #[test]
        fn damaged_bytes_are_an_error_or_another_item_but_no_panic(
            item in prop::collection::btree_map(".{1,9}", value(), 0..4),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = encode(&item);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode(&bytes);
            bytes.truncate(at);
            prop_assert!(decode(&bytes).is_err());
        }
    }

    #[test]
    fn the_encoding_on_disk_is_this_one() {
        let item = Attributes::from([
            (
                "b".to_owned(),
                Value::L(vec![Value::Null, Value::Bool(true)]),
            ),
            ("id".to_owned(), Value::S("é".to_owned())),
            ("n".to_owned(), Value::N(Number::parse("-12.5").unwrap())),
        ]);
        let expected = [
            &[1, 17, 3][..],
            &[1, b'b', 0x09, 2, 0x05, 0x04],
            &[2, b'i', b'd', 0x00, 2, 0xc3, 0xa9],
            &[1, b'n', 0x01, 0x01, 0xff - 131, 0xff - 13, 0xff - 51, 0xff],
        ]
        .concat();
        assert_eq!(encode(&item), expected);
    }
}
