//! Functions, each instance a process of its own.
//!
//! Lives here: starting an instance: launch, init.
//! Does not live here: how a process comes to be (`launch`: spawned, `zygote`: forked), how an instance is spoken to
//! (`instance`, `link`), what runs inside it (`bootstrap`).

mod alarm;
mod bootstrap;
mod child;
mod environment;
mod exchange;
mod failure;
mod files;
mod grave;
mod instance;
mod intake;
mod keys;
mod launch;
mod line;
mod link;
mod logs;
mod making;
mod memory_peak;
mod pressing;
pub mod probe;
mod recent;
mod report;
mod runtime_api;
mod spawning;
mod system;
mod walls;
mod zygote;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::clock::Clock;
use interfaces::log_sink::LogSink;
use interfaces::principals::Principals;
use interfaces::random::Random;
use interfaces::runtime::{Initialization, Runtime, StartError, StartWay, Started};
use model::function::{Contact, Function, Starts};
use model::ids::InstanceId;
use model::limits::LAMBDA_INIT_MAX;

use bootstrap::Bootstraps;
use exchange::{InitEnd, InitFailure};
use instance::{Beginning, Lineage, ProcessInstance};
use keys::IssuedKeys;
use launch::{Launched, Spawner};
use logs::Logs;
pub use walls::{
    Clearing, Cloud, Door, LimitsKept, ProcessorTime, Secure, Trust, Walls, WallsConfig, WallsError,
};
use zygote::{Ahead, Base, Bases, Templates};

/// What the runtime is made of.
#[expect(
    clippy::module_name_repetitions,
    reason = "other kinds of runtimes will stand beside it"
)]
pub struct ProcessRuntimeConfig {
    /// Where the cloud's services answer, as `http://127.0.0.1:4566`: instances see it as `AWS_ENDPOINT_URL`.
    pub services_endpoint: String,
    /// Hands out the keys of execution roles.
    pub principals: Arc<dyn Principals>,
    /// Takes what functions write, and the platform's lines.
    pub logs: Arc<dyn LogSink>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where instance ids come from.
    pub random: Arc<dyn Random>,
    /// A folder of ours, into which the bootstraps are unpacked.
    pub cache_dir: PathBuf,
}

/// The runtime could not be made.
#[expect(
    clippy::module_name_repetitions,
    reason = "other kinds of runtimes will stand beside it"
)]
#[derive(Debug, thiserror::Error)]
pub enum ProcessRuntimeError {
    /// A bootstrap could not be written.
    #[error("could not unpack the runtimes' bootstraps into `{}`", path.display())]
    Unpack {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The thread that starts processes did not start.
    #[error("could not start the thread that starts functions' processes")]
    Spawner(#[source] std::io::Error),
}

/// Runs Python and Node.js functions in processes of their own, as AWS Lambda's managed runtimes do.
///
/// Contract: AWS Lambda Developer Guide, "Building with Node.js", "Building with Python", "Lambda runtime
/// environment".
/// Differs: between two events an instance's event loop stands still, but its other threads are not frozen; and without
/// walls a function's code sees the folders of this machine where the cloud shows `/var/task` and `/opt`.
#[expect(
    clippy::module_name_repetitions,
    reason = "other kinds of runtimes will stand beside it"
)]
pub struct ProcessRuntime {
    services_endpoint: String,
    parts: Parts,
    random: Arc<dyn Random>,
    bootstraps: Bootstraps,
    not_forked: Box<NotForked>,
    /// None: functions run as any program of this machine.
    walls: Option<Arc<Walls>>,
    /// None: every interpreter is taken to be one that can be forked.
    probed: Option<probe::Known>,
    // Templates before bases, and all before the thread that started them.
    ahead: Ahead,
    templates: Templates,
    bases: Bases,
    spawner: Spawner,
}

/// Is told which version of a function is not forked, and why. It must not wait.
pub type NotForked = dyn Fn(&Function, &str) + Send + Sync;

/// Why instances of this function are started one by one, as far as that can be told without running it; none when they
/// are forked if its init allows it, and when it asks for nothing else.
#[must_use]
pub fn forking_obstacle(function: &Function) -> Option<String> {
    match (function.runtime.language.contact(), function.starts) {
        (Contact::Bootstrap, Starts::Automatic | Starts::Forked) => {
            zygote::needs_own_process(function)
        }
        (Contact::RuntimeApi, Starts::Forked) => {
            Some("its code is an executable, in which nothing of ours runs".to_owned())
        }
        (Contact::Bootstrap, Starts::Spawned)
        | (Contact::RuntimeApi, Starts::Automatic | Starts::Spawned) => None,
    }
}

