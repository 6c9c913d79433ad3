//! One try of one delivery.
//!
//! Lives here: handing it to its target, and writing down what came of it.
//! Does not live here: which is tried when (`dispatch`), what is decided for functions (`asynchronous`).

use std::sync::Arc;
use std::time::Duration;

use interfaces::event_sink::SinkError;
use interfaces::invoke::{Invocation, NotRun, Outcome, Timings};
use model::application::Application;
use model::arn::Arn;
use model::asynchronous::EventInvoke;
use model::delivery::{Delivery, SenderPrincipal, Target};
use model::function::{Function, LATEST};
use model::ids::{FunctionName, RequestId};
use model::time::Timestamp;
use outbox::{Tries, Waiting};
use store::{Batch, CommitError};
use tokio_util::sync::CancellationToken;

use crate::asynchronous::{self, Called, Plan, back_off};
use crate::delivery::{Parts, trace_id};
use crate::letters::{self, Condition, Ending, Invoked, Replied};
use crate::log::{self, Event, EventResult, in_words};
use crate::permissions::FunctionPolicies;

/// How long a service may take for one event.
const TAKE_MAX: Duration = Duration::from_secs(60);
/// How long it is waited after the store failed.
const AFTER_FAULT: Duration = Duration::from_secs(2);
/// Characters of a function's error that the log shows.
const ERROR_CHARS_MAX: usize = 500;
/// Retries are at least so far away: what is due is read in the order of time.
const RETRY_AFTER_MIN: Duration = Duration::from_millis(20);

/// What is served now.
pub(crate) struct Served {
    pub(crate) application: Arc<Application>,
    pub(crate) policies: FunctionPolicies,
}

/// What came of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tried {
    /// The delivery is gone.
    Done,
    /// It is to be tried again.
    Again(Timestamp),
    /// The same: its target had no room for it.
    NoRoom(Timestamp),
    /// Nothing is known: it stays as it is until the next start.
    Left,
}

/// One try.
pub(crate) struct Attempt {
    pub(crate) parts: Arc<Parts>,
    pub(crate) served: Arc<Served>,
    pub(crate) waiting: Waiting,
    /// Ends waiting for a store that fails.
    pub(crate) stop: CancellationToken,
}

/// What is written down, and what is said of it.
struct Written {
    batch: Batch,
    tried: Tried,
    result: EventResult,
    /// Whether others are told in the same batch.
    has_letters: bool,
}

impl Attempt {
    pub(crate) async fn run(self) -> Tried {
        let function = match &self.waiting.delivery.target {
            Target::Resource(arn) => arn.function().map(|named| (arn.clone(), named)),
            Target::Url(_) => None,
        };
        match function {
            Some((arn, (name, qualifier))) => self.call(&arn, name, qualifier).await,
            None => self.hand_over().await,
        }
    }

    async fn hand_over(self) -> Tried {
        let delivery = &self.waiting.delivery;
        let began = self.parts.clock.instant();
        let mut sinks = self.parts.sinks.iter();
        let taken = match sinks.find(|sink| sink.serves(&delivery.target)) {
            Some(sink) => {
                let take = sink.take(&delivery.target, &delivery.sender, &delivery.message);
                match tokio::time::timeout(TAKE_MAX, take).await {
                    Ok(taken) => taken,
                    Err(_) => Err(SinkError::Transient {
                        code: "RequestTimeout".to_owned(),
                        message: format!("no answer within {} s", TAKE_MAX.as_secs()),
                    }),
                }
            }
            None => Err(SinkError::Permanent {
                code: "ResourceNotFoundException".to_owned(),
                message: "nothing that is served here takes events for it".to_owned(),
            }),
        };
        let written = match taken {
            Ok(()) => self.finished(),
            Err(SinkError::Permanent { code, message }) => {
                let attempts = self.waiting.tries.attempts.saturating_add(1);
                self.returned(Ending::Refused, (&code, &message), attempts)
            }
            Err(SinkError::Transient { code, message }) => self.not_taken((&code, &message)),
        };
        self.end(written, began, None, None).await
    }

