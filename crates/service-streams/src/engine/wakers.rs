//! Waking those who wait for records.
//!
//! Lives here: a channel for each stream that somebody waits for.
//! Does not live here: records: a wake-up carries none, and may be lost.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use interfaces::BoxFuture;
use interfaces::record_source::News;
use tokio::sync::watch;

/// Streams that can be waited for at once. Whoever comes later finds records when it looks by itself.
const STREAMS_MAX: usize = 10_000;

/// Who waits for which stream.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    by_arn: Mutex<HashMap<String, watch::Sender<()>>>,
}

/// One who waits.
#[derive(Debug)]
struct Waiting(Option<watch::Receiver<()>>);

impl Wakers {
    /// A way to wait for records of this stream.
    pub(crate) fn wait_for(&self, arn: &str) -> Box<dyn News> {
        let mut by_arn = self.by_arn.lock().unwrap_or_else(PoisonError::into_inner);
        by_arn.retain(|_, sender| !sender.is_closed());
        if STREAMS_MAX <= by_arn.len() && !by_arn.contains_key(arn) {
            return Box::new(Waiting(None));
        }
        let sender = by_arn.entry(arn.to_owned()).or_default();
        Box::new(Waiting(Some(sender.subscribe())))
    }

    /// Wakes all who wait for this stream.
    pub(crate) fn wake(&self, arn: &str) {
        let by_arn = self.by_arn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = by_arn.get(arn) {
            sender.send_replace(());
        }
    }
}

impl News for Waiting {
    fn wait(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let woken = match &mut self.0 {
                Some(receiver) => receiver.changed().await.is_ok(),
                None => false,
            };
            if !woken {
                std::future::pending().await
            }
        })
    }
}
