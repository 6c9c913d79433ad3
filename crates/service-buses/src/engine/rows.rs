//! What is kept.
//!
//! Lives here: the rows of the store, as data.
//! Does not live here: their keys (`keys`), what is derived from them (`state`).

use std::collections::BTreeMap;

use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Tags, sorted by their keys.
pub(crate) type Tags = BTreeMap<String, String>;
/// An object of the API, with its members in the order in which they came.
pub(crate) type Json = Map<String, Value>;

/// A bus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bus {
    pub(crate) name: String,
    /// `Description`, `KmsKeyIdentifier`, `DeadLetterConfig`, `LogConfig`, as they were given.
    pub(crate) shown: Json,
    pub(crate) policy: Option<Json>,
    pub(crate) tags: Tags,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
    /// The resource of a stack that it belongs to.
    pub(crate) owner: Option<String>,
}

/// A rule with its targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) bus: String,
    pub(crate) description: Option<String>,
    pub(crate) pattern: Option<String>,
    pub(crate) expression: Option<String>,
    pub(crate) state: String,
    pub(crate) role: Option<String>,
    pub(crate) tags: Tags,
    /// As they were given, in the order in which they came.
    pub(crate) targets: Vec<Json>,
    /// What its rate counts from.
    pub(crate) anchor: Timestamp,
    pub(crate) owner: Option<String>,
}

/// A connection: how an address is authorised at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Connection {
    pub(crate) name: String,
    /// The last part of its ARN.
    pub(crate) id: String,
    /// The last part of its secret's ARN.
    pub(crate) secret_id: String,
    pub(crate) description: Option<String>,
    pub(crate) kind: String,
    /// With its secrets.
    pub(crate) parameters: Json,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
    pub(crate) owner: Option<String>,
}

/// An address that events are sent to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Destination {
    pub(crate) name: String,
    /// The last part of its ARN.
    pub(crate) id: String,
    pub(crate) description: Option<String>,
    pub(crate) connection_arn: String,
    pub(crate) endpoint: String,
    pub(crate) method: String,
    pub(crate) rate_limit: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
    pub(crate) owner: Option<String>,
}

/// An archive: which events of a bus are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Archive {
    pub(crate) name: String,
    /// The ARN of the bus.
    pub(crate) source: String,
    pub(crate) description: Option<String>,
    pub(crate) pattern: Option<String>,
    /// 0: for ever.
    pub(crate) retention_days: i64,
    pub(crate) kms_key: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) owner: Option<String>,
}

/// A replay of an archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Replay {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) archive: String,
    pub(crate) bus: String,
    /// The rules that get the events, by their ARNs; none: all.
    pub(crate) rules: Vec<String>,
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) state: String,
    pub(crate) state_reason: Option<String>,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) last_event_at: Option<Timestamp>,
    /// The key of the last event that was sent, in hexadecimal digits.
    pub(crate) after: Option<String>,
}

impl Replay {
    /// Whether it has events to send yet.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.state.as_str(), "STARTING" | "RUNNING")
    }
}

/// A group of schedules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) tags: Tags,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
    pub(crate) token: Option<String>,
    pub(crate) owner: Option<String>,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) expression: String,
    pub(crate) zone: String,
    pub(crate) state: String,
    pub(crate) starts_at: Option<Timestamp>,
    pub(crate) ends_at: Option<Timestamp>,
    /// How much later than due it may fire, in minutes; none: not at all.
    pub(crate) window_min: Option<i64>,
    pub(crate) after_completion: String,
    pub(crate) description: Option<String>,
    pub(crate) kms_key: Option<String>,
    /// As it was given.
    pub(crate) target: Json,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
    /// What its rate counts from.
    pub(crate) anchor: Timestamp,
    pub(crate) token: Option<String>,
    pub(crate) owner: Option<String>,
}

/// When something fires next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Due {
    /// By its expression.
    pub(crate) nominal: Timestamp,
    /// Within its window.
    pub(crate) at: Timestamp,
}
