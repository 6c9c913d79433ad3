//! Reading and writing items.
//!
//! Lives here: one item by its key, pages of items, and the one way in which an item is changed: look, decide, commit.
//! Does not live here: what is decided (the caller's pure function), validation (`dynamodb`).

use std::sync::Arc;

use bytes::Bytes;
use store::{Batch, CommitError, Direction, Page, PageLimit, Range, ReadError, Store};

use super::codec::{self, CorruptItem};
use super::table::{ItemKey, Table};
use super::value::Attributes;
use super::writers::Writers;

/// How often a change is decided anew because another node came between. On one node it never happens: see `writers`.
const DECISIONS_MAX: usize = 16;

/// Items in the store.
#[derive(Clone)]
pub struct Items {
    store: Arc<dyn Store>,
    writers: Arc<Writers>,
}

/// What is to become of an item.
#[derive(Debug)]
pub enum Change {
    /// It is as it was.
    Keep,
    /// It becomes this: an encoded item.
    Put(Vec<u8>),
    /// It goes.
    Delete,
}

/// What a change needs to know of the item that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depends {
    /// Nothing: it is written whatever is there.
    OnNothing,
    /// The item as it is.
    OnTheItem,
}

/// A change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError<R: std::error::Error + 'static> {
    /// The decision was not to make it.
    #[error("the change was refused")]
    Refused(#[source] R),
    /// The table is not there any more.
    #[error("the table was deleted meanwhile")]
    NoTable,
    /// Another node changed the item each time that this one had decided.
    #[error("the item changed {DECISIONS_MAX} times while a change was being decided")]
    Contended,
    /// The store failed.
    #[error("could not read or write the item")]
    Items(#[from] AccessError),
}

/// Items could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The store could not be read.
    #[error("could not read from the store")]
    Read(#[from] ReadError),
    /// The store could not be written.
    #[error("could not write to the store")]
    Commit(#[from] CommitError),
    /// The bytes in the store are not an item.
    #[error("could not decode an item")]
    Corrupt(#[from] CorruptItem),
    /// A lock was missing: a fault of ours.
    #[error("no place in the table of writers")]
    NoPlace,
}

impl Items {
    /// The items of this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            writers: Arc::default(),
        }
    }

    /// The encoded item at this key.
    ///
    /// # Errors
    /// [`AccessError::Read`].
    pub async fn get(&self, key: &ItemKey) -> Result<Option<Bytes>, AccessError> {
        Ok(self.store.get(key.as_bytes()).await?)
    }

    /// Encoded items of a range, in their order or against it.
    ///
    /// # Errors
    /// [`AccessError::Read`].
    pub async fn page(
        &self,
        range: &Range,
        direction: Direction,
        limit: PageLimit,
    ) -> Result<Page, AccessError> {
        Ok(self.store.scan(range, direction, limit).await?)
    }

    /// Changes one item as `decide` says, given the item that is there (none for [`Depends::OnNothing`]). It is
    /// called again when another node came between. Durable when it returns.
    ///
    /// # Errors
    /// [`ChangeError`]; after [`AccessError::Commit`] see [`CommitError`] for what is known.
    pub async fn change<T, R: std::error::Error + 'static>(
        &self,
        table: &Table,
        key: &ItemKey,
        depends: Depends,
        decide: impl Fn(Option<&Attributes>) -> Result<(Change, T), R>,
    ) -> Result<(T, Option<Attributes>), ChangeError<R>> {
        let turn = match depends {
            Depends::OnNothing => self.writers.share(key.partition()).await,
            Depends::OnTheItem => self.writers.alone(key.partition()).await,
        };
        let _turn = turn.ok_or(AccessError::NoPlace)?;
        for _ in 0..DECISIONS_MAX {
            let found = match depends {
                Depends::OnNothing => None,
                Depends::OnTheItem => self.get(key).await?,
            };
            let existing = found
                .as_deref()
                .map(codec::decode)
                .transpose()
                .map_err(AccessError::from)?;
            let (change, outcome) = decide(existing.as_ref()).map_err(ChangeError::Refused)?;
            let Some(batch) = batch(table, key, depends, found, change) else {
                return Ok((outcome, existing));
            };
            match self.store.commit(batch).await {
                Ok(_) => return Ok((outcome, existing)),
                Err(CommitError::CheckFailed { index: 0 }) => return Err(ChangeError::NoTable),
                Err(CommitError::CheckFailed { .. }) => {}
                Err(error) => return Err(AccessError::from(error).into()),
            }
        }
        Err(ChangeError::Contended)
    }
}

/// The batch that makes the change, if there is anything to do: only while the table is there (check 0), and only if the item is still
/// the one that the decision was made on (check 1).
fn batch(
    table: &Table,
    key: &ItemKey,
    depends: Depends,
    found: Option<Bytes>,
    change: Change,
) -> Option<Batch> {
    let item_key = Bytes::copy_from_slice(key.as_bytes());
    let mut batch = Batch::new().check_present(table.items.clone());
    if depends == Depends::OnTheItem {
        batch = match found {
            Some(bytes) => batch.check_equals(item_key.clone(), bytes),
            None => batch.check_absent(item_key.clone()),
        };
    }
    match change {
        Change::Keep => None,
        Change::Put(bytes) => Some(batch.put(item_key, bytes)),
        Change::Delete => Some(batch.delete(item_key)),
    }
}
