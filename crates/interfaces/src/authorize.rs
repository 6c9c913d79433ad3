//! Whether a principal may do something.
//!
//! Lives here: the seam between whoever is asked to do something (the service door, event delivery, services that call one
//! another in process) and whoever keeps the policies of principals (`service-identity`).
//! Does not live here: evaluating policies (`policy`), policies of resources (the service that owns the resource).

use std::sync::Arc;

use model::ids::AccountId;
use model::principal::Principal;
use policy::{Context, Policy};

/// Judges in memory: it is asked on every call.
pub trait Authorize: Send + Sync {
    /// Whether the principal may do all of this.
    ///
    /// # Errors
    /// [`Denied`], of the first that it may not do.
    fn authorize(&self, principal: &Principal, checks: &[Check]) -> Result<(), Denied>;
}

/// One thing that somebody wants to do.
#[derive(Debug, Clone)]
pub struct Check {
    /// The action, as `sqs:SendMessage`.
    pub action: String,
    /// The ARN of what it is done to; `*` where an action is about no resource.
    pub resource: String,
    /// The account that the resource belongs to.
    pub account: AccountId,
    /// The service's own condition keys, as `dynamodb:LeadingKeys`. Whoever asks adds the global ones.
    pub context: Context,
    /// The policy of the resource, if it has one.
    pub resource_policy: Option<Arc<Policy>>,
}

impl Check {
    /// An action on a resource that has no policy, without condition keys of its own.
    #[must_use]
    pub fn new(
        action: impl Into<String>,
        resource: impl Into<String>,
        account: &AccountId,
    ) -> Self {
        Self {
            action: action.into(),
            resource: resource.into(),
            account: account.clone(),
            context: Context::default(),
            resource_policy: None,
        }
    }

    /// The same, on a resource with this policy.
    #[must_use]
    pub fn with_policy(self, policy: Option<Arc<Policy>>) -> Self {
        Self {
            resource_policy: policy,
            ..self
        }
    }
}

/// It may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    /// The cloud's words: `User: … is not authorized to perform: … on resource: … because …`.
    pub message: String,
    /// What was asked for.
    pub action: String,
    /// On what.
    pub resource: String,
    /// For the developer: what in the manifest would have to change; none when nothing there would help.
    pub help: Option<String>,
}
