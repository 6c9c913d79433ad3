//! Everything that is delivered.
//!
//! Lives here: what it works with; starting, changing and ending mappings, and the dispatch of what services sent.
//! Does not live here: following one source (`follower`), the dispatch itself (`dispatch`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use interfaces::authorize::Authorize;
use interfaces::clock::Clock;
use interfaces::event_sink::{EventSink, Receptions};
use interfaces::invoke::Invoke;
use interfaces::message_source::MessageSource;
use interfaces::random::Random;
use interfaces::record_source::RecordSource;
use model::application::Application;
use model::event_source::Mapping;
use model::ids::RequestId;
use outbox::Outbox;
use store::Store;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::attempt::Served;
use crate::checkpoints;
use crate::dispatch::Dispatch;
use crate::follower::{Follower, place, say_waiting};
use crate::log::DeliveryLog;
use crate::permissions::FunctionPolicies;
use crate::receptions::Known;

/// How long mappings may take to end what is under way.
const DRAIN_MAX: Duration = Duration::from_secs(5);

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
    /// Says who may call a function, and read a source.
    pub authorize: Arc<dyn Authorize>,
    /// Shows what is delivered.
    pub log: Arc<dyn DeliveryLog>,
}

/// Delivers what services sent, and the records of sources to functions.
pub struct Delivery {
    parts: Arc<Parts>,
    revision: watch::Sender<u64>,
    served: watch::Sender<Option<Arc<Served>>>,
    stop: CancellationToken,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    mappings: BTreeMap<String, watch::Sender<Option<Arc<Mapping>>>>,
    tasks: JoinSet<()>,
    /// Begins with the first application: before that nobody knows its functions.
    dispatch: JoinSet<()>,
}

impl Delivery {
    /// Delivery that has not begun.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            revision: watch::Sender::new(0),
            served: watch::Sender::new(None),
            stop: CancellationToken::new(),
            running: Mutex::default(),
        }
    }

    /// Serves this application from now on. Mappings that are new have their place when it returns: whatever is written
    /// afterwards is delivered. Those that changed finish the batch that is under way first, without anybody waiting.
    pub async fn swap(&self, application: &Arc<Application>) {
        let mut running = self.running.lock().await;
        self.served.send_replace(Some(Arc::new(Served {
            policies: FunctionPolicies::of(application),
            application: Arc::clone(application),
        })));
        if running.dispatch.is_empty() {
            let dispatch = Dispatch::new(&self.parts, self.served.subscribe(), self.stop.clone());
            running.dispatch.spawn(dispatch.run());
        }
        self.map(&mut running, &application.event_sources).await;
        self.revision.send_modify(|revision| *revision += 1);
    }

    async fn map(&self, running: &mut Running, mappings: &[Mapping]) {
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
                        served: self.served.subscribe(),
                    };
                    running.tasks.spawn(follower.run());
                }
            }
        }
    }

    /// Tells what would become of events.
    #[must_use]
    pub fn receptions(&self) -> Arc<dyn Receptions> {
        Arc::new(Known {
            parts: Arc::clone(&self.parts),
            served: self.served.subscribe(),
        })
    }

    /// Ends all of it once what is under way was delivered; what takes too long is delivered again after the next start.
    pub async fn stop(&self) {
        let mut running = self.running.lock().await;
        for sender in std::mem::take(&mut running.mappings).into_values() {
            sender.send_replace(None);
        }
        self.stop.cancel();
        let drained = async {
            while running.tasks.join_next().await.is_some() {}
            while running.dispatch.join_next().await.is_some() {}
        };
        let _ = tokio::time::timeout(DRAIN_MAX, drained).await;
        running.tasks.abort_all();
        running.dispatch.abort_all();
    }

    /// Gives a mapping that never ran its place. One that cannot be given one now gets it once its source is there.
    async fn place(&self, mapping: &Mapping) {
        if mapping.source.service == "sqs" {
            return;
        }
        if let Err(error) = place(&self.parts, mapping).await {
            say_waiting(mapping, &error);
        }
    }
}

/// A trace of its own for each call; nobody samples it.
pub(crate) fn trace_id(request_id: &RequestId, epoch_s: i64) -> String {
    let digits: String = request_id
        .to_string()
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(24)
        .collect();
    format!("Root=1-{epoch_s:08x}-{digits:0<24};Sampled=0")
}
