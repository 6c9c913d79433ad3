//! All that the service keeps, in memory and in the store.
//!
//! Lives here: reading a region when it is first asked for, changing rows and memory together.
//! Does not live here: what a change means (`operations`).
//!
//! This process is the only one that writes these rows while it runs. Changes of a region take turns; whoever publishes to a
//! standard topic does not wait for them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use model::delivery::Delivery;
use outbox::Outbox;
use serde::de::DeserializeOwned;
use store::{Batch, Range, Row, Store, all_rows};
use tokio::sync::{Mutex, OnceCell};

use super::deduplication::{Recent, Seen};
use super::keys::{self, Place};
use super::platform::{Application, Endpoint};
use super::subscription::{self, Protocol, Status, Subscription};
use super::topic::{self, Topic};
use crate::refusal::Refusal;

/// Checks and writes of one commit: below what a store takes, so that deliveries fit in besides.
const STEPS_MAX: usize = 4_000;

/// Accounts and regions that are kept in memory. Anybody can name them: those in which there is nothing go first.
const REGIONS_MAX: usize = 4_096;

/// The subscriptions of one topic, by id.
pub(crate) type Subscriptions = BTreeMap<String, Arc<Subscription>>;

/// Everything, region by region.
pub(crate) struct Catalogue {
    store: Arc<dyn Store>,
    outbox: Outbox,
    regions: std::sync::Mutex<HashMap<Place, Arc<OnceCell<Arc<Region>>>>>,
}

/// What is kept of one region.
pub(crate) struct Region {
    pub(crate) place: Place,
    /// Held by whoever changes something.
    pub(crate) turn: Mutex<()>,
    data: RwLock<Data>,
    recent: RwLock<HashMap<String, Arc<Mutex<Recent>>>>,
}

#[derive(Default)]
struct Data {
    topics: BTreeMap<String, Arc<Topic>>,
    subscriptions: HashMap<String, Arc<Subscriptions>>,
    /// Ids by topic, and by whom they reach; not of ended ones.
    reached: HashMap<String, HashMap<(Protocol, String), String>>,
    /// Topic and id, by token.
    tokens: HashMap<String, (String, String)>,
    applications: BTreeMap<String, Arc<Application>>,
    endpoints: BTreeMap<(String, String), Arc<Endpoint>>,
    sms: BTreeMap<String, String>,
}

/// One change.
pub(crate) enum Change {
    PutTopic(Topic),
    /// With its subscriptions, and these messages that it remembers.
    DeleteTopic {
        name: String,
        remembered: Vec<String>,
    },
    PutSubscription(Box<subscription::Record>),
    DeleteSubscription {
        topic: String,
        id: String,
    },
    PutApplication(Application),
    /// With its endpoints.
    DeleteApplication(String),
    PutEndpoint(Endpoint),
    DeleteEndpoint {
        application: String,
        id: String,
    },
    PutSms(BTreeMap<String, String>),
}

impl Catalogue {
    pub(crate) fn new(store: Arc<dyn Store>, outbox: Outbox) -> Self {
        Self {
            store,
            outbox,
            regions: std::sync::Mutex::default(),
        }
    }

    /// A region, read if it was not yet.
    pub(crate) async fn region(&self, place: &Place) -> Result<Arc<Region>, Refusal> {
        let cell = {
            let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
            if REGIONS_MAX <= regions.len() && !regions.contains_key(place) {
                regions.retain(|_, cell| is_needed(cell));
            }
            if REGIONS_MAX <= regions.len() && !regions.contains_key(place) {
                tracing::error!(
                    "topics of more than {REGIONS_MAX} accounts and regions are asked for"
                );
                return Err(Refusal::internal());
            }
            Arc::clone(regions.entry(place.clone()).or_default())
        };
        let read = || async { self.read(place).await.map(Arc::new) };
        cell.get_or_try_init(read).await.cloned()
    }

    /// Whether any region that was read knows a token.
    pub(crate) fn knows_token(&self, token: &str) -> bool {
        let regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        regions
            .values()
            .filter_map(|cell| cell.get())
            .any(|region| region.by_token(token).is_some())
    }

