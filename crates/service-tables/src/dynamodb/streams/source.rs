//! The streams of tables as sources of records for functions.
//!
//! Lives here: `RecordSource` over `engine::streams`.
//! Does not live here: delivering (`event-delivery`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::clock::Clock;
use interfaces::record_source::{
    News, Position, Record, RecordLimit, RecordSource, Records, Rest, ShardName, SourceError,
};
use model::arn::Arn;
use model::event_source::StartingPosition;
use model::ids::{AccountId, Region};

use super::in_resource;
use super::record_json::{self, Shape};
use crate::engine::streams::RETENTION;
use crate::engine::streams::log::{Stream, Streams};
use crate::engine::streams::record::{PLACE_BYTES, Place};

/// The streams of tables.
pub(crate) struct TableStreams {
    streams: Streams,
    clock: Arc<dyn Clock>,
}

impl TableStreams {
    pub(crate) fn new(streams: Streams, clock: Arc<dyn Clock>) -> Self {
        Self { streams, clock }
    }

    async fn stream(&self, source: &Arn) -> Result<Stream, SourceError> {
        let missing = || SourceError::Missing {
            source_name: source.to_string(),
        };
        let (table_name, label) = in_resource(&source.resource).ok_or_else(missing)?;
        let account = AccountId::new(source.account.as_str());
        let region = Region::new(source.region.as_str());
        let found = self
            .streams
            .find(&account, &region, table_name, label)
            .await;
        found.map_err(|error| failed(&error))?.ok_or_else(missing)
    }

    async fn shard(&self, source: &Arn, shard: &ShardName) -> Result<(Stream, u8), SourceError> {
        let stream = self.stream(source).await?;
        match stream.shard_called(&shard.0) {
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
        let after = place(after)?;
        let bounds = (limit.records_max, limit.bytes_max);
        let now = self.clock.now();
        let page = self
            .streams
            .read(&stream, shard, after, bounds, now)
            .await
            .map_err(|error| failed(&error))?;
        let region = Region::new(source.region.as_str());
        let mut records = Vec::with_capacity(page.records.len());
        for record in &page.records {
            let mut payload = Vec::with_capacity(512);
            record_json::write(&mut payload, &stream, &region, record, Shape::Function)
                .map_err(|error| failed(&error))?;
            records.push(Record {
                position: position(record.place),
                sequence_number: record.place.sequence_number(),
                written_at: record.at,
                group: crc32fast::hash(&record.key),
                payload: payload.into(),
            });
        }
        let rest = match (page.more, stream.row.closed_at) {
            (true, _) => Rest::More,
            (false, None) => Rest::NothingYet,
            (false, Some(_)) => Rest::Ended,
        };
        Ok(Records {
            records,
            next: position(page.next),
            rest,
        })
    }
}

impl RecordSource for TableStreams {
    fn serves(&self, source: &Arn) -> bool {
        source.service == "dynamodb" && in_resource(&source.resource).is_some()
    }

    fn retention(&self, _source: &Arn) -> Duration {
        RETENTION
    }

    fn shards<'a>(&'a self, source: &'a Arn) -> BoxFuture<'a, Result<Vec<ShardName>, SourceError>> {
        Box::pin(async {
            let stream = self.stream(source).await?;
            let names = (0..stream.row.shards).map(|shard| ShardName(stream.shard_name(shard)));
            Ok(names.collect())
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
            match start {
                StartingPosition::TrimHorizon => Ok(position(Place::default())),
                StartingPosition::AtTimestamp(_) => Err(SourceError::Failed {
                    reason: "streams of tables are not read from a time on".to_owned(),
                }),
                StartingPosition::Latest => {
                    let latest = self.streams.latest(&stream, shard).await;
                    latest.map(position).map_err(|error| failed(&error))
                }
            }
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
        self.streams.wakers().wait_for(&source.to_string())
    }
}

fn position(place: Place) -> Position {
    Position(Bytes::copy_from_slice(&place.to_bytes()))
}

fn place(position: &Position) -> Result<Place, SourceError> {
    let bytes = <[u8; PLACE_BYTES]>::try_from(position.0.as_ref());
    let bytes = bytes.map_err(|_| SourceError::Failed {
        reason: "a place in it has another shape".to_owned(),
    })?;
    Ok(Place::from_bytes(bytes))
}

fn failed(error: &(dyn std::error::Error + 'static)) -> SourceError {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    SourceError::Failed { reason }
}
