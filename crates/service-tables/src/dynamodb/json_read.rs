//! JSON as it came, borrowed from the request's body.
//!
//! Lives here: the tree, and how DynamoDB names what stands in the wrong place.
//! Does not live here: what a request means (`fields`, `values`).
//!
//! Texts without escapes are not copied, and nothing is copied twice: attribute values are made from this tree. Depth is
//! limited by the parser (128), which is more than an item of the deepest nesting needs.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use sha2::{Digest as _, Sha256};

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    /// Null.
    Null,
    /// True or false.
    Bool(bool),
    /// A number without a fraction.
    Integer(i64),
    /// A number with a fraction, or beyond 64 bits.
    Decimal(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Json<'a>>),
    /// A map, in the order in which it was sent.
    Map(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl Json<'_> {
    /// What the service's reader calls a scalar of this kind; none for documents and null.
    #[must_use]
    pub(crate) const fn token_name(&self) -> Option<&'static str> {
        match self {
            Self::Bool(true) => Some("TRUE_VALUE"),
            Self::Bool(false) => Some("FALSE_VALUE"),
            Self::Integer(_) => Some("NUMBER_VALUE"),
            Self::Decimal(_) => Some("DECIMAL_VALUE"),
            Self::Text(_) => Some("STRING_VALUE"),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }
}

impl Json<'_> {
    /// Adds what it says to a hash. Each value begins with what it is, and texts, lists and maps with their lengths, so that no
    /// two say the same; the members of a map are taken by their names.
    pub(crate) fn hash_into(&self, hash: &mut Sha256) {
        let length = |length: usize| (length as u64).to_be_bytes();
        match self {
            Self::Null => hash.update(b"z"),
            Self::Bool(value) => hash.update([b'o', u8::from(*value)]),
            Self::Integer(number) => {
                hash.update(b"i");
                hash.update(number.to_be_bytes());
            }
            Self::Decimal(number) => {
                hash.update(b"d");
                hash.update(number.to_bits().to_be_bytes());
            }
            Self::Text(text) => {
                hash.update(b"t");
                hash.update(length(text.len()));
                hash.update(text.as_bytes());
            }
            Self::List(members) => {
                hash.update(b"l");
                hash.update(length(members.len()));
                for member in members {
                    member.hash_into(hash);
                }
            }
            Self::Map(members) => {
                hash.update(b"m");
                hash.update(length(members.len()));
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by(|left, right| left.0.cmp(&right.0));
                for (name, member) in sorted {
                    hash.update(length(name.len()));
                    hash.update(name.as_bytes());
                    member.hash_into(hash);
                }
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Json::Integer(i64::MAX), Json::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Json::Decimal(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = seq.next_element()? {
            members.push(member);
        }
        Ok(Json::List(members))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            members.push((name, map.next_value()?));
        }
        Ok(Json::Map(members))
    }
}

/// A member's name: `Cow` by itself is always read as owned.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameReader).map(Name)
    }
}

struct NameReader;

impl<'de> Visitor<'de> for NameReader {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
