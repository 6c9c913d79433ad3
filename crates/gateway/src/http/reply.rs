//! Responses, as HTTP/1 bytes.
//!
//! Lives here: the head of a response, which headers are the server's own, the date.
//! Does not live here: HTTP/2 (`http2`), what a response says.
//!
//! Contract: RFC 9112, sections 4, 6 and 9.6; RFC 9110, sections 6.6.1, 8.6 and 9.3.2.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use model::time::Timestamp;

use super::head::{Persistence, is_token};
use super::{BodyStream, Response, ResponseBody};

/// Headers that say how a message is framed: the server's own, whatever a handler gives.
const FRAMING_HEADERS: [&str; 6] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// What a response depends on besides itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    /// The request's method.
    pub(super) method: &'a Method,
    /// Whether the connection goes on.
    pub(super) persistence: Persistence,
    /// Whether the client must be told that it does (HTTP/1.0).
    pub(super) announces_keep_alive: bool,
    /// The date, as [`DateText`] gives it.
    pub(super) date: &'a str,
}

/// A body up to this size is copied behind its head: two pieces cost the system more.
const JOINED_BYTES_MAX: usize = 2 * 1024;

/// The body that follows a head.
#[derive(Debug)]
pub(super) enum Following {
    Whole(Bytes),
    /// As it is, so many bytes.
    Announced(BodyStream, u64),
    /// In chunks, with an end.
    Chunks(BodyStream),
    /// As it is: the end of the connection is its end (HTTP/1.0).
    UntilClose(BodyStream),
}

/// How many bytes a response's body has, where that is known before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Known(u64),
    Chunked,
    UntilClose,
}

/// Whether the server alone sends headers of this name.
pub(super) fn is_framing_header(name: &str) -> bool {
    FRAMING_HEADERS
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing))
}

/// The response itself, or the 500 in its place when it would break the framing: by the name of a header that
/// splits it in two, or by a status after which clients wait for another response.
pub(super) fn checked(response: Response) -> Response {
    let switches = response.status == StatusCode::SWITCHING_PROTOCOLS;
    if switches != matches!(response.body, ResponseBody::Upgrade(_))
        || (response.status.is_informational() && !switches)
    {
        tracing::warn!(status = %response.status, "a response was replaced: its status is not final");
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "internal server error");
    }
    match response
        .headers
        .iter()
        .find(|(name, _)| !is_token(name.as_bytes()))
    {
        None => response,
        Some((name, _)) => {
            tracing::warn!(
                name,
                "a response was replaced: the name of a header is no token"
            );
            plain(StatusCode::INTERNAL_SERVER_ERROR, "internal server error")
        }
    }
}

/// A response of the server itself.
pub(super) fn plain(status: StatusCode, text: &str) -> Response {
    Response::new(status, Bytes::from(format!("{text}\n"))).with_header(
        "Content-Type",
        HeaderValue::from_static("text/plain; charset=utf-8"),
    )
}

/// Writes the head of a [`checked`] response, with a small body, and gives the body that follows.
pub(super) fn encode(
    out: &mut Vec<u8>,
    response: Response,
    circumstances: Circumstances<'_>,
) -> Following {
    let Response {
        status,
        headers,
        body,
    } = response;
    let length = match &body {
        ResponseBody::Whole(body) => Length::Known(body.len() as u64),
        ResponseBody::Upgrade(_) => Length::Known(0),
        ResponseBody::Stream(body) if body.bytes().is_some() => {
            Length::Known(body.bytes().unwrap_or_default())
        }
        ResponseBody::Stream(_) if circumstances.announces_keep_alive => Length::UntilClose,
        ResponseBody::Stream(_) => Length::Chunked,
    };
    let is_head = *circumstances.method == Method::HEAD;
    let has_body = allows_body(status);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    let mut has_date = false;
    let mut has_length = !has_body;
    for (name, value) in &headers {
        has_date |= name.eq_ignore_ascii_case("date");
        let is_length_of_absent_body =
            is_head && !has_length && length == Length::Known(0) && is_plain_length(name, value);
        has_length |= is_length_of_absent_body;
        if is_length_of_absent_body || !is_framing_header(name) {
            push_header(out, name, value.as_bytes());
        }
    }
    if !has_date {
        push_header(out, "Date", circumstances.date.as_bytes());
    }
    if status == StatusCode::SWITCHING_PROTOCOLS {
        push_header(out, "Upgrade", b"websocket");
        push_header(out, "Connection", b"Upgrade");
        out.extend_from_slice(b"\r\n");
        return Following::Whole(Bytes::new());
    }
    match length {
        Length::Known(bytes) if !has_length => {
            push_header(out, "Content-Length", bytes.to_string().as_bytes());
        }
        Length::Chunked if has_body => push_header(out, "Transfer-Encoding", b"chunked"),
        Length::Known(_) | Length::Chunked | Length::UntilClose => {}
    }
    match circumstances.persistence {
        Persistence::Close => push_header(out, "Connection", b"close"),
        Persistence::KeepAlive if circumstances.announces_keep_alive => {
            push_header(out, "Connection", b"keep-alive");
        }
        Persistence::KeepAlive => {}
    }
    out.extend_from_slice(b"\r\n");
    match (body, length) {
        _ if is_head || !has_body => Following::Whole(Bytes::new()),
        (ResponseBody::Whole(body), _) if body.len() <= JOINED_BYTES_MAX => {
            out.extend_from_slice(&body);
            Following::Whole(Bytes::new())
        }
        (ResponseBody::Whole(body), _) => Following::Whole(body),
        (ResponseBody::Upgrade(_), _) => Following::Whole(Bytes::new()),
        (ResponseBody::Stream(body), Length::UntilClose) => Following::UntilClose(body),
        (ResponseBody::Stream(body), Length::Known(bytes)) => Following::Announced(body, bytes),
        (ResponseBody::Stream(body), Length::Chunked) => Following::Chunks(body),
    }
}

fn push_header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Whether a header is a length that can be sent as it is.
pub(super) fn is_plain_length(name: &str, value: &HeaderValue) -> bool {
    name.eq_ignore_ascii_case("content-length")
        && !value.is_empty()
        && value.as_bytes().iter().all(u8::is_ascii_digit)
}

/// Whether a final response of this status has a body, and a length.
pub(super) fn allows_body(status: StatusCode) -> bool {
    status != StatusCode::NO_CONTENT
        && status != StatusCode::NOT_MODIFIED
        && status != StatusCode::SWITCHING_PROTOCOLS
}

/// The text of the `date` header, made anew once a second.
#[derive(Debug, Default)]
pub(super) struct DateText {
    epoch_s: Option<i64>,
    text: String,
}

impl DateText {
    pub(super) fn at(&mut self, now: Timestamp) -> &str {
        let epoch_s = now.epoch_s();
        if self.epoch_s != Some(epoch_s) {
            self.epoch_s = Some(epoch_s);
            // The clock of a machine stays far inside the calendar that can be shown.
            self.text = jiff::Timestamp::from_second(epoch_s)
                .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
                .strftime("%a, %d %b %Y %H:%M:%S GMT")
                .to_string();
        }
        &self.text
    }
}
