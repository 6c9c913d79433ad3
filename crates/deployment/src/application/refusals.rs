//! Methods and routes that cannot be served.
//!
//! Lives here: the problem that is reported for one, and the function that stands in its place.
//! Does not live here: deciding what cannot be served (`rest`, `http`, `integration`, `mock`).

use model::ids::FunctionName;
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

/// A name that no function can have, since names hold neither spaces nor parentheses. Whoever invokes it is told that there is no such
/// function, and the gateway answers as it does for one that was deleted: 500. The name tells the developer why.
pub(super) fn refused_function(refusal: &Refusal) -> FunctionName {
    FunctionName::new(format!("(refused: {})", refusal.reason))
}
