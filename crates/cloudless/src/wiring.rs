//! Bind, build, serve: the only place where siblings meet.
//!
//! Lives here: every part of a running server, joined top to bottom, and its orderly end.
//! Does not live here: what any part does, making those that take more than a line (`parts`), taking ports (`listeners`); when
//! a project is loaded (`development`, `commands`).

mod listeners;
mod parts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deployment::Deployer;
use event_delivery::Delivery;
use gateway::application::ApplicationHandler;
use gateway::http::{Handler, HostForm, Server as HttpServer, ServerLimits};
use gateway::service_door::ServiceDoor;
use interfaces::clock::Clock;
use interfaces::invoke::Invoke;
use interfaces::random::Random;
use interfaces::service::CloudService;
use invoker::Invoker;
use model::application::Application;
use model::problem::Problem;
use runtimes::process::Clearing;
use sandbox::policy::Claim;
use store::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use listeners::{Listeners, bind};

pub(crate) use listeners::listen;

use parts::{
    builder, claim, delivery, doors, functions, invoker, locked_in, not_code, runtime, shared,
    signers,
};

use crate::balancers::{Balancers, Balancing};
use crate::development::marker::Published;
use crate::engines;
use crate::forking::Findings;
use crate::front;
use crate::issuer::Signer;
use crate::made_by_api;
use crate::packages::Archives;
use crate::pipeline::{Loaded, Pipeline, PipelineParts};
use crate::services::Services;
use crate::serving::Serving;
use crate::settings::{self};
use crate::system::{RealClock, RealRandom};
use crate::telemetry::{self, Telemetry};
use crate::walls::InnerDoor;
use crate::{processors, state};

/// What a server is built with.
pub struct Config {
    /// Where the state is kept.
    pub state: PathBuf,
    /// Where run-time packages are kept.
    pub cache: PathBuf,
    /// The user's environment.
    pub environment: BTreeMap<String, String>,
    /// Files and folders of the server's own that may lie in the project: no code, and not watched.
    pub ours: Vec<PathBuf>,
    /// What is said of the project in `cloudless.toml`, which is no code either, but watched.
    pub settings_file: PathBuf,
    /// What that file says of limits.
    pub limits: settings::Limits,
    /// What it says of sandboxes.
    pub sandbox: settings::Sandbox,
    /// Proxies whose word on a request's source is believed.
    pub trusted_proxies: Vec<gateway::AddressRange>,
    /// What new buckets let in.
    pub buckets: service_objects::NewBuckets,
    /// What becomes of the throughput that is provisioned for tables.
    pub throughput: service_tables::Throughput,
    /// What is carried out elsewhere.
    pub engines: Vec<settings::Engine>,
    /// Where load balancers are found.
    pub balancing: Balancing,
}

/// What is to be cleared of sandboxes at the end; or why functions are not locked in.
type LockedIn = Result<Arc<Clearing>, String>;

/// A server whose parts are joined.
pub struct Server {
    /// Loads projects.
    pub pipeline: Pipeline,
    /// Runs functions.
    pub invoker: Arc<Invoker>,
    services: Services,
    functions: Arc<service_functions::Service>,
    delivery: Delivery,
    gateway: Arc<ApplicationHandler>,
    balancers: Arc<Balancers>,
    door: Arc<ServiceDoor>,
    inner_door: InnerDoor,
    clock: Arc<dyn Clock>,
    /// Cancelled once the project is loaded.
    ready: CancellationToken,
    has_apis: bool,
    /// Whether the APIs speak TLS, and the file of the authority that has to be trusted for that.
    secured: Option<Option<PathBuf>>,
    ports: (u16, u16),
    websocket_port: Option<u16>,
    ours: Vec<PathBuf>,
    marker: Published,
    findings: Findings,
    locked_in: LockedIn,
    state: PathBuf,
    serving: Serving,
    /// Says to others like us which ports are ours; none where that cannot be said.
    _claim: Option<Claim>,
}

