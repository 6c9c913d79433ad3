//! The service door: where functions, SDKs and command lines reach the cloud's services.
//!
//! Lives here: who calls, what for, whether they may, and handing the call to its service; `/_cloudless/health`.
//! Does not live here: the protocols and signatures themselves (`aws_wire`), operations (each service), policies
//! (`Authorize`).

mod answers;
mod context;
mod streamed;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_wire::errors::AuthenticationError;
use aws_wire::protocol::Protocol;
use aws_wire::sigv4::{PayloadClaim, Presented, SignedRequest};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Denied};
use interfaces::clock::Clock;
use interfaces::principals::Principals;
use interfaces::random::Random;
use interfaces::service::{
    BodyWanted, CallStream, CloudService, RequestHead, ServiceAnswer, ServiceCall, demands,
};
use model::ids::{AccountId, Region, RequestId};
use model::principal::Principal;

use crate::callers::{Caller, Callers, NotProven, Signers};
use crate::http::{Handler, Request, Response};

use answers::Refusal;
use context::Sent;

pub use crate::callers::UnknownKeys;

/// The pages of our own begin so.
const OWN_PAGES: &str = "/_cloudless/";
/// The service that reads any path as the name of an object.
const TAKES_ANY_PATH: &str = "s3";
/// The length of a region's name.
const REGION_BYTES_MAX: usize = 32;

/// Whether a door shows the server's own pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnPages {
    /// Under `/_cloudless/`: on the host's listener.
    Shown,
    /// Not at all: inside sandboxes.
    Hidden,
}

/// Pages of our own that somebody else makes: JSON documents.
pub trait Pages: Send + Sync {
    /// The page at this path below `/_cloudless/`. It may take its time, on a thread of its own.
    fn page(&self, path: &str) -> Option<String>;
}

/// Learns of calls that policies refused: whoever develops the caller wants to know.
pub trait RefusalLog: Send + Sync {
    /// One call was refused.
    fn refused(&self, caller: &Principal, denied: &Denied);
}

/// What a door is made of.
pub struct Parts {
    /// The services behind it.
    pub services: Vec<Arc<dyn CloudService>>,
    /// Who holds which keys.
    pub principals: Arc<dyn Principals>,
    /// Who may do what.
    pub authorize: Arc<dyn Authorize>,
    /// Who learns of refusals.
    pub refusals: Arc<dyn RefusalLog>,
    /// The account whose resources requests without a signature ask for.
    pub account: AccountId,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For request ids.
    pub random: Arc<dyn Random>,
    /// What becomes of other keys.
    pub unknown_keys: UnknownKeys,
    /// Whether it shows our own pages.
    pub own_pages: OwnPages,
}

/// Answers calls to cloud services.
pub struct ServiceDoor {
    services: BTreeMap<&'static str, Arc<dyn CloudService>>,
    callers: Callers,
    refusals: Arc<dyn RefusalLog>,
    account: AccountId,
    random: Arc<dyn Random>,
    own_pages: OwnPages,
    pages: Option<Arc<dyn Pages>>,
    is_ready: AtomicBool,
}

