//! One instance: its init, its events one after another, its end.
//!
//! Lives here: what every kind of process instance does once there is a process with a channel and two pipes.
//! Does not live here: what the end of an event means (`verdict`), making the process (`launch`), the layout of frames (`link`),
//! texts (`failure`, `report`).

mod verdict;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interfaces::BoxFuture;
use interfaces::reply_stream::ReplySink;
use interfaces::runtime::{Completion, Event, Instance};
use model::function::{Function, Language};
use model::ids::InstanceId;
use model::time::Timestamp;

use super::alarm::Alarm;
use super::child::{Exit, Process, Reporter};
use super::exchange::{End, InitEnd, InitFailure, failed, race};
use super::intake::Intake;
use super::keys::IssuedKeys;
use super::launch::{Launched, Undertaker};
use super::line::Line;
use super::link::{EventHead, Link, LinkError, Message, Replaceable};
use super::logs::Logs;
use super::memory_peak::MemoryPeak;
use super::runtime_api::{Companions, Failure, ShutdownReason};
use super::walls::Quarters;
use super::zygote::{Template, Zygote};
use super::{Parts, failure, report};

/// How long a process that closed its channel, or was killed, may take to end.
const END_WAIT_MAX: Duration = Duration::from_secs(2);
/// An event that comes sooner after the last one finds the log as that one left it.
const LOOK_AFTER: Duration = Duration::from_micros(50);
/// How long a process that was asked to stop may take.
///
/// Contract: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle", "Shutdown phase".
/// Differs: the cloud gives these 300 ms to functions with external extensions, and kills all others at once.
const STOP_WAIT_MAX: Duration = Duration::from_millis(300);

/// What the log says of an event whose instance was held back.
const HELD_BACK: &str =
    "Processes are made without end: until that stops, the instance has a twentieth of a processor";

/// Where a process comes from, and is: who collects it.
pub(super) struct Lineage {
    pub(super) undertaker: Undertaker,
    /// Of one that is not our child.
    pub(super) report: Option<Reporter>,
    pub(super) quarters: Option<Quarters>,
}

/// What there is of an instance before its process.
pub(super) struct Beginning {
    pub(super) logs: Logs,
    /// Of an instance that has a Runtime API.
    pub(super) companions: Option<Companions>,
    pub(super) keys: Arc<IssuedKeys>,
}

/// An instance that is a process.
pub(super) struct ProcessInstance {
    function: Arc<Function>,
    untold: Vec<u8>,
    /// Dropped, and so killed, before the socket closes: a process that saw the end of its socket first would begin
    /// an orderly end that nobody waits for.
    process: Process,
    line: Line,
    companions: Option<Companions>,
    logs: Logs,
    parts: Parts,
    state: State,
    alarm: Alarm,
    /// When its last event ended.
    rests_since: Option<Instant>,
    memory_peak: MemoryPeak,
    keys: Arc<IssuedKeys>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    /// Also when the future of an event was dropped: its reply would be taken for the next one's.
    Busy,
    Dead,
}

impl ProcessInstance {
    /// Takes over a process, however it came to be.
    pub(super) fn attach(
        launched: Launched,
        beginning: Beginning,
        function: Arc<Function>,
        parts: Parts,
        lineage: Lineage,
    ) -> io::Result<Self> {
        let Lineage {
            undertaker,
            report,
            quarters,
        } = lineage;
        let is_forked = matches!(report, Some(Reporter::Zygote(_)));
        let replaceable = match function.runtime.language {
            Language::Python => Replaceable::ByPipes,
            // Its addon knows, which is in forks alone.
            Language::Node if is_forked => Replaceable::ByPipes,
            Language::Node | Language::Provided | Language::Go => Replaceable::No,
        };
        // First of all, so that whatever fails below kills it.
        let process = Process::new(launched.pid, launched.pidfd, undertaker, report, quarters)?;
        let Beginning {
            mut logs,
            companions,
            keys,
        } = beginning;
        let ends = launched.ends;
        logs.hear(ends.stdout, ends.stderr)?;
        let line = match (ends.channel, &companions) {
            (Some(channel), _) => Line::Frames(Link::new(channel, replaceable)?),
            (None, Some(companions)) => Line::Api(companions.line()),
            (None, None) => return Err(io::Error::other("nothing connects it with us")),
        };
        Ok(Self {
            line,
            companions,
            untold: ends.untold,
            function,
            process,
            logs,
            parts,
            state: State::Busy,
            alarm: Alarm::default(),
            rests_since: None,
            memory_peak: MemoryPeak::default(),
            keys,
        })
    }

    /// Writes the line that begins an instance's log.
    pub(super) fn log_init_start(&mut self) {
        self.logs.begin_init();
    }

