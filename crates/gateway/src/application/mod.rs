//! The handler of the applications' port: one request, from its route to its reply.
//!
//! Lives here: the order of the steps, swapping one revision for the next.
//! Does not live here: what each step does (`routes`, `cors`, `throttle`, …), invoking (`integrate`), what every response
//! carries (`finish`), listeners (`http`).

mod access;
mod arrival;
mod custom;
mod finish;
mod integrate;
mod kept;
mod refusal;
pub mod sample;
mod sockets;
mod streamed;
mod timing;
mod words;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::clock::Clock;
use interfaces::counters::Counters;
use interfaces::invoke::{Invoke, Timings};
use interfaces::random::Random;
use interfaces::service::CloudService;
use model::application::Application;
use model::door::{Authorization, Rate};
use model::function_url::AuthType;
use model::ids::{AccountId, FunctionName, RevisionId};
use model::limits;
use model::problem::Problem;

pub use access::{AccessEntry, AccessLog, Cached};
pub(crate) use kept::Landed;

use crate::authorise;
use crate::cache::CACHE_BYTES_MAX;
use crate::caller::Caller;
use crate::callers::Callers;
pub use crate::callers::Signers;
use crate::cors;
use crate::http::upstream::{Client, Reach};
use crate::http::{Body, Handler, Request, Response};
use crate::http_proxy::{Renderings, Services};
use crate::outbound::{Egress, Outbound, Roots};
use crate::replies::faults::Fault;
use crate::routes::{self, Hit, Kind, Located, Missing, Table};
use crate::sender::TrustedProxies;
use crate::throttle;
use crate::tokens::Tokens;
use arrival::Arrival;
pub(crate) use arrival::Head;
use finish::{accepts, complete, packed, traced};
use kept::Place;
pub(crate) use refusal::Refusal;
use sockets::Sockets;
pub use sockets::WebSocketHandler;

/// Answers the requests of an application by invoking its functions.
#[expect(
    clippy::module_name_repetitions,
    reason = "`Handler` alone is the trait that it implements"
)]
pub struct ApplicationHandler {
    invoke: Arc<dyn Invoke>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    access_log: Arc<dyn AccessLog>,
    account: AccountId,
    account_rate: Option<Rate>,
    counters: Arc<dyn Counters>,
    callers: Callers,
    cache_bytes_max: u64,
    /// Asks the servers that integrations name.
    upstream: Client,
    /// What integrations call in place of functions.
    services: Services,
    renderings: Renderings,
    table: Arc<RwLock<Arc<Table>>>,
    sockets: Arc<Sockets>,
    proxies: TrustedProxies,
    /// What clients put before each path.
    base_path: Option<String>,
    tokens: Tokens,
}

/// What is learnt on a request's way, for its entry in the access log.
#[derive(Debug, Default)]
struct Trail {
    function: Option<FunctionName>,
    timings: Option<Timings>,
    message: Option<String>,
    cached: Option<Cached>,
    /// Who calls, once that is known.
    caller: Option<Caller>,
    /// Why the gateway answers itself.
    refused: Option<Refusal>,
    /// Where the end of a reply is told that is still being written.
    ending: Option<streamed::Ending>,
}

impl ApplicationHandler {
    /// A handler without any route; [`swap`](Self::swap) gives it some.
    #[must_use]
    pub fn new(
        invoke: Arc<dyn Invoke>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        access_log: Arc<dyn AccessLog>,
        account: AccountId,
        counters: Arc<dyn Counters>,
        signers: Signers,
    ) -> Self {
        let (table, _) = Table::compile(&Application::empty(RevisionId::new("none")));
        let tokens = Tokens::new(Outbound::new(Roots::default()), Arc::clone(&clock), None);
        let callers = Callers::new(signers, Arc::clone(&clock));
        let table = Arc::new(RwLock::new(Arc::new(table)));
        let sockets = Sockets::new(sockets::Parts {
            invoke: Arc::clone(&invoke),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            access_log: Arc::clone(&access_log),
            counters: Arc::clone(&counters),
            table: Arc::clone(&table),
        });
        Self {
            invoke,
            clock,
            random,
            access_log,
            account,
            account_rate: None,
            counters,
            callers,
            cache_bytes_max: CACHE_BYTES_MAX,
            upstream: Client::new(Reach::new(Roots::default())),
            services: Services::new(),
            renderings: Renderings::default(),
            table,
            sockets: Arc::new(sockets),
            proxies: TrustedProxies::default(),
            base_path: None,
            tokens,
        }
    }

