//! What a request would do to what, for whoever asks whether it may.
//!
//! Lives here: the action and the resource of each operation.
//! Does not live here: judging (`interfaces::authorize`).
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for Amazon SQS". A batch asks for what
//! its entries ask for.

use interfaces::authorize::Check;
use interfaces::service::ServiceCall;
use model::arn::Arn;
use model::ids::{AccountId, Region};
use serde_json::Map;

use super::request::{self, Input as _, Protocol};
use super::{moves, urls};
use crate::engine::catalogue::Catalogue;

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// The queue at `QueueUrl`.
    Queue,
    /// The queue of this name.
    Name,
    /// No queue.
    Nothing,
    /// The queue at `SourceArn`.
    Source,
    /// The queue at `SourceArn`, of which messages are taken, and the one at `DestinationArn`, which gets them.
    Move,
    /// The queue that a task's handle names.
    Task,
}

/// Each operation, its action, what it is about. Sorted by name.
pub(crate) const ACTIONS: &[(&str, &str, About)] = &[
    ("AddPermission", "sqs:AddPermission", About::Queue),
    (
        "CancelMessageMoveTask",
        "sqs:CancelMessageMoveTask",
        About::Task,
    ),
    (
        "ChangeMessageVisibility",
        "sqs:ChangeMessageVisibility",
        About::Queue,
    ),
    (
        "ChangeMessageVisibilityBatch",
        "sqs:ChangeMessageVisibility",
        About::Queue,
    ),
    ("CreateQueue", "sqs:CreateQueue", About::Name),
    ("DeleteMessage", "sqs:DeleteMessage", About::Queue),
    ("DeleteMessageBatch", "sqs:DeleteMessage", About::Queue),
    ("DeleteQueue", "sqs:DeleteQueue", About::Queue),
    ("GetQueueAttributes", "sqs:GetQueueAttributes", About::Queue),
    ("GetQueueUrl", "sqs:GetQueueUrl", About::Name),
    (
        "ListDeadLetterSourceQueues",
        "sqs:ListDeadLetterSourceQueues",
        About::Queue,
    ),
    (
        "ListMessageMoveTasks",
        "sqs:ListMessageMoveTasks",
        About::Source,
    ),
    ("ListQueueTags", "sqs:ListQueueTags", About::Queue),
    ("ListQueues", "sqs:ListQueues", About::Nothing),
    ("PurgeQueue", "sqs:PurgeQueue", About::Queue),
    ("ReceiveMessage", "sqs:ReceiveMessage", About::Queue),
    ("RemovePermission", "sqs:RemovePermission", About::Queue),
    ("SendMessage", "sqs:SendMessage", About::Queue),
    ("SendMessageBatch", "sqs:SendMessage", About::Queue),
    ("SetQueueAttributes", "sqs:SetQueueAttributes", About::Queue),
    (
        "StartMessageMoveTask",
        "sqs:StartMessageMoveTask",
        About::Move,
    ),
    ("TagQueue", "sqs:TagQueue", About::Queue),
    ("UntagQueue", "sqs:UntagQueue", About::Queue),
];

/// The few members that say what a request is about.
const SKIMMED: [&str; 5] = [
    "QueueName",
    "QueueOwnerAWSAccountId",
    "SourceArn",
    "DestinationArn",
    "TaskHandle",
];

/// What they say.
#[derive(Debug)]
struct Skimmed {
    name: Option<String>,
    owner: Option<String>,
    source: Option<String>,
    destination: Option<String>,
    task: Option<String>,
}

/// Whether a call is for an operation that is carried out.
pub(crate) fn is_known(call: &ServiceCall) -> bool {
    let (_, operation) = request::named(call);
    operation.is_some_and(|operation| row(&operation).is_some())
}

fn row(operation: &str) -> Option<&'static (&'static str, &'static str, About)> {
    let index = ACTIONS.binary_search_by_key(&operation, |row| row.0);
    ACTIONS.get(index.ok()?)
}

