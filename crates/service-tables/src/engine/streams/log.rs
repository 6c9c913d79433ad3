//! Reading streams, and trimming them.
//!
//! Lives here: finding streams and shards, pages of records, what is removed after a day.
//! Does not live here: what a record is (`record`), iterators (`dynamodb::streams`).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use model::ids::{AccountId, Region};
use model::time::Timestamp;
use store::keys::KeyWriter;
use store::{Batch, CommitError, Direction, PageLimit, Range, ReadError, Store};

use super::keys;
use super::record::{self, Corrupt, Logged, PLACE_BYTES, Place};
use super::wakers::Wakers;
use super::{RETENTION, StreamRow};

/// Streams of one table that are looked at: one can be switched on and off this often in a day.
const STREAMS_OF_TABLE_MAX: usize = 1_000;
/// Rows that one commit trims.
const TRIM_ROWS: usize = 1_000;

/// The streams of a store.
#[derive(Clone)]
pub struct Streams {
    store: Arc<dyn Store>,
    wakers: Arc<Wakers>,
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// What its row says.
    pub row: StreamRow,
    /// Its ARN.
    pub arn: String,
    /// The key of its row.
    row_key: Bytes,
    /// What the keys of its records begin with.
    records: Vec<u8>,
    /// What the keys of its marks begin with.
    marks: Vec<u8>,
}

/// A part of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPage {
    /// The records, oldest first.
    pub records: Vec<Logged>,
    /// Where to go on.
    pub next: Place,
    /// Whether there are more at once.
    pub more: bool,
}

