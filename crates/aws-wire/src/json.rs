//! The AWS JSON protocols, 1.0 and 1.1: naming the operation, telling errors.
//!
//! Lives here: `X-Amz-Target`, content types, the body of an error, a few members of a body.
//! Does not live here: the shapes of operations (each service).
//!
//! Contract: Smithy, "AWS JSON 1.0 protocol" and "AWS JSON 1.1 protocol".

use std::fmt;

use http::HeaderMap;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::protocol::Protocol;

/// The content type of requests and answers in version 1.0.
pub(crate) const CONTENT_TYPE_1_0: &str = "application/x-amz-json-1.0";
/// The content type of requests and answers in version 1.1.
pub(crate) const CONTENT_TYPE_1_1: &str = "application/x-amz-json-1.1";
/// The header that names the operation.
pub(crate) const TARGET_HEADER: &str = "x-amz-target";

/// The operation that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The service's prefix, as `DynamoDB_20120810`.
    pub prefix: String,
    /// The operation, as `PutItem`.
    pub operation: String,
}

/// Reads `X-Amz-Target: prefix.operation`; none: the header is missing or has no such form.
#[must_use]
pub fn target(headers: &HeaderMap) -> Option<Target> {
    parse_target(headers.get(TARGET_HEADER)?.to_str().ok()?)
}

/// Reads the value of `X-Amz-Target`; none: it has no such form. Never panics.
#[must_use]
pub fn parse_target(text: &str) -> Option<Target> {
    let (prefix, operation) = text.rsplit_once('.')?;
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
    };
    (is_name(prefix) && is_name(operation)).then(|| Target {
        prefix: prefix.to_owned(),
        operation: operation.to_owned(),
    })
}

/// The version that a request speaks, by its content type; 1.1 when it does not say.
#[must_use]
pub(crate) fn version(headers: &HeaderMap) -> Protocol {
    let is_1_0 = headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(CONTENT_TYPE_1_0));
    if is_1_0 {
        Protocol::Json10
    } else {
        Protocol::Json11
    }
}

/// The body of an error: `{"__type": kind, "message": message}`. `kind` is what the service sends, namespace
/// included.
#[must_use]
pub(crate) fn error_body(kind: &str, message: &str) -> Vec<u8> {
    serde_json::json!({ "__type": kind, "message": message })
        .to_string()
        .into_bytes()
}

/// The members of these names in a body, as reading all of it sees them: of two of one name the last holds, whatever the
/// others are. A body that cannot be read has none, and is refused when it is carried out.
#[must_use]
pub fn skim(body: &[u8], names: &[&str]) -> Map<String, Value> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let skimmed = reader.deserialize_map(Skim(names));
    skimmed.unwrap_or_default()
}

/// Reads the members of these names.
struct Skim<'n>(&'n [&'n str]);

impl<'de> Visitor<'de> for Skim<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut skimmed = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if self.0.contains(&name.as_str()) {
                skimmed.insert(name, members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(skimmed)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    #[test]
    fn a_target_is_a_prefix_and_an_operation() {
        let read = |value: &str| {
            target(&headers(TARGET_HEADER, value)).map(|target| (target.prefix, target.operation))
        };
        let some = |prefix: &str, operation: &str| Some((prefix.to_owned(), operation.to_owned()));
        assert_eq!(
            read("DynamoDB_20120810.PutItem"),
            some("DynamoDB_20120810", "PutItem")
        );
        assert_eq!(read("a.b.C"), some("a.b", "C"));
        for broken in ["", "PutItem", ".PutItem", "DynamoDB_20120810.", "a/b.C"] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }

    #[test]
    fn the_content_type_tells_the_version() {
        for (value, expected) in [
            ("application/x-amz-json-1.0", Protocol::Json10),
            (
                "Application/X-Amz-Json-1.0; charset=utf-8",
                Protocol::Json10,
            ),
            ("application/x-amz-json-1.1", Protocol::Json11),
            ("text/plain", Protocol::Json11),
        ] {
            assert_eq!(
                version(&headers("content-type", value)),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn an_error_names_its_type() {
        assert_eq!(
            error_body("a#B", "say \"no\""),
            br#"{"__type":"a#B","message":"say \"no\""}"#
        );
    }

    #[test]
    fn skimming_sees_what_reading_all_sees() {
        for body in [
            r#"{"A": 1, "B": {"A": 2}, "A": "x"}"#,
            r#"{"\u0041": [1], "C": null}"#,
            r#" {"B": 5} "#,
            "{}",
        ] {
            let whole: Map<String, Value> = serde_json::from_str(body).unwrap();
            let skimmed = skim(body.as_bytes(), &["A", "B"]);
            for name in ["A", "B"] {
                assert_eq!(skimmed.get(name), whole.get(name), "{body}");
            }
        }
        assert!(skim(b"[1]", &["A"]).is_empty());
        assert!(skim(br#"{"A": 1"#, &["A"]).is_empty());
    }
}
