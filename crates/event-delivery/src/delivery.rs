//! All mappings at work.
//!
//! Lives here: starting, changing and ending mappings; following the shards of their sources.
//! Does not live here: what a lane does (`lane`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use interfaces::clock::Clock;
use interfaces::event_sink::EventSink;
use interfaces::invoke::Invoke;
use interfaces::message_source::MessageSource;
use interfaces::random::Random;
use interfaces::record_source::{RecordSource, ShardName, SourceError};
use model::event_source::{Mapping, MappingState, StartingPosition};
use outbox::Outbox;
use patterns::Pattern;
use store::Store;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::checkpoints::{self, CheckpointError, LaneNumber, lanes_of};
use crate::feed::Feed;
use crate::lane::Lane;

/// How often it is looked whether a source has other shards, or is there at all by now.
const SHARDS_EVERY: Duration = Duration::from_secs(5);

/// What delivery works with.
pub struct Parts {
    /// Where checkpoints are.
    pub store: Arc<dyn Store>,
    /// Events that services sent.
    pub outbox: Outbox,
    /// Where records come from.
    pub records: Vec<Arc<dyn RecordSource>>,
    /// Where messages come from.
    pub messages: Vec<Arc<dyn MessageSource>>,
    /// Whoever takes events.
    pub sinks: Vec<Arc<dyn EventSink>>,
    /// Who runs functions.
    pub invoke: Arc<dyn Invoke>,
    /// Tells how old a record is.
    pub clock: Arc<dyn Clock>,
    /// Draws the ids of invocations.
    pub random: Arc<dyn Random>,
}

/// Delivers the records of sources to functions.
pub struct Delivery {
    parts: Arc<Parts>,
    revision: watch::Sender<u64>,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    mappings: BTreeMap<String, watch::Sender<Option<Arc<Mapping>>>>,
    tasks: JoinSet<()>,
}

/// A mapping could not be started.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("nothing that is served here is called `{0}`")]
    NoSource(String),
    #[error("the source could not be read")]
    Source(#[from] SourceError),
    #[error("the place in the source could not be kept")]
    Checkpoint(#[from] CheckpointError),
}

impl Delivery {
    /// Delivery without any mapping.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            revision: watch::Sender::new(0),
            running: Mutex::default(),
        }
    }

    /// Works by these mappings from now on. Those that are new have their place when it returns: whatever is written
    /// afterwards is delivered. Those that changed finish the batch that is under way first, without anybody waiting.
    pub async fn swap(&self, mappings: &[Mapping]) {
        let mut running = self.running.lock().await;
        while running.tasks.try_join_next().is_some() {}
        let now = self.parts.clock.now();
        let store = self.parts.store.as_ref();
        if let Err(error) = checkpoints::forget_abandoned(store, mappings, now).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the places of old mappings are not cleaned up");
        }
        let wanted: BTreeSet<&str> = mappings.iter().map(|mapping| mapping.id.as_str()).collect();
        running.mappings.retain(|id, sender| {
            let stays = wanted.contains(id.as_str());
            if !stays {
                sender.send_replace(None);
            }
            stays
        });
        for mapping in mappings {
            if !running.mappings.contains_key(&mapping.id) {
                self.place(mapping).await;
            }
            let mapping = Arc::new(mapping.clone());
            match running.mappings.get(&mapping.id) {
                Some(sender) => {
                    sender.send_if_modified(|current| {
                        let differs = current.as_ref() != Some(&mapping);
                        *current = Some(Arc::clone(&mapping));
                        differs
                    });
                }
                None => {
                    let (sender, receiver) = watch::channel(Some(Arc::clone(&mapping)));
                    running.mappings.insert(mapping.id.clone(), sender);
                    let follower = Follower {
                        parts: Arc::clone(&self.parts),
                        mapping: receiver,
                        revision: self.revision.subscribe(),
                    };
                    running.tasks.spawn(follower.run());
                }
            }
        }
        self.revision.send_modify(|revision| *revision += 1);
    }

    /// Ends all mappings once the batches that are under way were delivered.
    pub async fn stop(&self) {
        let mut running = self.running.lock().await;
        for sender in std::mem::take(&mut running.mappings).into_values() {
            sender.send_replace(None);
        }
        while running.tasks.join_next().await.is_some() {}
    }

    /// Gives a mapping that never ran its place. One that cannot be given one now gets it once its source is there.
    async fn place(&self, mapping: &Mapping) {
        if let Err(error) = place(&self.parts, mapping).await {
            say_waiting(mapping, &error);
        }
    }
}

