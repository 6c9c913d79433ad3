//! Whether an interpreter can be forked on this machine: found out by doing it.
//!
//! Lives here: running a small function of our own in forks, through the same machinery as any other function.
//! Does not live here: keeping what was found (`verdict`), what is done about it (`zygote`).
//!
//! A fork of an interpreter that has threads, or that meets a kernel or an allocator that nobody has tried, may work
//! at first and hang in a collection a minute later. So nothing is concluded from version numbers: two forks do what
//! functions do, for about a second, once for each interpreter and machine.

mod verdict;

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::clock::Clock;
use interfaces::log_sink::{LogLine, LogSink};
use interfaces::principals::{Key, Principals};
use interfaces::random::Random;
use interfaces::runtime::{
    Event, Initialization, Instance, Runtime as _, StartError, StartWay, Turn, Verdict as Reply,
};
use model::arn::Arn;
use model::function::{Contact, Function, Language, RuntimeName, Starts, Toolchain};
use model::ids::{AccountId, FunctionName, LogicalId, Region, RequestId, RevisionId};
use model::principal::Credentials;
use tokio::sync::OnceCell;

use super::bootstrap::Bootstraps;
use super::files::write_whole;
use super::recent::Recent;
use super::{ProcessRuntime, ProcessRuntimeConfig, describe, machine};

pub use verdict::{Outcome, Verdict};

/// How long one check may take. They take milliseconds; a machine under load is no reason to fail one.
const CHECK_TIME_MAX: Duration = Duration::from_secs(10);
/// How long an init may take that has not come to its end within the cloud's own limit: it hangs.
const SECOND_INIT_MAX: Duration = Duration::from_secs(1);
/// Interpreters whose verdicts a runtime remembers; those of the others are in their files.
const INTERPRETERS_MAX: usize = 32;
/// Nobody answers there, and no check asks.
const NO_SERVICES: &str = "http://127.0.0.1:9";
/// The status with which the last check ends its process.
const LAST_STATUS: &str = "exit status 7";

/// An interpreter of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interpreter {
    /// What it runs.
    pub language: Language,
    /// Its binary.
    pub path: PathBuf,
    /// Its version as it says itself, as `3.11.7`.
    pub version: String,
}

impl Interpreter {
    fn of(language: Language, toolchain: &Toolchain) -> Self {
        Self {
            language,
            path: toolchain.interpreter.clone(),
            version: toolchain.version.clone(),
        }
    }
}

/// Probes interpreters, and keeps what it found in the cache.
pub struct Prober {
    cache_dir: PathBuf,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Prober {
    /// A prober that keeps its verdicts in this folder, the one that runtimes share.
    #[must_use]
    pub fn new(cache_dir: &Path, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self {
            cache_dir: cache_dir.to_owned(),
            clock,
            random,
        }
    }

    /// What was found before; none when it was never probed, or when the interpreter, the kernel or our own programs
    /// have changed since.
    ///
    /// # Errors
    /// [`StartError::Machine`]: the cache's folder cannot be written.
    pub fn known(&self, interpreter: &Interpreter) -> Result<Option<Verdict>, StartError> {
        let checks = self.unpack_checks(interpreter.language)?;
        let identity = self.identity(interpreter, &checks)?;
        Ok(identity.and_then(|identity| verdict::read(&self.verdicts(), interpreter, &identity)))
    }

    /// Why a function is not forked on the interpreter that it runs on here, as far as that was found before.
    #[must_use]
    pub fn known_obstacle(&self, function: &Function) -> Option<String> {
        match (function.runtime.language.contact(), function.starts) {
            (Contact::Bootstrap, Starts::Automatic | Starts::Forked) => {}
            (Contact::Bootstrap, Starts::Spawned) | (Contact::RuntimeApi, _) => return None,
        }
        let interpreter = Interpreter::of(function.runtime.language, &function.toolchain);
        let verdict = self.known(&interpreter).ok()??;
        reason_of(&verdict).map(|reason| obstacle(&interpreter, &reason))
    }

    /// Probes now, which takes about a second, and keeps what it found.
    ///
    /// # Errors
    /// [`StartError::Machine`]: no process can be started at all, which says nothing of the interpreter.
    pub fn probe(&self, interpreter: &Interpreter) -> BoxFuture<'_, Result<Verdict, StartError>> {
        // Boxed: a runtime that starts an instance may come by here, and a probe starts instances.
        let interpreter = interpreter.clone();
        Box::pin(async move { self.probe_now(&interpreter).await })
    }

