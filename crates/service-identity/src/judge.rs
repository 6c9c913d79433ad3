//! Judging what a principal may do.
//!
//! Lives here: the policies of each principal, compiled and kept; the condition keys that tell of it; the words of refusals.
//! Does not live here: evaluating policies (`policy`), who changes them (`iam`, `resources`).
//!
//! Contract: IAM User Guide, "Policy evaluation logic", "AWS global condition context keys" (properties of the principal),
//! "Troubleshoot access denied error messages".

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use interfaces::authorize::{ASSUME_ROLE, Authorize, Check, Denied, PASS_ROLE};
use model::arn::Arn;
use model::ids::AccountId;
use model::principal::Principal;
use policy::{Caller, Context, Kind, Policies, Policy, Refusal, Request, Verdict, judge};

use crate::managed;
use crate::service::Service;
use crate::state::{Account, Grants, Snapshot};

/// Policies of sessions that are kept compiled. When there are more, all are forgotten and compiled as they are needed.
const SESSION_POLICIES_MAX: usize = 1_024;

/// What a principal may do.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    /// Its unique id, as `AROA…`.
    id: String,
    policies: Vec<Policy>,
    boundary: Option<Policy>,
    tags: Vec<(String, String)>,
    /// Of a role: who may act as it.
    trust: Policy,
    /// Of a role: whether Lambda may.
    lets_lambda_in: bool,
}

impl Compiled {
    pub(crate) fn policies(&self) -> &[Policy] {
        &self.policies
    }

    pub(crate) fn lets_lambda_in(&self) -> bool {
        self.lets_lambda_in
    }

    pub(crate) fn boundary(&self) -> Option<&Policy> {
        self.boundary.as_ref()
    }
}

/// Compiled policies of sessions, by their texts.
#[derive(Default)]
pub(crate) struct Sessions {
    compiled: RwLock<HashMap<Arc<str>, Arc<Policy>>>,
}

/// A principal, as judging needs it.
struct Known {
    caller: Caller,
    compiled: Option<Arc<Compiled>>,
    session: Option<Vec<Arc<Policy>>>,
    keys: Context,
    /// As messages name it.
    shown: String,
}

/// What AWS says of roles of other accounts, whoever hands one over.
const CROSS_ACCOUNT: &str = "Cross-account pass role is not allowed.";
/// As whom Lambda asks roles to let it in.
const LAMBDA: &str = "lambda.amazonaws.com";

impl Authorize for Service {
    fn authorize(&self, principal: &Principal, checks: &[Check]) -> Result<(), Denied> {
        let known = self.known(principal);
        self.lets_in(principal, known.compiled.as_deref())?;
        let nothing = Compiled::default();
        let given = known.compiled.as_deref().unwrap_or(&nothing);
        for check in checks {
            let mut context = check.context.clone();
            context.set("aws:ResourceAccount", check.account.as_str());
            context.add(&known.keys);
            let request = Request {
                action: &check.action,
                resource: &check.resource,
                caller: &known.caller,
                context: &context,
            };
            let policies = Policies {
                identity: &given.policies,
                boundary: given.boundary.as_ref(),
                session: known.session.as_deref(),
                resource: check.resource_policy.as_deref(),
                resource_rule: check.resource_rule,
                resource_account: check.account.as_str(),
            };
            if let Verdict::Refused(refusal) = judge(&policies, &request) {
                return Err(denied(&known.shown, check, refusal));
            }
        }
        Ok(())
    }

    fn unique_id(&self, principal: &Principal) -> String {
        unique_id(principal, self.compiled(principal).as_deref())
    }
}

impl Service {
    fn compiled(&self, principal: &Principal) -> Option<Arc<Compiled>> {
        match principal {
            Principal::FunctionRole { account, role, .. }
            | Principal::Session { account, role, .. }
            | Principal::Acting { account, role, .. } => {
                let snapshot = self.state.snapshot(account);
                of_role(&snapshot, &role.to_string())
            }
            Principal::User { account, arn } => {
                let snapshot = self.state.snapshot(account);
                of_user(&snapshot, &arn.to_string())
            }
            Principal::Root { .. } | Principal::Service { .. } | Principal::Anonymous { .. } => {
                None
            }
        }
    }

