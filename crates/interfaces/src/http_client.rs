//! Sending HTTP requests to addresses that users name: endpoints of topics, destinations of buses.
//!
//! Lives here: the seam between services that send and the one HTTP client of the product (`gateway`).
//! Does not live here: which addresses may be reached (the client's own rules), retries (`event-delivery`).

use std::time::Duration;

use bytes::Bytes;

use crate::BoxFuture;

/// Sends requests.
pub trait HttpClient: Send + Sync {
    /// Sends one and waits for the whole answer.
    ///
    /// # Errors
    /// [`NoAnswer`].
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpAnswer, NoAnswer>>;
}

/// A request.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// The method.
    pub method: http::Method,
    /// The address, `http://` or `https://`.
    pub url: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// How long the whole exchange may take.
    pub timeout: Duration,
    /// Bytes of the answer's body that are wanted at most; a longer one is cut.
    pub answer_bytes_max: usize,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// Headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// Nothing came back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NoAnswer {
    /// Why.
    pub reason: String,
}
