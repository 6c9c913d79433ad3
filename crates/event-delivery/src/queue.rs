//! Calling a function with the messages of a queue.
//!
//! Lives here: receiving, gathering batches, how many calls run at once.
//! Does not live here: what becomes of a batch (`messages`), which messages are visible and where they end when they fail too often (the queue's service).
//!
//! Contract: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS", "Configuring scaling behavior for SQS event source
//! mappings", "Handling errors for an SQS event source in Lambda". A batch that fails becomes visible again when the queue's
//! visibility timeout has passed. While its function is throttled, a queue is read less and less.
//! Differs: a queue is not read at all while its function has no concurrency, so that its messages do not wear out.

use std::sync::Arc;
use std::time::Duration;

use interfaces::message_source::{QueueError, QueueMessage};
use model::event_source::Mapping;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::attempt::Served;
use crate::delivery::Parts;
use crate::filters::Filters;
use crate::messages::{Called, Work, bytes_of, payload_max};
use crate::permissions::check_mapping;

/// Calls at once with which a mapping begins.
const CALLS_BEGIN: usize = 5;
/// Calls at once that a mapping gains every [`GROW_EVERY`] while all are in use: 300 a minute.
const CALLS_GROW: usize = 5;
const GROW_EVERY: Duration = Duration::from_secs(1);
/// Calls at once of a mapping that names no maximum.
const CALLS_MAX: usize = 1_250;
/// Bytes of the messages that are under way at once, of one mapping.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long one look at an empty queue waits for a message.
const RECEIVE_WAIT: Duration = Duration::from_secs(20);
/// How long it is waited after a queue could not be read, and between two looks whether it may be.
const AFTER_FAULT: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a queue is left alone, at first, after its function was throttled.
const THROTTLED_MIN: Duration = Duration::from_millis(250);
/// How long a queue is left alone, at most, after its function was throttled.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Reads one queue for one mapping.
pub(crate) struct QueueReader {
    work: Arc<Work>,
    served: watch::Receiver<Option<Arc<Served>>>,
    revision: watch::Receiver<u64>,
    filters: Filters,
    calls: JoinSet<Called>,
    bytes_under_way: usize,
    calls_max: usize,
    grown_at: Instant,
    /// How often in a row the function was throttled.
    throttled: u32,
    /// What was said last of why nothing is read.
    said: Option<String>,
}

impl QueueReader {
    pub(crate) fn new(
        parts: &Arc<Parts>,
        mapping: &Arc<Mapping>,
        served: watch::Receiver<Option<Arc<Served>>>,
        revision: watch::Receiver<u64>,
        stop: CancellationToken,
    ) -> Self {
        let work = Work {
            parts: Arc::clone(parts),
            mapping: Arc::clone(mapping),
            stop,
        };
        Self {
            served,
            revision,
            filters: Filters::of(mapping),
            calls: JoinSet::new(),
            bytes_under_way: 0,
            calls_max: CALLS_BEGIN,
            grown_at: Instant::now(),
            throttled: 0,
            said: None,
            work: Arc::new(work),
        }
    }

    /// Runs until it is stopped; calls that are under way are waited for.
    pub(crate) async fn run(mut self) {
        let stop = self.work.stop.clone();
        while !stop.is_cancelled() {
            if let Some(reason) = self.not_now() {
                self.say(&reason);
                self.pause(LOOK_EVERY).await;
                continue;
            }
            if !self.has_room().await {
                continue;
            }
            match self.gather().await {
                Ok(batch) if batch.is_empty() => self.said = None,
                Ok(batch) => {
                    self.said = None;
                    self.start(batch);
                }
                Err(error) => {
                    self.say(&error.to_string());
                    self.pause(AFTER_FAULT).await;
                }
            }
        }
        while self.calls.join_next().await.is_some() {}
    }

    /// Why the queue may not be read.
    fn not_now(&self) -> Option<String> {
        let served = self.served.borrow().clone()?;
        let (parts, mapping) = (&self.work.parts, &self.work.mapping);
        if let Err(denied) = check_mapping(parts.authorize.as_ref(), &served.application, mapping) {
            return Some(format!(
                "the role of the function may not read the queue: {}",
                denied.message
            ));
        }
        if !parts.messages.iter().any(|it| it.serves(&mapping.source)) {
            return Some("no queues are served here".to_owned());
        }
        let callee = &mapping.callee;
        let function = served
            .application
            .function(&callee.function, callee.qualifier.as_deref());
        match function {
            None => Some("its function is not there".to_owned()),
            Some(function) if function.reserved_concurrency == Some(0) => {
                Some("the reserved concurrency of its function is 0".to_owned())
            }
            Some(_) => None,
        }
    }

