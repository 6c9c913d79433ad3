//! One lane: batches of its share of a shard, one after the other.
//!
//! Lives here: calling the function, waiting before a retry, moving the checkpoint.
//! Does not live here: what is decided (`plan`), what is in a batch (`feed`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use interfaces::invoke::{Invocation, Outcome, Timings};
use interfaces::record_source::{Position, Record, ShardName, SourceError};
use model::delivery::Delivery;
use model::event_source::Mapping;
use model::ids::RequestId;
use store::Batch;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::answer::{self, Verdict};
use crate::attempt::{Served, words_of};
use crate::checkpoints;
use crate::delivery::{Parts, trace_id};
use crate::feed::{Feed, Next};
use crate::log::{self, Event, EventResult, in_words};
use crate::plan::{self, Piece, Plan};
use crate::stream_letters::{self, Discarded, LastCall};

/// How long a lane waits after its source or the store failed.
const AFTER_FAULT: Duration = Duration::from_secs(2);

/// One lane at work.
pub(crate) struct Lane {
    pub(crate) parts: Arc<Parts>,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) served: watch::Receiver<Option<Arc<Served>>>,
    pub(crate) shard: ShardName,
    /// The last call of the function.
    pub(crate) last: LastCall,
    /// What is said of records that were given up: sent with the next checkpoint.
    pub(crate) letters: Vec<Delivery>,
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
    /// delivered by then is delivered by the lane that begins at the checkpoint. Its shard, if that has ended.
    pub(crate) async fn run(mut self) -> Option<ShardName> {
        let stop = self.stop.clone();
        loop {
            let next = tokio::select! {
                next = self.feed.next() => next,
                () = stop.cancelled() => return None,
            };
            let flow = match next {
                Ok(Next::Batch(records, reached)) => self.deliver(records, &reached).await,
                Ok(Next::Ended) => return Some(self.shard),
                Err(error) => self.rest_after(&error).await,
            };
            if flow == Flow::Ends {
                return None;
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
            let began = self.parts.clock.instant();
            let (verdict, timings) = self.call(&piece).await;
            let took = self.parts.clock.instant().saturating_duration_since(began);
            let last = piece.records.last().map(|record| record.position.clone());
            let records = piece.records.clone();
            let position_of = |at: usize| records.get(at).map(|record| record.position.clone());
            let attempt = piece.failures.saturating_add(1);
            let (done, after) = match plan::after(piece, &verdict, &self.mapping) {
                Plan::Finish => (last, None),
                Plan::GiveUp { .. } => {
                    self.give_up(&records, Discarded::RetriesExhausted);
                    (last, None)
                }
                Plan::Retry { done, rest, after } => {
                    pieces.push_front(rest);
                    let done = done.checked_sub(1).and_then(position_of);
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
            self.show(&verdict, (records.len(), attempt), (took, timings), after);
            if let (Some(done), false) = (done, pieces.is_empty())
                && self.save(&done).await == Flow::Ends
            {
                return Flow::Ends;
            }
            if let Some(after) = after
                && self.wait(after).await == Flow::Ends
            {
                return Flow::Ends;
            }
        }
        self.save(reached).await
    }

    fn drop_old(&mut self, piece: &mut Piece) {
        let now = self.parts.clock.now();
        let old = plan::too_old(&piece.records, &self.mapping, self.retention, now);
        if 0 < old {
            let old: Vec<Record> = piece.records.drain(..old).collect();
            tracing::warn!(
                function = %self.mapping.callee.function,
                source = %self.mapping.source,
                "{} records were not delivered: they are older than the mapping allows",
                old.len()
            );
            self.give_up(&old, Discarded::TooOld);
        }
    }

    /// The event for these records. Those of Kinesis say as whom the function was called.
    fn event(&self, records: &[Record]) -> Bytes {
        if self.mapping.source.service != "kinesis" {
            return event_of(records.iter().map(|record| &record.payload));
        }
        let callee = &self.mapping.callee;
        let served = self.served.borrow();
        let function = served.as_ref().and_then(|served| {
            let application = &served.application;
            application.function(&callee.function, callee.qualifier.as_deref())
        });
        let role = function.map(|function| function.role.to_string());
        let role = role.unwrap_or_default();
        let payloads: Vec<Bytes> = records
            .iter()
            .map(|record| with_identity(&record.payload, &role))
            .collect();
        event_of(payloads.iter())
    }

    async fn call(&mut self, piece: &Piece) -> (Verdict, Option<Timings>) {
        let records = &piece.records;
        let request_id = self.parts.random.request_id();
        let invocation = Invocation {
            function: self.mapping.callee.function.clone(),
            qualifier: self.mapping.callee.qualifier.clone(),
            trace_id: trace_id(&request_id, self.parts.clock.now().epoch_s()),
            request_id: request_id.clone(),
            payload: self.event(records),
            wait_until: None,
            client_context: None,
        };
        self.last = LastCall {
            request_id: request_id.to_string(),
            executed_version: None,
            raised: false,
            attempts: piece.failures,
        };
        let reply = match self.parts.invoke.invoke(invocation).await {
            Ok(reply) => reply,
            Err(not_run) => return (Verdict::NotRun(not_run.to_string()), None),
        };
        self.last.executed_version = Some(reply.executed_version);
        self.last.attempts = piece.failures.saturating_add(1);
        self.last.raised = matches!(reply.outcome, Outcome::Failed(_));
        let verdict = match reply.outcome {
            Outcome::Returned(returned) => {
                let numbers: Vec<&str> = records
                    .iter()
                    .map(|record| record.sequence_number.as_str())
                    .collect();
                answer::read(self.mapping.answers, &returned, &numbers)
            }
            Outcome::Failed(error) => Verdict::Failed(words_of(&error.payload)),
        };
        (verdict, Some(reply.timings))
    }

    /// Whoever is to be told of records that were given up is told with the next checkpoint.
    fn give_up(&mut self, records: &[Record], why: Discarded) {
        let served = self.served.borrow().clone();
        let (Some(served), Some(target)) = (served, &self.mapping.on_failure) else {
            return;
        };
        let callee = &self.mapping.callee;
        let application = &served.application;
        let function = application.function(&callee.function, callee.qualifier.as_deref());
        let Some(function) = function else {
            return;
        };
        let now = self.parts.clock.now();
        self.letters.extend(stream_letters::of_batch(
            (&self.mapping, target),
            function,
            &self.shard,
            records,
            (why, &self.last),
            now,
        ));
    }

    /// Stores how far the lane has come, however often it takes: without it everything would be delivered again.
    async fn save(&mut self, position: &Position) -> Flow {
        loop {
            let now = self.parts.clock.now();
            let store = self.parts.store.as_ref();
            let batch = self.parts.outbox.add(Batch::new(), &self.letters);
            match checkpoints::save(store, batch, &self.checkpoint, position, now).await {
                Ok(()) => {
                    if !self.letters.is_empty() {
                        self.letters.clear();
                        self.parts.outbox.ring();
                    }
                    return Flow::GoesOn;
                }
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

    fn show(
        &self,
        verdict: &Verdict,
        (records, attempt): (usize, u32),
        (total, timings): (Duration, Option<Timings>),
        after: Option<Duration>,
    ) {
        let reason = match verdict {
            Verdict::Done => None,
            Verdict::FailedFrom(index) => {
                Some(format!("it reported record {} as failed", index + 1))
            }
            Verdict::Failed(reason) | Verdict::NotRun(reason) => Some(reason.clone()),
        };
        let next = match (after, &self.mapping.on_failure) {
            (Some(after), _) => format!("tried again in {}", in_words(after)),
            (None, Some(target)) => format!(
                "given up after its last retry; `{}` is told",
                log::short_name(target)
            ),
            (None, None) => "given up after its last retry".to_owned(),
        };
        let callee = &self.mapping.callee;
        self.parts.log.record(Event {
            kind: self.mapping.source.service.to_ascii_uppercase(),
            source: log::short_name(&self.mapping.source),
            target: log::callee_name(callee),
            invocation: Some(RequestId::new(self.last.request_id.clone())),
            records,
            total,
            cold_start: timings.and_then(|timings| timings.init),
            attempt,
            result: reason.map_or(EventResult::Delivered, |reason| EventResult::Failed {
                reason,
                next,
                is_final: after.is_none(),
            }),
        });
    }
}

/// The event: all records in one list.
/// A record with the role of the function as its last member.
fn with_identity(payload: &Bytes, role: &str) -> Bytes {
    let Some(open) = payload.strip_suffix(b"}") else {
        return payload.clone();
    };
    let role = serde_json::Value::from(role).to_string();
    [open, b",\"invokeIdentityArn\":", role.as_bytes(), b"}"]
        .concat()
        .into()
}

pub(crate) fn event_of<'r>(payloads: impl Iterator<Item = &'r Bytes> + Clone) -> Bytes {
    let bytes: usize = payloads.clone().map(|payload| payload.len() + 1).sum();
    let mut event = BytesMut::with_capacity(bytes + 16);
    event.put_slice(b"{\"Records\":[");
    for (index, payload) in payloads.enumerate() {
        if 0 < index {
            event.put_u8(b',');
        }
        event.put_slice(payload);
    }
    event.put_slice(b"]}");
    event.freeze()
}