    fn known(&self, principal: &Principal) -> Known {
        let compiled = self.compiled(principal);
        let arn = principal.arn().to_string();
        let account = principal.account().to_string();
        let (caller, shown) = match principal {
            Principal::Root { .. } => (Caller::Root { account }, arn),
            Principal::FunctionRole { role, .. }
            | Principal::Session { role, .. }
            | Principal::Acting { role, .. } => {
                let caller = Caller::Identity {
                    account,
                    arn: arn.clone(),
                    role: Some(role.to_string()),
                };
                (caller, arn)
            }
            Principal::User { .. } => {
                let caller = Caller::Identity {
                    account,
                    arn: arn.clone(),
                    role: None,
                };
                (caller, arn)
            }
            Principal::Service { name, .. } => {
                (Caller::Service { name: name.clone() }, name.clone())
            }
            Principal::Anonymous { .. } => (Caller::Anonymous, "anonymous".to_owned()),
        };
        Known {
            keys: self.keys_of(principal, compiled.as_deref()),
            session: self.session(principal),
            caller,
            compiled,
            shown,
        }
    }

    fn session(&self, principal: &Principal) -> Option<Vec<Arc<Policy>>> {
        match principal {
            Principal::Session {
                policies: Some(policies),
                ..
            } => Some(
                policies
                    .iter()
                    .map(|text| self.sessions.compile(text))
                    .collect(),
            ),
            Principal::Session { policies: None, .. }
            | Principal::Root { .. }
            | Principal::FunctionRole { .. }
            | Principal::User { .. }
            | Principal::Acting { .. }
            | Principal::Service { .. }
            | Principal::Anonymous { .. } => None,
        }
    }

    /// Whether the role lets the service in that acts as it; others have proven already who they are.
    fn lets_in(&self, principal: &Principal, compiled: Option<&Compiled>) -> Result<(), Denied> {
        match principal {
            Principal::Acting {
                account,
                role,
                service,
                source,
                ..
            } => self.lets_service_in(account, role, (service, source.as_deref()), compiled),
            Principal::FunctionRole { role, account, .. } => match compiled {
                Some(compiled) if !compiled.lets_lambda_in => {
                    let check = Check::new(ASSUME_ROLE, role.to_string(), account);
                    Err(Denied {
                        message: "The role defined for the function cannot be assumed by Lambda."
                            .to_owned(),
                        ..denied(LAMBDA, &check, Refusal::NotAllowed(Kind::Resource))
                    })
                }
                // One that is not here allows nothing anyway.
                Some(_) | None => Ok(()),
            },
            Principal::Root { .. }
            | Principal::User { .. }
            | Principal::Session { .. }
            | Principal::Service { .. }
            | Principal::Anonymous { .. } => Ok(()),
        }
    }

    fn lets_service_in(
        &self,
        account: &AccountId,
        role: &Arn,
        (service, source): (&str, Option<&Arn>),
        compiled: Option<&Compiled>,
    ) -> Result<(), Denied> {
        let check = Check::new(ASSUME_ROLE, role.to_string(), account);
        if role.account != account.as_str() {
            return Err(Denied {
                message: CROSS_ACCOUNT.to_owned(),
                ..denied(service, &check, Refusal::NotAllowed(Kind::Identity))
            });
        }
        let Some(compiled) = compiled else {
            return Err(denied(service, &check, Refusal::NotAllowed(Kind::Identity)));
        };
        let mut context = keys_of_service(service, source, account);
        let now = self.clock.now().epoch_s().to_string();
        context.set("aws:CurrentTime", now.as_str());
        context.set("aws:EpochTime", now);
        match trusts(&compiled.trust, &check, service, &context) {
            Verdict::Allowed => Ok(()),
            Verdict::Refused(refusal) => Err(denied(service, &check, refusal)),
        }
    }

