//! Which settings of a bucket are valid.
//!
//! Lives here: what S3 refuses, in its words, setting by setting.
//! Does not live here: what settings mean (`bucket`, `lifecycle`, `notification`).
//!
//! Contract: Amazon S3 API Reference, the pages of the `PutBucket…` operations.

use super::bucket::{Ownership, Row, Setting, ownership};
use super::dates::read_iso;
use super::fault::{self, Fault};
use super::node::Node;
use super::notification::target_element;
use super::tags::bucket_tags;

/// Amazon S3 User Guide, "Using cross-origin resource sharing": rules of a bucket.
const CORS_RULES_MAX: usize = 100;
/// The same, "Setting lifecycle configuration".
const LIFECYCLE_RULES_MAX: usize = 1_000;
/// Characters of the id of a rule.
const RULE_ID_CHARS_MAX: usize = 255;
const STORAGE_CLASSES: [&str; 11] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "OUTPOSTS",
    "GLACIER_IR",
    "SNOW",
    "EXPRESS_ONEZONE",
];

/// Of notifications.
pub(crate) const UNFIT_TARGETS: &str =
    "Unable to validate the following destination configurations";

/// Checks a document, and gives it back as it is kept.
pub(crate) fn check(setting: Setting, mut node: Node, row: &Row) -> Result<Node, Fault> {
    match setting {
        Setting::Cors => cors(&node)?,
        Setting::Encryption => encryption(&node)?,
        Setting::Lifecycle => lifecycle(&mut node)?,
        Setting::Logging => logging(&node)?,
        Setting::Notification => notification(&mut node)?,
        Setting::ObjectLock => object_lock(&node, row)?,
        Setting::Ownership => owned(&node, row)?,
        Setting::PublicAccessBlock => node = access_block(&node)?,
        Setting::RequestPayment => one_of(&node, "Payer", &["BucketOwner", "Requester"])?,
        Setting::Tagging => {
            bucket_tags(&node)?;
        }
        Setting::Versioning => versioning(&node, row)?,
    }
    Ok(node)
}

fn malformed() -> Fault {
    fault::MALFORMED_XML.into()
}

fn one_of(node: &Node, name: &str, allowed: &[&str]) -> Result<(), Fault> {
    match node.text_of(name) {
        Some(text) if allowed.contains(&text) => Ok(()),
        Some(_) | None => Err(malformed()),
    }
}

fn versioning(node: &Node, row: &Row) -> Result<(), Fault> {
    if node.text_of("MfaDelete") == Some("Enabled") {
        return Err(Fault::not_implemented("MfaDelete"));
    }
    if node.child("Status").is_none() {
        return Err(fault::ILLEGAL_VERSIONING.into());
    }
    one_of(node, "Status", &["Enabled", "Suspended"])?;
    let is_locked = row.settings.contains_key(&Setting::ObjectLock);
    if is_locked && node.text_of("Status") == Some("Suspended") {
        return Err(Fault::saying(
            fault::INVALID_BUCKET_STATE,
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        ));
    }
    Ok(())
}

