//! The events that buckets send.
//!
//! Lives here: rules, which of them an event meets, what each target gets.
//! Does not live here: keeping and delivering them (`outbox`, `event-delivery`), reading rules from requests (`configuration`).
//!
//! Contract: Amazon S3 User Guide, "Event message structure" and "EventBridge event message structure".

use std::time::Duration;

use interfaces::random::Random;
use model::arn::Arn;
use model::delivery::{Delivery, Message, Retries, Sender, SenderPrincipal, Target};
use model::time::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::access::canonical_id;
use super::bucket::Bucket;
use super::dates::{iso_millis, iso_seconds};
use super::node::Node;

/// EventBridge, "Retry policy": 24 hours, 185 times; S3 promises no more for its other targets.
const RETRIES: Retries = Retries {
    retries_max: 185,
    age_max: Duration::from_secs(24 * 60 * 60),
};

/// Keys of objects in events are encoded as forms are, slashes excepted.
const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/')
    .remove(b' ');

/// Whom a rule tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Resource(Arn),
    EventBridge,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotificationRule {
    pub(crate) id: String,
    pub(crate) told: Told,
    /// As `ObjectCreated:*`, without `s3:`.
    events: Vec<String>,
    prefix: String,
    suffix: String,
}

/// Who made something happen, and by which request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Occasion {
    pub(crate) request_id: String,
    pub(crate) principal: String,
    /// The account, or the service, that asked.
    pub(crate) requester: String,
    pub(crate) address: String,
    /// The operation, as `PutObject`.
    pub(crate) reason: &'static str,
    /// The trace that the request belongs to.
    pub(crate) trace: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Happened<'a> {
    /// As `ObjectCreated:Put`.
    pub(crate) event: &'static str,
    pub(crate) key: &'a str,
    pub(crate) size: u64,
    pub(crate) etag: &'a str,
    pub(crate) version: Option<&'a str>,
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
    pub(crate) occasion: &'a Occasion,
}

/// The events that deletions are told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeleteEvents<'a> {
    pub(crate) deleted: &'static str,
    pub(crate) marked: &'static str,
    pub(crate) occasion: &'a Occasion,
}

impl<'a> DeleteEvents<'a> {
    /// Those of requests.
    pub(crate) fn requested(occasion: &'a Occasion) -> Self {
        Self {
            deleted: "ObjectRemoved:Delete",
            marked: "ObjectRemoved:DeleteMarkerCreated",
            occasion,
        }
    }
}

/// Reads the rules of a document that was checked.
pub(crate) fn read(node: &Node) -> Vec<NotificationRule> {
    node.children.iter().filter_map(rule).collect()
}

fn rule(node: &Node) -> Option<NotificationRule> {
    if node.name == "EventBridgeConfiguration" {
        return Some(NotificationRule {
            id: "EventBridge".to_owned(),
            told: Told::EventBridge,
            events: Vec::new(),
            prefix: String::new(),
            suffix: String::new(),
        });
    }
    let (element, _) = target_element(&node.name)?;
    let filter = |wanted: &str| {
        node.child("Filter")
            .and_then(|filter| filter.child("S3Key"))
            .into_iter()
            .flat_map(|key| key.all("FilterRule"))
            .find(|rule| {
                let name = rule.text_of("Name").unwrap_or_default();
                name.eq_ignore_ascii_case(wanted)
            })
            .and_then(|rule| rule.text_of("Value"))
            .unwrap_or_default()
            .to_owned()
    };
    Some(NotificationRule {
        id: node.text_of("Id").unwrap_or_default().to_owned(),
        told: Told::Resource(Arn::parse(node.text_of(element)?).ok()?),
        events: node
            .all("Event")
            .map(|event| event.text.trim_start_matches("s3:").to_owned())
            .collect(),
        prefix: filter("prefix"),
        suffix: filter("suffix"),
    })
}

/// The element that names the target of a rule, and the service that it is of.
pub(crate) fn target_element(rule: &str) -> Option<(&'static str, &'static str)> {
    match rule {
        "QueueConfiguration" => Some(("Queue", "sqs")),
        "TopicConfiguration" => Some(("Topic", "sns")),
        "CloudFunctionConfiguration" => Some(("CloudFunction", "lambda")),
        _ => None,
    }
}

