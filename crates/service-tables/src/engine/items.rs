//! Reading and writing items.
//!
//! Lives here: one item by its key, pages of items, and the one way in which an item is changed: look, decide, commit.
//! Does not live here: what is decided (the caller's pure function), validation (`dynamodb`).

use std::sync::Arc;

use bytes::Bytes;
use interfaces::clock::Clock;
use store::{
    Batch, CommitError, Direction, Page, PageLimit, Range, ReadError, Store, Versionstamp, Write,
};

use super::catalogue::{self, Catalogue};
use super::codec::{self, CorruptItem};
use super::consequences::{Author, Cause, consequences};
use super::indexes::Image;
use super::streams::wakers::Wakers;
use super::table::{ItemKey, Table};
use super::value::Attributes;
use super::writers::{Turn, Writers};

/// How often a change is decided anew because the table or another node came between. On one node only a change of the table
/// can: see `writers`.
const DECISIONS_MAX: usize = 16;

/// Items in the store.
#[derive(Clone)]
pub struct Items {
    store: Arc<dyn Store>,
    catalogue: Arc<Catalogue>,
    clock: Arc<dyn Clock>,
    writers: Arc<Writers>,
    wakers: Arc<Wakers>,
}

/// What is to become of an item.
#[derive(Debug, Clone)]
pub enum Change {
    /// It is as it was.
    Keep,
    /// It becomes this.
    Put(Arc<Attributes>),
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

/// One of several items that change together.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its table.
    pub table: Arc<Table>,
    /// Where it is.
    pub key: ItemKey,
}

/// What is to become of several items.
#[derive(Debug)]
pub struct Plan<T> {
    /// For each target, in their order.
    pub changes: Vec<Change>,
    /// What else is written in the same commit.
    pub writes: Vec<Write>,
    /// What is handed back once it is done.
    pub outcome: T,
}

/// Several items were changed.
#[derive(Debug)]
pub struct Changed<T> {
    /// What the decision handed on.
    pub outcome: T,
    /// The commit; none when there was nothing to write.
    pub stamp: Option<Versionstamp>,
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
    /// The table could not be looked up.
    #[error("could not look up the table")]
    Catalogue(#[from] catalogue::Error),
    /// A lock was missing: a fault of ours.
    #[error("no place in the table of writers")]
    NoPlace,
}

impl Items {
    /// The items of this store.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        catalogue: Arc<Catalogue>,
        clock: Arc<dyn Clock>,
        wakers: Arc<Wakers>,
    ) -> Self {
        Self {
            wakers,
            store,
            catalogue,
            clock,
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

    /// The right to write to an item's partition, alone.
    pub(super) async fn alone(&self, key: &ItemKey) -> Result<Turn<'_>, AccessError> {
        let turn = self.writers.alone(key.partition()).await;
        turn.ok_or(AccessError::NoPlace)
    }

    /// The encoded items at these keys, all as they were at one moment: writers of their partitions wait meanwhile.
    ///
    /// # Errors
    /// [`AccessError::Read`].
    pub async fn get_all(&self, keys: &[ItemKey]) -> Result<Vec<Option<Bytes>>, AccessError> {
        let partitions = keys.iter().map(ItemKey::partition);
        let turns = self.writers.alone_in_all(partitions).await;
        let _turns = turns.ok_or(AccessError::NoPlace)?;
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(self.get(key).await?);
        }
        Ok(found)
    }

    /// Encoded items, or entries of an index, of a range, in their order or against it.
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