    async fn probe_now(&self, interpreter: &Interpreter) -> Result<Verdict, StartError> {
        let began_at = self.clock.instant();
        let checks = self.unpack_checks(interpreter.language)?;
        let identity = self.identity(interpreter, &checks)?;
        let bench = self.bench(interpreter, checks)?;
        let outcome = match bench.run(self.clock.as_ref()).await {
            Ok(start) => Outcome::Works { start },
            Err(Finding::Failed(reason)) => Outcome::Fails {
                reasons: vec![reason],
            },
            Err(Finding::Machine(error)) => return Err(error),
        };
        let took = self.clock.instant().saturating_duration_since(began_at);
        let verdict = Verdict { outcome, took };
        if let Some(identity) = identity {
            // What is not kept is found out again.
            let kept = verdict::write(&self.verdicts(), interpreter, &identity, &verdict);
            drop(kept);
        }
        Ok(verdict)
    }

    fn verdicts(&self) -> PathBuf {
        self.cache_dir.join("forking")
    }

    /// All that a verdict hangs on. None: the interpreter has gone.
    fn identity(
        &self,
        interpreter: &Interpreter,
        checks: &Path,
    ) -> Result<Option<String>, StartError> {
        let bootstraps = Bootstraps::unpack(&self.cache_dir).map_err(|error| machine(&error))?;
        let bootstrap = bootstraps
            .folder(interpreter.language)
            .ok_or_else(no_interpreter)?;
        Ok(verdict::identity(interpreter, &[bootstrap, checks]))
    }

    /// The folder with the checks of a language, named after their content.
    fn unpack_checks(&self, language: Language) -> Result<PathBuf, StartError> {
        let (name, text) = match language {
            Language::Python => ("checks.py", include_str!("probe/checks.py")),
            Language::Node => ("checks.cjs", include_str!("probe/checks.cjs")),
            Language::Provided | Language::Go => return Err(no_interpreter()),
        };
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let folder = format!("checks-{:016x}", hasher.finish());
        let unpack = || {
            let folder = std::path::absolute(self.verdicts())?.join(folder);
            let path = folder.join(name);
            if !fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
                write_whole(&path, text.as_bytes())?;
            }
            Ok(folder)
        };
        unpack().map_err(|error: std::io::Error| machine(&error))
    }

    fn bench(&self, interpreter: &Interpreter, checks: PathBuf) -> Result<Bench, StartError> {
        let why = Arc::new(Mutex::new(None));
        let runtime = ProcessRuntime::new(ProcessRuntimeConfig {
            services_endpoint: NO_SERVICES.to_owned(),
            principals: Arc::new(Nobody),
            logs: Arc::new(Nobody),
            clock: self.clock.clone(),
            random: self.random.clone(),
            cache_dir: self.cache_dir.clone(),
        })
        .map_err(|error| machine(&error))?;
        let runtime = runtime.telling(Box::new({
            let why = why.clone();
            move |_function, reason: &str| {
                let mut why = why.lock().unwrap_or_else(PoisonError::into_inner);
                *why = Some(reason.to_owned());
            }
        }));
        Ok(Bench {
            runtime,
            function: Arc::new(function(interpreter, checks)),
            why,
        })
    }
}

/// What a runtime knows of the interpreters that it forks.
pub(super) struct Known {
    prober: Prober,
    /// Whoever asks first finds it out, the others wait for that.
    asked: Mutex<Recent<Interpreter, OnceCell<Verdict>>>,
}

impl Known {
    pub(super) fn new(prober: Prober) -> Self {
        Self {
            prober,
            asked: Mutex::new(Recent::new(INTERPRETERS_MAX)),
        }
    }

