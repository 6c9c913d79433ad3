//! What was recorded of filter policies, each operator, and properties of both.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn refused(policy: &Value, expected: &str) {
    let error = FilterPolicy::parse(&policy.to_string()).unwrap_err();
    assert_eq!(error.reason, expected, "{policy}");
}

#[expect(clippy::fn_params_excessive_bools, reason = "a table of cases")]
fn check(policy: &Value, body: &Value, expected: bool) {
    let policy = FilterPolicy::parse(&policy.to_string()).unwrap().unwrap();
    let candidate = Candidate::of_body(&body.to_string());
    assert_eq!(policy.matches(&candidate), expected, "{policy:?} {body}");
}

#[test]
fn what_is_wrong_is_said_in_the_services_words() {
    let suffix = "suffix match pattern must be a string";
    for (tests, expected) in [
        (json!([]), "Empty arrays are not allowed"),
        (
            json!([["value"]]),
            "Match value must be String, number, true, false, or null",
        ),
        (
            json!([{"wrong-operator": true}]),
            "Unrecognized match type wrong-operator",
        ),
        (
            json!([{"suffix": "a", "prefix": "b"}]),
            "Only one key allowed in match expression",
        ),
        (json!([{}]), "Match expression name not found"),
        (json!([{"suffix": 100}]), suffix),
        (json!([{"suffix": null}]), suffix),
        (json!([{"suffix": ["test", "test2"]}]), suffix),
        (
            json!([{"exists": "no"}]),
            "exists match pattern must be either true or false.",
        ),
        (
            json!([{"cidr": ["bad"]}]),
            "prefix match pattern must be a string",
        ),
        (
            json!([{"cidr": "bad-filter"}]),
            "Malformed CIDR, one '/' required",
        ),
        (
            json!([{"cidr": "bad-filter/64"}]),
            "Nonstandard IP address: bad-filter",
        ),
        (
            json!([{"cidr": "bad-/64filter"}]),
            "Malformed CIDR, mask bits must be an integer",
        ),
        (
            json!([{"cidr": "xx.11.xx/8"}]),
            "Nonstandard IP address: xx.11.xx",
        ),
        (
            json!([{"anything-but": {"suffix": "test"}}]),
            "Unsupported anything-but pattern: suffix",
        ),
        (
            json!([{"anything-but": {"prefix": false}}]),
            "prefix match pattern must be a string",
        ),
        (
            json!([{"anything-but": [null]}]),
            "Inside anything but list, start|null|boolean is not supported.",
        ),
    ] {
        refused(&json!({"key": tests}), expected);
    }
    refused(
        &json!({"key": {"suffix": "value"}}),
        "\"suffix\" must be an object or an array",
    );
    refused(
        &json!({"key": "value"}),
        "\"key\" must be an object or an array",
    );
    refused(&json!(["key"]), "Filter is not an object");
    let error = FilterPolicy::parse("{invalid}").unwrap_err();
    assert!(error.reason.starts_with("failed to parse JSON. "));
}

#[test]
fn what_is_wrong_with_a_comparison_of_numbers_is_said_where_it_stands() {
    for (parts, expected) in [
        (json!([]), "Invalid member in numeric match: ]"),
        (
            json!(["operator"]),
            "Unrecognized numeric range operator: operator",
        ),
        (json!([1, "<="]), "Invalid member in numeric match: 1"),
        (json!(["=", "000"]), "Value of equals must be numeric"),
        (json!([">="]), "Value of >= must be numeric"),
        (
            json!(["<", 100, ">", 10]),
            "Too many elements in numeric expression",
        ),
        (json!([">=", 1, ">", 2]), "Bad numeric range operator: >"),
        (json!([">", 3, "<", 1]), "Bottom must be less than top"),
        (json!([">", 20, "<="]), "Value of <= must be numeric"),
        (json!([">", 20, 30]), "Bad value in numeric range: 30"),
        (json!([">", 20, "test"]), "Bad numeric range operator: test"),
        (json!([">", "20", "<", "30"]), "Value of > must be numeric"),
        (json!([">", 20, "<", "30"]), "Value of < must be numeric"),
        (
            json!([">", 20, "<", 30, "<", 50]),
            "Too many terms in numeric range expression",
        ),
        (
            json!(["=", 6.0e9]),
            "Value must be between -5.0E9 and 5.0E9, inclusive",
        ),
    ] {
        refused(&json!({"key": [{"numeric": parts}]}), expected);
    }
}