impl ServiceDoor {
    /// A door that is not ready yet: calls are answered all the same, since deploying needs them.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let signers = Signers {
            principals: parts.principals,
            authorize: parts.authorize,
            unknown_keys: parts.unknown_keys,
        };
        Self {
            services: parts
                .services
                .into_iter()
                .map(|service| (service.signing_name(), service))
                .collect(),
            callers: Callers::new(signers, parts.clock),
            refusals: parts.refusals,
            account: parts.account,
            random: parts.random,
            own_pages: parts.own_pages,
            pages: None,
            is_ready: AtomicBool::new(false),
        }
    }

    /// The same, with more pages of our own where such are shown.
    #[must_use]
    pub fn with_pages(self, pages: Arc<dyn Pages>) -> Self {
        Self {
            pages: Some(pages),
            ..self
        }
    }

    /// Says that everything is deployed: `/_cloudless/health` answers 200 from now on.
    pub fn set_ready(&self) {
        self.is_ready.store(true, Ordering::Release);
    }

    /// A page of somebody else's making; none: there is none such.
    async fn other_page(&self, method: &Method, path: &str) -> Option<Response> {
        let pages = Arc::clone(self.pages.as_ref()?);
        let name = path.strip_prefix(OWN_PAGES)?.to_owned();
        if *method != Method::GET && *method != Method::HEAD {
            return None;
        }
        let made = tokio::task::spawn_blocking(move || pages.page(&name)).await;
        Some(shown(StatusCode::OK, made.ok()??))
    }

    fn own_page(&self, method: &Method, path: &str) -> Response {
        let (status, text) = match path.strip_prefix(OWN_PAGES) {
            Some("health") if *method != Method::GET && *method != Method::HEAD => (
                StatusCode::METHOD_NOT_ALLOWED,
                r#"{"message":"only GET is served here"}"#,
            ),
            Some("health") if self.is_ready.load(Ordering::Acquire) => {
                (StatusCode::OK, r#"{"status":"ready"}"#)
            }
            Some("health") => (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"starting"}"#),
            Some(_) | None => (
                StatusCode::NOT_FOUND,
                r#"{"message":"there is no such page"}"#,
            ),
        };
        shown(status, text)
    }

    async fn call(&self, request: Request, request_id: RequestId) -> Response {
        let headers = request.headers.to_map();
        let shown = self.shown_by(&request, &headers);
        let service = match &shown {
            Ok(Shown::Signature(presented)) => Some(presented.scope.service.clone()),
            Ok(Shown::Nothing(service)) => Some(service.signing_name().to_owned()),
            Err(_) => service_of_target(&headers).map(str::to_owned),
        };
        let protocol = Protocol::guess(service.as_deref(), &headers, request.query());
        let answer = match shown {
            Ok(shown) => {
                let id = request_id.clone();
                self.execute(request, headers, shown, id).await
            }
            Err(error) => Err(Refusal::Authentication(error)),
        };
        match answer {
            Ok(answer) => answers::answered(answer, protocol, &request_id),
            Err(refusal) => {
                tracing::debug!(%refusal, service, "a call was refused");
                answers::refused(&refusal, protocol, service.as_deref(), &request_id)
            }
        }
    }

    /// What a request shows of its caller: a signature, or nothing where a service takes such requests.
    fn shown_by(
        &self,
        request: &Request,
        headers: &HeaderMap,
    ) -> Result<Shown<'_>, AuthenticationError> {
        let head = RequestHead {
            method: &request.method,
            path_and_query: &request.target,
            headers,
        };
        match Presented::find(&request.target, headers) {
            Ok(presented) => Ok(match self.services.get(&*presented.scope.service) {
                Some(service) if service.takes_anybody(&head) => Shown::Nothing(service),
                Some(_) | None => Shown::Signature(presented),
            }),
            Err(AuthenticationError::Missing) => {
                let taker = self.takers().find(|service| service.takes_unsigned(&head));
                taker
                    .map(Shown::Nothing)
                    .ok_or(AuthenticationError::Missing)
            }
            Err(error) => Err(error),
        }
    }

    /// All services. Whoever reads any path as the name of something of its own is asked last.
    fn takers(&self) -> impl Iterator<Item = &Arc<dyn CloudService>> {
        let others = self.services.values();
        let others = others.filter(|service| service.signing_name() != TAKES_ANY_PATH);
        others.chain(self.services.get(TAKES_ANY_PATH))
    }

    async fn execute(
        &self,
        request: Request,
        headers: HeaderMap,
        shown: Shown<'_>,
        request_id: RequestId,
    ) -> Result<ServiceAnswer, Refusal> {
        // The body is read last: whoever is refused anyway does not make us hold it.
        let (region, service, claim) = match shown {
            Shown::Signature(presented) => {
                let region = read_region(&presented.scope.region)?;
                let caller = self.callers.identify(&presented, &headers)?;
                let service = self.service(&presented.scope.service)?;
                (region, service, Some((caller, presented)))
            }
            Shown::Nothing(service) => (context::region_of_host(&headers), service, None),
        };
        let sent = Sent {
            peer: request.peer,
            scheme: request.scheme,
        };
        let (method, path_and_query) = (request.method.clone(), request.target.clone());
        let received = self.receive(request, &headers, service, claim).await?;
        let call = ServiceCall {
            request_id,
            account: received.caller.account().clone(),
            caller: received.caller,
            region,
            method,
            path_and_query,
            headers,
            body: received.body,
            stream: received.stream,
        };
        let known = context::keys(sent, &call.headers, &call.region);
        match self.admit(service, &call, &known).await? {
            Some(instead) => Ok(instead),
            None => Ok(service.execute_known(call, known).await),
        }
    }

    fn service(&self, name: &str) -> Result<&Arc<dyn CloudService>, Refusal> {
        let unknown = || Refusal::UnknownService {
            service: name.to_owned(),
            served: self.services.keys().copied().collect(),
        };
        self.services.get(name).ok_or_else(unknown)
    }

    /// Takes the body as its service wants it, and verifies what the caller claims.
    async fn receive(
        &self,
        request: Request,
        headers: &HeaderMap,
        service: &Arc<dyn CloudService>,
        claim: Option<(Caller, Presented)>,
    ) -> Result<Received, Refusal> {
        let head = RequestHead {
            method: &request.method,
            path_and_query: &request.target,
            headers,
        };
        let signed = |body| SignedRequest {
            method: &request.method,
            path_and_query: &request.target,
            headers,
            body,
        };
        let anonymous = || Principal::Anonymous {
            account: self.account.clone(),
        };
        if service.body_wanted(&head) == BodyWanted::Streamed {
            let payload = PayloadClaim::of(headers)?;
            let (caller, proof) = match claim {
                Some((caller, presented)) => {
                    let head = signed(&[]);
                    self.callers
                        .verify_head(caller, &presented, head, payload)?
                }
                None => (anonymous(), None),
            };
            let unknown = self.callers.unknown_keys_act_as(headers);
            return Ok(Received {
                caller,
                body: Bytes::new(),
                stream: Some(streamed::streamed(request.body, payload, proof, unknown)),
            });
        }
        let body = request.body.collect(service.body_bytes_max()).await;
        let body = body.map_err(Refusal::Body)?;
        let caller = match claim {
            Some((caller, presented)) => self.callers.verify(caller, &presented, signed(&body))?,
            None => anonymous(),
        };
        Ok(Received {
            caller,
            body,
            stream: None,
        })
    }

    /// Whether the caller may do all that the call would do; or what the service answers in place of a refusal.
    async fn admit(
        &self,
        service: &Arc<dyn CloudService>,
        call: &ServiceCall,
        known: &policy::Context,
    ) -> Result<Option<ServiceAnswer>, Refusal> {
        let mut checks = demands(&**service, call).await;
        if checks.is_empty() {
            return Ok(None);
        }
        for check in &mut checks {
            check.context.add(known);
        }
        let judged = self.callers.authorize().authorize(&call.caller, &checks);
        let Err(denied) = judged else {
            return Ok(None);
        };
        let instead = service.instead_of_refusal(call).await;
        if instead.is_some() {
            return Ok(instead);
        }
        self.refusals.refused(&call.caller, &denied);
        Err(Refusal::Denied {
            denied: Box::new(denied),
            headers: service.headers_of_refusal(call).await,
        })
    }
}

