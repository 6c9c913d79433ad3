//! Patterns and events, pair by pair.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn matches(pattern: Value, event: Value) {
    let read = Pattern::read(&pattern).unwrap();
    assert!(read.matches(&event), "{pattern} {event}");
}

fn differs(pattern: Value, event: Value) {
    let read = Pattern::read(&pattern).unwrap();
    assert!(!read.matches(&event), "{pattern} {event}");
}

#[test]
fn each_operator_matches_what_it_is_for_and_nothing_else() {
    for (operator, matching, others) in [
        (json!("a"), json!(["a"]), json!(["b", "A", 1, null])),
        (json!(null), json!([null]), json!(["", 0, false])),
        (json!(""), json!([""]), json!([null, "a"])),
        (json!(100), json!([100]), json!(["100", 100.0, 101])),
        (json!(true), json!([true]), json!([false, "true"])),
        (
            json!({"prefix": "us-"}),
            json!(["us-", "us-east-1"]),
            json!(["eu", "US-1", 1]),
        ),
        (
            json!({"prefix": {"equals-ignore-case": "Us-"}}),
            json!(["us-1", "US-1"]),
            json!(["u"]),
        ),
        (
            json!({"suffix": ".png"}),
            json!(["a.png"]),
            json!(["a.PNG", "png"]),
        ),
        (
            json!({"suffix": {"equals-ignore-case": ".Png"}}),
            json!(["a.pNG"]),
            json!(["a.jpg"]),
        ),
        (
            json!({"equals-ignore-case": "aLice"}),
            json!(["Alice", "ALICE"]),
            json!(["alic", 1]),
        ),
        (
            json!({"anything-but": "a"}),
            json!(["b", "A", 1, null]),
            json!(["a"]),
        ),
        (json!({"anything-but": 7}), json!([8, "7"]), json!([7])),
        (
            json!({"anything-but": ["a", "b"]}),
            json!(["c"]),
            json!(["a", "b"]),
        ),
        (
            json!({"anything-but": {"prefix": "us-"}}),
            json!(["eu-1"]),
            json!(["us-1"]),
        ),
        (
            json!({"anything-but": {"suffix": ["1", "2"]}}),
            json!(["a3"]),
            json!(["a1", "a2"]),
        ),
        (
            json!({"anything-but": {"equals-ignore-case": ["a", "b"]}}),
            json!(["c"]),
            json!(["A", "b"]),
        ),
        (
            json!({"anything-but": {"wildcard": "*/lib/*"}}),
            json!(["/a/b"]),
            json!(["/a/lib/b"]),
        ),
        (
            json!({"numeric": [">", 10, "<=", 20]}),
            json!([10.5, 20]),
            json!([10, 20.1, "15"]),
        ),
        (json!({"numeric": ["=", 3]}), json!([3, 3.0]), json!([3.1])),
        (json!({"numeric": ["<", 0]}), json!([-1]), json!([0])),
        (
            json!({"cidr": "10.0.0.0/24"}),
            json!(["10.0.0.255"]),
            json!(["10.0.1.0", "::1", "x"]),
        ),
        (
            json!({"cidr": "0.0.0.0/0"}),
            json!(["1.2.3.4"]),
            json!(["::1"]),
        ),
        (
            json!({"cidr": "2001:db8::/32"}),
            json!(["2001:db8::7"]),
            json!(["2001:db9::", "1.2.3.4"]),
        ),
        (
            json!({"wildcard": "dir/*.png"}),
            json!(["dir/a/b.png", "dir/.png"]),
            json!(["dir.png", "dir/a.jpg"]),
        ),
        (
            json!({"wildcard": "a\\*b*"}),
            json!(["a*b", "a*bc"]),
            json!(["axb"]),
        ),
        (
            json!({"wildcard": "*a*a*"}),
            json!(["aa", "bacab"]),
            json!(["a"]),
        ),
    ] {
        for value in matching.as_array().unwrap() {
            matches(json!({"f": [operator]}), json!({"f": value}));
            matches(json!({"f": [operator]}), json!({"f": ["~", value]}));
        }
        for value in others.as_array().unwrap() {
            differs(json!({"f": [operator]}), json!({"f": value}));
        }
        differs(json!({"f": [operator]}), json!({}));
    }
}

