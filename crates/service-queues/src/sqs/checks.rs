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
use serde::Deserialize;

use super::request::{self, Protocol};
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
#[derive(Debug, Default, Deserialize)]
struct Skimmed {
    #[serde(rename = "QueueName", default)]
    name: Option<String>,
    #[serde(rename = "QueueOwnerAWSAccountId", default)]
    owner: Option<String>,
    #[serde(rename = "SourceArn", default)]
    source: Option<String>,
    #[serde(rename = "DestinationArn", default)]
    destination: Option<String>,
    #[serde(rename = "TaskHandle", default)]
    task: Option<String>,
}

/// What a call would do to what. One that cannot be read does nothing, and is refused later.
pub(crate) async fn checks(catalogue: &Catalogue, call: &ServiceCall) -> Vec<Check> {
    let (protocol, operation) = request::named(call);
    let row = operation.and_then(|operation| {
        let index = ACTIONS.binary_search_by_key(&operation.as_str(), |row| row.0);
        ACTIONS.get(index.ok()?)
    });
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
    match protocol {
        Protocol::Json => serde_json::from_slice(&call.body).unwrap_or_default(),
        Protocol::Query | Protocol::QueryJson => Skimmed {
            name: request::member(call, "QueueName"),
            owner: request::member(call, "QueueOwnerAWSAccountId"),
            source: request::member(call, "SourceArn"),
            destination: request::member(call, "DestinationArn"),
            task: request::member(call, "TaskHandle"),
        },
    }
}

fn arn(account: &AccountId, region: &Region, name: &str) -> Arn {
    Arn::new("sqs", region, account, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqs::operations::OPERATIONS;

    #[test]
    fn every_operation_says_what_it_would_do() {
        let named: Vec<_> = ACTIONS.iter().map(|row| row.0).collect();
        assert_eq!(named, OPERATIONS);
        assert!(named.is_sorted());
    }
}
