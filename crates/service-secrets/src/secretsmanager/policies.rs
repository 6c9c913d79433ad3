//! Policies of secrets.

use policy::Policy;
use serde_json::{Value, json};

use super::{NOTHING, SECRET_ID, edit, judge_name, look, told};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text, insert_some};
use crate::service::Context;

const POLICY: Text = Text::long(1, 20_480);

pub(super) async fn get_resource_policy(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("SecretId", &SECRET_ID);
    fields.finish()?;
    look(context, &id, |kept, place| {
        let mut answer = told(kept, place);
        insert_some(&mut answer, "ResourcePolicy", kept.row.policy.as_deref());
        Ok(Value::Object(answer))
    })
    .await
}

pub(super) async fn put_resource_policy(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("SecretId", &SECRET_ID);
    let text = fields.required("ResourcePolicy", &POLICY);
    let block = fields.flag("BlockPublicPolicy").unwrap_or(false);
    fields.finish()?;
    let parsed = read_policy(&text)?;
    if block && is_public(&parsed) {
        let message = "You can't attach a resource policy that allows broad access to the secret.";
        return Err(Fault::new("PublicPolicyException", message));
    }
    let answer = edit(context, &id, |secret| {
        secret.policy = Some(text);
        Ok(())
    });
    answer.await.map(Value::Object)
}

/// Reads a policy, which the secret keeps as it was written.
pub(crate) fn read_policy(text: &str) -> Result<Value, Fault> {
    let malformed = |message: String| Fault::new("MalformedPolicyDocumentException", message);
    Policy::read(text).map_err(|error| malformed(error.to_string()))?;
    serde_json::from_str(text).map_err(|error| malformed(error.to_string()))
}

/// Whether a statement lets everybody in, on no condition.
pub(crate) fn is_public(policy: &Value) -> bool {
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    let everybody = |principal: &Value| match principal {
        Value::Array(names) => names.iter().any(|name| name == "*"),
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)) => other == "*",
    };
    statements.iter().any(|statement| {
        let principal = statement.get("Principal").unwrap_or(&NOTHING);
        let named = principal.get("AWS").unwrap_or(principal);
        statement.get("Effect") == Some(&json!("Allow"))
            && statement.get("Condition").is_none()
            && everybody(named)
    })
}

pub(super) async fn delete_resource_policy(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("SecretId", &SECRET_ID);
    fields.finish()?;
    let answer = edit(context, &id, |secret| {
        secret.policy = None;
        Ok(())
    });
    answer.await.map(Value::Object)
}

pub(super) async fn validate_resource_policy(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.text("SecretId", &SECRET_ID);
    let text = fields.required("ResourcePolicy", &POLICY);
    fields.finish()?;
    if let Some(id) = id {
        judge_name(&id)?;
        look(context, &id, |_, _| Ok(())).await?;
    }
    let policy = read_policy(&text)?;
    let mut errors = Vec::new();
    if is_public(&policy) {
        errors.push(json!({
            "CheckName": "PublicPolicy",
            "ErrorMessage": "The resource policy allows broad access to the secret.",
        }));
    }
    Ok(json!({"PolicyValidationPassed": errors.is_empty(), "ValidationErrors": errors}))
}
