//! Roles that rules and schedules are given.
//!
//! Lives here: whether a role lets the service in that is to act as it, asked before it is kept.
//! Does not live here: whether the caller may hand it over (`checks` of each service), what the role may do (`Authorize`, when
//! an event is sent).
//!
//! Contract: Amazon EventBridge User Guide, "Using identity-based policies", and EventBridge Scheduler User Guide, "Set up
//! the execution role"; the words are the services' own.

use interfaces::authorize::Authorize;
use model::arn::Arn;
use model::delivery::{Sender, SenderPrincipal};
use model::ids::AccountId;

use crate::engine::publish::PRINCIPAL;
use crate::fault::Fault;

const SESSION: &str = "events";

/// Who hands a role over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A caller of the API.
    Caller,
    /// A template. It may name roles of the account that it is written for, which are not here: then nothing is delivered until
    /// somebody makes them.
    Template,
}

impl By {
    pub(crate) fn of(owner: Option<&String>) -> Self {
        match owner {
            Some(_) => Self::Template,
            None => Self::Caller,
        }
    }
}

/// Refuses a role that does not let the service of this rule or schedule act as it.
pub(crate) fn judge(
    authorize: &dyn Authorize,
    role: &str,
    source: &Arn,
    by: By,
) -> Result<(), Fault> {
    let is_scheduler = source.service == "scheduler";
    let refused = || match is_scheduler {
        true => Fault::validation(
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
        ),
        false => Fault::validation(format!(
            "Provided role '{role}' cannot be assumed by principal '{PRINCIPAL}'."
        )),
    };
    let sender = Sender {
        principal: SenderPrincipal::Role(Arn::parse(role).map_err(|_| refused())?),
        source: Some(source.clone()),
        account: AccountId::new(source.account.as_str()),
    };
    let Some(acting) = sender.acting(SESSION) else {
        return Ok(());
    };
    match authorize.authorize(&acting, &[]) {
        Err(denied) if by == By::Caller || !denied.is_of_unknown_role() => Err(refused()),
        Ok(()) | Err(_) => Ok(()),
    }
}
