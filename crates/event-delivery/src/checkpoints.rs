//! How far each lane has come.
//!
//! Lives here: the keys and values of checkpoints in the store.
//! Does not live here: when they are written (`lane`).
//!
//! A shard has one checkpoint for each of the lanes that share it, and all have the same number of lanes in their key.
//! When that number changes, all new lanes begin where the slowest of the old ones was.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use interfaces::record_source::{Position, ShardName};
use model::event_source::Mapping;
use model::ids::{AccountId, Region};
use model::time::Timestamp;
use store::keys::{KeyReader, KeyWriter, Owner};
use store::{Batch, CommitError, Direction, PageLimit, Range, ReadError, Store};

/// The first byte of each value: the version of its layout.
const FORMAT: u8 = 1;
const KIND_CHECKPOINTS: u8 = 0x01;
/// Checkpoints of one mapping or of a region that are read. Streams of tables have at most four shards, shards ten lanes.
const ROWS_MAX: usize = 10_000;
/// How long checkpoints are kept of mappings that are not there: longer than any source keeps its records.
const ABANDONED_AFTER: Duration = Duration::from_secs(8 * 24 * 3_600);

/// Checkpoints could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    #[error("a checkpoint could not be read")]
    Read(#[from] ReadError),
    #[error("a checkpoint could not be written")]
    Commit(#[from] CommitError),
    #[error("a checkpoint in the store is damaged, or of a later version")]
    Damaged,
}

impl From<store::keys::ShapeError> for CheckpointError {
    fn from(_: store::keys::ShapeError) -> Self {
        Self::Damaged
    }
}

/// One lane of a shard: which, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneNumber {
    pub(crate) index: u8,
    pub(crate) of: u8,
}

/// A checkpoint as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    key: Bytes,
    shard: String,
    lane: LaneNumber,
    position: Position,
}

/// The key of a lane's checkpoint.
pub(crate) fn key(mapping: &Mapping, shard: &ShardName, lane: LaneNumber) -> Vec<u8> {
    KeyWriter::after(&prefix_of(mapping))
        .text(&shard.0)
        .byte(lane.of)
        .byte(lane.index)
        .finish()
}

/// Stores a checkpoint, with whatever else this batch writes.
pub(crate) async fn save(
    store: &dyn Store,
    batch: Batch,
    key: &[u8],
    position: &Position,
    now: Timestamp,
) -> Result<(), CheckpointError> {
    let batch = batch.put(key.to_vec(), value(position, now));
    store.commit(batch).await?;
    Ok(())
}

/// Whether the mapping has a checkpoint in any shard: it has run before.
pub(crate) async fn any(store: &dyn Store, mapping: &Mapping) -> Result<bool, CheckpointError> {
    let range = Range::of_prefix(prefix_of(mapping));
    let page = store
        .scan(&range, Direction::Forward, PageLimit::rows(1))
        .await?;
    Ok(!page.rows.is_empty())
}

/// Where each lane of a shard begins: where it was, or where the slowest lane was when they were not as many. None when
/// the shard has no checkpoint.
pub(crate) async fn begin(
    store: &dyn Store,
    mapping: &Mapping,
    shard: &ShardName,
    now: Timestamp,
) -> Result<Option<Vec<Position>>, CheckpointError> {
    let rows: Vec<Row> = rows(store, mapping).await?;
    let rows: Vec<Row> = rows
        .into_iter()
        .filter(|row| row.shard == shard.0)
        .collect();
    let of = lanes_of(mapping);
    let kept: Vec<Position> = rows
        .iter()
        .filter(|row| row.lane.of == of)
        .map(|row| row.position.clone())
        .collect();
    if kept.len() == usize::from(of) && kept.len() == rows.len() {
        return Ok(Some(kept));
    }
    let Some(slowest) = rows.iter().map(|row| row.position.clone()).min() else {
        return Ok(None);
    };
    let batch = rows
        .iter()
        .fold(Batch::new(), |batch, row| batch.delete(row.key.clone()));
    commit_all(store, batch, mapping, shard, &slowest, now).await?;
    Ok(Some(vec![slowest; usize::from(of)]))
}

