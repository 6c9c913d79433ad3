//! Published versions of functions, and their aliases.
//!
//! Lives here: what a function can be called by, and what runs then.
//! Does not live here: how much of the account's concurrency each gets (`concurrency`), the functions (`functions`).
//!
//! Differs: one state of a function's code is deployed, so all versions that a template declares run that one, whichever their
//! numbers are. Those that Lambda's API published run their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::arn::Arn;
use model::door::Callee;
use model::function::{Function, LATEST};
use model::ids::FunctionName;
use model::problem::Problem;
use sha2::{Digest, Sha256};

use super::concurrency::Granted;
use super::integration::Refusal;
use super::view::{Resource, View};

/// The functions that are declared, and the qualifiers by which each can be called.
///
/// One that failed is among them, as one that was not built: that has been reported, and its routes stay.
pub(super) struct Callable {
    declared: BTreeMap<FunctionName, BTreeSet<String>>,
    stood_in: BTreeSet<String>,
}

impl Callable {
    /// The function and its qualifier, if there are such.
    ///
    /// # Errors
    /// [`Refusal`]: there is no such function in the project, or it has no such version or alias.
    pub(super) fn find(
        &self,
        function: FunctionName,
        qualifier: Option<String>,
    ) -> Result<Callee, Refusal> {
        let callee = Callee {
            function,
            qualifier,
        };
        let name = &callee.function;
        if self.stood_in.contains(name.as_str()) {
            return Ok(callee);
        }
        let Some(qualifiers) = self.declared.get(name) else {
            return Err(Refusal::new(format!("no function is called `{name}`"))
                .help("only functions of this project can be reached"));
        };
        match &callee.qualifier {
            Some(asked) if asked != LATEST && !qualifiers.contains(asked) => {
                let reason = format!("function `{name}` has no version or alias `{asked}`");
                Err(Refusal::new(reason).help("declare an `AWS::Lambda::Alias` of that name"))
            }
            Some(_) | None => Ok(callee),
        }
    }
}

/// A version or an alias, as declared.
pub(super) struct Publication<'v> {
    pub(super) resource: Resource<'v>,
    pub(super) function: FunctionName,
    /// Its number or its name.
    pub(super) qualifier: String,
    /// The version that runs.
    pub(super) version: String,
}

/// All versions and aliases of the project's functions, versions first.
pub(super) fn publications<'v>(
    view: &View<'v>,
    problems: &mut Vec<Problem>,
) -> Vec<Publication<'v>> {
    let declared = declared(view);
    let versions = view.of_type("AWS::Lambda::Version").map(|resource| {
        let number = resource.attributes.get("Version");
        let number = number.and_then(crate::records::text_of);
        (resource, number.clone(), number)
    });
    let aliases = view.of_type("AWS::Lambda::Alias").map(|resource| {
        let (name, version) = (resource.text("Name"), resource.text("FunctionVersion"));
        (resource, name, version)
    });
    let mut publications = Vec::new();
    for (resource, qualifier, version) in versions.chain(aliases) {
        // What is left out was reported as missing.
        let (Some(qualifier), Some(version)) = (qualifier, version) else {
            continue;
        };
        let named = resource.text("FunctionName").unwrap_or_default();
        let function = function_named(&named);
        if !declared.contains(&function) {
            if view.stood_in.contains(function.as_str()) {
                continue;
            }
            problems.push(
                Problem::error(
                    "deployment::version-without-function",
                    format!(
                        "`{}` is of no function of this project",
                        resource.logical_id
                    ),
                )
                .at(&resource.place_of(&["FunctionName"]))
                .because(format!("no function is called `{function}`")),
            );
            continue;
        }
        publications.push(Publication {
            resource: *resource,
            function,
            qualifier,
            version,
        });
    }
    problems.extend(not_kept(&publications));
    publications
}

/// Aliases that stand on versions which an earlier deployment published: its code is not there any more.
fn not_kept(publications: &[Publication<'_>]) -> Vec<Problem> {
    let is_declared = |alias: &Publication<'_>| {
        let mut versions = publications.iter();
        versions.any(|it| it.function == alias.function && it.qualifier == alias.version)
    };
    publications
        .iter()
        .filter(|it| it.version != LATEST && !is_declared(it))
        .map(|alias| {
            let title = format!(
                "`{}` stands on version {} of `{}`, which is not declared here",
                alias.resource.logical_id, alias.version, alias.function
            );
            Problem::warning("deployment::version-not-kept", title)
                .at(&alias.resource.place_of(&["FunctionVersion"]))
                .because("the code of earlier deployments is not kept: the code that is deployed last runs")
                .help("to try an earlier version, serve the sources that it was published from")
        })
        .collect()
}

/// What requests may name.
pub(super) fn callable(view: &View<'_>, publications: &[Publication<'_>]) -> Callable {
    let mut callable: BTreeMap<FunctionName, BTreeSet<String>> = declared(view)
        .into_iter()
        .map(|name| (name, BTreeSet::new()))
        .collect();
    for publication in publications {
        let qualifiers = callable.entry(publication.function.clone()).or_default();
        qualifiers.insert(publication.qualifier.clone());
    }
    Callable {
        declared: callable,
        stood_in: view.stood_in.clone(),
    }
}

/// What runs under each qualifier.
pub(super) fn qualified(
    publications: &[Publication<'_>],
    functions: &BTreeMap<FunctionName, Arc<Function>>,
    snapshots: &BTreeMap<(FunctionName, String), Arc<Function>>,
    granted: &Granted,
) -> BTreeMap<FunctionName, BTreeMap<String, Arc<Function>>> {
    let mut made: BTreeMap<(&FunctionName, &str), Arc<Function>> = BTreeMap::new();
    let mut qualified: BTreeMap<FunctionName, BTreeMap<String, Arc<Function>>> = BTreeMap::new();
    for publication in publications {
        let (name, version) = (&publication.function, publication.version.as_str());
        let own = snapshots.get(&(name.clone(), version.to_owned()));
        // One that was not built cannot run under any name.
        let Some(latest) = own.or_else(|| functions.get(name)) else {
            continue;
        };
        let runs = match version {
            LATEST => Arc::clone(latest),
            _ if own.is_some() => Arc::clone(latest),
            _ => made
                .entry((name, version))
                .or_insert_with(|| Arc::new(published(latest, version, granted)))
                .clone(),
        };
        let of_function = qualified.entry(name.clone()).or_default();
        of_function.insert(publication.qualifier.clone(), runs);
    }
    qualified
}

fn published(latest: &Function, version: &str, granted: &Granted) -> Function {
    let mut hash = Sha256::new();
    hash.update(latest.fingerprint.as_bytes());
    hash.update(version.as_bytes());
    Function {
        version: version.to_owned(),
        provisioned_concurrency: granted.provisioned(&latest.name, version),
        fingerprint: hex::encode(hash.finalize()),
        ..latest.clone()
    }
}

fn declared(view: &View<'_>) -> BTreeSet<FunctionName> {
    view.of_type("AWS::Lambda::Function")
        .map(|function| FunctionName::new(function.physical_id))
        .collect()
}

/// From a name, a partial ARN or an ARN, with or without a qualifier.
pub(super) fn function_named(text: &str) -> FunctionName {
    if let Some(name) = Arn::parse(text).ok().and_then(|arn| arn.function_name()) {
        return name;
    }
    let after = text.split_once("function:").map_or(text, |(_, rest)| rest);
    FunctionName::new(after.split(':').next().unwrap_or_default())
}
