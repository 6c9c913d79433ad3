//! Provisioned concurrency.

use super::*;

/// One function with a published version `f:1`, of which some instances are provisioned.
fn provisioned(count: usize, reserved_concurrency: Option<usize>) -> Bench {
    Bench::of(limits(), &deployed("1", count, reserved_concurrency))
}

fn deployed(
    fingerprint: &str,
    provisioned_concurrency: usize,
    reserved_concurrency: Option<usize>,
) -> BTreeMap<VersionId, Version> {
    let latest = Version {
        reserved_concurrency,
        ..version(fingerprint)
    };
    let published = Version {
        provisioned_concurrency,
        ..latest.clone()
    };
    BTreeMap::from([(id("f"), latest), (id("f:1"), published)])
}

impl Bench {
    /// Lets all starts succeed that have begun, and those that they make way for.
    fn start_all(&mut self) -> Vec<InstanceKey> {
        let mut all = Vec::new();
        loop {
            let starts = self.starts();
            if starts.is_empty() {
                return all;
            }
            for key in starts {
                assert!(self.started(key));
                all.push(key);
            }
        }
    }
}

#[test]
fn instances_are_provisioned_before_any_event_comes() {
    let mut bench = provisioned(3, None);
    let done = bench.done();
    let begin = |key| Action::Start(InstanceKey(key), id("f:1"), Initialization::Provisioned);
    assert_eq!(done, [begin(1), begin(2)], "two may start at once");
    bench.started(InstanceKey(1));
    bench.started(InstanceKey(2));
    assert_eq!(bench.starts(), [InstanceKey(3)]);
}

#[test]
fn an_event_of_the_version_runs_on_one_at_once_and_another_version_has_none() {
    let mut bench = provisioned(1, None);
    let ready = bench.start_all()[0];
    assert!(matches!(bench.arrive_at("f", None), Arrival::Waits(_)));
    assert_eq!(bench.arrive_at("f:1", None), Arrival::Runs(ready));
}

#[test]
fn what_exceeds_them_starts_on_demand() {
    let mut bench = provisioned(1, None);
    bench.start_all();
    bench.arrive_at("f:1", None);
    assert!(matches!(bench.arrive_at("f:1", None), Arrival::Waits(_)));
    let done = bench.done();
    let is_on_demand = |it: &Action| matches!(it, Action::Start(_, _, Initialization::OnDemand));
    assert!(done.iter().any(is_on_demand), "{done:?}");
}

#[test]
fn they_do_not_become_idle_and_others_do() {
    let mut bench = provisioned(1, None);
    let ready = bench.start_all()[0];
    bench.arrive_at("f:1", None);
    bench.arrive_at("f:1", None);
    let other = bench.start_all()[0];
    bench.released(ready);
    bench.released(other);
    bench.done();
    bench.pass(60);
    assert_eq!(bench.done(), [Action::End(other)]);
    bench.pass(3_600);
    assert_eq!(bench.done(), []);
    assert_eq!(bench.arrive_at("f:1", None), Arrival::Runs(ready));
}

#[test]
fn one_that_dies_is_replaced() {
    let mut bench = provisioned(1, None);
    let ready = bench.start_all()[0];
    bench.pass(3_600);
    bench.ended(ready);
    assert_eq!(bench.starts().len(), 1);
}

#[test]
fn those_that_die_at_once_are_replaced_later_and_later_and_then_not_any_more() {
    let mut bench = provisioned(1, None);
    // Two failures are free, then 1, 2, 3 and 3 seconds pass; after the sixth it is given up.
    for delay_s in [0, 0, 1, 2, 3, 3] {
        if 0 < delay_s {
            assert_eq!(bench.starts(), [], "before {delay_s} s");
            bench.pass(delay_s);
        }
        let key = bench.starts()[0];
        bench.started(key);
        bench.ended(key);
    }
    bench.pass(3_600);
    assert_eq!(bench.starts(), []);
    // An event makes one try more, and what comes of it counts.
    bench.arrive_at("f:1", None);
    let key = bench.starts()[0];
    bench.started(key);
    assert_eq!(bench.starts().len(), 1);
}

#[test]
fn an_init_that_fails_each_time_is_given_up() {
    let mut bench = provisioned(1, None);
    for _ in 0..6 {
        let key = bench.starts()[0];
        bench.start_failed(key);
        bench.pass(3);
    }
    bench.pass(3_600);
    assert_eq!(bench.starts(), []);
}