/// Follows the shards of one mapping's source.
struct Follower {
    parts: Arc<Parts>,
    mapping: watch::Receiver<Option<Arc<Mapping>>>,
    revision: watch::Receiver<u64>,
}

impl Follower {
    async fn run(mut self) {
        loop {
            let Some(mapping) = self.mapping.borrow_and_update().clone() else {
                return;
            };
            let goes_on = match mapping.state {
                MappingState::Enabled => self.follow(&mapping).await,
                MappingState::Disabled => self.mapping.changed().await.is_ok(),
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Until the mapping changes; whether it is still known then.
    async fn follow(&mut self, mapping: &Arc<Mapping>) -> bool {
        let stop = CancellationToken::new();
        let mut lanes = JoinSet::new();
        let mut known = BTreeSet::new();
        let mut said: Option<String> = None;
        let goes_on = loop {
            match self.start(mapping, &mut known, &mut lanes, &stop).await {
                Ok(()) => said = None,
                Err(error) => {
                    let text = error.to_string();
                    if said.as_ref() != Some(&text) {
                        say_waiting(mapping, &error);
                    }
                    said = Some(text);
                }
            }
            tokio::select! {
                changed = self.mapping.changed() => break changed.is_ok(),
                () = tokio::time::sleep(SHARDS_EVERY) => {}
            }
        };
        stop.cancel();
        while lanes.join_next().await.is_some() {}
        goes_on
    }

    /// Starts the lanes of shards that have none yet.
    async fn start(
        &self,
        mapping: &Arc<Mapping>,
        known: &mut BTreeSet<ShardName>,
        lanes: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> Result<(), StartError> {
        let source = source_of(&self.parts, mapping)?;
        let shards = place(&self.parts, mapping).await?;
        known.retain(|shard| shards.contains(shard));
        while lanes.try_join_next().is_some() {}
        let filters = Arc::new(filters_of(mapping));
        for shard in shards {
            if known.contains(&shard) {
                continue;
            }
            let now = self.parts.clock.now();
            let store = self.parts.store.as_ref();
            let begin = checkpoints::begin(store, mapping, &shard, now).await?;
            for (index, position) in (0_u8..).zip(begin.unwrap_or_default()) {
                let number = LaneNumber {
                    index,
                    of: lanes_of(mapping),
                };
                let lane = Lane {
                    parts: Arc::clone(&self.parts),
                    mapping: Arc::clone(mapping),
                    retention: source.retention(&mapping.source),
                    feed: Feed::new(source, mapping, &filters, (&shard, number), position),
                    checkpoint: checkpoints::key(mapping, &shard, number),
                    stop: stop.clone(),
                    revision: self.revision.clone(),
                };
                lanes.spawn(lane.run());
            }
            known.insert(shard);
        }
        Ok(())
    }
}

/// Gives every shard of a mapping's source that has no checkpoint its first one, and returns all shards.
async fn place(parts: &Parts, mapping: &Mapping) -> Result<Vec<ShardName>, StartError> {
    let source = source_of(parts, mapping)?;
    let shards = source.shards(&mapping.source).await?;
    let store = parts.store.as_ref();
    // What comes up once a mapping runs is read from its beginning: nothing lies between it and what was read before.
    let start = if checkpoints::any(store, mapping).await? {
        StartingPosition::TrimHorizon
    } else {
        mapping.start
    };
    for shard in &shards {
        let now = parts.clock.now();
        if checkpoints::begin(store, mapping, shard, now)
            .await?
            .is_none()
        {
            let position = source.position(&mapping.source, shard, start).await?;
            checkpoints::create(store, mapping, shard, &position, now).await?;
        }
    }
    Ok(shards)
}

fn source_of<'p>(
    parts: &'p Parts,
    mapping: &Mapping,
) -> Result<&'p Arc<dyn RecordSource>, StartError> {
    let mut sources = parts.records.iter();
    sources
        .find(|source| source.serves(&mapping.source))
        .ok_or_else(|| StartError::NoSource(mapping.source.to_string()))
}

/// Whoever made the mapping has refused those that cannot be read.
fn filters_of(mapping: &Mapping) -> Vec<Pattern> {
    let filters = mapping.filters.iter();
    filters
        .filter_map(|text| Pattern::parse(text).ok())
        .collect()
}

fn say_waiting(mapping: &Mapping, error: &StartError) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        function = %mapping.callee.function,
        source = %mapping.source,
        "nothing is delivered from this source yet"
    );
}
