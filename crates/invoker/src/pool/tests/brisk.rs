//! Events that are held back for instances that are free again in a moment.

use super::*;

/// Two instances of `f` may be at work before its events are held back; it has three, all free, and is brisk.
fn brisk() -> (Bench, Vec<InstanceKey>) {
    let limits = InvokerLimits {
        concurrency_max: 100,
        line_length_max: 100,
        ..limits()
    };
    let mut bench = Bench::new(limits, &[("f", "1", None)]);
    let keys = bench.busy(3);
    bench.pass_micros(100);
    for key in &keys {
        bench.released(*key);
    }
    (bench, keys)
}

#[test]
fn an_event_waits_beside_a_free_instance_while_enough_others_work() {
    let (mut bench, keys) = brisk();
    assert_eq!(bench.arrive(), Arrival::Runs(keys[2]));
    assert_eq!(bench.arrive(), Arrival::Runs(keys[1]));
    let (first, second) = (bench.waits(), bench.waits());
    assert_eq!(bench.done(), []);
    bench.released(keys[1]);
    assert_eq!(bench.done(), [Action::Run(first, keys[1])]);
    bench.released(keys[1]);
    assert_eq!(bench.done(), [Action::Run(second, keys[1])]);
}

#[test]
fn no_instance_is_started_for_an_event_that_is_held_back() {
    let limits = InvokerLimits {
        concurrency_max: 100,
        line_length_max: 100,
        ..limits()
    };
    let mut bench = Bench::new(limits, &[("f", "1", None)]);
    for key in bench.busy(2) {
        bench.released(key);
        bench.arrive();
    }
    for _ in 0..9 {
        bench.waits();
    }
    assert_eq!(bench.starts(), []);
}

#[test]
fn an_instance_that_takes_long_is_not_waited_for() {
    let (mut bench, keys) = brisk();
    bench.arrive();
    bench.arrive();
    let held = bench.waits();
    bench.pass_micros(9_900);
    assert_eq!(bench.done(), []);
    bench.pass_micros(4_000);
    assert_eq!(bench.done(), [Action::Run(held, keys[0])]);
    // Of the three that are at work two do not count, so the next event needs an instance of its own.
    bench.waits();
    assert_eq!(bench.starts().len(), 1);
}

#[test]
fn an_event_does_not_wait_to_find_out_that_others_take_long() {
    let (mut bench, keys) = brisk();
    bench.arrive();
    bench.arrive();
    bench.pass_micros(10_000);
    assert_eq!(bench.arrive(), Arrival::Runs(keys[0]));
}

#[test]
fn a_function_whose_events_take_longer_has_an_instance_for_each() {
    let mut bench = Bench::new(limits(), &[("f", "1", None)]);
    let keys = bench.busy(3);
    bench.pass_micros(800);
    for key in &keys {
        bench.released(*key);
    }
    for key in keys.iter().rev() {
        assert_eq!(bench.arrive(), Arrival::Runs(*key));
    }
}

#[test]
fn instances_that_are_more_than_enough_rest() {
    let (mut bench, keys) = brisk();
    let (one, other) = (keys[2], keys[1]);
    bench.arrive();
    bench.arrive();
    let held = bench.waits();
    bench.pass_micros(10_000);
    assert_eq!(bench.done(), [Action::Run(held, keys[0])]);
    bench.released(one);
    bench.released(other);
    bench.arrive();
    let held = bench.waits();
    // Both that work are enough again, so the first that is free serves the line and no third.
    bench.released(keys[0]);
    assert_eq!(bench.done(), [Action::Run(held, keys[0])]);
}

#[test]
fn only_so_many_events_are_held_back() {
    let (mut bench, keys) = brisk();
    bench.arrive();
    bench.arrive();
    let first = bench.waits();
    for _ in 1..32 {
        bench.waits();
    }
    assert_eq!(bench.done(), []);
    bench.waits();
    assert_eq!(bench.done(), [Action::Run(first, keys[0])]);
}

#[test]
fn events_are_held_back_no_more_when_an_instance_dies() {
    let (mut bench, keys) = brisk();
    bench.arrive();
    bench.arrive();
    let held = bench.waits();
    bench.ended(keys[2]);
    assert_eq!(bench.done(), [Action::Run(held, keys[0])]);
}

#[test]
fn an_event_that_is_held_back_counts_as_one_that_runs() {
    let limits = InvokerLimits {
        concurrency_max: 3,
        ..limits()
    };
    let mut bench = Bench::new(limits, &[("f", "1", None)]);
    for key in bench.busy(2) {
        bench.released(key);
    }
    bench.arrive();
    bench.arrive();
    bench.waits();
    let refusal = Refusal::Throttled(ThrottleLimit::AccountConcurrency);
    assert_eq!(bench.arrive(), Arrival::Refused(refusal));
}

#[test]
fn events_that_are_held_back_run_on_the_new_version() {
    let (mut bench, _) = brisk();
    bench.arrive();
    bench.arrive();
    let held = bench.waits();
    bench.swap(&[("f", "2", None)]);
    let start = bench.starts()[0];
    assert!(bench.started(start));
    assert_eq!(bench.done(), [Action::Run(held, start)]);
}
