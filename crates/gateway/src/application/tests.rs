//! The handler from request to response, with a function that is a table.

mod called;
mod handed_on;
mod kept;
mod packed;
mod streams;
mod templated;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, Version};
use interfaces::invoke::{
    FunctionError, FunctionErrorKind, Invocation, NotRun, Outcome, Reply, ThrottleLimit,
};
use model::door::{ApiKey, KeyValue, PlanStage, Quota, QuotaPeriod, Rate, UsagePlan};
use model::http_api::{CorsConfiguration, HttpIntegration, HttpRoute, RouteKey};
use model::ids::{RequestId, StageName};
use model::problem::Place;
use model::rest_api::{MockReply, RestIntegration, RestMethod};
use model::time::Timestamp;
use proptest::prelude::*;
use test_kit::{FixedRandom, StoppedClock};

use super::*;
use crate::http::{Headers, ResponseBody};
use crate::throttle::LocalCounters;

/// What the function does with the next event.
#[derive(Clone)]
enum Act {
    Return(&'static str),
    Fail(FunctionErrorKind, &'static str),
    NotRun(NotRun),
    Hang,
    Echo,
}

struct FakeInvoke {
    act: Mutex<Act>,
    seen: Mutex<Vec<Invocation>>,
}

#[derive(Default)]
struct FakeLog(Mutex<Vec<AccessEntry>>);

impl Invoke for FakeInvoke {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>> {
        let act = self.act.lock().unwrap().clone();
        let event = invocation.payload.clone();
        self.seen.lock().unwrap().push(invocation);
        Box::pin(async move {
            let outcome = match act {
                Act::Return(json) => Outcome::Returned(Bytes::from_static(json.as_bytes())),
                Act::Fail(kind, payload) => Outcome::Failed(FunctionError {
                    kind,
                    payload: Bytes::from_static(payload.as_bytes()),
                }),
                Act::NotRun(reason) => return Err(reason),
                Act::Hang => std::future::pending().await,
                Act::Echo => {
                    let event = String::from_utf8(event.to_vec()).unwrap();
                    let reply = serde_json::json!({ "statusCode": 200, "body": event });
                    Outcome::Returned(Bytes::from(reply.to_string()))
                }
            };
            Ok(Reply {
                outcome,
                timings: Timings {
                    queue: Duration::from_micros(10),
                    init: None,
                    handler: Duration::from_micros(20),
                },
                log_tail: Bytes::new(),
                executed_version: "$LATEST".to_owned(),
            })
        })
    }
}

impl AccessLog for FakeLog {
    fn record(&self, entry: AccessEntry) {
        self.0.lock().unwrap().push(entry);
    }
}

struct Bench {
    handler: ApplicationHandler,
    invoke: Arc<FakeInvoke>,
    log: Arc<FakeLog>,
    received_at: Instant,
}

/// REST under `/dev`, HTTP API payload 2.0 under `/http`, both with `/pets/{id}`.
const REST: &str = "/dev/pets/7";
const HTTP: &str = "/http/pets/7";

fn bench(act: Act) -> Bench {
    let clock = StoppedClock::at(Timestamp::from_micros(1_583_349_317_135_000));
    let received_at = clock.instant();
    clock.advance(Duration::from_micros(100));
    let invoke = Arc::new(FakeInvoke {
        act: Mutex::new(act),
        seen: Mutex::default(),
    });
    let log = Arc::new(FakeLog::default());
    let handler = ApplicationHandler::new(
        invoke.clone(),
        Arc::new(clock),
        Arc::new(FixedRandom(7)),
        log.clone(),
        AccountId::development(),
        Arc::new(LocalCounters::default()),
        crate::authorise::tests::nobody(),
    );
    handler.swap(&application());
    Bench {
        handler,
        invoke,
        log,
        received_at,
    }
}

fn application() -> Application {
    let mut application = sample::application();
    let rest = &mut application.rest_apis[0];
    rest.methods.truncate(1);
    let mut preflight = rest.methods[0].clone();
    preflight.http_method = "OPTIONS".to_owned();
    preflight.integration = RestIntegration::Mock(MockReply {
        status: 200,
        headers: vec![("Access-Control-Allow-Origin".to_owned(), "*".to_owned())],
        body: String::new(),
        allowed_origins: Vec::new(),
    });
    rest.methods.push(preflight);
    application.http_apis[0].cors = Some(CorsConfiguration {
        allow_origins: vec!["https://a.example".to_owned()],
        allow_methods: vec!["POST".to_owned()],
        ..CorsConfiguration::default()
    });
    application
}

impl Bench {
    async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let headers: Headers = headers
            .iter()
            .map(|(name, value)| (*name, HeaderValue::from_str(value).unwrap()))
            .collect();
        let request = Request {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            target: target.to_owned(),
            version: Version::HTTP_11,
            headers,
            body: Body::whole(body.to_vec()),
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1_234)),
            scheme: crate::http::Scheme::Http,
            received_at: self.received_at,
        };
        self.handler.handle(request).await
    }

    fn entry(&self) -> AccessEntry {
        self.log.0.lock().unwrap().pop().unwrap()
    }
}

