//! The sandboxes that functions' processes run in.
//!
//! Lives here: making one for a process or a template, what is served inside it.
//! Does not live here: what lies beside the code (`beyond`), making one ahead (`spare`), what happens in it (`cell`),
//! how a process is locked in (`sandbox`), what of the host is shown (`shown`), how a function's folders look from
//! inside (`seen`).
//!
//! A template and its instances share one, which goes with the last of them. Every process that is not forked has one
//! of its own.

mod beyond;
mod bounds;
mod cell;
mod interpreters;
mod quarters;
mod seen;
mod shown;
mod spare;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use interfaces::BoxFuture;
use model::function::Function;
use sandbox::policy::{Policy, own_addresses};
use sandbox::{
    Confinement, Egress, Group, Landlock, Listen, MakeError, Maker, MakerProgram, OutsideIds, Plan,
    Resolver, ResourceLimit, Sandbox, Shown, SocketKind, Supervision,
};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::runtime_api;

use bounds::{Bounds, Keepers, Occupant, Rooms};
pub use bounds::{Clearing, LimitsKept, ProcessorTime};
pub(super) use cell::Cell;
pub(super) use quarters::Quarters;
pub(super) use seen::{INSIDE_BOOTSTRAP, seen};
pub(super) use spare::{Furnished, SpareCell};

/// Where the cloud's services answer inside besides the port that they have outside: code that names a port names this one.
const SERVICES_PORT: u16 = 4566;
const NAMES: &str = "127.0.0.1:53";
/// Where the cloud's own names lead: at [`sandbox::CLOUD_ADDRESS`].
const CLOUD_PLAIN: &str = "192.0.2.1:80";
const CLOUD_SECURE: &str = "192.0.2.1:443";
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
/// Signals and timers that wait. The kernel counts those of all functions together besides, and of an ordinary user
/// also those of the user's own programs: so none may take what there is. Instances of one template share these.
const SIGNALS_MAX: u64 = 4_096;

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
    /// Who must keep their limits.
    pub limits: LimitsKept,
    /// Serves the services inside.
    pub door: Arc<Door>,
    /// The port at which they answer outside, and inside too: addresses of queues and signed URLs hold on both sides.
    pub services_port: u16,
    /// Serves the cloud's own host names inside.
    pub cloud: Option<Cloud>,
    /// Folders of ours that may lie within a function's own: they are seen empty.
    pub hidden: Vec<PathBuf>,
    /// A folder of ours, in which there will be an empty one.
    pub cache_dir: PathBuf,
}

/// The cloud's own host names, which are ours inside.
pub struct Cloud {
    /// Suffixes of them: `amazonaws.com` is also every name below it.
    pub names: Vec<String>,
    /// Serves HTTP at them.
    pub plain: Arc<Door>,
    /// Serves HTTPS at them; without it nobody listens there.
    pub secure: Option<Secure>,
}

/// Who serves HTTPS at the cloud's own names.
pub struct Secure {
    /// It.
    pub door: Arc<Door>,
    /// What sandboxes are to trust for that.
    pub trust: Trust,
}

/// Files of certificates that functions trust. They are seen inside where they are.
#[derive(Debug, Clone)]
pub struct Trust {
    /// That by which the cloud's names are certified.
    pub authority: PathBuf,
    /// It, and all that the host trusts; none when it is not known what that is.
    pub roots: Option<PathBuf>,
}

