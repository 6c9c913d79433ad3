//! What the pool decides, one promise a test.

use std::time::Duration;

mod brisk;
mod growth;
mod provisioned;

use super::*;

/// What an event waits whose caller names no time.
const WAIT_MAX_S: u64 = 10;

/// A pool with one function `f`, and everything it did so far, as words.
struct Bench {
    pool: Pool,
    epoch: Instant,
    elapsed: Duration,
    actions: Vec<Action>,
}

fn limits() -> InvokerLimits {
    InvokerLimits {
        concurrency_max: 4,
        instances_max: 4,
        spawns_max: 2,
        forks_max: 3,
        line_length_max: 3,
        idle_max: Duration::from_secs(60),
        failed_starts_before_delay: 2,
        start_delay_min: Duration::from_secs(1),
        start_delay_max: Duration::from_secs(3),
        failed_provisionings_max: 6,
        ..InvokerLimits::for_cores(1)
    }
}

/// `f`, or `f:1`.
fn id(text: &str) -> VersionId {
    let (function, version) = text.split_once(':').unwrap_or((text, "$LATEST"));
    VersionId::new(FunctionName::new(function), version.to_owned())
}

fn version(fingerprint: &str) -> Version {
    Version {
        fingerprint: fingerprint.to_owned(),
        reserved_concurrency: None,
        provisioned_concurrency: 0,
        may_fork: false,
    }
}

fn versions(of: &[(&str, &str, Option<usize>)]) -> BTreeMap<VersionId, Version> {
    of.iter()
        .map(|(function, fingerprint, reserved_concurrency)| {
            let version = Version {
                reserved_concurrency: *reserved_concurrency,
                ..version(fingerprint)
            };
            (id(function), version)
        })
        .collect()
}

impl Bench {
    fn new(limits: InvokerLimits, of: &[(&str, &str, Option<usize>)]) -> Self {
        Self::of(limits, &versions(of))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary origin; all time is counted from it"
    )]
    fn of(limits: InvokerLimits, versions: &BTreeMap<VersionId, Version>) -> Self {
        let mut bench = Self {
            pool: Pool::new(limits),
            epoch: Instant::now(),
            elapsed: Duration::ZERO,
            actions: Vec::new(),
        };
        bench.deploy(versions);
        bench
    }

    fn now(&self) -> Instant {
        self.epoch + self.elapsed
    }

    fn arrive(&mut self) -> Arrival {
        self.arrive_at("f", None)
    }

    fn arrive_at(&mut self, function: &str, wait_s: Option<u64>) -> Arrival {
        let now = self.now();
        let give_up_at = now + Duration::from_secs(wait_s.unwrap_or(WAIT_MAX_S));
        self.pool.arrive(
            &id(function),
            Home::default(),
            give_up_at,
            now,
            &mut self.actions,
        )
    }

    fn waits(&mut self) -> Ticket {
        match self.arrive() {
            Arrival::Waits(ticket) => ticket,
            other @ (Arrival::Runs(_) | Arrival::Refused(_)) => panic!("{other:?}"),
        }
    }

    fn swap(&mut self, of: &[(&str, &str, Option<usize>)]) {
        self.deploy(&versions(of));
    }

    fn deploy(&mut self, versions: &BTreeMap<VersionId, Version>) {
        let now = self.now();
        self.pool.swap(versions, now, &mut self.actions);
    }

    fn started(&mut self, key: InstanceKey) -> bool {
        self.started_as(key, StartWay::Spawned)
    }

    fn started_as(&mut self, key: InstanceKey, way: StartWay) -> bool {
        let now = self.now();
        self.pool
            .started(key, way, Home::default(), now, &mut self.actions)
    }

    fn start_failed(&mut self, key: InstanceKey) {
        self.start_failed_by(key, Fault::Function);
    }

    fn start_failed_by(&mut self, key: InstanceKey, fault: Fault) {
        let now = self.now();
        self.pool.start_failed(key, fault, now, &mut self.actions);
    }

    fn released(&mut self, key: InstanceKey) {
        self.pool
            .released(key, self.epoch + self.elapsed, &mut self.actions);
    }

    fn ended(&mut self, key: InstanceKey) {
        self.pool
            .ended(key, self.epoch + self.elapsed, &mut self.actions);
    }

    fn pass_micros(&mut self, micros: u64) {
        self.elapsed += Duration::from_micros(micros);
        let now = self.now();
        self.pool.tick(now, &mut self.actions);
    }

    fn pass(&mut self, seconds: u64) {
        self.elapsed += Duration::from_secs(seconds);
        self.pool.tick(self.epoch + self.elapsed, &mut self.actions);
    }

    fn done(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The starts among what was done.
    fn starts(&mut self) -> Vec<InstanceKey> {
        let starts = |action| match action {
            Action::Start(key, ..) => Some(key),
            Action::CancelStart(_)
            | Action::Run(..)
            | Action::Refuse(..)
            | Action::FailStart(_)
            | Action::End(_) => None,
        };
        self.done().into_iter().filter_map(starts).collect()
    }

    /// Instances that run an event each.
    fn busy(&mut self, count: usize) -> Vec<InstanceKey> {
        let mut keys = Vec::new();
        for _ in 0..count {
            self.waits();
            let start = self.starts()[0];
            assert!(self.started(start));
            self.done();
            keys.push(start);
        }
        keys
    }
}

