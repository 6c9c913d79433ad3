//! Tables of what functions return and what clients see of it.

use http::StatusCode;
use proptest::prelude::*;

use super::faults::{Fault, Style};
use super::*;
use crate::http::ResponseBody;

/// Fault, whose words, status, body.
const FAULT_WORDS: [(Fault, Style, u16, &str); 16] = [
    (
        Fault::NoRoute,
        Style::Rest,
        403,
        r#"{"message":"Missing Authentication Token"}"#,
    ),
    (
        Fault::NoRoute,
        Style::Http,
        404,
        r#"{"message":"Not Found"}"#,
    ),
    (
        Fault::FunctionFailed,
        Style::Rest,
        502,
        r#"{"message": "Internal server error"}"#,
    ),
    (
        Fault::FunctionFailed,
        Style::Http,
        500,
        r#"{"message":"Internal Server Error"}"#,
    ),
    (
        Fault::BadReply,
        Style::Rest,
        502,
        r#"{"message": "Internal server error"}"#,
    ),
    (
        Fault::BadReply,
        Style::Http,
        500,
        r#"{"message":"Internal Server Error"}"#,
    ),
    (
        Fault::BadBase64,
        Style::Rest,
        500,
        r#"{"message": "Internal server error"}"#,
    ),
    (
        Fault::IntegrationTimeout,
        Style::Rest,
        504,
        r#"{"message": "Endpoint request timed out"}"#,
    ),
    (
        Fault::IntegrationTimeout,
        Style::Http,
        503,
        r#"{"message":"Service Unavailable"}"#,
    ),
    (
        Fault::BodyTooLarge,
        Style::Rest,
        413,
        "HTTP content length exceeded 10485760 bytes.",
    ),
    (
        Fault::BodyTooLarge,
        Style::Http,
        413,
        r#"{"message":"Request Entity Too Large"}"#,
    ),
    (
        Fault::EventTooLarge,
        Style::Rest,
        413,
        r#"{"message":"Request Too Long"}"#,
    ),
    (
        Fault::Throttled,
        Style::Rest,
        500,
        r#"{"message": "Internal server error"}"#,
    ),
    (
        Fault::Throttled,
        Style::Http,
        503,
        r#"{"message":"Service Unavailable"}"#,
    ),
    (
        Fault::BadRequest,
        Style::Rest,
        400,
        r#"{"message":"Bad Request"}"#,
    ),
    (
        Fault::HeadTooLarge,
        Style::Http,
        431,
        r#"{"message":"Request Header Fields Too Large"}"#,
    ),
];

/// `status header: value … | body`, or the error's text.
fn shown(payload: Payload, returned: &str, accepts: Accepts) -> String {
    words(read(
        payload,
        &Bytes::copy_from_slice(returned.as_bytes()),
        accepts,
    ))
}

fn words(read: Result<Response, BadReply>) -> String {
    match read {
        Ok(response) => {
            let ResponseBody::Whole(body) = &response.body else {
                panic!("a reply came in pieces");
            };
            let headers: String = response
                .headers
                .iter()
                .map(|(name, value)| {
                    format!(" {name}: {};", String::from_utf8_lossy(value.as_bytes()))
                })
                .collect();
            let body = String::from_utf8_lossy(body).into_owned();
            format!("{}{headers} | {body}", response.status.as_u16())
        }
        Err(error) => format!("refused: {error}"),
    }
}

fn rest(returned: &str) -> String {
    shown(Payload::Rest, returned, Accepts::Text)
}

fn http(returned: &str) -> String {
    shown(Payload::HttpV2, returned, Accepts::Text)
}

fn is_refused(text: &str) -> bool {
    text.starts_with("refused: ")
}

