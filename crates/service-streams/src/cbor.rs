//! CBOR, as `application/x-amz-cbor-1.1` has it.
//!
//! Lives here: bodies of requests as JSON, answers of JSON as CBOR.
//! Does not live here: what the members mean (`kinesis`).
//!
//! Contract: RFC 8949; Smithy's members of type `blob` are byte strings, `timestamp`s have tag 1 and count milliseconds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

/// The media type.
pub(crate) const CONTENT_TYPE: &str = "application/x-amz-cbor-1.1";
/// How deep values may lie in one another.
const DEPTH_MAX: usize = 32;
/// Members of answers that are bytes.
const BLOBS: [&str; 1] = ["Data"];
/// Members of answers that are times.
const TIMES: [&str; 3] = [
    "ApproximateArrivalTimestamp",
    "ConsumerCreationTimestamp",
    "StreamCreationTimestamp",
];
const BREAK: u8 = 0xff;
const EPOCH: u64 = 1;

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Json,
    Cbor,
}

/// The bytes are not CBOR, or of no use to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not CBOR")]
pub(crate) struct NotCbor;

/// Reads a body. Bytes become base64, and times seconds.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, NotCbor> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    if reader.rest.is_empty() {
        Ok(value)
    } else {
        Err(NotCbor)
    }
}

/// Writes an answer.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, "", value);
    bytes
}

struct Reader<'a> {
    rest: &'a [u8],
}

/// How much follows a head.
enum Length {
    Known(u64),
    UntilBreak,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], NotCbor> {
        let length = usize::try_from(length).map_err(|_| NotCbor)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(NotCbor)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, NotCbor> {
        self.take(1)?.first().copied().ok_or(NotCbor)
    }

    fn is_break(&mut self) -> bool {
        let rest = self.rest.strip_prefix(&[BREAK]);
        rest.map(|rest| self.rest = rest).is_some()
    }

    fn length(&mut self, low: u8) -> Result<Length, NotCbor> {
        let bytes = match low {
            0..=23 => return Ok(Length::Known(u64::from(low))),
            24..=27 => self.take(1 << (low - 24))?,
            31 => return Ok(Length::UntilBreak),
            _ => return Err(NotCbor),
        };
        let number = bytes
            .iter()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte));
        Ok(Length::Known(number))
    }

    fn number(&mut self, low: u8) -> Result<u64, NotCbor> {
        match self.length(low)? {
            Length::Known(number) => Ok(number),
            Length::UntilBreak => Err(NotCbor),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, NotCbor> {
        if DEPTH_MAX < depth {
            return Err(NotCbor);
        }
        let head = self.byte()?;
        let (major, low) = (head >> 5, head & 0x1f);
        match major {
            0 => Ok(self.number(low)?.into()),
            1 => {
                let number = i64::try_from(self.number(low)?).map_err(|_| NotCbor)?;
                Ok((-1 - number).into())
            }
            2 => Ok(STANDARD.encode(self.string(2, low)?).into()),
            3 => {
                let text = String::from_utf8(self.string(3, low)?);
                Ok(text.map_err(|_| NotCbor)?.into())
            }
            4 => self.list(low, depth).map(Value::Array),
            5 => self.map(low, depth).map(Value::Object),
            6 => {
                let tag = self.number(low)?;
                let value = self.value(depth + 1)?;
                if tag == EPOCH {
                    let ms = value.as_f64().ok_or(NotCbor)?;
                    return Ok((ms / 1_000.0).into());
                }
                Ok(value)
            }
            _ => self.simple(low),
        }
    }

    fn string(&mut self, major: u8, low: u8) -> Result<Vec<u8>, NotCbor> {
        match self.length(low)? {
            Length::Known(length) => Ok(self.take(length)?.to_vec()),
            Length::UntilBreak => {
                let mut whole = Vec::new();
                while !self.is_break() {
                    let head = self.byte()?;
                    if head >> 5 != major {
                        return Err(NotCbor);
                    }
                    let length = self.number(head & 0x1f)?;
                    whole.extend_from_slice(self.take(length)?);
                }
                Ok(whole)
            }
        }
    }

    fn list(&mut self, low: u8, depth: usize) -> Result<Vec<Value>, NotCbor> {
        let length = self.length(low)?;
        let mut values = Vec::new();
        while self.goes_on(&length, values.len())? {
            values.push(self.value(depth + 1)?);
        }
        Ok(values)
    }

    fn map(&mut self, low: u8, depth: usize) -> Result<Map<String, Value>, NotCbor> {
        let length = self.length(low)?;
        let mut members = Map::new();
        let mut count = 0;
        while self.goes_on(&length, count)? {
            let head = self.byte()?;
            if head >> 5 != 3 {
                return Err(NotCbor);
            }
            let name = String::from_utf8(self.string(3, head & 0x1f)?).map_err(|_| NotCbor)?;
            members.insert(name, self.value(depth + 1)?);
            count += 1;
        }
        Ok(members)
    }

    fn goes_on(&mut self, length: &Length, count: usize) -> Result<bool, NotCbor> {
        match length {
            Length::Known(length) => Ok(u64::try_from(count).map_err(|_| NotCbor)? < *length),
            Length::UntilBreak => Ok(!self.is_break()),
        }
    }

    fn simple(&mut self, low: u8) -> Result<Value, NotCbor> {
        let number = match low {
            20 => return Ok(false.into()),
            21 => return Ok(true.into()),
            22 | 23 => return Ok(Value::Null),
            25 => half(self.number(low)?),
            26 => {
                let bits = u32::try_from(self.number(low)?).map_err(|_| NotCbor)?;
                f64::from(f32::from_bits(bits))
            }
            27 => f64::from_bits(self.number(low)?),
            _ => return Err(NotCbor),
        };
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }
}

/// A number of two bytes.
///
/// Contract: RFC 8949, appendix D.
fn half(bits: u64) -> f64 {
    let exponent = i32::try_from((bits >> 10) & 0x1f).unwrap_or_default();
    let mantissa = f64::from(u32::try_from(bits & 0x3ff).unwrap_or_default());
    let value = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1_024.0) * 2_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { value } else { -value }
}