#[test]
fn a_policy_lists_only_so_many_combinations() {
    let values = |count: usize| (0..count).map(|one| format!("v{one}")).collect::<Vec<_>>();
    let complex = "Filter policy is too complex";
    refused(&json!({"key": values(151)}), complex);
    refused(&json!({"a": values(100), "b": values(51)}), complex);
    // 3 × 4 × 2 × 3 × 1 × 3 = 216.
    refused(
        &json!({"a": {"b": {"c": values(4)}}, "d": {"e": values(3)}, "f": values(3)}),
        complex,
    );
    let alternatives = |spaces: usize, sources: usize| {
        json!({
            "source": values(sources),
            "$or": [
                {"metricName": values(6)},
                {"metricType": values(4), "$or": [{"metricId": values(4)}, {"spaceId": values(spaces)}]},
            ],
        })
    };
    refused(&alternatives(4, 4), complex);
    assert!(FilterPolicy::parse(&alternatives(7, 3).to_string()).is_ok());
    let six: Map<String, Value> = (0..6)
        .map(|one| (format!("k{one}"), json!(["v"])))
        .collect();
    refused(
        &Value::Object(six),
        "Filter policy can not have more than 5 keys",
    );
}

#[test]
fn each_operator_takes_what_it_should() {
    for (test, value, expected) in [
        (json!("a"), json!("a"), true),
        (json!("a"), json!("A"), false),
        (json!("1"), json!(1), false),
        (json!(1), json!(1.0), true),
        (json!(null), json!(null), true),
        (json!(true), json!(true), true),
        (json!(true), json!("true"), false),
        (json!({"prefix": "auto-"}), json!("auto-x"), true),
        (json!({"prefix": "auto-"}), json!("x-auto-"), false),
        (json!({"suffix": ".png"}), json!("a.png"), true),
        (json!({"equals-ignore-case": "Abc"}), json!("aBC"), true),
        (json!({"anything-but": "a"}), json!("b"), true),
        (json!({"anything-but": "a"}), json!("a"), false),
        (json!({"anything-but": ["a", "b"]}), json!("b"), false),
        (json!({"anything-but": 1}), json!(1), false),
        (json!({"anything-but": {"prefix": "a"}}), json!("ab"), false),
        (json!({"anything-but": {"prefix": "a"}}), json!("ba"), true),
        (json!({"numeric": ["=", 1.5]}), json!(1.5), true),
        (json!({"numeric": [">", 0, "<=", 100]}), json!(100), true),
        (json!({"numeric": [">", 0, "<=", 100]}), json!(0), false),
        (json!({"numeric": ["<", 1]}), json!("0"), false),
        (json!({"cidr": "10.0.0.0/24"}), json!("10.0.0.255"), true),
        (json!({"cidr": "10.0.0.0/24"}), json!("10.0.1.0"), false),
        (json!({"cidr": "0.0.0.0/0"}), json!("1.2.3.4"), true),
        (json!({"cidr": "0.0.0.0/0"}), json!("::1"), false),
        (json!({"exists": true}), json!("a"), true),
        (json!({"exists": false}), json!("a"), false),
        (json!({"exists": true}), json!([]), false),
    ] {
        check(&json!({"key": [test]}), &json!({"key": value}), expected);
    }
    check(
        &json!({"key": [{"exists": false}]}),
        &json!({"other": 1}),
        true,
    );
    // What is not there is neither null nor something else.
    check(
        &json!({"key": [null, {"anything-but": "x"}]}),
        &json!({}),
        false,
    );
}