/// What every instance shares with its runtime.
#[derive(Clone)]
struct Parts {
    principals: Arc<dyn Principals>,
    logs: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
}

impl ProcessRuntime {
    /// Unpacks the bootstraps and starts the thread from which all processes are started.
    ///
    /// # Errors
    /// [`ProcessRuntimeError`]: the cache folder cannot be written, or no thread can be made.
    pub fn new(config: ProcessRuntimeConfig) -> Result<Self, ProcessRuntimeError> {
        let bootstraps = Bootstraps::unpack(&config.cache_dir)?;
        let spawner = Spawner::start().map_err(ProcessRuntimeError::Spawner)?;
        Ok(Self {
            services_endpoint: config.services_endpoint,
            parts: Parts {
                principals: config.principals,
                logs: config.logs,
                clock: config.clock,
            },
            random: config.random,
            bootstraps,
            not_forked: Box::new(|_function, _why| {}),
            walls: None,
            probed: None,
            ahead: Ahead::default(),
            templates: Templates::default(),
            bases: Bases::default(),
            spawner,
        })
    }

    /// Tells `listener`, too, what a function's log is told once: that its instances are started one by one, and why.
    #[must_use]
    pub fn telling(mut self, listener: Box<NotForked>) -> Self {
        self.not_forked = listener;
        self
    }

    /// Locks every function's processes in, whatever language they speak, and its extensions with them.
    #[must_use]
    pub fn within(mut self, walls: Walls) -> Self {
        self.walls = Some(Arc::new(walls));
        self
    }

    /// Forks only interpreters that pass this prober's checks; the others' functions are spawned.
    #[must_use]
    pub fn probing(mut self, prober: probe::Prober) -> Self {
        self.probed = Some(probe::Known::new(prober));
        self
    }

    async fn start_instance(
        &self,
        function: Arc<Function>,
        initialization: Initialization,
    ) -> Result<Started, StartError> {
        if may_fork(&function) {
            return self.start_forked(&function, initialization).await;
        }
        let began_at = self.parts.clock.instant();
        let instance = self.start_spawned(&function, initialization).await?;
        Ok(Started {
            instance: Box::new(instance),
            init: self.since(began_at),
            way: StartWay::Spawned,
        })
    }

    /// One init: at first within the init phase, whose limit is fixed; when that has passed, once more within the
    /// function's own timeout, as the cloud repeats the init inside the invocation.
    ///
    /// Contract: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle", "Init phase".
    async fn start_within_limits(
        &self,
        function: &Arc<Function>,
        source: Source<'_>,
    ) -> Result<Ready, StartError> {
        let first = self.try_start(function, source, report::Phase::Init, LAMBDA_INIT_MAX);
        match first.await? {
            Attempt::Ready(ready) => return Ok(*ready),
            Attempt::TimedOut { .. } => {}
        }
        let second = self.try_start(function, source, report::Phase::Invoke, function.timeout);
        match second.await? {
            Attempt::Ready(ready) => Ok(*ready),
            Attempt::TimedOut { log_tail } => Err(Self::timed_out(function.timeout, log_tail)),
        }
    }

    fn timed_out(limit: Duration, log_tail: Bytes) -> StartError {
        StartError::Init {
            payload: failure::timed_out(None, limit),
            log_tail,
        }
    }

    async fn try_start(
        &self,
        function: &Arc<Function>,
        source: Source<'_>,
        phase: report::Phase,
        init_max: Duration,
    ) -> Result<Attempt, StartError> {
        let began_at = self.parts.clock.instant();
        let deadline = began_at + init_max;
        let mut instance = match self.launch(function, source, deadline).await {
            Ok(instance) => instance,
            Err(NotLaunched::Machine(error)) => return Err(error),
            Err(NotLaunched::Failed { mut logs, failure }) => {
                logs.begin_init();
                return Self::conclude_failed(&mut logs, failure, self.since(began_at), phase);
            }
        };
        instance.log_init_start();
        let end = instance.init(deadline).await;
        Self::conclude(instance, end, self.since(began_at), phase)
    }

    fn conclude(
        mut instance: ProcessInstance,
        end: InitEnd,
        init: Duration,
        phase: report::Phase,
    ) -> Result<Attempt, StartError> {
        let ready = |instance, fitness| Ok(Attempt::Ready(Box::new(Ready { instance, fitness })));
        match end {
            InitEnd::Ready { despite } if despite.is_empty() => ready(instance, Fitness::Fit),
            InitEnd::Ready { despite } => ready(instance, Fitness::ForkedAnyway(despite)),
            InitEnd::Unfit { reasons } => ready(instance, Fitness::Unfit(reasons)),
            InitEnd::Failed(failure) => {
                Self::conclude_failed(instance.logs(), failure, init, phase)
            }
        }
    }

