//! Items that expire.
//!
//! Lives here: when an item expires, the entries by that moment, filling and emptying them, deleting what has expired.
//! Does not live here: switching it on (`dynamodb::operations::time_to_live`), when it is looked (`keeper`).
//!
//! A table with time to live has an entry for every item that expires, under the moment and the item's key: so looking
//! costs nothing where nothing expires. An entry only says where to look: whether an item goes is decided on the item
//! itself, by a write that is checked like any other.
//!
//! Contract: Amazon DynamoDB Developer Guide, "Using time to live (TTL)": a number of seconds since the epoch; an item
//! whose moment is more than five years past is left alone.
//! Differs: items go within a minute, not within days.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use model::ids::{AccountId, Region};
use model::time::Timestamp;
use store::keys::{KeyReader, KeyWriter, Owner};
use store::{Batch, Direction, PageLimit, Range, Store, Write};
use tokio::task::JoinSet;

use super::catalogue::{self, Catalogue};
use super::codec;
use super::consequences::Author;
use super::indexes::Image;
use super::items::{AccessError, Change, ChangeError, Depends, Items};
use super::table::{ItemKey, Table};
use super::table_id::{TABLE_ID_BYTES, TableId};
use super::value::{Attributes, Value};

/// How long past its moment an item may be and still go.
const OVERDUE_MAX: Duration = Duration::from_secs(5 * 365 * 24 * 3_600);
/// Entries that one round takes of a table.
const ROUND_ROWS: usize = 1_000;
/// Items that are deleted at once, so that they share their flushes.
const DELETIONS_AT_ONCE_MAX: usize = 64;
/// Tables that one round looks at.
const ROUND_TABLES_MAX: usize = 10_000;

const KIND_ENTRIES: u8 = 0x13;
const KIND_NOTES: u8 = 0x14;

