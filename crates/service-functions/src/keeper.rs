//! Keeps the catalogue: in memory for reading, in the store for good.
//!
//! Lives here: its rows, changing it one change at a time, and telling whoever serves it that it has changed.
//! Does not live here: what a change is (the operations), making an application of it (`emission`, and whoever deploys).
//!
//! # Key shapes (after format, account, region and `Owner::Functions`)
//!
//! | shape | value |
//! | --- | --- |
//! | `01` kind (1 byte) text(key) | an entry, JSON; sealed where a project has secrets |

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use model::ids::{AccountId, Region};
use store::keys::{KeyReader, KeyWriter, Owner};
use store::sealing::{Sealing, Seals};
use store::{Batch, Direction, PageLimit, Range, Store};
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::answers::Refusal;
use crate::catalogue::{Catalogue, Entry, KINDS, Kind, Status};
use crate::permissions;

const ENTRY: u8 = 0x01;
/// Rows that are read at once.
const PAGE_ROWS: usize = 1_000;
/// Entries that are kept, of all kinds together.
const ENTRIES_MAX: usize = 100_000;
/// How long a request waits for what it changed to be served. Whoever asks later finds it `Pending` until it is.
const SERVED_WITHIN: Duration = Duration::from_secs(25);

/// The catalogue, and its rows.
pub(crate) struct Keeper {
    store: Arc<dyn Store>,
    pub(crate) sealing: Sealing,
    /// None before a project was loaded.
    now: RwLock<Option<Arc<Catalogue>>>,
    turn: Mutex<()>,
    /// The generation that was made last.
    made: watch::Sender<u64>,
    /// The generation that is served.
    served: watch::Sender<u64>,
}

/// The right to change the catalogue, which nobody else does meanwhile.
pub(crate) struct Turn<'a> {
    keeper: &'a Keeper,
    /// As it is now.
    pub(crate) catalogue: Arc<Catalogue>,
    _turn: MutexGuard<'a, ()>,
}

/// What a change puts and removes.
#[derive(Debug, Default)]
pub(crate) struct Change {
    steps: Vec<((Kind, String), Option<Entry>)>,
}

impl Change {
    pub(crate) fn put(&mut self, kind: Kind, key: impl Into<String>, entry: Entry) {
        self.steps.push(((kind, key.into()), Some(entry)));
    }

    /// Removes an entry: what a template declares stays away until the template says something else of it.
    pub(crate) fn remove(&mut self, catalogue: &Catalogue, kind: Kind, key: &str) {
        let Some(entry) = catalogue.get(kind, key) else {
            return;
        };
        let left = match &entry.origin {
            crate::catalogue::Origin::Api => None,
            crate::catalogue::Origin::Template { .. } => Some(Entry {
                is_removed: true,
                code: None,
                ..entry.as_ref().clone()
            }),
        };
        self.steps.push(((kind, key.to_owned()), left));
    }