    /// A service could not take it now.
    fn not_taken(&self, (code, words): (&str, &str)) -> Written {
        let delivery = &self.waiting.delivery;
        let attempts = self.waiting.tries.attempts.saturating_add(1);
        if delivery.retries.retries_max < attempts {
            return self.returned(Ending::RetriesExhausted, (code, words), attempts);
        }
        let delays = &delivery.message.retry_delays_s;
        let index = usize::try_from(attempts - 1).unwrap_or(usize::MAX);
        let given = delays.get(index).or(delays.last());
        let after = given.map_or_else(
            || back_off(attempts - 1),
            |seconds| Duration::from_secs(u64::from(*seconds)),
        );
        let age = self.parts.clock.now().since(delivery.accepted_at);
        if delivery.retries.age_max < age + after {
            return self.returned(Ending::AgeExceeded, (code, words), attempts);
        }
        let tries = Tries {
            attempts,
            ..self.waiting.tries.clone()
        };
        self.again(&tries, after, &format!("{code}: {words}"))
    }

    async fn call(self, arn: &Arn, name: FunctionName, qualifier: Option<String>) -> Tried {
        let began = self.parts.clock.instant();
        let (waiting, served) = (&self.waiting, &self.served);
        let request_id = self.request_id();
        if waiting.tries.attempts == 0 && waiting.tries.refusals == 0 {
            let authorize = self.parts.authorize.as_ref();
            let sender = &waiting.delivery.sender;
            if let Err(denied) = served.policies.check(authorize, sender, arn) {
                let written = self.refused(&denied.message, &name);
                return self.end(written, began, None, None).await;
            }
        }
        let application = &served.application;
        let function = application.function(&name, qualifier.as_deref()).cloned();
        let configs = application.event_invokes.get(&name);
        let config = configs.and_then(|it| it.get(qualifier.as_deref().unwrap_or(LATEST)));
        let config = config.cloned().unwrap_or_default();
        let invocation = Invocation {
            function: name,
            qualifier,
            trace_id: self.trace(&request_id),
            request_id: request_id.clone(),
            payload: waiting.delivery.message.body.clone(),
            wait_until: None,
            client_context: None,
        };
        let (called, timings) = self.invoke(invocation).await;
        let now = self.parts.clock.now();
        let accepted_at = waiting.delivery.accepted_at;
        let tries = Tries {
            request_id: Some(request_id.to_string()),
            ..waiting.tries.clone()
        };
        let plan = asynchronous::after(&called, &tries, &config, accepted_at, now);
        let ran = function.as_deref().map(|function| (function, &request_id));
        let Some(written) = self.write(plan, called, &config, ran, now) else {
            return Tried::Left;
        };
        self.end(written, began, Some(request_id), timings).await
    }

    async fn invoke(&self, invocation: Invocation) -> (Called, Option<Timings>) {
        match self.parts.invoke.invoke(invocation).await {
            Err(not_run) => (Called::NotRun(not_run), None),
            Ok(reply) => {
                let replied = |payload, is_error| Replied {
                    payload,
                    executed_version: reply.executed_version.clone(),
                    is_error,
                };
                let called = match reply.outcome {
                    Outcome::Returned(payload) => Called::Returned(replied(payload, false)),
                    Outcome::Failed(error) => Called::Failed(replied(error.payload, true)),
                };
                (called, Some(reply.timings))
            }
        }
    }

    /// What is written down after a call; nothing while the server stops.
    fn write(
        &self,
        plan: Plan,
        called: Called,
        config: &EventInvoke,
        ran: Option<(&Function, &RequestId)>,
        now: Timestamp,
    ) -> Option<Written> {
        let reason = reason_of(&called);
        let reply = match called {
            Called::Returned(reply) | Called::Failed(reply) => Some(reply),
            Called::NotRun(_) => None,
        };
        let tries = self.waiting.tries.attempts;
        let (condition, attempts) = match plan {
            Plan::Leave => return None,
            Plan::Retry { tries, after } => return Some(self.again(&tries, after, &reason)),
            Plan::Return { code } => return Some(self.not_there(code, &reason)),
            Plan::Finish => (Condition::Success, tries.saturating_add(1)),
            Plan::GiveUp { ending, attempts } => (Condition::Failed(ending), attempts),
        };
        let Some((function, request_id)) = ran else {
            // It ran, and is not there any more: nobody knows its destinations.
            return Some(self.finished());
        };
        let invoked = Invoked {
            delivery: &self.waiting.delivery,
            function,
            request_id: request_id.as_str(),
            condition,
            attempts,
            now,
            reply,
            reason,
        };
        Some(self.concluded(&invoked, config))
    }

