//! Patterns, and messages that they mean or do not.

use proptest::prelude::*;

use super::*;

fn holds(pattern: &str, message: &str) -> bool {
    Pattern::parse(pattern).unwrap().holds(message)
}

#[test]
fn terms_are_wanted_optional_or_unwanted() {
    for (pattern, message, wanted) in [
        ("", "anything", true),
        (" ", "anything", true),
        ("ERROR", "[ERROR 400] BAD REQUEST", true),
        ("ERROR", "error", false),
        ("ERROR ARGUMENTS", "ERROR: no ARGUMENTS", true),
        ("ERROR ARGUMENTS", "ERROR", false),
        ("?ERROR ?WARN", "WARN", true),
        ("?ERROR ?WARN", "INFO", false),
        ("ERROR -ARGUMENTS", "ERROR: no ARGUMENTS", false),
        ("ERROR -ARGUMENTS", "ERROR", true),
        (
            "\"INTERNAL SERVER ERROR\"",
            "[500] INTERNAL SERVER ERROR",
            true,
        ),
        (r#""a \"quote\"""#, r#"it has a "quote""#, true),
    ] {
        assert_eq!(holds(pattern, message), wanted, "{pattern} on {message}");
    }
}

#[test]
fn json_is_compared_member_by_member() {
    let event = r#"{"type": "Update", "n": 4.5, "ok": true, "none": null, "list": [{"a": 1}, {"a": 2}], "ip": "10.1.2.3", "a b": 1}"#;
    for (pattern, wanted) in [
        (r#"{ $.type = "Update" }"#, true),
        ("{ $.type = Up* }", true),
        ("{$.type!=Update}", false),
        ("{ $.n >= 4.5 && $.n < 5 }", true),
        ("{ ($.n > 5) || ($.ok IS TRUE) }", true),
        ("{ $.none IS NULL }", true),
        ("{ $.missing NOT EXISTS }", true),
        ("{ $.type NOT EXISTS }", false),
        ("{ $.list[1].a = 2 }", true),
        ("{ $.list[*].a = 2 }", true),
        ("{ $.list[0].a = 2 }", false),
        ("{ $.ip = 10.1.* }", true),
        ("{ $['a b'] = 1 }", true),
        ("{ $.missing != 1 }", false),
    ] {
        assert_eq!(holds(pattern, event), wanted, "{pattern}");
    }
    assert!(!holds("{ $.type = * }", "no JSON"));
}

#[test]
fn columns_are_compared_one_by_one() {
    let line = r#"127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /a.gif HTTP/1.0" 404 1534"#;
    for (pattern, wanted) in [
        ("[ip, id, user, time, request, status = 4*, bytes]", true),
        ("[ip, id, user, time, request, status = 4*]", false),
        ("[ip, ..., status = 4*, bytes > 1000]", true),
        ("[ip, ..., status = 5* || status = 404, bytes]", true),
        ("[ip, ..., status != 404, bytes]", false),
        ("[ip, id, user, time, request = *gif*, ...]", true),
        (
            "[ip, id, user, time, request, status >= 400 && status < 500, bytes]",
            true,
        ),
        ("[]", true),
    ] {
        assert_eq!(holds(pattern, line), wanted, "{pattern}");
    }
    let pattern = Pattern::parse("[ip, ..., status, bytes]").unwrap();
    assert_eq!(pattern.value("$bytes", line).as_deref(), Some("1534"));
    let pattern = Pattern::parse("{ $.n > 1 }").unwrap();
    assert_eq!(pattern.value("$.n", r#"{"n": 3}"#).as_deref(), Some("3"));
    assert_eq!(pattern.extract(r#"{"n": 3}"#)["$.n"], "3");
}

#[test]
fn what_cannot_be_read_is_refused_with_a_reason() {
    for pattern in [
        "foo=bar",
        "\"open",
        "{ $.a }",
        "{ $.a = 1",
        "{ a = 1 }",
        "[a, b",
        "[a b]",
        "%x%",
        "{ $.a = %x% }",
        "[..., ...]",
        "{ $.a = 1 } x",
    ] {
        assert!(Pattern::parse(pattern).is_err(), "{pattern}");
    }
    let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(400), ")".repeat(400));
    assert!(Pattern::parse(&deep).is_err());
}

proptest! {
    #[test]
    fn no_pattern_makes_reading_fail_badly(pattern in r#"[\[\]{}()$.a*"=!<>&|?% ,\-0-9]{0,40}"#, message in ".{0,60}") {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            let _ = pattern.holds(&message);
            let _ = pattern.extract(&message);
        }
    }
}
