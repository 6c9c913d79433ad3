//! `stream` events: mappings from streams to functions.
//!
//! Lives here: one mapping an event, and what it adds to the shared role.
//! Does not live here: which sources are read (`deployment::application::event_sources`).

use cloudformation::node::{Kind, Node};
use model::problem::Problem;
use serde_json::json;

use super::{Draft, roles};
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::{naming, script};

/// Records of a batch when the manifest does not say.
const BATCH_RECORDS_DEFAULT: u32 = 10;

/// Settings that become a property as they are, once they are there.
const PASSED: [(&str, &str); 5] = [
    ("batchWindow", "MaximumBatchingWindowInSeconds"),
    ("maximumRetryAttempts", "MaximumRetryAttempts"),
    ("bisectBatchOnFunctionError", "BisectBatchOnFunctionError"),
    ("maximumRecordAgeInSeconds", "MaximumRecordAgeInSeconds"),
    ("tumblingWindowInSeconds", "TumblingWindowInSeconds"),
];

pub(super) fn write(service: &Service<'_>, draft: &mut Draft) {
    for function in service.functions() {
        let (mut tables, mut streams, mut topics, mut queues) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for event in function.events() {
            let Some(stream) = script::truthy(event.get("stream")) else {
                continue;
            };
            let Some((arn, kind)) = source(stream) else {
                draft.problems.push(without_source(function, stream));
                continue;
            };
            if kind == "dynamodb" {
                tables.push(arn.clone());
            } else {
                streams.push(arn.clone());
            }
            let failed = stream.at_path(["destinations", "onFailure"]);
            if let Some((target, is_topic)) = failed.map(destination) {
                let targets = if is_topic { &mut topics } else { &mut queues };
                targets.push(target.clone());
            }
            write_mapping(service, function, stream, (arn, &kind), draft);
        }
        let reading = |service: &str| {
            let verbs = [
                "GetRecords",
                "GetShardIterator",
                "DescribeStream",
                "ListStreams",
            ];
            json!(verbs.map(|verb| format!("{service}:{verb}")))
        };
        for (actions, resources) in [
            (reading("dynamodb"), tables),
            (reading("kinesis"), streams),
            (json!(["sns:Publish"]), topics),
            (json!(["sqs:ListQueues", "sqs:SendMessage"]), queues),
        ] {
            if !resources.is_empty() {
                let statement = Object::new(function.place)
                    .with("Effect", "Allow")
                    .with("Action", actions)
                    .with("Resource", resources);
                draft.allow(statement.node());
            }
        }
    }
}

fn write_mapping(
    service: &Service<'_>,
    function: Function<'_>,
    stream: &Node,
    (arn, kind): (&Node, &str),
    draft: &mut Draft,
) {
    let place = &stream.place;
    let setting = |key: &str| stream.get(key).filter(|node| node.kind != Kind::Null);
    let batch = script::truthy(setting("batchSize")).cloned();
    let start = script::truthy(setting("startingPosition")).cloned();
    let mut properties = Object::new(place)
        .with(
            "BatchSize",
            batch.unwrap_or_else(|| build::Part::into_node(BATCH_RECORDS_DEFAULT, place)),
        )
        .with(
            "Enabled",
            setting("enabled")
                .cloned()
                .unwrap_or_else(|| build::Part::into_node(true, place)),
        )
        .with("EventSourceArn", arn)
        .with("FunctionName", function.target(place))
        .with_some(
            "ParallelizationFactor",
            script::truthy(setting("parallelizationFactor")),
        )
        .with(
            "StartingPosition",
            start.unwrap_or_else(|| Node::string("TRIM_HORIZON", place)),
        );
    for (key, name) in PASSED {
        properties = properties.with_some(name, setting(key));
    }
    if let Some(kind) = setting("functionResponseType") {
        properties.set("FunctionResponseTypes", vec![kind.clone()]);
    }
    if let Some(failed) = stream.at_path(["destinations", "onFailure"]) {
        let (target, _) = destination(failed);
        let target = Object::new(&failed.place).with("Destination", target);
        let config = Object::new(&failed.place).with("OnFailure", target);
        properties.set("DestinationConfig", config);
    }
    if let Some(filters) = filters(stream) {
        properties.set("FilterCriteria", filters);
    }
    let resource = build::resource("AWS::Lambda::EventSourceMapping", properties)
        .with("DependsOn", depends_on(service, function));
    let id = format!(
        "{}EventSourceMapping{}{}",
        naming::normalised(function.key),
        naming::upper_first(kind),
        naming::alphanumeric(&source_name(arn))
    );
    draft.add(&id, resource);
}

