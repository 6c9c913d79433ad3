//! Work on tables that goes on after the request that asked for it.
//!
//! Lives here: filling new indexes, removing deleted ones, slice by slice; which tables wait for it, or for their removal.
//! Does not live here: expiry (`time_to_live`), who asks (`dynamodb::operations::update_table`).
//!
//! What is to be done stands in the table's descriptor: an index that is `Creating` or `Deleting`. So a start after a crash finds
//! it. From the commit on that brings a new index into the descriptor, each write of an item keeps the index up to date; filling
//! it takes care of the items that no one writes. A slice is one commit: its entries, only while their items are what
//! they were when they were read, and the note how far it has come.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use model::ids::{AccountId, Region};
use store::{Batch, CommitError, Direction, PageLimit, Range, Store};
use tokio::sync::Notify;

use super::catalogue::{self, Catalogue};
use super::codec;
use super::indexes::{Image, Index, IndexStatus};
use super::items::{AccessError, Items};
use super::keys;
use super::table::Table;

/// Items that one slice takes.
const SLICE_ROWS: usize = 500;
/// Bytes of the items that one slice takes.
const SLICE_BYTES: usize = 1024 * 1024;
/// Entries that one commit removes.
const REMOVED_ROWS: usize = 1_000;

/// The work that is waiting. Each table is in it once.
pub struct Upkeep {
    store: Arc<dyn Store>,
    catalogue: Arc<Catalogue>,
    items: Items,
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    tables: BTreeMap<Vec<u8>, Arc<Table>>,
    /// Where tables were deleted whose items are still on the disk.
    purges: BTreeSet<(AccountId, Region)>,
}

/// The end of a slice.
enum Slice {
    /// There is more after this key.
    Went(Bytes),
    /// There is nothing more.
    Finished,
    /// Somebody wrote one of its items: it has to be read again.
    Disturbed,
    /// The table has changed.
    Outdated,
}