    /// Its log, for whoever says how its init ended.
    pub(super) fn logs(&mut self) -> &mut Logs {
        &mut self.logs
    }

    /// Waits until the process has loaded the function, as it was told ahead.
    pub(super) async fn init(&mut self, deadline: Instant) -> InitEnd {
        let Self {
            line,
            companions,
            process,
            logs,
            untold,
            alarm,
            ..
        } = self;
        let companions = companions.as_ref();
        let exchange = async {
            let initializing = line.initialize(untold);
            match companions {
                None => initializing.await,
                Some(companions) => companions.initialize(initializing).await,
            }
        };
        let deadline = alarm.wait_until(deadline);
        let end = race(pin!(exchange), process, logs, deadline, companions).await;
        self.logs.drain();
        let exited = |exit| InitEnd::Failed(InitFailure::Exited(exit));
        match end {
            End::Said(Message::Ready(despite)) => {
                self.state = State::Free;
                InitEnd::Ready {
                    despite: serde_json::from_slice(&despite).unwrap_or_default(),
                }
            }
            End::Said(Message::Unfit(reasons)) => {
                self.state = State::Free;
                InitEnd::Unfit {
                    reasons: serde_json::from_slice(&reasons).unwrap_or_default(),
                }
            }
            End::Said(Message::InitFailed(payload) | Message::Fatal(payload)) => {
                self.put_down().await;
                InitEnd::Failed(InitFailure::Said(payload))
            }
            End::Said(Message::Abandoned(Failure { error_type, text })) => {
                self.put_down().await;
                let payload = failure::of_platform(None, error_type, &text);
                InitEnd::Failed(InitFailure::Said(payload))
            }
            End::Said(
                message @ (Message::Returned(_)
                | Message::Raised(_)
                | Message::Part(_)
                | Message::TooLarge),
            ) => exited(self.end_liar(&message).await),
            End::Exited(exit) => exited(exit),
            End::Broken(error) => exited(self.end_broken(&error).await),
            End::TimedOut => {
                self.put_down().await;
                InitEnd::Failed(InitFailure::TimedOut)
            }
        }
    }

    /// Whether its process is there, as far as anybody can know.
    pub(super) fn is_alive(&self) -> bool {
        !self.process.has_ended()
    }

    /// The end of its process, which is still to be collected then. Never, when it cannot be watched.
    pub(super) fn end(&self) -> impl Future<Output = ()> + Send + use<> {
        self.process.end()
    }

    /// Whose log it writes.
    pub(super) fn id(&self) -> &InstanceId {
        self.logs.instance()
    }

    /// Writes a line of the platform's that belongs to no event.
    pub(super) fn note(&mut self, text: String) {
        self.logs.platform(text);
    }

    /// What is left when its process goes on as the one that others are forked from; none when it said too much.
    pub(super) fn into_template(self) -> Option<Template> {
        let stream = self.line.into_stream()?;
        Some(Template {
            zygote: Zygote::new(self.process, stream),
            keys: self.keys,
        })
    }

    async fn run(&mut self, event: Event, intake: Intake) -> Completion {
        let began_at = self.parts.clock.instant();
        // What was written since the last event belongs to none. Between two events that follow each other at once there was no
        // time for that, and a look costs a system call.
        if self
            .rests_since
            .is_none_or(|since| LOOK_AFTER <= began_at.saturating_duration_since(since))
        {
            self.logs.drain();
        }
        let now = self.parts.clock.now();
        self.logs.begin(Some(event.request_id.clone()));
        let start = report::start(&event.request_id, &self.function.version);
        self.logs.platform_at(now, start);
        // What it said beyond its last reply would be taken for the next one.
        let usable = self.state == State::Free && !self.process.is_over() && self.line.is_quiet();
        let end = if usable {
            self.state = State::Busy;
            self.process.begin_event(event.turn);
            let left = event.deadline.saturating_duration_since(began_at);
            self.exchange(&event, now.plus(left), &intake).await
        } else {
            self.process.kill();
            End::Exited(self.put_down().await)
        };
        let ended_at = self.parts.clock.instant();
        let handler = ended_at.saturating_duration_since(began_at);
        match &end {
            End::Said(_) if self.line.is_told() => self.logs.drain_told(),
            End::Said(_) | End::Exited(_) | End::TimedOut | End::Broken(_) => self.logs.drain(),
        }
        self.rests_since = Some(ended_at);
        self.memory_peak.note(&self.process, ended_at);
        if self.process.end_event() {
            let at = report::instant(self.parts.clock.now());
            self.logs
                .platform(format!("{at} {} {HELD_BACK}", event.request_id));
        }
        self.conclude(&event, end, handler).await
    }