    /// Makes changes, and sends what follows from them. Whoever calls holds the region's turn.
    pub(crate) async fn change(
        &self,
        region: &Region,
        changes: Vec<Change>,
        deliveries: &[Delivery],
    ) -> Result<(), Refusal> {
        let mut batch = self.outbox.add(Batch::new(), deliveries);
        for change in &changes {
            for write in region.rows(change) {
                if STEPS_MAX <= batch.writes().len() {
                    self.commit(region, std::mem::take(&mut batch)).await?;
                }
                batch = match write {
                    (key, Some(value)) => batch.put(key, value),
                    (key, None) => batch.delete(key),
                };
            }
        }
        self.commit(region, batch).await?;
        region.apply(changes);
        if !deliveries.is_empty() {
            self.outbox.ring();
        }
        Ok(())
    }

    /// Keeps deliveries and what was remembered of a message, or forgotten of others.
    pub(crate) async fn publish(
        &self,
        region: &Region,
        deliveries: &[Delivery],
        rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    ) -> Result<(), Refusal> {
        if deliveries.is_empty() && rows.is_empty() {
            return Ok(());
        }
        let batch = rows.into_iter().fold(Batch::new(), |batch, row| match row {
            (key, Some(value)) => batch.put(key, value),
            (key, None) => batch.delete(key),
        });
        self.commit(region, self.outbox.add(batch, deliveries))
            .await?;
        if !deliveries.is_empty() {
            self.outbox.ring();
        }
        Ok(())
    }

    /// After a failure it is not known what was written: the region is read again when it is next asked for.
    async fn commit(&self, region: &Region, batch: Batch) -> Result<(), Refusal> {
        if batch.writes().is_empty() {
            return Ok(());
        }
        let Err(error) = self.store.commit(batch).await else {
            return Ok(());
        };
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        regions.remove(&region.place);
        Err(error.into())
    }

    async fn read(&self, place: &Place) -> Result<Region, Refusal> {
        let region = Region {
            place: place.clone(),
            turn: Mutex::default(),
            data: RwLock::default(),
            recent: RwLock::default(),
        };
        let mut changes = Vec::new();
        let rows = |prefix| all_rows(&*self.store, Range::of_prefix(prefix));
        for row in rows(place.prefix(keys::TOPIC)).await? {
            let record: topic::Record = read_row(&row)?;
            changes.push(Change::PutTopic(Topic::new(record, place)));
        }
        for row in rows(place.prefix(keys::SUBSCRIPTION)).await? {
            changes.push(Change::PutSubscription(Box::new(read_row(&row)?)));
        }
        for row in rows(place.prefix(keys::APPLICATION)).await? {
            changes.push(Change::PutApplication(read_row(&row)?));
        }
        for row in rows(place.prefix(keys::ENDPOINT)).await? {
            changes.push(Change::PutEndpoint(read_row(&row)?));
        }
        for row in rows(place.sms()).await? {
            changes.push(Change::PutSms(read_row(&row)?));
        }
        region.apply(changes);
        let mut seen: Vec<(String, String, Seen)> = Vec::new();
        for row in rows(place.prefix(keys::DEDUPLICATION)).await? {
            let Ok((topic, id)) = place.pair(keys::DEDUPLICATION, &row.key) else {
                continue;
            };
            seen.push((topic, id, read_row(&row)?));
        }
        seen.sort_by_key(|(_, _, seen)| (seen.at, seen.sequence));
        for (topic, id, seen) in seen {
            region.recent(&topic).lock().await.add(id, seen);
        }
        Ok(region)
    }
}

/// Whether somebody uses a region, or something is kept of it. Whoever asks holds the lock under which it is handed out.
fn is_needed(cell: &Arc<OnceCell<Arc<Region>>>) -> bool {
    let is_held = |region: &Arc<Region>| 1 < Arc::strong_count(region) || !region.is_empty();
    1 < Arc::strong_count(cell) || cell.get().is_some_and(is_held)
}

