//! WebSocket APIs: connections, their messages, and whoever manages them.
//!
//! Lives here: what all connections share, and one event of one: its limits, its function, its entry in the access log.
//! Does not live here: connecting (`connect`), a connection's life (`session`), `@connections` (`management`), frames
//! (`frames`), the shapes of events (`events::websocket`).

mod connect;
mod connections;
mod frames;
mod handshake;
mod management;
mod refused;
mod session;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use interfaces::clock::Clock;
use interfaces::counters::Counters;
use interfaces::invoke::{Invocation, Invoke, NotRun, Outcome, Timings};
use interfaces::random::Random;
use model::application::Application;
use model::door::{Callee, Rate};
use model::ids::{FunctionName, RequestId};
use model::limits::LAMBDA_SYNC_PAYLOAD_BYTES_MAX;
use model::time::Timestamp;
use model::websocket_api::{
    DEFAULT, DISCONNECT, Part, Replies, Selection, Step, WebSocketIntegration,
};
use serde_json::Value;

use super::arrival::random_id;
use super::{AccessEntry, AccessLog, Refusal};
use crate::caller::Identity;
use crate::context::line_with;
use crate::events::websocket::{Connected, Happened, What, disconnect, domain_name, message};
use crate::events::{TRACE_RANDOM_BYTES, Trace, common_log_time};
use crate::http::ResponseBody;
use crate::replies::{self, Accepts};
use crate::routes::{Answer, Api, Payload, Route, Table};
use crate::throttle;
use connections::{Connection, Connections};

pub use connect::WebSocketHandler;
pub(super) use handshake::entrance;

/// What all connections share.
pub(crate) struct Sockets {
    invoke: Arc<dyn Invoke>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    access_log: Arc<dyn AccessLog>,
    counters: Arc<dyn Counters>,
    table: Arc<RwLock<Arc<Table>>>,
    connections: Connections,
}

/// What they are made of.
pub(super) struct Parts {
    pub(super) invoke: Arc<dyn Invoke>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) access_log: Arc<dyn AccessLog>,
    pub(super) counters: Arc<dyn Counters>,
    pub(super) table: Arc<RwLock<Arc<Table>>>,
}

/// What became of one event.
#[derive(Debug, Default)]
struct Settled {
    status: u16,
    function: Option<FunctionName>,
    timings: Option<Timings>,
    reason: Option<String>,
    /// What its sender gets.
    answer: Option<Bytes>,
}

/// Whom a route calls, and as which request.
#[derive(Clone, Copy)]
struct Calling<'a> {
    callee: &'a Callee,
    timeout: Duration,
    id: &'a RequestId,
    trace: &'a str,
}