/// Which records or messages reach the function.
pub(super) fn filters(event: &Node) -> Option<Object> {
    let patterns = event.get("filterPatterns").and_then(Node::as_sequence)?;
    let filters: Vec<Object> = patterns
        .iter()
        .map(|pattern| Object::new(&pattern.place).with("Pattern", pattern.to_json().to_string()))
        .collect();
    Some(Object::new(&event.place).with("Filters", filters))
}

/// What a mapping waits for: the function's role, and the alias that it calls.
pub(super) fn depends_on(service: &Service<'_>, function: Function<'_>) -> Vec<Node> {
    let mut depends_on: Vec<Node> = role_resource(service, function).into_iter().collect();
    if let Some(alias) = function.alias() {
        depends_on.push(Node::string(alias.logical_id, function.place));
    }
    depends_on
}

/// The source's ARN, and the service that it belongs to.
fn source(stream: &Node) -> Option<(&Node, String)> {
    let arn = match stream.as_str() {
        Some(_) => stream,
        None => stream.get("arn")?,
    };
    let named = stream.get("type").and_then(Node::as_str).map(str::to_owned);
    let in_arn = || arn.as_str()?.split(':').nth(2).map(str::to_owned);
    Some((arn, named.or_else(in_arn)?))
}

/// What a mapping's logical id says of its source.
fn source_name(arn: &Node) -> String {
    if let Some(text) = arn.as_str() {
        return text.split('/').nth(1).unwrap_or_default().to_owned();
    }
    let ways: [&[&str]; 3] = [&["Fn::GetAtt", "0"], &["Fn::ImportValue"], &["Ref"]];
    let named = ways
        .iter()
        .find_map(|way| arn.at_path(way.iter().copied())?.as_str());
    let joined = || {
        let parts = arn.at_path(["Fn::Join", "1"])?.as_sequence()?;
        parts.last()?.as_str()?.rsplit('/').next()
    };
    named.or_else(joined).unwrap_or_default().to_owned()
}

/// Where records go that are given up, and whether that is a topic.
fn destination(failed: &Node) -> (&Node, bool) {
    let arn = failed.get("arn").unwrap_or(failed);
    let named = failed.get("type").and_then(Node::as_str);
    let in_arn = arn.as_str().and_then(|arn| arn.split(':').nth(2));
    (arn, named.or(in_arn) == Some("sns"))
}

/// The function's role, if it is a resource of this template.
fn role_resource(service: &Service<'_>, function: Function<'_>) -> Option<Node> {
    let place = function.place;
    let Some(role) = function.role(service) else {
        return Some(Node::string(roles::LOGICAL_ID, place));
    };
    match role.as_str() {
        Some(text) if text.contains(':') => None,
        Some(_) => Some(role.clone()),
        None => role.at_path(["Fn::GetAtt", "0"]).cloned(),
    }
}

fn without_source(function: Function<'_>, stream: &Node) -> Problem {
    Problem::error(
        "manifest::stream-without-source",
        format!(
            "a `stream` of the function `{}` names no source",
            function.key
        ),
    )
    .at(&stream.place)
    .help("set `arn`, and `type: dynamodb` where the ARN is not a text")
}
