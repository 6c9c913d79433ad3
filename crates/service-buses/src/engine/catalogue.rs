//! Reading and changing what is kept.
//!
//! Lives here: one writer a place: a change is decided on what is there, committed as one batch, then shown to readers.
//! Does not live here: what may be changed (`events`, `scheduler`), when schedules fire (`clockwork`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use interfaces::authorize::Authorize;
use interfaces::clock::Clock;
use interfaces::random::Random;
use model::delivery::Delivery;
use outbox::Outbox;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::keys::KeyReader;
use store::sealing::{NoSeal, Sealing, Seals};
use store::{Batch, CommitError, Range, ReadError, Store, all_rows};
use tokio::sync::{Notify, OnceCell};

use super::clockwork::Times;
use super::held::Counts;
use super::keys::{self, DueKey, Kind, Place};
use super::rows::{Bus, Due, Group, Json, Tags};
use super::state::{DEFAULT, State, Step};

/// Deliveries of one batch, and bytes of their bodies: well within what the store takes.
pub(super) const DELIVERIES_MAX: usize = 2_000;
pub(super) const DELIVERIES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Accounts and regions that are kept in memory.
const PLACES_MAX: usize = 4_096;

/// What is kept could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("what buses keep could not be read")]
    Read(#[from] ReadError),
    #[error("what buses keep could not be changed")]
    Commit(#[from] CommitError),
    #[error("buses of more than {PLACES_MAX} accounts and regions are asked for")]
    TooManyPlaces,
    #[error("connections of buses could not be opened or sealed")]
    Sealed(#[from] NoSeal),
    #[error("a row of a bus has an unknown form")]
    Row(#[source] serde_json::Error),
}

/// All places.
pub(crate) struct Catalogue {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) outbox: Outbox,
    pub(crate) authorize: Arc<dyn Authorize>,
    /// Connections hold passwords and keys.
    sealing: Sealing,
    places: Mutex<HashMap<Place, Arc<OnceCell<Arc<Shelf>>>>>,
    pub(crate) times: Times,
    /// Rung when a time of a schedule has changed.
    pub(crate) bell: Notify,
    /// What archives hold.
    pub(crate) archives: Counts,
    /// Rung when a replay has more to send.
    pub(crate) replays: Notify,
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
    pub(crate) deliveries: Vec<Delivery>,
}

impl Change {
    /// This one step.
    pub(crate) fn one(step: Step) -> Self {
        Self {
            steps: vec![step],
            deliveries: Vec::new(),
        }
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
        seals: Option<Arc<dyn Seals>>,
    ) -> Self {
        Self {
            store,
            clock,
            random,
            outbox,
            authorize,
            sealing: Sealing::new("connections", seals),
            places: Mutex::default(),
            times: Times::default(),
            bell: Notify::new(),
            archives: Counts::default(),
            replays: Notify::new(),
        }
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
        let shelf = cell.get_or_try_init(|| Box::pin(self.load(place))).await?;
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
        if change.steps.is_empty() && change.deliveries.is_empty() {
            return Ok(answer);
        }
        let mut batch = Batch::new();
        for step in &change.steps {
            batch = self.write(batch, place, step).await?;
        }
        let batch = self.outbox.add(batch, &change.deliveries);
        self.store.commit(batch).await.map_err(Error::Commit)?;
        let has_due = |step: &Step| matches!(step, Step::SetDue(_, _));
        let moves_clock = change.steps.iter().any(has_due);
        {
            let mut state = shelf.state.write().unwrap_or_else(PoisonError::into_inner);
            for step in change.steps {
                if let Step::SetDue(key, due) = &step {
                    self.times.set(key, *due);
                }
                state.apply(step);
            }
        }
        if !change.deliveries.is_empty() {
            self.outbox.ring();
        }
        if moves_clock {
            self.bell.notify_one();
        }
        Ok(answer)
    }

    /// Hands over what one event, or several, came to: in batches that the store takes, so a crash may leave the first of them.
    pub(crate) async fn send(&self, deliveries: &[Delivery]) -> Result<(), Error> {
        let mut rest = deliveries;
        while !rest.is_empty() {
            let mut bytes = 0_usize;
            let fits = rest.iter().take(DELIVERIES_MAX).take_while(|delivery| {
                bytes += delivery.message.body.len();
                bytes <= DELIVERIES_BYTES_MAX
            });
            let (batch, later) = rest.split_at(fits.count().max(1));
            self.outbox.accept(batch).await?;
            rest = later;
        }
        Ok(())
    }

    /// Every time of every place, as the store has them.
    pub(crate) async fn dues(&self) -> Result<Vec<(DueKey, Due)>, Error> {
        let mut dues = Vec::new();
        for row in all_rows(&*self.store, Range::of_prefix(keys::due_prefix())).await? {
            if let Some(key) = DueKey::from_bytes(&row.key) {
                dues.push((key, read(&row.value)?));
            }
        }
        Ok(dues)
    }

    async fn load(&self, place: &Place) -> Result<Arc<Shelf>, Error> {
        let mut state = State::new(place.clone());
        let prefix = keys::prefix(place);
        for row in all_rows(&*self.store, Range::of_prefix(prefix.clone())).await? {
            let Some(kind) = kind_of(&prefix, &row.key) else {
                continue;
            };
            let plain = match kind {
                Kind::Connection => self.opened(&row.key, row.value).await?,
                Kind::Bus
                | Kind::Rule
                | Kind::Destination
                | Kind::Archive
                | Kind::Replay
                | Kind::Group
                | Kind::Schedule => row.value,
            };
            state.apply(step(kind, &plain)?);
        }
        for (key, due) in self.dues().await? {
            if key.place == *place {
                state.apply(Step::SetDue(key, Some(due)));
            }
        }
        for step in self.defaults(&state) {
            let batch = self.write(Batch::new(), place, &step).await?;
            self.store.commit(batch).await?;
            state.apply(step);
        }
        Ok(Arc::new(Shelf {
            state: RwLock::new(state),
            writing: tokio::sync::Mutex::new(()),
        }))
    }

    /// What a sealed row says. One that an earlier version left plain is sealed now.
    async fn opened(&self, key: &[u8], row: Bytes) -> Result<Bytes, Error> {
        let plain = self.sealing.opened(row.clone()).await?;
        if plain == row {
            let sealed = self.sealing.sealed(row.to_vec()).await?;
            if sealed != row {
                let batch = Batch::new().put(key.to_vec(), sealed);
                self.store.commit(batch).await?;
            }
        }
        Ok(plain)
    }

    async fn write(&self, batch: Batch, place: &Place, step: &Step) -> Result<Batch, Error> {
        let row = |kind, names: &[&str]| keys::row(place, kind, names);
        Ok(match step {
            Step::PutBus(bus) => batch.put(row(Kind::Bus, &[&bus.name]), json(bus)?),
            Step::DropBus(name) => batch.delete(row(Kind::Bus, &[name])),
            Step::PutRule(rule) => {
                batch.put(row(Kind::Rule, &[&rule.bus, &rule.name]), json(rule)?)
            }
            Step::DropRule(bus, name) => batch.delete(row(Kind::Rule, &[bus, name])),
            Step::PutConnection(connection) => {
                let key = row(Kind::Connection, &[&connection.name]);
                let sealed = Box::pin(self.sealing.sealed(json(connection)?));
                batch.put(key, sealed.await?)
            }
            Step::DropConnection(name) => batch.delete(row(Kind::Connection, &[name])),
            Step::PutDestination(destination) => {
                let key = row(Kind::Destination, &[&destination.name]);
                batch.put(key, json(destination)?)
            }
            Step::DropDestination(name) => batch.delete(row(Kind::Destination, &[name])),
            Step::PutArchive(archive) => batch
                .put(row(Kind::Archive, &[&archive.name]), json(archive)?)
                .put(keys::has_archives(place), Vec::new()),
            Step::DropArchive(name) => batch.delete(row(Kind::Archive, &[name])),
            Step::PutReplay(replay) => batch.put(row(Kind::Replay, &[&replay.name]), json(replay)?),
            Step::DropReplay(name) => batch.delete(row(Kind::Replay, &[name])),
            Step::PutGroup(group) => batch.put(row(Kind::Group, &[&group.name]), json(group)?),
            Step::DropGroup(name) => batch.delete(row(Kind::Group, &[name])),
            Step::PutSchedule(schedule) => {
                let key = row(Kind::Schedule, &[&schedule.group, &schedule.name]);
                batch.put(key, json(schedule)?)
            }
            Step::DropSchedule(group, name) => batch.delete(row(Kind::Schedule, &[group, name])),
            Step::SetDue(key, Some(due)) => batch.put(key.to_bytes(), json(due)?),
            Step::SetDue(key, None) => batch.delete(key.to_bytes()),
        })
    }

    /// What is always there.
    fn defaults(&self, state: &State) -> Vec<Step> {
        let now = self.clock.now();
        let mut steps = Vec::new();
        if !state.buses.contains_key(DEFAULT) {
            steps.push(Step::PutBus(Bus {
                name: DEFAULT.to_owned(),
                shown: Json::new(),
                policy: None,
                tags: Tags::new(),
                created_at: now,
                modified_at: now,
                owner: None,
            }));
        }
        if !state.groups.contains_key(DEFAULT) {
            steps.push(Step::PutGroup(Group {
                name: DEFAULT.to_owned(),
                tags: Tags::new(),
                created_at: now,
                modified_at: now,
                token: None,
                owner: None,
            }));
        }
        steps
    }
}

fn kind_of(prefix: &[u8], key: &[u8]) -> Option<Kind> {
    let mut reader = KeyReader::new(key);
    match (reader.skip(prefix), reader.raw(1)) {
        (Ok(()), Ok([byte])) => Kind::of(*byte),
        (Ok(()) | Err(_), _) => None,
    }
}

fn step(kind: Kind, value: &[u8]) -> Result<Step, Error> {
    Ok(match kind {
        Kind::Bus => Step::PutBus(read(value)?),
        Kind::Rule => Step::PutRule(read(value)?),
        Kind::Connection => Step::PutConnection(read(value)?),
        Kind::Destination => Step::PutDestination(read(value)?),
        Kind::Archive => Step::PutArchive(read(value)?),
        Kind::Replay => Step::PutReplay(read(value)?),
        Kind::Group => Step::PutGroup(read(value)?),
        Kind::Schedule => Step::PutSchedule(read(value)?),
    })
}

pub(super) fn json(row: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(row).map_err(Error::Row)
}

pub(super) fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(value).map_err(Error::Row)
}
