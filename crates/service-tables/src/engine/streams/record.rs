//! One record of a stream.
//!
//! Lives here: the record that a change leaves, its bytes in the store, its place.
//! Does not live here: reading many (`log`), their JSON (`dynamodb::streams`).
//!
//! # Encoding, version 1
//! `01`, the number of rows that the record lies in, the kind (`00` insert, `01` modify, `02` remove), the author (`00`
//! a caller, `01` expiry), the time in microseconds (8 bytes); then three parts, each with its length before it (4 bytes,
//! `FFFFFFFF` for none): the key, the item as it is, the item as it was, each encoded as items are. A record over
//! `ROW_BYTES_MAX` goes on in further rows, as it is cut.

use bytes::Bytes;
use model::time::Timestamp;
use store::Write;
use store::batch::VERSIONSTAMP_BYTES;

use crate::engine::codec;
use crate::engine::consequences::{Author, Cause};
use crate::engine::indexes::Image;
use crate::engine::table::{ItemKey, StreamViewType, Table};
use crate::engine::value::Attributes;

/// Bytes of one row: well below what a value may have.
const ROW_BYTES_MAX: usize = 512 * 1024;
const FORMAT: u8 = 1;
const NO_PART: u32 = u32::MAX;
/// The sequence number of place 0: all have as many digits, so that they sort as texts, too.
const SEQUENCE_BASE: u128 = 1_000_000_000_000_000_000_000_000;

/// Bytes of a place in a key.
pub const PLACE_BYTES: usize = VERSIONSTAMP_BYTES + 2;

/// A record's place among all records: its commit, and its number within that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place(u128);

/// What happened to the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It was not there before.
    Insert,
    /// It was another one.
    Modify,
    /// It went.
    Remove,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Where it stands.
    pub place: Place,
    /// What happened.
    pub event: Event,
    /// By whom.
    pub author: Author,
    /// When.
    pub at: Timestamp,
    /// The item's key, encoded as an item.
    pub key: Bytes,
    /// The item as it is, if the stream shows it.
    pub new_image: Option<Bytes>,
    /// The item as it was, if the stream shows it.
    pub old_image: Option<Bytes>,
}

/// The bytes are no record that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of a stream is damaged, or of a later version")]
pub struct Corrupt;

impl Place {
    /// The place in these bytes of a key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; PLACE_BYTES]) -> Self {
        Self(
            bytes
                .iter()
                .fold(0, |place, byte| place << 8 | u128::from(*byte)),
        )
    }

    /// As it stands in keys.
    #[must_use]
    pub fn to_bytes(self) -> [u8; PLACE_BYTES] {
        let mut bytes = [0; PLACE_BYTES];
        let whole = self.0.to_be_bytes();
        for (byte, from) in bytes
            .iter_mut()
            .zip(whole.iter().skip(whole.len() - PLACE_BYTES))
        {
            *byte = *from;
        }
        bytes
    }

    /// The greatest place before this one.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// As the API writes it.
    #[must_use]
    pub fn sequence_number(self) -> String {
        (SEQUENCE_BASE + self.0).to_string()
    }

    /// The place with this sequence number.
    #[must_use]
    pub fn of_sequence_number(text: &str) -> Option<Self> {
        let place = text.parse::<u128>().ok()?.checked_sub(SEQUENCE_BASE)?;
        (place >> (8 * PLACE_BYTES) == 0).then_some(Self(place))
    }

    /// Its number, for telling records apart.
    #[must_use]
    pub const fn number(self) -> u128 {
        self.0
    }
}

/// The record that a change leaves in the table's stream; nothing when there is none, or nothing changed.
///
/// Contract: Amazon DynamoDB Developer Guide, "Change data capture for DynamoDB Streams": a write that changes no data
/// leaves no record.
pub fn follow(
    table: &Table,
    key: &ItemKey,
    (before, after): (Option<Image<'_>>, Option<Image<'_>>),
    cause: Cause,
    writes: &mut Vec<Write>,
) {
    let Some(stream) = &table.stream else {
        return;
    };
    let event = match (before, after) {
        (None, None) => return,
        (None, Some(_)) => Event::Insert,
        (Some(_), None) => Event::Remove,
        (Some(before), Some(after)) if same(before, after) => return,
        (Some(_), Some(_)) => Event::Modify,
    };
    let Some(item) = after.or(before) else {
        return;
    };
    let key_bytes = codec::encode(&key_attributes(table, item.attributes));
    let shows_new = matches!(
        stream.view_type,
        StreamViewType::NewImage | StreamViewType::NewAndOldImages
    );
    let shows_old = matches!(
        stream.view_type,
        StreamViewType::OldImage | StreamViewType::NewAndOldImages
    );
    let encoded = encode(
        (event, cause),
        [
            Some(key_bytes.as_slice()),
            after
                .filter(|_| shows_new)
                .map(|image| image.bytes.as_ref()),
            before
                .filter(|_| shows_old)
                .map(|image| image.bytes.as_ref()),
        ],
    );
    let shard = shard_of(table, stream.shards, key);
    let prefix: Bytes = [stream.records.as_slice(), &[shard]].concat().into();
    let ordinal = u16::try_from(cause.ordinal)
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    for (row, value) in (0_u8..).zip(encoded.chunks(ROW_BYTES_MAX)) {
        writes.push(Write::PutVersionstampedKey {
            prefix: prefix.clone(),
            suffix: [&ordinal[..], &[row]].concat().into(),
            value: Bytes::copy_from_slice(value),
        });
    }
}

