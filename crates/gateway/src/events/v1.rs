//! Payload 1.0: what REST APIs send, and HTTP APIs when they are asked to.
//!
//! Lives here: its two variants, which differ in names, nulls and when a body is binary.
//! Does not live here: payload 2.0 (`v2`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Lambda proxy integrations in API Gateway", input format, and
//! "Create AWS Lambda proxy integrations for HTTP APIs", payload format structure; recorded exchanges.
//! Differs: a route's `resourceId` in an HTTP API is `null`, as in the guide's example.

use super::headers::EventHeaders;
use super::json::Writer;
use super::query::Query;
use super::{
    BodyForm, Exchange, authorizer, clf, domain_prefix, media_types, write_path_parameters,
};
use crate::routes::Kind;

/// The event of a REST API.
pub(super) fn rest(exchange: &Exchange<'_>) -> Vec<u8> {
    let mut json = Writer::with_capacity(exchange.bytes_estimated());
    let headers = EventHeaders::rest(exchange.headers, &exchange.added());
    json.open_object();
    write_request(&mut json, exchange, &headers, &Query::rest(exchange.query));
    write_rest_context(&mut json, exchange);
    write_body(&mut json, exchange);
    json.close_object();
    json.finish()
}

/// The event of an HTTP API whose integration asks for payload 1.0.
pub(super) fn http(exchange: &Exchange<'_>) -> Vec<u8> {
    let mut json = Writer::with_capacity(exchange.bytes_estimated());
    let headers = EventHeaders::http_v1(exchange.headers, &exchange.added());
    json.open_object();
    json.entry("version", "1.0");
    write_request(&mut json, exchange, &headers, &Query::http(exchange.query));
    json.key("requestContext");
    json.open_object();
    authorizer::write_http_v1(&mut json, exchange.caller);
    write_http_context(&mut json, exchange);
    json.close_object();
    write_body(&mut json, exchange);
    json.close_object();
    json.finish()
}

/// `requestContext` of a REST API.
pub(super) fn write_rest_context(json: &mut Writer, exchange: &Exchange<'_>) {
    json.key("requestContext");
    json.open_object();
    json.entry("resourceId", &exchange.route.resource_id);
    authorizer::write_rest(json, exchange.caller);
    let deployment_id = match &exchange.api.kind {
        Kind::Rest { deployment_id, .. } => deployment_id.as_str(),
        Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => "",
    };
    json.entry("deploymentId", deployment_id);
    json.entry("requestId", exchange.request_id);
    if let Some(name) = &exchange.route.operation_name {
        json.entry("operationName", name);
    }
    write_context(json, exchange);
    json.close_object();
}

/// The members of an HTTP API's `requestContext` in payload 1.0, but for what an authorizer told.
pub(super) fn write_http_context(json: &mut Writer, exchange: &Exchange<'_>) {
    json.entry_or_null("resourceId", None);
    json.entry("requestId", exchange.extended_request_id);
    write_context(json, exchange);
}

fn write_request(
    json: &mut Writer,
    exchange: &Exchange<'_>,
    headers: &EventHeaders<'_>,
    query: &Query<'_>,
) {
    json.entry("resource", &exchange.route.resource);
    let path = match &exchange.api.kind {
        Kind::Rest { .. } => exchange.shown_path,
        // An HTTP API shows the stage here too.
        Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => exchange.full_path,
    };
    json.entry("path", path);
    json.entry("httpMethod", exchange.method);
    json.key("headers");
    headers.write_last_values(json);
    json.key("multiValueHeaders");
    headers.write_all_values(json);
    json.key("queryStringParameters");
    query.write_last_values(json);
    json.key("multiValueQueryStringParameters");
    query.write_all_values(json);
    json.key("pathParameters");
    let mut parameters = exchange
        .route
        .path_parameters(exchange.api, exchange.path)
        .peekable();
    if parameters.peek().is_some() {
        write_path_parameters(json, parameters);
    } else {
        json.null();
    }
    json.key("stageVariables");
    match &exchange.api.stage_variables.json {
        Some(variables) => json.raw(variables),
        None => json.null(),
    }
}

fn write_context(json: &mut Writer, exchange: &Exchange<'_>) {
    let domain_name = exchange.domain_name();
    json.entry("resourcePath", &exchange.route.resource);
    json.entry("httpMethod", exchange.method);
    json.entry("extendedRequestId", exchange.extended_request_id);
    json.entry("requestTime", &clf::common_log_time(exchange.at));
    json.entry("path", exchange.full_path);
    json.entry("accountId", exchange.account.as_str());
    json.entry("protocol", exchange.protocol());
    json.entry("stage", exchange.api.stage.as_str());
    json.entry("domainPrefix", domain_prefix(&domain_name));
    json.key("requestTimeEpoch");
    json.integer(exchange.at.epoch_ms());
    authorizer::write_identity(json, exchange);
    json.entry("domainName", &domain_name);
    json.entry("apiId", exchange.api.id.as_str());
}

fn body_form(exchange: &Exchange<'_>) -> BodyForm {
    let content_type = exchange.headers.text("content-type");
    let is_binary = match &exchange.api.kind {
        Kind::Rest {
            binary_media_types, ..
        } => media_types::is_binary_for_rest(content_type, binary_media_types),
        Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => {
            media_types::is_binary_for_http(content_type)
        }
    };
    match exchange.body {
        [] => BodyForm::Absent,
        [..] if is_binary => BodyForm::Base64,
        [..] => BodyForm::Text,
    }
}

fn write_body(json: &mut Writer, exchange: &Exchange<'_>) {
    let form = body_form(exchange);
    json.key("body");
    match form {
        BodyForm::Absent => json.null(),
        BodyForm::Text | BodyForm::Base64 => form.write(json, exchange.body),
    }
    form.write_is_base64(json);
}
