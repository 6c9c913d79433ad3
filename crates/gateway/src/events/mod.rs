//! The events that functions are sent: each platform's shape, encoded once into bytes.
//!
//! Lives here: payload 1.0 and 2.0, what they show of a request, samples for people.
//! Does not live here: which route was hit (`routes`), how the reply is read (`replies`).

mod authorizer;
pub(crate) mod authorizer_input;
mod clf;
mod headers;
mod json;
mod load_balancer;
mod media_types;
mod query;
mod repeats;
pub mod samples;
mod trace;
mod v1;
mod v2;
pub(crate) mod websocket;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use http::Version;
use model::ids::AccountId;
use model::time::Timestamp;

use crate::caller::Caller;
use crate::http::Headers;
use crate::routes::{Api, Kind, Payload, Route, url_host_name};
use crate::sender::Forwarded;

pub(crate) use clf::common_log_time;
pub(crate) use headers::text as header_text;
pub(crate) use load_balancer::{Balanced, balanced};
pub(crate) use media_types::is_binary_for_rest;
pub(crate) use query::Query;
pub(crate) use trace::{TRACE_RANDOM_BYTES, Trace};

/// A stage's variables, encoded once for all events; `null` when there are none.
#[derive(Debug, Clone)]
pub(crate) struct StageVariables {
    by_name: BTreeMap<String, String>,
    json: Option<Vec<u8>>,
}

/// Everything that an event shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) api: &'a Api,
    pub(crate) route: &'a Route,
    /// The path without the stage.
    pub(crate) path: &'a str,
    /// The path with the stage.
    pub(crate) full_path: &'a str,
    /// The path as a REST API shows it: as `path`, but for custom domains.
    pub(crate) shown_path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) method: &'a str,
    pub(crate) version: Version,
    pub(crate) headers: &'a Headers,
    pub(crate) body: &'a [u8],
    pub(crate) source_ip: IpAddr,
    pub(crate) forwarded: &'a Forwarded,
    /// A REST API's request id: a UUID.
    pub(crate) request_id: &'a str,
    /// The other id, as `JKJaXmPLvHcESHA=`: an HTTP API's request id.
    pub(crate) extended_request_id: &'a str,
    pub(crate) trace: &'a Trace,
    pub(crate) at: Timestamp,
    /// Who calls, as far as has been found out.
    pub(crate) caller: &'a Caller,
    /// The connection that it would open (WebSocket APIs).
    pub(crate) connection_id: Option<&'a str>,
}

/// How an event shows a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyForm {
    Absent,
    Text,
    Base64,
}

/// The event of a request.
pub(crate) fn encode(exchange: &Exchange<'_>, payload: Payload) -> Bytes {
    let event = match payload {
        Payload::Rest => v1::rest(exchange),
        Payload::HttpV1 => v1::http(exchange),
        Payload::HttpV2 => v2::encode(exchange),
    };
    Bytes::from(event)
}

impl StageVariables {
    /// Encodes them.
    pub(crate) fn new(variables: &BTreeMap<String, String>) -> Self {
        let write = || {
            let mut json = json::Writer::with_capacity(64);
            json.open_object();
            for (name, value) in variables {
                json.named(name);
                json.string(value);
            }
            json.close_object();
            json.finish()
        };
        Self {
            by_name: variables.clone(),
            json: (!variables.is_empty()).then(write),
        }
    }

    /// All of them.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let all = self.by_name.iter();
        all.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The value of one.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(String::as_str)
    }
}

impl<'a> Exchange<'a> {
    fn added(&self) -> headers::Added<'a> {
        headers::Added {
            forwarded: self.forwarded,
            trace_header: &self.trace.event_header,
            body_bytes: self.body.len(),
        }
    }

    /// The host that was called; the cloud shows the endpoint's own name there.
    pub(crate) fn domain_name(&self) -> Cow<'a, str> {
        let host = self.headers.get("host");
        if let Kind::FunctionUrl { .. } = self.api.kind {
            let id = self.api.id.as_str();
            // By our own path it is reached at any host, which its function is not to see.
            let named = host.map(header_text);
            let named = named.filter(|host| host.split('.').next() == Some(id));
            return named.unwrap_or_else(|| url_host_name(id, &self.api.region).into());
        }
        match host {
            Some(host) => header_text(host),
            None => Cow::Borrowed(self.api.id.as_str()),
        }
    }

    /// The headers that a REST API shows, one value each.
    pub(crate) fn header_pairs(&self) -> Vec<(String, String)> {
        let mut json = json::Writer::with_capacity(512);
        headers::EventHeaders::rest(self.headers, &self.added()).write_last_values(&mut json);
        pairs_of(&json.finish())
    }

    /// The parameters of a REST API's query, decoded, one value each.
    pub(crate) fn query_pairs(&self) -> Vec<(String, String)> {
        let mut json = json::Writer::with_capacity(128);
        Query::rest(self.query).write_last_values(&mut json);
        pairs_of(&json.finish())
    }

    pub(crate) fn user_agent(&self) -> Option<Cow<'a, str>> {
        self.headers.get("user-agent").map(header_text)
    }

    pub(crate) fn protocol(&self) -> &'static str {
        match self.version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2.0",
            _ => "HTTP/1.1",
        }
    }

    /// Enough room for most events: the body in base64, the head twice, and the context.
    fn bytes_estimated(&self) -> usize {
        1_536 + self.body.len() / 3 * 4 + self.headers.len() * 128
    }
}

/// What an event shows as an object of texts.
fn pairs_of(json: &[u8]) -> Vec<(String, String)> {
    let read: Option<indexmap::IndexMap<String, String>> =
        serde_json::from_slice(json).unwrap_or_default();
    read.unwrap_or_default().into_iter().collect()
}

/// The first label of a host name, without its port: `domainPrefix`.
pub(crate) fn domain_prefix(domain_name: &str) -> &str {
    domain_name.split(['.', ':']).next().unwrap_or_default()
}

fn write_path_parameters<'a>(
    json: &mut json::Writer,
    parameters: impl Iterator<Item = (&'a str, &'a str)>,
) {
    json.open_object();
    for (name, value) in parameters {
        json.named(name);
        json.string(value);
    }
    json.close_object();
}

impl BodyForm {
    /// Text that is not UTF-8 loses what is not: so does the cloud where a body's type is not declared binary, and
    /// people find out here.
    fn write(self, json: &mut json::Writer, body: &[u8]) {
        match self {
            Self::Absent => {}
            Self::Text => json.string(&String::from_utf8_lossy(body)),
            Self::Base64 => json.base64(body),
        }
    }

    fn write_is_base64(self, json: &mut json::Writer) {
        json.key("isBase64Encoded");
        json.raw(match self {
            Self::Base64 => b"true",
            Self::Absent | Self::Text => b"false",
        });
    }
}
