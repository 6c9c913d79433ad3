//! Expressions and the times that follow.

use super::*;

fn at(text: &str) -> Timestamp {
    parse_iso(text).unwrap()
}

fn times(expression: &str, zone_name: &str, after: &str, count: usize) -> Vec<String> {
    let expression = Expression::of_schedule(expression).unwrap();
    let zone = zone(zone_name).unwrap();
    let mut after = at(after);
    let anchor = after;
    let mut found = Vec::new();
    while let Some(next) = expression.next(&zone, anchor, after)
        && found.len() < count
    {
        found.push(iso(next));
        after = next;
    }
    found
}

#[test]
fn rules_take_what_the_cloud_takes() {
    for text in [
        "rate(1 minute)",
        "rate(5 minutes)",
        "rate(1 hour)",
        "rate(24 hours)",
        "rate(1 day)",
        "rate(7 days)",
        "cron(0 2 ? * SAT *)",
        "cron(0 12 * * ? *)",
        "cron(5,35 14 * * ? *)",
        "cron(15 10 ? * 6L 2002-2005)",
        "cron(0 2 ? * SAT#3 *)",
        "cron(* * ? * SAT#3 *)",
        "cron(0/5 5 ? JAN 1-5 2022)",
        "cron(0 18 ? * MON-FRI *)",
        "cron(0 8 1 * ? *)",
        "cron(0/30 20-23 ? * MON-FRI *)",
        "cron(0 0 L * ? *)",
        "cron(0 0 15W * ? *)",
        "cron(0 0 LW * ? *)",
        "cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)",
        "cron(1-31/30 1-1 ? * 1,7 *)",
        "cron(*/15 * * * ? *)",
        "cron(0-59/10 0-23/2 ? * * *)",
    ] {
        assert!(Expression::of_rule(text).is_some(), "{text}");
    }
}

#[test]
fn rules_refuse_what_the_cloud_refuses() {
    for text in [
        "rate(10 seconds)",
        "rate(10 years)",
        "rate(1 minutes)",
        "rate(1 hours)",
        "rate(1 days)",
        "rate(10 minute)",
        "rate(10 hour)",
        "rate(10 day)",
        "rate()",
        "rate(10)",
        "rate(10 minutess)",
        "rate(foo minutes)",
        "rate(0 minutes)",
        "rate(-10 minutes)",
        "rate(10 MINUTES)",
        "rate( 10 minutes )",
        " rate(10 minutes)",
        "cron(0 1 * * * *)",
        "cron(7 20 * * NOT *)",
        "cron(INVALID)",
        "cron(0 dummy ? * MON-FRI *)",
        "cron(71 8 1 * ? *)",
        "cron()",
        "cron(0 0 ? * ? *)",
        "cron(0 0 32 * ? *)",
        "cron(0 0 * 13 ? *)",
        "cron(0 0 ? * 8 *)",
        "cron(0 0 ? * 2#6 *)",
        "cron(0 0 * * ? 1969)",
        "cron(0/0 * * * ? *)",
        "cron(+1 * * * ? *)",
        "cron(* * * * ?)",
        "at(2030-01-01T00:00:00)",
    ] {
        assert_eq!(Expression::of_rule(text), None, "{text}");
    }
    for text in [
        "at(2021-12-31T23:59:59Z)",
        "at(2021-12-31)",
        "at(2021-12-31T23:59)",
        "at(2021-02-30T00:00:00)",
    ] {
        assert_eq!(Expression::of_schedule(text), None, "{text}");
    }
    assert!(Expression::of_schedule("rate(10 minute)").is_some());
    assert!(Expression::of_schedule("at(2022-12-31T23:59:59)").is_some());
}

#[test]
fn a_rate_keeps_to_its_grid_however_late_it_is_asked() {
    let rate = Expression::of_rule("rate(5 minutes)").unwrap();
    let anchor = at("2026-01-01T00:00:03Z");
    for (after, next) in [
        ("2025-12-31T00:00:00Z", "2026-01-01T00:00:03Z"),
        ("2026-01-01T00:00:03Z", "2026-01-01T00:05:03Z"),
        ("2026-01-01T03:01:00Z", "2026-01-01T03:05:03Z"),
    ] {
        assert_eq!(
            rate.next(&TimeZone::UTC, anchor, at(after))
                .map(iso)
                .unwrap(),
            next
        );
    }
}

