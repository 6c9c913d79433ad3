//! Policies that say who may call APIs.
//!
//! Lives here: resource policies of REST APIs.
//! Does not live here: evaluating them (`policy`, by the gateway), what roles may do (`service-identity`).
//!
//! Contract: AWS CloudFormation Template Reference, "AWS::ApiGateway::RestApi", `Policy`; Amazon API
//! Gateway Developer Guide, "x-amazon-apigateway-policy".

use std::sync::Arc;

use serde_json::Value;

use super::integration::Refusal;
use super::view::Resource;
use crate::records::asks_for_nothing;

/// Condition keys of private networks, which are not there.
const OF_NETWORKS: [&str; 4] = [
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourcevpcarn",
    "aws:vpcsourceip",
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
