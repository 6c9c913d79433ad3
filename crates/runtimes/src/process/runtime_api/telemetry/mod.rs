//! The Telemetry API: what happens to an instance, told to the extensions that subscribed.
//!
//! Lives here: who is told what; the events themselves.
//! Does not live here: reading a subscription (`subscription`), carrying events to an extension (`delivery`).
//!
//! Contract: AWS Lambda Developer Guide, "Lambda Telemetry API reference", "Lambda Telemetry API Event schema
//! reference".

mod delivery;
pub(super) mod subscription;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use interfaces::clock::Clock;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::answers::Refusal;
use super::place::Network;
use crate::process::report;
use delivery::{Buffer, deliver};
use subscription::Subscription;

/// What happened before an extension subscribed is kept for it, up to so many events.
const EARLY_EVENTS_MAX: usize = 1_000;
/// And so many bytes.
const EARLY_BYTES_MAX: usize = 256 * 1024;
/// Subscriptions of one instance whose events are still being carried off, those included that others have replaced.
const DELIVERIES_MAX: usize = 32;
/// How long the last events of an instance may take to be carried off.
const FLUSH_WAIT_MAX: Duration = Duration::from_millis(300);

/// What an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::process) enum Category {
    Platform,
    Function,
    Extension,
}

/// The telemetry of one instance.
pub(in crate::process) struct Telemetry {
    clock: Arc<dyn Clock>,
    network: Network,
    /// Nobody is told anything any more, as in most functions after their init.
    is_unheard: AtomicBool,
    shared: Mutex<Shared>,
    deliveries: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Shared {
    is_closed: bool,
    early: Vec<(Category, Bytes)>,
    early_bytes: usize,
    subscribers: Vec<Subscriber>,
}

struct Subscriber {
    name: String,
    subscription: Subscription,
    buffer: Arc<Buffer>,
}

impl Telemetry {
    pub(super) fn new(clock: Arc<dyn Clock>, network: Network) -> Self {
        Self {
            clock,
            network,
            is_unheard: AtomicBool::new(false),
            shared: Mutex::default(),
            deliveries: Mutex::new(JoinSet::new()),
        }
    }

    /// Tells an extension from now on what it asked for, and what has happened before. Its last subscription counts.
    pub(super) fn subscribe(
        &self,
        name: String,
        subscription: Subscription,
    ) -> Result<(), Refusal> {
        {
            let mut shared = lock(&self.shared);
            if shared.is_closed {
                return Err(Refusal::forbidden(
                    "Telemetry.SubscriptionClosed",
                    "Telemetry API subscription is closed".to_owned(),
                ));
            }
            let mut deliveries = lock(&self.deliveries);
            while deliveries.try_join_next().is_some() {}
            if DELIVERIES_MAX <= deliveries.len() {
                return Err(Refusal::forbidden(
                    "Telemetry.TooManySubscriptions",
                    format!("{DELIVERIES_MAX} subscriptions are still being served"),
                ));
            }
            let buffer = Arc::new(Buffer::new(subscription.buffering));
            for (category, event) in &shared.early {
                if subscription.wants(*category) {
                    buffer.push(event.clone());
                }
            }
            deliveries.spawn(deliver(
                buffer.clone(),
                self.network.clone(),
                subscription.destination.clone(),
                self.clock.clone(),
            ));
            shared.subscribers.retain(|known| {
                if known.name == name {
                    known.buffer.close();
                }
                known.name != name
            });
            shared.subscribers.push(Subscriber {
                name: name.clone(),
                subscription: subscription.clone(),
                buffer,
            });
        }
        self.platform(
            "platform.telemetrySubscription",
            || json!({"name": name, "state": "Subscribed", "types": subscription.types()}),
        );
        Ok(())
    }

    /// From here on nobody can subscribe.
    pub(super) fn close(&self) {
        let mut shared = lock(&self.shared);
        shared.is_closed = true;
        shared.early = Vec::new();
        if shared.subscribers.is_empty() {
            self.is_unheard.store(true, Ordering::Relaxed);
        }
    }

    /// A line of a log.
    pub(in crate::process) fn line(&self, category: Category, text: &[u8]) {
        let kind = match category {
            Category::Platform => return,
            Category::Function => "function",
            Category::Extension => "extension",
        };
        self.tell(category, kind, || {
            Value::String(String::from_utf8_lossy(text).into_owned())
        });
    }

    /// An event of the platform's.
    pub(in crate::process) fn platform(&self, kind: &str, record: impl FnOnce() -> Value) {
        self.tell(Category::Platform, kind, record);
    }

    /// Carries off what is left, for as long as that may take, and ends.
    pub(super) async fn finish(&self) {
        self.is_unheard.store(true, Ordering::Relaxed);
        for subscriber in &lock(&self.shared).subscribers {
            subscriber.buffer.close();
        }
        let mut deliveries = std::mem::take(&mut *lock(&self.deliveries));
        let finishing = async { while deliveries.join_next().await.is_some() {} };
        // What takes longer is lost, as it is when an instance ends in the cloud.
        let _ = tokio::time::timeout(FLUSH_WAIT_MAX, finishing).await;
    }

    fn tell(&self, category: Category, kind: &str, record: impl FnOnce() -> Value) {
        if self.is_unheard.load(Ordering::Relaxed) {
            return;
        }
        let event = event(&report::instant(self.clock.now()), kind, record());
        let mut shared = lock(&self.shared);
        let fits = shared.early.len() < EARLY_EVENTS_MAX
            && shared.early_bytes + event.len() <= EARLY_BYTES_MAX;
        if !shared.is_closed && fits {
            shared.early_bytes += event.len();
            shared.early.push((category, event.clone()));
        }
        for subscriber in &shared.subscribers {
            if subscriber.subscription.wants(category) {
                subscriber.buffer.push(event.clone());
            }
        }
    }
}

fn event(time: &str, kind: &str, record: Value) -> Bytes {
    let event = json!({"time": time, "type": kind, "record": record});
    // A JSON value always serialises.
    serde_json::to_vec(&event).unwrap_or_default().into()
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