#[test]
fn each_kind_of_day_is_found() {
    for (expression, expected) in [
        (
            "cron(0 12 * * ? *)",
            vec!["2026-01-01T12:00:00Z", "2026-01-02T12:00:00Z"],
        ),
        (
            "cron(5,35 14 * * ? *)",
            vec![
                "2026-01-01T14:05:00Z",
                "2026-01-01T14:35:00Z",
                "2026-01-02T14:05:00Z",
            ],
        ),
        (
            "cron(0 0 L * ? *)",
            vec![
                "2026-01-31T00:00:00Z",
                "2026-02-28T00:00:00Z",
                "2026-03-31T00:00:00Z",
            ],
        ),
        ("cron(0 0 L-2 2 ? *)", vec!["2026-02-26T00:00:00Z"]),
        // The 1st of February 2026 is a Sunday, the 1st of August a Saturday, the 31st of May a Sunday.
        ("cron(0 0 1W 2 ? 2026)", vec!["2026-02-02T00:00:00Z"]),
        ("cron(0 0 1W 8 ? 2026)", vec!["2026-08-03T00:00:00Z"]),
        ("cron(0 0 LW 5 ? 2026)", vec!["2026-05-29T00:00:00Z"]),
        ("cron(0 0 31W 5 ? 2026)", vec!["2026-05-29T00:00:00Z"]),
        (
            "cron(15 10 ? * 6L 2026)",
            vec!["2026-01-30T10:15:00Z", "2026-02-27T10:15:00Z"],
        ),
        (
            "cron(0 2 ? * SAT#3 *)",
            vec!["2026-01-17T02:00:00Z", "2026-02-21T02:00:00Z"],
        ),
        (
            "cron(0 0 ? * MON-FRI *)",
            vec!["2026-01-02T00:00:00Z", "2026-01-05T00:00:00Z"],
        ),
        (
            "cron(0 0 29 2 ? *)",
            vec!["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"],
        ),
        ("cron(0 0 ? * L 2026)", vec!["2026-01-03T00:00:00Z"]),
    ] {
        assert_eq!(
            times(expression, "UTC", "2026-01-01T00:00:00Z", expected.len()),
            expected,
            "{expression}"
        );
    }
}

#[test]
fn what_lies_in_the_past_or_in_no_calendar_never_fires() {
    for expression in [
        "cron(0 0 * * ? 2002-2005)",
        "cron(0 0 30 2 ? *)",
        "at(2020-01-01T00:00:00)",
    ] {
        assert!(
            times(expression, "UTC", "2026-01-01T00:00:00Z", 1).is_empty(),
            "{expression}"
        );
    }
}

#[test]
fn in_spring_a_skipped_time_is_skipped_and_in_autumn_a_repeated_one_counts_once() {
    let spring = times(
        "cron(30 2 * * ? *)",
        "America/New_York",
        "2026-03-07T00:00:00Z",
        3,
    );
    assert_eq!(
        spring,
        [
            "2026-03-07T07:30:00Z",
            "2026-03-09T06:30:00Z",
            "2026-03-10T06:30:00Z"
        ]
    );
    let autumn = times(
        "cron(30 1 * * ? *)",
        "America/New_York",
        "2026-10-31T12:00:00Z",
        3,
    );
    assert_eq!(
        autumn,
        [
            "2026-11-01T05:30:00Z",
            "2026-11-02T06:30:00Z",
            "2026-11-03T06:30:00Z"
        ]
    );
    let hourly = times(
        "cron(0/30 1-2 1 11 ? 2026)",
        "America/New_York",
        "2026-10-31T12:00:00Z",
        9,
    );
    assert_eq!(
        hourly,
        [
            "2026-11-01T05:00:00Z",
            "2026-11-01T05:30:00Z",
            "2026-11-01T07:00:00Z",
            "2026-11-01T07:30:00Z"
        ]
    );
    let noon = times(
        "cron(0 12 * * ? *)",
        "Europe/Berlin",
        "2026-03-28T00:00:00Z",
        2,
    );
    assert_eq!(noon, ["2026-03-28T11:00:00Z", "2026-03-29T10:00:00Z"]);
    assert_eq!(
        times(
            "at(2026-07-01T12:00:00)",
            "Europe/Berlin",
            "2026-01-01T00:00:00Z",
            2
        ),
        ["2026-07-01T10:00:00Z"]
    );
    assert_eq!(
        times("rate(1 day)", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T12:00:00Z", "2026-03-30T12:00:00Z"]
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic_and_times_go_forward(text in "(cron|rate|at)\\([0-9LW#?*/, A-Z-]{0,24}\\)", after in 0_i64..4_000_000_000) {
        if let Some(expression) = Expression::of_schedule(&text) {
            let after = Timestamp::from_micros(after * MICROS);
            if let Some(next) = expression.next(&TimeZone::UTC, after, after) {
                proptest::prop_assert!(after < next);
            }
        }
    }
}
