//! The Runtime API and the Extensions API: how code that is no Python and no Node.js is run, and what runs beside a
//! function.
//!
//! Lives here: what belongs to one instance besides its runtime's process: the API, its state, its extensions.
//! Does not live here: the instance itself (`instance`), starting it (`launching`), what is asked and answered (`routes`).

mod answers;
mod body;
mod entry;
mod extension;
mod launching;
mod place;
mod reply;
mod routes;
mod server;
mod session;
mod state;
pub(super) mod telemetry;

use std::sync::Arc;
use std::time::{Duration, Instant};

use interfaces::runtime::Event;
use model::function::{Contact, Function};
use serde_json::json;
use tokio::task::{AbortHandle, JoinSet};

use super::child::{Exit, Process};
use super::failure;
use super::intake::Intake;
use super::link::{EventHead, LinkError, Message};
use super::logs::Logs;
use super::{Parts, report};
use extension::{Extension, ExtensionState};
use state::{Current, State};

pub(super) use entry::extensions;
pub(super) use session::Session;
pub(super) use state::Failure;

/// How long an instance with external extensions may take to end, the runtime included.
///
/// Contract: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle", "Shutdown phase".
const SHUTDOWN_WAIT_MAX: Duration = Duration::from_secs(2);

/// Whether instances of this function have a Runtime API of their own.
pub(super) fn is_needed(function: &Function) -> bool {
    match function.runtime.language.contact() {
        Contact::RuntimeApi => true,
        Contact::Bootstrap => !extensions(function).is_empty(),
    }
}

/// Why an instance is shut down, in the words of its extensions' events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShutdownReason {
    Spindown,
    Timeout,
    Failure,
}

impl ShutdownReason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }
}

/// What runs beside an instance's runtime. Dropping it ends all of it.
pub(super) struct Companions {
    session: Arc<Session>,
    parts: Parts,
    began_at: Instant,
    initialization: &'static str,
    extensions: Vec<(String, AbortHandle)>,
    /// Each holds a process.
    watchers: JoinSet<()>,
    server: JoinSet<()>,
}

impl Companions {
    /// Serves the API of an instance that is about to be started.
    fn begin(place: place::Place, session: Arc<Session>, parts: Parts) -> Self {
        let mut server = JoinSet::new();
        server.spawn(server::serve(place.listener, session.clone()));
        Self {
            session,
            began_at: parts.clock.instant(),
            initialization: "",
            parts,
            extensions: Vec::new(),
            watchers: JoinSet::new(),
            server,
        }
    }

    /// Takes charge of an external extension.
    fn watch(&mut self, name: String, mut process: Process) {
        let session = self.session.clone();
        let watched = name.clone();
        let watcher = self.watchers.spawn(async move {
            let exit = process.exited().await;
            session.change(|state| state.extension_has_gone(&watched, exit));
        });
        self.extensions.push((name, watcher));
    }

    /// The runtime's line.
    pub(super) fn line(&self) -> RuntimeLine {
        RuntimeLine(self.session.clone())
    }

    /// Where the instance's log goes, too.
    pub(super) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Waits until all external extensions have registered. Cancel-safe.
    async fn registered(&self) -> Result<(), Failure> {
        self.session
            .until(|state| match &state.failure {
                Some(failure) => Some(Err(failure.clone())),
                None => state.are_all_registered().then_some(Ok(())),
            })
            .await
    }

    /// Waits until an init is over that the runtime has done with. Cancel-safe.
    pub(super) async fn initialize(
        &self,
        runtime: impl Future<Output = Result<Message, LinkError>>,
    ) -> Result<Message, LinkError> {
        let all = async {
            let message = runtime.await?;
            if matches!(message, Message::Ready(_) | Message::Unfit(_)) {
                self.session.change(State::close_registration);
                self.all_ready().await;
            }
            Ok(message)
        };
        let ended = self.unless_one_fails(all).await;
        self.tell_init(&ended);
        ended
    }

