//! What a table is.
//!
//! Lives here: the descriptor as it stands in the store, and what is worked out from it once.
//! Does not live here: making and deleting tables (`catalogue`), what indexes hold (`indexes`), how the API describes
//! tables (`dynamodb`).

use std::collections::BTreeMap;

use model::arn::Arn;
use model::ids::{AccountId, Region};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::indexes::{Index, SecondaryIndex, Throughput};
use super::keys::{self, KeyPart, KeyType};
use super::streams::{self, OpenStream};
use super::table_id::TableId;
use super::value::Attributes;

/// The version of the descriptor, and with it of the keys of rows.
pub const DESCRIPTOR_FORMAT: u32 = 3;
/// The mark of a deleted table whose rows are still to be removed: its place is not free, and no write meets its own mark.
pub const DELETED_MARK: &[u8] = b"deleted";

/// A table, as it stands in the store: JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// [`DESCRIPTOR_FORMAT`].
    pub format: u32,
    /// Its identity: a table of the same name that is made later has another one.
    pub id: TableId,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its partition key.
    pub partition_key: KeyAttribute,
    /// Its sort key.
    pub sort_key: Option<KeyAttribute>,
    /// How it is paid for.
    pub billing: Billing,
    /// Whether it is protected against deletion.
    pub deletion_protection: bool,
    /// Its class, if one was named.
    pub class: Option<Class>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// How often the descriptor was changed. Every write of an item checks it, so that nobody who knows an older state
    /// of the table leaves an index or a stream without its entry.
    #[serde(default)]
    pub generation: u32,
    /// Its indexes, in the order in which they were made.
    #[serde(default)]
    pub secondary_indexes: Vec<SecondaryIndex>,
    /// The id that the next index gets: none is used twice in a table's life.
    #[serde(default)]
    pub index_id_next: u32,
    /// Its stream, also one that was switched off and can still be read; none if there never was one.
    #[serde(default)]
    pub stream: Option<StreamSettings>,
    /// Whether items expire, and by which attribute.
    #[serde(default)]
    pub time_to_live: Option<TimeToLive>,
    /// The key of the customer's that was asked for. It is only kept and shown: nothing is encrypted with it.
    #[serde(default)]
    pub encryption: Option<Encryption>,
    /// What it takes at most while it is paid for by request.
    #[serde(default)]
    pub ceilings: Ceilings,
    /// What it was asked to take at once. It is only kept and shown: nothing is warmed.
    #[serde(default)]
    pub warm: Option<Throughput>,
    /// When it was last paid for by request, if it ever was and is no more.
    #[serde(default)]
    pub on_demand_since: Option<Timestamp>,
}

/// Request units that are not to be exceeded in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceilings {
    /// Of reads.
    pub read_units: Option<u64>,
    /// Of writes.
    pub write_units: Option<u64>,
}

/// Encryption with a key of the customer's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// The key's id, alias or ARN; none for the one that is made for tables.
    pub key: Option<String>,
}

/// A table's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSettings {
    /// What its records show.
    pub view_type: StreamViewType,
    /// When it was switched on: its label, which is the last part of its ARN.
    pub since: Timestamp,
    /// Whether it takes records. One that does not can be read until they expire.
    pub enabled: bool,
    /// How many shards it has.
    #[serde(default = "streams::shards_before")]
    pub shards: u8,
}

/// What a record of a stream shows of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamViewType {
    /// The key alone.
    KeysOnly,
    /// The item as it is now.
    NewImage,
    /// The item as it was.
    OldImage,
    /// Both.
    NewAndOldImages,
}

impl StreamSettings {
    /// Its label: when it was switched on, as ISO 8601 writes it, to the millisecond.
    #[must_use]
    pub fn label(&self) -> String {
        let ms = self.since.epoch_ms();
        let (days, ms) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
        let (year, month, day) = civil(days);
        let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
        let (seconds, ms) = (ms / 1_000 % 60, ms % 1_000);
        format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}")
    }
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The date of a day that is so many after 1 January 1970. Counts in eras of 400 years that begin on 1 March, so that the leap
/// day is the last of its year.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

impl StreamViewType {
    /// As the API writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeysOnly => "KEYS_ONLY",
            Self::NewImage => "NEW_IMAGE",
            Self::OldImage => "OLD_IMAGE",
            Self::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }
}

/// How items of a table expire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeToLive {
    /// The attribute that says when: seconds since the epoch.
    pub attribute: String,
    /// When it was last switched on.
    pub since: Timestamp,
}

/// An attribute of the primary key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAttribute {
    /// Its name.
    pub name: String,
    /// Its type.
    pub key_type: KeyType,
}

