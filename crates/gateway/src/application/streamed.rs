//! Replies that are handed on while the function writes them.
//!
//! Lives here: the body of such a response, how it may end, and its entry in the access log at that end.
//! Does not live here: the head of a stream (`replies::stream`), chunks and frames (`http`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Stream the integration response for your proxy integrations": idle
//! for five minutes at most. AWS Lambda Developer Guide, "Response streaming for Lambda functions": a stream goes on
//! when its client has gone.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use interfaces::clock::Clock;
use interfaces::invoke::{NotRun, Outcome, Reply, Timings};
use interfaces::reply_stream::ReplyStream;
use model::ids::FunctionName;
use tokio::time::Sleep;

use super::access::{AccessEntry, AccessLog};
use super::integrate::Call;
use super::refusal::Refusal;
use crate::http::{BodyStream, BrokenOff, Pieces, Response, ResponseBody};
use crate::replies::BadReply;
use crate::replies::stream::{self, Begun, NotBegun, Of};
use crate::routes::Kind;

/// How long a REST API waits for the next piece.
const REST_IDLE_MAX: Duration = Duration::from_mins(5);

/// What is known of a stream when it has ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    timings: Option<Timings>,
    message: Option<String>,
}

/// Where the end of a stream is told.
pub(super) type Ending = Arc<Mutex<Option<Ended>>>;

/// Waits for the head of a stream, and begins its response.
pub(super) async fn begin(
    call: Call<'_>,
    mut stream: ReplyStream,
) -> Result<(Response, Ending), Refusal> {
    let (of, idle_max) = match call.hit.api.kind {
        Kind::Rest { .. } => (Of::Rest, Some(REST_IDLE_MAX)),
        Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => {
            (Of::FunctionUrl, None)
        }
    };
    let bad = |bad| Refusal::bad_reply(&call.callee.function, &bad);
    match tokio::time::timeout(call.timeout, stream::begin(&mut stream, of)).await {
        Ok(Ok(begun)) => Ok(response(begun, stream, &call.callee.function, idle_max)),
        Ok(Err(NotBegun::Bad(reply))) => Err(bad(reply)),
        Ok(Err(NotBegun::Ended)) => Err(match stream.end().await {
            Ok(Reply {
                outcome: Outcome::Failed(error),
                ..
            }) => Refusal::function_failed(&call.callee.function, &error),
            Ok(_) => bad(BadReply::StreamEnded),
            Err(not_run) => Refusal::not_run(&not_run),
        }),
        Err(_) => Err(Refusal::integration_timeout(
            &call.callee.function,
            call.timeout,
        )),
    }
}

/// The response that has begun, and where its end will be told.
fn response(
    begun: Begun,
    stream: ReplyStream,
    function: &FunctionName,
    idle_max: Option<Duration>,
) -> (Response, Ending) {
    let ending = Ending::default();
    let body = Body {
        first: begun.first,
        stream,
        function: function.clone(),
        idle: idle_max.map(|max| (max, Box::pin(tokio::time::sleep(max)))),
        ending: Arc::clone(&ending),
    };
    let response = Response {
        status: begun.status,
        headers: begun.headers,
        body: ResponseBody::Stream(BodyStream::new(body)),
    };
    (response, ending)
}

/// Writes a request's entry in the access log: at the end of the reply, when that is still being written.
pub(super) fn record(
    response: &mut Response,
    ending: Option<Ending>,
    entry: AccessEntry,
    (log, clock, received_at): (&Arc<dyn AccessLog>, &Arc<dyn Clock>, Instant),
) {
    match (&mut response.body, ending) {
        (ResponseBody::Stream(body), Some(ending)) => {
            *body = BodyStream::new(Recorded {
                body: body.clone(),
                ending,
                entry: Some(entry),
                log: Arc::clone(log),
                clock: Arc::clone(clock),
                received_at,
            });
        }
        (ResponseBody::Stream(_) | ResponseBody::Whole(_) | ResponseBody::Upgrade(_), _) => {
            log.record(entry)
        }
    }
}

struct Body {
    first: Bytes,
    stream: ReplyStream,
    function: FunctionName,
    /// How long the next piece may take, and the time until then.
    idle: Option<(Duration, Pin<Box<Sleep>>)>,
    ending: Ending,
}

impl Body {
    fn end(&self, ended: Ended) {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
    }

    /// What the invocation's end means for the body.
    fn ended(&self, end: Result<Reply, NotRun>) -> Option<Result<Bytes, BrokenOff>> {
        let function = &self.function;
        let (timings, message) = match end {
            Ok(Reply {
                outcome: Outcome::Returned(_),
                timings,
                ..
            }) => (Some(timings), None),
            Ok(Reply {
                outcome: Outcome::Failed(error),
                timings,
                ..
            }) => {
                let refusal = Refusal::function_failed(function, &error);
                (Some(timings), Some(cut_off(&refusal.reason)))
            }
            Err(not_run) => (None, Some(cut_off(&not_run.to_string()))),
        };
        let is_whole = message.is_none();
        self.end(Ended { timings, message });
        (!is_whole).then_some(Err(BrokenOff))
    }
}

fn cut_off(reason: &str) -> String {
    format!("the reply broke off: {reason}")
}

impl Pieces for Body {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.first))));
        }
        if let Poll::Ready(next) = self.stream.poll_next(context) {
            if let Some(piece) = next {
                if let Some((max, sleep)) = &mut self.idle {
                    sleep.as_mut().reset(tokio::time::Instant::now() + *max);
                }
                return Poll::Ready(Some(Ok(piece)));
            }
            let end = ready!(self.stream.poll_end(context));
            return Poll::Ready(self.ended(end));
        }
        let Some((max, sleep)) = &mut self.idle else {
            return Poll::Pending;
        };
        ready!(sleep.as_mut().poll(context));
        let message = format!(
            "the reply broke off: function `{}` wrote nothing for {} s, which is all that a REST API waits; write \
             something now and then",
            self.function,
            max.as_secs()
        );
        self.end(Ended {
            timings: None,
            message: Some(message),
        });
        Poll::Ready(Some(Err(BrokenOff)))
    }
}

struct Recorded {
    body: BodyStream,
    ending: Ending,
    /// None: it has been recorded.
    entry: Option<AccessEntry>,
    log: Arc<dyn AccessLog>,
    clock: Arc<dyn Clock>,
    received_at: Instant,
}

impl Recorded {
    fn record(&mut self) {
        let Some(mut entry) = self.entry.take() else {
            return;
        };
        let ended = self
            .ending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let ended = ended.unwrap_or_else(|| Ended {
            timings: None,
            message: Some(
                "the client went, or took nothing for too long, before the reply had ended; the function goes on"
                    .to_owned(),
            ),
        });
        entry.total = self
            .clock
            .instant()
            .saturating_duration_since(self.received_at);
        entry.timings = ended.timings;
        entry.message = ended.message;
        self.log.record(entry);
    }
}

impl Pieces for Recorded {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let next = ready!(self.body.poll_next(context));
        if !matches!(next, Some(Ok(_))) {
            self.record();
        }
        Poll::Ready(next)
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.record();
    }
}
