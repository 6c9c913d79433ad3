//! The identity of a table.
//!
//! Lives here: sixteen random bytes, which people see as a UUID.
//! Does not live here: drawing them (`interfaces::Random`).

use std::fmt;

use interfaces::random::Random;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes of an id.
pub const TABLE_ID_BYTES: usize = 16;
/// Bytes of the part of an id that stands in the key of every row: 48 bits, so that of ten thousand tables two are alike once in five
/// million times; then the second is refused, and its next try draws others.
pub const SHORT_ID_BYTES: usize = 6;

/// A table's identity: a later table of the same name has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TableId(u128);

impl TableId {
    /// Draws a new one: a UUID of version 4.
    #[must_use]
    pub fn draw(random: &dyn Random) -> Self {
        let mut bytes = [0_u8; TABLE_ID_BYTES];
        random.fill(&mut bytes);
        let drawn = u128::from_be_bytes(bytes);
        Self((drawn & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62))
    }

    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; TABLE_ID_BYTES]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; TABLE_ID_BYTES] {
        self.0.to_be_bytes()
    }

    /// Its last bytes, all of which were drawn.
    #[must_use]
    pub fn short(self) -> [u8; SHORT_ID_BYTES] {
        let bytes = self.to_bytes();
        bytes.last_chunk().copied().unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Self> {
        let digits: String = text.split('-').collect();
        let id = Self(u128::from_str_radix(&digits, 16).ok()?);
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32, bits: u32| (self.0 >> shift) & ((1 << bits) - 1);
        write!(
            out,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            part(96, 32),
            part(80, 16),
            part(64, 16),
            part(48, 16),
            part(0, 48)
        )
    }
}

impl Serialize for TableId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TableId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("a table's id is a UUID"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        let text = "00112233-4455-4677-8899-aabbccddeeff";
        assert_eq!(TableId::parse(text).unwrap().to_string(), text);
        for other in [
            "",
            "0",
            "00112233445546778899aabbccddeeff",
            "00112233-4455-4677-8899-aabbccddeefg",
        ] {
            assert_eq!(TableId::parse(other), None, "{other}");
        }
    }
}
