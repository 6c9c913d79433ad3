//! Starting instances.
//!
//! Lives here: who wants one, what keeps it from being started yet, what follows from a start that failed.
//! Does not live here: which instance runs which event (`pool`), ending instances that nobody needs (`idle`).

use std::time::{Duration, Instant};

use interfaces::runtime::{Initialization, StartWay};

use super::line::Line;
use super::{Action, Fault, InstanceKey, Pool, StartRecord, Ticket, VersionId};
use crate::limits::InvokerLimits;

/// Who wants an instance.
#[derive(Debug, Clone, Copy)]
enum Want {
    /// An event in line.
    Event(Ticket),
    /// The provisioned concurrency.
    Provisioned,
}

/// Why a start has to wait.
#[derive(Debug, Clone, Copy)]
enum Obstacle {
    /// The version's first start is under way, and the others may be forked from what it makes.
    FirstStart,
    /// It is put off.
    Until(Instant),
    /// The machine is busy with other starts, or has no room for another instance.
    Machine,
}

/// How long the next start is put off after this many failed ones in a row.
fn start_delay(limits: &InvokerLimits, failed_starts: u32) -> Option<Duration> {
    let doublings = failed_starts.checked_sub(limits.failed_starts_before_delay)?;
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    Some(
        limits
            .start_delay_min
            .saturating_mul(factor)
            .min(limits.start_delay_max),
    )
}

impl Line {
    /// A start of this line has failed. Those that ran side by side count once: ten events at a broken function are
    /// one failure.
    pub(super) fn note_failure(
        &mut self,
        limits: &InvokerLimits,
        failed_before: u32,
        fault: Fault,
        now: Instant,
    ) {
        self.failed_starts = self.failed_starts.max(failed_before.saturating_add(1));
        self.no_start_before = start_delay(limits, self.failed_starts).map(|delay| now + delay);
        match fault {
            Fault::Function if limits.failed_provisionings_max <= self.failed_starts => {
                self.has_given_up = true;
            }
            Fault::Function | Fault::Machine => {}
        }
    }
}

impl Pool {
    /// Starts what events in line and the provisioned concurrency want, as far as the limits allow.
    pub(super) fn start_what_is_missing(
        &mut self,
        version: &VersionId,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        while let Some(want) = self.first_want(version) {
            match self.obstacle(version, want, now, actions) {
                None => self.begin(version, want, now, actions),
                // Its end makes the pool look again.
                Some(Obstacle::FirstStart) => return,
                Some(Obstacle::Until(at)) => {
                    self.note_due(Some(at));
                    return;
                }
                Some(Obstacle::Machine) => {
                    self.starve(version);
                    return;
                }
            }
        }
    }

    /// Remembers that this version would start an instance if the machine could.
    pub(super) fn starve(&mut self, version: &VersionId) {
        if !self.starved.contains(version) {
            self.starved.push_back(version.clone());
        }
    }

    /// Lets versions start that had to wait for the machine.
    pub(super) fn feed_the_starved(&mut self, now: Instant, actions: &mut Vec<Action>) {
        // Each is looked at once: one that is still starved is at the end of the queue again.
        for _ in 0..self.starved.len() {
            if let Some(version) = self.starved.pop_front() {
                self.start_what_is_missing(&version, now, actions);
            }
        }
    }

    /// When a start that is wanted has been put off to.
    pub(super) fn put_off_until(&self, version: &VersionId, now: Instant) -> Option<Instant> {
        let want = self.first_want(version)?;
        let line = self.lines.get(version)?;
        let at = line.no_start_before.filter(|at| now < *at);
        // What has waited long enough, and still does not start, waits for other starts and not for time.
        at.or_else(|| match want {
            Want::Event(_) => self.shares.grows_at(version.function(), &self.limits, now),
            Want::Provisioned => None,
        })
    }

