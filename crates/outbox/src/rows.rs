//! What the rows of a delivery look like.
//!
//! Lives here: keys, and the encoding of heads and contents.
//! Does not live here: when rows are written and removed (`waiting`).
//!
//! A delivery has one head: whom it is for, and how often it was tried. Its contents follow in the same value while they
//! are short, and lie in pieces of their own otherwise: so whoever looks for work reads little, and a body may be as long
//! as the longest message of any service. Bodies are kept as they are, be they text or not.

use bytes::{BufMut as _, Bytes, BytesMut};
use model::delivery::{Delivery, Message, Target};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::keys::{KeyReader, KeyWriter, Owner};

use crate::OutboxError;

/// The first byte of each head: the version of its layout.
const FORMAT: u8 = 1;
const WAITING: u8 = 0x02;
const RETRYING: u8 = 0x03;
const DUE: u8 = 0x04;
const PIECES: u8 = 0x05;

/// Bytes of contents that stay with their head.
const INLINE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of one piece.
const PIECE_BYTES: usize = 512 * 1024;

/// A delivery's place in the order in which all were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub(crate) stamp: u64,
    pub(crate) number: u64,
}

impl Place {
    /// The place with these numbers, for tests that need one.
    #[must_use]
    pub const fn new(stamp: u64, number: u64) -> Self {
        Self { stamp, number }
    }
}

/// Whom a delivery is for, and how often it was tried: what decides when it is tried next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// Who gets it.
    pub target: Target,
    /// It is tried after those before it with the same text and target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// How long its message is, about.
    #[serde(default)]
    pub bytes: usize,
}

/// What happened to a delivery so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tries {
    /// How often its target had it.
    pub attempts: u32,
    /// How often in a row its target could not be asked at all.
    pub refusals: u32,
    /// The request id that all invocations of its function have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// Where the rest of a delivery is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Here.
    Inline(Bytes),
    /// In so many pieces.
    Pieces(u16),
}

#[derive(Serialize, Deserialize)]
struct HeadText {
    routing: Routing,
    tries: Tries,
}

/// One delivery, ready to be written.
pub(crate) struct Encoded {
    pub(crate) head: Vec<u8>,
    pub(crate) pieces: Vec<Bytes>,
}

pub(crate) fn waiting() -> KeyWriter {
    KeyWriter::by_id(Owner::Delivery).byte(WAITING)
}

pub(crate) fn retrying() -> KeyWriter {
    KeyWriter::by_id(Owner::Delivery).byte(RETRYING)
}

pub(crate) fn due() -> KeyWriter {
    KeyWriter::by_id(Owner::Delivery).byte(DUE)
}

pub(crate) fn pieces() -> KeyWriter {
    KeyWriter::by_id(Owner::Delivery).byte(PIECES)
}

pub(crate) fn at(kind: KeyWriter, place: Place) -> Vec<u8> {
    kind.raw(&place.stamp.to_be_bytes())
        .raw(&place.number.to_be_bytes())
        .finish()
}

pub(crate) fn due_at(time: Timestamp, place: Place) -> Vec<u8> {
    at(due().raw(&sortable(time)), place)
}

pub(crate) fn piece_at(place: Place, number: u16) -> Vec<u8> {
    KeyWriter::after(&at(pieces(), place))
        .raw(&number.to_be_bytes())
        .finish()
}

/// Times before 1970 do not happen; they sort as 1970.
pub(crate) fn sortable(time: Timestamp) -> [u8; 8] {
    u64::try_from(time.epoch_us()).unwrap_or(0).to_be_bytes()
}

pub(crate) fn read_place(prefix: &[u8], key: &[u8]) -> Result<Place, OutboxError> {
    let mut reader = KeyReader::new(key);
    reader.skip(prefix)?;
    place_of(&mut reader)
}

pub(crate) fn read_due(key: &[u8]) -> Result<(Timestamp, Place), OutboxError> {
    let mut reader = KeyReader::new(key);
    reader.skip(&due().finish())?;
    let time = i64::try_from(number(&mut reader)?).map_err(|_| OutboxError::Damaged)?;
    Ok((Timestamp::from_micros(time), place_of(&mut reader)?))
}

fn place_of(reader: &mut KeyReader<'_>) -> Result<Place, OutboxError> {
    Ok(Place {
        stamp: number(reader)?,
        number: number(reader)?,
    })
}

fn number(reader: &mut KeyReader<'_>) -> Result<u64, OutboxError> {
    let bytes = reader.raw(8)?.first_chunk().ok_or(OutboxError::Damaged)?;
    Ok(u64::from_be_bytes(*bytes))
}