/// This machine makes no sandboxes.
#[derive(Debug, thiserror::Error)]
pub enum WallsError {
    /// A thread or a descriptor was not to be had.
    #[error("functions' calls cannot be supervised")]
    Supervision(#[source] io::Error),
    /// The kernel does not keep all limits for us.
    #[error("the kernel does not limit what functions take of this machine: {0}")]
    Limits(String),
    /// The maker does not start, or its first sandbox failed.
    #[error(transparent)]
    Make(#[from] MakeError),
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
    services_port: u16,
    cloud: Option<Cloud>,
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
    keepers: Arc<Keepers>,
    last_id: AtomicU32,
}

#[derive(Clone)]
struct Confinements {
    of_template: Confinement,
    of_program: Confinement,
    scopes: u64,
}

impl Walls {
    /// Starts what makes sandboxes, and makes one to see that it can be done. To be called on the event loop that is to
    /// serve them.
    ///
    /// # Errors
    /// [`WallsError`]: this machine does not make them.
    pub fn raise(config: WallsConfig) -> Result<Self, WallsError> {
        let supervision = Supervision::start().map_err(WallsError::Supervision)?;
        let keepers = Keepers::here(config.processor_time, config.limits)?;
        let maker = Maker::start(&config.maker)?;
        let nothing = config.cache_dir.join("nothing");
        std::fs::create_dir_all(&nothing).map_err(|source| WallsError::Folder {
            path: nothing.clone(),
            source,
        })?;
        drop(maker.make(trial(config.services_port), &supervision)?);
        let upstream = std::fs::read_to_string("/etc/resolv.conf")
            .ok()
            .and_then(|text| sandbox::upstream_of(&text));
        Ok(Self {
            shared: Arc::new(Shared {
                maker,
                supervision,
                keepers: Arc::new(keepers),
                last_id: AtomicU32::new(0),
            }),
            door: config.door,
            services_port: config.services_port,
            resolver: Resolver::new(
                config.cloud.iter().flat_map(|cloud| cloud.names.clone()),
                upstream,
            ),
            cloud: config.cloud,
            policy: config.policy,
            hidden: config.hidden,
            nothing,
            confinement: Confinements::here(),
            handle: Handle::current(),
        })
    }

    /// What takes away, at the end, what is left of sandboxes.
    #[must_use]
    pub fn clearing(&self) -> Clearing {
        Clearing::of(&self.shared.keepers)
    }

    /// Makes a sandbox for a function.
    pub(super) async fn make(
        &self,
        function: &Function,
        bootstrap: Option<&Path>,
    ) -> Result<Arc<Cell>, CellError> {
        let mut listeners = self.listeners();
        if runtime_api::is_needed(function) {
            listeners.push(listen(RUNTIME_API, SocketKind::Stream));
        }
        let outside = self.shared.next_ids();
        let plan = Plan {
            shown: self.shown(function, bootstrap)?,
            tmp_bytes_max: tmp_bytes_max(function),
            ..plan(outside, listeners)
        };
        let shared = self.shared.clone();
        let made =
            tokio::task::spawn_blocking(move || shared.maker.make(plan, &shared.supervision));
        let mut sandbox = made.await.map_err(|_| CellError::Gone)??;
        let served = self.serve(|listen| sandbox.take_listener(listen));
        let served = served.map_err(CellError::Serve)?;
        Ok(self.settle(sandbox, served, self.policy_now(), function))
    }

    /// All that a function sees.
    fn shown(
        &self,
        function: &Function,
        bootstrap: Option<&Path>,
    ) -> Result<Vec<Shown>, CellError> {
        let mut shown = shown::of(function, bootstrap, &self.hidden, &self.nothing)?;
        shown.extend(self.trusted());
        Ok(shown)
    }

    fn trusted(&self) -> Vec<Shown> {
        let Some(trust) = self.trust() else {
            return Vec::new();
        };
        let files = [Some(&trust.authority), trust.roots.as_ref()];
        files.into_iter().flatten().map(Shown::in_place).collect()
    }

    /// What is listened at in every sandbox.
    fn listeners(&self) -> Vec<Listen> {
        let mut listeners = listeners(self.services_port);
        if self.cloud.is_some() {
            listeners.push(listen(CLOUD_PLAIN, SocketKind::Stream));
        }
        if self.trust().is_some() {
            listeners.push(listen(CLOUD_SECURE, SocketKind::Stream));
        }
        listeners
    }

    /// Makes a sandbox that function's.
    fn settle(
        &self,
        mut sandbox: Sandbox,
        served: JoinSet<()>,
        policy: Policy,
        function: &Function,
    ) -> Arc<Cell> {
        let egress = Egress::new(
            policy,
            sandbox.plan().listeners.clone(),
            self.handle.clone(),
        );
        sandbox.open_network(egress.clone());
        let (bounds, rooms) = (Bounds::of(function), Rooms::default());
        sandbox.meet_instances(Box::new({
            let (keepers, rooms) = (Arc::downgrade(&self.shared.keepers), rooms.clone());
            move |instance| {
                // It outlives us only for a call that is being answered.
                let keepers = keepers.upgrade().ok_or(io::ErrorKind::NotConnected)?;
                let group = match rooms.take_ahead() {
                    Some(group) => Some(group),
                    None => keepers
                        .group(bounds, Occupant::Instance)
                        .map_err(io::Error::other)?,
                };
                let entrance = group.as_ref().map(Group::entrance);
                if let Some(group) = group {
                    // It is made once.
                    let _ = rooms.place(instance).set(group);
                }
                Ok(entrance)
            }
        }));
        let runtime_api = sandbox.take_listener(listen(RUNTIME_API, SocketKind::Stream));
        Arc::new(Cell {
            sandbox,
            shared: self.shared.clone(),
            egress,
            confinement: self.confinement.clone(),
            bounds,
            rooms,
            handle: self.handle.clone(),
            runtime_api: Mutex::new(runtime_api.map(Into::into)),
            _served: Mutex::new(served),
        })
    }

    /// What functions are to trust, besides what they bring along.
    pub(super) fn trust(&self) -> Option<&Trust> {
        let secure = self.cloud.as_ref()?.secure.as_ref()?;
        Some(&secure.trust)
    }

    /// What functions may reach, with the addresses that the host has now: they come and go.
    fn policy_now(&self) -> Policy {
        Policy {
            own_addresses: own_addresses(),
            ..self.policy.clone()
        }
    }

    fn serve(&self, mut take: impl FnMut(Listen) -> Option<OwnedFd>) -> io::Result<JoinSet<()>> {
        let mut served = JoinSet::new();
        for listen in services(self.services_port) {
            let listener = take(listen);
            if let Some(listener) = listener {
                served.spawn_on((self.door)(listener.into()), &self.handle);
            }
        }
        if let Some(cloud) = &self.cloud {
            let secure = cloud.secure.as_ref();
            let secure = secure.map(|secure| (CLOUD_SECURE, &secure.door));
            for (address, door) in [Some((CLOUD_PLAIN, &cloud.plain)), secure]
                .into_iter()
                .flatten()
            {
                let listener = take(listen(address, SocketKind::Stream));
                if let Some(listener) = listener {
                    served.spawn_on(door(listener.into()), &self.handle);
                }
            }
        }
        let datagrams = take(listen(NAMES, SocketKind::Datagram));
        let connections = take(listen(NAMES, SocketKind::Stream));
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
        if !gives_ids() {
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
                (ResourceLimit::PendingSignals, SIGNALS_MAX),
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

fn trial(services_port: u16) -> Plan {
    Plan {
        name: "trial".to_owned(),
        shown: Vec::new(),
        tmp_bytes_max: 1 << 20,
        outside: None,
        listeners: listeners(services_port),
        own_names: Vec::new(),
    }
}

/// A sandbox that shows nothing yet.
fn plan(outside: Option<OutsideIds>, listeners: Vec<Listen>) -> Plan {
    Plan {
        name: "localhost".to_owned(),
        shown: Vec::new(),
        tmp_bytes_max: 0,
        outside,
        listeners,
        own_names: OWN_NAMES.map(str::to_owned).into(),
    }
}

/// Whether each sandbox has ids of its own: only root can give them.
fn gives_ids() -> bool {
    static GIVES: OnceLock<bool> = OnceLock::new();
    *GIVES.get_or_init(|| sandbox::gives_ids(OUTSIDE_IDS_FROM, OUTSIDE_IDS))
}

fn tmp_bytes_max(function: &Function) -> u64 {
    u64::from(function.ephemeral_storage_mb) << 20
}

fn listeners(services_port: u16) -> Vec<Listen> {
    let names = [SocketKind::Datagram, SocketKind::Stream].map(|kind| listen(NAMES, kind));
    services(services_port).chain(names).collect()
}

fn services(port: u16) -> impl Iterator<Item = Listen> {
    let ports = BTreeSet::from([port, SERVICES_PORT]);
    let hosts = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    let addresses = ports
        .into_iter()
        .flat_map(move |port| hosts.map(|host| SocketAddr::new(host, port)));
    addresses.map(|address| Listen {
        address,
        kind: SocketKind::Stream,
    })
}

fn listen(address: &str, kind: SocketKind) -> Listen {
    // The constants above are addresses.
    let address = address
        .parse()
        .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
    Listen { address, kind }
}
