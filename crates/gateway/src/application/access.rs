//! What is told about every request: one entry for the developer's eyes and the server's log.
//!
//! Lives here: the entry, and who takes it.
//! Does not live here: printing it (`cloudless::telemetry`), what the client is told (`replies::faults`).

use std::time::Duration;

use interfaces::invoke::Timings;
use model::ids::{ApiId, FunctionName, RequestId, RevisionId};

/// Takes one entry a request, after it was answered. It must not block.
pub trait AccessLog: Send + Sync {
    /// Takes an entry.
    fn record(&self, entry: AccessEntry);
}

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEntry {
    /// The request's method.
    pub method: String,
    /// Its path as sent, without the query, which may hold secrets.
    pub path: String,
    /// The response's status.
    pub status: u16,
    /// The API that was called; none when no API was meant.
    pub api: Option<ApiId>,
    /// The route that was hit, as `GET /pets/{id}`.
    pub route: Option<String>,
    /// The function that was invoked; none when the gateway answered by itself.
    pub function: Option<FunctionName>,
    /// The id under which the function's logs speak of it.
    pub request_id: RequestId,
    /// From the head read to the response made.
    pub total: Duration,
    /// Where the function's part of it went; none when it was not invoked, or had not replied in time.
    pub timings: Option<Timings>,
    /// What the stage's cache had to do with it; none: the method keeps no replies.
    pub cached: Option<Cached>,
    /// Why the answer is not the function's own, and how to mend it.
    pub message: Option<String>,
    /// The line of its API's own access log; none: it keeps none.
    pub line: Option<String>,
    /// The revision that served it.
    pub revision: RevisionId,
}

/// What a cache had to do with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cached {
    /// It was kept, or made for somebody else at the same time.
    Hit,
    /// It was made for this request.
    Miss,
    /// It was made anew because the client asked for that.
    Renewed,
}

impl Cached {
    /// As logs show it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Renewed => "RENEWED",
        }
    }
}