/// A delivery that was never tried.
pub(crate) fn encode(delivery: &Delivery) -> Encoded {
    let contents = contents_of(delivery);
    if contents.len() <= INLINE_BYTES_MAX {
        let head = head(&routing_of(delivery), &Tries::default(), 0, &contents);
        return Encoded {
            head,
            pieces: Vec::new(),
        };
    }
    let mut pieces = Vec::new();
    let mut rest = contents;
    while !rest.is_empty() {
        pieces.push(rest.split_to(rest.len().min(PIECE_BYTES)));
    }
    let count = u16::try_from(pieces.len()).unwrap_or(u16::MAX);
    Encoded {
        head: head(&routing_of(delivery), &Tries::default(), count, &[]),
        pieces,
    }
}

/// The head of a delivery whose contents are written already, or stay with it.
pub(crate) fn encode_head(routing: &Routing, tries: &Tries, contents: &Contents) -> Vec<u8> {
    match contents {
        Contents::Inline(contents) => head(routing, tries, 0, contents),
        Contents::Pieces(count) => head(routing, tries, *count, &[]),
    }
}

pub(crate) fn routing_of(delivery: &Delivery) -> Routing {
    Routing {
        target: delivery.target.clone(),
        order: delivery.order.clone(),
        bytes: bytes_of(&delivery.message),
    }
}

fn head(routing: &Routing, tries: &Tries, pieces: u16, contents: &[u8]) -> Vec<u8> {
    let text = HeadText {
        routing: routing.clone(),
        tries: tries.clone(),
    };
    let text = json(&text);
    let mut head = Vec::with_capacity(text.len() + contents.len() + 8);
    head.put_u8(FORMAT);
    put_long(&mut head, &text);
    head.put_u16(pieces);
    head.put_slice(contents);
    head
}

pub(crate) fn decode_head(value: &Bytes) -> Result<(Routing, Tries, Contents), OutboxError> {
    let mut rest = value.clone();
    let format = take(&mut rest, 1)?;
    if format.as_ref() != [FORMAT] {
        return Err(OutboxError::Damaged);
    }
    let text = take_long(&mut rest)?;
    let text: HeadText = serde_json::from_slice(&text).map_err(|_| OutboxError::Damaged)?;
    let count = take(&mut rest, 2)?;
    let count = count
        .first_chunk()
        .map_or(0, |count| u16::from_be_bytes(*count));
    let contents = match count {
        0 => Contents::Inline(rest),
        count => Contents::Pieces(count),
    };
    Ok((text.routing, text.tries, contents))
}

/// The delivery without its bodies as JSON, then its body, then that of its dead letter.
fn contents_of(delivery: &Delivery) -> Bytes {
    let mut text = delivery.clone();
    let body = std::mem::take(&mut text.message.body);
    let dead = text.message.dead_letter.as_deref_mut();
    let dead = dead.map_or_else(Bytes::new, |dead| std::mem::take(&mut dead.body));
    let text = json(&text);
    let mut contents = BytesMut::with_capacity(text.len() + body.len() + dead.len() + 8);
    put_long(&mut contents, &text);
    put_long(&mut contents, &body);
    contents.put_slice(&dead);
    contents.freeze()
}

pub(crate) fn decode_contents(mut contents: Bytes) -> Result<Delivery, OutboxError> {
    let text = take_long(&mut contents)?;
    let mut delivery: Delivery = serde_json::from_slice(&text).map_err(|_| OutboxError::Damaged)?;
    delivery.message.body = take_long(&mut contents)?;
    if let Some(dead) = delivery.message.dead_letter.as_deref_mut() {
        dead.body = contents;
    }
    Ok(delivery)
}

fn bytes_of(message: &Message) -> usize {
    let dead = message.dead_letter.as_ref();
    message.body.len() + dead.map_or(0, |dead| dead.body.len())
}

/// Our own types, without maps: their JSON cannot fail.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn put_long(out: &mut impl bytes::BufMut, bytes: &[u8]) {
    // Deliveries are far shorter than four gigabytes.
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

fn take_long(from: &mut Bytes) -> Result<Bytes, OutboxError> {
    let length = take(from, 4)?;
    let length = length.first_chunk().ok_or(OutboxError::Damaged)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| OutboxError::Damaged)?;
    take(from, length)
}

fn take(from: &mut Bytes, length: usize) -> Result<Bytes, OutboxError> {
    if from.len() < length {
        return Err(OutboxError::Damaged);
    }
    Ok(from.split_to(length))
}