/// Lets all lanes of a shard begin here.
pub(crate) async fn create(
    store: &dyn Store,
    mapping: &Mapping,
    shard: &ShardName,
    position: &Position,
    now: Timestamp,
) -> Result<(), CheckpointError> {
    commit_all(store, Batch::new(), mapping, shard, position, now).await
}

/// Removes what is left of mappings that went long ago, in the accounts and regions of those that are there.
pub(crate) async fn forget_abandoned(
    store: &dyn Store,
    mappings: &[Mapping],
    now: Timestamp,
) -> Result<(), CheckpointError> {
    let known: BTreeSet<&str> = mappings.iter().map(|mapping| mapping.id.as_str()).collect();
    let regions: BTreeSet<Vec<u8>> = mappings.iter().map(prefix_of_region).collect();
    for region in regions {
        let limit = PageLimit::rows(ROWS_MAX);
        let range = Range::of_prefix(region.clone());
        let page = store.scan(&range, Direction::Forward, limit).await?;
        let mut batch = Batch::new();
        for row in page.rows {
            let mut reader = KeyReader::new(&row.key);
            reader.skip(&region)?;
            let id = reader.text()?;
            let (saved_at, _) = read_value(&row.value)?;
            if !known.contains(id.as_str()) && ABANDONED_AFTER < now.since(saved_at) {
                batch = batch.delete(row.key);
            }
        }
        if !batch.writes().is_empty() {
            store.commit(batch).await?;
        }
    }
    Ok(())
}

/// How many lanes share each shard.
pub(crate) fn lanes_of(mapping: &Mapping) -> u8 {
    u8::try_from(mapping.parallelization.max(1)).unwrap_or(1)
}

async fn commit_all(
    store: &dyn Store,
    batch: Batch,
    mapping: &Mapping,
    shard: &ShardName,
    position: &Position,
    now: Timestamp,
) -> Result<(), CheckpointError> {
    let of = lanes_of(mapping);
    let batch = (0..of).fold(batch, |batch, index| {
        let key = key(mapping, shard, LaneNumber { index, of });
        batch.put(key, value(position, now))
    });
    store.commit(batch).await?;
    Ok(())
}

async fn rows(store: &dyn Store, mapping: &Mapping) -> Result<Vec<Row>, CheckpointError> {
    let prefix = prefix_of(mapping);
    let range = Range::of_prefix(prefix.clone());
    let page = store
        .scan(&range, Direction::Forward, PageLimit::rows(ROWS_MAX))
        .await?;
    page.rows
        .into_iter()
        .map(|row| {
            let mut reader = KeyReader::new(&row.key);
            reader.skip(&prefix)?;
            let shard = reader.text()?;
            let [of, index] = reader.rest() else {
                return Err(CheckpointError::Damaged);
            };
            let lane = LaneNumber {
                index: *index,
                of: *of,
            };
            let (_, position) = read_value(&row.value)?;
            Ok(Row {
                shard,
                lane,
                position,
                key: row.key,
            })
        })
        .collect()
}

fn prefix_of_region(mapping: &Mapping) -> Vec<u8> {
    let account = AccountId::new(mapping.source.account.as_str());
    let region = Region::new(mapping.source.region.as_str());
    KeyWriter::new(&account, &region, Owner::Delivery)
        .byte(KIND_CHECKPOINTS)
        .finish()
}

fn prefix_of(mapping: &Mapping) -> Vec<u8> {
    KeyWriter::after(&prefix_of_region(mapping))
        .text(&mapping.id)
        .finish()
}

fn value(position: &Position, now: Timestamp) -> Vec<u8> {
    let saved_at = now.epoch_us().to_be_bytes();
    [&[FORMAT], &saved_at[..], &position.0].concat()
}

fn read_value(value: &Bytes) -> Result<(Timestamp, Position), CheckpointError> {
    let rest = value
        .strip_prefix(&[FORMAT])
        .ok_or(CheckpointError::Damaged)?;
    let (saved_at, position) = rest.split_first_chunk().ok_or(CheckpointError::Damaged)?;
    let saved_at = Timestamp::from_micros(i64::from_be_bytes(*saved_at));
    Ok((saved_at, Position(value.slice_ref(position))))
}
