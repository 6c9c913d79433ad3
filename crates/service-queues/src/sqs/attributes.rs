//! Attributes of queues: which there are, and what each may be.
//!
//! Lives here: checking what is set, what a new queue has in common with the one of its name, showing all of them.
//! Does not live here: what they come to (`engine::descriptor`).
//!
//! Contract: Amazon SQS API Reference, `CreateQueue`, `SetQueueAttributes`, `GetQueueAttributes`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use model::arn::Arn;
use policy::Policy;
use serde_json::{Map, Value};

use super::fault::{Fault, Kind};
use crate::engine::book::Order;
use crate::engine::catalogue::Current;
use crate::engine::descriptor::{Descriptor, defaults};
use crate::engine::request::Counts;

/// Whole numbers, and between which they must be.
const NUMBERS: &[(&str, RangeInclusive<u64>)] = &[
    ("DelaySeconds", 0..=900),
    ("KmsDataKeyReusePeriodSeconds", 60..=86_400),
    ("MaximumMessageSize", 1_024..=1_048_576),
    ("MessageRetentionPeriod", 60..=1_209_600),
    ("ReceiveMessageWaitTimeSeconds", 0..=20),
    ("VisibilityTimeout", 0..=43_200),
];
/// All that can be asked for, in the order in which they are shown.
const SHOWN: &[&str] = &[
    "QueueArn",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "VisibilityTimeout",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "DelaySeconds",
    "Policy",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
];

/// Whether a queue is about to be made, or is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// It is made with these.
    Creating,
    /// They are changed.
    Changing,
}

/// Checks attributes that are set, for a queue of this kind.
///
/// # Errors
/// One of them cannot be so.
pub(crate) fn check(
    attributes: &[(String, String)],
    order: Order,
    setting: Setting,
) -> Result<(), Fault> {
    for (name, value) in attributes {
        check_one(name, value, order, setting)?;
    }
    let set = |name: &str| {
        let mut found = attributes.iter().filter(|(found, _)| found == name);
        found.next().map(|(_, value)| value.as_str())
    };
    let managed = set("SqsManagedSseEnabled").is_some_and(|value| value == "true");
    let keyed = set("KmsMasterKeyId").is_some_and(|value| !value.is_empty());
    if managed && keyed {
        return Err(one_encryption());
    }
    let per_group = set("FifoThroughputLimit") == Some("perMessageGroupId");
    if per_group && set("DeduplicationScope") == Some("queue") {
        return Err(Fault::new(
            Kind::InvalidAttributeValue,
            "Invalid value for the parameter FifoThroughputLimit. Reason: The perMessageGroupId value is allowed only when the \
             value for DeduplicationScope is messageGroup.",
        ));
    }
    Ok(())
}

/// Both kinds of encryption cannot be asked for at once.
pub(crate) fn one_encryption() -> Fault {
    Fault::new(
        Kind::InvalidAttributeName,
        "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.",
    )
}

fn check_one(name: &str, value: &str, order: Order, setting: Setting) -> Result<(), Fault> {
    if let Some((_, range)) = NUMBERS.iter().find(|(found, _)| *found == name) {
        let number = value.parse::<u64>().ok();
        return match number.filter(|number| range.contains(number)) {
            Some(_) => Ok(()),
            None => Err(invalid(name)),
        };
    }
    let is_fifo = order == Order::ByGroup;
    match name {
        "FifoQueue" => check_fifo(value, order, setting),
        "ContentBasedDeduplication" if is_fifo => check_flag(name, value),
        "ContentBasedDeduplication" => Err(unknown(name)),
        "DeduplicationScope" if is_fifo => check_choice(name, value, &["queue", "messageGroup"]),
        "FifoThroughputLimit" if is_fifo => {
            check_choice(name, value, &["perQueue", "perMessageGroupId"])
        }
        "DeduplicationScope" | "FifoThroughputLimit" => Err(Fault::new(
            Kind::InvalidAttributeName,
            format!("You can specify the {name} only when FifoQueue is set to true."),
        )),
        "SqsManagedSseEnabled" => check_flag(name, value),
        "KmsMasterKeyId" => Ok(()),
        "Policy" if value.is_empty() => Ok(()),
        "Policy" => check_policy(value),
        "RedrivePolicy" if value.is_empty() => Ok(()),
        "RedrivePolicy" => check_redrive(value),
        "RedriveAllowPolicy" if value.is_empty() => Ok(()),
        "RedriveAllowPolicy" => check_redrive_allow(value),
        _ => Err(unknown(name)),
    }
}

