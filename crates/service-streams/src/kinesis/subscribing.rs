//! `SubscribeToShard`: records as a stream of events.
//!
//! Lives here: what is sent and when, the end of a subscription.
//! Does not live here: consumers (`consumers`), which subscription of one holds (`engine::subscriptions`), the framing of events
//! (`aws_wire::event_stream`).
//!
//! Contract: Amazon Kinesis Data Streams API Reference, `SubscribeToShard`: for five minutes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use aws_wire::event_stream;
use bytes::{Bytes, BytesMut};
use interfaces::record_source::News;
use interfaces::service::{Rest, RestPieces, ServiceAnswer};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::reading::{Start, start_of};
use super::{Context, StreamRef, consumers, shown};
use crate::cbor::{self, Wire};
use crate::engine::catalogue::Catalogue;
use crate::engine::numbers::Place;
use crate::engine::rows::Stream;
use crate::engine::subscriptions::{Key, NoPlace};
use crate::fault::{self, Fault};
use crate::fields::{ARN, Fields, NAME, insert};

/// How long a subscription holds.
const HOLDS_FOR: Duration = Duration::from_mins(5);
/// After so long without records an event without any is sent: whoever has gone is noticed.
const SILENT_MAX: Duration = Duration::from_secs(5);
/// Records of one event, and their bytes.
const EVENT_RECORDS_MAX: usize = 1_000;
const EVENT_BYTES_MAX: usize = 1_024 * 1_024;

/// Answers with the events of a shard.
pub(crate) async fn subscribe_to_shard(
    context: &Context<'_>,
    catalogue: &Arc<Catalogue>,
    mut fields: Fields,
    wire: Wire,
) -> Result<ServiceAnswer, Fault> {
    let consumer = fields.required("ConsumerARN", &ARN);
    let shard = fields.required("ShardId", &NAME);
    let position = fields.take("StartingPosition");
    if position.is_none() {
        fields.violate(None, "startingPosition", "not be null");
    }
    let mut position = Fields::of_value(position.unwrap_or_else(|| json!({})))?;
    let start = Start::take(&mut position, "Type", "SequenceNumber");
    fields.finish()?;
    position.finish()?;
    let asked = StreamRef::read_arn(&consumer)?;
    let stream = context.stream(&asked).await?;
    let stream_arn = asked.arn();
    if !is_registered(&stream, &stream_arn, &consumer) {
        return Err(consumers::missing(&consumer));
    }
    let shard = stream
        .shard_called(&shard)
        .ok_or_else(|| Fault::no_shard(&asked.place, &asked.name, &shard))?;
    let after = start_of(context, (&asked, &stream, shard), &start).await?;
    // Before the subscription is answered: what is put from then on is not missed.
    let news = catalogue.wakers.wait_for_shard(&stream_arn, shard.number);
    let key = (consumer, shard.number);
    let number = catalogue.subscriptions.begin(&key);
    let number = number.map_err(|none| match none {
        NoPlace::InUse => Fault::in_use(format!(
            "Another active subscription exists for this consumer: {}.",
            key.0
        )),
        NoPlace::TooMany => Fault::limit("Too many subscriptions are open."),
    })?;
    let state = Subscription {
        catalogue: Arc::clone(catalogue),
        key,
        number,
        ends_at: Instant::now() + HOLDS_FOR,
        stream: asked,
        id: stream.id,
        after,
        news,
        wire,
        is_over: false,
    };
    let mut begin = BytesMut::new();
    frame(&mut begin, "initial-response", wire, &json!({}));
    let mut answer = fault::answer(200, wire, &Value::Null);
    answer.headers = vec![("content-type", event_stream::CONTENT_TYPE.to_owned())];
    answer.body = begin.freeze();
    answer.rest = Some(Rest::new(Events(Box::pin(state.next()))));
    Ok(answer)
}

/// One subscription.
struct Subscription {
    catalogue: Arc<Catalogue>,
    key: Key,
    number: u64,
    ends_at: Instant,
    stream: StreamRef,
    /// The stream's id: another one may have its name by now.
    id: u64,
    after: Place,
    news: Box<dyn News>,
    wire: Wire,
    is_over: bool,
}

