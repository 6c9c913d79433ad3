//! `GetShardIterator` and `GetRecords`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::arn::Arn;
use model::time::Timestamp;
use serde_json::{Value, json};
use store::keys::{KeyReader, KeyWriter};

use super::shown;
use super::{Context, StreamRef};
use crate::engine::keys;
use crate::engine::numbers::{PLACE_BYTES, Place, Sequence};
use crate::engine::rows::{Shard, Stream};
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, NAME, SEQUENCE, Text, insert};

/// How long an iterator can be used.
///
/// Contract: `GetShardIterator`: "A shard iterator expires 5 minutes after it is returned to the requester."
const VALID_FOR: Duration = Duration::from_secs(5 * 60);
const RECORDS_MAX: usize = 10_000;
/// Bytes of the records of one answer.
const ANSWER_BYTES_MAX: usize = 10 * 1_024 * 1_024;
const ITERATOR: Text = Text::long(1, 512);
const TYPES: Text = Text::one_of(&[
    "AFTER_SEQUENCE_NUMBER",
    "LATEST",
    "AT_TIMESTAMP",
    "AT_SEQUENCE_NUMBER",
    "TRIM_HORIZON",
]);
/// The version of iterators.
const FORMAT: u8 = 1;

/// A place in a shard from which records are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShardIterator {
    pub(super) stream: StreamRef,
    /// The stream's id: another one may have its name by now.
    id: u64,
    shard: u32,
    after: Place,
    issued_at: Timestamp,
    /// Tells apart those that are the same otherwise.
    salt: u32,
}

/// Where reading begins.
pub(super) struct Start {
    kind: String,
    number: Option<String>,
    at: Option<Timestamp>,
}

impl Start {
    /// Takes one, of members with these names.
    pub(super) fn take(fields: &mut Fields, kind: &str, number: &str) -> Self {
        Self {
            kind: fields.required(kind, &TYPES),
            number: fields.text(number, &SEQUENCE),
            at: fields::time(fields, "Timestamp"),
        }
    }
}

pub(super) async fn get_shard_iterator(context: &Context<'_>, mut fields: Fields) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    let shard = fields.required("ShardId", &NAME);
    let start = Start::take(&mut fields, "ShardIteratorType", "StartingSequenceNumber");
    fields.finish()?;
    let stream = context.stream(&asked).await?;
    let shard = stream
        .shard_called(&shard)
        .ok_or_else(|| Fault::no_shard(&asked.place, &asked.name, &shard))?;
    let after = start_of(context, (&asked, &stream, shard), &start).await?;
    let iterator = ShardIterator {
        id: stream.id,
        shard: shard.number,
        after,
        issued_at: context.catalogue.clock.now(),
        salt: salt(context),
        stream: asked,
    };
    Ok(json!({"ShardIterator": iterator.to_text()}))
}

/// The place after which reading begins.
pub(super) async fn start_of(
    context: &Context<'_>,
    (asked, stream, shard): (&StreamRef, &Stream, &Shard),
    start: &Start,
) -> Result<Place, Fault> {
    let kind = &start.kind;
    let number = || {
        let given = start.number.as_deref().ok_or_else(|| {
            Fault::argument(format!(
                "Must either specify (1) StartingSequenceNumber or (2) Timestamp or (3) neither when the ShardIteratorType is {kind}."
            ))
        })?;
        place_of(given, shard, stream, asked)
    };
    let catalogue = context.catalogue;
    Ok(match kind.as_str() {
        "TRIM_HORIZON" => Place::default(),
        "LATEST" => catalogue.latest(stream, shard.number).await?,
        "AT_SEQUENCE_NUMBER" => number()?.before(),
        "AFTER_SEQUENCE_NUMBER" => number()?,
        _ => {
            let at = start.at.ok_or_else(|| {
                Fault::argument(
                    "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP.",
                )
            })?;
            if catalogue.clock.now() < at {
                return Err(Fault::argument(
                    "The timestampInMillis parameter cannot be greater than the current time.",
                ));
            }
            catalogue.before(stream, shard.number, at).await?
        }
    })
}

/// The place that a sequence number says.
fn place_of(
    number: &str,
    shard: &Shard,
    stream: &Stream,
    asked: &StreamRef,
) -> Result<Place, Fault> {
    let invalid = || {
        Fault::argument(format!(
            "StartingSequenceNumber {number} used in GetShardIterator on shard {} in stream {} under account {} is invalid.",
            shard.name(),
            stream.name,
            asked.place.account
        ))
    };
    if number == "0" {
        return Ok(Place::default());
    }
    let read = Sequence::parse(number).ok_or_else(invalid)?;
    if read.shard != shard.number || read.since != shard.since {
        return Err(invalid());
    }
    Ok(read.place)
}