impl Sockets {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            invoke: parts.invoke,
            clock: parts.clock,
            random: parts.random,
            access_log: parts.access_log,
            counters: parts.counters,
            table: parts.table,
            connections: Connections::default(),
        }
    }

    /// Closes the connections whose API is not part of this application.
    pub(super) fn swap(&self, application: &Application) {
        let apis = application.websocket_apis.iter();
        let apis: BTreeSet<_> = apis
            .map(|api| (api.id.clone(), api.stage.clone()))
            .collect();
        self.connections.keep(&apis);
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a message to its route; the answer is for its sender.
    async fn message(
        &self,
        connection: &Connection,
        text: &str,
        rate: Option<Rate>,
    ) -> Option<Bytes> {
        let table = self.table();
        // Its connection is told to close at the same time.
        let api = table.socket_api(&connection.api, &connection.stage)?;
        let id = random_id(&*self.random);
        let what = What::Message { id: &id };
        let key = route_key(api, text);
        let route = api.route(&key).or_else(|| api.route(DEFAULT));
        self.event(&table, (api, route), connection, (what, text), rate)
            .await
    }

    /// Tells the route `$disconnect`, if there is one.
    async fn disconnected(&self, connection: &Connection, (status, reason): (u16, &str)) {
        let table = self.table();
        let Some(api) = table.socket_api(&connection.api, &connection.stage) else {
            return;
        };
        let Some(route) = api.route(DISCONNECT) else {
            return;
        };
        let what = What::Disconnect { status, reason };
        self.event(&table, (api, Some(route)), connection, (what, ""), None)
            .await;
    }

    /// One event of a connection, from its route to its entry in the access log.
    async fn event(
        &self,
        table: &Table,
        (api, route): (&Api, Option<&Route>),
        connection: &Connection,
        (what, text): (What<'_>, &str),
        rate: Option<Rate>,
    ) -> Option<Bytes> {
        let began = self.clock.instant();
        let extended_id = random_id(&*self.random);
        let function_id = self.random.request_id();
        let connected = Connected {
            api,
            connection_id: &connection.id,
            connected_at: connection.connected_at,
            source_ip: connection.source_ip,
            user_agent: connection.user_agent.as_deref(),
            caller: &connection.caller,
        };
        let happened = Happened {
            route_key: route.map_or("-", |route| &route.key),
            request_id: &extended_id,
            at: self.clock.now(),
            what,
        };
        let settled = match route {
            None => Err(Refusal::no_socket_route(text)),
            Some(route) => {
                self.settle(route, &connected, &happened, (text, &function_id), rate)
                    .await
            }
        };
        let settled = settled.unwrap_or_else(|refusal| Settled {
            status: refusal.socket_status().as_u16(),
            reason: Some(refusal.reason.clone()),
            answer: Some(refusal.socket_body(&connection.id, &extended_id)),
            ..Settled::default()
        });
        let answer = settled.answer.clone();
        let took = (began, &function_id);
        self.record(table, (&connected, &happened), settled, took);
        answer
    }

    async fn settle(
        &self,
        route: &Route,
        connected: &Connected<'_>,
        happened: &Happened<'_>,
        (text, function_id): (&str, &RequestId),
        rate: Option<Rate>,
    ) -> Result<Settled, Refusal> {
        let is_message = matches!(happened.what, What::Message { .. });
        if is_message {
            let hit = Table::socket_hit(connected.api, route);
            throttle::admit(&*self.counters, rate, &hit, connected.caller, happened.at)
                .await
                .map_err(Refusal::limited)?;
        }
        let (integration, replies) = match &route.answer {
            Answer::Socket {
                integration,
                replies,
            } => (integration, *replies),
            Answer::Function { .. }
            | Answer::HttpProxy(_)
            | Answer::Service(_)
            | Answer::Custom(_)
            | Answer::Mock(_)
            | Answer::NotServed(_) => (&WebSocketIntegration::Nothing, Replies::Dropped),
        };
        match integration {
            WebSocketIntegration::Nothing => Ok(Settled::of(200)),
            WebSocketIntegration::NotServed { reason } => Err(Refusal::not_served(route, reason)),
            WebSocketIntegration::Mock { status, body } => Ok(Settled {
                answer: sent(replies, body.clone().map(Bytes::from)),
                ..Settled::of(*status)
            }),
            WebSocketIntegration::Lambda { callee, timeout } => {
                let event = match happened.what {
                    What::Message { .. } => message(connected, happened, text),
                    What::Connect | What::Disconnect { .. } => disconnect(connected, happened),
                };
                let trace = self.trace(happened.at);
                let calling = Calling {
                    callee,
                    timeout: *timeout,
                    id: function_id,
                    trace: &trace.full,
                };
                let (returned, timings) = self.call(calling, event).await?;
                answered(calling, replies, &returned, timings)
            }
        }
    }

    /// Calls a function with an event, and waits for what it returns.
    async fn call(
        &self,
        calling: Calling<'_>,
        event: Vec<u8>,
    ) -> Result<(Bytes, Timings), Refusal> {
        if LAMBDA_SYNC_PAYLOAD_BYTES_MAX < event.len() {
            return Err(Refusal::event_too_large(event.len()));
        }
        let Calling {
            callee,
            timeout,
            id,
            trace,
        } = calling;
        let invocation = Invocation {
            function: callee.function.clone(),
            qualifier: callee.qualifier.clone(),
            request_id: id.clone(),
            payload: Bytes::from(event),
            wait_until: Some(self.clock.instant() + timeout),
            trace_id: trace.to_owned(),
            client_context: None,
        };
        let late = || Refusal::integration_timeout(&callee.function, timeout);
        match tokio::time::timeout(timeout, self.invoke.invoke(invocation)).await {
            Ok(Ok(reply)) => match reply.outcome {
                Outcome::Returned(returned) => Ok((returned, reply.timings)),
                Outcome::Failed(error) => Err(Refusal::function_failed(&callee.function, &error)),
            },
            Ok(Err(NotRun::WaitedTooLong { .. })) | Err(_) => Err(late()),
            Ok(Err(not_run)) => Err(Refusal::not_run(&not_run)),
        }
    }

    fn trace(&self, at: Timestamp) -> Trace {
        let mut drawn = [0_u8; TRACE_RANDOM_BYTES];
        self.random.fill(&mut drawn);
        Trace::read_or_make(None, at, &drawn)
    }

    fn record(
        &self,
        table: &Table,
        (connected, happened): (&Connected<'_>, &Happened<'_>),
        settled: Settled,
        (began, function_id): (Instant, &RequestId),
    ) {
        let api = connected.api;
        let line = api.access_log.as_ref();
        let line = line
            .map(|format| line_with(format, |name| variable(connected, happened, &settled, name)));
        self.access_log.record(AccessEntry {
            method: "WS".to_owned(),
            path: format!("/{} {}", api.stage, happened.route_key),
            status: settled.status,
            api: Some(api.id.clone()),
            route: Some(happened.route_key.to_owned()),
            function: settled.function,
            request_id: function_id.clone(),
            total: self.clock.instant().saturating_duration_since(began),
            timings: settled.timings,
            cached: None,
            message: settled.reason,
            line,
            revision: table.revision.clone(),
        });
    }
}

impl Settled {
    fn of(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }
}

/// What a function's answer to a message comes to. Without a route response it only tells whether it failed.
fn answered(
    calling: Calling<'_>,
    replies: Replies,
    returned: &Bytes,
    timings: Timings,
) -> Result<Settled, Refusal> {
    let settled = Settled {
        function: Some(calling.callee.function.clone()),
        timings: Some(timings),
        ..Settled::of(200)
    };
    if replies == Replies::Dropped {
        return Ok(settled);
    }
    let read = replies::read(Payload::HttpV1, returned, Accepts::Text);
    let response = read.map_err(|bad| Refusal::bad_reply(&calling.callee.function, &bad))?;
    let body = match response.body {
        ResponseBody::Whole(body) => Some(body),
        ResponseBody::Stream(_) | ResponseBody::Upgrade(_) => None,
    };
    Ok(Settled {
        status: response.status.as_u16(),
        answer: sent(replies, body),
        ..settled
    })
}

/// An empty answer is none.
fn sent(replies: Replies, body: Option<Bytes>) -> Option<Bytes> {
    let is_sent = replies == Replies::Sent;
    body.filter(|body| is_sent && !body.is_empty())
}

/// The key that the API's expression gives for a message. Routes of the gateway's own cannot be asked for.
///
/// Contract: Amazon API Gateway Developer Guide, "Route selection expressions": what is no JSON, and what the expression finds
/// nothing in, is for `$default`.
fn route_key(api: &Api, text: &str) -> String {
    let crate::routes::Kind::WebSocket { selection, .. } = &api.kind else {
        return DEFAULT.to_owned();
    };
    let selected = serde_json::from_str(text).ok();
    let selected = selected.and_then(|message: Value| select(selection, &message));
    match selected {
        Some(key) if !key.starts_with('$') => key,
        Some(_) | None => DEFAULT.to_owned(),
    }
}

fn select(selection: &Selection, message: &Value) -> Option<String> {
    let mut key = String::new();
    for part in selection.parts() {
        match part {
            Part::Text(text) => key.push_str(text),
            Part::Body(steps) => {
                let found = steps.iter().try_fold(message, |value, step| match step {
                    Step::Member(name) => value.get(name),
                    Step::Item(index) => value.get(index),
                });
                match found? {
                    Value::String(text) => key.push_str(text),
                    scalar @ (Value::Number(_) | Value::Bool(_)) => {
                        key.push_str(&scalar.to_string())
                    }
                    Value::Null | Value::Array(_) | Value::Object(_) => return None,
                }
            }
        }
    }
    Some(key)
}

/// The value of `$context.NAME`.
///
/// Contract: Amazon API Gateway Developer Guide, "API Gateway WebSocket API mapping template and access logging variables".
fn variable<'a>(
    connected: &Connected<'a>,
    happened: &Happened<'a>,
    settled: &Settled,
    name: &str,
) -> Option<Cow<'a, str>> {
    let text = |text: &'a str| Some(Cow::Borrowed(text));
    let owned = |text: String| Some(Cow::Owned(text));
    let signer = match &connected.caller.identity {
        Identity::Iam(signer) => Some(signer),
        Identity::Open | Identity::Token { .. } | Identity::Function { .. } => None,
    };
    match name {
        "apiId" => text(connected.api.id.as_str()),
        "stage" => text(connected.api.stage.as_str()),
        "connectionId" => text(connected.connection_id),
        "connectedAt" => owned(connected.connected_at.epoch_ms().to_string()),
        "domainName" => owned(domain_name(connected.api)),
        "eventType" => text(happened.what.event_type()),
        "routeKey" => text(happened.route_key),
        "requestId" | "extendedRequestId" => text(happened.request_id),
        "requestTime" => owned(common_log_time(happened.at)),
        "requestTimeEpoch" => owned(happened.at.epoch_ms().to_string()),
        "messageId" => match happened.what {
            What::Message { id } => text(id),
            What::Connect | What::Disconnect { .. } => None,
        },
        "status" => owned(settled.status.to_string()),
        "integrationLatency" | "integration.latency" => {
            owned(settled.timings?.handler.as_millis().to_string())
        }
        "identity.sourceIp" => owned(connected.source_ip.to_string()),
        "identity.userAgent" => connected.user_agent.map(Cow::Borrowed),
        "identity.caller" | "identity.user" => text(&signer?.unique_id),
        "identity.accountId" => text(&signer?.account),
        "identity.userArn" => text(&signer?.arn),
        _ => authorizer_variable(connected, name.strip_prefix("authorizer.")?),
    }
}

fn authorizer_variable<'a>(connected: &Connected<'a>, name: &str) -> Option<Cow<'a, str>> {
    let Identity::Function { told, .. } = &connected.caller.identity else {
        return None;
    };
    if name == "principalId" {
        return told.principal_id.as_deref().map(Cow::Borrowed);
    }
    let value = told.context.as_ref()?.get(name)?;
    let text = value.as_str().map(Cow::Borrowed);
    Some(text.unwrap_or_else(|| value.to_string().into()))
}
