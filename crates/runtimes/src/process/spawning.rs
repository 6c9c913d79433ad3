//! Starting an instance as a process of its own.
//!
//! Lives here: taking the process that was started ahead, starting the next one ahead.
//! Does not live here: the init itself, its limits and its errors (`process`); which functions are started like this
//! (`zygote::forking`).
//!
//! What a fork gives all other functions, a process that has done its init already gives these: the next start finds it
//! ready. So the second start is quick, and each one after it, unless several come at once.

use std::sync::Arc;

use interfaces::runtime::{Initialization, StartError};
use model::function::Function;
use model::limits::LAMBDA_INIT_MAX;

use super::exchange::InitEnd;
use super::instance::ProcessInstance;
use super::zygote::StartedAhead;
use super::{ProcessRuntime, Source, runtime_api};

impl ProcessRuntime {
    /// Starts an instance that does its init itself, ahead of now if possible.
    pub(super) async fn start_spawned(
        &self,
        function: &Arc<Function>,
        initialization: Initialization,
    ) -> Result<ProcessInstance, StartError> {
        let found = match initialization {
            Initialization::OnDemand => self.take_ahead(function).await,
            // It would have been told that it is not one of these.
            Initialization::Provisioned => None,
        };
        let instance = match found {
            Some(instance) => instance,
            None => {
                self.start_within_limits(function, Source::nothing(initialization))
                    .await?
                    .instance
            }
        };
        self.start_ahead(function).await;
        Ok(instance)
    }

    /// The process that was started ahead, once its init is done. One whose init did not go well is no worse than none:
    /// an init that somebody waits for is tried anew.
    async fn take_ahead(&self, function: &Function) -> Option<ProcessInstance> {
        let StartedAhead { mut instance, at } = self.ahead.take(function)?;
        instance.log_init_start();
        match instance.init(at + LAMBDA_INIT_MAX).await {
            // It may have ended since it said so.
            InitEnd::Ready { .. } => instance.is_alive().then_some(instance),
            InitEnd::Unfit { .. } | InitEnd::Failed(_) => None,
        }
    }

    /// Starts the next instance, and does not wait for its init. What hinders it will hinder whoever starts an instance,
    /// who is told.
    ///
    /// Extensions start before their runtime, so whoever starts them waits for them: there is nothing to be gained.
    async fn start_ahead(&self, function: &Arc<Function>) {
        if !runtime_api::extensions(function).is_empty() {
            return;
        }
        let Some(promise) = self.ahead.promise(function) else {
            return;
        };
        // It finds what it is to do in its socket.
        let source = Source::nothing(Initialization::OnDemand);
        let deadline = self.parts.clock.instant() + LAMBDA_INIT_MAX;
        if let Ok(instance) = self.launch(function, source, deadline).await {
            let at = self.parts.clock.instant();
            promise.keep(StartedAhead { instance, at });
        }
    }
}