pub(super) async fn get_records(context: &Context<'_>, mut fields: Fields) -> Answer {
    let iterator = fields.required("ShardIterator", &ITERATOR);
    let limit = fields.limit("Limit", 10_000, RECORDS_MAX);
    let arn = fields.take("StreamARN");
    fields.finish()?;
    let now = context.catalogue.clock.now();
    let iterator =
        ShardIterator::read(&iterator).ok_or_else(|| Fault::argument("Invalid ShardIterator."))?;
    let asked = &iterator.stream;
    if let Some(arn) = arn.as_ref().and_then(Value::as_str)
        && arn != asked.arn()
    {
        return Err(Fault::argument(
            "StreamARN does not match the ShardIterator.",
        ));
    }
    if VALID_FOR < now.since(iterator.issued_at) {
        return Err(Fault::new(
            "ExpiredIteratorException",
            format!(
                "Iterator expired. The iterator was created {} milliseconds ago which is further than the tolerated delay of \
                 {} milliseconds.",
                now.since(iterator.issued_at).as_millis(),
                VALID_FOR.as_millis()
            ),
        ));
    }
    let stream = context.stream(asked).await?;
    if stream.id != iterator.id {
        return Err(Fault::no_stream(&asked.place, &asked.name));
    }
    // A closed shard whose records have all passed their time.
    let mut shards = stream.shards.iter();
    let Some(shard) = shards.find(|shard| shard.number == iterator.shard) else {
        return Ok(ended(&stream, iterator.shard, Vec::new()));
    };
    let bounds = (limit, ANSWER_BYTES_MAX);
    let read = context
        .catalogue
        .read(&stream, shard.number, iterator.after, bounds)
        .await?;
    let records: Vec<Value> = read
        .records
        .iter()
        .map(|record| shown::record(shard, record))
        .collect();
    if !read.more && !shard.is_open() {
        return Ok(ended(&stream, shard.number, records));
    }
    let behind = match (read.more, read.records.last()) {
        (true, Some(last)) => now.since(last.at).as_millis(),
        (true, None) => stream.retention().as_millis(),
        (false, _) => 0,
    };
    let mut answer = json!({"Records": records});
    let behind = u64::try_from(behind).unwrap_or(u64::MAX);
    insert(&mut answer, "MillisBehindLatest", behind);
    let next = ShardIterator {
        after: read.next,
        issued_at: now,
        salt: salt(context),
        ..iterator
    };
    insert(&mut answer, "NextShardIterator", next.to_text());
    Ok(answer)
}

/// The last answer about a closed shard.
fn ended(stream: &Stream, number: u32, records: Vec<Value>) -> Value {
    json!({
        "Records": records,
        "MillisBehindLatest": 0,
        "ChildShards": shown::children(stream, number),
    })
}

fn salt(context: &Context<'_>) -> u32 {
    let mut bytes = [0; 4];
    context.catalogue.random.fill(&mut bytes);
    u32::from_be_bytes(bytes)
}

impl ShardIterator {
    pub(super) fn to_text(&self) -> String {
        let place = &self.stream.place;
        let key = KeyWriter::after(&[FORMAT])
            .raw(&self.id.to_be_bytes())
            .raw(&self.shard.to_be_bytes())
            .raw(&self.after.to_bytes())
            .raw(&self.issued_at.epoch_us().to_be_bytes())
            .raw(&self.salt.to_be_bytes())
            .text(place.account.as_str())
            .text(place.region.as_str())
            .text(&self.stream.name);
        STANDARD.encode(key.finish())
    }

    /// Reads one; some clients put quotes around it, which the service overlooks.
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim_matches('"')).ok()?;
        let mut reader = KeyReader::new(&bytes);
        reader.skip(&[FORMAT]).ok()?;
        let id = u64::from_be_bytes(reader.raw(8).ok()?.try_into().ok()?);
        let shard = u32::from_be_bytes(reader.raw(4).ok()?.try_into().ok()?);
        let after = Place::from_bytes(reader.raw(PLACE_BYTES).ok()?)?;
        let issued_at = i64::from_be_bytes(reader.raw(8).ok()?.try_into().ok()?);
        let salt = u32::from_be_bytes(reader.raw(4).ok()?.try_into().ok()?);
        let (account, region) = (reader.text().ok()?, reader.text().ok()?);
        let name = reader.text().ok()?;
        let arn = Arn {
            partition: model::arn::PARTITION.to_owned(),
            service: "kinesis".to_owned(),
            region,
            account,
            resource: String::new(),
        };
        reader.rest().is_empty().then(|| Self {
            stream: StreamRef {
                place: keys::Place::of_arn(&arn),
                name,
            },
            id,
            shard,
            after,
            issued_at: Timestamp::from_micros(issued_at),
            salt,
        })
    }

    #[cfg(test)]
    pub(super) fn sample(stream: StreamRef) -> Self {
        Self {
            stream,
            id: 1,
            shard: 2,
            after: Place::default(),
            issued_at: Timestamp::from_micros(3),
            salt: 4,
        }
    }
}
