//! One request through a fixed application, without invoking anything: for mock events and for fuzzing.
//!
//! Lives here: the application with one API of each kind, and the path from a request to its event.
//! Does not live here: the handler (`application`), which takes the same path with real requests.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Version};
use interfaces::clock::Clock;
use interfaces::random::Random;
use model::application::Application;
use model::door::Callee;
use model::http_api::{HttpApi, HttpIntegration, HttpRoute, PayloadFormat, RouteKey};
use model::ids::{AccountId, ApiId, FunctionName, LogicalId, RevisionId, StageName};
use model::rest_api::{RestApi, RestIntegration, RestMethod};
use model::time::Timestamp;

use super::arrival::{Arrival, Head};
use crate::caller::Caller;
use crate::events;
use crate::http::{Body, Headers, Request, Scheme};
use crate::routes::{Answer, Located, Table};
use crate::sender::TrustedProxies;

/// Saturday, 21 November 2026, noon: a mock event must be the same every time it is printed.
const SAMPLE_TIME: Timestamp = Timestamp::from_micros(1_795_262_400_000_000);

/// Headers that raw bytes may bring; more are not read.
const RAW_HEADERS_MAX: usize = 200;

/// A REST API's event.
#[must_use]
pub fn rest_event() -> String {
    event_of("/dev/pets/7?limit=10&tag=a&tag=b")
}

/// An HTTP API's event, payload 2.0.
#[must_use]
pub fn http_event() -> String {
    event_of("/http/pets/7?limit=10&tag=a&tag=b")
}

/// The event that raw bytes (request line, header lines, an empty line, a body) would become at one of four
/// routes: everything between the framing of HTTP and a function's input. None: no route, or refused before.
///
/// The entry for fuzzing; it must not panic, and what it returns is JSON.
#[must_use]
pub fn event_of_raw(raw: &[u8]) -> Option<Bytes> {
    let split = raw.windows(2).position(|window| window == b"\n\n");
    let (head, body) = match split {
        Some(at) => (raw.get(..at)?, raw.get(at + 2..)?),
        None => (raw, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let request_line = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = request_line.split_once(' ')?;
    let mut headers = Headers::new();
    for line in lines.take(RAW_HEADERS_MAX) {
        let at = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(line.get(..at)?).ok()?;
        let value = HeaderValue::from_bytes(line.get(at + 1..)?).ok()?;
        headers.push(name, value);
    }
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let table = Table::compile(&application()).0;
    encode(&table, &request(method, target, headers), body)
}

fn event_of(target: &str) -> String {
    let headers = [
        ("Host", "localhost:3000"),
        ("Accept", "application/json"),
        ("Content-Type", "application/json"),
        ("User-Agent", "cloudless"),
        ("Cookie", "session=abc"),
    ];
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect();
    let table = Table::compile(&application()).0;
    let head = request(Method::POST, target, headers);
    let event = encode(&table, &head, br#"{"name":"Rex"}"#).unwrap_or_default();
    pretty(&event)
}

/// The event with line breaks, its keys in the encoder's order.
fn pretty(event: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(event).unwrap_or_default();
    format!("{value:#}\n")
}

fn encode(table: &Table, head: &Head, body: &[u8]) -> Option<Bytes> {
    head.check().ok()?;
    let arrival = Arrival::new(
        head,
        &Still(head.received_at),
        &Still(head.received_at),
        &TrustedProxies::default(),
    );
    let asked = head.asked();
    let Located::Route(hit) = table.locate(&asked) else {
        return None;
    };
    let Answer::Function { payload, .. } = &hit.route.answer else {
        return None;
    };
    let account = AccountId::development();
    Some(events::encode(
        &arrival.exchange(head, &hit, &account, (&Caller::default(), body)),
        *payload,
    ))
}

fn request(method: Method, target: &str, headers: Headers) -> Head {
    let (head, _) = Head::split(Request {
        method,
        target: target.to_owned(),
        version: Version::HTTP_11,
        headers,
        body: Body::empty(),
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000)),
        scheme: Scheme::Http,
        received_at: sample_instant(),
    });
    head
}

/// Nothing is measured in a sample, so any instant does.
#[expect(
    clippy::disallowed_methods,
    reason = "an instant cannot be made of a number, and this one is never compared"
)]
fn sample_instant() -> Instant {
    Instant::now()
}

/// Time that stands still, and dice that always fall the same way.
struct Still(Instant);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        SAMPLE_TIME
    }

    fn instant(&self) -> Instant {
        self.0
    }
}

impl Random for Still {
    fn fill(&self, buffer: &mut [u8]) {
        for (position, byte) in buffer.iter_mut().enumerate() {
            *byte = u8::try_from(position % 251).unwrap_or(0);
        }
    }
}

pub(crate) fn application() -> Application {
    let callee = Callee::unqualified(FunctionName::new("sample"));
    let timeout = Duration::from_secs(29);
    let rest_method = |path: &str, resource_id: &str| RestMethod {
        resource_id: resource_id.to_owned(),
        ..RestMethod::new(
            path,
            "ANY",
            RestIntegration::LambdaProxy {
                callee: callee.clone(),
                timeout,
                is_streamed: false,
            },
        )
    };
    let http_route = |path: &str, payload_format| {
        let key = RouteKey::Path {
            http_method: "POST".to_owned(),
            path: path.to_owned(),
        };
        let integration = HttpIntegration::Lambda {
            callee: callee.clone(),
            payload_format,
            timeout,
        };
        HttpRoute::new(key, integration)
    };
    Application {
        rest_apis: vec![RestApi {
            name: "sample".to_owned(),
            binary_media_types: vec!["image/*".to_owned()],
            methods: vec![
                rest_method("/pets/{id}", "a1b2c3"),
                rest_method("/{proxy+}", "d4e5f6"),
            ],
            ..RestApi::new(
                LogicalId::new("SampleRestApi"),
                ApiId::new("abcdef1234"),
                StageName::new("dev"),
            )
        }],
        http_apis: vec![HttpApi {
            name: "sample".to_owned(),
            routes: vec![
                http_route("/pets/{id}", PayloadFormat::V2),
                http_route("/v1/{proxy+}", PayloadFormat::V1),
            ],
            ..HttpApi::new(
                LogicalId::new("SampleHttpApi"),
                ApiId::new("ghijkl5678"),
                StageName::new("http"),
            )
        }],
        ..Application::empty(RevisionId::new("sample"))
    }
}
