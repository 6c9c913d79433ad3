//! Where things are in the store.
//!
//! Lives here: the keys of tables and items, and the ranges that queries and scans walk.
//! Does not live here: the first parts of every key and the encoding of texts (`store::keys`).
//!
//! An item's key is the table's prefix, a hash of the partition key, the partition key, the sort key. The hash spreads
//! partitions as the cloud does: a scan's order says nothing, and its segments are ranges of hashes. Texts and bytes are
//! escaped and ended, numbers are as [`Number::encode`] writes them; each sorts as DynamoDB sorts it.

use model::ids::{AccountId, Region};
use store::keys::{KeyReader, KeyWriter, Owner, ShapeError};

use super::number::Number;
use super::table_id::{TABLE_ID_BYTES, TableId};
use super::value::Value;

const KIND_DESCRIPTOR: u8 = 0x01;
const KIND_TRASH: u8 = 0x03;
const KIND_BACKFILL: u8 = 0x05;
const KIND_ITEMS: u8 = 0x06;
const KIND_ENTRIES: u8 = 0x07;

/// Bytes of the hash that stands before a partition key.
pub const HASH_BYTES: usize = 4;

/// The type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum KeyType {
    /// A text.
    S,
    /// A number.
    N,
    /// Bytes.
    B,
}

impl KeyType {
    /// As the API writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
        }
    }
}

/// A value that can stand in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPart<'a> {
    /// A text.
    S(&'a str),
    /// A number.
    N(Number),
    /// Bytes.
    B(&'a [u8]),
}

impl<'a> KeyPart<'a> {
    /// This value as a part of a key, if it has the type.
    #[must_use]
    pub fn of(value: &'a Value, key_type: KeyType) -> Option<Self> {
        match (value, key_type) {
            (Value::S(text), KeyType::S) => Some(Self::S(text)),
            (Value::N(number), KeyType::N) => Some(Self::N(*number)),
            (Value::B(bytes), KeyType::B) => Some(Self::B(bytes)),
            _ => None,
        }
    }

    /// Whether it is a text or bytes of no length, which no key may have.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        match self {
            Self::S(text) => text.is_empty(),
            Self::B(bytes) => bytes.is_empty(),
            Self::N(_) => false,
        }
    }

    /// Adds it to a key.
    #[must_use]
    pub fn append(self, key: KeyWriter) -> KeyWriter {
        match self {
            Self::S(text) => key.text(text),
            Self::B(bytes) => key.bytes(bytes),
            Self::N(number) => {
                let mut bytes = Vec::with_capacity(24);
                number.encode(&mut bytes);
                key.raw(&bytes)
            }
        }
    }

    /// Adds the beginning of it to a key: what all parts that begin with it have in common.
    #[must_use]
    pub fn append_open(self, key: KeyWriter) -> KeyWriter {
        match self {
            Self::S(text) => key.bytes_open(text.as_bytes()),
            Self::B(bytes) => key.bytes_open(bytes),
            Self::N(_) => self.append(key),
        }
    }
}

/// The key of a table's descriptor.
#[must_use]
pub fn descriptor(account: &AccountId, region: &Region, table_name: &str) -> Vec<u8> {
    KeyWriter::after(&descriptors(account, region))
        .text(table_name)
        .finish()
}

/// What the keys of all descriptors of an account in a region begin with.
#[must_use]
pub fn descriptors(account: &AccountId, region: &Region) -> Vec<u8> {
    KeyWriter::new(account, region, Owner::Tables)
        .byte(KIND_DESCRIPTOR)
        .finish()
}

/// The name in a descriptor's key.
///
/// # Errors
/// [`ShapeError`] when it is the key of something else.
pub fn table_name(descriptors: &[u8], key: &[u8]) -> Result<String, ShapeError> {
    let mut reader = KeyReader::new(key);
    reader.skip(descriptors)?;
    reader.text()
}

/// What the keys of all items of a table begin with; by itself the key of the mark that the table is there. Each row repeats
/// it, so it has neither account nor region, and of the id the last bytes alone: no two tables of a store have the same, as
/// making a table checks.
#[must_use]
pub fn items(table_id: TableId) -> Vec<u8> {
    KeyWriter::by_id(Owner::Tables)
        .byte(KIND_ITEMS)
        .raw(&table_id.short())
        .finish()
}

/// What the keys of all entries of an index begin with.
#[must_use]
pub fn entries(table_id: TableId, index_id: u32) -> Vec<u8> {
    KeyWriter::after(&entries_of_table(table_id))
        .raw(&index_id.to_be_bytes())
        .finish()
}

/// What the keys of all entries of all indexes of a table begin with.
#[must_use]
pub fn entries_of_table(table_id: TableId) -> Vec<u8> {
    KeyWriter::by_id(Owner::Tables)
        .byte(KIND_ENTRIES)
        .raw(&table_id.short())
        .finish()
}

