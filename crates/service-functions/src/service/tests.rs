//! Requests and answers of Lambda's API, over a function that says what it was given.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use http::Method;
use interfaces::invoke::{
    FunctionError, FunctionErrorKind, Invocation, NotRun, Outcome, Reply, ThrottleLimit, Timings,
};
use model::ids::{AccountId, Region, RequestId, RevisionId};
use model::limits::{LAMBDA_ASYNC_PAYLOAD_BYTES_MAX, LAMBDA_SYNC_PAYLOAD_BYTES_MAX};
use model::principal::Principal;

use super::*;
use made::service_over;

mod made;

/// Answers by the function's name; keeps what it was asked.
#[derive(Default)]
struct Fake {
    asked: Mutex<Vec<Invocation>>,
}

impl Invoke for Fake {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>> {
        let function = invocation.function.clone();
        let outcome = match function.as_str() {
            "echo" => Ok(Outcome::Returned(invocation.payload.clone())),
            "throws" => Ok(Outcome::Failed(FunctionError {
                kind: FunctionErrorKind::Raised,
                payload: Bytes::from_static(br#"{"errorType":"E"}"#),
            })),
            "busy" => Err(NotRun::Throttled {
                function,
                limit: ThrottleLimit::ReservedConcurrency,
            }),
            "crowded" => Err(NotRun::Throttled {
                function,
                limit: ThrottleLimit::AccountConcurrency,
            }),
            "growing" => Err(NotRun::Throttled {
                function,
                limit: ThrottleLimit::ScalingRate,
            }),
            "queued" => Err(NotRun::Throttled {
                function,
                limit: ThrottleLimit::QueueLength,
            }),
            "late" => Err(NotRun::WaitedTooLong { function }),
            "unpublished" => Err(NotRun::UnknownQualifier {
                function,
                qualifier: invocation.qualifier.clone().unwrap_or_default(),
            }),
            "sick" => Err(NotRun::StartFailed {
                function,
                reason: "no memory".to_owned(),
            }),
            _ => Err(NotRun::UnknownFunction { function }),
        };
        self.asked.lock().unwrap().push(invocation);
        Box::pin(async move {
            outcome.map(|outcome| Reply {
                outcome,
                timings: Timings::default(),
                log_tail: Bytes::from_static(b"START"),
                executed_version: "$LATEST".to_owned(),
            })
        })
    }
}

fn call(method: Method, path: &str, headers: &[(&'static str, &str)], body: &str) -> ServiceCall {
    let headers = headers.iter().map(|(name, value)| {
        (
            http::HeaderName::from_static(name),
            http::HeaderValue::from_str(value).unwrap(),
        )
    });
    ServiceCall {
        request_id: RequestId::new("01234567-89ab-4def-8123-456789abcdef"),
        caller: Principal::Root {
            account: AccountId::development(),
        },
        account: AccountId::development(),
        region: Region::new("us-east-1"),
        method,
        path_and_query: path.to_owned(),
        headers: headers.collect(),
        body: Bytes::from(body.to_owned()),
        stream: None,
    }
}

async fn answer(call: ServiceCall) -> (u16, String, String) {
    let service = service_over(Arc::new(Fake::default()));
    let answer = service.execute(call).await;
    let names = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "content-type");
    let headers: Vec<String> = names
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    (
        answer.status,
        headers.join(", "),
        String::from_utf8(answer.body.to_vec()).unwrap(),
    )
}

async fn check(
    path: &str,
    headers: &[(&'static str, &str)],
    body: &str,
    expected: (u16, &str, &str),
) {
    let path = format!("/2015-03-31/functions/{path}");
    let (status, head, text) = answer(call(Method::POST, &path, headers, body)).await;
    assert_eq!((status, head.as_str(), text.as_str()), expected, "{path}");
}

#[tokio::test]
async fn a_reply_is_passed_on_as_it_is() {
    let head = "x-amz-executed-version: $LATEST";
    check(
        "echo/invocations",
        &[],
        r#"{"a": 1}"#,
        (200, head, r#"{"a": 1}"#),
    )
    .await;
    check("echo/invocations", &[], "", (200, head, "{}")).await;
    check(
        "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aecho/invocations",
        &[],
        "1",
        (200, head, "1"),
    )
    .await;
}

#[tokio::test]
async fn a_thrown_error_is_a_reply_with_a_header() {
    let head = "x-amz-executed-version: $LATEST, x-amz-function-error: Unhandled";
    check(
        "throws/invocations",
        &[],
        "{}",
        (200, head, r#"{"errorType":"E"}"#),
    )
    .await;
}

#[tokio::test]
async fn the_end_of_the_log_comes_when_it_is_wanted() {
    let head = "x-amz-executed-version: $LATEST, x-amz-log-result: U1RBUlQ=";
    check(
        "echo/invocations",
        &[("x-amz-log-type", "Tail")],
        "1",
        (200, head, "1"),
    )
    .await;
}

#[tokio::test]
async fn an_unknown_function_is_named_by_its_arn() {
    let body = r#"{"Type":"User","Message":"Function not found: arn:aws:lambda:us-east-1:000000000000:function:nope:$LATEST"}"#;
    check(
        "nope/invocations",
        &[],
        "{}",
        (404, "x-amzn-errortype: ResourceNotFoundException", body),
    )
    .await;
    let body = r#"{"Type":"User","Message":"Function not found: arn:aws:lambda:us-east-1:000000000000:function:nope:live"}"#;
    check(
        "nope/invocations?Qualifier=live",
        &[],
        "{}",
        (404, "x-amzn-errortype: ResourceNotFoundException", body),
    )
    .await;
}

#[tokio::test]
async fn a_throttled_function_says_why() {
    for (function, reason) in [
        ("busy", "ReservedFunctionConcurrentInvocationLimitExceeded"),
        ("crowded", "ConcurrentInvocationLimitExceeded"),
        ("growing", "ConcurrentInvocationLimitExceeded"),
        ("queued", "ConcurrentInvocationLimitExceeded"),
        ("late", "ConcurrentInvocationLimitExceeded"),
    ] {
        let body = format!(r#"{{"Reason":"{reason}","Type":"User","message":"Rate Exceeded."}}"#);
        check(
            &format!("{function}/invocations"),
            &[],
            "{}",
            (429, "x-amzn-errortype: TooManyRequestsException", &body),
        )
        .await;
    }
}

#[tokio::test]
async fn a_version_or_alias_that_is_not_there_is_a_function_that_is_not_there() {
    let body = r#"{"Type":"User","Message":"Function not found: arn:aws:lambda:us-east-1:000000000000:function:unpublished:live"}"#;
    for path in [
        "unpublished/invocations?Qualifier=live",
        "unpublished:live/invocations",
        "arn:aws:lambda:us-east-1:000000000000:function:unpublished:live/invocations",
    ] {
        check(
            path,
            &[],
            "{}",
            (404, "x-amzn-errortype: ResourceNotFoundException", body),
        )
        .await;
    }
}

#[tokio::test]
async fn the_machines_fault_is_the_services() {
    let body = r#"{"Type":"Service","Message":"no instance of function `sick` could be started: no memory"}"#;
    check(
        "sick/invocations",
        &[],
        "{}",
        (500, "x-amzn-errortype: ServiceException", body),
    )
    .await;
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    let (status, head, text) = answer(call(
        Method::POST,
        "/2015-03-31/functions/echo/invocations",
        &[],
        "{not",
    ))
    .await;
    assert_eq!(
        (status, head.as_str()),
        (400, "x-amzn-errortype: InvalidRequestContentException")
    );
    assert!(
        text.contains(
            "Could not parse request body into json: Could not parse payload into json: "
        ),
        "{text}"
    );
}

#[tokio::test]
async fn depth_is_no_reason_to_refuse() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    check(
        "echo/invocations",
        &[],
        &deep,
        (200, "x-amz-executed-version: $LATEST", &deep),
    )
    .await;
}

#[tokio::test]
async fn the_largest_event_is_taken_and_a_larger_one_refused() {
    let largest = format!("\"{}\"", "x".repeat(LAMBDA_SYNC_PAYLOAD_BYTES_MAX - 2));
    check(
        "echo/invocations",
        &[],
        &largest,
        (200, "x-amz-executed-version: $LATEST", &largest),
    )
    .await;
    let body = r#"{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}"#;
    check(
        "echo/invocations",
        &[],
        &format!("{largest} "),
        (
            413,
            "x-amzn-errortype: RequestEntityTooLargeException",
            body,
        ),
    )
    .await;
}

#[tokio::test]
async fn an_unknown_invocation_type_is_refused() {
    let body = r#"{"message":"1 validation error detected: Value 'Later' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]"}"#;
    check(
        "echo/invocations",
        &[("x-amz-invocation-type", "Later")],
        "{}",
        (400, "x-amzn-errortype: ValidationException", body),
    )
    .await;
}

#[tokio::test]
async fn a_dry_run_finds_functions_and_runs_none() {
    let fake = Arc::new(Fake::default());
    let service = service_over(Arc::clone(&fake) as Arc<dyn Invoke>);
    let dry = || {
        call(
            Method::POST,
            "/2015-03-31/functions/echo/invocations",
            &[("x-amz-invocation-type", "DryRun")],
            "{}",
        )
    };
    assert_eq!(service.execute(dry()).await.status, 404);
    let mut application = Application::empty(RevisionId::new("r1"));
    let echo = Arc::new(test_kit::function("echo"));
    let live = BTreeMap::from([("live".to_owned(), Arc::clone(&echo))]);
    application.qualified.insert(echo.name.clone(), live);
    application.functions.insert(echo.name.clone(), echo);
    service.swap(&Arc::new(application));
    for (qualifier, status) in [("", 204), ("?Qualifier=live", 204), ("?Qualifier=old", 404)] {
        let path = format!("/2015-03-31/functions/echo/invocations{qualifier}");
        let headers = [("x-amz-invocation-type", "DryRun")];
        let answer = service.execute(call(Method::POST, &path, &headers, "{}"));
        assert_eq!(answer.await.status, status, "{qualifier}");
    }
    assert!(fake.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_event_is_kept_for_a_function_that_is_there() {
    let fake = Arc::new(Fake::default());
    let service = service_over(Arc::clone(&fake) as Arc<dyn Invoke>);
    let event = |path: &str, body: &str| {
        let headers = [("x-amz-invocation-type", "Event")];
        let path = format!("/2015-03-31/functions/{path}/invocations");
        call(Method::POST, &path, &headers, body)
    };
    assert_eq!(service.execute(event("echo", "{}")).await.status, 404);
    let mut application = Application::empty(RevisionId::new("r1"));
    let echo = Arc::new(test_kit::function("echo"));
    application.functions.insert(echo.name.clone(), echo);
    service.swap(&Arc::new(application));
    let largest = format!("\"{}\"", "x".repeat(LAMBDA_ASYNC_PAYLOAD_BYTES_MAX - 2));
    for (path, body, status) in [
        ("echo", "{}", 202),
        ("echo", "", 202),
        ("echo", "{", 400),
        ("echo", &largest, 202),
        ("echo", &format!("{largest} "), 413),
        ("none", "{}", 404),
        ("echo:1", "{}", 404),
    ] {
        let answer = service.execute(event(path, body)).await;
        assert_eq!(answer.status, status, "{path} {}", body.len());
    }
    assert!(fake.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn every_other_operation_is_refused_by_its_name() {
    let path = "/2025-11-30/capacity-providers";
    let (status, _, text) = answer(call(Method::GET, path, &[], "")).await;
    assert_eq!(status, 501);
    assert!(text.contains("`ListCapacityProviders`"), "{text}");
    assert_eq!(answer(call(Method::GET, "/nowhere", &[], "")).await.0, 403);
}

#[tokio::test]
async fn the_function_is_given_ids_and_context() {
    let fake = Arc::new(Fake::default());
    let service = service_over(Arc::clone(&fake) as Arc<dyn Invoke>);
    let headers = [("x-amz-client-context", "eyJhIjoxfQ==")];
    service
        .execute(call(
            Method::POST,
            "/2015-03-31/functions/echo/invocations",
            &headers,
            "{}",
        ))
        .await;
    let asked = fake.asked.lock().unwrap();
    assert_eq!(asked[0].client_context.as_deref(), Some(&br#"{"a":1}"#[..]));
    assert_eq!(
        asked[0].trace_id,
        "Root=1-01234567-89ab4def8123456789abcdef;Sampled=0"
    );
}
