//! The services as the door and the rest of a server see them.
//!
//! Lives here: putting the parts together, the frame of requests and answers.
//! Does not live here: operations (`kms`, `secretsmanager`, `ssm`), what they are about (`engine`).

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check};
use interfaces::clock::Clock;
use interfaces::random::Random;
use interfaces::resource_provider::ResourceProvider;
use interfaces::service::{CloudService, ServiceAnswer, ServiceCall};
use store::Store;

use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::fault::{Answer, answer};
use crate::resources::Secrets as Resources;
use crate::{kms, secretsmanager, ssm};

/// What the services are made of.
pub struct Parts {
    /// Where state is kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Who may do what.
    pub authorize: Arc<dyn Authorize>,
    /// Where the key lies that seals all others; none: in memory alone.
    pub folder: Option<PathBuf>,
}

/// Parameters, secrets and keys. Clones share everything.
#[derive(Clone)]
pub struct Service {
    catalogue: Arc<Catalogue>,
    authorize: Arc<dyn Authorize>,
}

impl Service {
    /// The services over these parts. Nothing is started and nothing read.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let catalogue = Catalogue::new(parts.store, parts.clock, parts.random, parts.folder);
        Self {
            catalogue: Arc::new(catalogue),
            authorize: parts.authorize,
        }
    }

    /// What stands behind the service door.
    #[must_use]
    pub fn doors(&self) -> Vec<Arc<dyn CloudService>> {
        [Api::Kms, Api::SecretsManager, Api::Ssm]
            .into_iter()
            .map(|api| -> Arc<dyn CloudService> {
                Arc::new(Door {
                    api,
                    service: self.clone(),
                })
            })
            .collect()
    }

    /// Makes, changes and deletes the resources of templates.
    #[must_use]
    pub fn provider(&self) -> Arc<dyn ResourceProvider> {
        Arc::new(Resources::new(Arc::clone(&self.catalogue)))
    }

    /// Deletes and rotates what is due, until it is dropped.
    pub async fn keep(&self) -> Infallible {
        self.catalogue.keep().await
    }
}

/// Every operation of KMS, and whether it is carried out.
pub fn kms_operations() -> impl Iterator<Item = (&'static str, bool)> {
    listed(kms::SUPPORTED, kms::NOT_IMPLEMENTED)
}

/// Every operation of Secrets Manager, and whether it is carried out.
pub fn secretsmanager_operations() -> impl Iterator<Item = (&'static str, bool)> {
    listed(secretsmanager::SUPPORTED, secretsmanager::NOT_IMPLEMENTED)
}

/// Every operation of Systems Manager, and whether it is carried out.
pub fn ssm_operations() -> impl Iterator<Item = (&'static str, bool)> {
    listed(ssm::SUPPORTED, ssm::NOT_IMPLEMENTED)
}

fn listed(
    supported: &'static [&'static str],
    refused: &'static [&'static str],
) -> impl Iterator<Item = (&'static str, bool)> {
    let supported = supported.iter().map(|name| (*name, true));
    supported.chain(refused.iter().map(|name| (*name, false)))
}

/// Which of the services.
#[derive(Debug, Clone, Copy)]
enum Api {
    Kms,
    SecretsManager,
    Ssm,
}

impl Api {
    const fn target_prefix(self) -> &'static str {
        match self {
            Self::Kms => "TrentService.",
            Self::SecretsManager => "secretsmanager.",
            Self::Ssm => "AmazonSSM.",
        }
    }
}

struct Door {
    api: Api,
    service: Service,
}

/// What an operation works with.
pub(crate) struct Context<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(crate) place: &'c Place,
    /// Who asks.
    pub(crate) call: &'c ServiceCall,
    pub(crate) authorize: &'c dyn Authorize,
}

impl Door {
    fn operation<'c>(&self, call: &'c ServiceCall) -> &'c str {
        let target = call.headers.get("x-amz-target");
        let target = target.and_then(|value| value.to_str().ok());
        target
            .and_then(|target| target.strip_prefix(self.api.target_prefix()))
            .unwrap_or_default()
    }

    async fn run(&self, call: &ServiceCall) -> Answer {
        let place = place(call);
        let context = Context {
            catalogue: &self.service.catalogue,
            place: &place,
            call,
            authorize: &*self.service.authorize,
        };
        let operation = self.operation(call);
        match self.api {
            Api::Kms => kms::run(&context, operation).await,
            Api::SecretsManager => secretsmanager::run(&context, operation).await,
            Api::Ssm => ssm::run(&context, operation).await,
        }
    }
}

impl CloudService for Door {
    fn signing_name(&self) -> &'static str {
        match self.api {
            Api::Kms => "kms",
            Api::SecretsManager => "secretsmanager",
            Api::Ssm => "ssm",
        }
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        Box::pin(async move {
            let (catalogue, place) = (&self.service.catalogue, place(call));
            let operation = self.operation(call);
            match self.api {
                Api::Kms => kms::checks(catalogue, &place, operation, call).await,
                Api::SecretsManager => {
                    secretsmanager::checks(catalogue, &place, operation, call).await
                }
                Api::Ssm => ssm::checks(catalogue, &place, operation, call).await,
            }
        })
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(async move {
            match (self.run(&call).await, self.api) {
                (Ok(body), _) => answer(200, &body),
                (Err(fault), Api::SecretsManager) => fault.answer("Message"),
                (Err(fault), Api::Kms | Api::Ssm) => fault.answer("message"),
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
