//! Lambda's API behind the service door.
//!
//! Lives here: what the service holds, which operation a request is of, what each needs to be allowed.
//! Does not live here: the operations (a file for each group), the words of refusals (`answers`), running functions (`Invoke`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check};
use interfaces::clock::Clock;
use interfaces::invoke::Invoke;
use interfaces::message_source::MessageSource;
use interfaces::objects::ReadObjects;
use interfaces::packages::{Numbers, Package, Packages};
use interfaces::random::Random;
use interfaces::record_source::RecordSource;
use interfaces::service::{CloudService, RequestHead, ServiceAnswer, ServiceCall};
use model::application::Application;
use model::limits::LAMBDA_REQUEST_BYTES_MAX;
use outbox::Outbox;
use store::Store;
use store::sealing::Seals;

use crate::answers::Refusal;
use crate::catalogue::Catalogue;
use crate::invoke::Way;
use crate::keeper::Keeper;
use crate::request::Asked;
use crate::{
    account, aliases, checks, code, concurrency, creation, deletion, event_invokes, layer_policies,
    layers, mappings, permissions, reads, tags, updates, urls, versions,
};

/// What the service is made of.
pub struct Parts {
    /// Runs functions.
    pub invoke: Arc<dyn Invoke>,
    /// Where what the API makes is kept.
    pub store: Arc<dyn Store>,
    /// Seals what is kept of functions with secrets; none: nothing is sealed.
    pub seals: Option<Arc<dyn Seals>>,
    /// Where events wait for functions that are called asynchronously.
    pub outbox: Outbox,
    /// Keeps code.
    pub packages: Arc<dyn Packages>,
    /// Numbers versions.
    pub numbers: Arc<dyn Numbers>,
    /// Reads code from buckets; none: there are no buckets.
    pub objects: Option<Arc<dyn ReadObjects>>,
    /// Streams that mappings read.
    pub records: Vec<Arc<dyn RecordSource>>,
    /// Queues that mappings read.
    pub messages: Vec<Arc<dyn MessageSource>>,
    /// Who may do what.
    pub authorize: Arc<dyn Authorize>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub random: Arc<dyn Random>,
    /// The port at which code is downloaded.
    pub port: u16,
    /// Events that may run at once in the account.
    pub concurrency: usize,
}

/// The service that SDKs call `lambda`.
pub struct Service {
    pub(crate) invoke: Arc<dyn Invoke>,
    pub(crate) outbox: Outbox,
    pub(crate) packages: Arc<dyn Packages>,
    pub(crate) numbers: Arc<dyn Numbers>,
    pub(crate) objects: Option<Arc<dyn ReadObjects>>,
    pub(crate) records: Vec<Arc<dyn RecordSource>>,
    pub(crate) messages: Vec<Arc<dyn MessageSource>>,
    pub(crate) authorize: Arc<dyn Authorize>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) port: u16,
    pub(crate) concurrency: usize,
    pub(crate) keeper: Keeper,
    /// What is served; none before the first revision.
    application: RwLock<Option<Arc<Application>>>,
    /// Archives that folders would be, by folder and the digest of its files.
    pub(crate) folders: Mutex<BTreeMap<(PathBuf, String), Package>>,
    /// By which addresses of code are signed: they hold as long as this process.
    pub(crate) secret: [u8; 32],
}

/// What carries an operation out.
pub(crate) type Handler =
    for<'a> fn(&'a Service, &'a Asked<'a>) -> BoxFuture<'a, Result<ServiceAnswer, Refusal>>;

/// The operations that are carried out.
const HANDLERS: [&[(&str, Handler)]; 16] = [
    INVOCATIONS,
    reads::HANDLERS,
    creation::HANDLERS,
    updates::HANDLERS,
    deletion::HANDLERS,
    versions::HANDLERS,
    aliases::HANDLERS,
    permissions::HANDLERS,
    concurrency::HANDLERS,
    event_invokes::HANDLERS,
    urls::HANDLERS,
    mappings::HANDLERS,
    layers::HANDLERS,
    layer_policies::HANDLERS,
    tags::HANDLERS,
    account::HANDLERS,
];

