//! Whole events, compared as JSON, and what each rule makes of unusual requests.

use std::net::{Ipv4Addr, SocketAddr};

use http::HeaderValue;
use model::application::Application;
use model::ids::AccountId;
use serde_json::{Value, json};

use super::*;
use crate::caller::Caller;
use crate::http::Scheme;
use crate::routes::{Answer, Asked, Located, Table};
use crate::sender::TrustedProxies;

const TRACE: &str = "Root=1-5e6722a7-cc560000000046db7ae02d4d";

/// Which of the application's APIs is asked.
const REST: &str = "/dev";
const HTTP_V2: &str = "/live";
const HTTP_V1: &str = "/live/v1";

struct Sent<'a> {
    method: &'a str,
    target: String,
    headers: &'a [(&'static str, &'static [u8])],
    body: &'a [u8],
}

fn get(api: &str, target: &str) -> Sent<'static> {
    Sent {
        method: "GET",
        target: format!("{api}{target}"),
        headers: &[("Host", b"abc.execute-api.localhost:3000")],
        body: b"",
    }
}

fn application() -> Application {
    let mut application = crate::application::sample::application();
    for api in &mut application.rest_apis {
        api.stage_variables = [("color".to_owned(), "red".to_owned())].into();
    }
    for api in &mut application.http_apis {
        api.id = model::ids::ApiId::new("abc");
        api.stage = model::ids::StageName::new("live");
        api.routes[0].key = model::http_api::RouteKey::Path {
            http_method: "ANY".to_owned(),
            path: "/pets/{id}".to_owned(),
        };
        api.routes[1].key = model::http_api::RouteKey::Path {
            http_method: "ANY".to_owned(),
            path: "/v1/{proxy+}".to_owned(),
        };
        api.routes.push(model::http_api::HttpRoute {
            key: model::http_api::RouteKey::Default,
            ..api.routes[0].clone()
        });
    }
    application
}

fn event(sent: &Sent<'_>) -> Value {
    let (table, _) = Table::compile(&application());
    let headers: Headers = sent
        .headers
        .iter()
        .map(|(name, value)| (*name, HeaderValue::from_bytes(value).unwrap()))
        .collect();
    let (path, query) = match sent.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (sent.target.as_str(), None),
    };
    let asked = Asked {
        host: None,
        method: sent.method,
        path,
        method_override: None,
        preflight_for: None,
    };
    let Located::Route(hit) = table.locate(&asked) else {
        panic!("no route: {path}");
    };
    let Answer::Function { payload, .. } = &hit.route.answer else {
        panic!("a mock: {path}");
    };
    let trace = Trace {
        event_header: TRACE.to_owned(),
        full: format!("{TRACE};Parent=1;Sampled=0"),
    };
    let account = AccountId::development();
    let caller = Caller::default();
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
    let sender = TrustedProxies::default().sender(peer, Scheme::Http, &headers);
    let exchange = Exchange {
        connection_id: None,
        caller: &caller,
        account: &account,
        api: hit.api,
        route: hit.route,
        shown_path: &hit.path,
        path: &hit.path,
        full_path: &hit.full_path,
        query,
        method: sent.method,
        version: Version::HTTP_11,
        headers: &headers,
        body: sent.body,
        source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        forwarded: &sender.forwarded,
        request_id: "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        extended_request_id: "JKJaXmPLvHcESHA=",
        trace: &trace,
        at: Timestamp::from_micros(1_583_349_317_135_000),
    };
    serde_json::from_slice(&encode(&exchange, *payload)).unwrap()
}

