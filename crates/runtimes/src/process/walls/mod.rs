//! The sandboxes that functions' processes run in.
//!
//! Lives here: making one for a process or a template, what is served inside it, clearing away what an instance left.
//! Does not live here: how a process is locked in (`sandbox`), what of the host is shown (`shown`), how a function's
//! folders look from inside (`seen`).
//!
//! A template and its instances share one, which goes with the last of them. Every process that is not forked has one
//! of its own.

mod bounds;
mod seen;
mod shown;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use interfaces::BoxFuture;
use model::function::{Function, Language};
use sandbox::policy::Policy;
use sandbox::{
    Confinement, Egress, EntryError, Home, Landlock, Listen, MakeError, Maker, MakerProgram,
    OutsideIds, Plan, Program, Resolver, ResourceLimit, Running, Sandbox, SocketKind, Supervision,
    SurplusDescriptors, Ticket,
};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::child;
use super::launch::{self, Launch, LaunchError};
use super::runtime_api;

pub use bounds::ProcessorTime;
use bounds::{Bounds, Keepers, Kept, Occupant, Rooms};
pub(super) use seen::{INSIDE_BOOTSTRAP, seen};

/// Where the cloud's services answer inside.
pub(super) const SERVICES_ENDPOINT: &str = "http://127.0.0.1:4566";
const SERVICES: [&str; 2] = ["127.0.0.1:4566", "[::1]:4566"];
const NAMES: &str = "127.0.0.1:53";
/// Where the Runtime API answers inside, as in the cloud.
pub(super) const RUNTIME_API: &str = "127.0.0.1:9001";
/// By what extensions name themselves.
///
/// Contract: AWS Lambda Developer Guide, "Lambda Telemetry API", "Creating a listener".
const OWN_NAMES: [&str; 2] = ["sandbox.localdomain", "sandbox"];

/// Open descriptors of an instance.
///
/// Contract: AWS Lambda Developer Guide, "Lambda quotas", "File descriptors".
const DESCRIPTORS_MAX: u64 = 1_024;
/// Processes and threads of an instance.
///
/// Contract: AWS Lambda Developer Guide, "Lambda quotas", "Execution processes/threads".
pub(super) const PROCESSES_MAX: u64 = 1_024;
/// Those of a template and all of its instances together, as far as they are not counted apart.
const PROCESSES_OF_TEMPLATE_MAX: u64 = 64 * 1_024;
const LOCKED_BYTES_MAX: u64 = 64 * 1_024;

/// The first id that is given to a function where root can do that, and how many there are. Nothing else has them.
///
/// Contract: systemd, "Users, Groups, UIDs and GIDs on systemd Systems": this range is unused.
const OUTSIDE_IDS_FROM: u32 = 1_879_048_192;
const OUTSIDE_IDS: u32 = 200_000_000;

/// Serves the cloud's services to one sandbox, on a socket inside it, until it is dropped.
pub type Door = dyn Fn(TcpListener) -> BoxFuture<'static, ()> + Send + Sync;

/// What sandboxes are made with.
pub struct WallsConfig {
    /// The program that makes them: our own, started again.
    pub maker: MakerProgram,
    /// What functions may reach outside.
    pub policy: Policy,
    /// How much of the processors they get.
    pub processor_time: ProcessorTime,
    /// Serves the services inside.
    pub door: Arc<Door>,
    /// Folders of ours that may lie within a function's own: they are seen empty.
    pub hidden: Vec<PathBuf>,
    /// A folder of ours, in which there will be an empty one.
    pub cache_dir: PathBuf,
}

