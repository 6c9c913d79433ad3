//! Application Load Balancers: one request, from its rule to its reply.
//!
//! Lives here: the order of the steps, swapping one revision for the next, calling functions.
//! Does not live here: rules (`table`, `patterns`), what the load balancer answers itself (`actions`, `pages`), events and
//! replies (`events`, `replies`), listeners' sockets (`http`).
//!
//! Contract: User Guide for Application Load Balancers, "Lambda functions as targets" and "Troubleshoot your Application Load
//! Balancers".

mod actions;
mod pages;
mod patterns;
pub(crate) mod query;
mod table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use interfaces::BoxFuture;
use interfaces::clock::Clock;
use interfaces::invoke::{Invocation, Invoke, Outcome, Timings};
use interfaces::random::Random;
use model::application::Application;
use model::door::Callee;
use model::ids::{ApiId, FunctionName, RequestId};
use model::limits;
use model::load_balancer::{ForwardedFor, Target, TargetGroup};

use crate::application::{AccessEntry, AccessLog, Head, Refusal};
use crate::events::{self, Balanced, TRACE_RANDOM_BYTES, Trace, header_text};
use crate::http::{Body, BodyError, Handler, Request, Response};
use crate::replies;
use crate::routes;
use crate::sender::{Sender, TrustedProxies};
use pages::Refused;
use table::{Answer, Compiled, Found, Table};

/// How long a load balancer waits for its function: for as long as that may run, and the minute for which it may stand in
/// line.
const WAIT_MAX: Duration = limits::LAMBDA_TIMEOUT_MAX.saturating_add(Duration::from_mins(1));

/// Where the listeners are on this machine.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// The port of each listener, in their order.
    pub ports: Vec<u16>,
    /// What the ports speak.
    pub scheme: crate::http::Scheme,
}

/// Answers the requests of load balancers by invoking functions.
pub struct LoadBalancers {
    invoke: Arc<dyn Invoke>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    access_log: Arc<dyn AccessLog>,
    proxies: TrustedProxies,
    base_path: Option<String>,
    table: RwLock<Arc<Table>>,
    addresses: RwLock<Arc<Addresses>>,
}

/// One of the listeners: what has its port.
struct Door {
    balancers: Arc<LoadBalancers>,
    index: usize,
}

/// What is learnt on a request's way, for its entry in the access log.
#[derive(Default)]
struct Trail {
    name: Option<ApiId>,
    rule: Option<String>,
    function: Option<FunctionName>,
    timings: Option<Timings>,
}

/// A request, and what is fixed before the first step.
struct Arrived<'a> {
    request: &'a Head,
    /// Behind the base path.
    path: Cow<'a, str>,
    sender: Sender,
    request_id: RequestId,
    trace: Trace,
    /// As `1-TIME-ID`.
    trace_id: String,
}

impl LoadBalancers {
    /// Load balancers without any listener; [`swap`](Self::swap) gives them some.
    #[must_use]
    pub fn new(
        invoke: Arc<dyn Invoke>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        access_log: Arc<dyn AccessLog>,
    ) -> Self {
        Self {
            invoke,
            clock,
            random,
            access_log,
            proxies: TrustedProxies::default(),
            base_path: None,
            table: RwLock::default(),
            addresses: RwLock::default(),
        }
    }

    /// The same, behind proxies whose word on a request's source is believed.
    #[must_use]
    pub fn behind(self, proxies: TrustedProxies) -> Self {
        Self { proxies, ..self }
    }

    /// The same, for clients that put this before each path: neither rules nor functions see it.
    #[must_use]
    pub fn below(self, base_path: Option<String>) -> Self {
        Self {
            base_path: base_path.as_deref().and_then(routes::base_path),
            ..self
        }
    }

    /// Serves the listeners of a revision from the next request on.
    pub fn swap(&self, application: &Application) {
        let table = Arc::new(Table::compile(application));
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
    }

    /// Tells where the listeners are: redirects lead there.
    pub fn set_addresses(&self, addresses: Addresses) {
        let mut known = self
            .addresses
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(addresses);
    }

    /// What answers at the port of the listener with this number.
    #[must_use]
    pub fn listener(self: &Arc<Self>, index: usize) -> Arc<dyn Handler> {
        Arc::new(Door {
            balancers: Arc::clone(self),
            index,
        })
    }