/// What a call would do to what. One that cannot be read does nothing, and is refused later.
pub(crate) async fn checks(catalogue: &Catalogue, call: &ServiceCall) -> Vec<Check> {
    let (protocol, operation) = request::named(call);
    let row = operation.and_then(|operation| row(&operation));
    let Some((_, action, about)) = row.copied() else {
        return Vec::new();
    };
    let wanted: Vec<(&str, Arn)> = match about {
        About::Nothing => return vec![Check::new(action, "*", &call.account)],
        About::Queue => {
            let address = request::queue_url(call, protocol).unwrap_or_default();
            let (account, region, name) = urls::read(&address, &call.account, &call.region);
            vec![(action, arn(&account, &region, &name))]
        }
        About::Name | About::Source | About::Move | About::Task => {
            let skimmed = skim(call, protocol);
            by_name(action, about, &skimmed, call)
        }
    };
    let mut wanted = wanted;
    if about == About::Move {
        wanted.extend(origins(catalogue, &skim(call, protocol)).await);
    }
    let mut checks = Vec::new();
    for (action, arn) in wanted {
        let queue = catalogue.find_arn(&arn).await.ok().flatten();
        if queue.is_none() && about == About::Task {
            // A handle that was made up is refused as such.
            continue;
        }
        let policy = queue.and_then(|queue| queue.current().settings.policy.clone());
        let account = AccountId::new(arn.account.as_str());
        checks.push(Check::new(action, arn.to_string(), &account).with_policy(policy));
    }
    checks
}

/// Where a task without a destination moves messages: back to the queues that gave them up.
async fn origins(catalogue: &Catalogue, skimmed: &Skimmed) -> Vec<(&'static str, Arn)> {
    let source = skimmed.source.as_deref();
    let source = source.and_then(|text| Arn::parse(text).ok());
    let Some(source) = source.filter(|_| skimmed.destination.is_none()) else {
        return Vec::new();
    };
    let account = AccountId::new(source.account.as_str());
    let region = Region::new(source.region.as_str());
    let queues = catalogue.list(&account, &region).await;
    let queues = queues.unwrap_or_default().into_iter();
    let gives_up = queues.filter(|queue| {
        let current = queue.current();
        let redrive = current.settings.redrive.as_ref();
        redrive.is_some_and(|redrive| redrive.target == source)
    });
    gives_up
        .map(|queue| ("sqs:SendMessage", queue.shared.arn.clone()))
        .collect()
}

fn by_name(
    action: &'static str,
    about: About,
    skimmed: &Skimmed,
    call: &ServiceCall,
) -> Vec<(&'static str, Arn)> {
    let parse = |text: &Option<String>| text.as_deref().and_then(|text| Arn::parse(text).ok());
    match about {
        About::Name => {
            let owner = skimmed.owner.as_deref().map(AccountId::new);
            let account = owner.unwrap_or_else(|| call.account.clone());
            let name = skimmed.name.as_deref().unwrap_or_default();
            vec![(action, arn(&account, &call.region, name))]
        }
        About::Source => parse(&skimmed.source)
            .map(|arn| (action, arn))
            .into_iter()
            .collect(),
        About::Task => {
            let source = skimmed.task.as_deref().and_then(moves::source_of);
            source.map(|arn| (action, arn)).into_iter().collect()
        }
        About::Move => {
            let source = parse(&skimmed.source).into_iter().flat_map(|source| {
                let actions = [
                    action,
                    "sqs:ReceiveMessage",
                    "sqs:DeleteMessage",
                    "sqs:GetQueueAttributes",
                ];
                actions.map(|action| (action, source.clone()))
            });
            let destination = parse(&skimmed.destination).map(|arn| ("sqs:SendMessage", arn));
            source.chain(destination).collect()
        }
        About::Queue | About::Nothing => Vec::new(),
    }
}

