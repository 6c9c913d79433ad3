//! Requests that concern WebSocket APIs, and connecting above all.
//!
//! Lives here: the handshake, who may connect, what `$connect` answers, and handing the connection over.
//! Does not live here: the connection afterwards (`session`), `@connections` (`management`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Manage connected users and client apps: $connect and $disconnect routes":
//! until the integration has answered, the request is pending; one that fails, or answers with an error, refuses. Its headers
//! go to the client, as `Sec-WebSocket-Protocol`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use interfaces::BoxFuture;
use interfaces::counters::{Bucket, Taken};
use model::door::Rate;
use model::limits::{WEBSOCKET_CONNECTIONS_A_SECOND, WEBSOCKET_URL_BYTES_MAX};
use model::websocket_api::{CONNECT, WebSocketIntegration};

use super::connections::Connection;
use super::handshake::{self, Accept};
use super::session::Session;
use super::{Calling, Settled, refused};
use crate::application::arrival::{Arrival, Head};
use crate::application::{AccessEntry, ApplicationHandler, Refusal};
use crate::caller::Caller;
use crate::events::header_text;
use crate::events::websocket::{Connected, Happened, What, connect};
use crate::http::{Body, Handler, Request, Response, ResponseBody, Upgrade};
use crate::replies::faults::Fault;
use crate::replies::{self, Accepts};
use crate::routes::{Answer, Api, Entrance, Meant, Payload, Route, Table};
use crate::throttle;

/// Headers of the handshake itself, and of a body that is not there: whatever a function says of them.
const OWN_HEADERS: [&str; 7] = [
    "connection",
    "content-length",
    "content-type",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "transfer-encoding",
    "upgrade",
];

/// The most that a request may have for a body: none.
const BODY_BYTES_MAX: usize = 0;

/// The listener of WebSocket APIs alone.
pub struct WebSocketHandler(pub(in crate::application) Arc<ApplicationHandler>);

impl Handler for WebSocketHandler {
    fn handle(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            let met = self.0.socket(request, Entrance::Own).await;
            // Nothing else is here.
            met.unwrap_or_else(|_| Response::new(StatusCode::FORBIDDEN, ""))
        })
    }
}

/// A request to connect, on its way.
#[derive(Clone, Copy)]
struct Opening<'a> {
    api: &'a Api,
    head: &'a Head,
    arrival: &'a Arrival,
    id: &'a str,
    user_agent: Option<&'a str>,
}

impl ApplicationHandler {
    /// Answers what concerns WebSocket APIs; the request itself, where it concerns others.
    pub(in crate::application) async fn socket(
        &self,
        request: Request,
        entrance: Entrance,
    ) -> Result<Response, Box<Request>> {
        let table = self.table();
        let host = request.headers.text("host").map(str::to_owned);
        let path = request.path().to_owned();
        let Some(meant) = table.meant(host.as_deref(), &path, entrance) else {
            return Err(Box::new(request));
        };
        Ok(match meant {
            Meant::Connecting(api) => self.open(&table, api, request).await,
            Meant::Connection { api, id } => self.manage(api, &id, request).await,
            Meant::Nothing => {
                let (head, _) = Head::split(request);
                let arrival = self.arrival_of(&head);
                let reason = "it is neither the stage of a WebSocket API nor one of its connections; \
                              `cloudless routes` lists the stages";
                let refusal = Refusal::new(Fault::Forbidden, reason);
                self.log_stranger(&table, (&head, &arrival), &refusal);
                self.refuse(None, (&head, &arrival), &refusal, &table)
            }
        })
    }

    fn arrival_of(&self, head: &Head) -> Arrival {
        let arrival = Arrival::new(head, &*self.clock, &*self.random, &self.proxies);
        arrival.opening(&*self.random)
    }