    /// The end of an asynchronous invocation, with whoever is told of it.
    fn concluded(&self, invoked: &Invoked<'_>, config: &EventInvoke) -> Written {
        let dead_letters = self
            .served
            .application
            .dead_letters
            .get(&invoked.function.name);
        let (letters, result) = match &invoked.condition {
            Condition::Success => {
                let told = config.on_success.iter();
                let told = told.map(|target| letters::of_destination(target, invoked));
                (told.collect::<Vec<_>>(), EventResult::Delivered)
            }
            Condition::Failed(ending) => {
                let told = config.on_failure.iter();
                let told = told.map(|target| letters::of_destination(target, invoked));
                let dead = dead_letters.iter();
                let dead = dead.map(|target| letters::of_function(target, invoked));
                let letters: Vec<Delivery> = told.chain(dead).collect();
                let result = given_up(*ending, &invoked.reason, &letters);
                (letters, result)
            }
        };
        let batch = self.parts.outbox.remove(Batch::new(), &self.waiting);
        Written {
            batch: self.parts.outbox.add(batch, &letters),
            tried: Tried::Done,
            result,
            has_letters: !letters.is_empty(),
        }
    }

    fn finished(&self) -> Written {
        Written {
            batch: self.parts.outbox.remove(Batch::new(), &self.waiting),
            tried: Tried::Done,
            result: EventResult::Delivered,
            has_letters: false,
        }
    }

    fn again(&self, tries: &Tries, after: Duration, reason: &str) -> Written {
        let after = after.max(RETRY_AFTER_MIN);
        let at = self.parts.clock.now().plus(after);
        let batch = Batch::new();
        Written {
            batch: self.parts.outbox.retry(batch, &self.waiting, tries, at),
            tried: if self.waiting.tries.refusals < tries.refusals {
                Tried::NoRoom(at)
            } else {
                Tried::Again(at)
            },
            result: EventResult::Failed {
                reason: reason.to_owned(),
                next: format!("tried again in {}", in_words(after)),
                is_final: false,
            },
            has_letters: false,
        }
    }

    /// Given up before its target had it: the sender's dead letters get it.
    fn returned(&self, ending: Ending, why: (&str, &str), attempts: u32) -> Written {
        let now = self.parts.clock.now();
        let letter = letters::of_sender(&self.waiting.delivery, ending, why, attempts, now);
        let letters: Vec<Delivery> = letter.into_iter().collect();
        let batch = self.parts.outbox.remove(Batch::new(), &self.waiting);
        let reason = format!("{}: {}", why.0, why.1);
        Written {
            batch: self.parts.outbox.add(batch, &letters),
            tried: Tried::Done,
            result: given_up(ending, &reason, &letters),
            has_letters: !letters.is_empty(),
        }
    }

    /// There is no such function, or it can never have such an event. A sender without dead letters would lose the event:
    /// while its age allows, somebody may bring the function back, as whoever mends a build that failed.
    fn not_there(&self, code: &'static str, reason: &str) -> Written {
        let delivery = &self.waiting.delivery;
        if delivery.dead_letters.is_some() || code != "ResourceNotFoundException" {
            return self.returned(Ending::Refused, (code, reason), self.waiting.tries.attempts);
        }
        let age = self.parts.clock.now().since(delivery.accepted_at);
        let age_max = model::asynchronous::AGE_DEFAULT;
        match asynchronous::later(&self.waiting.tries, age_max, age) {
            Plan::Retry { tries, after } => self.again(&tries, after, reason),
            Plan::GiveUp { .. } | Plan::Finish | Plan::Return { .. } | Plan::Leave => self
                .returned(
                    Ending::AgeExceeded,
                    (code, reason),
                    self.waiting.tries.attempts,
                ),
        }
    }

    /// The function's policy does not let the sender in.
    fn refused(&self, denied: &str, function: &FunctionName) -> Written {
        let sender = &self.waiting.delivery.sender;
        let help = match &sender.principal {
            SenderPrincipal::Service(principal) => {
                let source = sender.source.as_ref().map(ToString::to_string);
                format!(
                    "add an `AWS::Lambda::Permission` with `Action: lambda:InvokeFunction`, `FunctionName: {function}`, \
                     `Principal: {principal}`, `SourceArn: {}`",
                    source.unwrap_or_default()
                )
            }
            SenderPrincipal::Role(role) => {
                format!("allow `lambda:InvokeFunction` in a policy of `{role}`")
            }
            SenderPrincipal::Allowed => String::new(),
        };
        let words = format!("{denied}; {help}");
        self.returned(Ending::Refused, ("AccessDeniedException", &words), 1)
    }