#[test]
fn a_rest_event_is_whole() {
    let sent = Sent {
        method: "POST",
        target: "/dev/pets/7?a=1&a=2".to_owned(),
        headers: &[
            ("host", b"localhost:3000"),
            ("user-agent", b"curl/8"),
            ("X-Tag", b"one"),
            ("x-tag", b"two"),
            ("Content-Length", b"2"),
            ("Connection", b"close"),
        ],
        body: b"hi",
    };
    let expected = json!({
        "resource": "/pets/{id}",
        "path": "/pets/7",
        "httpMethod": "POST",
        "headers": {
            "Host": "localhost:3000",
            "User-Agent": "curl/8",
            "X-Tag": "two",
            "X-Amzn-Trace-Id": TRACE,
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Port": "3000",
            "X-Forwarded-Proto": "http",
        },
        "multiValueHeaders": {
            "Host": ["localhost:3000"],
            "User-Agent": ["curl/8"],
            "X-Tag": ["one", "two"],
            "X-Amzn-Trace-Id": [TRACE],
            "X-Forwarded-For": ["127.0.0.1"],
            "X-Forwarded-Port": ["3000"],
            "X-Forwarded-Proto": ["http"],
        },
        "queryStringParameters": { "a": "2" },
        "multiValueQueryStringParameters": { "a": ["1", "2"] },
        "pathParameters": { "id": "7" },
        "stageVariables": { "color": "red" },
        "requestContext": {
            "resourceId": "a1b2c3",
            "deploymentId": "sample",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "resourcePath": "/pets/{id}",
            "httpMethod": "POST",
            "extendedRequestId": "JKJaXmPLvHcESHA=",
            "requestTime": "04/Mar/2020:19:15:17 +0000",
            "path": "/dev/pets/7",
            "accountId": "000000000000",
            "protocol": "HTTP/1.1",
            "stage": "dev",
            "domainPrefix": "localhost",
            "requestTimeEpoch": 1_583_349_317_135_i64,
            "identity": {
                "accessKey": null, "accountId": null, "caller": null,
                "cognitoAuthenticationProvider": null, "cognitoAuthenticationType": null,
                "cognitoIdentityId": null, "cognitoIdentityPoolId": null,
                "principalOrgId": null,
                "sourceIp": "127.0.0.1",
                "user": null,
                "userAgent": "curl/8",
                "userArn": null,
            },
            "domainName": "localhost:3000",
            "apiId": "abcdef1234",
        },
        "body": "hi",
        "isBase64Encoded": false,
    });
    assert_eq!(event(&sent), expected);
}

#[test]
fn an_http_event_is_whole() {
    let sent = Sent {
        method: "POST",
        target: "/live/pets/%40me?a=1&a=2%20x".to_owned(),
        headers: &[
            ("Host", b"abc.execute-api.localhost"),
            ("User-Agent", b"curl/8"),
            ("X-Tag", b"one"),
            ("x-tag", b"two"),
            ("Cookie", b"s=1; t=2"),
            ("cookie", b"u=3"),
            ("Content-Type", b"application/json"),
            ("X-Forwarded-For", b"203.0.113.9"),
        ],
        body: b"{}",
    };
    let expected = json!({
        "version": "2.0",
        "routeKey": "ANY /pets/{id}",
        "rawPath": "/live/pets/@me",
        "rawQueryString": "a=1&a=2%20x",
        "cookies": ["s=1", "t=2", "u=3"],
        "headers": {
            "host": "abc.execute-api.localhost",
            "user-agent": "curl/8",
            "x-tag": "one,two",
            "content-type": "application/json",
            "content-length": "2",
            "x-amzn-trace-id": TRACE,
            "x-forwarded-for": "203.0.113.9, 127.0.0.1",
            "x-forwarded-port": "80",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": { "a": "1,2 x" },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "abc",
            "domainName": "abc.execute-api.localhost",
            "domainPrefix": "abc",
            "http": {
                "method": "POST",
                "path": "/live/pets/@me",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "curl/8",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "ANY /pets/{id}",
            "stage": "live",
            "time": "04/Mar/2020:19:15:17 +0000",
            "timeEpoch": 1_583_349_317_135_i64,
        },
        "pathParameters": { "id": "@me" },
        "body": "{}",
        "isBase64Encoded": false,
    });
    assert_eq!(event(&sent), expected);
}

#[test]
fn an_http_event_leaves_out_what_the_request_lacks() {
    let event = event(&get(HTTP_V2, "/nothing/of/the/kind"));
    for key in [
        "cookies",
        "queryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    ] {
        assert!(event.get(key).is_none(), "{key}");
    }
    assert_eq!(event["routeKey"], "$default");
    assert_eq!(event["rawQueryString"], "");
    assert_eq!(event["headers"]["content-length"], "0");
    assert_eq!(event["requestContext"]["http"]["userAgent"], "");
}

#[test]
fn an_http_apis_payload_v1_shows_the_stage_and_the_empty_authorizer() {
    let event = event(&get(HTTP_V1, "/a%20b/c?x=1"));
    assert_eq!(event["version"], "1.0");
    assert_eq!(event["resource"], "/v1/{proxy+}");
    assert_eq!(event["path"], "/live/v1/a b/c");
    assert_eq!(event["pathParameters"], json!({ "proxy": "a b/c" }));
    assert_eq!(
        event["multiValueQueryStringParameters"],
        json!({ "x": ["1"] })
    );
    assert_eq!(event["body"], Value::Null);
    let context = &event["requestContext"];
    assert_eq!(
        context["authorizer"],
        json!({ "claims": null, "scopes": null })
    );
    assert_eq!(context["path"], "/live/v1/a b/c");
    assert_eq!(context["resourceId"], Value::Null);
    assert_eq!(context["requestId"], "JKJaXmPLvHcESHA=");
}

#[test]
fn a_rest_event_says_null_where_the_request_says_nothing() {
    let event = event(&Sent {
        headers: &[],
        ..get(REST, "/pets/7")
    });
    assert_eq!(event["queryStringParameters"], Value::Null);
    assert_eq!(event["multiValueQueryStringParameters"], Value::Null);
    assert_eq!(event["body"], Value::Null);
    assert_eq!(
        event["requestContext"]["identity"]["userAgent"],
        Value::Null
    );
    assert_eq!(event["requestContext"]["domainName"], "abcdef1234");
}

#[test]
fn a_rest_event_shows_what_the_cloud_shows_of_each_header() {
    // As recorded at a regional endpoint: twelve names never arrive, the others keep theirs.
    let sent = Sent {
        headers: &[
            ("Accept", b"application/json"),
            ("aUThorization", b"Unauthorized"),
            ("Connection", b"close"),
            ("Content-Encoding", b"deflate"),
            ("Content-MD5", b"x"),
            ("Date", b"now"),
            ("Expect", b"100-continue"),
            ("Max-Forwards", b"2"),
            ("Proxy-Authenticate", b"Basic"),
            ("Server", b"x"),
            ("TE", b"deflate"),
            ("tEsT-HEADeR", b"aValUE"),
            ("Trailer", b"Expires"),
            ("Transfer-Encoding", b"chunked"),
            ("Upgrade", b"h2c"),
            ("Via", b"p.example.net"),
            ("WWW-Authenticate", b"Basic"),
            ("x-forwarded-proto", b"gopher"),
        ],
        ..get(REST, "/pets/7")
    };
    let event = event(&sent);
    let names: Vec<&String> = event["headers"].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "Accept",
            "Authorization",
            "Content-Encoding",
            "Date",
            "tEsT-HEADeR",
            "Via",
            "X-Amzn-Trace-Id",
            "X-Forwarded-For",
            "X-Forwarded-Port",
            "X-Forwarded-Proto"
        ]
    );
    assert_eq!(event["headers"]["X-Forwarded-Proto"], "http");
}

