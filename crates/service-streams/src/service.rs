//! The service as the door and the rest of a server see it.
//!
//! Lives here: putting the parts together, the frame of requests and answers.
//! Does not live here: operations (`kinesis`), what they are about (`engine`).

use std::convert::Infallible;
use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check};
use interfaces::clock::Clock;
use interfaces::event_sink::EventSink;
use interfaces::random::Random;
use interfaces::record_source::RecordSource;
use interfaces::resource_provider::ResourceProvider;
use interfaces::service::{CloudService, ServiceAnswer, ServiceCall};
use store::Store;

use crate::cbor::{self, Wire};
use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::fault::{Fault, answer};
use crate::fields;
use crate::kinesis::{self, Asked, Context};
use crate::resources::Streams;
use crate::sink::Sink;
use crate::source::Source;

const TARGET_PREFIX: &str = "Kinesis_20131202.";

/// Kinesis Data Streams. Clones share everything.
#[derive(Clone)]
pub struct Service {
    catalogue: Arc<Catalogue>,
    authorize: Arc<dyn Authorize>,
}

impl Service {
    /// The service over these parts. Nothing is started and nothing read.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        authorize: Arc<dyn Authorize>,
    ) -> Self {
        Self {
            catalogue: Arc::new(Catalogue::new(store, clock, random)),
            authorize,
        }
    }

    /// What functions are called with the records of.
    #[must_use]
    pub fn record_source(&self) -> Arc<dyn RecordSource> {
        Arc::new(Source::new(Arc::clone(&self.catalogue)))
    }

    /// Takes events for streams.
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
        Arc::new(Streams::new(Arc::clone(&self.catalogue)))
    }

    /// Removes records that have passed their time, until it is dropped.
    pub async fn keep(&self) -> Infallible {
        self.catalogue.keep().await
    }

    /// Ends all subscriptions to shards: a server that stops would wait for whoever reads by one.
    pub fn stop(&self) {
        self.catalogue.subscriptions.end_all();
    }

    /// Removes what has passed its time by now.
    pub async fn tidy(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.catalogue.tidy().await?)
    }
}

/// Every operation of Kinesis, and whether it is carried out.
pub fn operations() -> impl Iterator<Item = (&'static str, bool)> {
    let supported = kinesis::SUPPORTED.iter().map(|name| (*name, true));
    supported.chain(kinesis::NOT_IMPLEMENTED.iter().map(|name| (*name, false)))
}

impl CloudService for Service {
    fn signing_name(&self) -> &'static str {
        "kinesis"
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        Box::pin(async move {
            let asked = Asked::read(&call.body, wire(call));
            kinesis::checks(&self.catalogue, &place(call), operation(call), &asked).await
        })
    }

    /// What is not carried out is refused by its name.
    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        !kinesis::SUPPORTED.contains(&operation(call))
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(async move {
            let wire = wire(&call);
            let place = place(&call);
            let context = Context {
                catalogue: &self.catalogue,
                place: &place,
            };
            let done = async {
                let fields = fields::of_body(&call.body, wire)?;
                match operation(&call) {
                    kinesis::SUBSCRIBE => {
                        kinesis::subscribe_to_shard(&context, &self.catalogue, fields, wire).await
                    }
                    operation => {
                        let done = kinesis::run(&context, operation, fields).await;
                        done.map(|body| answer(200, wire, &body))
                    }
                }
            };
            match done.await {
                Ok(answer) => answer,
                Err(fault) => Fault::to_answer(&fault, wire),
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

fn header<'c>(call: &'c ServiceCall, name: &str) -> &'c str {
    let value = call.headers.get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn wire(call: &ServiceCall) -> Wire {
    if header(call, "content-type").starts_with(cbor::CONTENT_TYPE) {
        Wire::Cbor
    } else {
        Wire::Json
    }
}

fn operation(call: &ServiceCall) -> &str {
    let target = header(call, "x-amz-target");
    target.strip_prefix(TARGET_PREFIX).unwrap_or_default()
}
