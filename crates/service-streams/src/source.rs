//! Streams as sources of records for functions.
//!
//! Lives here: `RecordSource`, the event of a record.
//! Does not live here: delivering (`event-delivery`).
//!
//! Contract: AWS Lambda Developer Guide, "Using Lambda with Kinesis Data Streams", the example of an event. Its
//! `invokeIdentityArn` is the role of the function: whoever calls it puts that in.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::record_source::{
    News, Position, Record, RecordLimit, RecordSource, Records, Rest, ShardName, SourceError,
};
use model::arn::Arn;
use model::event_source::StartingPosition;
use serde_json::json;

use crate::engine::catalogue::{Catalogue, Error};
use crate::engine::keys;
use crate::engine::log;
use crate::engine::numbers::Place;
use crate::engine::rows::{Shard, Stream};

/// How long records are kept, at most.
const RETENTION_MAX: Duration = Duration::from_secs(8_760 * 3_600);

/// The streams.
pub(crate) struct Source {
    catalogue: Arc<Catalogue>,
}

impl Source {
    pub(crate) fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue }
    }

    async fn stream(&self, source: &Arn) -> Result<Stream, SourceError> {
        let missing = || SourceError::Missing {
            source_name: source.to_string(),
        };
        let name = name_in(source).ok_or_else(missing)?;
        let place = keys::Place::of_arn(source);
        let found = self.catalogue.find(&place, name).await;
        found.map_err(failed)?.ok_or_else(missing)
    }

    async fn shard(&self, source: &Arn, shard: &ShardName) -> Result<(Stream, Shard), SourceError> {
        let stream = self.stream(source).await?;
        match stream.shard_called(&shard.0).cloned() {
            Some(shard) => Ok((stream, shard)),
            None => Err(SourceError::Missing {
                source_name: format!("{source}, shard {}", shard.0),
            }),
        }
    }

    async fn records(
        &self,
        source: &Arn,
        shard: &ShardName,
        after: &Position,
        limit: RecordLimit,
    ) -> Result<Records, SourceError> {
        let (stream, shard) = self.shard(source, shard).await?;
        let after = Place::from_bytes(&after.0).ok_or_else(|| SourceError::Failed {
            reason: "a place in it has another shape".to_owned(),
        })?;
        let bounds = (limit.records_max, limit.bytes_max);
        let read = self.catalogue.read(&stream, shard.number, after, bounds);
        let read = read.await.map_err(failed)?;
        let records = read.records.iter().map(|record| Record {
            position: position(record.place),
            sequence_number: shard.sequence(record.place),
            written_at: record.at,
            group: group(&record.partition_key),
            payload: payload(source, &shard, record),
        });
        Ok(Records {
            records: records.collect(),
            next: position(read.next),
            rest: match (read.more, shard.is_open()) {
                (true, _) => Rest::More,
                (false, true) => Rest::NothingYet,
                (false, false) => Rest::Ended,
            },
        })
    }
}

impl RecordSource for Source {
    fn serves(&self, source: &Arn) -> bool {
        name_in(source).is_some()
    }

    fn retention(&self, _source: &Arn) -> Duration {
        RETENTION_MAX
    }

    fn shards<'a>(&'a self, source: &'a Arn) -> BoxFuture<'a, Result<Vec<ShardName>, SourceError>> {
        Box::pin(async {
            let stream = self.stream(source).await?;
            let names = stream.shards.iter().map(|shard| ShardName(shard.name()));
            Ok(names.collect())
        })
    }

    fn parents<'a>(
        &'a self,
        source: &'a Arn,
        shard: &'a ShardName,
    ) -> BoxFuture<'a, Result<Vec<ShardName>, SourceError>> {
        Box::pin(async {
            let (stream, shard) = self.shard(source, shard).await?;
            let is_parent = |one: &&Shard| shard.parents.contains(&one.number);
            let parents = stream.shards.iter().filter(is_parent);
            Ok(parents.map(|shard| ShardName(shard.name())).collect())
        })
    }

    fn position<'a>(
        &'a self,
        source: &'a Arn,
        shard: &'a ShardName,
        start: StartingPosition,
    ) -> BoxFuture<'a, Result<Position, SourceError>> {
        Box::pin(async move {
            let (stream, shard) = self.shard(source, shard).await?;
            let place = match start {
                StartingPosition::TrimHorizon => Ok(Place::default()),
                StartingPosition::AtTimestamp(at) => {
                    self.catalogue.before(&stream, shard.number, at).await
                }
                StartingPosition::Latest => self.catalogue.latest(&stream, shard.number).await,
            };
            place.map(position).map_err(failed)
        })
    }

    fn read<'a>(
        &'a self,
        source: &'a Arn,
        shard: &'a ShardName,
        after: &'a Position,
        limit: RecordLimit,
    ) -> BoxFuture<'a, Result<Records, SourceError>> {
        Box::pin(self.records(source, shard, after, limit))
    }

    fn news(&self, source: &Arn) -> Box<dyn News> {
        self.catalogue.wakers.wait_for(&source.to_string())
    }
}

fn name_in(source: &Arn) -> Option<&str> {
    let name = source.resource.strip_prefix("stream/")?;
    (source.service == "kinesis" && !name.contains('/')).then_some(name)
}

/// Records of one partition key stay in order.
fn group(partition_key: &str) -> u32 {
    let hash = log::hash(partition_key) & u128::from(u32::MAX);
    u32::try_from(hash).unwrap_or_default()
}

fn payload(source: &Arn, shard: &Shard, record: &log::Record) -> Bytes {
    let number = shard.sequence(record.place);
    let ms = serde_json::Number::from(record.at.epoch_ms());
    let event = json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record.partition_key,
            "sequenceNumber": number,
            "data": STANDARD.encode(&record.data),
            "approximateArrivalTimestamp": ms.as_f64().unwrap_or_default() / 1_000.0,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": format!("{}:{number}", shard.name()),
        "eventName": "aws:kinesis:record",
        "awsRegion": source.region,
        "eventSourceARN": source.to_string(),
    });
    event.to_string().into()
}

fn position(place: Place) -> Position {
    Position(Bytes::copy_from_slice(&place.to_bytes()))
}

fn failed(error: Error) -> SourceError {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    SourceError::Failed { reason }
}
