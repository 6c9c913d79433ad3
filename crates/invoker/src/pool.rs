//! Decides which instance runs which event, from plain data.
//!
//! Lives here: reuse the most recently used instance, have another started, wait in line, refuse.
//! Does not live here: anything that acts or waits (`driver`), and any source of time: `now` comes in.
//!
//! The rules, which the simulation in `pool/simulation.rs` holds for any order of events:
//! - An event that is admitted (it runs or waits) counts against its function's and the account's concurrency.
//! - An event that finds no free instance makes one start, or takes over a start that has lost its event; it is
//!   served by whichever instance is free first, started or freed, in the order in which the events came.
//! - Of several free instances an event gets one of its own thread, if there is one; so do events that are held back (`near`).
//! - Events of a function whose events take next to no time wait for the instances that are at work, where these keep all
//!   cores busy (`brisk`).
//! - A version's first start is alone where others may be forked from what it makes.
//! - A start that fails is the reply to its own event; a first start, to all that waited for it.
//! - A function has never more instances on demand than admitted events need, so its reserved concurrency bounds them too.
//! - Provisioned instances stay, and are replaced when they end, for as long as they are wanted and can be started.

mod brisk;
mod idle;
mod line;
mod near;
mod queue;
mod revisions;
mod shares;
#[cfg(test)]
mod simulation;
mod starts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use interfaces::invoke::ThrottleLimit;
use interfaces::runtime::{Initialization, StartWay};
use model::ids::FunctionName;

use crate::limits::InvokerLimits;
use line::{Line, LineEnd};
pub(crate) use near::Home;
use shares::{Claim, Shares};

/// One event in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// One instance, and its start before that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct InstanceKey(u64);

/// A version of a function, which has instances of its own; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VersionId(Arc<(FunctionName, String)>);

impl VersionId {
    pub(crate) fn new(function: FunctionName, version: String) -> Self {
        Self(Arc::new((function, version)))
    }

    /// The function: its versions share one concurrency.
    pub(crate) fn function(&self) -> &FunctionName {
        &self.0.0
    }
}

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
    /// There is no such version of a function, or no longer.
    UnknownFunction,
    /// A limit is met.
    Throttled(ThrottleLimit),
    /// Its time in line is over.
    WaitedTooLong,
    /// No events are taken any more.
    ShuttingDown,
}

/// Whose fault it is that a start failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Its init failed; it probably will again.
    Function,
    /// The machine could not start it; it may be able to later.
    Machine,
}

/// What the driver has to do. Each ticket that was handed out is named by exactly one `Run`, `Refuse` or `FailStart`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start an instance of what is deployed as this version.
    Start(InstanceKey, VersionId, Initialization),
    /// Give up a start; its key is forgotten.
    CancelStart(InstanceKey),
    /// Give the waiting event to the instance.
    Run(Ticket, InstanceKey),
    /// Answer the waiting event without running it.
    Refuse(Ticket, Refusal),
    /// Answer the waiting event with the failure of the start that has just failed.
    FailStart(Ticket),
    /// End the instance; its key is forgotten.
    End(InstanceKey),
}

/// What the pool knows of what is deployed as a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// Changes when an instance could notice the difference.
    pub(crate) fingerprint: String,
    /// `ReservedConcurrentExecutions` of its function: the same for all its versions.
    pub(crate) reserved_concurrency: Option<usize>,
    /// `ProvisionedConcurrentExecutions`.
    pub(crate) provisioned_concurrency: usize,
    /// Whether its first start may make something that the others are forked from.
    pub(crate) may_fork: bool,
}

/// All instances and all lines.
#[derive(Debug)]
pub(crate) struct Pool {
    limits: InvokerLimits,
    lines: BTreeMap<VersionId, Line>,
    instances: HashMap<InstanceKey, InstanceRecord>,
    starts: BTreeMap<InstanceKey, StartRecord>,
    /// Versions that would start an instance if the machine could. First come, first served.
    starved: VecDeque<VersionId>,
    shares: Shares,
    keys_drawn: u64,
    due: Option<Instant>,
    /// Versions with events that are held back, and some that had such a moment ago.
    holding: Vec<VersionId>,
    /// When it is to be looked whether they still should be.
    look_at: Option<Instant>,
    /// When that was last looked.
    looked_at: Option<Instant>,
    is_stopping: bool,
}

#[derive(Debug)]
struct InstanceRecord {
    version: VersionId,
    generation: u64,
    initialization: Initialization,
    started_at: Instant,
    has_served: bool,
    /// How many starts in a row had failed when its own began.
    failed_before: u32,
    /// None while it runs an event.
    free_since: Option<Instant>,
    /// None while it runs none.
    busy_since: Option<Instant>,
    /// It was found to be long at its event.
    is_long: bool,
    home: Home,
}

