//! Which protocol a request speaks, and how each tells an error.
//!
//! Lives here: what the service door needs to refuse a request before any service has seen it.
//! Does not live here: why it is refused (`errors`), the services' own errors.
//!
//! Contract: Smithy, the pages on the AWS protocols, "Operation error serialization"; Amazon S3 API Reference,
//! "Error responses".

use http::{HeaderMap, StatusCode};

use crate::{json, xml};

/// The protocols of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// JSON 1.0: DynamoDB.
    Json10,
    /// JSON 1.1: Kinesis, Systems Manager and most others.
    Json11,
    /// REST with JSON: Lambda.
    RestJson,
    /// Forms in, XML out: STS, IAM, SNS.
    Query,
    /// REST with XML: S3.
    RestXml,
}

/// An error in the shape of a protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The status.
    pub status: StatusCode,
    /// Headers, content type included.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Protocol {
    /// The protocol that a request speaks, as far as it shows. `service` is the name in its credential's scope.
    #[must_use]
    pub fn guess(service: Option<&str>, headers: &HeaderMap, query: Option<&str>) -> Self {
        if headers.contains_key(json::TARGET_HEADER) {
            return json::version(headers);
        }
        if service == Some("s3") {
            return Self::RestXml;
        }
        let is_form = headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        let names_action =
            query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("Action=")));
        if is_form || names_action {
            Self::Query
        } else {
            Self::RestJson
        }
    }

    /// An error in this protocol's shape. `code` is the error's name without a namespace.
    #[must_use]
    pub fn error(
        self,
        status: StatusCode,
        code: &str,
        message: &str,
        request_id: &str,
    ) -> ErrorAnswer {
        let (headers, body) = match self {
            Self::Json10 | Self::Json11 => {
                let kind = format!("com.amazon.coral.service#{code}");
                (Vec::new(), json::error_body(&kind, message))
            }
            Self::RestJson => (
                vec![("x-amzn-errortype", code.to_owned())],
                serde_json::json!({ "message": message })
                    .to_string()
                    .into_bytes(),
            ),
            Self::Query => {
                let (code, message) = (escape(code), escape(message));
                let body = format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
                     <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
                );
                (Vec::new(), body.into_bytes())
            }
            Self::RestXml => {
                let (code, message) = (escape(code), escape(message));
                let body = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
                     <Message>{message}</Message><RequestId>{request_id}</RequestId></Error>"
                );
                (Vec::new(), body.into_bytes())
            }
        };
        let mut headers = headers;
        headers.push(("content-type", self.content_type().to_owned()));
        ErrorAnswer {
            status,
            headers,
            body,
        }
    }

    /// The content type of answers.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json10 => json::CONTENT_TYPE_1_0,
            Self::Json11 => json::CONTENT_TYPE_1_1,
            Self::RestJson => "application/json",
            Self::Query => "text/xml",
            Self::RestXml => "application/xml",
        }
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    xml::escape_into(&mut escaped, text);
    escaped
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn guess(service: &str, headers: &[(&'static str, &str)], query: Option<&str>) -> Protocol {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        Protocol::guess(Some(service), &headers, query)
    }

    #[test]
    fn a_request_shows_its_protocol() {
        let target = ("x-amz-target", "X.Y");
        let form = (
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        );
        let json_1_0 = ("content-type", json::CONTENT_TYPE_1_0);
        assert_eq!(
            guess("dynamodb", &[target, json_1_0], None),
            Protocol::Json10
        );
        assert_eq!(guess("kms", &[target], None), Protocol::Json11);
        assert_eq!(guess("lambda", &[], None), Protocol::RestJson);
        assert_eq!(guess("sts", &[form], None), Protocol::Query);
        assert_eq!(
            guess("sts", &[], Some("Action=A&Version=1")),
            Protocol::Query
        );
        assert_eq!(guess("s3", &[], Some("Action=A")), Protocol::RestXml);
    }

    #[test]
    fn each_protocol_tells_errors_in_its_own_shape() {
        let body = |protocol: Protocol| {
            let answer = protocol.error(StatusCode::BAD_REQUEST, "Code", "a<b&\u{1}", "id");
            String::from_utf8(answer.body).unwrap()
        };
        assert_eq!(
            body(Protocol::Json10),
            r#"{"__type":"com.amazon.coral.service#Code","message":"a<b&\u0001"}"#
        );
        assert_eq!(body(Protocol::RestJson), r#"{"message":"a<b&\u0001"}"#);
        assert_eq!(
            body(Protocol::Query),
            "<ErrorResponse><Error><Type>Sender</Type><Code>Code</Code>\
             <Message>a&lt;b&amp;\u{fffd}</Message></Error><RequestId>id</RequestId></ErrorResponse>"
        );
        assert!(body(Protocol::RestXml).ends_with("<RequestId>id</RequestId></Error>"));
    }
}
