//! Holding events back for instances that are free again in a moment.
//!
//! Lives here: which functions are brisk, when their events wait beside free instances, and until when.
//! Does not live here: waiting for an instance to start (`queue`, `starts`).
//!
//! A function is brisk when its events take next to no time. Once so many of its instances work that all cores are busy, one
//! more would not get an event done sooner: it would wake another process, whose memory no cache holds, and the cores would
//! switch between more of them. So the next events wait in line for the instances that are at work, which take them one
//! after the other. An instance that turns out to be long at an event does not count: another one takes its place.

use std::time::{Duration, Instant};

use super::line::{Line, Waiting};
use super::near::{self, Home};
use super::{Action, InstanceRecord, Pool, Ticket, VersionId};
use crate::limits::InvokerLimits;

/// A function whose quickest events take less is brisk.
const BRISK_MAX: Duration = Duration::from_micros(500);
/// What a slower event adds to what is taken for the quickest: one part in so many of the difference.
const FORGETS_PARTS: u32 = 64;
/// An instance that is longer at an event does not count as one that is free again in a moment.
pub(super) const LONG: Duration = Duration::from_millis(10);
/// How often it is looked whether one is, where events are held back.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(4);
/// How old a look may be for the first event that would be held back.
const FRESH_FOR: Duration = Duration::from_millis(1);
/// Events that are held back for each instance that may be at work: more of them would wait too long.
const HELD_EACH_MAX: usize = 16;

/// What is known of how long events take.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How long the quickest of the last events took, about.
    quickest: Option<Duration>,
}

impl Pace {
    fn note(&mut self, took: Duration) {
        self.quickest = Some(match self.quickest {
            Some(quickest) if quickest <= took => quickest + (took - quickest) / FORGETS_PARTS,
            Some(_) | None => took,
        });
    }

    fn is_brisk(&self) -> bool {
        self.quickest.is_some_and(|quickest| quickest < BRISK_MAX)
    }
}

impl Line {
    /// Whether one more event would not be done sooner by one more instance.
    pub(super) fn is_at_full_pace(&self, limits: &InvokerLimits) -> bool {
        let at_work_max = limits.brisk_busy_max.max(1).saturating_add(self.long);
        self.pace.is_brisk() && at_work_max <= self.busy
    }

    /// An instance has finished an event.
    pub(super) fn note_done(&mut self, record: &mut InstanceRecord, now: Instant) {
        let is_current = record.generation == self.generation;
        if let Some(since) = record.busy_since.filter(|_| is_current) {
            self.pace.note(now.saturating_duration_since(since));
        }
        self.note_rest(record);
    }

    /// An instance is not at an event any more.
    pub(super) fn note_rest(&mut self, record: &mut InstanceRecord) {
        record.busy_since = None;
        if std::mem::take(&mut record.is_long) {
            self.long -= 1;
        }
    }

    /// All that are held back wait for instances as the others do.
    pub(super) fn hold_nothing_back(&mut self) {
        self.held = 0;
        for waiting in &mut self.waiting {
            waiting.is_held = false;
        }
    }

    /// The first event, when an instance of that home that has just finished its own may take it. Of those that are held back it
    /// is the first that is near.
    pub(super) fn take_first(&mut self, limits: &InvokerLimits, home: Home) -> Option<Waiting> {
        if self.waiting.front()?.is_held && self.is_at_full_pace(limits) {
            // Others are at work on this line: the instance rests.
            return None;
        }
        let first = if self.waiting.front()?.is_held {
            near::take_first(&mut self.waiting, &mut self.passed, |it| it.home == home)?
        } else {
            self.waiting.pop_front()?
        };
        self.held -= usize::from(first.is_held);
        Some(first)
    }
}

