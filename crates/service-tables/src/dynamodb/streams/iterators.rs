//! `GetShardIterator`, and what an iterator is.
//!
//! Lives here: its members, the text of an iterator, when it expires.
//! Does not live here: reading with one (`get_records`).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::time::Timestamp;
use serde_json::json;

use super::{ARN_CHARS, Context, SHARD_CHARS, not_found, take_optional_text, take_text};
use crate::dynamodb::fault::{Fault, Kind};
use crate::dynamodb::fields::Fields;
use crate::dynamodb::json_read::Json;
use crate::engine::streams::log::Stream;
use crate::engine::streams::record::{PLACE_BYTES, Place};

/// How long an iterator can be used.
///
/// Contract: `GetShardIterator`: "A shard iterator expires 15 minutes after it is returned to the requester."
const VALID_FOR: Duration = Duration::from_secs(15 * 60);
/// Characters of a sequence number.
const SEQUENCE_CHARS: (usize, usize) = (21, 40);
const TYPES: [&str; 5] = [
    "TRIM_HORIZON",
    "LATEST",
    "AT_SEQUENCE_NUMBER",
    "AFTER_SEQUENCE_NUMBER",
    "AT_TIMESTAMP",
];

/// A place in a shard from which records are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShardIterator {
    pub(super) stream_arn: String,
    pub(super) shard: u8,
    /// Records after this one are read; none: the oldest ones that there are, whatever was trimmed.
    pub(super) after: Option<Place>,
    pub(super) issued_at: Timestamp,
}

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let arn = take_text(&mut fields, "StreamArn", "streamArn", ARN_CHARS)?;
    let shard = take_text(&mut fields, "ShardId", "shardId", SHARD_CHARS)?;
    let kind = fields.one_of("ShardIteratorType", "shardIteratorType", &TYPES)?;
    let path = "sequenceNumber";
    let number = take_optional_text(&mut fields, "SequenceNumber", path, SEQUENCE_CHARS)?;
    let timestamp = take_timestamp(&mut fields)?;
    fields.finish()?;
    let kind = kind.ok_or_else(|| Fault::validation("ShardIteratorType must not be null"))?;
    let number = judge_number(kind, number.as_deref())?;
    let now = context.clock.now();
    judge_timestamp(kind, timestamp, now)?;
    let stream = context.stream(&arn).await?;
    let shard = stream
        .shard_called(&shard)
        .ok_or_else(|| not_found("Shard does not exist"))?;
    let after = match (kind, number, timestamp) {
        ("LATEST", _, _) => Some(context.streams.latest(&stream, shard).await?),
        ("AT_SEQUENCE_NUMBER", Some(at), _) => {
            Some(untrimmed(context, &stream, shard, at.before()).await?)
        }
        ("AFTER_SEQUENCE_NUMBER", Some(after), _) => {
            Some(untrimmed(context, &stream, shard, after).await?)
        }
        ("AT_TIMESTAMP", _, Some(at)) => {
            let place = context.streams.before(&stream, shard, at).await?;
            (place != Place::default()).then_some(place)
        }
        _ => None,
    };
    let iterator = ShardIterator {
        stream_arn: stream.arn,
        shard,
        after,
        issued_at: now,
    };
    Ok(json!({ "ShardIterator": iterator.to_text() })
        .to_string()
        .into_bytes())
}

impl ShardIterator {
    /// As clients get it: the stream, a version, and bytes that mean something to us alone.
    pub(super) fn to_text(&self) -> String {
        let mut bytes = Vec::with_capacity(32);
        bytes.extend_from_slice(&self.issued_at.epoch_us().to_be_bytes());
        bytes.push(self.shard);
        if let Some(after) = self.after {
            bytes.extend_from_slice(&after.to_bytes());
        }
        written(&self.stream_arn, bytes)
    }

    /// Reads an iterator.
    ///
    /// # Errors
    /// A fault when it is none, or has expired.
    pub(super) fn parse(text: &str, now: Timestamp) -> Result<Self, Fault> {
        let iterator =
            Self::read(text).ok_or_else(|| Fault::validation("Invalid ShardIterator"))?;
        if VALID_FOR < now.since(iterator.issued_at) {
            return Err(Fault {
                kind: Kind::ExpiredIterator,
                message: "The shard iterator has expired: it can be used for 15 minutes".to_owned(),
                ..Fault::no_table()
            });
        }
        Ok(iterator)
    }

