//! What is wrong with routes: paths that no API can hold, and routes that hide one another.
//!
//! Lives here: the problems' words.
//! Does not live here: finding them (`api`, `table`), drawing them (`cloudless::commands`).

use model::problem::Problem;

use super::api::{Api, DEFAULT_STAGE, Route};
use super::template::Template;
use crate::http_proxy::{BadCustom, BadProxy};
use crate::validate::BadModel;

/// A path that cannot be read.
pub(super) fn bad_path(route: &Route) -> Problem {
    let reason = Template::parse(&route.resource)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    let problem = Problem::error("gateway::bad-path", reason)
        .because("API Gateway refuses to create such a route")
        .help("a variable is a whole segment, as `/pets/{id}`; a greedy one, as `{proxy+}`, is the last");
    at(problem, route)
}

/// A model that no body can be held against.
pub(super) fn bad_model(route: &Route, bad: &BadModel) -> Problem {
    let problem = Problem::error(
        "gateway::bad-model",
        format!("the route `{}` is not served: {bad}", route.key),
    )
    .because("a request that cannot be validated is not handed on")
    .help(
        "models are JSON schemas of draft 4; their regular expressions do without looking around and without \
         references to groups, so that no body takes long to check",
    );
    at(problem, route)
}

/// An integration that hands requests on to nobody.
pub(super) fn bad_proxy(route: &Route, bad: &BadProxy) -> Problem {
    let problem = Problem::error(
        "gateway::bad-proxy",
        format!("the route `{}` hands no requests on: {bad}", route.key),
    )
    .because("its requests fail, so that they reach nobody who is not meant")
    .help(
        "name the server in the integration's URI, and map what the gateway can know of a request",
    );
    at(problem, route)
}

/// An integration with templates that cannot be carried out.
pub(super) fn bad_integration(route: &Route, bad: &BadCustom) -> Problem {
    let problem = Problem::error(
        "gateway::bad-integration",
        format!("the route `{}` is not served: {bad}", route.key),
    )
    .because("API Gateway refuses such an integration, or fails each of its requests")
    .help("mend what is named: lines and columns are those of the template");
    at(problem, route)
}

/// A route that its API has already.
pub(super) fn duplicate(route: &Route, first: Option<&Route>) -> Problem {
    let cause = match first.and_then(|first| first.place.as_ref()) {
        Some(place) => format!("it is declared at {place} already"),
        None => "it is declared already".to_owned(),
    };
    let problem = Problem::error(
        "gateway::duplicate-route",
        format!("the route `{}` exists twice in one API", route.key),
    )
    .because(cause)
    .help("the first one answers; remove the other, or give it another path or method");
    at(problem, route)
}

/// Says which routes another API hides when the request names neither by its host name.
pub(super) fn report_shadowed(before: &[Api], api: &Api, found: &mut Vec<Problem>) {
    for route in &api.routes {
        let hidden_by = before.iter().find(|other| {
            // One with a stage in its path and one without have addresses of their own.
            if (other.stage.as_str() == DEFAULT_STAGE) != (api.stage.as_str() == DEFAULT_STAGE) {
                return false;
            }
            let same_path = |known: &Route| match (&known.template, &route.template) {
                (Some(one), Some(two)) => one.matches_the_same(two),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            let same_method = |known: &Route| known.method == route.method || known.method == "ANY";
            let mut routes = other.routes.iter();
            routes.any(|known| same_method(known) && same_path(known))
        });
        let Some(other) = hidden_by else { continue };
        let way_out = if other.stage == api.stage {
            format!(
                "send the header `Host: {}.execute-api.localhost` to reach it",
                api.id
            )
        } else {
            format!(
                "begin the path with `/{}` to reach it, or send the header `Host: {}.execute-api.localhost`",
                api.stage, api.id
            )
        };
        let problem = Problem::warning(
            "gateway::route-clash",
            format!("the route `{}` exists in two APIs", route.key),
        )
        .because(format!(
            "here all APIs share one port; the API `{}` answers, the API `{}` does not",
            other.id, api.id
        ))
        .help(way_out);
        found.push(at(problem, route));
    }
}

fn at(problem: Problem, route: &Route) -> Problem {
    match &route.place {
        Some(place) => problem.at(place),
        None => problem,
    }
}
