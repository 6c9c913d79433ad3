//! Methods and routes that cannot be served.
//!
//! Lives here: the problem that is reported for one.
//! Does not live here: deciding what cannot be served (`rest`, `http`, `integration`, `mock`).

use model::problem::{Place, Problem};

use super::integration::Refusal;

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