fn cors(node: &Node) -> Result<(), Fault> {
    let count = node.all("CORSRule").count();
    if count == 0 || CORS_RULES_MAX < count {
        return Err(malformed());
    }
    for rule in node.all("CORSRule") {
        if rule.child("AllowedMethod").is_none() || rule.child("AllowedOrigin").is_none() {
            return Err(malformed());
        }
        for method in rule.all("AllowedMethod") {
            if !["GET", "PUT", "POST", "DELETE", "HEAD"].contains(&method.text.as_str()) {
                return Err(Fault::saying(
                    fault::INVALID_REQUEST,
                    format!(
                        "Found unsupported HTTP method in CORS config. Unsupported method is {}",
                        method.text
                    ),
                ));
            }
        }
        for origin in rule.all("AllowedOrigin") {
            if 1 < origin.text.matches('*').count() {
                return Err(Fault::saying(
                    fault::INVALID_REQUEST,
                    format!(
                        "AllowedOrigin \"{}\" can not have more than one wildcard.",
                        origin.text
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn encryption(node: &Node) -> Result<(), Fault> {
    let rule = node.child("Rule").ok_or_else(malformed)?;
    let by_default = rule
        .child("ApplyServerSideEncryptionByDefault")
        .ok_or_else(malformed)?;
    one_of(
        by_default,
        "SSEAlgorithm",
        &["AES256", "aws:kms", "aws:kms:dsse"],
    )?;
    let has_key = by_default.child("KMSMasterKeyID").is_some();
    if has_key && by_default.text_of("SSEAlgorithm") == Some("AES256") {
        return Err(Fault::argument(
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            "ApplyServerSideEncryptionByDefault",
            "AES256",
        ));
    }
    Ok(())
}

fn logging(node: &Node) -> Result<(), Fault> {
    match node.child("LoggingEnabled") {
        // Access logs are kept in the log of the server alone.
        Some(_) => Err(Fault::not_implemented("Server access logging")),
        None => Ok(()),
    }
}

fn owned(node: &Node, row: &Row) -> Result<(), Fault> {
    let ownership = ownership(node).ok_or_else(malformed)?;
    let private = super::access::Acl::private(&row.account);
    if ownership == Ownership::BucketOwnerEnforced && row.acl != private {
        return Err(Fault::saying(
            fault::INVALID_ACL_OWNERSHIP,
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        ));
    }
    Ok(())
}

fn access_block(node: &Node) -> Result<Node, Fault> {
    let mut block = Node::new("PublicAccessBlockConfiguration");
    for name in [
        "BlockPublicAcls",
        "IgnorePublicAcls",
        "BlockPublicPolicy",
        "RestrictPublicBuckets",
    ] {
        let text = node.text_of(name).unwrap_or("false").to_ascii_lowercase();
        if text != "true" && text != "false" {
            return Err(malformed());
        }
        block = block.with(Node::of_text(name, text));
    }
    Ok(block)
}

fn object_lock(node: &Node, row: &Row) -> Result<(), Fault> {
    let versioning = row.settings.get(&Setting::Versioning);
    if versioning.and_then(|node| node.text_of("Status")) != Some("Enabled") {
        return Err(Fault::saying(
            fault::INVALID_BUCKET_STATE,
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        ));
    }
    one_of(node, "ObjectLockEnabled", &["Enabled"])?;
    let Some(rule) = node.child("Rule") else {
        return Ok(());
    };
    let retention = rule.child("DefaultRetention").ok_or_else(malformed)?;
    one_of(retention, "Mode", &["GOVERNANCE", "COMPLIANCE"])?;
    let period = match (retention.text_of("Days"), retention.text_of("Years")) {
        (Some(days), None) => (days, 36_500),
        (None, Some(years)) => (years, 100),
        (Some(_), Some(_)) | (None, None) => return Err(malformed()),
    };
    let number: i64 = period.0.trim().parse().map_err(|_| malformed())?;
    if number <= 0 {
        return Err(fault::INVALID_RETENTION_PERIOD.into());
    }
    if period.1 < number {
        return Err(Fault::saying(
            fault::INVALID_RETENTION_PERIOD,
            "Default retention period too large",
        ));
    }
    Ok(())
}

fn lifecycle(node: &mut Node) -> Result<(), Fault> {
    let count = node.all("Rule").count();
    if count == 0 || LIFECYCLE_RULES_MAX < count {
        return Err(malformed());
    }
    let mut ids = Vec::new();
    for (index, rule) in node.children.iter_mut().enumerate() {
        if rule.name != "Rule" {
            return Err(malformed());
        }
        match rule.text_of("ID") {
            Some(id) if RULE_ID_CHARS_MAX < id.chars().count() => {
                return Err(Fault::saying(
                    fault::INVALID_ARGUMENT,
                    "ID length should not exceed allowed limit of 255",
                ));
            }
            Some(id) if ids.iter().any(|there| there == id) => {
                return Err(Fault::saying(
                    fault::INVALID_ARGUMENT,
                    "Rule ID must be unique. Found same ID for more than one rule",
                ));
            }
            Some(id) if !id.is_empty() => ids.push(id.to_owned()),
            Some(_) | None => {
                rule.children.retain(|child| child.name != "ID");
                let id = format!("rule-{}", index + 1);
                rule.children.insert(0, Node::of_text("ID", id));
            }
        }
        lifecycle_rule(rule)?;
    }
    Ok(())
}

fn lifecycle_rule(rule: &Node) -> Result<(), Fault> {
    one_of(rule, "Status", &["Enabled", "Disabled"])?;
    let actions = [
        "Expiration",
        "Transition",
        "NoncurrentVersionExpiration",
        "NoncurrentVersionTransition",
        "AbortIncompleteMultipartUpload",
    ];
    if !rule
        .children
        .iter()
        .any(|child| actions.contains(&child.name.as_str()))
    {
        return Err(Fault::saying(
            fault::INVALID_REQUEST,
            "At least one action needs to be specified in a rule",
        ));
    }
    if rule.child("Prefix").is_none() && rule.child("Filter").is_none() {
        return Err(malformed());
    }
    if let Some(filter) = rule.child("Filter") {
        let within = filter.child("And").unwrap_or(filter);
        if filter.child("And").is_none() && 1 < filter.children.len() {
            return Err(malformed());
        }
        for tag in within.all("Tag") {
            if tag.child("Key").is_none() || tag.child("Value").is_none() {
                return Err(malformed());
            }
        }
    }
    for child in &rule.children {
        match child.name.as_str() {
            "Expiration" => expiration(child)?,
            "Transition" | "NoncurrentVersionTransition" => transition(child)?,
            "NoncurrentVersionExpiration" => positive(child, "NoncurrentDays")?,
            "AbortIncompleteMultipartUpload" => positive(child, "DaysAfterInitiation")?,
            _ => {}
        }
    }
    Ok(())
}

fn expiration(node: &Node) -> Result<(), Fault> {
    let given = node.children.len();
    match (node.child("Days"), node.text_of("Date")) {
        (Some(_), None) if given == 1 => positive(node, "Days"),
        (None, Some(date)) if given == 1 => midnight(date),
        (None, None) if node.child("ExpiredObjectDeleteMarker").is_some() => Ok(()),
        _ => Err(malformed()),
    }
}

fn transition(node: &Node) -> Result<(), Fault> {
    one_of(node, "StorageClass", &STORAGE_CLASSES)?;
    for name in ["Days", "NoncurrentDays"] {
        let text = node.text_of(name);
        if text.is_some_and(|text| text.trim().parse::<u32>().is_err()) {
            return Err(malformed());
        }
    }
    node.text_of("Date").map_or(Ok(()), midnight)
}

fn midnight(date: &str) -> Result<(), Fault> {
    let at = read_iso(date.trim()).ok_or_else(malformed)?;
    if at.epoch_s() % 86_400 == 0 {
        Ok(())
    } else {
        Err(Fault::saying(
            fault::INVALID_ARGUMENT,
            "'Date' must be at midnight GMT",
        ))
    }
}

fn positive(node: &Node, name: &str) -> Result<(), Fault> {
    let Some(text) = node.text_of(name) else {
        return Err(malformed());
    };
    match text.trim().parse::<i64>() {
        Ok(number) if 0 < number => Ok(()),
        Ok(_) => Err(Fault::saying(
            fault::INVALID_ARGUMENT,
            format!(
                "'{name}' for {} action must be a positive integer",
                node.name
            ),
        )),
        Err(_) => Err(malformed()),
    }
}

/// Events that a rule may name. Those of Glacier, replication and tiering never happen here.
const EVENTS: [&str; 29] = [
    "s3:IntelligentTiering",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:LifecycleTransition",
    "s3:ObjectAcl:Put",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Put",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:ObjectRestore:Post",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Delete",
    "s3:ObjectTagging:Put",
    "s3:ReducedRedundancyLostObject",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:TestEvent",
    "s3:ObjectAnnotation:*",
];

fn notification(node: &mut Node) -> Result<(), Fault> {
    for (index, rule) in node.children.iter_mut().enumerate() {
        if rule.name == "EventBridgeConfiguration" {
            continue;
        }
        let (element, service) = target_element(&rule.name).ok_or_else(malformed)?;
        let arn = rule.text_of(element).ok_or_else(malformed)?.to_owned();
        let is_target = model::arn::Arn::parse(&arn).is_ok_and(|arn| arn.service == service);
        if !is_target {
            return Err(Fault::argument("The ARN could not be parsed", element, arn));
        }
        if arn.ends_with(".fifo") {
            return Err(Fault::argument(
                UNFIT_TARGETS,
                &arn,
                "The destination is a FIFO queue or topic, which is not supported",
            ));
        }
        if rule.child("Event").is_none() {
            return Err(malformed());
        }
        let is_unknown = |event: &&Node| !EVENTS.contains(&event.text.as_str());
        if let Some(unknown) = rule.all("Event").find(is_unknown) {
            return Err(Fault::argument(
                "The event is not supported for notifications",
                "Event",
                unknown.text.clone(),
            ));
        }
        let names: Vec<String> = rule
            .child("Filter")
            .and_then(|filter| filter.child("S3Key"))
            .into_iter()
            .flat_map(|key| key.all("FilterRule"))
            .map(|rule| {
                rule.text_of("Name")
                    .unwrap_or_default()
                    .to_ascii_lowercase()
            })
            .collect();
        if let Some(unknown) = names
            .iter()
            .find(|name| *name != "prefix" && *name != "suffix")
        {
            return Err(Fault::argument(
                "filter rule name must be either prefix or suffix",
                "FilterRule.Name",
                unknown.clone(),
            ));
        }
        if names.len() == 2 && names.first() == names.last() || 2 < names.len() {
            return Err(Fault::argument(
                "Cannot specify more than one prefix rule in a filter.",
                "FilterRule.Name",
                names.join(", "),
            ));
        }
        if rule.text_of("Id").is_none_or(str::is_empty) {
            rule.children.retain(|child| child.name != "Id");
            let id = format!("notification-{}", index + 1);
            rule.children.insert(0, Node::of_text("Id", id));
        }
    }
    overlaps(node)
}

/// No two rules may tell of the same thing.
fn overlaps(node: &Node) -> Result<(), Fault> {
    let rules = super::notification::read(node);
    for (index, rule) in rules.iter().enumerate() {
        if rules
            .iter()
            .skip(index + 1)
            .any(|other| rule.overlaps(other))
        {
            return Err(Fault::saying(
                fault::INVALID_ARGUMENT,
                "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.",
            ));
        }
    }
    Ok(())
}