    /// Changes one item as `decide` says, given the item that is there (none for [`Depends::OnNothing`], unless the write has
    /// consequences that depend on it). It is called again when the table was changed or another node came between.
    /// Durable when it returns.
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
        self.change_by(Author::Caller, table, key, depends, decide)
            .await
    }

    /// As [`Items::change`], by this author.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_by<T, R: std::error::Error + 'static>(
        &self,
        author: Author,
        table: &Table,
        key: &ItemKey,
        depends: Depends,
        decide: impl Fn(Option<&Attributes>) -> Result<(Change, T), R>,
    ) -> Result<(T, Option<Attributes>), ChangeError<R>> {
        let mut renewed: Option<Arc<Table>> = None;
        for _ in 0..DECISIONS_MAX {
            let table = renewed.as_deref().unwrap_or(table);
            let looks = depends == Depends::OnTheItem || table.has_consequences();
            let turn = if looks {
                self.writers.alone(key.partition()).await
            } else {
                self.writers.share(key.partition()).await
            };
            let _turn = turn.ok_or(AccessError::NoPlace)?;
            let found = if looks { self.get(key).await? } else { None };
            let existing = decoded(found.as_ref())?;
            let (change, outcome) = decide(existing.as_ref()).map_err(ChangeError::Refused)?;
            let mut batch = Batch::new().check_equals(table.items.clone(), table.mark.clone());
            if looks {
                batch = unchanged(batch, key.as_bytes(), found.as_ref());
            }
            let cause = Cause {
                at: self.clock.now(),
                author,
                ordinal: 0,
            };
            let before = Before {
                bytes: found.as_ref(),
                attributes: existing.as_ref(),
            };
            let batch = add_change(batch, table, key, before, &change, cause);
            if batch.writes().is_empty() {
                return Ok((outcome, existing));
            }
            match self.store.commit(batch).await {
                Ok(_) => {
                    self.wake(table);
                    return Ok((outcome, existing));
                }
                Err(CommitError::CheckFailed { index: 0 }) => {
                    renewed = Some(self.renew(table).await?);
                }
                Err(CommitError::CheckFailed { .. }) => {}
                Err(error) => return Err(AccessError::from(error).into()),
            }
        }
        Err(ChangeError::Contended)
    }

    /// Changes several items in one commit as `decide` says, given all of them and the value of one other key of the store
    /// (`beside`: where the caller notes that it was done). All are as they were at one moment, and still are when
    /// the commit is made. No two targets may be the same item.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_all<T, R: std::error::Error + 'static>(
        &self,
        targets: &[Target],
        beside: Option<&[u8]>,
        decide: impl Fn(&[Option<Attributes>], Option<&Bytes>) -> Result<Plan<T>, R>,
    ) -> Result<Changed<T>, ChangeError<R>> {
        let partitions = targets.iter().map(|target| target.key.partition());
        let turns = self.writers.alone_in_all(partitions.chain(beside)).await;
        let _turns = turns.ok_or(AccessError::NoPlace)?;
        let mut tables: Vec<Arc<Table>> = targets
            .iter()
            .map(|target| Arc::clone(&target.table))
            .collect();
        for _ in 0..DECISIONS_MAX {
            let seen = self.look(&tables, targets, beside).await?;
            let plan = decide(&seen.items, seen.beside.as_ref()).map_err(ChangeError::Refused)?;
            let batch = self.carry_out(&tables, targets, &seen, &plan.changes);
            let batch = plan.writes.into_iter().fold(batch, Batch::write);
            let outcome = plan.outcome;
            if batch.writes().is_empty() {
                let stamp = None;
                return Ok(Changed { outcome, stamp });
            }
            match self.store.commit(batch).await {
                Ok(stamp) => {
                    tables.iter().for_each(|table| self.wake(table));
                    let stamp = Some(stamp);
                    return Ok(Changed { outcome, stamp });
                }
                Err(CommitError::CheckFailed { index }) => {
                    if let Some(table) = tables.get_mut(index) {
                        *table = self.renew(table).await?;
                    }
                }
                Err(error) => return Err(AccessError::from(error).into()),
            }
        }
        Err(ChangeError::Contended)
    }

    /// Reads all targets.
    async fn look(
        &self,
        tables: &[Arc<Table>],
        targets: &[Target],
        beside: Option<&[u8]>,
    ) -> Result<Seen, AccessError> {
        // The checks of tables come first: by its index a failed one says which table has changed.
        let mut checks = tables.iter().fold(Batch::new(), |batch, table| {
            batch.check_equals(table.items.clone(), table.mark.clone())
        });
        let mut bytes = Vec::with_capacity(targets.len());
        let mut items = Vec::with_capacity(targets.len());
        for target in targets {
            let found = self.get(&target.key).await?;
            checks = unchanged(checks, target.key.as_bytes(), found.as_ref());
            items.push(decoded(found.as_ref())?);
            bytes.push(found);
        }
        let mut row = None;
        if let Some(key) = beside {
            row = self.store.get(key).await?;
            checks = unchanged(checks, key, row.as_ref());
        }
        Ok(Seen {
            checks,
            bytes,
            items,
            beside: row,
        })
    }

    /// The batch with all changes and what they entail.
    fn carry_out(
        &self,
        tables: &[Arc<Table>],
        targets: &[Target],
        seen: &Seen,
        changes: &[Change],
    ) -> Batch {
        let mut batch = seen.checks.clone();
        let at = self.clock.now();
        let items = seen.bytes.iter().zip(&seen.items);
        let parts = targets.iter().zip(tables).zip(items).zip(changes);
        for (ordinal, (((target, table), (bytes, attributes)), change)) in (0_u32..).zip(parts) {
            let before = Before {
                bytes: bytes.as_ref(),
                attributes: attributes.as_ref(),
            };
            let cause = Cause {
                at,
                author: Author::Caller,
                ordinal,
            };
            batch = add_change(batch, table, &target.key, before, change, cause);
        }
        batch
    }

    /// Tells those who wait for records of the table's stream that there may be some.
    fn wake(&self, table: &Table) {
        if let Some(stream) = &table.stream {
            self.wakers.wake(&stream.arn);
        }
    }

    /// The table as it is by now.
    async fn renew<R: std::error::Error + 'static>(
        &self,
        table: &Table,
    ) -> Result<Arc<Table>, ChangeError<R>> {
        let found = self.catalogue.renewed(table).await;
        found
            .map_err(AccessError::from)?
            .ok_or(ChangeError::NoTable)
    }
}