fn check_fifo(value: &str, order: Order, setting: Setting) -> Result<(), Fault> {
    let wished = value.eq_ignore_ascii_case("true");
    match (order, setting) {
        (Order::None, _) => Err(unknown("FifoQueue")),
        (Order::ByGroup, _) if wished => Ok(()),
        (Order::ByGroup, Setting::Creating) => Err(invalid("FifoQueue")),
        (Order::ByGroup, Setting::Changing) => Err(Fault::new(
            Kind::InvalidAttributeValue,
            "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
        )),
    }
}

fn check_flag(name: &str, value: &str) -> Result<(), Fault> {
    let is_flag = value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
    if is_flag { Ok(()) } else { Err(invalid(name)) }
}

fn check_choice(name: &str, value: &str, choices: &[&str]) -> Result<(), Fault> {
    if choices.contains(&value) {
        Ok(())
    } else {
        Err(invalid(name))
    }
}

fn check_policy(value: &str) -> Result<(), Fault> {
    match Policy::read(value) {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::new(
            Kind::InvalidAttributeValue,
            format!("Invalid value for the parameter Policy. Reason: {error}"),
        )),
    }
}

fn check_redrive(value: &str) -> Result<(), Fault> {
    let refuse = |reason: &str| {
        Err(Fault::new(
            Kind::InvalidParameterValue,
            format!("Value {value} for parameter RedrivePolicy is invalid. Reason: {reason}"),
        ))
    };
    let Ok(Value::Object(policy)) = serde_json::from_str::<Value>(value) else {
        return refuse("Redrive policy is not a valid JSON map.");
    };
    for name in ["maxReceiveCount", "deadLetterTargetArn"] {
        if !policy.contains_key(name) {
            return refuse(&format!(
                "Redrive policy does not contain mandatory attribute: {name}."
            ));
        }
    }
    if let Some(other) = policy
        .keys()
        .find(|name| !["maxReceiveCount", "deadLetterTargetArn"].contains(&name.as_str()))
    {
        return refuse(&format!(
            "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount], not {other}."
        ));
    }
    let count = policy.get("maxReceiveCount").unwrap_or(&Value::Null);
    let count = count
        .as_i64()
        .or_else(|| count.as_str().and_then(|count| count.parse().ok()));
    if !count.is_some_and(|count| (1..=1_000).contains(&count)) {
        return refuse(
            "Invalid value for maxReceiveCount: must be between 1 and 1000 and an integer.",
        );
    }
    let target = policy.get("deadLetterTargetArn").and_then(Value::as_str);
    let target = target.and_then(|target| Arn::parse(target).ok());
    if target.is_none_or(|target| target.service != "sqs") {
        return refuse("Invalid value for deadLetterTargetArn.");
    }
    Ok(())
}

fn check_redrive_allow(value: &str) -> Result<(), Fault> {
    let refuse = |reason: &str| {
        Err(Fault::new(
            Kind::InvalidParameterValue,
            format!("Value {value} for parameter RedriveAllowPolicy is invalid. Reason: {reason}"),
        ))
    };
    let Ok(Value::Object(policy)) = serde_json::from_str::<Value>(value) else {
        return refuse("Amazon SQS can't create the redrive allow policy. Syntax error.");
    };
    let permission = policy.get("redrivePermission").and_then(Value::as_str);
    let sources = policy.get("sourceQueueArns").and_then(Value::as_array);
    match (permission, sources) {
        (Some("allowAll" | "denyAll"), None) => Ok(()),
        (Some("byQueue"), Some(sources)) if (1..=10).contains(&sources.len()) => Ok(()),
        (Some("byQueue"), _) => refuse("You must specify one to ten sourceQueueArns."),
        (Some("allowAll" | "denyAll"), Some(_)) => {
            refuse("sourceQueueArns can be specified only with byQueue.")
        }
        (Some(_) | None, _) => refuse("redrivePermission must be allowAll, denyAll or byQueue."),
    }
}

fn invalid(name: &str) -> Fault {
    Fault::new(
        Kind::InvalidAttributeValue,
        format!("Invalid value for the parameter {name}."),
    )
}

fn unknown(name: &str) -> Fault {
    Fault::new(
        Kind::InvalidAttributeName,
        format!("Unknown Attribute {name}."),
    )
}

