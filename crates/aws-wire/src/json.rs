//! The AWS JSON protocols, 1.0 and 1.1: naming the operation, telling errors.
//!
//! Lives here: `X-Amz-Target`, content types, the body of an error.
//! Does not live here: the shapes of operations (each service).
//!
//! Contract: Smithy, "AWS JSON 1.0 protocol" and "AWS JSON 1.1 protocol".

use http::HeaderMap;

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
}
