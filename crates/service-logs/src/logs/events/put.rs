//! Taking events in.
//!
//! Contract: `PutLogEvents`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::Context;
use super::super::groups::find;
use super::super::streams::sequence_token;
use crate::engine::append::{Appending, EVENT_OVERHEAD, Incoming, Lot};
use crate::engine::state::State;
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, group_name, set, stream_name};

const EVENTS_MAX: usize = 10_000;
const BATCH_BYTES_MAX: usize = 1_048_576;
const HOUR_MS: i64 = 60 * 60 * 1_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// None may be newer than this.
const AHEAD_MS: i64 = 2 * HOUR_MS;
/// None may be older.
const BEHIND_MS: i64 = 14 * DAY_MS;

/// Which events are left out, as positions in the request.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rejected {
    too_new_from: Option<usize>,
    too_old_until: Option<usize>,
    expired_until: Option<usize>,
}

pub(in super::super) async fn put_log_events(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("PutLogEvents", &["entity"])?;
    let group = group_name(&mut fields, "logGroupName")?;
    let stream = stream_name(&mut fields, "logStreamName")?;
    // Sequence tokens are ignored, as AWS does now.
    fields.take("sequenceToken");
    let given = fields.take("logEvents").unwrap_or_default();
    let given = given.as_array().map(Vec::as_slice).unwrap_or_default();
    if given.is_empty() {
        fields.violate(
            Some("[]"),
            "logEvents",
            "have length greater than or equal to 1",
        );
    }
    if EVENTS_MAX < given.len() {
        fields.violate(
            Some("[…]"),
            "logEvents",
            &format!("have length less than or equal to {EVENTS_MAX}"),
        );
    }
    fields.finish()?;
    let events = read(given)?;
    let now_ms = context.catalogue.now_ms();
    let decide = |state: &State| {
        let kept = find(state, &group)?;
        let there = state.stream(&group, &stream).ok_or_else(Fault::no_stream)?;
        let (events, rejected) = judge(events, now_ms, kept.row.retention_days);
        let mut appending = Appending::new(context.catalogue, context.place, state);
        let lot = Lot {
            stream: Arc::clone(there),
            events,
        };
        if !lot.events.is_empty() {
            appending.add(kept, &lot);
        }
        let answer = json!({
            "nextSequenceToken": sequence_token(there),
            "rejectedLogEventsInfo": rejected.shown(),
        });
        Ok((set(answer), appending.finish()))
    };
    context.catalogue.change(context.place, decide).await
}

fn read(given: &[Value]) -> Result<Vec<Incoming>, Fault> {
    let mut events = Vec::with_capacity(given.len());
    let mut bytes = 0_usize;
    for (number, one) in given.iter().enumerate() {
        let at_ms = one.get("timestamp").and_then(Value::as_i64);
        let message = one.get("message").and_then(Value::as_str);
        let (Some(at_ms), Some(message)) = (at_ms, message) else {
            let number = number + 1;
            return Err(Fault::parameter(format!(
                "1 validation error detected: Value null at 'logEvents.{number}.member' failed to satisfy constraint: \
                 Member must not be null"
            )));
        };
        if message.is_empty() || at_ms < 0 {
            let number = number + 1;
            let (name, rule) = match message.is_empty() {
                true => ("message", "have length greater than or equal to 1"),
                false => ("timestamp", "have value greater than or equal to 0"),
            };
            return Err(Fault::parameter(format!(
                "1 validation error detected: Value at 'logEvents.{number}.member.{name}' failed to satisfy constraint: \
                 Member must {rule}"
            )));
        }
        bytes += message.len() + EVENT_OVERHEAD;
        events.push(Incoming {
            at_ms,
            message: message.to_owned(),
        });
    }
    if BATCH_BYTES_MAX < bytes {
        let message = format!("Upload too large: {bytes} bytes exceeds limit of {BATCH_BYTES_MAX}");
        return Err(Fault::parameter(message));
    }
    let times = || events.iter().map(|event| event.at_ms);
    if !times().is_sorted() {
        let message = "Log events in a single PutLogEvents request must be in chronological order.";
        return Err(Fault::parameter(message));
    }
    let span = times().next_back().zip(times().next());
    if span.is_some_and(|(last, first)| DAY_MS < last - first) {
        let message = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
        return Err(Fault::parameter(message));
    }
    Ok(events)
}

fn judge(
    events: Vec<Incoming>,
    now_ms: i64,
    retention_days: Option<i64>,
) -> (Vec<Incoming>, Rejected) {
    let expired_ms = retention_days.map(|days| now_ms - days * DAY_MS);
    let until = |before_ms: i64| {
        let count = events.partition_point(|event| event.at_ms < before_ms);
        (0 < count).then_some(count)
    };
    let too_new = events.partition_point(|event| event.at_ms <= now_ms + AHEAD_MS);
    let rejected = Rejected {
        too_new_from: (too_new < events.len()).then_some(too_new),
        too_old_until: until(now_ms - BEHIND_MS),
        expired_until: expired_ms.and_then(until),
    };
    let first = rejected
        .too_old_until
        .max(rejected.expired_until)
        .unwrap_or(0);
    let count = too_new.saturating_sub(first);
    let taken = events.into_iter().skip(first).take(count);
    (taken.collect(), rejected)
}

impl Rejected {
    fn shown(&self) -> Option<Value> {
        (*self != Self::default()).then(|| {
            set(json!({
                "tooNewLogEventStartIndex": self.too_new_from,
                "tooOldLogEventEndIndex": self.too_old_until,
                "expiredLogEventEndIndex": self.expired_until,
            }))
        })
    }
}