    /// Why this interpreter is not forked here; none when it is. The first time on a machine this takes a second.
    pub(super) async fn obstacle(
        &self,
        language: Language,
        toolchain: &Toolchain,
    ) -> Option<String> {
        let interpreter = Interpreter::of(language, toolchain);
        let cell = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.place(interpreter.clone())
        };
        let find_out = async || match self.prober.known(&interpreter)? {
            Some(verdict) => Ok(verdict),
            None => self.prober.probe(&interpreter).await,
        };
        let reason = match cell.get_or_try_init(find_out).await {
            Ok(verdict) => reason_of(verdict)?,
            // Not kept. If no process can be started at all, the start that asked will say so itself.
            Err(error) => describe(&error),
        };
        Some(obstacle(&interpreter, &reason))
    }
}

/// What does not work, if so.
fn reason_of(verdict: &Verdict) -> Option<String> {
    match &verdict.outcome {
        Outcome::Works { .. } => None,
        Outcome::Fails { reasons } => Some(reasons.join("; ")),
    }
}

fn obstacle(interpreter: &Interpreter, reason: &str) -> String {
    format!(
        "this machine's {} {} cannot be forked ({reason}); `cloudless doctor` tries it again",
        name_of(interpreter.language),
        interpreter.version,
    )
}

/// A runtime of the probe's own, and the function that runs in it.
struct Bench {
    runtime: ProcessRuntime,
    function: Arc<Function>,
    /// Why the function was not forked.
    why: Arc<Mutex<Option<String>>>,
}

/// Why there is no yes.
enum Finding {
    /// This is what forks of the interpreter do not do.
    Failed(String),
    Machine(StartError),
}

impl Bench {
    /// How long the start of a fork took, when two of them pass all checks.
    async fn run(&self, clock: &dyn Clock) -> Result<Duration, Finding> {
        let (mut first, _) = self.start().await?;
        let (mut second, start) = self.start().await?;
        let mut drawn = Vec::new();
        for instance in [&mut first, &mut second] {
            drawn.push(self.check(instance, "randomness", clock).await?);
        }
        compare(&drawn)?;
        let checks = match self.function.runtime.language {
            Language::Python => &["identity", "timers", "collections", "memory", "threads"][..],
            Language::Node => &[
                "identity",
                "timers",
                "collections",
                "memory",
                "wasm",
                "threads",
            ],
            Language::Provided | Language::Go => return Err(Finding::Machine(no_interpreter())),
        };
        // In the second one they come once more after another: what a check leaves behind must not break the next.
        for check in checks {
            self.check(&mut first, check, clock).await?;
        }
        for check in checks.iter().rev() {
            self.check(&mut second, check, clock).await?;
        }
        self.leave(&mut first, clock).await?;
        second.stop().await;
        Ok(start)
    }

    async fn start(&self) -> Result<(Box<dyn Instance>, Duration), Finding> {
        let function = self.function.clone();
        let started = self.runtime.start(function, Initialization::OnDemand).await;
        let started = started.map_err(|error| match error {
            StartError::Machine { .. } => Finding::Machine(error),
            StartError::Init { payload, .. } => failed("init", &message(&payload)),
        })?;
        match started.way {
            StartWay::Forked => Ok((started.instance, started.init)),
            StartWay::Spawned => {
                let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
                let why = why.clone();
                Err(Finding::Failed(why.unwrap_or_else(|| {
                    "its processes are not forked".to_owned()
                })))
            }
        }
    }

    async fn check(
        &self,
        instance: &mut Box<dyn Instance>,
        check: &str,
        clock: &dyn Clock,
    ) -> Result<Bytes, Finding> {
        match instance.invoke(self.event(check, clock)).await.verdict {
            Reply::Returned(reply) => Ok(reply),
            Reply::TimedOut(_) => Err(failed(check, "it hangs")),
            Reply::Raised(payload) | Reply::ResponseTooLarge(payload) | Reply::Exited(payload) => {
                Err(failed(check, &message(&payload)))
            }
        }
    }

    /// A process that ends itself must be able to, with the status that it chose.
    async fn leave(
        &self,
        instance: &mut Box<dyn Instance>,
        clock: &dyn Clock,
    ) -> Result<(), Finding> {
        match instance.invoke(self.event("leave", clock)).await.verdict {
            Reply::Exited(payload) if message(&payload).contains(LAST_STATUS) => Ok(()),
            Reply::TimedOut(_) => Err(failed("leave", "it hangs")),
            Reply::Returned(payload)
            | Reply::Raised(payload)
            | Reply::ResponseTooLarge(payload)
            | Reply::Exited(payload) => Err(failed("leave", &message(&payload))),
        }
    }

