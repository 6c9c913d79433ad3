//! What is on its way to a target.
//!
//! Lives here: events that were accepted, for whom they are, how often they are tried: plain data.
//! Does not live here: keeping them (`outbox`), delivering them (`event-delivery`), taking them (each service).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::arn::Arn;
use crate::ids::AccountId;
use crate::principal::Principal;
use crate::time::Timestamp;

/// One event for one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id: of the message, the event or the request that it comes from.
    pub id: String,
    /// Who gets it.
    pub target: Target,
    /// Who sends it.
    pub sender: Sender,
    /// What they get.
    pub message: Message,
    /// How often it is tried. Functions are called by Lambda's own rules instead (`EventInvokeConfig`).
    pub retries: Retries,
    /// The queue (or, for functions, topic) that gets it when it is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<Arn>,
    /// Deliveries with the same text are tried one after the other, in the order in which they were accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
}

/// Who gets an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Target {
    /// A resource of the cloud: a function (with or without a qualifier), a queue, a topic, a bus, a log group, a stream.
    Resource(Arn),
    /// An address.
    Url(String),
}

/// Who sends an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The principal, as `sns.amazonaws.com`; or the ARN of a role that it acts as.
    pub principal: SenderPrincipal,
    /// What it sends for: the topic, the rule, the bucket. Policies see it as `aws:SourceArn`.
    pub source: Option<Arn>,
    /// The account of that. Policies see it as `aws:SourceAccount`.
    pub account: AccountId,
}

/// As whom an event is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SenderPrincipal {
    /// A service itself, as `sns.amazonaws.com`.
    Service(String),
    /// A service that acts as a role: the target of a rule with a `RoleArn`, the dead letters of a function.
    Role(Arn),
    /// Somebody who was allowed already, when the event was accepted.
    Allowed,
}

/// What a target gets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Message {
    /// The body, as the target sees it: a function's event, a message's body.
    #[serde(with = "bytes_as_text")]
    pub body: bytes::Bytes,
    /// The attributes of a message, for queues and topics; the headers, for addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
    /// The subject, for topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The message group of a FIFO queue or topic; the partition key of a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The deduplication id of a FIFO queue or topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplication: Option<String>,
    /// `AWSTraceHeader`, and what a function sees in `_X_AMZN_TRACE_ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The members of a bus's entry, for buses: `source`, `detail-type`, `time`, `resources`, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// What dead letters get, where that is not this message: a function's event is given up as its notification, the headers
    /// of an address not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<Box<Message>>,
    /// Seconds to wait before each try after the first, in order; before those that follow, the last again. Empty: whoever
    /// delivers decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retry_delays_s: Vec<u32>,
}

/// An attribute of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its type, as `String`, `Number`, `Binary`, `String.Array`.
    pub data_type: String,
    /// Its value; binary ones as base64.
    pub value: String,
}

/// How often a delivery is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// Tries after the first.
    pub retries_max: u32,
    /// How old it may get.
    pub age_max: Duration,
}

impl Sender {
    /// As whom it is asked whether the sender may; none: that was asked before. A role is acted as in a session of this name, by
    /// the service whose resource it is sent for.
    #[must_use]
    pub fn acting(&self, session: &str) -> Option<Principal> {
        match &self.principal {
            SenderPrincipal::Service(name) => Some(Principal::Service {
                name: name.clone(),
                source: self.source.clone(),
                account: self.account.clone(),
            }),
            SenderPrincipal::Role(role) => {
                // What is sent for nothing is sent by nobody: no trust policy names that.
                let source = self.source.as_ref();
                let service = source.map_or("", |source| source.service.as_str());
                Some(Principal::Acting {
                    account: self.account.clone(),
                    role: role.clone(),
                    name: session.to_owned(),
                    service: format!("{service}.amazonaws.com"),
                    source: source.map(|source| Box::new(as_trust_policies_see(source))),
                })
            }
            SenderPrincipal::Allowed => None,
        }
    }
}

impl Target {
    /// The ARN, for a resource.
    #[must_use]
    pub fn arn(&self) -> Option<&Arn> {
        match self {
            Self::Resource(arn) => Some(arn),
            Self::Url(_) => None,
        }
    }
}

/// Contract: EventBridge Scheduler User Guide, "Confused deputy prevention": the source is the group of a schedule, not the
/// schedule.
fn as_trust_policies_see(source: &Arn) -> Arn {
    let schedule = source.resource.strip_prefix("schedule/");
    let group = schedule.and_then(|schedule| schedule.split('/').next());
    match group.filter(|_| source.service == "scheduler") {
        Some(group) => Arn {
            resource: format!("schedule-group/{group}"),
            ..source.clone()
        },
        None => source.clone(),
    }
}

mod bytes_as_text {
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer};

    // Bodies are texts, JSON mostly: as such they cost nothing but the escapes.
    pub(super) fn serialize<S: Serializer>(body: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(body).map_err(serde::ser::Error::custom)?;
        to.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        String::deserialize(from).map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_acted_as_by_the_service_whose_resource_it_is_sent_for() {
        for (source, by, seen) in [
            (
                "arn:aws:events:us-east-1:111111111111:rule/r",
                "events.amazonaws.com",
                "arn:aws:events:us-east-1:111111111111:rule/r",
            ),
            (
                "arn:aws:scheduler:us-east-1:111111111111:schedule/g/s",
                "scheduler.amazonaws.com",
                "arn:aws:scheduler:us-east-1:111111111111:schedule-group/g",
            ),
        ] {
            let own = AccountId::new("111111111111");
            let role = Arn::parse("arn:aws:iam::000000000000:role/admin").unwrap();
            let sender = Sender {
                principal: SenderPrincipal::Role(role.clone()),
                source: Some(Arn::parse(source).unwrap()),
                account: own.clone(),
            };
            let acting = Principal::Acting {
                // A role of another account is none that it could act as.
                account: own,
                role,
                name: "delivery".to_owned(),
                service: by.to_owned(),
                source: Some(Box::new(Arn::parse(seen).unwrap())),
            };
            assert_eq!(sender.acting("delivery"), Some(acting));
        }
    }
}