fn one() -> Bench {
    Bench::new(limits(), &[("f", "1", None)])
}

#[test]
fn the_first_event_starts_an_instance_and_runs_on_it() {
    let mut bench = one();
    let ticket = bench.waits();
    let start = bench.starts()[0];
    assert!(bench.started(start));
    assert_eq!(bench.done(), [Action::Run(ticket, start)]);
}

#[test]
fn the_most_recently_used_instance_is_reused() {
    let mut bench = one();
    let keys = bench.busy(2);
    bench.released(keys[1]);
    bench.released(keys[0]);
    assert_eq!(bench.arrive(), Arrival::Runs(keys[0]));
    assert_eq!(bench.arrive(), Arrival::Runs(keys[1]));
}

#[test]
fn an_event_runs_on_whichever_instance_is_free_first() {
    let mut bench = one();
    let busy = bench.busy(1)[0];
    let ticket = bench.waits();
    let start = bench.starts()[0];
    bench.released(busy);
    assert_eq!(bench.done(), [Action::Run(ticket, busy)]);
    // The start goes on, and serves whoever comes next.
    let next = bench.waits();
    assert_eq!(bench.starts(), []);
    assert!(bench.started(start));
    assert_eq!(bench.done(), [Action::Run(next, start)]);
}

#[test]
fn events_are_served_in_the_order_in_which_they_came() {
    let mut bench = one();
    let (first, second) = (bench.waits(), bench.waits());
    let starts = bench.starts();
    bench.started(starts[1]);
    bench.started(starts[0]);
    assert_eq!(
        bench.done(),
        [
            Action::Run(first, starts[1]),
            Action::Run(second, starts[0])
        ]
    );
}

#[test]
fn a_failed_start_answers_its_own_event_and_no_other() {
    let mut bench = one();
    let first = bench.waits();
    bench.waits();
    let starts = bench.starts();
    bench.start_failed(starts[0]);
    assert_eq!(bench.done(), [Action::FailStart(first)]);
}

#[test]
fn a_failed_start_that_lost_its_event_answers_nobody() {
    let mut bench = one();
    let busy = bench.busy(1)[0];
    bench.waits();
    let start = bench.starts()[0];
    bench.released(busy);
    bench.done();
    bench.start_failed(start);
    assert_eq!(bench.done(), []);
}

#[test]
fn starts_that_keep_failing_are_put_off_longer_and_longer() {
    let mut bench = one();
    for delay_s in [0, 0, 1, 2, 3, 3] {
        bench.waits();
        if 0 < delay_s {
            assert_eq!(bench.starts(), [], "before {delay_s} s");
            bench.pass(delay_s - 1);
            assert_eq!(bench.starts(), [], "just before {delay_s} s");
            bench.pass(1);
        }
        let start = bench.starts()[0];
        bench.start_failed(start);
        bench.done();
    }
}

