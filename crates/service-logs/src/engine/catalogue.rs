//! Reading and changing what is kept.
//!
//! Lives here: one writer a place: a change is decided on what is there, committed as one batch, then shown to readers.
//! Does not live here: what may be changed (`logs`, `metrics`), what comes with events (`append`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use interfaces::authorize::Authorize;
use interfaces::clock::Clock;
use interfaces::random::Random;
use model::delivery::Delivery;
use outbox::Outbox;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::keys::KeyReader;
use store::{Batch, Bytes, CommitError, Range, ReadError, Store, all_rows};
use tokio::sync::OnceCell;

use super::keys::{self, Kind, Place};
use super::rows::{Metric, Moment};
use super::state::{State, Step};

/// Accounts and regions that are kept in memory.
const PLACES_MAX: usize = 4_096;

/// What is kept could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("what logs keep could not be read")]
    Read(#[from] ReadError),
    #[error("what logs keep could not be changed")]
    Commit(#[from] CommitError),
    #[error("logs of more than {PLACES_MAX} accounts and regions are asked for")]
    TooManyPlaces,
    #[error("a row of logs has an unknown form")]
    Row(#[source] serde_json::Error),
}

/// All places.
pub(crate) struct Catalogue {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) outbox: Outbox,
    pub(crate) authorize: Arc<dyn Authorize>,
    places: Mutex<HashMap<Place, Arc<OnceCell<Arc<Shelf>>>>>,
}

/// One place.
pub(crate) struct Shelf {
    state: RwLock<State>,
    writing: tokio::sync::Mutex<()>,
}

/// What a change comes to.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) steps: Vec<Step>,
    /// Rows of events.
    pub(crate) events: Vec<(Vec<u8>, Vec<u8>)>,
    /// Events that go.
    pub(crate) gone: Vec<Bytes>,
    /// Streams that are deleted: their events go by and by.
    pub(crate) doomed: Vec<u64>,
    pub(crate) deliveries: Vec<Delivery>,
}

impl Change {
    /// This one step.
    pub(crate) fn one(step: Step) -> Self {
        Self::all(vec![step])
    }

    pub(crate) fn all(steps: Vec<Step>) -> Self {
        Self {
            steps,
            ..Self::default()
        }
    }

    fn is_nothing(&self) -> bool {
        self.steps.is_empty()
            && self.events.is_empty()
            && self.gone.is_empty()
            && self.deliveries.is_empty()
    }
}

impl Shelf {
    /// Looks at what is there.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Catalogue {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        outbox: Outbox,
        authorize: Arc<dyn Authorize>,
    ) -> Self {
        Self {
            store,
            clock,
            random,
            outbox,
            authorize,
            places: Mutex::default(),
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now().epoch_ms()
    }

    /// An id that nothing else has.
    pub(crate) fn fresh_id(&self) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    /// A place. It is read when it is first asked for.
    pub(crate) async fn shelf(&self, place: &Place) -> Result<Arc<Shelf>, Error> {
        let cell = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            if PLACES_MAX <= places.len() && !places.contains_key(place) {
                return Err(Error::TooManyPlaces);
            }
            Arc::clone(places.entry(place.clone()).or_default())
        };
        let shelf = cell.get_or_try_init(|| self.load(place)).await?;
        Ok(Arc::clone(shelf))
    }

    /// Decides on a change by what is there, and makes it. Nobody else changes the place meanwhile.
    ///
    /// # Errors
    /// Those of `decide`, and those of the store: nothing was changed then, as far as this process sees.
    pub(crate) async fn change<T, E: From<Error>>(
        &self,
        place: &Place,
        decide: impl FnOnce(&State) -> Result<(T, Change), E>,
    ) -> Result<T, E> {
        let shelf = self.shelf(place).await?;
        let _writing = shelf.writing.lock().await;
        let (answer, change) = shelf.look(decide)?;
        if change.is_nothing() {
            return Ok(answer);
        }
        let start = match shelf.look(|state| state.groups.is_empty()) {
            true => Batch::new().put(keys::place(place), Vec::new()),
            false => Batch::new(),
        };
        let mut steps = change.steps.iter();
        let batch = steps.try_fold(start, |batch, step| write(batch, place, step));
        let batch = batch.map_err(E::from)?;
        let batch = change
            .events
            .into_iter()
            .fold(batch, |batch, (key, row)| batch.put(key, row));
        let batch = change.gone.into_iter().fold(batch, Batch::delete);
        let doomed = change.doomed.iter().map(|id| keys::doomed(*id));
        let batch = doomed.fold(batch, |batch, key| batch.put(key, Vec::new()));
        let batch = self.outbox.add(batch, &change.deliveries);
        self.store.commit(batch).await.map_err(Error::Commit)?;
        {
            let mut state = shelf.state.write().unwrap_or_else(PoisonError::into_inner);
            for step in change.steps {
                state.apply(step);
            }
        }
        if !change.deliveries.is_empty() {
            self.outbox.ring();
        }
        Ok(answer)
    }

    /// Every place that keeps something.
    pub(crate) async fn places(&self) -> Result<Vec<Place>, Error> {
        let rows = all_rows(&*self.store, Range::of_prefix(keys::places())).await?;
        let places = rows.iter().filter_map(|row| keys::read_place(&row.key));
        Ok(places.collect())
    }

    async fn load(&self, place: &Place) -> Result<Arc<Shelf>, Error> {
        let mut state = State::default();
        let prefix = keys::prefix(place);
        for row in all_rows(&*self.store, Range::of_prefix(prefix.clone())).await? {
            if let Some(step) = step(&prefix, &row.key, &row.value)? {
                state.apply(step);
            }
        }
        Ok(Arc::new(Shelf {
            state: RwLock::new(state),
            writing: tokio::sync::Mutex::new(()),
        }))
    }
}