/// What a request shows of its caller.
enum Shown<'a> {
    /// A signature, which is still to be verified.
    Signature(Presented),
    /// Nothing, for a service that takes such requests.
    Nothing(&'a Arc<dyn CloudService>),
}

/// A request whose caller is proven.
struct Received {
    caller: Principal,
    body: Bytes,
    stream: Option<CallStream>,
}

impl Handler for ServiceDoor {
    fn handle(&self, request: Request) -> BoxFuture<'_, Response> {
        if self.own_pages == OwnPages::Shown && request.path().starts_with(OWN_PAGES) {
            return Box::pin(async move {
                let (method, path) = (&request.method, request.path());
                let other = self.other_page(method, path).await;
                other.unwrap_or_else(|| self.own_page(method, path))
            });
        }
        let request_id = self.random.request_id();
        Box::pin(self.call(request, request_id))
    }
}

fn shown(status: StatusCode, text: impl Into<bytes::Bytes>) -> Response {
    Response::new(status, text)
        .with_header("Content-Type", HeaderValue::from_static("application/json"))
        .with_header("Cache-Control", HeaderValue::from_static("no-store"))
}

/// The service that a request without a readable signature is meant for: some word their refusals by it.
fn service_of_target(headers: &HeaderMap) -> Option<&'static str> {
    let target = aws_wire::json::target(headers)?;
    target.prefix.starts_with("DynamoDB").then_some("dynamodb")
}

/// Regions become parts of ARNs and of keys in the store, so only what looks like one passes.
fn read_region(region: &str) -> Result<Region, AuthenticationError> {
    let is_region = (1..=REGION_BYTES_MAX).contains(&region.len())
        && region
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_region {
        Ok(Region::new(region))
    } else {
        Err(AuthenticationError::Invalid {
            message: format!("Credential should be scoped to a valid region, not '{region}'."),
        })
    }
}

impl From<AuthenticationError> for Refusal {
    fn from(error: AuthenticationError) -> Self {
        Self::Authentication(error)
    }
}

impl From<NotProven> for Refusal {
    fn from(error: NotProven) -> Self {
        match error {
            NotProven::Signature(error) => Self::Authentication(error),
            NotProven::WebPage | NotProven::Service | NotProven::ForeignHost(_) => {
                Self::WebPage(error)
            }
        }
    }
}