    fn event(&self, check: &str, clock: &dyn Clock) -> Event {
        Event {
            request_id: RequestId::new(check),
            payload: format!("{{\"check\": \"{check}\"}}").into(),
            invoked_arn: self.function.arn.to_string(),
            deadline: clock.instant() + CHECK_TIME_MAX,
            trace_id: String::new(),
            client_context: None,
            init: None,
            turn: Turn::AtOnce,
        }
    }
}

fn failed(check: &str, what: &str) -> Finding {
    Finding::Failed(format!("{check}: {what}"))
}

/// What an error object says; the text itself when it is none.
fn message(payload: &[u8]) -> String {
    let object: Option<BTreeMap<String, serde_json::Value>> = serde_json::from_slice(payload).ok();
    let message = object.as_ref().and_then(|it| it.get("errorMessage"));
    match message.and_then(|it| it.as_str()) {
        Some(message) => message.to_owned(),
        None => String::from_utf8_lossy(payload).into_owned(),
    }
}

/// Two forks that drew the same value from any generator share its state.
fn compare(drawn: &[Bytes]) -> Result<(), Finding> {
    let read = |text: &Bytes| serde_json::from_slice::<Vec<serde_json::Value>>(text);
    let lists: Result<Vec<_>, _> = drawn.iter().map(read).collect();
    let Ok([first, second]) = lists.as_deref() else {
        return Err(failed("randomness", "no list of values came back"));
    };
    match first.iter().zip(second).find(|(one, other)| one == other) {
        Some((same, _)) => Err(failed(
            "randomness",
            &format!("two processes drew the same value, {same}"),
        )),
        None => Ok(()),
    }
}

/// Nobody asks whether an executable of a function's own can be forked.
fn no_interpreter() -> StartError {
    StartError::Machine {
        reason: "an executable is no interpreter".to_owned(),
    }
}

fn name_of(language: Language) -> &'static str {
    match language {
        Language::Python => "Python",
        Language::Node => "Node.js",
        Language::Provided | Language::Go => "an executable",
    }
}

fn function(interpreter: &Interpreter, code_root: PathBuf) -> Function {
    let account = AccountId::development();
    let region = Region::new("us-east-1");
    let name = FunctionName::new("probe");
    let mut numbers = interpreter.version.split('.').map(|it| it.parse().ok());
    let mut number = || numbers.next().flatten().unwrap_or(0);
    let (major, minor) = (number(), number());
    let minor = match interpreter.language {
        Language::Python => minor,
        Language::Node | Language::Provided | Language::Go => 0,
    };
    let arn = Arn::of_function(&region, &account, &name);
    Function {
        logical_id: LogicalId::new("Probe"),
        role: arn.clone(),
        arn,
        name,
        version: "$LATEST".to_owned(),
        account,
        region,
        runtime: RuntimeName {
            language: interpreter.language,
            major,
            minor,
        },
        handler: "checks.handler".to_owned(),
        code_root,
        layers: Vec::new(),
        toolchain: Toolchain {
            interpreter: interpreter.path.clone(),
            version: interpreter.version.clone(),
            dependency_paths: Vec::new(),
            sdk_paths: Vec::new(),
        },
        environment: BTreeMap::new(),
        memory_mb: 512,
        timeout: SECOND_INIT_MAX,
        ephemeral_storage_mb: 512,
        reserved_concurrency: None,
        provisioned_concurrency: 0,
        log_group: None,
        starts: Starts::Automatic,
        fingerprint: "probe".to_owned(),
        revision: RevisionId::new("probe"),
        place: None,
    }
}

/// Hears nothing, and holds no keys.
struct Nobody;

impl LogSink for Nobody {
    fn write(&self, _line: LogLine) {}
}

impl Principals for Nobody {
    fn find(&self, _access_key_id: &str) -> Key {
        Key::Unknown
    }

    fn issue(&self, _function: &Function) -> Credentials {
        Credentials {
            access_key_id: String::new(),
            secret_access_key: String::new(),
            session_token: None,
        }
    }

    fn revoke(&self, _access_key_id: &str) {}
}
