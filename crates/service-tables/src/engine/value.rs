//! Attribute values and items.
//!
//! Lives here: the values that DynamoDB knows, what they weigh, which of them are equal.
//! Does not live here: their JSON (`dynamodb::json`), their bytes in the store (`codec`).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::number::Number;

/// An item, or a map inside one: values by attribute name.
pub type Attributes = BTreeMap<String, Value>;

/// What a map or list weighs besides its members, in bytes.
const DOCUMENT_BYTES: usize = 3;
/// What each member of a map or list weighs besides itself, in bytes.
const MEMBER_BYTES: usize = 1;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    S(String),
    /// A number.
    N(Number),
    /// Bytes.
    B(Bytes),
    /// True or false.
    Bool(bool),
    /// Null.
    Null,
    /// A set of texts: not empty, no two alike; in the order in which they came.
    Ss(Vec<String>),
    /// A set of numbers.
    Ns(Vec<Number>),
    /// A set of bytes.
    Bs(Vec<Bytes>),
    /// A list.
    L(Vec<Value>),
    /// A map.
    M(Attributes),
}

impl Value {
    /// The name of its type, as the API writes it.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Bool(_) => "BOOL",
            Self::Null => "NULL",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::Bs(_) => "BS",
            Self::L(_) => "L",
            Self::M(_) => "M",
        }
    }

    /// What it weighs, in bytes.
    ///
    /// Contract: Amazon DynamoDB Developer Guide, "DynamoDB Item sizes and formats".
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::Ss(texts) => texts.iter().map(String::len).sum(),
            Self::Ns(numbers) => numbers.iter().map(|number| number.size()).sum(),
            Self::Bs(all) => all.iter().map(Bytes::len).sum(),
            Self::L(values) => {
                let members = values.iter().map(|value| MEMBER_BYTES + value.size());
                DOCUMENT_BYTES + members.sum::<usize>()
            }
            Self::M(members) => DOCUMENT_BYTES + MEMBER_BYTES * members.len() + size(members),
        }
    }

    /// Whether both say the same: sets are equal in any order of their members, at any depth.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ss(left), Self::Ss(right)) => same_members(left, right),
            (Self::Ns(left), Self::Ns(right)) => same_members(left, right),
            (Self::Bs(left), Self::Bs(right)) => same_members(left, right),
            (Self::L(left), Self::L(right)) => {
                left.len() == right.len()
                    && left.iter().zip(right).all(|(left, right)| left.same(right))
            }
            (Self::M(left), Self::M(right)) => {
                left.len() == right.len()
                    && left
                        .iter()
                        .zip(right)
                        .all(|((name, value), (other_name, other))| {
                            name == other_name && value.same(other)
                        })
            }
            _ => self == other,
        }
    }
}

/// What an item weighs, in bytes: its names and its values.
#[must_use]
pub fn size(attributes: &Attributes) -> usize {
    attributes
        .iter()
        .map(|(name, value)| name.len() + value.size())
        .sum()
}

fn same_members<T: Ord>(left: &[T], right: &[T]) -> bool {
    let sorted = |members: &[T]| -> Vec<usize> {
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by(|a, b| members.get(*a).cmp(&members.get(*b)));
        order
    };
    left.len() == right.len()
        && sorted(left)
            .iter()
            .zip(sorted(right))
            .all(|(a, b)| left.get(*a) == right.get(b))
}