/// Reads a record from its first row. Those that follow it have to be added to it before.
///
/// # Errors
/// [`Corrupt`].
pub fn decode(place: Place, bytes: &Bytes) -> Result<Logged, Corrupt> {
    let [FORMAT, _rows, event, author, ..] = bytes.as_ref() else {
        return Err(Corrupt);
    };
    let event = match event {
        0 => Event::Insert,
        1 => Event::Modify,
        2 => Event::Remove,
        _ => return Err(Corrupt),
    };
    let author = match author {
        0 => Author::Caller,
        1 => Author::TimeToLive,
        _ => return Err(Corrupt),
    };
    let at = written_at(bytes)?;
    let mut rest = bytes.slice(12..);
    let mut part = || -> Result<Option<Bytes>, Corrupt> {
        let (length, _) = rest.split_first_chunk::<4>().ok_or(Corrupt)?;
        let length = u32::from_be_bytes(*length);
        let _length = rest.split_to(4);
        if length == NO_PART {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| Corrupt)?;
        if rest.len() < length {
            return Err(Corrupt);
        }
        Ok(Some(rest.split_to(length)))
    };
    Ok(Logged {
        place,
        event,
        author,
        at,
        key: part()?.ok_or(Corrupt)?,
        new_image: part()?,
        old_image: part()?,
    })
}

/// In how many rows a record lies, given the first of them.
pub(super) fn rows_of(first: &[u8]) -> Result<u8, Corrupt> {
    match first {
        [FORMAT, rows, ..] => Ok(*rows),
        _ => Err(Corrupt),
    }
}

/// When a record was written, given its first row.
pub(super) fn written_at(first: &[u8]) -> Result<Timestamp, Corrupt> {
    let micros = first.get(4..12).and_then(|bytes| bytes.first_chunk());
    let micros = micros.ok_or(Corrupt)?;
    Ok(Timestamp::from_micros(i64::from_be_bytes(*micros)))
}

fn encode((event, cause): (Event, Cause), parts: [Option<&[u8]>; 3]) -> Vec<u8> {
    let bytes: usize = parts.iter().flatten().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(bytes + 24);
    out.extend_from_slice(&[
        FORMAT,
        0,
        match event {
            Event::Insert => 0,
            Event::Modify => 1,
            Event::Remove => 2,
        },
        match cause.author {
            Author::Caller => 0,
            Author::TimeToLive => 1,
        },
    ]);
    out.extend_from_slice(&cause.at.epoch_us().to_be_bytes());
    for part in parts {
        let length = part.map_or(NO_PART, |part| {
            u32::try_from(part.len()).unwrap_or(NO_PART - 1)
        });
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(part.unwrap_or_default());
    }
    let rows = u8::try_from(out.len().div_ceil(ROW_BYTES_MAX)).unwrap_or(u8::MAX);
    if let Some(byte) = out.get_mut(1) {
        *byte = rows;
    }
    out
}

fn shard_of(table: &Table, shards: u8, key: &ItemKey) -> u8 {
    let hash = key.partition().get(table.items.len()..).unwrap_or_default();
    let hash = hash
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let shard = (u64::from(hash) * u64::from(shards)) >> 32;
    u8::try_from(shard).unwrap_or_default()
}

fn key_attributes(table: &Table, item: &Attributes) -> Attributes {
    table
        .key_attributes()
        .filter_map(|attribute| {
            let value = item.get(&attribute.name)?;
            Some((attribute.name.clone(), value.clone()))
        })
        .collect()
}

fn same(before: Image<'_>, after: Image<'_>) -> bool {
    let (old, new) = (before.attributes, after.attributes);
    before.bytes == after.bytes
        || old.len() == new.len()
            && old
                .iter()
                .zip(new)
                .all(|((name, value), (other_name, other))| name == other_name && value.same(other))
}
