//! Single parts of a server, made of what all share.
//!
//! Lives here: what runs functions and locks them in, the doors of services, deliveries, Lambda's API, the builder.
//! Does not live here: joining them (`wiring`), what any of them does.

use std::path::PathBuf;
use std::sync::Arc;

use build::{Builder, BuilderConfig};
use deployment::Series;
use event_delivery::{Delivery, DeliveryLog, Parts as DeliveryParts};
use gateway::application::Signers;
use gateway::service_door::{
    OwnPages, Pages, Parts as DoorParts, RefusalLog, ServiceDoor, UnknownKeys,
};
use interfaces::clock::Clock;
use interfaces::invoke::Invoke;
use interfaces::log_sink::LogSink;
use interfaces::random::Random;
use interfaces::service::CloudService;
use invoker::{Invoker, InvokerLimits};
use jiff::Timestamp;
use model::ids::AccountId;
use model::problem::Problem;
use runtimes::process::probe::Prober;
use runtimes::process::{ProcessRuntime, ProcessRuntimeConfig, ProcessRuntimeError};
use sandbox::policy::{Claim, Claims};
use store::Store;

use super::{Config, Listeners, LockedIn};
use crate::front;
use crate::issuer::Signer;
use crate::notary::MachineNotary;
use crate::packages::Archives;
use crate::pipeline::chain;
use crate::services::{Services, Shared};
use crate::settings::Demands;
use crate::telemetry::install::Installations;
use crate::walls::{self, InnerDoor};

/// What the services of a server share, with a way to the world.
pub(super) fn shared(
    listeners: &Listeners,
    config: &Config,
    store: &Arc<dyn Store>,
    (clock, random): (&Arc<dyn Clock>, &Arc<dyn Random>),
) -> Shared {
    let ports = listeners.ports();
    let shared = Shared::new(
        Arc::clone(store),
        Arc::clone(clock),
        Arc::clone(random),
        ports.1,
        Some(config.state.clone()),
    );
    let is_plain = listeners.application.is_some() && listeners.tls.is_none();
    let http = front::outbound(config, is_plain.then_some(ports.0), ports.1);
    let notary = MachineNotary::new(&config.cache, Arc::clone(random), Timestamp::now);
    shared
        .with_buckets(config.buckets)
        .with_throughput(config.throughput)
        .reaching(Arc::new(http), Arc::new(notary))
}

/// Whose keys are known, and what becomes of others.
pub(super) fn signers(shared: &Shared) -> Signers {
    Signers {
        principals: Arc::new(shared.identity.clone()),
        authorize: Arc::new(shared.identity.clone()),
        unknown_keys: UnknownKeys::ActAsRoot {
            account: AccountId::development(),
        },
    }
}

/// What runs functions, and gives them the keys of their roles.
pub(super) fn runtime(
    shared: &Shared,
    signers: &Signers,
    logs: Arc<dyn LogSink>,
    config: &Config,
) -> Result<ProcessRuntime, Box<Problem>> {
    let runtime = ProcessRuntime::new(ProcessRuntimeConfig {
        services_endpoint: format!("http://127.0.0.1:{}", shared.port),
        principals: Arc::clone(&signers.principals),
        logs,
        clock: Arc::clone(&shared.clock),
        random: Arc::clone(&shared.random),
        cache_dir: config.cache.clone(),
    });
    let (clock, random) = (Arc::clone(&shared.clock), Arc::clone(&shared.random));
    let prober = Prober::new(&config.cache, clock, random);
    let runtime = runtime.map_err(|error| no_runtime(&error))?;
    Ok(runtime.probing(prober))
}

/// Where servers like this one, of the same user, say which ports are theirs: functions of none may reach them.
fn claims(config: &Config) -> Claims {
    Claims::in_folder(&config.cache.join("ports"))
}

/// What gives events to the instances that it makes.
pub(super) fn invoker(
    runtime: ProcessRuntime,
    clock: &Arc<dyn Clock>,
    limits: InvokerLimits,
) -> Arc<Invoker> {
    Arc::new(Invoker::new(Arc::new(runtime), Arc::clone(clock), limits))
}

pub(super) fn claim(config: &Config, listeners: &Listeners) -> Option<Claim> {
    let claimed = claims(config).claim(listeners.own_ports());
    claimed
        .inspect_err(
            |error| tracing::warn!(%error, "functions of other servers can reach this one"),
        )
        .ok()
}

