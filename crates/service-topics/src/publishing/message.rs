//! A message that is to be published.
//!
//! Lives here: reading and checking one: text, subject, structure, size.
//! Does not live here: its attributes (`attributes`), who gets it (`sending`).

use aws_wire::query::Form;
use model::delivery::Attribute;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::attributes;
use crate::operations::message_bytes_max;
use crate::refusal::Refusal;
use crate::state::subscription::Protocol;
use crate::state::topic::Topic;

/// Amazon SNS API Reference, `Publish`: less than 100 characters; the service takes 100.
const SUBJECT_CHARS_MAX: usize = 100;
/// Group and deduplication ids.
const ID_CHARS_MAX: usize = 128;

/// A message, read and checked as far as that can be done without its topic.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) texts: Texts,
    pub(crate) subject: Option<String>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
    pub(crate) trace: Option<String>,
    /// Bytes of the message as it was sent, with its attributes.
    pub(crate) size: usize,
    /// What it is known by where content tells duplicates.
    pub(crate) digest: String,
}

/// What subscribers get.
#[derive(Debug, Clone)]
pub(crate) enum Texts {
    /// All the same.
    One(String),
    /// Some their own.
    ByProtocol {
        default: String,
        others: Map<String, Value>,
    },
}

impl Texts {
    pub(crate) fn of(&self, protocol: Protocol) -> &str {
        match self {
            Self::One(text) => text,
            Self::ByProtocol { default, others } => {
                let own = others.get(protocol.as_str()).and_then(Value::as_str);
                own.unwrap_or(default)
            }
        }
    }
}

impl Draft {
    /// A message without anything but its text.
    pub(crate) fn of_text(text: String) -> Self {
        Self {
            subject: None,
            attributes: Vec::new(),
            group: None,
            deduplication: None,
            trace: None,
            size: text.len(),
            digest: digest(&text),
            texts: Texts::One(text),
        }
    }

    /// Reads a message: the parameters of `Publish`, or an entry of a batch. `path` is how validation names its attributes.
    pub(super) fn read(form: &Form, path: &str, trace: Option<String>) -> Result<Self, Refusal> {
        let text = form.text("Message").unwrap_or_default();
        if text.is_empty() {
            return Err(Refusal::parameter("Empty message"));
        }
        let subject = form.text("Subject").map(str::to_owned);
        if !subject.as_deref().is_none_or(is_subject) {
            return Err(Refusal::parameter("Subject"));
        }
        let attributes = attributes::read(form, path)?;
        let id = |name: &str| {
            let id = form.text(name).map(str::to_owned);
            if id.as_deref().is_none_or(is_id) {
                return Ok(id);
            }
            Err(Refusal::parameter(format!(
                "{name} Reason: {name} can only include alphanumeric and punctuation characters. 1 to 128 in length"
            )))
        };
        let draft = Self {
            size: text.len() + attributes::size(&attributes),
            texts: texts(text, form.text("MessageStructure"))?,
            subject,
            attributes,
            group: id("MessageGroupId")?,
            deduplication: id("MessageDeduplicationId")?,
            trace,
            digest: digest(text),
        };
        Ok(draft)
    }

    /// Whether a topic takes messages of this size.
    pub(super) fn check_size(&self, topic: &Topic) -> Result<(), Refusal> {
        if self.size <= message_bytes_max(topic) {
            return Ok(());
        }
        Err(Refusal::parameter("Message too long"))
    }

    /// Whether it has the ids that the kind of its topic asks for.
    pub(super) fn check_ids(&self, topic: &Topic) -> Result<(), Refusal> {
        if !topic.is_fifo() {
            return match self.deduplication {
                None => Ok(()),
                Some(_) => Err(Refusal::parameter(
                    "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid \
                     for this topic type",
                )),
            };
        }
        if self.group.is_none() {
            return Err(Refusal::parameter(
                "The MessageGroupId parameter is required for FIFO topics",
            ));
        }
        if self.deduplication.is_none() && !topic.deduplicates_by_content() {
            return Err(Refusal::parameter(
                "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                 explicitly",
            ));
        }
        Ok(())
    }

    /// What it is known by in a FIFO topic.
    pub(super) fn known_by(&self) -> &str {
        self.deduplication.as_deref().unwrap_or(&self.digest)
    }
}

pub(crate) fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(text: &str, structure: Option<&str>) -> Result<Texts, Refusal> {
    match structure {
        None | Some("") => return Ok(Texts::One(text.to_owned())),
        Some("json") => {}
        Some(_) => return Err(Refusal::parameter("MessageStructure")),
    }
    let wrong = |what: &str| Refusal::parameter(format!("Message Structure - {what}"));
    let value: Value =
        serde_json::from_str(text).map_err(|_| wrong("JSON message body failed to parse"))?;
    let lacking = || wrong("No default entry in JSON message body");
    let Value::Object(others) = value else {
        return Err(lacking());
    };
    let default = others.get("default").and_then(Value::as_str);
    let default = default.ok_or_else(lacking)?.to_owned();
    Ok(Texts::ByProtocol { default, others })
}

fn is_subject(subject: &str) -> bool {
    (1..=SUBJECT_CHARS_MAX).contains(&subject.chars().count())
        && !subject.chars().any(char::is_control)
}

fn is_id(id: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}