impl NotificationRule {
    /// Whether both may be met by the same thing.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let covers = |left: &str, right: &str| match left.strip_suffix('*') {
            Some(start) => right.starts_with(start),
            None => left == right,
        };
        let shares_event = self.events.iter().any(|event| {
            let others = &mut other.events.iter();
            others.any(|other| covers(event, other) || covers(other, event))
        });
        let (left, right) = (&self.prefix, &other.prefix);
        let shares_prefix = left.starts_with(right.as_str()) || right.starts_with(left.as_str());
        let (left, right) = (&self.suffix, &other.suffix);
        let shares_suffix = left.ends_with(right.as_str()) || right.ends_with(left.as_str());
        shares_event && shares_prefix && shares_suffix
    }

    fn meets(&self, happened: &Happened<'_>) -> bool {
        let is_event = |wanted: &String| match wanted.strip_suffix('*') {
            Some(start) => happened.event.starts_with(start),
            None => wanted == happened.event,
        };
        match &self.told {
            Told::EventBridge => detail_type(happened.event).is_some(),
            Told::Resource(_) => {
                self.events.iter().any(is_event)
                    && happened.key.starts_with(&self.prefix)
                    && happened.key.ends_with(&self.suffix)
            }
        }
    }
}

/// What is to be delivered because of an event.
pub(crate) fn deliveries(
    bucket: &Bucket,
    happened: &Happened<'_>,
    random: &dyn Random,
) -> Vec<Delivery> {
    bucket
        .notifications
        .iter()
        .filter(|rule| rule.meets(happened))
        .map(|rule| {
            let (target, message) = match &rule.told {
                Told::Resource(arn) => (arn.clone(), record(bucket, rule, happened)),
                Told::EventBridge => (default_bus(bucket), bus_message(bucket, happened)),
            };
            let message = Message {
                trace: happened.occasion.trace.clone(),
                ..message
            };
            delivery(bucket, target, message, happened.at, random)
        })
        .collect()
}

/// What every new target gets, so that it shows whether it can be reached.
pub(crate) fn test_delivery(
    bucket: &Bucket,
    target: Arn,
    request_id: &str,
    at: Timestamp,
    random: &dyn Random,
) -> Delivery {
    let body = json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso_millis(at),
        "Bucket": bucket.name(),
        "RequestId": request_id,
        "HostId": host_id(request_id),
    });
    delivery(bucket, target, message(&body), at, random)
}

fn delivery(
    bucket: &Bucket,
    target: Arn,
    message: Message,
    at: Timestamp,
    random: &dyn Random,
) -> Delivery {
    Delivery {
        id: random.request_id().to_string(),
        target: Target::Resource(target),
        sender: sender(bucket),
        message,
        retries: RETRIES,
        dead_letters: None,
        order: None,
        accepted_at: at,
    }
}

/// The sender of a bucket's events.
pub(crate) fn sender(bucket: &Bucket) -> Sender {
    let source = Arn {
        partition: model::arn::PARTITION.to_owned(),
        service: "s3".to_owned(),
        region: String::new(),
        account: String::new(),
        resource: bucket.name().to_owned(),
    };
    Sender {
        principal: SenderPrincipal::Service("s3.amazonaws.com".to_owned()),
        source: Some(source),
        account: bucket.account.clone(),
    }
}

fn message(body: &Value) -> Message {
    Message {
        body: body.to_string().into(),
        subject: Some("Amazon S3 Notification".to_owned()),
        ..Message::default()
    }
}

/// The id that answers carry besides that of the request.
pub(crate) fn host_id(request_id: &str) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    let hash = sha2::Sha512::digest(request_id.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(hash.get(..57).unwrap_or_default())
}

fn default_bus(bucket: &Bucket) -> Arn {
    Arn {
        partition: model::arn::PARTITION.to_owned(),
        service: "events".to_owned(),
        region: bucket.row.region.clone(),
        account: bucket.row.account.clone(),
        resource: "event-bus/default".to_owned(),
    }
}