    fn first_want(&self, version: &VersionId) -> Option<Want> {
        let line = self.lines.get(version)?;
        if 0 < line.without_start() {
            let first = line
                .waiting
                .iter()
                .find(|it| it.start.is_none() && !it.is_held)?;
            return Some(Want::Event(first.ticket));
        }
        let wants_more = line.provisioned < line.provisioned_wanted
            && !line.has_given_up
            && !line.is_removed
            && !self.is_stopping;
        wants_more.then_some(Want::Provisioned)
    }

    fn obstacle(
        &mut self,
        version: &VersionId,
        want: Want,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Option<Obstacle> {
        let line = self.lines.get(version)?;
        if let Some(at) = line.no_start_before.filter(|at| now < *at) {
            return Some(Obstacle::Until(at));
        }
        if line.way.is_none() && line.may_fork && 0 < line.starting {
            return Some(Obstacle::FirstStart);
        }
        let way = line.way.unwrap_or(StartWay::Spawned);
        let running = self
            .starts
            .values()
            .filter(|start| start.way == way)
            .count();
        let most = match way {
            StartWay::Forked => self.limits.forks_max,
            StartWay::Spawned => self.limits.spawns_max,
        };
        if most <= running {
            return Some(Obstacle::Machine);
        }
        if let Want::Event(_) = want
            && let Some(at) = self.shares.grows_at(version.function(), &self.limits, now)
        {
            return Some(Obstacle::Until(at));
        }
        let has_room = match want {
            Want::Event(_) => self.make_room(actions),
            // It is ahead of time: nothing has to go for it.
            Want::Provisioned => self.has_room(),
        };
        (!has_room).then_some(Obstacle::Machine)
    }

    fn begin(&mut self, version: &VersionId, want: Want, now: Instant, actions: &mut Vec<Action>) {
        let key = InstanceKey(self.draw_key());
        let Some(line) = self.lines.get_mut(version) else {
            return;
        };
        line.starting += 1;
        let (cause, initialization) = match want {
            Want::Event(ticket) => {
                if let Some(waiting) = line.waiting.iter_mut().find(|it| it.ticket == ticket) {
                    waiting.start = Some(key);
                }
                self.shares.grow(version.function(), &self.limits, now);
                (Some(ticket), Initialization::OnDemand)
            }
            Want::Provisioned => {
                line.orphans.push(key);
                line.provisioned += 1;
                (None, Initialization::Provisioned)
            }
        };
        let start = StartRecord {
            version: version.clone(),
            cause,
            initialization,
            way: line.way.unwrap_or(StartWay::Spawned),
            is_alone: line.way.is_none() && line.may_fork,
            failed_before: line.failed_starts,
        };
        self.starts.insert(key, start);
        actions.push(Action::Start(key, version.clone(), initialization));
    }

    /// A start has failed. Its own event, if it still waits, is answered with the failure. So are all that waited for it
    /// because it was the first: what each of them would have started is the same init.
    pub(crate) fn start_failed(
        &mut self,
        key: InstanceKey,
        fault: Fault,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(start) = self.starts.remove(&key) else {
            return;
        };
        let version = start.version;
        let Some(line) = self.lines.get_mut(&version) else {
            return;
        };
        line.starting -= 1;
        line.orphans.retain(|orphan| *orphan != key);
        if start.initialization == Initialization::Provisioned {
            line.provisioned -= 1;
        }
        if let Some(waiting) = line.waiting.iter_mut().find(|it| it.start == Some(key)) {
            waiting.start = None;
        }
        line.note_failure(&self.limits, start.failed_before, fault, now);
        let is_shared = start.is_alone && fault == Fault::Function;
        let answered: Vec<Ticket> = match start.cause {
            _ if is_shared => line.waiting.iter().map(|it| it.ticket).collect(),
            Some(ticket) => vec![ticket],
            None => Vec::new(),
        };
        for ticket in answered {
            self.leave(&version, ticket);
            actions.push(Action::FailStart(ticket));
        }
        self.start_what_is_missing(&version, now, actions);
        self.feed_the_starved(now, actions);
    }
}
