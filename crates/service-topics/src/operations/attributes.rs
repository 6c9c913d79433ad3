//! Attributes of topics.
//!
//! Lives here: which there are, their values, showing them.
//! Does not live here: what they do.
//!
//! Contract: Amazon SNS API Reference, `CreateTopic`, `SetTopicAttributes`, `GetTopicAttributes`.

use std::collections::BTreeMap;

use policy::Policy;

use super::{Answer, Call, answer, write_map};
use crate::refusal::Refusal;
use crate::state::catalogue::{Change, Region};
use crate::state::delivery_policy;
use crate::state::subscription::Status;
use crate::state::topic::{Given, Kind, Topic};

/// Attributes that were set.
pub(crate) type TopicAttributes = BTreeMap<String, String>;

/// Messages of a topic, in bytes.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
const MESSAGE_BYTES_MIN: usize = 1024;
const DISPLAY_NAME_CHARS_MAX: usize = 100;
/// A log of deliveries is kept of these.
const LOGGED: [&str; 5] = ["HTTP", "Firehose", "Lambda", "Application", "SQS"];
const LOGGED_PARTS: [&str; 3] = [
    "SuccessFeedbackRoleArn",
    "SuccessFeedbackSampleRate",
    "FailureFeedbackRoleArn",
];

pub(super) async fn get(call: Call<'_>) -> Result<Answer, Refusal> {
    let (region, topic) = call.topic("TopicArn").await?;
    let shown = shown(&region, &topic);
    answer(move |xml| {
        let pairs = shown
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        write_map(xml, "Attributes", pairs);
    })
}

fn shown(region: &Region, topic: &Topic) -> TopicAttributes {
    let mut shown = topic.record.attributes.clone();
    let mut set = |name: &str, value: String| {
        shown.insert(name.to_owned(), value);
    };
    let subscriptions = region.subscriptions(&topic.record.name);
    let count = |status: Status| {
        let of_status = subscriptions
            .values()
            .filter(|one| one.record.status == status);
        of_status.count().to_string()
    };
    set("TopicArn", topic.arn.arn().to_string());
    set("Owner", topic.arn.account.to_string());
    set("Policy", topic.policy_text());
    set("SubscriptionsConfirmed", count(Status::Confirmed));
    set("SubscriptionsPending", count(Status::Pending));
    set(
        "SubscriptionsDeleted",
        topic.record.subscriptions_deleted.to_string(),
    );
    let effective = delivery_policy::effective_of_topic(topic);
    set("EffectiveDeliveryPolicy", effective.to_string());
    let _known = shown.entry("DisplayName".to_owned()).or_default();
    if topic.is_fifo() {
        shown
            .entry("ContentBasedDeduplication".to_owned())
            .or_insert_with(|| "false".to_owned());
    }
    shown
}

pub(super) async fn set(call: Call<'_>) -> Result<Answer, Refusal> {
    let (region, topic) = call.topic("TopicArn").await?;
    let name = crate::form::required(call.form, "AttributeName")?;
    let value = call.form.text("AttributeValue").unwrap_or_default();
    let checked = checked_topic_attribute(name, value, topic.kind(), Given::Later)?;
    let _turn = region.turn.lock().await;
    let current = region.topic(&topic.record.name);
    let current = current.ok_or_else(|| Refusal::not_found("Topic"))?;
    let mut record = current.record.clone();
    match checked {
        Some(value) => record.attributes.insert(name.to_owned(), value),
        None => record.attributes.remove(name),
    };
    let change = Change::PutTopic(Topic::new(record, &region.place));
    call.service
        .catalogue
        .change(&region, vec![change], &[])
        .await?;
    Ok(None)
}

/// Bytes that a message of a topic may have.
pub(crate) fn message_bytes_max(topic: &Topic) -> usize {
    let set = topic.attribute("MaximumMessageSize");
    let set = set.and_then(|size| size.parse().ok());
    set.unwrap_or(MESSAGE_BYTES_MAX)
}