fn read_row<T: DeserializeOwned>(row: &Row) -> Result<T, Refusal> {
    serde_json::from_slice(&row.value).map_err(|error| {
        tracing::error!(%error, "a row of topics cannot be read");
        Refusal::internal()
    })
}

impl Region {
    /// Whether nothing is kept of it.
    fn is_empty(&self) -> bool {
        let data = self.data.read().unwrap_or_else(PoisonError::into_inner);
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        data.topics.is_empty()
            && data.applications.is_empty()
            && data.sms.is_empty()
            && recent.is_empty()
    }

    fn data<T>(&self, read: impl FnOnce(&Data) -> T) -> T {
        read(&self.data.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.data(|data| data.topics.get(name).cloned())
    }

    /// All topics, by name.
    pub(crate) fn topics(&self) -> Vec<Arc<Topic>> {
        self.data(|data| data.topics.values().cloned().collect())
    }

    /// The subscriptions of a topic, ended ones included.
    pub(crate) fn subscriptions(&self, topic: &str) -> Arc<Subscriptions> {
        self.data(|data| data.subscriptions.get(topic).cloned().unwrap_or_default())
    }

    pub(crate) fn subscription(&self, topic: &str, id: &str) -> Option<Arc<Subscription>> {
        self.data(|data| data.subscriptions.get(topic)?.get(id).cloned())
    }

    /// The subscription of an endpoint, unless it ended.
    pub(crate) fn subscription_of(
        &self,
        topic: &str,
        protocol: Protocol,
        endpoint: &str,
    ) -> Option<Arc<Subscription>> {
        let reached = (protocol, endpoint.to_owned());
        self.data(|data| {
            let id = data.reached.get(topic)?.get(&reached)?;
            data.subscriptions.get(topic)?.get(id).cloned()
        })
    }

    pub(crate) fn subscriptions_count(&self, topic: &str) -> usize {
        self.data(|data| data.subscriptions.get(topic).map_or(0, |all| all.len()))
    }

    pub(crate) fn by_token(&self, token: &str) -> Option<Arc<Subscription>> {
        self.data(|data| {
            let (topic, id) = data.tokens.get(token)?;
            data.subscriptions.get(topic)?.get(id).cloned()
        })
    }

    pub(crate) fn application(&self, name: &str) -> Option<Arc<Application>> {
        self.data(|data| data.applications.get(name).cloned())
    }

    pub(crate) fn applications(&self) -> Vec<Arc<Application>> {
        self.data(|data| data.applications.values().cloned().collect())
    }

    pub(crate) fn endpoint(&self, application: &str, id: &str) -> Option<Arc<Endpoint>> {
        let key = (application.to_owned(), id.to_owned());
        self.data(|data| data.endpoints.get(&key).cloned())
    }

    /// The endpoints of an application, by id.
    pub(crate) fn endpoints(&self, application: &str) -> Vec<Arc<Endpoint>> {
        let from = (application.to_owned(), String::new());
        self.data(|data| {
            let all = data.endpoints.range(from..);
            let own = all.take_while(|((of, _), _)| of == application);
            own.map(|(_, endpoint)| Arc::clone(endpoint)).collect()
        })
    }

    pub(crate) fn sms(&self) -> BTreeMap<String, String> {
        self.data(|data| data.sms.clone())
    }

    /// What was published lately to a FIFO topic. Held by whoever publishes.
    pub(crate) fn recent(&self, topic: &str) -> Arc<Mutex<Recent>> {
        let known = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(recent) = known.get(topic) {
            return Arc::clone(recent);
        }
        drop(known);
        let mut all = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(topic.to_owned()).or_default())
    }

