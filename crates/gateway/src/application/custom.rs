//! Integrations with mapping templates, carried out.
//!
//! Lives here: the order of their parts, and calling their functions.
//! Does not live here: the parts themselves (`http_proxy::custom`).

use bytes::Bytes;
use http::StatusCode;
use interfaces::invoke::{Answer as Reached, FunctionErrorKind, Outcome};
use model::limits;
use serde_json::Value;

use super::arrival::{Arrival, Head};
use super::finish::accepts;
use super::integrate::Call;
use super::{ApplicationHandler, Refusal, Trail};
use crate::caller::Caller;
use crate::http::Response;
use crate::http::upstream::Answered;
use crate::http_proxy::{Custom, Selector};
use crate::routes::{Hit, Payload, Transfer};

impl ApplicationHandler {
    /// Makes the request, asks, and makes the reply.
    pub(super) async fn custom(
        &self,
        custom: &Custom,
        (hit, head): (&Hit<'_>, &Head),
        (caller, body): (&Caller, &Bytes),
        arrival: &Arrival,
        trail: &mut Trail,
    ) -> Result<Response, Refusal> {
        let exchange = arrival.exchange(head, hit, &self.account, (caller, body));
        let failed = |fault| Refusal::not_carried_out(hit.route, &fault, custom.timeout());
        let asked = custom.asked(&exchange, &self.renderings);
        let asked = asked.await.map_err(failed)?;
        let waits = custom.callee().filter(|_| !asked.is_event());
        let (answered, selector) = match waits {
            Some(callee) => {
                trail.function = Some(callee.function.clone());
                let call = Call {
                    hit,
                    callee,
                    timeout: custom.timeout(),
                    payload: Payload::Rest,
                    transfer: Transfer::Buffered,
                };
                self.answer_of(call, asked.event(), arrival, trail).await?
            }
            None => {
                let means = (&self.services, self.callers.authorize());
                let answered = custom.ask(&exchange, &asked, &self.upstream, means).await;
                let selector = match custom.callee() {
                    Some(callee) => {
                        trail.function = Some(callee.function.clone());
                        Selector::Error(None)
                    }
                    None => Selector::Status,
                };
                (answered.map_err(failed)?, selector)
            }
        };
        let accepts = accepts(hit.api, head);
        let chosen = (&selector, accepts);
        let replied = custom.reply(&exchange, &asked, &answered, chosen, &self.renderings);
        replied.await.map_err(failed)
    }

    /// What a function returns or throws, as an answer. A body that is no JSON never reaches it.
    async fn answer_of(
        &self,
        call: Call<'_>,
        event: Bytes,
        arrival: &Arrival,
        trail: &mut Trail,
    ) -> Result<(Answered, Selector), Refusal> {
        let answer = |status, body| Answered {
            status,
            headers: Vec::new(),
            body,
        };
        if limits::LAMBDA_SYNC_PAYLOAD_BYTES_MAX < event.len() {
            return Err(Refusal::event_too_large(event.len()));
        }
        if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&event) {
            let message = format!("Could not parse request body into json: {error}");
            let body = serde_json::json!({"Type": "User", "message": message}).to_string();
            let refused = answer(StatusCode::BAD_REQUEST, Bytes::from(body));
            return Ok((refused, Selector::Error(None)));
        }
        let reply = match self.call(call, event, arrival).await? {
            Reached::Whole(reply) => reply,
            Reached::Streamed(_) => {
                let bad = crate::replies::BadReply::NotStreamed;
                return Err(Refusal::bad_reply(&call.callee.function, &bad));
            }
        };
        trail.timings = Some(reply.timings);
        Ok(match reply.outcome {
            Outcome::Returned(returned) => {
                (answer(StatusCode::OK, returned), Selector::Error(None))
            }
            Outcome::Failed(error) => {
                let refusal = Refusal::function_failed(&call.callee.function, &error);
                // The client may be told something else; whoever develops the function wants to know.
                trail.message = Some(refusal.reason);
                // What did not run to its end has a message, too, that patterns look for.
                let said: Option<Value> = serde_json::from_slice(&error.payload).ok();
                let message = said.as_ref().and_then(|said| said.get("errorMessage"));
                let message = message.and_then(Value::as_str).map(str::to_owned);
                let otherwise = (error.kind != FunctionErrorKind::Raised).then(String::new);
                let selector = Selector::Error(message.or(otherwise));
                (answer(StatusCode::OK, error.payload), selector)
            }
        })
    }
}