/// What several targets were, and the checks that they still are.
struct Seen {
    checks: Batch,
    bytes: Vec<Option<Bytes>>,
    items: Vec<Option<Attributes>>,
    beside: Option<Bytes>,
}

/// The item that a change meets; nothing, when it does not look.
#[derive(Clone, Copy)]
struct Before<'a> {
    bytes: Option<&'a Bytes>,
    attributes: Option<&'a Attributes>,
}

impl<'a> Before<'a> {
    fn image(self) -> Option<Image<'a>> {
        Some(Image {
            attributes: self.attributes?,
            bytes: self.bytes?,
        })
    }
}

fn decoded(bytes: Option<&Bytes>) -> Result<Option<Attributes>, AccessError> {
    let item = bytes.map(|bytes| codec::decode(bytes)).transpose();
    Ok(item?)
}

/// Only if this is still what the decision is made on.
fn unchanged(batch: Batch, key: &[u8], found: Option<&Bytes>) -> Batch {
    let key = Bytes::copy_from_slice(key);
    match found {
        Some(bytes) => batch.check_equals(key, bytes.clone()),
        None => batch.check_absent(key),
    }
}

/// The batch with the change and all that it entails.
fn add_change(
    batch: Batch,
    table: &Table,
    key: &ItemKey,
    before: Before<'_>,
    change: &Change,
    cause: Cause,
) -> Batch {
    let item_key = Bytes::copy_from_slice(key.as_bytes());
    let (write, entailed) = match change {
        Change::Keep => return batch,
        Change::Put(item) => {
            let value = Bytes::from(codec::encode(item));
            let after = Image {
                attributes: item,
                bytes: &value,
            };
            let entailed = consequences(table, key, before.image(), Some(after), cause);
            let key = item_key;
            (Write::Put { key, value }, entailed)
        }
        Change::Delete => (
            Write::Delete { key: item_key },
            consequences(table, key, before.image(), None, cause),
        ),
    };
    entailed.into_iter().fold(batch.write(write), Batch::write)
}
