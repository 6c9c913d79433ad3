//! Identity as the rest of a server sees it.
//!
//! Lives here: what it is made of, and what it offers.
//! Does not live here: judging (`judge`), keys (`keys`), the operations (`iam`, `sts`).

use std::sync::Arc;

use interfaces::clock::Clock;
use interfaces::random::Random;
use interfaces::resource_provider::ResourceProvider;
use interfaces::service::CloudService;
use store::{ReadError, Store};

use crate::iam::Iam;
use crate::judge::Sessions;
use crate::keys::InstanceKeys;
use crate::resources::Provider;
use crate::state::State;
use crate::sts::Sts;

/// IAM and STS. Clones share everything.
#[derive(Clone)]
pub struct Service {
    pub(crate) state: Arc<State>,
    pub(crate) instances: Arc<InstanceKeys>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Service {
    /// Identity over this store. [`load`](Self::load) it before anybody calls.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self {
            state: Arc::new(State::new(store)),
            instances: Arc::default(),
            sessions: Arc::default(),
            clock,
            random,
        }
    }

    /// Reads what the last process left: judging is done in memory. Until then nobody but roots may do anything.
    ///
    /// # Errors
    /// What the store says; it can be called again.
    pub async fn load(&self) -> Result<(), ReadError> {
        self.state.load(self.clock.now()).await
    }

    /// What stands behind the service door.
    #[must_use]
    pub fn doors(&self) -> Vec<Arc<dyn CloudService>> {
        vec![Arc::new(Iam(self.clone())), Arc::new(Sts(self.clone()))]
    }

    /// Makes, changes and deletes the roles, users and policies of templates.
    #[must_use]
    pub fn provider(&self) -> Arc<dyn ResourceProvider> {
        Arc::new(Provider::new(self.clone()))
    }
}