/// The value as it is kept; none: the attribute is as if it was never set.
pub(crate) fn checked_topic_attribute(
    name: &str,
    value: &str,
    kind: Kind,
    given: Given,
) -> Result<Option<String>, Refusal> {
    let (is_fifo, is_new) = (kind == Kind::Fifo, given == Given::AtFirst);
    let unknown = || match given {
        Given::AtFirst => Refusal::parameter(format!("Unknown attribute {name}")),
        Given::Later => Refusal::parameter("AttributeName"),
    };
    let kept = |value: String| Ok(Some(value));
    match name {
        "FifoTopic" if is_new => Ok(flag(name, value)?.filter(|value| value == "true")),
        "ContentBasedDeduplication" if is_fifo => flag(name, value),
        "FifoThroughputScope" if is_fifo => choice(name, value, &["Topic", "MessageGroup"]),
        "DisplayName" if DISPLAY_NAME_CHARS_MAX < value.chars().count() => {
            Err(Refusal::parameter("DisplayName"))
        }
        "DisplayName" => kept(value.to_owned()),
        "Policy" if value.is_empty() => Ok(None),
        "Policy" => match Policy::read(value) {
            Ok(_) => kept(value.to_owned()),
            Err(error) => Err(Refusal::parameter(format!("Policy Error: {error}"))),
        },
        "DeliveryPolicy" if value.is_empty() => Ok(None),
        "DeliveryPolicy" => delivery_policy::of_topic(value).map(Some),
        "SignatureVersion" => choice(name, value, &["1", "2"]),
        "TracingConfig" => choice(name, value, &["PassThrough", "Active"]),
        "KmsMasterKeyId" if value.is_empty() => Ok(None),
        "KmsMasterKeyId" => kept(value.to_owned()),
        "MaximumMessageSize" => message_size(value),
        "ArchivePolicy" if is_fifo && value.trim() != "{}" && !value.is_empty() => Err(
            Refusal::not_implemented("the attribute ArchivePolicy (archives of messages)"),
        ),
        "ArchivePolicy" if is_fifo => Ok(None),
        _ => feedback(name, value).unwrap_or_else(|| Err(unknown())),
    }
}

/// Logs of deliveries; none: the name is not of such an attribute.
fn feedback(name: &str, value: &str) -> Option<Result<Option<String>, Refusal>> {
    let part = LOGGED.iter().find_map(|of| name.strip_prefix(of))?;
    if !LOGGED_PARTS.contains(&part) {
        return None;
    }
    let is_rate = part.ends_with("SampleRate");
    let is_percentage = value.parse::<u8>().is_ok_and(|rate| rate <= 100);
    Some(if value.is_empty() {
        Ok(None)
    } else if is_rate && !is_percentage {
        Err(Refusal::parameter(name))
    } else {
        Ok(Some(value.to_owned()))
    })
}

fn flag(name: &str, value: &str) -> Result<Option<String>, Refusal> {
    choice(name, &value.to_ascii_lowercase(), &["true", "false"])
}

fn choice(name: &str, value: &str, choices: &[&str]) -> Result<Option<String>, Refusal> {
    if choices.contains(&value) {
        return Ok(Some(value.to_owned()));
    }
    Err(Refusal::parameter(name))
}

fn message_size(value: &str) -> Result<Option<String>, Refusal> {
    match value.parse::<usize>() {
        Ok(size) if (MESSAGE_BYTES_MIN..=MESSAGE_BYTES_MAX).contains(&size) => {
            Ok(Some(size.to_string()))
        }
        Ok(size) if (MESSAGE_BYTES_MAX..=4 * MESSAGE_BYTES_MAX).contains(&size) => Err(
            Refusal::not_implemented("the attribute MaximumMessageSize above 262144 bytes"),
        ),
        Ok(_) | Err(_) => Err(Refusal::parameter("MaximumMessageSize")),
    }
}
