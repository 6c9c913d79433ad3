//! Subscriptions.
//!
//! Lives here: a subscription's record, what follows from its attributes.
//! Does not live here: making one, setting attributes (`operations`).

use std::collections::BTreeMap;

use model::arn::Arn;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::arns::TopicArn;
use crate::filter::FilterPolicy;

/// How subscribers are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    Sqs,
    Lambda,
    Http,
    Https,
    Email,
    EmailJson,
    Sms,
    Application,
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// Its endpoint has not confirmed it.
    Pending,
    Confirmed,
    /// It was ended, and its endpoint may still restore it.
    Ended,
}

/// A subscription as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) topic: String,
    pub(crate) protocol: Protocol,
    pub(crate) endpoint: String,
    pub(crate) owner: String,
    /// The ARN of whoever subscribed.
    pub(crate) principal: String,
    pub(crate) status: Status,
    /// What confirms it.
    pub(crate) token: Option<String>,
    /// When the token was made.
    pub(crate) token_at: Timestamp,
    /// Those that were set.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) confirmed_by_signature: bool,
    /// Only signed calls end it.
    pub(crate) kept_from_strangers: bool,
}

/// A subscription in memory.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) record: Record,
    pub(crate) filter: Option<FilterPolicy>,
}

/// What a filter policy looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Attributes,
    Body,
}

pub(crate) const SCOPE_ATTRIBUTES: &str = "MessageAttributes";
pub(crate) const SCOPE_BODY: &str = "MessageBody";

impl Protocol {
    pub(crate) fn read(text: &str) -> Option<Self> {
        Some(match text {
            "sqs" => Self::Sqs,
            "lambda" => Self::Lambda,
            "http" => Self::Http,
            "https" => Self::Https,
            "email" => Self::Email,
            "email-json" => Self::EmailJson,
            "sms" => Self::Sms,
            "application" => Self::Application,
            _ => return None,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Lambda => "lambda",
            Self::Http => "http",
            Self::Https => "https",
            Self::Email => "email",
            Self::EmailJson => "email-json",
            Self::Sms => "sms",
            Self::Application => "application",
        }
    }

    pub(crate) fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Whether its endpoint has to say yes.
    pub(crate) fn is_confirmed_by_endpoint(self) -> bool {
        match self {
            Self::Http | Self::Https | Self::Email | Self::EmailJson => true,
            Self::Sqs | Self::Lambda | Self::Sms | Self::Application => false,
        }
    }

    pub(crate) fn takes_raw_messages(self) -> bool {
        matches!(self, Self::Sqs | Self::Http | Self::Https)
    }
}

impl Subscription {
    pub(crate) fn new(record: Record) -> Self {
        // One that was accepted can be read.
        let filter = record
            .attributes
            .get("FilterPolicy")
            .and_then(|text| FilterPolicy::parse(text).ok().flatten());
        Self { record, filter }
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.record.attributes.get(name).map(String::as_str)
    }

    pub(crate) fn arn(&self, topic: &TopicArn) -> String {
        format!("{}:{}", topic.arn(), self.record.id)
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.attribute("RawMessageDelivery") == Some("true")
    }

    pub(crate) fn scope(&self) -> Scope {
        match self.attribute("FilterPolicyScope") {
            Some(SCOPE_BODY) => Scope::Body,
            Some(_) | None => Scope::Attributes,
        }
    }

    /// The queue that gets what cannot be delivered.
    pub(crate) fn dead_letters(&self) -> Option<Arn> {
        let policy: Value = serde_json::from_str(self.attribute("RedrivePolicy")?).ok()?;
        Arn::parse(policy.get("deadLetterTargetArn")?.as_str()?).ok()
    }
}
