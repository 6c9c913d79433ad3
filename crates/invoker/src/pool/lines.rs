//! The line of one function, and what happens to lines as a whole.
//!
//! Lives here: what a function has and wants; starting what is missing, ending what is too much, changing versions.
//! Does not live here: what single events and instances do (`pool`).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use model::ids::FunctionName;

use super::{Action, Admitted, InstanceKey, Pool, Refusal, StartRecord, Ticket, Version};
use crate::limits::InvokerLimits;

/// What one function has and wants.
#[derive(Debug)]
pub(super) struct Line {
    /// Counts the versions; instances of an older one end when they are done.
    pub(super) generation: u64,
    fingerprint: String,
    pub(super) reserved: Option<usize>,
    /// It is no longer deployed; it is forgotten when its last event is done.
    pub(super) is_removed: bool,
    /// The most recently used one last.
    pub(super) free: VecDeque<InstanceKey>,
    /// In the order in which they came.
    pub(super) waiting: VecDeque<Waiting>,
    /// Starts whose event was served by another instance.
    pub(super) orphans: Vec<InstanceKey>,
    /// Events that run, on instances of any version.
    pub(super) busy: usize,
    /// Instances of the current version that are starting.
    pub(super) starting: usize,
    pub(super) failed_starts: u32,
    pub(super) no_start_before: Option<Instant>,
}

/// An event in line.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    pub(super) give_up_at: Instant,
    /// The start whose failure would be its reply.
    pub(super) start: Option<InstanceKey>,
}

/// Which end of a line an event joins.
pub(super) enum LineEnd {
    Front,
    Back,
}

impl Line {
    pub(super) fn new(version: &Version) -> Self {
        Self {
            generation: 0,
            fingerprint: version.fingerprint.clone(),
            reserved: version.reserved_concurrency,
            is_removed: false,
            free: VecDeque::new(),
            waiting: VecDeque::new(),
            orphans: Vec::new(),
            busy: 0,
            starting: 0,
            failed_starts: 0,
            no_start_before: None,
        }
    }

    /// Events that run or wait.
    pub(super) fn admitted(&self) -> usize {
        self.busy + self.waiting.len()
    }

    /// Instances that exist or are starting.
    pub(super) fn instances(&self) -> usize {
        self.busy + self.free.len() + self.starting
    }
}

/// How long the next start is put off after this many failed ones in a row.
pub(super) fn start_delay(limits: &InvokerLimits, failed_starts: u32) -> Option<Duration> {
    let doublings = failed_starts.checked_sub(limits.failed_starts_before_delay)?;
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    Some(
        limits
            .start_delay_min
            .saturating_mul(factor)
            .min(limits.start_delay_max),
    )
}