#[test]
fn binary_bodies_are_base64_by_each_kinds_rule() {
    let body_of = |api: &str, content_type: &'static [u8], body: &'static [u8]| {
        let headers = &[("Content-Type", content_type)];
        let event = event(&Sent {
            method: "POST",
            target: format!("{api}/pets/7"),
            headers,
            body,
        });
        (
            event["body"].clone(),
            event["isBase64Encoded"] == json!(true),
        )
    };
    for (api, content_type, body, expected) in [
        (REST, &b"image/png"[..], &b"\xff"[..], (json!("/w=="), true)),
        (REST, b"text/plain", b"\xff", (json!("\u{fffd}"), false)),
        (
            REST,
            b"application/octet-stream",
            b"ok",
            (json!("ok"), false),
        ),
        (REST, b"image/png", b"", (Value::Null, false)),
        (
            HTTP_V2,
            b"application/octet-stream",
            b"ok",
            (json!("b2s="), true),
        ),
        (
            HTTP_V2,
            b"application/x-www-form-urlencoded",
            b"a=b",
            (json!("YT1i"), true),
        ),
        (HTTP_V2, b"text/plain", b"ok", (json!("ok"), false)),
        (HTTP_V1, b"image/png", b"ok", (json!("b2s="), true)),
    ] {
        assert_eq!(
            body_of(api, content_type, body),
            expected,
            "{api} {content_type:?}"
        );
    }
}

#[test]
fn header_values_that_are_not_utf8_are_read_as_latin1() {
    let sent = Sent {
        headers: &[("X-Name", b"caf\xe9"), ("X-Utf8", "caf\u{e9}".as_bytes())],
        ..get(REST, "/pets/7")
    };
    let event = event(&sent);
    assert_eq!(event["headers"]["X-Name"], "caf\u{e9}");
    assert_eq!(event["headers"]["X-Utf8"], "caf\u{e9}");
}
