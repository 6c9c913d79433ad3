//! Asking what policies would say.
//!
//! Lives here: `SimulatePrincipalPolicy` and `SimulateCustomPolicy`: each action on each resource.
//! Does not live here: judging calls (`judge`).
//!
//! Contract: IAM API Reference, `SimulatePrincipalPolicy`. Differs: which statements decided is not told, and
//! neither are condition keys that are missing.

use std::sync::Arc;

use policy::{Caller, Context, Policies, Policy, Refusal, ResourceRule, Verdict, judge};

use super::Request;
use super::policies::malformed;
use crate::judge::{Compiled, of_group, of_role, of_user};
use crate::wire::{Answer, Fault, Node, required};

/// Actions and resources of one request.
const ASKED_MAX: usize = 1_000;

pub(super) async fn of_principal(request: Request<'_>) -> Result<Answer, Fault> {
    let arn = required(request.form, "PolicySourceArn")?;
    let snapshot = request.snapshot();
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let compiled = match resource.split_once('/').map(|(kind, _)| kind) {
        Some("role") => of_role(&snapshot, arn),
        Some("user") => of_user(&snapshot, arn),
        Some("group") => of_group(&snapshot, arn),
        Some(_) | None => {
            return Err(Fault::invalid(format!("Invalid Entity Arn: {arn}")));
        }
    };
    let compiled = compiled
        .ok_or_else(|| Fault::missing(format!("The entity with ARN {arn} cannot be found.")))?;
    simulate(request, arn, Some(compiled))
}

pub(super) async fn of_documents(request: Request<'_>) -> Result<Answer, Fault> {
    let nobody = request.arn("user", "/", "simulated");
    simulate(request, &nobody, None)
}

fn simulate(
    request: Request<'_>,
    arn: &str,
    compiled: Option<Arc<Compiled>>,
) -> Result<Answer, Fault> {
    let form = request.form;
    let mut policies = compiled
        .as_ref()
        .map(|compiled| compiled.policies().to_vec())
        .unwrap_or_default();
    policies.extend(read(&form.texts("PolicyInputList"))?);
    let bounds = read(&form.texts("PermissionsBoundaryPolicyInputList"))?;
    let own_bound = compiled.as_ref().and_then(|compiled| compiled.boundary());
    let given = Policies {
        identity: &policies,
        boundary: bounds.first().or(own_bound),
        session: None,
        resource: None,
        resource_rule: ResourceRule::Sufficient,
        resource_account: request.account.as_str(),
    };
    let caller = Caller::Identity {
        account: request.account.to_string(),
        arn: arn.to_owned(),
        role: None,
    };
    let context = context(request);
    let actions = form.texts("ActionNames");
    let mut resources = form.texts("ResourceArns");
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    if ASKED_MAX < actions.len().saturating_mul(resources.len()) {
        return Err(Fault::invalid(format!(
            "at most {ASKED_MAX} pairs of actions and resources are simulated at once"
        )));
    }
    let mut results = Vec::new();
    for action in &actions {
        for resource in &resources {
            let asked = policy::Request {
                action,
                resource,
                caller: &caller,
                context: &context,
            };
            let decision = match judge(&given, &asked) {
                Verdict::Allowed => "allowed",
                Verdict::Refused(Refusal::Denied(_)) => "explicitDeny",
                Verdict::Refused(Refusal::NotAllowed(_)) => "implicitDeny",
            };
            results.push(Node::Structure(vec![
                ("EvalActionName", Node::text(action)),
                ("EvalResourceName", Node::text(resource)),
                ("EvalDecision", Node::text(decision)),
                ("MatchedStatements", Node::List(Vec::new())),
                ("MissingContextValues", Node::List(Vec::new())),
            ]));
        }
    }
    Ok(Some(Node::Structure(vec![
        ("EvaluationResults", Node::List(results)),
        ("IsTruncated", Node::text(false)),
    ])))
}

fn read(texts: &[String]) -> Result<Vec<Policy>, Fault> {
    let read = |text: &String| Policy::read(text).map_err(|error| malformed(error.to_string()));
    texts.iter().map(read).collect()
}

fn context(request: Request<'_>) -> Context {
    let mut context = Context::default();
    for entry in request.form.list("ContextEntries") {
        let values = entry.texts("ContextKeyValues");
        context.set_all(entry.text("ContextKeyName").unwrap_or_default(), values);
    }
    context
}