impl Upkeep {
    /// The work on the tables of this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, catalogue: Arc<Catalogue>, items: Items) -> Self {
        Self {
            store,
            catalogue,
            items,
            waiting: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Says that there is something to do for a table.
    pub fn ask(&self, table: Arc<Table>) {
        let key = table.descriptor_key.clone();
        self.waiting().tables.insert(key, table);
        self.news.notify_one();
    }

    /// Says that a table was deleted.
    pub fn ask_to_purge(&self, account: &AccountId, region: &Region) {
        let place = (account.clone(), region.clone());
        self.waiting().purges.insert(place);
        self.news.notify_one();
    }

    /// Asks for all tables that were left unfinished.
    ///
    /// # Errors
    /// What the store says.
    pub async fn find_unfinished(
        &self,
        account: &AccountId,
        region: &Region,
    ) -> Result<(), catalogue::Error> {
        let mut after: Option<String> = None;
        loop {
            let (names, more) = self
                .catalogue
                .list(account, region, after.as_deref(), REMOVED_ROWS)
                .await?;
            for name in &names {
                if let Some(table) = self.catalogue.find(account, region, name).await?
                    && unfinished(&table).is_some()
                {
                    self.ask(table);
                }
            }
            after = names.into_iter().next_back().filter(|_| more);
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Waits until there is something to do.
    pub async fn wait(&self) {
        self.news.notified().await;
    }

    /// Does all that is waiting. Whatever fails stays for the next call.
    ///
    /// # Errors
    /// What the store says.
    pub async fn settle(&self) -> Result<(), AccessError> {
        while let Some(table) = self.next() {
            if let Err(error) = self.finish(&table).await {
                self.ask(table);
                return Err(error);
            }
        }
        while let Some((account, region)) = self.next_purge() {
            if let Err(error) = self.catalogue.purge(&account, &region).await {
                self.ask_to_purge(&account, &region);
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Does all that there is to do for one table.
    ///
    /// # Errors
    /// What the store says.
    pub async fn finish(&self, table: &Table) -> Result<(), AccessError> {
        while let Some(table) = self.catalogue.renewed(table).await? {
            let Some(index) = unfinished(&table) else {
                return Ok(());
            };
            match index.settings.status {
                IndexStatus::Creating => self.fill(&table, index).await?,
                IndexStatus::Deleting => self.remove(&table, index).await?,
                IndexStatus::Active => {}
            }
        }
        Ok(())
    }

    fn next(&self) -> Option<Arc<Table>> {
        let next = self.waiting().tables.pop_first();
        next.map(|(_, table)| table)
    }

    fn next_purge(&self) -> Option<(AccountId, Region)> {
        self.waiting().purges.pop_first()
    }

    /// Nothing that can panic runs while the lock is held, so a poisoned one is still sound.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills an index, from where it was left. Returns early when the table has changed.
    async fn fill(&self, table: &Table, index: &Index) -> Result<(), AccessError> {
        let (account, region) = (&table.account, &table.region);
        let id = index.settings.id;
        let note = keys::backfill(account, region, table.descriptor.id, id);
        let mut range = Range::of_prefix(table.items.clone()).after(&table.items);
        if let Some(last) = self.store.get(&note).await? {
            range = range.after(&last);
        }
        let mut rows_max = SLICE_ROWS;
        loop {
            match self
                .fill_slice(table, index, &range, rows_max, &note)
                .await?
            {
                Slice::Went(last) => {
                    range = range.after(&last);
                    rows_max = SLICE_ROWS;
                }
                Slice::Disturbed => rows_max = (rows_max / 8).max(1),
                Slice::Outdated => return Ok(()),
                Slice::Finished => break,
            }
        }
        self.close(table, id, IndexStatus::Active).await?;
        self.store.commit(Batch::new().delete(note)).await?;
        Ok(())
    }

    async fn fill_slice(
        &self,
        table: &Table,
        index: &Index,
        range: &Range,
        rows_max: usize,
        note: &[u8],
    ) -> Result<Slice, AccessError> {
        let limit = PageLimit {
            rows_max,
            bytes_max: SLICE_BYTES,
        };
        // A single item is read anew once nobody else can write it.
        let mut turn = None;
        let mut page = self.store.scan(range, Direction::Forward, limit).await?;
        if let ([row], 1) = (page.rows.as_slice(), rows_max)
            && let Some(key) = table.item_key(&codec::decode(&row.value)?)
        {
            turn = Some(self.items.alone(&key).await?);
            page = self.store.scan(range, Direction::Forward, limit).await?;
        }
        let Some(last) = page.rows.last().map(|row| row.key.clone()) else {
            return Ok(Slice::Finished);
        };
        let mut batch = Batch::new().check_equals(table.items.clone(), table.mark.clone());
        for row in &page.rows {
            let item = codec::decode(&row.value)?;
            let image = Image {
                attributes: &item,
                bytes: &row.value,
            };
            if let Some(entry) = index.entry(table, image) {
                batch = batch
                    .check_equals(row.key.clone(), row.value.clone())
                    .put(entry.key, entry.value);
            }
        }
        let batch = batch.put(note.to_vec(), last.clone());
        let committed = self.store.commit(batch).await;
        drop(turn);
        match committed {
            Ok(_) => Ok(Slice::Went(last)),
            Err(CommitError::CheckFailed { index: 0 }) => Ok(Slice::Outdated),
            Err(CommitError::CheckFailed { .. }) => Ok(Slice::Disturbed),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the entries of an index, then the index. Nobody writes into it any more.
    async fn remove(&self, table: &Table, index: &Index) -> Result<(), AccessError> {
        let id = index.settings.id;
        let (account, region) = (&table.account, &table.region);
        let note = keys::backfill(account, region, table.descriptor.id, id);
        self.store.commit(Batch::new().delete(note)).await?;
        let range = Range::of_prefix(index.entries.clone());
        loop {
            let limit = PageLimit::rows(REMOVED_ROWS);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            if page.rows.is_empty() {
                break;
            }
            let rows = page.rows.into_iter();
            let batch = rows.fold(Batch::new(), |batch, row| batch.delete(row.key));
            self.store.commit(batch).await?;
        }
        self.close(table, id, IndexStatus::Deleting).await
    }

    /// Makes a filled index active, or takes one that is empty out of the descriptor.
    async fn close(&self, table: &Table, id: u32, status: IndexStatus) -> Result<(), AccessError> {
        let (account, region) = (&table.account, &table.region);
        let table_id = table.descriptor.id;
        let altered = self
            .catalogue
            .alter(account, region, table.name(), |descriptor| {
                // A table of the same name that was made since has nothing to do with it.
                if descriptor.id == table_id {
                    let indexes = &mut descriptor.secondary_indexes;
                    match status {
                        IndexStatus::Deleting => indexes.retain(|index| index.id != id),
                        IndexStatus::Active | IndexStatus::Creating => {
                            let filled = indexes.iter_mut().find(|index| {
                                index.id == id && index.status == IndexStatus::Creating
                            });
                            if let Some(index) = filled {
                                index.status = IndexStatus::Active;
                            }
                        }
                    }
                }
                Ok::<_, Infallible>(())
            })
            .await;
        match altered {
            Ok(_) | Err(catalogue::Error::Missing) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The first index of a table that is neither complete nor gone.
fn unfinished(table: &Table) -> Option<&Index> {
    let mut indexes = table.indexes.iter();
    indexes.find(|index| index.settings.status != IndexStatus::Active)
}