    /// Removes an entry altogether.
    pub(crate) fn forget(&mut self, kind: Kind, key: &str) {
        self.steps.push(((kind, key.to_owned()), None));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Keeper {
    pub(crate) fn new(store: Arc<dyn Store>, seals: Option<Arc<dyn Seals>>) -> Self {
        Self {
            store,
            sealing: Sealing::new("functions", seals),
            now: RwLock::default(),
            turn: Mutex::default(),
            made: watch::Sender::new(0),
            served: watch::Sender::new(0),
        }
    }

    /// The catalogue as it is now; none before a project was loaded.
    pub(crate) fn now(&self) -> Option<Arc<Catalogue>> {
        self.now
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The same, for a request.
    ///
    /// # Errors
    /// Nothing is loaded yet.
    pub(crate) fn read(&self) -> Result<Arc<Catalogue>, Refusal> {
        self.now()
            .ok_or_else(|| Refusal::service("the project is still being loaded; try again"))
    }

    /// Waits for the right to change the catalogue.
    ///
    /// # Errors
    /// Nothing is loaded yet.
    pub(crate) async fn turn(&self) -> Result<Turn<'_>, Refusal> {
        let turn = self.turn.lock().await;
        Ok(Turn {
            keeper: self,
            catalogue: self.read()?,
            _turn: turn,
        })
    }

    /// The same, of the catalogue of a region, which is read from the store the first time.
    ///
    /// # Errors
    /// The store failed, in words.
    pub(crate) async fn turn_in(
        &self,
        account: &AccountId,
        region: &Region,
    ) -> Result<Turn<'_>, String> {
        let turn = self.turn.lock().await;
        let known = self.now().filter(|known| known.region == *region);
        let catalogue = match known {
            Some(known) => known,
            None => Arc::new(self.load(account, region).await?),
        };
        Ok(Turn {
            keeper: self,
            catalogue,
            _turn: turn,
        })
    }

    /// Waits until a generation was made that is not served. Cancel-safe.
    pub(crate) async fn changed(&self) {
        let (mut made, mut served) = (self.made.subscribe(), self.served.subscribe());
        loop {
            let is_behind = *served.borrow_and_update() < *made.borrow_and_update();
            if is_behind {
                return;
            }
            tokio::select! {
                _ = made.changed() => {}
                _ = served.changed() => {}
            }
        }
    }

    /// Says that a generation is served.
    pub(crate) fn set_served(&self, generation: u64) {
        self.served
            .send_modify(|served| *served = (*served).max(generation));
    }

    /// Waits until a generation is served, or for a while.
    pub(crate) async fn served(&self, generation: u64) {
        let mut served = self.served.subscribe();
        let reached = served.wait_for(|served| generation <= *served);
        // What takes longer is told as `Pending`.
        let _ = tokio::time::timeout(SERVED_WITHIN, reached).await;
    }

    fn set_now(&self, next: Catalogue) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(next));
    }

    async fn commit(&self, batch: Batch) -> Result<(), String> {
        let batch = self.sealing.closed(batch, None).await;
        let batch = batch.map_err(|error| error.to_string())?;
        let committed = self.store.commit(batch).await;
        committed.map(drop).map_err(|error| error.to_string())
    }

    async fn load(&self, account: &AccountId, region: &Region) -> Result<Catalogue, String> {
        let mut entries = BTreeMap::new();
        for (kind, byte, _) in KINDS {
            let prefix = key_start(account, region).byte(byte).finish();
            let mut range = Range::of_prefix(prefix.clone());
            loop {
                let limit = PageLimit::rows(PAGE_ROWS);
                let page = self.store.scan(&range, Direction::Forward, limit).await;
                let page = page.map_err(|error| error.to_string())?;
                for row in &page.rows {
                    let rest = row.key.get(prefix.len()..).unwrap_or_default();
                    let key = KeyReader::new(rest).text();
                    let key = key.map_err(|error| error.to_string())?;
                    let value = self.sealing.opened(row.value.clone()).await;
                    let value = value.map_err(|error| error.to_string())?;
                    let entry = serde_json::from_slice(&value);
                    let entry: Entry = entry.map_err(|error| error.to_string())?;
                    entries.insert((kind, key), Arc::new(entry));
                }
                match page.rows.last() {
                    Some(last) if page.more && entries.len() < ENTRIES_MAX => {
                        range = range.after(&last.key);
                    }
                    Some(_) | None => break,
                }
            }
        }
        let mut catalogue = Catalogue {
            account: account.clone(),
            region: region.clone(),
            entries,
            policies: BTreeMap::new(),
            // It goes on where that of another region was.
            generation: *self.made.borrow(),
        };
        catalogue.policies = permissions::compiled(&catalogue);
        Ok(catalogue)
    }
}

