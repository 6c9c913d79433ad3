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
        (json!(100), json!([100, 100.0, 1e2]), json!(["100", 101])),
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
fn alternatives_are_objects_of_which_one_holds() {
    let pattern = || json!({"a": [1], "$or": [{"b": [2]}, {"c": {"d": [3]}}]});
    matches(pattern(), json!({"a": 1, "b": 2}));
    matches(pattern(), json!({"a": 1, "c": {"d": 3}}));
    differs(pattern(), json!({"a": 1, "b": 3}));
    differs(pattern(), json!({"b": 2}));
    let twice = || json!({"$or": [{"a": [1]}, {"b": [2]}], "x": {"$or": [{"c": [3]}, {"d": [4]}]}});
    matches(twice(), json!({"b": 2, "x": {"c": 3}}));
    differs(twice(), json!({"a": 1, "b": 2}));
}

#[test]
fn a_dot_in_a_name_is_a_step_of_the_path() {
    let event = || json!({"detail": {"state": {"status": "running"}}});
    matches(json!({"detail": {"state.status": ["running"]}}), event());
    matches(json!({"detail.state": {"status": ["running"]}}), event());
    matches(json!({"a": {"b": [1]}}), json!({"a.b": 1}));
    differs(
        json!({"detail": {"state.status": {"status": ["running"]}}}),
        event(),
    );
}

