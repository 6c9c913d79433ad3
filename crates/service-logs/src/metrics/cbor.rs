//! CBOR, as Smithy's RPC v2 uses it.
//!
//! Lives here: values to and from JSON's, with times under tag 1.
//! Does not live here: which members are times (`wire`).
//!
//! Contract: RFC 8949; Smithy, "Smithy RPC v2 CBOR protocol".

use serde_json::{Map, Number, Value};

const DEPTH_MAX: usize = 32;
const TAG_TIME: u64 = 1;
/// Lengths that are not told beforehand end with this.
const BREAK: u8 = 0xff;

/// Reads one value; none: it cannot be read.
pub(super) fn read(bytes: &[u8]) -> Option<Value> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'b> {
    rest: &'b [u8],
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn number(&mut self, count: usize) -> Option<u64> {
        let bytes = self.take(count)?;
        Some(
            bytes
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte)),
        )
    }

    /// An argument; none inside: it is not told beforehand.
    fn argument(&mut self, low: u8) -> Option<Option<u64>> {
        Some(match low {
            0..=23 => Some(u64::from(low)),
            24 => Some(self.number(1)?),
            25 => Some(self.number(2)?),
            26 => Some(self.number(4)?),
            27 => Some(self.number(8)?),
            31 => None,
            _ => return None,
        })
    }

    fn is_break(&mut self) -> bool {
        let rest = self.rest.strip_prefix(&[BREAK]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if DEPTH_MAX < depth {
            return None;
        }
        let first = *self.take(1)?.first()?;
        let (major, low) = (first >> 5, first & 0x1f);
        if major == 7 {
            return self.simple(low);
        }
        let argument = self.argument(low)?;
        match (major, argument) {
            (0, Some(number)) => Some(number.into()),
            (1, Some(number)) => Some((-1 - i64::try_from(number).ok()?).into()),
            (2 | 3, _) => {
                let bytes = self.text(argument)?;
                Some(String::from_utf8(bytes).ok()?.into())
            }
            (4, _) => {
                let mut items = Vec::new();
                while self.goes_on(argument, items.len()) {
                    items.push(self.value(depth + 1)?);
                }
                Some(items.into())
            }
            (5, _) => {
                let mut members = Map::new();
                let mut count = 0;
                while self.goes_on(argument, count) {
                    let name = self.value(depth + 1)?.as_str()?.to_owned();
                    members.insert(name, self.value(depth + 1)?);
                    count += 1;
                }
                Some(members.into())
            }
            // Times are numbers already; nothing else is tagged.
            (6, Some(_)) => self.value(depth + 1),
            _ => None,
        }
    }

    fn goes_on(&mut self, length: Option<u64>, read: usize) -> bool {
        match length {
            Some(length) => u64::try_from(read).is_ok_and(|read| read < length),
            None => !self.is_break(),
        }
    }

    fn text(&mut self, length: Option<u64>) -> Option<Vec<u8>> {
        if let Some(length) = length {
            return Some(self.take(usize::try_from(length).ok()?)?.to_vec());
        }
        let mut text = Vec::new();
        while !self.is_break() {
            let low = *self.take(1)?.first()? & 0x1f;
            let length = self.argument(low)??;
            text.extend_from_slice(self.take(usize::try_from(length).ok()?)?);
        }
        Some(text)
    }

    fn simple(&mut self, low: u8) -> Option<Value> {
        let float = |number: f64| Number::from_f64(number).map_or(Value::Null, Value::Number);
        Some(match low {
            20 => false.into(),
            21 => true.into(),
            22 | 23 => Value::Null,
            25 => float(half(u16::try_from(self.number(2)?).ok()?)),
            26 => float(f64::from(f32::from_bits(
                u32::try_from(self.number(4)?).ok()?,
            ))),
            27 => float(f64::from_bits(self.number(8)?)),
            _ => return None,
        })
    }
}

fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1.0 + fraction / 1_024.0) * 2_f64.powi(exponent - 15),
    }
}

/// What numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Number,
    Time,
}

impl Of {
    /// In the member of this name.
    pub(super) fn member(name: &str, is_time: &dyn Fn(&str) -> bool) -> Self {
        if is_time(name) {
            Self::Time
        } else {
            Self::Number
        }
    }
}

/// Writes a value. Members of which `is_time` holds are seconds since the epoch.
pub(super) fn write(value: &Value, is_time: &dyn Fn(&str) -> bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, value, Of::Number, is_time);
    bytes
}

fn head(bytes: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    match argument {
        0..=23 => bytes.push(major | u8::try_from(argument).unwrap_or(0)),
        _ => {
            bytes.push(major | 27);
            bytes.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn put(bytes: &mut Vec<u8>, value: &Value, of: Of, is_time: &dyn Fn(&str) -> bool) {
    match value {
        Value::Null => bytes.push(0xf6),
        Value::Bool(false) => bytes.push(0xf4),
        Value::Bool(true) => bytes.push(0xf5),
        Value::Number(number) => {
            if of == Of::Time {
                head(bytes, 6, TAG_TIME);
            }
            match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => head(bytes, 0, number),
                (None, Some(number)) => head(bytes, 1, number.unsigned_abs() - 1),
                (None, None) => {
                    bytes.push(0xfb);
                    bytes.extend_from_slice(&number.as_f64().unwrap_or(0.0).to_be_bytes());
                }
            }
        }
        Value::String(text) => {
            head(bytes, 3, length(text.len()));
            bytes.extend_from_slice(text.as_bytes());
        }
        Value::Array(items) => {
            head(bytes, 4, length(items.len()));
            for item in items {
                put(bytes, item, of, is_time);
            }
        }
        Value::Object(members) => {
            head(bytes, 5, length(members.len()));
            for (name, value) in members {
                head(bytes, 3, length(name.len()));
                bytes.extend_from_slice(name.as_bytes());
                put(bytes, value, Of::member(name, is_time), is_time);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_read_back_as_they_were_written() {
        let value = json!({
            "a": [1, -5, 70_000, 1.5, true, null, "text", {"Timestamp": 1_700_000_000}],
            "long": "x".repeat(300),
        });
        let bytes = write(&value, &|name| name == "Timestamp");
        assert_eq!(read(&bytes), Some(value));
        assert_eq!(
            read(&[0xbf, 0x61, b'a', 0x9f, 1, 0xff, 0xff]),
            Some(json!({"a": [1]}))
        );
        assert_eq!(read(&[0xf9, 0x3e, 0x00]), Some(json!(1.5)));
        assert_eq!(read(&[0x81].repeat(100)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_fail_badly(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes);
        }
    }
}
