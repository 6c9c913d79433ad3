//! What can be asked of the value of a field.
//!
//! Lives here: trying a value.
//! Does not live here: reading what is asked (`reading`), fields (`filter`).

use std::net::IpAddr;

use serde_json::Value;

/// One thing that is asked of a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// It is there, as a leaf.
    Exists,
    /// It is not there.
    Absent,
    /// It is this text, boolean or null.
    Equals(Value),
    /// It is this number, however it is written.
    Number(f64),
    Prefix(String),
    Suffix(String),
    /// It is this text; kept in lower case.
    IgnoringCase(String),
    /// It lies within these bounds.
    Range(Bound, Bound),
    /// It is an address within a block.
    Cidr(IpAddr, u8),
    /// It passes none of these.
    Not(Vec<Test>),
}

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound {
    None,
    Open(f64),
    Closed(f64),
}

impl Test {
    /// Whether one of these values, which are all that the field has, passes.
    pub(super) fn passes(&self, leaves: &[&Value]) -> bool {
        match self {
            Self::Exists => !leaves.is_empty(),
            Self::Absent => leaves.is_empty(),
            Self::Equals(_)
            | Self::Number(_)
            | Self::Prefix(_)
            | Self::Suffix(_)
            | Self::IgnoringCase(_)
            | Self::Range(..)
            | Self::Cidr(..)
            | Self::Not(_) => leaves.iter().any(|leaf| self.takes(leaf)),
        }
    }

    fn takes(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Exists => true,
            Self::Absent => false,
            Self::Equals(wanted) => value == wanted,
            #[expect(clippy::float_cmp, reason = "both were read from decimal texts")]
            Self::Number(wanted) => number(value).is_some_and(|number| number == *wanted),
            Self::Prefix(start) => text.is_some_and(|text| text.starts_with(start)),
            Self::Suffix(end) => text.is_some_and(|text| text.ends_with(end)),
            Self::IgnoringCase(whole) => text.is_some_and(|text| text.to_lowercase() == *whole),
            Self::Range(low, high) => number(value).is_some_and(|number| {
                low.is_met_from_above(number) && high.is_met_from_below(number)
            }),
            Self::Cidr(network, bits) => text
                .and_then(|text| text.parse().ok())
                .is_some_and(|address| is_within(address, *network, *bits)),
            Self::Not(tests) => !tests.iter().any(|test| test.takes(value)),
        }
    }
}

impl Bound {
    fn is_met_from_above(self, number: f64) -> bool {
        match self {
            Self::None => true,
            Self::Open(bound) => bound < number,
            Self::Closed(bound) => bound <= number,
        }
    }

    fn is_met_from_below(self, number: f64) -> bool {
        match self {
            Self::None => true,
            Self::Open(bound) => number < bound,
            Self::Closed(bound) => number <= bound,
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|_| value.is_number())
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let as_number = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 4),
        IpAddr::V6(address) => (address.to_bits(), 6),
    };
    let ((address, kind), (network, network_kind)) = (as_number(address), as_number(network));
    // A shift by all bits is none at all: everything is within a block of no bits.
    let differing = (address ^ network)
        .checked_shr(128 - u32::from(bits.min(128)))
        .unwrap_or(0);
    kind == network_kind && differing == 0
}
