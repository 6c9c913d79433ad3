//! Replies of functions behind load balancers.
//!
//! Lives here: what such a reply must be, and what it stands for.
//! Does not live here: what clients see instead of a bad one (`load_balancer::pages`).
//!
//! Contract: User Guide for Application Load Balancers, "Lambda functions as targets", "Respond to the load balancer" and
//! "Responses with multi-value headers". Observed at the cloud: a status code alone is enough; what is there must be of its
//! type, so that `null` and a header that is `true` make it a 502; a body without a type is `application/octet-stream`.
//! Differs: the reason phrase is that of the status, whatever `statusDescription` says.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use model::load_balancer::Values;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::headers::{self, Headers};
use super::wire::{self, BadReply};
use super::{body_bytes, decode_base64, v1};
use crate::http::{Response, ResponseBody};

/// The keys that count, among others.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Reply<'a> {
    #[serde(rename = "statusCode", borrow)]
    status: Option<&'a RawValue>,
    #[serde(rename = "statusDescription", borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    headers: Option<&'a RawValue>,
    #[serde(rename = "multiValueHeaders", borrow)]
    multi_value_headers: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(rename = "isBase64Encoded", borrow)]
    is_base64: Option<&'a RawValue>,
}

/// They speak of one connection only.
const DROPPED: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The response that a function's return value stands for.
pub(crate) fn balanced(returned: &Bytes, values: Values) -> Result<Response, BadReply> {
    let reply: Reply<'_> = serde_json::from_slice(returned).map_err(v1::bad_shape)?;
    let status = status(reply.status)?;
    if let Some(description) = reply.description {
        text("statusDescription", description)?;
    }
    let mut response_headers = Headers::new();
    match values {
        Values::Last => {
            for (name, raw) in object("headers", reply.headers)? {
                push(&mut response_headers, &name, raw)?;
            }
        }
        Values::All => {
            let key = "multiValueHeaders";
            for (name, list) in object(key, reply.multi_value_headers)? {
                for raw in wire::elements(key, Some(list))?.0 {
                    push(&mut response_headers, &name, raw)?;
                }
            }
        }
    }
    let is_base64 = match reply.is_base64.map(RawValue::get) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            return Err(BadReply::Key {
                key: "isBase64Encoded",
                shown: "neither",
                expected: "true or false",
            });
        }
    };
    let body = match reply.body {
        None => Bytes::new(),
        Some(raw) if raw.get() == "null" => Bytes::new(),
        Some(raw) => {
            let text = text("body", raw)?;
            match is_base64 {
                true => decode_base64(&text)?,
                false => body_bytes(returned, text),
            }
        }
    };
    if !headers::contains(&response_headers, "content-type") {
        let default = HeaderValue::from_static("application/octet-stream");
        response_headers.push(("Content-Type".to_owned(), default));
    }
    Ok(Response {
        status,
        headers: response_headers,
        body: ResponseBody::Whole(body),
    })
}

/// A number: its text is none.
fn status(raw: Option<&RawValue>) -> Result<StatusCode, BadReply> {
    let missing = || BadReply::Status {
        shown: "missing".to_owned(),
    };
    let raw = raw.ok_or_else(missing)?;
    if raw.get().starts_with('"') {
        return Err(BadReply::Status {
            shown: wire::shorten(raw.get()),
        });
    }
    wire::status(Some(raw))?.ok_or_else(missing)
}

fn object<'a>(
    key: &'static str,
    raw: Option<&'a RawValue>,
) -> Result<Vec<(std::borrow::Cow<'a, str>, &'a RawValue)>, BadReply> {
    Ok(wire::entries(key, raw)?.0)
}

fn text<'a>(key: &'static str, raw: &'a RawValue) -> Result<std::borrow::Cow<'a, str>, BadReply> {
    let bad = |shown| BadReply::Key {
        key,
        shown,
        expected: "a string",
    };
    if !raw.get().starts_with('"') {
        return Err(bad(wire::sort_of(raw)));
    }
    wire::scalar(raw)
        .map_err(bad)
        .map(Option::unwrap_or_default)
}

fn push(list: &mut Headers, name: &str, raw: &RawValue) -> Result<(), BadReply> {
    let bad = |shown| BadReply::HeaderShape {
        name: wire::shorten(name),
        shown,
    };
    if !raw.get().starts_with('"') {
        return Err(bad(wire::sort_of(raw)));
    }
    let value = wire::scalar(raw).map_err(bad)?.unwrap_or_default();
    let value = headers::checked(name, &value)?;
    if !DROPPED.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        list.push((name.to_owned(), value));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: Values, reply: &str) -> Result<(u16, Vec<String>, String), String> {
        let reply = balanced(&Bytes::copy_from_slice(reply.as_bytes()), values);
        let reply = reply.map_err(|bad| bad.to_string())?;
        let headers = reply.headers.iter();
        let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let ResponseBody::Whole(body) = &reply.body else {
            panic!("it does not stream")
        };
        let body = String::from_utf8(body.to_vec()).unwrap();
        Ok((reply.status.as_u16(), headers.collect(), body))
    }

    #[test]
    fn a_status_alone_is_enough() {
        let octets = vec!["Content-Type: application/octet-stream".to_owned()];
        let expected = Ok((204, octets, String::new()));
        assert_eq!(read(Values::Last, r#"{"statusCode": 204}"#), expected);
    }

    #[test]
    fn headers_count_in_the_form_that_the_target_group_wants() {
        let reply = r#"{"statusCode": 200, "statusDescription": "200 OK", "isBase64Encoded": true, "body": "aGk=",
            "headers": {"Content-Type": "text/a", "Connection": "close"},
            "multiValueHeaders": {"Set-Cookie": ["a", "b"], "content-type": ["text/b"]}}"#;
        let shown = |headers: &[&str]| {
            let headers = headers.iter().map(|it| (*it).to_owned()).collect();
            Ok((200, headers, "hi".to_owned()))
        };
        assert_eq!(read(Values::Last, reply), shown(&["Content-Type: text/a"]));
        assert_eq!(
            read(Values::All, reply),
            shown(&["Set-Cookie: a", "Set-Cookie: b", "content-type: text/b"])
        );
    }

    #[test]
    fn what_is_there_must_be_of_its_type() {
        for (reply, expected) in [
            ("{}", "`statusCode`"),
            ("null", "not the object"),
            (r#""text""#, "not the object"),
            (r#"{"statusCode": "200"}"#, "`statusCode`"),
            (r#"{"statusCode": 99}"#, "`statusCode`"),
            (
                r#"{"statusCode": 200, "statusDescription": 5}"#,
                "`statusDescription`",
            ),
            (
                r#"{"statusCode": 200, "headers": {"a": true}}"#,
                "header `a`",
            ),
            (r#"{"statusCode": 200, "headers": []}"#, "`headers`"),
            (
                r#"{"statusCode": 200, "headers": {"a": "1\n2"}}"#,
                "header `a`",
            ),
            (r#"{"statusCode": 200, "body": {}}"#, "`body`"),
            (
                r#"{"statusCode": 200, "isBase64Encoded": "true"}"#,
                "`isBase64Encoded`",
            ),
            (
                r#"{"statusCode": 200, "isBase64Encoded": true, "body": "!"}"#,
                "not base64",
            ),
        ] {
            let said = read(Values::Last, reply).unwrap_err();
            assert!(said.contains(expected), "{reply}: {said}");
        }
    }
}
