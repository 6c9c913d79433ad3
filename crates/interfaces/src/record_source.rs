//! Streams of records that functions are called with.
//!
//! Lives here: the seam between `event-delivery`, which keeps a place in each shard, and the services that own streams.
//! Does not live here: batches, retries, checkpoints (`event-delivery`).
//!
//! A source is read in process, never through our own API. A wake-up carries no data and may be lost: whoever waits for
//! one looks again after a while anyway.

use std::time::Duration;

use bytes::Bytes;
use model::arn::Arn;
use model::event_source::StartingPosition;
use model::time::Timestamp;

use crate::BoxFuture;

/// Reads streams of one kind.
pub trait RecordSource: Send + Sync {
    /// Whether this ARN names a stream of this kind, be it there or not.
    fn serves(&self, source: &Arn) -> bool;

    /// How long records of this stream are kept.
    fn retention(&self, source: &Arn) -> Duration;

    /// The shards of a stream that still have records or may get some, each with a name that is never given again.
    ///
    /// # Errors
    /// [`SourceError`].
    fn shards<'a>(&'a self, source: &'a Arn) -> BoxFuture<'a, Result<Vec<ShardName>, SourceError>>;

    /// The shards whose records all come before those of this one: what it was split from, or merged from.
    ///
    /// # Errors
    /// [`SourceError`].
    fn parents<'a>(
        &'a self,
        _source: &'a Arn,
        _shard: &'a ShardName,
    ) -> BoxFuture<'a, Result<Vec<ShardName>, SourceError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// The position before the first record that a reader who starts now is to get.
    ///
    /// # Errors
    /// [`SourceError`].
    fn position<'a>(
        &'a self,
        source: &'a Arn,
        shard: &'a ShardName,
        start: StartingPosition,
    ) -> BoxFuture<'a, Result<Position, SourceError>>;

    /// Records after a position, oldest first; those that were trimmed meanwhile are left out.
    ///
    /// # Errors
    /// [`SourceError`].
    fn read<'a>(
        &'a self,
        source: &'a Arn,
        shard: &'a ShardName,
        after: &'a Position,
        limit: RecordLimit,
    ) -> BoxFuture<'a, Result<Records, SourceError>>;

    /// A way to wait for news of a stream. What is written after this call wakes its holder.
    fn news(&self, source: &Arn) -> Box<dyn News>;
}

/// News of one stream.
pub trait News: Send + Sync {
    /// Waits until something may have been written since the last call. Cancel-safe.
    fn wait(&mut self) -> BoxFuture<'_, ()>;
}

/// A shard's name, as `shardId-…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardName(pub String);

/// A place in a shard. Its bytes mean something to its source alone, but sort as the records do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub Bytes);

/// How much is read at once: whichever is met first. At least one record, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordLimit {
    /// Records.
    pub records_max: usize,
    /// Bytes of their payloads, about.
    pub bytes_max: usize,
}

/// What one read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// The records, oldest first.
    pub records: Vec<Record>,
    /// Where to go on, also when there are no records.
    pub next: Position,
    /// Whether there may be more.
    pub rest: Rest,
}

/// What a shard has after the records of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// More, at once.
    More,
    /// Nothing yet.
    NothingYet,
    /// Nothing for ever: the shard is closed.
    Ended,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub position: Position,
    /// Its number, as functions see it and name it in `batchItemFailures`.
    pub sequence_number: String,
    /// When it was written.
    pub written_at: Timestamp,
    /// Records with the same number must stay in order: a hash of whatever they are about.
    pub group: u32,
    /// One element of the event's `Records`, as JSON.
    pub payload: Bytes,
}

/// A stream could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no such stream, or no such shard of it.
    #[error("there is no stream `{source_name}`")]
    Missing {
        /// What was asked for.
        source_name: String,
    },
    /// It could not be read now; a later try may succeed.
    #[error("the stream could not be read: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}
