//! Reading and writing items.
//!
//! Lives here: one item by its key, pages of items, and the one way in which an item is changed: look, decide, commit.
//! Does not live here: what is decided (the caller's pure function), validation (`dynamodb`).

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use interfaces::clock::Clock;
use store::{
    Batch, CommitError, Direction, Page, PageLimit, Range, ReadError, Store, Versionstamp, Write,
};

use super::batches::{Before, add_change, is_at, unchanged};
use super::catalogue::{self, Catalogue};
use super::codec::{self, CorruptItem};
use super::consequences::{Author, Cause};
use super::streams::wakers::Wakers;
use super::table::{ItemKey, Table};
use super::value::Attributes;
use super::writers::{Turn, Turns, Writers};

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

impl<T> Plan<T> {
    /// Whether anything is to be written.
    fn writes(&self) -> bool {
        let keeps = |change: &Change| matches!(change, Change::Keep);
        !self.writes.is_empty() || !self.changes.iter().all(keeps)
    }
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

    /// The right to write to an item's partition, alone, with nothing on its way there.
    pub(super) async fn alone(&self, key: &ItemKey) -> Result<Turn<'_>, AccessError> {
        let turn = self.writers.alone(key.partition()).await;
        let turn = turn.ok_or(AccessError::NoPlace)?;
        turn.landed().await;
        Ok(turn)
    }

    /// The encoded items at these keys, all as they were at one moment: writers of their partitions wait meanwhile.
    ///
    /// # Errors
    /// [`AccessError::Read`].
    pub async fn get_all(&self, keys: &[ItemKey]) -> Result<Vec<Option<Bytes>>, AccessError> {
        let partitions = keys.iter().map(ItemKey::partition);
        let turns = self.writers.alone_in_all(partitions).await;
        let turns = turns.ok_or(AccessError::NoPlace)?;
        turns.landed().await;
        let mut found = self.get_each(keys).await?;
        // A batch whose sender did not wait for it may still land while we look: then a second look differs.
        loop {
            let again = self.get_each(keys).await?;
            if again == found {
                return Ok(found);
            }
            found = again;
        }
    }

    async fn get_each(&self, keys: &[ItemKey]) -> Result<Vec<Option<Bytes>>, AccessError> {
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
            let turn = turn.ok_or(AccessError::NoPlace)?;
            let mut met = Met::default();
            if looks {
                met = self.meet(&turn, key).await?;
            }
            let mut decided = decide(met.attributes.as_ref());
            if met.is_coming && !matches!(decided, Ok((Change::Put(_) | Change::Delete, _))) {
                // Nothing will be written that could fail with what it was decided on: the answer is about what is durable.
                turn.landed().await;
                met = self.meet(&turn, key).await?;
                decided = decide(met.attributes.as_ref());
            }
            let (change, outcome) = decided.map_err(ChangeError::Refused)?;
            let mut batch = Batch::new().check_equals(table.items.clone(), table.mark.clone());
            if looks {
                batch = unchanged(batch, key.as_bytes(), met.bytes.as_ref());
            }
            let cause = Cause {
                at: self.clock.now(),
                author,
                ordinal: 0,
            };
            let before = Before {
                bytes: met.bytes.as_ref(),
                attributes: met.attributes.as_ref(),
            };
            let batch = add_change(batch, table, key, before, &change, cause);
            if batch.writes().is_empty() {
                return Ok((outcome, met.attributes));
            }
            match self.commit(batch, &[key], turn).await {
                Ok(_) => {
                    self.wake(table);
                    return Ok((outcome, met.attributes));
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
        let mut tables: Vec<Arc<Table>> = targets
            .iter()
            .map(|target| Arc::clone(&target.table))
            .collect();
        let keys: Vec<&ItemKey> = targets.iter().map(|target| &target.key).collect();
        for _ in 0..DECISIONS_MAX {
            let partitions = keys.iter().map(|key| key.partition());
            let turns = self.writers.alone_in_all(partitions.chain(beside)).await;
            let turns = turns.ok_or(AccessError::NoPlace)?;
            let mut seen = self.look(&turns, &tables, targets, beside).await?;
            let mut decided = decide(&seen.items, seen.beside.as_ref());
            if seen.is_coming && !decided.as_ref().is_ok_and(Plan::writes) {
                turns.landed().await;
                seen = self.look(&turns, &tables, targets, beside).await?;
                decided = decide(&seen.items, seen.beside.as_ref());
            }
            let plan = decided.map_err(ChangeError::Refused)?;
            let batch = self.carry_out(&tables, targets, &seen, &plan.changes);
            let batch = plan.writes.into_iter().fold(batch, Batch::write);
            let outcome = plan.outcome;
            if batch.writes().is_empty() {
                let stamp = None;
                return Ok(Changed { outcome, stamp });
            }
            match self.commit(batch, &keys, turns).await {
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

    /// The item at this key, as batches on their way will leave it.
    async fn meet(&self, turn: &Turn<'_>, key: &ItemKey) -> Result<Met, AccessError> {
        let (bytes, is_coming) = match turn.coming(key.as_bytes()) {
            Some(coming) => (coming, true),
            None => (self.get(key).await?, false),
        };
        let attributes = decoded(bytes.as_ref())?;
        Ok(Met {
            bytes,
            attributes,
            is_coming,
        })
    }

    /// Commits a batch. The turn ends when the batch is in the store's queue, so that the next writer's can follow it into
    /// the same flush.
    async fn commit<T>(
        &self,
        batch: Batch,
        keys: &[&ItemKey],
        turn: T,
    ) -> Result<Versionstamp, CommitError> {
        let mut departing = Vec::with_capacity(keys.len());
        for write in batch.writes() {
            let key = keys.iter().find(|key| is_at(write, key));
            departing.extend(key.map(|key| (key.partition(), write)));
        }
        let _flight = self.writers.depart(&departing);
        let mut commit = self.store.commit(batch);
        let first = poll_fn(|context| Poll::Ready(commit.as_mut().poll(context))).await;
        drop(turn);
        match first {
            Poll::Ready(answer) => answer,
            Poll::Pending => commit.await,
        }
    }

    /// Reads all targets.
    async fn look(
        &self,
        turns: &Turns<'_>,
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
        let mut is_coming = false;
        for target in targets {
            let key = &target.key;
            let found = match turns.coming(key.partition(), key.as_bytes()) {
                Some(coming) => {
                    is_coming = true;
                    coming
                }
                None => self.get(key).await?,
            };
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
            is_coming,
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
    /// Whether some of it is on its way only.
    is_coming: bool,
}

/// An item as a change meets it.
#[derive(Default)]
struct Met {
    bytes: Option<Bytes>,
    attributes: Option<Attributes>,
    /// Whether it is on its way only.
    is_coming: bool,
}

fn decoded(bytes: Option<&Bytes>) -> Result<Option<Attributes>, AccessError> {
    let item = bytes.map(|bytes| codec::decode(bytes)).transpose();
    Ok(item?)
}
