//! What events show of a caller: `requestContext.authorizer` and `requestContext.identity`.
//!
//! Lives here: every way to be known, in each shape of event.
//! Does not live here: finding out who calls (`authorise`), the events that authorizers are given (`authorizer_input`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Input format of a Lambda function for proxy integration", "Create
//! AWS Lambda proxy integrations for HTTP APIs" and "Output from an API Gateway Lambda authorizer", by which a REST
//! API turns the values of a context into strings; recorded events.

use model::door::ApiKeySource;
use serde_json::Value;

use super::Exchange;
use super::json::Writer;
use crate::caller::{Caller, Identity, Signer, Told};
use crate::routes::Kind;
use crate::tokens::Claims;

/// What is known of a signer alone, before `sourceIp`, in order; all null without a signature.
const IDENTITY_BEFORE_SOURCE_IP: [&str; 8] = [
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
];

/// `authorizer` of a REST API's context; left out without an authorizer.
pub(super) fn write_rest(json: &mut Writer, caller: &Caller) {
    match &caller.identity {
        Identity::Open | Identity::Iam(_) => {}
        Identity::Token { claims, .. } => {
            json.key("authorizer");
            json.open_object();
            json.key("claims");
            write_claims(json, claims.for_rest());
            json.close_object();
        }
        Identity::Function { told, latency_ms } => {
            json.key("authorizer");
            write_told(json, told, *latency_ms, Values::Strings);
        }
    }
}

/// `authorizer` of an HTTP API's context in payload 1.0.
pub(super) fn write_http_v1(json: &mut Writer, caller: &Caller) {
    json.key("authorizer");
    match &caller.identity {
        Identity::Open | Identity::Iam(_) => {
            json.open_object();
            json.entry_or_null("claims", None);
            json.entry_or_null("scopes", None);
            json.close_object();
        }
        Identity::Token { claims, scopes } => write_token(json, claims, scopes.as_deref()),
        Identity::Function { told, latency_ms } => {
            write_told(json, told, *latency_ms, Values::AsTheyAre);
        }
    }
}

/// `authorizer` of payload 2.0; left out without an authorizer.
pub(super) fn write_http_v2(json: &mut Writer, caller: &Caller) {
    match &caller.identity {
        Identity::Open => {}
        Identity::Iam(signer) => {
            json.key("authorizer");
            json.open_object();
            json.key("iam");
            write_signer(json, signer);
            json.close_object();
        }
        Identity::Token { claims, scopes } => {
            json.key("authorizer");
            json.open_object();
            json.key("jwt");
            write_token(json, claims, scopes.as_deref());
            json.close_object();
        }
        Identity::Function { told, .. } => {
            json.key("authorizer");
            json.open_object();
            json.key("lambda");
            match &told.context {
                None => json.null(),
                Some(context) => {
                    json.open_object();
                    for (name, value) in context {
                        json.named(name);
                        json.raw(value.to_string().as_bytes());
                    }
                    json.close_object();
                }
            }
            json.close_object();
        }
    }
}

/// `identity` of payload 1.0, of either API.
pub(super) fn write_identity(json: &mut Writer, exchange: &Exchange<'_>) {
    let signer = match &exchange.caller.identity {
        Identity::Iam(signer) => Some(signer),
        Identity::Open | Identity::Token { .. } | Identity::Function { .. } => None,
    };
    let known = |name: &str| {
        let signer = signer?;
        match name {
            "accessKey" => Some(signer.access_key_id.as_str()),
            "accountId" => Some(signer.account.as_str()),
            "caller" => Some(signer.unique_id.as_str()),
            _ => None,
        }
    };
    json.key("identity");
    json.open_object();
    for name in IDENTITY_BEFORE_SOURCE_IP {
        json.entry_or_null(name, known(name));
    }
    if let Kind::Rest { api_key_source, .. } = &exchange.api.kind {
        write_key(json, exchange, *api_key_source);
    }
    json.entry("sourceIp", exchange.forwarded.source());
    json.entry_or_null("user", signer.map(|signer| signer.unique_id.as_str()));
    json.entry_or_null("userAgent", exchange.user_agent().as_deref());
    json.entry_or_null("userArn", signer.map(|signer| signer.arn.as_str()));
    json.close_object();
}

/// The API key that was shown; authorizers are asked before it is looked at, and see what was sent.
fn write_key(json: &mut Writer, exchange: &Exchange<'_>, source: ApiKeySource) {
    match &exchange.caller.key {
        Some(used) => {
            json.entry("apiKey", used.key.value.reveal());
            json.entry("apiKeyId", &used.key.id);
        }
        None if exchange.route.guard.api_key_required && source == ApiKeySource::Header => {
            json.entry_or_null("apiKey", exchange.headers.text("x-api-key"));
        }
        None => {}
    }
}

/// What a token says, as HTTP APIs show it.
fn write_token(json: &mut Writer, claims: &Claims, scopes: Option<&[String]>) {
    json.open_object();
    json.key("claims");
    write_claims(json, claims.for_http());
    json.key("scopes");
    match scopes {
        None => json.null(),
        Some(scopes) => {
            json.open_array();
            for scope in scopes {
                json.string(scope);
            }
            json.close_array();
        }
    }
    json.close_object();
}

fn write_claims<'a>(json: &mut Writer, claims: impl Iterator<Item = (&'a str, String)>) {
    json.open_object();
    for (name, text) in claims {
        json.named(name);
        json.string(&text);
    }
    json.close_object();
}

/// How the values of a context are shown.
#[derive(Clone, Copy)]
enum Values {
    Strings,
    AsTheyAre,
}

fn write_told(json: &mut Writer, told: &Told, latency_ms: u64, values: Values) {
    json.open_object();
    for (name, value) in told.context.iter().flatten() {
        // What the gateway says of the caller itself is not the function's to say.
        if name == "principalId" || name == "integrationLatency" {
            continue;
        }
        json.named(name);
        match (values, value) {
            (Values::Strings, Value::String(text)) => json.string(text),
            (Values::Strings, value) => json.string(&value.to_string()),
            (Values::AsTheyAre, value) => json.raw(value.to_string().as_bytes()),
        }
    }
    if let Some(principal_id) = &told.principal_id {
        json.entry("principalId", principal_id);
    }
    json.key("integrationLatency");
    json.raw(latency_ms.to_string().as_bytes());
    json.close_object();
}

fn write_signer(json: &mut Writer, signer: &Signer) {
    json.open_object();
    json.entry("accessKey", &signer.access_key_id);
    json.entry("accountId", &signer.account);
    json.entry("callerId", &signer.unique_id);
    json.entry_or_null("cognitoIdentity", None);
    json.entry_or_null("principalOrgId", None);
    json.entry("userArn", &signer.arn);
    json.entry("userId", &signer.unique_id);
    json.close_object();
}