/// Sets attributes that were checked.
pub(crate) fn set(descriptor: &mut Descriptor, attributes: &[(String, String)]) {
    for (name, value) in attributes {
        let drops = value.is_empty()
            && [
                "Policy",
                "RedrivePolicy",
                "RedriveAllowPolicy",
                "KmsMasterKeyId",
            ]
            .contains(&name.as_str());
        match name.as_str() {
            _ if drops => {
                descriptor.attributes.remove(name);
            }
            "FifoQueue" | "ContentBasedDeduplication" | "SqsManagedSseEnabled" => {
                let value = value.to_ascii_lowercase();
                descriptor.attributes.insert(name.clone(), value);
            }
            _ => {
                descriptor.attributes.insert(name.clone(), value.clone());
            }
        }
    }
    let sets = |wanted: &str| {
        attributes
            .iter()
            .any(|(name, value)| name == wanted && !value.is_empty())
    };
    if sets("KmsMasterKeyId") {
        descriptor
            .attributes
            .insert("SqsManagedSseEnabled".to_owned(), "false".to_owned());
    }
    let managed = descriptor.attribute("SqsManagedSseEnabled") == Some("true");
    if managed && sets("SqsManagedSseEnabled") {
        descriptor.attributes.remove("KmsMasterKeyId");
        descriptor.attributes.remove("KmsDataKeyReusePeriodSeconds");
    }
}

/// The first attribute by which a queue that is there differs from the one that is asked for.
pub(crate) fn difference(there: &Descriptor, wished: &[(String, String)]) -> Option<String> {
    let mut wish = there.clone();
    let differs = wished.iter().find(|pair| {
        set(&mut wish, std::slice::from_ref(pair));
        shown_value(&wish, &pair.0) != shown_value(there, &pair.0)
    });
    differs.map(|(name, _)| name.clone())
}

/// The value of an attribute that does not change by itself; none: it is not set and has no default.
fn shown_value(descriptor: &Descriptor, name: &str) -> Option<String> {
    let is_fifo = descriptor.is_fifo();
    if name == "KmsDataKeyReusePeriodSeconds" && descriptor.attribute("KmsMasterKeyId").is_none() {
        return None;
    }
    let default = match name {
        "VisibilityTimeout" => Some(defaults::VISIBILITY_S.to_string()),
        "MaximumMessageSize" => Some(defaults::MESSAGE_BYTES_MAX.to_string()),
        "MessageRetentionPeriod" => Some(defaults::RETENTION_S.to_string()),
        "DelaySeconds" => Some(defaults::DELAY_S.to_string()),
        "ReceiveMessageWaitTimeSeconds" => Some(defaults::WAIT_S.to_string()),
        "SqsManagedSseEnabled" => Some("true".to_owned()),
        "ContentBasedDeduplication" if is_fifo => Some("false".to_owned()),
        "DeduplicationScope" if is_fifo => Some("queue".to_owned()),
        "FifoThroughputLimit" if is_fifo => Some("perQueue".to_owned()),
        "KmsDataKeyReusePeriodSeconds" => Some("300".to_owned()),
        _ => None,
    };
    descriptor.attribute(name).map(str::to_owned).or(default)
}

/// Which attributes are asked for.
///
/// # Errors
/// There is none of such a name.
pub(crate) fn wished(names: &[String]) -> Result<Vec<&'static str>, Fault> {
    if names.iter().any(|name| name == "All") {
        return Ok(SHOWN.to_vec());
    }
    let find = |name: &String| {
        let found = SHOWN.iter().find(|shown| *shown == name);
        found.copied().ok_or_else(|| unknown(name))
    };
    names.iter().map(find).collect()
}

/// The attributes of a queue as they are shown.
pub(crate) fn show(
    wished: &[&'static str],
    current: &Current,
    arn: &Arn,
    counts: Option<Counts>,
) -> Map<String, Value> {
    let descriptor = &current.descriptor;
    let counts = counts.unwrap_or_default();
    let mut shown = BTreeMap::new();
    for name in wished {
        let value = match *name {
            "QueueArn" => Some(arn.to_string()),
            "ApproximateNumberOfMessages" => Some(counts.visible.to_string()),
            "ApproximateNumberOfMessagesNotVisible" => Some(counts.in_flight.to_string()),
            "ApproximateNumberOfMessagesDelayed" => Some(counts.delayed.to_string()),
            "CreatedTimestamp" => Some(descriptor.created_at.epoch_s().to_string()),
            "LastModifiedTimestamp" => Some(descriptor.modified_at.epoch_s().to_string()),
            name => shown_value(descriptor, name),
        };
        if let Some(value) = value {
            shown.insert((*name).to_owned(), Value::from(value));
        }
    }
    shown.into_iter().collect()
}

/// Whether counting is needed to show these.
pub(crate) fn need_counts(wished: &[&'static str]) -> bool {
    wished.iter().any(|name| name.starts_with("Approximate"))
}
