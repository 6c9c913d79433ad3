//! Invoking functions: `Invoke`, `InvokeWithResponseStream`, `InvokeAsync`.
//!
//! Lives here: reading the request, handing the event over, and the shape of the reply.
//! Does not live here: running functions (`interfaces::invoke`), asynchronous calls and their retries (`event-delivery`).
//!
//! Contract: AWS Lambda API Reference, `Invoke`, `InvokeWithResponseStream`, `InvokeAsync`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use interfaces::invoke::{Answer, Invocation, NotRun, Outcome, Reply, ThrottleLimit};
use interfaces::service::{ServiceAnswer, ServiceCall};
use model::arn::Arn;
use model::delivery::{Delivery, Message, Retries, Sender, SenderPrincipal, Target};
use model::function::LATEST;
use model::ids::RequestId;
use model::limits::{LAMBDA_ASYNC_PAYLOAD_BYTES_MAX, LAMBDA_SYNC_PAYLOAD_BYTES_MAX};
use serde::de::IgnoredAny;
use serde_json::json;

use crate::answers::{self, Refusal};
use crate::event_stream;
use crate::function_name::Named;
use crate::request::Asked;
use crate::service::Service;

/// AWS Lambda API Reference, `Invoke`, `X-Amz-Client-Context`: at most 3,583 bytes of base64.
const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;
const INVOCATION_TYPES: &str =
    "Member must satisfy enum value set: [Event, RequestResponse, DryRun]";
const LOG_TYPES: &str = "Member must satisfy enum value set: [None, Tail]";
/// What becomes of an event that nobody said anything of: two more tries, within six hours. `event-delivery` goes by the
/// function's own configuration.
const RETRIES: Retries = Retries {
    retries_max: 2,
    age_max: Duration::from_secs(21_600),
};

impl Service {
    pub(crate) async fn run(&self, asked: &Asked<'_>, way: Way) -> Result<ServiceAnswer, Refusal> {
        let call = asked.call;
        let named = asked.function()?;
        let mode = Mode::read(&call.headers)?;
        let tail = wants_log_tail(&call.headers)?;
        match mode {
            Mode::Synchronous => {}
            Mode::Asynchronous => {
                let payload = payload(&call.body, LAMBDA_ASYNC_PAYLOAD_BYTES_MAX)?;
                self.accept(asked, &named, payload).await?;
                return Ok(answers::empty(202));
            }
            Mode::Dry => {
                payload(&call.body, LAMBDA_SYNC_PAYLOAD_BYTES_MAX)?;
                return self.dry_run(call, &named);
            }
        }
        let invocation = Invocation {
            function: named.function.clone(),
            qualifier: named.qualifier.clone(),
            request_id: call.request_id.clone(),
            payload: payload(&call.body, LAMBDA_SYNC_PAYLOAD_BYTES_MAX)?,
            wait_until: None,
            trace_id: trace_id(&call.headers, &call.request_id),
            client_context: client_context(&call.headers)?,
        };
        let answered = match way {
            Way::Whole => {
                let reply = self.invoke.invoke(invocation).await;
                reply.map(|reply| replied(reply, tail))
            }
            Way::Streamed => {
                let answer = self.invoke.invoke_streamed(invocation).await;
                answer.map(|answer| streamed(answer, tail, &named))
            }
        };
        answered.map_err(|not_run| refused(not_run, call, &named))
    }

    /// Contract: `InvokeAsync`, which is deprecated, but served: as an invocation of the type `Event`.
    pub(crate) async fn invoke_async(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let payload = payload(&asked.call.body, LAMBDA_ASYNC_PAYLOAD_BYTES_MAX)?;
        self.accept(asked, &named, payload).await?;
        Ok(answers::json(202, &json!({"Status": 202})))
    }

    /// Keeps an event for a function; it is delivered from then on, whatever happens.
    async fn accept(
        &self,
        asked: &Asked<'_>,
        named: &Named,
        payload: Bytes,
    ) -> Result<(), Refusal> {
        let call = asked.call;
        self.deployed(call, named)?;
        let arn = Arn::of_function(&call.region, &call.account, &named.function);
        let target = match &named.qualifier {
            Some(qualifier) => Arn {
                resource: format!("{}:{qualifier}", arn.resource),
                ..arn
            },
            None => arn,
        };
        let delivery = Delivery {
            id: call.request_id.to_string(),
            target: Target::Resource(target),
            sender: Sender {
                principal: SenderPrincipal::Allowed,
                source: None,
                account: call.account.clone(),
            },
            message: Message {
                body: payload,
                trace: Some(trace_id(&call.headers, &call.request_id)),
                ..Message::default()
            },
            retries: RETRIES,
            dead_letters: None,
            order: None,
            accepted_at: self.clock.now(),
        };
        let accepted = self.outbox.accept(&[delivery]).await;
        accepted.map_err(|error| Refusal::service(&error.to_string()))
    }

    /// Contract: `InvocationType: DryRun`: parameters and permission are checked, nothing runs.
    fn dry_run(&self, call: &ServiceCall, named: &Named) -> Result<ServiceAnswer, Refusal> {
        self.deployed(call, named)?;
        Ok(answers::empty(204))
    }

    /// Whether there is something to run.
    fn deployed(&self, call: &ServiceCall, named: &Named) -> Result<(), Refusal> {
        let application = self.application();
        let found = application.as_ref().and_then(|application| {
            application.function(&named.function, named.qualifier.as_deref())
        });
        match found {
            Some(_) => Ok(()),
            None => Err(Refusal::function_not_found(
                &named.arn(&call.region, &call.account),
            )),
        }
    }
}