/// This machine makes no sandboxes.
#[derive(Debug, thiserror::Error)]
pub enum WallsError {
    /// A thread or a descriptor was not to be had.
    #[error("functions' calls cannot be supervised")]
    Supervision(#[source] io::Error),
    /// The maker does not start, or its first sandbox failed.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// Functions have a `/tmp` of their own, so nothing of ours can be seen by them there.
    #[error("the cache folder `{}` lies in `/tmp`, of which every function has one of its own", .0.display())]
    InTmp(PathBuf),
    /// An empty folder could not be made.
    #[error("`{}` could not be made", path.display())]
    Folder {
        /// It.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// No sandbox for a function.
#[derive(Debug, thiserror::Error)]
pub(super) enum CellError {
    #[error(transparent)]
    Make(#[from] MakeError),
    #[error(transparent)]
    Shown(#[from] shown::ShownError),
    #[error("a socket inside the sandbox cannot be served")]
    Serve(#[source] io::Error),
    #[error("the thread that was to make the sandbox has ended")]
    Gone,
}

/// Makes sandboxes.
pub struct Walls {
    shared: Arc<Shared>,
    door: Arc<Door>,
    resolver: Arc<Resolver>,
    policy: Policy,
    hidden: Vec<PathBuf>,
    nothing: PathBuf,
    confinement: Confinements,
    handle: Handle,
}

struct Shared {
    maker: Maker,
    supervision: Supervision,
    keepers: Keepers,
    last_id: AtomicU32,
}

#[derive(Clone)]
struct Confinements {
    of_template: Confinement,
    of_program: Confinement,
    scopes: u64,
}

/// One sandbox, with what is served in it.
pub(super) struct Cell {
    sandbox: Sandbox,
    shared: Arc<Shared>,
    egress: Arc<Egress>,
    confinement: Confinements,
    bounds: Bounds,
    rooms: Rooms,
    handle: Handle,
    /// Of one with a Runtime API, until that is served.
    runtime_api: Mutex<Option<TcpListener>>,
    _served: Mutex<JoinSet<()>>,
}

impl Walls {
    /// Starts what makes sandboxes, and makes one to see that it can be done. To be called on the event loop that is to
    /// serve them.
    ///
    /// # Errors
    /// [`WallsError`]: this machine does not make them.
    pub fn raise(config: WallsConfig) -> Result<Self, WallsError> {
        let cache_dir = config.cache_dir.canonicalize();
        let cache_dir = cache_dir.unwrap_or_else(|_| config.cache_dir.clone());
        if cache_dir.starts_with("/tmp") {
            return Err(WallsError::InTmp(cache_dir));
        }
        let supervision = Supervision::start().map_err(WallsError::Supervision)?;
        let keepers = Keepers::here(config.processor_time).map_err(WallsError::Supervision)?;
        let maker = Maker::start(&config.maker)?;
        let nothing = cache_dir.join("nothing");
        std::fs::create_dir_all(&nothing).map_err(|source| WallsError::Folder {
            path: nothing.clone(),
            source,
        })?;
        drop(maker.make(trial(), &supervision)?);
        let upstream = std::fs::read_to_string("/etc/resolv.conf")
            .ok()
            .and_then(|text| sandbox::upstream_of(&text));
        Ok(Self {
            shared: Arc::new(Shared {
                maker,
                supervision,
                keepers,
                last_id: AtomicU32::new(0),
            }),
            door: config.door,
            resolver: Resolver::new([], upstream),
            policy: config.policy,
            hidden: config.hidden,
            nothing,
            confinement: Confinements::here(),
            handle: Handle::current(),
        })
    }

    /// Makes a sandbox for a function.
    pub(super) async fn make(
        &self,
        function: &Function,
        bootstrap: Option<&Path>,
    ) -> Result<Arc<Cell>, CellError> {
        let mut listeners = listeners();
        let has_api = runtime_api::is_needed(function);
        if has_api {
            listeners.push(listen(RUNTIME_API, SocketKind::Stream));
        }
        let plan = Plan {
            name: "localhost".to_owned(),
            shown: shown::of(function, bootstrap, &self.hidden, &self.nothing)?,
            tmp_bytes_max: u64::from(function.ephemeral_storage_mb) << 20,
            outside: self.shared.next_ids(),
            listeners,
            own_names: OWN_NAMES.map(str::to_owned).into(),
        };
        let shared = self.shared.clone();
        let made =
            tokio::task::spawn_blocking(move || shared.maker.make(plan, &shared.supervision));
        let mut sandbox = made.await.map_err(|_| CellError::Gone)??;
        let egress = Egress::new(
            self.policy.clone(),
            sandbox.plan().listeners.clone(),
            self.handle.clone(),
        );
        sandbox.open_network(egress.clone());
        let (bounds, rooms) = (Bounds::of(function), Rooms::default());
        sandbox.meet_instances(Box::new({
            let (shared, rooms) = (self.shared.clone(), rooms.clone());
            move |instance| {
                let group = shared.keepers.group(instance, bounds, Occupant::Instance);
                if let Some(group) = group.map_err(io::Error::other)? {
                    // It is made once.
                    let _ = rooms.place(instance).set(group);
                }
                Ok(())
            }
        }));
        let served = self.serve(&mut sandbox).map_err(CellError::Serve)?;
        let runtime_api = sandbox.take_listener(listen(RUNTIME_API, SocketKind::Stream));
        Ok(Arc::new(Cell {
            sandbox,
            shared: self.shared.clone(),
            egress,
            confinement: self.confinement.clone(),
            bounds,
            rooms,
            handle: self.handle.clone(),
            runtime_api: Mutex::new(runtime_api.map(Into::into)),
            _served: Mutex::new(served),
        }))
    }

    fn serve(&self, sandbox: &mut Sandbox) -> io::Result<JoinSet<()>> {
        let mut served = JoinSet::new();
        for address in SERVICES {
            let listener = sandbox.take_listener(listen(address, SocketKind::Stream));
            if let Some(listener) = listener {
                served.spawn_on((self.door)(listener.into()), &self.handle);
            }
        }
        let datagrams = sandbox.take_listener(listen(NAMES, SocketKind::Datagram));
        let connections = sandbox.take_listener(listen(NAMES, SocketKind::Stream));
        if let (Some(datagrams), Some(connections)) = (datagrams, connections) {
            let resolver = self.resolver.clone();
            let serving = async move {
                // A socket that cannot be watched answers nobody, which is what the function sees.
                let _ = resolver.serve(datagrams, connections).await;
            };
            served.spawn_on(serving, &self.handle);
        }
        Ok(served)
    }
}

impl Shared {
    /// Ids that no other living sandbox has.
    fn next_ids(&self) -> Option<OutsideIds> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let number = self.last_id.fetch_add(1, Ordering::Relaxed) % OUTSIDE_IDS;
        let id = OUTSIDE_IDS_FROM + number;
        Some(OutsideIds { uid: id, gid: id })
    }
}

impl Confinements {
    fn here() -> Self {
        let landlock = Landlock::of_version(sandbox::landlock_version());
        let with = |processes, descriptors| Confinement {
            limits: vec![
                (ResourceLimit::CoreBytes, 0),
                (ResourceLimit::OpenFiles, descriptors),
                (ResourceLimit::Processes, processes),
                (ResourceLimit::LockedBytes, LOCKED_BYTES_MAX),
                (ResourceLimit::QueueBytes, 0),
            ],
            landlock,
        };
        Self {
            of_template: with(PROCESSES_OF_TEMPLATE_MAX, DESCRIPTORS_MAX),
            of_program: with(PROCESSES_MAX, DESCRIPTORS_MAX),
            scopes: landlock.scoped,
        }
    }
}

fn trial() -> Plan {
    Plan {
        name: "trial".to_owned(),
        shown: Vec::new(),
        tmp_bytes_max: 1 << 20,
        outside: None,
        listeners: listeners(),
        own_names: Vec::new(),
    }
}

fn listeners() -> Vec<Listen> {
    let services = SERVICES.map(|address| listen(address, SocketKind::Stream));
    let names = [SocketKind::Datagram, SocketKind::Stream].map(|kind| listen(NAMES, kind));
    services.into_iter().chain(names).collect()
}

fn listen(address: &str, kind: SocketKind) -> Listen {
    // The constants above are addresses.
    let address = address
        .parse()
        .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
    Listen { address, kind }
}

impl Cell {
    /// By what a fork of its template becomes an instance.
    pub(super) fn scopes(&self) -> u64 {
        self.confinement.scopes
    }

    /// Lets a fork of a base in. Node.js keeps its event loop's descriptors, and makes them its own before.
    pub(super) fn ticket(&self, language: Language) -> Result<Ticket, EntryError> {
        let surplus = match language {
            Language::Python => SurplusDescriptors::Closed,
            Language::Node => SurplusDescriptors::Checked,
            // Nothing of theirs is forked.
            Language::Provided | Language::Go => SurplusDescriptors::Closed,
        };
        self.sandbox.ticket(&self.confinement.of_template, surplus)
    }

    /// Lets one more fork of a template become an instance.
    pub(super) fn expect_instance(&self, template: i32) -> Result<(), EntryError> {
        self.sandbox.expect_instance(template)
    }

    /// What the Runtime API is to be served on. Once.
    pub(super) fn take_runtime_api(&self) -> Option<TcpListener> {
        let listener = self.runtime_api.lock();
        listener.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A socket for a connection to a listener inside.
    pub(super) async fn connector(self: &Arc<Self>) -> io::Result<OwnedFd> {
        let cell = self.clone();
        let made = tokio::task::spawn_blocking(move || cell.sandbox.connector()).await?;
        made.map_err(io::Error::other)
    }

    /// Runs a program inside.
    pub(super) async fn execute(
        self: &Arc<Self>,
        launch: Launch,
    ) -> Result<(Running, launch::Ends), LaunchError> {
        let (ours, given) = launch::connect(&launch.connection).map_err(LaunchError::Pipes)?;
        let cell = self.clone();
        let running = tokio::task::spawn_blocking(move || {
            let nothing = OwnedFd::from(File::open("/dev/null").map_err(LaunchError::Pipes)?);
            let mut descriptors = vec![nothing, given.stdout, given.stderr];
            descriptors.extend(given.channel);
            let program = program(&launch);
            let confinement = &cell.confinement.of_program;
            let running = cell.sandbox.execute(&program, confinement, &descriptors);
            running.map_err(|error| match error {
                EntryError::Execute(source) => LaunchError::Spawn {
                    program: launch.program,
                    source,
                },
                error => LaunchError::Inside(error),
            })
        });
        let running = running.await.map_err(|_| LaunchError::Gone)?;
        Ok((running?, ours))
    }

    /// Puts a process into a group of its own, and has its memory looked at.
    pub(super) fn bound(&self, pid: i32, pidfd: &OwnedFd) -> io::Result<Kept> {
        let keepers = &self.shared.keepers;
        let group = match keepers.group(pid, self.bounds, Occupant::Init) {
            Ok(group) => group,
            // One that has ended takes nothing any more.
            Err(_) if child::has_ended(pidfd) => None,
            Err(error) => return Err(io::Error::other(error)),
        };
        let place = group.map(OnceLock::from).unwrap_or_default();
        let pidfd = pidfd.try_clone()?;
        Ok(keepers.keep(pid, pidfd, self.bounds, Arc::new(place)))
    }

    /// As [`Self::bound`], of an instance, which is put into its group before it goes on: that may be after this.
    pub(super) fn bound_instance(&self, pid: i32, pidfd: &OwnedFd) -> io::Result<Kept> {
        let place = self.rooms.place(pid);
        let keepers = &self.shared.keepers;
        Ok(keepers.keep(pid, pidfd.try_clone()?, self.bounds, place))
    }

    /// Ends what an instance has left behind, without waiting for it.
    fn sweep(self: &Arc<Self>, instance: i32) {
        self.rooms.forget(instance);
        let cell = self.clone();
        let sweeping = self.handle.spawn_blocking(move || {
            if cell.sandbox.sweep(instance).is_err() {
                // It makes processes faster than they can be ended: then all of them end.
                let nanny = cell.sandbox.nanny();
                let _ = rustix::process::pidfd_send_signal(nanny, rustix::process::Signal::KILL);
            }
        });
        drop(sweeping);
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.egress.close();
    }
}

fn program(launch: &Launch) -> Program {
    let mut arguments = vec![OsString::from(&launch.program)];
    arguments.extend(launch.arguments.iter().cloned());
    let variables = launch.variables.iter().map(|(name, value)| {
        let mut variable = name.clone();
        variable.push("=");
        variable.push(value);
        variable
    });
    Program {
        path: launch.program.clone(),
        arguments,
        variables: variables.collect(),
        directory: launch.directory.clone(),
        // Extensions run beside the runtime, as its own processes do.
        home: Home::Shared,
    }
}

/// A process's place in a sandbox, which it keeps.
pub(super) struct Quarters {
    cell: Arc<Cell>,
    /// Of an instance among others: what it leaves is its own to be cleared away.
    instance: Mutex<Option<i32>>,
    kept: Option<Kept>,
}

impl Quarters {
    /// Of a process that has the sandbox to itself, or of a template.
    pub(super) fn whole(cell: Arc<Cell>, kept: Option<Kept>) -> Self {
        Self {
            cell,
            instance: Mutex::default(),
            kept,
        }
    }

    /// Of an instance that was forked from a template.
    pub(super) fn shared(cell: Arc<Cell>, instance: i32, kept: Kept) -> Self {
        Self {
            cell,
            instance: Mutex::new(Some(instance)),
            kept: Some(kept),
        }
    }

    /// Whether it was killed for having taken more memory than it may.
    pub(super) fn was_out_of_memory(&self) -> bool {
        self.kept.as_ref().is_some_and(Kept::was_out_of_memory)
    }

    /// Gives it the processor time of an instance: to be called when its init is done.
    pub(super) fn ration(&self) {
        if let Some(kept) = &self.kept {
            kept.ration();
        }
    }

    /// The most memory that it and its children are known to have had at once, in bytes, of which so much was seen.
    pub(super) fn memory_peak_bytes(&self, seen: u64) -> u64 {
        let kept = self.kept.as_ref();
        kept.map_or(seen, |kept| kept.memory_peak_bytes(seen))
    }

    pub(super) fn cell(&self) -> &Arc<Cell> {
        &self.cell
    }

    /// To be called when the process has ended.
    pub(super) fn clear(&self) {
        let instance = self
            .instance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(instance) = instance {
            self.cell.sweep(instance);
        }
    }
}

impl Drop for Quarters {
    fn drop(&mut self) {
        self.clear();
    }
}
