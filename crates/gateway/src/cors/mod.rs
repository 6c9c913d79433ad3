//! CORS, as each kind of API does it.
//!
//! Lives here: preflights and response headers of HTTP APIs, the fixed preflight reply of REST APIs.
//! Does not live here: which route a preflight belongs to (`routes`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Configure CORS for HTTP APIs": the gateway answers preflights by
//! itself, adds headers to a request with an `Origin`, and ignores CORS headers that the function returned. "CORS for
//! REST APIs": an OPTIONS method with a mock integration; all else is the function's own affair.

use http::{HeaderValue, Method, StatusCode};
use model::http_api::CorsConfiguration;
use model::rest_api::MockReply;

use crate::http::{Headers, Response};
use crate::replies::headers::{self as reply_headers, BadMockHeader};

#[cfg(test)]
mod tests;

const ALLOW_ORIGIN: &str = "access-control-allow-origin";

/// The method that a preflight asks for; none: the request is no preflight.
pub(crate) fn preflight_for<'a>(method: &Method, sent: &'a Headers) -> Option<&'a str> {
    if method != Method::OPTIONS || !sent.contains("origin") {
        return None;
    }
    sent.text("access-control-request-method")
}

/// An HTTP API's answer to a preflight. An origin that is not allowed gets no CORS header, and its browser gives up.
pub(crate) fn preflight(cors: &CorsConfiguration, sent: &Headers) -> Response {
    let mut response = Response::new(StatusCode::NO_CONTENT, "");
    let Some(origin) = allowed_origin(cors, sent) else {
        return response;
    };
    let mut add = |name: &str, value: HeaderValue| response.headers.push((name.to_owned(), value));
    add(ALLOW_ORIGIN, origin);
    let lists = [
        ("access-control-allow-methods", &cors.allow_methods),
        ("access-control-allow-headers", &cors.allow_headers),
        ("access-control-expose-headers", &cors.expose_headers),
    ];
    for (name, list) in lists {
        if !list.is_empty() {
            add(name, reply_headers::value_of(&list.join(",")));
        }
    }
    if let Some(max_age_s) = cors.max_age_s {
        add("access-control-max-age", HeaderValue::from(max_age_s));
    }
    if cors.allow_credentials {
        add(
            "access-control-allow-credentials",
            HeaderValue::from_static("true"),
        );
    }
    response
}

/// Makes the CORS headers of an HTTP API's response the configured ones, whatever the function said.
pub(crate) fn apply(cors: &CorsConfiguration, sent: &Headers, response: &mut Response) {
    response.headers.retain(|(name, _)| !is_cors_header(name));
    let Some(origin) = allowed_origin(cors, sent) else {
        return;
    };
    let mut add = |name: &str, value: HeaderValue| response.headers.push((name.to_owned(), value));
    add(ALLOW_ORIGIN, origin);
    if !cors.expose_headers.is_empty() {
        let exposed = cors.expose_headers.join(",");
        add(
            "access-control-expose-headers",
            reply_headers::value_of(&exposed),
        );
    }
    if cors.allow_credentials {
        add(
            "access-control-allow-credentials",
            HeaderValue::from_static("true"),
        );
    }
}

/// The reply of a REST API's mock integration.
///
/// # Errors
/// A header of the manifest that cannot stand on the wire.
pub(crate) fn mock(reply: &MockReply, sent: &Headers) -> Result<Response, BadMockHeader> {
    let status = StatusCode::from_u16(reply.status).map_err(|_| BadMockHeader {
        name: "status".to_owned(),
    })?;
    let mut response = Response::new(status, reply.body.clone());
    for (name, value) in &reply.headers {
        response.headers.push(reply_headers::of_mock(name, value)?);
    }
    if !reply_headers::contains(&response.headers, "content-type") {
        response.headers.push((
            "Content-Type".to_owned(),
            HeaderValue::from_static("application/json"),
        ));
    }
    let origin = sent.get("origin").filter(|origin| {
        let is_allowed = |origin: &str| {
            let patterns = &reply.allowed_origins;
            patterns.iter().any(|pattern| matches(pattern, origin))
        };
        origin.to_str().is_ok_and(is_allowed)
    });
    if let Some(origin) = origin {
        response
            .headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case(ALLOW_ORIGIN));
        response
            .headers
            .push(("Access-Control-Allow-Origin".to_owned(), origin.clone()));
    }
    Ok(response)
}

/// What `Access-Control-Allow-Origin` says to this origin. `*` stays `*` also with credentials, which browsers then
/// refuse: to echo any origin would open every signed-in user to every site.
fn allowed_origin(cors: &CorsConfiguration, sent: &Headers) -> Option<HeaderValue> {
    let origin = sent.get("origin")?;
    let text = origin.to_str().ok()?;
    if cors.allow_origins.iter().any(|allowed| allowed == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    let is_allowed = cors
        .allow_origins
        .iter()
        .any(|allowed| matches(allowed, text));
    is_allowed.then(|| origin.clone())
}

fn is_cors_header(name: &str) -> bool {
    name.get(.."access-control-".len())
        .is_some_and(|start| start.eq_ignore_ascii_case("access-control-"))
}

/// Whether text fits a pattern in which `*` stands for any run of characters. Greedy from both ends with the middle
/// parts in order: never more than one pass over the text for each part.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern.eq_ignore_ascii_case(text);
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(inner) = text
        .strip_prefix(start)
        .and_then(|text| text.strip_suffix(end))
    else {
        return false;
    };
    let mut behind = Some(inner);
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        behind = behind
            .and_then(|text| text.split_once(part))
            .map(|(_, behind)| behind);
    }
    behind.is_some()
}
