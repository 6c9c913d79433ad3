//! `constructs` of serverless-lift: buckets and queues, with what belongs to them.
//!
//! Lives here: `storage` and `queue`, their variables, and what functions may do with them.
//! Does not live here: the other constructs, which are named as problems.
//!
//! Contract: serverless-lift 1.28, "Storage", "Queue", "Permissions". Differs: logical ids are others; moving objects to cheaper
//! classes of storage has no effect here, so that rule is left out.

use cloudformation::node::{Entry, Kind, Mapping, Node};
use model::problem::Problem;
use serde_json::{Value, json};

use super::build::{self, Object};
use super::service::Service;
use super::{naming, plugins, script};

const PLUGIN: &str = "serverless-lift";
/// How often a message is tried unless `maxRetries` says so.
const RETRIES_DEFAULT: u32 = 3;
/// The tool's default of a function's timeout, and how many of them a message stays hidden.
const TIMEOUT_DEFAULT_S: u64 = 6;
const TIMEOUTS_HIDDEN: u64 = 6;
/// Fourteen days.
const RETENTION_MAX_S: u32 = 1_209_600;

/// Adds the functions that work queues off, before anything looks at functions; names what is not made.
pub(super) fn expand(root: &mut Node, problems: &mut Vec<Problem>) {
    let mut workers = Mapping::default();
    for (construct, kind) in constructs(root) {
        match kind.as_str() {
            "storage" => {}
            "queue" => {
                if let Some(alarm) = construct.value.get("alarm") {
                    problems.push(
                        Problem::warning(
                            "manifest::construct-not-implemented",
                            format!("nobody is told of what fails in the queue `{}`", construct.key),
                        )
                        .at(&alarm.place)
                        .because("alarms send no mail here: messages that fail are in its dead letter queue"),
                    );
                }
                let name = format!("{}Worker", construct.key);
                let worker = worker(construct);
                if let Some(worker) = worker {
                    workers.set(&name, &construct.key_place, worker);
                }
            }
            other => problems.push(
                Problem::error(
                    "manifest::construct-not-implemented",
                    format!(
                        "the construct `{}` of type `{other}` is not made here",
                        construct.key
                    ),
                )
                .at(&construct.key_place)
                .because("of the constructs of serverless-lift, `storage` and `queue` are")
                .help("the rest of the project runs without it"),
            ),
        }
    }
    if workers.is_empty() {
        return;
    }
    let place = root.place.clone();
    let Kind::Mapping(root) = &mut root.kind else {
        return;
    };
    if root.get("functions").is_none() {
        root.set(
            "functions",
            &place,
            Node::new(Kind::Mapping(Mapping::default()), &place),
        );
    }
    if let Some(Kind::Mapping(functions)) = root.get_mut("functions").map(|node| &mut node.kind) {
        for entry in &workers {
            functions.set(&entry.key, &entry.key_place, entry.value.clone());
        }
    }
}

/// The resources, by logical id.
pub(super) fn resources(service: &Service<'_>) -> Vec<(String, Object)> {
    let mut made = Vec::new();
    for (construct, kind) in constructs(service.root) {
        let parts = match kind.as_str() {
            "storage" => vec![("bucket", bucket(construct))],
            "queue" => queues(construct, service),
            _others => Vec::new(),
        };
        for (part, resource) in parts {
            let more = construct.value.at_path(["extensions", part]);
            let mut node = resource.node();
            if let Some(more) = more {
                build::merge(&mut node, more);
            }
            let mut merged = Object::new(&construct.key_place);
            for entry in node.as_mapping().into_iter().flatten() {
                merged.set(&entry.key, &entry.value);
            }
            made.push((id(&construct.key, part), merged));
        }
    }
    made
}

/// What all functions may do with them.
pub(super) fn statements(service: &Service<'_>) -> Vec<Node> {
    let own = service.root.at_path(["lift", "automaticPermissions"]);
    if own.is_some_and(|flag| !script::is_true(flag)) {
        return Vec::new();
    }
    let mut statements = Vec::new();
    for (construct, kind) in constructs(service.root) {
        let arn = |part: &str| json!({"Fn::GetAtt": [id(&construct.key, part), "Arn"]});
        let statement = match kind.as_str() {
            "storage" => json!({
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket"],
                "Resource": [arn("bucket"), {"Fn::Join": ["", [arn("bucket"), "/*"]]}],
            }),
            "queue" => json!({
                "Effect": "Allow",
                "Action": "sqs:SendMessage",
                "Resource": [arn("queue")],
            }),
            _others => continue,
        };
        statements.push(Node::from_json(&statement, &construct.key_place));
    }
    statements
}

/// What `${construct:NAME.PROPERTY}` stands for; none: there is no such construct or property.
pub(super) fn variable(root: &Node, address: &str) -> Option<Value> {
    let (name, property) = address.split_once('.')?;
    let kind = root.at_path(["constructs", name, "type"])?.as_str()?;
    let reference = |part: &str| json!({"Ref": id(name, part)});
    let arn = |part: &str| json!({"Fn::GetAtt": [id(name, part), "Arn"]});
    Some(match (kind, property) {
        ("storage", "bucketName") => reference("bucket"),
        ("storage", "bucketArn") => arn("bucket"),
        ("queue", "queueUrl") => reference("queue"),
        ("queue", "queueArn") => arn("queue"),
        ("queue", "dlqUrl") => reference("dlq"),
        ("queue", "dlqArn") => arn("dlq"),
        _others => return None,
    })
}