    fn read(text: &str) -> Option<Self> {
        let (stream_arn, rest) = text.split_once('|')?;
        let bytes = URL_SAFE_NO_PAD.decode(rest.strip_prefix("1|")?).ok()?;
        let (bytes, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(bytes) != u32::from_be_bytes(*checksum) {
            return None;
        }
        let (issued_at, rest) = bytes.split_first_chunk::<8>()?;
        let (shard, place) = rest.split_first()?;
        let after = match place {
            [] => None,
            bytes => Some(Place::from_bytes(
                <[u8; PLACE_BYTES]>::try_from(bytes).ok()?,
            )),
        };
        Some(Self {
            stream_arn: stream_arn.to_owned(),
            shard: *shard,
            after,
            issued_at: Timestamp::from_micros(i64::from_be_bytes(*issued_at)),
        })
    }
}

/// The text of an iterator with these bytes.
fn written(stream_arn: &str, mut bytes: Vec<u8>) -> String {
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    format!("{stream_arn}|1|{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// For fuzzing: a text as an iterator, and as the bytes of one whose checksum holds.
pub(in crate::dynamodb) fn try_any(text: &str) {
    for text in [text.to_owned(), written("arn", text.as_bytes().to_vec())] {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        if let Ok(iterator) = ShardIterator::parse(&text, now) {
            assert_eq!(
                ShardIterator::parse(&iterator.to_text(), now).ok(),
                Some(iterator)
            );
        }
    }
}

/// The data after this place has gone.
pub(super) fn trimmed() -> Fault {
    Fault {
        kind: Kind::TrimmedDataAccess,
        message: "The data you are trying to access has been trimmed".to_owned(),
        ..Fault::no_table()
    }
}

async fn untrimmed(
    context: &Context<'_>,
    stream: &Stream,
    shard: u8,
    after: Place,
) -> Result<Place, Fault> {
    if after < context.streams.trimmed_to(stream, shard).await? {
        return Err(trimmed());
    }
    Ok(after)
}

/// Microseconds; the service takes seconds with milliseconds after the point.
fn take_timestamp(fields: &mut Fields<'_>) -> Result<Option<Timestamp>, Fault> {
    match fields.take("Timestamp") {
        None => Ok(None),
        Some(Json::Integer(seconds)) => Ok(Some(Timestamp::from_micros(
            seconds.saturating_mul(1_000_000),
        ))),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a number beyond the range is cut to its end"
        )]
        Some(Json::Decimal(seconds)) => Ok(Some(Timestamp::from_micros(
            ((seconds * 1_000.0).round() as i64).saturating_mul(1_000),
        ))),
        Some(Json::Null | Json::Bool(_) | Json::Text(_) | Json::List(_) | Json::Map(_)) => {
            Err(Fault::serialization("Unexpected field type"))
        }
    }
}

fn judge_number(kind: &str, number: Option<&str>) -> Result<Option<Place>, Fault> {
    let takes_one = matches!(kind, "AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER");
    match (takes_one, number) {
        (true, None) => Err(Fault::validation(format!(
            "SequenceNumber must be given with the ShardIteratorType {kind}"
        ))),
        (false, Some(_)) => Err(Fault::validation(format!(
            "SequenceNumber must not be given with the ShardIteratorType {kind}"
        ))),
        (true, Some(number)) => match Place::of_sequence_number(number) {
            Some(place) => Ok(Some(place)),
            None => Err(Fault::validation("Invalid SequenceNumber")),
        },
        (false, None) => Ok(None),
    }
}

fn judge_timestamp(kind: &str, at: Option<Timestamp>, now: Timestamp) -> Result<(), Fault> {
    match (kind == "AT_TIMESTAMP", at) {
        (true, None) => Err(Fault::validation(
            "Timestamp must be given with the ShardIteratorType AT_TIMESTAMP",
        )),
        (false, Some(_)) => Err(Fault::validation(format!(
            "Timestamp must not be given with the ShardIteratorType {kind}"
        ))),
        (true, Some(at)) if now < at => {
            Err(Fault::validation("Timestamp must not be in the future"))
        }
        (true, Some(_)) | (false, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iterator_reads_back_and_expires() {
        let issued_at = Timestamp::from_micros(7_000_000);
        for after in [None, Place::of_sequence_number("1000000000000000000065536")] {
            let iterator = ShardIterator {
                stream_arn: "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/l".to_owned(),
                shard: 3,
                after,
                issued_at,
            };
            let text = iterator.to_text();
            let soon = issued_at.plus(VALID_FOR);
            assert_eq!(ShardIterator::parse(&text, soon), Ok(iterator));
            let late = soon.plus(Duration::from_millis(1));
            let refused = ShardIterator::parse(&text, late).unwrap_err();
            assert_eq!(refused.kind, Kind::ExpiredIterator);
        }
    }

    #[test]
    fn what_is_no_iterator_is_refused() {
        let now = Timestamp::from_micros(0);
        for text in ["", "x", "a|1|", "a|1|AAAA", "a|2|AAAAAAAAAAAAAAAAAA"] {
            let refused = ShardIterator::parse(text, now).unwrap_err();
            assert_eq!(refused.kind, Kind::Validation, "{text}");
        }
    }
}