fn record(bucket: &Bucket, rule: &NotificationRule, happened: &Happened<'_>) -> Message {
    let Happened {
        event, occasion, ..
    } = *happened;
    let key = utf8_percent_encode(happened.key, KEY)
        .to_string()
        .replace(' ', "+");
    let mut object = serde_json::Map::new();
    object.insert("key".to_owned(), key.into());
    if !event.starts_with("ObjectRemoved") && !event.starts_with("LifecycleExpiration") {
        object.insert("size".to_owned(), happened.size.into());
        object.insert("eTag".to_owned(), happened.etag.into());
    } else if event.ends_with("DeleteMarkerCreated") {
        // The MD5 of nothing.
        object.insert("eTag".to_owned(), "d41d8cd98f00b204e9800998ecf8427e".into());
    }
    if let Some(version) = happened.version {
        object.insert("versionId".to_owned(), version.into());
    }
    object.insert("sequencer".to_owned(), sequencer(happened).into());
    let version = if event.starts_with("ObjectCreated") || event.starts_with("ObjectRemoved") {
        "2.1"
    } else {
        "2.3"
    };
    let body = json!({"Records": [{
        "eventVersion": version,
        "eventSource": "aws:s3",
        "awsRegion": bucket.row.region,
        "eventTime": iso_millis(happened.at),
        "eventName": event,
        "userIdentity": {"principalId": occasion.principal},
        "requestParameters": {"sourceIPAddress": occasion.address},
        "responseElements": {
            "x-amz-request-id": occasion.request_id,
            "x-amz-id-2": host_id(&occasion.request_id),
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule.id,
            "bucket": {
                "name": bucket.name(),
                "ownerIdentity": {"principalId": canonical_id(&bucket.row.account)},
                "arn": bucket.arn(),
            },
            "object": object,
        },
    }]});
    message(&body)
}

/// Later events of a key have greater ones.
fn sequencer(happened: &Happened<'_>) -> String {
    format!("{:018X}", happened.sequence)
}

fn detail_type(event: &str) -> Option<&'static str> {
    match event.split(':').next()? {
        "ObjectCreated" => Some("Object Created"),
        "ObjectRemoved" | "LifecycleExpiration" => Some("Object Deleted"),
        "ObjectTagging" if event.ends_with("Put") => Some("Object Tags Added"),
        "ObjectTagging" => Some("Object Tags Deleted"),
        "ObjectAcl" => Some("Object ACL Updated"),
        _ => None,
    }
}

fn bus_message(bucket: &Bucket, happened: &Happened<'_>) -> Message {
    let Happened {
        event, occasion, ..
    } = *happened;
    let mut object = serde_json::Map::new();
    object.insert("key".to_owned(), happened.key.into());
    let is_created = event.starts_with("ObjectCreated");
    let is_deleted = event.starts_with("ObjectRemoved") || event.starts_with("LifecycleExpiration");
    if is_created {
        object.insert("size".to_owned(), happened.size.into());
    }
    if !is_deleted {
        object.insert("etag".to_owned(), happened.etag.into());
    }
    if let Some(version) = happened.version {
        object.insert("version-id".to_owned(), version.into());
    }
    if is_created || is_deleted {
        object.insert("sequencer".to_owned(), sequencer(happened).into());
    }
    let mut detail = json!({
        "version": "0",
        "bucket": {"name": bucket.name()},
        "object": object,
        "request-id": occasion.request_id,
        "requester": occasion.requester,
    });
    if let Some(detail) = detail.as_object_mut() {
        if !occasion.address.is_empty() {
            detail.insert(
                "source-ip-address".to_owned(),
                occasion.address.as_str().into(),
            );
        }
        if is_created || is_deleted {
            detail.insert("reason".to_owned(), occasion.reason.into());
        }
        if is_deleted {
            let kind = if event.ends_with("DeleteMarkerCreated") {
                "Delete Marker Created"
            } else {
                "Permanently Deleted"
            };
            detail.insert("deletion-type".to_owned(), kind.into());
        }
    }
    let entry = json!({
        "source": "aws.s3",
        "detail-type": detail_type(event).unwrap_or_default(),
        "time": iso_seconds(happened.at),
        "resources": [bucket.arn()],
    });
    Message {
        body: detail.to_string().into(),
        entry: Some(entry.to_string()),
        ..Message::default()
    }
}