    async fn exchange(&mut self, event: &Event, deadline: Timestamp, intake: &Intake) -> End {
        let client_context = event.client_context.as_deref().map(String::from_utf8_lossy);
        let head = EventHead {
            request_id: event.request_id.as_str(),
            deadline_ms: deadline.epoch_ms(),
            invoked_function_arn: &event.invoked_arn,
            trace_id: &event.trace_id,
            client_context: client_context.as_deref(),
        };
        let (line, companions) = (&mut self.line, self.companions.as_ref());
        let exchange = async {
            let exchanging = line.exchange(&head, event, intake);
            match companions {
                None => exchanging.await,
                // Most have none: theirs is not to be the room that each event takes.
                Some(companions) => {
                    Box::pin(companions.run(&head, event, intake, exchanging)).await
                }
            }
        };
        let deadline = self.alarm.wait_until(event.deadline);
        let (process, logs) = (&mut self.process, &mut self.logs);
        race(pin!(exchange), process, logs, deadline, companions).await
    }

    /// A process whose channel is of no use any more. One that closed it by ending is given the time to do so, since
    /// how it ended is what people want to know.
    async fn end_broken(&mut self, error: &LinkError) -> Exit {
        self.state = State::Dead;
        if matches!(error, LinkError::Closed) {
            let ended = tokio::time::timeout(END_WAIT_MAX, self.process.exited()).await;
            if let Ok(exit) = ended {
                return exit;
            }
        }
        self.logs
            .platform(format!("[cloudless] {error}, so it was killed"));
        self.put_down().await
    }

    async fn end_liar(&mut self, message: &Message) -> Exit {
        let kind = message.kind();
        self.logs.platform(format!(
            "[cloudless] the instance said \"{kind}\" out of turn, so it was killed"
        ));
        self.put_down().await
    }

    /// Kills the process, unless it has ended, and waits until it is gone.
    async fn put_down(&mut self) -> Exit {
        self.state = State::Dead;
        self.process.kill();
        tokio::time::timeout(END_WAIT_MAX, self.process.exited())
            .await
            .unwrap_or(Exit::Unknown)
    }

    async fn wait_until_lost(&mut self) {
        if self.state == State::Dead {
            return;
        }
        let ended = loop {
            tokio::select! {
                biased;
                exit = self.process.exited() => break Ok(exit),
                heard = self.line.overhear() => break Err(heard),
                failure = failed(self.companions.as_ref()) => {
                    let Failure { error_type, text } = failure;
                    self.logs.platform(format!("[cloudless] {error_type}: {text}"));
                    self.process.kill();
                    break Ok(self.put_down().await);
                }
                () = self.logs.pump_while_free() => {}
            }
        };
        self.state = State::Dead;
        let exit = match ended {
            Ok(exit) => exit,
            Err(error) => self.end_broken(&error).await,
        };
        self.logs.drain();
        let text = failure::exit_text(exit);
        self.logs
            .platform(format!("[cloudless] an idle instance is gone: {text}"));
        self.end_companions(ShutdownReason::Failure).await;
    }

    /// Ends what runs beside its process, which has ended.
    async fn end_companions(&mut self, reason: ShutdownReason) {
        let now = self.parts.clock.instant();
        if let Some(mut companions) = self.companions.take() {
            companions.shut_down(reason, now, &mut self.logs).await;
        }
    }

    async fn stop_gently(mut self) {
        let began_at = self.parts.clock.instant();
        self.process.terminate();
        self.line.close();
        let stopping = async {
            loop {
                tokio::select! {
                    biased;
                    _ = self.process.exited() => break,
                    () = self.logs.pump() => {}
                }
            }
        };
        if tokio::time::timeout(STOP_WAIT_MAX, stopping).await.is_err() {
            self.put_down().await;
        }
        if let Some(mut companions) = self.companions.take() {
            let reason = ShutdownReason::Spindown;
            companions.shut_down(reason, began_at, &mut self.logs).await;
        }
        self.logs.drain();
    }
}

impl Instance for ProcessInstance {
    fn invoke(&mut self, event: Event) -> BoxFuture<'_, Completion> {
        Box::pin(self.run(event, Intake::new(None)))
    }

    fn invoke_streamed(&mut self, event: Event, sink: ReplySink) -> BoxFuture<'_, Completion> {
        Box::pin(self.run(event, Intake::new(Some(sink))))
    }

    fn is_ready(&self) -> bool {
        self.state == State::Free
            && self.companions.is_none()
            && !self.process.is_told_ended()
            && self.line.is_silent()
    }

    fn lost(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.wait_until_lost())
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(self.stop_gently())
    }
}
