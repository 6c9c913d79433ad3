//! Where streams are in the store.
//!
//! Lives here: the keys of streams' rows, of their records, and of the marks up to where they were trimmed.
//! Does not live here: the keys of tables and items (`engine::keys`).

use model::ids::{AccountId, Region};
use model::time::Timestamp;
use store::keys::{KeyWriter, Owner};

use crate::engine::table_id::TableId;

const KIND_STREAMS: u8 = 0x10;
const KIND_RECORDS: u8 = 0x11;
const KIND_MARKS: u8 = 0x12;

/// What the keys of all streams' rows begin with.
pub(super) fn streams(account: &AccountId, region: &Region) -> Vec<u8> {
    KeyWriter::new(account, region, Owner::Tables)
        .byte(KIND_STREAMS)
        .finish()
}

/// What the keys of all rows of a table's streams begin with.
pub(super) fn streams_of_table(account: &AccountId, region: &Region, name: &str) -> Vec<u8> {
    KeyWriter::after(&streams(account, region))
        .text(name)
        .finish()
}

/// The key of a stream's row.
pub(super) fn stream(
    account: &AccountId,
    region: &Region,
    name: &str,
    since: Timestamp,
) -> Vec<u8> {
    KeyWriter::after(&streams_of_table(account, region, name))
        .raw(&since.epoch_us().to_be_bytes())
        .finish()
}

/// What the keys of all records of a stream begin with.
pub(super) fn records(
    account: &AccountId,
    region: &Region,
    table_id: TableId,
    since: Timestamp,
) -> Vec<u8> {
    of_kind(KIND_RECORDS, account, region, table_id, since)
}

/// What the keys of all marks of a stream begin with.
pub(super) fn marks(
    account: &AccountId,
    region: &Region,
    table_id: TableId,
    since: Timestamp,
) -> Vec<u8> {
    of_kind(KIND_MARKS, account, region, table_id, since)
}

fn of_kind(
    kind: u8,
    account: &AccountId,
    region: &Region,
    table_id: TableId,
    since: Timestamp,
) -> Vec<u8> {
    KeyWriter::new(account, region, Owner::Tables)
        .byte(kind)
        .raw(&table_id.to_bytes())
        .raw(&since.epoch_us().to_be_bytes())
        .finish()
}
