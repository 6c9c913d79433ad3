//! Replies in format 1.0: those of REST APIs, and of HTTP APIs that ask for it.
//!
//! Lives here: merging `headers` and `multiValueHeaders`, when base64 is decoded.
//! Does not live here: format 2.0 (`v2`), what the client sees instead of a bad reply (`faults`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Lambda proxy integrations in API Gateway", output format; recorded
//! exchanges of `test_aws_proxy_response_payload_format_validation`.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::headers::{self, Headers};
use super::wire::{self, BadReply};
use super::{body_bytes, decode_base64};
use crate::http::{Response, ResponseBody};

/// All keys that a REST API knows. It refuses others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct RestReply<'a> {
    #[serde(rename = "statusCode", borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    headers: Option<&'a RawValue>,
    #[serde(rename = "multiValueHeaders", borrow)]
    multi_value_headers: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(rename = "isBase64Encoded", borrow)]
    is_base64: Option<&'a RawValue>,
}

/// The same keys, among others.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct HttpReply<'a> {
    #[serde(rename = "statusCode", borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    headers: Option<&'a RawValue>,
    #[serde(rename = "multiValueHeaders", borrow)]
    multi_value_headers: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(rename = "isBase64Encoded", borrow)]
    is_base64: Option<&'a RawValue>,
}

/// A header with the values that it ends with.
pub(super) struct Merged<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) values: Vec<Cow<'a, str>>,
}

/// Whether the client's `Accept` is among the API's binary media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    Binary,
    Text,
}

impl Accepts {
    /// A word for it: replies of one form are not given to clients that want the other.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Text => "text",
        }
    }
}

/// The response of a REST API.
pub(super) fn rest(returned: &Bytes, accepts: Accepts) -> Result<Response, BadReply> {
    let reply: RestReply<'_> = serde_json::from_slice(returned).map_err(bad_shape)?;
    let mut response_headers = Headers::new();
    for header in merged(reply.headers, reply.multi_value_headers)? {
        for value in &header.values {
            headers::push_rest(&mut response_headers, &header.name, value)?;
        }
    }
    if !headers::contains(&response_headers, "content-type") {
        let default = HeaderValue::from_static("application/json");
        response_headers.insert(0, ("Content-Type".to_owned(), default));
    }
    let text = wire::body(reply.body)?;
    let is_base64 = wire::flag("isBase64Encoded", reply.is_base64)?;
    let body = match accepts {
        Accepts::Binary if is_base64 => decode_base64(&text)?,
        Accepts::Binary | Accepts::Text => body_bytes(returned, text),
    };
    Ok(Response {
        status: wire::status(reply.status)?.unwrap_or(StatusCode::OK),
        headers: response_headers,
        body: ResponseBody::Whole(body),
    })
}

/// The response of an HTTP API.
pub(super) fn http(returned: &Bytes) -> Result<Response, BadReply> {
    let reply: HttpReply<'_> = serde_json::from_slice(returned).map_err(bad_shape)?;
    let mut response_headers = Headers::new();
    for header in merged(reply.headers, reply.multi_value_headers)? {
        for value in &header.values {
            headers::push_http(&mut response_headers, &header.name, value)?;
        }
    }
    let text = wire::body(reply.body)?;
    let body = if wire::flag("isBase64Encoded", reply.is_base64)? {
        decode_base64(&text)?
    } else {
        body_bytes(returned, text)
    };
    super::v2::default_content_type(&mut response_headers, &body);
    Ok(Response {
        status: wire::status(reply.status)?.unwrap_or(StatusCode::OK),
        headers: response_headers,
        body: ResponseBody::Whole(body),
    })
}

pub(super) fn bad_shape(error: serde_json::Error) -> BadReply {
    BadReply::Shape {
        reason: wire::shorten(&error.to_string()),
    }
}

/// `multiValueHeaders` decide spelling and order; a value of `headers` follows unless it is among them already.
pub(super) fn merged<'a>(
    single: Option<&'a RawValue>,
    multi: Option<&'a RawValue>,
) -> Result<Vec<Merged<'a>>, BadReply> {
    let mut headers: Vec<Merged<'a>> = Vec::new();
    for (name, list) in wire::entries("multiValueHeaders", multi)?.0 {
        let mut values = Vec::new();
        for raw in wire::elements("multiValueHeaders", Some(list))?.0 {
            values.extend(header_text(&name, raw)?);
        }
        headers.push(Merged { name, values });
    }
    for (name, raw) in wire::entries("headers", single)?.0 {
        let Some(value) = header_text(&name, raw)? else {
            continue;
        };
        let known = headers
            .iter_mut()
            .find(|header| header.name.eq_ignore_ascii_case(&name));
        match known {
            Some(header) if header.values.contains(&value) => {}
            Some(header) => header.values.push(value),
            None => headers.push(Merged {
                name,
                values: vec![value],
            }),
        }
    }
    Ok(headers)
}

pub(super) fn header_text<'a>(
    name: &str,
    raw: &'a RawValue,
) -> Result<Option<Cow<'a, str>>, BadReply> {
    wire::scalar(raw).map_err(|shown| BadReply::HeaderShape {
        name: wire::shorten(name),
        shown,
    })
}
