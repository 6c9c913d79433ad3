//! The handler of the applications' port: one request, from its route to its reply.
//!
//! Lives here: the order of the steps, swapping one revision for the next.
//! Does not live here: what each step does (`routes`, `cors`, `events`, `replies`), listeners (`http`).

mod access;
mod arrival;
mod kept;
mod refusal;
pub mod sample;
mod streamed;
mod timing;
mod words;

#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::HeaderValue;
use interfaces::BoxFuture;
use interfaces::clock::Clock;
use interfaces::counters::Counters;
use interfaces::invoke::{Answer as Reached, Invocation, Invoke, NotRun, Outcome, Reply, Timings};
use interfaces::random::Random;
use model::application::Application;
use model::door::{Authorization, Callee, Rate};
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
use crate::compression;
use crate::cors;
use crate::events;
use crate::http::upstream::{Client, Reach};
use crate::http::{Body, Handler, Request, Response};
use crate::outbound::{Outbound, Roots};
use crate::replies::{self, Accepts, BadReply, faults, headers};
use crate::routes::{Answer, Api, Hit, Kind, Located, Payload, Table, Transfer};
use crate::sender::TrustedProxies;
use crate::throttle;
use crate::tokens::Tokens;
use arrival::{Arrival, Head};
use kept::Place;
pub(crate) use refusal::Refusal;

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
    table: RwLock<Arc<Table>>,
    proxies: TrustedProxies,
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

