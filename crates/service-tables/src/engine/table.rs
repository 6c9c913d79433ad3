//! What a table is.
//!
//! Lives here: the descriptor as it stands in the store, and what is worked out from it once.
//! Does not live here: making and deleting tables (`catalogue`), how the API describes them (`dynamodb`).

use std::collections::BTreeMap;

use model::arn::Arn;
use model::ids::{AccountId, Region};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::{self, KeyPart, KeyType};
use super::table_id::TableId;
use super::value::Attributes;

/// The version of the descriptor's JSON.
pub const DESCRIPTOR_FORMAT: u32 = 1;

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
}

/// An attribute of the primary key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAttribute {
    /// Its name.
    pub name: String,
    /// Its type.
    pub key_type: KeyType,
}

/// How a table is paid for. No throughput is enforced: what is provisioned is only kept and shown.
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
    /// Its ARN.
    pub arn: String,
    /// Where its descriptor is.
    pub descriptor_key: Vec<u8>,
    /// What the keys of its items begin with; by itself the key of the mark that the table is there.
    pub items: Vec<u8>,
}

impl Table {
    /// The table with this descriptor.
    #[must_use]
    pub fn new(account: &AccountId, region: &Region, descriptor: Descriptor) -> Self {
        Self {
            arn: Arn::new(
                "dynamodb",
                region,
                account,
                format!("table/{}", descriptor.name),
            )
            .to_string(),
            descriptor_key: keys::descriptor(account, region, &descriptor.name),
            items: keys::items(account, region, descriptor.id),
            descriptor,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.descriptor.name
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
