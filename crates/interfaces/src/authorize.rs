//! Whether a principal may do something.
//!
//! Lives here: the seam between whoever is asked to do something (the service door, event delivery, services that call one
//! another in process) and whoever keeps the policies of principals (`service-identity`).
//! Does not live here: evaluating policies (`policy`), policies of resources (the service that owns the resource).

use std::sync::Arc;

use model::arn::Arn;
use model::ids::AccountId;
use model::principal::Principal;
use policy::{Context, Kind, Policy, Refusal, ResourceRule};

/// The action of acting as a role.
pub const ASSUME_ROLE: &str = "sts:AssumeRole";
/// The action of handing a role over.
pub const PASS_ROLE: &str = "iam:PassRole";

/// Judges in memory: it is asked on every call.
pub trait Authorize: Send + Sync {
    /// Whether the principal may do all of this. Of a service that acts as a role ([`Principal::Acting`]) it is asked first
    /// whether the role lets it in, even when nothing else is: so whoever is told of a role asks before keeping it.
    ///
    /// # Errors
    /// [`Denied`], of the first that it may not do.
    fn authorize(&self, principal: &Principal, checks: &[Check]) -> Result<(), Denied>;

    /// The unique id that `aws:userid`, `sts:GetCallerIdentity` and events show: the account's for its root, `AIDA…` for a
    /// user, `AROA…:SESSION` for a session of a role.
    fn unique_id(&self, principal: &Principal) -> String;
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
    /// The service's own condition keys, as `dynamodb:LeadingKeys`. The door adds those of the request (`aws:SourceIp` and its
    /// like), and whoever judges those of the principal and the time: a service sets none of either.
    pub context: Context,
    /// The policy of the resource, if it has one.
    pub resource_policy: Option<Arc<Policy>>,
    /// Whether the caller's own policies are enough where that policy says nothing.
    pub resource_rule: ResourceRule,
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
            resource_rule: ResourceRule::Sufficient,
        }
    }

    /// Handing a role over to a service that will act as it, as `lambda.amazonaws.com`: to be asked wherever a request names
    /// a role. Those of other accounts are nobody's to hand over.
    ///
    /// Contract: IAM User Guide, "Grant a user permissions to pass a role to an AWS service".
    #[must_use]
    pub fn pass_role(role: &Arn, service: &str) -> Self {
        let account = AccountId::new(role.account.as_str());
        let mut check = Self::new(PASS_ROLE, role.to_string(), &account);
        check.context.set("iam:PassedToService", service);
        check
    }

    /// The same, on a resource with this policy.
    #[must_use]
    pub fn with_policy(self, policy: Option<Arc<Policy>>) -> Self {
        Self {
            resource_policy: policy,
            ..self
        }
    }

    /// The same, on a resource whose policy alone lets anybody in: keys of KMS, trust policies of roles.
    #[must_use]
    pub fn ruled_by_its_policy(self) -> Self {
        Self {
            resource_rule: ResourceRule::Necessary,
            ..self
        }
    }
}

impl Denied {
    /// Whether a service was refused to act as a role that is not here, and of which nobody knows whom it lets in.
    #[must_use]
    pub fn is_of_unknown_role(&self) -> bool {
        self.action == ASSUME_ROLE && self.refusal == Refusal::NotAllowed(Kind::Identity)
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
    /// Who asked, as the message shows it.
    pub principal: String,
    /// Which policy refuses it, or which one is missing.
    pub refusal: Refusal,
}