    /// The condition keys that tell of the principal, and of the time.
    fn keys_of(&self, principal: &Principal, compiled: Option<&Compiled>) -> Context {
        let mut keys = Context::default();
        let seconds = self.clock.now().epoch_s().to_string();
        keys.set("aws:CurrentTime", seconds.as_str());
        keys.set("aws:EpochTime", seconds);
        match principal {
            Principal::Service {
                name,
                source,
                account,
            } => {
                keys.add(&keys_of_service(name, source.as_ref(), account));
                return keys;
            }
            Principal::Anonymous { .. } => {
                keys.set("aws:PrincipalIsAWSService", "false");
                keys.set("aws:PrincipalType", "Anonymous");
                return keys;
            }
            Principal::Root { .. } => keys.set("aws:PrincipalType", "Account"),
            Principal::FunctionRole { .. }
            | Principal::Session { .. }
            | Principal::Acting { .. } => {
                keys.set("aws:PrincipalType", "AssumedRole");
            }
            Principal::User { arn, .. } => {
                keys.set("aws:PrincipalType", "User");
                let name = arn.resource.rsplit('/').next().unwrap_or_default();
                keys.set("aws:username", name);
            }
        }
        keys.set("aws:PrincipalIsAWSService", "false");
        keys.set("aws:PrincipalAccount", principal.account().as_str());
        keys.set("aws:PrincipalArn", principal_arn(principal));
        keys.set("aws:userid", unique_id(principal, compiled));
        for (key, value) in compiled.iter().flat_map(|compiled| &compiled.tags) {
            keys.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
        }
        if let Principal::Session { tags, .. } = principal {
            for (key, value) in tags.iter() {
                keys.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
            }
        }
        keys
    }
}

impl Sessions {
    /// A policy that cannot be read gives nothing; it was read once when the session began.
    fn compile(&self, text: &Arc<str>) -> Arc<Policy> {
        let found = self
            .compiled
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(text)
            .cloned();
        if let Some(found) = found {
            return found;
        }
        let policy = Arc::new(Policy::read(text).unwrap_or_default());
        let mut compiled = self
            .compiled
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if SESSION_POLICIES_MAX <= compiled.len() {
            compiled.clear();
        }
        compiled.insert(Arc::clone(text), Arc::clone(&policy));
        policy
    }
}

fn unique_id(principal: &Principal, compiled: Option<&Compiled>) -> String {
    let id = compiled.map_or("", |compiled| compiled.id.as_str());
    match principal {
        Principal::Root { account } => account.to_string(),
        Principal::FunctionRole { function, .. } => format!("{id}:{function}"),
        Principal::Session { name, .. } | Principal::Acting { name, .. } => format!("{id}:{name}"),
        Principal::User { .. } => id.to_owned(),
        Principal::Service { .. } | Principal::Anonymous { .. } => String::new(),
    }
}

/// What conditions see of a service.
fn keys_of_service(name: &str, source: Option<&Arn>, account: &AccountId) -> Context {
    let mut keys = Context::default();
    keys.set("aws:PrincipalIsAWSService", "true");
    keys.set("aws:PrincipalServiceName", name);
    keys.set("aws:SourceAccount", account.as_str());
    if let Some(source) = source {
        keys.set("aws:SourceArn", source.to_string());
    }
    keys
}

/// Whether a trust policy lets a service in.
fn trusts(trust: &Policy, check: &Check, service: &str, context: &Context) -> Verdict {
    let request = Request {
        action: &check.action,
        resource: &check.resource,
        caller: &Caller::Service {
            name: service.to_owned(),
        },
        context,
    };
    let policies = Policies {
        resource: Some(trust),
        resource_account: check.account.as_str(),
        ..Policies::default()
    };
    judge(&policies, &request)
}

pub(crate) fn of_role(snapshot: &Snapshot, arn: &str) -> Option<Arc<Compiled>> {
    snapshot.compiled(arn, |account| {
        let name = arn.rsplit('/').next()?;
        let role = account.roles.get(name).filter(|role| role.arn == arn)?;
        // One that cannot be read lets nobody in.
        let trust = Policy::read(&role.trust).unwrap_or_default();
        let owner = AccountId::new(arn.split(':').nth(4)?);
        let check = Check::new(ASSUME_ROLE, arn, &owner);
        let of_lambda = keys_of_service(LAMBDA, None, &owner);
        Some(Compiled {
            id: role.id.clone(),
            tags: role.tags.clone().into_iter().collect(),
            lets_lambda_in: trusts(&trust, &check, LAMBDA, &of_lambda) == Verdict::Allowed,
            trust,
            ..compile(account, &[&role.grants])
        })
    })
}

