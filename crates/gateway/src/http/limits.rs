//! What a listener takes, and for how long it waits.
//!
//! Lives here: the limits of the server itself, each with its default.
//! Does not live here: the platforms' quotas (`model::limits`), which the steps of a request enforce.

use std::time::Duration;

/// The limits of one listener. All are ours, none is a provider's quota: those are lower, and answered in the
/// provider's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at a time. The next is answered with status 503 and closed.
    pub connections_max: usize,
    /// Bytes of request line and headers together. Over it: 431, or 414 when the request line alone is too long.
    pub head_bytes_max: usize,
    /// Headers of one request. Over it: 431.
    pub headers_max: usize,
    /// From the first byte of a head to its last. Over it: 408.
    pub head_time_max: Duration,
    /// How long a connection may be open without a request. Over it: closed without an answer.
    pub idle_time_max: Duration,
    /// How long a body may make no progress. Over it: [`super::BodyError::TooSlow`].
    pub body_stall_max: Duration,
    /// How long a body may take in all: against senders of one byte at a time.
    pub body_time_max: Duration,
    /// How long a client may take nothing of its response. Over it: closed.
    pub write_stall_max: Duration,
    /// Bytes of an unread body that are thrown away so that the client sees its response before the end.
    pub linger_bytes_max: usize,
    /// How long they are thrown away for.
    pub linger_time_max: Duration,
    /// Requests at a time on one HTTP/2 connection. The next is refused with `REFUSED_STREAM`, or with status 503 when
    /// it has room only because the client reset another whose handler still runs.
    pub streams_max: u32,
    /// How long an idle connection is still listened to after the shutdown began: for the request that was on its
    /// way when it did.
    pub shutdown_idle_grace: Duration,
    /// How long requests under way may take after the shutdown began. Over it: cut.
    pub drain_time_max: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            head_bytes_max: 64 * 1024,
            headers_max: 200,
            head_time_max: Duration::from_secs(10),
            idle_time_max: Duration::from_secs(75),
            body_stall_max: Duration::from_secs(10),
            body_time_max: Duration::from_secs(300),
            write_stall_max: Duration::from_secs(30),
            linger_bytes_max: 64 * 1024 * 1024,
            linger_time_max: Duration::from_secs(5),
            streams_max: 128,
            shutdown_idle_grace: Duration::from_millis(100),
            drain_time_max: Duration::from_secs(30),
        }
    }
}
