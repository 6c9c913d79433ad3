//! Batches of messages and what becomes of each message.
//!
//! Lives here: calling the function with a batch, trying again while it is throttled, deleting what it handled.
//! Does not live here: receiving and gathering (`queue`), how an answer is read (`answer`).

use std::sync::Arc;
use std::time::Duration;

use interfaces::invoke::{Invocation, NotRun, Outcome, Timings};
use interfaces::message_source::{MessageSource, QueueError, QueueMessage};
use model::event_source::Mapping;
use model::ids::RequestId;
use model::limits::LAMBDA_SYNC_PAYLOAD_BYTES_MAX;
use model::lineage::{self, CALLS_IN_CHAIN_MAX, FunctionMark, Lineage};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::answer;
use crate::attempt::words_of;
use crate::delivery::{Parts, trace_id};
use crate::lane::event_of;
use crate::log::{self, Event, EventResult};

/// How long a batch that found its function throttled is kept for another try. Its messages are invisible meanwhile.
const KEEP_TRYING: Duration = Duration::from_secs(10);
/// How often deleting messages is tried. Those that stay are delivered again.
const DELETES_MAX: usize = 5;
/// Bytes of the event around its records.
const ENVELOPE_BYTES: usize = 64;
/// How long the first retry of a batch that found its function throttled waits.
const THROTTLED_MIN: Duration = Duration::from_millis(250);

/// What each call needs.
pub(crate) struct Work {
    pub(crate) parts: Arc<Parts>,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) stop: CancellationToken,
}

/// How a batch ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Called {
    pub(crate) bytes: usize,
    pub(crate) was_throttled: bool,
}

/// Whether messages of a queue may overtake one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Any,
    Kept,
}

/// What a function made of a batch.
enum Verdict {
    /// It is done with all but these.
    Except(Vec<usize>),
    /// It failed with all of them.
    Failed(String),
    /// It never saw them.
    NotRun(String),
    /// The same, because some of them come from a loop of this function.
    Recursive(FunctionMark, String),
}

impl Work {
    pub(crate) fn source(&self) -> Option<&Arc<dyn MessageSource>> {
        let mut sources = self.parts.messages.iter();
        sources.find(|source| source.serves(&self.mapping.source))
    }

    /// Calls the function with a batch: with parts of it, one after the other, when its event would be too long.
    pub(crate) async fn deliver(&self, batch: Vec<QueueMessage>) -> Called {
        let bytes = bytes_of(&batch);
        let order = match self.mapping.source.resource.ends_with(".fifo") {
            true => Order::Kept,
            false => Order::Any,
        };
        let mut rest = batch;
        while !rest.is_empty() {
            let later = rest.split_off(fitting(&rest));
            let piece = std::mem::replace(&mut rest, later);
            let (failed, was_throttled) = self.deliver_piece(piece, order).await;
            // What follows a message that failed may not overtake it.
            if was_throttled || (order == Order::Kept && 0 < failed) {
                return Called {
                    bytes,
                    was_throttled,
                };
            }
        }
        Called {
            bytes,
            was_throttled: false,
        }
    }

    /// How many messages of the piece failed, and whether the function never saw it.
    async fn deliver_piece(&self, piece: Vec<QueueMessage>, order: Order) -> (usize, bool) {
        let gives_up_at = Instant::now() + KEEP_TRYING;
        let mut refusals = 0_u32;
        let (mut piece, mut stopped) = (piece, 0);
        loop {
            let began = self.parts.clock.instant();
            let request_id = self.parts.random.request_id();
            let (verdict, timings) = self.call(&piece, &request_id).await;
            let total = self.parts.clock.instant().saturating_duration_since(began);
            let pause = THROTTLED_MIN.saturating_mul(1 << refusals.min(6));
            if let Verdict::Recursive(mark, _) = &verdict {
                let looping = without_looping(&mut piece, *mark, order);
                self.show(&verdict, &looping, (total, timings), &request_id, None);
                stopped += looping.len();
                if looping.is_empty() || piece.is_empty() {
                    return (stopped + piece.len(), false);
                }
                continue;
            }
            let tries_again = matches!(verdict, Verdict::NotRun(_))
                && Instant::now() + pause < gives_up_at
                && !self.stop.is_cancelled();
            let next = tries_again.then_some(pause);
            self.show(&verdict, &piece, (total, timings), &request_id, next);
            let failed = match verdict {
                Verdict::Except(failed) => failed,
                Verdict::Failed(_) | Verdict::Recursive(..) => {
                    return (stopped + piece.len(), false);
                }
                Verdict::NotRun(_) if tries_again => {
                    refusals += 1;
                    tokio::select! {
                        () = tokio::time::sleep(pause) => continue,
                        () = self.stop.cancelled() => return (stopped + piece.len(), true),
                    }
                }
                Verdict::NotRun(_) => return (stopped + piece.len(), true),
            };
            let done: Vec<&QueueMessage> = piece
                .iter()
                .enumerate()
                .filter(|(place, _)| !failed.contains(place))
                .map(|(_, message)| message)
                .collect();
            self.delete(&done).await;
            return (stopped + failed.len(), false);
        }
    }

