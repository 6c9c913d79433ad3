//! Waiting in line.
//!
//! Lives here: joining and leaving a line, and which event a start belongs to meanwhile.
//! Does not live here: what the line holds (`line`), being served (`pool`).

use std::time::Instant;

use super::line::{LineEnd, Waiting};
use super::{Action, Arrival, Home, InstanceKey, Pool, Refusal, Ticket, VersionId};

impl Pool {
    /// The instance died before it saw the event that it had been given: the event is first in line again.
    pub(crate) fn returned_unseen(
        &mut self,
        key: InstanceKey,
        give_up_at: Instant,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Arrival {
        let home = self
            .instances
            .get(&key)
            .map_or(Home::default(), |record| record.home);
        let Some(version) = self.bury(key, now) else {
            return Arrival::Refused(Refusal::ShuttingDown);
        };
        let Some(line) = self.lines.get_mut(&version) else {
            return Arrival::Refused(Refusal::UnknownFunction);
        };
        if line.is_removed {
            let claim = line.last_claim();
            line.busy -= 1;
            self.shares.give_back(version.function(), claim);
            self.forget_if_gone(&version);
            return Arrival::Refused(Refusal::UnknownFunction);
        }
        line.busy -= 1;
        if let Some(other) = line.take_free(|_| false) {
            self.occupy(other, now);
            self.let_go(&version, now, actions);
            self.start_what_is_missing(&version, now, actions);
            return Arrival::Runs(other);
        }
        let ticket = self.join(&version, home, give_up_at, LineEnd::Front);
        self.let_go(&version, now, actions);
        self.start_what_is_missing(&version, now, actions);
        Arrival::Waits(ticket)
    }

    /// Puts an event in line. A start that has no event becomes its own.
    pub(super) fn join(
        &mut self,
        version: &VersionId,
        home: Home,
        give_up_at: Instant,
        end: LineEnd,
    ) -> Ticket {
        let ticket = Ticket(self.draw_key());
        self.note_due(Some(give_up_at));
        if let Some(line) = self.lines.get_mut(version) {
            let mut waiting = Waiting {
                ticket,
                give_up_at,
                start: None,
                is_held: false,
                home,
            };
            if let Some(orphan) = line.orphans.pop() {
                waiting.start = Some(orphan);
                if let Some(start) = self.starts.get_mut(&orphan) {
                    start.cause = Some(ticket);
                }
            }
            match end {
                LineEnd::Front => line.waiting.push_front(waiting),
                LineEnd::Back => line.waiting.push_back(waiting),
            }
        }
        ticket
    }

    /// Takes an event out of its line without running it. Its start goes to another event, or loses its cause.
    pub(super) fn leave(&mut self, version: &VersionId, ticket: Ticket) {
        let Some(line) = self.lines.get_mut(version) else {
            return;
        };
        let claim = line.last_claim();
        let position = line.waiting.iter().position(|it| it.ticket == ticket);
        let Some(waiting) = position.and_then(|position| line.waiting.remove(position)) else {
            return;
        };
        line.held -= usize::from(waiting.is_held);
        self.shares.give_back(version.function(), claim);
        self.pass_on_start(version, waiting.start);
    }

    /// Gives the start of an event that has left the line to the first event that has none.
    pub(super) fn pass_on_start(&mut self, version: &VersionId, start: Option<InstanceKey>) {
        let Some(key) = start else {
            return;
        };
        let (Some(line), Some(start)) = (self.lines.get_mut(version), self.starts.get_mut(&key))
        else {
            return;
        };
        let mut others = line.waiting.iter_mut();
        match others.find(|it| it.start.is_none() && !it.is_held) {
            Some(heir) => {
                heir.start = Some(key);
                start.cause = Some(heir.ticket);
            }
            None => {
                start.cause = None;
                line.orphans.push(key);
            }
        }
    }

    /// The events whose time in line is over.
    pub(super) fn tickets_overdue(&self, version: &VersionId, now: Instant) -> Vec<Ticket> {
        let waiting = self
            .lines
            .get(version)
            .into_iter()
            .flat_map(|line| &line.waiting);
        waiting
            .filter(|it| it.give_up_at <= now)
            .map(|it| it.ticket)
            .collect()
    }
}
