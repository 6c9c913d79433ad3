//! What is wrong with authorizers and policies, so that they let nobody in.
//!
//! Lives here: the problems of one revision, and their words.
//! Does not live here: refusing requests for them (the sibling files).

use std::collections::BTreeSet;

use model::application::Application;
use model::door::{Authorization, Authorizer, AuthorizerKind, Guard, IdentitySource};
use model::problem::Problem;

use super::policies::Policies;
use super::{as_function, functions};
use crate::tokens::is_issuer;

/// Everything that keeps people out who might be let in.
pub(crate) fn problems(application: &Application) -> Vec<Problem> {
    let methods = application.rest_apis.iter().flat_map(|api| &api.methods);
    let routes = application.http_apis.iter().flat_map(|api| &api.routes);
    let guards = methods
        .map(|method| &method.guard)
        .chain(routes.map(|route| &route.guard));
    let mut seen = BTreeSet::new();
    let mut found: Vec<Problem> = guards
        .filter_map(authorizer_of)
        .filter(|authorizer| seen.insert(&authorizer.id))
        .filter_map(|authorizer| Some(bad_authorizer(authorizer, &problem_of(authorizer)?)))
        .collect();
    let policies = Policies::compile(application);
    found.extend(policies.unread().map(|(api, error)| {
        Problem::error(
            "gateway::bad-policy",
            format!("the resource policy of API `{api}` cannot be read: {error}"),
        )
        .because("nobody is let in by a policy that cannot be read")
        .help("see the IAM User Guide, \"Grammar of the IAM JSON policy language\"")
    }));
    found
}

fn authorizer_of(guard: &Guard) -> Option<&Authorizer> {
    match &guard.authorization {
        Authorization::Open | Authorization::Iam => None,
        Authorization::Authorizer { authorizer, .. } => Some(authorizer),
    }
}

fn problem_of(authorizer: &Authorizer) -> Option<String> {
    let unknown = |source: &&IdentitySource| !functions::is_known(source);
    if let Some(asked) = as_function(authorizer)
        && let Some(source) = asked.sources.iter().find(unknown)
    {
        return Some(format!("nothing is known of {}", functions::named(source)));
    }
    if let Some(problem) = problem_of_tokens(authorizer) {
        return Some(problem);
    }
    functions::problem_of(authorizer)
        .map(|error| format!("its validation expression cannot be used: {error}"))
}

/// What keeps an authorizer from ever seeing a token, or an issuer's keys.
fn problem_of_tokens(authorizer: &Authorizer) -> Option<String> {
    let (issuers, source, may_be_query) = match &authorizer.kind {
        AuthorizerKind::Jwt {
            issuer,
            identity_source,
            ..
        } => (std::slice::from_ref(issuer), identity_source, true),
        AuthorizerKind::UserPools {
            issuers,
            identity_source,
            ..
        } => (issuers.as_slice(), identity_source, false),
        AuthorizerKind::Token { .. } | AuthorizerKind::Request { .. } => return None,
    };
    match source {
        IdentitySource::Header(_) => {}
        IdentitySource::Query(_) if may_be_query => {}
        IdentitySource::Query(_)
        | IdentitySource::StageVariable(_)
        | IdentitySource::Context(_) => {
            let where_it_is = functions::named(source);
            return Some(format!("its token cannot be looked for in {where_it_is}"));
        }
    }
    let bad = issuers.iter().find(|issuer| !is_issuer(issuer));
    bad.map(|issuer| {
        format!(
            "its issuer `{issuer}` is not an https URL; http is taken for this machine alone (localhost, 127.0.0.1)"
        )
    })
}

fn bad_authorizer(authorizer: &Authorizer, why: &str) -> Problem {
    let problem = Problem::error(
        "gateway::bad-authorizer",
        format!("authorizer `{}` lets nobody in: {why}", authorizer.name),
    )
    .because("a request that cannot be authorised is not handed on")
    .help(
        "expressions do without looking around and without references to groups, so that no token takes long to check; \
         identity sources are headers, query parameters, stage variables and members of `$context` that are known \
         before the call",
    );
    match &authorizer.place {
        Some(place) => problem.at(place),
        None => problem,
    }
}