/// The machine's own.
fn clock_and_random() -> (Arc<dyn Clock>, Arc<dyn Random>) {
    (Arc::new(RealClock), Arc::new(RealRandom::default()))
}

impl Server {
    /// Joins all parts.
    ///
    /// # Errors
    /// A problem when the state cannot be opened, or functions cannot be started on this machine.
    pub fn build(
        listeners: &Listeners,
        config: &Config,
        telemetry: Telemetry,
    ) -> Result<Self, Box<Problem>> {
        let (clock, random) = clock_and_random();
        let ports = listeners.ports();
        let store: Arc<dyn Store> = Arc::new(state::open(&config.state)?);
        let shared = shared(listeners, config, &store, (&clock, &random));
        let signers = signers(&shared);
        let kept = Services::new(&shared);
        let logs = telemetry::in_both(telemetry.logs, kept.logs.function_log());
        let findings = Findings::new(&config.state, not_code(config));
        let runtime = runtime(&shared, &signers, logs, config)?.telling(findings.listener());
        let inner_door = InnerDoor::default();
        let (runtime, locked_in) = locked_in(runtime, config, listeners, &inner_door, &clock)?;
        let limits = config.limits.here();
        let invoker = invoker(runtime, &clock, limits.clone());
        let invoke = crate::loops::counted(Arc::clone(&invoker) as Arc<dyn Invoke>, &kept.logs);

        let archives = Archives::new(&config.state, &config.cache, not_code(config));
        let functions = functions(&shared, &invoke, (&archives, &kept), limits.concurrency_max);
        let delivery = delivery(&kept, shared, &invoke, telemetry.deliveries);
        let ours = (kept.doors(), kept.secrets.values());
        let (mut services, values) = engines::standing_in(ours, config, &clock)?;
        let deployer = Deployer::new(store, kept.providers(), Arc::clone(&values));
        services.push(Arc::clone(&functions) as Arc<dyn CloudService>);
        let issuer = Arc::new(Signer::new(&config.cache, Arc::clone(&random), ports.1));
        let called = services.clone();
        let seen = (&telemetry.refusals, &clock, &random);
        let (door, door_inside) = doors(services, &issuer, &signers, seen);
        let parts = front::Parts {
            invoke,
            clock: Arc::clone(&clock),
            random,
            access_log: telemetry.access_log,
            signers,
            issuer,
            services: called,
        };
        let balancers = Balancers::new(&parts, &config.balancing, front::proxies(config));
        let gateway = Arc::new(front::gateway(parts, config, ports.1));
        inner_door.open(door_inside, Arc::clone(&gateway) as Arc<dyn Handler>);
        Ok(Self {
            pipeline: Pipeline::new(PipelineParts {
                deployer: deployer.sealing(kept.secrets.seals()),
                builder: builder(config),
                clock: Arc::clone(&clock),
                limits,
                functions: Arc::clone(&functions),
                archives,
                values,
                objects: kept.objects.read_objects(),
            }),
            invoker,
            services: kept,
            functions,
            delivery,
            gateway,
            balancers: Arc::new(balancers),
            door,
            inner_door,
            clock,
            ready: CancellationToken::new(),
            has_apis: listeners.application.is_some(),
            secured: listeners.tls.as_ref().map(|shown| shown.authority.clone()),
            ports,
            websocket_port: listeners.websocket_port(),
            ours: config.ours.clone(),
            marker: Published::new(&config.state),
            findings,
            locked_in,
            state: config.state.clone(),
            serving: Serving::start(),
            _claim: claim(config, listeners),
        })
    }

    /// The port of the APIs, and that of the services.
    #[must_use]
    pub fn ports(&self) -> (u16, u16) {
        self.ports
    }

    /// The port of each listener of load balancers, in their order.
    #[must_use]
    pub fn balancer_ports(&self) -> Vec<u16> {
        self.balancers.ports()
    }

