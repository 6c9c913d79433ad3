//! What is known of a queue: its attributes as they were given, and what they come to.
//!
//! Lives here: the row of a queue, defaults, reading attributes that were checked before.
//! Does not live here: what attributes may be (`sqs::attributes`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::arn::Arn;
use model::time::Timestamp;
use policy::Policy;
use serde::{Deserialize, Serialize};

use super::book::Order;
use super::keys::{CONTENTS_BYTES, ContentsId};

/// The row of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Descriptor {
    /// Its name.
    pub(crate) name: String,
    /// Under which id its messages are kept.
    contents: u64,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When its attributes were changed last.
    pub(crate) modified_at: Timestamp,
    /// When it was purged last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) purged_at: Option<Timestamp>,
    /// Of what duplicates were recognised before that was changed, and until when they still are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope_before: Option<(Scope, Timestamp)>,
    /// The attributes that were set, as they were given.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
    /// The resource of a template that it belongs to: stack and logical id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<(String, String)>,
}

/// What the attributes of a queue come to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// How its messages are handed out.
    pub(crate) kind: Kind,
    /// How long a message is invisible that was received.
    pub(crate) visibility: Duration,
    /// How long a message waits before it can be received.
    pub(crate) delay: Duration,
    /// How long it is kept.
    pub(crate) retention: Duration,
    /// How long a receive waits.
    pub(crate) wait: Duration,
    /// Bytes of a message.
    pub(crate) message_bytes_max: usize,
    /// Where messages go that were received too often.
    pub(crate) redrive: Option<Redrive>,
    /// Which queues may send their dead letters here.
    pub(crate) redrive_allow: RedriveAllow,
    /// Who may do what.
    pub(crate) policy: Option<Arc<Policy>>,
}

/// The kinds of queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In about the order in which they were sent.
    Standard,
    /// In the order of their groups.
    Fifo {
        /// Whether the body stands for a deduplication id that is not given.
        by_content: bool,
        /// Of what duplicates are recognised.
        scope: Scope,
        /// Of what they are until then.
        scope_before: Option<(Scope, Timestamp)>,
    },
}

/// Of what duplicates are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Scope {
    /// The whole queue.
    Queue,
    /// One message group.
    Group,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redrive {
    /// The dead-letter queue.
    pub(crate) target: Arn,
    /// How often a message is received before.
    pub(crate) receives_max: u32,
}

/// Which queues may send their dead letters to a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RedriveAllow {
    /// All of the account and region.
    All,
    /// None.
    None,
    /// These.
    Sources(Vec<Arn>),
}

impl RedriveAllow {
    /// Whether this queue may.
    pub(crate) fn allows(&self, source: &Arn) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Sources(sources) => sources.contains(source),
        }
    }
}

impl Kind {
    /// How its messages are kept in order.
    pub(crate) fn order(self) -> Order {
        match self {
            Self::Standard => Order::None,
            Self::Fifo { .. } => Order::ByGroup,
        }
    }
}

impl Descriptor {
    /// A new queue.
    pub(crate) fn new(name: String, contents: ContentsId, now: Timestamp) -> Self {
        Self {
            name,
            contents: u64::from_be_bytes(contents.0),
            created_at: now,
            modified_at: now,
            purged_at: None,
            scope_before: None,
            attributes: BTreeMap::new(),
            tags: BTreeMap::new(),
            owner: None,
        }
    }

    /// Under which id its messages are kept.
    pub(crate) fn contents(&self) -> ContentsId {
        let bytes: [u8; CONTENTS_BYTES] = self.contents.to_be_bytes();
        ContentsId(bytes)
    }

    /// Keeps its messages under another id from now on.
    pub(crate) fn set_contents(&mut self, contents: ContentsId) {
        self.contents = u64::from_be_bytes(contents.0);
    }

    /// An attribute that was set.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// Whether it is a FIFO queue.
    pub(crate) fn is_fifo(&self) -> bool {
        self.flag("FifoQueue")
    }

    /// Of what duplicates are recognised.
    pub(crate) fn scope(&self) -> Scope {
        match self.attribute("DeduplicationScope") {
            Some("messageGroup") => Scope::Group,
            Some(_) | None => Scope::Queue,
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.attribute(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn number(&self, name: &str, default: u64) -> u64 {
        self.attribute(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    }

    /// What its attributes come to.
    pub(crate) fn settings(&self) -> Settings {
        let seconds = |name: &str, default| Duration::from_secs(self.number(name, default));
        let kind = if self.is_fifo() {
            Kind::Fifo {
                by_content: self.flag("ContentBasedDeduplication"),
                scope: self.scope(),
                scope_before: self.scope_before,
            }
        } else {
            Kind::Standard
        };
        let bytes_max = self.number("MaximumMessageSize", defaults::MESSAGE_BYTES_MAX);
        Settings {
            kind,
            visibility: seconds("VisibilityTimeout", defaults::VISIBILITY_S),
            delay: seconds("DelaySeconds", defaults::DELAY_S),
            retention: seconds("MessageRetentionPeriod", defaults::RETENTION_S),
            wait: seconds("ReceiveMessageWaitTimeSeconds", defaults::WAIT_S),
            message_bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
            redrive: self.attribute("RedrivePolicy").and_then(read_redrive),
            redrive_allow: self
                .attribute("RedriveAllowPolicy")
                .and_then(read_redrive_allow)
                .unwrap_or(RedriveAllow::All),
            policy: self
                .attribute("Policy")
                .and_then(|text| Policy::read(text).ok())
                .map(Arc::new),
        }
    }
}

/// Values of attributes that are not given.
///
/// Contract: Amazon SQS API Reference, `CreateQueue`, "Attributes".
pub(crate) mod defaults {
    /// `VisibilityTimeout`.
    pub(crate) const VISIBILITY_S: u64 = 30;
    /// `DelaySeconds`.
    pub(crate) const DELAY_S: u64 = 0;
    /// `MessageRetentionPeriod`: four days.
    pub(crate) const RETENTION_S: u64 = 345_600;
    /// `ReceiveMessageWaitTimeSeconds`.
    pub(crate) const WAIT_S: u64 = 0;
    /// `MaximumMessageSize`: 1 MiB.
    pub(crate) const MESSAGE_BYTES_MAX: u64 = 1_048_576;
}

fn read_redrive_allow(text: &str) -> Option<RedriveAllow> {
    let policy: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(match policy.get("redrivePermission")?.as_str()? {
        "denyAll" => RedriveAllow::None,
        "byQueue" => {
            let sources = policy.get("sourceQueueArns")?.as_array()?.iter();
            let sources = sources.filter_map(|arn| Arn::parse(arn.as_str()?).ok());
            RedriveAllow::Sources(sources.collect())
        }
        _ => RedriveAllow::All,
    })
}

/// Reads `RedrivePolicy`, whose number may be a text.
pub(crate) fn read_redrive(text: &str) -> Option<Redrive> {
    let policy: serde_json::Value = serde_json::from_str(text).ok()?;
    let count = policy.get("maxReceiveCount")?;
    let count = count
        .as_u64()
        .or_else(|| count.as_str().and_then(|count| count.parse().ok()))?;
    Some(Redrive {
        target: Arn::parse(policy.get("deadLetterTargetArn")?.as_str()?).ok()?,
        receives_max: u32::try_from(count).ok()?,
    })
}
