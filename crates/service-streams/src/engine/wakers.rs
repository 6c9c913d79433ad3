//! Waking those who wait for records.
//!
//! Lives here: a channel for each stream and each shard that somebody waits for.
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
    by_arn: Mutex<HashMap<String, Channels>>,
}

/// Of one stream.
#[derive(Debug, Default)]
struct Channels {
    /// For those who read all shards.
    all: watch::Sender<()>,
    /// By the number of the shard.
    by_shard: HashMap<u32, watch::Sender<()>>,
}

/// One who waits.
#[derive(Debug)]
struct Waiting(Option<watch::Receiver<()>>);

impl Wakers {
    /// A way to wait for records of this stream.
    pub(crate) fn wait_for(&self, arn: &str) -> Box<dyn News> {
        self.wait(arn, |channels| channels.all.subscribe())
    }

    /// A way to wait for records of this shard alone, and for changes of its stream.
    pub(crate) fn wait_for_shard(&self, arn: &str, shard: u32) -> Box<dyn News> {
        self.wait(arn, |channels| {
            let by_shard = &mut channels.by_shard;
            by_shard.retain(|_, sender| !sender.is_closed());
            by_shard.entry(shard).or_default().subscribe()
        })
    }

    fn wait(
        &self,
        arn: &str,
        subscribe: impl FnOnce(&mut Channels) -> watch::Receiver<()>,
    ) -> Box<dyn News> {
        let mut by_arn = self.by_arn.lock().unwrap_or_else(PoisonError::into_inner);
        by_arn.retain(|_, channels| channels.are_waited_at());
        if STREAMS_MAX <= by_arn.len() && !by_arn.contains_key(arn) {
            return Box::new(Waiting(None));
        }
        let channels = by_arn.entry(arn.to_owned()).or_default();
        Box::new(Waiting(Some(subscribe(channels))))
    }

    /// Wakes those who wait for records of these shards of a stream.
    pub(crate) fn wake(&self, arn: &str, shards: impl IntoIterator<Item = u32>) {
        let by_arn = self.by_arn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channels) = by_arn.get(arn) {
            channels.all.send_replace(());
            for shard in shards {
                if let Some(sender) = channels.by_shard.get(&shard) {
                    sender.send_replace(());
                }
            }
        }
    }

    /// Wakes all who wait for this stream: it has changed.
    pub(crate) fn wake_all(&self, arn: &str) {
        let by_arn = self.by_arn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channels) = by_arn.get(arn) {
            for sender in channels.senders() {
                sender.send_replace(());
            }
        }
    }
}

impl Channels {
    fn senders(&self) -> impl Iterator<Item = &watch::Sender<()>> {
        std::iter::once(&self.all).chain(self.by_shard.values())
    }

    fn are_waited_at(&self) -> bool {
        self.senders().any(|sender| !sender.is_closed())
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn is_woken(news: &mut dyn News) -> bool {
        let woken = tokio::time::timeout(Duration::ZERO, news.wait());
        woken.await.is_ok()
    }

    #[tokio::test]
    async fn a_record_wakes_who_reads_its_shard_and_a_change_wakes_everybody() {
        let wakers = Wakers::default();
        let mut waiting = [
            wakers.wait_for("a"),
            wakers.wait_for_shard("a", 0),
            wakers.wait_for_shard("a", 1),
            wakers.wait_for_shard("b", 1),
        ];
        let wake_shard = || wakers.wake("a", [1]);
        let wake_all = || wakers.wake_all("a");
        let wakes: [(&dyn Fn(), _); 2] = [
            (&wake_shard, [true, false, true, false]),
            (&wake_all, [true, true, true, false]),
        ];
        for (wake, expected) in wakes {
            wake();
            let mut woken = Vec::new();
            for news in &mut waiting {
                woken.push(is_woken(&mut **news).await);
            }
            assert_eq!(woken, expected);
        }
    }

    #[tokio::test]
    async fn streams_that_nobody_waits_for_are_forgotten() {
        let wakers = Wakers::default();
        let first = wakers.wait_for_shard("a", 0);
        let second = wakers.wait_for_shard("b", 0);
        drop(first);
        let third = wakers.wait_for_shard("b", 1);
        drop((second, third));
        let _fourth = wakers.wait_for("c");
        let by_arn = wakers.by_arn.lock().unwrap();
        assert_eq!(by_arn.keys().collect::<Vec<_>>(), ["c"]);
    }
}
