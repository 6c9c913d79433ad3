//! `s3` events.
//!
//! Lives here: the buckets that these events make, and what they tell functions.
//! Does not live here: buckets of the manifest's own resources, which `existing: true` means (`existing_buckets`).

use std::collections::BTreeMap;

use cloudformation::node::Node;
use model::problem::Problem;

use super::{behind_alias, existing_buckets, of_type};
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::naming;
use crate::serverless_framework::script;
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::template::Draft;

/// What functions hear of when the event does not say.
const EVENT_DEFAULT: &str = "s3:ObjectCreated:*";

/// One bucket, and who hears of what.
struct Bucket<'a> {
    name: String,
    /// What the events call it: its name, or a key of `provider.s3`.
    key: String,
    settings: Option<&'a Node>,
    notifications: Vec<Object>,
    functions: Vec<Function<'a>>,
    place: &'a model::problem::Place,
}

pub(in crate::serverless_framework::template) fn write(service: &Service<'_>, draft: &mut Draft) {
    let mut buckets: Vec<Bucket<'_>> = Vec::new();
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    let mut existing = Vec::new();
    for (function, _, event) in of_type(service, "s3") {
        if script::truthy(event.get("existing")).is_some() {
            existing.push((function, event));
            continue;
        }
        let named = if event.as_mapping().is_some() {
            event.get("bucket")
        } else {
            Some(event)
        };
        let Some(key) = named.and_then(script::text_of) else {
            draft.problems.push(without_name(function, event));
            continue;
        };
        let settings = service
            .setting_at(&["s3"])
            .and_then(|buckets| buckets.get(&key));
        let own_name = script::truthy(settings.and_then(|bucket| bucket.get("name")));
        let name = own_name
            .and_then(script::text_of)
            .unwrap_or_else(|| key.clone());
        let index = *at.entry(name.clone()).or_insert_with(|| {
            buckets.push(Bucket {
                name,
                key,
                settings,
                notifications: Vec::new(),
                functions: Vec::new(),
                place: &event.place,
            });
            buckets.len() - 1
        });
        if let Some(bucket) = buckets.get_mut(index) {
            let target = function.target(&event.place);
            bucket.notifications.push(notification(event, target));
            bucket.functions.push(function);
        }
    }
    for bucket in buckets {
        write_bucket(bucket, draft);
    }
    existing_buckets::write(service, &existing, draft);
}

/// What a bucket tells a function, which is told whom to call.
pub(super) fn notification(event: &Node, target: Node) -> Object {
    let place = &event.place;
    let kind = script::truthy(event.get("event")).cloned();
    let mut notification = Object::new(place)
        .with(
            "Event",
            kind.unwrap_or_else(|| Node::string(EVENT_DEFAULT, place)),
        )
        .with("Function", target);
    if let Some(rules) = script::truthy(event.get("rules")) {
        let rules: Vec<Object> = rules
            .as_sequence()
            .unwrap_or_default()
            .iter()
            .filter_map(|rule| {
                let first = rule.as_mapping()?.iter().next()?;
                let object = Object::new(&rule.place).with("Name", &first.key);
                Some(object.with("Value", &first.value))
            })
            .collect();
        let key = Object::new(place).with("Rules", rules);
        notification.set("Filter", Object::new(place).with("S3Key", key));
    }
    notification
}

fn write_bucket(bucket: Bucket<'_>, draft: &mut Draft) {
    let place = bucket.place;
    let settings = bucket.settings.and_then(Node::as_mapping);
    let mut configuration = Object::new(place).with("LambdaConfigurations", bucket.notifications);
    let mut properties = Object::new(place).with("BucketName", &bucket.name);
    let mut others = Object::new(place);
    for entry in settings.into_iter().flatten() {
        match entry.key.as_str() {
            "name" => {}
            "notificationConfiguration" | "NotificationConfiguration" => {
                for more in entry.value.as_mapping().into_iter().flatten() {
                    configuration.set(&more.key, &more.value);
                }
            }
            key => others.set(&naming::upper_first(key), &entry.value),
        }
    }
    properties.set("NotificationConfiguration", configuration);
    for entry in others.node().as_mapping().into_iter().flatten() {
        properties.set(&entry.key, &entry.value);
    }
    let permission_id = |function: &Function<'_>| {
        format!(
            "{}LambdaPermission{}S3",
            naming::normalised(function.key),
            naming::alphanumeric(&bucket.key)
        )
    };
    let mut depends_on: Vec<String> = Vec::new();
    for function in &bucket.functions {
        depends_on.push(permission_id(function));
        depends_on.extend(function.alias().map(|alias| alias.logical_id));
    }
    let resource = build::resource("AWS::S3::Bucket", properties).with("DependsOn", depends_on);
    let id = format!("S3Bucket{}", naming::alphanumeric(&bucket.key));
    draft.merge(&id, resource);
    for function in &bucket.functions {
        let source = build::joined(
            "",
            build::arn_parts(
                &["arn:", "AWS::Partition", &format!(":s3:::{}", bucket.name)],
                place,
            ),
            place,
        );
        let properties = Object::new(place)
            .with("FunctionName", function.target(place))
            .with("Action", "lambda:InvokeFunction")
            .with("Principal", "s3.amazonaws.com")
            .with("SourceArn", source)
            .with("SourceAccount", build::reference("AWS::AccountId", place));
        let resource = build::resource("AWS::Lambda::Permission", properties);
        draft.merge(&permission_id(function), behind_alias(*function, resource));
    }
}

fn without_name(function: Function<'_>, event: &Node) -> Problem {
    Problem::error(
        "manifest::bucket-without-name",
        format!(
            "an `s3` event of the function `{}` has no text as its bucket's name",
            function.key
        ),
    )
    .at(&event.place)
    .because("the event makes the bucket, and the name has to be known for that")
    .help("name the bucket, as `s3: my-photos`")
}
