//! Replies in format 2.0: spelled out, or inferred.
//!
//! Lives here: inference, cookies, the default content type of HTTP APIs.
//! Does not live here: format 1.0 (`v1`), what the client sees instead of a bad reply (`faults`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs", response for
//! format 2.0: valid JSON without a `statusCode` is the body of a 200 in `application/json`; a bare string is the
//! body itself. Function URLs as recorded: JSON loses its white space, a body may be any JSON, and is in
//! `application/json` unless the function says otherwise.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::headers::{self, Headers};
use super::v1::{bad_shape, header_text};
use super::wire::{self, BadReply};
use super::{body_bytes, decode_base64};
use crate::http::{Response, ResponseBody};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Reply<'a> {
    #[serde(rename = "statusCode", borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    headers: Option<&'a RawValue>,
    #[serde(borrow)]
    cookies: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(rename = "isBase64Encoded", borrow)]
    is_base64: Option<&'a RawValue>,
}

/// Who replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    HttpApi,
    FunctionUrl,
}

/// The response.
pub(super) fn read(returned: &Bytes, by: By) -> Result<Response, BadReply> {
    if !returned.trim_ascii_start().starts_with(b"{") {
        return inferred(returned, by);
    }
    let reply: Reply<'_> = serde_json::from_slice(returned).map_err(bad_shape)?;
    let Some(status) = wire::status(reply.status)? else {
        return inferred(returned, by);
    };
    let mut response_headers = Headers::new();
    for (name, raw) in wire::entries("headers", reply.headers)?.0 {
        if let Some(value) = header_text(&name, raw)? {
            headers::push_http(&mut response_headers, &name, &value)?;
        }
    }
    for raw in wire::elements("cookies", reply.cookies)?.0 {
        if let Some(cookie) = header_text("set-cookie", raw)? {
            headers::push_http(&mut response_headers, "set-cookie", &cookie)?;
        }
    }
    let text = match (by, reply.body) {
        (By::FunctionUrl, Some(body)) if body.get().starts_with(['{', '[']) => {
            Cow::Owned(compact(body.get()))
        }
        _ => wire::body(reply.body)?,
    };
    let body = if wire::flag("isBase64Encoded", reply.is_base64)? {
        decode_base64(&text)?
    } else {
        body_bytes(returned, text)
    };
    match by {
        By::HttpApi => default_content_type(&mut response_headers, &body),
        By::FunctionUrl => content_type_or(&mut response_headers, &body, "application/json"),
    }
    Ok(Response {
        status,
        headers: response_headers,
        body: ResponseBody::Whole(body),
    })
}

/// What an HTTP API says of a body that its function says nothing of.
pub(super) fn default_content_type(response_headers: &mut Headers, body: &Bytes) {
    content_type_or(response_headers, body, "text/plain;charset=UTF-8");
}

fn content_type_or(response_headers: &mut Headers, body: &Bytes, default: &'static str) {
    if !body.is_empty() && !headers::contains(response_headers, "content-type") {
        let default = HeaderValue::from_static(default);
        response_headers.push(("content-type".to_owned(), default));
    }
}

fn inferred(returned: &Bytes, by: By) -> Result<Response, BadReply> {
    let value: &RawValue = serde_json::from_slice(returned).map_err(bad_shape)?;
    let text = match by {
        _ if value.get().starts_with('"') => wire::body(Some(value))?,
        By::HttpApi => Cow::Borrowed(value.get()),
        By::FunctionUrl => Cow::Owned(compact(value.get())),
    };
    let body = body_bytes(returned, text);
    let json = HeaderValue::from_static("application/json");
    Ok(Response::new(StatusCode::OK, body).with_header("content-type", json))
}

/// JSON without the white space between its parts.
fn compact(json: &str) -> String {
    let (mut is_text, mut is_escaped) = (false, false);
    let kept = json.chars().filter(|character| {
        let is_kept = is_text || !character.is_ascii_whitespace();
        if *character == '"' && !is_escaped {
            is_text = !is_text;
        }
        is_escaped = *character == '\\' && !is_escaped;
        is_kept
    });
    kept.collect()
}
