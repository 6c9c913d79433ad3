//! Keys of the service's rows.
//!
//! Lives here: their shapes, which the table in `store` lists.
//! Does not live here: what the rows hold.

use model::ids::{AccountId, Region};
use store::keys::{KeyReader, KeyWriter, Owner, ShapeError};

pub(crate) const TOPIC: u8 = 0x01;
pub(crate) const SUBSCRIPTION: u8 = 0x02;
pub(crate) const APPLICATION: u8 = 0x03;
pub(crate) const ENDPOINT: u8 = 0x04;
pub(crate) const SMS: u8 = 0x05;
pub(crate) const DEDUPLICATION: u8 = 0x06;

/// Where rows of one region lie.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
}

impl Place {
    fn begin(&self, kind: u8) -> KeyWriter {
        KeyWriter::new(&self.account, &self.region, Owner::Topics).byte(kind)
    }

    /// What all keys of one kind begin with.
    pub(crate) fn prefix(&self, kind: u8) -> Vec<u8> {
        self.begin(kind).finish()
    }

    pub(crate) fn topic(&self, name: &str) -> Vec<u8> {
        self.begin(TOPIC).text(name).finish()
    }

    pub(crate) fn subscription(&self, topic: &str, id: &str) -> Vec<u8> {
        self.begin(SUBSCRIPTION).text(topic).text(id).finish()
    }

    pub(crate) fn application(&self, name: &str) -> Vec<u8> {
        self.begin(APPLICATION).text(name).finish()
    }

    pub(crate) fn endpoint(&self, application: &str, id: &str) -> Vec<u8> {
        self.begin(ENDPOINT).text(application).text(id).finish()
    }

    pub(crate) fn sms(&self) -> Vec<u8> {
        self.prefix(SMS)
    }

    pub(crate) fn deduplication(&self, topic: &str, id: &str) -> Vec<u8> {
        self.begin(DEDUPLICATION).text(topic).text(id).finish()
    }

    /// The two texts behind a prefix.
    pub(crate) fn pair(&self, kind: u8, key: &[u8]) -> Result<(String, String), ShapeError> {
        let mut reader = KeyReader::new(key);
        reader.skip(&self.prefix(kind))?;
        Ok((reader.text()?, reader.text()?))
    }
}