fn step(prefix: &[u8], key: &[u8], value: &[u8]) -> Result<Option<Step>, Error> {
    let mut reader = KeyReader::new(key);
    let kind = match (reader.skip(prefix), reader.raw(1)) {
        (Ok(()), Ok([byte])) => Kind::of(*byte),
        (Ok(()) | Err(_), _) => None,
    };
    let Some(kind) = kind else {
        return Ok(None);
    };
    Ok(Some(match kind {
        Kind::Group => Step::PutGroup(read(value)?),
        Kind::Stream => Step::PutStream(read(value)?),
        Kind::Policy => Step::PutPolicy(read(value)?),
        Kind::Alarm => Step::PutAlarm(read(value)?),
        Kind::Point => Step::PutPoint(read(value)?),
    }))
}

fn write(batch: Batch, place: &Place, step: &Step) -> Result<Batch, Error> {
    let row = |kind, names: &[&str]| keys::row(place, kind, names);
    Ok(match step {
        Step::PutGroup(group) => batch.put(row(Kind::Group, &[&group.name]), json(group)?),
        Step::DropGroup(name) => batch.delete(row(Kind::Group, &[name])),
        Step::PutStream(stream) => {
            let key = row(Kind::Stream, &[&stream.group, &stream.name]);
            batch.put(key, json(stream)?)
        }
        Step::DropStream(group, name) => batch.delete(row(Kind::Stream, &[group, name])),
        Step::PutPolicy(policy) => batch.put(row(Kind::Policy, &[&policy.name]), json(policy)?),
        Step::DropPolicy(name) => batch.delete(row(Kind::Policy, &[name])),
        Step::PutAlarm(alarm) => batch.put(row(Kind::Alarm, &[&alarm.name]), json(alarm)?),
        Step::DropAlarm(name) => batch.delete(row(Kind::Alarm, &[name])),
        Step::PutPoint(point) => {
            batch.put(of_point(place, &point.metric, &point.moment)?, json(point)?)
        }
        Step::DropPoint(metric, moment) => batch.delete(of_point(place, metric, moment)?),
    })
}

fn of_point(place: &Place, metric: &Metric, moment: &Moment) -> Result<Vec<u8>, Error> {
    let dimensions = serde_json::to_string(&metric.dimensions).map_err(Error::Row)?;
    let at = format!("{:012}", moment.at_s);
    let names = [
        &metric.namespace,
        &metric.name,
        &dimensions,
        &at,
        &moment.unit,
    ];
    Ok(keys::row(place, Kind::Point, &names.map(String::as_str)))
}

fn json(row: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(row).map_err(Error::Row)
}

fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(value).map_err(Error::Row)
}