fn constructs(root: &Node) -> impl Iterator<Item = (&Entry, String)> {
    let has_plugin = plugins::named(root).any(|name| name.as_str() == Some(PLUGIN));
    let constructs = root.get("constructs").filter(|_| has_plugin);
    let entries = constructs.and_then(Node::as_mapping).into_iter().flatten();
    entries.map(|entry| {
        let kind = entry.value.get("type").and_then(script::text_of);
        (entry, kind.unwrap_or_default())
    })
}

fn id(construct: &str, part: &str) -> String {
    format!(
        "{}{}",
        naming::normalised(construct),
        naming::upper_first(part)
    )
}

fn bucket(construct: &Entry) -> Object {
    let place = &construct.key_place;
    let encryption = construct.value.get("encryption").and_then(Node::as_str);
    let algorithm = if encryption == Some("kms") {
        "aws:kms"
    } else {
        "AES256"
    };
    let properties = Object::new(place)
        .with(
            "BucketEncryption",
            json!({"ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
            ]}),
        )
        .with("VersioningConfiguration", json!({"Status": "Enabled"}))
        .with(
            "PublicAccessBlockConfiguration",
            json!({
                "BlockPublicAcls": true, "BlockPublicPolicy": true,
                "IgnorePublicAcls": true, "RestrictPublicBuckets": true,
            }),
        )
        .with(
            "LifecycleConfiguration",
            json!({"Rules": [{"Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}}]}),
        );
    build::resource("AWS::S3::Bucket", properties)
}

fn queues(construct: &Entry, service: &Service<'_>) -> Vec<(&'static str, Object)> {
    let (place, value) = (&construct.key_place, &construct.value);
    let option = |name: &str| script::truthy(value.get(name));
    let is_fifo = option("fifo").is_some();
    let name = format!("{}-{}", service.stack_name(), construct.key);
    let suffix = if is_fifo { ".fifo" } else { "" };
    let base = |name: String| {
        let mut properties = Object::new(place).with("QueueName", format!("{name}{suffix}"));
        if is_fifo {
            properties.set("FifoQueue", true);
            properties.set("ContentBasedDeduplication", true);
        }
        match option("encryption").and_then(Node::as_str) {
            Some("kmsManaged") => properties.set("KmsMasterKeyId", "alias/aws/sqs"),
            Some("kms") => {
                if let Some(key) = option("encryptionKey") {
                    properties.set("KmsMasterKeyId", key);
                }
            }
            Some(_) | None => {}
        }
        properties
    };
    let whole = |node: Option<&Node>| {
        node.and_then(script::text_of)
            .and_then(|text| text.parse::<u64>().ok())
    };
    let timeout = whole(value.at_path(["worker", "timeout"]))
        .or_else(|| whole(service.setting("timeout")))
        .unwrap_or(TIMEOUT_DEFAULT_S);
    let hidden = timeout * TIMEOUTS_HIDDEN + whole(option("maxBatchingWindow")).unwrap_or(0);
    let retries = option("maxRetries").map_or_else(|| json!(RETRIES_DEFAULT), Node::to_json);
    let redrive = json!({
        "deadLetterTargetArn": {"Fn::GetAtt": [id(&construct.key, "dlq"), "Arn"]},
        "maxReceiveCount": retries,
    });
    let queue = base(name.clone())
        .with("VisibilityTimeout", json!(hidden))
        .with_some("DelaySeconds", option("delay"))
        .with("RedrivePolicy", redrive);
    let dead = base(format!("{name}-dlq")).with("MessageRetentionPeriod", RETENTION_MAX_S);
    vec![
        ("dlq", build::resource("AWS::SQS::Queue", dead)),
        ("queue", build::resource("AWS::SQS::Queue", queue)),
    ]
}

/// The function that works a queue off.
fn worker(construct: &Entry) -> Option<Node> {
    let mut worker = construct.value.get("worker")?.clone();
    let place = worker.place.clone();
    let option = |name: &str| script::truthy(construct.value.get(name)).cloned();
    let batch = option("batchSize").unwrap_or_else(|| Node::from_json(&json!(1), &place));
    let event = Object::new(&place)
        .with(
            "arn",
            json!({"Fn::GetAtt": [id(&construct.key, "queue"), "Arn"]}),
        )
        .with("batchSize", batch)
        .with_some("maximumBatchingWindow", option("maxBatchingWindow"))
        .with_some("maximumConcurrency", option("maxConcurrency"))
        .with("functionResponseType", "ReportBatchItemFailures");
    let events = vec![Object::new(&place).with("sqs", event)];
    let Kind::Mapping(members) = &mut worker.kind else {
        return None;
    };
    let events = build::Part::into_node(events, &place);
    members.set("events", &place, events);
    Some(worker)
}
