//! Requests that are handed on to another server, whatever their size.
//!
//! Lives here: the request on the wire, an answer whose body is read as it arrives, how long both may take.
//! Does not live here: the exchange (`http::upstream`), who is asked and who signs.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use interfaces::service::{BrokenBody, CallBody};

use super::{Outbound, origin_of};
use crate::http::upstream::{
    NotPassed as Failed, Outgoing, Pass, PassTimes, PassedBody as Arriving, Traits,
};

/// From the last byte of a request to the head of its answer. Calls that wait for messages take up to 20 s.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// Without taking a byte of the request, or giving one of the answer.
const STALL_TIME_MAX: Duration = Duration::from_secs(30);

/// Headers of one hop, or of the framing, which is our own.
const OF_ONE_HOP: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header is about one hop alone, or about its framing.
#[must_use]
pub fn is_of_one_hop(name: &HeaderName) -> bool {
    OF_ONE_HOP.contains(&name.as_str())
}

/// What is handed on.
pub struct Passing {
    /// The method.
    pub method: Method,
    /// Where to: scheme, host and port.
    pub to: Uri,
    /// Path and query, as they are sent.
    pub path_and_query: String,
    /// The headers; those of one hop are left out.
    pub headers: HeaderMap,
    /// The body.
    pub body: PassingBody,
}

/// The body of what is handed on.
pub enum PassingBody {
    /// All of it.
    Whole(Bytes),
    /// As it arrives.
    Streamed {
        /// It.
        body: Box<dyn CallBody>,
        /// How many bytes it has; unknown ones go in chunks.
        bytes: Option<u64>,
    },
}

/// The answer.
pub struct Passed {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, without those of one hop.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How many bytes its head announces.
    pub bytes: Option<u64>,
    /// Its body.
    pub body: PassedBody,
}

/// The body of an answer.
pub struct PassedBody(Arriving);

impl PassedBody {
    /// The next piece; none: that was all of it.
    ///
    /// # Errors
    /// Why there is no more: it broke off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, String> {
        self.0.next().await.map_err(|why| why.to_string())
    }
}

/// Nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum NotPassed {
    /// The request's own body did not arrive.
    #[error(transparent)]
    Body(BrokenBody),
    /// The other server does not answer.
    #[error("{0}")]
    Unanswered(String),
    /// It has parts that cannot be sent.
    #[error("its path is none that can be handed on")]
    Unsendable,
}

impl Outbound {
    /// Hands a request on, and waits for the head of its answer.
    ///
    /// # Errors
    /// [`NotPassed`].
    pub async fn pass(&self, passing: Passing) -> Result<Passed, NotPassed> {
        let origin = origin_of(&passing.to);
        let times = PassTimes {
            answer_max: ANSWER_TIME_MAX,
            stall_max: STALL_TIME_MAX,
        };
        let answered = self.client.pass(&origin, pass(passing)?, times).await;
        let answered = answered.map_err(|why| match why {
            Failed::Body(broken) => NotPassed::Body(broken),
            Failed::Unanswered(why) => NotPassed::Unanswered(why.to_string()),
        })?;
        let mut bytes = None;
        let mut headers = Vec::with_capacity(answered.headers.len());
        for (name, value) in answered.headers {
            let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
                continue;
            };
            if name == http::header::CONTENT_LENGTH {
                bytes = value.to_str().ok().and_then(|text| text.parse().ok());
            }
            if !is_of_one_hop(&name) {
                headers.push((name, value));
            }
        }
        Ok(Passed {
            status: answered.status,
            headers,
            bytes,
            body: PassedBody(answered.body),
        })
    }
}

/// Header values were read by `http`, and hold nothing that could end a line; the path is looked at here.
fn pass(passing: Passing) -> Result<Pass, NotPassed> {
    let target = passing.path_and_query;
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if !target.starts_with('/') || !target.bytes().all(is_plain) {
        return Err(NotPassed::Unsendable);
    }
    let method = passing.method;
    let authority = passing.to.authority().map_or("", |it| it.as_str());
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    for (name, value) in &passing.headers {
        if !is_of_one_hop(name) {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
    }
    let mut framing = String::new();
    let body = match passing.body {
        PassingBody::Whole(body) => {
            if !body.is_empty() || method == Method::POST || method == Method::PUT {
                // Writing to a text cannot fail.
                let _ = write!(framing, "Content-Length: {}\r\n", body.len());
            }
            Outgoing::Whole(body)
        }
        PassingBody::Streamed {
            body,
            bytes: Some(bytes),
        } => {
            let _ = write!(framing, "Content-Length: {bytes}\r\n");
            Outgoing::Exact(body, bytes)
        }
        PassingBody::Streamed { body, bytes: None } => {
            framing.push_str("Transfer-Encoding: chunked\r\n");
            Outgoing::Chunked(body)
        }
    };
    framing.push_str("\r\n");
    head.extend_from_slice(framing.as_bytes());
    let traits = match method {
        Method::HEAD => Traits::Bodiless,
        Method::GET | Method::PUT | Method::DELETE | Method::OPTIONS => Traits::Repeatable,
        _ => Traits::Once,
    };
    Ok(Pass { head, body, traits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(target: &str, body: PassingBody) -> Result<String, NotPassed> {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-a", "b"), ("connection", "close"), ("host", "other")] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let passing = Passing {
            method: Method::PUT,
            to: Uri::from_static("http://localhost:9000"),
            path_and_query: target.to_owned(),
            headers,
            body,
        };
        Ok(String::from_utf8(pass(passing)?.head).unwrap())
    }

    #[test]
    fn a_request_keeps_its_path_and_loses_what_is_about_one_hop() {
        let body = PassingBody::Whole(Bytes::from_static(b"{}"));
        let head = written("/b/a%20b?x=%2F", body).unwrap();
        let expected = "PUT /b/a%20b?x=%2F HTTP/1.1\r\nHost: localhost:9000\r\nx-a: b\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(head, expected);
    }

    #[test]
    fn nothing_that_could_be_read_as_another_request_is_written() {
        for target in ["/a b", "/a\r\nX: y", "a", "", "/#", "http://other/"] {
            let body = PassingBody::Whole(Bytes::new());
            assert!(written(target, body).is_err(), "{target}");
        }
    }
}
