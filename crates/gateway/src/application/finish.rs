//! What every response carries, whoever made it.
//!
//! Lives here: the headers of each kind of API, compression, in which words and forms an API answers.
//! Does not live here: the words themselves (`replies`), the entry in the access log (`words`).

use http::HeaderValue;

use super::arrival::{Arrival, Head};
use crate::compression;
use crate::cors;
use crate::events;
use crate::http::Response;
use crate::replies::{Accepts, faults, headers};
use crate::routes::{Answer, Api, Hit, Kind, Payload};

/// The response in a coding that its client names, where its API compresses.
pub(super) async fn packed(response: Response, api: Option<&Api>, head: &Head) -> Response {
    match api.and_then(|api| api.compression_bytes_min) {
        Some(bytes_min) => compression::compressed(response, &head.headers, bytes_min).await,
        None => response,
    }
}

/// A REST API tells a function's client the trace of the request, also of a reply that was kept.
pub(super) fn traced(mut response: Response, hit: &Hit<'_>, arrival: &Arrival) -> Response {
    let is_traced = match &hit.route.answer {
        Answer::Function { payload, .. } => *payload == Payload::Rest,
        Answer::Custom(custom) => !custom.is_mock(),
        Answer::HttpProxy(_)
        | Answer::Service(_)
        | Answer::Mock(_)
        | Answer::Socket { .. }
        | Answer::NotServed(_) => false,
    };
    if is_traced {
        let trace = headers::value_of(&arrival.trace.full);
        response.headers.push(("X-Amzn-Trace-Id".to_owned(), trace));
    }
    response
}

pub(super) fn accepts(api: &Api, head: &Head) -> Accepts {
    match &api.kind {
        Kind::Rest {
            binary_media_types, ..
        } if events::is_binary_for_rest(head.headers.text("accept"), binary_media_types) => {
            Accepts::Binary
        }
        Kind::Rest { .. }
        | Kind::Http { .. }
        | Kind::FunctionUrl { .. }
        | Kind::WebSocket { .. } => Accepts::Text,
    }
}

/// Adds what every response of an API carries.
pub(super) fn complete(response: &mut Response, api: Option<&Api>, head: &Head, arrival: &Arrival) {
    let Some(api) = api else { return };
    let extended = || headers::value_of(&arrival.extended_request_id);
    let mut add = |name: &str, value: HeaderValue| response.headers.push((name.to_owned(), value));
    match &api.kind {
        Kind::WebSocket { .. } => {}
        Kind::Rest { .. } => {
            add(
                "x-amzn-RequestId",
                headers::value_of(arrival.request_id.as_str()),
            );
            add("x-amz-apigw-id", extended());
        }
        Kind::Http { cors } | Kind::FunctionUrl { cors, .. } => {
            if let Kind::FunctionUrl { .. } = &api.kind {
                add(
                    "x-amzn-RequestId",
                    headers::value_of(arrival.request_id.as_str()),
                );
                add("X-Amzn-Trace-Id", headers::value_of(&arrival.trace.full));
            } else {
                add("apigw-requestid", extended());
            }
            let is_preflight = cors::preflight_for(&head.method, &head.headers).is_some();
            if let Some(cors) = cors.as_ref().filter(|_| !is_preflight) {
                cors::apply(cors, &head.headers, response);
            }
        }
    }
}

/// A request that means no API at all gets an HTTP API's words: they claim least.
pub(super) fn style(api: Option<&Api>) -> faults::Style {
    match api.map(|api| &api.kind) {
        Some(Kind::Rest { .. }) => faults::Style::Rest,
        Some(Kind::FunctionUrl { .. }) => faults::Style::FunctionUrl,
        Some(Kind::Http { .. } | Kind::WebSocket { .. }) | None => faults::Style::Http,
    }
}
