//! Methods and routes that cannot be served.
//!
//! Lives here: the problems that are reported for both kinds of API.
//! Does not live here: deciding what cannot be served (`rest`, `http`, `integration`, `mock`).

use model::door::Authorization;
use model::problem::{Place, Problem};

use super::integration::Refusal;
use super::view::Resource;

/// What is reported for a method, a route or an API that is not served.
pub(super) fn not_served(what: &str, refusal: &Refusal, place: &Place) -> Problem {
    let problem = Problem::error("deployment::not-served", format!("{what} is not served"))
        .at(place)
        .because(&refusal.reason);
    match &refusal.help {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// What is reported for a method or a route of an API that is not of this project.
pub(super) fn stray(what: &str, api: &str, place: &Place) -> Problem {
    let reason = format!("its API `{api}` is not one of this project");
    not_served(what, &Refusal::new(reason), place)
}

/// What a method or a route asks of its callers. Where that cannot be told it stays shut, whatever answers it.
pub(super) fn guarded<T>(
    asked: Result<Authorization, Refusal>,
    resolved: Result<T, Refusal>,
) -> (Authorization, Result<T, Refusal>) {
    match asked {
        Ok(authorization) => (authorization, resolved),
        Err(refusal) => (Authorization::Open, Err(refusal)),
    }
}

/// What is reported for an API that nobody can reach.
pub(super) fn without_stage(api: &Resource<'_>) -> Problem {
    Problem::warning(
        "deployment::api-without-stage",
        format!("API `{}` has no stage", api.logical_id),
    )
    .at(api.place)
    .because("an API that is not deployed to a stage has no address")
}