fn skim(call: &ServiceCall, protocol: Protocol) -> Skimmed {
    let in_json = match protocol {
        Protocol::Json => aws_wire::json::skim(&call.body, &SKIMMED),
        Protocol::Query | Protocol::QueryJson => Map::new(),
    };
    let member = |name: &str| match protocol {
        Protocol::Json => in_json.text(name).map(str::to_owned),
        Protocol::Query | Protocol::QueryJson => request::member(call, name),
    };
    let [name, owner, source, destination, task] = SKIMMED.map(member);
    Skimmed {
        name,
        owner,
        source,
        destination,
        task,
    }
}

fn arn(account: &AccountId, region: &Region, name: &str) -> Arn {
    Arn::new("sqs", region, account, name)
}

#[cfg(test)]
mod tests {
    use model::ids::RequestId;
    use model::principal::Principal;
    use store_embedded::Memory;
    use test_kit::{CountingRandom, StoppedClock};

    use super::*;
    use crate::sqs::operations::OPERATIONS;

    #[test]
    fn every_operation_says_what_it_would_do() {
        let named: Vec<_> = ACTIONS.iter().map(|row| row.0).collect();
        assert_eq!(named, OPERATIONS);
        assert!(named.is_sorted());
    }

    /// What is asked for a call, and the members that it is carried out with.
    async fn asked(call: &ServiceCall) -> (Vec<String>, Map<String, serde_json::Value>) {
        let catalogue = Catalogue::new(
            std::sync::Arc::new(Memory::new()),
            std::sync::Arc::new(StoppedClock::at(model::time::Timestamp::from_micros(0))),
            std::sync::Arc::new(CountingRandom::default()),
        );
        let asked = checks(&catalogue, call).await;
        let resources = asked.into_iter().map(|check| check.resource).collect();
        (resources, request::read(call).unwrap().input)
    }

    fn call(target: Option<&str>, path_and_query: &str, body: &str) -> ServiceCall {
        let mut headers = http::HeaderMap::new();
        if let Some(target) = target {
            headers.insert("x-amz-target", target.parse().unwrap());
        }
        let account = AccountId::development();
        ServiceCall {
            request_id: RequestId::new("1"),
            caller: Principal::Root {
                account: account.clone(),
            },
            account,
            region: Region::new("us-east-1"),
            method: http::Method::POST,
            path_and_query: path_and_query.to_owned(),
            headers,
            body: body.to_owned().into(),
            stream: None,
        }
    }

    #[tokio::test]
    async fn what_is_asked_is_what_is_carried_out_whatever_is_sent_twice() {
        for (target, path, body) in [
            (None, "/", "Action=PurgeQueue&QueueUrl=/a&QueueUrl=/b"),
            (None, "/?QueueUrl=/a", "Action=PurgeQueue&QueueUrl=/b"),
            (None, "/", "Action=PurgeQueue&QueueUrl=/a&Queue%55rl=/b"),
            (
                Some("AmazonSQS.PurgeQueue"),
                "/",
                r#"{"QueueUrl": "/a", "QueueUrl": "/b"}"#,
            ),
        ] {
            let (asked, carried_out) = asked(&call(target, path, body)).await;
            assert_eq!(asked, ["arn:aws:sqs:us-east-1:000000000000:b"], "{body}");
            assert_eq!(carried_out.text("QueueUrl"), Some("/b"), "{body}");
        }
    }

    #[tokio::test]
    async fn members_of_the_wrong_type_hide_none_of_what_is_asked() {
        let source = "arn:aws:sqs:us-east-1:000000000000:dead";
        for body in [
            format!(r#"{{"SourceArn": "{source}", "TaskHandle": 5}}"#),
            format!(r#"{{"SourceArn": [], "SourceArn": "{source}"}}"#),
        ] {
            let target = Some("AmazonSQS.ListMessageMoveTasks");
            let (asked, carried_out) = asked(&call(target, "/", &body)).await;
            assert_eq!(asked, [source], "{body}");
            assert_eq!(carried_out.text("SourceArn"), Some(source), "{body}");
        }
    }
}
