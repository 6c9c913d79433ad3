//! The processes that instances are made from, as far as a pool can notice them.
//!
//! Lives here: how starts of each version go: templates that are made, die, are unfit; inits that fail.
//! Does not live here: when anything happens (`simulation`).

use std::collections::{BTreeMap, BTreeSet};

use interfaces::runtime::StartWay;

use super::Dice;
use crate::pool::{Fault, Version, VersionId};

/// How the init of a function behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Init {
    Works,
    /// It leaves behind what cannot be forked.
    IsUnfit,
    /// It fails every time.
    Fails,
    /// It fails one time in two.
    FailsHalfTheTime,
}

#[derive(Debug)]
struct Behaviour {
    init: Init,
    has_template: bool,
    may_fork: bool,
}

/// All functions of the simulated machine.
#[derive(Debug, Default)]
pub(super) struct Processes {
    behaviours: BTreeMap<VersionId, Behaviour>,
    is_mended: bool,
}

impl Processes {
    /// New code behaves in a new way.
    pub(super) fn deploy(
        &mut self,
        versions: &BTreeMap<VersionId, Version>,
        retired: &[VersionId],
        dice: &mut Dice,
    ) {
        for id in retired {
            self.behaviours.remove(id);
        }
        for (id, version) in versions {
            self.behaviours
                .entry(id.clone())
                .or_insert_with(|| Behaviour {
                    init: match dice.roll(8) {
                        0 => Init::Fails,
                        1 => Init::FailsHalfTheTime,
                        2 => Init::IsUnfit,
                        _ => Init::Works,
                    },
                    has_template: false,
                    may_fork: version.may_fork,
                });
        }
    }

    /// How the start of an instance ends.
    pub(super) fn start(&mut self, id: &VersionId, dice: &mut Dice) -> Result<StartWay, Fault> {
        let is_mended = self.is_mended;
        let behaviour = self.behaviours.get_mut(id).ok_or(Fault::Machine)?;
        if !is_mended && dice.is_lucky(20) {
            return Err(Fault::Machine);
        }
        if behaviour.has_template {
            return Ok(StartWay::Forked);
        }
        match behaviour.init {
            Init::Fails => Err(Fault::Function),
            Init::FailsHalfTheTime if dice.is_lucky(2) => Err(Fault::Function),
            Init::Works | Init::FailsHalfTheTime if behaviour.may_fork => {
                behaviour.has_template = true;
                Ok(StartWay::Forked)
            }
            Init::Works | Init::FailsHalfTheTime | Init::IsUnfit => Ok(StartWay::Spawned),
        }
    }

    pub(super) fn templates(&self) -> BTreeSet<VersionId> {
        let all = self.behaviours.iter();
        all.filter(|(_, behaviour)| behaviour.has_template)
            .map(|(id, _)| id.clone())
            .collect()
    }

    pub(super) fn template_died(&mut self, id: &VersionId) {
        if let Some(behaviour) = self.behaviours.get_mut(id) {
            behaviour.has_template = false;
        }
    }

    /// All templates die; gives whose they were.
    pub(super) fn base_died(&mut self) -> BTreeSet<VersionId> {
        let templates = self.templates();
        for id in &templates {
            self.template_died(id);
        }
        templates
    }

    /// The developer has mended all inits, and the machine has room.
    pub(super) fn mend(&mut self) {
        self.is_mended = true;
        for behaviour in self.behaviours.values_mut() {
            behaviour.init = Init::Works;
        }
    }
}
