//! Decides which instance runs which event, from plain data.
//!
//! Lives here: reuse the most recently used instance, start another, wait in line, refuse; when instances end.
//! Does not live here: anything that acts or waits (`driver`), and any source of time: `now` comes in.
//!
//! The rules, which the simulation in `pool/simulation.rs` holds for any order of events:
//! - An event that is admitted (it runs or waits) counts against its function's and the account's concurrency.
//! - An event that finds no free instance makes one start, or takes over a start that has lost its event; it is
//!   served by whichever instance is free first, started or freed, in the order in which the events came.
//! - A start that fails is the reply to its own event and to no other.
//! - A function has never more instances than admitted events need, so its reserved concurrency bounds them too.

mod lines;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use interfaces::invoke::ThrottleLimit;
use model::ids::FunctionName;

use crate::limits::InvokerLimits;
use lines::{Line, LineEnd};

/// One event in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// One instance, and its start before that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct InstanceKey(u64);

/// What becomes of an event that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It runs at once, on this instance.
    Runs(InstanceKey),
    /// It waits; an action will name its ticket.
    Waits(Ticket),
    /// It does not run.
    Refused(Refusal),
}

/// Why an event does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such function, or no longer.
    UnknownFunction,
    /// A limit is met.
    Throttled(ThrottleLimit),
    /// Its time in line is over.
    WaitedTooLong,
    /// No events are taken any more.
    ShuttingDown,
}

/// What the driver has to do. Each ticket that was handed out is named by exactly one `Run`, `Refuse` or `FailStart`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start an instance of the function's current version.
    Start(InstanceKey, FunctionName),
    /// Give up a start; its key is forgotten.
    CancelStart(InstanceKey),
    /// Give the waiting event to the instance.
    Run(Ticket, InstanceKey),
    /// Answer the waiting event without running it.
    Refuse(Ticket, Refusal),
    /// Answer the waiting event with the failure of the start that was its own.
    FailStart(Ticket),
    /// End the instance; its key is forgotten.
    End(InstanceKey),
}

/// What the pool knows of a function's current version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// Changes when an instance could notice the difference.
    pub(crate) fingerprint: String,
    /// `ReservedConcurrentExecutions`.
    pub(crate) reserved_concurrency: Option<usize>,
}

/// All instances and all lines.
#[derive(Debug)]
pub(crate) struct Pool {
    limits: InvokerLimits,
    lines: HashMap<FunctionName, Line>,
    instances: HashMap<InstanceKey, InstanceRecord>,
    starts: HashMap<InstanceKey, StartRecord>,
    /// Functions with events that need a start, while as many starts as may run are running. First come, first served.
    starved: VecDeque<FunctionName>,
    /// Concurrency that is set aside for functions that reserve it.
    reserved_total: usize,
    admitted: Admitted,
    keys_drawn: u64,
    due: Option<Instant>,
    is_stopping: bool,
}

/// How many events run or wait.
#[derive(Debug, Default, PartialEq, Eq)]
struct Admitted {
    total: usize,
    /// Those of functions that reserve nothing.
    unreserved: usize,
}

impl Admitted {
    fn add(&mut self, reserved: Option<usize>) {
        self.total += 1;
        self.unreserved += usize::from(reserved.is_none());
    }

    fn remove(&mut self, reserved: Option<usize>) {
        self.total -= 1;
        self.unreserved -= usize::from(reserved.is_none());
    }
}

#[derive(Debug)]
struct InstanceRecord {
    function: FunctionName,
    generation: u64,
    /// None while it runs an event.
    free_since: Option<Instant>,
}

#[derive(Debug)]
struct StartRecord {
    function: FunctionName,
    /// The event that gets its failure as reply; none when that event was served by another instance meanwhile.
    cause: Option<Ticket>,
    /// How many starts in a row had failed when this one began.
    failed_before: u32,
}

impl Pool {
    pub(crate) fn new(limits: InvokerLimits) -> Self {
        Self {
            limits,
            lines: HashMap::new(),
            instances: HashMap::new(),
            starts: HashMap::new(),
            starved: VecDeque::new(),
            reserved_total: 0,
            admitted: Admitted::default(),
            keys_drawn: 0,
            due: None,
            is_stopping: false,
        }
    }

