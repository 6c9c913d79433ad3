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
use model::limits::LAMBDA_UNRESERVED_CONCURRENCY_MIN;
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

/// The account's concurrency.
#[derive(Clone, Copy)]
struct Account {
    /// Events that may run at once, of all functions together.
    concurrency: usize,
    /// What of it nobody holds yet.
    unreserved: usize,
}

impl Account {
    /// What has to stay for functions that reserve nothing. An account that has less altogether keeps all of it: the
    /// cloud's words to new accounts say `[10]` or `[50]`, which is what these have.
    fn unreserved_min(self) -> usize {
        LAMBDA_UNRESERVED_CONCURRENCY_MIN.min(self.concurrency)
    }

    fn can_spare(self, asked: usize) -> bool {
        asked.saturating_add(self.unreserved_min()) <= self.unreserved
    }
}

/// Hands out what the template asks for, in its order, as long as there is enough of the account's `concurrency`.
pub(super) fn grant(
    view: &View<'_>,
    publications: &[Publication<'_>],
    concurrency: usize,
    problems: &mut Vec<Problem>,
) -> Granted {
    let mut granted = Granted::default();
    let mut account = Account {
        concurrency,
        unreserved: concurrency,
    };
    for function in view.of_type("AWS::Lambda::Function") {
        let Some(asked) = count(function.properties.get("ReservedConcurrentExecutions")) else {
            continue;
        };
        if !account.can_spare(asked) {
            problems.push(not_reserved(function, asked, account));
            continue;
        }
        account.unreserved -= asked;
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
        match refusal(publication, asked, account, &granted) {
            Some(refusal) => problems.push(not_provisioned(publication, asked, refusal)),
            None => {
                if granted.reserved(&publication.function).is_none() {
                    account.unreserved -= asked;
                }
                let key = (publication.function.clone(), publication.version.clone());
                granted.provisioned.insert(key, asked);
            }
        }
    }
    granted
}

/// Why something cannot be provisioned.
struct Refusal {
    /// Lambda's words.
    words: String,
    /// What helps.
    remedy: &'static str,
}

fn refusal(
    publication: &Publication<'_>,
    asked: usize,
    account: Account,
    granted: &Granted,
) -> Option<Refusal> {
    let refused = |words: &str, remedy| {
        Some(Refusal {
            words: words.to_owned(),
            remedy,
        })
    };
    let Publication {
        function, version, ..
    } = publication;
    if version == LATEST {
        return refused(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
            "let the alias stand on a published version",
        );
    }
    if 0 < granted.provisioned(function, version) {
        return refused(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
            "provision each version in one place only",
        );
    }
    if let Some(reserved) = granted.reserved(function) {
        if asked.saturating_add(granted.provisioned_of(function)) <= reserved {
            return None;
        }
        return refused(
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
            "provision less, or let the function reserve more",
        );
    }
    if account.can_spare(asked) {
        return None;
    }
    let words = if account.unreserved < asked {
        format!(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{}].",
            account.unreserved
        )
    } else {
        format!(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{}].",
            account.unreserved_min()
        )
    };
    refused(
        &words,
        "provision less, let other functions hold less, or set a larger `account_concurrency` in cloudless.toml",
    )
}

fn not_reserved(function: &Resource<'_>, asked: usize, account: Account) -> Problem {
    Problem::error(
        "deployment::concurrency-not-granted",
        format!(
            "function `{}` cannot reserve a concurrency of {asked}",
            function.logical_id
        ),
    )
    .at(&function.place_of(&["ReservedConcurrentExecutions"]))
    .because(format!(
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{}].",
        account.unreserved_min()
    ))
    .help(format!(
        "the account has {}, of which all functions together can reserve {}: let some reserve less, or set a larger \
         `account_concurrency` in cloudless.toml",
        account.concurrency,
        account.concurrency - account.unreserved_min()
    ))
}

fn not_provisioned(publication: &Publication<'_>, asked: usize, refusal: Refusal) -> Problem {
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
    .because(refusal.words)
    .help(format!(
        "{}; until then its instances start when events come",
        refusal.remedy
    ))
}

fn count(value: Option<&Value>) -> Option<usize> {
    crate::records::text_of(value?)?.parse().ok()
}
