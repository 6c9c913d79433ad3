//! A queue that a test holds in its hand, with visibility timeouts, receipts and message groups as the real one has.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use interfaces::BoxFuture;
use interfaces::message_source::{MessageSource, QueueError, QueueMessage};
use model::arn::Arn;
use model::time::Timestamp;
use serde_json::json;
use tokio::time::Instant;

const POLL: Duration = Duration::from_millis(20);

pub(super) struct FakeQueue {
    messages: Mutex<Vec<Row>>,
    receipts: AtomicU64,
    visibility: Duration,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Standard,
    Fifo,
}

struct Row {
    number: u64,
    group: Option<String>,
    visible_at: Instant,
    receipt: Option<String>,
    receives: u32,
}

impl FakeQueue {
    pub(super) fn new(kind: Kind, visibility: Duration) -> Self {
        Self {
            messages: Mutex::default(),
            receipts: AtomicU64::new(0),
            visibility,
            kind,
        }
    }

    pub(super) fn send(&self, numbers: impl IntoIterator<Item = u64>) {
        let mut messages = self.messages.lock().unwrap();
        messages.extend(numbers.into_iter().map(|number| Row {
            number,
            group: (self.kind == Kind::Fifo).then(|| (number % 3).to_string()),
            visible_at: Instant::now(),
            receipt: None,
            receives: 0,
        }));
    }

    /// How many are there, visible or not.
    pub(super) fn len(&self) -> usize {
        self.messages.lock().unwrap().len()
    }

    pub(super) fn receives(&self) -> u32 {
        let messages = self.messages.lock().unwrap();
        messages.iter().map(|row| row.receives).max().unwrap_or(0)
    }

    fn take(&self, most: usize) -> Vec<QueueMessage> {
        let now = Instant::now();
        let mut messages = self.messages.lock().unwrap();
        let busy: Vec<String> = messages
            .iter()
            .filter(|row| now < row.visible_at)
            .filter_map(|row| row.group.clone())
            .collect();
        let free = messages.iter_mut().filter(|row| {
            let is_blocked = row.group.as_ref().is_some_and(|it| busy.contains(it));
            row.visible_at <= now && !is_blocked
        });
        let taken = free.take(most.min(10)).map(|row| {
            let receipt = self.receipts.fetch_add(1, Ordering::Relaxed).to_string();
            row.visible_at = now + self.visibility;
            row.receipt = Some(receipt.clone());
            row.receives += 1;
            QueueMessage {
                id: format!("m{}", row.number),
                receipt,
                sent_at: Timestamp::from_micros(0),
                group: row.group.clone(),
                receives: row.receives,
                dead_letters: None,
                trace: None,
                payload: json!({"messageId": format!("m{}", row.number), "n": row.number, "body": row.number.to_string()})
                    .to_string()
                    .into(),
            }
        });
        taken.collect()
    }
}

impl MessageSource for FakeQueue {
    fn serves(&self, queue: &Arn) -> bool {
        queue.service == "sqs"
    }

    fn receive<'a>(
        &'a self,
        _queue: &'a Arn,
        messages_max: usize,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<QueueMessage>, QueueError>> {
        Box::pin(async move {
            let until = Instant::now() + wait;
            loop {
                let taken = self.take(messages_max);
                if !taken.is_empty() || until <= Instant::now() {
                    return Ok(taken);
                }
                tokio::time::sleep(POLL).await;
            }
        })
    }

    fn delete<'a>(
        &'a self,
        _queue: &'a Arn,
        receipts: &'a [String],
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        let mut messages = self.messages.lock().unwrap();
        messages.retain(|row| !row.receipt.as_ref().is_some_and(|it| receipts.contains(it)));
        Box::pin(async { Ok(()) })
    }

    fn release<'a>(
        &'a self,
        _queue: &'a Arn,
        receipts: &'a [String],
        after: Duration,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        let mut messages = self.messages.lock().unwrap();
        for row in messages.iter_mut() {
            if row.receipt.as_ref().is_some_and(|it| receipts.contains(it)) {
                row.visible_at = Instant::now() + after;
            }
        }
        Box::pin(async { Ok(()) })
    }
}
