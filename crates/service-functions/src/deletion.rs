//! Deleting functions and versions.
//!
//! Lives here: `DeleteFunction`, and what goes with a function.
//! Does not live here: deleting anything else (the file of each).
//!
//! Contract: AWS Lambda API Reference, `DeleteFunction`, and answers recorded from the service.

use std::sync::Arc;

use interfaces::service::ServiceAnswer;
use model::function::LATEST;

use crate::adoption::OF_FUNCTIONS;
use crate::answers::{self, Refusal};
use crate::catalogue::{Catalogue, Kind, version_key};
use crate::keeper::Change;
use crate::request::Asked;
use crate::service::{Handler, Service};

pub(crate) const HANDLERS: &[(&str, Handler)] = &[("DeleteFunction", |service, asked| {
    Box::pin(service.delete_function(asked))
})];

impl Service {
    async fn delete_function(&self, asked: &Asked<'_>) -> Result<ServiceAnswer, Refusal> {
        let named = asked.function()?;
        let name = named.function.as_str();
        if named.qualifier.as_deref() == Some(LATEST) {
            return Err(Refusal::invalid_parameter(
                "$LATEST version cannot be deleted without deleting the function.",
            ));
        }
        let is_alias =
            |qualifier: &str| !qualifier.contains('$') && version_key(name, qualifier).is_none();
        if named.qualifier.as_deref().is_some_and(is_alias) {
            return Err(Refusal::invalid_parameter(
                "Deletion of aliases is not currently supported.",
            ));
        }
        let turn = self.keeper.turn().await?;
        let catalogue = Arc::clone(&turn.catalogue);
        if catalogue.function(name).is_none() {
            return Err(Refusal::function_not_found(&catalogue.arn(name, None)));
        }
        let mut change = Change::default();
        match named.qualifier.as_deref() {
            None => delete_all(&catalogue, name, &mut change),
            Some(qualifier) => {
                let key = version_key(name, qualifier).unwrap_or_default();
                if catalogue.get(Kind::Version, &key).is_none() {
                    // Deleting what is not there succeeds, for versions alone.
                    return Ok(answers::empty(204));
                }
                check_aliases(&catalogue, name, qualifier)?;
                change.remove(&catalogue, Kind::Version, &key);
                of_qualifier(&catalogue, name, qualifier, &mut change);
            }
        }
        let generation = turn.apply(change).await?;
        self.keeper.served(generation).await;
        self.sweep().await;
        Ok(answers::empty(204))
    }
}

fn delete_all(catalogue: &Catalogue, name: &str, change: &mut Change) {
    change.remove(catalogue, Kind::Function, name);
    let prefix = format!("{name}:");
    for kind in OF_FUNCTIONS {
        for (key, _) in catalogue.with_prefix(kind, &prefix) {
            change.remove(catalogue, kind, key);
        }
    }
}

/// A version that an alias stands on stays.
fn check_aliases(catalogue: &Catalogue, name: &str, version: &str) -> Result<(), Refusal> {
    let prefix = format!("{name}:");
    let mut aliases = catalogue.with_prefix(Kind::Alias, &prefix);
    let standing = aliases.find(|(_, alias)| {
        alias.text("FunctionVersion").as_deref() == Some(version)
            || crate::aliases::is_weighted(alias, version)
    });
    match standing {
        Some((key, _)) => {
            let alias = key.rsplit(':').next().unwrap_or_default();
            let arn = catalogue.arn(name, Some(alias));
            Err(Refusal::conflict(&format!(
                "Version was not able to be deleted because the following alias references the version: {arn}"
            )))
        }
        None => Ok(()),
    }
}

/// What belongs to a version or an alias goes with it.
pub(crate) fn of_qualifier(
    catalogue: &Catalogue,
    name: &str,
    qualifier: &str,
    change: &mut Change,
) {
    let key = format!("{name}:{qualifier}");
    for kind in [Kind::Url, Kind::EventInvoke] {
        change.remove(catalogue, kind, &key);
    }
    let prefix = format!("{key}:");
    for (key, _) in catalogue.with_prefix(Kind::Permission, &prefix) {
        change.remove(catalogue, Kind::Permission, key);
    }
}
