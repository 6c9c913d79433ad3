//! What an API says in words of its own: gateway responses and access logs.

use model::door::{AccessLogSettings, GatewayResponse, Parameter, ParameterLocation, Validation};

use super::*;

fn response(
    status: Option<u16>,
    headers: &[(&str, &str)],
    template: Option<&str>,
) -> GatewayResponse {
    let texts = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    GatewayResponse {
        status,
        headers: headers.iter().map(texts).collect(),
        templates: template
            .map(|template| ("application/json".to_owned(), template.to_owned()))
            .into_iter()
            .collect(),
    }
}

fn with_words(words: &[(&str, GatewayResponse)]) -> Application {
    let mut application = with_keys(plan());
    let api = &mut application.rest_apis[0];
    api.stage_variables
        .insert("color".to_owned(), "blue".to_owned());
    let words = words.iter().cloned();
    api.gateway_responses = words.map(|(name, said)| (name.to_owned(), said)).collect();
    application
}

#[tokio::test]
async fn an_api_says_its_own_words_by_type_and_else_by_class() {
    let bench = bench(Act::Fail(FunctionErrorKind::Raised, "{}"));
    bench.handler.swap(&with_words(&[
        (
            "INVALID_API_KEY",
            response(
                Some(401),
                &[
                    ("X-Why", "'no key'"),
                    ("X-Origin", "method.request.header.Origin"),
                    ("X-Pet", "method.request.path.id"),
                    ("X-Color", "stageVariables.color"),
                    ("X-None", "method.request.querystring.none"),
                    ("X-Split", "method.request.querystring.split"),
                ],
                Some(r#"{"type":"$context.error.responseType","said":$context.error.messageString,"q":"$method.request.querystring.q","cost":"$5."}"#),
            ),
        ),
        ("DEFAULT_4XX", response(None, &[("Access-Control-Allow-Origin", "'*'")], None)),
        ("DEFAULT_5XX", response(Some(599), &[], Some("sorry: $context.error.message"))),
    ]));
    let target = format!("{REST}?q=1&split=a%0d%0ab");
    let refused = bench
        .send("POST", &target, &[("Origin", "https://a")], b"")
        .await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        text(&refused),
        r#"{"type":"INVALID_API_KEY","said":"Forbidden","q":"1","cost":"$5."}"#
    );
    for (name, value) in [
        ("X-Why", Some("no key")),
        ("X-Origin", Some("https://a")),
        ("X-Pet", Some("7")),
        ("X-Color", Some("blue")),
        ("X-None", None),
        ("X-Split", None),
        ("Access-Control-Allow-Origin", None),
        ("x-amzn-ErrorType", Some("ForbiddenException")),
    ] {
        assert_eq!(header(&refused, name), value, "{name}");
    }
    let missing = bench.send("GET", "/dev/none", &[], b"").await;
    assert_eq!(missing.status, 403);
    assert_eq!(
        text(&missing),
        r#"{"message":"Missing Authentication Token"}"#
    );
    assert_eq!(header(&missing, "Access-Control-Allow-Origin"), Some("*"));
    let failed = bench
        .send("POST", REST, &[("x-api-key", "secret")], b"")
        .await;
    assert_eq!(
        (failed.status.as_u16(), text(&failed).as_str()),
        (599, "sorry: Internal server error")
    );
}

#[tokio::test]
async fn who_sends_too_little_is_told_what_and_nothing_is_invoked() {
    let bench = bench(Act::Return(r#"{"statusCode":200}"#));
    let mut application = application();
    application.rest_apis[0].methods[0].validation = Validation {
        required: vec![Parameter {
            location: ParameterLocation::Query,
            name: "q".to_owned(),
        }],
        models: [("application/json".to_owned(), r#"{"type":"object"}"#.into())].into(),
        ..Validation::default()
    };
    bench.handler.swap(&application);
    for (target, body, status, said) in [
        (
            REST.to_owned(),
            "{}",
            400,
            r#"{"message":"Missing required request parameters: [q]"}"#,
        ),
        (
            format!("{REST}?q=1"),
            "[]",
            400,
            r#"{"message":"Invalid request body"}"#,
        ),
        (format!("{REST}?q=1"), "{}", 200, ""),
    ] {
        let response = bench.send("POST", &target, &[], body.as_bytes()).await;
        assert_eq!(
            (response.status.as_u16(), text(&response).as_str()),
            (status, said)
        );
    }
    assert_eq!(bench.invoke.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_access_log_says_what_its_format_asks_and_no_client_can_add_to_it() {
    let bench = bench(Act::Return(r#"{"statusCode":201,"body":"made"}"#));
    let mut application = with_keys(plan());
    let log = |format: &str| {
        Some(AccessLogSettings {
            format: format.to_owned(),
            destination: String::new(),
        })
    };
    application.rest_apis[0].access_log = log(
        r#"{"id":"$context.requestId","ip":"$context.identity.sourceIp","agent":"$context.identity.userAgent","key":"$context.identity.apiKeyId","path":"$context.resourcePath $context.path","status":"$context.status","bytes":"$context.responseLength","ms":"$context.integrationLatency","who":"$context.authorizer.principalId","when":"$context.requestTime"}"#,
    );
    application.http_apis[0].access_log =
        log("$context.routeKey $context.status $context.error.message $nothing");
    bench.handler.swap(&application);
    let agent = r#"a","admin":"yes"#;
    bench
        .send(
            "POST",
            REST,
            &[("x-api-key", "secret"), ("User-Agent", agent)],
            b"",
        )
        .await;
    assert_eq!(
        bench.entry().line.unwrap(),
        r#"{"id":"07070707-0707-4707-8707-070707070707","ip":"127.0.0.1","agent":"a\",\"admin\":\"yes","key":"secret","path":"/pets/{id} /dev/pets/7","status":"201","bytes":"4","ms":"0","who":"-","when":"04/Mar/2020:19:15:17 +0000"}"#
    );
    bench.send("POST", HTTP, &[], b"").await;
    assert_eq!(
        bench.entry().line.unwrap(),
        "POST /pets/{id} 201 - $nothing"
    );
}
