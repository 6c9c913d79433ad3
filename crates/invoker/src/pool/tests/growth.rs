//! How fast functions gain instances, and how many start at once.

use super::*;

/// A function whose first start makes what the others are forked from.
fn forking(limits: InvokerLimits) -> Bench {
    let version = Version {
        may_fork: true,
        ..version("1")
    };
    Bench::of(limits, &BTreeMap::from([(id("f"), version)]))
}

fn wide() -> InvokerLimits {
    InvokerLimits {
        concurrency_max: 100,
        instances_max: 100,
        line_length_max: 100,
        ..limits()
    }
}

#[test]
fn the_first_start_is_alone_and_then_there_are_as_many_as_forks_may_be() {
    let mut bench = forking(wide());
    for _ in 0..10 {
        bench.waits();
    }
    let first = bench.starts();
    assert_eq!(first.len(), 1);
    bench.started_as(first[0], StartWay::Forked);
    assert_eq!(bench.starts().len(), 3);
}

#[test]
fn a_function_that_turns_out_to_be_spawned_starts_as_many_as_spawns_may_be() {
    let mut bench = forking(wide());
    for _ in 0..10 {
        bench.waits();
    }
    let first = bench.starts()[0];
    bench.started_as(first, StartWay::Spawned);
    assert_eq!(bench.starts().len(), 2);
}

#[test]
fn forks_do_not_wait_for_spawns() {
    let mut versions = versions(&[("g", "1", None)]);
    versions.insert(
        id("f"),
        Version {
            may_fork: true,
            ..version("1")
        },
    );
    let mut bench = Bench::of(wide(), &versions);
    bench.waits();
    let first = bench.starts()[0];
    bench.started_as(first, StartWay::Forked);
    for _ in 0..2 {
        bench.arrive_at("g", None);
    }
    assert_eq!(bench.starts().len(), 2, "all that may be spawned at once");
    bench.waits();
    assert_eq!(bench.starts().len(), 1);
}

#[test]
fn a_first_start_that_fails_by_the_functions_fault_answers_all_that_waited_for_it() {
    let mut bench = forking(wide());
    let tickets: Vec<Ticket> = (0..3).map(|_| bench.waits()).collect();
    let first = bench.starts()[0];
    bench.start_failed(first);
    let answers: Vec<Action> = tickets.into_iter().map(Action::FailStart).collect();
    assert_eq!(bench.done(), answers);
    assert!(bench.pool.is_idle());
}

#[test]
fn a_first_start_that_fails_by_the_machines_fault_answers_its_own_event() {
    let mut bench = forking(wide());
    let own = bench.waits();
    bench.waits();
    let first = bench.starts()[0];
    bench.start_failed_by(first, Fault::Machine);
    let done = bench.done();
    assert_eq!(done[0], Action::FailStart(own));
    assert!(matches!(done[1], Action::Start(..)));
    assert_eq!(done.len(), 2);
}

#[test]
fn an_instance_that_dies_again_and_again_before_its_event_is_not_started_without_a_pause() {
    let mut bench = one();
    bench.waits();
    for delay_s in [0, 0, 1, 2, 3] {
        if 0 < delay_s {
            assert_eq!(bench.starts(), [], "before {delay_s} s");
            bench.pass(delay_s);
        }
        let key = bench.starts()[0];
        bench.started(key);
        let now = bench.now();
        let give_up_at = now + Duration::from_secs(WAIT_MAX_S);
        bench
            .pool
            .returned_unseen(key, give_up_at, now, &mut bench.actions);
    }
}

fn growing(scaling_instances: u32) -> Bench {
    let limits = InvokerLimits {
        scaling_instances,
        scaling_interval: Duration::from_secs(10),
        spawns_max: 100,
        ..wide()
    };
    Bench::new(limits, &[("f", "1", None), ("g", "1", None)])
}

#[test]
fn a_function_that_gains_instances_too_fast_is_throttled_and_others_are_not() {
    let mut bench = growing(5);
    for _ in 0..5 {
        bench.waits();
    }
    let too_fast = Refusal::Throttled(ThrottleLimit::ScalingRate);
    assert_eq!(bench.arrive(), Arrival::Refused(too_fast));
    assert!(matches!(bench.arrive_at("g", None), Arrival::Waits(_)));
}

#[test]
fn growth_is_paid_back_evenly_and_not_saved_up() {
    let mut bench = growing(5);
    bench.pass(3_600);
    for _ in 0..5 {
        bench.waits();
    }
    let too_fast = Refusal::Throttled(ThrottleLimit::ScalingRate);
    for _ in 0..3 {
        bench.pass(1);
        assert_eq!(bench.arrive(), Arrival::Refused(too_fast));
        bench.pass(1);
        bench.arrive_at("f", Some(3_600));
        assert_eq!(bench.arrive(), Arrival::Refused(too_fast));
    }
}

#[test]
fn an_event_that_finds_a_free_instance_needs_no_growth() {
    let mut bench = growing(1);
    let key = bench.busy(1)[0];
    bench.released(key);
    assert_eq!(bench.arrive(), Arrival::Runs(key));
}

#[test]
fn versions_of_a_function_share_its_growth() {
    let limits = InvokerLimits {
        scaling_instances: 1,
        ..wide()
    };
    let mut bench = Bench::new(limits, &[("f", "1", None), ("f:1", "1", None)]);
    bench.waits();
    let too_fast = Refusal::Throttled(ThrottleLimit::ScalingRate);
    assert_eq!(bench.arrive_at("f:1", None), Arrival::Refused(too_fast));
}

#[test]
fn a_start_that_failed_is_made_good_when_the_function_may_grow_again() {
    let mut bench = growing(1);
    bench.arrive_at("f", Some(3_600));
    let key = bench.starts()[0];
    bench.started(key);
    let now = bench.now();
    let give_up_at = now + Duration::from_secs(3_600);
    bench
        .pool
        .returned_unseen(key, give_up_at, now, &mut bench.actions);
    assert_eq!(bench.starts(), []);
    assert_eq!(bench.pool.due(), Some(now + Duration::from_secs(10)));
    bench.pass(10);
    assert_eq!(bench.starts().len(), 1);
}

#[test]
fn an_event_waits_when_the_machine_has_no_room_for_another_instance() {
    let limits = InvokerLimits {
        instances_max: 2,
        ..wide()
    };
    let mut bench = Bench::new(limits, &[("f", "1", None), ("g", "1", None)]);
    let keys = bench.busy(2);
    assert!(matches!(bench.arrive_at("g", None), Arrival::Waits(_)));
    assert_eq!(bench.done(), []);
    bench.released(keys[0]);
    let done = bench.done();
    assert_eq!(done[0], Action::End(keys[0]));
    assert!(matches!(&done[1], Action::Start(_, version, _) if *version == id("g")));
}