    /// The port at which WebSocket APIs answer: their own, or that of the APIs.
    #[must_use]
    pub fn websocket_port(&self) -> u16 {
        self.websocket_port.unwrap_or(self.ports.0)
    }

    /// Why functions are not locked in, where that cannot be done.
    #[must_use]
    pub fn not_locked_in(&self) -> Option<&str> {
        self.locked_in.as_ref().err().map(String::as_str)
    }

    /// Whether the APIs speak TLS, and the file of the authority that has to be trusted for that.
    #[must_use]
    pub fn secured(&self) -> Option<Option<&Path>> {
        self.secured.as_ref().map(Option::as_deref)
    }

    /// Files and folders of the server's own that may lie in the project.
    #[must_use]
    pub fn ours(&self) -> &[PathBuf] {
        &self.ours
    }

    /// Serves this revision from the next request on. The problems are roles that are not here, and routes that cannot
    /// be served.
    pub async fn swap(&self, application: &Arc<Application>) -> Vec<Problem> {
        if self.has_apis {
            self.marker.write(self.ports.1, application);
            self.findings.serve(application);
        }
        self.invoker.swap(application);
        self.functions.swap(application);
        let mut problems = self.services.identity.unfit_roles(application);
        problems.extend(self.gateway.swap(application));
        if self.has_apis {
            problems.extend(self.balancers.swap(application).await);
        }
        problems
    }

    /// Delivers events by this revision: what services send, and what is in the streams and queues that it reads. New readers
    /// have their place when it returns: what is written from then on reaches them.
    pub async fn deliver(&self, application: &Arc<Application>) {
        self.delivery.swap(application).await;
    }

    /// Waits until Lambda's API has changed something that is not served. Cancel-safe.
    pub async fn functions_changed(&self) {
        self.functions.changed().await;
    }

    /// Tells Lambda's API what is served of its changes.
    pub async fn functions_served(&self, loaded: &Loaded, application: &Arc<Application>) {
        let why = |name: &str| made_by_api::why(&loaded.problems, name);
        let functions = &self.functions;
        functions
            .set_served(loaded.generation, application, &why)
            .await;
    }

    /// What services do by themselves, for ever: items and messages expire, indexes fill, schedules fire.
    pub async fn keep_services(&self) {
        self.functions.sweep().await;
        self.services.keep().await;
    }

    /// Waits until the file that holds the state is removed or replaced while it is used.
    pub async fn state_lost(&self) -> Box<Problem> {
        state::lost(&self.state).await
    }

    /// Keeps what is found of functions for the next check, for ever.
    pub async fn keep_findings(&self) {
        self.findings.keep().await;
    }

    /// Health answers 200 from now on.
    pub fn set_ready(&self) {
        self.door.set_ready();
        self.ready.cancel();
    }

