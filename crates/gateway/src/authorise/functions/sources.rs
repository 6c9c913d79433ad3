//! Identity sources: the parts of a request by which a Lambda authorizer knows its sender.
//!
//! Lives here: finding their values, with all their repeats.
//! Does not live here: what is asked about them (`functions`), the key that answers are kept under (`kept`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Control access to HTTP APIs with AWS Lambda authorizers", identity
//! sources; "Configure a Lambda authorizer", where a source that is missing, null or empty is said to be unauthorised.

use model::door::IdentitySource;

use crate::events::{Exchange, Query, common_log_time, header_text};
use crate::routes::Kind;

/// Members of `$context` that can be sources.
const CONTEXT: [&str; 20] = [
    "accountId",
    "apiId",
    "domainName",
    "domainPrefix",
    "extendedRequestId",
    "httpMethod",
    "identity.sourceIp",
    "identity.userAgent",
    "path",
    "protocol",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
    "resourceId",
    "resourcePath",
    "routeKey",
    "stage",
    "deploymentId",
    "awsEndpointRequestId",
    "xrayTraceId",
];

/// The values of one source, in the order in which they were sent; none, or all empty: it is missing.
pub(super) fn values(source: &IdentitySource, exchange: &Exchange<'_>) -> Vec<String> {
    let values: Vec<String> = match source {
        IdentitySource::Header(name) => {
            let sent = exchange.headers.get_all(name);
            sent.map(|value| header_text(value).into_owned()).collect()
        }
        IdentitySource::Query(name) => {
            let query = match exchange.api.kind {
                Kind::Rest { .. } => Query::rest(exchange.query),
                Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => {
                    Query::http(exchange.query)
                }
            };
            let sent = query.all(name).iter();
            sent.map(|value| value.clone().into_owned()).collect()
        }
        IdentitySource::StageVariable(name) => {
            let variable = exchange.api.stage_variables.get(name);
            variable.map(str::to_owned).into_iter().collect()
        }
        IdentitySource::Context(name) => context(name, exchange).into_iter().collect(),
    };
    if values.iter().all(String::is_empty) {
        return Vec::new();
    }
    values
}

/// The one value that a function is shown: of a REST API the last, as in `headers`; of an HTTP API all with commas.
pub(super) fn shown(values: &[String], exchange: &Exchange<'_>) -> String {
    match exchange.api.kind {
        Kind::Rest { .. } => values.last().cloned().unwrap_or_default(),
        Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => values.join(","),
    }
}

/// Whether this can be a source at all.
pub(crate) fn is_known(source: &IdentitySource) -> bool {
    match source {
        IdentitySource::Header(_) | IdentitySource::Query(_) | IdentitySource::StageVariable(_) => {
            true
        }
        IdentitySource::Context(name) => CONTEXT.contains(&name.as_str()),
    }
}

fn context(name: &str, exchange: &Exchange<'_>) -> Option<String> {
    let host = || exchange.domain_name().into_owned();
    let is_rest = matches!(exchange.api.kind, Kind::Rest { .. });
    let text = match name {
        "accountId" => exchange.account.to_string(),
        "apiId" => exchange.api.id.to_string(),
        "domainName" => host(),
        "domainPrefix" => host().split(['.', ':']).next()?.to_owned(),
        "extendedRequestId" | "awsEndpointRequestId" => exchange.extended_request_id.to_owned(),
        "httpMethod" => exchange.method.to_owned(),
        "identity.sourceIp" => exchange.source_ip.to_string(),
        "identity.userAgent" => header_text(exchange.headers.get("user-agent")?).into_owned(),
        "path" => exchange.full_path.to_owned(),
        "protocol" => exchange.protocol().to_owned(),
        "requestId" if is_rest => exchange.request_id.to_owned(),
        "requestId" => exchange.extended_request_id.to_owned(),
        "requestTime" => common_log_time(exchange.at),
        "requestTimeEpoch" => exchange.at.epoch_ms().to_string(),
        "resourceId" => exchange.route.resource_id.clone(),
        "resourcePath" => exchange.route.resource.clone(),
        "routeKey" => exchange.route.key.clone(),
        "stage" => exchange.api.stage.to_string(),
        "deploymentId" => match &exchange.api.kind {
            Kind::Rest { deployment_id, .. } => deployment_id.clone(),
            Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => return None,
        },
        "xrayTraceId" => exchange.trace.full.clone(),
        _ => return None,
    };
    Some(text)
}