    async fn open(&self, table: &Table, api: &Api, request: Request) -> Response {
        let handshake = handshake::read(&request);
        let (head, body) = Head::split(request);
        let arrival = self.arrival_of(&head);
        let id = arrival.connection_id.clone().unwrap_or_default();
        let read = match (handshake, body.collect(BODY_BYTES_MAX).await) {
            (Ok(_), Err(_)) => Err(handshake::NoHandshake::Body),
            (handshake, _) => handshake,
        };
        let accept = match read {
            Ok(accept) => accept,
            Err(bad) => {
                let reason = bad.to_string();
                let said = if bad.status() == StatusCode::UPGRADE_REQUIRED {
                    "Upgrade Required"
                } else {
                    "Bad Request"
                };
                let said = refused::words(said, &id, &arrival.extended_request_id);
                let nobody = Caller::default();
                let settled = failed(bad.status(), reason);
                self.log_connect(table, (api, &head, &arrival), &nobody, settled);
                return refused::response(bad.status(), said)
                    .with_header("Upgrade", HeaderValue::from_static("websocket"))
                    .with_header(
                        "Sec-WebSocket-Version",
                        HeaderValue::from_static(handshake::VERSION),
                    );
            }
        };
        let user_agent = head.headers.get("user-agent").map(header_text);
        let opening = Opening {
            api,
            head: &head,
            arrival: &arrival,
            id: &id,
            user_agent: user_agent.as_deref(),
        };
        let mut settled = Settled::of(101);
        match self.admit(table, opening, &mut settled).await {
            Ok((caller, answer)) => {
                settled.status = answer.status.as_u16();
                let opened = answer.status == StatusCode::SWITCHING_PROTOCOLS;
                self.log_connect(table, (api, &head, &arrival), &caller, settled);
                if opened {
                    self.hand_over(opening, caller, &accept, answer)
                } else {
                    answer
                }
            }
            Err(refusal) => self.refuse(Some((api, settled)), (&head, &arrival), &refusal, table),
        }
    }

    /// Who connects, and what `$connect` answers: with status 101, the connection is made.
    async fn admit(
        &self,
        table: &Table,
        opening: Opening<'_>,
        settled: &mut Settled,
    ) -> Result<(Caller, Response), Refusal> {
        let Opening {
            api, head, arrival, ..
        } = opening;
        if WEBSOCKET_URL_BYTES_MAX < head.target.len() {
            let reason = format!("its URL is over {WEBSOCKET_URL_BYTES_MAX} bytes");
            return Err(Refusal::new(Fault::UriTooLong, reason));
        }
        head.check()?;
        self.count_connection(arrival).await?;
        let Some(route) = api.route(CONNECT) else {
            let open = Response::new(StatusCode::SWITCHING_PROTOCOLS, Bytes::new());
            return Ok((Caller::default(), open));
        };
        let hit = Table::socket_hit(api, route);
        let (caller, _body) = self
            .authorise(table, &hit, head, Body::empty(), arrival)
            .await?;
        throttle::admit(
            &*self.counters,
            self.account_rate,
            &hit,
            &caller,
            arrival.at,
        )
        .await
        .map_err(Refusal::limited)?;
        let answer = self.ask(route, opening, &caller, settled).await?;
        Ok((caller, answer))
    }

    /// New connections are counted over all APIs, besides what routes allow.
    async fn count_connection(&self, arrival: &Arrival) -> Result<(), Refusal> {
        let bucket = Bucket {
            name: "websocket connections",
            rate: Rate {
                per_1000_s: WEBSOCKET_CONNECTIONS_A_SECOND * 1_000,
                burst: WEBSOCKET_CONNECTIONS_A_SECOND,
            },
        };
        match self.counters.take(&[bucket], arrival.at).await {
            Ok(Taken::All) | Err(_) => Ok(()),
            Ok(Taken::Empty { .. }) => {
                let reason = format!(
                    "there were more than {WEBSOCKET_CONNECTIONS_A_SECOND} new connections a second"
                );
                Err(Refusal::new(Fault::TooManyRequests, reason))
            }
        }
    }

    /// What the route's integration answers.
    async fn ask(
        &self,
        route: &Route,
        opening: Opening<'_>,
        caller: &Caller,
        settled: &mut Settled,
    ) -> Result<Response, Refusal> {
        let Answer::Socket { integration, .. } = &route.answer else {
            return Ok(Response::new(StatusCode::SWITCHING_PROTOCOLS, Bytes::new()));
        };
        let (callee, timeout) = match integration {
            WebSocketIntegration::Lambda { callee, timeout } => (callee, *timeout),
            WebSocketIntegration::Nothing => return Ok(of_status(StatusCode::OK)),
            WebSocketIntegration::Mock { status, .. } => {
                return Ok(of_status(StatusCode::from_u16(*status).unwrap_or_default()));
            }
            WebSocketIntegration::NotServed { reason } => {
                return Err(Refusal::not_served(route, reason));
            }
        };
        let Opening {
            api,
            head,
            arrival,
            id,
            user_agent,
        } = opening;
        let hit = Table::socket_hit(api, route);
        let exchange = arrival.exchange(head, &hit, &self.account, (caller, &[]));
        let connected = Connected {
            api,
            connection_id: id,
            connected_at: arrival.at,
            source_ip: arrival.sender.source_ip,
            user_agent,
            caller,
        };
        let happened = Happened {
            route_key: &route.key,
            request_id: &arrival.extended_request_id,
            at: arrival.at,
            what: What::Connect,
        };
        let event = connect(&exchange, &connected, &happened);
        let calling = Calling {
            callee,
            timeout,
            id: &arrival.request_id,
            trace: &arrival.trace.full,
        };
        settled.function = Some(callee.function.clone());
        let (returned, timings) = self.sockets.call(calling, event).await?;
        settled.timings = Some(timings);
        let read = replies::read(Payload::HttpV1, &returned, Accepts::Text);
        let answer = read.map_err(|bad| Refusal::bad_reply(&callee.function, &bad))?;
        if !answer.status.is_success() {
            settled.reason = Some(format!(
                "function `{}` answered {} to `$connect`: the connection is not made",
                callee.function,
                answer.status.as_u16()
            ));
            return Ok(answer);
        }
        Ok(Response {
            status: StatusCode::SWITCHING_PROTOCOLS,
            ..answer
        })
    }