const INVOCATIONS: &[(&str, Handler)] = &[
    ("Invoke", |service, asked| {
        Box::pin(service.run(asked, Way::Whole))
    }),
    ("InvokeWithResponseStream", |service, asked| {
        Box::pin(service.run(asked, Way::Streamed))
    }),
    ("InvokeAsync", |service, asked| {
        Box::pin(service.invoke_async(asked))
    }),
];

/// Every operation of the API, and whether it is carried out.
#[must_use]
pub fn operations() -> Vec<(&'static str, bool)> {
    let names: BTreeSet<&'static str> = crate::operations::all().collect();
    let mark = |name| (name, handler(name).is_some());
    names.into_iter().map(mark).collect()
}

fn handler(operation: &str) -> Option<Handler> {
    let mut all = HANDLERS.iter().flat_map(|handlers| handlers.iter());
    all.find(|(name, _)| *name == operation)
        .map(|(_, handler)| *handler)
}

impl Service {
    /// The service. It starts nothing and reads nothing.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let mut secret = [0; 32];
        parts.random.fill(&mut secret);
        Self {
            invoke: parts.invoke,
            outbox: parts.outbox,
            packages: parts.packages,
            numbers: parts.numbers,
            objects: parts.objects,
            records: parts.records,
            messages: parts.messages,
            authorize: parts.authorize,
            clock: parts.clock,
            random: parts.random,
            port: parts.port,
            concurrency: parts.concurrency,
            keeper: Keeper::new(parts.store, parts.seals),
            application: RwLock::default(),
            folders: Mutex::default(),
            secret,
        }
    }

    /// Takes over a revision: a dry run finds its functions. To be called with the same application as the invoker's
    /// `swap`.
    pub fn swap(&self, application: &Arc<Application>) {
        *self
            .application
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(application));
    }

    pub(crate) fn application(&self) -> Option<Arc<Application>> {
        self.application
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The catalogue, for a request: of the one region that is deployed.
    pub(crate) fn catalogue(&self) -> Result<Arc<Catalogue>, Refusal> {
        self.keeper.read()
    }

    /// A UUID that nobody had.
    pub(crate) fn draw_id(&self) -> String {
        self.random.request_id().to_string()
    }

    async fn answer(&self, call: &ServiceCall) -> Result<ServiceAnswer, Refusal> {
        if code::is_download(&call.path_and_query) {
            return self.download(&call.path_and_query).await;
        }
        let asked = Asked::read(call).ok_or_else(Refusal::unknown_operation)?;
        match handler(asked.operation) {
            Some(handler) => handler(self, &asked).await,
            None => Err(Refusal::not_implemented(&format!(
                "the operation `{}`",
                asked.operation
            ))),
        }
    }
}

impl CloudService for Service {
    fn signing_name(&self) -> &'static str {
        "lambda"
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        let checks = match (Asked::read(call), self.keeper.now()) {
            (Some(asked), catalogue) => checks::of(&asked, catalogue.as_deref()),
            (None, _) => Vec::new(),
        };
        Box::pin(async move {
            let Some(objects) = &self.objects else {
                return checks;
            };
            let mut completed = Vec::with_capacity(checks.len());
            for check in checks {
                completed.push(match check.action.starts_with("s3:") {
                    true => objects.complete(&call.caller, check).await,
                    false => check,
                });
            }
            completed
        })
    }

    /// What no path leads to is refused; code is downloaded at an address that is signed by itself.
    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        Asked::read(call).is_none_or(|asked| !checks::is_known(asked.operation))
    }

    /// An archive of code makes it large.
    fn body_bytes_max(&self) -> usize {
        LAMBDA_REQUEST_BYTES_MAX
    }

    fn takes_unsigned(&self, head: &RequestHead<'_>) -> bool {
        code::is_download(head.path_and_query)
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(async move {
            let answer = self.answer(&call).await;
            answer.unwrap_or_else(|refusal| refusal.answer())
        })
    }
}

#[cfg(test)]
mod tests;