impl Pool {
    /// Puts an event in line. A start that has lost its event becomes its own.
    pub(super) fn join(
        &mut self,
        function: &FunctionName,
        wait_until: Option<Instant>,
        now: Instant,
        end: LineEnd,
    ) -> Ticket {
        let ticket = Ticket(self.draw_key());
        let longest = now + self.limits.wait_max;
        let give_up_at = wait_until.map_or(longest, |until| until.min(longest));
        self.note_due(Some(give_up_at));
        if let Some(line) = self.lines.get_mut(function) {
            let mut waiting = Waiting {
                ticket,
                give_up_at,
                start: None,
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
    pub(super) fn leave(&mut self, function: &FunctionName, ticket: Ticket) {
        let Some(line) = self.lines.get_mut(function) else {
            return;
        };
        let position = line.waiting.iter().position(|it| it.ticket == ticket);
        let Some(waiting) = position.and_then(|position| line.waiting.remove(position)) else {
            return;
        };
        self.admitted.remove(line.reserved);
        self.pass_on_start(function, waiting.start);
    }

    /// Gives the start of an event that has left the line to the first event that has none.
    pub(super) fn pass_on_start(&mut self, function: &FunctionName, start: Option<InstanceKey>) {
        let Some(key) = start else {
            return;
        };
        let (Some(line), Some(start)) = (self.lines.get_mut(function), self.starts.get_mut(&key))
        else {
            return;
        };
        match line.waiting.iter_mut().find(|it| it.start.is_none()) {
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

    /// Starts an instance for each event in line that has none coming, as far as the limits allow.
    pub(super) fn start_what_is_missing(
        &mut self,
        function: &FunctionName,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        while let Some(wanting) = self.first_without_start(function) {
            let put_off = self
                .lines
                .get(function)
                .and_then(|line| line.no_start_before)
                .filter(|no_start_before| now < *no_start_before);
            if put_off.is_some() {
                self.note_due(put_off);
                return;
            }
            if self.limits.starts_max <= self.starts.len() || !self.make_room(actions) {
                if !self.starved.contains(function) {
                    self.starved.push_back(function.clone());
                }
                return;
            }
            let key = InstanceKey(self.draw_key());
            let Some(line) = self.lines.get_mut(function) else {
                return;
            };
            line.starting += 1;
            if let Some(waiting) = line.waiting.iter_mut().find(|it| it.ticket == wanting) {
                waiting.start = Some(key);
            }
            self.starts.insert(
                key,
                StartRecord {
                    function: function.clone(),
                    cause: Some(wanting),
                    failed_before: line.failed_starts,
                },
            );
            actions.push(Action::Start(key, function.clone()));
        }
    }

    /// Lets functions start that had to wait until fewer others were starting.
    pub(super) fn feed_the_starved(&mut self, now: Instant, actions: &mut Vec<Action>) {
        // Each is looked at once: one that is still starved is at the end of the queue again.
        for _ in 0..self.starved.len() {
            if self.limits.starts_max <= self.starts.len() {
                return;
            }
            if let Some(function) = self.starved.pop_front() {
                self.start_what_is_missing(&function, now, actions);
            }
        }
    }

    /// The events whose time in line is over.
    pub(super) fn tickets_overdue(&self, function: &FunctionName, now: Instant) -> Vec<Ticket> {
        let waiting = self
            .lines
            .get(function)
            .into_iter()
            .flat_map(|line| &line.waiting);
        waiting
            .filter(|it| it.give_up_at <= now)
            .map(|it| it.ticket)
            .collect()
    }

    /// Ends instances that had no event for too long. The least recently used ones stand first.
    pub(super) fn end_idle(
        &mut self,
        function: &FunctionName,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let idle_max = self.limits.idle_max;
        while let Some((key, free_since)) = self.longest_free(function) {
            if now < free_since + idle_max {
                return;
            }
            self.end_free(function, key, actions);
        }
    }

    /// Ends free instances of a function that reserves less than it has.
    pub(super) fn end_surplus(&mut self, function: &FunctionName, actions: &mut Vec<Action>) {
        while let Some(line) = self.lines.get(function) {
            let fits = line.reserved.is_none_or(|most| line.instances() <= most);
            let Some(key) = line.free.front().copied().filter(|_| !fits) else {
                return;
            };
            self.end_free(function, key, actions);
        }
    }

    /// When this function next needs a look.
    pub(super) fn due_of(&self, function: &FunctionName, now: Instant) -> Option<Instant> {
        let line = self.lines.get(function)?;
        let idle = self
            .longest_free(function)
            .map(|(_, free_since)| free_since + self.limits.idle_max);
        // What has been put off long enough, and still does not start, waits for other starts and not for time.
        let put_off = line
            .no_start_before
            .filter(|at| now < *at && line.waiting.iter().any(|it| it.start.is_none()));
        let waits = line.waiting.iter().map(|it| it.give_up_at);
        waits.chain(idle).chain(put_off).min()
    }

    /// Takes over a version: another fingerprint makes new instances.
    pub(super) fn replace(
        &mut self,
        function: &FunctionName,
        version: &Version,
        actions: &mut Vec<Action>,
    ) {
        let Some(line) = self.lines.get_mut(function) else {
            return;
        };
        line.reserved = version.reserved_concurrency;
        let is_unchanged = line.fingerprint == version.fingerprint && !line.is_removed;
        if is_unchanged {
            return;
        }
        line.fingerprint.clone_from(&version.fingerprint);
        line.is_removed = false;
        self.end_generation(function, actions);
    }

    /// The function is no longer deployed.
    pub(super) fn remove(&mut self, function: &FunctionName, actions: &mut Vec<Action>) {
        self.end_generation(function, actions);
        let Some(line) = self.lines.get_mut(function) else {
            return;
        };
        line.is_removed = true;
        for waiting in line.waiting.drain(..) {
            actions.push(Action::Refuse(waiting.ticket, Refusal::UnknownFunction));
        }
    }

    /// Counts anew what is reserved, and what is admitted beside it.
    pub(super) fn count_reservations(&mut self) {
        let deployed = || self.lines.values().filter(|line| !line.is_removed);
        let reserved_total = deployed().filter_map(|line| line.reserved).sum();
        let unreserved = self.lines.values().filter(|line| line.reserved.is_none());
        let admitted = Admitted {
            total: self.lines.values().map(Line::admitted).sum(),
            unreserved: unreserved.map(Line::admitted).sum(),
        };
        self.reserved_total = reserved_total;
        self.admitted = admitted;
    }

    /// Forgets a removed function once nothing of it is left.
    pub(super) fn forget_if_gone(&mut self, function: &FunctionName) {
        let is_gone = |line: &Line| line.is_removed && line.busy == 0;
        if self.lines.get(function).is_some_and(is_gone) {
            self.lines.remove(function);
        }
    }

    fn end_generation(&mut self, function: &FunctionName, actions: &mut Vec<Action>) {
        let Some(line) = self.lines.get_mut(function) else {
            return;
        };
        line.generation += 1;
        line.starting = 0;
        line.orphans.clear();
        line.failed_starts = 0;
        line.no_start_before = None;
        for waiting in &mut line.waiting {
            waiting.start = None;
        }
        for key in line.free.drain(..) {
            self.instances.remove(&key);
            actions.push(Action::End(key));
        }
        self.starts.retain(|key, start| {
            let stays = start.function != *function;
            if !stays {
                actions.push(Action::CancelStart(*key));
            }
            stays
        });
    }

    fn first_without_start(&self, function: &FunctionName) -> Option<Ticket> {
        let waiting = &self.lines.get(function)?.waiting;
        let first = waiting.iter().find(|it| it.start.is_none())?;
        Some(first.ticket)
    }

    fn longest_free(&self, function: &FunctionName) -> Option<(InstanceKey, Instant)> {
        let key = *self.lines.get(function)?.free.front()?;
        let free_since = self.instances.get(&key)?.free_since?;
        Some((key, free_since))
    }

    /// Whether one more instance may exist; the least recently used free one of all ends when that is what it takes.
    fn make_room(&mut self, actions: &mut Vec<Action>) -> bool {
        if self.instances.len() + self.starts.len() < self.limits.concurrency_max {
            return true;
        }
        let longest_free = self
            .lines
            .keys()
            .filter_map(|function| {
                let (key, since) = self.longest_free(function)?;
                Some((since, key, function.clone()))
            })
            .min();
        let Some((_, key, function)) = longest_free else {
            return false;
        };
        self.end_free(&function, key, actions);
        true
    }

    fn end_free(&mut self, function: &FunctionName, key: InstanceKey, actions: &mut Vec<Action>) {
        if let Some(line) = self.lines.get_mut(function) {
            line.free.retain(|free| *free != key);
        }
        self.instances.remove(&key);
        actions.push(Action::End(key));
    }
}
