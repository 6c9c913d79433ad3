//! A message as bytes.
//!
//! Lives here: what is kept of a message, its encoding.
//! Does not live here: where it is kept (`keys`).
//!
//! # Encoding, version 1
//! `01`, then what a receive changes, of a fixed length: receives (4 bytes), first received, visible from (8 bytes each, in
//! microseconds), nonce (8 bytes). Then what never changes: id (16 bytes), sent, due (8 bytes each), then fields with their
//! lengths (4 bytes each); of an optional one, [`NONE`] stands for a length.

use bytes::Bytes;
use model::time::Timestamp;

/// The first byte of every record.
const FORMAT: u8 = 1;
/// The length of a field that is not there.
const NONE: u32 = u32::MAX;
const STATE_BYTES: usize = 1 + 4 + 8 + 8 + 8;

/// What a receive changes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct State {
    /// How often it was received.
    pub(crate) receives: u32,
    /// When that happened first.
    pub(crate) first_received_us: i64,
    /// From when on it may be received again.
    pub(crate) visible_us: i64,
    /// What the receipt of its last receive must show.
    pub(crate) nonce: u64,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its id: the bytes of a UUID.
    pub(crate) id: [u8; 16],
    /// When it was sent.
    pub(crate) sent_at: Timestamp,
    /// From when on it could be received at first.
    pub(crate) due_us: i64,
    /// The unique id of whoever sent it.
    pub(crate) sender: String,
    /// Its group.
    pub(crate) group: Option<String>,
    /// Its deduplication id.
    pub(crate) deduplication: Option<String>,
    /// `AWSTraceHeader`.
    pub(crate) trace: Option<String>,
    /// The ARN of the queue that it came from as a dead letter.
    pub(crate) dead_letter_of: Option<String>,
    /// Its attributes, by name.
    pub(crate) attributes: Vec<Attribute>,
    /// Its body.
    pub(crate) body: Body,
}

/// A body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// In the message's row.
    Here(String),
    /// In rows of its own, named by the message's first id.
    Apart {
        /// The name of the rows.
        name: [u8; 16],
        /// How many there are.
        parts: u8,
    },
}

/// An attribute of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// Its name.
    pub(crate) name: String,
    /// Its type, as `String`, `Number.int`.
    pub(crate) data_type: String,
    /// Its value.
    pub(crate) value: AttributeValue,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AttributeValue {
    /// A text, or a number as one.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

/// The bytes are not a message that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the row of a message is damaged")]
pub(crate) struct CorruptMessage;

/// The bytes of a message.
pub(crate) fn encode(state: &State, message: &Message) -> Vec<u8> {
    let mut out = Vec::with_capacity(STATE_BYTES + 128 + body_length(&message.body));
    write_state(&mut out, state);
    out.extend_from_slice(&message.id);
    out.extend_from_slice(&message.sent_at.epoch_us().to_be_bytes());
    out.extend_from_slice(&message.due_us.to_be_bytes());
    write_bytes(&mut out, message.sender.as_bytes());
    for optional in [
        &message.group,
        &message.deduplication,
        &message.trace,
        &message.dead_letter_of,
    ] {
        write_optional(&mut out, optional.as_deref());
    }
    write_length(&mut out, message.attributes.len());
    for attribute in &message.attributes {
        write_bytes(&mut out, attribute.name.as_bytes());
        write_bytes(&mut out, attribute.data_type.as_bytes());
        match &attribute.value {
            AttributeValue::Text(text) => {
                out.push(0);
                write_bytes(&mut out, text.as_bytes());
            }
            AttributeValue::Binary(bytes) => {
                out.push(1);
                write_bytes(&mut out, bytes);
            }
        }
    }
    match &message.body {
        Body::Here(text) => {
            out.push(0);
            out.extend_from_slice(text.as_bytes());
        }
        Body::Apart { name, parts } => {
            out.push(1);
            out.extend_from_slice(name);
            out.push(*parts);
        }
    }
    out
}

/// The same bytes with another state.
pub(crate) fn with_state(record: &[u8], state: &State) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.len());
    write_state(&mut out, state);
    out.extend_from_slice(record.get(STATE_BYTES..).unwrap_or(&[]));
    out
}