/// Streams could not be read or trimmed.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The store could not be read.
    #[error("could not read from the store")]
    Read(#[from] ReadError),
    /// The store could not be written.
    #[error("could not write to the store")]
    Commit(#[from] CommitError),
    /// The bytes of a record are damaged.
    #[error("could not read a record")]
    Record(#[from] Corrupt),
    /// The row of a stream is damaged, or of a later version.
    #[error("could not read the row of a stream")]
    Row,
}

impl Streams {
    /// The streams of this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            wakers: Arc::default(),
        }
    }

    /// Who waits for records.
    #[must_use]
    pub fn wakers(&self) -> &Arc<Wakers> {
        &self.wakers
    }

    /// All streams of a table, or of all tables, in their order, after the one of this table and label; and whether there
    /// are more.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn list(
        &self,
        account: &AccountId,
        region: &Region,
        table_name: Option<&str>,
        after: Option<&(String, String)>,
        streams_max: usize,
    ) -> Result<(Vec<Stream>, bool), StreamError> {
        let prefix = match table_name {
            Some(name) => keys::streams_of_table(account, region, name),
            None => keys::streams(account, region),
        };
        let mut range = Range::of_prefix(prefix);
        if let Some((table_name, label)) = after {
            // One that has gone meanwhile stood among those of its table.
            match self.find(account, region, table_name, label).await? {
                Some(after) => range = range.after(&after.row_key),
                None => {
                    let of_table = keys::streams_of_table(account, region, table_name);
                    range.start = of_table.max(range.start);
                }
            }
        }
        let limit = PageLimit::rows(streams_max);
        let page = self.store.scan(&range, Direction::Forward, limit).await?;
        let streams = page
            .rows
            .into_iter()
            .map(|row| Stream::read(account, region, row.key, &row.value))
            .collect::<Result<_, _>>()?;
        Ok((streams, page.more))
    }

    /// The stream of this table with this label.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn find(
        &self,
        account: &AccountId,
        region: &Region,
        table_name: &str,
        label: &str,
    ) -> Result<Option<Stream>, StreamError> {
        let range = Range::of_prefix(keys::streams_of_table(account, region, table_name));
        let limit = PageLimit::rows(STREAMS_OF_TABLE_MAX);
        let page = self.store.scan(&range, Direction::Forward, limit).await?;
        for row in page.rows {
            let stream = Stream::read(account, region, row.key, &row.value)?;
            if stream.row.label() == label {
                return Ok(Some(stream));
            }
        }
        Ok(None)
    }

    /// Records of a shard after a place, oldest first. Those that have passed their day are left out.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn read(
        &self,
        stream: &Stream,
        shard: u8,
        after: Place,
        (records_max, bytes_max): (usize, usize),
        now: Timestamp,
    ) -> Result<RecordPage, StreamError> {
        let mut range = stream.records_after(shard, after);
        let limit = PageLimit {
            rows_max: records_max,
            bytes_max,
        };
        let mut page = self.store.scan(&range, Direction::Forward, limit).await?;
        let mut rows = std::mem::take(&mut page.rows);
        // Only the last record can have been cut off by the end of the page.
        let missing = stream.missing_rows(&rows)?;
        if let (1.., Some(last)) = (missing, rows.last()) {
            range = range.after(&last.key);
            let rest = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(missing))
                .await?;
            page.more = rest.more;
            rows.extend(rest.rows);
        }
        let mut found = RecordPage {
            records: Vec::new(),
            next: after,
            more: page.more,
        };
        let mut rows = rows.into_iter().peekable();
        while let Some(first) = rows.next() {
            let place = stream.place_in(&first.key)?;
            found.next = place;
            let mut value = first.value;
            if 1 < record::rows_of(&value)? {
                let mut whole = BytesMut::from(value.as_ref());
                let belongs = |row: &store::Row| stream.place_in(&row.key).ok() == Some(place);
                while let Some(row) = rows.next_if(belongs) {
                    whole.extend_from_slice(&row.value);
                }
                value = whole.freeze();
            }
            let record = record::decode(place, &value)?;
            if now.since(record.at) < RETENTION {
                found.records.push(record);
            }
        }
        Ok(found)
    }

    /// The place of the latest record, also when it was trimmed.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn latest(&self, stream: &Stream, shard: u8) -> Result<Place, StreamError> {
        let range = Range::of_prefix(stream.shard(shard));
        let page = self
            .store
            .scan(&range, Direction::Backward, PageLimit::rows(1))
            .await?;
        match page.rows.first() {
            Some(row) => stream.place_in(&row.key),
            None => self.trimmed_to(stream, shard).await,
        }
    }

    /// The place before the first record that was written at or after a moment.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn before(
        &self,
        stream: &Stream,
        shard: u8,
        at: Timestamp,
    ) -> Result<Place, StreamError> {
        let mut place = Place::default();
        loop {
            let bounds = (TRIM_ROWS, store::limits::PAGE_BYTES_MAX);
            // As if nothing had passed its day: what has is left out by whoever reads from the place.
            let page = self
                .read(stream, shard, place, bounds, Timestamp::from_micros(0))
                .await?;
            for record in &page.records {
                if at <= record.at {
                    return Ok(place);
                }
                place = record.place;
            }
            if !page.more {
                return Ok(place);
            }
        }
    }

    /// The place of the last record that was trimmed; the first place of all, when none was.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn trimmed_to(&self, stream: &Stream, shard: u8) -> Result<Place, StreamError> {
        let mark = self.store.get(&stream.mark(shard)).await?;
        let Some(mark) = mark else {
            return Ok(Place::default());
        };
        let bytes = mark.as_ref().try_into().map_err(|_| StreamError::Row)?;
        Ok(Place::from_bytes(bytes))
    }

    /// Removes what has passed its day: records, and streams that were closed a day ago.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn trim(
        &self,
        account: &AccountId,
        region: &Region,
        now: Timestamp,
    ) -> Result<(), StreamError> {
        let mut after: Option<(String, String)> = None;
        loop {
            let (streams, more) = self
                .list(account, region, None, after.as_ref(), STREAMS_OF_TABLE_MAX)
                .await?;
            for stream in &streams {
                let mut is_empty = true;
                for shard in 0..stream.row.shards {
                    let left = self.trim_shard(stream, shard, now).await?;
                    is_empty &= left == Left::Nothing;
                }
                let was_closed = stream.row.closed_at;
                if is_empty && was_closed.is_some_and(|at| RETENTION <= now.since(at)) {
                    let shards = 0..stream.row.shards;
                    let batch = shards.fold(Batch::new(), |batch, shard| {
                        batch.delete(stream.mark(shard))
                    });
                    self.store
                        .commit(batch.delete(stream.row_key.clone()))
                        .await?;
                }
            }
            let last = streams.into_iter().last();
            after = last.map(|stream| (stream.row.table_name.clone(), stream.row.label()));
            if !more {
                return Ok(());
            }
        }
    }

    /// Removes the records of a shard that have passed their day, and says what is left.
    async fn trim_shard(
        &self,
        stream: &Stream,
        shard: u8,
        now: Timestamp,
    ) -> Result<Left, StreamError> {
        let range = Range::of_prefix(stream.shard(shard));
        loop {
            let limit = PageLimit::rows(TRIM_ROWS);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            let mut batch = Batch::new();
            let mut trimmed_to = None;
            let mut left = Left::Nothing;
            for row in stream.whole_records(&page.rows)? {
                let is_first = row.key.last() == Some(&0);
                if is_first && now.since(record::written_at(&row.value)?) < RETENTION {
                    left = Left::Records;
                    break;
                }
                trimmed_to = Some(stream.place_in(&row.key)?);
                batch = batch.delete(row.key.clone());
            }
            let Some(place) = trimmed_to else {
                return Ok(left);
            };
            let mark = Bytes::copy_from_slice(&place.to_bytes());
            let batch = batch.put(stream.mark(shard), mark);
            self.store.commit(batch).await?;
            if left == Left::Records || !page.more {
                return Ok(left);
            }
        }
    }
}

