//! `sns` events.
//!
//! Lives here: topics that these events make, and subscriptions to them and to topics that exist.
//! Does not live here: filtering and delivering.

use cloudformation::node::Node;
use model::problem::Problem;
use serde_json::json;

use super::{behind_alias, of_type, permission};
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::naming;
use crate::serverless_framework::script;
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::template::Draft;

/// What an event says of its topic.
struct Topic {
    name: String,
    /// None: the event makes the topic.
    arn: Option<Node>,
    region: Option<String>,
}

pub(in crate::serverless_framework::template) fn write(service: &Service<'_>, draft: &mut Draft) {
    for (function, _, event) in of_type(service, "sns") {
        let Some(topic) = topic(service, event) else {
            draft.problems.push(without_name(function, event));
            continue;
        };
        let redrive = redrive(function, &topic, event, draft);
        let source = match &topic.arn {
            Some(arn) => {
                subscribe(function, &topic, arn.clone(), event, redrive, draft);
                arn.clone()
            }
            None => make(function, &topic, event, redrive, draft),
        };
        let id = format!(
            "{}LambdaPermission{}SNS",
            naming::normalised(function.key),
            naming::alphanumeric(&topic.name)
        );
        let permission = permission(function, "sns.amazonaws.com", source, &event.place);
        draft.merge(&id, permission);
    }
}

fn topic(service: &Service<'_>, event: &Node) -> Option<Topic> {
    if let Some(text) = event.as_str() {
        let is_arn = text.starts_with("arn:");
        let name = text.rsplit(':').next().unwrap_or_default();
        return Some(Topic {
            name: name.to_owned(),
            arn: is_arn.then(|| event.clone()),
            region: None,
        });
    }
    let own = script::truthy(event.get("topicName")).and_then(script::text_of);
    let Some(arn) = script::truthy(event.get("arn")) else {
        return Some(Topic {
            name: own?,
            arn: None,
            region: None,
        });
    };
    let parts = arn.as_str().map(parts_of_arn).unwrap_or_default();
    let region = parts
        .get(3)
        .filter(|region| *region != service.region.as_str());
    Some(Topic {
        name: own.or_else(|| parts.last().cloned())?,
        arn: Some(arn.clone()),
        region: region.cloned(),
    })
}

/// Parts between single colons: those of `AWS::Region` separate nothing.
fn parts_of_arn(arn: &str) -> Vec<String> {
    const DOUBLE: &str = "@@";
    let text = arn.replace("::", DOUBLE);
    text.split(':')
        .map(|part| part.replace(DOUBLE, "::"))
        .collect()
}

/// A subscription of its own.
fn subscribe(
    function: Function<'_>,
    topic: &Topic,
    arn: Node,
    event: &Node,
    redrive: Option<Object>,
    draft: &mut Draft,
) {
    let place = &event.place;
    let properties = Object::new(place)
        .with("TopicArn", arn)
        .with("Protocol", "lambda")
        .with("Endpoint", function.target(place))
        .with_some("FilterPolicy", event.get("filterPolicy"))
        .with_some("FilterPolicyScope", event.get("filterPolicyScope"))
        .with_some("RedrivePolicy", redrive)
        .with_some("Region", topic.region.as_ref());
    let mut resource = build::resource("AWS::SNS::Subscription", properties);
    if topic.arn.is_some() {
        resource = behind_alias(function, resource);
    }
    let id = format!(
        "{}SnsSubscription{}",
        naming::normalised(function.key),
        naming::alphanumeric(&topic.name)
    );
    draft.merge(&id, resource);
}

/// A topic, unless another event has made it; its ARN.
fn make(
    function: Function<'_>,
    topic: &Topic,
    event: &Node,
    redrive: Option<Object>,
    draft: &mut Draft,
) -> Node {
    let place = &event.place;
    let id = format!("SNSTopic{}", naming::alphanumeric(&topic.name));
    if draft.resources.get(&id).is_none() {
        let properties = Object::new(place)
            .with("TopicName", &topic.name)
            .with_some("DisplayName", script::truthy(event.get("displayName")));
        let resource = build::resource("AWS::SNS::Topic", properties);
        draft.add(&id, behind_alias(function, resource));
    }
    if script::truthy(event.get("filterPolicy")).is_some() || redrive.is_some() {
        let arn = build::reference(&id, place);
        subscribe(function, topic, arn, event, redrive, draft);
    } else {
        let subscription = Object::new(place)
            .with("Endpoint", function.target(place))
            .with("Protocol", "lambda");
        draft.append(&id, "Subscription", subscription.node());
    }
    let parts = [
        "arn:",
        "AWS::Partition",
        ":sns:",
        "AWS::Region",
        ":",
        "AWS::AccountId",
        ":",
        &topic.name,
    ];
    build::joined("", build::arn_parts(&parts, place), place)
}

/// Where messages go that the function could not be given, and that the topic may send them there.
fn redrive(
    function: Function<'_>,
    topic: &Topic,
    event: &Node,
    draft: &mut Draft,
) -> Option<Object> {
    let policy = script::truthy(event.get("redrivePolicy"))?;
    let place = &policy.place;
    let import = |key: &str| {
        let name = policy.at_path(["deadLetterTargetImport", key]);
        Object::new(place).with_some("Fn::ImportValue", name).node()
    };
    let (arn, url) = if let Some(arn) = script::truthy(policy.get("deadLetterTargetArn")) {
        let text = arn.as_str().unwrap_or_default();
        let mut parts = text.rsplit(':');
        let (queue, account, region) = (parts.next(), parts.next(), parts.next());
        let parts = vec![
            Node::string(
                format!("https://sqs.{}.", region.unwrap_or_default()),
                place,
            ),
            build::reference("AWS::URLSuffix", place),
            Node::string(
                format!(
                    "/{}/{}",
                    account.unwrap_or_default(),
                    queue.unwrap_or_default()
                ),
                place,
            ),
        ];
        (arn.clone(), build::joined("", parts, place))
    } else if let Some(id) = policy.get("deadLetterTargetRef").and_then(Node::as_str) {
        (
            build::attribute(id, "Arn", place),
            build::reference(id, place),
        )
    } else {
        (import("arn"), import("url"))
    };
    let id = format!(
        "{}To{}DLQPolicy",
        naming::alphanumeric(&topic.name),
        naming::normalised(function.key)
    );
    let source = Object::new(place).with_some("aws:SourceArn", topic.arn.clone());
    let statement = Object::new(place)
        .with("Effect", "Allow")
        .with("Principal", json!({"Service": "sns.amazonaws.com"}))
        .with("Action", "sqs:SendMessage")
        .with("Resource", &arn)
        .with("Condition", Object::new(place).with("ArnEquals", source));
    let document = Object::new(place)
        .with("Version", "2012-10-17")
        .with("Id", &id)
        .with("Statement", vec![statement]);
    let properties = Object::new(place)
        .with("PolicyDocument", document)
        .with("Queues", vec![url]);
    draft.add(&id, build::resource("AWS::SQS::QueuePolicy", properties));
    Some(Object::new(place).with("deadLetterTargetArn", arn))
}

fn without_name(function: Function<'_>, event: &Node) -> Problem {
    Problem::error(
        "manifest::topic-without-name",
        format!("an `sns` event of the function `{}` names no topic", function.key),
    )
    .at(&event.place)
    .because("the subscription is named after the topic, and an ARN that is not a text does not say its name")
    .help("set `topicName`")
}
