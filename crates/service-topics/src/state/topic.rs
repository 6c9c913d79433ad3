//! Topics.
//!
//! Lives here: a topic's record, what follows from its attributes.
//! Does not live here: setting attributes (`operations::topic_attributes`), subscriptions.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::time::Timestamp;
use policy::Policy;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::arns::TopicArn;
use crate::notary::SignatureVersion;
use crate::state::keys::Place;

/// Actions that the policy of a topic may name, and that the default one does.
pub(crate) const ACTIONS: [&str; 8] = [
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
];

/// A topic as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    /// Those that were set.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) tags: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) data_protection_policy: Option<String>,
    /// Subscriptions that it lost.
    #[serde(default)]
    pub(crate) subscriptions_deleted: u64,
    pub(crate) made_at: Timestamp,
}

/// A topic in memory.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    pub(crate) record: Record,
    pub(crate) arn: TopicArn,
    /// Its policy, compiled.
    pub(crate) policy: Option<Arc<Policy>>,
}

/// The two kinds of topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Standard,
    Fifo,
}

/// Whether attributes are given to a topic that is only being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    AtFirst,
    Later,
}

/// What counts as a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeduplicationScope {
    Topic,
    MessageGroup,
}

impl Topic {
    pub(crate) fn new(record: Record, place: &Place) -> Self {
        let arn = TopicArn {
            account: place.account.clone(),
            region: place.region.clone(),
            name: record.name.clone(),
        };
        let mut topic = Self {
            record,
            arn,
            policy: None,
        };
        // One that was accepted can be read.
        topic.policy = Policy::read(&topic.policy_text()).ok().map(Arc::new);
        topic
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.record.attributes.get(name).map(String::as_str)
    }

    fn is_set(&self, name: &str) -> bool {
        self.attribute(name) == Some("true")
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.is_set("FifoTopic")
    }

    pub(crate) fn kind(&self) -> Kind {
        if self.is_fifo() {
            Kind::Fifo
        } else {
            Kind::Standard
        }
    }

    pub(crate) fn deduplicates_by_content(&self) -> bool {
        self.is_set("ContentBasedDeduplication")
    }

    pub(crate) fn deduplication_scope(&self) -> DeduplicationScope {
        match self.attribute("FifoThroughputScope") {
            Some("MessageGroup") => DeduplicationScope::MessageGroup,
            Some(_) | None => DeduplicationScope::Topic,
        }
    }

    pub(crate) fn signature_version(&self) -> SignatureVersion {
        match self.attribute("SignatureVersion") {
            Some("2") => SignatureVersion::Sha256,
            Some(_) | None => SignatureVersion::Sha1,
        }
    }

    /// Its policy, or the one that every topic begins with.
    pub(crate) fn policy_text(&self) -> String {
        match self.attribute("Policy") {
            Some(policy) => policy.to_owned(),
            None => default_policy(&self.arn).to_string(),
        }
    }
}

fn default_policy(arn: &TopicArn) -> Value {
    let actions: Vec<String> = ACTIONS.iter().map(|name| format!("SNS:{name}")).collect();
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": actions,
            "Resource": arn.arn().to_string(),
            "Condition": {"StringEquals": {"AWS:SourceOwner": arn.account.as_str()}},
        }],
    })
}
