//! The event of an Application Load Balancer.
//!
//! Lives here: its two variants, with the last of several values or with all of them.
//! Does not live here: which function it goes to (`load_balancer`), the reply (`replies::load_balancer`).
//!
//! Contract: User Guide for Application Load Balancers, "Lambda functions as targets", "Receive events from the load
//! balancer" and "Requests with multi-value headers", "Request tracing", "HTTP headers and Application Load Balancers".

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::load_balancer::{ForwardedFor, Values};

use super::header_text;
use super::json::Writer;
use super::media_types::is_binary_for_http;
use crate::http::Headers;
use crate::load_balancer::query;
use crate::sender::Forwarded;

/// What a load balancer knows of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Balanced<'a> {
    pub(crate) group: &'a str,
    pub(crate) values: Values,
    pub(crate) method: &'a str,
    /// As sent.
    pub(crate) path: &'a str,
    /// As sent.
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a Headers,
    pub(crate) body: &'a [u8],
    pub(crate) forwarded: &'a Forwarded,
    pub(crate) forwarded_for: ForwardedFor,
    /// The new id of this request, as `1-TIME-ID`.
    pub(crate) trace_id: &'a str,
}

const TRACE: &str = "x-amzn-trace-id";
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The event's JSON.
pub(crate) fn balanced(request: &Balanced<'_>) -> Vec<u8> {
    let mut json = Writer::with_capacity(request.body.len() * 4 / 3 + 2_048);
    json.open_object();
    json.key("requestContext");
    json.open_object();
    json.key("elb");
    json.open_object();
    json.entry("targetGroupArn", request.group);
    json.close_object();
    json.close_object();
    json.entry("httpMethod", request.method);
    json.entry("path", request.path);
    let mut parameters: BTreeMap<&str, Vec<Cow<'_, str>>> = BTreeMap::new();
    for (name, value) in query::pairs(request.query) {
        parameters.entry(name).or_default().push(value.into());
    }
    let (single, all) = ("queryStringParameters", "multiValueQueryStringParameters");
    write(&mut json, request.values, (single, all), &parameters);
    let (single, all) = ("headers", "multiValueHeaders");
    write(&mut json, request.values, (single, all), &headers(request));
    write_body(&mut json, request);
    json.close_object();
    json.finish()
}

fn write<K: AsRef<str>>(
    json: &mut Writer,
    values: Values,
    (single, all): (&'static str, &'static str),
    of: &BTreeMap<K, Vec<Cow<'_, str>>>,
) {
    json.key(match values {
        Values::Last => single,
        Values::All => all,
    });
    json.open_object();
    for (name, list) in of {
        json.named(name.as_ref());
        match values {
            Values::Last => json.string(list.last().map(AsRef::as_ref).unwrap_or_default()),
            Values::All => {
                json.open_array();
                list.iter().for_each(|value| json.string(value));
                json.close_array();
            }
        }
    }
    json.close_object();
}

/// Names in lower case, and what the load balancer adds.
fn headers<'a>(request: &Balanced<'a>) -> BTreeMap<String, Vec<Cow<'a, str>>> {
    let mut headers: BTreeMap<String, Vec<Cow<'a, str>>> = BTreeMap::new();
    for (name, value) in request.headers.iter() {
        let values = headers.entry(name.to_ascii_lowercase()).or_default();
        values.push(header_text(value));
    }
    let forwarded = request.forwarded;
    let mut set = |name: &str, value: Cow<'a, str>| headers.insert(name.to_owned(), vec![value]);
    set("x-forwarded-port", forwarded.port.as_str().into());
    set("x-forwarded-proto", forwarded.scheme.as_str().into());
    match request.forwarded_for {
        ForwardedFor::Append => {
            set(FORWARDED_FOR, forwarded.hops.as_str().into());
        }
        ForwardedFor::Preserve => {}
        ForwardedFor::Remove => {
            headers.remove(FORWARDED_FOR);
        }
    }
    let sent = headers.get(TRACE).and_then(|values| values.last());
    let trace = trace(sent.map(AsRef::as_ref), request.trace_id);
    headers.insert(TRACE.to_owned(), vec![trace.into()]);
    headers
}

