//! `s3` events of buckets that the manifest has elsewhere: `existing: true`.
//!
//! Lives here: telling a bucket of `resources`, or of a construct, whom to call.
//! Does not live here: buckets that events make (`buckets`).
//!
//! Differs: the tool deploys code that sets the notification of any bucket of the account; here it becomes part of the bucket, so
//! that has to be one of the manifest.

use std::collections::BTreeMap;

use cloudformation::node::Node;
use model::problem::Problem;

use super::buckets::notification;
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::template::Draft;
use crate::serverless_framework::{naming, script};

pub(super) fn write(service: &Service<'_>, events: &[(Function<'_>, &Node)], draft: &mut Draft) {
    let mut told: BTreeMap<String, Vec<Object>> = BTreeMap::new();
    for (function, event) in events {
        let Some(bucket) = event
            .get("bucket")
            .and_then(|named| logical_id(service, named, draft))
        else {
            draft.problems.push(not_here(*function, event));
            continue;
        };
        let target = arn(service, *function, event);
        told.entry(bucket.clone())
            .or_default()
            .push(notification(event, target));
        let place = &event.place;
        let properties = Object::new(place)
            .with("FunctionName", function.target(place))
            .with("Action", "lambda:InvokeFunction")
            .with("Principal", "s3.amazonaws.com")
            .with("SourceArn", build::attribute(&bucket, "Arn", place))
            .with("SourceAccount", build::reference("AWS::AccountId", place));
        let id = format!(
            "{}LambdaPermission{bucket}S3",
            naming::normalised(function.key)
        );
        draft.add(&id, build::resource("AWS::Lambda::Permission", properties));
    }
    for (bucket, notifications) in told {
        let Some((_, first)) = events.first() else {
            return;
        };
        let place = &first.place;
        let configuration = Object::new(place).with("LambdaConfigurations", notifications);
        let properties = Object::new(place).with("NotificationConfiguration", configuration);
        draft.merge(&bucket, build::resource("AWS::S3::Bucket", properties));
    }
}

/// The function, by its name: the bucket is made before it, since its environment may name the bucket.
fn arn(service: &Service<'_>, function: Function<'_>, event: &Node) -> Node {
    let place = &event.place;
    let mut parts = build::arn_parts(
        &[
            "arn:",
            "AWS::Partition",
            ":lambda:",
            "AWS::Region",
            ":",
            "AWS::AccountId",
            ":function:",
        ],
        place,
    );
    parts.push(function.name(service));
    if let Some(alias) = function.alias() {
        parts.push(Node::string(format!(":{}", alias.name), place));
    }
    build::joined("", parts, place)
}

/// The bucket of the manifest that is meant, by its name or a reference.
fn logical_id(service: &Service<'_>, named: &Node, draft: &Draft) -> Option<String> {
    let resources = service.root.at_path(["resources", "Resources"]);
    let is_bucket =
        |resource: &Node| resource.get("Type").and_then(Node::as_str) == Some("AWS::S3::Bucket");
    if let Some(id) = named.get("Ref").and_then(Node::as_str) {
        let own = resources.and_then(|resources| resources.get(id));
        let is_there = own.or(draft.resources.get(id)).is_some_and(is_bucket);
        return is_there.then(|| id.to_owned());
    }
    let name = script::text_of(named)?;
    let own = resources.and_then(Node::as_mapping).into_iter().flatten();
    let mut buckets = own.filter(|entry| is_bucket(&entry.value));
    let found = buckets.find(|entry| {
        let own = entry.value.at_path(["Properties", "BucketName"]);
        own.and_then(script::text_of).as_deref() == Some(name.as_str())
    });
    found.map(|entry| entry.key.clone())
}

fn not_here(function: Function<'_>, event: &Node) -> Problem {
    Problem::error(
        "manifest::bucket-without-name",
        format!("an `s3` event of the function `{}` names a bucket that the manifest does not have", function.key),
    )
    .at(&event.place)
    .because("`existing: true` is for buckets under `resources`: the tool would set the notification of any bucket of the account")
    .help("declare the bucket under `resources`, with its `BucketName`, or name it by `Ref`")
}
