//! Cloud services behind the service door.
//!
//! Lives here: the seam between the door, which knows protocols and who calls, and the services.
//! Does not live here: reading a protocol or a signature (`aws-wire`, `gateway::service_door`).

#![expect(
    clippy::module_name_repetitions,
    reason = "each stands alone in its implementors, next to their own `Call` and `Answer`"
)]

use std::fmt;
use std::fs::File;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method};
use model::ids::{AccountId, Region, RequestId};
use model::principal::Principal;
use policy::Context as Known;

use crate::BoxFuture;
use crate::authorize::Check;

/// One cloud service, as `dynamodb` or `lambda`.
pub trait CloudService: Send + Sync {
    /// The name in a credential's scope by which requests find it, as `dynamodb`.
    fn signing_name(&self) -> &'static str;

    /// What a request would do, and to what: all of it is asked before it is carried out. One that cannot
    /// be read names nothing here; [`demands`] says what becomes of it.
    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>>;

    /// Whether nothing has to be allowed for a request: the Service Authorization Reference names no action for its operation; or
    /// its operation is none that is carried out; or the service asks itself, once it has read more. Whatever names nothing
    /// in [`checks`](Self::checks) and is not told here is for whoever may do everything with the service.
    fn asks_nothing(&self, _call: &ServiceCall) -> bool {
        false
    }

    /// How the service's actions begin, as `dynamodb` in `dynamodb:GetItem`.
    fn action_prefix(&self) -> &'static str {
        self.signing_name()
    }

    /// The same for a request that an engine elsewhere carries out: nothing here tells what it holds. What cannot be said of such
    /// a request is not guessed; one for which nothing is asked here is for whoever may do everything.
    fn checks_elsewhere<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        self.checks(call)
    }

    /// Whether this service proves a caller itself that is nobody to the door: then nothing is asked of it at the door, and
    /// an engine elsewhere gets the request only once it was [`proven`](Self::proven).
    fn proves(&self, _call: &ServiceCall) -> bool {
        false
    }

    /// The request as that of the caller whom this service has proven, and who may do what
    /// [`checks_elsewhere`](Self::checks_elsewhere) names; or the refusal.
    fn proven(&self, call: ServiceCall) -> BoxFuture<'_, Result<ServiceCall, ServiceAnswer>> {
        Box::pin(std::future::ready(Ok(call)))
    }

    /// How the body of a request is wanted. Told by the head alone.
    fn body_wanted(&self, _head: &RequestHead<'_>) -> BodyWanted {
        BodyWanted::Whole
    }

    /// How many bytes a body has at most that is wanted whole.
    fn body_bytes_max(&self) -> usize {
        model::limits::DYNAMODB_REQUEST_BYTES_MAX
    }

    /// Whether a request without a signature is for this service: one that takes such from anybody, as its policies allow.
    fn takes_unsigned(&self, _head: &RequestHead<'_>) -> bool {
        false
    }

    /// Whether nobody asks who sends a request: a signature that it carries all the same is not looked at. Told by the head
    /// alone.
    fn takes_anybody(&self, _head: &RequestHead<'_>) -> bool {
        false
    }

    /// What a refusal of this call at the door carries besides: browsers show a page nothing that does not say that they may.
    fn headers_of_refusal<'a>(
        &'a self,
        _call: &'a ServiceCall,
    ) -> BoxFuture<'a, Vec<(&'static str, String)>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    /// What is answered in place of a refusal of this call at the door: that what it is about is not there, where the cloud
    /// says so to anybody. Nothing is carried out for it.
    fn instead_of_refusal<'a>(
        &'a self,
        _call: &'a ServiceCall,
    ) -> BoxFuture<'a, Option<ServiceAnswer>> {
        Box::pin(std::future::ready(None))
    }

    /// Carries out one request of which the door knows this, as from where it came: for services that ask who may what only
    /// when they have read a body.
    fn execute_known(&self, call: ServiceCall, _known: Known) -> BoxFuture<'_, ServiceAnswer> {
        self.execute(call)
    }

    /// Carries out one request. A refusal is an answer too, in the shape of the service's protocol, so this
    /// cannot fail.
    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer>;
}

/// All that has to be allowed before a request is carried out; empty only where nothing has.
pub async fn demands(service: &dyn CloudService, call: &ServiceCall) -> Vec<Check> {
    let checks = service.checks(call).await;
    if !checks.is_empty() || service.asks_nothing(call) {
        return checks;
    }
    // What cannot be told may be anything.
    let anything = format!("{}:*", service.action_prefix());
    vec![Check::new(anything, "*", &call.account)]
}

/// The head of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Path and query, as sent.
    pub path_and_query: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
}

/// How a body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyWanted {
    /// In memory, when all of it is there.
    Whole,
    /// As it arrives: [`ServiceCall::stream`].
    Streamed,
}

/// The body of a request, as it arrives: without the framing of chunks that are signed one by one.
pub trait CallBody: Send + Sync {
    /// The next piece; none: that was all, and the signature holds for it. Cancel-safe.
    ///
    /// # Errors
    /// [`BrokenBody`]: what came before must not be used.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, BrokenBody>>;

    /// What followed behind the last piece: names in lower case, and values. Empty until all has come.
    fn trailers(&self) -> &[(String, String)] {
        &[]
    }

    /// As whose root keys act that nobody was issued, where they do: a form inside a body may be signed by such.
    fn unknown_keys_act_as(&self) -> Option<&AccountId> {
        None
    }
}

/// A [`CallBody`].
pub struct CallStream(pub Box<dyn CallBody>);

impl fmt::Debug for CallStream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("CallStream(…)")
    }
}

/// A body did not arrive as it was announced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenBody {
    /// The connection ended before it did, or the sender was too slow.
    #[error("the body did not arrive")]
    CutOff,
    /// It is not what was signed.
    #[error("the body is not what was signed")]
    NotAsSigned,
    /// Its framing, or a checksum behind it, cannot be read.
    #[error("the body is malformed: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
}

/// A request whose signature holds.
#[derive(Debug)]
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
    /// Its body, whole; empty when the service wants it as it arrives.
    pub body: Bytes,
    /// Its body as it arrives, when the service wants it so.
    pub stream: Option<CallStream>,
}

/// The answer to a call. The door adds request id and date.
#[derive(Debug)]
pub struct ServiceAnswer {
    /// The status.
    pub status: u16,
    /// Headers, content type included. A header whose name only the call knows is a line without a name here:
    /// `("", "x-amz-meta-colour: red")`.
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

    /// All of it, if that lies in one run of a file and none of it was asked for yet: whoever takes the run sends it by itself,
    /// and asks for no pieces.
    fn take_file(&mut self) -> Option<FileRun> {
        None
    }
}

/// A run of bytes of a file.
#[derive(Debug)]
pub struct FileRun {
    /// The file.
    pub file: File,
    /// Its first byte.
    pub start: u64,
    /// How many bytes it has.
    pub length: u64,
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

    /// All of it, if that lies in one run of a file: see [`RestPieces::take_file`].
    pub fn take_file(&mut self) -> Option<FileRun> {
        self.0.take_file()
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Rest(…)")
    }
}