/// The key of the note how far the filling of a new index has come.
#[must_use]
pub fn backfill(account: &AccountId, region: &Region, table_id: TableId, index_id: u32) -> Vec<u8> {
    KeyWriter::after(&backfills_of_table(account, region, table_id))
        .raw(&index_id.to_be_bytes())
        .finish()
}

/// What the keys of all such notes of a table begin with.
#[must_use]
pub fn backfills_of_table(account: &AccountId, region: &Region, table_id: TableId) -> Vec<u8> {
    KeyWriter::new(account, region, Owner::Tables)
        .byte(KIND_BACKFILL)
        .raw(&table_id.to_bytes())
        .finish()
}

/// The key of the note that a deleted table's items are still to be removed.
#[must_use]
pub fn trash(account: &AccountId, region: &Region, table_id: TableId) -> Vec<u8> {
    KeyWriter::after(&trash_of(account, region))
        .raw(&table_id.to_bytes())
        .finish()
}

/// What the keys of all such notes begin with.
#[must_use]
pub fn trash_of(account: &AccountId, region: &Region) -> Vec<u8> {
    KeyWriter::new(account, region, Owner::Tables)
        .byte(KIND_TRASH)
        .finish()
}

/// The table that such a note is about.
///
/// # Errors
/// [`ShapeError`] when it is something else.
pub fn trashed_table(trash_of: &[u8], key: &[u8]) -> Result<TableId, ShapeError> {
    let mut reader = KeyReader::new(key);
    reader.skip(trash_of)?;
    let bytes = <[u8; TABLE_ID_BYTES]>::try_from(reader.rest()).map_err(|_| ShapeError)?;
    Ok(TableId::from_bytes(bytes))
}

/// What the keys of all items of a partition begin with.
#[must_use]
pub fn partition(items: &[u8], partition_key: KeyPart<'_>) -> Vec<u8> {
    partition_of_parts(items, &[partition_key])
}

/// The same of a partition key with several parts.
#[must_use]
pub fn partition_of_parts(items: &[u8], parts: &[KeyPart<'_>]) -> Vec<u8> {
    let parts = parts
        .iter()
        .fold(KeyWriter::after(&[]), |key, part| part.append(key))
        .finish();
    KeyWriter::after(items)
        .raw(&partition_hash(&parts).to_be_bytes())
        .raw(&parts)
        .finish()
}

/// The key of an item.
#[must_use]
pub fn item(items: &[u8], partition_key: KeyPart<'_>, sort_key: Option<KeyPart<'_>>) -> Vec<u8> {
    let key = partition(items, partition_key);
    match sort_key {
        Some(part) => part.append(KeyWriter::after(&key)).finish(),
        None => key,
    }
}

/// Where a partition stands among all partitions of its table. It is on disk: CRC-32 (IEEE) of the encoded key.
#[must_use]
pub fn partition_hash(encoded_partition_key: &[u8]) -> u32 {
    crc32fast::hash(encoded_partition_key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sort_key(part: KeyPart<'_>) -> Vec<u8> {
        item(b"t", KeyPart::S("p"), Some(part))
    }

    proptest! {
        #[test]
        fn texts_sort_as_their_utf8_does(left in ".{0,6}", right in ".{0,6}") {
            let order = left.as_bytes().cmp(right.as_bytes());
            prop_assert_eq!(sort_key(KeyPart::S(&left)).cmp(&sort_key(KeyPart::S(&right))), order);
        }

        #[test]
        fn bytes_sort_unsigned(left in prop::collection::vec(any::<u8>(), 0..6), right in prop::collection::vec(any::<u8>(), 0..6)) {
            let order = left.cmp(&right);
            prop_assert_eq!(sort_key(KeyPart::B(&left)).cmp(&sort_key(KeyPart::B(&right))), order);
        }

        #[test]
        fn no_partition_begins_another(left in ".{0,6}", right in ".{0,6}") {
            prop_assume!(left != right);
            let key = |text: &str| partition(b"t", KeyPart::S(text));
            prop_assert!(!key(&left).starts_with(&key(&right)));
        }
    }

    #[test]
    fn the_hash_on_disk_is_this_one() {
        assert_eq!(partition_hash(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn names_and_ids_read_back_from_their_keys() {
        let (account, region) = (AccountId::development(), Region::new("us-east-1"));
        let key = descriptor(&account, &region, "pets.dev");
        assert_eq!(
            table_name(&descriptors(&account, &region), &key).as_deref(),
            Ok("pets.dev")
        );
        let id = TableId::from_bytes([7; TABLE_ID_BYTES]);
        let key = trash(&account, &region, id);
        assert_eq!(trashed_table(&trash_of(&account, &region), &key), Ok(id));
    }
}