    /// Offers an event to the runtime and the extensions, and waits until all have done with it. Cancel-safe.
    pub(super) async fn run(
        &self,
        head: &EventHead<'_>,
        event: &Event,
        intake: &Intake,
        runtime: impl Future<Output = Result<Message, LinkError>>,
    ) -> Result<Message, LinkError> {
        let began_at = self.parts.clock.instant();
        let telemetry = &self.session.telemetry;
        let version = &self.session.function.version;
        telemetry.platform(
            "platform.start",
            || json!({"requestId": head.request_id, "version": version, "tracing": tracing(head)}),
        );
        self.session.change(|state| {
            state.offer(Current {
                request_id: head.request_id.to_owned(),
                deadline_ms: head.deadline_ms,
                invoked_function_arn: head.invoked_function_arn.to_owned(),
                trace_id: head.trace_id.to_owned(),
                client_context: head.client_context.map(one_line),
                payload: event.payload.clone(),
                intake: intake.clone(),
            });
        });
        let all = async {
            let message = runtime.await?;
            let duration = self.since(began_at);
            telemetry.platform("platform.runtimeDone", || {
                json!({
                    "requestId": head.request_id,
                    "status": status_of(&message),
                    "metrics": {
                        "durationMs": milliseconds(duration),
                        "producedBytes": intake.bytes().max(produced_bytes(&message)),
                    },
                    "tracing": tracing(head),
                })
            });
            self.all_ready().await;
            Ok(message)
        };
        self.unless_one_fails(all).await
    }

    /// Tells what `REPORT` says.
    pub(super) fn tell_report(
        &self,
        request_id: &str,
        usage: report::Usage,
        memory_mb: u32,
        status: report::Status<'_>,
    ) {
        let telemetry = &self.session.telemetry;
        telemetry.platform("platform.report", || {
            let mut record = json!({
                "requestId": request_id,
                "metrics": {
                    "durationMs": milliseconds(usage.duration),
                    "billedDurationMs": report::billed_ms(usage),
                    "memorySizeMB": memory_mb,
                    "maxMemoryUsedMB": usage.memory_peak_mb,
                },
                "status": match status {
                    report::Status::Replied => "success",
                    report::Status::Timeout => "timeout",
                    report::Status::Error(_) => "error",
                },
            });
            if let report::Status::Error(error_type) = status {
                insert(&mut record, "errorType", json!(error_type));
            }
            if let (Some(init), Some(metrics)) = (usage.init, record.get_mut("metrics")) {
                insert(metrics, "initDurationMs", json!(milliseconds(init)));
            }
            record
        });
    }

    /// Waits until something has failed without which the instance cannot go on. Cancel-safe.
    pub(super) async fn failed(&self) -> Failure {
        self.session.until(|state| state.failure.clone()).await
    }

    /// Ends the extensions: those that want to know it are told, and have until the deadline; the others end at once.
    pub(super) async fn shut_down(
        &mut self,
        reason: ShutdownReason,
        began_at: Instant,
        logs: &mut Logs,
    ) {
        self.session.telemetry.finish().await;
        let deadline = began_at + SHUTDOWN_WAIT_MAX;
        let left = deadline.saturating_duration_since(self.parts.clock.instant());
        let deadline_ms = self.parts.clock.now().plus(left).epoch_ms();
        self.session
            .change(|state| state.shut_down(reason.as_str(), deadline_ms));
        for (name, watcher) in &self.extensions {
            let is_told = self.session.look(|state| state.is_told_of_shutdown(name));
            if !is_told {
                watcher.abort();
            }
        }
        let watchers = &mut self.watchers;
        let ending = async {
            loop {
                tokio::select! {
                    biased;
                    ended = watchers.join_next() => if ended.is_none() {
                        break;
                    },
                    () = logs.pump() => {}
                }
            }
        };
        // What has not ended by itself is killed when its watcher is dropped.
        let _ = tokio::time::timeout(left, ending).await;
        self.watchers.shutdown().await;
        self.server.shutdown().await;
        self.extensions.clear();
        logs.drain();
    }

    async fn all_ready(&self) {
        self.session
            .until(|state| state.are_all_ready().then_some(()))
            .await;
    }

    async fn unless_one_fails(
        &self,
        all: impl Future<Output = Result<Message, LinkError>>,
    ) -> Result<Message, LinkError> {
        tokio::select! {
            biased;
            ended = all => ended,
            failure = self.failed() => Ok(Message::Abandoned(failure)),
        }
    }

