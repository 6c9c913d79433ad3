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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn properties(value: Value) -> Properties {
        value.as_object().cloned().unwrap_or_default()
    }

    fn record(phase: Phase, position: usize) -> ResourceRecord {
        ResourceRecord {
            resource_type: "T".to_owned(),
            generated_name: "name".to_owned(),
            number: None,
            properties: properties(json!({"a": 1})),
            position,
            is_retained: false,
            phase,
        }
    }

    fn made() -> Phase {
        Phase::Made {
            physical_id: "p".to_owned(),
            attributes: Properties::new(),
        }
    }

    fn updating() -> Phase {
        Phase::Updating {
            physical_id: "p".to_owned(),
            attributes: Properties::new(),
            next: Properties::new(),
        }
    }

    #[test]
    fn the_step_follows_from_what_is_there_and_what_is_wanted() {
        let same = json!({"a": 1});
        let other = json!({"a": 2});
        let cases = [
            (None, "T", &same, UpdatePlan::Nothing, Step::Create),
            (
                Some(Phase::Failed),
                "T",
                &same,
                UpdatePlan::Nothing,
                Step::Create,
            ),
            (Some(made()), "T", &same, UpdatePlan::Replace, Step::Keep),
            (Some(made()), "T", &other, UpdatePlan::Nothing, Step::Note),
            (Some(made()), "T", &other, UpdatePlan::InPlace, Step::Update),
            (
                Some(made()),
                "T",
                &other,
                UpdatePlan::Replace,
                Step::Replace,
            ),
            (Some(made()), "U", &same, UpdatePlan::Nothing, Step::Replace),
            (
                Some(updating()),
                "T",
                &same,
                UpdatePlan::Nothing,
                Step::Update,
            ),
            (
                Some(updating()),
                "T",
                &other,
                UpdatePlan::Replace,
                Step::Replace,
            ),
            (
                Some(updating()),
                "U",
                &same,
                UpdatePlan::Nothing,
                Step::Replace,
            ),
        ];
        for (phase, resource_type, wanted, judgement, expected) in cases {
            let old = phase.map(|phase| record(phase, 0));
            let wanted = properties(wanted.clone());
            let step = decide(old.as_ref(), resource_type, &wanted, |_, _| judgement);
            assert_eq!(step, expected, "{old:?} {resource_type} {judgement:?}");
        }
    }

    #[test]
    fn what_left_the_template_goes_in_the_reverse_order_of_its_making() {
        let mut records = BTreeMap::new();
        for (position, name) in ["Third", "First", "Second", "Wanted"].iter().enumerate() {
            records.insert(LogicalId::new(*name), record(made(), position));
        }
        let mut kept = record(made(), 9);
        kept.is_retained = true;
        records.insert(LogicalId::new("Kept"), kept);
        records.insert(LogicalId::new("Never"), record(Phase::Failed, 8));
        let wanted = BTreeSet::from([LogicalId::new("Wanted")]);
        let names: Vec<String> = removals(&records, &wanted)
            .iter()
            .map(|(id, removal)| format!("{removal:?} {id}"))
            .collect();
        assert_eq!(
            names,
            [
                "Forget Kept",
                "Forget Never",
                "Delete Second",
                "Delete First",
                "Delete Third"
            ]
        );
    }
}