type Step = Pin<Box<dyn Future<Output = (Subscription, Option<Bytes>)> + Send>>;

/// The events, each made when it is asked for.
struct Events(Step);

impl RestPieces for Events {
    fn poll_next(&mut self, context: &mut std::task::Context<'_>) -> Poll<Option<Bytes>> {
        let (state, event) = ready!(self.0.as_mut().poll(context));
        self.0 = Box::pin(state.next());
        Poll::Ready(event)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.catalogue.subscriptions.end(&self.key, self.number);
    }
}

impl Subscription {
    /// The next event; none: it is over.
    async fn next(mut self) -> (Self, Option<Bytes>) {
        let silent_until = Instant::now() + SILENT_MAX;
        loop {
            let is_held = self.catalogue.subscriptions.holds(&self.key, self.number);
            if self.is_over || !is_held || self.ends_at <= Instant::now() {
                self.is_over = true;
                return (self, None);
            }
            match self.look(silent_until).await {
                Ok(Some(event)) => return (self, Some(event)),
                Ok(None) if self.is_over => continue,
                Ok(None) => {}
                Err(fault) => {
                    tracing::warn!(error = %fault, "a subscription to a shard ends");
                    self.is_over = true;
                    return (self, None);
                }
            }
            let until = silent_until.min(self.ends_at);
            tokio::select! {
                () = self.news.wait() => {}
                () = self.catalogue.subscriptions.all_over() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// What is new; from then on, also that nothing is.
    async fn look(&mut self, silent_until: Instant) -> Result<Option<Bytes>, Fault> {
        let asked = &self.stream;
        let found = self.catalogue.find(&asked.place, &asked.name).await?;
        let missing = || Fault::no_stream(&asked.place, &asked.name);
        let stream = found.filter(|stream| stream.id == self.id);
        let stream = stream.ok_or_else(missing)?;
        if !is_registered(&stream, &asked.arn(), &self.key.0) {
            self.is_over = true;
            return Ok(None);
        }
        let mut shards = stream.shards.iter();
        let Some(shard) = shards.find(|shard| shard.number == self.key.1) else {
            self.is_over = true;
            return Ok(None);
        };
        let bounds = (EVENT_RECORDS_MAX, EVENT_BYTES_MAX);
        let read = self
            .catalogue
            .read(&stream, shard.number, self.after, bounds);
        let read = read.await?;
        let is_end = !read.more && !shard.is_open();
        if read.records.is_empty() && !is_end && Instant::now() < silent_until {
            self.after = read.next;
            return Ok(None);
        }
        let now = self.catalogue.clock.now();
        let behind = match (read.more, read.records.last()) {
            (true, Some(last)) => u64::try_from(now.since(last.at).as_millis()),
            (true, None) | (false, _) => Ok(0),
        };
        let records = read.records.iter();
        let records: Vec<Value> = records.map(|one| shown::record(shard, one)).collect();
        self.after = read.next;
        let mut event = json!({
            "Records": records,
            "MillisBehindLatest": behind.unwrap_or(u64::MAX),
        });
        if is_end {
            self.is_over = true;
            let children = shown::children(&stream, shard.number);
            insert(&mut event, "ChildShards", children);
        } else {
            insert(
                &mut event,
                "ContinuationSequenceNumber",
                shard.sequence(self.after),
            );
        }
        let mut framed = BytesMut::new();
        frame(&mut framed, "SubscribeToShardEvent", self.wire, &event);
        Ok(Some(framed.freeze()))
    }
}

fn is_registered(stream: &Stream, stream_arn: &str, consumer: &str) -> bool {
    let mut consumers = stream.consumers.iter();
    consumers.any(|there| there.arn(stream_arn) == consumer)
}

fn frame(out: &mut BytesMut, event_type: &str, wire: Wire, payload: &Value) {
    let (content_type, payload) = match wire {
        Wire::Json => (
            "application/x-amz-json-1.1",
            payload.to_string().into_bytes(),
        ),
        Wire::Cbor => (cbor::CONTENT_TYPE, cbor::encode(payload)),
    };
    event_stream::event(out, event_type, content_type, &payload);
}