    async fn call(
        &self,
        piece: &[QueueMessage],
        request_id: &RequestId,
    ) -> (Verdict, Option<Timings>) {
        let invocation = Invocation {
            function: self.mapping.callee.function.clone(),
            qualifier: self.mapping.callee.qualifier.clone(),
            trace_id: trace_of(piece, request_id, self.parts.clock.now().epoch_s()),
            request_id: request_id.clone(),
            payload: event_of(piece.iter().map(|message| &message.payload)),
            wait_until: None,
            client_context: None,
        };
        let reply = match self.parts.invoke.invoke(invocation).await {
            Ok(reply) => reply,
            Err(ref not_run @ NotRun::Recursive { ref arn, .. }) => {
                let mark = FunctionMark::of(&arn.to_string());
                let reason = format!("{not_run}; {}", lineage::HELP);
                return (Verdict::Recursive(mark, reason), None);
            }
            Err(not_run) => return (Verdict::NotRun(not_run.to_string()), None),
        };
        let verdict = match reply.outcome {
            Outcome::Failed(error) => Verdict::Failed(words_of(&error.payload)),
            Outcome::Returned(returned) => {
                let ids: Vec<&str> = piece.iter().map(|message| message.id.as_str()).collect();
                match answer::failed_messages(self.mapping.answers, &returned, &ids) {
                    Ok(failed) => Verdict::Except(failed.into_iter().collect()),
                    Err(reason) => Verdict::Failed(reason),
                }
            }
        };
        (verdict, Some(reply.timings))
    }

    pub(crate) async fn delete(&self, messages: &[&QueueMessage]) {
        let Some(source) = self.source().filter(|_| !messages.is_empty()) else {
            return;
        };
        let receipts: Vec<String> = messages
            .iter()
            .map(|message| message.receipt.clone())
            .collect();
        for attempt in 1..=DELETES_MAX {
            let Err(error) = source.delete(&self.mapping.source, &receipts).await else {
                return;
            };
            if attempt == DELETES_MAX || matches!(error, QueueError::Missing { .. }) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    queue = %self.mapping.source,
                    "messages that were handled could not be deleted: they may be delivered again"
                );
                return;
            }
            tokio::time::sleep(THROTTLED_MIN).await;
        }
    }

    /// Gives back what nobody was called with.
    pub(crate) async fn release(&self, messages: &[QueueMessage]) {
        let Some(source) = self.source().filter(|_| !messages.is_empty()) else {
            return;
        };
        let receipts: Vec<String> = messages
            .iter()
            .map(|message| message.receipt.clone())
            .collect();
        // If it fails, they come back when their visibility timeout has passed.
        let _ = source
            .release(&self.mapping.source, &receipts, Duration::ZERO)
            .await;
    }

    fn show(
        &self,
        verdict: &Verdict,
        piece: &[QueueMessage],
        (total, timings): (Duration, Option<Timings>),
        request_id: &RequestId,
        next: Option<Duration>,
    ) {
        let failed = |reason: &str, places: &[usize], next: Option<Duration>| {
            let messages: Vec<&QueueMessage> = places
                .iter()
                .filter_map(|place| piece.get(*place))
                .collect();
            let next = next.map(|pause| format!("tried again in {}", log::in_words(pause)));
            EventResult::Failed {
                reason: reason.to_owned(),
                is_final: next.is_none() && messages.iter().all(|it| it.dead_letters.is_some()),
                next: next.unwrap_or_else(|| what_follows(&messages)),
            }
        };
        let all: Vec<usize> = (0..piece.len()).collect();
        let result = match verdict {
            Verdict::Except(places) if places.is_empty() => EventResult::Delivered,
            Verdict::Except(places) => {
                let reason = format!("it reported {} of them as failed", places.len());
                failed(&reason, places, None)
            }
            Verdict::Failed(reason) | Verdict::Recursive(_, reason) => failed(reason, &all, None),
            Verdict::NotRun(reason) => failed(reason, &all, next),
        };
        self.parts.log.record(Event {
            kind: self.mapping.source.service.to_ascii_uppercase(),
            source: log::short_name(&self.mapping.source),
            target: log::callee_name(&self.mapping.callee),
            invocation: Some(request_id.clone()),
            records: piece.len(),
            total,
            cold_start: timings.and_then(|timings| timings.init),
            attempt: piece.iter().map(|it| it.receives).max().unwrap_or(1),
            result,
        });
    }
}