#[derive(Debug)]
struct StartRecord {
    version: VersionId,
    /// The event that gets its failure as reply; none when that event was served by another instance meanwhile.
    cause: Option<Ticket>,
    initialization: Initialization,
    /// What it costs, as far as is known.
    way: StartWay,
    /// All events of its version wait for it.
    is_alone: bool,
    /// How many starts in a row had failed when this one began.
    failed_before: u32,
}

impl Pool {
    pub(crate) fn new(limits: InvokerLimits) -> Self {
        Self {
            limits,
            lines: BTreeMap::new(),
            instances: HashMap::new(),
            starts: BTreeMap::new(),
            starved: VecDeque::new(),
            shares: Shares::default(),
            keys_drawn: 0,
            due: None,
            holding: Vec::new(),
            look_at: None,
            looked_at: None,
            is_stopping: false,
        }
    }

    /// The earliest moment at which [`tick`](Self::tick) may have something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        let both = [self.due, self.look_at];
        both.into_iter().flatten().min()
    }

    /// Whether no event runs or waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.shares.admitted() == 0
    }

    /// An event has come, which waits until `give_up_at` at most.
    pub(crate) fn arrive(
        &mut self,
        version: &VersionId,
        home: Home,
        give_up_at: Instant,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Arrival {
        let claim = match self.admit(version) {
            Ok(claim) => claim,
            Err(refusal) => return Arrival::Refused(refusal),
        };
        if self.holds_back(version, now) {
            self.shares.take(version.function(), claim);
            return Arrival::Waits(self.hold(version, home, give_up_at, now, actions));
        }
        let Some(line) = self.lines.get_mut(version) else {
            return Arrival::Refused(Refusal::UnknownFunction);
        };
        let is_near = |key: &InstanceKey| self.instances.get(key).is_some_and(|it| it.home == home);
        if let Some(instance) = line.take_free(is_near) {
            self.shares.take(version.function(), claim);
            self.occupy(instance, now);
            return Arrival::Runs(instance);
        }
        let function = version.function();
        if self.limits.line_length_max <= line.waiting.len() {
            return Arrival::Refused(Refusal::Throttled(ThrottleLimit::QueueLength));
        }
        let growth = self.shares.room_to_grow(function, &self.limits, now);
        let needs_growth = claim == Claim::OnDemand && line.orphans.is_empty();
        if needs_growth && growth <= line.without_start() {
            return Arrival::Refused(Refusal::Throttled(ThrottleLimit::ScalingRate));
        }
        self.shares.take(function, claim);
        let ticket = self.join(version, home, give_up_at, LineEnd::Back);
        self.start_what_is_missing(version, now, actions);
        Arrival::Waits(ticket)
    }

    /// A start has succeeded. False when it was given up meanwhile: the instance has to end.
    pub(crate) fn started(
        &mut self,
        key: InstanceKey,
        way: StartWay,
        home: Home,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> bool {
        let Some(start) = self.starts.remove(&key) else {
            return false;
        };
        let Some(line) = self.lines.get_mut(&start.version) else {
            return false;
        };
        line.starting -= 1;
        line.orphans.retain(|orphan| *orphan != key);
        line.way = Some(way);
        line.has_given_up = false;
        line.failed_starts = 0;
        line.no_start_before = None;
        if let Some(waiting) = line.waiting.iter_mut().find(|it| it.start == Some(key)) {
            waiting.start = None;
        }
        let record = InstanceRecord {
            version: start.version.clone(),
            generation: line.generation,
            initialization: start.initialization,
            started_at: now,
            has_served: false,
            failed_before: start.failed_before,
            free_since: None,
            busy_since: None,
            is_long: false,
            home,
        };
        self.instances.insert(key, record);
        self.serve_or_keep(key, &start.version, now, actions);
        self.start_what_is_missing(&start.version, now, actions);
        self.feed_the_starved(now, actions);
        true
    }

    /// The instance has finished its event and can take another.
    pub(crate) fn released(&mut self, key: InstanceKey, now: Instant, actions: &mut Vec<Action>) {
        let Some(version) = self.finish(key, now) else {
            return;
        };
        self.serve_or_keep(key, &version, now, actions);
        self.let_go(&version, now, actions);
        self.feed_the_starved(now, actions);
    }

    /// The instance is dead, whether it was free or ran an event; an event that it ran is finished.
    pub(crate) fn ended(&mut self, key: InstanceKey, now: Instant, actions: &mut Vec<Action>) {
        let is_busy = |record: &InstanceRecord| record.free_since.is_none();
        if self.instances.get(&key).is_some_and(is_busy) {
            self.finish(key, now);
        }
        let Some(version) = self.bury(key, now) else {
            return;
        };
        self.let_go(&version, now, actions);
        self.start_what_is_missing(&version, now, actions);
        self.forget_if_gone(&version);
        self.feed_the_starved(now, actions);
    }

    /// Time has passed: events give up, instances end, starts that were put off begin.
    pub(crate) fn tick(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.look_at_held(now, actions);
        // Lines are looked at often where events are held back; all the rest seldom has anything to do.
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        let versions: Vec<VersionId> = self.lines.keys().cloned().collect();
        for version in &versions {
            for ticket in self.tickets_overdue(version, now) {
                self.leave(version, ticket);
                actions.push(Action::Refuse(ticket, Refusal::WaitedTooLong));
            }
            self.end_idle(version, now, actions);
            self.start_what_is_missing(version, now, actions);
        }
        self.feed_the_starved(now, actions);
        self.due = None;
        for version in &versions {
            let due = self.due_of(version, now);
            self.note_due(due);
        }
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

    /// When this version next needs a look.
    fn due_of(&self, version: &VersionId, now: Instant) -> Option<Instant> {
        let line = self.lines.get(version)?;
        let waits = line.waiting.iter().map(|it| it.give_up_at);
        let others = [self.idle_at(version), self.put_off_until(version, now)];
        waits.chain(others.into_iter().flatten()).min()
    }

    fn admit(&self, version: &VersionId) -> Result<Claim, Refusal> {
        if self.is_stopping {
            return Err(Refusal::ShuttingDown);
        }
        let line = self
            .lines
            .get(version)
            .filter(|line| !line.is_removed)
            .ok_or(Refusal::UnknownFunction)?;
        let claim = line.next_claim();
        self.shares
            .check(version.function(), claim, self.limits.concurrency_max)
            .map_err(Refusal::Throttled)?;
        Ok(claim)
    }

    fn occupy(&mut self, key: InstanceKey, now: Instant) {
        if let Some(record) = self.instances.get_mut(&key) {
            record.free_since = None;
            record.busy_since = Some(now);
        }
    }

    /// Counts the instance's event as finished.
    fn finish(&mut self, key: InstanceKey, now: Instant) -> Option<VersionId> {
        let record = self.instances.get_mut(&key)?;
        record.has_served = true;
        let version = record.version.clone();
        let line = self.lines.get_mut(&version)?;
        line.note_done(record, now);
        let claim = line.last_claim();
        line.busy -= 1;
        self.shares.give_back(version.function(), claim);
        Some(version)
    }

    /// Takes a dead instance out of its line. One that died early and served nobody counts as a start that failed, or
    /// one that keeps dying would be started again and again without a pause.
    fn bury(&mut self, key: InstanceKey, now: Instant) -> Option<VersionId> {
        let mut record = self.instances.remove(&key)?;
        let version = record.version.clone();
        let Some(line) = self.lines.get_mut(&version) else {
            return Some(version);
        };
        line.note_rest(&mut record);
        line.free.retain(|free| *free != key);
        line.ready.retain(|ready| *ready != key);
        if record.generation != line.generation {
            return Some(version);
        }
        if record.initialization == Initialization::Provisioned {
            line.provisioned -= 1;
        }
        let age = now.saturating_duration_since(record.started_at);
        if !record.has_served && age < self.limits.early_end_max {
            line.note_failure(&self.limits, record.failed_before, Fault::Function, now);
        }
        Some(version)
    }

    /// Gives an instance without an event to the first event in line; keeps it, or ends it, when there is none.
    fn serve_or_keep(
        &mut self,
        key: InstanceKey,
        version: &VersionId,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let (Some(line), Some(record)) =
            (self.lines.get_mut(version), self.instances.get_mut(&key))
        else {
            return;
        };
        let is_current = record.generation == line.generation && !line.is_removed;
        if is_current && let Some(waiting) = line.take_first(&self.limits, record.home) {
            line.busy += 1;
            record.free_since = None;
            record.busy_since = Some(now);
            actions.push(Action::Run(waiting.ticket, key));
            self.pass_on_start(version, waiting.start);
            return;
        }
        if is_current && record.initialization == Initialization::Provisioned {
            if line.provisioned <= line.provisioned_wanted {
                record.free_since = Some(now);
                line.ready.push_back(key);
                return;
            }
            line.provisioned -= 1;
            record.initialization = Initialization::OnDemand;
        }
        // The instance itself is neither busy nor free at this moment, so it is not counted yet.
        let has_room = line
            .reserved
            .is_none_or(|reserved| line.instances() < reserved);
        if !is_current || !has_room {
            self.instances.remove(&key);
            actions.push(Action::End(key));
            self.forget_if_gone(version);
            return;
        }
        record.free_since = Some(now);
        line.free.push_back(key);
        self.note_due(Some(now + self.limits.idle_max));
    }
}
