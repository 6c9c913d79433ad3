//! Tables of CORS answers.

use super::*;

fn sent(headers: &[(&'static str, &'static str)]) -> Headers {
    headers
        .iter()
        .map(|(name, value)| (*name, HeaderValue::from_static(value)))
        .collect()
}

fn list(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn shown(response: &Response) -> Vec<String> {
    let headers = response.headers.iter();
    headers
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect()
}

fn configuration() -> CorsConfiguration {
    CorsConfiguration {
        allow_origins: list(&["https://a.example", "https://*.b.example"]),
        allow_methods: list(&["GET", "POST"]),
        allow_headers: list(&["authorization", "content-type"]),
        expose_headers: list(&["date"]),
        max_age_s: Some(300),
        allow_credentials: true,
    }
}

#[test]
fn a_preflight_gets_all_that_is_configured() {
    let response = preflight(&configuration(), &sent(&[("Origin", "https://a.example")]));
    assert_eq!(response.status, StatusCode::NO_CONTENT);
    assert_eq!(
        shown(&response),
        [
            "access-control-allow-origin: https://a.example",
            "access-control-allow-methods: GET,POST",
            "access-control-allow-headers: authorization,content-type",
            "access-control-expose-headers: date",
            "access-control-max-age: 300",
            "access-control-allow-credentials: true",
        ]
    );
}

#[test]
fn an_origin_that_is_not_allowed_gets_no_header() {
    for origin in [
        "https://evil.example",
        "https://a.example.evil",
        "null",
        "http://a.example",
    ] {
        let headers: Headers = [("origin", HeaderValue::from_str(origin).unwrap())]
            .into_iter()
            .collect();
        let response = preflight(&configuration(), &headers);
        assert_eq!(response.status, StatusCode::NO_CONTENT);
        assert_eq!(shown(&response), [""; 0], "{origin}");
    }
}

#[test]
fn any_origin_is_a_star_and_never_an_echo() {
    let cors = CorsConfiguration {
        allow_origins: list(&["*"]),
        allow_credentials: true,
        ..CorsConfiguration::default()
    };
    assert_eq!(
        shown(&preflight(&cors, &sent(&[("origin", "https://x.example")]))),
        [
            "access-control-allow-origin: *",
            "access-control-allow-credentials: true"
        ]
    );
}

#[test]
fn the_functions_cors_headers_are_replaced() {
    let from_function = || {
        Response::new(StatusCode::OK, "")
            .with_header("Access-Control-Allow-Origin", HeaderValue::from_static("*"))
            .with_header("x-own", HeaderValue::from_static("1"))
    };
    let mut response = from_function();
    apply(
        &configuration(),
        &sent(&[("origin", "https://x.b.example")]),
        &mut response,
    );
    assert_eq!(
        shown(&response),
        [
            "x-own: 1",
            "access-control-allow-origin: https://x.b.example",
            "access-control-expose-headers: date",
            "access-control-allow-credentials: true",
        ]
    );
    let mut without_origin = from_function();
    apply(&configuration(), &sent(&[]), &mut without_origin);
    assert_eq!(shown(&without_origin), ["x-own: 1"]);
}

#[test]
fn only_options_with_both_headers_is_a_preflight() {
    let both = [
        ("origin", "https://a"),
        ("access-control-request-method", "PUT"),
    ];
    assert_eq!(preflight_for(&Method::OPTIONS, &sent(&both)), Some("PUT"));
    assert_eq!(preflight_for(&Method::GET, &sent(&both)), None);
    assert_eq!(preflight_for(&Method::OPTIONS, &sent(&both[..1])), None);
    assert_eq!(preflight_for(&Method::OPTIONS, &sent(&both[1..])), None);
}

#[test]
fn a_rest_apis_mock_answers_with_its_headers_and_the_allowed_origin() {
    let reply = MockReply {
        status: 200,
        headers: vec![
            (
                "Access-Control-Allow-Origin".to_owned(),
                "https://a.example".to_owned(),
            ),
            (
                "Access-Control-Allow-Methods".to_owned(),
                "OPTIONS,GET".to_owned(),
            ),
        ],
        body: String::new(),
        allowed_origins: list(&["https://a.example", "https://*.b.example"]),
    };
    let origin_for = |origin: &'static str| {
        let response = mock(&reply, &sent(&[("origin", origin)])).unwrap();
        shown(&response).into_iter().find_map(|header| {
            Some(
                header
                    .strip_prefix("Access-Control-Allow-Origin: ")?
                    .to_owned(),
            )
        })
    };
    assert_eq!(
        origin_for("https://x.b.example").as_deref(),
        Some("https://x.b.example")
    );
    assert_eq!(
        origin_for("https://evil.example").as_deref(),
        Some("https://a.example")
    );
    let injected = MockReply {
        headers: vec![("X".to_owned(), "a\r\nb: c".to_owned())],
        ..reply
    };
    assert!(mock(&injected, &sent(&[])).is_err());
}

#[test]
fn a_star_stands_for_any_run_of_characters() {
    for (pattern, text, fits) in [
        ("https://*", "https://a.example", true),
        ("https://*", "http://a.example", false),
        ("http*://*.example", "https://a.b.example", true),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("*a*b*", "xxaxxbxx", true),
        ("*a*b*", "xxbxxaxx", false),
        ("https://a.example", "HTTPS://A.EXAMPLE", true),
        ("", "", true),
    ] {
        assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
    }
}
