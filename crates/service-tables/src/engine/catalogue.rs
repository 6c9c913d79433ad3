//! Which tables there are.
//!
//! Lives here: making, changing, listing and deleting tables, and the snapshot of them that every request reads.
//! Does not live here: what a request may ask for (`dynamodb`), items (`items`).
//!
//! The snapshot holds tables that were found once; a change swaps it whole. Deleting a table removes its descriptor and
//! leaves a note in one commit, then removes the items in slices, then the note: after a crash the note is found by
//! [`Catalogue::purge`], and until then nobody can see the items, since keys carry the table's id.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use interfaces::clock::Clock;
use model::ids::{AccountId, Region};
use store::{Batch, CommitError, Direction, PageLimit, Range, ReadError, Store};
use tokio::sync::Mutex;

use super::keys;
use super::streams;
use super::table::{DELETED_MARK, DESCRIPTOR_FORMAT, Descriptor, Table};
use super::table_id::TableId;
use super::time_to_live;

/// Items of a deleted table that one commit removes.
const PURGE_ROWS: usize = 1_000;
/// Tables whose descriptors are kept at hand. When there are more, the snapshot starts anew.
const CACHED_TABLES_MAX: usize = 10_000;

type Snapshot = HashMap<Vec<u8>, Arc<Table>>;

/// The tables of a store.
pub struct Catalogue {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    snapshot: RwLock<Arc<Snapshot>>,
    /// Held by whoever changes tables or adds to the snapshot, so that no stale table can come back into it.
    change: Mutex<()>,
}

