//! Batches of one lane, in their order.
//!
//! Lives here: reading a shard, passing over what the lane or the filters leave out, gathering until a batch is full.
//! Does not live here: delivering (`lane`), where a lane begins (`checkpoints`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use interfaces::record_source::{
    News, Position, Record, RecordLimit, RecordSource, Rest, ShardName, SourceError,
};
use model::event_source::Mapping;
use model::limits::LAMBDA_SYNC_PAYLOAD_BYTES_MAX;
use tokio::time::Instant;

use crate::checkpoints::LaneNumber;
use crate::filters::Filters;

/// Bytes of the event around its records.
const ENVELOPE_BYTES: usize = 64;
/// How long a lane waits for news before it looks anyway.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Records and bytes of one read.
const READ: RecordLimit = RecordLimit {
    records_max: 1_000,
    bytes_max: 1024 * 1024,
};
/// How often a checkpoint is moved past records that nobody wants.
const PASS_EVERY: Duration = Duration::from_secs(5);

/// What a lane reads.
pub(crate) struct Feed {
    source: Arc<dyn RecordSource>,
    mapping: Arc<Mapping>,
    filters: Arc<Filters>,
    shard: ShardName,
    lane: LaneNumber,
    news: Box<dyn News>,
    /// Records that were read and belong to no batch yet. At most those of a batch and of one read.
    waiting: VecDeque<Record>,
    waiting_bytes: usize,
    /// How far was read.
    read_to: Position,
    rest: Rest,
    /// How far the lane has come, as the store knows, and since when.
    passed: (Position, Instant),
}

/// What comes next in a lane.
#[derive(Debug)]
pub(crate) enum Next {
    /// A batch; once it is done, the lane has come this far. Without records it has only passed some over.
    Batch(Vec<Record>, Position),
    /// There will never be another record.
    Ended,
}

impl Feed {
    pub(crate) fn new(
        source: &Arc<dyn RecordSource>,
        mapping: &Arc<Mapping>,
        filters: &Arc<Filters>,
        (shard, lane): (&ShardName, LaneNumber),
        begin: Position,
    ) -> Self {
        Self {
            news: source.news(&mapping.source),
            source: Arc::clone(source),
            mapping: Arc::clone(mapping),
            filters: Arc::clone(filters),
            shard: shard.clone(),
            lane,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            read_to: begin.clone(),
            rest: Rest::More,
            passed: (begin, Instant::now()),
        }
    }

    /// The next batch. If the future is dropped, nothing is lost: the next call goes on.
    pub(crate) async fn next(&mut self) -> Result<Next, SourceError> {
        let mut closes_at: Option<Instant> = None;
        loop {
            while !self.is_full() && self.rest == Rest::More {
                self.read().await?;
            }
            if !self.waiting.is_empty() {
                let closes_at =
                    *closes_at.get_or_insert_with(|| Instant::now() + self.mapping.batch_window);
                if self.is_full() || self.rest == Rest::Ended || closes_at <= Instant::now() {
                    return Ok(self.take());
                }
            } else if self.rest == Rest::Ended {
                return Ok(Next::Ended);
            } else if self.passed.0 != self.read_to && PASS_EVERY <= self.passed.1.elapsed() {
                return Ok(self.take());
            }
            let look_at = Instant::now() + LOOK_EVERY;
            let until = closes_at.map_or(look_at, |closes_at| closes_at.min(look_at));
            // A lost wake-up only delays.
            let _ = tokio::time::timeout_at(until, self.news.wait()).await;
            self.rest = Rest::More;
        }
    }

    fn is_full(&self) -> bool {
        self.mapping.batch_records_max <= self.waiting.len()
            || payload_bytes_max() <= self.waiting_bytes
    }

    async fn read(&mut self) -> Result<(), SourceError> {
        let source = Arc::clone(&self.source);
        let found = source
            .read(&self.mapping.source, &self.shard, &self.read_to, READ)
            .await?;
        self.read_to = found.next;
        self.rest = found.rest;
        for record in found.records {
            if self.is_mine(&record) && self.is_wanted(&record) {
                self.waiting_bytes += record.payload.len() + 1;
                self.waiting.push_back(record);
            }
        }
        Ok(())
    }

    fn is_mine(&self, record: &Record) -> bool {
        record.group % u32::from(self.lane.of.max(1)) == u32::from(self.lane.index)
    }

    fn is_wanted(&self, record: &Record) -> bool {
        self.filters.want(&record.payload)
    }

    fn take(&mut self) -> Next {
        let mut records = Vec::new();
        let mut bytes = 0;
        while let Some(record) = self.waiting.front() {
            let more = bytes + record.payload.len() + 1;
            let fits = records.len() < self.mapping.batch_records_max
                && (records.is_empty() || more <= payload_bytes_max());
            if !fits {
                break;
            }
            bytes = more;
            records.extend(self.waiting.pop_front());
        }
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        let reached = match records.last() {
            Some(last) if !self.waiting.is_empty() => last.position.clone(),
            Some(_) | None => self.read_to.clone(),
        };
        self.passed = (reached.clone(), Instant::now());
        Next::Batch(records, reached)
    }
}

fn payload_bytes_max() -> usize {
    LAMBDA_SYNC_PAYLOAD_BYTES_MAX - ENVELOPE_BYTES
}
