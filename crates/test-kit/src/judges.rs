//! Whoever judges what a principal may do.
//!
//! Lives here: one that allows everything, one that judges by given policies.
//! Does not live here: policies of deployed principals (`service-identity`).

use interfaces::authorize::{ASSUME_ROLE, Authorize, Check, Denied};
use model::principal::Principal;
use policy::{Caller, Kind, Policies, Policy, Refusal, Request, Verdict, judge};

/// Allows everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowing;

impl Authorize for Allowing {
    fn authorize(&self, _principal: &Principal, _checks: &[Check]) -> Result<(), Denied> {
        Ok(())
    }

    fn unique_id(&self, principal: &Principal) -> String {
        unique_id(principal)
    }
}

/// Allows everything but acting as a role: no trust policy lets any service in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Distrusting;

impl Authorize for Distrusting {
    fn authorize(&self, principal: &Principal, _checks: &[Check]) -> Result<(), Denied> {
        let Principal::Acting { role, service, .. } = principal else {
            return Ok(());
        };
        Err(Denied {
            message: format!("{service} is not let in by {role}"),
            action: ASSUME_ROLE.to_owned(),
            resource: role.to_string(),
            principal: service.clone(),
            refusal: Refusal::NotAllowed(Kind::Resource),
        })
    }

    fn unique_id(&self, principal: &Principal) -> String {
        unique_id(principal)
    }
}

/// Judges every principal but roots by the same policies, and by those of the resources.
#[derive(Debug, Clone, Default)]
pub struct Judging {
    /// Theirs.
    pub own: Vec<Policy>,
    /// What these can give at most.
    pub boundary: Option<Policy>,
}

impl Judging {
    /// By this policy, which allows one action on one resource, or several by a pattern.
    ///
    /// # Panics
    /// When the two are no part of a policy.
    #[must_use]
    pub fn allowing(action: &str, resource: &str) -> Self {
        Self::saying("Allow", action, resource)
    }

    /// By a policy of one statement.
    ///
    /// # Panics
    /// When the three are no part of a policy.
    #[must_use]
    pub fn saying(effect: &str, action: &str, resource: &str) -> Self {
        let document = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Action": "{action}", "Resource": "{resource}"}}}}"#
        );
        let policy = Policy::read(&document).expect("the parts hold no quotes");
        Self {
            own: vec![policy],
            boundary: None,
        }
    }
}

impl Authorize for Judging {
    fn authorize(&self, principal: &Principal, checks: &[Check]) -> Result<(), Denied> {
        let caller = caller(principal);
        for check in checks {
            let request = Request {
                action: &check.action,
                resource: &check.resource,
                caller: &caller,
                context: &check.context,
            };
            let policies = Policies {
                identity: &self.own,
                boundary: self.boundary.as_ref(),
                session: None,
                resource: check.resource_policy.as_deref(),
                resource_rule: check.resource_rule,
                resource_account: check.account.as_str(),
            };
            if let Verdict::Refused(refusal) = judge(&policies, &request) {
                let principal = principal.arn().to_string();
                return Err(Denied {
                    message: format!(
                        "User: {principal} is not authorized to perform: {} on resource: {} {}",
                        check.action,
                        check.resource,
                        refusal.because(&check.action)
                    ),
                    action: check.action.clone(),
                    resource: check.resource.clone(),
                    principal,
                    refusal,
                });
            }
        }
        Ok(())
    }

    fn unique_id(&self, principal: &Principal) -> String {
        unique_id(principal)
    }
}

fn caller(principal: &Principal) -> Caller {
    let account = principal.account().to_string();
    let identity = |role: Option<String>| Caller::Identity {
        account: account.clone(),
        arn: principal.arn().to_string(),
        role,
    };
    match principal {
        Principal::Root { .. } => Caller::Root { account },
        Principal::FunctionRole { role, .. }
        | Principal::Session { role, .. }
        | Principal::Acting { role, .. } => identity(Some(role.to_string())),
        Principal::User { .. } => identity(None),
        Principal::Service { name, .. } => Caller::Service { name: name.clone() },
        Principal::Anonymous { .. } => Caller::Anonymous,
    }
}

fn unique_id(principal: &Principal) -> String {
    match principal {
        Principal::Root { account } => account.to_string(),
        Principal::FunctionRole { function, .. } => format!("AROAEXAMPLE:{function}"),
        Principal::Session { name, .. } | Principal::Acting { name, .. } => {
            format!("AROAEXAMPLE:{name}")
        }
        Principal::User { .. } => "AIDAEXAMPLE".to_owned(),
        Principal::Service { .. } | Principal::Anonymous { .. } => String::new(),
    }
}
