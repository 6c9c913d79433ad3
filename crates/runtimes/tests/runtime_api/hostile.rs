//! Clients that do not keep to the API: each is refused, and the next event is served all the same.

use std::time::Duration;

use interfaces::runtime::Verdict;
use serde_json::{Value, json};

use crate::clients::python_bootstrap;
use crate::harness::json as parsed;

/// The first event makes the client misbehave, the reply tells what it was answered; the second one is served.
async fn check(act: &str, expected: Value) {
    let source = format!(
        "def act(client, request):\n{}\nserve(lambda client, request, event: event if event else act(client, request))\n",
        indented(act)
    );
    check_program(&source, expected).await;
}

async fn check_program(source: &str, expected: Value) {
    let mut bench = python_bootstrap(source);
    let mut instance = bench.start().await.unwrap();
    let first = bench.invoke(&mut instance, "0").await.verdict;
    match first {
        Verdict::Returned(payload) | Verdict::Raised(payload) => {
            assert_eq!(parsed(&payload), expected, "{source}");
        }
        other => panic!("{other:?} {:?}\n{source}", bench.log.stdout()),
    }
    let second = bench.invoke(&mut instance, "1").await.verdict;
    assert_eq!(second, Verdict::Returned("1".into()), "{source}");
}

fn indented(source: &str) -> String {
    source.lines().map(|line| format!("    {line}\n")).collect()
}

fn transition(from: &str, to: &str) -> Value {
    let text = format!(
        "State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"
    );
    json!([403, "InvalidStateTransition", text])
}

