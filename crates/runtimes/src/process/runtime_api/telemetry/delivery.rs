//! Carries events to an extension.
//!
//! Lives here: what waits for one extension, batches, the request that carries a batch.
//! Does not live here: which events an extension wants (`subscription`).

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use interfaces::clock::Clock;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::event;
use super::subscription::{Buffering, Destination};
use crate::process::report;
use crate::process::runtime_api::place::Network;

/// How long an extension may take to accept a batch.
const BATCH_WAIT_MAX: Duration = Duration::from_secs(2);
/// As much of its reply as holds the status.
const STATUS_BYTES_MAX: usize = 256;
const TOO_SLOW: &str = "Some logs were dropped because the downstream consumer is slower than the logs production rate";

/// Events that wait for one extension. What does not fit is counted, and told.
pub(super) struct Buffer {
    limits: Buffering,
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    events: Vec<Bytes>,
    bytes: usize,
    dropped_events: usize,
    dropped_bytes: usize,
    is_closed: bool,
}

impl Buffer {
    pub(super) fn new(limits: Buffering) -> Self {
        Self {
            limits,
            waiting: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(super) fn push(&self, event: Bytes) {
        let mut waiting = lock(&self.waiting);
        // One event may be larger than a batch: alone it fits.
        let fits = waiting.events.is_empty()
            || (waiting.events.len() < self.limits.items_max
                && waiting.bytes + event.len() <= self.limits.bytes_max);
        if fits {
            waiting.bytes += event.len();
            waiting.events.push(event);
        } else {
            waiting.dropped_events += 1;
            waiting.dropped_bytes += event.len();
        }
        let is_first = waiting.events.len() == 1;
        let is_full = self.is_full(&waiting);
        drop(waiting);
        if is_first || is_full {
            self.changed.notify_one();
        }
    }

    /// Nothing will follow: what waits goes at once.
    pub(super) fn close(&self) {
        lock(&self.waiting).is_closed = true;
        self.changed.notify_one();
    }

    fn is_full(&self, waiting: &Waiting) -> bool {
        self.limits.items_max <= waiting.events.len() || self.limits.bytes_max <= waiting.bytes
    }

    async fn until(&self, is_enough: impl Fn(&Waiting) -> bool) {
        loop {
            if is_enough(&lock(&self.waiting)) {
                return;
            }
            self.changed.notified().await;
        }
    }

    /// The next batch, once it is full or has waited long enough; none when there will be no more.
    async fn batch(&self) -> Option<Waiting> {
        self.until(|waiting| waiting.is_closed || !waiting.events.is_empty())
            .await;
        let full = self.until(|waiting| waiting.is_closed || self.is_full(waiting));
        let _ = tokio::time::timeout(self.limits.wait_max, full).await;
        let mut waiting = lock(&self.waiting);
        if waiting.events.is_empty() {
            return None;
        }
        let next = Waiting {
            is_closed: waiting.is_closed,
            ..Waiting::default()
        };
        Some(std::mem::replace(&mut waiting, next))
    }

    fn count_dropped(&self, events: usize, bytes: usize) {
        let mut waiting = lock(&self.waiting);
        waiting.dropped_events += events;
        waiting.dropped_bytes += bytes;
    }
}

/// Carries batch after batch, until the buffer is closed and empty.
pub(super) async fn deliver(
    buffer: Arc<Buffer>,
    network: Network,
    destination: Destination,
    clock: Arc<dyn Clock>,
) {
    while let Some(mut batch) = buffer.batch().await {
        if 0 < batch.dropped_events {
            let record = json!({
                "droppedRecords": batch.dropped_events,
                "droppedBytes": batch.dropped_bytes,
                "reason": TOO_SLOW,
            });
            let time = report::instant(clock.now());
            batch
                .events
                .push(event(&time, "platform.logsDropped", record));
        }
        let posting = post(&network, &destination, &batch.events);
        let sent = tokio::time::timeout(BATCH_WAIT_MAX, posting).await;
        if !matches!(sent, Ok(Ok(()))) {
            buffer.count_dropped(
                batch.events.len() + batch.dropped_events,
                batch.bytes + batch.dropped_bytes,
            );
        }
    }
}

async fn post(network: &Network, destination: &Destination, events: &[Bytes]) -> io::Result<()> {
    let mut body = BytesMut::new();
    body.put_u8(b'[');
    for (index, event) in events.iter().enumerate() {
        if 0 < index {
            body.put_u8(b',');
        }
        body.extend_from_slice(event);
    }
    body.put_u8(b']');
    let Destination { host, port, path } = destination;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = network.reach_extension(*port).await?;
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    let mut status = Vec::new();
    let mut stream = stream.take(STATUS_BYTES_MAX as u64);
    while !status.contains(&b'\n') {
        if stream.read_buf(&mut status).await? == 0 {
            break;
        }
    }
    let is_accepted = status.starts_with(b"HTTP/1.") && status.get(9) == Some(&b'2');
    is_accepted
        .then_some(())
        .ok_or_else(|| io::Error::other("the extension refused a batch"))
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
