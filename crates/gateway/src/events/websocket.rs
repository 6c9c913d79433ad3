//! The events of WebSocket APIs.
//!
//! Lives here: connecting, a message, disconnecting, and what authorizers are given.
//! Does not live here: connections themselves (`application::sockets`), events of requests (`v1`, `v2`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Set up a WebSocket API integration request" and "Create an AWS Lambda
//! function with a REQUEST authorizer for a WebSocket API"; recorded events of 2022 and later, in which what is not
//! known is left out. `requestId` and `extendedRequestId` are the same.
//! Differs: `domainName` is the API's own name in the cloud, whichever name the client used: functions send their answers there.

use std::net::IpAddr;

use model::time::Timestamp;

use super::headers::EventHeaders;
use super::json::Writer;
use super::query::Query;
use super::{Exchange, authorizer, clf};
use crate::caller::{Caller, Identity};
use crate::routes::Api;

/// What all events of a connection show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connected<'a> {
    pub(crate) api: &'a Api,
    pub(crate) connection_id: &'a str,
    pub(crate) connected_at: Timestamp,
    pub(crate) source_ip: IpAddr,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) caller: &'a Caller,
}

/// One event of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Happened<'a> {
    pub(crate) route_key: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) what: What<'a>,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    Connect,
    Message { id: &'a str },
    Disconnect { status: u16, reason: &'a str },
}

impl What<'_> {
    /// `eventType`.
    pub(crate) fn event_type(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Message { .. } => "MESSAGE",
            Self::Disconnect { .. } => "DISCONNECT",
        }
    }
}

/// The name at which functions reach an API's connections.
pub(crate) fn domain_name(api: &Api) -> String {
    format!("{}.execute-api.{}.amazonaws.com", api.id, api.region)
}

/// The event of `$connect`.
pub(crate) fn connect(
    exchange: &Exchange<'_>,
    connected: &Connected<'_>,
    happened: &Happened<'_>,
) -> Vec<u8> {
    let mut json = Writer::with_capacity(exchange.bytes_estimated());
    let headers = EventHeaders::rest(exchange.headers, &exchange.added());
    let query = Query::rest(exchange.query);
    json.open_object();
    json.key("headers");
    headers.write_last_values(&mut json);
    json.key("multiValueHeaders");
    headers.write_all_values(&mut json);
    if !query.is_empty() {
        json.key("queryStringParameters");
        query.write_last_values(&mut json);
        json.key("multiValueQueryStringParameters");
        query.write_all_values(&mut json);
    }
    write_stage_variables(&mut json, connected.api);
    write_context(&mut json, connected, happened);
    close(json)
}

/// The event of a message.
pub(crate) fn message(connected: &Connected<'_>, happened: &Happened<'_>, text: &str) -> Vec<u8> {
    let mut json = Writer::with_capacity(1_024 + text.len() / 8 * 9);
    json.open_object();
    write_stage_variables(&mut json, connected.api);
    write_context(&mut json, connected, happened);
    json.entry("body", text);
    close(json)
}

/// The event of `$disconnect`. The headers are the cloud's own: nobody sent them.
pub(crate) fn disconnect(connected: &Connected<'_>, happened: &Happened<'_>) -> Vec<u8> {
    let host = domain_name(connected.api);
    let headers = [
        ("Host", host.as_str()),
        ("x-api-key", ""),
        ("X-Forwarded-For", ""),
        ("x-restapi", ""),
    ];
    let mut json = Writer::with_capacity(1_024);
    json.open_object();
    json.key("headers");
    json.open_object();
    for (name, value) in headers {
        json.named(name);
        json.string(value);
    }
    json.close_object();
    json.key("multiValueHeaders");
    json.open_object();
    for (name, value) in headers {
        json.named(name);
        json.open_array();
        json.string(value);
        json.close_array();
    }
    json.close_object();
    write_stage_variables(&mut json, connected.api);
    write_context(&mut json, connected, happened);
    close(json)
}

