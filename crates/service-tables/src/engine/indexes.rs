//! Secondary indexes: what they are, and what they hold.
//!
//! Lives here: their settings in a table's descriptor, the entry that an item has in an index, what a write changes in it.
//! Does not live here: filling a new index (`upkeep`), reading one (`dynamodb::operations::pages`), the bytes of keys
//! (`keys`).
//!
//! An entry's key is the index's prefix, then the parts of the index's key as in the key of an item, then the key of the item
//! that it stands for; its value is the part of the item that is projected, encoded as items are. An item that lacks an
//! attribute of the index's key, or has it with another type, has no entry.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::Write;
use store::keys::KeyWriter;

use super::codec;
use super::keys::{self, KeyPart};
use super::table::{Ceilings, KeyAttribute, Table};
use super::value::{Attributes, Value};

/// An index, as it stands in its table's descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondaryIndex {
    /// Its identity within the table: an index of the same name that is made later has another one.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Global or local.
    pub kind: IndexKind,
    /// The attributes of its partition key: one at least, of a global index up to four.
    pub partition_keys: Vec<KeyAttribute>,
    /// The attributes of its sort key, in their order: none at all, one, of a global index up to four.
    pub sort_keys: Vec<KeyAttribute>,
    /// What it holds of an item.
    pub projection: Projection,
    /// Where it is in its life.
    pub status: IndexStatus,
    /// What is provisioned for it.
    pub throughput: Option<Throughput>,
    /// What it takes at most while its table is paid for by request.
    #[serde(default)]
    pub ceilings: Ceilings,
    /// What it was asked to take at once; only kept and shown.
    #[serde(default)]
    pub warm: Option<Throughput>,
}

/// Capacity that is provisioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throughput {
    /// Read capacity units.
    pub read_units: u64,
    /// Write capacity units.
    pub write_units: u64,
}

/// The two kinds of indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexKind {
    /// With a partition key of its own.
    Global,
    /// With the table's partition key and a sort key of its own.
    Local,
}

/// What an index holds of an item, besides the keys of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Projection {
    /// Nothing.
    KeysOnly,
    /// These attributes.
    Include(Vec<String>),
    /// Everything.
    All,
}

/// Where an index is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexStatus {
    /// It is being filled: writes go into it, reads are refused.
    Creating,
    /// It is complete.
    Active,
    /// Its entries are being removed.
    Deleting,
}

/// An index, ready for use.
#[derive(Debug)]
pub struct Index {
    /// What it is.
    pub settings: SecondaryIndex,
    /// Its ARN.
    pub arn: String,
    /// What the keys of its entries begin with.
    pub entries: Vec<u8>,
}

/// An item's entry in an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Vec<u8>,
    /// The projected item, encoded.
    pub value: Bytes,
}

/// An item with its encoding.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// The item.
    pub attributes: &'a Attributes,
    /// Its encoding.
    pub bytes: &'a Bytes,
}

/// What a write does to one index, for the count of capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryChange {
    /// Nothing.
    Unchanged,
    /// One entry is written, replaced or removed: the size of the larger of the two.
    Written {
        /// Bytes.
        bytes: usize,
    },
    /// The entry moves: one is removed, another is written.
    Moved {
        /// Bytes of the one that goes.
        bytes_removed: usize,
        /// Bytes of the one that comes.
        bytes_added: usize,
    },
}