#[test]
fn a_machine_that_cannot_start_them_is_asked_again_for_as_long_as_it_takes() {
    let mut bench = provisioned(1, None);
    for _ in 0..100 {
        let key = bench.starts()[0];
        bench.start_failed_by(key, Fault::Machine);
        bench.pass(3);
    }
    assert_eq!(bench.starts().len(), 1);
}

#[test]
fn they_are_taken_from_what_the_function_reserves() {
    let mut bench = provisioned(2, Some(2));
    let ready = bench.start_all();
    let reserved = Refusal::Throttled(ThrottleLimit::ReservedConcurrency);
    assert_eq!(bench.arrive_at("f", None), Arrival::Refused(reserved));
    for _ in 0..2 {
        assert!(matches!(bench.arrive_at("f:1", None), Arrival::Runs(_)));
    }
    assert_eq!(bench.arrive_at("f:1", None), Arrival::Refused(reserved));
    bench.released(ready[0]);
    assert_eq!(bench.arrive_at("f:1", None), Arrival::Runs(ready[0]));
}

#[test]
fn they_are_taken_from_the_accounts_concurrency_used_or_not() {
    let mut versions = deployed("1", 3, None);
    versions.insert(id("g"), version("1"));
    let mut bench = Bench::of(limits(), &versions);
    bench.start_all();
    assert!(matches!(bench.arrive_at("g", None), Arrival::Waits(_)));
    let account = Refusal::Throttled(ThrottleLimit::AccountConcurrency);
    assert_eq!(bench.arrive_at("g", None), Arrival::Refused(account));
    assert!(matches!(bench.arrive_at("f:1", None), Arrival::Runs(_)));
}

#[test]
fn a_function_that_reserves_nothing_at_all_provisions_nothing() {
    let mut bench = provisioned(2, Some(0));
    assert_eq!(bench.starts(), []);
}

#[test]
fn those_of_a_version_that_goes_end_and_a_new_one_has_its_own() {
    let mut bench = provisioned(2, None);
    let ready = bench.start_all();
    bench.arrive_at("f:1", None);
    bench.deploy(&deployed("2", 1, None));
    let done = bench.done();
    assert_eq!(done[0], Action::End(ready[0]), "the free one");
    assert!(matches!(done[1], Action::Start(..)));
    assert_eq!(done.len(), 2);
    bench.released(ready[1]);
    assert_eq!(
        bench.done(),
        [Action::End(ready[1])],
        "the busy one, when it is done"
    );
}

#[test]
fn fewer_are_kept_when_fewer_are_wanted_and_more_when_more() {
    let mut bench = provisioned(2, None);
    let ready = bench.start_all();
    bench.deploy(&deployed("1", 1, None));
    assert_eq!(bench.done(), []);
    bench.pass(60);
    assert_eq!(bench.done(), [Action::End(ready[0])]);
    bench.deploy(&deployed("1", 3, None));
    assert_eq!(bench.starts().len(), 2);
}

#[test]
fn an_event_of_another_function_may_take_the_room_of_one_that_is_free() {
    let mut versions = deployed("1", 2, None);
    versions.insert(id("g"), version("1"));
    let small = InvokerLimits {
        instances_max: 2,
        ..limits()
    };
    let mut bench = Bench::of(small, &versions);
    let ready = bench.start_all();
    assert!(matches!(bench.arrive_at("g", None), Arrival::Waits(_)));
    let done = bench.done();
    assert_eq!(done[0], Action::End(ready[0]));
    let Action::Start(key, ..) = done[1] else {
        panic!("{done:?}");
    };
    bench.started(key);
    bench.released(key);
    bench.done();
    // It is replaced once the other one has gone.
    bench.pass(60);
    let done = bench.done();
    assert_eq!(done[0], Action::End(key));
    assert!(matches!(
        done[1],
        Action::Start(_, _, Initialization::Provisioned)
    ));
}

#[test]
fn none_is_started_while_the_pool_stops() {
    let mut bench = provisioned(1, None);
    let ready = bench.start_all()[0];
    bench.pool.stop();
    bench.ended(ready);
    bench.pass(3_600);
    assert_eq!(bench.done(), []);
}