/// The event of the authorizer of `$connect`.
pub(crate) fn authorizer(exchange: &Exchange<'_>, arn: &str) -> Vec<u8> {
    let mut json = Writer::with_capacity(exchange.bytes_estimated());
    let headers = EventHeaders::websocket_authorizer(exchange.headers, &exchange.added());
    let query = Query::rest(exchange.query);
    json.open_object();
    json.entry("type", "REQUEST");
    json.entry("methodArn", arn);
    json.key("headers");
    headers.write_last_values(&mut json);
    json.key("multiValueHeaders");
    headers.write_all_values(&mut json);
    for (name, is_single) in [
        ("queryStringParameters", true),
        ("multiValueQueryStringParameters", false),
    ] {
        json.key(name);
        if query.is_empty() {
            json.raw(b"{}");
        } else if is_single {
            query.write_last_values(&mut json);
        } else {
            query.write_all_values(&mut json);
        }
    }
    json.key("stageVariables");
    match &exchange.api.stage_variables.json {
        Some(variables) => json.raw(variables),
        None => json.raw(b"{}"),
    }
    let user_agent = exchange.user_agent();
    let connected = Connected {
        api: exchange.api,
        connection_id: exchange.connection_id.unwrap_or_default(),
        connected_at: exchange.at,
        source_ip: exchange.source_ip,
        user_agent: user_agent.as_deref(),
        caller: exchange.caller,
    };
    let happened = Happened {
        route_key: &exchange.route.key,
        request_id: exchange.extended_request_id,
        at: exchange.at,
        what: What::Connect,
    };
    write_context(&mut json, &connected, &happened);
    json.close_object();
    json.finish()
}

fn close(mut json: Writer) -> Vec<u8> {
    json.key("isBase64Encoded");
    json.raw(b"false");
    json.close_object();
    json.finish()
}

fn write_stage_variables(json: &mut Writer, api: &Api) {
    if let Some(variables) = &api.stage_variables.json {
        json.key("stageVariables");
        json.raw(variables);
    }
}

fn write_context(json: &mut Writer, connected: &Connected<'_>, happened: &Happened<'_>) {
    json.key("requestContext");
    json.open_object();
    json.entry("routeKey", happened.route_key);
    authorizer::write_rest(json, connected.caller);
    match happened.what {
        What::Connect => {}
        What::Message { id } => json.entry("messageId", id),
        What::Disconnect { status, .. } => {
            json.key("disconnectStatusCode");
            json.integer(i64::from(status));
        }
    }
    json.entry("eventType", happened.what.event_type());
    json.entry("extendedRequestId", happened.request_id);
    json.entry("requestTime", &clf::common_log_time(happened.at));
    json.entry("messageDirection", "IN");
    if let What::Disconnect { reason, .. } = happened.what {
        json.entry("disconnectReason", reason);
    }
    json.entry("stage", connected.api.stage.as_str());
    json.key("connectedAt");
    json.integer(connected.connected_at.epoch_ms());
    json.key("requestTimeEpoch");
    json.integer(happened.at.epoch_ms());
    write_identity(json, connected);
    json.entry("requestId", happened.request_id);
    json.entry("domainName", &domain_name(connected.api));
    json.entry("connectionId", connected.connection_id);
    json.entry("apiId", connected.api.id.as_str());
    json.close_object();
}

fn write_identity(json: &mut Writer, connected: &Connected<'_>) {
    json.key("identity");
    json.open_object();
    if let Identity::Iam(signer) = &connected.caller.identity {
        json.entry("userArn", &signer.arn);
    }
    if let Some(used) = &connected.caller.key {
        json.entry("apiKey", used.key.value.reveal());
        json.entry("apiKeyId", &used.key.id);
    }
    if let Some(user_agent) = connected.user_agent {
        json.entry("userAgent", user_agent);
    }
    if let Identity::Iam(signer) = &connected.caller.identity {
        json.entry("accountId", &signer.account);
        json.entry("caller", &signer.unique_id);
    }
    json.entry("sourceIp", &connected.source_ip.to_string());
    if let Identity::Iam(signer) = &connected.caller.identity {
        json.entry("accessKey", &signer.access_key_id);
        json.entry("user", &signer.unique_id);
    }
    json.close_object();
}
