//! What is deployed, as invocations name it.
//!
//! Lives here: from a function's name and a qualifier to the version that runs.
//! Does not live here: instances of versions (`pool`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use interfaces::invoke::NotRun;
use model::application::Application;
use model::function::{Function, LATEST, Starts};
use model::ids::FunctionName;

use crate::pool::{Version, VersionId};

/// The functions of one revision.
#[derive(Default)]
pub(crate) struct Catalogue {
    names: HashMap<FunctionName, Qualified>,
    functions: BTreeMap<VersionId, Arc<Function>>,
}

/// What runs under one function's name.
#[derive(Default)]
struct Qualified {
    latest: Option<VersionId>,
    others: HashMap<String, VersionId>,
}

impl Catalogue {
    pub(crate) fn of(application: &Application) -> Self {
        let mut catalogue = Self::default();
        for function in application.functions.values() {
            let id = catalogue.add(function);
            let name = function.name.clone();
            catalogue.names.entry(name).or_default().latest = Some(id);
        }
        for (name, qualifiers) in &application.qualified {
            for (qualifier, function) in qualifiers {
                let id = catalogue.add(function);
                let qualified = catalogue.names.entry(name.clone()).or_default();
                qualified.others.insert(qualifier.clone(), id);
            }
        }
        catalogue
    }

    fn add(&mut self, function: &Arc<Function>) -> VersionId {
        let id = VersionId::new(function.name.clone(), function.version.clone());
        self.functions.insert(id.clone(), Arc::clone(function));
        id
    }

    /// The version that runs when the function is called by this qualifier.
    pub(crate) fn find(
        &self,
        function: &FunctionName,
        qualifier: Option<&str>,
    ) -> Result<&VersionId, NotRun> {
        let qualified = self.names.get(function);
        match qualifier {
            None | Some(LATEST) => qualified
                .and_then(|qualified| qualified.latest.as_ref())
                .ok_or_else(|| unknown(function.clone(), None)),
            Some(qualifier) => qualified
                .and_then(|qualified| qualified.others.get(qualifier))
                .ok_or_else(|| unknown(function.clone(), Some(qualifier))),
        }
    }

    pub(crate) fn get(&self, id: &VersionId) -> Option<&Arc<Function>> {
        self.functions.get(id)
    }

    /// The functions that `other` does not have in the same state.
    pub(crate) fn without(&self, other: &Self) -> Vec<Arc<Function>> {
        let is_same = |id: &VersionId, function: &Arc<Function>| {
            other
                .get(id)
                .is_some_and(|it| it.fingerprint == function.fingerprint)
        };
        self.functions
            .iter()
            .filter(|(id, function)| !is_same(id, function))
            .map(|(_, function)| Arc::clone(function))
            .collect()
    }

    /// What the pool has to know of all versions.
    pub(crate) fn versions(&self) -> BTreeMap<VersionId, Version> {
        let version = |function: &Function| Version {
            fingerprint: function.fingerprint.clone(),
            reserved_concurrency: function.reserved_concurrency,
            provisioned_concurrency: function.provisioned_concurrency,
            may_fork: match function.starts {
                Starts::Automatic | Starts::Forked => true,
                Starts::Spawned => false,
            },
        };
        self.functions
            .iter()
            .map(|(id, function)| (id.clone(), version(function)))
            .collect()
    }
}

/// There is nothing to run under this name.
pub(crate) fn unknown(function: FunctionName, qualifier: Option<&str>) -> NotRun {
    match qualifier {
        None | Some(LATEST) => NotRun::UnknownFunction { function },
        Some(qualifier) => NotRun::UnknownQualifier {
            function,
            qualifier: qualifier.to_owned(),
        },
    }
}