/// How a table is paid for. What is provisioned is kept and shown, and enforced where the server is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Billing {
    /// By request.
    OnDemand {
        /// When it became so.
        since: Timestamp,
    },
    /// By capacity.
    Provisioned {
        /// Read capacity units.
        read_units: u64,
        /// Write capacity units.
        write_units: u64,
    },
}

/// A table class; it sets the price alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// `STANDARD`.
    Standard,
    /// `STANDARD_INFREQUENT_ACCESS`.
    StandardInfrequentAccess,
}

impl Class {
    /// As the API writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::StandardInfrequentAccess => "STANDARD_INFREQUENT_ACCESS",
        }
    }
}

/// A table, ready for use. Immutable: a change makes another one.
#[derive(Debug)]
pub struct Table {
    /// What it is.
    pub descriptor: Descriptor,
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// Its ARN.
    pub arn: String,
    /// Where its descriptor is.
    pub descriptor_key: Vec<u8>,
    /// What the keys of its items begin with; by itself the key of the mark that the table is there.
    pub items: Vec<u8>,
    /// The value of that mark: the descriptor's generation.
    pub mark: Vec<u8>,
    /// Its indexes, in the descriptor's order.
    pub indexes: Vec<Index>,
    /// Its stream, if that takes records.
    pub stream: Option<OpenStream>,
}

impl Table {
    /// The table with this descriptor.
    #[must_use]
    pub fn new(account: &AccountId, region: &Region, descriptor: Descriptor) -> Self {
        let resource = format!("table/{}", descriptor.name);
        let arn = Arn::new("dynamodb", region, account, resource).to_string();
        let indexes = descriptor.secondary_indexes.iter().map(|index| {
            let entries = keys::entries(descriptor.id, index.id);
            Index::new(&arn, entries, index.clone())
        });
        let settings = descriptor.stream.as_ref();
        Self {
            stream: OpenStream::of(account, region, &arn, descriptor.id, settings),
            indexes: indexes.collect(),
            account: account.clone(),
            region: region.clone(),
            arn,
            descriptor_key: keys::descriptor(account, region, &descriptor.name),
            items: keys::items(descriptor.id),
            mark: descriptor.generation.to_be_bytes().to_vec(),
            descriptor,
        }
    }

    /// The index of this name.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name() == name)
    }

    /// Whether a write has consequences that depend on the item that is there: entries of indexes, a stream's record, the
    /// entry by which it expires.
    #[must_use]
    pub fn has_consequences(&self) -> bool {
        !self.indexes.is_empty() || self.stream.is_some() || self.descriptor.time_to_live.is_some()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.descriptor.name
    }

    /// The ARN of its stream; none if it never had one.
    #[must_use]
    pub fn stream_arn(&self) -> Option<String> {
        let stream = self.descriptor.stream.as_ref()?;
        Some(format!("{}/stream/{}", self.arn, stream.label()))
    }

    /// The attributes of its key: the partition key, then the sort key.
    pub fn key_attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.descriptor.partition_key).chain(&self.descriptor.sort_key)
    }

    /// Where the item with these attributes is; none when they lack a key attribute or one has another type.
    #[must_use]
    pub fn item_key(&self, attributes: &Attributes) -> Option<ItemKey> {
        let part = |attribute: &KeyAttribute| {
            KeyPart::of(attributes.get(&attribute.name)?, attribute.key_type)
        };
        let partition = keys::partition(&self.items, part(&self.descriptor.partition_key)?);
        let key = match &self.descriptor.sort_key {
            Some(sort_key) => part(sort_key)?
                .append(store::keys::KeyWriter::after(&partition))
                .finish(),
            None => partition.clone(),
        };
        Some(ItemKey {
            partition_bytes: partition.len(),
            key,
        })
    }
}

/// Where an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemKey {
    key: Vec<u8>,
    partition_bytes: usize,
}

impl ItemKey {
    /// The whole key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.key
    }

    /// What it has in common with all items of its partition.
    #[must_use]
    pub fn partition(&self) -> &[u8] {
        self.key.get(..self.partition_bytes).unwrap_or(&self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_the_time_in_iso_8601() {
        for (micros, label) in [
            (0, "1970-01-01T00:00:00.000"),
            (951_827_696_789_000, "2000-02-29T12:34:56.789"),
            (1_700_000_000_250_999, "2023-11-14T22:13:20.250"),
            (4_107_542_399_999_000, "2100-02-28T23:59:59.999"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000"),
        ] {
            let stream = StreamSettings {
                view_type: StreamViewType::KeysOnly,
                since: Timestamp::from_micros(micros),
                enabled: true,
                shards: 1,
            };
            assert_eq!(stream.label(), label);
        }
    }
}