    /// The same, which holds the requests of all APIs together to this rate.
    #[must_use]
    pub fn with_account_rate(mut self, rate: Option<Rate>) -> Self {
        self.account_rate = rate;
        self
    }

    /// The same, which believes the certificates of these when it hands requests on, and hands them on where it is let.
    #[must_use]
    pub fn trusting(self, roots: Roots, egress: Egress) -> Self {
        Self {
            upstream: Client::new(Reach::within(roots, egress)),
            ..self
        }
    }

    /// The same, whose integrations may call these services.
    #[must_use]
    pub fn calling(self, services: impl IntoIterator<Item = Arc<dyn CloudService>>) -> Self {
        let services = services.into_iter();
        Self {
            services: services
                .map(|service| (service.signing_name(), service))
                .collect(),
            ..self
        }
    }

    /// The same, which verifies tokens so.
    #[must_use]
    pub fn verifying(self, tokens: Tokens) -> Self {
        Self { tokens, ..self }
    }

    /// The same, behind proxies whose word on a request's source is believed.
    #[must_use]
    pub fn behind(self, proxies: TrustedProxies) -> Self {
        Self { proxies, ..self }
    }

    /// The same, for clients that put this before each path: neither APIs nor functions see it.
    #[must_use]
    pub fn below(self, base_path: Option<&str>) -> Self {
        Self {
            base_path: base_path.and_then(routes::base_path),
            ..self
        }
    }