/// The root that was sent stays; what was done here is told before it.
fn trace(sent: Option<&str>, id: &str) -> String {
    let fields = sent.unwrap_or_default().split(';').map(str::trim);
    let is_named = |field: &str, name: &str| {
        let named = field.split_once('=');
        named.is_some_and(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    let kept: Vec<&str> = fields
        .filter(|field| !field.is_empty() && !is_named(field, "Self"))
        .collect();
    if kept.iter().any(|field| is_named(field, "Root")) {
        format!("Self={id};{}", kept.join(";"))
    } else {
        format!("Root={id}")
    }
}

fn write_body(json: &mut Writer, request: &Balanced<'_>) {
    let is_coded = request.headers.contains("content-encoding");
    let is_binary = is_coded || is_binary_for_http(request.headers.text("content-type"));
    json.key("body");
    // An empty body is text, whatever its type.
    let text = match std::str::from_utf8(request.body) {
        Ok(text) if !is_binary || text.is_empty() => Some(text),
        Ok(_) | Err(_) => None,
    };
    match text {
        Some(text) => json.string(text),
        None => json.base64(request.body),
    }
    json.key("isBase64Encoded");
    json.raw(if text.is_some() { b"false" } else { b"true" });
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::{Value, json};

    use super::*;
    use crate::http::Scheme;

    fn event(of: Values, query: Option<&str>, sent: &[(&str, &str)], body: &str) -> Value {
        let headers: Headers = sent
            .iter()
            .map(|(name, value)| (*name, HeaderValue::from_str(value).unwrap()))
            .collect();
        let event = balanced(&Balanced {
            group: "arn:g",
            values: of,
            method: "POST",
            path: "/a%20b",
            query,
            headers: &headers,
            body: body.as_bytes(),
            forwarded: &Forwarded {
                hops: "198.51.100.1, 203.0.113.9".to_owned(),
                scheme: Scheme::Http,
                port: "3003".to_owned(),
            },
            forwarded_for: ForwardedFor::Append,
            trace_id: "1-5bdb40ca-556d8b0c50dc66f0511bf520",
        });
        serde_json::from_slice(&event).unwrap()
    }

    #[test]
    fn the_last_of_several_values_is_shown() {
        let sent = [
            ("Host", "a.example"),
            ("Cookie", "a=1"),
            ("cookie", "b=2"),
            ("Content-Type", "text/plain; charset=utf-8"),
        ];
        assert_eq!(
            event(Values::Last, Some("&k=v%201&k=v2&flag"), &sent, "hi"),
            json!({
                "requestContext": {"elb": {"targetGroupArn": "arn:g"}},
                "httpMethod": "POST",
                "path": "/a%20b",
                "queryStringParameters": {"k": "v2", "flag": ""},
                "headers": {
                    "content-type": "text/plain; charset=utf-8",
                    "cookie": "b=2",
                    "host": "a.example",
                    "x-amzn-trace-id": "Root=1-5bdb40ca-556d8b0c50dc66f0511bf520",
                    "x-forwarded-for": "198.51.100.1, 203.0.113.9",
                    "x-forwarded-port": "3003",
                    "x-forwarded-proto": "http",
                },
                "body": "hi",
                "isBase64Encoded": false,
            })
        );
    }

    #[test]
    fn a_target_group_may_want_all_values() {
        let sent = [("Cookie", "a=1"), ("cookie", "b=2")];
        let event = event(Values::All, Some("k=v%201&k=v2"), &sent, "");
        let parameters = json!({"k": ["v%201", "v2"]});
        assert_eq!(event["multiValueQueryStringParameters"], parameters);
        assert_eq!(event["multiValueHeaders"]["cookie"], json!(["a=1", "b=2"]));
        assert_eq!(
            event["multiValueHeaders"]["x-forwarded-port"],
            json!(["3003"])
        );
        assert_eq!(event.get("headers"), None);
        assert_eq!(event.get("queryStringParameters"), None);
    }

    #[test]
    fn a_body_is_base64_unless_its_type_is_text() {
        for (sent, body, expected, is_base64) in [
            (
                &[("content-type", "application/json")][..],
                "{}",
                "{}",
                false,
            ),
            (
                &[("content-type", "application/javascript")],
                "1",
                "1",
                false,
            ),
            (
                &[("content-type", "application/x-www-form-urlencoded")],
                "a=1",
                "YT0x",
                true,
            ),
            (
                &[("content-type", "text/plain"), ("content-encoding", "gzip")],
                "hi",
                "aGk=",
                true,
            ),
            (&[], "hi", "aGk=", true),
            (&[], "", "", false),
        ] {
            let event = event(Values::Last, None, sent, body);
            assert_eq!(event["body"], json!(expected), "{sent:?}");
            assert_eq!(event["isBase64Encoded"], json!(is_base64), "{sent:?}");
        }
    }

    #[test]
    fn a_trace_that_was_sent_goes_on() {
        for (sent, expected) in [
            (None, "Root=1-2-3"),
            (Some("Parent=1"), "Root=1-2-3"),
            (Some("Root=1-a-b"), "Self=1-2-3;Root=1-a-b"),
            (
                Some("Root=1-a-b;CalledFrom=app"),
                "Self=1-2-3;Root=1-a-b;CalledFrom=app",
            ),
            (Some("Self=1-0-0;Root=1-a-b"), "Self=1-2-3;Root=1-a-b"),
        ] {
            assert_eq!(trace(sent, "1-2-3"), expected);
        }
    }
}
