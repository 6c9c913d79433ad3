//! Policies that say who may call APIs.
//!
//! Lives here: resource policies of REST APIs, and what the project's roles may do.
//! Does not live here: evaluating them (`policy`, by the gateway).
//!
//! Contract: AWS CloudFormation Template Reference, "AWS::ApiGateway::RestApi", `Policy`, and "AWS IAM"; Amazon API
//! Gateway Developer Guide, "x-amazon-apigateway-policy"; IAM User Guide, "AWS managed policies for job functions".

use std::collections::BTreeMap;
use std::sync::Arc;

use model::principal::Role;
use serde_json::{Value, json};

use super::integration::Refusal;
use super::view::{Resource, View, list_of};
use crate::records::asks_for_nothing;

/// Condition keys of private networks, which are not there.
const OF_NETWORKS: [&str; 4] = [
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourcevpcarn",
    "aws:vpcsourceip",
];

/// Policies of the cloud's own that allow calls of APIs; no other says anything of them.
const OF_THE_CLOUD: [(&str, &str); 3] = [
    ("AdministratorAccess", "*"),
    ("PowerUserAccess", "*"),
    ("AmazonAPIGatewayInvokeFullAccess", "execute-api:*"),
];

/// The resource policy of a REST API. Its property wins over its definition's.
///
/// # Errors
/// It depends on networks that are not there.
pub(super) fn of_api(api: &Resource<'_>) -> Result<Option<Arc<str>>, Refusal> {
    let own = api.properties.get("Policy");
    let own = own.filter(|policy| !asks_for_nothing(policy));
    let defined = || {
        api.properties
            .get("Body")?
            .get("x-amazon-apigateway-policy")
    };
    let Some(policy) = own.or_else(defined) else {
        return Ok(None);
    };
    let text = match policy {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            policy.to_string()
        }
    };
    let lower = text.to_ascii_lowercase();
    let named = |key: &&&str| lower.contains(&format!("\"{key}\""));
    if let Some(key) = OF_NETWORKS.iter().find(named) {
        return Err(Refusal::new(format!(
            "its resource policy has a condition on `{key}`, and there are no private networks here"
        ))
        .help("name source addresses (`aws:SourceIp`) instead, or leave the statement out here"));
    }
    Ok(Some(text.into()))
}

/// What the roles may do, by their ARNs.
pub(super) fn of_roles(view: &View<'_>) -> BTreeMap<String, Role> {
    let roles = view.of_type("AWS::IAM::Role").filter_map(|role| {
        let text = |name: &str| role.attributes.get(name).and_then(Value::as_str);
        let managed = list_of(role.properties.get("ManagedPolicyArns"));
        let boundary = role.text("PermissionsBoundary");
        let described = Role {
            id: text("RoleId").unwrap_or_default().to_owned(),
            policies: own_policies(role)
                .chain(attached(view, role.physical_id))
                .chain(managed.iter().filter_map(|arn| by_arn(view, arn)))
                .collect(),
            // What is not known of a boundary, it does not give.
            boundary: boundary.map(|arn| by_arn(view, &arn).unwrap_or_else(|| "{}".into())),
        };
        Some((text("Arn")?.to_owned(), described))
    });
    roles.collect()
}

fn own_policies(role: &Resource<'_>) -> impl Iterator<Item = Arc<str>> {
    let policies = role.properties.get("Policies").and_then(Value::as_array);
    let policies = policies.into_iter().flatten();
    policies.filter_map(|policy| Some(policy.get("PolicyDocument")?.to_string().into()))
}

/// `AWS::IAM::Policy` and `AWS::IAM::ManagedPolicy` that name the role.
fn attached<'a>(view: &'a View<'_>, role: &'a str) -> impl Iterator<Item = Arc<str>> + 'a {
    let policies = view.resources.iter().filter(|resource| {
        ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"].contains(&resource.resource_type)
    });
    policies
        .filter(move |policy| {
            let roles = list_of(policy.properties.get("Roles"));
            roles.iter().any(|name| name == role)
        })
        .filter_map(|policy| Some(policy.properties.get("PolicyDocument")?.to_string().into()))
}

fn by_arn(view: &View<'_>, arn: &str) -> Option<Arc<str>> {
    if let Some(path) = arn.strip_prefix("arn:aws:iam::aws:policy/") {
        let name = path.rsplit('/').next().unwrap_or_default();
        let (_, action) = OF_THE_CLOUD.iter().find(|(known, _)| *known == name)?;
        let document = json!({
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"},
        });
        return Some(document.to_string().into());
    }
    let mut policies = view.of_type("AWS::IAM::ManagedPolicy");
    let policy = policies.find(|policy| policy.physical_id == arn)?;
    Some(policy.properties.get("PolicyDocument")?.to_string().into())
}