/// Time to live could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExpiryError {
    /// Items could not be read or written.
    #[error("could not read or write items")]
    Items(#[from] AccessError),
    /// The table could not be looked up.
    #[error("could not look up a table")]
    Catalogue(#[from] catalogue::Error),
    /// An item kept changing, or a table was deleted: the next round looks again.
    #[error("an item could not be deleted")]
    Change(#[source] ChangeError<Infallible>),
}

impl From<store::ReadError> for ExpiryError {
    fn from(error: store::ReadError) -> Self {
        Self::Items(error.into())
    }
}

impl From<store::CommitError> for ExpiryError {
    fn from(error: store::CommitError) -> Self {
        Self::Items(error.into())
    }
}

/// What the expiry of items works with. Clones share everything.
#[derive(Clone)]
pub struct Expiry {
    store: Arc<dyn Store>,
    catalogue: Arc<Catalogue>,
    items: Items,
}

/// The moment at which an item expires, in seconds since the epoch; none when it never does.
#[must_use]
pub fn expires_at(table: &Table, item: &Attributes) -> Option<u64> {
    let settings = table.descriptor.time_to_live.as_ref()?;
    match item.get(&settings.attribute)? {
        Value::N(number) => {
            let text = number.to_string();
            let whole = text.split('.').next().unwrap_or_default();
            whole.parse().ok()
        }
        Value::S(_)
        | Value::B(_)
        | Value::Bool(_)
        | Value::Null
        | Value::Ss(_)
        | Value::Ns(_)
        | Value::Bs(_)
        | Value::L(_)
        | Value::M(_) => None,
    }
}

/// What a change of an item writes of its entry.
pub fn follow(
    table: &Table,
    key: &ItemKey,
    (before, after): (Option<Image<'_>>, Option<Image<'_>>),
    writes: &mut Vec<Write>,
) {
    if table.descriptor.time_to_live.is_none() {
        return;
    }
    let entry = |image: Option<Image<'_>>| {
        let at = expires_at(table, image?.attributes)?;
        Some(entry_key(table, at, key))
    };
    let (old, new) = (entry(before), entry(after));
    if old == new {
        return;
    }
    if let Some(key) = old {
        writes.push(Write::Delete { key: key.into() });
    }
    if let Some(key) = new {
        writes.push(put(table, key));
    }
}

/// What a change of a table writes: a note that entries are to be made, or to be removed.
#[must_use]
pub fn transition(before: Option<&Table>, after: Option<&Table>) -> Option<Write> {
    let settings = |table: Option<&Table>| table.and_then(|it| it.descriptor.time_to_live.clone());
    let table = after.or(before)?;
    (settings(before) != settings(after)).then(|| Write::Put {
        key: note_key(&table.account, &table.region, table.descriptor.id).into(),
        // Where filling goes on: from the start. The name leads to the table.
        value: note(table.name(), &[]).into(),
    })
}

impl Expiry {
    /// Expiry over these parts.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, catalogue: Arc<Catalogue>, items: Items) -> Self {
        Self {
            store,
            catalogue,
            items,
        }
    }

    /// Makes and removes entries of tables whose time to live was changed. If it is dropped half-way, the next call goes on.
    ///
    /// # Errors
    /// [`ExpiryError`].
    pub async fn follow_tables(
        &self,
        account: &AccountId,
        region: &Region,
    ) -> Result<(), ExpiryError> {
        let notes = of_kind(account, region, KIND_NOTES);
        let range = Range::of_prefix(notes.clone());
        let limit = PageLimit::rows(ROUND_TABLES_MAX);
        let page = self.store.scan(&range, Direction::Forward, limit).await?;
        for row in page.rows {
            let Some(table_id) = table_in(&notes, &row.key) else {
                continue;
            };
            let (name, cursor) = read_note(&row.value);
            let found = self.catalogue.find(account, region, &name).await?;
            let found = found.filter(|table| table.descriptor.id == table_id);
            match found.filter(|table| table.descriptor.time_to_live.is_some()) {
                Some(table) => self.fill(&table, &row.key, &cursor).await?,
                None => {
                    let entries = entries_of(account, region, table_id);
                    self.empty(entries).await?;
                    let batch = Batch::new().check_equals(row.key.clone(), row.value);
                    self.commit(batch.delete(row.key)).await?;
                }
            }
        }
        Ok(())
    }

    /// Deletes what has expired by now.
    ///
    /// # Errors
    /// [`ExpiryError`].
    pub async fn delete_expired(
        &self,
        account: &AccountId,
        region: &Region,
        now: Timestamp,
    ) -> Result<(), ExpiryError> {
        let entries = of_kind(account, region, KIND_ENTRIES);
        let mut range = Range::of_prefix(entries.clone());
        for _ in 0..ROUND_TABLES_MAX {
            // One row a table: its first entry names it, and its others are jumped over.
            let limit = PageLimit::rows(1);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            let Some(first) = page.rows.into_iter().next() else {
                return Ok(());
            };
            let Some(table_id) = table_in(&entries, &first.key) else {
                return Ok(());
            };
            let name = String::from_utf8_lossy(&first.value).into_owned();
            let found = self.catalogue.find(account, region, &name).await?;
            if let Some(table) = found.filter(|table| table.descriptor.id == table_id) {
                self.delete_expired_of(table, now).await?;
            }
            let of_table = entries_of(account, region, table_id);
            match store::scan::after_prefix(&of_table) {
                Some(next) => range.start = next,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    async fn delete_expired_of(
        &self,
        table: Arc<Table>,
        now: Timestamp,
    ) -> Result<(), ExpiryError> {
        let entries = entries_of(&table.account, &table.region, table.descriptor.id);
        let (oldest, latest) = bounds(now);
        let from = KeyWriter::after(&entries)
            .raw(&oldest.to_be_bytes())
            .finish();
        let to = KeyWriter::after(&entries)
            .raw(&latest.saturating_add(1).to_be_bytes())
            .finish();
        let mut range = Range::new(from, to);
        loop {
            let limit = PageLimit::rows(ROUND_ROWS);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            let mut deletions = JoinSet::new();
            for row in &page.rows {
                if deletions.len() == DELETIONS_AT_ONCE_MAX {
                    next_of(&mut deletions).await?;
                }
                let (expiry, table, entry) = (self.clone(), Arc::clone(&table), row.key.clone());
                let item = entry.slice((entries.len() + size_of::<u64>()).min(entry.len())..);
                deletions.spawn(async move {
                    expiry.delete_if_expired(&table, &item, &entry, now).await
                });
            }
            while !deletions.is_empty() {
                next_of(&mut deletions).await?;
            }
            match page.rows.last().filter(|_| page.more) {
                Some(last) => range = range.after(&last.key),
                None => return Ok(()),
            }
        }
    }

    /// The entry may be older than the item: it is the item that says.
    async fn delete_if_expired(
        &self,
        table: &Table,
        rest: &[u8],
        entry: &bytes::Bytes,
        now: Timestamp,
    ) -> Result<(), ExpiryError> {
        let bytes = [table.items.as_slice(), rest].concat();
        let Some(found) = self.store.get(&bytes).await? else {
            // An entry without an item: of a time when it was switched off. What comes between fails the check.
            let batch = Batch::new().check_absent(bytes).delete(entry.clone());
            return self.commit(batch).await;
        };
        let item = codec::decode(&found).map_err(AccessError::from)?;
        let Some(key) = table.item_key(&item) else {
            return Ok(());
        };
        let (oldest, latest) = bounds(now);
        let is_due = |item: &Attributes| {
            expires_at(table, item).is_some_and(|at| oldest <= at && at <= latest)
        };
        if !is_due(&item) {
            let batch = Batch::new()
                .check_equals(table.items.clone(), table.mark.clone())
                .check_equals(bytes, found)
                .delete(entry.clone());
            return self.commit(batch).await;
        }
        let decide = |item: Option<&Attributes>| {
            let change = match item {
                Some(item) if is_due(item) => Change::Delete,
                Some(_) | None => Change::Keep,
            };
            Ok::<_, Infallible>((change, ()))
        };
        let author = Author::TimeToLive;
        let changed = self
            .items
            .change_by(author, table, &key, Depends::OnTheItem, decide)
            .await;
        match changed {
            Ok(_) | Err(ChangeError::NoTable) => Ok(()),
            Err(error) => Err(ExpiryError::Change(error)),
        }
    }

    /// Makes entries for the items that were there before. Those that change meanwhile make their own.
    async fn fill(
        &self,
        table: &Table,
        note_key: &bytes::Bytes,
        cursor: &[u8],
    ) -> Result<(), ExpiryError> {
        let mut range = Range::of_prefix(table.items.clone()).after(&table.items);
        if !cursor.is_empty() {
            range = range.after(cursor);
        }
        let unchanged = || Batch::new().check_equals(table.items.clone(), table.mark.clone());
        loop {
            let limit = PageLimit::rows(ROUND_ROWS);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            let mut entries = Vec::with_capacity(page.rows.len());
            for row in &page.rows {
                let item = codec::decode(&row.value).map_err(AccessError::from)?;
                if let (Some(at), Some(key)) = (expires_at(table, &item), table.item_key(&item)) {
                    entries.push((row, put(table, entry_key(table, at, &key))));
                }
            }
            self.add_entries(unchanged(), &entries).await?;
            let Some(last) = page.rows.last().filter(|_| page.more) else {
                break;
            };
            range = range.after(&last.key);
            let progress = note(table.name(), &last.key);
            self.commit(unchanged().put(note_key.clone(), progress))
                .await?;
        }
        self.commit(unchanged().delete(note_key.clone())).await
    }

    /// Adds the entries of these items, each only while its item is as it was: otherwise whoever changed it has made the
    /// entry. All go in one commit; only when one of the items has changed, each in one of its own.
    async fn add_entries(
        &self,
        unchanged: Batch,
        entries: &[(&store::Row, Write)],
    ) -> Result<(), ExpiryError> {
        let add = |batch: Batch, (row, entry): &(&store::Row, Write)| {
            batch
                .check_equals(row.key.clone(), row.value.clone())
                .write(entry.clone())
        };
        if entries.is_empty() {
            return Ok(());
        }
        let all = entries.iter().fold(unchanged.clone(), add);
        match self.store.commit(all).await {
            Ok(_) => return Ok(()),
            Err(store::CommitError::CheckFailed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        for entry in entries {
            self.commit(add(unchanged.clone(), entry)).await?;
        }
        Ok(())
    }

    async fn empty(&self, entries: Vec<u8>) -> Result<(), ExpiryError> {
        let range = Range::of_prefix(entries);
        loop {
            let limit = PageLimit::rows(ROUND_ROWS);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            if page.rows.is_empty() {
                return Ok(());
            }
            let rows = page.rows.into_iter();
            let batch = rows.fold(Batch::new(), |batch, row| batch.delete(row.key));
            self.commit(batch).await?;
        }
    }

    /// A check that fails says that somebody else has seen to it, or that the next round will.
    async fn commit(&self, batch: Batch) -> Result<(), ExpiryError> {
        match self.store.commit(batch).await {
            Ok(_) | Err(store::CommitError::CheckFailed { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What the next of these deletions came to.
async fn next_of(deletions: &mut JoinSet<Result<(), ExpiryError>>) -> Result<(), ExpiryError> {
    match deletions.join_next().await {
        Some(Ok(deleted)) => deleted,
        // A deletion that panicked leaves its entry: the next round looks again.
        Some(Err(_)) | None => Ok(()),
    }
}

/// The oldest moment whose items still go, and the latest whose go by now.
fn bounds(now: Timestamp) -> (u64, u64) {
    let latest = u64::try_from(now.epoch_s()).unwrap_or_default();
    (latest.saturating_sub(OVERDUE_MAX.as_secs()), latest)
}

fn of_kind(account: &AccountId, region: &Region, kind: u8) -> Vec<u8> {
    KeyWriter::new(account, region, Owner::Tables)
        .byte(kind)
        .finish()
}

/// What the keys of all entries of a table begin with.
fn entries_of(account: &AccountId, region: &Region, table_id: TableId) -> Vec<u8> {
    KeyWriter::after(&of_kind(account, region, KIND_ENTRIES))
        .raw(&table_id.to_bytes())
        .finish()
}

fn note_key(account: &AccountId, region: &Region, table_id: TableId) -> Vec<u8> {
    KeyWriter::after(&of_kind(account, region, KIND_NOTES))
        .raw(&table_id.to_bytes())
        .finish()
}

fn entry_key(table: &Table, at: u64, key: &ItemKey) -> Vec<u8> {
    let item = key.as_bytes().get(table.items.len()..).unwrap_or_default();
    KeyWriter::after(&entries_of(
        &table.account,
        &table.region,
        table.descriptor.id,
    ))
    .raw(&at.to_be_bytes())
    .raw(item)
    .finish()
}

fn put(table: &Table, key: Vec<u8>) -> Write {
    Write::Put {
        key: key.into(),
        value: bytes::Bytes::copy_from_slice(table.name().as_bytes()),
    }
}

fn table_in(prefix: &[u8], key: &[u8]) -> Option<TableId> {
    let mut reader = KeyReader::new(key);
    reader.skip(prefix).ok()?;
    let id = reader.raw(TABLE_ID_BYTES).ok()?;
    Some(TableId::from_bytes(id.try_into().ok()?))
}

fn note(name: &str, cursor: &[u8]) -> Vec<u8> {
    KeyWriter::after(&[]).text(name).raw(cursor).finish()
}

/// One that cannot be read leads to no table, and is removed.
fn read_note(value: &[u8]) -> (String, Vec<u8>) {
    let mut reader = KeyReader::new(value);
    let name = reader.text().unwrap_or_default();
    (name, reader.rest().to_vec())
}
