//! One lane: batches of its share of a shard, one after the other.
//!
//! Lives here: calling the function, waiting before a retry, moving the checkpoint.
//! Does not live here: what is decided (`plan`), what is in a batch (`feed`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use interfaces::invoke::{Invocation, Outcome};
use interfaces::record_source::{Position, Record, SourceError};
use model::event_source::Mapping;
use model::ids::RequestId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::answer::{self, Verdict};
use crate::checkpoints;
use crate::delivery::Parts;
use crate::feed::{Feed, Next};
use crate::plan::{self, Piece, Plan};

/// How long a lane waits after its source or the store failed.
const AFTER_FAULT: Duration = Duration::from_secs(2);
/// Characters of a function's error that the log shows.
const ERROR_CHARS_MAX: usize = 500;

/// One lane at work.
pub(crate) struct Lane {
    pub(crate) parts: Arc<Parts>,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) retention: Duration,
    pub(crate) feed: Feed,
    pub(crate) checkpoint: Vec<u8>,
    /// Ends the lane between two calls.
    pub(crate) stop: CancellationToken,
    /// Changes when another revision is served: what failed may succeed now.
    pub(crate) revision: watch::Receiver<u64>,
}

/// Whether a lane goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoesOn,
    Ends,
}

impl Lane {
    /// Runs until the shard ends or the lane is stopped. A call that is under way is waited for; what was not
    /// delivered by then is delivered by the lane that begins at the checkpoint.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        loop {
            let next = tokio::select! {
                next = self.feed.next() => next,
                () = stop.cancelled() => return,
            };
            let flow = match next {
                Ok(Next::Batch(records, reached)) => self.deliver(records, &reached).await,
                Ok(Next::Ended) => return,
                Err(error) => self.rest_after(&error).await,
            };
            if flow == Flow::Ends {
                return;
            }
        }
    }

    async fn deliver(&mut self, records: Vec<Record>, reached: &Position) -> Flow {
        let mut pieces = VecDeque::from([Piece::new(records)]);
        while let Some(mut piece) = pieces.pop_front() {
            self.drop_old(&mut piece);
            if piece.records.is_empty() {
                continue;
            }
            let verdict = self.call(&piece.records).await;
            let last = piece.records.last().map(|record| record.position.clone());
            let positions: Vec<Position> = piece
                .records
                .iter()
                .map(|record| record.position.clone())
                .collect();
            let (done, after) = match plan::after(piece, &verdict, &self.mapping) {
                Plan::Finish => (last, None),
                Plan::GiveUp { attempts } => {
                    self.say_dropped(positions.len(), &format!("it failed {attempts} times"));
                    (last, None)
                }
                Plan::Retry { done, rest, after } => {
                    pieces.push_front(rest);
                    let done = done
                        .checked_sub(1)
                        .and_then(|at| positions.get(at).cloned());
                    (done, Some(after))
                }
                Plan::Split {
                    first,
                    second,
                    after,
                } => {
                    pieces.push_front(second);
                    pieces.push_front(first);
                    (None, Some(after))
                }
            };
            if let (Some(done), false) = (done, pieces.is_empty())
                && self.save(&done).await == Flow::Ends
            {
                return Flow::Ends;
            }
            if let Some(after) = after {
                self.say_failed(&verdict, positions.len(), after);
                if self.wait(after).await == Flow::Ends {
                    return Flow::Ends;
                }
            }
        }
        self.save(reached).await
    }

    fn drop_old(&self, piece: &mut Piece) {
        let now = self.parts.clock.now();
        let old = plan::too_old(&piece.records, &self.mapping, self.retention, now);
        if 0 < old {
            piece.records.drain(..old);
            self.say_dropped(old, "they are older than the mapping allows");
        }
    }

    async fn call(&self, records: &[Record]) -> Verdict {
        let request_id = self.parts.random.request_id();
        let invocation = Invocation {
            function: self.mapping.callee.function.clone(),
            qualifier: self.mapping.callee.qualifier.clone(),
            trace_id: trace_id(&request_id, self.parts.clock.now().epoch_s()),
            request_id,
            payload: event(records),
            wait_until: None,
            client_context: None,
        };
        match self.parts.invoke.invoke(invocation).await {
            Ok(reply) => match reply.outcome {
                Outcome::Returned(returned) => {
                    let numbers: Vec<&str> = records
                        .iter()
                        .map(|record| record.sequence_number.as_str())
                        .collect();
                    answer::read(self.mapping.answers, &returned, &numbers)
                }
                Outcome::Failed(error) => {
                    let text = String::from_utf8_lossy(&error.payload);
                    Verdict::Failed(text.chars().take(ERROR_CHARS_MAX).collect())
                }
            },
            Err(not_run) => Verdict::NotRun(not_run.to_string()),
        }
    }

    /// Stores how far the lane has come, however often it takes: without it everything would be delivered again.
    async fn save(&mut self, position: &Position) -> Flow {
        loop {
            let now = self.parts.clock.now();
            let store = self.parts.store.as_ref();
            match checkpoints::save(store, &self.checkpoint, position, now).await {
                Ok(()) => return Flow::GoesOn,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        mapping = self.mapping.id,
                        "cannot store how far the records of a stream were delivered"
                    );
                }
            }
            if self.wait(AFTER_FAULT).await == Flow::Ends {
                return Flow::Ends;
            }
        }
    }

    async fn rest_after(&mut self, error: &SourceError) -> Flow {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            source = %self.mapping.source,
            "cannot read a stream; trying again"
        );
        self.wait(AFTER_FAULT).await
    }

    /// Waits, but not past the next revision.
    async fn wait(&mut self, time: Duration) -> Flow {
        self.revision.mark_unchanged();
        tokio::select! {
            () = tokio::time::sleep(time) => Flow::GoesOn,
            Ok(()) = self.revision.changed() => Flow::GoesOn,
            () = self.stop.cancelled() => Flow::Ends,
        }
    }

    fn say_failed(&self, verdict: &Verdict, records: usize, after: Duration) {
        let reason = match verdict {
            Verdict::Done => return,
            Verdict::FailedFrom(index) => format!("it reported record {} as failed", index + 1),
            Verdict::Failed(reason) | Verdict::NotRun(reason) => reason.clone(),
        };
        tracing::warn!(
            function = %self.mapping.callee.function,
            source = %self.mapping.source,
            reason,
            "a batch of {records} records failed; trying again in {} ms",
            after.as_millis()
        );
    }

    fn say_dropped(&self, records: usize, why: &str) {
        tracing::warn!(
            function = %self.mapping.callee.function,
            source = %self.mapping.source,
            "{records} records were not delivered: {why}"
        );
    }
}

/// The event: all records in one list.
fn event(records: &[Record]) -> Bytes {
    let bytes: usize = records.iter().map(|record| record.payload.len() + 1).sum();
    let mut event = BytesMut::with_capacity(bytes + 16);
    event.put_slice(b"{\"Records\":[");
    for (index, record) in records.iter().enumerate() {
        if 0 < index {
            event.put_u8(b',');
        }
        event.put_slice(&record.payload);
    }
    event.put_slice(b"]}");
    event.freeze()
}

/// A trace of its own for each call; nobody samples it.
fn trace_id(request_id: &RequestId, epoch_s: i64) -> String {
    let digits: String = request_id
        .to_string()
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(24)
        .collect();
    format!("Root=1-{epoch_s:08x}-{digits:0<24};Sampled=0")
}