fn text(response: &Response) -> String {
    let ResponseBody::Whole(body) = &response.body else {
        panic!("a reply came in pieces");
    };
    String::from_utf8_lossy(body).into_owned()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let found = response
        .headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.and_then(|(_, value)| value.to_str().ok())
}

#[tokio::test]
async fn a_rest_request_ends_in_the_functions_reply_with_the_gateways_headers() {
    let bench = bench(Act::Return(r#"{"statusCode":201,"body":"made"}"#));
    let response = bench
        .send("POST", REST, &[("Host", "localhost")], b"{}")
        .await;
    assert_eq!(
        (response.status.as_u16(), text(&response).as_str()),
        (201, "made")
    );
    assert_eq!(
        header(&response, "x-amzn-RequestId"),
        Some("07070707-0707-4707-8707-070707070707")
    );
    assert_eq!(
        header(&response, "x-amz-apigw-id"),
        Some("BwcHBwcHBwcHBwc=")
    );
    assert_eq!(
        header(&response, "X-Amzn-Trace-Id"),
        Some("Root=1-5e5ffe45-070707070707070707070707;Parent=0707070707070707;Sampled=0")
    );
    assert_eq!(
        header(&response, "Server-Timing"),
        Some("gateway;dur=0.070, queue;dur=0.010, handler;dur=0.020")
    );
    let invocation = bench.invoke.seen.lock().unwrap().pop().unwrap();
    assert_eq!(
        invocation.request_id,
        RequestId::new("07070707-0707-4707-8707-070707070707")
    );
    assert_eq!(
        invocation.wait_until,
        Some(bench.received_at + Duration::from_micros(100) + Duration::from_secs(29))
    );
    let entry = bench.entry();
    assert_eq!(entry.route.as_deref(), Some("ANY /pets/{id}"));
    assert_eq!(entry.message, None);
    assert_eq!(entry.function, Some(FunctionName::new("sample")));
}

#[tokio::test]
async fn an_http_request_has_its_own_id_and_infers() {
    let bench = bench(Act::Return(r#"{"a":1}"#));
    let response = bench.send("POST", HTTP, &[], b"").await;
    assert_eq!(
        (response.status.as_u16(), text(&response).as_str()),
        (200, r#"{"a":1}"#)
    );
    assert_eq!(
        header(&response, "apigw-requestid"),
        Some("BwcHBwcHBwcHBwc=")
    );
    assert_eq!(header(&response, "x-amzn-RequestId"), None);
}

/// Sends one request to each kind of API and compares statuses and the developer's reason.
async fn check_fault(act: Act, [rest, http]: [u16; 2], reason: &str) {
    let bench = bench(act);
    for (target, status) in [(REST, rest), (HTTP, http)] {
        let response = bench.send("POST", target, &[], b"").await;
        assert_eq!(response.status.as_u16(), status, "{target} {reason}");
        assert!(
            !text(&response).contains("sample"),
            "the client learns nothing: {reason}"
        );
        let message = bench.entry().message.unwrap_or_default();
        assert!(message.contains(reason), "{message}");
    }
}

#[tokio::test]
async fn a_function_that_failed_is_502_or_500_and_the_developer_learns_why() {
    let raised = r#"{"errorType":"TypeError","errorMessage":"x is undefined\nat y"}"#;
    for (kind, payload, reason) in [
        (
            FunctionErrorKind::Raised,
            raised,
            "threw TypeError: x is undefined",
        ),
        (FunctionErrorKind::TimedOut, "{}", "its own timeout"),
        (FunctionErrorKind::Exited, "not json", "ended its process"),
        (FunctionErrorKind::ResponseTooLarge, "{}", "6291456 bytes"),
        (
            FunctionErrorKind::InitFailed,
            raised,
            "did not load: TypeError",
        ),
    ] {
        check_fault(Act::Fail(kind, payload), [502, 500], reason).await;
    }
    let syntax = r#"{"errorType":"Runtime.UserCodeSyntaxError","errorMessage":"SyntaxError: no","trace":["Runtime.UserCodeSyntaxError: SyntaxError: no","/project/a.js:2","  const a = ;","","at wrapSafe"]}"#;
    let place = "SyntaxError: no\n/project/a.js:2\n  const a = ;";
    check_fault(
        Act::Fail(FunctionErrorKind::InitFailed, syntax),
        [502, 500],
        place,
    )
    .await;
    check_fault(
        Act::Return(r#"{"statusCode":200,"body":{}}"#),
        [502, 500],
        "`body`",
    )
    .await;
}

#[tokio::test]
async fn a_function_is_called_by_the_qualifier_of_its_route() {
    let bench = bench(Act::Echo);
    let mut aliased = application();
    if let RestIntegration::LambdaProxy { callee, .. } =
        &mut aliased.rest_apis[0].methods[0].integration
    {
        callee.qualifier = Some("live".to_owned());
    }
    bench.handler.swap(&aliased);
    for path in [REST, HTTP] {
        bench.send("POST", path, &[], b"").await;
    }
    let seen = bench.invoke.seen.lock().unwrap();
    let qualifiers: Vec<_> = seen.iter().map(|it| it.qualifier.as_deref()).collect();
    assert_eq!(qualifiers, [Some("live"), None]);
}

#[tokio::test]
async fn a_function_that_did_not_run_is_told_apart_by_cause() {
    let function = || FunctionName::new("sample");
    let throttled = NotRun::Throttled {
        function: function(),
        limit: ThrottleLimit::QueueLength,
    };
    check_fault(Act::NotRun(throttled), [500, 503], "send fewer requests").await;
    let off = NotRun::Throttled {
        function: function(),
        limit: ThrottleLimit::NothingReserved,
    };
    check_fault(Act::NotRun(off), [500, 503], "so it never runs: to let it").await;
    let unknown = NotRun::UnknownFunction {
        function: function(),
    };
    check_fault(Act::NotRun(unknown), [500, 500], "no function is called").await;
    let unpublished = NotRun::UnknownQualifier {
        function: function(),
        qualifier: "live".to_owned(),
    };
    check_fault(
        Act::NotRun(unpublished),
        [500, 500],
        "has no version or alias `live`",
    )
    .await;
    let waited = NotRun::WaitedTooLong {
        function: function(),
    };
    check_fault(Act::NotRun(waited), [504, 503], "29 s").await;
    let too_large = NotRun::RequestTooLarge {
        bytes: 7,
        bytes_max: 6,
    };
    check_fault(Act::NotRun(too_large), [413, 413], "7 bytes").await;
    let no_machine = NotRun::StartFailed {
        function: function(),
        reason: "no node".to_owned(),
    };
    check_fault(Act::NotRun(no_machine), [502, 500], "no node").await;
    check_fault(Act::NotRun(NotRun::ShuttingDown), [503, 503], "stopping").await;
}

#[tokio::test]
async fn an_integrations_timeout_is_not_the_functions() {
    let bench = bench(Act::Hang);
    let mut hasty = application();
    if let RestIntegration::LambdaProxy { timeout, .. } =
        &mut hasty.rest_apis[0].methods[0].integration
    {
        *timeout = Duration::from_millis(5);
    }
    if let HttpIntegration::Lambda { timeout, .. } = &mut hasty.http_apis[0].routes[0].integration {
        *timeout = Duration::from_millis(5);
    }
    bench.handler.swap(&hasty);
    let response = bench.send("POST", REST, &[], b"").await;
    assert_eq!(
        (response.status.as_u16(), text(&response).as_str()),
        (504, r#"{"message": "Endpoint request timed out"}"#)
    );
    assert_eq!(bench.send("POST", HTTP, &[], b"").await.status, 503);
    assert!(bench.entry().message.unwrap().contains("0.005 s"));
}

#[tokio::test]
async fn a_route_that_is_not_served_fails_and_nothing_less_specific_takes_its_requests() {
    let bench = bench(Act::Echo);
    let reason = || "an API key guards it, which cannot be enforced yet".to_owned();
    let mut guarded = application();
    let methods = &mut guarded.rest_apis[0].methods;
    methods.push(RestMethod {
        path: "/{proxy+}".to_owned(),
        ..methods[0].clone()
    });
    methods[0].integration = RestIntegration::NotServed { reason: reason() };
    let routes = &mut guarded.http_apis[0].routes;
    routes.push(HttpRoute {
        key: RouteKey::Default,
        ..routes[0].clone()
    });
    routes[0].integration = HttpIntegration::NotServed { reason: reason() };
    routes[0].place = Some(Place::start_of("template.yaml"));
    bench.handler.swap(&guarded);
    for (target, body, declared) in [
        (REST, r#"{"message": "Internal server error"}"#, ""),
        (
            HTTP,
            r#"{"message":"Internal Server Error"}"#,
            ", declared at template.yaml:1:1,",
        ),
    ] {
        let response = bench.send("POST", target, &[], b"{}").await;
        assert_eq!(
            (response.status.as_u16(), text(&response).as_str()),
            (500, body)
        );
        let entry = bench.entry();
        assert_eq!(entry.function, None);
        let message = entry.message.unwrap();
        let said = format!("/pets/{{id}}`{declared} is not served: {}", reason());
        assert!(message.contains(&said), "{message}");
        assert!(message.contains("`cloudless check`"), "{message}");
    }
    assert!(bench.invoke.seen.lock().unwrap().is_empty());
    for target in ["/dev/other", "/http/other"] {
        assert_eq!(bench.send("POST", target, &[], b"").await.status, 200);
    }
}

#[tokio::test]
async fn a_missing_route_is_403_or_404_by_kind() {
    let bench = bench(Act::Echo);
    let response = bench.send("GET", "/dev/nothing", &[], b"").await;
    assert_eq!(
        (response.status.as_u16(), text(&response).as_str()),
        (403, r#"{"message":"Missing Authentication Token"}"#)
    );
    assert_eq!(
        header(&response, "x-amzn-ErrorType"),
        Some("MissingAuthenticationTokenException")
    );
    assert!(bench.entry().message.unwrap().contains("cloudless routes"));
    let response = bench.send("GET", HTTP, &[], b"").await;
    assert_eq!(
        (response.status.as_u16(), text(&response).as_str()),
        (404, r#"{"message":"Not Found"}"#)
    );
    assert!(bench.entry().message.unwrap().contains("known for `POST`"));
    let mut without_cors = application();
    without_cors.rest_apis[0].methods.truncate(1);
    without_cors.rest_apis[0].methods[0].http_method = "GET".to_owned();
    bench.handler.swap(&without_cors);
    let preflight = [("Origin", "x"), ("Access-Control-Request-Method", "GET")];
    assert_eq!(
        bench.send("OPTIONS", REST, &preflight, b"").await.status,
        403
    );
    assert!(bench.entry().message.unwrap().contains("turn on `cors`"));
    bench
        .handler
        .swap(&Application::empty(RevisionId::new("empty")));
    assert_eq!(bench.send("GET", "/", &[], b"").await.status, 404);
    assert!(bench.entry().message.unwrap().contains("`httpApi` event"));
}

#[tokio::test]
async fn limits_hold_one_above_and_not_one_below() {
    let bench = bench(Act::Return("{}"));
    let body_at = vec![b'a'; limits::GATEWAY_PAYLOAD_BYTES_MAX];
    let response = bench.send("POST", REST, &[], &body_at).await;
    // The gateway takes it; the event it becomes is over the function's limit.
    assert_eq!(text(&response), r#"{"message":"Request Too Long"}"#);
    let body_over = vec![b'a'; limits::GATEWAY_PAYLOAD_BYTES_MAX + 1];
    for (target, body) in [
        (REST, "HTTP content length exceeded 10485760 bytes."),
        (HTTP, r#"{"message":"Request Entity Too Large"}"#),
    ] {
        let response = bench.send("POST", target, &[], &body_over).await;
        assert_eq!(
            (response.status.as_u16(), text(&response).as_str()),
            (413, body)
        );
    }
    let request_line = "POST /dev/pets/7 HTTP/1.1".len();
    let value = "a".repeat(limits::REST_HEADER_BYTES_MAX - request_line);
    assert_eq!(
        bench.send("POST", REST, &[("x", &value)], b"").await.status,
        200
    );
    let value = format!("{value}a");
    assert_eq!(
        bench.send("POST", REST, &[("x", &value)], b"").await.status,
        431
    );
}

#[tokio::test]
async fn the_largest_event_reaches_its_function_and_a_larger_one_does_not() {
    let bench = bench(Act::Return("{}"));
    bench.send("POST", REST, &[], b"a").await;
    let around_body = bench.invoke.seen.lock().unwrap()[0].payload.len() - 1;
    let largest = vec![b'a'; limits::LAMBDA_SYNC_PAYLOAD_BYTES_MAX - around_body];
    assert_eq!(bench.send("POST", REST, &[], &largest).await.status, 200);
    let larger = [&largest[..], b"a"].concat();
    assert_eq!(bench.send("POST", REST, &[], &larger).await.status, 413);
    let seen = bench.invoke.seen.lock().unwrap();
    let sizes: Vec<usize> = seen.iter().map(|it| it.payload.len()).collect();
    assert_eq!(
        sizes,
        [around_body + 1, limits::LAMBDA_SYNC_PAYLOAD_BYTES_MAX]
    );
}

#[tokio::test]
async fn paths_that_cannot_be_decoded_are_400_and_reach_no_function() {
    let bench = bench(Act::Echo);
    for target in [
        "/dev/pets/%",
        "/dev/pets/%zz",
        "/http/pets/%00",
        "/dev/pets/a%00.txt",
    ] {
        let response = bench.send("POST", target, &[], b"").await;
        assert_eq!(response.status, 400, "{target}");
        assert_eq!(text(&response), r#"{"message":"Bad Request"}"#);
    }
    assert!(bench.invoke.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn preflights_are_answered_by_the_gateway_of_each_kind() {
    let bench = bench(Act::Echo);
    let headers = [
        ("Origin", "https://a.example"),
        ("Access-Control-Request-Method", "POST"),
    ];
    let rest = bench.send("OPTIONS", REST, &headers, b"").await;
    assert_eq!(rest.status, 200);
    assert_eq!(header(&rest, "access-control-allow-origin"), Some("*"));
    assert_eq!(header(&rest, "x-amzn-trace-id"), None);
    let http = bench.send("OPTIONS", HTTP, &headers, b"").await;
    assert_eq!(http.status, 204);
    assert_eq!(header(&http, "access-control-allow-methods"), Some("POST"));
    assert!(bench.invoke.seen.lock().unwrap().is_empty());
    let actual = bench.send("POST", HTTP, &headers[..1], b"").await;
    assert_eq!(
        header(&actual, "access-control-allow-origin"),
        Some("https://a.example")
    );
}

#[tokio::test]
async fn a_swap_changes_the_next_request() {
    let bench = bench(Act::Return("{}"));
    assert_eq!(bench.send("POST", REST, &[], b"").await.status, 200);
    let mut changed = application();
    changed.rest_apis[0].methods[0].path = "/other".to_owned();
    changed.revision = RevisionId::new("second");
    bench.handler.swap(&changed);
    assert_eq!(bench.send("POST", REST, &[], b"").await.status, 403);
    assert_eq!(bench.send("POST", "/dev/other", &[], b"").await.status, 200);
    assert_eq!(bench.entry().revision, RevisionId::new("second"));
}

proptest! {
    #[test]
    fn no_raw_request_panics_and_every_event_is_json(raw in any::<Vec<u8>>()) {
        if let Some(event) = sample::event_of_raw(&raw) {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&event).is_ok());
        }
    }

    #[test]
    fn every_plausible_request_becomes_json(
        stage in "(/dev|/http|/http/v1|)", path in "(/[a-z%0-9.{}+]{0,6}){0,4}/?",
        query in "[a-z%0-9&=;+]{0,20}", name in "[A-Za-z-]{1,10}",
        value in proptest::collection::vec(0x20_u8..=0xff, 0..20), body in any::<Vec<u8>>(),
    ) {
        let mut raw = format!("POST {stage}{path}?{query}\n{name}: ").into_bytes();
        raw.extend_from_slice(&value);
        raw.extend_from_slice(b"\n\n");
        raw.extend_from_slice(&body);
        if let Some(event) = sample::event_of_raw(&raw) {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&event).is_ok());
        }
    }
}

/// The sample, whose first method asks for a key: `secret` opens it by a plan, `idle` by none.
fn with_keys(plan: UsagePlan) -> Application {
    let mut application = application();
    application.rest_apis[0].methods[0].guard.api_key_required = true;
    for name in ["secret", "idle"] {
        application.api_keys.push(ApiKey {
            id: name.to_owned(),
            name: name.to_owned(),
            value: KeyValue::new(name),
            is_enabled: true,
        });
    }
    let api = &application.rest_apis[0];
    application.usage_plans.push(UsagePlan {
        keys: BTreeSet::from(["secret".to_owned()]),
        stages: vec![PlanStage {
            api: api.id.clone(),
            stage: api.stage.clone(),
            methods: BTreeMap::new(),
        }],
        ..plan
    });
    application
}

fn plan() -> UsagePlan {
    UsagePlan {
        id: "p".to_owned(),
        name: "partners".to_owned(),
        throttle: None,
        quota: None,
        stages: Vec::new(),
        keys: BTreeSet::new(),
        place: None,
    }
}

#[tokio::test]
async fn a_route_that_asks_for_a_key_lets_in_whoever_holds_one_of_its_plan() {
    let bench = bench(Act::Echo);
    bench.handler.swap(&with_keys(plan()));
    for (key, status, reason) in [
        (None, 403, "asks for an API key"),
        (Some("wrong"), 403, "no API key has the value"),
        (Some("idle"), 403, "no usage plan joins the API key `idle`"),
        (Some("secret"), 200, ""),
    ] {
        let headers: Vec<(&str, &str)> = key.map(|key| ("X-Api-Key", key)).into_iter().collect();
        let response = bench.send("GET", REST, &headers, b"").await;
        assert_eq!(response.status.as_u16(), status, "{key:?}");
        let said = bench.entry().message.unwrap_or_default();
        assert!(said.contains(reason), "{key:?}: {said}");
        if status == 403 {
            assert_eq!(text(&response), r#"{"message":"Forbidden"}"#);
        }
    }
}

#[tokio::test]
async fn all_requests_together_meet_the_accounts_rate() {
    let mut bench = bench(Act::Return(r#"{"statusCode":200}"#));
    bench.handler = bench.handler.with_account_rate(Some(Rate {
        per_1000_s: 1_000,
        burst: 2,
    }));
    for (method, target, status) in [
        ("GET", REST, 200),
        ("POST", HTTP, 200),
        ("POST", HTTP, 429),
        ("GET", REST, 429),
    ] {
        let response = bench.send(method, target, &[], b"").await;
        assert_eq!(response.status.as_u16(), status, "{target}");
    }
    let message = bench.entry().message.unwrap();
    assert!(message.contains("the account"), "{message}");
}

#[tokio::test]
async fn a_key_meets_its_plans_rate_and_quota_in_the_clouds_words() {
    let rate = Rate {
        per_1000_s: 1_000,
        burst: 2,
    };
    let quota = Quota {
        limit: 2,
        offset: 0,
        period: QuotaPeriod::Day,
    };
    for (plan, words) in [
        (
            UsagePlan {
                throttle: Some(rate),
                ..plan()
            },
            "Too Many Requests",
        ),
        (
            UsagePlan {
                quota: Some(quota),
                ..plan()
            },
            "Limit Exceeded",
        ),
    ] {
        let bench = bench(Act::Echo);
        bench.handler.swap(&with_keys(plan));
        for expected in [200, 200, 429] {
            let response = bench
                .send("GET", REST, &[("x-api-key", "secret")], b"")
                .await;
            assert_eq!(response.status.as_u16(), expected, "{words}");
            if expected == 429 {
                assert_eq!(text(&response), format!(r#"{{"message":"{words}"}}"#));
            }
        }
    }
}
