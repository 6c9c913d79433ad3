//! Invoking a function, and waiting for its reply.
//!
//! Lives here: the seam between whoever has an event and the invoker.
//! Does not live here: asynchronous invocations and retries (`event-delivery`): the invoker never retries.

use std::time::{Duration, Instant};

use bytes::Bytes;
use model::arn::Arn;
use model::ids::{FunctionName, RequestId};

use crate::BoxFuture;
use crate::reply_stream::ReplyStream;

/// Runs functions. `Invoke` is synchronous, and only that.
pub trait Invoke: Send + Sync {
    /// Runs the function once and waits for its reply. When the future is dropped, the invocation goes on:
    /// its instance is busy until the function has replied or its timeout has killed it.
    ///
    /// # Errors
    /// [`NotRun`] when the function never saw the event. A function that threw *has replied*.
    ///
    /// Contract: AWS Lambda API Reference, `Invoke`, `InvocationType: RequestResponse`.
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>>;

    /// The same, but a function that streams is heard as soon as it begins: its instance is busy until the stream
    /// ends, also when nobody reads it to its end. Whoever cannot hand pieces on waits for all of them, as here.
    ///
    /// # Errors
    /// As [`invoke`](Self::invoke).
    ///
    /// Contract: AWS Lambda API Reference, `InvokeWithResponseStream`.
    fn invoke_streamed(&self, invocation: Invocation) -> BoxFuture<'_, Result<Answer, NotRun>> {
        Box::pin(async move { self.invoke(invocation).await.map(Answer::Whole) })
    }
}

/// What comes of an invocation whose reply may come in pieces.
#[derive(Debug)]
pub enum Answer {
    /// The function does not stream, or had ended before it began to.
    Whole(Reply),
    /// It has begun to write.
    Streamed(ReplyStream),
}

/// One event for one function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The function.
    pub function: FunctionName,
    /// Version or alias; none: the unqualified function.
    pub qualifier: Option<String>,
    /// `context.aws_request_id`; the caller draws it, so that its own reply can carry it.
    pub request_id: RequestId,
    /// The event: JSON, encoded once.
    pub payload: Bytes,
    /// Until when the caller cares; none: as long as the function's own timeout allows. An invocation still
    /// in line at that moment is not run.
    pub wait_until: Option<Instant>,
    /// `X-Amzn-Trace-Id`, as the function sees it in `_X_AMZN_TRACE_ID`.
    pub trace_id: String,
    /// The base64 decoded `X-Amz-Client-Context`: JSON for `context.client_context`.
    pub client_context: Option<Bytes>,
}

/// The function has replied, or its end was the reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// What it said.
    pub outcome: Outcome,
    /// Where the time went.
    pub timings: Timings,
    /// The last of the log that this invocation wrote; at most
    /// [`LAMBDA_LOG_TAIL_BYTES_MAX`](model::limits::LAMBDA_LOG_TAIL_BYTES_MAX).
    pub log_tail: Bytes,
    /// The version that ran.
    pub executed_version: String,
}

/// What a function's run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It returned this JSON.
    Returned(Bytes),
    /// It failed. Lambda answers 200 with `X-Amz-Function-Error`.
    Failed(FunctionError),
}

/// A failure that counts as the function's reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// What happened.
    pub kind: FunctionErrorKind,
    /// `{"errorType", "errorMessage", "stackTrace" | "trace"}`, as the cloud shows it.
    pub payload: Bytes,
}

/// How a function failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionErrorKind {
    /// Its handler threw, or returned what JSON cannot hold.
    Raised,
    /// It ran into its own timeout, and was killed.
    TimedOut,
    /// Its process ended in the middle.
    Exited,
    /// Its reply was over the limit.
    ResponseTooLarge,
    /// Its code did not load, or its init failed, or took too long.
    InitFailed,
}

/// Where an invocation's time went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// Waiting for an instance to be free.
    pub queue: Duration,
    /// Starting one, when this invocation had to: a cold start.
    pub init: Option<Duration>,
    /// The handler, from the event sent to the reply received.
    pub handler: Duration,
}

/// The function never saw the event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// Nothing of that name is deployed. Lambda: `ResourceNotFoundException`.
    #[error("no function is called `{function}`")]
    UnknownFunction {
        /// The name that was asked for.
        function: FunctionName,
    },
    /// The function has no version and no alias of that name. Lambda: `ResourceNotFoundException`.
    #[error("function `{function}` has no version or alias `{qualifier}`")]
    UnknownQualifier {
        /// The function.
        function: FunctionName,
        /// What was asked for.
        qualifier: String,
    },
    /// Its concurrency, or the line before it, is full. Lambda: `TooManyRequestsException`.
    #[error("function `{function}` is throttled: {limit}")]
    Throttled {
        /// The function.
        function: FunctionName,
        /// Which limit was met.
        limit: ThrottleLimit,
    },
    /// The caller's `wait_until` passed while it stood in line.
    #[error("function `{function}` had no free instance before its caller gave up")]
    WaitedTooLong {
        /// The function.
        function: FunctionName,
    },
    /// The event is over the limit. Lambda: `RequestTooLargeException`.
    #[error("an event of {bytes} bytes is over the limit of {bytes_max}")]
    RequestTooLarge {
        /// Its size.
        bytes: usize,
        /// The largest that is taken.
        bytes_max: usize,
    },
    /// No process could be started for it: the machine's fault, not the function's.
    #[error("no instance of function `{function}` could be started: {reason}")]
    StartFailed {
        /// The function.
        function: FunctionName,
        /// Why, for the developer.
        reason: String,
    },
    /// One chain of requests has called it as often as it may. Lambda: `RecursiveInvocationException`.
    #[error(
        "function `{function}` is called in a loop, which ends here: the same chain of requests has called it {calls} times"
    )]
    Recursive {
        /// The function.
        function: FunctionName,
        /// How often.
        calls: u32,
        /// Its ARN, without a qualifier.
        arn: Box<Arn>,
    },
    /// The server is stopping.
    #[error("the server is stopping")]
    ShuttingDown,
}

/// The limits that throttle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottleLimit {
    /// `ReservedConcurrentExecutions` of the function.
    ReservedConcurrency,
    /// The same, which is 0: the function is switched off.
    NothingReserved,
    /// Concurrent executions of the account.
    AccountConcurrency,
    /// Instances that a function may gain within a time.
    ScalingRate,
    /// Our own: invocations in line for one function.
    QueueLength,
}

impl std::fmt::Display for ThrottleLimit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::ReservedConcurrency => "its reserved concurrency is in use",
            Self::NothingReserved => "its reserved concurrency is 0, so it never runs",
            Self::AccountConcurrency => "the account's concurrency is in use",
            Self::ScalingRate => "it gains instances as fast as it may already",
            Self::QueueLength => "too many invocations are in line",
        })
    }
}
