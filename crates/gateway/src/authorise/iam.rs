//! `AWS_IAM`: signed requests, and whether the signer's policies let it call.
//!
//! Lives here: the signature's scope, the signer, the API's policy in what is asked about it.
//! Does not live here: reading signatures (`aws_wire::sigv4`), who holds which keys (`callers`), what the signer's own
//! policies say (`Authorize`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Control access for invoking an API" and "IAM authentication and
//! resource policy".

use aws_wire::errors::AuthenticationError;
use aws_wire::sigv4::{Presented, SignedRequest};
use interfaces::authorize::Check;
use model::principal::Principal;
use policy::Refusal as Why;

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
    let mut signer = signer(&presented, &principal, callers);
    let permit =
        |signer, action| permit(question, (&principal, signer), (policies, callers), action);
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

fn signer(presented: &Presented, principal: &Principal, callers: &Callers) -> Signer {
    Signer {
        access_key_id: presented.access_key_id.clone(),
        account: principal.account().to_string(),
        unique_id: callers.authorize().unique_id(principal),
        arn: principal.arn().to_string(),
        renewal: Permission::Missing,
    }
}

fn permit(
    question: &Question<'_>,
    (principal, signer): (&Principal, &Signer),
    (policies, callers): (&Policies, &Callers),
    action: &str,
) -> Result<(), NotAuthorised> {
    let policy = policies.of_api(&question.exchange.api.id)?.cloned();
    let context = question.context();
    let judged = |resource: String| {
        let check = Check {
            context: context.clone(),
            ..Check::new(action, resource, question.exchange.account).with_policy(policy.clone())
        };
        let judged = callers.authorize().authorize(principal, &[check]);
        judged.map_err(|denied| denied.refusal)
    };
    if let Err(why) = judged(question.arn()?) {
        return Err(refused(question, signer, why));
    }
    // As with what authorizers answer: see `policies::says`.
    if let Some((arn, leads_upwards)) = question.tidied_arn()
        && let Err(why) = judged(arn)
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