/// The message that these bytes are.
///
/// # Errors
/// [`CorruptMessage`].
pub(crate) fn decode(record: &[u8]) -> Result<(State, Message), CorruptMessage> {
    let mut reader = Reader { rest: record };
    let state = reader.state()?;
    let id = reader.array()?;
    let sent_at = Timestamp::from_micros(i64::from_be_bytes(reader.array()?));
    let due_us = i64::from_be_bytes(reader.array()?);
    let sender = reader.text()?;
    let group = reader.optional()?;
    let deduplication = reader.optional()?;
    let trace = reader.optional()?;
    let dead_letter_of = reader.optional()?;
    let count = reader.length()?.ok_or(CorruptMessage)?;
    let mut attributes = Vec::new();
    for _ in 0..count {
        let (name, data_type) = (reader.text()?, reader.text()?);
        let [kind] = reader.array()?;
        let value = match kind {
            0 => AttributeValue::Text(reader.text()?),
            1 => AttributeValue::Binary(Bytes::copy_from_slice(reader.bytes()?)),
            _ => return Err(CorruptMessage),
        };
        attributes.push(Attribute {
            name,
            data_type,
            value,
        });
    }
    let [kind] = reader.array()?;
    let body = match kind {
        0 => Body::Here(text_of(reader.rest)?),
        1 => {
            let name = reader.array()?;
            let [parts] = reader.array()?;
            Body::Apart { name, parts }
        }
        _ => return Err(CorruptMessage),
    };
    let message = Message {
        id,
        sent_at,
        due_us,
        sender,
        group,
        deduplication,
        trace,
        dead_letter_of,
        attributes,
        body,
    };
    Ok((state, message))
}

fn body_length(body: &Body) -> usize {
    match body {
        Body::Here(text) => text.len(),
        Body::Apart { .. } => 17,
    }
}

fn write_state(out: &mut Vec<u8>, state: &State) {
    out.push(FORMAT);
    out.extend_from_slice(&state.receives.to_be_bytes());
    out.extend_from_slice(&state.first_received_us.to_be_bytes());
    out.extend_from_slice(&state.visible_us.to_be_bytes());
    out.extend_from_slice(&state.nonce.to_be_bytes());
}

// Nothing in a message is near 4 GiB: the door bounds what arrives.
fn write_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).unwrap_or(NONE);
    out.extend_from_slice(&length.to_be_bytes());
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn write_optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => write_bytes(out, text.as_bytes()),
        None => out.extend_from_slice(&NONE.to_be_bytes()),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], CorruptMessage> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(CorruptMessage)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], CorruptMessage> {
        self.take(LENGTH)?.try_into().map_err(|_| CorruptMessage)
    }

    fn state(&mut self) -> Result<State, CorruptMessage> {
        let [format] = self.array()?;
        if format != FORMAT {
            return Err(CorruptMessage);
        }
        Ok(State {
            receives: u32::from_be_bytes(self.array()?),
            first_received_us: i64::from_be_bytes(self.array()?),
            visible_us: i64::from_be_bytes(self.array()?),
            nonce: u64::from_be_bytes(self.array()?),
        })
    }

    fn length(&mut self) -> Result<Option<usize>, CorruptMessage> {
        let length = u32::from_be_bytes(self.array()?);
        if length == NONE {
            return Ok(None);
        }
        usize::try_from(length)
            .map(Some)
            .map_err(|_| CorruptMessage)
    }

    fn bytes(&mut self) -> Result<&'a [u8], CorruptMessage> {
        let length = self.length()?.ok_or(CorruptMessage)?;
        self.take(length)
    }

    fn text(&mut self) -> Result<String, CorruptMessage> {
        text_of(self.bytes()?)
    }

    fn optional(&mut self) -> Result<Option<String>, CorruptMessage> {
        match self.length()? {
            Some(length) => text_of(self.take(length)?).map(Some),
            None => Ok(None),
        }
    }
}

fn text_of(bytes: &[u8]) -> Result<String, CorruptMessage> {
    String::from_utf8(bytes.to_vec()).map_err(|_| CorruptMessage)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message() -> Message {
        Message {
            id: [7; 16],
            sent_at: Timestamp::from_micros(1),
            due_us: 2,
            sender: "AIDA".to_owned(),
            group: Some(String::new()),
            deduplication: None,
            trace: Some("Root=1".to_owned()),
            dead_letter_of: None,
            attributes: vec![
                Attribute {
                    name: "a".to_owned(),
                    data_type: "Number".to_owned(),
                    value: AttributeValue::Text("1".to_owned()),
                },
                Attribute {
                    name: "b".to_owned(),
                    data_type: "Binary".to_owned(),
                    value: AttributeValue::Binary(Bytes::from_static(b"\0\xff")),
                },
            ],
            body: Body::Here("hello".to_owned()),
        }
    }

    #[test]
    fn a_message_reads_back_as_it_was_written_with_its_last_state() {
        let apart = Message {
            body: Body::Apart {
                name: [9; 16],
                parts: 2,
            },
            ..message()
        };
        for message in [message(), apart] {
            let record = encode(&State::default(), &message);
            let state = State {
                receives: 3,
                first_received_us: 4,
                visible_us: 5,
                nonce: 6,
            };
            let record = with_state(&record, &state);
            assert_eq!(decode(&record), Ok((state, message)));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fail_badly(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
