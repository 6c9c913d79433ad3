//! Which subscription of a consumer to a shard holds.
//!
//! Lives here: the last one of each, when the next one may take its place, the end of all of them.
//! Does not live here: what a subscription sends (`kinesis::subscribing`).
//!
//! Contract: Amazon Kinesis Data Streams API Reference, `SubscribeToShard`: the next subscription of a consumer to a shard is refused
//! for five seconds, and ends the one before it from then on.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How long after a subscription the next one is refused.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// Subscriptions at once.
const SUBSCRIPTIONS_MAX: usize = 10_000;

/// A consumer, by its ARN, and the number of a shard.
pub(crate) type Key = (String, u32);

/// Who subscribes.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    held: Mutex<Held>,
    /// Whether none holds any more.
    are_over: watch::Sender<bool>,
}

/// Why there is no place for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// Another one began a moment ago.
    InUse,
    TooMany,
}

#[derive(Debug, Default)]
struct Held {
    /// The number of each, and when it began.
    last: HashMap<Key, (u64, Instant)>,
    count: u64,
}

impl Subscriptions {
    /// Takes the place of whoever subscribed before; its number.
    pub(crate) fn begin(&self, key: &Key) -> Result<u64, NoPlace> {
        let now = Instant::now();
        let mut held = self.held();
        match held.last.get(key) {
            Some((_, since)) if now.duration_since(*since) < REFUSED_FOR => {
                return Err(NoPlace::InUse);
            }
            None if SUBSCRIPTIONS_MAX <= held.last.len() => return Err(NoPlace::TooMany),
            Some(_) | None => {}
        }
        held.count += 1;
        let number = held.count;
        held.last.insert(key.clone(), (number, now));
        Ok(number)
    }

    pub(crate) fn holds(&self, key: &Key, number: u64) -> bool {
        let held = self.held();
        let is_last = held.last.get(key).is_some_and(|(of, _)| *of == number);
        is_last && !*self.are_over.borrow()
    }

    /// Ends all of them, and those that begin later.
    pub(crate) fn end_all(&self) {
        self.are_over.send_replace(true);
    }

    /// Waits until all have ended.
    pub(crate) async fn all_over(&self) {
        // Its sender is there as long as this is.
        let _ = self
            .are_over
            .subscribe()
            .wait_for(|are_over| *are_over)
            .await;
    }

    pub(crate) fn end(&self, key: &Key, number: u64) {
        let mut held = self.held();
        if held.last.get(key).is_some_and(|(of, _)| *of == number) {
            held.last.remove(key);
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
