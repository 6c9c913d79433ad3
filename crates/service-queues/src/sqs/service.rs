//! The service as the door sees it.
//!
//! Lives here: what it is made of, what it offers to the parts of a server, what it does by itself.
//! Does not live here: the operations (`operations`), signatures and request ids (`gateway::service_door`).

use std::sync::Arc;
use std::time::Duration;

use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check};
use interfaces::clock::Clock;
use interfaces::event_sink::EventSink;
use interfaces::message_source::MessageSource;
use interfaces::random::Random;
use interfaces::resource_provider::ResourceProvider;
use interfaces::service::{CloudService, ServiceAnswer, ServiceCall};
use store::Store;

use super::fault::Kind;
use super::operations::{self, Context, OPERATIONS};
use super::polls::Polls;
use super::request;
use super::{answer, checks, urls};
use crate::engine::catalogue::Catalogue;
use crate::resources::Queues;
use crate::sink::Sink;
use crate::source::Source;
use crate::tasks::Tasks;

/// After this long, work that failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// What SQS answers to a request that names no operation.
const UNKNOWN_OPERATION: &str = "<UnknownOperationException/>\n";

/// Amazon SQS. Clones share everything.
#[derive(Clone)]
pub struct Service {
    catalogue: Catalogue,
    tasks: Tasks,
    polls: Arc<Polls>,
    authorize: Arc<dyn Authorize>,
    port: u16,
}

impl Service {
    /// SQS over this store. `port` is where functions reach the services: it stands in addresses that are not told to anybody
    /// who asked over HTTP.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        authorize: Arc<dyn Authorize>,
        port: u16,
    ) -> Self {
        let catalogue = Catalogue::new(store, clock, random);
        Self {
            tasks: Tasks::new(catalogue.clone()),
            polls: Arc::default(),
            catalogue,
            authorize,
            port,
        }
    }

    /// Makes, changes and deletes the queues of templates, and their policies.
    #[must_use]
    pub fn provider(&self) -> Arc<dyn ResourceProvider> {
        Arc::new(Queues::new(self.catalogue.clone(), self.port))
    }

    /// Takes events for queues.
    #[must_use]
    pub fn sink(&self) -> Arc<dyn EventSink> {
        Arc::new(Sink::new(
            self.catalogue.clone(),
            Arc::clone(&self.authorize),
        ))
    }

    /// The queues, for whoever calls functions with their messages.
    #[must_use]
    pub fn message_source(&self) -> Arc<dyn MessageSource> {
        Arc::new(Source::new(self.catalogue.clone()))
    }

    /// Answers whoever waits for messages: a server that stops would wait for them.
    pub fn stop(&self) {
        self.catalogue.end_waits();
    }

    /// Goes on with what the last process left undone, and removes what deleted queues leave behind, for ever.
    pub async fn keep(&self) {
        while let Err(error) = self.tasks.take_up().await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "tasks that move messages could not be read yet");
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        match self.catalogue.remove_left(AGAIN_AFTER).await {}
    }

    /// Every operation of SQS, and whether it is carried out.
    #[must_use]
    pub fn operations() -> Vec<(&'static str, bool)> {
        OPERATIONS.iter().map(|name| (*name, true)).collect()
    }

    async fn answer(&self, call: ServiceCall) -> ServiceAnswer {
        let request_id = call.request_id.as_str();
        let request = match request::read(&call) {
            Ok(request) => request,
            Err((_, fault)) if fault.kind == Kind::InvalidAction => return unknown_operation(),
            Err((protocol, fault)) => return answer::answer(protocol, "", request_id, Err(fault)),
        };
        let sender = self.authorize.unique_id(&call.caller);
        let context = Context {
            catalogue: &self.catalogue,
            tasks: &self.tasks,
            polls: &self.polls,
            call: &call,
            sender: &sender,
            origin: &urls::origin(&call, self.port),
            input: &request.input,
        };
        let outcome = operations::run(&context, &request).await;
        answer::answer(request.protocol, &request.operation, request_id, outcome)
    }
}

impl CloudService for Service {
    fn signing_name(&self) -> &'static str {
        "sqs"
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        Box::pin(checks::checks(&self.catalogue, call))
    }

    /// What is not carried out is refused by its name.
    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        !checks::is_known(call)
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(self.answer(call))
    }
}

fn unknown_operation() -> ServiceAnswer {
    ServiceAnswer {
        status: 404,
        headers: vec![("content-type", "application/xml".to_owned())],
        body: UNKNOWN_OPERATION.into(),
        rest: None,
    }
}