    async fn answer(&self, index: usize, request: Request) -> Response {
        let table = Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner));
        let (request, body) = Head::split(request);
        let arrived = self.arrived(&request);
        let mut trail = Trail::default();
        let listener = table.listeners.get(index);
        let answered = self.steps(listener, &arrived, body, &mut trail).await;
        let (mut response, message) = match answered {
            Ok(response) => (response, None),
            Err(refused) => (refused.page(), Some(refused.reason)),
        };
        let is_named = |(name, _): &(String, HeaderValue)| name.eq_ignore_ascii_case("server");
        if !response.headers.iter().any(is_named) {
            let server = HeaderValue::from_static("awselb/2.0");
            response.headers.push(("Server".to_owned(), server));
        }
        let now = self.clock.instant();
        self.access_log.record(AccessEntry {
            method: request.method.as_str().to_owned(),
            path: request.path().to_owned(),
            status: response.status.as_u16(),
            api: trail.name,
            route: trail.rule,
            function: trail.function,
            request_id: arrived.request_id.clone(),
            total: now.saturating_duration_since(request.received_at),
            timings: trail.timings,
            message,
            cached: None,
            line: None,
            revision: table.revision.clone(),
        });
        response
    }

    fn arrived<'a>(&self, request: &'a Head) -> Arrived<'a> {
        let mut drawn = [0_u8; TRACE_RANDOM_BYTES];
        self.random.fill(&mut drawn);
        let now = self.clock.now();
        let sent = request.headers.get("x-amzn-trace-id").map(header_text);
        let fresh = Trace::read_or_make(None, now, &drawn);
        let id = fresh.event_header.strip_prefix("Root=").unwrap_or_default();
        let path = request.path();
        let base_path = self.base_path.as_deref();
        let below = base_path.and_then(|base| routes::behind_base(path, base));
        Arrived {
            request,
            path: below.unwrap_or(Cow::Borrowed(path)),
            sender: self
                .proxies
                .sender(request.peer, request.scheme, &request.headers),
            request_id: self.random.request_id(),
            trace_id: id.to_owned(),
            trace: Trace::read_or_make(sent.as_deref(), now, &drawn),
        }
    }

    /// Find the rule; then redirect, answer, or event, invoke, reply.
    async fn steps(
        &self,
        listener: Option<&Compiled>,
        arrived: &Arrived<'_>,
        body: Body,
        trail: &mut Trail,
    ) -> Result<Response, Refused> {
        let Some(listener) = listener else {
            let reason = "no listener has this port any more";
            return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        };
        trail.name = Some(listener.name.clone());
        check(arrived)?;
        let Found { answer, rule } =
            listener.find(arrived.request, &arrived.path, arrived.sender.source_ip);
        trail.rule = Some(rule.to_owned());
        let group = match answer {
            Answer::Redirect(redirect) => {
                let addresses = self
                    .addresses
                    .read()
                    .unwrap_or_else(PoisonError::into_inner);
                let addresses = Arc::clone(&addresses);
                return actions::redirected(redirect, &addresses, arrived);
            }
            Answer::FixedResponse(fixed) => return Ok(actions::fixed(fixed)),
            Answer::Unknown => return Ok(pages::unknown()),
            Answer::NotServed(reason) => {
                let reason = format!("the listener's {rule} is not served: {reason}");
                return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, reason));
            }
            Answer::Forward(groups) => self.draw(groups),
        };
        let (group, callee) = function_of(group)?;
        if arrived.request.headers.contains("upgrade") {
            let reason = "functions behind a load balancer take no upgrade of the connection";
            return Err(Refused::new(StatusCode::BAD_REQUEST, reason));
        }
        let body = body.collect(limits::LOAD_BALANCER_PAYLOAD_BYTES_MAX).await;
        let body = body.map_err(no_body)?;
        trail.function = Some(callee.function.clone());
        let event = event(group, listener.forwarded_for, arrived, &body);
        let returned = self.call(callee, event, arrived, trail).await?;
        replies::balanced(&returned, group.values)
            .map_err(|bad| Refused::bad_gateway(Refusal::bad_reply(&callee.function, &bad).reason))
    }

    /// One of the target groups, by their weights; none: none has any.
    fn draw<'a>(&self, groups: &'a [table::Share]) -> Option<&'a TargetGroup> {
        let total: u64 = groups.iter().map(|share| u64::from(share.weight)).sum();
        let mut drawn = [0_u8; 8];
        self.random.fill(&mut drawn);
        let mut left = u64::from_be_bytes(drawn).checked_rem(total)?;
        for share in groups {
            let weight = u64::from(share.weight);
            if left < weight {
                return Some(&share.group);
            }
            left -= weight;
        }
        None
    }

    /// Invokes the function, and gives what it returned.
    async fn call(
        &self,
        callee: &Callee,
        event: Bytes,
        arrived: &Arrived<'_>,
        trail: &mut Trail,
    ) -> Result<Bytes, Refused> {
        let function = &callee.function;
        let invocation = Invocation {
            function: function.clone(),
            qualifier: callee.qualifier.clone(),
            request_id: arrived.request_id.clone(),
            payload: event,
            wait_until: Some(self.clock.instant() + WAIT_MAX),
            trace_id: arrived.trace.full.clone(),
            client_context: None,
        };
        let reply = self.invoke.invoke(invocation).await;
        let reply =
            reply.map_err(|not_run| Refused::bad_gateway(Refusal::not_run(&not_run).reason))?;
        trail.timings = Some(reply.timings);
        let returned = match reply.outcome {
            Outcome::Returned(returned) => returned,
            Outcome::Failed(error) => {
                let refusal = Refusal::function_failed(function, &error);
                return Err(Refused::bad_gateway(refusal.reason));
            }
        };
        let (bytes, bytes_max) = (returned.len(), limits::LOAD_BALANCER_PAYLOAD_BYTES_MAX);
        if bytes_max < bytes {
            return Err(Refused::bad_gateway(format!(
                "the reply of function `{function}` has {bytes} bytes; a load balancer takes {bytes_max}: \
                 put large results into a bucket and reply with a URL"
            )));
        }
        Ok(returned)
    }
}

