//! Policies of keys.

use interfaces::authorize::Check;
use policy::Policy;
use serde_json::{Value, json};
use std::sync::Arc;

use super::{KEY_ID, edit, find, not_found};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text};
use crate::service::Context;

const NAME: Text = Text::long(1, 128);
const POLICY: Text = Text::long(1, 131_072);

pub(super) async fn get_key_policy(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    let name = fields.text("PolicyName", &NAME);
    fields.finish()?;
    judge_name(name.as_deref())?;
    let found = find(context, &id).await?;
    Ok(json!({"Policy": found.key.policy, "PolicyName": "default"}))
}

fn judge_name(name: Option<&str>) -> Result<(), Fault> {
    match name {
        None | Some("default") => Ok(()),
        Some(_) => Err(not_found("No such policy exists".to_owned())),
    }
}

pub(super) async fn put_key_policy(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    let name = fields.text("PolicyName", &NAME);
    let text = fields.required("Policy", &POLICY);
    let bypass = fields.flag("BypassPolicyLockoutSafetyCheck");
    fields.finish()?;
    judge_name(name.as_deref())?;
    let found = find(context, &id).await?;
    read_policy(&text)?;
    if bypass != Some(true) {
        judge_lockout(context, &found.arn(), &text)?;
    }
    edit(context, &found, |key| {
        key.policy = text;
        Ok(Vec::new())
    })
    .await?;
    Ok(Value::Null)
}

/// Reads a policy.
pub(crate) fn read_policy(text: &str) -> Result<Policy, Fault> {
    Policy::read(text)
        .map_err(|error| Fault::new("MalformedPolicyDocumentException", error.to_string()))
}

/// Refuses a policy under which its author could not change it again.
pub(super) fn judge_lockout(context: &Context<'_>, arn: &str, text: &str) -> Result<(), Fault> {
    let check = Check::new("kms:PutKeyPolicy", arn, &context.place.account)
        .with_policy(Some(Arc::new(read_policy(text)?)))
        .ruled_by_its_policy();
    let allowed = context.authorize.authorize(&context.call.caller, &[check]);
    allowed.map_err(|_| {
        let message =
            "The new key policy will not allow you to update the key policy in the future.";
        Fault::new("MalformedPolicyDocumentException", message)
    })
}

pub(super) async fn list_key_policies(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    let _ = super::page_wanted(&mut fields, 100);
    fields.finish()?;
    find(context, &id).await?;
    Ok(json!({"PolicyNames": ["default"], "Truncated": false}))
}