#[test]
fn a_rest_reply_may_lack_any_key() {
    for (returned, expected) in [
        // As recorded.
        (
            r#"{"statusCode":200}"#,
            "200 Content-Type: application/json; | ",
        ),
        ("{}", "200 Content-Type: application/json; | "),
        (
            r#"{"statusCode":200,"headers":null}"#,
            "200 Content-Type: application/json; | ",
        ),
        (
            r#"{"headers":{"test-header":"value"}}"#,
            "200 Content-Type: application/json; test-header: value; | ",
        ),
        (
            r#"{"statusCode":"201"}"#,
            "201 Content-Type: application/json; | ",
        ),
        (
            r#"{"statusCode":200,"headers":{"test-header":"value","header-bool":true}}"#,
            "200 Content-Type: application/json; test-header: value; header-bool: true; | ",
        ),
        (
            r#"{"statusCode":204.0,"body":null}"#,
            "204 Content-Type: application/json; | ",
        ),
        (
            r#"{"statusCode":200,"headers":{"content-type":"text/html","age":5},"body":"<p>"}"#,
            "200 content-type: text/html; age: 5; | <p>",
        ),
        (r#"{"body":12}"#, "200 Content-Type: application/json; | 12"),
        (
            r#"{"body":"a\"b\u00e9"}"#,
            "200 Content-Type: application/json; | a\"bé",
        ),
    ] {
        assert_eq!(rest(returned), expected, "{returned}");
    }
}

#[test]
fn a_rest_reply_of_another_shape_is_refused() {
    for returned in [
        // As recorded.
        r#"{"statusCode":200,"wrongValue":"value"}"#,
        r#"{"statusCode":200,"multiValueHeaders":{"test-multi-invalid":"value1"}}"#,
        r#"{"statusCode":"test"}"#,
        r#""justAString""#,
        // By the same reading.
        "null",
        "[]",
        "42",
        "",
        "{",
        r#"{"statusCode":200,"body":{"a":1}}"#,
        r#"{"statusCode":200,"body":[1]}"#,
        r#"{"statusCode":200,"headers":{"a":{"b":1}}}"#,
        r#"{"statusCode":200,"headers":"a: b"}"#,
        r#"{"statusCode":200,"cookies":["a=b"]}"#,
        r#"{"statusCode":200,"isBase64Encoded":"perhaps"}"#,
        r#"{"statusCode":99}"#,
        r#"{"statusCode":101}"#,
        r#"{"statusCode":600}"#,
        r#"{"statusCode":-200}"#,
        r#"{"statusCode":1e3}"#,
        r#"{"errorMessage":"boom","errorType":"Error"}"#,
    ] {
        assert!(
            is_refused(&rest(returned)),
            "{returned}: {}",
            rest(returned)
        );
    }
}

#[test]
fn a_thousand_headers_are_sent_and_more_refused() {
    let reply = |headers: usize| {
        let names: Vec<String> = (0..headers).map(|number| format!("h{number}")).collect();
        let single: Vec<String> = names
            .iter()
            .map(|name| format!(r#""{name}":"v""#))
            .collect();
        let cookies = vec![r#""a=b""#; headers].join(",");
        [
            (
                Payload::Rest,
                format!(r#"{{"headers":{{{}}}}}"#, single.join(",")),
            ),
            (
                Payload::HttpV1,
                format!(r#"{{"multiValueHeaders":{{"set-cookie":[{cookies}]}}}}"#),
            ),
            (
                Payload::HttpV2,
                format!(r#"{{"statusCode":200,"cookies":[{cookies}]}}"#),
            ),
        ]
    };
    for (payload, returned) in reply(1_000) {
        let seen = shown(payload, &returned, Accepts::Text);
        assert!(!is_refused(&seen), "{payload:?}");
    }
    for (payload, returned) in reply(1_001) {
        let seen = shown(payload, &returned, Accepts::Text);
        assert!(is_refused(&seen), "{payload:?}");
    }
}

#[test]
fn multi_value_headers_come_first_and_decide_the_spelling() {
    for (returned, expected) in [
        // As recorded.
        (
            r#"{"multiValueHeaders":{"test-multi":["value1","value2"]}}"#,
            "test-multi: value1; test-multi: value2;",
        ),
        (
            r#"{"multiValueHeaders":{"tesT-Multi":["value-multi"]},"headers":{"test-multi":"value-solo"}}"#,
            "tesT-Multi: value-multi; tesT-Multi: value-solo;",
        ),
        // As the guide says: a pair that is in both appears once.
        (
            r#"{"multiValueHeaders":{"a":["1"]},"headers":{"A":"1","b":"2"}}"#,
            "a: 1; b: 2;",
        ),
    ] {
        assert_eq!(
            rest(returned),
            format!("200 Content-Type: application/json; {expected} | ")
        );
    }
}

#[test]
fn a_rest_api_renames_headers_that_are_not_the_functions_to_set() {
    let returned = r#"{"headers":{"Date":"d","Server":"s","WWW-Authenticate":"Basic","Content-Length":"9",
        "Connection":"close","Transfer-Encoding":"chunked","x-amzn-RequestId":"mine","Via":"v"}}"#;
    assert_eq!(
        rest(returned),
        "200 Content-Type: application/json; x-amzn-Remapped-Date: d; x-amzn-Remapped-Server: s; \
         x-amzn-Remapped-WWW-Authenticate: Basic; x-amzn-Remapped-Content-Length: 9; \
         x-amzn-Remapped-Connection: close; Via: v; | "
    );
}

#[test]
fn line_breaks_and_broken_names_in_headers_are_refused_everywhere() {
    for payload in [Payload::Rest, Payload::HttpV1, Payload::HttpV2] {
        for headers in [
            r#"{"a":"b\r\nset-cookie: evil=1"}"#,
            r#"{"a":"b\nc"}"#,
            r#"{"a":"b\u0000"}"#,
            r#"{"a b":"c"}"#,
            r#"{"a:b":"c"}"#,
            r#"{"a\r\nb":"c"}"#,
            r#"{"":"c"}"#,
        ] {
            let returned = format!(r#"{{"statusCode":200,"headers":{headers}}}"#);
            let seen = shown(payload, &returned, Accepts::Text);
            assert!(is_refused(&seen), "{payload:?} {headers}: {seen}");
        }
    }
    assert!(is_refused(&http(
        r#"{"statusCode":200,"cookies":["a=b\r\nx: y"]}"#
    )));
}

#[test]
fn a_rest_api_decodes_base64_only_for_clients_that_accept_binary() {
    let returned = r#"{"body":"dGVzdC1kYXRh","isBase64Encoded":true}"#;
    let body = |text: String| text.rsplit(" | ").next().unwrap().to_owned();
    assert_eq!(
        body(shown(Payload::Rest, returned, Accepts::Text)),
        "dGVzdC1kYXRh"
    );
    assert_eq!(
        body(shown(Payload::Rest, returned, Accepts::Binary)),
        "test-data"
    );
    let plain = r#"{"body":"dGVzdC1kYXRh"}"#;
    assert_eq!(
        body(shown(Payload::Rest, plain, Accepts::Binary)),
        "dGVzdC1kYXRh"
    );
    let broken = r#"{"body":"%%%","isBase64Encoded":true}"#;
    assert!(is_refused(&shown(Payload::Rest, broken, Accepts::Binary)));
    assert!(!is_refused(&shown(Payload::Rest, broken, Accepts::Text)));
}

#[test]
fn an_http_api_decodes_base64_whenever_the_function_says_so() {
    let returned = r#"{"statusCode":200,"body":"dGVzdC1kYXRh","isBase64Encoded":true}"#;
    for payload in [Payload::HttpV1, Payload::HttpV2] {
        let seen = shown(payload, returned, Accepts::Text);
        assert_eq!(
            seen,
            "200 content-type: text/plain;charset=UTF-8; | test-data"
        );
    }
}

#[test]
fn an_http_api_infers_a_reply_without_a_status() {
    for (returned, body) in [
        // As in the guide.
        (r#""Hello from Lambda!""#, "Hello from Lambda!"),
        (
            r#"{ "message": "Hello from Lambda!" }"#,
            r#"{ "message": "Hello from Lambda!" }"#,
        ),
        // By the same rule.
        ("null", "null"),
        ("42", "42"),
        ("true", "true"),
        ("[1,2]", "[1,2]"),
        ("{}", "{}"),
        (
            r#"{"body":"x","headers":{"a":"b"}}"#,
            r#"{"body":"x","headers":{"a":"b"}}"#,
        ),
        (r#"{"statusCode":null}"#, r#"{"statusCode":null}"#),
    ] {
        assert_eq!(
            http(returned),
            format!("200 content-type: application/json; | {body}")
        );
    }
    for returned in ["", "{", "undefined", "\"a", "nul"] {
        assert!(is_refused(&http(returned)), "{returned}");
    }
}

#[test]
fn an_http_apis_reply_with_a_status_is_taken_at_its_word() {
    for (returned, expected) in [
        (r#"{"statusCode":204}"#, "204 | "),
        (
            r#"{"statusCode":"201","headers":{"X-A":1,"Content-Type":"text/html"},"cookies":["a=1","b=2"],"body":"x"}"#,
            "201 x-a: 1; content-type: text/html; set-cookie: a=1; set-cookie: b=2; | x",
        ),
        (
            r#"{"statusCode":200,"body":"x","other":{"ignored":true}}"#,
            "200 content-type: text/plain;charset=UTF-8; | x",
        ),
        (
            r#"{"statusCode":200,"headers":{"Connection":"close","apigw-requestid":"me"}}"#,
            "200 | ",
        ),
    ] {
        assert_eq!(http(returned), expected, "{returned}");
    }
    for returned in [
        r#"{"statusCode":200,"body":{"a":1}}"#,
        r#"{"statusCode":"two hundred"}"#,
        r#"{"statusCode":200,"cookies":"a=1"}"#,
    ] {
        assert!(is_refused(&http(returned)), "{returned}");
    }
}

#[test]
fn a_function_urls_reply_is_json_unless_it_says_otherwise() {
    for (returned, status, kind, body) in [
        (
            r#"["hello", 3, true]"#,
            200,
            "application/json",
            r#"["hello",3,true]"#,
        ),
        (
            r#"{"a b": "c \" d", "e": 1}"#,
            200,
            "application/json",
            r#"{"a b":"c \" d","e":1}"#,
        ),
        (
            r#"{"statusCode": 201, "body": "x y"}"#,
            201,
            "application/json",
            "x y",
        ),
        (
            r#"{"statusCode": 200, "body": {"a": 1}}"#,
            200,
            "application/json",
            r#"{"a":1}"#,
        ),
        (
            r#"{"statusCode": 200, "headers": {"content-type": "text/html"}, "body": "x"}"#,
            200,
            "text/html",
            "x",
        ),
    ] {
        let read = of_url(&Bytes::from_static(returned.as_bytes()));
        assert_eq!(
            words(read),
            format!("{status} content-type: {kind}; | {body}")
        );
    }
}

#[test]
fn faults_have_the_clouds_words() {
    for (fault, style, status, body) in FAULT_WORDS {
        let response = faults::response(fault, style, None);
        assert_eq!(
            response.status,
            StatusCode::from_u16(status).unwrap(),
            "{fault:?} {style:?}"
        );
        let ResponseBody::Whole(seen) = response.body else {
            panic!("a reply came in pieces");
        };
        assert_eq!(seen, body, "{fault:?} {style:?}");
    }
}

proptest! {
    #[test]
    fn no_return_value_panics(returned in any::<Vec<u8>>()) {
        for payload in [Payload::Rest, Payload::HttpV1, Payload::HttpV2] {
            let _ = read(payload, &Bytes::from(returned.clone()), Accepts::Binary);
        }
    }

    #[test]
    fn no_reply_made_of_the_known_keys_panics(
        status in ".{0,4}", name in ".{0,8}", value in ".{0,8}", body in ".{0,16}", base64 in any::<bool>()
    ) {
        let returned = serde_json::json!({
            "statusCode": status, "headers": { name.clone(): value.clone() },
            "multiValueHeaders": { name: [value] }, "body": body, "isBase64Encoded": base64,
        });
        let returned = Bytes::from(returned.to_string());
        for payload in [Payload::Rest, Payload::HttpV1, Payload::HttpV2] {
            if let Ok(response) = read(payload, &returned, Accepts::Binary) {
                for (name, value) in &response.headers {
                    prop_assert!(!name.contains(['\r', '\n', ':']));
                    prop_assert!(!value.as_bytes().contains(&b'\n'));
                }
            }
        }
    }
}
