//! Payload 2.0 of HTTP APIs. What a request lacks is left out rather than null.
//!
//! Lives here: that one shape.
//! Does not live here: payload 1.0 (`v1`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs", payload format
//! structure; recorded events: `rawPath` is decoded, `rawQueryString` is not, and a stage other than `$default`
//! stands before the path.

use super::headers::EventHeaders;
use super::json::Writer;
use super::query::Query;
use super::{
    BodyForm, Exchange, authorizer, clf, domain_prefix, media_types, write_path_parameters,
};
use crate::caller::Identity;
use crate::routes::Kind;

/// The event.
pub(super) fn encode(exchange: &Exchange<'_>) -> Vec<u8> {
    let mut json = Writer::with_capacity(exchange.bytes_estimated());
    json.open_object();
    json.entry("version", "2.0");
    write_request(&mut json, exchange);
    write_body(&mut json, exchange);
    json.close_object();
    json.finish()
}

/// All that is shown of a request but its body, to functions and to authorizers alike.
pub(super) fn write_request(json: &mut Writer, exchange: &Exchange<'_>) {
    let headers = EventHeaders::http_v2(exchange.headers, &exchange.added());
    json.entry("routeKey", &exchange.route.key);
    json.entry("rawPath", shown_path(exchange));
    json.entry("rawQueryString", exchange.query.unwrap_or_default());
    if !headers.cookies().is_empty() {
        json.key("cookies");
        json.open_array();
        for cookie in headers.cookies() {
            json.string(cookie);
        }
        json.close_array();
    }
    json.key("headers");
    headers.write_joined_values(json);
    let query = Query::http(exchange.query);
    if !query.is_empty() {
        json.key("queryStringParameters");
        query.write_joined_values(json);
    }
    write_context(json, exchange);
    let mut parameters = exchange
        .route
        .path_parameters(exchange.api, exchange.path)
        .peekable();
    if parameters.peek().is_some() {
        json.key("pathParameters");
        write_path_parameters(json, parameters);
    }
    if let Some(variables) = &exchange.api.stage_variables.json {
        json.key("stageVariables");
        json.raw(variables);
    }
}

fn write_context(json: &mut Writer, exchange: &Exchange<'_>) {
    let domain_name = exchange.domain_name();
    let (account, request_id) = match exchange.api.kind {
        Kind::FunctionUrl { .. } => (url_account(exchange), exchange.request_id),
        Kind::Rest { .. } | Kind::Http { .. } | Kind::WebSocket { .. } => {
            (exchange.account.as_str(), exchange.extended_request_id)
        }
    };
    json.key("requestContext");
    json.open_object();
    json.entry("accountId", account);
    json.entry("apiId", exchange.api.id.as_str());
    authorizer::write_http_v2(json, exchange.caller);
    json.entry("domainName", &domain_name);
    json.entry("domainPrefix", domain_prefix(&domain_name));
    json.key("http");
    json.open_object();
    json.entry("method", exchange.method);
    json.entry("path", shown_path(exchange));
    json.entry("protocol", exchange.protocol());
    json.entry("sourceIp", exchange.forwarded.source());
    json.entry("userAgent", &exchange.user_agent().unwrap_or_default());
    json.close_object();
    json.entry("requestId", request_id);
    json.entry("routeKey", &exchange.route.key);
    json.entry("stage", exchange.api.stage.as_str());
    json.entry("time", &clf::common_log_time(exchange.at));
    json.key("timeEpoch");
    json.integer(exchange.at.epoch_ms());
    json.close_object();
}

/// Function URLs take several slashes at the beginning for one, as recorded.
fn shown_path<'a>(exchange: &Exchange<'a>) -> &'a str {
    let path = exchange.full_path;
    let rest = path.trim_start_matches('/');
    match exchange.api.kind {
        Kind::FunctionUrl { .. } if rest.len() < path.len() => {
            path.get(path.len() - rest.len() - 1..).unwrap_or(path)
        }
        Kind::FunctionUrl { .. }
        | Kind::Rest { .. }
        | Kind::Http { .. }
        | Kind::WebSocket { .. } => path,
    }
}

/// A function URL shows the caller's account, and `anonymous` without one.
fn url_account<'a>(exchange: &Exchange<'a>) -> &'a str {
    match &exchange.caller.identity {
        Identity::Iam(signer) => &signer.account,
        Identity::Open | Identity::Token { .. } | Identity::Function { .. } => "anonymous",
    }
}

fn write_body(json: &mut Writer, exchange: &Exchange<'_>) {
    let content_type = exchange.headers.text("content-type");
    let form = match exchange.body {
        [] => BodyForm::Absent,
        [..] if media_types::is_binary_for_http(content_type) => BodyForm::Base64,
        [..] => BodyForm::Text,
    };
    match form {
        BodyForm::Absent => {}
        BodyForm::Text | BodyForm::Base64 => {
            json.key("body");
            form.write(json, exchange.body);
        }
    }
    form.write_is_base64(json);
}