    fn conclude_failed(
        logs: &mut Logs,
        failure: InitFailure,
        init: Duration,
        phase: report::Phase,
    ) -> Result<Attempt, StartError> {
        let payload = match failure {
            InitFailure::TimedOut => {
                let log_tail = logs.end_init(init, phase, report::InitStatus::Timeout);
                return Ok(Attempt::TimedOut { log_tail });
            }
            InitFailure::Said(payload) => payload,
            InitFailure::Exited(exit) => failure::exited(None, exit),
        };
        let error_type = failure::error_type(&payload);
        let status = report::InitStatus::Error(&error_type);
        let log_tail = logs.end_init(init, phase, status);
        Err(StartError::Init { payload, log_tail })
    }

    fn attach(
        &self,
        launched: Launched,
        beginning: Beginning,
        function: &Arc<Function>,
        lineage: Lineage,
    ) -> Result<ProcessInstance, StartError> {
        let function = function.clone();
        ProcessInstance::attach(launched, beginning, function, self.parts.clone(), lineage).map_err(
            |error| StartError::Machine {
                reason: format!("could not watch the new process: {error}"),
            },
        )
    }

    /// What the environment of an instance names, without a Runtime API.
    fn names<'a>(
        &'a self,
        function: &Function,
        instance: &'a InstanceId,
        keys: &'a IssuedKeys,
        initialization: Initialization,
    ) -> environment::Names<'a> {
        environment::Names {
            instance,
            now: self.parts.clock.now(),
            initialization,
            services_endpoint: &self.services_endpoint,
            credentials: keys.credentials(),
            bootstrap: self.bootstraps.folder(function.runtime.language),
            runtime_api: None,
            trust: self.trust(),
        }
    }

    fn trust(&self) -> Option<&Trust> {
        self.walls.as_ref().and_then(|walls| walls.trust())
    }

    fn draw_id(&self) -> InstanceId {
        let mut drawn = [0_u8; 16];
        self.random.fill(&mut drawn);
        InstanceId::new(hex::encode(drawn))
    }

    fn since(&self, earlier: Instant) -> Duration {
        self.parts
            .clock
            .instant()
            .saturating_duration_since(earlier)
    }
}

/// What a process is made from, and why.
#[derive(Clone, Copy)]
struct Source<'a> {
    /// What it is forked from, with the interpreter in it; none: the interpreter is started.
    base: Option<&'a Arc<Base>>,
    initialization: Initialization,
}

impl Source<'_> {
    fn nothing(initialization: Initialization) -> Self {
        Self {
            base: None,
            initialization,
        }
    }
}

/// There is no process whose init could be waited for.
enum NotLaunched {
    /// This machine could not start it.
    Machine(StartError),
    /// By the function's own fault, as its log is told.
    Failed {
        logs: Box<Logs>,
        failure: InitFailure,
    },
}

impl From<StartError> for NotLaunched {
    fn from(error: StartError) -> Self {
        Self::Machine(error)
    }
}

/// How an init went.
enum Attempt {
    Ready(Box<Ready>),
    TimedOut { log_tail: Bytes },
}

/// A process that has done its function's init.
struct Ready {
    instance: ProcessInstance,
    fitness: Fitness,
}

/// Whether a process may be forked after its init.
enum Fitness {
    Fit,
    /// It is parked to be forked, as its function asks for, in spite of what its init left behind.
    ForkedAnyway(Vec<String>),
    /// It serves as an instance, for these reasons.
    Unfit(Vec<String>),
}

impl Runtime for ProcessRuntime {
    fn start(
        &self,
        function: Arc<Function>,
        initialization: Initialization,
    ) -> BoxFuture<'_, Result<Started, StartError>> {
        Box::pin(self.start_instance(function, initialization))
    }

    fn prepare(&self, functions: Vec<Arc<Function>>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            for function in functions.iter().filter(|function| may_fork(function)) {
                self.prepare_base(function).await;
            }
        })
    }

    fn retire(&self, function: &Function) {
        self.ahead.retire(function);
        self.templates.retire(function);
    }
}

/// Whether instances of this function are forks, if nothing hinders that.
fn may_fork(function: &Function) -> bool {
    match (function.runtime.language.contact(), function.starts) {
        (Contact::Bootstrap, Starts::Automatic | Starts::Forked) => true,
        (Contact::Bootstrap, Starts::Spawned) => false,
        // There is no process of ours that could be forked.
        (Contact::RuntimeApi, Starts::Automatic | Starts::Forked | Starts::Spawned) => false,
    }
}

fn machine(error: &dyn std::error::Error) -> StartError {
    StartError::Machine {
        reason: describe(error),
    }
}

/// An error with its chain of causes, in one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