/// A route to a function, as its answer describes it.
#[derive(Clone, Copy)]
struct Call<'a> {
    hit: &'a Hit<'a>,
    callee: &'a Callee,
    timeout: std::time::Duration,
    payload: Payload,
    transfer: Transfer,
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
        let callers = Callers::new(signers.principals, Arc::clone(&clock), signers.unknown_keys);
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
            table: RwLock::new(Arc::new(table)),
            proxies: TrustedProxies::default(),
            tokens,
        }
    }

    /// The same, which holds the requests of all APIs together to this rate.
    #[must_use]
    pub fn with_account_rate(mut self, rate: Option<Rate>) -> Self {
        self.account_rate = rate;
        self
    }

    /// The same, which believes the certificates of these when it hands requests on.
    #[must_use]
    pub fn trusting(self, roots: Roots) -> Self {
        Self {
            upstream: Client::new(Reach::new(roots)),
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

    /// Compiles the routes of a revision and serves them from the next request on. Requests under way end with the
    /// routes that they began with.
    ///
    /// The problems are routes that cannot be served, or that clash; all others are served.
    pub fn swap(&self, application: &Application) -> Vec<Problem> {
        let (table, problems) = Table::compile(application);
        table.share_cache_bytes(self.cache_bytes_max);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        problems
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn answer(&self, request: Request) -> Response {
        let table = self.table();
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
            Located::Missing(missing) => return Err(Refusal::no_route(head, Some(missing))),
        };
        let (caller, body) = self.authorise(table, hit, head, body, arrival).await?;
        trail.caller = Some(caller.clone());
        let account_rate = match hit.api.kind {
            Kind::Rest { .. } | Kind::Http { .. } => self.account_rate,
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
        let (settled, cached) = place.settle(&*self.clock, making).await;
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

    /// Event, invoke, reply; or whatever else answers the route.
    async fn integrate(
        &self,
        hit: &Hit<'_>,
        head: &Head,
        sent: (&Caller, &Bytes),
        arrival: &Arrival,
        trail: &mut Trail,
    ) -> Result<Response, Refusal> {
        match &hit.route.answer {
            Answer::Mock(reply) => cors::mock(reply, &head.headers).map_err(Refusal::bad_mock),
            Answer::HttpProxy(proxy) => {
                let exchange = arrival.exchange(head, hit, &self.account, (sent.0, sent.1));
                let handed_on = proxy.hand_on(&exchange, sent.1, &self.upstream).await;
                handed_on.map_err(|not| Refusal::not_handed_on(hit.route, &not, proxy.timeout()))
            }
            Answer::NotServed(reason) => Err(Refusal::not_served(hit.route, reason)),
            Answer::Function {
                callee,
                timeout,
                payload,
                transfer,
            } => {
                let call = Call {
                    hit,
                    callee,
                    timeout: *timeout,
                    payload: *payload,
                    transfer: *transfer,
                };
                trail.function = Some(callee.function.clone());
                let event = self.event(call, head, sent, arrival)?;
                match self.call(call, event, arrival).await? {
                    Reached::Whole(reply) => {
                        trail.timings = Some(reply.timings);
                        read_reply(call, head, reply)
                    }
                    Reached::Streamed(stream) => {
                        let (response, ending) = streamed::begin(call, stream).await?;
                        trail.ending = Some(ending);
                        Ok(response)
                    }
                }
            }
        }
    }

    fn event(
        &self,
        call: Call<'_>,
        head: &Head,
        (caller, body): (&Caller, &Bytes),
        arrival: &Arrival,
    ) -> Result<Bytes, Refusal> {
        let exchange = arrival.exchange(head, call.hit, &self.account, (caller, body));
        let event = events::encode(&exchange, call.payload);
        if limits::LAMBDA_SYNC_PAYLOAD_BYTES_MAX < event.len() {
            return Err(Refusal::event_too_large(event.len()));
        }
        Ok(event)
    }

    async fn call(
        &self,
        call: Call<'_>,
        event: Bytes,
        arrival: &Arrival,
    ) -> Result<Reached, Refusal> {
        let invocation = Invocation {
            function: call.callee.function.clone(),
            qualifier: call.callee.qualifier.clone(),
            request_id: arrival.request_id.clone(),
            payload: event,
            wait_until: Some(self.clock.instant() + call.timeout),
            trace_id: arrival.trace.full.clone(),
            client_context: None,
        };
        let late = || Refusal::integration_timeout(&call.callee.function, call.timeout);
        let invoking = async {
            match call.transfer {
                Transfer::Buffered => self.invoke.invoke(invocation).await.map(Reached::Whole),
                Transfer::Streamed => self.invoke.invoke_streamed(invocation).await,
            }
        };
        match tokio::time::timeout(call.timeout, invoking).await {
            Ok(Ok(reached)) => Ok(reached),
            Ok(Err(NotRun::WaitedTooLong { .. })) | Err(_) => Err(late()),
            Ok(Err(not_run)) => Err(Refusal::not_run(&not_run)),
        }
    }
}

impl Handler for ApplicationHandler {
    fn handle(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(self.answer(request))
    }
}

fn read_reply(call: Call<'_>, head: &Head, reply: Reply) -> Result<Response, Refusal> {
    let returned = match reply.outcome {
        Outcome::Returned(returned) => returned,
        Outcome::Failed(error) => {
            return Err(Refusal::function_failed(&call.callee.function, &error));
        }
    };
    if (call.transfer, call.payload) == (Transfer::Streamed, Payload::Rest) {
        return Err(Refusal::bad_reply(
            &call.callee.function,
            &BadReply::NotStreamed,
        ));
    }
    replies::read(call.payload, &returned, accepts(call.hit.api, head))
        .map_err(|bad| Refusal::bad_reply(&call.callee.function, &bad))
}

/// The response in a coding that its client names, where its API compresses.
async fn packed(response: Response, api: Option<&Api>, head: &Head) -> Response {
    match api.and_then(|api| api.compression_bytes_min) {
        Some(bytes_min) => compression::compressed(response, &head.headers, bytes_min).await,
        None => response,
    }
}

/// A REST API tells a function's client the trace of the request, also of a reply that was kept.
fn traced(mut response: Response, hit: &Hit<'_>, arrival: &Arrival) -> Response {
    if let Answer::Function {
        payload: Payload::Rest,
        ..
    } = &hit.route.answer
    {
        let trace = headers::value_of(&arrival.trace.full);
        response.headers.push(("X-Amzn-Trace-Id".to_owned(), trace));
    }
    response
}

fn accepts(api: &Api, head: &Head) -> Accepts {
    match &api.kind {
        Kind::Rest {
            binary_media_types, ..
        } if events::is_binary_for_rest(head.headers.text("accept"), binary_media_types) => {
            Accepts::Binary
        }
        Kind::Rest { .. } | Kind::Http { .. } | Kind::FunctionUrl { .. } => Accepts::Text,
    }
}

/// Adds what every response of an API carries.
fn complete(response: &mut Response, api: Option<&Api>, head: &Head, arrival: &Arrival) {
    let Some(api) = api else { return };
    let extended = || headers::value_of(&arrival.extended_request_id);
    let mut add = |name: &str, value: HeaderValue| response.headers.push((name.to_owned(), value));
    match &api.kind {
        Kind::Rest { .. } => {
            add(
                "x-amzn-RequestId",
                headers::value_of(arrival.request_id.as_str()),
            );
            add("x-amz-apigw-id", extended());
        }
        Kind::Http { cors } | Kind::FunctionUrl { cors, .. } => {
            if let Kind::FunctionUrl { .. } = &api.kind {
                add(
                    "x-amzn-RequestId",
                    headers::value_of(arrival.request_id.as_str()),
                );
                add("X-Amzn-Trace-Id", headers::value_of(&arrival.trace.full));
            } else {
                add("apigw-requestid", extended());
            }
            let is_preflight = cors::preflight_for(&head.method, &head.headers).is_some();
            if let Some(cors) = cors.as_ref().filter(|_| !is_preflight) {
                cors::apply(cors, &head.headers, response);
            }
        }
    }
}

/// A request that means no API at all gets an HTTP API's words: they claim least.
fn style(api: Option<&Api>) -> faults::Style {
    match api.map(|api| &api.kind) {
        Some(Kind::Rest { .. }) => faults::Style::Rest,
        Some(Kind::FunctionUrl { .. }) => faults::Style::FunctionUrl,
        Some(Kind::Http { .. }) | None => faults::Style::Http,
    }
}