    /// The answer by which a connection is made.
    fn hand_over(
        &self,
        opening: Opening<'_>,
        caller: Caller,
        accept: &Accept,
        answer: Response,
    ) -> Response {
        let Opening {
            api,
            arrival,
            id,
            user_agent,
            ..
        } = opening;
        let connection = Arc::new(Connection::new(
            id.to_owned(),
            (api.id.clone(), api.stage.clone()),
            arrival.at,
            (arrival.sender.source_ip, user_agent.map(str::to_owned)),
            caller,
        ));
        let session = Session {
            orders: self.sockets.connections.enter(&connection),
            sockets: Arc::clone(&self.sockets),
            connection,
            account_rate: self.account_rate,
        };
        let is_own = |name: &str| OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name));
        let mut headers = answer.headers;
        headers.retain(|(name, _)| !is_own(name));
        headers.push(("Sec-WebSocket-Accept".to_owned(), accept.value()));
        let upgrade = Upgrade::new(move |socket| Box::pin(session.run(socket)));
        Response {
            status: StatusCode::SWITCHING_PROTOCOLS,
            headers,
            body: ResponseBody::Upgrade(upgrade),
        }
    }

    fn refuse(
        &self,
        of: Option<(&Api, Settled)>,
        (head, arrival): (&Head, &Arrival),
        refusal: &Refusal,
        table: &Table,
    ) -> Response {
        let status = refusal.socket_status();
        let id = arrival.connection_id.as_deref().unwrap_or_default();
        if let Some((api, settled)) = of {
            let settled = Settled {
                status: status.as_u16(),
                reason: Some(refusal.reason.clone()),
                ..settled
            };
            let caller = refusal.caller.as_deref().cloned().unwrap_or_default();
            self.log_connect(table, (api, head, arrival), &caller, settled);
        }
        let body = refusal.socket_body(id, &arrival.extended_request_id);
        let response = refused::response(status, body);
        match &refusal.challenge {
            Some(challenge) => response.with_header(
                "www-authenticate",
                crate::replies::headers::value_of(challenge),
            ),
            None => response,
        }
    }

    /// Whoever connects where no API is learns of it from the log alone.
    fn log_stranger(&self, table: &Table, (head, arrival): (&Head, &Arrival), refusal: &Refusal) {
        self.access_log.record(AccessEntry {
            method: "WS".to_owned(),
            path: head.path().to_owned(),
            status: refusal.socket_status().as_u16(),
            api: None,
            route: None,
            function: None,
            request_id: arrival.request_id.clone(),
            total: self
                .clock
                .instant()
                .saturating_duration_since(head.received_at),
            timings: None,
            cached: None,
            message: Some(refusal.reason.clone()),
            line: None,
            revision: table.revision.clone(),
        });
    }

    fn log_connect(
        &self,
        table: &Table,
        (api, head, arrival): (&Api, &Head, &Arrival),
        caller: &Caller,
        settled: Settled,
    ) {
        let user_agent = head.headers.get("user-agent").map(header_text);
        let connected = Connected {
            api,
            connection_id: arrival.connection_id.as_deref().unwrap_or_default(),
            connected_at: arrival.at,
            source_ip: arrival.sender.source_ip,
            user_agent: user_agent.as_deref(),
            caller,
        };
        let happened = Happened {
            route_key: CONNECT,
            request_id: &arrival.extended_request_id,
            at: arrival.at,
            what: What::Connect,
        };
        let took = (head.received_at, &arrival.request_id);
        self.sockets
            .record(table, (&connected, &happened), settled, took);
    }
}

fn of_status(status: StatusCode) -> Response {
    let status = if status.is_success() {
        StatusCode::SWITCHING_PROTOCOLS
    } else {
        status
    };
    Response::new(status, Bytes::new())
}

fn failed(status: StatusCode, reason: String) -> Settled {
    Settled {
        status: status.as_u16(),
        reason: Some(reason),
        ..Settled::default()
    }
}
