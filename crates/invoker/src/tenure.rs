//! The life of one instance, from its start to its end, as one task.
//!
//! Lives here: starting it, giving it events one at a time, noticing its death, and what callers are answered.
//! Does not live here: which event it gets and when it has to go (`pool`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use interfaces::invoke::{FunctionError, FunctionErrorKind, NotRun, Outcome, Reply, Timings};
use interfaces::runtime::{Completion, Event, Initialization, Instance, StartError, Turn, Verdict};
use model::function::Function;
use model::ids::{FunctionName, RequestId};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::driver::{Job, Shared};
use crate::pool::InstanceKey;

/// A start that failed, and what its event is answered with.
pub(crate) struct FailedStart {
    error: StartError,
    took: Duration,
    executed_version: String,
}

impl FailedStart {
    pub(crate) fn error(&self) -> &StartError {
        &self.error
    }

    /// The answer to the event whose start it was.
    ///
    /// Contract: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle": an
    /// error of the init phase is the reply to the invocation.
    pub(crate) fn answer(&self, function: FunctionName, waited: Duration) -> Result<Reply, NotRun> {
        match &self.error {
            StartError::Init { payload, log_tail } => Ok(Reply {
                outcome: failed(FunctionErrorKind::InitFailed, payload.clone()),
                timings: Timings {
                    queue: waited.saturating_sub(self.took),
                    init: Some(self.took),
                    handler: Duration::ZERO,
                },
                log_tail: log_tail.clone(),
                executed_version: self.executed_version.clone(),
            }),
            StartError::Machine { reason } => Err(NotRun::StartFailed {
                function,
                reason: reason.clone(),
            }),
        }
    }
}

/// Starts an instance and serves its mailbox until that is closed, the instance dies, or all are killed.
pub(crate) async fn run(
    shared: Arc<Shared>,
    key: InstanceKey,
    function: Arc<Function>,
    initialization: Initialization,
    cancelled: CancellationToken,
) {
    let mut guard = Guard {
        shared: Arc::clone(&shared),
        key,
        phase: Phase::Starting,
        executed_version: function.version.clone(),
    };
    let begun_at = shared.clock.instant();
    let result = tokio::select! {
        result = shared.runtime.start(Arc::clone(&function), initialization) => result,
        () = cancelled.cancelled() => {
            guard.phase = Phase::Reported;
            return;
        }
    };
    guard.phase = Phase::Reported;
    let started = match result {
        Ok(started) => started,
        Err(error) => {
            let took = shared.clock.instant().saturating_duration_since(begun_at);
            let executed_version = function.version.clone();
            let failed = FailedStart {
                error,
                took,
                executed_version,
            };
            drop(shared.start_ended(key, Err(failed)));
            return;
        }
    };
    let Some(mailbox) = shared.start_ended(key, Ok(started.way)) else {
        end(&shared, started.instance).await;
        return;
    };
    guard.phase = Phase::Living;
    let mut tenure = Tenure {
        instance: started.instance,
        first_init: Some(started.init),
        arn: function.arn.to_string(),
        function,
        mailbox,
    };
    match tenure.serve(&shared, key).await {
        End::Lost => {
            guard.phase = Phase::Reported;
            shared.lost(key, &mut tenure.mailbox);
        }
        End::Reported => guard.phase = Phase::Reported,
        End::Dismissed => {
            guard.phase = Phase::Reported;
            end(&shared, tenure.instance).await;
        }
    }
}

/// An instance, and what comes for it.
struct Tenure {
    instance: Box<dyn Instance>,
    /// How long its start took, until its first event has been told.
    first_init: Option<Duration>,
    function: Arc<Function>,
    /// The function's.
    arn: String,
    mailbox: mpsc::Receiver<Job>,
}

/// Why an instance serves no longer.
enum End {
    /// Its process has ended while it was free. An event that came too late to be seen may be in its mailbox.
    Lost,
    /// Its last event has ended it, and the pool knows.
    Reported,
    /// It is not wanted any more; the pool has forgotten it.
    Dismissed,
}

impl Tenure {
    async fn serve(&mut self, shared: &Arc<Shared>, key: InstanceKey) -> End {
        // One of its own, looked at for each event: the tasks of all instances would wait for the lock of the common one.
        let killed = shared.killed.child_token();
        loop {
            let job = match self.waiting() {
                Some(job) => Some(job),
                None => tokio::select! {
                    biased;
                    () = self.instance.lost() => return End::Lost,
                    job = self.mailbox.recv() => job,
                },
            };
            let Some(job) = job else {
                return End::Dismissed;
            };
            let running = self.run_one(shared, key, &killed, job);
            if running.await.is_dead() {
                return End::Reported;
            }
        }
    }

    /// An event that is there already, for an instance that is there, too: its end need not be waited for.
    fn waiting(&mut self) -> Option<Job> {
        let is_ready = self.instance.is_ready();
        is_ready.then(|| self.mailbox.try_recv().ok())?
    }

