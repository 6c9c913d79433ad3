//! `SNS` events: subscriptions of a function, or of a queue that the function reads.
//!
//! Lives here: the subscription, and the queue between with all that belongs to it.
//! Does not live here: other mappings from queues (`pull`).

use cloudformation::node::{Mapping, Node};

use super::{INVALID, Push, queue_policy};
use crate::sam::context::Context;
use crate::sam::nodes::{attribute, json, reference, referred, text};
use serde_json::json;

const KNOWN: [&str; 6] = [
    "FilterPolicy",
    "FilterPolicyScope",
    "RedrivePolicy",
    "Region",
    "SqsSubscription",
    "Topic",
];
/// Messages of a batch when the manifest does not say.
const BATCH_MESSAGES_DEFAULT: u32 = 10;

/// Whether a queue stands between the topic and the function.
pub(in crate::sam) fn uses_queue(event: &Node) -> bool {
    let setting = event.at_path(["Properties", "SqsSubscription"]);
    setting.is_some_and(|setting| match setting.as_mapping() {
        Some(mapping) => !mapping.is_empty(),
        None => setting.as_bool() == Some(true),
    })
}

pub(super) fn write(event: &Push<'_>, context: &mut Context<'_>) {
    if !event.check(&KNOWN, &["Topic"], context) {
        return;
    }
    let Some(topic) = event.get("Topic").cloned() else {
        return;
    };
    let place = event.place;
    match event.get("SqsSubscription") {
        Some(setting) if setting.as_bool() == Some(true) => {
            let queue = format!("{}Queue", event.id);
            let mut properties = Mapping::default();
            if let Some(fifo) = fifo(&topic, context) {
                properties.set("FifoQueue", place, fifo);
            }
            event.write(&queue, "AWS::SQS::Queue", properties, context);
            let arn = attribute(&queue, "Arn", place);
            let url = reference(&queue, place);
            let policy = format!("{}QueuePolicy", event.id);
            through_queue(event, topic, (arn, url), &policy, None, context);
        }
        Some(setting) if setting.as_mapping().is_some_and(|it| !it.is_empty()) => {
            let (Some(arn), Some(url)) = (setting.get("QueueArn"), setting.get("QueueUrl")) else {
                let title = "`SqsSubscription` needs `QueueArn` and `QueueUrl`";
                context.invalid(INVALID, title, &setting.place);
                return;
            };
            let given = setting.get("QueuePolicyLogicalId").and_then(Node::as_str);
            let policy = given.map_or_else(|| format!("{}QueuePolicy", event.id), str::to_owned);
            let batch = setting.get("BatchSize").cloned();
            let queue = (arn.clone(), url.clone());
            through_queue(event, topic, queue, &policy, batch, context);
        }
        Some(_) | None => {
            event.permit(
                "sns.amazonaws.com",
                Some(("SourceArn", topic.clone())),
                context,
            );
            subscribe(event, "lambda", event.function_arn(), topic, context);
        }
    }
}

/// `FifoTopic` of a topic of the template.
fn fifo(topic: &Node, context: &Context<'_>) -> Option<Node> {
    let id = referred(topic).or_else(|| topic.at_path(["Fn::GetAtt", "0"])?.as_str())?;
    let setting = context
        .template_resource(id)?
        .at_path(["Properties", "FifoTopic"])?;
    let setting = context.resolved(setting);
    (setting.as_bool() != Some(false)).then(|| setting.clone())
}

fn through_queue(
    event: &Push<'_>,
    topic: Node,
    (arn, url): (Node, Node),
    policy: &str,
    batch: Option<Node>,
    context: &mut Context<'_>,
) {
    let place = event.place;
    let properties = queue_policy(text("*", place), topic.clone(), arn.clone(), url, place);
    event.write(policy, "AWS::SQS::QueuePolicy", properties, context);
    subscribe(event, "sqs", arn.clone(), topic, context);
    let mut mapping = Mapping::default();
    mapping.set(
        "FunctionName",
        place,
        reference(&event.target.invoked, place),
    );
    mapping.set("EventSourceArn", place, arn);
    let batch = batch.unwrap_or_else(|| json(&json!(BATCH_MESSAGES_DEFAULT), place));
    mapping.set("BatchSize", place, batch);
    mapping.set("Enabled", place, json(&json!(true), place));
    let id = format!("{}EventSourceMapping", event.id);
    event.write(&id, "AWS::Lambda::EventSourceMapping", mapping, context);
}

fn subscribe(
    event: &Push<'_>,
    protocol: &str,
    endpoint: Node,
    topic: Node,
    context: &mut Context<'_>,
) {
    let place = event.place;
    let mut properties = event.passed(&[
        "Region",
        "FilterPolicy",
        "FilterPolicyScope",
        "RedrivePolicy",
    ]);
    properties.set("Protocol", place, text(protocol, place));
    properties.set("Endpoint", place, endpoint);
    properties.set("TopicArn", place, topic);
    event.write(&event.id, "AWS::SNS::Subscription", properties, context);
}