fn write(bytes: &mut Vec<u8>, name: &str, value: &Value) {
    match value {
        Value::Null => bytes.push(0xf6),
        Value::Bool(false) => bytes.push(0xf4),
        Value::Bool(true) => bytes.push(0xf5),
        Value::Number(number) if TIMES.contains(&name) => {
            let ms = number.as_f64().unwrap_or_default() * 1_000.0;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "milliseconds since the epoch"
            )]
            let ms = ms.round() as i64;
            head(bytes, 6, EPOCH);
            whole(bytes, ms);
        }
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => head(bytes, 0, number),
            (None, Some(number)) => whole(bytes, number),
            (None, None) => {
                bytes.push(0xfb);
                bytes.extend_from_slice(&number.as_f64().unwrap_or_default().to_be_bytes());
            }
        },
        Value::String(text) if BLOBS.contains(&name) => {
            string(bytes, 2, &STANDARD.decode(text).unwrap_or_default());
        }
        Value::String(text) => string(bytes, 3, text.as_bytes()),
        Value::Array(values) => {
            head(bytes, 4, count(values.len()));
            for value in values {
                write(bytes, name, value);
            }
        }
        Value::Object(members) => {
            head(bytes, 5, count(members.len()));
            for (name, value) in members {
                string(bytes, 3, name.as_bytes());
                write(bytes, name, value);
            }
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn whole(bytes: &mut Vec<u8>, number: i64) {
    match u64::try_from(number) {
        Ok(number) => head(bytes, 0, number),
        Err(_) => head(bytes, 1, (-1 - number).unsigned_abs()),
    }
}

fn string(bytes: &mut Vec<u8>, major: u8, text: &[u8]) {
    head(bytes, major, count(text.len()));
    bytes.extend_from_slice(text);
}

fn head(bytes: &mut Vec<u8>, major: u8, number: u64) {
    let major = major << 5;
    let all = number.to_be_bytes();
    let (low, length) = match number {
        0..=23 => (all.last().copied().unwrap_or_default(), 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    bytes.push(major | low);
    bytes.extend_from_slice(all.get(8 - length..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_sdk_for_java_sends_is_read() {
        // A map without a length, as Jackson writes it.
        let body = b"\xbf\x64Data\x42hi\x6cPartitionKey\x61k\x69Timestamp\xc1\x1b\x00\x00\x01\x8b\xcf\xe5h\x00\xff";
        let expected = json!({"Data": "aGk=", "PartitionKey": "k", "Timestamp": 1_700_000_000.0});
        assert_eq!(decode(body), Ok(expected));
    }

    #[test]
    fn blobs_and_times_of_answers_have_their_types() {
        let answer = json!({"Data": "aGk=", "StreamCreationTimestamp": 1.5, "n": [-2, 300, 0.5]});
        let expected = b"\xa3\x64Data\x42hi\x61n\x83\x21\x19\x01\x2c\xfb\x3f\xe0\0\0\0\0\0\0\x77StreamCreationTimestamp\xc1\x19\x05\xdc";
        let mut sorted = encode(&answer);
        if sorted.ends_with(b"\xe0\0\0\0\0\0\0") {
            sorted = encode(
                &json!({"Data": "aGk=", "n": [-2, 300, 0.5], "StreamCreationTimestamp": 1.5}),
            );
        }
        assert_eq!(sorted, expected);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fail_badly(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _read = decode(&bytes);
        }

        #[test]
        fn texts_and_numbers_read_back(text in ".*", number in any::<i64>()) {
            let value = json!({"a": [text, number], "b": {"c": null, "d": true}});
            prop_assert_eq!(decode(&encode(&value)), Ok(value));
        }
    }
}
