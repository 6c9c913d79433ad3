//! The account's concurrency, handed out to functions.
//!
//! Lives here: what of the reserved and provisioned concurrency that a template asks for can be had.
//! Does not live here: holding functions to it (`invoker`).
//!
//! Contract: AWS Lambda API Reference, `PutFunctionConcurrency`, `PutProvisionedConcurrencyConfig`, and their answers as
//! recorded from the service.
//! Differs: the cloud undoes a deployment that asks for too much; here the function runs without what it cannot have.

use std::collections::BTreeMap;

use model::function::LATEST;
use model::ids::FunctionName;
use model::limits::{LAMBDA_CONCURRENT_EXECUTIONS, LAMBDA_UNRESERVED_CONCURRENCY_MIN};
use model::problem::Problem;
use serde_json::Value;

use super::versions::Publication;
use super::view::{Resource, View};

/// What functions get.
#[derive(Debug, Default)]
pub(super) struct Granted {
    reserved: BTreeMap<FunctionName, usize>,
    provisioned: BTreeMap<(FunctionName, String), usize>,
}

impl Granted {
    /// `ReservedConcurrentExecutions`, if the function has it.
    pub(super) fn reserved(&self, function: &FunctionName) -> Option<usize> {
        self.reserved.get(function).copied()
    }

    /// How many instances of a version are kept ready.
    pub(super) fn provisioned(&self, function: &FunctionName, version: &str) -> usize {
        let key = (function.clone(), version.to_owned());
        self.provisioned.get(&key).copied().unwrap_or_default()
    }

    /// What all versions of a function have together.
    fn provisioned_of(&self, function: &FunctionName) -> usize {
        let all = self.provisioned.iter();
        all.filter(|((of, _), _)| of == function)
            .map(|(_, count)| count)
            .sum()
    }
}

/// Hands out what the template asks for, in its order, as long as there is enough.
pub(super) fn grant(
    view: &View<'_>,
    publications: &[Publication<'_>],
    problems: &mut Vec<Problem>,
) -> Granted {
    let mut granted = Granted::default();
    let mut unreserved = LAMBDA_CONCURRENT_EXECUTIONS;
    for function in view.of_type("AWS::Lambda::Function") {
        let Some(asked) = count(function.properties.get("ReservedConcurrentExecutions")) else {
            continue;
        };
        if unreserved < asked + LAMBDA_UNRESERVED_CONCURRENCY_MIN {
            problems.push(not_reserved(function, asked));
            continue;
        }
        unreserved -= asked;
        let name = FunctionName::new(function.physical_id);
        granted.reserved.insert(name, asked);
    }
    for publication in publications {
        let config = publication
            .resource
            .properties
            .get("ProvisionedConcurrencyConfig");
        let asked = config.and_then(|config| config.get("ProvisionedConcurrentExecutions"));
        let Some(asked) = count(asked).filter(|asked| 0 < *asked) else {
            continue;
        };
        match refusal(publication, asked, unreserved, &granted) {
            Some(words) => problems.push(not_provisioned(publication, asked, &words)),
            None => {
                if granted.reserved(&publication.function).is_none() {
                    unreserved -= asked;
                }
                let key = (publication.function.clone(), publication.version.clone());
                granted.provisioned.insert(key, asked);
            }
        }
    }
    granted
}

/// Lambda's words for what cannot be provisioned.
fn refusal(
    publication: &Publication<'_>,
    asked: usize,
    unreserved: usize,
    granted: &Granted,
) -> Option<String> {
    let Publication {
        function, version, ..
    } = publication;
    if version == LATEST {
        let words =
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
        return Some(words.to_owned());
    }
    if 0 < granted.provisioned(function, version) {
        let words = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version";
        return Some(words.to_owned());
    }
    if let Some(reserved) = granted.reserved(function) {
        let words = "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function";
        return (reserved < granted.provisioned_of(function) + asked).then(|| words.to_owned());
    }
    if unreserved < asked {
        return Some(format!(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{unreserved}]."
        ));
    }
    (unreserved < asked + LAMBDA_UNRESERVED_CONCURRENCY_MIN).then(|| {
        format!(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{LAMBDA_UNRESERVED_CONCURRENCY_MIN}]."
        )
    })
}

fn not_reserved(function: &Resource<'_>, asked: usize) -> Problem {
    Problem::error(
        "deployment::concurrency-not-granted",
        format!(
            "function `{}` cannot reserve a concurrency of {asked}",
            function.logical_id
        ),
    )
    .at(&function.place_of(&["ReservedConcurrentExecutions"]))
    .because(format!(
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{LAMBDA_UNRESERVED_CONCURRENCY_MIN}]."
    ))
    .help(format!(
        "an account has {LAMBDA_CONCURRENT_EXECUTIONS}, of which all functions together can reserve {}: let some reserve less",
        LAMBDA_CONCURRENT_EXECUTIONS - LAMBDA_UNRESERVED_CONCURRENCY_MIN
    ))
}

fn not_provisioned(publication: &Publication<'_>, asked: usize, words: &str) -> Problem {
    let place = publication.resource.place_of(&[
        "ProvisionedConcurrencyConfig",
        "ProvisionedConcurrentExecutions",
    ]);
    Problem::error(
        "deployment::concurrency-not-granted",
        format!(
            "`{}` cannot have a provisioned concurrency of {asked}",
            publication.resource.logical_id
        ),
    )
    .at(&place)
    .because(words)
    .help("its function runs without: instances start when events come")
}

fn count(value: Option<&Value>) -> Option<usize> {
    crate::records::text_of(value?)?.parse().ok()
}
