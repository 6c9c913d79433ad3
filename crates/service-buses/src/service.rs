//! The services as the door and the rest of a server see them.
//!
//! Lives here: putting the parts together, the frame of requests and answers.
//! Does not live here: operations (`events`, `scheduler`), what they are about (`engine`).

use std::convert::Infallible;
use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check};
use interfaces::clock::Clock;
use interfaces::event_sink::EventSink;
use interfaces::http_client::HttpClient;
use interfaces::random::Random;
use interfaces::resource_provider::ResourceProvider;
use interfaces::service::{CloudService, ServiceAnswer, ServiceCall};
use outbox::Outbox;
use store::Store;
use store::sealing::Seals;

use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::fault::{Fault, answer};
use crate::resources::Buses;
use crate::sink::Sink;
use crate::{events, scheduler};

const TARGET_PREFIX: &str = "AWSEvents.";
const JSON_1_1: &str = "application/x-amz-json-1.1";

/// What the services are made of.
pub struct Parts {
    /// Where state is kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Where events wait that are sent to others.
    pub outbox: Outbox,
    /// Who may do what.
    pub authorize: Arc<dyn Authorize>,
    /// Sends to the addresses of API destinations.
    pub http: Arc<dyn HttpClient>,
    /// Seals what connections hold; without it that stays plain.
    pub seals: Option<Arc<dyn Seals>>,
}

/// EventBridge and its Scheduler. Clones share everything.
#[derive(Clone)]
pub struct Service {
    catalogue: Arc<Catalogue>,
    authorize: Arc<dyn Authorize>,
    http: Arc<dyn HttpClient>,
}

impl Service {
    /// The services over these parts. Nothing is started and nothing read.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            catalogue: Arc::new(Catalogue::new(
                parts.store,
                parts.clock,
                parts.random,
                parts.outbox,
                Arc::clone(&parts.authorize),
                parts.seals,
            )),
            authorize: parts.authorize,
            http: parts.http,
        }
    }

    /// What stands behind the service door.
    #[must_use]
    pub fn doors(&self) -> Vec<Arc<dyn CloudService>> {
        let catalogue = || Arc::clone(&self.catalogue);
        vec![
            Arc::new(Events(catalogue())),
            Arc::new(Scheduler(catalogue())),
        ]
    }

    /// Takes events for buses and API destinations.
    #[must_use]
    pub fn sink(&self) -> Arc<dyn EventSink> {
        Arc::new(Sink::new(
            Arc::clone(&self.catalogue),
            Arc::clone(&self.authorize),
            Arc::clone(&self.http),
        ))
    }

    /// Makes, changes and deletes the resources of templates.
    #[must_use]
    pub fn provider(&self) -> Arc<dyn ResourceProvider> {
        Arc::new(Buses::new(Arc::clone(&self.catalogue)))
    }

    /// Fires rules and schedules when they are due, sends replays and empties archives, until it is dropped.
    pub async fn keep(&self) -> Infallible {
        let (never, _) = tokio::join!(self.catalogue.keep_time(), self.catalogue.keep_archives());
        never
    }
}

/// Every operation of EventBridge, and whether it is carried out.
pub fn event_operations() -> impl Iterator<Item = (&'static str, bool)> {
    let supported = events::SUPPORTED.iter().map(|name| (*name, true));
    supported.chain(events::NOT_IMPLEMENTED.iter().map(|name| (*name, false)))
}

/// Every operation of the Scheduler, and whether it is carried out.
pub fn scheduler_operations() -> impl Iterator<Item = (&'static str, bool)> {
    scheduler::SUPPORTED.iter().map(|name| (*name, true))
}

/// `EventBridge`.
struct Events(Arc<Catalogue>);

/// Its Scheduler.
struct Scheduler(Arc<Catalogue>);

impl CloudService for Events {
    fn signing_name(&self) -> &'static str {
        "events"
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        Box::pin(async move {
            let place = place(call);
            events::checks(&self.0, &place, operation(call), call).await
        })
    }

    /// What is not carried out is refused by its name.
    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        !events::is_known(operation(call))
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(async move {
            let place = place(&call);
            let trace = call.headers.get("x-amzn-trace-id");
            let context = events::Context {
                catalogue: &self.0,
                place: &place,
                trace: trace.and_then(|value| value.to_str().ok()),
            };
            match events::run(&context, operation(&call), &call.body).await {
                Ok(body) => answer(200, JSON_1_1, &body),
                Err(fault) => Fault::of_events(&fault),
            }
        })
    }
}

impl CloudService for Scheduler {
    fn signing_name(&self) -> &'static str {
        "scheduler"
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        Box::pin(std::future::ready(scheduler::checks(&place(call), call)))
    }

    /// What is not carried out is refused by its name.
    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        !scheduler::is_known(call)
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(async move {
            match scheduler::run(&self.0, &place(&call), &call).await {
                Ok(body) => answer(200, "application/json", &body),
                Err(fault) => Fault::of_scheduler(&fault),
            }
        })
    }
}

fn place(call: &ServiceCall) -> Place {
    Place {
        account: call.account.clone(),
        region: call.region.clone(),
    }
}

fn operation(call: &ServiceCall) -> &str {
    let target = call.headers.get("x-amz-target");
    let target = target.and_then(|value| value.to_str().ok());
    target
        .and_then(|target| target.strip_prefix(TARGET_PREFIX))
        .unwrap_or_default()
}
