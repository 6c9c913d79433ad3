//! `S3` events: what a bucket of the template tells the function.
//!
//! Lives here: the permission, and what is noted for the bucket until all resources are written.
//! Does not live here: buckets of other templates, which these events cannot name.

use cloudformation::node::{Kind, Mapping, Node};
use serde_json::json;

use super::{INVALID, Push};
use crate::sam::context::Context;
use crate::sam::nodes::{inner, json, list, mapping, only_if, reference, referred, text};

const KNOWN: [&str; 3] = ["Bucket", "Events", "Filter"];

pub(super) fn write(event: &Push<'_>, context: &mut Context<'_>) {
    if !event.check(&KNOWN, &["Bucket", "Events"], context) {
        return;
    }
    let place = event.place;
    let bucket = event.get("Bucket").and_then(referred).map(str::to_owned);
    let bucket = bucket.filter(|id| context.template_resource(id).is_some());
    let Some(bucket) = bucket else {
        let title = format!(
            "event `{}` does not refer to a bucket of this template",
            event.name
        );
        context.invalid(INVALID, title, place);
        return;
    };
    let account = ("SourceAccount", reference("AWS::AccountId", place));
    let permission = event.permit("s3.amazonaws.com", Some(account), context);
    let kinds = match event.get("Events").map(|node| &node.kind) {
        Some(Kind::Sequence(kinds)) => kinds.clone(),
        Some(_) | None => event.get("Events").cloned().into_iter().collect(),
    };
    let condition = event.declared.condition();
    let notifications = kinds.into_iter().map(|kind| {
        let mut notification = Mapping::default();
        notification.set("Event", place, kind);
        notification.set("Function", place, event.function_arn());
        if let Some(filter) = event.get("Filter") {
            notification.set("Filter", &filter.place, filter.clone());
        }
        let node = Node::new(Kind::Mapping(notification), place);
        match condition {
            Some(condition) => only_if(condition, node, place),
            None => node,
        }
    });
    let waits_for = match condition {
        None => Wait::Always(permission),
        Some(condition) => Wait::If(condition.to_owned(), permission),
    };
    context.notifications.push(Notification {
        bucket,
        notifications: notifications.collect(),
        waits_for,
    });
}

/// What a bucket gets.
pub(in crate::sam) struct Notification {
    bucket: String,
    notifications: Vec<Node>,
    waits_for: Wait,
}

/// The permission that the bucket is made after.
enum Wait {
    Always(String),
    If(String, String),
}

/// Adds to the buckets what events noted.
pub(in crate::sam) fn apply(context: &mut Context<'_>) {
    for noted in std::mem::take(&mut context.notifications) {
        let Some(node) = context.resources.get_mut(&noted.bucket) else {
            continue;
        };
        let place = node.place.clone();
        let Kind::Mapping(resource) = &mut node.kind else {
            continue;
        };
        if let Wait::Always(permission) = &noted.waits_for {
            depend_on(resource, permission, &place);
        }
        let Some(properties) = inner(resource, "Properties", &place) else {
            continue;
        };
        if let Wait::If(condition, permission) = &noted.waits_for {
            tag(properties, condition, permission, &place);
        }
        let Some(configuration) = inner(properties, "NotificationConfiguration", &place) else {
            continue;
        };
        for notification in noted.notifications {
            append(configuration, "LambdaConfigurations", notification);
        }
    }
}

fn depend_on(resource: &mut Mapping, permission: &str, place: &model::problem::Place) {
    if let Some(single) = resource
        .get("DependsOn")
        .filter(|node| node.as_str().is_some())
    {
        let list = list(vec![single.clone()], place);
        resource.set("DependsOn", place, list);
    }
    append(resource, "DependsOn", text(permission, place));
}

/// `DependsOn` knows no conditions: a tag that refers to the permission under one makes the bucket wait.
fn tag(properties: &mut Mapping, condition: &str, permission: &str, place: &model::problem::Place) {
    let waits = json!({"Fn::If": [condition, {"Ref": permission}, "no dependency"]});
    let key = format!("sam:ConditionalDependsOn:{permission}");
    let tag = mapping(
        [("Key", text(key, place)), ("Value", json(&waits, place))],
        place,
    );
    append(properties, "Tags", tag);
}

/// Adds an item to a list, unless it is there.
fn append(mapping: &mut Mapping, key: &str, item: Node) {
    let place = item.place.clone();
    match mapping.get_mut(key).map(|node| &mut node.kind) {
        Some(Kind::Sequence(items)) => {
            if items.iter().all(|other| other.to_json() != item.to_json()) {
                items.push(item);
            }
        }
        Some(_) | None => mapping.set(key, &place, list(vec![item], &place)),
    }
}
