//! What reads a source of records and calls a function with them.
//!
//! Lives here: event source mappings as plain data, with the bounds of their settings.
//! Does not live here: reading and calling (`event-delivery`), matching filters (`patterns`).
//!
//! Contract: AWS Lambda API Reference, `CreateEventSourceMapping`; AWS Lambda Developer Guide, "Lambda parameters for
//! Amazon DynamoDB event source mappings".

use std::time::Duration;

use crate::arn::Arn;
use crate::door::Callee;
use crate::time::Timestamp;

/// Records of one batch, when a mapping does not say.
pub const BATCH_RECORDS_DEFAULT: usize = 100;
/// Records of one batch.
pub const BATCH_RECORDS_MAX: usize = 10_000;
/// How long a batch may be gathered.
pub const BATCH_WINDOW_MAX: Duration = Duration::from_secs(300);
/// Batches of one shard that may be under way at once.
pub const PARALLELIZATION_MAX: usize = 10;
/// Retries of a batch that may be asked for.
pub const RETRIES_MAX: u32 = 10_000;
/// The oldest record that may be asked for.
pub const RECORD_AGE_MAX: Duration = Duration::from_secs(604_800);
/// Messages of one batch, when a mapping of a queue does not say.
pub const QUEUE_BATCH_DEFAULT: usize = 10;
/// Messages of one batch of a standard queue whose batches are not gathered, and of a FIFO queue.
pub const QUEUE_BATCH_MAX: usize = 10;
/// The smallest `MaximumConcurrency`.
pub const QUEUE_CONCURRENCY_MIN: usize = 2;
/// The largest `MaximumConcurrency`.
pub const QUEUE_CONCURRENCY_MAX: usize = 1_000;
/// Filters of one mapping. More have to be asked for in the cloud.
pub const FILTERS_MAX: usize = 5;
/// Bytes of one filter's pattern.
pub const PATTERN_BYTES_MAX: usize = 4_096;

/// One event source mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Its UUID: what its place in the source is kept under.
    pub id: String,
    /// What it reads.
    pub source: Arn,
    /// What it calls.
    pub callee: Callee,
    /// Whether it runs.
    pub state: MappingState,
    /// Where it begins when it has never run.
    pub start: StartingPosition,
    /// Records of one batch.
    pub batch_records_max: usize,
    /// How long a batch that is not full waits for more.
    pub batch_window: Duration,
    /// Batches of one shard that may be under way at once. Records of one item stay in order.
    pub parallelization: usize,
    /// What becomes of a batch that failed.
    pub on_error: OnError,
    /// Retries of a batch; none: until its records are too old.
    pub retries_max: Option<u32>,
    /// Records older than this are dropped; none: whatever the source still has is delivered.
    pub record_age_max: Option<Duration>,
    /// How the function's answer is read.
    pub answers: Answers,
    /// Queues: calls of the function that may run at once; none: as many as it comes to.
    pub concurrency_max: Option<usize>,
    /// Streams: the queue or topic that is told of batches that are given up.
    pub on_failure: Option<Arn>,
    /// Patterns as JSON texts: records that match none of them are passed over. Without any, all are delivered.
    pub filters: Vec<String>,
}

/// Whether a mapping runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MappingState {
    /// It does.
    Enabled,
    /// It keeps its place.
    Disabled,
}

/// Where a mapping begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartingPosition {
    /// With the oldest record that there is.
    TrimHorizon,
    /// With what is written from now on.
    Latest,
    /// With the first record that was written at this time or later. Streams of tables have no such position.
    AtTimestamp(Timestamp),
}

/// What becomes of a batch that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// It is tried again as it is.
    RetryWhole,
    /// It is split in two, and both halves are tried.
    Bisect,
}

/// How a function's answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// It only matters whether it failed.
    Ignored,
    /// It may name the records that failed: `ReportBatchItemFailures`.
    BatchItemFailures,
}
