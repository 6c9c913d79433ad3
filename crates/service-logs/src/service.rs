//! The services as the door and the rest of a server see them.
//!
//! Lives here: putting the parts together, the frame of requests and answers.
//! Does not live here: operations (`logs`, `metrics`), what they are about (`engine`).

use std::convert::Infallible;
use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check};
use interfaces::clock::Clock;
use interfaces::event_sink::EventSink;
use interfaces::log_sink::LogSink;
use interfaces::random::Random;
use interfaces::resource_provider::ResourceProvider;
use interfaces::service::{CloudService, ServiceAnswer, ServiceCall};
use outbox::Outbox;
use store::Store;

use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::fault::answer;
use crate::function_log::FunctionLog;
use crate::own_metrics::LambdaMetrics;
use crate::resources::Logs;
use crate::sink::Sink;
use crate::{logs, metrics};

const TARGET_PREFIX: &str = "Logs_20140328.";

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
}

/// CloudWatch Logs and CloudWatch. Clones share everything.
#[derive(Clone)]
pub struct Service {
    catalogue: Arc<Catalogue>,
    authorize: Arc<dyn Authorize>,
    functions: FunctionLog,
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
            )),
            authorize: parts.authorize,
            functions: FunctionLog::default(),
        }
    }

    /// Takes what functions write; it is kept by [`keep`](Self::keep), and never waits.
    #[must_use]
    pub fn function_log(&self) -> Arc<dyn LogSink> {
        Arc::new(self.functions.clone())
    }

    /// Where Lambda counts what it does.
    #[must_use]
    pub fn lambda_metrics(&self) -> LambdaMetrics {
        LambdaMetrics::new(Arc::clone(&self.catalogue))
    }

    /// What stands behind the service door.
    #[must_use]
    pub fn doors(&self) -> Vec<Arc<dyn CloudService>> {
        let catalogue = || Arc::clone(&self.catalogue);
        vec![
            Arc::new(LogsDoor(catalogue())),
            Arc::new(MetricsDoor(catalogue())),
        ]
    }

    /// Takes events for log groups.
    #[must_use]
    pub fn sink(&self) -> Arc<dyn EventSink> {
        Arc::new(Sink::new(
            Arc::clone(&self.catalogue),
            Arc::clone(&self.authorize),
        ))
    }

    /// Makes, changes and deletes the resources of templates.
    #[must_use]
    pub fn provider(&self) -> Arc<dyn ResourceProvider> {
        Arc::new(Logs::new(Arc::clone(&self.catalogue)))
    }

    /// Keeps what functions write, and lets go what has expired, until it is dropped.
    pub async fn keep(&self) -> Infallible {
        let (never, _) = tokio::join!(self.functions.keep(&self.catalogue), self.catalogue.keep());
        never
    }

    /// Writes what functions have written so far.
    pub async fn flush(&self) {
        self.functions.flush(&self.catalogue).await;
    }

    /// Lets go what has expired or grown too large, as [`keep`](Self::keep) does now and then.
    pub async fn tidy(&self) {
        if let Err(error) = self.catalogue.tidy().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "logs could not be tidied"
            );
        }
    }
}

/// Every operation of CloudWatch Logs, and whether it is carried out.
pub fn log_operations() -> impl Iterator<Item = (&'static str, bool)> {
    let supported = logs::SUPPORTED.iter().map(|name| (*name, true));
    supported.chain(logs::NOT_IMPLEMENTED.iter().map(|name| (*name, false)))
}

/// Every operation of CloudWatch, and whether it is carried out.
pub fn metric_operations() -> impl Iterator<Item = (&'static str, bool)> {
    let supported = metrics::SUPPORTED.iter().map(|name| (*name, true));
    supported.chain(metrics::NOT_IMPLEMENTED.iter().map(|name| (*name, false)))
}

/// Logs.
struct LogsDoor(Arc<Catalogue>);

/// Metrics.
struct MetricsDoor(Arc<Catalogue>);

impl CloudService for LogsDoor {
    fn signing_name(&self) -> &'static str {
        "logs"
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        let checks = logs::checks::checks(&place(call), operation(call), &call.body);
        Box::pin(std::future::ready(checks))
    }

    /// What is not carried out is refused by its name.
    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        !logs::SUPPORTED.contains(&operation(call))
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(async move {
            let context = logs::Context {
                catalogue: &self.0,
                place: &place(&call),
            };
            match logs::run(&context, operation(&call), &call.body).await {
                Ok(body) => answer(200, &body),
                Err(fault) => fault.answer(),
            }
        })
    }
}

impl CloudService for MetricsDoor {
    fn signing_name(&self) -> &'static str {
        "monitoring"
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        Box::pin(std::future::ready(metrics::checks(&place(call), call)))
    }

    fn action_prefix(&self) -> &'static str {
        "cloudwatch"
    }

    /// What is not carried out is refused by its name.
    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        !metrics::is_known(call)
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(async move {
            let context = metrics::Context {
                catalogue: &self.0,
                place: &place(&call),
            };
            metrics::execute(&context, &call).await
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
