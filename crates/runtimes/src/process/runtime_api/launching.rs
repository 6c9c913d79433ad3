//! Starting an instance that has a Runtime API.
//!
//! Lives here: the order of the steps: the API, the extensions, the runtime.
//! Does not live here: any of the steps; the init's limits and errors (`process`).
//!
//! Contract: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle", "Init phase": the
//! extensions start first, and the runtime once all of them have registered.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interfaces::runtime::StartError;
use model::function::{Contact, Function};

use super::entry::{self, Entry};
use super::extension::Extension;
use super::place::Place;
use super::session::Session;
use super::state::{EXTENSIONS_MAX, Failure, State};
use super::telemetry::Telemetry;
use super::{Companions, ShutdownReason, extensions};
use crate::process::child::Process;
use crate::process::environment::{self, Names};
use crate::process::exchange::InitFailure;
use crate::process::instance::{Beginning, Lineage, ProcessInstance};
use crate::process::keys::IssuedKeys;
use crate::process::launch::{self, Connection, Launch, LaunchError};
use crate::process::logs::Logs;
use crate::process::making::{Placed, Site};
use crate::process::{NotLaunched, ProcessRuntime, Source, failure, machine};

/// Extensions see the root of the file system when they start, as in the cloud.
const EXTENSION_DIRECTORY: &str = "/";
/// How often an executable is tried that is still open for writing, and how long is waited before it is tried again.
const BUSY_TRIES_MAX: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

impl ProcessRuntime {
    /// Starts the extensions and the runtime of an instance, and does not wait for the runtime's init.
    pub(in crate::process) async fn launch_with_api(
        &self,
        function: &Arc<Function>,
        source: Source<'_>,
        deadline: Instant,
    ) -> Result<ProcessInstance, NotLaunched> {
        let site = self.site(function).await?;
        let id = self.draw_id();
        let keys = Arc::new(IssuedKeys::issue(&self.parts.principals, function));
        let mut logs = Logs::new(&self.parts, function.clone(), id.clone());
        let place = Place::of(site.cell.as_ref()).await.map_err(not_served)?;
        let shown = place.shown.clone();
        let names = Names {
            runtime_api: Some(&shown),
            ..site.names(self.names(function, &id, &keys, source.initialization))
        };
        let contact = function.runtime.language.contact();
        let entry = match contact {
            Contact::Bootstrap => None,
            Contact::RuntimeApi => match find(function) {
                Ok(entry) => Some(entry),
                Err(failure) => return Err(refused(logs, &failure)),
            },
        };
        let mut companions = self.companions(function, place, contact);
        companions.tell_init_start(source.initialization.as_str(), id.as_str());
        logs.tell(companions.session().clone());
        let started = self.start_extensions(&site, &mut companions, &mut logs, (&names, deadline));
        match started.await? {
            Prelude::Done => {}
            Prelude::Failed(failure) => {
                let now = self.parts.clock.instant();
                let reason = ShutdownReason::Failure;
                companions.shut_down(reason, now, &mut logs).await;
                return Err(refused(logs, &failure));
            }
            Prelude::TimedOut => {
                let logs = Box::new(logs);
                let failure = InitFailure::TimedOut;
                return Err(NotLaunched::Failed { logs, failure });
            }
        }
        let placed = match self.start_runtime(&site, &names, entry).await? {
            Ok(placed) => placed,
            Err(failure) => return Err(refused(logs, &failure)),
        };
        let beginning = Beginning {
            logs,
            companions: Some(companions),
            keys,
        };
        let lineage = Lineage {
            undertaker: self.spawner.undertaker(),
            report: placed.report,
            quarters: placed.quarters,
        };
        Ok(self.attach(placed.launched, beginning, function, lineage)?)
    }

    fn companions(&self, function: &Arc<Function>, place: Place, contact: Contact) -> Companions {
        let session = Session::new(
            State::new(contact),
            function.clone(),
            self.random.clone(),
            Telemetry::new(self.parts.clock.clone(), place.network.clone()),
        );
        Companions::begin(place, Arc::new(session), self.parts.clone())
    }

