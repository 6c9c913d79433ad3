//! Resource policies: which services may write.

use std::sync::Arc;

use policy::Policy;
use serde_json::{Value, json};

use super::Context;
use crate::engine::catalogue::Change;
use crate::engine::rows::ResourcePolicy;
use crate::engine::state::{State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text, page, paged};

/// Contract: CloudWatch Logs quotas.
const POLICIES_MAX: usize = 10;

pub(super) async fn put_resource_policy(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("PutResourcePolicy", &["resourceArn", "expectedRevisionId"])?;
    let name = fields.required("policyName", &Text::long(1, 512));
    let document = fields.required("policyDocument", &Text::long(1, 5_120));
    fields.finish()?;
    let row = put(context, name, document).await?;
    Ok(json!({"resourcePolicy": shown(&row)}))
}

pub(crate) async fn put(
    context: &Context<'_>,
    name: String,
    document: String,
) -> Result<ResourcePolicy, Fault> {
    Policy::read(&document).map_err(|error| {
        Fault::parameter(format!(
            "The policy document provided in not valid: {error}"
        ))
    })?;
    let row = ResourcePolicy {
        name,
        document,
        updated_ms: context.catalogue.now_ms(),
    };
    let decide = |state: &State| {
        let is_new = !state.policies.contains_key(&row.name);
        if is_new && POLICIES_MAX <= state.policies.len() {
            return Err(Fault::limit());
        }
        Ok((row.clone(), Change::one(Step::PutPolicy(row.clone()))))
    };
    context.catalogue.change(context.place, decide).await
}

pub(super) async fn delete_resource_policy(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse(
        "DeleteResourcePolicy",
        &["resourceArn", "expectedRevisionId"],
    )?;
    let name = fields.required("policyName", &Text::long(1, 512));
    fields.finish()?;
    delete(context, &name).await?;
    Ok(Value::Null)
}

pub(crate) async fn delete(context: &Context<'_>, name: &str) -> Result<(), Fault> {
    let decide = |state: &State| match state.policies.contains_key(name) {
        true => Ok(((), Change::one(Step::DropPolicy(name.to_owned())))),
        false => Err(Fault::not_found(format!(
            "Policy with name [{name}] does not exist."
        ))),
    };
    context.catalogue.change(context.place, decide).await
}

pub(super) async fn describe_resource_policies(
    context: &Context<'_>,
    mut fields: Fields,
) -> Answer {
    fields.refuse("DescribeResourcePolicies", &["resourceArn"])?;
    let scope = fields.text("policyScope", &Text::one_of(&["ACCOUNT", "RESOURCE"]));
    let limit = fields.limit("limit", 1_000, 50);
    let token = fields.text("nextToken", &Text::long(1, usize::MAX));
    fields.finish()?;
    if scope.as_deref() == Some("RESOURCE") {
        return Err(Fault::not_implemented(
            "DescribeResourcePolicies of single resources",
        ));
    }
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let all = state.policies.values();
        let shown = all.map(|kept| (kept.row.name.clone(), shown(&kept.row)));
        let (listed, token) = page(shown, limit, token.as_deref())?;
        Ok(paged("resourcePolicies", listed, token))
    })
}

fn shown(row: &ResourcePolicy) -> Value {
    json!({
        "policyName": row.name,
        "policyDocument": row.document,
        "lastUpdatedTime": row.updated_ms,
        "policyScope": "ACCOUNT",
    })
}

/// The policies of a place.
pub(crate) fn all(state: &State) -> Vec<Arc<Policy>> {
    let policies = state.policies.values();
    policies.filter_map(|kept| kept.policy.clone()).collect()
}