impl Index {
    pub(super) fn new(table_arn: &str, entries: Vec<u8>, settings: SecondaryIndex) -> Self {
        Self {
            arn: format!("{table_arn}/index/{}", settings.name),
            entries,
            settings,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The attributes of its key: those of the partition key, then those of the sort key.
    pub fn key_attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        let settings = &self.settings;
        settings.partition_keys.iter().chain(&settings.sort_keys)
    }

    /// Whether its partition key or its sort key has several attributes.
    #[must_use]
    pub fn is_composite(&self) -> bool {
        1 < self.settings.partition_keys.len() || 1 < self.settings.sort_keys.len()
    }

    /// The attributes by which an entry is found: those of the table's key, then those of its own.
    pub fn entry_attributes<'a>(
        &'a self,
        table: &'a Table,
    ) -> impl Iterator<Item = &'a KeyAttribute> {
        let is_new = |attribute: &&KeyAttribute| {
            table
                .key_attributes()
                .all(|other| other.name != attribute.name)
        };
        table
            .key_attributes()
            .chain(self.key_attributes().filter(is_new))
    }

    /// Whether entries are written: until the index is being removed.
    #[must_use]
    pub fn takes_entries(&self) -> bool {
        match self.settings.status {
            IndexStatus::Creating | IndexStatus::Active => true,
            IndexStatus::Deleting => false,
        }
    }

    /// Whether it holds all of an item's attributes.
    #[must_use]
    pub fn holds_all(&self) -> bool {
        self.settings.projection == Projection::All
    }

    /// What the keys of all entries with these parts of the partition key begin with.
    #[must_use]
    pub fn partition(&self, parts: &[KeyPart<'_>]) -> Vec<u8> {
        keys::partition_of_parts(&self.entries, parts)
    }

    /// The key of the entry that an item with these attributes has; none when it has none: when an attribute is missing, is
    /// empty, is too long or has another type. The last three can only be in items that were there before the index.
    #[must_use]
    pub fn entry_key(&self, table: &Table, item: &Attributes) -> Option<Vec<u8>> {
        let parts = |attributes: &'_ [KeyAttribute], bytes_max| {
            let mut bytes = 0;
            let mut parts = Vec::with_capacity(attributes.len());
            for attribute in attributes {
                let value = item.get(&attribute.name)?;
                let part = KeyPart::of(value, attribute.key_type)?;
                if !matches!(value, Value::N(_)) {
                    bytes += value.size();
                }
                if part.is_empty() || bytes_max < bytes {
                    return None;
                }
                parts.push(part);
            }
            Some(parts)
        };
        let settings = &self.settings;
        let partition = parts(
            &settings.partition_keys,
            model::limits::DYNAMODB_PARTITION_KEY_BYTES_MAX,
        )?;
        let sort = parts(
            &settings.sort_keys,
            model::limits::DYNAMODB_SORT_KEY_BYTES_MAX,
        )?;
        let mut key = KeyWriter::after(&self.partition(&partition));
        for part in sort {
            key = part.append(key);
        }
        let stands_in_front = match settings.kind {
            IndexKind::Global => 0,
            // The partition key.
            IndexKind::Local => 1,
        };
        for attribute in table.key_attributes().skip(stands_in_front) {
            let part = KeyPart::of(item.get(&attribute.name)?, attribute.key_type)?;
            key = part.append(key);
        }
        Some(key.finish())
    }

    /// The entry of an item; none when it has none.
    #[must_use]
    pub fn entry(&self, table: &Table, item: Image<'_>) -> Option<Entry> {
        let key = self.entry_key(table, item.attributes)?;
        let value = match self.projected(table, item.attributes) {
            Cow::Borrowed(_) => item.bytes.clone(),
            Cow::Owned(part) => Bytes::from(codec::encode(&part)),
        };
        Some(Entry { key, value })
    }

    /// Whether an attribute of this name is projected.
    #[must_use]
    pub fn projects(&self, table: &Table, name: &str) -> bool {
        let is_key = |attribute: &KeyAttribute| attribute.name == name;
        match &self.settings.projection {
            Projection::All => true,
            Projection::KeysOnly => {
                self.key_attributes().any(is_key) || table.key_attributes().any(is_key)
            }
            Projection::Include(names) => {
                names.iter().any(|other| other == name)
                    || self.key_attributes().any(is_key)
                    || table.key_attributes().any(is_key)
            }
        }
    }

    /// The writes by which its entry of one item follows a change of the item.
    pub(super) fn follow(
        &self,
        table: &Table,
        before: Option<Image<'_>>,
        after: Option<Image<'_>>,
        writes: &mut Vec<Write>,
    ) {
        let entry = |image: Option<Image<'_>>| self.entry(table, image?);
        let (before, after) = (entry(before), entry(after));
        if before == after {
            return;
        }
        if let Some(before) = before
            && after.as_ref().is_none_or(|after| after.key != before.key)
        {
            writes.push(Write::Delete {
                key: before.key.into(),
            });
        }
        if let Some(after) = after {
            writes.push(Write::Put {
                key: after.key.into(),
                value: after.value,
            });
        }
    }

    /// What a change of an item does to this index, as the service counts it.
    #[must_use]
    pub fn entry_change(
        &self,
        table: &Table,
        before: Option<&Attributes>,
        after: Option<&Attributes>,
    ) -> EntryChange {
        let entry = |item: Option<&Attributes>| {
            let item = item.filter(|_| self.takes_entries())?;
            let key = self.entry_key(table, item)?;
            Some((key, self.projected(table, item).into_owned()))
        };
        let size = super::value::size;
        match (entry(before), entry(after)) {
            (None, None) => EntryChange::Unchanged,
            (Some((_, item)), None) | (None, Some((_, item))) => {
                EntryChange::Written { bytes: size(&item) }
            }
            (Some(before), Some(after)) if before == after => EntryChange::Unchanged,
            (Some((old_key, old)), Some((new_key, new))) if old_key == new_key => {
                EntryChange::Written {
                    bytes: size(&old).max(size(&new)),
                }
            }
            (Some((_, old)), Some((_, new))) => EntryChange::Moved {
                bytes_removed: size(&old),
                bytes_added: size(&new),
            },
        }
    }

    fn projected<'a>(&self, table: &Table, item: &'a Attributes) -> Cow<'a, Attributes> {
        match &self.settings.projection {
            Projection::All => Cow::Borrowed(item),
            Projection::KeysOnly | Projection::Include(_) => Cow::Owned(
                item.iter()
                    .filter(|(name, _)| self.projects(table, name))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests;