pub(crate) fn of_user(snapshot: &Snapshot, arn: &str) -> Option<Arc<Compiled>> {
    snapshot.compiled(arn, |account| {
        let name = arn.rsplit('/').next()?;
        let user = account.users.get(name).filter(|user| user.arn == arn)?;
        let groups = user.groups.iter();
        let groups = groups.filter_map(|name| Some(&account.groups.get(name)?.grants));
        let grants: Vec<&Grants> = std::iter::once(&user.grants).chain(groups).collect();
        Some(Compiled {
            id: user.id.clone(),
            tags: user.tags.clone().into_iter().collect(),
            ..compile(account, &grants)
        })
    })
}

/// What the policies of a group say by themselves.
pub(crate) fn of_group(snapshot: &Snapshot, arn: &str) -> Option<Arc<Compiled>> {
    let group = snapshot.account.groups.get(arn.rsplit('/').next()?)?;
    let compiled = compile(&snapshot.account, &[&group.grants]);
    (group.arn == arn).then(|| Arc::new(compiled))
}

/// The first of the grants is the principal's own, whose boundary counts. Where one policy cannot be read, what it would
/// deny is not known: the principal gets nothing then.
fn compile(account: &Account, grants: &[&Grants]) -> Compiled {
    let inline = grants.iter().flat_map(|grants| grants.inline.values());
    let attached = grants.iter().flat_map(|grants| &grants.attached);
    let texts: Vec<Arc<str>> = inline
        .cloned()
        .chain(attached.filter_map(|arn| document(account, arn)))
        .collect();
    let policies: Result<Vec<Policy>, _> = texts.iter().map(|text| Policy::read(text)).collect();
    let boundary = grants.first().and_then(|own| own.boundary.as_ref());
    // What is not known of a boundary, it does not give.
    let boundary = boundary.map(|arn| {
        let text = document(account, arn);
        text.and_then(|text| Policy::read(&text).ok())
            .unwrap_or_default()
    });
    Compiled {
        policies: policies.unwrap_or_default(),
        boundary,
        ..Compiled::default()
    }
}

/// The document of an account's own policy, or of one of the cloud's.
pub(crate) fn document(account: &Account, arn: &str) -> Option<Arc<str>> {
    match managed::find(arn) {
        Some(policy) => Some(policy.document.into()),
        None => {
            let policy = account.policies.get(arn)?;
            Some(Arc::clone(&policy.current()?.document))
        }
    }
}

/// In conditions a session is known by its role.
fn principal_arn(principal: &Principal) -> String {
    match principal {
        Principal::FunctionRole { role, .. }
        | Principal::Session { role, .. }
        | Principal::Acting { role, .. } => role.to_string(),
        Principal::Root { .. }
        | Principal::User { .. }
        | Principal::Service { .. }
        | Principal::Anonymous { .. } => principal.arn().to_string(),
    }
}

fn denied(shown: &str, check: &Check, refusal: Refusal) -> Denied {
    let (action, resource) = (&check.action, &check.resource);
    if action == PASS_ROLE && refusal == Refusal::NotAllowed(Kind::Resource) {
        return Denied {
            message: CROSS_ACCOUNT.to_owned(),
            action: action.clone(),
            resource: resource.clone(),
            principal: shown.to_owned(),
            refusal,
        };
    }
    // Amazon S3 alone puts the resource in quotes.
    let quote = if action.starts_with("s3:") { "\"" } else { "" };
    // And AWS STS alone does not say why nothing allows it.
    let because = match refusal {
        Refusal::NotAllowed(_) if action.starts_with("sts:") => String::new(),
        Refusal::NotAllowed(_) | Refusal::Denied(_) => format!(" {}", refusal.because(action)),
    };
    Denied {
        message: format!(
            "User: {shown} is not authorized to perform: {action} on resource: {quote}{resource}{quote}{because}"
        ),
        action: action.clone(),
        resource: resource.clone(),
        principal: shown.to_owned(),
        refusal,
    }
}
