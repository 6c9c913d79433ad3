//! Python and Node.js functions, each instance a process of its own.
//!
//! Lives here: starting an instance: keys, environment, launch, init.
//! Does not live here: how a process comes to be (`launch`), how an instance is spoken to (`instance`, `link`), what
//! runs inside it (`bootstrap`).

mod alarm;
mod bootstrap;
mod child;
mod environment;
mod failure;
mod instance;
mod launch;
mod link;
mod logs;
mod report;
mod system;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::clock::Clock;
use interfaces::log_sink::LogSink;
use interfaces::principals::Principals;
use interfaces::random::Random;
use interfaces::runtime::{Runtime, StartError, Started};
use model::function::Function;
use model::ids::InstanceId;
use model::limits::LAMBDA_INIT_MAX;

use bootstrap::Bootstraps;
use instance::{InitEnd, ProcessInstance};
use launch::Spawner;

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
/// Differs: between two events an instance's event loop stands still, but its other threads are not frozen; and a
/// function's code sees the folders of this machine where the cloud shows `/var/task` and `/opt`.
#[expect(
    clippy::module_name_repetitions,
    reason = "other kinds of runtimes will stand beside it"
)]
pub struct ProcessRuntime {
    services_endpoint: String,
    parts: Parts,
    random: Arc<dyn Random>,
    bootstraps: Bootstraps,
    spawner: Spawner,
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
            spawner,
        })
    }

    /// One start: at first within the init phase, whose limit is fixed; when that has passed, once more within the
    /// function's own timeout, as the cloud repeats the init inside the invocation.
    ///
    /// Contract: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle", "Init phase".
    async fn start_instance(&self, function: Arc<Function>) -> Result<Started, StartError> {
        match self
            .try_start(&function, report::Phase::Init, LAMBDA_INIT_MAX)
            .await?
        {
            Attempt::Started(started) => return Ok(*started),
            Attempt::TimedOut { .. } => {}
        }
        match self
            .try_start(&function, report::Phase::Invoke, function.timeout)
            .await?
        {
            Attempt::Started(started) => Ok(*started),
            Attempt::TimedOut { log_tail } => Err(StartError::Init {
                payload: failure::timed_out(None, function.timeout),
                log_tail,
            }),
        }
    }

    async fn try_start(
        &self,
        function: &Arc<Function>,
        phase: report::Phase,
        init_max: Duration,
    ) -> Result<Attempt, StartError> {
        let began_at = self.parts.clock.instant();
        let mut instance = self.launch(function).await?;
        instance.log_init_start();
        let end = instance.init(began_at + init_max).await;
        let init = self.since(began_at);
        let refused = match end {
            InitEnd::Ready => {
                return Ok(Attempt::Started(Box::new(Started {
                    instance: Box::new(instance),
                    init,
                })));
            }
            InitEnd::TimedOut => {
                let log_tail = instance.log_init_report(init, phase, report::InitStatus::Timeout);
                return Ok(Attempt::TimedOut { log_tail });
            }
            InitEnd::Failed { payload } => payload,
            InitEnd::Exited(exit) => failure::exited(None, exit),
        };
        let error_type = failure::error_type(&refused);
        let log_tail =
            instance.log_init_report(init, phase, report::InitStatus::Error(&error_type));
        Err(StartError::Init {
            payload: refused,
            log_tail,
        })
    }

    async fn launch(&self, function: &Arc<Function>) -> Result<ProcessInstance, StartError> {
        let machine = |reason: String| StartError::Machine { reason };
        let mut drawn = [0_u8; 16];
        self.random.fill(&mut drawn);
        let id = InstanceId::new(hex::encode(drawn));
        let keys = instance::IssuedKeys::issue(&self.parts.principals, function);
        let names = environment::Names {
            instance: &id,
            now: self.parts.clock.now(),
            services_endpoint: &self.services_endpoint,
            credentials: keys.credentials(),
            bootstrap: self.bootstraps.folder(function.runtime.language),
        };
        let launch = environment::launch(function, &names).map_err(|error| {
            machine(format!("a folder of the function cannot be named: {error}"))
        })?;
        let launched = self
            .spawner
            .launch(launch)
            .await
            .map_err(|error| machine(describe(&error)))?;
        ProcessInstance::attach(
            launched,
            id,
            function.clone(),
            keys,
            self.parts.clone(),
            self.spawner.undertaker(),
        )
        .map_err(|error| machine(format!("could not watch the new process: {error}")))
    }

    fn since(&self, earlier: Instant) -> Duration {
        self.parts
            .clock
            .instant()
            .saturating_duration_since(earlier)
    }
}

enum Attempt {
    Started(Box<Started>),
    TimedOut { log_tail: Bytes },
}

impl Runtime for ProcessRuntime {
    fn start(&self, function: Arc<Function>) -> BoxFuture<'_, Result<Started, StartError>> {
        Box::pin(self.start_instance(function))
    }

    fn retire(&self, _function: &Function) {
        // Nothing is kept ahead of a start yet: every instance is a process started for itself.
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
