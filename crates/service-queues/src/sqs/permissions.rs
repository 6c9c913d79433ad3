//! `AddPermission` and `RemovePermission`: statements of a queue's policy.
//!
//! Lives here: writing and removing them.
//! Does not live here: evaluating policies (`policy`).

use policy::Policy;
use serde_json::{Value, json};

use super::fault::{Fault, Kind};
use super::operations::{Context, Members, Outcome};
use super::request::Input as _;
use crate::engine::descriptor::Descriptor;

const POLICY: &str = "Policy";
/// What `AddPermission` may allow.
const ACTIONS: &[&str] = &[
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
];
/// Contract: Amazon SQS Developer Guide, "Policy quotas".
const ACTIONS_MAX: usize = 7;

pub(super) async fn add(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let label = context.input.required("Label")?;
    let accounts = context.input.texts("AWSAccountIds");
    let actions = context.input.texts("Actions");
    check(label, &accounts, &actions)?;
    let arn = queue.shared.arn.to_string();
    let accounts: Vec<_> = accounts
        .iter()
        .map(|account| format!("arn:aws:iam::{account}:root"))
        .collect();
    let actions: Vec<_> = actions
        .iter()
        .map(|action| format!("SQS:{action}"))
        .collect();
    let statement = json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_all(accounts) },
        "Action": one_or_all(actions),
        "Resource": arn,
    });
    let changed = context.catalogue.alter(&queue, |descriptor| {
        let mut policy = policy_of(descriptor).unwrap_or_else(|| {
            json!({
                "Version": "2008-10-17",
                "Id": format!("{arn}/SQSDefaultPolicy"),
                "Statement": [],
            })
        });
        let mut statements = statements(&policy);
        if statements
            .iter()
            .any(|statement| has_label(statement, label))
        {
            return Err(Fault::value(label, "Label", "Already exists."));
        }
        statements.push(statement);
        set(descriptor, &mut policy, statements)
    });
    changed.await?;
    Ok(Members::new())
}

pub(super) async fn remove(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let label = context.input.required("Label")?;
    let changed = context.catalogue.alter(&queue, |descriptor| {
        let missing = || Fault::value(label, "Label", "can't find label.");
        let mut policy = policy_of(descriptor).ok_or_else(missing)?;
        let mut statements = statements(&policy);
        let count = statements.len();
        statements.retain(|statement| !has_label(statement, label));
        if statements.len() == count {
            return Err(missing());
        }
        if statements.is_empty() {
            descriptor.attributes.remove(POLICY);
            return Ok(());
        }
        set(descriptor, &mut policy, statements)
    });
    changed.await?;
    Ok(Members::new())
}

fn check(label: &str, accounts: &[String], actions: &[String]) -> Result<(), Fault> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !(1..=80).contains(&label.len()) || !label.bytes().all(is_allowed) {
        return Err(Fault::value(
            label,
            "Label",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.",
        ));
    }
    if accounts.is_empty() {
        return Err(Fault::missing("AWSAccountIds"));
    }
    if actions.is_empty() {
        return Err(Fault::missing("Actions"));
    }
    if let Some(other) = actions
        .iter()
        .find(|action| !ACTIONS.contains(&action.as_str()))
    {
        return Err(Fault::value(
            &format!("SQS:{other}"),
            "ActionName",
            "Only the queue owner is allowed to invoke this action.",
        ));
    }
    if ACTIONS_MAX < actions.len() {
        return Err(Fault::new(
            Kind::OverLimit,
            format!(
                "{} Actions were found, maximum allowed is {ACTIONS_MAX}.",
                actions.len()
            ),
        ));
    }
    Ok(())
}

fn one_or_all(mut texts: Vec<String>) -> Value {
    match (texts.len(), texts.pop()) {
        (1, Some(only)) => only.into(),
        (_, last) => texts.into_iter().chain(last).map(Value::from).collect(),
    }
}

fn policy_of(descriptor: &Descriptor) -> Option<Value> {
    serde_json::from_str(descriptor.attribute(POLICY)?).ok()
}

/// The statements of a policy; a single one counts as a list.
fn statements(policy: &Value) -> Vec<Value> {
    match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(Value::Null) | None => Vec::new(),
        Some(single) => vec![single.clone()],
    }
}

fn has_label(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}

fn set(
    descriptor: &mut Descriptor,
    policy: &mut Value,
    statements: Vec<Value>,
) -> Result<(), Fault> {
    if let Some(members) = policy.as_object_mut() {
        members.insert("Statement".to_owned(), Value::Array(statements));
    }
    let text = policy.to_string();
    if let Err(error) = Policy::read(&text) {
        return Err(Fault::new(Kind::InvalidParameterValue, error.to_string()));
    }
    descriptor.attributes.insert(POLICY.to_owned(), text);
    Ok(())
}
