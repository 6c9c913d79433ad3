//! Instances of functions: starting one, and giving it an event.
//!
//! Lives here: the seam between the invoker, which decides, and the runtimes, which own processes.
//! Does not live here: how an instance comes to be. A spawned process, a fork of a warm template and an
//! isolate all look the same from here, so the invoker does not change when they do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use model::function::Function;
use model::ids::RequestId;

use crate::BoxFuture;
use crate::reply_stream::ReplySink;

/// Makes instances.
pub trait Runtime: Send + Sync {
    /// Starts an instance and waits until its init is done. Dropping the future ends the process.
    ///
    /// # Errors
    /// [`StartError`]: the function's own fault, or the machine's.
    fn start(
        &self,
        function: Arc<Function>,
        initialization: Initialization,
    ) -> BoxFuture<'_, Result<Started, StartError>>;

    /// Makes ready what instances of these functions will be made from, without running any of their code. It is
    /// ahead of time only: a start that comes before it is done, or after it failed, does the same itself.
    fn prepare(&self, functions: Vec<Arc<Function>>) -> BoxFuture<'_, ()>;

    /// Says that a function's version has gone: what was kept to start it (templates, parked processes) may end.
    fn retire(&self, function: &Function);
}

/// Why an instance is started, as the function sees it in `AWS_LAMBDA_INITIALIZATION_TYPE`.
///
/// Contract: AWS Lambda Developer Guide, "Defined runtime environment variables".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Initialization {
    /// An event waits for it.
    #[default]
    OnDemand,
    /// It belongs to the function's provisioned concurrency: started ahead of any event.
    Provisioned,
}

impl Initialization {
    /// The value of `AWS_LAMBDA_INITIALIZATION_TYPE`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::Provisioned => "provisioned-concurrency",
        }
    }
}

/// A started instance.
pub struct Started {
    /// The instance; free.
    pub instance: Box<dyn Instance>,
    /// How long its start took, init included.
    pub init: Duration,
    /// How it came to be: so, probably, will the function's next one.
    pub way: StartWay,
}

/// How an instance came to be, and with it what a start costs the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartWay {
    /// From a process that had done the init: milliseconds, and hardly any work.
    Forked,
    /// As a process of its own, which did the init itself: a core's work for as long as that took.
    Spawned,
}

/// One instance: it runs one event at a time. Dropping it kills its processes.
pub trait Instance: Send {
    /// Runs the handler once. The instance enforces `deadline` itself and is dead after
    /// [`Verdict::TimedOut`] and [`Verdict::Exited`].
    fn invoke(&mut self, event: Event) -> BoxFuture<'_, Completion>;

    /// The same, but what a handler streams goes into the sink while it is written; [`Verdict::Returned`] is empty then.
    /// A handler that does not stream leaves the sink untouched.
    fn invoke_streamed(&mut self, event: Event, sink: ReplySink) -> BoxFuture<'_, Completion> {
        drop(sink);
        self.invoke(event)
    }

    /// Whether it can be given an event at once, as far as has been heard of it by now; `lost` need not be asked before then.
    fn is_ready(&self) -> bool {
        false
    }

    /// Resolves when the instance's process ends while it is free; pending for as long as it lives.
    /// Cancel-safe.
    fn lost(&mut self) -> BoxFuture<'_, ()>;

    /// Ends the instance in an orderly way: its process is asked, then killed.
    fn stop(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// One event, as an instance is given it.
#[derive(Debug, Clone)]
pub struct Event {
    /// `context.aws_request_id`.
    pub request_id: RequestId,
    /// The event's JSON.
    pub payload: Bytes,
    /// `context.invoked_function_arn`: the function's ARN, with the qualifier by which it was called.
    pub invoked_arn: String,
    /// When the function's timeout ends.
    pub deadline: Instant,
    /// `_X_AMZN_TRACE_ID`.
    pub trace_id: String,
    /// JSON of `context.client_context`.
    pub client_context: Option<Bytes>,
    /// The init's duration, when this event is the first of its instance: `REPORT` shows it.
    pub init: Option<Duration>,
    /// How it came to its instance.
    pub turn: Turn,
}

/// How an event came to its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The instance was free, or was started for it.
    AtOnce,
    /// It stood in line until the instance had served others, and more wait behind it as a rule: how many are served counts for
    /// more than how soon this one is.
    InLine,
}

/// How one event ended.
#[derive(Debug, Clone)]
pub struct Completion {
    /// What came of it.
    pub verdict: Verdict,
    /// From the event sent to the reply received.
    pub handler: Duration,
    /// The last of the log that it wrote.
    pub log_tail: Bytes,
}

/// What came of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The handler returned this JSON. The instance is free again.
    Returned(Bytes),
    /// The handler threw; the payload is the cloud's error object. The instance is free again.
    Raised(Bytes),
    /// The reply was over the limit; the payload is the cloud's error object. The instance is free again.
    ResponseTooLarge(Bytes),
    /// The deadline passed; the payload is the cloud's error object. The instance was killed.
    TimedOut(Bytes),
    /// The process ended in the middle; the payload is the cloud's error object.
    Exited(Bytes),
}

/// An instance did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The function's code did not load, its init threw, ended its process or took too long. The payload is the
    /// cloud's error object; invocations answer with it.
    #[error("the init of the function failed")]
    Init {
        /// `{"errorType", "errorMessage", …}`.
        payload: Bytes,
        /// The last of the log that the init wrote.
        log_tail: Bytes,
    },
    /// This machine could not start a process.
    #[error("{reason}")]
    Machine {
        /// Why, for the developer.
        reason: String,
    },
}
