//! How much is kept, whatever is asked for.

use std::time::{Duration, Instant};

use http::StatusCode;
use interfaces::clock::Clock;
use model::door::{Invalidation, MethodCache, Parameter, ParameterLocation};
use proptest::prelude::*;

use super::*;
use crate::caller::Caller;
use crate::events::Query;
use crate::http::Headers;

fn rule(names: &[&str]) -> MethodCache {
    let parameters = names.iter().map(|name| Parameter {
        location: ParameterLocation::MultiValueQuery,
        name: (*name).to_owned(),
    });
    MethodCache {
        ttl: Duration::from_secs(1),
        key_parameters: parameters.collect(),
        namespace: None,
        invalidation: Invalidation::Open,
    }
}

fn key_of(rule: &MethodCache, query: &str) -> Key {
    Key::of(
        rule,
        &Parts {
            route: "GET /",
            method: "GET",
            path: &[],
            query: &Query::rest(Some(query)),
            headers: &Headers::new(),
            caller: &Caller::default(),
            form: "text",
        },
    )
}

fn key(number: usize) -> Key {
    key_of(&rule(&["n"]), &format!("n={number}"))
}

#[test]
fn values_do_not_flow_from_one_parameter_into_the_next() {
    let rule = rule(&["a", "b"]);
    let queries = [
        "a=1&b=2", "a=12", "b=12", "a=1&a=2", "a=1", "b=1", "", "a=", "b=", "a=&a=",
    ];
    let keys: Vec<Key> = queries.iter().map(|query| key_of(&rule, query)).collect();
    for (place, key) in keys.iter().enumerate() {
        let same = keys.iter().filter(|other| *other == key).count();
        assert_eq!(same, 1, "{}", queries[place]);
    }
}

#[test]
fn what_is_asked_for_stays_when_there_is_no_room_for_all() {
    let now = test_kit::RunningClock.instant();
    let cache: StageCache<()> = StageCache::new(10_000);
    let reply = |number: usize| Response::new(StatusCode::OK, vec![b'x'; 500 + number % 7]);
    let ttl = Duration::from_secs(60);
    cache.keep(&key(0), &reply(0), ttl, (cache.begin(now), now));
    for number in 1..100 {
        assert!(cache.find(&key(0), now).is_some(), "{number}");
        cache.keep(&key(number), &reply(number), ttl, (cache.begin(now), now));
    }
    assert!(cache.find(&key(1), now).is_none());
    assert!(cache.find(&key(99), now).is_some());
    let (entries, turns, bytes) = cache.read(store::Store::held);
    assert!(
        5 < entries && entries == turns && bytes <= 10_000,
        "{entries} {turns} {bytes}"
    );
    cache.limit(2_000);
    assert!(cache.read(store::Store::held).2 <= 2_000);
}

#[test]
fn what_was_begun_earlier_does_not_replace_what_was_begun_later() {
    let early = test_kit::RunningClock.instant();
    let late = early + Duration::from_millis(1);
    let cache: StageCache<()> = StageCache::new(10_000);
    let ttl = Duration::from_secs(60);
    let begun_early = cache.begin(early);
    let (old, new) = (
        Response::new(StatusCode::OK, "old"),
        Response::new(StatusCode::OK, "new"),
    );
    cache.keep(&key(1), &new, ttl, (cache.begin(late), late));
    cache.keep(&key(1), &old, ttl, (begun_early, late));
    let ResponseBody::Whole(body) = cache.find(&key(1), late).unwrap().body else {
        panic!("a kept reply came in pieces");
    };
    assert_eq!(body, "new");
}

#[test]
fn a_reply_over_the_cloud_s_limit_is_not_kept() {
    let now = test_kit::RunningClock.instant();
    let cache: StageCache<()> = StageCache::new(10_000_000);
    for (bytes, is_kept) in [(REPLY_BYTES_MAX, true), (REPLY_BYTES_MAX + 1, false)] {
        let reply = Response::new(StatusCode::OK, vec![b'x'; bytes]);
        cache.keep(
            &key(bytes),
            &reply,
            Duration::from_secs(1),
            (cache.begin(now), now),
        );
        assert_eq!(cache.find(&key(bytes), now).is_some(), is_kept, "{bytes}");
    }
}

proptest! {
    #[test]
    fn the_books_are_right_whatever_happens(steps in prop::collection::vec((0..4_u8, 0..20_usize, 0..3_000_usize), 1..200)) {
        let mut now: Instant = test_kit::RunningClock.instant();
        let cache: StageCache<()> = StageCache::new(20_000);
        for (step, number, bytes) in steps {
            now += Duration::from_millis(bytes as u64);
            match step {
                0 => drop(cache.find(&key(number), now)),
                1 => cache.empty_method(&rule(&["n"]), if number == 0 { "GET /" } else { "GET /other" }),
                _ => {
                    let reply = Response::new(StatusCode::OK, vec![b'x'; bytes]);
                    cache.keep(&key(number), &reply, Duration::from_secs(9), (cache.begin(now), now));
                }
            }
            let (entries, turns, bytes) = cache.read(store::Store::held);
            prop_assert!(bytes <= 20_000);
            prop_assert_eq!(entries, turns);
            prop_assert_eq!(entries == 0, bytes == 0);
        }
    }
}
