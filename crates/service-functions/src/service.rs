//! Lambda's API behind the service door.
//!
//! Lives here: `Invoke`, synchronous and dry, and `InvokeWithResponseStream`; every other operation is refused by its name.
//! Does not live here: the words of refusals (`answers`), running functions (`Invoke`).

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use interfaces::BoxFuture;
use interfaces::invoke::{Answer, Invocation, Invoke, NotRun, Outcome, Reply, ThrottleLimit};
use interfaces::service::{CloudService, ServiceAnswer, ServiceCall};
use model::application::Application;
use model::function::LATEST;
use model::ids::RequestId;
use model::limits::LAMBDA_SYNC_PAYLOAD_BYTES_MAX;
use percent_encoding::percent_decode_str;
use serde::de::IgnoredAny;

use crate::answers::Refusal;
use crate::event_stream;
use crate::function_name::Named;
use crate::operations;

/// AWS Lambda API Reference, `Invoke`, `X-Amz-Client-Context`: at most 3,583 bytes of base64.
const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;
const INVOCATION_TYPES: &str =
    "Member must satisfy enum value set: [Event, RequestResponse, DryRun]";
const LOG_TYPES: &str = "Member must satisfy enum value set: [None, Tail]";

/// The service that SDKs call `lambda`.
pub struct Service {
    invoke: Arc<dyn Invoke>,
    /// What a dry run finds; none before the first revision.
    application: RwLock<Option<Arc<Application>>>,
}

impl Service {
    /// The service over whatever runs functions.
    #[must_use]
    pub fn new(invoke: Arc<dyn Invoke>) -> Self {
        Self {
            invoke,
            application: RwLock::default(),
        }
    }

    /// Takes over a revision: a dry run finds its functions. To be called with the same application as the invoker's
    /// `swap`.
    pub fn swap(&self, application: &Arc<Application>) {
        *self
            .application
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(application));
    }

    async fn answer(&self, call: &ServiceCall) -> Result<ServiceAnswer, Refusal> {
        let (path, query) = call
            .path_and_query
            .split_once('?')
            .unwrap_or((&call.path_and_query, ""));
        match operations::name(&call.method, path) {
            Some("Invoke") => self.run(call, path, query, Way::Whole).await,
            Some("InvokeWithResponseStream") => self.run(call, path, query, Way::Streamed).await,
            Some(name) => Err(Refusal::not_implemented(&format!("the operation `{name}`"))),
            None => Err(Refusal::unknown_operation()),
        }
    }

    async fn run(
        &self,
        call: &ServiceCall,
        path: &str,
        query: &str,
        way: Way,
    ) -> Result<ServiceAnswer, Refusal> {
        let named = name_in(call, path, query)?;
        let mode = Mode::read(&call.headers)?;
        let tail = wants_log_tail(&call.headers)?;
        let payload = payload(&call.body)?;
        match mode {
            Mode::Synchronous => {}
            Mode::Asynchronous => {
                return Err(Refusal::not_implemented("the invocation type `Event`"));
            }
            Mode::Dry => return self.dry_run(call, &named),
        }
        let invocation = Invocation {
            function: named.function.clone(),
            qualifier: named.qualifier.clone(),
            request_id: call.request_id.clone(),
            payload,
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

    /// Contract: `InvocationType: DryRun`: parameters and permission are checked, nothing runs.
    fn dry_run(&self, call: &ServiceCall, named: &Named) -> Result<ServiceAnswer, Refusal> {
        let application = self
            .application
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let found = application.as_ref().and_then(|application| {
            application.function(&named.function, named.qualifier.as_deref())
        });
        if found.is_none() {
            return Err(Refusal::function_not_found(
                &named.arn(&call.region, &call.account),
            ));
        }
        Ok(ServiceAnswer {
            status: 204,
            headers: Vec::new(),
            body: Bytes::new(),
            rest: None,
        })
    }
}

impl CloudService for Service {
    fn signing_name(&self) -> &'static str {
        "lambda"
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(async move {
            let answer = self.answer(&call).await;
            answer.unwrap_or_else(|refusal| refusal.answer())
        })
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
enum Way {
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

fn name_in(call: &ServiceCall, path: &str, query: &str) -> Result<Named, Refusal> {
    let encoded = path
        .trim_start_matches('/')
        .split('/')
        .nth(2)
        .unwrap_or_default();
    let text = percent_decode_str(encoded).decode_utf8_lossy();
    let qualifier = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("Qualifier="))
        .map(|encoded| percent_decode_str(encoded).decode_utf8_lossy());
    Named::read(&text, qualifier.as_deref(), &call.region, &call.account)
}

/// The event. Nothing at all is an empty object; anything else has to be JSON, of any depth.
fn payload(body: &Bytes) -> Result<Bytes, Refusal> {
    if LAMBDA_SYNC_PAYLOAD_BYTES_MAX < body.len() {
        return Err(Refusal::too_large(LAMBDA_SYNC_PAYLOAD_BYTES_MAX));
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
            ("content-type", event_stream::CONTENT_TYPE.to_owned()),
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
        NotRun::WaitedTooLong { .. } => Refusal::throttled("ConcurrentInvocationLimitExceeded"),
        NotRun::RequestTooLarge { bytes_max, .. } => Refusal::too_large(bytes_max),
        NotRun::StartFailed { .. } | NotRun::ShuttingDown => Refusal::service(&not_run.to_string()),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests;