#[test]
fn a_path_that_is_named_twice_means_what_is_said_last() {
    let pattern = Pattern::parse(r#"{"a": ["x"], "a": ["y"]}"#).unwrap();
    assert!(pattern.matches(&json!({"a": "y"})) && !pattern.matches(&json!({"a": "x"})));
}

#[test]
fn one_element_fulfils_all_also_inside_of_another() {
    let orders = |value| json!({"orders": {"id": [1], "items": {"kind": ["a"], "count": [value]}}});
    let event = || {
        json!({"orders": [
            {"id": 1, "items": [{"kind": "a", "count": 1}, {"kind": "b", "count": 2}]},
            {"id": 2, "items": [{"kind": "a", "count": 3}]},
        ]})
    };
    matches(orders(1), event());
    differs(orders(2), event());
    differs(orders(3), event());
}

#[test]
fn an_index_finds_what_each_pattern_would_say_by_itself() {
    let patterns = [
        json!({"source": ["a"]}),
        json!({"source": ["a", "b"], "detail": {"n": [{"numeric": [">", 1]}]}}),
        json!({"detail-type": [{"prefix": "x"}]}),
        json!({"$or": [{"source": ["c"]}, {"detail": {"n": [5]}}]}),
        json!({"resources": ["r1"], "source": ["a"]}),
        json!({"source": [{"anything-but": "a"}]}),
    ];
    let entries = patterns
        .iter()
        .enumerate()
        .map(|(number, pattern)| (number, Arc::new(Pattern::read(pattern).unwrap())));
    let entries: Vec<_> = entries.collect();
    let index = Index::of(entries.clone());
    for event in [
        json!({"source": "a", "detail": {"n": 2}, "resources": ["r0", "r1"]}),
        json!({"source": "b", "detail": {"n": 5}, "detail-type": "xy"}),
        json!({"source": "c"}),
        json!({}),
    ] {
        let event = Event::of(&event);
        let one_by_one: Vec<usize> = entries
            .iter()
            .filter(|(_, pattern)| pattern.holds(&event))
            .map(|(number, _)| *number)
            .collect();
        assert_eq!(index.matching(&event), one_by_one);
    }
}

/// Contract: the recorded answers of `TestEventPattern`.
#[test]
#[expect(
    clippy::too_many_lines,
    reason = "a table of cases is as long as its subject"
)]
fn what_is_no_pattern_is_refused_in_the_clouds_words_and_at_its_place() {
    const VALID: &str =
        "was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
    const BUT: &str = "Value of anything-but must be an array or single string/number value.";
    for (text, reason, column) in [
        (
            r#"{"int": 42}"#,
            r#""int" must be an object or an array"#,
            11,
        ),
        (
            r#"{"string": "my-value"}"#,
            r#""string" must be an object or an array"#,
            13,
        ),
        (r#"{"resources": []}"#, "Empty arrays are not allowed", 17),
        (
            r#"{"my_key": [{"EXISTS": true}]}"#,
            "Unrecognized match type EXISTS",
            28,
        ),
        (
            r#"{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}"#,
            "Unrecognized match type NUMERIC",
            36,
        ),
        (
            r#"{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}"#,
            "Bad numeric range operator: >",
            49,
        ),
        (
            r#"{"detail": {"c-count": [{"numeric": [">", 0, "<"]}]}}"#,
            "Value of < must be numeric",
            50,
        ),
        (
            r#"{"detail": {"c-count": [{"numeric": 10}]}}"#,
            "Value of numeric must be an array.",
            39,
        ),
        (
            r#"{"time": [{"prefix": ["2022-07-13"]}]}"#,
            "prefix match pattern must be a string",
            23,
        ),
        (
            r#"{"time": [{"prefix": 123}]}"#,
            "prefix match pattern must be a string",
            25,
        ),
        (
            r#"{"FileName": [{"suffix": [".png"]}]}"#,
            "suffix match pattern must be a string",
            27,
        ),
        (
            r#"{"EventBusArn": [{"wildcard": 123}]}"#,
            "wildcard match pattern must be a string",
            34,
        ),
        (
            r#"{"detail-type": [{"equals-ignore-case": {"prefix": "ec2"}}]}"#,
            "equals-ignore-case match pattern must be a string",
            42,
        ),
        (
            r#"{"detail": {"FileName": [{"anything-but": {"prefix": ""}}]}}"#,
            "Null prefix/suffix not allowed",
            56,
        ),
        (
            r#"{"detail": {"FileName": [{"anything-but": {"suffix": 123}}]}}"#,
            "prefix/suffix match pattern must be a string",
            57,
        ),
        (
            r#"{"detail": {"state": [{"anything-but": null}]}}"#,
            BUT,
            44,
        ),
        (
            r#"{"detail": {"FileName": [{"anything-but": {"prefix": {"equals-ignore-case": "file"}}}]}}"#,
            BUT,
            55,
        ),
        (
            r#"{"detail": {"sourceIPAddress": [{"cidr": ["bad-type"]}]}}"#,
            "prefix match pattern must be a string",
            43,
        ),
        (r#"["not", "a", "dict"]"#, "Filter is not an object", 2),
        ("this is", &format!("Unrecognized token 'this': {VALID}"), 5),
        (
            r#"{"not": closed mark""#,
            &format!("Unrecognized token 'closed': {VALID}"),
            15,
        ),
    ] {
        let refused = Pattern::parse(text).unwrap_err();
        assert_eq!(refused.reason, reason, "{text}");
        let place = format!("\n at [Source: (String)\"{text}\"; line: 1, column: {column}]");
        assert_eq!(refused.place, place, "{text}");
    }
}

#[test]
fn inside_lists_of_anything_but_the_place_is_told_twice() {
    let text = r#"{"detail": {"state": [{"anything-but": {"prefix": [123, "test"]}}]}}"#;
    let refused = Pattern::parse(text).unwrap_err();
    assert_eq!(refused.place.matches("column: 55]").count(), 2);
    let text = r#"{"detail": {"state": [{"anything-but": ["stopped", null]}]}}"#;
    let refused = Pattern::parse(text).unwrap_err();
    assert_eq!(refused.place.matches("column: 56]").count(), 2);
}

#[test]
fn what_the_cloud_tells_without_a_place_has_none() {
    for (text, reason) in [
        (
            r#"{"a": [{"cidr": "bad-filter"}]}"#,
            "Malformed CIDR, one '/' required",
        ),
        (
            r#"{"a": [{"cidr": "10.0.0.0/x"}]}"#,
            "Malformed CIDR, mask bits must be an integer",
        ),
        (
            r#"{"a": [{"cidr": "xx.11.xx/8"}]}"#,
            "Nonstandard IP address: xx.11.xx",
        ),
        (
            r#"{"a": [{"cidr": "10.0.0.0/32"}]}"#,
            "IPv4 mask bits must be < 32",
        ),
        (
            r#"{"a": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}"#,
            "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character",
        ),
    ] {
        let refused = Pattern::parse(text).unwrap_err();
        assert_eq!(
            (refused.reason.as_str(), refused.place.as_str()),
            (reason, ""),
            "{text}"
        );
    }
    let simpler = json!({"a": [{"wildcard": "/Users/*/dir/dir/dir/dir/dir/doc.txt"}]});
    matches(
        simpler,
        json!({"a": "/Users/x/dir/dir/dir/dir/dir/dir/doc.txt"}),
    );
}

#[test]
fn more_that_is_no_pattern() {
    const MIXED: &str = "Inside anything but list, either all values are number or string, mixed type is not supported";
    for (text, reason) in [
        ("{}", "Empty objects are not allowed"),
        (r#"{"a": {}}"#, "Empty objects are not allowed"),
        (
            r#"{"a": [[1]]}"#,
            "Match value must be String, number, true, false, or null",
        ),
        (
            r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#,
            "Only one key allowed in match expression",
        ),
        (
            r#"{"a": [{"exists": 1}]}"#,
            "exists match pattern must be either true or false.",
        ),
        (
            r#"{"a": [{"numeric": [">", 5, "<", 1]}]}"#,
            "Bottom must be less than top",
        ),
        (
            r#"{"a": [{"numeric": ["<", 5, ">", 1]}]}"#,
            "Too many elements in numeric expression",
        ),
        (
            r#"{"a": [{"wildcard": "a**"}]}"#,
            "Consecutive wildcard characters at pos 2",
        ),
        (
            r#"{"a": [{"wildcard": "a\\b"}]}"#,
            "Invalid escape character at pos 2",
        ),
        (r#"{"a": [{"anything-but": []}]}"#, MIXED),
        (r#"{"a": [{"anything-but": [1, "x"]}]}"#, MIXED),
        (
            r#"{"a": [{"anything-but": {"numeric": ["=", 1]}}]}"#,
            "Unsupported anything-but pattern: numeric",
        ),
        (
            r#"{"$or": ["x", "y"]}"#,
            "Only JSON object is allowed in array of $or relationship.",
        ),
        (
            r#"{"$or": [{"x": [1]}]}"#,
            "There must have at least 2 Objects in $or relationship.",
        ),
        (
            r#"{"$or": [{"prefix": [1]}, {"a": [1]}]}"#,
            "prefix is Ruler reserved fieldName which cannot be used inside $or.",
        ),
    ] {
        let refused = Pattern::parse(text).unwrap_err();
        assert_eq!(refused.reason, reason, "{text}");
    }
    let deep = format!("{}[1]{}", "{\"a\":".repeat(110), "}".repeat(110));
    assert!(Pattern::parse(&deep).is_err());
}

#[test]
fn a_path_leads_to_members_elements_or_all_of_them() {
    let event = json!({"a": {"b-c": [1, {"d": "x"}, {"d": "y"}]}, "e f": 2});
    for (path, found) in [
        ("$", Some(event.clone())),
        ("$.a.b-c[0]", Some(json!(1))),
        ("$.a['b-c'][1].d", Some(json!("x"))),
        ("$['e f']", Some(json!(2))),
        ("$.a.b-c[*].d", Some(json!(["x", "y"]))),
        ("$.a.missing", None),
        ("$.a.b-c[9]", None),
    ] {
        assert_eq!(Path::parse(path).unwrap().find(&event), found, "{path}");
    }
    for text in ["", "a", "$a", "$.", "$..a", "$.a[", "$.a[x]", "$.a[?(@.b)]"] {
        assert!(Path::parse(text).is_err(), "{text}");
    }
}

/// Contract: the recorded answers with `InputTransformer`.
#[test]
fn a_template_stands_for_json_or_for_a_text() {
    let event = json!({
        "version": "0", "id": "1", "detail-type": "t", "source": "s", "account": "2", "time": "now",
        "region": "r", "resources": [],
        "detail": {"id": "0a-1", "quote": "a\"b", "payload": {"acc_id": "0a-1", "n": 1}, "list": ["A", "I"], "valid": true},
    });
    let facts = Facts {
        rule_arn: "arn:rule",
        rule_name: "rule",
        ingested_at: "then",
        event: &event,
    };
    let paths = [
        ("userId", "$.detail.id"),
        ("payload", "$.detail.payload"),
        ("list", "$.detail.list"),
        ("valid", "$.detail.valid"),
        ("quote", "$.detail.quote"),
        ("none", "$.detail.none"),
    ];
    for (template, filled) in [
        (r#"{"id" : <userId>}"#, Ok(r#"{"id" : "0a-1"}"#)),
        (
            r#"{"id" : "<userId>", "q": "<quote>"}"#,
            Ok(r#"{"id" : "0a-1", "q": "a\"b"}"#),
        ),
        (
            r#"{"p": "u/<userId>/<userId>", "b": <payload>}"#,
            Ok(r#"{"p": "u/0a-1/0a-1", "b": {"acc_id":"0a-1","n":1}}"#),
        ),
        (
            r#"{"b": [<userId>, "x"], "l": <list>, "n": <none>}"#,
            Ok(r#"{"b": ["0a-1", "x"], "l": ["A","I"], "n": ""}"#),
        ),
        (
            r#""<payload> and <list> is <valid>, <none>!""#,
            Ok(r#""{acc_id:0a-1,n:1} and [A,I] is true, !""#),
        ),
        ("\"<userId>\"\n\"<list>\"", Ok("\"0a-1\"\n\"[A,I]\"")),
        ("<payload>", Ok(r#"{"acc_id":"0a-1","n":1}"#)),
        (
            r#""<aws.events.rule-arn> <aws.events.rule-name> <aws.events.event.ingestion-time>""#,
            Ok(r#""arn:rule rule then""#),
        ),
        (
            r#"{"e": <aws.events.event>}"#,
            Ok(
                r#"{"e": {"id":"1","account":"2","detailType":"t","time":"now","source":"s","region":"r","resources":[],"version":"0"}}"#,
            ),
        ),
        (r#""a \<b> 1 < 2""#, Ok(r#""a <b> 1 < 2""#)),
        (r#"{"payload": "<payload>"}"#, Err(Unusable)),
        (r#"{"l": "<list>"}"#, Err(Unusable)),
    ] {
        let read = Template::read(template, paths).unwrap();
        assert_eq!(read.fill(&facts), filled.map(str::to_owned), "{template}");
    }
    let unknown = Template::read("\"<a> <b>\"", [("a", "$.x")]).unwrap_err();
    assert_eq!(unknown.to_string(), "contains invalid placeholder b");
    assert!(Template::read("<a>", [("a", "x")]).is_err());
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
    fn no_template_makes_the_reader_panic(template in r#"[<>"\\\\{}a. ]{0,40}"#) {
        let event = json!({"a": 1});
        let facts = Facts { rule_arn: "", rule_name: "", ingested_at: "", event: &event };
        if let Ok(read) = Template::read(&template, [("a", "$.a")]) {
            let _ = read.fill(&facts);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,60}") {
        let _ = Pattern::parse(&text);
    }
}