    /// The rows that a change writes, or removes.
    fn rows(&self, change: &Change) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let place = &self.place;
        match change {
            Change::PutTopic(topic) => {
                vec![(place.topic(&topic.record.name), json(&topic.record))]
            }
            Change::DeleteTopic { name, remembered } => {
                let subscriptions = self.subscriptions(name);
                let own = subscriptions.keys().map(|id| place.subscription(name, id));
                let messages = remembered.iter().map(|id| place.deduplication(name, id));
                let all = std::iter::once(place.topic(name))
                    .chain(own)
                    .chain(messages);
                all.map(|key| (key, None)).collect()
            }
            Change::PutSubscription(record) => {
                let key = place.subscription(&record.topic, &record.id);
                vec![(key, json(record))]
            }
            Change::DeleteSubscription { topic, id } => vec![(place.subscription(topic, id), None)],
            Change::PutApplication(application) => {
                vec![(place.application(&application.name), json(application))]
            }
            Change::DeleteApplication(name) => {
                let endpoints = self.endpoints(name);
                let own = endpoints.iter().map(|one| place.endpoint(name, &one.id));
                let all = std::iter::once(place.application(name)).chain(own);
                all.map(|key| (key, None)).collect()
            }
            Change::PutEndpoint(endpoint) => {
                let key = place.endpoint(&endpoint.application, &endpoint.id);
                vec![(key, json(endpoint))]
            }
            Change::DeleteEndpoint { application, id } => {
                vec![(place.endpoint(application, id), None)]
            }
            Change::PutSms(attributes) => vec![(place.sms(), json(attributes))],
        }
    }

    fn apply(&self, changes: Vec<Change>) {
        for change in &changes {
            if let Change::DeleteTopic { name, .. } = change {
                let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
                recent.remove(name);
            }
        }
        let mut data = self.data.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            data.apply(change);
        }
    }
}

impl Data {
    fn put_subscription(&mut self, record: subscription::Record) {
        self.forget_subscription(&record.topic, &record.id);
        let (topic, id) = (record.topic.clone(), record.id.clone());
        if let Some(token) = record.token.clone() {
            self.tokens.insert(token, (topic.clone(), id.clone()));
        }
        if record.status != Status::Ended {
            let reached = (record.protocol, record.endpoint.clone());
            let of_topic = self.reached.entry(topic.clone()).or_default();
            of_topic.insert(reached, id.clone());
        }
        let all = self.subscriptions.entry(topic).or_default();
        Arc::make_mut(all).insert(id, Arc::new(Subscription::new(record)));
    }

    fn forget_subscription(&mut self, topic: &str, id: &str) {
        let Some(all) = self.subscriptions.get_mut(topic) else {
            return;
        };
        let Some(gone) = Arc::make_mut(all).remove(id) else {
            return;
        };
        if let Some(token) = &gone.record.token {
            self.tokens.remove(token);
        }
        let reached = (gone.record.protocol, gone.record.endpoint.clone());
        let of_topic = self.reached.get_mut(topic);
        if let Some(of_topic) = of_topic.filter(|all| all.get(&reached).is_some_and(|of| of == id))
        {
            of_topic.remove(&reached);
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::PutTopic(topic) => {
                self.topics
                    .insert(topic.record.name.clone(), Arc::new(topic));
            }
            Change::DeleteTopic { name, .. } => {
                self.topics.remove(&name);
                self.subscriptions.remove(&name);
                self.reached.remove(&name);
                self.tokens.retain(|_, (topic, _)| *topic != name);
            }
            Change::PutSubscription(record) => self.put_subscription(*record),
            Change::DeleteSubscription { topic, id } => self.forget_subscription(&topic, &id),
            Change::PutApplication(application) => {
                self.applications
                    .insert(application.name.clone(), Arc::new(application));
            }
            Change::DeleteApplication(name) => {
                self.applications.remove(&name);
                self.endpoints.retain(|(of, _), _| *of != name);
            }
            Change::PutEndpoint(endpoint) => {
                let key = (endpoint.application.clone(), endpoint.id.clone());
                self.endpoints.insert(key, Arc::new(endpoint));
            }
            Change::DeleteEndpoint { application, id } => {
                self.endpoints.remove(&(application, id));
            }
            Change::PutSms(attributes) => self.sms = attributes,
        }
    }
}

fn json<T: serde::Serialize>(value: &T) -> Option<Vec<u8>> {
    // Our records are trees of texts: they can always be written.
    Some(serde_json::to_vec(value).unwrap_or_default())
}
