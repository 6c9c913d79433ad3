//! What decides of calls of a function before it runs: weights of aliases, loops that may go on.
//!
//! Lives here: reading `RoutingConfig` of aliases and `RecursiveLoop` of functions.
//! Does not live here: which version runs under a qualifier (`versions`), telling calls off, stopping loops (`invoker`).
//!
//! Contract: AWS Lambda Developer Guide, "Implement Lambda canary deployments using a weighted alias"; `AWS::Lambda::Function`,
//! `RecursiveLoop`.

use std::collections::{BTreeMap, BTreeSet};

use model::application::Shift;
use model::ids::FunctionName;
use model::problem::Problem;
use serde_json::Value;

use super::versions::Publication;
use super::view::{Resource, View};
use crate::records::text_of;

const ALL: f64 = 1_000_000.0;

/// Functions with `RecursiveLoop: Allow`.
pub(super) fn may_recur(view: &View<'_>) -> BTreeSet<FunctionName> {
    let functions = view.of_type("AWS::Lambda::Function");
    functions
        .filter(|function| function.text("RecursiveLoop").as_deref() == Some("Allow"))
        .map(|function| FunctionName::new(function.physical_id))
        .collect()
}

/// Aliases of which a part of the calls goes to another version.
pub(super) fn shifts(
    publications: &[Publication<'_>],
    problems: &mut Vec<Problem>,
) -> BTreeMap<FunctionName, BTreeMap<String, Shift>> {
    let mut shifts: BTreeMap<FunctionName, BTreeMap<String, Shift>> = BTreeMap::new();
    for publication in publications {
        let Some(weight) = weight_of(&publication.resource) else {
            continue;
        };
        match shift(publication, weight, publications) {
            Ok(shift) => {
                let of_function = shifts.entry(publication.function.clone()).or_default();
                of_function.insert(publication.qualifier.clone(), shift);
            }
            Err(problem) => problems.push(*problem),
        }
    }
    shifts
}

/// The entries of `AdditionalVersionWeights`.
fn weight_of<'v>(alias: &Resource<'v>) -> Option<&'v Vec<Value>> {
    let routing = alias.properties.get("RoutingConfig")?;
    let weights = routing.get("AdditionalVersionWeights")?.as_array()?;
    (!weights.is_empty()).then_some(weights)
}

fn shift(
    alias: &Publication<'_>,
    weights: &[Value],
    publications: &[Publication<'_>],
) -> Result<Shift, Box<Problem>> {
    let name = alias.resource.logical_id;
    let refused = |why: &str| {
        let place = ["RoutingConfig", "AdditionalVersionWeights"];
        Box::new(
            Problem::error(
                "deployment::alias-weights",
                format!("calls of `{name}` cannot be shared between versions"),
            )
            .at(&alias.resource.place_of(&place))
            .because(why)
            .help("name one published version of the same function besides `FunctionVersion`, with a weight from 0.0 to 1.0"),
        )
    };
    let [weight] = weights else {
        return Err(refused("an alias stands on two versions at most"));
    };
    let member = |member: &str| weight.get(member).and_then(text_of);
    let version = member("FunctionVersion").unwrap_or_default();
    if version == alias.version {
        return Err(refused(
            "the version with a weight is the one that the alias stands on",
        ));
    }
    let mut versions = publications.iter();
    if !versions.any(|it| it.function == alias.function && it.qualifier == version) {
        return Err(refused(&format!(
            "version {version} of `{}` is not declared here, and the code of earlier deployments is not kept",
            alias.function
        )));
    }
    let share = member("FunctionWeight").and_then(|weight| weight.parse::<f64>().ok());
    match share.filter(|share| (0.0..=1.0).contains(share)) {
        Some(share) => Ok(Shift {
            version,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it lies between 0 and a million"
            )]
            millionths: (share * ALL).round() as u32,
        }),
        None => Err(refused("a weight is a number from 0.0 to 1.0")),
    }
}
