//! Bind, build, serve: the only place where siblings meet.
//!
//! Lives here: every part of a running server, joined top to bottom, and its orderly end.
//! Does not live here: what any part does; when a project is loaded (`development`, `commands`).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use build::{Builder, BuilderConfig};
use deployment::Deployer;
use deployment::records::RecordProvider;
use gateway::application::ApplicationHandler;
use gateway::http::{Handler, Server as HttpServer, ServerLimits};
use gateway::service_door::{OwnPages, Parts as DoorParts, ServiceDoor, UnknownKeys};
use interfaces::clock::Clock;
use interfaces::invoke::Invoke;
use interfaces::principals::Principals;
use interfaces::random::Random;
use interfaces::resource_provider::ResourceProvider;
use interfaces::service::CloudService;
use invoker::{Invoker, InvokerLimits};
use model::application::Application;
use model::ids::AccountId;
use model::problem::Problem;
use runtimes::process::{ProcessRuntime, ProcessRuntimeConfig};
use store::Store;
use store_embedded::{OpenError, Sqlite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::development::marker::MarkerFile;
use crate::keys::RoleKeys;
use crate::pipeline::Pipeline;
use crate::system::{SystemClock, SystemRandom};
use crate::telemetry::Telemetry;
use crate::telemetry::install::InstallProgress;

/// What a server is built with.
pub struct Config {
    /// Where the state is kept.
    pub state: PathBuf,
    /// Where run-time packages are kept.
    pub cache: PathBuf,
    /// The user's environment.
    pub environment: BTreeMap<String, String>,
}

/// Bound listeners. Instances must know the services' address before anything that serves it exists.
pub struct Listeners {
    /// The applications' listener; none for a server that only runs functions.
    pub application: Option<TcpListener>,
    /// The cloud services' listener.
    pub services: TcpListener,
}

/// A server whose parts are joined.
pub struct Server {
    /// Loads projects.
    pub pipeline: Pipeline,
    /// Runs functions.
    pub invoker: Arc<Invoker>,
    gateway: Arc<ApplicationHandler>,
    door: Arc<ServiceDoor>,
    clock: Arc<dyn Clock>,
    /// Cancelled once the project is loaded.
    ready: CancellationToken,
    has_apis: bool,
    ports: (u16, u16),
    state: PathBuf,
    marker: MarkerFile,
}

/// Takes the ports; 0 takes any.
///
/// # Errors
/// A problem that names the port and the option that chooses another.
pub async fn bind(port: Option<u16>, services_port: u16) -> Result<Listeners, Box<Problem>> {
    let application = match port {
        Some(port) => Some(listen(port, "--port").await?),
        None => None,
    };
    Ok(Listeners {
        application,
        services: listen(services_port, "--services-port").await?,
    })
}

async fn listen(port: u16, option: &str) -> Result<TcpListener, Box<Problem>> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .await
        .map_err(|error| {
            let title = match error.kind() {
                std::io::ErrorKind::AddrInUse => format!("port {port} is in use"),
                _ => format!("cannot listen on port {port}"),
            };
            let other = port.checked_add(1).unwrap_or(8080);
            Box::new(
                Problem::error("server::port", title)
                    .because(error.to_string())
                    .help(format!(
                        "stop whoever uses it, or choose another: {option} {other}"
                    )),
            )
        })
}

impl Server {
    /// Joins all parts.
    ///
    /// # Errors
    /// A problem when the state cannot be opened.
    pub fn build(
        listeners: &Listeners,
        config: &Config,
        telemetry: Telemetry,
    ) -> Result<Self, Box<Problem>> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let account = AccountId::development();
        let services_port = listeners
            .services
            .local_addr()
            .map_or(0, |address| address.port());
        let port = listeners
            .application
            .as_ref()
            .and_then(|listener| listener.local_addr().ok())
            .map_or(0, |address| address.port());

        let store: Arc<dyn Store> = Arc::new(open_state(&config.state)?);
        let keys: Arc<dyn Principals> = Arc::new(RoleKeys::new(Arc::clone(&random)));

        let runtime = ProcessRuntime::new(ProcessRuntimeConfig {
            services_endpoint: format!("http://127.0.0.1:{services_port}"),
            principals: Arc::clone(&keys),
            logs: telemetry.logs,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            cache_dir: config.cache.clone(),
        })
        .map_err(|error| {
            Problem::error(
                "server::runtime",
                "functions cannot be started on this machine",
            )
            .because(error.to_string())
        })?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let invoker = Arc::new(Invoker::new(
            Arc::new(runtime),
            Arc::clone(&clock),
            InvokerLimits::for_cores(cores),
        ));

