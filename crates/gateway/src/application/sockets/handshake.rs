//! The request by which a client asks for a WebSocket.
//!
//! Lives here: what must be in it, and what it is answered with.
//! Does not live here: who may connect (`connect`), frames (`frames`).
//!
//! Contract: RFC 6455, sections 4.2.1, 4.2.2 and 4.4.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method, StatusCode, Version};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::http::{Headers, Request};
use crate::routes::Entrance;

/// What is hashed behind a client's key (RFC 6455, 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The only version there is.
pub(super) const VERSION: &str = "13";
/// The bytes of a client's key.
const KEY_BYTES: usize = 16;

/// The proof that a handshake was understood: `Sec-WebSocket-Accept`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accept(String);

/// Why a request is no handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoHandshake {
    #[error("it does not ask for an upgrade to `websocket` by a GET of HTTP/1.1")]
    NotAsked,
    #[error("it asks for a version of WebSocket that is not 13")]
    Version,
    #[error("its `Sec-WebSocket-Key` is not 16 bytes in base64")]
    Key,
    #[error("it has a body")]
    Body,
}

impl Accept {
    pub(super) fn value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static(""))
    }
}

impl NoHandshake {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::NotAsked | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Key | Self::Body => StatusCode::BAD_REQUEST,
        }
    }
}

/// By which way a request comes to a port that all APIs share: whether it asks for a WebSocket, well or badly.
pub(in crate::application) fn entrance(request: &Request) -> Entrance {
    if has_token(&request.headers, "upgrade", "websocket") {
        Entrance::Upgrading
    } else {
        Entrance::Plain
    }
}

/// Reads a handshake.
pub(super) fn read(request: &Request) -> Result<Accept, NoHandshake> {
    let headers = &request.headers;
    let is_asked = request.method == Method::GET
        && request.version == Version::HTTP_11
        && has_token(headers, "upgrade", "websocket")
        && has_token(headers, "connection", "upgrade");
    if !is_asked {
        return Err(NoHandshake::NotAsked);
    }
    if only(headers, "sec-websocket-version") != Some(VERSION) {
        return Err(NoHandshake::Version);
    }
    let key = only(headers, "sec-websocket-key").ok_or(NoHandshake::Key)?;
    let is_key = STANDARD.decode(key).is_ok_and(|key| key.len() == KEY_BYTES);
    if !is_key {
        return Err(NoHandshake::Key);
    }
    let hashed = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
    Ok(Accept(STANDARD.encode(hashed)))
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a Headers, name: &'a str) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then(|| first.trim())
}

fn has_token(headers: &Headers, name: &str, token: &str) -> bool {
    headers.get_all(name).any(|value| {
        let tokens = value.to_str().unwrap_or_default().split(',');
        tokens
            .map(str::trim)
            .any(|sent| sent.eq_ignore_ascii_case(token))
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use interfaces::clock::Clock as _;

    use super::*;
    use crate::http::{Body, Scheme};

    fn request(lines: &[(&str, &str)]) -> Request {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(name, HeaderValue::from_str(value).unwrap());
        }
        Request {
            method: Method::GET,
            target: "/dev".to_owned(),
            version: Version::HTTP_11,
            headers,
            body: Body::empty(),
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            scheme: Scheme::Http,
            received_at: test_kit::RunningClock.instant(),
        }
    }

    const GOOD: [(&str, &str); 4] = [
        ("Upgrade", "WebSocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];

    #[test]
    fn the_key_of_the_standard_gives_its_proof() {
        let accept = read(&request(&GOOD)).unwrap();
        assert_eq!(accept.value(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_handshake_lacks_nothing_and_repeats_nothing() {
        for (place, line, expected) in [
            (0, ("Upgrade", "h2c"), NoHandshake::NotAsked),
            (1, ("Connection", "close"), NoHandshake::NotAsked),
            (2, ("Sec-WebSocket-Key", "c2hvcnQ="), NoHandshake::Key),
            (2, ("Sec-WebSocket-Key", "not base64!"), NoHandshake::Key),
            (2, ("X-Other", "1"), NoHandshake::Key),
            (3, ("Sec-WebSocket-Version", "8"), NoHandshake::Version),
            (3, ("X-Other", "1"), NoHandshake::Version),
        ] {
            let mut lines = GOOD;
            lines[place] = line;
            assert_eq!(read(&request(&lines)), Err(expected), "{line:?}");
        }
        let twice: Vec<_> = GOOD.into_iter().chain([GOOD[2]]).collect();
        assert_eq!(read(&request(&twice)), Err(NoHandshake::Key));
        let mut posted = request(&GOOD);
        posted.method = Method::POST;
        assert_eq!(read(&posted), Err(NoHandshake::NotAsked));
        let mut old = request(&GOOD);
        old.version = Version::HTTP_10;
        assert_eq!(read(&old), Err(NoHandshake::NotAsked));
    }
}