impl Turn<'_> {
    /// The number that a change will have.
    pub(crate) fn next_generation(&self) -> u64 {
        self.catalogue.generation + 1
    }

    /// Shows what was read from the store.
    pub(crate) fn install(self) {
        self.keeper.set_now(self.catalogue.as_ref().clone());
    }

    /// Makes a change; durable when it returns. Whoever serves it is told.
    ///
    /// # Errors
    /// The store failed, or there is too much.
    pub(crate) async fn apply(self, change: Change) -> Result<u64, Refusal> {
        let made = self.write(change).await;
        made.map_err(|reason| Refusal::service(&reason))
    }

    /// The same, with words for whoever has no request.
    ///
    /// # Errors
    /// The store failed, or there is too much.
    pub(crate) async fn write(self, change: Change) -> Result<u64, String> {
        let mut next = self.catalogue.as_ref().clone();
        next.generation += 1;
        let mut batch = Batch::new();
        let mut are_policies_same = true;
        for ((kind, key), entry) in change.steps {
            let row = key_start(&next.account, &next.region)
                .byte(kind.byte())
                .text(&key)
                .finish();
            are_policies_same &= kind != Kind::Permission;
            match entry {
                Some(entry) => {
                    let value = serde_json::to_vec(&entry).map_err(|error| error.to_string())?;
                    batch = batch.put(row, value);
                    next.entries.insert((kind, key), Arc::new(entry));
                }
                None => {
                    batch = batch.delete(row);
                    next.entries.remove(&(kind, key));
                }
            }
        }
        if ENTRIES_MAX < next.entries.len() {
            return Err(format!(
                "more than {ENTRIES_MAX} functions, versions and the like are not kept"
            ));
        }
        self.keeper.commit(batch).await?;
        if !are_policies_same {
            next.policies = permissions::compiled(&next);
        }
        Ok(self.publish(next))
    }

    /// Writes all rows as they are, now sealed.
    ///
    /// # Errors
    /// The store failed, in words.
    pub(crate) async fn write_anew(&self) -> Result<(), String> {
        let catalogue = &self.catalogue;
        let entries: Vec<_> = catalogue.entries.iter().collect();
        for page in entries.chunks(PAGE_ROWS) {
            let mut batch = Batch::new();
            for ((kind, key), entry) in page {
                let row = key_start(&catalogue.account, &catalogue.region);
                let row = row.byte(kind.byte()).text(key).finish();
                let value = serde_json::to_vec(entry.as_ref());
                batch = batch.put(row, value.map_err(|error| error.to_string())?);
            }
            self.keeper.commit(batch).await?;
        }
        self.keeper.sealing.note_rewritten();
        Ok(())
    }

    /// Notes how far changes have come, which nobody has to be told of.
    ///
    /// # Errors
    /// The store failed, in words.
    pub(crate) async fn note(self, settled: Vec<Settled>) -> Result<(), String> {
        let mut next = self.catalogue.as_ref().clone();
        let mut batch = Batch::new();
        for Settled {
            place,
            status,
            revision,
        } in settled
        {
            let Some(entry) = next.entries.get_mut(&place) else {
                continue;
            };
            let entry = Arc::make_mut(entry);
            entry.status = status;
            entry.revision = revision;
            let row = key_start(&next.account, &next.region)
                .byte(place.0.byte())
                .text(&place.1)
                .finish();
            let value = serde_json::to_vec(entry).map_err(|error| error.to_string())?;
            batch = batch.put(row, value);
        }
        self.keeper.commit(batch).await?;
        self.keeper.set_now(next);
        Ok(())
    }

    fn publish(&self, next: Catalogue) -> u64 {
        let generation = next.generation;
        self.keeper.set_now(next);
        self.keeper
            .made
            .send_modify(|made| *made = (*made).max(generation));
        generation
    }
}

/// How far a change has come.
pub(crate) struct Settled {
    pub(crate) place: (Kind, String),
    pub(crate) status: Status,
    pub(crate) revision: String,
}

fn key_start(account: &AccountId, region: &Region) -> KeyWriter {
    KeyWriter::new(account, region, Owner::Functions).byte(ENTRY)
}
