//! Records.
//!
//! Lives here: putting them, reading them, removing those that have passed their time.
//! Does not live here: iterators (`kinesis::reading`), streams (`catalogue`).
//!
//! A record is one row: its value is the data, and the key ends with the rest, so that data of 1 MiB fits.

use bytes::Bytes;
use md5::{Digest as _, Md5};
use model::time::Timestamp;
use store::{Batch, CommitError, Direction, PageLimit, Range, Row};

use super::catalogue::{Catalogue, Change, Error};
use super::keys;
use super::numbers::{PLACE_BYTES, Place};
use super::rows::{Shard, Stream};

/// How often a put is tried while shards change.
const TRIES_MAX: usize = 100;
/// Rows that one commit trims.
const TRIM_ROWS: usize = 1_000;
const PLAIN: u8 = 0x00;
const ENCRYPTED: u8 = 0x01;

/// A record that is to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fresh {
    pub(crate) partition_key: String,
    /// What decides on its shard.
    pub(crate) hash: u128,
    pub(crate) data: Bytes,
}

/// A record that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) place: Place,
    pub(crate) at: Timestamp,
    pub(crate) partition_key: String,
    pub(crate) data: Bytes,
    pub(crate) is_encrypted: bool,
}

/// Where records were put: the shard and the number of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) records: Vec<(String, String)>,
    pub(crate) is_encrypted: bool,
}

/// A part of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordPage {
    pub(crate) records: Vec<Record>,
    /// The last row that was seen.
    pub(crate) next: Place,
    pub(crate) more: bool,
}

/// The hash of a partition key.
///
/// Contract: `PutRecord`, `PartitionKey`: "an MD5 hash function is used to map partition keys to 128-bit integer values".
pub(crate) fn hash(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}

