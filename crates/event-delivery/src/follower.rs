//! Following the source of one mapping.
//!
//! Lives here: starting and ending the lanes of its shards as they come and go, or the reading of its queue.
//! Does not live here: what a lane does (`lane`), how a queue is read (`queue`), which mappings there are (`delivery`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use interfaces::authorize::Denied;
use interfaces::record_source::{RecordSource, ShardName, SourceError};
use model::event_source::{Mapping, MappingState, StartingPosition};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::attempt::Served;
use crate::checkpoints::{self, CheckpointError, LaneNumber, lanes_of};
use crate::delivery::Parts;
use crate::feed::Feed;
use crate::filters::Filters;
use crate::lane::Lane;
use crate::permissions::check_mapping;
use crate::queue::QueueReader;
use crate::stream_letters::LastCall;

/// How often it is looked whether a source has other shards, or is there at all by now.
const SHARDS_EVERY: Duration = Duration::from_secs(5);

/// A mapping could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("nothing that is served here is called `{0}`")]
    NoSource(String),
    #[error("the source could not be read")]
    Source(#[from] SourceError),
    #[error("the place in the source could not be kept")]
    Checkpoint(#[from] CheckpointError),
    #[error("the role of the function may not read the source")]
    Denied(#[from] Denied),
}

/// Follows the shards of one mapping's source.
pub(crate) struct Follower {
    pub(crate) parts: Arc<Parts>,
    pub(crate) mapping: watch::Receiver<Option<Arc<Mapping>>>,
    pub(crate) revision: watch::Receiver<u64>,
    pub(crate) served: watch::Receiver<Option<Arc<Served>>>,
}

/// The lanes of a mapping.
#[derive(Default)]
struct Lanes {
    tasks: JoinSet<Option<ShardName>>,
    /// Shards that have lanes, and how many of these have not come to the end of the shard yet.
    left: BTreeMap<ShardName, usize>,
}

impl Lanes {
    /// Waits until a lane has ended; for ever when there is none.
    async fn next(&mut self) {
        match self.tasks.join_next().await {
            Some(joined) => self.note(joined.ok().flatten()),
            None => std::future::pending().await,
        }
    }

    fn note(&mut self, ended: Option<ShardName>) {
        if let Some(left) = ended.and_then(|shard| self.left.get_mut(&shard)) {
            *left = left.saturating_sub(1);
        }
    }

    /// Whether nothing of these shards is left to be delivered. Those that have gone have nothing.
    fn are_done(&self, parents: &[ShardName], shards: &[ShardName]) -> bool {
        let mut there = parents.iter().filter(|parent| shards.contains(parent));
        there.all(|parent| self.left.get(parent) == Some(&0))
    }

    async fn end(&mut self) {
        while self.tasks.join_next().await.is_some() {}
        self.left.clear();
    }
}

impl Follower {
    pub(crate) async fn run(mut self) {
        loop {
            let Some(mapping) = self.mapping.borrow_and_update().clone() else {
                return;
            };
            let goes_on = match mapping.state {
                MappingState::Enabled if mapping.source.service == "sqs" => {
                    self.follow_queue(&mapping).await
                }
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
        let mut stop = CancellationToken::new();
        let mut lanes = Lanes::default();
        let mut said: Option<String> = None;
        let goes_on = loop {
            match self.start(mapping, &mut lanes, &stop).await {
                Ok(()) => said = None,
                Err(error) => {
                    let text = error.to_string();
                    if matches!(error, StartError::Denied(_)) {
                        // What was allowed to read before is not any more.
                        stop.cancel();
                        lanes.end().await;
                        stop = CancellationToken::new();
                    }
                    if said.as_ref() != Some(&text) {
                        say_waiting(mapping, &error);
                    }
                    said = Some(text);
                }
            }
            tokio::select! {
                changed = self.mapping.changed() => break changed.is_ok(),
                () = lanes.next() => {}
                () = tokio::time::sleep(SHARDS_EVERY) => {}
            }
        };
        stop.cancel();
        lanes.end().await;
        goes_on
    }

    /// Reads a queue until the mapping changes; whether it is still known then.
    async fn follow_queue(&mut self, mapping: &Arc<Mapping>) -> bool {
        let stop = CancellationToken::new();
        let reader = QueueReader::new(
            &self.parts,
            mapping,
            self.served.clone(),
            self.revision.clone(),
            stop.clone(),
        );
        let mut reading = JoinSet::new();
        reading.spawn(reader.run());
        let goes_on = self.mapping.changed().await.is_ok();
        stop.cancel();
        while reading.join_next().await.is_some() {}
        goes_on
    }

    /// Starts the lanes of shards that have none yet: once all has been delivered of what they were split or merged from.
    async fn start(
        &self,
        mapping: &Arc<Mapping>,
        lanes: &mut Lanes,
        stop: &CancellationToken,
    ) -> Result<(), StartError> {
        let source = source_of(&self.parts, mapping)?;
        let served = self.served.borrow().clone();
        if let Some(served) = &served {
            let authorize = self.parts.authorize.as_ref();
            check_mapping(authorize, &served.application, mapping)?;
        }
        let shards = place(&self.parts, mapping).await?;
        lanes.left.retain(|shard, _| shards.contains(shard));
        while let Some(joined) = lanes.tasks.try_join_next() {
            lanes.note(joined.ok().flatten());
        }
        let filters = Arc::new(Filters::of(mapping));
        for shard in &shards {
            if lanes.left.contains_key(shard) {
                continue;
            }
            let parents = source.parents(&mapping.source, shard).await?;
            if !lanes.are_done(&parents, &shards) {
                continue;
            }
            let now = self.parts.clock.now();
            let store = self.parts.store.as_ref();
            let begin = checkpoints::begin(store, mapping, shard, now).await?;
            let begin = begin.unwrap_or_default();
            lanes.left.insert(shard.clone(), begin.len());
            for (index, position) in (0_u8..).zip(begin) {
                let number = LaneNumber {
                    index,
                    of: lanes_of(mapping),
                };
                let lane = Lane {
                    parts: Arc::clone(&self.parts),
                    mapping: Arc::clone(mapping),
                    served: self.served.clone(),
                    shard: shard.clone(),
                    last: LastCall::default(),
                    letters: Vec::new(),
                    retention: source.retention(&mapping.source),
                    feed: Feed::new(source, mapping, &filters, (shard, number), position),
                    checkpoint: checkpoints::key(mapping, shard, number),
                    stop: stop.clone(),
                    revision: self.revision.clone(),
                };
                lanes.tasks.spawn(lane.run());
            }
        }
        Ok(())
    }
}

/// Gives every shard of a mapping's source that has no checkpoint its first one, and returns all shards.
pub(crate) async fn place(parts: &Parts, mapping: &Mapping) -> Result<Vec<ShardName>, StartError> {
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

pub(crate) fn say_waiting(mapping: &Mapping, error: &StartError) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        function = %mapping.callee.function,
        source = %mapping.source,
        "nothing is delivered from this source yet"
    );
}