/// What is left of a shard once it was trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Records,
}

impl Stream {
    fn read(
        account: &AccountId,
        region: &Region,
        row_key: Bytes,
        json: &[u8],
    ) -> Result<Self, StreamError> {
        let row: StreamRow = serde_json::from_slice(json).map_err(|_| StreamError::Row)?;
        if !row.is_known() {
            return Err(StreamError::Row);
        }
        let resource = format!("table/{}", row.table_name);
        let table_arn = model::arn::Arn::new("dynamodb", region, account, resource).to_string();
        Ok(Self {
            arn: format!("{table_arn}/stream/{}", row.label()),
            records: keys::records(account, region, row.table_id, row.since),
            marks: keys::marks(account, region, row.table_id, row.since),
            row,
            row_key,
        })
    }

    /// The name of a shard. Those of one stream sort as their numbers do.
    #[must_use]
    pub fn shard_name(&self, shard: u8) -> String {
        let of_table = crc32fast::hash(&self.row.table_id.to_bytes());
        let number = u32::from(shard) << 24 | of_table >> 8;
        format!("shardId-{:020}-{number:08x}", self.row.since.epoch_ms())
    }

    /// The shard of this name.
    #[must_use]
    pub fn shard_called(&self, name: &str) -> Option<u8> {
        (0..self.row.shards).find(|shard| self.shard_name(*shard) == name)
    }

    fn shard(&self, shard: u8) -> Vec<u8> {
        [self.records.as_slice(), &[shard]].concat()
    }

    fn mark(&self, shard: u8) -> Vec<u8> {
        [self.marks.as_slice(), &[shard]].concat()
    }

    fn records_after(&self, shard: u8, after: Place) -> Range {
        let prefix = self.shard(shard);
        let last_row = KeyWriter::after(&prefix)
            .raw(&after.to_bytes())
            .byte(u8::MAX)
            .finish();
        Range::of_prefix(prefix).after(&last_row)
    }

    fn place_in(&self, key: &[u8]) -> Result<Place, StreamError> {
        let rest = key.get(self.records.len() + 1..).unwrap_or_default();
        let place = rest.first_chunk::<PLACE_BYTES>().ok_or(StreamError::Row)?;
        Ok(Place::from_bytes(*place))
    }

    /// These rows without those of a last record that has further ones: one that went in part could not be read. A page
    /// holds more than the largest record.
    fn whole_records<'a>(&self, rows: &'a [store::Row]) -> Result<&'a [store::Row], StreamError> {
        let mut whole = rows;
        if let (1.., Some(last)) = (self.missing_rows(rows)?, rows.last()) {
            let place = self.place_in(&last.key)?;
            while let Some((row, before)) = whole.split_last()
                && self.place_in(&row.key)? == place
            {
                whole = before;
            }
        }
        Ok(whole)
    }

    /// How many rows of the last record are not among these.
    fn missing_rows(&self, rows: &[store::Row]) -> Result<usize, StreamError> {
        let Some(last) = rows.last() else {
            return Ok(0);
        };
        let place = self.place_in(&last.key)?;
        let mut there = 0;
        for row in rows.iter().rev() {
            if self.place_in(&row.key)? != place {
                break;
            }
            there += 1;
            if row.key.last() == Some(&0) {
                return Ok(usize::from(record::rows_of(&row.value)?).saturating_sub(there));
            }
        }
        Err(StreamError::Row)
    }
}
