//! Sequence numbers.
//!
//! Lives here: a record's place in its shard as the 56 digits that clients see, and back.
//! Does not live here: records (`log`).
//!
//! Contract: `PutRecord`, `SequenceNumber`: a number of up to 128 digits, which grows with each record of a shard. Ours has
//! the length of those of AWS, and the beginning: a `2`, the time of the shard's making, then the place, then the shard.

/// Bytes of a place in a key.
pub(crate) const PLACE_BYTES: usize = 10;
const LIMBS: usize = 6;
const KIND: u64 = 2;
const SECONDS_BITS: u32 = 36;
const TEN_9: u64 = 1_000_000_000;

/// Where a record lies in its shard: the commit that brought it, and its number in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Place {
    pub(crate) stamp: u64,
    pub(crate) number: u16,
}

/// A place with the shard that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sequence {
    /// When the shard was made, in seconds.
    pub(crate) since: u64,
    pub(crate) place: Place,
    pub(crate) shard: u32,
}

impl Place {
    /// After all records that a shard ever gets.
    pub(crate) const END: Self = Self {
        stamp: i64::MAX as u64,
        number: u16::MAX,
    };

    pub(crate) fn to_bytes(self) -> [u8; PLACE_BYTES] {
        let mut bytes = [0; PLACE_BYTES];
        let (stamp, number) = bytes.split_at_mut(8);
        stamp.copy_from_slice(&self.stamp.to_be_bytes());
        number.copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (stamp, number) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            stamp: u64::from_be_bytes(*stamp),
            number: u16::from_be_bytes(number.try_into().ok()?),
        })
    }

    /// The place right before this one.
    pub(crate) fn before(self) -> Self {
        match (self.stamp, self.number) {
            (0, 0) => self,
            (stamp, 0) => Self {
                stamp: stamp - 1,
                number: u16::MAX,
            },
            (stamp, number) => Self {
                stamp,
                number: number - 1,
            },
        }
    }
}

impl Sequence {
    /// As clients see it.
    pub(crate) fn text(self) -> String {
        let top = (u128::from(KIND) << (SECONDS_BITS + 4))
            | (u128::from(self.since & ((1 << SECONDS_BITS) - 1)) << 4);
        let high =
            (top << 80) | (u128::from(self.place.stamp) << 16) | u128::from(self.place.number);
        let low = (u64::from(self.shard) << 4) | KIND;
        let mut limbs = [0_u64; LIMBS];
        let parts = [
            high >> 96,
            high >> 64,
            high >> 32,
            high,
            u128::from(low >> 32),
            u128::from(low),
        ];
        for (limb, part) in limbs.iter_mut().zip(parts) {
            *limb = u64::try_from(part & u128::from(u32::MAX)).unwrap_or_default();
        }
        let mut groups = Vec::with_capacity(7);
        while limbs.iter().any(|limb| *limb != 0) {
            let mut rest = 0;
            for limb in &mut limbs {
                let value = (rest << 32) | *limb;
                *limb = value / TEN_9;
                rest = value % TEN_9;
            }
            groups.push(rest);
        }
        let mut text = String::with_capacity(56);
        for (index, group) in groups.iter().rev().enumerate() {
            let digits = if index == 0 {
                group.to_string()
            } else {
                format!("{group:09}")
            };
            text.push_str(&digits);
        }
        text
    }

    /// Reads one; none: it is not one of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || 60 < text.len() {
            return None;
        }
        let mut limbs = [0_u64; LIMBS];
        for byte in text.bytes() {
            let mut carry = u64::from(char::from(byte).to_digit(10)?);
            for limb in limbs.iter_mut().rev() {
                let value = *limb * 10 + carry;
                *limb = value & u64::from(u32::MAX);
                carry = value >> 32;
            }
            if carry != 0 {
                return None;
            }
        }
        let join = |limbs: &[u64]| {
            let joined = limbs.iter();
            joined.fold(0_u128, |joined, limb| (joined << 32) | u128::from(*limb))
        };
        let (high, low) = limbs.split_at(4);
        let (high, low) = (join(high), join(low));
        let narrow = |value: u128| u64::try_from(value).ok();
        let top = narrow(high >> 80)?;
        let is_ours =
            top >> (SECONDS_BITS + 4) == KIND && top & 0xf == 0 && low & 0xf == u128::from(KIND);
        let sequence = Self {
            since: (top >> 4) & ((1 << SECONDS_BITS) - 1),
            place: Place {
                stamp: narrow((high >> 16) & u128::from(u64::MAX))?,
                number: u16::try_from(high & 0xffff).ok()?,
            },
            shard: u32::try_from(low >> 4).ok()?,
        };
        is_ours.then_some(sequence)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sequence() -> impl Strategy<Value = Sequence> {
        (
            1_000_000_000_u64..9_000_000_000,
            any::<u64>(),
            any::<u16>(),
            any::<u32>(),
        )
            .prop_map(|(since, stamp, number, shard)| Sequence {
                since,
                place: Place { stamp, number },
                shard,
            })
    }

    proptest! {
        #[test]
        fn a_number_reads_back(one in sequence()) {
            let text = one.text();
            prop_assert_eq!(text.len(), 56);
            prop_assert!(text.starts_with("49") || text.starts_with("5"));
            prop_assert_eq!(Sequence::parse(&text), Some(one));
        }

        #[test]
        fn numbers_sort_as_places_do(one in sequence(), other in sequence()) {
            prop_assert_eq!(one.text().cmp(&other.text()), one.cmp(&other));
        }

        #[test]
        fn no_text_makes_the_reader_fail_badly(text in "[0-9]{0,70}") {
            let _read = Sequence::parse(&text);
        }
    }
}