/// `X-Amz-Invocation-Type`.
enum Mode {
    Synchronous,
    Asynchronous,
    Dry,
}

impl Mode {
    fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        match header(headers, "x-amz-invocation-type") {
            None | Some("RequestResponse") => Ok(Self::Synchronous),
            Some("Event") => Ok(Self::Asynchronous),
            Some("DryRun") => Ok(Self::Dry),
            Some(other) => Err(Refusal::validation(
                other,
                "invocationType",
                INVOCATION_TYPES,
            )),
        }
    }
}

/// How a reply is wanted.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Whole,
    /// As a stream of events.
    Streamed,
}

/// `X-Amz-Log-Type`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LogTail {
    Wanted,
    Unwanted,
}

fn wants_log_tail(headers: &HeaderMap) -> Result<LogTail, Refusal> {
    match header(headers, "x-amz-log-type") {
        None | Some("None") => Ok(LogTail::Unwanted),
        Some("Tail") => Ok(LogTail::Wanted),
        Some(other) => Err(Refusal::validation(other, "logType", LOG_TYPES)),
    }
}

/// The event. Nothing at all is an empty object; anything else has to be JSON, of any depth.
fn payload(body: &Bytes, bytes_max: usize) -> Result<Bytes, Refusal> {
    if bytes_max < body.len() {
        return Err(Refusal::too_large(bytes_max));
    }
    if body.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        let byte = body.get(error.valid_up_to()).copied().unwrap_or_default();
        Refusal::invalid_content(&format!("Invalid UTF-8 start byte 0x{byte:02x}"))
    })?;
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(IgnoredAny) => Ok(body.clone()),
        Err(error) => Err(Refusal::invalid_content(&error.to_string())),
    }
}

fn client_context(headers: &HeaderMap) -> Result<Option<Bytes>, Refusal> {
    let Some(encoded) = header(headers, "x-amz-client-context") else {
        return Ok(None);
    };
    let invalid = || Refusal::invalid_client_context();
    if CLIENT_CONTEXT_BYTES_MAX < encoded.len() {
        return Err(invalid());
    }
    let decoded = STANDARD.decode(encoded).map_err(|_| invalid())?;
    let is_json = serde_json::from_slice::<IgnoredAny>(&decoded).is_ok();
    if is_json {
        Ok(Some(Bytes::from(decoded)))
    } else {
        Err(invalid())
    }
}

/// The caller's trace or, without one, a root of its own: the request's id has as many digits as a root.
fn trace_id(headers: &HeaderMap, request_id: &RequestId) -> String {
    if let Some(given) = header(headers, "x-amzn-trace-id") {
        return given.to_owned();
    }
    let digits: String = request_id
        .as_str()
        .chars()
        .filter(char::is_ascii_hexdigit)
        .collect();
    let (epoch, unique) = digits.split_at_checked(8).unwrap_or((&digits, ""));
    format!("Root=1-{epoch}-{unique};Sampled=0")
}

fn replied(reply: Reply, tail: LogTail) -> ServiceAnswer {
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("x-amz-executed-version", reply.executed_version),
    ];
    let body = match reply.outcome {
        Outcome::Returned(body) => body,
        Outcome::Failed(error) => {
            headers.push(("x-amz-function-error", "Unhandled".to_owned()));
            error.payload
        }
    };
    match tail {
        LogTail::Wanted => headers.push(("x-amz-log-result", STANDARD.encode(&reply.log_tail))),
        LogTail::Unwanted => {}
    }
    ServiceAnswer {
        status: 200,
        headers,
        body,
        rest: None,
    }
}

/// Differs: the version is not known before the function has replied, so a stream that has begun tells what was asked for.
fn streamed(answer: Answer, tail: LogTail, named: &Named) -> ServiceAnswer {
    let version = match &answer {
        Answer::Whole(reply) => reply.executed_version.clone(),
        Answer::Streamed(_) => named.qualifier.clone().unwrap_or_else(|| LATEST.to_owned()),
    };
    let (body, rest) = event_stream::encode(answer, tail);
    ServiceAnswer {
        status: 200,
        headers: vec![
            (
                "content-type",
                aws_wire::event_stream::CONTENT_TYPE.to_owned(),
            ),
            ("x-amz-executed-version", version),
        ],
        body,
        rest,
    }
}

fn refused(not_run: NotRun, call: &ServiceCall, named: &Named) -> Refusal {
    match not_run {
        NotRun::UnknownFunction { .. } | NotRun::UnknownQualifier { .. } => {
            Refusal::function_not_found(&named.arn(&call.region, &call.account))
        }
        NotRun::Throttled { limit, .. } => Refusal::throttled(match limit {
            ThrottleLimit::ReservedConcurrency | ThrottleLimit::NothingReserved => {
                "ReservedFunctionConcurrentInvocationLimitExceeded"
            }
            ThrottleLimit::AccountConcurrency
            | ThrottleLimit::ScalingRate
            | ThrottleLimit::QueueLength => "ConcurrentInvocationLimitExceeded",
        }),
        NotRun::Recursive { .. } => {
            tracing::warn!("{not_run}; {}", model::lineage::HELP);
            Refusal::recursive()
        }
        NotRun::WaitedTooLong { .. } => Refusal::throttled("ConcurrentInvocationLimitExceeded"),
        NotRun::RequestTooLarge { bytes_max, .. } => Refusal::too_large(bytes_max),
        NotRun::StartFailed { .. } | NotRun::ShuttingDown => Refusal::service(&not_run.to_string()),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
