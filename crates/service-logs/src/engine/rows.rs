//! What is kept.
//!
//! Lives here: the rows of the store, as data.
//! Does not live here: their keys (`keys`), what is derived from them (`state`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Tags, sorted by their keys.
pub(crate) type Tags = BTreeMap<String, String>;
/// An object of the API.
pub(crate) type Json = Map<String, Value>;

/// A log group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) created_ms: i64,
    pub(crate) retention_days: Option<i64>,
    pub(crate) kms_key: Option<String>,
    pub(crate) class: String,
    #[serde(default)]
    pub(crate) is_protected: bool,
    pub(crate) tags: Tags,
    #[serde(default)]
    pub(crate) subscriptions: Vec<Subscription>,
    #[serde(default)]
    pub(crate) metric_filters: Vec<MetricFilter>,
    /// The resource of a stack that it belongs to.
    pub(crate) owner: Option<String>,
}

/// A subscription filter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) name: String,
    pub(crate) pattern: String,
    pub(crate) destination: String,
    pub(crate) role: Option<String>,
    pub(crate) distribution: String,
    pub(crate) created_ms: i64,
}

/// A metric filter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MetricFilter {
    pub(crate) name: String,
    pub(crate) pattern: String,
    pub(crate) created_ms: i64,
    /// As it was given.
    pub(crate) transformations: Vec<Json>,
}

/// A log stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stream {
    pub(crate) group: String,
    pub(crate) name: String,
    /// What its events are kept under.
    pub(crate) id: u64,
    pub(crate) created_ms: i64,
    pub(crate) first_ms: Option<i64>,
    pub(crate) last_ms: Option<i64>,
    pub(crate) ingested_ms: Option<i64>,
    /// Of its events, as AWS counts them.
    pub(crate) bytes: u64,
    /// The number of the event that came last.
    pub(crate) number: u64,
}

/// A resource policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ResourcePolicy {
    pub(crate) name: String,
    pub(crate) document: String,
    pub(crate) updated_ms: i64,
}

/// An alarm: kept and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    /// As it was given.
    pub(crate) members: Json,
    pub(crate) tags: Tags,
    pub(crate) updated_ms: i64,
    pub(crate) owner: Option<String>,
}

/// A metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Metric {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// In the order of their names.
    pub(crate) dimensions: Vec<(String, String)>,
}

/// When a value was measured, and in which unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Moment {
    pub(crate) at_s: i64,
    pub(crate) unit: String,
}

/// What was measured at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statistics {
    pub(crate) sum: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) count: f64,
}

/// A row of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) metric: Metric,
    pub(crate) moment: Moment,
    pub(crate) statistics: Statistics,
}

impl Statistics {
    /// A value that was measured so often.
    pub(crate) fn of(value: f64, count: f64) -> Self {
        Self {
            sum: value * count,
            least: value,
            most: value,
            count,
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            sum: self.sum + other.sum,
            least: self.least.min(other.least),
            most: self.most.max(other.most),
            count: self.count + other.count,
        }
    }
}