/// The catalogue could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is a table of this name already.
    #[error("the table exists already")]
    Exists,
    /// There is no such table.
    #[error("there is no such table")]
    Missing,
    /// The table is protected against deletion.
    #[error("the table is protected against deletion")]
    Protected,
    /// The store could not be read.
    #[error("could not read from the store")]
    Read(#[from] ReadError),
    /// The store could not be written.
    #[error("could not write to the store")]
    Commit(#[from] CommitError),
    /// The bytes in the store are not a descriptor that this version knows.
    #[error("could not read the descriptor of a table")]
    Descriptor(#[from] serde_json::Error),
    /// It is of another format.
    #[error(
        "the table was made by a version whose format is {0}, and this one reads {DESCRIPTOR_FORMAT}: use that version, or begin with a new folder for the state"
    )]
    Format(u32),
    /// A key in the store has an unknown shape.
    #[error("a key of the catalogue is damaged")]
    Key(#[from] store::keys::ShapeError),
}

impl Catalogue {
    /// The catalogue of this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            snapshot: RwLock::default(),
            change: Mutex::new(()),
        }
    }

    /// The table of this name.
    ///
    /// # Errors
    /// [`Error`]; a table that is not there is none.
    pub async fn find(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Result<Option<Arc<Table>>, Error> {
        let key = keys::descriptor(account, region, name);
        if let Some(table) = self.current().get(&key) {
            return Ok(Some(Arc::clone(table)));
        }
        let _change = self.change.lock().await;
        self.load(account, region, key).await
    }

    /// Makes a table.
    ///
    /// # Errors
    /// [`Error::Exists`], and what the store says.
    pub async fn create(
        &self,
        account: &AccountId,
        region: &Region,
        descriptor: Descriptor,
    ) -> Result<Arc<Table>, Error> {
        let _change = self.change.lock().await;
        let table = Table::new(account, region, descriptor);
        let batch = Batch::new()
            .check_absent(table.descriptor_key.clone())
            // Another table with the same short id, there or still on the disk: the sender tries again with another one.
            .check_absent(table.items.clone())
            .put(
                table.descriptor_key.clone(),
                serde_json::to_vec(&table.descriptor)?,
            )
            .put(table.items.clone(), table.mark.clone());
        let batch = self.entailing(batch, None, Some(&table))?;
        match self.store.commit(batch).await {
            Ok(_) => Ok(self.insert(table)),
            Err(CommitError::CheckFailed { .. }) => Err(Error::Exists),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes what a table's descriptor says, its identity and keys apart. A refusal of `edit` is handed on, and nothing is
    /// changed.
    ///
    /// # Errors
    /// [`Error::Missing`], and what the store says.
    pub async fn alter<R>(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
        edit: impl FnOnce(&mut Descriptor) -> Result<(), R>,
    ) -> Result<Result<Arc<Table>, R>, Error> {
        let _change = self.change.lock().await;
        let key = keys::descriptor(account, region, name);
        let found = self.load(account, region, key).await?;
        let before = found.ok_or(Error::Missing)?;
        let mut descriptor = before.descriptor.clone();
        if let Err(refusal) = edit(&mut descriptor) {
            return Ok(Err(refusal));
        }
        if descriptor == before.descriptor {
            return Ok(Ok(before));
        }
        streams::keep_apart(
            before.descriptor.stream.as_ref(),
            descriptor.stream.as_mut(),
        );
        descriptor.generation += 1;
        let table = Table::new(account, region, descriptor);
        let batch = Batch::new()
            .check_equals(before.items.clone(), before.mark.clone())
            .put(
                table.descriptor_key.clone(),
                serde_json::to_vec(&table.descriptor)?,
            )
            .put(table.items.clone(), table.mark.clone());
        let batch = self.entailing(batch, Some(&before), Some(&table))?;
        match self.store.commit(batch).await {
            Ok(_) => Ok(Ok(self.insert(table))),
            Err(CommitError::CheckFailed { .. }) => {
                self.forget(&before);
                Err(Error::Missing)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The same table as it is by now; none when it was deleted.
    ///
    /// # Errors
    /// What the store says.
    pub async fn renewed(&self, table: &Table) -> Result<Option<Arc<Table>>, Error> {
        let _change = self.change.lock().await;
        let snapshot = self.current();
        let known = snapshot.get(&table.descriptor_key);
        if known.is_some_and(|known| known.descriptor.generation == table.descriptor.generation) {
            // Another node has changed it: what is at hand is as old as what the caller has.
            self.forget(table);
        }
        let key = table.descriptor_key.clone();
        let found = self.load(&table.account, &table.region, key).await?;
        Ok(found.filter(|found| found.descriptor.id == table.descriptor.id))
    }

    /// Deletes a table. Its items are gone for everybody at once, and from the disk when [`Catalogue::purge`] has run.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Protected`], and what the store says.
    pub async fn delete(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Result<Arc<Table>, Error> {
        let _change = self.change.lock().await;
        let key = keys::descriptor(account, region, name);
        let found = self.load(account, region, key).await?;
        let table = found.ok_or(Error::Missing)?;
        if table.descriptor.deletion_protection {
            return Err(Error::Protected);
        }
        let batch = Batch::new()
            .check_equals(table.items.clone(), table.mark.clone())
            .delete(table.descriptor_key.clone())
            .put(table.items.clone(), DELETED_MARK)
            .put(
                keys::trash(account, region, table.descriptor.id),
                Vec::new(),
            );
        let batch = self.entailing(batch, Some(&table), None)?;
        let committed = self.store.commit(batch).await;
        self.forget(&table);
        match committed {
            Ok(_) => Ok(table),
            Err(CommitError::CheckFailed { .. }) => Err(Error::Missing),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what deleted tables left behind. If it is dropped half-way, the next call goes on.
    ///
    /// # Errors
    /// What the store says.
    pub async fn purge(&self, account: &AccountId, region: &Region) -> Result<(), Error> {
        let notes = keys::trash_of(account, region);
        loop {
            let range = Range::of_prefix(notes.clone());
            let page = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(1))
                .await?;
            let Some(note) = page.rows.into_iter().next() else {
                return Ok(());
            };
            let table_id = keys::trashed_table(&notes, &note.key)?;
            self.purge_items(account, region, table_id).await?;
            let batch = Batch::new().delete(keys::items(table_id)).delete(note.key);
            self.store.commit(batch).await?;
        }
    }

    /// Names of tables in their order, after this one; and whether there are more.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list(
        &self,
        account: &AccountId,
        region: &Region,
        after: Option<&str>,
        names_max: usize,
    ) -> Result<(Vec<String>, bool), Error> {
        let descriptors = keys::descriptors(account, region);
        let mut range = Range::of_prefix(descriptors.clone());
        if let Some(after) = after {
            range = range.after(&keys::descriptor(account, region, after));
        }
        let page = self
            .store
            .scan(&range, Direction::Forward, PageLimit::rows(names_max))
            .await?;
        let names = page
            .rows
            .iter()
            .map(|row| keys::table_name(&descriptors, &row.key))
            .collect::<Result<_, _>>()?;
        Ok((names, page.more))
    }

    async fn purge_items(
        &self,
        account: &AccountId,
        region: &Region,
        table_id: TableId,
    ) -> Result<(), Error> {
        // The mark stays to the last: until then no other table can have this place.
        let items = keys::items(table_id);
        for range in [
            Range::of_prefix(items.clone()).after(&items),
            Range::of_prefix(keys::entries_of_table(table_id)),
            Range::of_prefix(keys::backfills_of_table(account, region, table_id)),
        ] {
            self.purge_rows(&range).await?;
        }
        Ok(())
    }

    async fn purge_rows(&self, range: &Range) -> Result<(), Error> {
        loop {
            let page = self
                .store
                .scan(range, Direction::Forward, PageLimit::rows(PURGE_ROWS))
                .await?;
            if page.rows.is_empty() {
                return Ok(());
            }
            let batch = page
                .rows
                .into_iter()
                .fold(Batch::new(), |batch, row| batch.delete(row.key));
            self.store.commit(batch).await?;
        }
    }

    /// The batch with what a change of a table writes of its stream and of the expiry of its items.
    fn entailing(
        &self,
        batch: Batch,
        before: Option<&Table>,
        after: Option<&Table>,
    ) -> Result<Batch, Error> {
        let streams = streams::transition(before, after, self.clock.now())?;
        let expiry = time_to_live::transition(before, after);
        Ok(streams.into_iter().chain(expiry).fold(batch, Batch::write))
    }

    /// The table with this descriptor key, from the snapshot or the store. Only with `change` held.
    async fn load(
        &self,
        account: &AccountId,
        region: &Region,
        key: Vec<u8>,
    ) -> Result<Option<Arc<Table>>, Error> {
        if let Some(table) = self.current().get(&key) {
            return Ok(Some(Arc::clone(table)));
        }
        let Some(json) = self.store.get(&key).await? else {
            return Ok(None);
        };
        let descriptor: Descriptor = serde_json::from_slice(&json)?;
        if descriptor.format != DESCRIPTOR_FORMAT {
            return Err(Error::Format(descriptor.format));
        }
        Ok(Some(self.insert(Table::new(account, region, descriptor))))
    }

    /// Nothing that can panic runs while the lock is held, so a poisoned one is still sound.
    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn swap(&self, snapshot: Snapshot) {
        *self
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }

    fn insert(&self, table: Table) -> Arc<Table> {
        let table = Arc::new(table);
        let mut snapshot = Snapshot::clone(&self.current());
        if CACHED_TABLES_MAX <= snapshot.len() {
            snapshot.clear();
        }
        snapshot.insert(table.descriptor_key.clone(), Arc::clone(&table));
        self.swap(snapshot);
        table
    }

    /// Takes this very table out of the snapshot, not one of the same name that was made since.
    fn forget(&self, table: &Table) {
        let mut snapshot = Snapshot::clone(&self.current());
        snapshot.retain(|_, other| other.descriptor.id != table.descriptor.id);
        self.swap(snapshot);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::time::Timestamp;

    use super::super::keys::KeyType;
    use super::super::table::{Billing, KeyAttribute};
    use super::super::table_id::TABLE_ID_BYTES;
    use super::*;

    fn descriptor() -> Descriptor {
        let created_at = Timestamp::from_micros(0);
        Descriptor {
            format: DESCRIPTOR_FORMAT,
            id: TableId::from_bytes([7; TABLE_ID_BYTES]),
            name: "pets".to_owned(),
            created_at,
            partition_key: KeyAttribute {
                name: "id".to_owned(),
                key_type: KeyType::S,
            },
            sort_key: None,
            billing: Billing::OnDemand { since: created_at },
            deletion_protection: false,
            class: None,
            tags: BTreeMap::new(),
            generation: 0,
            secondary_indexes: Vec::new(),
            index_id_next: 0,
            stream: None,
            time_to_live: None,
            encryption: None,
            ceilings: crate::engine::table::Ceilings::default(),
            warm: None,
            on_demand_since: None,
        }
    }

    /// Keys of rows have neither account nor region.
    #[tokio::test]
    async fn the_place_of_a_table_is_free_once_its_rows_are_removed() {
        let store: Arc<dyn Store> = Arc::new(store_embedded::Memory::new());
        let catalogue = Catalogue::new(store, Arc::new(test_kit::RunningClock));
        let account = AccountId::development();
        let (here, there) = (Region::new("us-east-1"), Region::new("eu-west-1"));
        let made = catalogue.create(&account, &here, descriptor()).await;
        assert!(made.is_ok());
        let elsewhere = catalogue.create(&account, &there, descriptor()).await;
        assert!(matches!(elsewhere, Err(Error::Exists)));
        let deleted = catalogue.delete(&account, &here, "pets").await;
        assert!(deleted.is_ok());
        let early = catalogue.create(&account, &there, descriptor()).await;
        assert!(matches!(early, Err(Error::Exists)));
        assert!(catalogue.purge(&account, &here).await.is_ok());
        let late = catalogue.create(&account, &there, descriptor()).await;
        assert!(late.is_ok());
    }
}
