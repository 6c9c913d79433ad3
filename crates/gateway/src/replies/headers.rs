//! The headers of a reply: from the function's text to what may stand on the wire.
//!
//! Lives here: checking names and values, what is renamed or dropped, the gateway's own ids.
//! Does not live here: CORS headers (`cors`), framing headers (`http`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Important notes for REST APIs", and recorded exchanges: these names
//! come back as `x-amzn-Remapped-…`.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::wire::{self, BadReply};

/// Headers of a response, in order.
pub(crate) type Headers = Vec<(String, HeaderValue)>;

/// Renamed by REST APIs.
const REST_REMAPPED: [&str; 14] = [
    "authorization",
    "connection",
    "content-length",
    "content-md5",
    "date",
    "expect",
    "host",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "trailer",
    "upgrade",
    "user-agent",
    "www-authenticate",
];

/// Not sent by REST APIs; the ids are the gateway's own.
const REST_DROPPED: [&str; 5] = [
    "transfer-encoding",
    "x-amzn-requestid",
    "x-amz-apigw-id",
    "x-amzn-trace-id",
    "keep-alive",
];

/// Not sent by HTTP APIs: they speak of one connection only, or are the gateway's own.
const HTTP_DROPPED: [&str; 6] = [
    "apigw-requestid",
    "connection",
    "content-length",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
];

/// A header that the manifest fixes cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` of the mock integration's response cannot stand in an HTTP response")]
pub(crate) struct BadMockHeader {
    pub(crate) name: String,
}

/// A header that the manifest fixes.
pub(crate) fn of_mock(name: &str, value: &str) -> Result<(String, HeaderValue), BadMockHeader> {
    let value = checked(name, value).map_err(|_| BadMockHeader {
        name: wire::shorten(name),
    })?;
    Ok((name.to_owned(), value))
}

/// Checks one header of a REST API's reply and adds it under the name that the client sees.
pub(crate) fn push_rest(headers: &mut Headers, name: &str, value: &str) -> Result<(), BadReply> {
    let value = checked(name, value)?;
    if is_among(name, &REST_DROPPED) {
        return Ok(());
    }
    let shown = if is_among(name, &REST_REMAPPED) {
        Cow::Owned(format!("x-amzn-Remapped-{name}"))
    } else {
        Cow::Borrowed(name)
    };
    headers.push((shown.into_owned(), value));
    Ok(())
}

/// Checks one header of an HTTP API's reply and adds it.
pub(super) fn push_http(headers: &mut Headers, name: &str, value: &str) -> Result<(), BadReply> {
    let value = checked(name, value)?;
    if !is_among(name, &HTTP_DROPPED) {
        headers.push((name.to_ascii_lowercase(), value));
    }
    Ok(())
}

/// A header of another server's answer, as a REST API's client sees it; none: not at all.
pub(crate) fn proxied_rest(name: String, value: HeaderValue) -> Option<(String, HeaderValue)> {
    if is_among(&name, &REST_DROPPED) {
        return None;
    }
    let is_remapped = is_among(&name, &REST_REMAPPED);
    Some(if is_remapped {
        (format!("x-amzn-Remapped-{name}"), value)
    } else {
        (name, value)
    })
}

/// The same for an HTTP API's client.
pub(crate) fn proxied_http(mut name: String, value: HeaderValue) -> Option<(String, HeaderValue)> {
    if is_among(&name, &HTTP_DROPPED) {
        return None;
    }
    name.make_ascii_lowercase();
    Some((name, value))
}

/// Whether a header of this name, in any case, is there.
pub(crate) fn contains(headers: &Headers, name: &str) -> bool {
    headers
        .iter()
        .any(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// The value of text that we made; what cannot stand in a header is left out.
pub(crate) fn value_of(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The same, of text that is needed for nothing else.
pub(crate) fn value_of_own(text: String) -> HeaderValue {
    let value = HeaderValue::from_maybe_shared(Bytes::from(text));
    value.unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A line break in a value would let a function's input write headers, or a whole second response.
pub(super) fn checked(name: &str, value: &str) -> Result<HeaderValue, BadReply> {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(BadReply::HeaderName {
            name: wire::shorten(name).escape_debug().to_string(),
        });
    }
    HeaderValue::from_bytes(value.as_bytes()).map_err(|_| BadReply::HeaderValue {
        name: name.to_owned(),
    })
}

fn is_among(name: &str, list: &[&str]) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(name))
}