#[test]
fn fields_lie_within_others_whichever_way_they_are_written() {
    let dotted = json!({"object.nested.test": ["v"]});
    let nested = json!({"object": {"nested": {"test": ["v"]}}});
    for policy in [&dotted, &nested] {
        for body in [
            json!({"object": {"nested": {"test": "v"}}}),
            json!({"object.nested.test": "v"}),
            json!({"object.nested": {"test": "v"}}),
            json!({"object": {"nested.test": "v"}}),
            json!({"object": {"other": 1}, "object.nested.test": "v"}),
        ] {
            check(policy, &body, true);
        }
        check(policy, &json!({"object": {"nested": {"test": "w"}}}), false);
        check(policy, &json!("object"), false);
    }
}

#[test]
fn one_element_of_an_array_fulfils_all_that_is_asked_of_an_object() {
    let policy = json!({"Records": {"s3": {"key": [{"prefix": "auto-"}]}, "name": ["Put"]}});
    let record = |key: &str, name: &str| json!({"s3": {"key": key}, "name": name});
    check(
        &policy,
        &json!({"Records": [record("auto-1", "Put")]}),
        true,
    );
    check(
        &policy,
        &json!({"Records": [[record("auto-1", "Put")]]}),
        true,
    );
    let crossed = json!({"Records": [record("auto-1", "Delete"), record("home-1", "Put")]});
    check(&policy, &crossed, false);
    check(&json!({"to": ["b"]}), &json!({"to": ["a", "b"]}), true);
}

#[test]
fn of_alternatives_one_is_enough() {
    let policy = json!({
        "$or": [{"metric": ["Cpu"]}, {"space": ["Ec2"]}],
        "detail": {"scope": ["Service"], "$or": [{"source": ["a"]}, {"type": ["b"]}]},
    });
    for (body, expected) in [
        (
            json!({"metric": "Cpu", "detail": {"scope": "Service", "source": "a"}}),
            true,
        ),
        (
            json!({"space": "Ec2", "detail": {"scope": "Service", "type": "b"}}),
            true,
        ),
        (
            json!({"space": "Ec2", "detail": {"scope": "Service"}}),
            false,
        ),
        (json!({"detail": {"scope": "Service", "type": "b"}}), false),
    ] {
        check(&policy, &body, expected);
    }
    // With anything but objects in it, it is a field.
    check(&json!({"$or": ["a"]}), &json!({"$or": "a"}), true);
}

#[test]
fn nothing_is_asked_by_an_empty_policy() {
    assert_eq!(FilterPolicy::parse("{}").unwrap(), None);
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        "[ab.]{0,3}".prop_map(Value::from),
    ]
}

fn document() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[ab.]{1,3}", inner), 0..4)
                .prop_map(|members| { Value::Object(members.into_iter().collect()) }),
        ]
    })
}

proptest! {
    #[test]
    fn no_policy_and_no_message_make_it_fail_badly(policy in document(), body in document()) {
        if let Ok(Some(policy)) = FilterPolicy::parse(&policy.to_string()) {
            let _ = policy.matches(&Candidate::of_body(&body.to_string()));
        }
    }

    #[test]
    fn no_text_makes_it_fail_badly(policy in "\\PC{0,40}", body in "\\PC{0,40}") {
        if let Ok(Some(policy)) = FilterPolicy::parse(&policy) {
            let _ = policy.matches(&Candidate::of_body(&body));
        }
    }

    #[test]
    fn a_value_passes_its_own_test_and_not_its_contrary(text in "[a-c]{0,4}", other in "[a-c]{0,4}") {
        let exact = json!({"k": [text]});
        check(&exact, &json!({"k": other}), text == other);
        check(&json!({"k": [{"anything-but": text}]}), &json!({"k": other}), text != other);
        check(&json!({"k": [{"prefix": text}]}), &json!({"k": other}), other.starts_with(&text));
        check(&json!({"k": [{"suffix": text}]}), &json!({"k": other}), other.ends_with(&text));
    }

    #[test]
    fn a_range_holds_what_lies_between_its_bounds(low in -9_i32..9, width in 1_i32..9, number in -20_i32..20) {
        let high = low + width;
        let policy = json!({"k": [{"numeric": [">=", low, "<", high]}]});
        check(&policy, &json!({"k": number}), (low..high).contains(&number));
    }
}
