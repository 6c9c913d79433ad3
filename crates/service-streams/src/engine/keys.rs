//! Keys of the store.
//!
//! Lives here: the shapes that `store`'s documentation lists for streams.
//! Does not live here: values (`rows`, `log`).

use model::arn::Arn;
use model::ids::{AccountId, Region};
use store::keys::{KeyReader, KeyWriter, Owner};

const STREAM: u8 = 0x01;
const MARK: u8 = 0x01;
const RECORD: u8 = 0x02;
const ABANDONED: u8 = 0x03;

/// Whose streams.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
}

impl Place {
    pub(crate) fn of_arn(arn: &Arn) -> Self {
        Self {
            account: AccountId::new(arn.account.as_str()),
            region: Region::new(arn.region.as_str()),
        }
    }

    pub(crate) fn arn(&self, resource: String) -> Arn {
        Arn::new("kinesis", &self.region, &self.account, resource)
    }

    pub(crate) fn stream_arn(&self, name: &str) -> String {
        self.arn(format!("stream/{name}")).to_string()
    }
}

/// What the rows of all streams of a place begin with.
pub(crate) fn streams(place: &Place) -> Vec<u8> {
    KeyWriter::new(&place.account, &place.region, Owner::Streams)
        .byte(STREAM)
        .finish()
}

/// The row of a stream.
pub(crate) fn stream(place: &Place, name: &str) -> Vec<u8> {
    KeyWriter::after(&streams(place)).text(name).finish()
}

/// What the marks of all streams of the store begin with.
pub(crate) fn marks() -> Vec<u8> {
    KeyWriter::by_id(Owner::Streams).byte(MARK).finish()
}

/// The mark that a stream is there with the shards that it has.
pub(crate) fn mark(id: u64) -> Vec<u8> {
    KeyWriter::after(&marks()).raw(&id.to_be_bytes()).finish()
}

/// The value of a mark.
pub(crate) fn mark_value(place: &Place, name: &str, generation: u64) -> Vec<u8> {
    KeyWriter::after(&generation.to_be_bytes())
        .text(place.account.as_str())
        .text(place.region.as_str())
        .text(name)
        .finish()
}

/// Whose mark this is.
pub(crate) fn marked(value: &[u8]) -> Option<(Place, String)> {
    let mut reader = KeyReader::new(value);
    reader.raw(8).ok()?;
    let account = AccountId::new(reader.text().ok()?);
    let region = Region::new(reader.text().ok()?);
    Some((Place { account, region }, reader.text().ok()?))
}

/// What the records of a stream begin with.
pub(crate) fn records(id: u64) -> Vec<u8> {
    KeyWriter::by_id(Owner::Streams)
        .byte(RECORD)
        .raw(&id.to_be_bytes())
        .finish()
}

/// What the records of a shard begin with.
pub(crate) fn shard(id: u64, shard: u32) -> Vec<u8> {
    KeyWriter::after(&records(id))
        .raw(&shard.to_be_bytes())
        .finish()
}

/// What the notes of deleted streams begin with.
pub(crate) fn all_abandoned() -> Vec<u8> {
    KeyWriter::by_id(Owner::Streams).byte(ABANDONED).finish()
}

/// The note that a stream's records are still to be removed.
pub(crate) fn abandoned(id: u64) -> Vec<u8> {
    KeyWriter::after(&all_abandoned())
        .raw(&id.to_be_bytes())
        .finish()
}

/// Whose note this is.
pub(crate) fn abandoned_id(key: &[u8]) -> Option<u64> {
    let id = key.strip_prefix(all_abandoned().as_slice())?;
    Some(u64::from_be_bytes(id.try_into().ok()?))
}
