//! Lambda authorizers of both APIs.

use super::*;

const ALLOW_ALL: &str = "arn:aws:execute-api:*";
const PETS: &str = "arn:aws:execute-api:us-east-1:000000000000:rest/dev/GET/pets";

fn bench(kind: AuthorizerKind, act: Act) -> Bench {
    Bench::new(&rest(&authorizer(kind)), act, UnknownKeys::Refused)
}

fn http_bench(kind: AuthorizerKind, act: Act) -> Bench {
    Bench::new(&http(&authorizer(kind)), act, UnknownKeys::Refused)
}

#[tokio::test(start_paused = true)]
async fn a_token_authorizer_is_given_the_header_and_the_method() {
    let bench = bench(token(0, None), Act::Return(policy("Allow", ALLOW_ALL)));
    let got = bench
        .get("/dev/pets?a=1", &[("authorization", "Bearer x")])
        .await;
    assert_eq!((got.status, got.told), (200, None));
    assert_eq!(
        bench.last_asked().to_string(),
        format!(r#"{{"type":"TOKEN","methodArn":"{PETS}","authorizationToken":"Bearer x"}}"#)
    );
}

#[tokio::test(start_paused = true)]
async fn refusals_are_in_the_clouds_words() {
    let explicit = "User is not authorized to access this resource with an explicit deny";
    let implicit = "User is not authorized to access this resource";
    let unread = json!({"principalId": "ada"});
    for (act, status, body, error_type) in [
        (
            Act::Return(policy("Deny", ALLOW_ALL)),
            403,
            json!({"Message": explicit}).to_string(),
            "AccessDeniedException",
        ),
        (
            Act::Return(policy("Allow", "arn:aws:execute-api:*:*:*/*/POST/pets")),
            403,
            json!({"Message": implicit}).to_string(),
            "AccessDeniedException",
        ),
        (
            Act::Throw("Unauthorized"),
            401,
            r#"{"message":"Unauthorized"}"#.to_owned(),
            "UnauthorizedException",
        ),
        (
            Act::Throw("unauthorized"),
            500,
            r#"{"message":null}"#.to_owned(),
            "AuthorizerConfigurationException",
        ),
        (
            Act::Return(unread),
            500,
            r#"{"message":null}"#.to_owned(),
            "AuthorizerConfigurationException",
        ),
        (
            Act::Hang,
            500,
            r#"{"message":null}"#.to_owned(),
            "AuthorizerConfigurationException",
        ),
    ] {
        let bench = bench(token(0, None), act);
        let got = bench.get("/dev/pets", &[("Authorization", "x")]).await;
        assert_eq!((got.status, got.body.as_str()), (status, body.as_str()));
        assert_eq!(got.error_type.as_deref(), Some(error_type));
        assert!(bench.functions.handled.lock().unwrap().is_empty());
        let told = got.told.unwrap();
        assert!(
            told.contains("`guard`") && told.contains("`GET /pets`"),
            "{told}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_its_token_nobody_is_asked() {
    let bench = bench(
        token(0, Some("Bearer [a-z]+")),
        Act::Return(policy("Allow", ALLOW_ALL)),
    );
    for headers in [
        &[][..],
        &[("Authorization", "")],
        &[("Authorization", "Basic abc")],
        &[("Authorization", "Bearer abc def")],
    ] {
        let got = bench.get("/dev/pets", headers).await;
        assert_eq!(
            (got.status, got.body.as_str()),
            (401, r#"{"message":"Unauthorized"}"#),
            "{headers:?}"
        );
    }
    assert_eq!(bench.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn sources_of_a_request_authorizer_must_be_there_where_answers_are_kept() {
    let sources = || {
        vec![
            header("X-Who"),
            IdentitySource::Query("q".to_owned()),
            IdentitySource::StageVariable("Tier".to_owned()),
            IdentitySource::Context("httpMethod".to_owned()),
        ]
    };
    let answer = || Act::Return(policy("Allow", ALLOW_ALL));
    for (ttl, target, who, expected) in [
        (60, "/dev/pets?q=1", Some("ada"), 200),
        (60, "/dev/pets?q=", Some("ada"), 401),
        (60, "/dev/pets?Q=1", Some("ada"), 401),
        (60, "/dev/pets?q=1", None, 401),
        (0, "/dev/pets", None, 200),
    ] {
        let bench = bench(request(sources(), AuthorizerFormat::V1, ttl), answer());
        let headers: Vec<(&str, &str)> = who.into_iter().map(|who| ("x-who", who)).collect();
        let got = bench.get(target, &headers).await;
        assert_eq!(got.status, expected, "{ttl} {target} {who:?}");
        assert_eq!(bench.calls(), usize::from(expected == 200));
    }
    let missing = request(
        vec![IdentitySource::StageVariable("None".to_owned())],
        AuthorizerFormat::V1,
        60,
    );
    assert_eq!(
        bench(missing, answer()).get("/dev/pets", &[]).await.status,
        401
    );
}

#[tokio::test(start_paused = true)]
async fn a_rest_request_authorizer_is_given_the_request() {
    let kind = request(vec![header("X-Who")], AuthorizerFormat::V1, 0);
    let bench = bench(kind, Act::Return(policy("Allow", ALLOW_ALL)));
    let got = bench.get("/dev/pets", &[("X-Who", "ada")]).await;
    assert_eq!(got.status, 200);
    let asked = bench.last_asked();
    let keys: Vec<&String> = asked.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "type",
            "methodArn",
            "resource",
            "path",
            "httpMethod",
            "headers",
            "multiValueHeaders",
            "queryStringParameters",
            "multiValueQueryStringParameters",
            "pathParameters",
            "stageVariables",
            "requestContext",
        ]
    );
    assert_eq!(asked["methodArn"], PETS);
    assert_eq!(asked["headers"]["X-Who"], "ada");
    assert_eq!(asked["queryStringParameters"], json!({}));
    assert_eq!(asked["pathParameters"], json!({}));
    assert_eq!(asked["stageVariables"], json!({"Tier": "gold"}));
    assert_eq!(asked["requestContext"]["resourceId"], "abc123");
    assert_eq!(
        asked["requestContext"]["identity"]["sourceIp"],
        "203.0.113.7"
    );
    assert!(asked["requestContext"].get("authorizer").is_none());
    assert!(asked.get("body").is_none());
}

#[tokio::test(start_paused = true)]
async fn what_a_rest_authorizer_tells_is_shown_in_strings() {
    let mut answer = policy("Allow", ALLOW_ALL);
    answer["context"] = json!({"name": "Ada", "age": 36, "admin": true, "principalId": "forged"});
    let bench = bench(token(300, None), Act::Return(answer));
    for _ in 0..2 {
        bench.get("/dev/pets", &[("Authorization", "x")]).await;
    }
    let shown = bench.last_handled()["requestContext"]["authorizer"].to_string();
    assert_eq!(
        shown,
        r#"{"name":"Ada","age":"36","admin":"true","principalId":"ada","integrationLatency":0}"#
    );
}

#[tokio::test(start_paused = true)]
async fn a_kept_policy_opens_what_it_names_and_nothing_else() {
    let bench = bench(token(300, None), Act::AllowWhatIsAsked);
    let ada = [("Authorization", "ada")];
    for (target, expected) in [
        ("/dev/pets", 200),
        ("/dev/toys", 403),
        ("/dev/pets/", 200),
        ("/dev//pets", 200),
        ("/dev/all/pets", 403),
        ("/dev/all/../pets", 403),
        ("/dev/pets", 200),
    ] {
        let got = bench.get(target, &ada).await;
        assert_eq!(got.status, expected, "{target}");
    }
    assert_eq!(bench.calls(), 1);
    // Whoever shows another token is asked about, and does not gain what the first one was told.
    bench.act(Act::Return(policy("Deny", ALLOW_ALL)));
    let got = bench.get("/dev/pets", &[("Authorization", "eve")]).await;
    assert_eq!((got.status, bench.calls()), (403, 2));
    // Two headers are not one of them.
    let both = [("Authorization", "eve"), ("Authorization", "ada")];
    assert_eq!(bench.get("/dev/pets", &both).await.status, 403);
    assert_eq!(bench.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_path_written_in_another_way_does_not_pass_a_deny() {
    let answer = json!({
        "principalId": "ada",
        "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"},
            {"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": "arn:aws:execute-api:*:*:rest/dev/GET/pets"},
        ]},
    });
    let bench = bench(token(0, None), Act::Return(answer));
    for target in [
        "/dev/pets",
        "/dev/pets/",
        "/dev//pets",
        "/pets",
        "//pets//",
        "/dev/pets?x=/../toys",
    ] {
        let got = bench.get(target, &[("Authorization", "x")]).await;
        assert_eq!(got.status, 403, "{target}");
    }
    for target in ["/dev/%70ets", "/dev/PETS", "/dev/pets;x=1", "/dev/./pets"] {
        let got = bench.get(target, &[("Authorization", "x")]).await;
        assert_eq!(
            got.body, r#"{"message":"Missing Authentication Token"}"#,
            "{target}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_kept_as_long_as_said_and_failures_are_not() {
    let bench = bench(token(60, None), Act::Throw("no"));
    let ada = [("Authorization", "ada")];
    assert_eq!(bench.get("/dev/pets", &ada).await.status, 500);
    bench.act(Act::Return(policy("Allow", ALLOW_ALL)));
    assert_eq!(bench.get("/dev/pets", &ada).await.status, 200);
    assert_eq!(bench.calls(), 2);
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(bench.get("/dev/toys", &ada).await.status, 200);
    assert_eq!(bench.calls(), 2);
    tokio::time::advance(Duration::from_secs(2)).await;
    bench.act(Act::Return(policy("Deny", ALLOW_ALL)));
    assert_eq!(bench.get("/dev/pets", &ada).await.status, 403);
    assert_eq!(bench.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn requests_at_the_same_time_make_one_call() {
    for (act, expected) in [
        (Act::Return(policy("Allow", ALLOW_ALL)), 200),
        (Act::Throw("no"), 500),
    ] {
        let application = rest(&authorizer(token(60, None)));
        let pause = Duration::from_millis(50);
        let bench = Arc::new(Bench::with_pause(
            &application,
            act,
            UnknownKeys::Refused,
            pause,
        ));
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let bench = Arc::clone(&bench);
            waiting.spawn(async move { bench.get("/dev/pets", &[("Authorization", "ada")]).await });
        }
        while let Some(got) = waiting.join_next().await {
            assert_eq!(got.unwrap().status, expected);
        }
        assert_eq!(bench.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_leaves_the_others_their_answer() {
    let application = rest(&authorizer(token(60, None)));
    let act = Act::Return(policy("Allow", ALLOW_ALL));
    let pause = Duration::from_millis(50);
    let bench = Bench::with_pause(&application, act, UnknownKeys::Refused, pause);
    let ada = [("Authorization", "ada")];
    let gone = tokio::time::timeout(Duration::from_millis(10), bench.get("/dev/pets", &ada));
    let (gone, stayed) = tokio::join!(gone, bench.get("/dev/pets", &ada));
    assert!(gone.is_err());
    assert_eq!(stayed.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_api_key_can_come_from_the_authorizer() {
    let mut application = rest(&authorizer(token(0, None)));
    let api = &mut application.rest_apis[0];
    api.api_key_source = ApiKeySource::Authorizer;
    for method in &mut api.methods {
        method.guard.api_key_required = true;
    }
    application.api_keys = vec![ApiKey {
        id: "k1".to_owned(),
        name: "partner".to_owned(),
        value: KeyValue::new("the-key"),
        is_enabled: true,
    }];
    application.usage_plans = vec![UsagePlan {
        id: "p1".to_owned(),
        name: "plan".to_owned(),
        throttle: None,
        quota: None,
        stages: vec![PlanStage {
            api: ApiId::new("rest"),
            stage: StageName::new("dev"),
            methods: BTreeMap::new(),
        }],
        keys: ["k1".to_owned()].into(),
        place: None,
    }];
    for (key, expected) in [(Some("the-key"), 200), (Some("another"), 403), (None, 403)] {
        let mut answer = policy("Allow", ALLOW_ALL);
        answer["usageIdentifierKey"] = json!(key);
        let bench = Bench::new(&application, Act::Return(answer), UnknownKeys::Refused);
        let sent = [("Authorization", "x"), ("x-api-key", "the-key")];
        let got = bench.get("/dev/pets", &sent).await;
        assert_eq!(got.status, expected, "{key:?}");
        if expected == 200 {
            let identity = &bench.last_handled()["requestContext"]["identity"];
            assert_eq!(identity["apiKey"], "the-key");
            assert_eq!(identity["apiKeyId"], "k1");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_arn_that_is_too_long_is_said_to_be() {
    let bench = bench(token(0, None), Act::Return(policy("Allow", ALLOW_ALL)));
    let target = format!("/dev/all/{}", "a".repeat(1_600));
    let got = bench.get(&target, &[("Authorization", "x")]).await;
    assert_eq!((got.status, bench.calls()), (414, 0));
}

#[tokio::test(start_paused = true)]
async fn an_http_apis_authorizer_is_given_either_payload() {
    let sources = || {
        vec![
            header("Authorization"),
            IdentitySource::Query("q".to_owned()),
        ]
    };
    let arn = "arn:aws:execute-api:us-east-1:000000000000:http/$default/GET/pets";
    let sent = [("Authorization", "a"), ("Cookie", "c=1; d=2")];
    let bench = http_bench(
        request(sources(), AuthorizerFormat::V2Simple, 0),
        Act::Return(json!({"isAuthorized": true})),
    );
    assert_eq!(bench.get("/pets?q=1&q=2", &sent).await.status, 200);
    let asked = bench.last_asked();
    assert_eq!(asked["version"], "2.0");
    assert_eq!(asked["type"], "REQUEST");
    assert_eq!(asked["routeArn"], arn);
    assert_eq!(asked["identitySource"], json!(["a", "1,2"]));
    assert_eq!(asked["routeKey"], "GET /pets");
    assert_eq!(asked["cookies"], json!(["c=1", "d=2"]));
    assert_eq!(asked["requestContext"]["http"]["method"], "GET");
    assert!(asked["requestContext"].get("authorizer").is_none());
    assert!(asked.get("body").is_none() && asked.get("isBase64Encoded").is_none());

    let bench = http_bench(
        request(sources(), AuthorizerFormat::V1, 0),
        Act::Return(policy("Allow", ALLOW_ALL)),
    );
    assert_eq!(bench.get("/pets?q=1", &sent).await.status, 200);
    let asked = bench.last_asked();
    assert_eq!(asked["version"], "1.0");
    assert_eq!(asked["methodArn"], arn);
    assert_eq!(asked["identitySource"], "a,1");
    assert_eq!(asked["authorizationToken"], "a,1");
    assert_eq!(asked["requestContext"]["resourcePath"], "/pets");
}

#[tokio::test(start_paused = true)]
async fn an_http_apis_refusals_say_little() {
    for (answer, status, body) in [
        (
            Act::Return(json!({"isAuthorized": false})),
            403,
            r#"{"message":"Forbidden"}"#,
        ),
        (
            Act::Return(json!({"isAuthorized": "yes"})),
            500,
            r#"{"message":"Internal Server Error"}"#,
        ),
        (
            Act::Throw("Unauthorized"),
            401,
            r#"{"message":"Unauthorized"}"#,
        ),
        (
            Act::Throw("else"),
            500,
            r#"{"message":"Internal Server Error"}"#,
        ),
        (Act::Hang, 500, r#"{"message":"Internal Server Error"}"#),
    ] {
        let kind = request(vec![header("Authorization")], AuthorizerFormat::V2Simple, 0);
        let bench = http_bench(kind, answer);
        let got = bench.get("/pets", &[("Authorization", "x")]).await;
        assert_eq!((got.status, got.body.as_str()), (status, body));
        let got = bench.get("/pets", &[]).await;
        assert_eq!(
            (got.status, got.body.as_str()),
            (401, r#"{"message":"Unauthorized"}"#)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_http_apis_authorizer_tells_keeps_its_types() {
    let context = json!({"name": "Ada", "age": 36, "admin": true, "list": [1], "map": {"a": null}});
    let simple = || request(vec![header("Authorization")], AuthorizerFormat::V2Simple, 0);
    let answer = json!({"isAuthorized": true, "context": context});
    let bench = http_bench(simple(), Act::Return(answer));
    let sent = [("Authorization", "x")];
    bench.get("/pets", &sent).await;
    let shown = bench.last_handled()["requestContext"]["authorizer"].clone();
    assert_eq!(shown, json!({"lambda": context}));
    bench.get("/v1", &sent).await;
    let mut shown = bench.last_handled()["requestContext"]["authorizer"].clone();
    assert!(shown["integrationLatency"].is_u64());
    shown.as_object_mut().unwrap().remove("integrationLatency");
    assert_eq!(shown, context);

    let bench = http_bench(simple(), Act::Return(json!({"isAuthorized": true})));
    bench.get("/pets", &sent).await;
    let shown = bench.last_handled()["requestContext"]["authorizer"].clone();
    assert_eq!(shown, json!({"lambda": null}));
}

#[tokio::test(start_paused = true)]
async fn a_route_key_among_the_sources_keeps_answers_apart() {
    for (sources, expected) in [
        (vec![header("Authorization")], 1),
        (
            vec![
                header("Authorization"),
                IdentitySource::Context("routeKey".to_owned()),
            ],
            2,
        ),
    ] {
        let kind = request(sources, AuthorizerFormat::V2Simple, 60);
        let bench = http_bench(kind, Act::Return(json!({"isAuthorized": true})));
        for target in ["/pets", "/v1", "/pets", "/v1"] {
            let got = bench.get(target, &[("Authorization", "x")]).await;
            assert_eq!(got.status, 200);
        }
        assert_eq!(bench.calls(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_revision_asks_anew() {
    let application = rest(&authorizer(token(300, None)));
    let act = Act::Return(policy("Allow", ALLOW_ALL));
    let bench = Bench::new(&application, act, UnknownKeys::Refused);
    for _ in 0..2 {
        bench.get("/dev/pets", &[("Authorization", "x")]).await;
    }
    assert_eq!(bench.calls(), 1);
    assert_eq!(bench.handler.swap(&application), []);
    bench.get("/dev/pets", &[("Authorization", "x")]).await;
    assert_eq!(bench.calls(), 2);
}

#[test]
fn authorizers_that_let_nobody_in_are_reported() {
    for (kind, expected) in [
        (
            token(0, Some("(?=a)")),
            "its validation expression cannot be used",
        ),
        (
            request(
                vec![IdentitySource::Context("body".to_owned())],
                AuthorizerFormat::V1,
                0,
            ),
            "nothing is known of `$context.body`",
        ),
    ] {
        let problems = crate::routes::check(&rest(&authorizer(kind)));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].title.contains(expected), "{problems:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_apis_own_words_may_repeat_what_an_authorizer_says_of_whom_it_refuses() {
    let mut application = rest(&authorizer(token(60, None)));
    let words = model::door::GatewayResponse {
        templates: [(
            "application/json".to_owned(),
            r#"{"why":"$context.authorizer.why","who":"$context.authorizer.principalId"}"#
                .to_owned(),
        )]
        .into(),
        ..model::door::GatewayResponse::default()
    };
    let responses = &mut application.rest_apis[0].gateway_responses;
    responses.insert("ACCESS_DENIED".to_owned(), words);
    let mut answer = policy("Deny", ALLOW_ALL);
    answer["context"] = json!({"why": "too young"});
    let bench = Bench::new(&application, Act::Return(answer), UnknownKeys::Refused);
    for _ in 0..2 {
        let got = bench.get("/dev/pets", &[("Authorization", "x")]).await;
        assert_eq!(
            (got.status, got.body.as_str()),
            (403, r#"{"why":"too young","who":"ada"}"#)
        );
    }
}