impl Catalogue {
    /// Puts records in one commit; none: there is no such stream.
    pub(crate) async fn put(
        &self,
        place: &keys::Place,
        name: &str,
        records: &[Fresh],
    ) -> Result<Option<Put>, Error> {
        for _ in 0..TRIES_MAX {
            let Some(stream) = self.find(place, name).await? else {
                return Ok(None);
            };
            let at = self.clock.now();
            let is_encrypted = stream.key.is_some();
            let mut batch = Batch::new().check_equals(keys::mark(stream.id), stream.mark(place));
            let mut shards = Vec::with_capacity(records.len());
            for (number, record) in (0_u16..).zip(records) {
                let shard = stream.shard_of(record.hash).ok_or(Error::Row)?;
                let mut suffix = number.to_be_bytes().to_vec();
                suffix.push(if is_encrypted { ENCRYPTED } else { PLAIN });
                suffix.extend_from_slice(&at.epoch_us().to_be_bytes());
                suffix.extend_from_slice(record.partition_key.as_bytes());
                let prefix = keys::shard(stream.id, shard.number);
                batch = batch.put_versionstamped_key(prefix, suffix, record.data.clone());
                shards.push(shard);
            }
            match self.store.commit(batch).await {
                Ok(stamp) => {
                    let written = shards.iter().map(|shard| shard.number);
                    self.wakers.wake(&stream.arn(place), written);
                    let stamp = stamp.number();
                    let named = (0_u16..).zip(shards).map(|(number, shard)| {
                        let place = Place { stamp, number };
                        (shard.name(), shard.sequence(place))
                    });
                    return Ok(Some(Put {
                        records: named.collect(),
                        is_encrypted,
                    }));
                }
                // Its shards have changed meanwhile, or it has gone.
                Err(CommitError::CheckFailed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// Records of a shard after a place, oldest first, without those that have passed their time.
    pub(crate) async fn read(
        &self,
        stream: &Stream,
        shard: u32,
        after: Place,
        (records_max, bytes_max): (usize, usize),
    ) -> Result<RecordPage, Error> {
        let prefix = keys::shard(stream.id, shard);
        let mut range = Range::of_prefix(prefix.clone());
        range.start = behind(&prefix, after);
        let mut found = RecordPage {
            records: Vec::new(),
            next: after,
            more: true,
        };
        let mut bytes = 0;
        let now = self.clock.now();
        while found.more && found.records.len() < records_max && bytes < bytes_max {
            let limit = PageLimit {
                rows_max: records_max - found.records.len(),
                bytes_max: bytes_max - bytes,
            };
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            found.more = page.more;
            for row in page.rows {
                let record = read(&prefix, &row)?;
                found.next = record.place;
                bytes += row.value.len() + record.partition_key.len();
                if now.since(record.at) < stream.retention() {
                    found.records.push(record);
                }
            }
            range.start = behind(&prefix, found.next);
        }
        Ok(found)
    }

    /// The place of the latest record.
    pub(crate) async fn latest(&self, stream: &Stream, shard: u32) -> Result<Place, Error> {
        let prefix = keys::shard(stream.id, shard);
        let range = Range::of_prefix(prefix.clone());
        let page = self
            .store
            .scan(&range, Direction::Backward, PageLimit::rows(1))
            .await?;
        match page.rows.first() {
            Some(row) => Ok(read(&prefix, row)?.place),
            None => Ok(Place::default()),
        }
    }

    /// The place before the first record that was put at or after a moment.
    pub(crate) async fn before(
        &self,
        stream: &Stream,
        shard: u32,
        at: Timestamp,
    ) -> Result<Place, Error> {
        let prefix = keys::shard(stream.id, shard);
        let mut range = Range::of_prefix(prefix.clone());
        let mut place = Place::default();
        loop {
            let page = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(TRIM_ROWS))
                .await?;
            for row in &page.rows {
                let record = read(&prefix, row)?;
                if at <= record.at {
                    return Ok(place);
                }
                place = record.place;
            }
            if !page.more {
                return Ok(place);
            }
            range.start = behind(&prefix, place);
        }
    }

    /// Removes the records of a stream that have passed their time, and closed shards that have none left.
    pub(crate) async fn trim(&self, place: &keys::Place, name: &str) -> Result<(), Error> {
        let Some(stream) = self.find(place, name).await? else {
            return Ok(());
        };
        let now = self.clock.now();
        for shard in &stream.shards {
            self.trim_shard(&stream, shard, now).await?;
        }
        let has_ended = |stream: &Stream, shard: &Shard| {
            let closed = shard.closed_at;
            closed.is_some_and(|at| stream.retention() <= now.since(at))
        };
        if !stream.shards.iter().any(|shard| has_ended(&stream, shard)) {
            return Ok(());
        }
        self.change(place, name, |there| {
            let Some(there) = there else {
                return Ok(((), Change::Nothing));
            };
            let mut stream = there.clone();
            stream.shards.retain(|shard| !has_ended(there, shard));
            Ok(((), Change::Put(Box::new(stream))))
        })
        .await
    }

    async fn trim_shard(
        &self,
        stream: &Stream,
        shard: &Shard,
        now: Timestamp,
    ) -> Result<(), Error> {
        let prefix = keys::shard(stream.id, shard.number);
        let range = Range::of_prefix(prefix.clone());
        loop {
            let limit = PageLimit::rows(TRIM_ROWS);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            let mut batch = Batch::new();
            let mut is_done = !page.more;
            for row in page.rows {
                if now.since(read(&prefix, &row)?.at) < stream.retention() {
                    is_done = true;
                    break;
                }
                batch = batch.delete(row.key);
            }
            if !batch.writes().is_empty() {
                self.store.commit(batch).await?;
            }
            if is_done {
                return Ok(());
            }
        }
    }
}

/// The first key that can belong to a record after this place.
fn behind(prefix: &[u8], place: Place) -> Vec<u8> {
    let mut key = [prefix, &place.to_bytes()].concat();
    if place != Place::default() {
        key = store::scan::after_prefix(&key).unwrap_or(key);
    }
    key
}

fn read(prefix: &[u8], row: &Row) -> Result<Record, Error> {
    let rest = row.key.strip_prefix(prefix).ok_or(Error::Row)?;
    let (place, rest) = rest.split_at_checked(PLACE_BYTES).ok_or(Error::Row)?;
    let (kind, rest) = rest.split_first().ok_or(Error::Row)?;
    let (at, partition_key) = rest.split_first_chunk::<8>().ok_or(Error::Row)?;
    let partition_key = std::str::from_utf8(partition_key).map_err(|_| Error::Row)?;
    Ok(Record {
        place: Place::from_bytes(place).ok_or(Error::Row)?,
        at: Timestamp::from_micros(i64::from_be_bytes(*at)),
        partition_key: partition_key.to_owned(),
        data: row.value.clone(),
        is_encrypted: *kind == ENCRYPTED,
    })
}
