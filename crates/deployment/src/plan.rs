//! What has to be done to a resource, from plain data.
//!
//! Lives here: the decision on each resource, and on those that left the template.
//! Does not live here: doing it (`apply`).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use interfaces::resource_provider::{Properties, UpdatePlan};
use model::ids::LogicalId;

use crate::state::{Phase, ResourceRecord};

/// What a resource takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is as it should be.
    Keep,
    /// Only its record changes.
    Note,
    /// It has to be made.
    Create,
    /// It has to be changed in place.
    Update,
    /// Another has to be made in its place.
    Replace,
}

/// Decides on one resource. `plan_update` is its provider's judgement of old against new properties.
pub(crate) fn decide(
    old: Option<&ResourceRecord>,
    resource_type: &str,
    properties: &Properties,
    plan_update: impl FnOnce(&Properties, &Properties) -> UpdatePlan,
) -> Step {
    let Some(old) = old else {
        return Step::Create;
    };
    match &old.phase {
        Phase::Failed | Phase::Creating { .. } | Phase::Deleting { .. } => Step::Create,
        Phase::Made { .. } | Phase::Updating { .. } if old.resource_type != resource_type => {
            Step::Replace
        }
        // A change that a crash or a fault interrupted: what it left is unknown, so it is made again.
        Phase::Updating { .. } => match plan_update(&old.properties, properties) {
            UpdatePlan::Nothing | UpdatePlan::InPlace => Step::Update,
            UpdatePlan::Replace => Step::Replace,
        },
        Phase::Made { .. } if old.properties == *properties => Step::Keep,
        Phase::Made { .. } => match plan_update(&old.properties, properties) {
            UpdatePlan::Nothing => Step::Note,
            UpdatePlan::InPlace => Step::Update,
            UpdatePlan::Replace => Step::Replace,
        },
    }
}

/// What becomes of a resource that left the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is deleted.
    Delete,
    /// It stays, and is forgotten.
    Forget,
}

/// Decides on all that left the template: in the reverse order of their making.
pub(crate) fn removals(
    records: &BTreeMap<LogicalId, ResourceRecord>,
    wanted: &BTreeSet<LogicalId>,
) -> Vec<(LogicalId, Removal)> {
    let mut unwanted: Vec<(&LogicalId, &ResourceRecord)> = records
        .iter()
        .filter(|(id, _)| !wanted.contains(*id))
        .collect();
    unwanted.sort_by_key(|(_, record)| Reverse(record.position));
    let removal = |record: &ResourceRecord| {
        if record.is_retained || record.made().is_none() {
            Removal::Forget
        } else {
            Removal::Delete
        }
    };
    unwanted
        .into_iter()
        .map(|(id, record)| (id.clone(), removal(record)))
        .collect()
}
