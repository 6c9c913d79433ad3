//! `sqs` events: mappings from queues to functions.
//!
//! Lives here: one mapping an event, and what it adds to the shared role.
//! Does not live here: which sources are read (`deployment::application::event_sources`).

use cloudformation::node::Node;
use model::problem::Problem;
use serde_json::json;

use super::of_type;
use crate::serverless_framework::build::{self, Object, Part};
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::template::{Draft, streams};
use crate::serverless_framework::{naming, script};

/// Messages of a batch when the manifest does not say.
const BATCH_MESSAGES_DEFAULT: u32 = 10;

pub(in crate::serverless_framework::template) fn write(service: &Service<'_>, draft: &mut Draft) {
    let mut queues: Vec<Node> = Vec::new();
    for (function, _, event) in of_type(service, "sqs") {
        let named = if event.as_mapping().is_some() {
            event.get("arn")
        } else {
            Some(event)
        };
        let Some(arn) = script::present(named) else {
            draft.problems.push(
                Problem::error(
                    "manifest::queue-without-arn",
                    format!(
                        "an `sqs` event of the function `{}` names no queue",
                        function.key
                    ),
                )
                .at(&event.place)
                .help("set `arn`, as `arn: !GetAtt MyQueue.Arn`"),
            );
            continue;
        };
        queues.push(arn.clone());
        write_mapping(service, function, arn, event, draft);
    }
    if queues.is_empty() {
        return;
    }
    let statement = Object::new(&service.root.place)
        .with("Effect", "Allow")
        .with(
            "Action",
            json!([
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes"
            ]),
        )
        .with("Resource", queues);
    draft.allow(statement.node());
}

fn write_mapping(
    service: &Service<'_>,
    function: Function<'_>,
    arn: &Node,
    event: &Node,
    draft: &mut Draft,
) {
    let place = &event.place;
    let setting = |key: &str| script::present(event.get(key));
    let batch = script::truthy(setting("batchSize")).cloned();
    let enabled = setting("enabled").cloned();
    let mut properties = Object::new(place)
        .with(
            "BatchSize",
            batch.unwrap_or_else(|| BATCH_MESSAGES_DEFAULT.into_node(place)),
        )
        .with_some(
            "MaximumBatchingWindowInSeconds",
            setting("maximumBatchingWindow"),
        )
        .with("EventSourceArn", arn)
        .with("FunctionName", function.target(place))
        .with("Enabled", enabled.unwrap_or_else(|| true.into_node(place)));
    if let Some(kind) = setting("functionResponseType") {
        properties.set("FunctionResponseTypes", vec![kind.clone()]);
    }
    if let Some(filters) = streams::filters(event) {
        properties.set("FilterCriteria", filters);
    }
    if let Some(concurrency) = script::truthy(setting("maximumConcurrency")) {
        let scaling = Object::new(place).with("MaximumConcurrency", concurrency);
        properties.set("ScalingConfig", scaling);
    }
    let resource = build::resource("AWS::Lambda::EventSourceMapping", properties)
        .with("DependsOn", streams::depends_on(service, function));
    let id = format!(
        "{}EventSourceMappingSQS{}",
        naming::normalised(function.key),
        naming::alphanumeric(&queue_name(arn))
    );
    draft.merge(&id, resource);
}

/// What a mapping's logical id says of its queue.
fn queue_name(arn: &Node) -> String {
    if let Some(text) = arn.as_str() {
        return text.rsplit(':').next().unwrap_or_default().to_owned();
    }
    let ways: [&[&str]; 2] = [&["Fn::GetAtt", "0"], &["Fn::ImportValue"]];
    let named = ways
        .iter()
        .find_map(|way| arn.at_path(way.iter().copied())?.as_str());
    let joined = || {
        let parts = arn.at_path(["Fn::Join", "1"])?.as_sequence()?;
        parts.last()?.as_str()
    };
    named.or_else(joined).unwrap_or_default().to_owned()
}