    /// Waits until another call may begin. False when something else has to be looked at first.
    async fn has_room(&mut self) -> bool {
        while let Some(called) = self.calls.try_join_next() {
            self.ended(called.ok());
        }
        if 0 < self.throttled {
            // A function that is throttled is asked by one call at a time.
            if !self.calls.is_empty() {
                self.wait_for_call().await;
                return false;
            }
            let shift = self.throttled.min(8);
            let pause = THROTTLED_MIN.saturating_mul(1 << shift).min(PAUSE_MAX);
            self.pause(pause).await;
            return !self.work.stop.is_cancelled();
        }
        let most = self.most();
        self.calls_max = self.calls_max.min(most);
        let is_full = self.calls_max <= self.calls.len();
        if !is_full && self.bytes_under_way < BYTES_MAX {
            return true;
        }
        if is_full && self.calls_max < most {
            let grow_at = self.grown_at + GROW_EVERY;
            if grow_at <= Instant::now() {
                self.calls_max = (self.calls_max + CALLS_GROW).min(most);
                self.grown_at = Instant::now();
                return true;
            }
            let _ = tokio::time::timeout_at(grow_at, self.wait_for_call()).await;
            return false;
        }
        self.wait_for_call().await;
        false
    }

    /// Calls that may ever run at once: no more than the mapping allows, nor than the function has reserved.
    fn most(&self) -> usize {
        let mapping = &self.work.mapping;
        let served = self.served.borrow().clone();
        let reserved = served.and_then(|served| {
            let callee = &mapping.callee;
            let function = served
                .application
                .function(&callee.function, callee.qualifier.as_deref());
            function?.reserved_concurrency
        });
        let allowed = mapping.concurrency_max.unwrap_or(CALLS_MAX);
        allowed.min(reserved.unwrap_or(CALLS_MAX)).max(1)
    }

    async fn wait_for_call(&mut self) {
        let stop = self.work.stop.clone();
        tokio::select! {
            Some(called) = self.calls.join_next() => self.ended(called.ok()),
            () = stop.cancelled() => {}
        }
    }

    fn ended(&mut self, called: Option<Called>) {
        let Some(called) = called else {
            return;
        };
        self.bytes_under_way = self.bytes_under_way.saturating_sub(called.bytes);
        self.throttled = if called.was_throttled {
            self.throttled.saturating_add(1)
        } else {
            0
        };
    }

    /// The next batch. An empty one: nothing came, or it is to stop.
    async fn gather(&mut self) -> Result<Vec<QueueMessage>, QueueError> {
        let work = Arc::clone(&self.work);
        let Some(source) = work.source() else {
            return Ok(Vec::new());
        };
        let mapping = &work.mapping;
        let mut batch: Vec<QueueMessage> = Vec::new();
        let mut closes_at: Option<Instant> = None;
        loop {
            let wait = closes_at.map_or(RECEIVE_WAIT, |at| at - Instant::now());
            let room = mapping.batch_records_max.saturating_sub(batch.len());
            let received = tokio::select! {
                received = source.receive(&mapping.source, room, wait) => received,
                () = work.stop.cancelled() => {
                    work.release(&batch).await;
                    return Ok(Vec::new());
                }
            };
            let received = match received {
                Ok(received) => received,
                // What was gathered before is delivered all the same.
                Err(_) if !batch.is_empty() => return Ok(batch),
                Err(error) => return Err(error),
            };
            if received.is_empty() && batch.is_empty() {
                return Ok(batch);
            }
            let (wanted, unwanted): (Vec<_>, Vec<_>) = received
                .into_iter()
                .partition(|message| self.filters.want(&message.payload));
            if !unwanted.is_empty() {
                work.delete(&unwanted.iter().collect::<Vec<_>>()).await;
            }
            batch.extend(wanted);
            if batch.is_empty() {
                continue;
            }
            let at = *closes_at.get_or_insert_with(|| Instant::now() + mapping.batch_window);
            let is_full =
                mapping.batch_records_max <= batch.len() || payload_max() <= bytes_of(&batch);
            if is_full || at <= Instant::now() {
                return Ok(batch);
            }
        }
    }

    fn start(&mut self, batch: Vec<QueueMessage>) {
        self.bytes_under_way += bytes_of(&batch);
        let work = Arc::clone(&self.work);
        self.calls.spawn(async move { work.deliver(batch).await });
    }

    fn say(&mut self, reason: &str) {
        if self.said.as_deref() == Some(reason) {
            return;
        }
        self.said = Some(reason.to_owned());
        tracing::warn!(
            function = %self.work.mapping.callee.function,
            source = %self.work.mapping.source,
            reason,
            "nothing is delivered from this queue now"
        );
    }

    /// Waits, but not past the next revision.
    async fn pause(&mut self, time: Duration) {
        self.revision.mark_unchanged();
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            Ok(()) = self.revision.changed() => {}
            () = self.work.stop.cancelled() => {}
        }
    }
}
