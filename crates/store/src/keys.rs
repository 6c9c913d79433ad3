//! How keys are put together, so that their bytes sort as their parts do.
//!
//! Lives here: the first parts of every key, the encoding of texts and bytes, taking a key apart.
//! Does not live here: the shapes of a service's keys (the table in the crate's documentation lists them all).
//!
//! A text or byte string is written with each `00` as `00 FF`, and ended by `00 01`. A string that begins another
//! sorts before it, since the end (`00 01`) is smaller than any byte that could go on (`00 FF` or `01` and above).

use model::ids::{AccountId, Region};

/// The first byte of keys that go on with an account and a region: the version of this layout.
pub const FORMAT: u8 = 1;
/// The first byte of keys without them: of rows so many that they would cost, under an id that is unique in the whole store.
pub const FORMAT_BY_ID: u8 = 2;

const ZERO: u8 = 0x00;
const ESCAPED_ZERO: u8 = 0xff;
const END: u8 = 0x01;

/// Whose key it is. The numbers are on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// `service-tables`.
    Tables,
    /// `deployment`.
    Deployment,
    /// `event-delivery` and `outbox`.
    Delivery,
    /// `service-queues`.
    Queues,
    /// `service-topics`.
    Topics,
    /// `service-buses`.
    Buses,
    /// `service-objects`.
    Objects,
    /// `service-streams`.
    Streams,
    /// `service-identity`.
    Identity,
    /// `service-secrets`.
    Secrets,
    /// `service-logs`.
    Logs,
    /// `service-functions`.
    Functions,
}

impl Owner {
    const fn byte(self) -> u8 {
        match self {
            Self::Tables => 0x01,
            Self::Deployment => 0x02,
            Self::Delivery => 0x03,
            Self::Queues => 0x04,
            Self::Topics => 0x05,
            Self::Buses => 0x06,
            Self::Objects => 0x07,
            Self::Streams => 0x08,
            Self::Identity => 0x09,
            Self::Secrets => 0x0a,
            Self::Logs => 0x0b,
            Self::Functions => 0x0c,
        }
    }
}

/// The bytes do not have the shape that the reader expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key does not have the expected shape")]
pub struct ShapeError;

/// Writes a key, part by part.
#[derive(Debug, Clone)]
pub struct KeyWriter {
    bytes: Vec<u8>,
}

impl KeyWriter {
    /// Begins a key with what most keys begin with.
    #[must_use]
    pub fn new(account: &AccountId, region: &Region, owner: Owner) -> Self {
        let mut key = Self {
            bytes: Vec::with_capacity(96),
        };
        key.bytes.push(FORMAT);
        key.bytes(account.as_str().as_bytes())
            .bytes(region.as_str().as_bytes())
            .byte(owner.byte())
    }

    /// Begins a key that goes on with an id that is unique in the whole store.
    #[must_use]
    pub fn by_id(owner: Owner) -> Self {
        Self::after(&[FORMAT_BY_ID, owner.byte()])
    }

    /// Goes on from a key or a prefix that was written before.
    #[must_use]
    pub fn after(prefix: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(prefix.len() + 64);
        bytes.extend_from_slice(prefix);
        Self { bytes }
    }

    /// Adds one byte.
    #[must_use]
    pub fn byte(mut self, byte: u8) -> Self {
        self.bytes.push(byte);
        self
    }

    /// Adds bytes as they are: for parts of a fixed length, or with an end of their own.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Adds bytes of any length, escaped and ended.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let mut key = self.bytes_open(bytes);
        key.bytes.extend_from_slice(&[ZERO, END]);
        key
    }

    /// Adds bytes, escaped but not ended: a prefix of all keys in which this part begins with these bytes.
    #[must_use]
    pub fn bytes_open(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self.bytes.push(*byte);
            if *byte == ZERO {
                self.bytes.push(ESCAPED_ZERO);
            }
        }
        self
    }

    /// Adds a text, escaped and ended.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// The key.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Takes a key apart.