        let tables = service_tables::Service::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&random),
        );
        let functions = service_functions::Service::new(Arc::clone(&invoker) as Arc<dyn Invoke>);
        let providers: Vec<Arc<dyn ResourceProvider>> =
            vec![tables.provider(), Arc::new(RecordProvider::new())];
        let services: Vec<Arc<dyn CloudService>> = vec![Arc::new(tables), Arc::new(functions)];
        let unknown_keys = UnknownKeys::ActAsRoot {
            account: account.clone(),
        };
        let door = Arc::new(ServiceDoor::new(DoorParts {
            services,
            principals: keys,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            unknown_keys,
            own_pages: OwnPages::Shown,
        }));

        let gateway = Arc::new(ApplicationHandler::new(
            Arc::clone(&invoker) as Arc<dyn Invoke>,
            Arc::clone(&clock),
            Arc::clone(&random),
            telemetry.access_log,
            account,
        ));

        let deployer = Deployer::new(store, providers, Arc::clone(&random));
        let builder = Builder::new(
            BuilderConfig::new(&config.cache, &config.environment),
            Arc::new(InstallProgress::new()),
        );
        let pipeline = Pipeline::new(deployer, builder, Arc::clone(&clock));
        let marker = MarkerFile::new(&config.state);
        let state = config.state.clone();
        let (ready, has_apis, ports) = (
            CancellationToken::new(),
            listeners.application.is_some(),
            (port, services_port),
        );
        Ok(Self {
            pipeline,
            invoker,
            gateway,
            door,
            clock,
            ready,
            has_apis,
            ports,
            state,
            marker,
        })
    }

    /// The port of the APIs, and that of the services.
    #[must_use]
    pub fn ports(&self) -> (u16, u16) {
        self.ports
    }

    /// The state's folder.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Serves this revision from the next request on. The problems are routes that cannot be served.
    pub fn swap(&self, application: &Arc<Application>) -> Vec<Problem> {
        self.invoker.swap(application);
        if self.has_apis {
            self.marker.write(self.ports.1, application);
        }
        self.gateway.swap(application)
    }

    /// Health answers 200 from now on.
    pub fn set_ready(&self) {
        self.door.set_ready();
        self.ready.cancel();
    }

    /// Serves both listeners while `work` runs. Then ends in order: no more requests are taken, those under way are
    /// answered, instances end, and last the services that they call.
    ///
    /// Requests to the APIs wait until [`set_ready`](Self::set_ready).
    pub async fn serve<T>(&self, listeners: Listeners, work: impl Future<Output = T>) -> T {
        let (stop_apis, stop_services) = (CancellationToken::new(), CancellationToken::new());
        let (mut apis, mut services) = (JoinSet::new(), JoinSet::new());
        let door = Arc::clone(&self.door) as Arc<dyn Handler>;
        services.spawn(
            self.http_server()
                .serve(listeners.services, door, stop_services.clone()),
        );
        if let Some(listener) = listeners.application {
            let gateway = Arc::clone(&self.gateway) as Arc<dyn Handler>;
            let serve = self
                .http_server()
                .serve(listener, gateway, stop_apis.clone());
            let (ready, stop) = (self.ready.clone(), stop_apis.clone());
            apis.spawn(async move {
                tokio::select! {
                    () = ready.cancelled() => drop(serve.await),
                    () = stop.cancelled() => {}
                }
            });
        }
        let done = work.await;
        stop_apis.cancel();
        while apis.join_next().await.is_some() {}
        self.invoker.stop().await;
        stop_services.cancel();
        while services.join_next().await.is_some() {}
        done
    }

    fn http_server(&self) -> HttpServer {
        HttpServer::new(ServerLimits::default(), Arc::clone(&self.clock))
    }
}

/// Opens the state's folder, and has git ignore it.
fn open_state(folder: &Path) -> Result<Sqlite, Box<Problem>> {
    let failed = |cause: String| {
        Box::new(
            Problem::error(
                "server::state",
                format!("the state in `{}` cannot be opened", folder.display()),
            )
            .because(cause),
        )
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        std::fs::write(&ignore, "*\n").map_err(|error| failed(error.to_string()))?;
    }
    Sqlite::open(folder).map_err(|error| {
        let is_in_use = matches!(error, OpenError::InUse { .. });
        let problem = failed(error.to_string());
        if is_in_use { Box::new(problem.help("only one `cloudless dev` can serve a project: stop the other, or give this one --state DIR")) } else { problem }
    })
}
