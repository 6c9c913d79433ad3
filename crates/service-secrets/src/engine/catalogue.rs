//! Reading and changing what is kept.
//!
//! Lives here: one writer a place: a change is decided on what is there, committed as one batch, then shown to readers.
//! Does not live here: what may be changed (operations), what happens by itself (`dues`).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use interfaces::clock::Clock;
use interfaces::random::Random;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::keys::KeyReader;
use store::sealing::Seal;
use store::{Batch, CommitError, Range, ReadError, Store, all_rows};
use tokio::sync::OnceCell;

use super::keys::{self, Kind, Place};
use super::root::{Root, RootError};
use super::state::{State, Step, bare};

/// Accounts and regions that are kept in memory.
const PLACES_MAX: usize = 4_096;

/// What is kept could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("what secrets keep could not be read")]
    Read(#[from] ReadError),
    #[error("what secrets keep could not be changed")]
    Commit(#[from] CommitError),
    #[error("secrets of more than {PLACES_MAX} accounts and regions are asked for")]
    TooManyPlaces,
    #[error("a row of a secret has an unknown form")]
    Row(#[source] serde_json::Error),
    #[error("the key that seals all others is not to be had")]
    Root(#[from] RootError),
    #[error(
        "what was sealed does not open: the key file of the state is not the one that sealed it"
    )]
    Sealed,
}

/// All places.
pub(crate) struct Catalogue {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    folder: Option<PathBuf>,
    root: OnceCell<Arc<Root>>,
    places: Mutex<HashMap<Place, Arc<OnceCell<Arc<Shelf>>>>>,
}

/// Seals by the root key. Names of others do not begin as those of materials do.
struct OfRoot {
    root: Arc<Root>,
    random: Arc<dyn Random>,
}

impl Seal for OfRoot {
    fn close(&self, name: &str, plain: &[u8]) -> Option<Vec<u8>> {
        self.root.close(&*self.random, &format!("of/{name}"), plain)
    }

    fn open(&self, name: &str, closed: &[u8]) -> Option<Vec<u8>> {
        self.root.open_closed(&format!("of/{name}"), closed)
    }
}

/// One place.
pub(crate) struct Shelf {
    state: RwLock<State>,
    writing: tokio::sync::Mutex<()>,
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
        folder: Option<PathBuf>,
    ) -> Self {
        Self {
            store,
            clock,
            random,
            folder,
            root: OnceCell::new(),
            places: Mutex::default(),
        }
    }

    /// The key that seals all others. It is read, or made, when it is first asked for.
    pub(crate) async fn root(&self) -> Result<&Root, Error> {
        Ok(self.shared_root().await?)
    }

    /// The same key for what others keep.
    pub(crate) async fn seal(&self) -> Result<Arc<dyn Seal>, Error> {
        Ok(Arc::new(OfRoot {
            root: Arc::clone(self.shared_root().await?),
            random: Arc::clone(&self.random),
        }))
    }

    async fn shared_root(&self) -> Result<&Arc<Root>, Error> {
        let open = async || {
            let root = Root::open(self.folder.clone(), &*self.random).await?;
            Ok::<_, RootError>(Arc::new(root))
        };
        Ok(self.root.get_or_try_init(open).await?)
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
        decide: impl FnOnce(&State) -> Result<(T, Vec<Step>), E>,
    ) -> Result<T, E> {
        let shelf = self.shelf(place).await?;
        let _writing = shelf.writing.lock().await;
        let (answer, steps) = shelf.look(decide)?;
        if steps.is_empty() {
            return Ok(answer);
        }
        let batch = steps
            .iter()
            .try_fold(Batch::new(), |batch, step| write(batch, place, step));
        self.store.commit(batch?).await.map_err(Error::Commit)?;
        let mut state = shelf.state.write().unwrap_or_else(PoisonError::into_inner);
        for step in steps {
            state.apply(step);
        }
        Ok(answer)
    }

    async fn load(&self, place: &Place) -> Result<Arc<Shelf>, Error> {
        let mut state = State::new(place.clone());
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
    let (Some(kind), Ok(name)) = (kind, reader.text()) else {
        return Ok(None);
    };
    Ok(Some(match kind {
        Kind::Key => Step::PutKey(read(value)?),
        Kind::Alias => Step::PutAlias(read(value)?),
        Kind::Parameter => Step::PutParameter(read(value)?),
        Kind::ParameterVersion => Step::PutParameterVersion(name, read(value)?),
        Kind::Secret => Step::PutSecret(read(value)?),
        Kind::SecretVersion => Step::PutSecretVersion(name, read(value)?),
    }))
}

fn write(batch: Batch, place: &Place, step: &Step) -> Result<Batch, Error> {
    let row = |kind, names: &[&str]| keys::row(place, kind, names);
    let version = |name: &str, number: u64| row(Kind::ParameterVersion, &[name, &digits(number)]);
    Ok(match step {
        Step::PutKey(key) => batch.put(row(Kind::Key, &[&key.id]), json(key)?),
        Step::DropKey(id) => batch.delete(row(Kind::Key, &[id])),
        Step::PutAlias(alias) => batch.put(row(Kind::Alias, &[&alias.name]), json(alias)?),
        Step::DropAlias(name) => batch.delete(row(Kind::Alias, &[name])),
        Step::PutParameter(parameter) => {
            let key = row(Kind::Parameter, &[bare(&parameter.name)]);
            batch.put(key, json(parameter)?)
        }
        Step::PutParameterVersion(name, one) => batch.put(version(name, one.number), json(one)?),
        Step::DropParameterVersion(name, number) => batch.delete(version(name, *number)),
        Step::DropParameter(name, versions) => {
            let batch = batch.delete(row(Kind::Parameter, &[name]));
            let numbers = versions.iter();
            numbers.fold(batch, |batch, number| batch.delete(version(name, *number)))
        }
        Step::PutSecret(secret) => batch.put(row(Kind::Secret, &[&secret.name]), json(secret)?),
        Step::PutSecretVersion(name, one) => {
            batch.put(row(Kind::SecretVersion, &[name, &one.id]), json(one)?)
        }
        Step::DropSecretVersion(name, id) => batch.delete(row(Kind::SecretVersion, &[name, id])),
        Step::DropSecret(name, versions) => {
            let batch = batch.delete(row(Kind::Secret, &[name]));
            let ids = versions.iter();
            ids.fold(batch, |batch, id| {
                batch.delete(row(Kind::SecretVersion, &[name, id]))
            })
        }
        Step::SetDue(due) => batch.put(due.to_bytes(), Vec::new()),
        Step::DropDue(due) => batch.delete(due.to_bytes()),
    })
}

/// A number as a text that sorts as it does.
fn digits(number: u64) -> String {
    format!("{number:020}")
}

fn json(row: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(row).map_err(Error::Row)
}

fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(value).map_err(Error::Row)
}