    /// Starts the external extensions, and waits until all have registered.
    async fn start_extensions(
        &self,
        site: &Site<'_>,
        companions: &mut Companions,
        logs: &mut Logs,
        (names, deadline): (&Names<'_>, Instant),
    ) -> Result<Prelude, NotLaunched> {
        let paths = extensions(&companions.session.function);
        if paths.is_empty() {
            return Ok(Prelude::Done);
        }
        if EXTENSIONS_MAX < paths.len() {
            let text = format!("Extension limit ({EXTENSIONS_MAX}) reached");
            return Ok(Prelude::Failed(launch_failure(text)));
        }
        logs.begin_init();
        let (heard, output) = launch::pipe().map_err(not_served)?;
        logs.hear_extensions(heard).map_err(not_served)?;
        for path in paths {
            let started = self.start_extension(site, companions, path, (&output, names));
            if let Some(failure) = started.await? {
                return Ok(Prelude::Failed(failure));
            }
        }
        // The extensions hold it alone, so that its end is seen.
        drop(output);
        let mut registered = std::pin::pin!(companions.registered());
        let sleep = tokio::time::sleep_until(tokio::time::Instant::from_std(deadline));
        let mut sleep = std::pin::pin!(sleep);
        let prelude = loop {
            tokio::select! {
                biased;
                ended = &mut registered => break match ended {
                    Ok(()) => Prelude::Done,
                    Err(failure) => Prelude::Failed(failure),
                },
                () = &mut sleep => break Prelude::TimedOut,
                () = logs.pump() => {}
            }
        };
        Ok(prelude)
    }

    /// Gives what the service would say of an extension that cannot be started.
    async fn start_extension(
        &self,
        site: &Site<'_>,
        companions: &mut Companions,
        path: PathBuf,
        (output, names): (&OwnedFd, &Names<'_>),
    ) -> Result<Option<Failure>, NotLaunched> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.into_owned();
        let entry = Entry {
            shown: format!("/opt/extensions/{name}"),
            path,
        };
        let identifier = self.random.request_id().as_str().to_owned();
        let extension = Extension::external(name.clone(), identifier);
        let session = companions.session.clone();
        session.change(|state| state.extensions.push(extension));
        let launch = || {
            Ok(Launch {
                program: site.program(&entry),
                arguments: Vec::new(),
                variables: environment::of_extension(&site.seen, names),
                directory: EXTENSION_DIRECTORY.into(),
                connection: Connection::Shared(output.try_clone()?),
            })
        };
        let placed = match self.start_entry(site, &entry, launch).await? {
            Ok(placed) => placed,
            Err(failure) => return Ok(Some(launch_failure(failure.text))),
        };
        let undertaker = self.spawner.undertaker();
        let Placed {
            launched,
            report,
            quarters,
        } = placed;
        let process = Process::new(launched.pid, launched.pidfd, undertaker, report, quarters);
        companions.watch(name, process.map_err(not_served)?);
        Ok(None)
    }

    async fn start_runtime(
        &self,
        site: &Site<'_>,
        names: &Names<'_>,
        entry: Option<Entry>,
    ) -> Result<Result<Placed, Failure>, NotLaunched> {
        let Some(entry) = entry else {
            let launch = environment::launch(&site.seen, names).map_err(|error| machine(&error))?;
            return Ok(Ok(self.place_interpreter(launch, site).await?));
        };
        let launch = || {
            Ok(Launch {
                program: site.program(&entry),
                arguments: Vec::new(),
                variables: environment::variables(&site.seen, names),
                directory: site.seen.code_root.clone(),
                connection: Connection::Pipes,
            })
        };
        self.start_entry(site, &entry, launch).await
    }

    /// Starts an executable of the function's. What is wrong with the file is the function's fault, all else the
    /// machine's.
    async fn start_entry(
        &self,
        site: &Site<'_>,
        entry: &Entry,
        launch: impl Fn() -> io::Result<Launch>,
    ) -> Result<Result<Placed, Failure>, NotLaunched> {
        if let Some(failure) = entry.check().err().and_then(|it| entry.failure(&it)) {
            return Ok(Err(failure));
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.place(launch().map_err(not_served)?, site).await {
                Ok(placed) => return Ok(Ok(placed)),
                Err(error) => error,
            };
            let of_file = match &error {
                LaunchError::Spawn { source, .. } | LaunchError::NoInterpreter { source, .. } => {
                    Some(source)
                }
                LaunchError::NoDirectory { .. }
                | LaunchError::Pipes(_)
                | LaunchError::Busy
                | LaunchError::Inside(_)
                | LaunchError::Unwatched(_)
                | LaunchError::Unbounded(_)
                | LaunchError::Gone => None,
            };
            if tries < BUSY_TRIES_MAX && of_file.is_some_and(entry::is_busy) {
                tokio::time::sleep(BUSY_PAUSE).await;
                continue;
            }
            return match of_file.and_then(|source| entry.failure(source)) {
                Some(failure) => Ok(Err(failure)),
                None => Err(machine(&error).into()),
            };
        }
    }
}

impl Site<'_> {
    /// An executable as it is started: inside, it is where the cloud has it.
    fn program(&self, entry: &Entry) -> PathBuf {
        match &self.cell {
            Some(_) => PathBuf::from(&entry.shown),
            None => entry.path.clone(),
        }
    }
}

/// How the extensions came up.
enum Prelude {
    Done,
    Failed(Failure),
    TimedOut,
}

fn find(function: &Function) -> Result<Entry, Failure> {
    let entry = entry::find(function)?;
    match entry.check().err().and_then(|error| entry.failure(&error)) {
        Some(failure) => Err(failure),
        None => Ok(entry),
    }
}

fn launch_failure(text: String) -> Failure {
    Failure {
        error_type: "Extension.LaunchError",
        text,
    }
}

fn refused(logs: Logs, found: &Failure) -> NotLaunched {
    let payload = failure::of_platform(None, found.error_type, &found.text);
    NotLaunched::Failed {
        logs: Box::new(logs),
        failure: InitFailure::Said(payload),
    }
}

fn not_served(error: io::Error) -> NotLaunched {
    NotLaunched::Machine(StartError::Machine {
        reason: format!("could not serve the Runtime API of a new instance: {error}"),
    })
}
