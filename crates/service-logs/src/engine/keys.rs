//! The keys of what is kept.
//!
//! Contract: the table in the crate `store`.

use model::arn::Arn;
use model::ids::{AccountId, Region};
use store::keys::{KeyReader, KeyWriter, Owner};

/// An account in a region.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Group,
    Stream,
    Policy,
    Alarm,
    Point,
}

const EVENTS: u8 = 0x01;
const PLACES: u8 = 0x02;
const DOOMED: u8 = 0x03;

/// What the key of a row of several events ends with.
const RUN: u8 = 0x01;

impl Place {
    pub(crate) fn arn(&self, service: &str, resource: String) -> Arn {
        Arn::new(service, &self.region, &self.account, resource)
    }

    pub(crate) fn group_arn(&self, group: &str) -> Arn {
        self.arn("logs", format!("log-group:{group}"))
    }

    /// What policies see as the source of what a group sends.
    pub(crate) fn source_arn(&self, group: &str) -> Arn {
        self.group_arn(&format!("{group}:*"))
    }

    pub(crate) fn stream_arn(&self, group: &str, stream: &str) -> Arn {
        self.arn("logs", format!("log-group:{group}:log-stream:{stream}"))
    }
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Group => 0x01,
            Self::Stream => 0x02,
            Self::Policy => 0x03,
            Self::Alarm => 0x10,
            Self::Point => 0x11,
        }
    }

    pub(crate) const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::Group,
            0x02 => Self::Stream,
            0x03 => Self::Policy,
            0x10 => Self::Alarm,
            0x11 => Self::Point,
            _ => return None,
        })
    }
}

/// What all rows of a place begin with.
pub(crate) fn prefix(place: &Place) -> Vec<u8> {
    KeyWriter::new(&place.account, &place.region, Owner::Logs).finish()
}

/// A row by the names that lead to it.
pub(crate) fn row(place: &Place, kind: Kind, names: &[&str]) -> Vec<u8> {
    let start = KeyWriter::after(&prefix(place)).byte(kind.byte());
    let written = names.iter().fold(start, |key, name| key.text(name));
    written.finish()
}

/// Says that a place keeps something: expiry looks there.
pub(crate) fn place(place: &Place) -> Vec<u8> {
    KeyWriter::after(&places())
        .text(place.account.as_str())
        .text(place.region.as_str())
        .finish()
}

pub(crate) fn places() -> Vec<u8> {
    KeyWriter::by_id(Owner::Logs).byte(PLACES).finish()
}

pub(crate) fn read_place(key: &[u8]) -> Option<Place> {
    let mut reader = KeyReader::new(key);
    reader.skip(&places()).ok()?;
    Some(Place {
        account: AccountId::new(reader.text().ok()?),
        region: Region::new(reader.text().ok()?),
    })
}

/// What the streams begin with whose events are still to be deleted.
pub(crate) fn all_doomed() -> Vec<u8> {
    KeyWriter::by_id(Owner::Logs).byte(DOOMED).finish()
}

pub(crate) fn doomed(stream: u64) -> Vec<u8> {
    let key = KeyWriter::after(&all_doomed());
    key.raw(&stream.to_be_bytes()).finish()
}

pub(crate) fn read_doomed(key: &[u8]) -> Option<u64> {
    let id = key.strip_prefix(all_doomed().as_slice())?;
    Some(u64::from_be_bytes(id.try_into().ok()?))
}

/// Where an event stands in its stream: by its time, then by when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) at_ms: u64,
    pub(crate) number: u64,
}

impl Position {
    /// As events' ids and tokens show it: 56 digits.
    pub(crate) fn shown(self) -> String {
        format!("{:018}{:020}{:018}", self.at_ms, self.number, 0)
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let (at, rest) = text.split_at_checked(18)?;
        let (number, rest) = rest.split_at_checked(20)?;
        let is_whole = rest.len() == 18 && rest.bytes().all(|byte| byte == b'0');
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_whole || !digits(at) || !digits(number) {
            return None;
        }
        Some(Self {
            at_ms: at.parse().ok()?,
            number: number.parse().ok()?,
        })
    }

    /// The next one that there could be.
    pub(crate) fn next(self) -> Self {
        Self {
            number: self.number.saturating_add(1),
            ..self
        }
    }
}

/// What all events of a stream begin with.
pub(crate) fn events(stream: u64) -> Vec<u8> {
    KeyWriter::by_id(Owner::Logs)
        .byte(EVENTS)
        .raw(&stream.to_be_bytes())
        .finish()
}

pub(crate) fn event(stream: u64, position: Position) -> Vec<u8> {
    KeyWriter::after(&events(stream))
        .raw(&position.at_ms.to_be_bytes())
        .raw(&position.number.to_be_bytes())
        .finish()
}

/// Of a row of several events, of which this is where the first stands.
pub(crate) fn run(stream: u64, first: Position) -> Vec<u8> {
    let mut key = event(stream, first);
    key.push(RUN);
    key
}

/// Where the first event of a row stands, and whether it has several.
pub(crate) fn read_event(stream: u64, key: &[u8]) -> Option<(Position, bool)> {
    let mut reader = KeyReader::new(key);
    reader.skip(&events(stream)).ok()?;
    let mut number = || Some(u64::from_be_bytes(reader.raw(8).ok()?.try_into().ok()?));
    let first = Position {
        at_ms: number()?,
        number: number()?,
    };
    Some((first, reader.raw(1).is_ok_and(|end| end == [RUN])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_back_from_keys_and_ids_and_sort_as_they_stand() {
        let position = |at_ms, number| Position { at_ms, number };
        let early = position(1_700_000_000_000, u64::MAX);
        let late = position(1_700_000_000_001, 0);
        assert_eq!(read_event(7, &event(7, early)), Some((early, false)));
        assert_eq!(read_event(7, &run(7, early)), Some((early, true)));
        assert!(event(7, early) < run(7, early) && run(7, early) < event(7, late));
        assert_eq!(early.shown().len(), 56);
        assert_eq!(Position::read(&early.shown()), Some(early));
        assert!(early.shown() < late.shown());
        for wrong in ["", "x", &"9".repeat(56), &"ä".repeat(28)] {
            assert_eq!(Position::read(wrong), None, "{wrong}");
        }
    }
}