/// Has functions run in sandboxes; or why they do not, where they may run all the same.
pub(super) fn locked_in(
    runtime: ProcessRuntime,
    config: &Config,
    listeners: &Listeners,
    door: &InnerDoor,
    clock: &Arc<dyn Clock>,
) -> Result<(ProcessRuntime, LockedIn), Box<Problem>> {
    if config.sandbox.demands() == Demands::Nothing {
        let why = "cloudless.toml says `demands = \"none\"`";
        return Ok((runtime, Err(why.to_owned())));
    }
    let parts = walls::Parts {
        services_port: listeners.ports().1,
        own_ports: listeners.own_ports(),
        claims: claims(config),
        hidden: config.ours.clone(),
        cache_dir: config.cache.clone(),
        door: door.clone(),
        authority: walls::authority(&config.cache, &config.environment),
        clock: Arc::clone(clock),
    };
    let raised = walls::raise(&config.sandbox, parts);
    match (raised, config.sandbox.demands()) {
        (Ok(walls), _) => {
            let clearing = Arc::new(walls.clearing());
            Ok((runtime.within(walls), Ok(clearing)))
        }
        (Err(why), Demands::Development | Demands::Nothing) => Ok((runtime, Err(why))),
        (Err(why), Demands::Server) => Err(walls::not_enforced(why)),
    }
}

/// Who is told of refusals, the time, and randomness.
type Around<'a> = (
    &'a Arc<dyn RefusalLog>,
    &'a Arc<dyn Clock>,
    &'a Arc<dyn Random>,
);

/// The door on the host, which trusts whoever reaches it; and the one inside sandboxes, which trusts nobody.
pub(super) fn doors(
    services: Vec<Arc<dyn CloudService>>,
    issuer: &Arc<Signer>,
    signers: &Signers,
    (refusals, clock, random): Around<'_>,
) -> (Arc<ServiceDoor>, Arc<ServiceDoor>) {
    let door = |services, unknown_keys, own_pages| {
        ServiceDoor::new(DoorParts {
            services,
            principals: Arc::clone(&signers.principals),
            authorize: Arc::clone(&signers.authorize),
            refusals: Arc::clone(refusals),
            account: AccountId::development(),
            clock: Arc::clone(clock),
            random: Arc::clone(random),
            unknown_keys,
            own_pages,
        })
    };
    let inside = door(services.clone(), UnknownKeys::Refused, OwnPages::Hidden);
    let outside = door(services, signers.unknown_keys.clone(), OwnPages::Shown);
    let pages = Arc::clone(issuer) as Arc<dyn Pages>;
    (Arc::new(outside.with_pages(pages)), Arc::new(inside))
}

/// From services to functions, and to one another.
pub(super) fn delivery(
    services: &Services,
    shared: Shared,
    invoke: &Arc<dyn Invoke>,
    log: Arc<dyn DeliveryLog>,
) -> Delivery {
    let delivery = Delivery::new(DeliveryParts {
        store: shared.store,
        outbox: shared.outbox,
        records: services.record_sources(),
        messages: services.message_sources(),
        sinks: services.sinks(),
        invoke: Arc::clone(invoke),
        clock: shared.clock,
        random: shared.random,
        authorize: Arc::new(shared.identity),
        log,
    });
    let objects = &services.objects;
    objects.judge_targets_by(delivery.receptions());
    delivery
}

/// Lambda's API.
pub(super) fn functions(
    shared: &Shared,
    invoke: &Arc<dyn Invoke>,
    (archives, kept): (&Archives, &Services),
    concurrency: usize,
) -> Arc<service_functions::Service> {
    Arc::new(service_functions::Service::new(service_functions::Parts {
        invoke: Arc::clone(invoke),
        store: Arc::clone(&shared.store),
        seals: Some(kept.secrets.seals()),
        outbox: shared.outbox.clone(),
        packages: Arc::new(archives.clone()),
        numbers: Arc::new(Series::new(Arc::clone(&shared.store))),
        objects: Some(kept.objects.read_objects()),
        records: kept.record_sources(),
        messages: kept.message_sources(),
        authorize: Arc::new(shared.identity.clone()),
        clock: Arc::clone(&shared.clock),
        random: Arc::clone(&shared.random),
        port: shared.port,
        concurrency,
    }))
}

pub(super) fn not_code(config: &Config) -> Vec<PathBuf> {
    let settings = std::iter::once(&config.settings_file);
    config.ours.iter().chain(settings).cloned().collect()
}

pub(super) fn builder(config: &Config) -> Builder {
    let machine =
        BuilderConfig::new(&config.cache, &config.environment).leaving_out(&not_code(config));
    Builder::new(machine, Arc::new(Installations::new()))
}

fn no_runtime(error: &ProcessRuntimeError) -> Box<Problem> {
    let problem = Problem::error(
        "server::runtime",
        "functions cannot be started on this machine",
    );
    Box::new(problem.because(chain(error)))
}
