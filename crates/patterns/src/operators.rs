//! What can be asked of the value of a field.
//!
//! Lives here: exact values and comparison operators, and trying a value.
//! Does not live here: reading them (`compile`), fields and alternatives (`event`).

use std::net::IpAddr;

use serde_json::Value;

use crate::wildcard::Wildcard;

/// One thing that is asked of a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// It is there, as a scalar.
    Exists,
    /// It is not there.
    Absent,
    /// Its value passes this.
    Value(ValueTest),
}

/// One thing that is asked of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ValueTest {
    /// It is this text, or the same address written otherwise.
    Text(Box<str>, Option<IpAddr>),
    /// It is this number, however it is written.
    Number(NumberText),
    True,
    False,
    Null,
    /// It begins so.
    Prefix(Box<str>, Case),
    /// It ends so.
    Suffix(Box<str>, Case),
    /// It is this, in whatever case.
    IgnoringCase(Box<str>),
    Wildcard(Wildcard),
    /// It lies within these bounds.
    Numeric(Vec<(Comparison, f64)>),
    /// It is an address within a block.
    Cidr(IpAddr, u8),
    /// It passes none of these.
    Not(Vec<ValueTest>),
}

/// A number as it is written, and what it is if that can be told exactly.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NumberText {
    pub(crate) text: Box<str>,
    pub(crate) number: Option<f64>,
}

/// Whether upper and lower case are told apart. Texts to compare without it are kept in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Matters,
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Test {
    /// Whether a field that is not there passes.
    pub(crate) fn passes_absence(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Exists | Self::Value(_) => false,
        }
    }

    /// Whether this scalar passes.
    pub(crate) fn passes(&self, value: &Value) -> bool {
        match self {
            Self::Exists => true,
            Self::Absent => false,
            Self::Value(test) => test.passes(value),
        }
    }

    /// The text, if it asks for exactly that text.
    pub(crate) fn exact_text(&self) -> Option<&str> {
        match self {
            Self::Value(ValueTest::Text(text, None)) => Some(text),
            Self::Exists | Self::Absent | Self::Value(_) => None,
        }
    }
}

impl ValueTest {
    pub(crate) fn text(text: String) -> Self {
        let address = text.parse().ok();
        Self::Text(text.into(), address)
    }

    fn passes(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text(wanted, address), Value::String(text)) => {
                **wanted == **text
                    || address.is_some_and(|wanted| text.parse::<IpAddr>().ok() == Some(wanted))
            }
            (Self::Number(wanted), Value::Number(number)) => {
                let is_same = wanted.number.is_some() && wanted.number == number.as_f64();
                is_same || *wanted.text == *number.to_string()
            }
            (Self::True, Value::Bool(flag)) => *flag,
            (Self::False, Value::Bool(flag)) => !*flag,
            (Self::Null, Value::Null) => true,
            (Self::Prefix(start, Case::Matters), Value::String(text)) => text.starts_with(&**start),
            (Self::Prefix(start, Case::Ignored), Value::String(text)) => {
                text.to_lowercase().starts_with(&**start)
            }
            (Self::Suffix(end, Case::Matters), Value::String(text)) => text.ends_with(&**end),
            (Self::Suffix(end, Case::Ignored), Value::String(text)) => {
                text.to_lowercase().ends_with(&**end)
            }
            (Self::IgnoringCase(whole), Value::String(text)) => text.to_lowercase() == **whole,
            (Self::Wildcard(wildcard), Value::String(text)) => wildcard.matches(text),
            (Self::Numeric(bounds), Value::Number(number)) => {
                number.as_f64().is_some_and(|number| {
                    bounds
                        .iter()
                        .all(|(comparison, bound)| comparison.holds(number, *bound))
                })
            }
            (Self::Cidr(network, bits), Value::String(text)) => text
                .parse()
                .is_ok_and(|address| is_within(address, *network, *bits)),
            (Self::Not(tests), value) => !tests.iter().any(|test| test.passes(value)),
            (_, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => false,
            (_, Value::Array(_) | Value::Object(_)) => false,
        }
    }
}

impl NumberText {
    pub(crate) fn new(text: String) -> Self {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        Self {
            text: text.into(),
            number,
        }
    }
}

impl Comparison {
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            #[expect(clippy::float_cmp, reason = "both were read from decimal texts")]
            Self::Equal => number == bound,
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Greater => bound < number,
            Self::GreaterOrEqual => bound <= number,
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let as_number = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 4),
        IpAddr::V6(address) => (address.to_bits(), 6),
    };
    let ((address, kind), (network, network_kind)) = (as_number(address), as_number(network));
    // A shift by all bits is none at all: everything is within a block of no bits.
    let differing = (address ^ network)
        .checked_shr(128 - u32::from(bits))
        .unwrap_or(0);
    kind == network_kind && differing == 0
}
