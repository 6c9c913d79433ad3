//! Cloud services behind the service door.
//!
//! Lives here: the seam between the door, which knows protocols and who calls, and the services.
//! Does not live here: reading a protocol or a signature (`aws-wire`, `gateway::service_door`).

#![expect(
    clippy::module_name_repetitions,
    reason = "each stands alone in its implementors, next to their own `Call` and `Answer`"
)]

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method};
use model::ids::{AccountId, Region, RequestId};
use model::principal::Principal;

use crate::BoxFuture;

/// One cloud service, as `dynamodb` or `lambda`.
pub trait CloudService: Send + Sync {
    /// The name in a credential's scope by which requests find it, as `dynamodb`.
    fn signing_name(&self) -> &'static str;

    /// Carries out one request. A refusal is an answer too, in the shape of the service's protocol, so this
    /// cannot fail.
    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer>;
}

/// A request whose signature holds.
#[derive(Debug, Clone)]
pub struct ServiceCall {
    /// The id that its answer carries.
    pub request_id: RequestId,
    /// Who signed it.
    pub caller: Principal,
    /// The account that it is about.
    pub account: AccountId,
    /// The region in its credential's scope.
    pub region: Region,
    /// Its method.
    pub method: Method,
    /// Path and query, as sent.
    pub path_and_query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

/// The answer to a call. The door adds request id and date.
#[derive(Debug)]
pub struct ServiceAnswer {
    /// The status.
    pub status: u16,
    /// Headers, content type included.
    pub headers: Vec<(&'static str, String)>,
    /// The body, or the beginning of one that goes on.
    pub body: Bytes,
    /// What follows while it is made; none: that was all.
    pub rest: Option<Rest>,
}

/// The rest of an answer, as it is made. Dropping it says that nobody wants more.
pub struct Rest(Box<dyn RestPieces>);

/// Where the rest of an answer comes from.
pub trait RestPieces: Send {
    /// The next piece; none: that was all of it.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>>;
}

impl Rest {
    /// A rest of these pieces.
    #[must_use]
    pub fn new(pieces: impl RestPieces + 'static) -> Self {
        Self(Box::new(pieces))
    }

    /// The next piece; none: that was all of it.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.0.poll_next(context)
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Rest(…)")
    }
}
