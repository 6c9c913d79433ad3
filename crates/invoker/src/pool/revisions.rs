//! Changing what is deployed.
//!
//! Lives here: what becomes of lines and instances when versions come, change and go; the end of everything.
//! Does not live here: where revisions come from (`driver`).

use std::collections::BTreeMap;
use std::time::Instant;

use interfaces::runtime::Initialization;

use super::brisk::Pace;
use super::line::Line;
use super::shares::Shares;
use super::{Action, Pool, Refusal, Version, VersionId};

impl Pool {
    /// Another revision is deployed. Instances of versions that have not changed stay.
    pub(crate) fn swap(
        &mut self,
        versions: &BTreeMap<VersionId, Version>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        for (id, version) in versions {
            self.lines
                .entry(id.clone())
                .or_insert_with(|| Line::new(version));
        }
        let ids: Vec<VersionId> = self.lines.keys().cloned().collect();
        for id in &ids {
            match versions.get(id) {
                Some(version) => self.replace(id, version, now, actions),
                None => self.remove(id, actions),
            }
        }
        self.recount();
        for id in &ids {
            self.end_surplus(id, actions);
            self.start_what_is_missing(id, now, actions);
            self.forget_if_gone(id);
        }
        self.feed_the_starved(now, actions);
    }

    /// Takes no more events, and starts nothing ahead of any; what was admitted goes on.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Refuses all that wait, gives up all starts, and ends all instances, busy ones too.
    pub(crate) fn end_all(&mut self, actions: &mut Vec<Action>) {
        for line in self.lines.values_mut() {
            for waiting in line.waiting.drain(..) {
                actions.push(Action::Refuse(waiting.ticket, Refusal::ShuttingDown));
            }
        }
        let starts = std::mem::take(&mut self.starts);
        actions.extend(starts.into_keys().map(Action::CancelStart));
        actions.extend(self.instances.drain().map(|(key, _)| Action::End(key)));
        self.lines.clear();
        self.starved.clear();
        self.shares = Shares::default();
        self.due = None;
        self.holding.clear();
        self.look_at = None;
    }

    /// Forgets a version that was removed, once nothing of it is left.
    pub(super) fn forget_if_gone(&mut self, version: &VersionId) {
        let is_gone = |line: &Line| line.is_removed && line.busy == 0;
        if self.lines.get(version).is_some_and(is_gone) {
            self.lines.remove(version);
        }
    }

    /// Takes over a version: another fingerprint makes new instances.
    fn replace(
        &mut self,
        id: &VersionId,
        version: &Version,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(line) = self.lines.get_mut(id) else {
            return;
        };
        line.allot(version);
        line.may_fork = version.may_fork;
        let is_unchanged = line.fingerprint == version.fingerprint && !line.is_removed;
        if is_unchanged {
            self.demote_surplus(id, now);
            return;
        }
        line.fingerprint.clone_from(&version.fingerprint);
        line.is_removed = false;
        self.end_generation(id, actions);
    }

    /// The version is no longer deployed.
    fn remove(&mut self, id: &VersionId, actions: &mut Vec<Action>) {
        self.end_generation(id, actions);
        let Some(line) = self.lines.get_mut(id) else {
            return;
        };
        line.is_removed = true;
        line.provisioned_wanted = 0;
        line.held = 0;
        for waiting in line.waiting.drain(..) {
            actions.push(Action::Refuse(waiting.ticket, Refusal::UnknownFunction));
        }
    }

    fn recount(&mut self) {
        let needs = self
            .lines
            .iter()
            .map(|(id, line)| (id.function(), line.need()));
        self.shares.recount(needs);
    }

    /// Free instances that are provisioned no longer stay as long as others do.
    fn demote_surplus(&mut self, id: &VersionId, now: Instant) {
        let Some(line) = self.lines.get_mut(id) else {
            return;
        };
        let mut is_any = false;
        while line.provisioned_wanted < line.provisioned
            && let Some(key) = line.ready.pop_front()
        {
            line.provisioned -= 1;
            line.free.push_back(key);
            if let Some(record) = self.instances.get_mut(&key) {
                record.initialization = Initialization::OnDemand;
                record.free_since = Some(now);
            }
            is_any = true;
        }
        self.note_due(is_any.then(|| now + self.limits.idle_max));
    }

    fn end_generation(&mut self, id: &VersionId, actions: &mut Vec<Action>) {
        let Some(line) = self.lines.get_mut(id) else {
            return;
        };
        line.generation += 1;
        line.starting = 0;
        line.provisioned = 0;
        line.way = None;
        line.orphans.clear();
        line.has_given_up = false;
        line.failed_starts = 0;
        line.no_start_before = None;
        line.pace = Pace::default();
        line.hold_nothing_back();
        for waiting in &mut line.waiting {
            waiting.start = None;
        }
        for key in line.free.drain(..).chain(line.ready.drain(..)) {
            self.instances.remove(&key);
            actions.push(Action::End(key));
        }
        self.starts.retain(|key, start| {
            let stays = start.version != *id;
            if !stays {
                actions.push(Action::CancelStart(*key));
            }
            stays
        });
    }
}