#[derive(Debug, Clone, Copy)]
pub struct KeyReader<'a> {
    rest: &'a [u8],
}

impl<'a> KeyReader<'a> {
    /// Reads this key, or what is left of one.
    #[must_use]
    pub const fn new(key: &'a [u8]) -> Self {
        Self { rest: key }
    }

    /// Takes off a prefix.
    ///
    /// # Errors
    /// [`ShapeError`] when the key does not begin with it.
    pub fn skip(&mut self, prefix: &[u8]) -> Result<(), ShapeError> {
        self.rest = self.rest.strip_prefix(prefix).ok_or(ShapeError)?;
        Ok(())
    }

    /// Takes so many bytes.
    ///
    /// # Errors
    /// [`ShapeError`] when there are fewer.
    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], ShapeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ShapeError)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes bytes that were escaped and ended.
    ///
    /// # Errors
    /// [`ShapeError`] when there is no end, or an escape that is none.
    pub fn bytes(&mut self) -> Result<Vec<u8>, ShapeError> {
        let mut bytes = Vec::new();
        let mut rest = self.rest.iter();
        loop {
            match rest.next() {
                Some(&ZERO) => match rest.next() {
                    Some(&END) => break,
                    Some(&ESCAPED_ZERO) => bytes.push(ZERO),
                    Some(_) | None => return Err(ShapeError),
                },
                Some(byte) => bytes.push(*byte),
                None => return Err(ShapeError),
            }
        }
        self.rest = rest.as_slice();
        Ok(bytes)
    }

    /// Takes a text that was escaped and ended.
    ///
    /// # Errors
    /// [`ShapeError`] as for [`KeyReader::bytes`], and when it is not UTF-8.
    pub fn text(&mut self) -> Result<String, ShapeError> {
        String::from_utf8(self.bytes()?).map_err(|_| ShapeError)
    }

    /// What was not taken yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(parts: &[Vec<u8>]) -> Vec<u8> {
        parts
            .iter()
            .fold(KeyWriter::after(&[]), |key, part| key.bytes(part))
            .finish()
    }

    fn part() -> impl Strategy<Value = Vec<u8>> {
        // Few distinct bytes, so that prefixes, escapes and ends meet often.
        prop::collection::vec(
            prop::sample::select(vec![0_u8, 1, 2, 0x61, 0xfe, 0xff]),
            0..5,
        )
    }

    proptest! {
        #[test]
        fn keys_sort_as_their_parts_do(
            left in prop::collection::vec(part(), 3),
            right in prop::collection::vec(part(), 3),
        ) {
            prop_assert_eq!(encoded(&left).cmp(&encoded(&right)), left.cmp(&right));
        }

        #[test]
        fn parts_read_back_as_they_were_written(parts in prop::collection::vec(part(), 0..4)) {
            let key = encoded(&parts);
            let mut reader = KeyReader::new(&key);
            for part in &parts {
                prop_assert_eq!(&reader.bytes().unwrap(), part);
            }
            prop_assert!(reader.rest().is_empty());
        }

        #[test]
        fn an_open_part_is_a_prefix_of_exactly_what_begins_with_it(start in part(), whole in part()) {
            let open = KeyWriter::after(&[]).bytes_open(&start).finish();
            let closed = KeyWriter::after(&[]).bytes(&whole).finish();
            prop_assert_eq!(closed.starts_with(&open), whole.starts_with(&start));
        }

        #[test]
        fn no_bytes_make_the_reader_fail_badly(key in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = KeyReader::new(&key);
            while reader.bytes().is_ok() {}
        }
    }

    #[test]
    fn accounts_and_regions_do_not_run_into_one_another() {
        let key = |account: &str, region: &str| {
            KeyWriter::new(
                &AccountId::new(account),
                &Region::new(region),
                Owner::Tables,
            )
            .finish()
        };
        assert_ne!(key("1", "2x"), key("12", "x"));
        assert!(!key("12", "x").starts_with(&key("1", "2x")));
    }
}
