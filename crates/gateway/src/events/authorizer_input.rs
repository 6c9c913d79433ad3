//! The events that Lambda authorizers are given.
//!
//! Lives here: `TOKEN`, `REQUEST` of REST APIs, and both payload formats of HTTP APIs.
//! Does not live here: calling them (`authorise::functions`), what is made of their answers (`authorizer`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Input to an Amazon API Gateway Lambda authorizer" and "Control access
//! to HTTP APIs with AWS Lambda authorizers", payload format version. What a request lacks is an empty object in
//! payload 1.0, where proxy integrations have `null`.

use super::headers::EventHeaders;
use super::json::Writer;
use super::query::Query;
use super::{Exchange, v1, v2, write_path_parameters};

/// The event of a `TOKEN` authorizer.
pub(crate) fn token(arn: &str, token: &str) -> Vec<u8> {
    let mut json = Writer::with_capacity(64 + arn.len() + token.len());
    json.open_object();
    json.entry("type", "TOKEN");
    json.entry("methodArn", arn);
    json.entry("authorizationToken", token);
    json.close_object();
    json.finish()
}

/// The event of a `REQUEST` authorizer of a REST API.
pub(crate) fn rest(exchange: &Exchange<'_>, arn: &str) -> Vec<u8> {
    let mut json = Writer::with_capacity(exchange.bytes_estimated());
    let headers = EventHeaders::rest(exchange.headers, &exchange.added());
    json.open_object();
    json.entry("type", "REQUEST");
    json.entry("methodArn", arn);
    json.entry("resource", &exchange.route.resource);
    json.entry("path", exchange.shown_path);
    write_request(&mut json, exchange, &headers, &Query::rest(exchange.query));
    v1::write_rest_context(&mut json, exchange);
    json.close_object();
    json.finish()
}

/// The event of an HTTP API's authorizer in payload 1.0.
pub(crate) fn http_v1(exchange: &Exchange<'_>, arn: &str, identities: &[String]) -> Vec<u8> {
    let mut json = Writer::with_capacity(exchange.bytes_estimated());
    let headers = EventHeaders::http_v1(exchange.headers, &exchange.added());
    let identity = identities.join(",");
    json.open_object();
    json.entry("version", "1.0");
    json.entry("type", "REQUEST");
    json.entry("methodArn", arn);
    json.entry("identitySource", &identity);
    json.entry("authorizationToken", &identity);
    json.entry("resource", &exchange.route.resource);
    json.entry("path", exchange.full_path);
    write_request(&mut json, exchange, &headers, &Query::http(exchange.query));
    json.key("requestContext");
    json.open_object();
    v1::write_http_context(&mut json, exchange);
    json.close_object();
    json.close_object();
    json.finish()
}

/// The event of an HTTP API's authorizer in payload 2.0.
pub(crate) fn http_v2(exchange: &Exchange<'_>, arn: &str, identities: &[String]) -> Vec<u8> {
    let mut json = Writer::with_capacity(exchange.bytes_estimated());
    json.open_object();
    json.entry("version", "2.0");
    json.entry("type", "REQUEST");
    json.entry("routeArn", arn);
    json.key("identitySource");
    json.open_array();
    for identity in identities {
        json.string(identity);
    }
    json.close_array();
    v2::write_request(&mut json, exchange);
    json.close_object();
    json.finish()
}

fn write_request(
    json: &mut Writer,
    exchange: &Exchange<'_>,
    headers: &EventHeaders<'_>,
    query: &Query<'_>,
) {
    json.entry("httpMethod", exchange.method);
    json.key("headers");
    headers.write_last_values(json);
    json.key("multiValueHeaders");
    headers.write_all_values(json);
    for (name, is_single) in [
        ("queryStringParameters", true),
        ("multiValueQueryStringParameters", false),
    ] {
        json.key(name);
        if query.is_empty() {
            json.raw(b"{}");
        } else if is_single {
            query.write_last_values(json);
        } else {
            query.write_all_values(json);
        }
    }
    json.key("pathParameters");
    write_path_parameters(
        json,
        exchange.route.path_parameters(exchange.api, exchange.path),
    );
    json.key("stageVariables");
    match &exchange.api.stage_variables.json {
        Some(variables) => json.raw(variables),
        None => json.raw(b"{}"),
    }
}
