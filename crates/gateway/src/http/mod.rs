//! HTTP as the gateway sees it: one request in, one response out, whatever the version on the wire.
//!
//! Lives here: requests and responses with their header names as sent, the strict framing reader, the listener
//! and its orderly end.
//! Does not live here: routes, events and replies (`routes`, `events`, `replies`), AWS protocols (`service_door`).

mod body;
mod dissect;
mod file;
mod framing;
mod head;
mod headers;
mod http1;
mod http2;
mod limits;
mod reply;
mod seats;
mod server;
mod stream;
mod threads;
mod tls;
mod upgrade;
pub(crate) mod upstream;
mod vigil;
mod wire;

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Version};
use interfaces::BoxFuture;

pub use body::{Body, BodyError};
pub use dissect::{DissectedRequest, Dissection, DissectionEnd, dissect};
pub use head::HostForm;
pub use headers::Headers;
pub use limits::ServerLimits;
pub use server::{Drained, Server};
pub use stream::{BodyStream, BrokenOff, Pieces};
pub use threads::Threads;
pub use tls::{BadCertificate, CertificateText, Tls};
pub use upgrade::{Socket, Upgrade};
pub use vigil::{is_alone, may_flush};
pub(crate) use wire::Stream;

/// Answers requests. One handler serves all connections of a listener.
pub trait Handler: Send + Sync {
    /// Answers one request. The future runs to its end even when the client has gone; a panic in it ends this
    /// request alone, which is answered with status 500.
    fn handle(&self, request: Request) -> BoxFuture<'_, Response>;
}

/// A request whose head was framed without ambiguity.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, as sent: it begins with `/`, and holds visible ASCII without `#`. Percent-encodings are
    /// neither decoded nor checked.
    pub target: String,
    /// The version on the wire.
    pub version: Version,
    /// The headers. There is always exactly one `host` (on HTTP/2 it is `:authority`); HTTP/1.0 may lack it.
    pub headers: Headers,
    /// The body, not read yet.
    pub body: Body,
    /// Who connected.
    pub peer: SocketAddr,
    /// What it was carried by.
    pub scheme: Scheme,
    /// When the head had been read.
    pub received_at: Instant,
}

/// What a request is carried by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// TCP as it is.
    #[default]
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As URLs have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Request {
    /// The target up to its `?`, as sent.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The target after its first `?`, as sent; none: it has no `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }
}

/// What a request is answered with.
///
/// The server owns framing: `content-length`, `transfer-encoding`, `connection`, `keep-alive` and `upgrade` given
/// here are not sent, `content-length` in an answer to `HEAD` without a body excepted. It adds `date` unless given.
/// A name that is no token makes the whole response a 500, since it could split the response in two; so does a status
/// below 200, after which clients wait for another response: but for 101 with a [`ResponseBody::Upgrade`].
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers, names in any case (HTTP/2 sends them in lower case), repeats kept.
    pub headers: Vec<(String, HeaderValue)>,
    /// The body. It is not sent in answer to `HEAD`, but its length is.
    pub body: ResponseBody,
}

/// The body of a response.
#[derive(Debug, Clone)]
pub enum ResponseBody {
    /// All of it.
    Whole(Bytes),
    /// As it is made, each piece at once.
    Stream(BodyStream),
    /// None: with status 101, the connection is somebody else's from here on (HTTP/1.1 alone).
    Upgrade(Upgrade),
}

impl Response {
    /// A response without headers.
    #[must_use]
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: ResponseBody::Whole(body.into()),
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: HeaderValue) -> Self {
        self.headers.push((name.into(), value));
        self
    }
}
