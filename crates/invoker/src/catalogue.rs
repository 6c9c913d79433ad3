//! What is deployed, as invocations name it.
//!
//! Lives here: from a function's name and a qualifier to the version that runs.
//! Does not live here: instances of versions (`pool`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use interfaces::invoke::NotRun;
use model::application::Application;
use model::arn::Arn;
use model::function::{Function, LATEST, Starts};
use model::ids::FunctionName;
use model::lineage::{CALLS_IN_CHAIN_MAX, FunctionMark, Lineage};

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
    shifts: HashMap<String, Shift>,
    /// By which calls of it are counted in lineages.
    mark: Option<(FunctionMark, Arn)>,
    may_recur: bool,
}

/// Where a part of an alias's calls goes.
struct Shift {
    version: VersionId,
    millionths: u64,
    /// How many calls there were.
    calls: AtomicU64,
}

impl Shift {
    /// Whether the next call goes there.
    ///
    /// Differs: Lambda draws lots. Here calls are told off evenly, so that as many go there as the weight says, from the first
    /// hundred on.
    fn takes_next(&self) -> bool {
        const ALL: u64 = 1_000_000;
        let call = self.calls.fetch_add(1, Ordering::Relaxed) % ALL;
        call * self.millionths / ALL < (call + 1) * self.millionths / ALL
    }
}

impl Catalogue {
    pub(crate) fn of(application: &Application) -> Self {
        let mut catalogue = Self::default();
        for function in application.functions.values() {
            let id = catalogue.add(function);
            let qualified = catalogue.names.entry(function.name.clone()).or_default();
            qualified.latest = Some(id);
            let mark = FunctionMark::of(&function.arn.to_string());
            qualified.mark = Some((mark, function.arn.clone()));
            qualified.may_recur = application.may_recur.contains(&function.name);
        }
        for (name, qualifiers) in &application.qualified {
            for (qualifier, function) in qualifiers {
                let id = catalogue.add(function);
                let qualified = catalogue.names.entry(name.clone()).or_default();
                qualified.others.insert(qualifier.clone(), id);
            }
            catalogue.shift(application, name);
        }
        catalogue
    }

    fn shift(&mut self, application: &Application, name: &FunctionName) {
        let shifts = application.shifts.get(name).into_iter().flatten();
        let Some(qualified) = self.names.get_mut(name) else {
            return;
        };
        for (alias, shift) in shifts {
            // A version that could not be built takes no calls.
            if let Some(version) = qualified.others.get(&shift.version).cloned() {
                let shift = Shift {
                    version,
                    millionths: u64::from(shift.millionths),
                    calls: AtomicU64::new(0),
                };
                qualified.shifts.insert(alias.clone(), shift);
            }
        }
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
                .and_then(|qualified| {
                    let shift = qualified.shifts.get(qualifier);
                    match shift.filter(|shift| shift.takes_next()) {
                        Some(shift) => Some(&shift.version),
                        None => qualified.others.get(qualifier),
                    }
                })
                .ok_or_else(|| unknown(function.clone(), Some(qualifier))),
        }
    }

    /// The trace of an event once the function is called with it; none: as it was.
    ///
    /// # Errors
    /// [`NotRun::Recursive`]: the chain of requests that the event belongs to has called the function as often as it may.
    pub(crate) fn traced(
        &self,
        function: &FunctionName,
        trace: &str,
    ) -> Result<Option<String>, NotRun> {
        let qualified = self.names.get(function);
        let marked = qualified.and_then(|qualified| Some((qualified, qualified.mark.as_ref()?)));
        let Some((qualified, (mark, arn))) = marked.filter(|_| !trace.is_empty()) else {
            return Ok(None);
        };
        let mut lineage = Lineage::of_trace(trace);
        let calls = lineage.calls_of(*mark);
        if CALLS_IN_CHAIN_MAX <= calls && !qualified.may_recur {
            let function = function.clone();
            return Err(NotRun::Recursive {
                function,
                calls,
                arn: Box::new(arn.clone()),
            });
        }
        lineage.count(*mark);
        Ok(Some(lineage.on(trace)))
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
