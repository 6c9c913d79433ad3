//! `AWS_IAM`: signed requests, and whether the signer's policies let it call.
//!
//! Lives here: the signature's scope, the signer, its policies with those of the API.
//! Does not live here: reading signatures (`aws_wire::sigv4`), who holds which keys (`callers`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Control access for invoking an API" and "IAM authentication and
//! resource policy".

use aws_wire::errors::AuthenticationError;
use aws_wire::sigv4::{Presented, SignedRequest};
use model::arn::Arn;
use model::principal::Principal;
use policy::{Caller, Policies as Asked, Refusal as Why, Request, Verdict, judge};

use super::policies::Policies;
use super::question::Question;
use super::refused::{NotAuthorised, Refusal};
use crate::cache::{self, Permission};
use crate::caller::Signer;
use crate::callers::{Callers, NotProven};

/// The action of whoever wants a kept reply made anew.
const INVALIDATE_CACHE: &str = "execute-api:InvalidateCache";

/// Finds out who signed, and whether they may call.
pub(super) fn run(
    question: &Question<'_>,
    callers: &Callers,
    policies: &Policies,
) -> Result<Signer, NotAuthorised> {
    let headers = question.exchange.headers.to_map();
    let presented = Presented::find(question.target, &headers).map_err(|error| {
        let misread = || Presented::misread(&headers);
        let is_missing = error == AuthenticationError::Missing;
        unproven(is_missing.then(misread).flatten().unwrap_or(error))
    })?;
    check_scope(&presented, question).map_err(unproven)?;
    let signed = SignedRequest {
        method: question.method,
        path_and_query: question.target,
        headers: &headers,
        body: question.body,
    };
    let caller = callers
        .identify(&presented, &headers)
        .map_err(NotAuthorised::NotProven)?;
    let principal = callers
        .verify(caller, &presented, signed)
        .map_err(unproven)?;
    let mut signer = signer(&presented, &principal, policies);
    let permit = |signer, action| permit(question, (&principal, signer), policies, action);
    permit(&signer, question.action())?;
    if cache::asks_for_renewal(question.exchange.headers)
        && permit(&signer, INVALIDATE_CACHE).is_ok()
    {
        signer.renewal = Permission::Granted;
    }
    Ok(signer)
}

fn unproven(error: AuthenticationError) -> NotAuthorised {
    NotAuthorised::NotProven(NotProven::Signature(error))
}

fn check_scope(presented: &Presented, question: &Question<'_>) -> Result<(), AuthenticationError> {
    let scope = &presented.scope;
    let service = question.service();
    let region = question.exchange.api.region.as_str();
    let message = if scope.service != service {
        format!("Credential should be scoped to correct service: '{service}'. ")
    } else if scope.region != region {
        format!(
            "Credential should be scoped to a valid region, not '{}'. ",
            scope.region
        )
    } else {
        return Ok(());
    };
    Err(AuthenticationError::Invalid { message })
}

/// Contract: IAM User Guide, "IAM JSON policy elements: Variables", `aws:userid`: the account's id for its root, the
/// role's unique id and the session's name for a session.
fn signer(presented: &Presented, principal: &Principal, policies: &Policies) -> Signer {
    let account = principal.account();
    let of_session = |role: &Arn, name: &str| {
        let id = policies.of_role(&role.to_string()).map(|role| &role.id);
        format!("{}:{name}", id.map_or("", String::as_str))
    };
    let unique_id = match principal {
        Principal::Root { account } => account.to_string(),
        Principal::FunctionRole { role, function, .. } => of_session(role, function.as_str()),
        Principal::Session { role, name, .. } => of_session(role, name),
        Principal::User { .. } | Principal::Service { .. } | Principal::Anonymous { .. } => {
            String::new()
        }
    };
    Signer {
        access_key_id: presented.access_key_id.clone(),
        account: account.to_string(),
        unique_id,
        arn: principal.arn().to_string(),
        renewal: Permission::Missing,
    }
}

fn permit(
    question: &Question<'_>,
    (principal, signer): (&Principal, &Signer),
    policies: &Policies,
    action: &str,
) -> Result<(), NotAuthorised> {
    let (caller, role) = match principal {
        Principal::Root { account } => {
            let account = account.to_string();
            (Caller::Root { account }, None)
        }
        Principal::FunctionRole { role, .. } | Principal::Session { role, .. } => {
            let role = role.to_string();
            let compiled = policies.of_role(&role);
            let caller = Caller::Identity {
                account: signer.account.clone(),
                arn: signer.arn.clone(),
                role: Some(role),
            };
            (caller, compiled)
        }
        Principal::User { .. } | Principal::Service { .. } | Principal::Anonymous { .. } => {
            (Caller::Anonymous, None)
        }
    };
    let mut context = question.context();
    context.set("aws:PrincipalArn", principal_arn(principal));
    context.set("aws:PrincipalAccount", signer.account.clone());
    context.set("aws:userid", signer.unique_id.clone());
    context.set("aws:PrincipalType", principal_type(principal));
    let asked = Asked {
        identity: role.map_or(&[], |role| role.policies.as_slice()),
        boundary: role.and_then(|role| role.boundary.as_ref()),
        session: None,
        resource: policies.of_api(&question.exchange.api.id)?,
        resource_account: question.exchange.account.as_str(),
    };
    let judged = |resource: &str| {
        judge(
            &asked,
            &Request {
                action,
                resource,
                caller: &caller,
                context: &context,
            },
        )
    };
    if let Verdict::Refused(why) = judged(&question.arn()?) {
        return Err(refused(question, signer, why));
    }
    // As with what authorizers answer: see `policies::says`.
    if let Some((arn, leads_upwards)) = question.tidied_arn()
        && let Verdict::Refused(why) = judged(&arn)
        && (leads_upwards || matches!(why, Why::Denied(_)))
    {
        return Err(refused(question, signer, why));
    }
    Ok(())
}

fn refused(question: &Question<'_>, signer: &Signer, why: Why) -> NotAuthorised {
    let (refusal, by) = match why {
        Why::Denied(kind) => (Refusal::Explicit, format!("a policy ({kind})")),
        Why::NotAllowed(kind) => (Refusal::Implicit, format!("no policy ({kind})")),
    };
    NotAuthorised::NotAllowed {
        refusal,
        user: signer.arn.clone(),
        resource: question.masked_arn(),
        by,
    }
}

/// In conditions a session is known by its role.
fn principal_arn(principal: &Principal) -> String {
    match principal {
        Principal::FunctionRole { role, .. } | Principal::Session { role, .. } => role.to_string(),
        Principal::Root { .. }
        | Principal::User { .. }
        | Principal::Service { .. }
        | Principal::Anonymous { .. } => principal.arn().to_string(),
    }
}

const fn principal_type(principal: &Principal) -> &'static str {
    match principal {
        Principal::Root { .. } => "Account",
        Principal::FunctionRole { .. } | Principal::Session { .. } => "AssumedRole",
        Principal::User { .. } => "User",
        Principal::Service { .. } => "Service",
        Principal::Anonymous { .. } => "Anonymous",
    }
}