    /// Serves both listeners while `work` runs. Then ends in order: no more requests are taken, those under way are
    /// answered, instances end, and last the services that they call. A listener that ends by itself ends the work.
    ///
    /// Requests to the APIs wait until [`set_ready`](Self::set_ready).
    ///
    /// # Errors
    /// Those of the work; or a problem when a listener has ended, or the state cannot be read.
    pub async fn serve<T>(
        &self,
        listeners: Listeners,
        work: impl Future<Output = Result<T, Box<Problem>>>,
    ) -> Result<T, Box<Problem>> {
        // Every call is judged by what is kept of its caller.
        let loaded = self.services.identity.load().await;
        loaded.map_err(|error| state::unreadable(&error))?;
        let (stop_apis, stop_services) = (CancellationToken::new(), CancellationToken::new());
        let (mut apis, mut services) = (JoinSet::new(), JoinSet::new());
        let door = Arc::clone(&self.door) as Arc<dyn Handler>;
        let server = self.http_server().taking(HostForm::Address);
        let serve = server.serve(listeners.services, door, stop_services.clone());
        services.spawn(async move {
            let _drained = serve.await;
        });
        if listeners.application.is_some() {
            apis.spawn(self.serve_balancers(stop_apis.clone()));
        }
        let gateway = Arc::clone(&self.gateway) as Arc<dyn Handler>;
        let web_sockets: Arc<dyn Handler> = Arc::new(self.gateway.web_sockets());
        let handlers = [
            (listeners.application, gateway),
            (listeners.web_sockets, web_sockets),
        ];
        for (listener, handler) in handlers {
            let Some(listener) = listener else { continue };
            let server = self.http_server();
            let server = match &listeners.tls {
                Some(shown) => {
                    self.balancers.secure(shown.tls.clone());
                    server.secured(shown.tls.clone())
                }
                None => server,
            };
            let serve = server.serve(listener, handler, stop_apis.clone());
            let (ready, stop) = (self.ready.clone(), stop_apis.clone());
            apis.spawn(async move {
                tokio::select! {
                    () = ready.cancelled() => drop(serve.await),
                    () = stop.cancelled() => {}
                }
            });
        }
        let done = tokio::select! {
            done = work => done,
            problem = ended_by_itself(&mut apis, "APIs") => Err(problem),
            problem = ended_by_itself(&mut services, "cloud services") => Err(problem),
        };
        stop_apis.cancel();
        while apis.join_next().await.is_some() {}
        self.delivery.stop().await;
        self.invoker.stop().await;
        self.services.logs.flush().await;
        self.inner_door.close();
        self.clear().await;
        self.services.streams.stop();
        self.services.queues.stop();
        stop_services.cancel();
        while services.join_next().await.is_some() {}
        done
    }

    fn serve_balancers(&self, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
        let balancers = Arc::clone(&self.balancers);
        let (clock, ready) = (Arc::clone(&self.clock), self.ready.clone());
        let threads = self.serving.threads();
        let server = move || {
            HttpServer::new(ServerLimits::default(), Arc::clone(&clock)).on(threads.clone())
        };
        async move { balancers.serve(server, ready, stop).await }
    }

    /// Nothing is left of sandboxes then.
    async fn clear(&self) {
        let Ok(clearing) = &self.locked_in else {
            return;
        };
        let clearing = Arc::clone(clearing);
        // It ends with an error only when it panicked.
        let _ = tokio::task::spawn_blocking(move || clearing.clear()).await;
    }

    fn http_server(&self) -> HttpServer {
        let server = HttpServer::new(ServerLimits::default(), Arc::clone(&self.clock));
        server
            .awake_while(processors::is_idle)
            .on(self.serving.threads())
    }
}

/// Waits for a listener that ends though nobody told it to; for ever when there is none.
async fn ended_by_itself(listeners: &mut JoinSet<()>, of: &str) -> Box<Problem> {
    let Some(ended) = listeners.join_next().await else {
        return std::future::pending().await;
    };
    let title = format!("the listener of the {of} has ended by itself");
    let problem = Problem::error("server::listener", title);
    let problem = match ended {
        Ok(()) => problem,
        Err(error) => problem.because(error.to_string()),
    };
    Box::new(problem.help("this is a fault of Cloudless: report it, with what was printed before"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_listener_that_panics_is_noticed() {
        let mut listeners = JoinSet::new();
        listeners.spawn(async { panic!("out of luck") });
        let problem = ended_by_itself(&mut listeners, "APIs").await;
        assert_eq!(problem.code, "server::listener");
        assert!(problem.cause.unwrap().contains("out of luck"));
    }

    #[tokio::test]
    async fn a_server_without_a_listener_waits_for_none() {
        let mut none = JoinSet::new();
        let ended = ended_by_itself(&mut none, "APIs");
        let waited = tokio::time::timeout(Duration::from_millis(20), ended).await;
        assert!(waited.is_err());
    }
}
