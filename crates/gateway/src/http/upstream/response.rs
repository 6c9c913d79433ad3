//! The head of a response.
//!
//! Lives here: status line, headers, where the body ends.
//! Does not live here: lines and headers as such (`http::head`), bodies (`http::framing`).
//!
//! Contract: RFC 9112, sections 4, 6.3 and 9.3.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use super::super::ServerLimits;
use super::super::framing::BodyLength;
use super::super::head::{Persistence, Refusal, read_headers};
use super::Traits;

/// One head of a response.
#[derive(Debug)]
pub(super) struct ResponseHead {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(String, HeaderValue)>,
    pub(super) persistence: Persistence,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(BodyLength),
    /// With the connection.
    UntilClosed,
}

/// Why an answer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadHead {
    #[error("its status line is not `HTTP/1.1 200 OK`")]
    StatusLine,
    #[error("its length is not one plain number")]
    Length,
    #[error("it has a length and a transfer encoding")]
    LengthAndEncoding,
    #[error("its transfer encoding is not `chunked` alone")]
    Encoding,
    #[error(transparent)]
    Lines(#[from] Refusal),
}

impl ResponseHead {
    /// Reads a complete head.
    pub(super) fn read(head: &Bytes, limits: &ServerLimits) -> Result<Self, BadHead> {
        let line_end = memchr::memchr(b'\n', head).ok_or(BadHead::StatusLine)?;
        let line = head.get(..line_end).unwrap_or_default().trim_ascii_end();
        let is_keeping = match line.get(..9) {
            Some(b"HTTP/1.1 ") => true,
            Some(b"HTTP/1.0 ") => false,
            Some(_) | None => return Err(BadHead::StatusLine),
        };
        let (digits, reason) = line
            .get(9..)
            .unwrap_or_default()
            .split_at_checked(3)
            .ok_or(BadHead::StatusLine)?;
        if reason.first().is_some_and(|byte| *byte != b' ') {
            return Err(BadHead::StatusLine);
        }
        let status = StatusCode::from_bytes(digits).map_err(|_| BadHead::StatusLine)?;
        let lines = read_headers(head, line_end + 1, limits)?;
        let options = lines.get_all("connection");
        let mut options = options.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        let persistence = if is_keeping
            && !options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
        {
            Persistence::KeepAlive
        } else {
            Persistence::Close
        };
        let headers = lines.iter();
        Ok(Self {
            status,
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.clone()))
                .collect(),
            persistence,
        })
    }

    /// Where the body ends.
    pub(super) fn framing(&self, traits: Traits) -> Result<Framing, BadHead> {
        let has_none = traits == Traits::Bodiless
            || self.status == StatusCode::NO_CONTENT
            || self.status == StatusCode::NOT_MODIFIED;
        let (mut length, mut encoding) = (None, None);
        for (name, value) in &self.headers {
            if name.eq_ignore_ascii_case("content-length") && length.replace(value).is_some() {
                return Err(BadHead::Length);
            }
            if name.eq_ignore_ascii_case("transfer-encoding") && encoding.replace(value).is_some() {
                return Err(BadHead::Encoding);
            }
        }
        match (length, encoding) {
            (Some(_), Some(_)) => Err(BadHead::LengthAndEncoding),
            _ if has_none => Ok(Framing::Length(BodyLength::Exact(0))),
            (None, None) => Ok(Framing::UntilClosed),
            (None, Some(encoding)) if encoding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
                Ok(Framing::Length(BodyLength::Chunked))
            }
            (None, Some(_)) => Err(BadHead::Encoding),
            (Some(length), None) => {
                let digits = length.to_str().map_err(|_| BadHead::Length)?;
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(BadHead::Length);
                }
                let length = digits.parse().map_err(|_| BadHead::Length)?;
                Ok(Framing::Length(BodyLength::Exact(length)))
            }
        }
    }
}
