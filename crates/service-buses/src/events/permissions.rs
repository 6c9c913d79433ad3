//! Policies of buses.

use serde_json::{Value, json};

use super::Context;
use super::buses::find;
use crate::engine::catalogue::Change;
use crate::engine::rows::{Bus, Json};
use crate::engine::state::{DEFAULT, State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, NAME, Text, insert};

/// Bytes of a policy.
const POLICY_BYTES_MAX: usize = 10_240;
const ACTION: Text = Text::long(1, 64).shaped("events:[a-zA-Z]+", |text| {
    let name = text.strip_prefix("events:").unwrap_or_default();
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic())
});
const PRINCIPAL: Text = Text::long(1, 12).shaped("(\\d{12}|\\*)", |text| {
    text == "*" || text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
});
const STATEMENT_ID: Text = Text::long(1, 64).shaped("[a-zA-Z0-9-_]+", |text| {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.bytes().all(allowed)
});

pub(super) async fn put_permission(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.text("EventBusName", &NAME);
    let name = name.unwrap_or_else(|| DEFAULT.to_owned());
    let policy = fields.text("Policy", &Text::long(0, usize::MAX));
    let action = fields.text("Action", &ACTION);
    let principal = fields.text("Principal", &PRINCIPAL);
    let statement_id = fields.text("StatementId", &STATEMENT_ID);
    let condition = fields.take("Condition");
    fields.finish()?;
    let place = context.place;
    let arn = place.bus_arn(&name).to_string();
    let decide = move |there: Option<&Json>| -> Result<Json, Fault> {
        if let Some(policy) = policy {
            return read_policy(&policy);
        }
        let (Some(action), Some(principal), Some(id)) = (action, principal, statement_id) else {
            return Err(Fault::validation(
                "Parameters Action, Principal and StatementId, or Policy must be specified.",
            ));
        };
        let mut statement = json!({"Sid": id, "Effect": "Allow"});
        insert(
            &mut statement,
            "Principal",
            match principal.as_str() {
                "*" => "*".into(),
                account => json!({"AWS": format!("arn:aws:iam::{account}:root")}),
            },
        );
        insert(&mut statement, "Action", action);
        insert(&mut statement, "Resource", arn);
        if let Some(condition) = condition {
            let member = |name: &str| condition.get(name).and_then(Value::as_str);
            let (Some(kind), Some(key), Some(value)) =
                (member("Type"), member("Key"), member("Value"))
            else {
                return Err(Fault::validation("A Condition has Type, Key and Value."));
            };
            insert(&mut statement, "Condition", json!({kind: {key: value}}));
        }
        let mut statements = there.map(statements).unwrap_or_default();
        statements.retain(|one| one.get("Sid").and_then(Value::as_str) != Some(&id));
        statements.push(statement);
        Ok(policy_of(statements))
    };
    edit(context, &name, |bus| decide(bus.policy.as_ref()).map(Some)).await
}

pub(super) async fn remove_permission(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.text("EventBusName", &NAME);
    let name = name.unwrap_or_else(|| DEFAULT.to_owned());
    let statement_id = fields.text("StatementId", &STATEMENT_ID);
    let all = fields.take("RemoveAllPermissions") == Some(Value::Bool(true));
    fields.finish()?;
    edit(context, &name, |bus| {
        if all {
            return Ok(None);
        }
        let mut statements = bus.policy.as_ref().map(statements).unwrap_or_default();
        let before = statements.len();
        statements.retain(|one| one.get("Sid").and_then(Value::as_str) != statement_id.as_deref());
        if statements.len() == before {
            let message = "Statement with the provided id does not exist.";
            return Err(Fault::not_found(message));
        }
        Ok((!statements.is_empty()).then(|| policy_of(statements)))
    })
    .await
}

async fn edit(
    context: &Context<'_>,
    name: &str,
    decide: impl FnOnce(&Bus) -> Result<Option<Json>, Fault>,
) -> Answer {
    let now = context.catalogue.clock.now();
    context
        .catalogue
        .change(context.place, |state: &State| {
            let there = &find(state, name)?.row;
            let bus = Bus {
                policy: decide(there)?,
                modified_at: now,
                ..there.clone()
            };
            Ok((Value::Null, Change::one(Step::PutBus(bus))))
        })
        .await
}

/// Reads a policy that was given whole.
pub(crate) fn read_policy(text: &str) -> Result<Json, Fault> {
    if POLICY_BYTES_MAX < text.len() {
        return Err(Fault::new(
            "PolicyLengthExceededException",
            "The policy exceeds the maximum length.",
        ));
    }
    let invalid =
        |why: String| Fault::validation(format!("Parameter Policy is not valid. Reason: {why}"));
    let value: Value = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
    policy::Policy::from_value(&value).map_err(|error| invalid(error.to_string()))?;
    let Value::Object(policy) = value else {
        return Err(invalid("a policy is an object".to_owned()));
    };
    Ok(policy)
}

pub(crate) fn statements(policy: &Json) -> Vec<Value> {
    match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    }
}

pub(crate) fn policy_of(statements: Vec<Value>) -> Json {
    let mut policy = Json::new();
    policy.insert("Version".to_owned(), "2012-10-17".into());
    policy.insert("Statement".to_owned(), statements.into());
    policy
}