impl Handler for Door {
    fn handle(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(self.balancers.answer(self.index, request))
    }
}

/// Refuses what no rule would be given.
fn check(arrived: &Arrived<'_>) -> Result<(), Refused> {
    let request = arrived.request;
    if request.method == Method::TRACE {
        let reason = "load balancers take no `TRACE`";
        return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, reason));
    }
    let hops = request.headers.get_all("x-forwarded-for").map(header_text);
    let hops: usize = hops.map(|value| value.split(',').count()).sum();
    let hops_max = limits::LOAD_BALANCER_FORWARDED_FOR_MAX;
    if hops_max < hops {
        let reason =
            format!("`X-Forwarded-For` has {hops} addresses; a load balancer takes {hops_max}");
        return Err(Refused::new(pages::TOO_MANY_HOPS, reason));
    }
    Ok(())
}

fn function_of(group: Option<&TargetGroup>) -> Result<(&TargetGroup, &Callee), Refused> {
    let unavailable = |reason: String| Refused::new(StatusCode::SERVICE_UNAVAILABLE, reason);
    let Some(group) = group else {
        let reason = "the weights of all target groups are 0".to_owned();
        return Err(unavailable(reason));
    };
    match &group.target {
        Target::Function(callee) => Ok((group, callee)),
        Target::Nobody => Err(unavailable(format!(
            "the target group `{}` has no target: name a function in `Targets`",
            group.arn
        ))),
        Target::NotServed { reason } => Err(unavailable(format!(
            "the target group `{}` is not served: {reason}",
            group.arn
        ))),
    }
}

fn no_body(error: BodyError) -> Refused {
    match error {
        BodyError::TooLarge { bytes_max } => Refused::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the request's body is over a load balancer's limit of {bytes_max} bytes for functions: \
                 let clients upload to a bucket by a presigned URL instead"
            ),
        ),
        BodyError::TooSlow => Refused::new(
            StatusCode::REQUEST_TIMEOUT,
            "the request's body arrived too slowly",
        ),
        BodyError::CutOff => Refused::new(
            StatusCode::BAD_REQUEST,
            "the client went before the request's body had arrived",
        ),
        BodyError::Malformed => Refused::new(
            StatusCode::BAD_REQUEST,
            "the framing of the request's body is broken",
        ),
    }
}

fn event(
    group: &TargetGroup,
    forwarded_for: ForwardedFor,
    arrived: &Arrived<'_>,
    body: &Bytes,
) -> Bytes {
    let request = arrived.request;
    let event = events::balanced(&Balanced {
        group: &group.arn,
        values: group.values,
        method: request.method.as_str(),
        path: &arrived.path,
        query: request.query(),
        headers: &request.headers,
        body,
        forwarded: &arrived.sender.forwarded,
        forwarded_for,
        trace_id: &arrived.trace_id,
    });
    event.into()
}