#[test]
fn a_start_that_succeeds_ends_the_delays() {
    let mut bench = one();
    for _ in 0..2 {
        bench.waits();
        let start = bench.starts()[0];
        bench.start_failed(start);
    }
    bench.waits();
    bench.done();
    bench.pass(1);
    let start = bench.starts()[0];
    bench.started(start);
    bench.waits();
    assert_eq!(bench.starts().len(), 1);
}

#[test]
fn only_so_many_instances_start_at_once_over_all_functions() {
    let mut bench = Bench::new(limits(), &[("f", "1", None), ("g", "1", None)]);
    bench.waits();
    bench.waits();
    assert!(matches!(bench.arrive_at("g", None), Arrival::Waits(_)));
    let starts = bench.starts();
    assert_eq!(starts.len(), 2);
    bench.started(starts[0]);
    assert!(
        bench
            .done()
            .iter()
            .any(|it| matches!(it, Action::Start(_, version, _) if *version == id("g")))
    );
}

#[test]
fn the_line_has_an_end() {
    let mut bench = one();
    for _ in 0..3 {
        bench.waits();
    }
    let full = Refusal::Throttled(ThrottleLimit::QueueLength);
    assert_eq!(bench.arrive(), Arrival::Refused(full));
}

#[test]
fn the_accounts_concurrency_is_met_by_events_of_all_functions() {
    let mut bench = Bench::new(limits(), &[("f", "1", None), ("g", "1", None)]);
    let keys = bench.busy(4);
    let full = Refusal::Throttled(ThrottleLimit::AccountConcurrency);
    assert_eq!(bench.arrive_at("g", None), Arrival::Refused(full));
    bench.released(keys[0]);
    assert!(matches!(bench.arrive_at("g", None), Arrival::Waits(_)));
    // The instance that `f` has no use for makes room.
    assert!(bench.done().contains(&Action::End(keys[0])));
}

#[test]
fn reserved_concurrency_bounds_its_function_and_is_kept_from_others() {
    let mut bench = Bench::new(limits(), &[("f", "1", Some(1)), ("g", "1", None)]);
    bench.busy(1);
    let reserved = Refusal::Throttled(ThrottleLimit::ReservedConcurrency);
    assert_eq!(bench.arrive(), Arrival::Refused(reserved));
    for _ in 0..3 {
        assert!(matches!(bench.arrive_at("g", None), Arrival::Waits(_)));
    }
    let account = Refusal::Throttled(ThrottleLimit::AccountConcurrency);
    assert_eq!(bench.arrive_at("g", None), Arrival::Refused(account));
}

#[test]
fn a_function_that_reserves_nothing_at_all_is_switched_off() {
    let mut bench = Bench::new(limits(), &[("f", "1", Some(0))]);
    let reserved = Refusal::Throttled(ThrottleLimit::NothingReserved);
    assert_eq!(bench.arrive(), Arrival::Refused(reserved));
}

#[test]
fn an_event_gives_up_when_its_caller_does() {
    let mut bench = one();
    let Arrival::Waits(ticket) = bench.arrive_at("f", Some(5)) else {
        panic!("it waits");
    };
    bench.done();
    bench.pass(4);
    assert_eq!(bench.done(), []);
    bench.pass(1);
    assert_eq!(
        bench.done(),
        [Action::Refuse(ticket, Refusal::WaitedTooLong)]
    );
}

#[test]
fn an_event_without_a_time_gives_up_after_the_longest_wait() {
    let mut bench = one();
    let ticket = bench.waits();
    bench.done();
    bench.pass(10);
    assert_eq!(
        bench.done(),
        [Action::Refuse(ticket, Refusal::WaitedTooLong)]
    );
}

#[test]
fn instances_without_events_end_the_longest_free_first() {
    let mut bench = one();
    let keys = bench.busy(2);
    bench.released(keys[1]);
    bench.pass(30);
    bench.released(keys[0]);
    bench.pass(30);
    assert_eq!(bench.done(), [Action::End(keys[1])]);
    bench.pass(30);
    assert_eq!(bench.done(), [Action::End(keys[0])]);
    assert_eq!(bench.pool.due(), None);
}

#[test]
fn an_instance_that_dies_while_free_leaves_the_pool() {
    let mut bench = one();
    let key = bench.busy(1)[0];
    bench.released(key);
    bench.ended(key);
    bench.waits();
    assert_eq!(bench.starts().len(), 1);
}

