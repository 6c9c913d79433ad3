//! Ending instances that nobody needs.
//!
//! Lives here: those without events for long, those that are too many, and those that have to make room.
//! Does not live here: instances of versions that are gone (`revisions`).

use std::time::Instant;

use super::{Action, InstanceKey, Pool, VersionId};

impl Pool {
    /// Ends instances that had no event for too long. The least recently used ones stand first; provisioned ones stay.
    pub(super) fn end_idle(
        &mut self,
        version: &VersionId,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        while let Some(idle_at) = self.idle_at(version) {
            if now < idle_at {
                return;
            }
            self.end_longest_free(version, actions);
        }
    }

    /// When the next instance of this version has been idle for too long.
    pub(super) fn idle_at(&self, version: &VersionId) -> Option<Instant> {
        let key = self.lines.get(version)?.free.front()?;
        let free_since = self.instances.get(key)?.free_since?;
        Some(free_since + self.limits.idle_max)
    }

    /// Ends free instances of a version whose function reserves less than it has.
    pub(super) fn end_surplus(&mut self, version: &VersionId, actions: &mut Vec<Action>) {
        while let Some(line) = self.lines.get(version) {
            let fits = line.reserved.is_none_or(|most| line.instances() <= most);
            if fits || line.free.is_empty() {
                return;
            }
            self.end_longest_free(version, actions);
        }
    }

    /// Whether one more instance may exist.
    pub(super) fn has_room(&self) -> bool {
        self.instances.len() + self.starts.len() < self.limits.instances_max
    }

    /// Whether one more instance may exist, now that an event needs it: the one that is free for longest ends when that is
    /// what it takes, a provisioned one only when there is no other.
    pub(super) fn make_room(&mut self, actions: &mut Vec<Action>) -> bool {
        if self.has_room() {
            return true;
        }
        let free_since = |key: &InstanceKey| self.instances.get(key)?.free_since;
        let candidates = self.lines.iter().flat_map(|(version, line)| {
            let free = line.free.front().map(|key| (false, key));
            let ready = line.ready.front().map(|key| (true, key));
            let both = free.into_iter().chain(ready);
            both.filter_map(move |(is_ready, key)| {
                Some((is_ready, free_since(key)?, *key, version))
            })
        });
        let Some((is_ready, _, key, version)) = candidates.min() else {
            return false;
        };
        let version = version.clone();
        if is_ready {
            self.end_ready(&version, key, actions);
        } else {
            self.end_longest_free(&version, actions);
        }
        true
    }

    /// A provisioned instance ends; another one is started as soon as there is room.
    fn end_ready(&mut self, version: &VersionId, key: InstanceKey, actions: &mut Vec<Action>) {
        if let Some(line) = self.lines.get_mut(version) {
            line.ready.retain(|ready| *ready != key);
            line.provisioned -= 1;
        }
        self.instances.remove(&key);
        actions.push(Action::End(key));
        self.starve(version);
    }

    fn end_longest_free(&mut self, version: &VersionId, actions: &mut Vec<Action>) {
        let line = self.lines.get_mut(version);
        if let Some(key) = line.and_then(|line| line.free.pop_front()) {
            self.instances.remove(&key);
            actions.push(Action::End(key));
        }
    }
}