    /// The earliest moment at which [`tick`](Self::tick) may have something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether any event runs or waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.lines.values().all(|line| line.admitted() == 0)
    }

    /// An event has come. `wait_until` bounds its time in line, beside `wait_max`.
    pub(crate) fn arrive(
        &mut self,
        function: &FunctionName,
        wait_until: Option<Instant>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Arrival {
        if let Err(refusal) = self.admit(function) {
            return Arrival::Refused(refusal);
        }
        let Some(line) = self.lines.get_mut(function) else {
            return Arrival::Refused(Refusal::UnknownFunction);
        };
        if let Some(instance) = line.free.pop_back() {
            line.busy += 1;
            self.admitted.add(line.reserved);
            if let Some(record) = self.instances.get_mut(&instance) {
                record.free_since = None;
            }
            return Arrival::Runs(instance);
        }
        if self.limits.line_length_max <= line.waiting.len() {
            return Arrival::Refused(Refusal::Throttled(ThrottleLimit::QueueLength));
        }
        self.admitted.add(line.reserved);
        let ticket = self.join(function, wait_until, now, LineEnd::Back);
        self.start_what_is_missing(function, now, actions);
        Arrival::Waits(ticket)
    }

    /// A start has succeeded. False when it was given up meanwhile: the instance has to end.
    pub(crate) fn started(
        &mut self,
        key: InstanceKey,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> bool {
        let Some(start) = self.starts.remove(&key) else {
            return false;
        };
        let Some(line) = self.lines.get_mut(&start.function) else {
            return false;
        };
        line.starting -= 1;
        line.orphans.retain(|orphan| *orphan != key);
        line.failed_starts = 0;
        line.no_start_before = None;
        if let Some(waiting) = line.waiting.iter_mut().find(|it| it.start == Some(key)) {
            waiting.start = None;
        }
        let record = InstanceRecord {
            function: start.function.clone(),
            generation: line.generation,
            free_since: None,
        };
        self.instances.insert(key, record);
        self.serve_or_keep(key, &start.function, now, actions);
        self.start_what_is_missing(&start.function, now, actions);
        self.feed_the_starved(now, actions);
        true
    }

    /// A start has failed. Its own event, if it still waits, is answered with the failure.
    pub(crate) fn start_failed(
        &mut self,
        key: InstanceKey,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(start) = self.starts.remove(&key) else {
            return;
        };
        let function = start.function;
        if let Some(line) = self.lines.get_mut(&function) {
            line.starting -= 1;
            line.orphans.retain(|orphan| *orphan != key);
            // Starts that ran side by side count once: ten events at a broken function are one failure.
            line.failed_starts = line
                .failed_starts
                .max(start.failed_before.saturating_add(1));
            line.no_start_before =
                lines::start_delay(&self.limits, line.failed_starts).map(|delay| now + delay);
        }
        if let Some(ticket) = start.cause {
            self.leave(&function, ticket);
            actions.push(Action::FailStart(ticket));
        }
        self.start_what_is_missing(&function, now, actions);
        self.feed_the_starved(now, actions);
    }

    /// The instance has finished its event and can take another.
    pub(crate) fn released(&mut self, key: InstanceKey, now: Instant, actions: &mut Vec<Action>) {
        let Some(function) = self.finish(key) else {
            return;
        };
        self.serve_or_keep(key, &function, now, actions);
        self.feed_the_starved(now, actions);
    }

    /// The instance is dead, whether it was free or ran an event; an event that it ran is finished.
    pub(crate) fn ended(&mut self, key: InstanceKey, now: Instant, actions: &mut Vec<Action>) {
        let was_busy = self
            .instances
            .get(&key)
            .is_some_and(|it| it.free_since.is_none());
        let finished = if was_busy { self.finish(key) } else { None };
        let Some(record) = self.instances.remove(&key) else {
            return;
        };
        if let Some(line) = self.lines.get_mut(&record.function) {
            line.free.retain(|free| *free != key);
        }
        if let Some(function) = finished {
            self.start_what_is_missing(&function, now, actions);
            self.forget_if_gone(&function);
        }
        self.feed_the_starved(now, actions);
    }

    /// The instance died before it saw the event that it had been given: the event is first in line again.
    pub(crate) fn returned_unseen(
        &mut self,
        key: InstanceKey,
        wait_until: Option<Instant>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Arrival {
        let Some(record) = self.instances.remove(&key) else {
            return Arrival::Refused(Refusal::ShuttingDown);
        };
        let function = record.function;
        let Some(line) = self.lines.get_mut(&function) else {
            return Arrival::Refused(Refusal::UnknownFunction);
        };
        line.busy -= 1;
        if line.is_removed {
            self.admitted.remove(line.reserved);
            self.forget_if_gone(&function);
            return Arrival::Refused(Refusal::UnknownFunction);
        }
        if let Some(other) = line.free.pop_back() {
            line.busy += 1;
            if let Some(record) = self.instances.get_mut(&other) {
                record.free_since = None;
            }
            return Arrival::Runs(other);
        }
        let ticket = self.join(&function, wait_until, now, LineEnd::Front);
        self.start_what_is_missing(&function, now, actions);
        Arrival::Waits(ticket)
    }

    /// Time has passed: events give up, instances end, starts that were put off begin.
    pub(crate) fn tick(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let functions: Vec<FunctionName> = self.lines.keys().cloned().collect();
        for function in &functions {
            for ticket in self.tickets_overdue(function, now) {
                self.leave(function, ticket);
                actions.push(Action::Refuse(ticket, Refusal::WaitedTooLong));
            }
            self.end_idle(function, now, actions);
            self.start_what_is_missing(function, now, actions);
        }
        self.feed_the_starved(now, actions);
        self.due = None;
        for function in &functions {
            let due = self.due_of(function, now);
            self.note_due(due);
        }
    }

    /// Another revision is deployed. Instances of versions that have not changed stay.
    pub(crate) fn swap(
        &mut self,
        versions: &BTreeMap<FunctionName, Version>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        for (function, version) in versions {
            self.lines
                .entry(function.clone())
                .or_insert_with(|| Line::new(version));
        }
        let functions: Vec<FunctionName> = self.lines.keys().cloned().collect();
        for function in &functions {
            match versions.get(function) {
                Some(version) => self.replace(function, version, actions),
                None => self.remove(function, actions),
            }
        }
        self.count_reservations();
        for function in &functions {
            self.end_surplus(function, actions);
            self.start_what_is_missing(function, now, actions);
            self.forget_if_gone(function);
        }
        self.feed_the_starved(now, actions);
    }

    /// Takes no more events; those that were admitted go on.
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
        actions.extend(self.starts.drain().map(|(key, _)| Action::CancelStart(key)));
        actions.extend(self.instances.drain().map(|(key, _)| Action::End(key)));
        self.lines.clear();
        self.starved.clear();
        self.admitted = Admitted::default();
        self.due = None;
    }
}

impl Pool {
    fn draw_key(&mut self) -> u64 {
        self.keys_drawn += 1;
        self.keys_drawn
    }

    fn note_due(&mut self, due: Option<Instant>) {
        self.due = match (self.due, due) {
            (Some(known), Some(due)) => Some(known.min(due)),
            (known, due) => known.or(due),
        };
    }

    fn admit(&self, function: &FunctionName) -> Result<(), Refusal> {
        if self.is_stopping {
            return Err(Refusal::ShuttingDown);
        }
        let line = self
            .lines
            .get(function)
            .filter(|line| !line.is_removed)
            .ok_or(Refusal::UnknownFunction)?;
        let throttled = |limit| Err(Refusal::Throttled(limit));
        if line.reserved.is_some_and(|most| most <= line.admitted()) {
            return throttled(ThrottleLimit::ReservedConcurrency);
        }
        let concurrency_max = self.limits.concurrency_max;
        let unreserved_max = concurrency_max.saturating_sub(self.reserved_total);
        let is_full = concurrency_max <= self.admitted.total
            || (line.reserved.is_none() && unreserved_max <= self.admitted.unreserved);
        if is_full {
            return throttled(ThrottleLimit::AccountConcurrency);
        }
        Ok(())
    }

    /// Counts the instance's event as finished.
    fn finish(&mut self, key: InstanceKey) -> Option<FunctionName> {
        let function = self.instances.get(&key)?.function.clone();
        let line = self.lines.get_mut(&function)?;
        line.busy -= 1;
        self.admitted.remove(line.reserved);
        Some(function)
    }

    /// Gives an instance without an event to the first event in line; keeps it, or ends it, when there is none.
    fn serve_or_keep(
        &mut self,
        key: InstanceKey,
        function: &FunctionName,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let (Some(line), Some(record)) =
            (self.lines.get_mut(function), self.instances.get_mut(&key))
        else {
            return;
        };
        let is_current = record.generation == line.generation && !line.is_removed;
        if is_current && let Some(waiting) = line.waiting.pop_front() {
            line.busy += 1;
            record.free_since = None;
            actions.push(Action::Run(waiting.ticket, key));
            self.pass_on_start(function, waiting.start);
            return;
        }
        // The instance itself is neither busy nor free at this moment, so it is not counted yet.
        let has_room = line
            .reserved
            .is_none_or(|reserved| line.instances() < reserved);
        if !is_current || !has_room {
            self.instances.remove(&key);
            actions.push(Action::End(key));
            self.forget_if_gone(function);
            return;
        }
        record.free_since = Some(now);
        line.free.push_back(key);
        self.note_due(Some(now + self.limits.idle_max));
    }
}