#[test]
fn fields_are_all_asked_for_and_their_values_any() {
    let pattern = || json!({"source": ["a", "b"], "detail": {"state": ["on"]}});
    matches(
        pattern(),
        json!({"source": "b", "detail": {"state": "on", "x": 1}}),
    );
    differs(pattern(), json!({"source": "c", "detail": {"state": "on"}}));
    differs(
        pattern(),
        json!({"source": "a", "detail": {"state": "off"}}),
    );
    differs(pattern(), json!({"source": "a"}));
}

#[test]
fn what_is_missing_can_be_asked_for() {
    matches(json!({"f": [{"exists": true}]}), json!({"f": null}));
    differs(json!({"f": [{"exists": true}]}), json!({"f": {"g": 1}}));
    matches(json!({"f": [{"exists": false}]}), json!({"g": 1}));
    differs(json!({"f": [{"exists": false}]}), json!({"f": 1}));
    matches(json!({"f": {"g": [{"exists": false}]}}), json!({}));
    matches(
        json!({"f": {"g": ["x", {"exists": false}]}}),
        json!({"f": {"g": "x"}}),
    );
}

#[test]
fn alternatives_are_objects_of_which_one_holds() {
    let pattern = || json!({"a": [1], "$or": [{"b": [2]}, {"c": {"d": [3]}}]});
    matches(pattern(), json!({"a": 1, "b": 2}));
    matches(pattern(), json!({"a": 1, "c": {"d": 3}}));
    differs(pattern(), json!({"a": 1, "b": 3}));
    differs(pattern(), json!({"b": 2}));
    matches(json!({"$or": ["x", "y"]}), json!({"$or": "y"}));
}

#[test]
fn one_element_of_an_array_fulfils_all_that_is_asked_of_it() {
    let pattern = || json!({"pets": {"name": ["Ada"], "kind": ["cat"]}});
    matches(
        pattern(),
        json!({"pets": [{"name": "Bob"}, {"name": "Ada", "kind": "cat"}]}),
    );
    differs(
        pattern(),
        json!({"pets": [{"name": "Bob", "kind": "cat"}, {"name": "Ada", "kind": "dog"}]}),
    );
}

#[test]
fn what_is_no_pattern_is_refused_with_a_reason() {
    for (text, reason) in [
        ("[]", "a pattern is a JSON object"),
        ("{", "it is not JSON"),
        ("{}", "an object without fields"),
        (r#"{"a": {}}"#, "an object without fields"),
        (r#"{"a": "b"}"#, "must be an object or a list"),
        (r#"{"a": []}"#, "lists no value"),
        (r#"{"a": [[1]]}"#, "no other list"),
        (r#"{"a": [{"near": 1}]}"#, "no operator `near`"),
        (r#"{"a": [{"prefix": ""}]}"#, "at least one character"),
        (r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#, "one operator"),
        (r#"{"a": [{"exists": 1}]}"#, "true or false"),
        (r#"{"a": [{"numeric": ["<", 5, ">", 1]}]}"#, "lower bound"),
        (r#"{"a": [{"numeric": ["<"]}]}"#, "a sign and a number"),
        (r#"{"a": [{"numeric": ["<", 6e9]}]}"#, "between -5.0e9"),
        (r#"{"a": [{"cidr": "10.0.0.0/33"}]}"#, "no block"),
        (r#"{"a": [{"wildcard": "a**"}]}"#, "two stars"),
        (r#"{"a": [{"anything-but": []}]}"#, "lists no value"),
        (
            r#"{"a": [{"anything-but": {"numeric": ["=", 1]}}]}"#,
            "knows no `numeric`",
        ),
    ] {
        let refused = Pattern::parse(text).unwrap_err();
        assert!(refused.reason.contains(reason), "{text}: {refused}");
    }
    let deep = format!("{}[1]{}", "{\"a\":".repeat(110), "}".repeat(110));
    assert!(Pattern::parse(&deep).is_err());
}

proptest! {
    #[test]
    fn a_wildcard_agrees_with_a_slow_matcher(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
        fn slow(pattern: &[u8], text: &[u8]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|from| slow(rest, &text[from..])),
                Some((byte, rest)) => text.split_first().is_some_and(|(first, more)| first == byte && slow(rest, more)),
            }
        }
        prop_assume!(!pattern.contains("**"));
        let read = Pattern::read(&json!({"f": [{"wildcard": pattern}]})).unwrap();
        prop_assert_eq!(read.matches(&json!({"f": text})), slow(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,60}") {
        let _ = Pattern::parse(&text);
    }
}