#[tokio::test]
async fn a_reply_to_another_request_is_refused() {
    let refused = json!([400, "InvalidRequestID", "Invalid request ID"]);
    for kind in ["response", "error"] {
        for id in ["request-0", "nonsense", "%2e%2e"] {
            check(
                &format!("return client.refusal('POST', API + '/invocation/{id}/{kind}', 'x')"),
                refused.clone(),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn a_second_reply_is_refused() {
    for (kind, state) in [
        ("response", "InvocationResponse"),
        ("error", "InvocationErrorResponse"),
    ] {
        let source = format!(
            "client = Client()\nrequest, _ = client.next()\nclient.reply(request, 0)\n\
             found = client.refusal('POST', f'{{API}}/invocation/{{request}}/{kind}', 'x')\n\
             request, event = client.next()\nprint(json.dumps(found), flush=True)\n\
             client.reply(request, event)\nclient.next()\n"
        );
        let mut bench = python_bootstrap(&source);
        let mut instance = bench.start().await.unwrap();
        for event in ["0", "1"] {
            let verdict = bench.invoke(&mut instance, event).await.verdict;
            assert_eq!(verdict, Verdict::Returned(event.to_owned().into()));
        }
        let said = parsed(bench.log.stdout()[0].as_bytes());
        assert_eq!(said, transition("RuntimeResponseSentState", state));
    }
}

#[tokio::test]
async fn a_reply_before_any_event_is_refused() {
    check_program(
        "client = Client()\nfound = client.refusal('POST', API + '/invocation/request-1/response', 'x')\n\
         serve(lambda client, request, event: event if event else found)\n",
        json!([400, "InvalidRequestID", "Invalid request ID"]),
    )
    .await;
}

#[tokio::test]
async fn an_init_error_after_the_init_is_refused() {
    check(
        "return client.refusal('POST', API + '/init/error', '{}')",
        transition("Running", "InitError"),
    )
    .await;
}

#[tokio::test]
async fn whoever_asks_twice_for_an_event_is_given_the_same_one() {
    check(
        "again, event = client.next()\nother, _ = Client().next()\nreturn [again == request, other == request, event]",
        json!([true, true, 0]),
    )
    .await;
}

#[tokio::test]
async fn an_event_is_not_lost_with_the_connection_that_asked_for_it() {
    check_program(
        "waiting = raw(b'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n\
         time.sleep(0.05)\nwaiting.close()\ntime.sleep(0.05)\n\
         serve(lambda client, request, event: event if event else 'served')\n",
        json!("served"),
    )
    .await;
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_disturbs_nobody() {
    for (sent, expected) in [
        (
            "b'\\x00\\xff\\xfe garbage\\r\\n\\r\\n'",
            "HTTP/1.1 400 Bad Request",
        ),
        ("b'GET / HTTP/9.9\\r\\n\\r\\n'", "HTTP/1.1 400 Bad Request"),
        (
            "b'GET /2018-06-01/ping HTTP/1.1\\r\\nx: ' + b'y' * 1000000 + b'\\r\\n\\r\\n'",
            "HTTP/1.1 431 Request Header Fields Too Large",
        ),
        (
            "b'GET /2018-06-01/ping HTTP/1.1\\r\\n' + b'x: y\\r\\n' * 5000 + b'\\r\\n'",
            "HTTP/1.1 431 Request Header Fields Too Large",
        ),
        (
            "b'POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 1\\r\\nContent-Length: 2\\r\\n\\r\\n'",
            "HTTP/1.1 400 Bad Request",
        ),
    ] {
        check(&format!("return first_line(raw({sent}))"), json!(expected)).await;
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused() {
    let not_found = json!([404, "404 page not found\n"]);
    for (method, path, expected) in [
        ("GET", "/", not_found.clone()),
        ("GET", "/2018-06-01/runtime/nothing", not_found.clone()),
        // For SnapStart, which no such function has.
        ("GET", "/2018-06-01/runtime/restore/next", not_found.clone()),
        ("GET", "/2019-01-01/runtime/invocation/next", not_found),
        (
            "POST",
            "/2018-06-01/runtime/invocation/next",
            json!([405, ""]),
        ),
        ("GET", "/2018-06-01/runtime/init/error", json!([405, ""])),
        ("GET", "/2018-06-01/ping", json!([200, "pong"])),
    ] {
        check(
            &format!("return client.refusal('{method}', '{path}')"),
            expected,
        )
        .await;
    }
}

#[tokio::test]
async fn connections_that_never_finish_a_request_take_nothing_from_the_others() {
    check(
        "slow = [raw(b'POST /2018-06-01/runtime/inv') for _ in range(40)]\n\
         slow += [raw(b'POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 9\\r\\n\\r\\n1') for _ in range(20)]\n\
         act.kept = slow\nreturn Client().refusal('GET', '/2018-06-01/ping')",
        json!([200, "pong"]),
    )
    .await;
}

#[tokio::test]
async fn whoever_takes_all_connections_waits_for_himself_and_is_ended_at_the_timeout() {
    let mut bench = python_bootstrap(
        "def act():\n    kept = [raw(b'G') for _ in range(100)]\n    Client().send('GET', '/2018-06-01/ping')\n\
         serve(lambda client, request, event: act())\n",
    );
    bench.function.timeout = Duration::from_secs(1);
    let completion = bench.once("0").await;
    assert!(
        matches!(completion.verdict, Verdict::TimedOut(_)),
        "{completion:?}"
    );
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_an_error() {
    let source = "def act(client, request):\n    \
        cut = raw(f'POST {API}/invocation/{request}/response HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 9\\r\\n\\r\\n1'.encode())\n    \
        cut.close()\n    time.sleep(0.1)\n\
        serve(lambda client, request, event: event if event else act(client, request))\n";
    check_program(
        source,
        json!({"errorType": "Runtime.TruncatedResponse", "errorMessage": "HTTP request detected as truncated"}),
    )
    .await;
}

#[tokio::test]
async fn a_response_mode_that_nobody_knows_is_an_error() {
    let source = "def act(client, request):\n    \
        found = client.refusal('POST', f'{API}/invocation/{request}/response', '1', {'Lambda-Runtime-Function-Response-Mode': 'sung'})\n    \
        assert found == [400, 'InvalidFunctionResponseMode', 'Invalid function response mode'], found\n\
        serve(lambda client, request, event: event if event else act(client, request))\n";
    check_program(
        source,
        json!({"errorType": "Runtime.InvalidResponseModeHeader", "errorMessage": "Invalid function response mode"}),
    )
    .await;
}

#[tokio::test]
async fn whoever_is_no_extension_is_refused_by_the_apis_of_extensions() {
    let unknown = "5f1e7a52-0000-4000-8000-000000000000";
    for (request, expected) in [
        (
            "'GET', EXTENSION + '/event/next'".to_owned(),
            json!([403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"]),
        ),
        (
            "'GET', EXTENSION + '/event/next', None, {'Lambda-Extension-Identifier': 'me'}".to_owned(),
            json!([403, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"]),
        ),
        (
            format!("'GET', EXTENSION + '/event/next', None, {{'Lambda-Extension-Identifier': '{unknown}'}}"),
            json!([403, "Extension.UnknownExtensionIdentifier", format!("Unknown extension {unknown}")]),
        ),
        (
            format!("'PUT', '/2022-07-01/telemetry', '{{}}', {{'Lambda-Extension-Identifier': '{unknown}'}}"),
            json!([403, "Extension.UnknownExtensionIdentifier", format!("Unknown extension {unknown}")]),
        ),
        (
            "'POST', EXTENSION + '/register', '{}'".to_owned(),
            json!([403, "Extension.InvalidExtensionName", "Empty extension name"]),
        ),
        (
            "'POST', EXTENSION + '/register', '{}', {'Lambda-Extension-Name': 'late'}".to_owned(),
            json!([403, "Extension.RegistrationClosed", "Extension registration closed already"]),
        ),
        (
            "'POST', EXTENSION + '/register', '{\"events\": [\"SHUTDOWN\"]}', {'Lambda-Extension-Name': 'inside'}".to_owned(),
            json!([403, "Extension.InvalidEventType", "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"]),
        ),
        (
            "'POST', EXTENSION + '/register', '{\"events\": [\"TEA\"]}', {'Lambda-Extension-Name': 'inside'}".to_owned(),
            json!([403, "Extension.InvalidEventType", "TEA: ErrorInvalidEventType"]),
        ),
        (
            "'PUT', '/2020-08-15/logs', '{}'".to_owned(),
            json!([202, "Logs.NotSupported", "Logs API is not supported: subscribe to the Telemetry API, which replaces it"]),
        ),
    ] {
        check(&format!("return client.refusal({request})"), expected).await;
    }
}

#[tokio::test]
async fn headers_are_written_as_the_service_writes_them() {
    check(
        "connection = raw(b'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n\
         head = b''\nwhile b'\\r\\n\\r\\n' not in head: head += connection.recv(4096)\n\
         return sorted(line.split(':')[0] for line in head.decode().split('\\r\\n') if line.startswith(('Lambda', 'Content')))",
        json!([
            "Content-Length",
            "Content-Type",
            "Lambda-Runtime-Aws-Request-Id",
            "Lambda-Runtime-Deadline-Ms",
            "Lambda-Runtime-Invoked-Function-Arn",
            "Lambda-Runtime-Trace-Id"
        ]),
    )
    .await;
}

/// As the cloud's own tutorial writes one.
const IN_SHELL: &str = r#"#!/bin/sh
set -eu
while true
do
  HEADERS="$(mktemp)"
  EVENT_DATA=$(curl -sS -LD "$HEADERS" "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next")
  REQUEST_ID=$(grep -F Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
  rm "$HEADERS"
  curl -sS "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/$REQUEST_ID/response" -d "$EVENT_DATA" > /dev/null
done
"#;

#[tokio::test]
async fn a_shell_and_curl_are_enough() {
    if std::process::Command::new("curl")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("there is no curl on this machine");
        return;
    }
    let mut bench = crate::bootstraps::empty("provided.al2", "any");
    let path = bench.path("task/bootstrap");
    crate::bootstraps::put(&path, IN_SHELL.as_bytes());
    let mut instance = bench.start().await.unwrap();
    for event in ["{\"a\":1}", "2"] {
        let verdict = bench.invoke(&mut instance, event).await.verdict;
        assert_eq!(verdict, Verdict::Returned(event.to_owned().into()));
    }
}