    async fn end(
        self,
        written: Written,
        began: std::time::Instant,
        invocation: Option<RequestId>,
        timings: Option<Timings>,
    ) -> Tried {
        let tries = &self.waiting.tries;
        let is_said_again = 0 < tries.refusals
            && matches!(&written.result, EventResult::Failed { is_final, .. } if !is_final);
        // A function that is throttled for hours says so once for each event.
        if !is_said_again {
            self.show(written.result, began, invocation, timings);
        }
        let saved = commit(&self.parts, written.batch, &self.stop).await;
        if !saved {
            return Tried::Left;
        }
        if written.has_letters {
            self.parts.outbox.ring();
        }
        written.tried
    }

    fn show(
        &self,
        result: EventResult,
        began: std::time::Instant,
        invocation: Option<RequestId>,
        timings: Option<Timings>,
    ) {
        let (kind, source) = log::origin(&self.waiting.delivery);
        let tries = &self.waiting.tries;
        self.parts.log.record(Event {
            kind,
            source,
            target: log::target_name(&self.waiting.delivery.target),
            invocation,
            records: 1,
            total: self.parts.clock.instant().saturating_duration_since(began),
            cold_start: timings.and_then(|timings| timings.init),
            attempt: tries
                .attempts
                .saturating_add(tries.refusals)
                .saturating_add(1),
            result,
        });
    }

    /// All tries of an event have the same; whoever asked Lambda's API knows it already.
    fn request_id(&self) -> RequestId {
        let kept = self.waiting.tries.request_id.clone();
        kept.map_or_else(
            || match self.waiting.delivery.sender.principal {
                SenderPrincipal::Allowed => RequestId::new(self.waiting.delivery.id.clone()),
                SenderPrincipal::Service(_) | SenderPrincipal::Role(_) => {
                    self.parts.random.request_id()
                }
            },
            RequestId::new,
        )
    }

    fn trace(&self, request_id: &RequestId) -> String {
        let given = self.waiting.delivery.message.trace.clone();
        given.unwrap_or_else(|| trace_id(request_id, self.parts.clock.now().epoch_s()))
    }
}

/// Commits, however often it takes; whether it was.
pub(crate) async fn commit(parts: &Parts, batch: Batch, stop: &CancellationToken) -> bool {
    loop {
        match parts.store.commit(batch.clone()).await {
            Ok(_) => return true,
            Err(CommitError::Closed) => return false,
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "cannot store what was delivered: it may be delivered again"
            ),
        }
        tokio::select! {
            () = tokio::time::sleep(AFTER_FAULT) => {}
            () = stop.cancelled() => return false,
        }
    }
}

fn given_up(ending: Ending, reason: &str, letters: &[Delivery]) -> EventResult {
    let why = match ending {
        Ending::Refused => "given up, because no other try would help",
        Ending::RetriesExhausted => "given up after its last retry",
        Ending::NothingReserved => "given up, because its function reserves no concurrency",
        Ending::AgeExceeded => "given up, because it is too old",
        Ending::Recursive => "given up, because no loop goes on for ever",
    };
    let names: Vec<String> = letters
        .iter()
        .map(|letter| format!("`{}`", log::target_name(&letter.target)))
        .collect();
    let next = if names.is_empty() {
        format!("{why}, and lost: it has no dead letter queue")
    } else {
        format!("{why}; sent to {}", names.join(" and "))
    };
    EventResult::Failed {
        reason: reason.to_owned(),
        next,
        is_final: true,
    }
}

fn reason_of(called: &Called) -> String {
    match called {
        Called::Returned(_) => String::new(),
        Called::Failed(reply) => words_of(&reply.payload),
        Called::NotRun(NotRun::ShuttingDown) => String::new(),
        Called::NotRun(not_run @ NotRun::Recursive { .. }) => {
            format!("{not_run}; {}", model::lineage::HELP)
        }
        Called::NotRun(not_run) => not_run.to_string(),
    }
}

/// The message of a function's error.
pub(crate) fn words_of(payload: &[u8]) -> String {
    let error: Option<serde_json::Value> = serde_json::from_slice(payload).ok();
    let member = |name: &str| error.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let text = match (member("errorType"), member("errorMessage")) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        (None, Some(message)) => message,
        (_, None) => String::from_utf8_lossy(payload).into_owned(),
    };
    text.chars().take(ERROR_CHARS_MAX).collect()
}