#[test]
fn an_instance_that_dies_with_its_event_makes_room_for_another() {
    let mut bench = Bench::new(limits(), &[("f", "1", Some(1))]);
    let key = bench.busy(1)[0];
    bench.ended(key);
    bench.waits();
    assert_eq!(bench.starts().len(), 1);
}

#[test]
fn an_event_that_a_dead_instance_never_saw_is_first_in_line_again() {
    let mut bench = one();
    let key = bench.busy(1)[0];
    let second = bench.waits();
    bench.done();
    let now = bench.now();
    let mut actions = Vec::new();
    let Arrival::Waits(again) = bench.pool.returned_unseen(
        key,
        now + Duration::from_secs(WAIT_MAX_S),
        now,
        &mut actions,
    ) else {
        panic!("it waits");
    };
    let start = actions.iter().find_map(|it| match it {
        Action::Start(key, ..) => Some(*key),
        Action::CancelStart(_)
        | Action::Run(..)
        | Action::Refuse(..)
        | Action::FailStart(_)
        | Action::End(_) => None,
    });
    let start = start.unwrap();
    bench.started(start);
    assert_eq!(bench.done(), [Action::Run(again, start)]);
    assert_ne!(again, second);
}

#[test]
fn instances_of_an_unchanged_version_survive_a_swap() {
    let mut bench = one();
    let key = bench.busy(1)[0];
    bench.released(key);
    bench.swap(&[("f", "1", None), ("g", "1", None)]);
    assert_eq!(bench.arrive(), Arrival::Runs(key));
}

#[test]
fn instances_of_a_changed_version_end_when_they_are_free() {
    let mut bench = one();
    let keys = bench.busy(2);
    bench.released(keys[0]);
    bench.swap(&[("f", "2", None)]);
    assert_eq!(bench.done(), [Action::End(keys[0])]);
    bench.released(keys[1]);
    assert_eq!(bench.done(), [Action::End(keys[1])]);
}

#[test]
fn events_in_line_run_on_the_new_version() {
    let mut bench = one();
    let ticket = bench.waits();
    let old = bench.starts()[0];
    bench.swap(&[("f", "2", None)]);
    let done = bench.done();
    assert_eq!(done[0], Action::CancelStart(old));
    let Action::Start(new, ..) = &done[1] else {
        panic!("{done:?}");
    };
    assert!(!bench.started(old));
    bench.started(*new);
    assert_eq!(bench.done(), [Action::Run(ticket, *new)]);
}

#[test]
fn events_of_a_function_that_goes_are_told_so() {
    let mut bench = one();
    let ticket = bench.waits();
    bench.done();
    bench.swap(&[]);
    assert!(
        bench
            .done()
            .contains(&Action::Refuse(ticket, Refusal::UnknownFunction))
    );
    assert_eq!(bench.arrive(), Arrival::Refused(Refusal::UnknownFunction));
}

#[test]
fn a_function_that_reserves_less_ends_what_is_too_much() {
    let mut bench = one();
    let keys = bench.busy(3);
    bench.released(keys[0]);
    bench.swap(&[("f", "1", Some(1))]);
    assert_eq!(bench.done(), [Action::End(keys[0])]);
    bench.released(keys[1]);
    assert_eq!(bench.done(), [Action::End(keys[1])]);
    bench.released(keys[2]);
    assert_eq!(bench.done(), []);
}

#[test]
fn a_stopping_pool_takes_no_events_and_ends_everything_when_told() {
    let mut bench = one();
    let key = bench.busy(1)[0];
    let ticket = bench.waits();
    let start = bench.starts()[0];
    bench.pool.stop();
    assert_eq!(bench.arrive(), Arrival::Refused(Refusal::ShuttingDown));
    assert!(!bench.pool.is_idle());
    bench.pool.end_all(&mut bench.actions);
    assert_eq!(
        bench.done(),
        [
            Action::Refuse(ticket, Refusal::ShuttingDown),
            Action::CancelStart(start),
            Action::End(key)
        ]
    );
    assert!(bench.pool.is_idle());
}