impl Pool {
    /// Whether the next event of this version waits although an instance may be free.
    pub(super) fn holds_back(&mut self, version: &VersionId, now: Instant) -> bool {
        if !self.is_at_full_pace(version) {
            return false;
        }
        // What works may do so for long: who comes first does not wait to find that out.
        let is_fresh = |at| now < at + FRESH_FOR;
        if !self.looked_at.is_some_and(is_fresh) {
            self.note_long(now);
        }
        self.is_at_full_pace(version)
    }

    fn is_at_full_pace(&self, version: &VersionId) -> bool {
        let line = self.lines.get(version);
        line.is_some_and(|line| {
            line.is_at_full_pace(&self.limits) && line.waiting.len() < self.limits.line_length_max
        })
    }

    /// Finds the instances that are long at their events.
    fn note_long(&mut self, now: Instant) {
        self.looked_at = Some(now);
        for record in self.instances.values_mut() {
            let is_long = record.busy_since.is_some_and(|since| since + LONG <= now);
            if is_long
                && !record.is_long
                && let Some(line) = self.lines.get_mut(&record.version)
            {
                record.is_long = true;
                line.long += 1;
            }
        }
    }

    /// Puts an event in line behind those that work.
    pub(super) fn hold(
        &mut self,
        version: &VersionId,
        home: Home,
        give_up_at: Instant,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Ticket {
        let held_max = self.limits.brisk_busy_max.saturating_mul(HELD_EACH_MAX);
        if self
            .lines
            .get(version)
            .is_some_and(|line| held_max <= line.held)
        {
            self.let_first_go(version, now, actions);
            self.start_what_is_missing(version, now, actions);
        }
        let ticket = Ticket(self.draw_key());
        self.note_due(Some(give_up_at));
        if let Some(line) = self.lines.get_mut(version) {
            line.held += 1;
            line.waiting.push_back(Waiting {
                ticket,
                give_up_at,
                start: None,
                is_held: true,
                home,
            });
        }
        if !self.holding.contains(version) {
            self.holding.push(version.clone());
        }
        self.look_at = self.look_at.or(Some(now + LOOK_EVERY));
        ticket
    }

    /// Lets events go that are held back without a reason any more.
    pub(super) fn let_go(&mut self, version: &VersionId, now: Instant, actions: &mut Vec<Action>) {
        let mut is_any = false;
        while let Some(line) = self.lines.get(version)
            && 0 < line.held
            && !line.is_at_full_pace(&self.limits)
        {
            self.let_first_go(version, now, actions);
            is_any = true;
        }
        if is_any {
            self.start_what_is_missing(version, now, actions);
        }
    }

    /// Looks for instances that are long at their events, where others are held back for them.
    pub(super) fn look_at_held(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.look_at.is_none_or(|at| now < at) {
            return;
        }
        self.note_long(now);
        let mut holding = std::mem::take(&mut self.holding);
        for version in &holding {
            self.let_go(version, now, actions);
        }
        holding.retain(|version| self.lines.get(version).is_some_and(|line| 0 < line.held));
        self.look_at = (!holding.is_empty()).then(|| now + LOOK_EVERY);
        self.holding = holding;
    }

    /// The first event that is held back runs on a free instance, or waits for one as others do.
    fn let_first_go(&mut self, version: &VersionId, now: Instant, actions: &mut Vec<Action>) {
        let Some(line) = self.lines.get_mut(version) else {
            return;
        };
        let Some(position) = line.waiting.iter().position(|it| it.is_held) else {
            return;
        };
        line.held -= 1;
        let Some(key) = line.take_free(|_| false) else {
            let orphan = line.orphans.pop();
            if let Some(waiting) = line.waiting.get_mut(position) {
                waiting.is_held = false;
                waiting.start = orphan;
                if let Some(start) = orphan.and_then(|orphan| self.starts.get_mut(&orphan)) {
                    start.cause = Some(waiting.ticket);
                }
            }
            return;
        };
        if let Some(waiting) = line.waiting.remove(position) {
            actions.push(Action::Run(waiting.ticket, key));
        }
        self.occupy(key, now);
    }
}
