//! Rows of the store.
//!
//! Lives here: a stream with its shards and consumers.
//! Does not live here: records (`log`), where rows lie (`keys`).

use std::collections::{BTreeMap, BTreeSet};

use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::keys::Place;
use super::numbers::{self, Sequence};

/// An object of JSON.
pub(crate) type Json = Map<String, Value>;
/// Tags.
pub(crate) type Tags = BTreeMap<String, String>;

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stream {
    pub(crate) name: String,
    /// What its records lie under: no two streams of a store have the same, also one after the other.
    pub(crate) id: u64,
    /// Grows whenever its shards change: a record is put only while it is the same.
    pub(crate) generation: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) mode: Mode,
    /// In the order of their numbers; those that were closed stay until their records are gone.
    pub(crate) shards: Vec<Shard>,
    pub(crate) next_shard: u32,
    pub(crate) retention_hours: u32,
    #[serde(default)]
    pub(crate) tags: Tags,
    #[serde(default)]
    pub(crate) metrics: BTreeSet<String>,
    /// The key that it says it is encrypted with.
    #[serde(default)]
    pub(crate) key: Option<String>,
    #[serde(default)]
    pub(crate) consumers: Vec<Consumer>,
    #[serde(default)]
    pub(crate) policy: Option<Json>,
    /// The resource of a stack that it is.
    #[serde(default)]
    pub(crate) owner: Option<String>,
}

/// How its shards are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    #[serde(rename = "PROVISIONED")]
    Provisioned,
    #[serde(rename = "ON_DEMAND")]
    OnDemand,
}

/// A part of a stream: the records of a range of hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shard {
    pub(crate) number: u32,
    /// The first hash.
    #[serde(with = "as_text")]
    pub(crate) first: u128,
    /// The last one, included.
    #[serde(with = "as_text")]
    pub(crate) last: u128,
    /// What it was split from, or merged from.
    #[serde(default)]
    pub(crate) parents: Vec<u32>,
    /// Part of its sequence numbers: the second of its making, or later, if its parents are as young.
    pub(crate) since: u64,
    pub(crate) opened_at: Timestamp,
    #[serde(default)]
    pub(crate) closed_at: Option<Timestamp>,
}

/// Somebody who reads with a throughput of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Consumer {
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    #[serde(default)]
    pub(crate) tags: Tags,
    #[serde(default)]
    pub(crate) policy: Option<Json>,
    #[serde(default)]
    pub(crate) owner: Option<String>,
}

impl Mode {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Provisioned => "PROVISIONED",
            Self::OnDemand => "ON_DEMAND",
        }
    }

    pub(crate) fn called(name: &str) -> Option<Self> {
        [Self::Provisioned, Self::OnDemand]
            .into_iter()
            .find(|mode| mode.name() == name)
    }
}

impl Stream {
    pub(crate) fn open(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter(|shard| shard.is_open())
    }

    /// The shard of this name.
    pub(crate) fn shard_called(&self, name: &str) -> Option<&Shard> {
        let number: u32 = name.strip_prefix("shardId-")?.parse().ok()?;
        let mut shards = self.shards.iter();
        shards.find(|shard| shard.number == number && shard.name() == name)
    }

    /// The open shard that takes this hash.
    pub(crate) fn shard_of(&self, hash: u128) -> Option<&Shard> {
        self.open()
            .find(|shard| (shard.first..=shard.last).contains(&hash))
    }

    pub(crate) fn children_of(&self, number: u32) -> impl Iterator<Item = &Shard> {
        let shards = self.shards.iter();
        shards.filter(move |shard| shard.parents.contains(&number))
    }

    pub(crate) fn retention(&self) -> std::time::Duration {
        std::time::Duration::from_secs(u64::from(self.retention_hours) * 3_600)
    }

    pub(crate) fn arn(&self, place: &Place) -> String {
        place.stream_arn(&self.name)
    }
}

impl Shard {
    pub(crate) const fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    pub(crate) fn name(&self) -> String {
        format!("shardId-{:012}", self.number)
    }

    pub(crate) fn sequence(&self, place: numbers::Place) -> String {
        let sequence = Sequence {
            since: self.since,
            place,
            shard: self.number,
        };
        sequence.text()
    }
}

impl Consumer {
    pub(crate) fn arn(&self, stream_arn: &str) -> String {
        let since = self.created_at.epoch_s();
        format!("{stream_arn}/consumer/{}:{since}", self.name)
    }
}

mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
