//! Statements of a topic's policy that are added and removed by themselves.
//!
//! Lives here: `AddPermission`, `RemovePermission`.
//! Does not live here: whole policies (`attributes`), judging by them (`policy`).

use serde_json::{Value, json};

use super::{Answer, Call};
use crate::form::required;
use crate::refusal::Refusal;
use crate::state::catalogue::{Change, Region};
use crate::state::topic::{ACTIONS, Topic};

pub(super) async fn add(call: Call<'_>) -> Result<Answer, Refusal> {
    let (region, topic) = call.topic("TopicArn").await?;
    let label = required(call.form, "Label")?;
    let accounts = call.form.texts("AWSAccountId");
    let actions = call.form.texts("ActionName");
    if accounts.is_empty() || actions.is_empty() {
        return Err(Refusal::parameter("AWSAccountId and ActionName"));
    }
    let is_known = |action: &String| ACTIONS.contains(&action.as_str());
    if !actions.iter().all(is_known) {
        return Err(Refusal::parameter(
            "Policy statement action out of service scope!",
        ));
    }
    let arns = accounts
        .iter()
        .map(|account| format!("arn:aws:iam::{account}:root"));
    let actions = actions.iter().map(|action| format!("SNS:{action}"));
    let statement = json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": one_or_many(arns.collect())},
        "Action": one_or_many(actions.collect()),
        "Resource": topic.arn.arn().to_string(),
    });
    change(call, &region, &topic.record.name, |statements| {
        if statements.iter().any(|one| is_labelled(one, label)) {
            return Err(Refusal::parameter("Statement already exists"));
        }
        statements.push(statement);
        Ok(())
    })
    .await
}

pub(super) async fn remove(call: Call<'_>) -> Result<Answer, Refusal> {
    let (region, topic) = call.topic("TopicArn").await?;
    let label = required(call.form, "Label")?;
    change(call, &region, &topic.record.name, |statements| {
        statements.retain(|one| !is_labelled(one, label));
        Ok(())
    })
    .await
}

async fn change(
    call: Call<'_>,
    region: &Region,
    name: &str,
    change: impl FnOnce(&mut Vec<Value>) -> Result<(), Refusal>,
) -> Result<Answer, Refusal> {
    let _turn = region.turn.lock().await;
    let topic = region
        .topic(name)
        .ok_or_else(|| Refusal::not_found("Topic"))?;
    let mut policy: Value = serde_json::from_str(&topic.policy_text()).unwrap_or_default();
    let mut statements = match policy.get_mut("Statement").map(Value::take) {
        Some(Value::Array(statements)) => statements,
        Some(Value::Null) | None => Vec::new(),
        Some(single) => vec![single],
    };
    change(&mut statements)?;
    if let Some(members) = policy.as_object_mut() {
        members.insert("Statement".to_owned(), Value::Array(statements));
    }
    let mut record = topic.record.clone();
    let text = policy.to_string();
    record.attributes.insert("Policy".to_owned(), text);
    let change = Change::PutTopic(Topic::new(record, &region.place));
    call.service
        .catalogue
        .change(region, vec![change], &[])
        .await?;
    Ok(None)
}

fn is_labelled(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}

fn one_or_many(mut texts: Vec<String>) -> Value {
    match texts.len() {
        1 => Value::from(texts.remove(0)),
        _ => Value::from(texts),
    }
}
