//! `$context` of a REST API's request, as mappings and mapping templates see it.
//!
//! Lives here: all of its members.
//! Does not live here: the texts of access logs and gateway responses (`crate::context`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Variables for data transformations for API Gateway"; recorded: which
//! members there are, and that what is not known of a caller is an empty text.

use serde_json::{Map, Value};

use crate::caller::Identity;
use crate::events::{Exchange, common_log_time, domain_prefix};
use crate::routes::Kind;

/// What is said of a caller, in the recorded order.
const IDENTITY: [&str; 12] = [
    "cognitoIdentityPoolId",
    "accountId",
    "cognitoIdentityId",
    "caller",
    "sourceIp",
    "principalOrgId",
    "accessKey",
    "cognitoAuthenticationType",
    "cognitoAuthenticationProvider",
    "userArn",
    "userAgent",
    "user",
];

/// All of it.
pub(super) fn of(exchange: &Exchange<'_>) -> Map<String, Value> {
    let domain = exchange.domain_name().into_owned();
    let deployment = match &exchange.api.kind {
        Kind::Rest { deployment_id, .. } => deployment_id.as_str(),
        Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => "",
    };
    let mut context = Map::new();
    for (name, value) in [
        ("resourceId", exchange.route.resource_id.as_str()),
        ("resourcePath", exchange.route.resource.as_str()),
        ("httpMethod", exchange.method),
        ("extendedRequestId", exchange.extended_request_id),
        ("requestTime", &common_log_time(exchange.at)),
        ("path", exchange.full_path),
        ("accountId", exchange.account.as_str()),
        ("protocol", exchange.protocol()),
        ("stage", exchange.api.stage.as_str()),
        ("domainPrefix", domain_prefix(&domain)),
    ] {
        context.insert(name.to_owned(), Value::from(value));
    }
    // A number there, and templates compute with it.
    let epoch = exchange.at.epoch_ms();
    context.insert("requestTimeEpoch".to_owned(), Value::from(epoch));
    for (name, value) in [
        ("requestId", exchange.request_id),
        ("domainName", &domain),
        ("deploymentId", deployment),
        ("apiId", exchange.api.id.as_str()),
    ] {
        context.insert(name.to_owned(), Value::from(value));
    }
    context.insert("identity".to_owned(), Value::Object(identity(exchange)));
    if let Some(authorizer) = authorizer(exchange) {
        context.insert("authorizer".to_owned(), Value::Object(authorizer));
    }
    context
}

/// One member, as `identity.sourceIp`; none: there is no such.
pub(super) fn text(exchange: &Exchange<'_>, name: &str) -> Option<String> {
    let context = Value::Object(of(exchange));
    let mut found = Some(&context);
    for part in name.split('.') {
        found = found.and_then(|value| value.get(part));
    }
    let found = found?;
    if found.is_null() || found.is_object() || found.is_array() {
        return None;
    }
    Some(
        found
            .as_str()
            .map_or_else(|| found.to_string(), str::to_owned),
    )
}

fn identity(exchange: &Exchange<'_>) -> Map<String, Value> {
    let signer = match &exchange.caller.identity {
        Identity::Iam(signer) => Some(signer),
        Identity::Open | Identity::Token { .. } | Identity::Function { .. } => None,
    };
    let agent = exchange.user_agent().unwrap_or_default();
    let address = exchange.source_ip.to_string();
    let known = |name: &str| match name {
        "sourceIp" => address.as_str(),
        "userAgent" => &agent,
        "accountId" => signer.map_or("", |signer| &signer.account),
        "caller" | "user" => signer.map_or("", |signer| &signer.unique_id),
        "accessKey" => signer.map_or("", |signer| &signer.access_key_id),
        "userArn" => signer.map_or("", |signer| &signer.arn),
        _ => "",
    };
    let mut identity: Map<String, Value> = IDENTITY
        .iter()
        .map(|name| ((*name).to_owned(), Value::from(known(name))))
        .collect();
    if let Some(used) = &exchange.caller.key {
        identity.insert("apiKey".to_owned(), Value::from(used.key.value.reveal()));
        identity.insert("apiKeyId".to_owned(), Value::from(used.key.id.as_str()));
    }
    identity
}

fn authorizer(exchange: &Exchange<'_>) -> Option<Map<String, Value>> {
    let mut authorizer = Map::new();
    match &exchange.caller.identity {
        Identity::Open | Identity::Iam(_) => return None,
        Identity::Token { claims, .. } => {
            let claims = claims.for_rest();
            let claims: Map<String, Value> = claims
                .map(|(name, value)| (name.to_owned(), Value::from(value)))
                .collect();
            authorizer.insert("claims".to_owned(), Value::Object(claims));
        }
        Identity::Function { told, latency_ms } => {
            // As in events: the values of a context are texts.
            for (name, value) in told.context.iter().flatten() {
                let text = value.as_str().map(str::to_owned);
                let text = text.unwrap_or_else(|| value.to_string());
                authorizer.insert(name.clone(), Value::from(text));
            }
            let principal = told.principal_id.as_deref().unwrap_or_default();
            authorizer.insert("principalId".to_owned(), Value::from(principal));
            authorizer.insert("integrationLatency".to_owned(), Value::from(*latency_ms));
        }
    }
    Some(authorizer)
}
