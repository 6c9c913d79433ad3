//! A request as it arrived: its head, its ids, its trace.
//!
//! Lives here: what is fixed before the first step.
//! Does not live here: the steps (`application`).

use std::net::SocketAddr;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use http::{Method, Version};
use interfaces::clock::Clock;
use interfaces::random::Random;
use model::ids::{AccountId, RequestId};
use model::limits;
use model::time::Timestamp;

use super::refusal::Refusal;
use crate::caller::Caller;
use crate::compression;
use crate::cors;
use crate::events::{Exchange, TRACE_RANDOM_BYTES, Trace, header_text};
use crate::http::{Body, Headers, Request, Scheme};
use crate::routes::{Api, Asked, Hit, check_encoding};
use crate::sender::{Sender, TrustedProxies};
use crate::validate::Sent;

/// An extended id is 11 random bytes, so that it ends in one `=`, as the cloud's do.
const EXTENDED_ID_BYTES: usize = 11;

/// An id as the cloud forms those of connections, messages and HTTP APIs' requests.
pub(crate) fn random_id(random: &dyn Random) -> String {
    let mut drawn = [0_u8; EXTENDED_ID_BYTES];
    random.fill(&mut drawn);
    URL_SAFE.encode(drawn)
}

/// A request without its body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) version: Version,
    pub(crate) headers: Headers,
    pub(crate) peer: SocketAddr,
    pub(crate) scheme: Scheme,
    pub(crate) received_at: Instant,
}

/// What the gateway gave it.
#[derive(Debug)]
pub(super) struct Arrival {
    /// The function's request id, and the REST API's: one id finds all there is.
    pub(super) request_id: RequestId,
    /// The HTTP API's request id, and the REST API's second one.
    pub(super) extended_request_id: String,
    pub(super) trace: Trace,
    pub(super) sender: Sender,
    pub(super) at: Timestamp,
    /// The id of the connection that the request would open.
    pub(super) connection_id: Option<String>,
}

impl Head {
    pub(crate) fn split(request: Request) -> (Self, Body) {
        let Request {
            method,
            target,
            version,
            headers,
            body,
            peer,
            scheme,
            received_at,
        } = request;
        let head = Self {
            method,
            target,
            version,
            headers,
            peer,
            scheme,
            received_at,
        };
        (head, body)
    }

    pub(crate) fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(&self.target, |(path, _)| path)
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            host: self.headers.text("host"),
            method: self.method.as_str(),
            method_override: self.headers.text("x-http-method-override"),
            path: self.path(),
            preflight_for: cors::preflight_for(&self.method, &self.headers),
        }
    }

    /// What of the request is validated.
    pub(super) fn sent<'a>(&'a self, body: &'a [u8]) -> Sent<'a> {
        Sent {
            headers: &self.headers,
            query: self.query(),
            body,
        }
    }

    /// The body without its coding, where its API compresses, and the head without its name.
    pub(super) fn unpacked(
        &self,
        api: &Api,
        body: Bytes,
    ) -> Result<(Option<Self>, Bytes), Refusal> {
        if api.compression_bytes_min.is_none() {
            return Ok((None, body));
        }
        let bytes_max = limits::GATEWAY_PAYLOAD_BYTES_MAX;
        let plain = compression::plain(&self.headers, &body, bytes_max);
        let Some(plain) = plain.map_err(|bad| Refusal::bad_coding(&bad))? else {
            return Ok((None, body));
        };
        let others = self.headers.iter();
        let others = others.filter(|(name, _)| !name.eq_ignore_ascii_case("content-encoding"));
        let headers = others.map(|(name, value)| (name, value.clone())).collect();
        let head = Self {
            headers,
            method: self.method.clone(),
            target: self.target.clone(),
            ..*self
        };
        Ok((Some(head), plain))
    }

    /// Refuses what no route would be given.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let values = self.headers.iter().map(|(_, value)| value.len());
        let request_line = self.method.as_str().len() + self.target.len() + " HTTP/1.1 ".len();
        let bytes = request_line + values.sum::<usize>();
        if limits::REST_HEADER_BYTES_MAX.max(limits::HTTP_API_HEADER_BYTES_MAX) < bytes {
            return Err(Refusal::head_too_large(bytes));
        }
        check_encoding(self.path()).map_err(|error| Refusal::bad_encoding(self.path(), error))
    }
}

impl Arrival {
    pub(super) fn new(
        head: &Head,
        clock: &dyn Clock,
        random: &dyn Random,
        proxies: &TrustedProxies,
    ) -> Self {
        let mut drawn = [0_u8; EXTENDED_ID_BYTES + TRACE_RANDOM_BYTES];
        random.fill(&mut drawn);
        let (id, trace) = drawn.split_at(EXTENDED_ID_BYTES);
        let trace = trace.try_into().unwrap_or([0; TRACE_RANDOM_BYTES]);
        let at = clock.now();
        let sent_trace = head.headers.get("x-amzn-trace-id").map(header_text);
        Self {
            request_id: random.request_id(),
            extended_request_id: URL_SAFE.encode(id),
            trace: Trace::read_or_make(sent_trace.as_deref(), at, &trace),
            sender: proxies.sender(head.peer, head.scheme, &head.headers),
            at,
            connection_id: None,
        }
    }

    /// The same, for a request that would open a connection.
    pub(super) fn opening(self, random: &dyn Random) -> Self {
        Self {
            connection_id: Some(random_id(random)),
            ..self
        }
    }

    pub(super) fn exchange<'a>(
        &'a self,
        head: &'a Head,
        hit: &'a Hit<'_>,
        account: &'a AccountId,
        (caller, body): (&'a Caller, &'a [u8]),
    ) -> Exchange<'a> {
        Exchange {
            account,
            api: hit.api,
            route: hit.route,
            path: &hit.path,
            full_path: &hit.full_path,
            shown_path: hit.shown_path(),
            query: head.query(),
            method: hit.method,
            version: head.version,
            headers: &head.headers,
            body,
            source_ip: self.sender.source_ip,
            forwarded: &self.sender.forwarded,
            request_id: self.request_id.as_str(),
            extended_request_id: &self.extended_request_id,
            trace: &self.trace,
            at: self.at,
            caller,
            connection_id: self.connection_id.as_deref(),
        }
    }
}