    /// Compiles the routes of a revision and serves them from the next request on. Requests under way end with the
    /// routes that they began with.
    ///
    /// The problems are routes that cannot be served, or that clash; all others are served.
    pub fn swap(&self, application: &Application) -> Vec<Problem> {
        let (table, problems) = Table::compile(application);
        table.share_cache_bytes(self.cache_bytes_max);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        self.sockets.swap(application);
        problems
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What answers at a port of WebSocket APIs alone.
    #[must_use]
    pub fn web_sockets(self: &Arc<Self>) -> WebSocketHandler {
        WebSocketHandler(Arc::clone(self))
    }

    async fn answer(&self, mut request: Request) -> Response {
        let table = self.table();
        let base_path = self.base_path.as_deref();
        let below = base_path.and_then(|base| routes::behind_base(&request.target, base));
        if let Some(below) = below.map(Cow::into_owned) {
            request.target = below;
        }
        let request = if table.has_sockets() {
            let entrance = sockets::entrance(&request);
            match Box::pin(self.socket(request, entrance)).await {
                Ok(response) => return response,
                Err(request) => *request,
            }
        } else {
            request
        };
        let (head, body) = Head::split(request);
        let arrival = Arrival::new(&head, &*self.clock, &*self.random, &self.proxies);
        let asked = head.asked();
        let located = table.locate(&asked);
        let mut trail = Trail::default();
        let answered = self
            .steps(&head, body, &arrival, (&table, &located), &mut trail)
            .await;
        let asked = words::Asked {
            head: &head,
            arrival: &arrival,
            located: &located,
            account: &self.account,
        };
        let mut response = match answered {
            Ok(response) => packed(response, located.api(), &head).await,
            Err(refusal) => {
                trail.message = Some(refusal.reason.clone());
                let known = refusal.caller.as_deref().cloned();
                trail.caller = trail.caller.or(known);
                let refused = trail.refused.insert(refusal).clone();
                words::refused(asked, &trail, &refused)
            }
        };
        complete(&mut response, located.api(), &head, &arrival);
        let total = self
            .clock
            .instant()
            .saturating_duration_since(head.received_at);
        let timing = timing::header(total, trail.timings.as_ref());
        response.headers.push(("Server-Timing".to_owned(), timing));
        let line = words::line(asked, &trail, &response, total);
        let entry = AccessEntry {
            status: response.status.as_u16(),
            api: located.api().map(|api| api.id.clone()),
            route: located.route().map(|route| route.key.clone()),
            function: trail.function,
            request_id: arrival.request_id,
            total,
            timings: trail.timings,
            message: trail.message,
            cached: trail.cached,
            line,
            revision: table.revision.clone(),
            path: head.path().to_owned(),
            method: head.method.as_str().to_owned(),
        };
        let log = (&self.access_log, &self.clock, head.received_at);
        streamed::record(&mut response, trail.ending, entry, log);
        response
    }

    /// Match, CORS, authorise, throttle, validate, cache; then event, invoke, reply.
    async fn steps(
        &self,
        head: &Head,
        body: Body,
        arrival: &Arrival,
        (table, located): (&Table, &Located<'_>),
        trail: &mut Trail,
    ) -> Result<Response, Refusal> {
        head.check()?;
        let hit = match located {
            Located::Route(hit) => hit,
            Located::Preflight(api) => {
                let answer = |cors| cors::preflight(cors, &head.headers);
                return api
                    .cors()
                    .map(answer)
                    .ok_or_else(|| Refusal::no_route(head, None));
            }
            Located::Missing(missing) => return Err(no_route(table, head, missing)),
        };
        let (caller, body) = self.authorise(table, hit, head, body, arrival).await?;
        trail.caller = Some(caller.clone());
        let account_rate = match hit.api.kind {
            Kind::Rest { .. } | Kind::Http { .. } | Kind::WebSocket { .. } => self.account_rate,
            // Its function's concurrency alone holds a function URL back.
            Kind::FunctionUrl { .. } => None,
        };
        throttle::admit(&*self.counters, account_rate, hit, &caller, arrival.at)
            .await
            .map_err(Refusal::limited)?;
        let body = body
            .collect(limits::GATEWAY_PAYLOAD_BYTES_MAX)
            .await
            .map_err(Refusal::body)?;
        let (unpacked, body) = head.unpacked(hit.api, body)?;
        let head = unpacked.as_ref().unwrap_or(head);
        let rules = &hit.route.rules;
        rules
            .check(hit, head.sent(&body))
            .map_err(|invalid| Refusal::invalid(hit.route, invalid))?;
        let form = accepts(hit.api, head).as_str();
        let Some(place) = Place::of(hit, (head, &body), &caller, form) else {
            let settled = self
                .integrate(hit, head, (&caller, &body), arrival, trail)
                .await;
            return settled.map(|response| traced(response, hit, arrival));
        };
        let mut made = Trail::default();
        let making = self.integrate(hit, head, (&caller, &body), arrival, &mut made);
        let (settled, cached) = Box::pin(place.settle(&*self.clock, making)).await;
        *trail = Trail {
            cached,
            caller: trail.caller.take(),
            ..made
        };
        settled.map(|response| traced(response, hit, arrival))
    }

    /// Finds out who calls. A signature covers the body, which is read for it here; whoever else is refused is so
    /// before any of it is.
    async fn authorise(
        &self,
        table: &Table,
        hit: &Hit<'_>,
        head: &Head,
        body: Body,
        arrival: &Arrival,
    ) -> Result<(Caller, Body), Refusal> {
        if let Kind::FunctionUrl {
            auth: AuthType::Nobody,
            ..
        } = hit.api.kind
        {
            return Err(Refusal::url_without_permission(hit.route));
        }
        let mut signed = Bytes::new();
        let body = if hit.route.guard.authorization == Authorization::Iam {
            let whole = body.collect(limits::GATEWAY_PAYLOAD_BYTES_MAX).await;
            signed = whole.map_err(Refusal::body)?;
            Body::whole(signed.clone())
        } else {
            body
        };
        let nobody = Caller::default();
        let question = authorise::Question {
            exchange: arrival.exchange(head, hit, &self.account, (&nobody, &[])),
            method: &head.method,
            target: &head.target,
            body: &signed,
        };
        let means = authorise::Means {
            invoke: &*self.invoke,
            clock: &*self.clock,
            random: &*self.random,
            tokens: &self.tokens,
        };
        let caller = table.callers.run(&question, &self.callers, means).await;
        match caller {
            Ok(caller) => Ok((caller, body)),
            Err(bad) => Err(Refusal::not_authorised(hit.route, &bad)),
        }
    }
}

fn no_route(table: &Table, head: &Head, missing: &Missing<'_>) -> Refusal {
    match missing {
        Missing {
            api: None,
            domain: None,
            ..
        } if table.has_sockets() => {
            let (method, path) = (&head.method, head.path());
            let reason = format!(
                "nothing answers `{method} {path}`: the application has WebSocket APIs alone, \
                 whose clients connect to `ws://`"
            );
            Refusal::new(Fault::NoRoute, reason)
        }
        _ => Refusal::no_route(head, Some(missing)),
    }
}

impl Handler for ApplicationHandler {
    fn handle(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(self.answer(request))
    }
}