/// What becomes of messages that were not handled.
fn what_follows(messages: &[&QueueMessage]) -> String {
    const AFTER: &str = "once the queue's visibility timeout has passed";
    let mut to_dead_letters = messages.iter().filter_map(|it| it.dead_letters.as_ref());
    let Some(queue) = to_dead_letters.next() else {
        return format!("received again {AFTER}");
    };
    let queue = log::short_name(queue);
    match 1 + to_dead_letters.count() {
        count if count == messages.len() => {
            format!("received for the last time: goes to `{queue}` {AFTER}")
        }
        count => {
            let rest = messages.len() - count;
            format!("{count} go to `{queue}`, {rest} are received again, {AFTER}")
        }
    }
}

/// Takes the messages out of a piece that come from a loop of the function: they are received again, until their queue gives
/// them up. Nothing of their groups overtakes them.
fn without_looping(
    piece: &mut Vec<QueueMessage>,
    mark: FunctionMark,
    order: Order,
) -> Vec<QueueMessage> {
    let mut groups: Vec<Option<String>> = Vec::new();
    let goes = |message: &QueueMessage| {
        let trace = message.trace.as_deref().unwrap_or_default();
        let loops = CALLS_IN_CHAIN_MAX <= Lineage::of_trace(trace).calls_of(mark);
        let is_behind = order == Order::Kept && groups.contains(&message.group);
        if loops && !is_behind {
            groups.push(message.group.clone());
        }
        loops || is_behind
    };
    let (looping, others) = std::mem::take(piece).into_iter().partition(goes);
    *piece = others;
    looping
}

/// A trace of its own for a batch, with what led to its messages.
fn trace_of(piece: &[QueueMessage], request_id: &RequestId, epoch_s: i64) -> String {
    let trace = trace_id(request_id, epoch_s);
    let mut joined = Lineage::default();
    let traces = piece.iter().filter_map(|message| message.trace.as_deref());
    traces.for_each(|trace| joined.join(&Lineage::of_trace(trace)));
    joined.on(&trace)
}

pub(crate) fn payload_max() -> usize {
    LAMBDA_SYNC_PAYLOAD_BYTES_MAX - ENVELOPE_BYTES
}

pub(crate) fn bytes_of(batch: &[QueueMessage]) -> usize {
    let bytes = batch.iter().map(|message| message.payload.len() + 1);
    bytes.sum()
}

/// How many of the first messages make an event that is not too long; one, at least.
fn fitting(batch: &[QueueMessage]) -> usize {
    let mut bytes = 0;
    let fitting = batch.iter().take_while(|message| {
        bytes += message.payload.len() + 1;
        bytes <= payload_max()
    });
    fitting.count().max(1)
}

#[cfg(test)]
mod tests {
    use model::arn::Arn;
    use model::time::Timestamp;

    use super::*;

    fn message(dead_letters: Option<&str>) -> QueueMessage {
        QueueMessage {
            id: "m".to_owned(),
            receipt: "r".to_owned(),
            sent_at: Timestamp::from_micros(0),
            group: None,
            receives: 2,
            dead_letters: dead_letters.and_then(|arn| Arn::parse(arn).ok()),
            trace: None,
            payload: bytes::Bytes::new(),
        }
    }

    #[test]
    fn what_comes_from_a_loop_is_taken_out_of_a_batch_and_of_a_fifo_queue_with_what_follows_in_its_group()
     {
        let mark = FunctionMark::of("arn:aws:lambda:us-east-1:1:function:f");
        let traced = |id: &str, group: &str, calls: u32| {
            let mut lineage = Lineage::default();
            (0..calls).for_each(|_| lineage.count(mark));
            QueueMessage {
                id: id.to_owned(),
                group: Some(group.to_owned()),
                trace: Some(lineage.on("Root=1")),
                ..message(None)
            }
        };
        let ids = |messages: &[QueueMessage]| -> String {
            messages.iter().map(|it| it.id.as_str()).collect()
        };
        for (order, stays, goes) in [(Order::Any, "acde", "b"), (Order::Kept, "ace", "bd")] {
            let mut piece = vec![
                traced("a", "g", 15),
                traced("b", "g", 16),
                traced("c", "h", 0),
                traced("d", "g", 0),
                traced("e", "h", 0),
            ];
            let looping = without_looping(&mut piece, mark, order);
            assert_eq!((&*ids(&piece), &*ids(&looping)), (stays, goes));
        }
    }

    #[test]
    fn the_last_receive_of_a_message_names_where_it_goes() {
        let (again, last) = (message(None), message(Some("arn:aws:sqs:r:1:graves")));
        for (messages, words) in [
            (vec![&again], "received again once"),
            (
                vec![&last, &last],
                "received for the last time: goes to `graves` once",
            ),
            (
                vec![&again, &last],
                "1 go to `graves`, 1 are received again, once",
            ),
        ] {
            let said = what_follows(&messages);
            assert!(said.starts_with(words), "{said}");
        }
    }
}
