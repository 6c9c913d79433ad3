//! Keys of the store.
//!
//! Lives here: the shapes that `store`'s documentation lists for buses.
//! Does not live here: values (`rows`).

use model::ids::{AccountId, Region};
use model::time::Timestamp;
use store::keys::{KeyReader, KeyWriter, Owner};

/// Whose resources.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
}

/// Which kind of row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bus,
    Rule,
    Connection,
    Destination,
    Archive,
    Replay,
    Group,
    Schedule,
}

/// What fires: a rule of a bus, or a schedule of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DueKey {
    pub(crate) place: Place,
    pub(crate) what: Fires,
    /// The bus or the group.
    pub(crate) outer: String,
    pub(crate) name: String,
}

/// What fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fires {
    Rule,
    Schedule,
}

const DUE: u8 = 0x02;
const ARCHIVED: u8 = 0x03;
const WITH_ARCHIVES: u8 = 0x04;
const TOTAL: u8 = 0x05;
const TALLIES: u8 = 0x06;
const TIME_BYTES: usize = 8;

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Bus => 0x01,
            Self::Rule => 0x02,
            Self::Connection => 0x03,
            Self::Destination => 0x04,
            Self::Archive => 0x05,
            Self::Replay => 0x06,
            Self::Group => 0x10,
            Self::Schedule => 0x11,
        }
    }

    pub(crate) const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::Bus,
            0x02 => Self::Rule,
            0x03 => Self::Connection,
            0x04 => Self::Destination,
            0x05 => Self::Archive,
            0x06 => Self::Replay,
            0x10 => Self::Group,
            0x11 => Self::Schedule,
            _ => return None,
        })
    }
}

/// What all rows of a place begin with.
pub(crate) fn prefix(place: &Place) -> Vec<u8> {
    KeyWriter::new(&place.account, &place.region, Owner::Buses).finish()
}

/// A row by the names that lead to it.
pub(crate) fn row(place: &Place, kind: Kind, names: &[&str]) -> Vec<u8> {
    let start = KeyWriter::after(&prefix(place)).byte(kind.byte());
    let written = names.iter().fold(start, |key, name| key.text(name));
    written.finish()
}

/// What the times of all schedules begin with, in every place.
pub(crate) fn due_prefix() -> Vec<u8> {
    KeyWriter::by_id(Owner::Buses).byte(DUE).finish()
}

/// What the events of an archive begin with. They stand apart from the rows of their place, which are read into memory.
pub(crate) fn archive(place: &Place, archive: &str) -> Vec<u8> {
    of_archive(ARCHIVED, place, archive)
}

/// How much an archive holds but for what came and went since.
pub(crate) fn total(place: &Place, archive: &str) -> Vec<u8> {
    of_archive(TOTAL, place, archive)
}

/// What the rows begin with that tell what came to an archive and went since then.
pub(crate) fn tallies(place: &Place, archive: &str) -> Vec<u8> {
    of_archive(TALLIES, place, archive)
}

fn of_archive(kind: u8, place: &Place, archive: &str) -> Vec<u8> {
    KeyWriter::by_id(Owner::Buses)
        .byte(kind)
        .text(place.account.as_str())
        .text(place.region.as_str())
        .text(archive)
        .finish()
}

/// Where the events of an archive begin that came in at this time.
pub(crate) fn archived_from(place: &Place, name: &str, at: Timestamp) -> Vec<u8> {
    let us = u64::try_from(at.epoch_us()).unwrap_or_default();
    let start = archive(place, name);
    KeyWriter::after(&start).raw(&us.to_be_bytes()).finish()
}

/// An event of an archive.
pub(crate) fn archived(place: &Place, name: &str, at: Timestamp, id: &str) -> Vec<u8> {
    let start = archived_from(place, name, at);
    KeyWriter::after(&start).text(id).finish()
}

/// When an event of an archive came in, by its key.
pub(crate) fn archived_at(archive: &[u8], key: &[u8]) -> Option<Timestamp> {
    let mut reader = KeyReader::new(key);
    reader.skip(archive).ok()?;
    let us = u64::from_be_bytes(reader.raw(TIME_BYTES).ok()?.try_into().ok()?);
    Some(Timestamp::from_micros(i64::try_from(us).ok()?))
}

/// What the places begin with that have archives.
pub(crate) fn with_archives() -> Vec<u8> {
    KeyWriter::by_id(Owner::Buses).byte(WITH_ARCHIVES).finish()
}

/// Says that a place has archives.
pub(crate) fn has_archives(place: &Place) -> Vec<u8> {
    KeyWriter::after(&with_archives())
        .text(place.account.as_str())
        .text(place.region.as_str())
        .finish()
}

/// The place of such a key.
pub(crate) fn place_with_archives(key: &[u8]) -> Option<Place> {
    let mut reader = KeyReader::new(key);
    reader.skip(&with_archives()).ok()?;
    let account = AccountId::new(reader.text().ok()?);
    let region = Region::new(reader.text().ok()?);
    Some(Place { account, region })
}

impl DueKey {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let what = match self.what {
            Fires::Rule => 0x01,
            Fires::Schedule => 0x02,
        };
        KeyWriter::after(&due_prefix())
            .text(self.place.account.as_str())
            .text(self.place.region.as_str())
            .byte(what)
            .text(&self.outer)
            .text(&self.name)
            .finish()
    }

    pub(crate) fn from_bytes(key: &[u8]) -> Option<Self> {
        let mut reader = KeyReader::new(key);
        reader.skip(&due_prefix()).ok()?;
        let account = AccountId::new(reader.text().ok()?);
        let region = Region::new(reader.text().ok()?);
        let what = match reader.raw(1).ok()? {
            [0x01] => Fires::Rule,
            [0x02] => Fires::Schedule,
            _ => return None,
        };
        Some(Self {
            place: Place { account, region },
            what,
            outer: reader.text().ok()?,
            name: reader.text().ok()?,
        })
    }
}
