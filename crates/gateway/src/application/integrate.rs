//! The end of a request's way: event, invoke, reply; or whatever else answers its route.
//!
//! Lives here: which of these it is, calling a function.
//! Does not live here: the steps before (`application`), replies that are written bit by bit (`streamed`).

use std::time::Duration;

use bytes::Bytes;
use interfaces::invoke::{Answer as Reached, Invocation, NotRun, Outcome, Reply};
use model::door::Callee;
use model::limits;

use super::arrival::{Arrival, Head};
use super::finish::accepts;
use super::{ApplicationHandler, Refusal, Trail, streamed};
use crate::caller::Caller;
use crate::cors;
use crate::events;
use crate::http::Response;
use crate::replies::{self, BadReply};
use crate::routes::{Answer, Hit, Kind, Payload, Transfer};

/// A route to a function, as its answer describes it.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) hit: &'a Hit<'a>,
    pub(super) callee: &'a Callee,
    pub(super) timeout: Duration,
    pub(super) payload: Payload,
    pub(super) transfer: Transfer,
}

impl ApplicationHandler {
    /// Event, invoke, reply; or whatever else answers the route. What is no function's is boxed: each request takes the room of
    /// the largest.
    pub(super) async fn integrate(
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
                let handed_on = Box::pin(proxy.hand_on(&exchange, sent.1, &self.upstream)).await;
                handed_on.map_err(|not| Refusal::not_handed_on(hit.route, &not, proxy.timeout()))
            }
            Answer::Service(called) => {
                let exchange = arrival.exchange(head, hit, &self.account, (sent.0, sent.1));
                let authorize = self.callers.authorize();
                let answered = Box::pin(called.call(&exchange, &self.services, authorize)).await;
                answered.map_err(|not| Refusal::not_called(hit.route, &not, called.timeout()))
            }
            Answer::Custom(custom) => {
                let exchange = (hit, head);
                Box::pin(self.custom(custom, exchange, sent, arrival, trail)).await
            }
            // Whoever calls a WebSocket API by a request is answered before (`sockets`).
            Answer::Socket { .. } => Err(Refusal::not_served(hit.route, "it takes messages")),
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

    pub(super) async fn call(
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
    let read = match call.hit.api.kind {
        Kind::FunctionUrl { .. } => replies::of_url(&returned),
        Kind::Rest { .. } | Kind::Http { .. } | Kind::WebSocket { .. } => {
            replies::read(call.payload, &returned, accepts(call.hit.api, head))
        }
    };
    read.map_err(|bad| Refusal::bad_reply(&call.callee.function, &bad))
}
