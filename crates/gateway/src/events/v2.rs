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
use super::{BodyForm, Exchange, clf, domain_prefix, media_types, write_path_parameters};

/// The event.
pub(super) fn encode(exchange: &Exchange<'_>) -> Vec<u8> {
    let mut json = Writer::with_capacity(exchange.bytes_estimated());
    let headers = EventHeaders::http_v2(exchange.headers, &exchange.added());
    json.open_object();
    json.entry("version", "2.0");
    json.entry("routeKey", &exchange.route.key);
    json.entry("rawPath", exchange.full_path);
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
    headers.write_joined_values(&mut json);
    let query = Query::http(exchange.query);
    if !query.is_empty() {
        json.key("queryStringParameters");
        query.write_joined_values(&mut json);
    }
    write_context(&mut json, exchange);
    let mut parameters = exchange
        .route
        .path_parameters(exchange.api, exchange.path)
        .peekable();
    if parameters.peek().is_some() {
        json.key("pathParameters");
        write_path_parameters(&mut json, parameters);
    }
    if let Some(variables) = &exchange.api.stage_variables.json {
        json.key("stageVariables");
        json.raw(variables);
    }
    write_body(&mut json, exchange);
    json.close_object();
    json.finish()
}

fn write_context(json: &mut Writer, exchange: &Exchange<'_>) {
    let domain_name = exchange.domain_name();
    json.key("requestContext");
    json.open_object();
    json.entry("accountId", exchange.account.as_str());
    json.entry("apiId", exchange.api.id.as_str());
    json.entry("domainName", &domain_name);
    json.entry("domainPrefix", domain_prefix(&domain_name));
    json.key("http");
    json.open_object();
    json.entry("method", exchange.method);
    json.entry("path", exchange.full_path);
    json.entry("protocol", exchange.protocol());
    json.entry("sourceIp", &exchange.source_ip.to_string());
    json.entry("userAgent", &exchange.user_agent().unwrap_or_default());
    json.close_object();
    json.entry("requestId", exchange.extended_request_id);
    json.entry("routeKey", &exchange.route.key);
    json.entry("stage", exchange.api.stage.as_str());
    json.entry("time", &clf::common_log_time(exchange.at));
    json.key("timeEpoch");
    json.integer(exchange.at.epoch_ms());
    json.close_object();
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