    async fn run_one(
        &mut self,
        shared: &Arc<Shared>,
        key: InstanceKey,
        killed: &CancellationToken,
        job: Job,
    ) -> Health {
        if killed.is_cancelled() {
            // It waited in the mailbox: the function never saw it.
            shared.ended(key);
            drop(job.reply.send(Err(NotRun::ShuttingDown)));
            return Health::Dead;
        }
        let given_at = shared.clock.instant();
        let first_init = self.first_init.take();
        let waited = given_at.saturating_duration_since(job.arrived_at);
        // The start may have begun before the event came, when it is provisioned or was another event's.
        let init = first_init.filter(|_| job.stood_in_line);
        let init = init.map(|init| init.min(waited));
        let invocation = job.invocation;
        let event = Event {
            request_id: invocation.request_id.clone(),
            payload: invocation.payload,
            invoked_arn: invoked_arn(&self.arn, invocation.qualifier.as_deref()),
            deadline: given_at + self.function.timeout,
            trace_id: invocation.trace_id,
            client_context: invocation.client_context,
            init: first_init,
            turn: if job.stood_in_line && first_init.is_none() {
                Turn::InLine
            } else {
                Turn::AtOnce
            },
        };
        let running = match job.sink {
            Some(sink) => self.instance.invoke_streamed(event, sink),
            None => self.instance.invoke(event),
        };
        let completion = tokio::select! {
            completion = running => completion,
            () = killed.cancelled() => died(&invocation.request_id),
        };
        let (outcome, health) = judge(completion.verdict);
        let reply = Reply {
            outcome,
            timings: Timings {
                queue: waited.saturating_sub(init.unwrap_or_default()),
                init,
                handler: completion.handler,
            },
            log_tail: completion.log_tail,
            executed_version: self.function.version.clone(),
        };
        // Before the answer: who asks again as soon as it is answered finds the instance free.
        match health {
            Health::Alive => shared.released(key),
            Health::Dead => shared.ended(key),
        }
        // Whoever asked may have gone; the function has run all the same.
        drop(job.reply.send(Ok(reply)));
        health
    }
}

/// The ARN by which a function was called.
///
/// Contract: AWS Lambda Developer Guide, "Using the Lambda context object": with the version or alias, if one was named.
fn invoked_arn(arn: &str, qualifier: Option<&str>) -> String {
    match qualifier {
        Some(qualifier) => [arn, ":", qualifier].concat(),
        None => arn.to_owned(),
    }
}

/// Whether an instance can take another event.
#[derive(Clone, Copy)]
enum Health {
    Alive,
    Dead,
}

impl Health {
    fn is_dead(self) -> bool {
        matches!(self, Self::Dead)
    }
}

fn judge(verdict: Verdict) -> (Outcome, Health) {
    match verdict {
        Verdict::Returned(payload) => (Outcome::Returned(payload), Health::Alive),
        Verdict::Raised(payload) => (failed(FunctionErrorKind::Raised, payload), Health::Alive),
        Verdict::ResponseTooLarge(payload) => (
            failed(FunctionErrorKind::ResponseTooLarge, payload),
            Health::Alive,
        ),
        Verdict::TimedOut(payload) => (failed(FunctionErrorKind::TimedOut, payload), Health::Dead),
        Verdict::Exited(payload) => (failed(FunctionErrorKind::Exited, payload), Health::Dead),
    }
}

fn failed(kind: FunctionErrorKind, payload: Bytes) -> Outcome {
    Outcome::Failed(FunctionError { kind, payload })
}

/// What an event comes to whose instance had to be killed because the server stops.
///
/// Contract: AWS Lambda's reply when the kernel kills a runtime: `Runtime.ExitError`, "signal: killed".
fn died(request_id: &RequestId) -> Completion {
    let message =
        format!("RequestId: {request_id} Error: Runtime exited with error: signal: killed");
    let payload = json!({"errorType": "Runtime.ExitError", "errorMessage": message});
    Completion {
        verdict: Verdict::Exited(Bytes::from(payload.to_string())),
        handler: Duration::ZERO,
        log_tail: Bytes::new(),
    }
}

/// Ends an instance in an orderly way; one that takes too long is dropped, which kills it.
async fn end(shared: &Shared, instance: Box<dyn Instance>) {
    drop(tokio::time::timeout(shared.limits.instance_stop_max, instance.stop()).await);
}

/// Tells the pool of an instance's end also when its task ends by a panic or with the tokio runtime.
struct Guard {
    shared: Arc<Shared>,
    key: InstanceKey,
    phase: Phase,
    executed_version: String,
}

/// What the pool still has to be told.
enum Phase {
    Starting,
    Living,
    Reported,
}

impl Drop for Guard {
    fn drop(&mut self) {
        match self.phase {
            Phase::Starting => {
                let failed = FailedStart {
                    error: StartError::Machine {
                        reason: "the task that started it ended unexpectedly".to_owned(),
                    },
                    took: Duration::ZERO,
                    executed_version: std::mem::take(&mut self.executed_version),
                };
                drop(self.shared.start_ended(self.key, Err(failed)));
            }
            Phase::Living => self.shared.ended(self.key),
            Phase::Reported => {}
        }
    }
}