    fn tell_init_start(&mut self, initialization: &'static str, instance: &str) {
        self.initialization = initialization;
        let function = &self.session.function;
        self.session.telemetry.platform("platform.initStart", || {
            json!({
                "initializationType": initialization,
                "phase": "init",
                "functionName": function.name.as_str(),
                "functionVersion": function.version,
                "instanceId": instance,
                "instanceMaxMemory": u64::from(function.memory_mb) * 1024 * 1024,
            })
        });
    }

    fn tell_init(&self, ended: &Result<Message, LinkError>) {
        let telemetry = &self.session.telemetry;
        let initialization = self.initialization;
        let status = match ended {
            Ok(Message::Ready(_) | Message::Unfit(_)) => "success",
            Ok(_) | Err(_) => "error",
        };
        let extensions = self.session.look(|state| {
            let known = state.extensions.iter();
            known.map(Extension::told).collect::<Vec<_>>()
        });
        for extension in extensions {
            telemetry.platform("platform.extension", || extension);
        }
        telemetry.platform(
            "platform.initRuntimeDone",
            || json!({"initializationType": initialization, "phase": "init", "status": status}),
        );
        let duration = self.since(self.began_at);
        telemetry.platform("platform.initReport", || {
            json!({
                "initializationType": initialization,
                "phase": "init",
                "status": status,
                "metrics": {"durationMs": milliseconds(duration)},
            })
        });
        telemetry.close();
    }

    fn since(&self, earlier: Instant) -> Duration {
        let now = self.parts.clock.instant();
        now.saturating_duration_since(earlier)
    }
}

impl State {
    /// The process of an external extension has ended, without which the instance cannot go on unless it ends too.
    fn extension_has_gone(&mut self, name: &str, exit: Exit) {
        if self.is_ending {
            return;
        }
        let mut known = self.extensions.iter();
        let error_type = match known.find(|it| it.name == name).map(|it| it.state) {
            Some(ExtensionState::InitError) => "Extension.InitError",
            Some(ExtensionState::ExitError) => "Extension.ExitError",
            Some(
                ExtensionState::Started
                | ExtensionState::Registered
                | ExtensionState::Ready
                | ExtensionState::Running,
            )
            | None => "Extension.Crash",
        };
        let text = failure::ended(exit).unwrap_or_else(|| "exit code 0".to_owned());
        self.failure = Some(Failure { error_type, text });
    }

    fn is_told_of_shutdown(&self, name: &str) -> bool {
        let mut known = self.extensions.iter();
        known.any(|it| it.name == name && it.subscriptions.shutdown)
    }
}

/// The line to a runtime that asks for its events.
pub(super) struct RuntimeLine(Arc<Session>);

impl RuntimeLine {
    /// Waits until the runtime asks for its first event, or says that its init failed. Cancel-safe.
    pub(super) async fn initialized(&self) -> Message {
        self.0.until(State::init_end).await
    }

    /// Waits until it has replied, and asks for the next event or has gone. Cancel-safe.
    pub(super) async fn replied(&self) -> Message {
        self.0.until(State::reply).await
    }

    /// Its process has ended.
    pub(super) fn has_gone(&self) {
        self.0.change(State::runtime_has_gone);
    }
}

fn status_of(message: &Message) -> &'static str {
    match message {
        Message::Returned(_) => "success",
        Message::Raised(_) | Message::TooLarge => "error",
        Message::Ready(_)
        | Message::Unfit(_)
        | Message::InitFailed(_)
        | Message::Fatal(_)
        | Message::Part(_)
        | Message::Abandoned(_) => "failure",
    }
}

fn produced_bytes(message: &Message) -> usize {
    match message {
        Message::Returned(payload) | Message::Raised(payload) => payload.len(),
        Message::TooLarge
        | Message::Ready(_)
        | Message::Unfit(_)
        | Message::InitFailed(_)
        | Message::Fatal(_)
        | Message::Part(_)
        | Message::Abandoned(_) => 0,
    }
}

fn tracing(head: &EventHead<'_>) -> serde_json::Value {
    json!({"type": "X-Amzn-Trace-Id", "value": head.trace_id})
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

fn insert(object: &mut serde_json::Value, name: &str, value: serde_json::Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// A header holds one line: JSON of several is written as one.
fn one_line(text: &str) -> String {
    if !text.contains(['\r', '\n']) {
        return text.to_owned();
    }
    serde_json::from_str::<serde_json::Value>(text)
        .map_or_else(|_| text.to_owned(), |value| value.to_string())
}
