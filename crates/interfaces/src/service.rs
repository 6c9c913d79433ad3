//! Cloud services behind the service door.
//!
//! Lives here: the seam between the door, which knows protocols and who calls, and the services.
//! Does not live here: reading a protocol or a signature (`aws-wire`, `gateway::service_door`).

#![expect(
    clippy::module_name_repetitions,
    reason = "each stands alone in its implementors, next to their own `Call` and `Answer`"
)]

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
#[derive(Debug, Clone)]
pub struct ServiceAnswer {
    /// The status.
    pub status: u16,
    /// Headers, content type included.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}
