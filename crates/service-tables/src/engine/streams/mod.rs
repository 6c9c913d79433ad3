//! Streams: what was changed in a table, in the order of its commits.
//!
//! Lives here: which streams there are, their shards and names, the record that a change leaves.
//! Does not live here: the API (`dynamodb::streams`), functions that are called with records (`event-delivery`).
//!
//! A stream is known by its table's id and the moment since when it takes records. It outlives its table and its being
//! switched off: for as long as there may be records, its row says that it was there. Records lie in shards by ranges of
//! the hash of the partition key, so that those of an item are in one shard, in commit order.
//!
//! Differs: a shard lives as long as its stream; in the cloud one is closed after some hours, and a child goes on.

mod keys;
pub mod log;
pub mod record;
pub mod wakers;

use std::time::Duration;

use model::ids::{AccountId, Region};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::Write;

use super::table::{Billing, KeyAttribute, StreamSettings, StreamViewType, Table};
use super::table_id::TableId;

/// How long records are kept.
///
/// Contract: Amazon DynamoDB Developer Guide, "Change data capture for DynamoDB Streams": 24 hours.
pub const RETENTION: Duration = Duration::from_secs(24 * 3_600);
/// Shards of a stream of a table on demand: as many as a new one has partitions in the cloud.
const SHARDS_ON_DEMAND: u8 = 4;
/// Units that one partition of a provisioned table serves in the cloud, reads and writes.
const UNITS_OF_PARTITION: (u64, u64) = (3_000, 1_000);

/// Shards of a new stream of a table that is paid for so.
///
/// Contract: Amazon DynamoDB Developer Guide, "Partitions and data distribution".
#[must_use]
pub fn shards_for(billing: &Billing) -> u8 {
    match billing {
        Billing::OnDemand { .. } => SHARDS_ON_DEMAND,
        Billing::Provisioned {
            read_units,
            write_units,
        } => {
            let (reads, writes) = UNITS_OF_PARTITION;
            // Three thousandths of a partition are whole.
            let parts = read_units.saturating_add(write_units.saturating_mul(reads / writes));
            let partitions = parts.div_ceil(reads).max(1);
            u8::try_from(partitions).map_or(SHARDS_ON_DEMAND, |count| count.min(SHARDS_ON_DEMAND))
        }
    }
}

/// Shards of streams whose settings do not say it: all had as many before.
pub(super) const fn shards_before() -> u8 {
    SHARDS_ON_DEMAND
}

/// The version of the row's JSON.
const ROW_FORMAT: u32 = 1;

/// A stream's row in the store: JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamRow {
    /// [`ROW_FORMAT`].
    format: u32,
    /// The table's name.
    pub table_name: String,
    /// The table's identity.
    pub table_id: TableId,
    /// Since when it takes records.
    pub since: Timestamp,
    /// What its records show.
    pub view_type: StreamViewType,
    /// How many shards it has.
    pub shards: u8,
    /// The table's partition key.
    pub partition_key: KeyAttribute,
    /// The table's sort key.
    pub sort_key: Option<KeyAttribute>,
    /// Since when it takes none any more.
    pub closed_at: Option<Timestamp>,
}

/// The stream of a table that takes records, ready for use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenStream {
    /// Its ARN.
    pub arn: String,
    /// What the keys of its records begin with.
    pub records: Vec<u8>,
    /// What its records show.
    pub view_type: StreamViewType,
    /// How many shards it has.
    pub shards: u8,
}

impl OpenStream {
    /// The stream of the table with this ARN, if it takes records.
    #[must_use]
    pub fn of(
        account: &AccountId,
        region: &Region,
        table_arn: &str,
        table_id: TableId,
        settings: Option<&StreamSettings>,
    ) -> Option<Self> {
        let settings = settings.filter(|settings| settings.enabled)?;
        Some(Self {
            arn: format!("{table_arn}/stream/{}", settings.label()),
            records: keys::records(account, region, table_id, settings.since),
            view_type: settings.view_type,
            shards: settings.shards,
        })
    }
}

/// Moves the moment of a stream that was switched on anew, if it would get the label of the one before.
pub fn keep_apart(before: Option<&StreamSettings>, after: Option<&mut StreamSettings>) {
    if let (Some(before), Some(after)) = (before, after)
        && !before.enabled
        && after.enabled
        && after.since.epoch_ms() <= before.since.epoch_ms()
    {
        after.since = before.since.plus(Duration::from_millis(1));
    }
}

/// What a change of a table writes of its streams: those that it opens and those that it closes. Without `before` the table
/// is new, without `after` it goes.
///
/// # Errors
/// When a row cannot be written as JSON.
pub fn transition(
    before: Option<&Table>,
    after: Option<&Table>,
    now: Timestamp,
) -> Result<Vec<Write>, serde_json::Error> {
    fn open(table: Option<&Table>) -> Option<(&Table, &StreamSettings)> {
        let table = table?;
        let settings = table.descriptor.stream.as_ref()?;
        settings.enabled.then_some((table, settings))
    }
    let (closing, opening) = (open(before), open(after));
    if closing.map(|(_, settings)| settings.since) == opening.map(|(_, settings)| settings.since) {
        return Ok(Vec::new());
    }
    let closed = closing.map(|(table, settings)| row(table, settings, Some(now)));
    let opened = opening.map(|(table, settings)| row(table, settings, None));
    closed.into_iter().chain(opened).collect()
}

fn row(
    table: &Table,
    settings: &StreamSettings,
    closed_at: Option<Timestamp>,
) -> Result<Write, serde_json::Error> {
    let row = StreamRow {
        format: ROW_FORMAT,
        table_name: table.name().to_owned(),
        table_id: table.descriptor.id,
        since: settings.since,
        view_type: settings.view_type,
        shards: settings.shards,
        partition_key: table.descriptor.partition_key.clone(),
        sort_key: table.descriptor.sort_key.clone(),
        closed_at,
    };
    let (account, region) = (&table.account, &table.region);
    Ok(Write::Put {
        key: keys::stream(account, region, table.name(), settings.since).into(),
        value: serde_json::to_vec(&row)?.into(),
    })
}

impl StreamRow {
    /// Its label.
    #[must_use]
    pub fn label(&self) -> String {
        StreamSettings {
            view_type: self.view_type,
            since: self.since,
            enabled: self.closed_at.is_none(),
            shards: self.shards,
        }
        .label()
    }

    /// Whether this version can read what follows from it.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.format == ROW_FORMAT
    }
}
