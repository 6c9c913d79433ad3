//! What functions see and how their replies come back, through the real binary over HTTP.
//!
//! Lives here: events, replies, faults, timing, concurrency, environment, packages, as a user meets them.
//! Does not live here: bad input (`bad_input`), clients of the services (`clients`), corner cases (their crates).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Dev, project, raw, try_request};

const ECHO_MANIFEST: &str = "
service: echo
provider: { name: aws, runtime: nodejs20.x, apiGateway: { binaryMediaTypes: [image/png] } }
functions:
  echo:
    handler: handler.echo
    events:
      - http: ANY /rest/{proxy+}
      - httpApi: '* /http/{proxy+}'
  binary:
    handler: handler.binary
    events:
      - http: GET /binary
      - httpApi: GET /binary-http
";
const ECHO: &str = "
exports.echo = async (event) => ({ statusCode: 200, headers: { 'X-Method': event.httpMethod ?? event.requestContext.http.method }, body: JSON.stringify(event) });
exports.binary = async (event) => ({
  statusCode: 201,
  headers: { 'Content-Type': 'image/png', 'X-One': 'a' },
  multiValueHeaders: event.version === '2.0' ? undefined : { 'Set-Cookie': ['a=1', 'b=2'] },
  cookies: event.version === '2.0' ? ['a=1', 'b=2'] : undefined,
  body: Buffer.from([0x89, 0x50, 0x00, 0xff]).toString('base64'),
  isBase64Encoded: true,
});
";

const REPEATED: &[(&str, &str)] = &[
    ("X-CamelCase", "One"),
    ("x-repeated", "1"),
    ("X-Repeated", "2"),
    ("Cookie", "a=1; b=2"),
];

fn echo_server() -> (tempfile::TempDir, Dev) {
    let folder = project(&[("serverless.yml", ECHO_MANIFEST), ("handler.js", ECHO)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    (folder, dev)
}

#[test]
fn a_rest_event_keeps_names_as_sent_and_lists_what_repeats() {
    let (_folder, dev) = echo_server();
    let event = dev
        .send("GET", "/dev/rest/a%20b/c?x=1&x=2&y=%26", REPEATED, "")
        .json();
    let cases: &[(&str, Value)] = &[
        ("/httpMethod", json!("GET")),
        ("/resource", json!("/rest/{proxy+}")),
        ("/headers/X-CamelCase", json!("One")),
        ("/headers/x-camelcase", Value::Null),
        ("/multiValueHeaders/X-CamelCase", json!(["One"])),
        ("/headers/Cookie", json!("a=1; b=2")),
        ("/queryStringParameters/x", json!("2")),
        ("/queryStringParameters/y", json!("&")),
        ("/multiValueQueryStringParameters/x", json!(["1", "2"])),
        ("/body", Value::Null),
        ("/isBase64Encoded", json!(false)),
        ("/requestContext/stage", json!("dev")),
        ("/requestContext/path", json!("/dev/rest/a%20b/c")),
        ("/requestContext/resourcePath", json!("/rest/{proxy+}")),
        ("/requestContext/httpMethod", json!("GET")),
        ("/requestContext/identity/sourceIp", json!("127.0.0.1")),
        ("/version", Value::Null),
    ];
    for (pointer, expected) in cases {
        let found = event.pointer(pointer).cloned().unwrap_or(Value::Null);
        assert_eq!(&found, expected, "{pointer} of {event:#}");
    }
    // Both ways of writing the name stand for the same header.
    let repeated: Vec<&Value> = event["multiValueHeaders"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-repeated"))
        .flat_map(|(_, values)| values.as_array().unwrap())
        .collect();
    assert_eq!(repeated, [&json!("1"), &json!("2")], "{event:#}");
    dev.stop();
}

#[test]
fn an_http_api_event_has_names_in_lower_case_and_joins_what_repeats() {
    let (_folder, dev) = echo_server();
    let event = dev
        .send("PUT", "/http/a%20b/c?x=1&x=2&y=%26", REPEATED, "text")
        .json();
    let cases: &[(&str, Value)] = &[
        ("/version", json!("2.0")),
        ("/routeKey", json!("ANY /http/{proxy+}")),
        ("/rawQueryString", json!("x=1&x=2&y=%26")),
        ("/headers/x-camelcase", json!("One")),
        ("/headers/X-CamelCase", Value::Null),
        ("/headers/x-repeated", json!("1,2")),
        ("/headers/cookie", Value::Null),
        ("/cookies", json!(["a=1", "b=2"])),
        ("/queryStringParameters/x", json!("1,2")),
        ("/queryStringParameters/y", json!("&")),
        ("/pathParameters/proxy", json!("a b/c")),
        ("/requestContext/http/method", json!("PUT")),
        ("/requestContext/stage", json!("$default")),
        ("/requestContext/http/sourceIp", json!("127.0.0.1")),
    ];
    for (pointer, expected) in cases {
        let found = event.pointer(pointer).cloned().unwrap_or(Value::Null);
        assert_eq!(&found, expected, "{pointer} of {event:#}");
    }
    dev.stop();
}

#[test]
fn binary_bodies_pass_both_ways_unharmed() {
    let (_folder, dev) = echo_server();
    let png: &[u8] = &[0x89, 0x50, 0x00, 0xff];
    for path in ["/dev/rest/upload", "/http/upload"] {
        let headers = [("Content-Type", "image/png")];
        let event = try_request(dev.port, "POST", path, &headers, png)
            .unwrap()
            .json();
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!("iVAA/w=="), &json!(true)),
            "{path}: {event:#}"
        );
    }
    for path in ["/dev/binary", "/binary-http"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: image/png\r\nConnection: close\r\n\r\n"
        );
        let reply = raw(dev.port, request.as_bytes()).unwrap();
        let head = String::from_utf8_lossy(&reply).into_owned();
        assert!(reply.ends_with(png), "{path}: {head}");
        assert!(head.starts_with("HTTP/1.1 201 "), "{path}: {head}");
        let cookies: Vec<String> = head
            .lines()
            .filter(|line| line.to_ascii_lowercase().starts_with("set-cookie: "))
            .map(|line| line["set-cookie: ".len()..].to_owned())
            .collect();
        assert_eq!(cookies, ["a=1", "b=2"], "{path}: {head}");
    }
    dev.stop();
}

#[test]
fn head_has_the_length_and_no_body_and_the_stage_is_optional() {
    let (_folder, dev) = echo_server();
    for path in ["/dev/rest/x", "/rest/x", "/http/x"] {
        let reply = dev.send("HEAD", path, &[], "");
        assert_eq!((reply.status, reply.body.as_str()), (200, ""), "{path}");
        assert_eq!(reply.header("x-method"), Some("HEAD"), "{path}");
        let length: usize = reply.header("content-length").unwrap().parse().unwrap();
        assert!(length > 100, "{path}: {reply:?}");
    }
    let with = dev.get("/dev/rest/x").json();
    let without = dev.get("/rest/x").json();
    assert_eq!(with["path"], json!("/rest/x"));
    assert_eq!(without["path"], json!("/rest/x"));
    assert_eq!(
        with["requestContext"]["stage"],
        without["requestContext"]["stage"]
    );
    dev.stop();
}

const FAULTS_MANIFEST: &str = "
service: faults
provider: { name: aws, runtime: nodejs20.x }
functions:
  throws: { handler: handler.throws, events: [{ http: GET /throws }, { httpApi: GET /h/throws }] }
  shapeless: { handler: handler.shapeless, events: [{ http: GET /shapeless }, { httpApi: GET /h/shapeless }] }
  unnumbered: { handler: handler.unnumbered, events: [{ http: GET /unnumbered }, { httpApi: GET /h/unnumbered }] }
  slow: { handler: handler.slow, timeout: 1, events: [{ http: GET /slow }, { httpApi: GET /h/slow }] }
  slower: { handler: handler.slow, timeout: 10, events: [{ http: GET /slower }, { httpApi: GET /h/slower }] }
  stopped: { handler: handler.fine, reservedConcurrency: 0, events: [{ http: GET /stopped }, { httpApi: GET /h/stopped }] }
resources:
  Resources:
    ApiGatewayMethodSlowerGet: { Properties: { Integration: { TimeoutInMillis: 1000 } } }
    HttpApiIntegrationSlower: { Properties: { TimeoutInMillis: 1000 } }
";
const FAULTS: &str = "
exports.throws = async () => { throw new TypeError('no'); };
exports.shapeless = async () => 'not an object';
exports.unnumbered = async () => ({ statusCode: 'many', body: '' });
exports.slow = () => new Promise((done) => setTimeout(() => done({ statusCode: 200, body: 'late' }), 4000));
exports.fine = async () => ({ statusCode: 200, body: '' });
";

#[test]
fn faults_have_the_clouds_status_and_words() {
    const INTERNAL: &str = r#"{"message": "Internal server error"}"#;
    const INTERNAL_HTTP: &str = r#"{"message":"Internal Server Error"}"#;
    const CASES: &[(&str, u16, &str)] = &[
        ("/dev/throws", 502, INTERNAL),
        ("/h/throws", 500, INTERNAL_HTTP),
        ("/dev/shapeless", 502, INTERNAL),
        // Payload 2.0 takes whatever has no status as the body.
        ("/h/shapeless", 200, "not an object"),
        ("/dev/unnumbered", 502, INTERNAL),
        ("/h/unnumbered", 500, INTERNAL_HTTP),
        ("/dev/slow", 502, INTERNAL),
        ("/h/slow", 500, INTERNAL_HTTP),
        (
            "/dev/slower",
            504,
            r#"{"message": "Endpoint request timed out"}"#,
        ),
        ("/h/slower", 503, r#"{"message":"Service Unavailable"}"#),
        (
            "/dev/stopped",
            500,
            r#"{"message": "Internal server error"}"#,
        ),
        ("/h/stopped", 503, r#"{"message":"Service Unavailable"}"#),
        (
            "/dev/none",
            403,
            r#"{"message":"Missing Authentication Token"}"#,
        ),
    ];
    let folder = project(&[("serverless.yml", FAULTS_MANIFEST), ("handler.js", FAULTS)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let mut wrong = Vec::new();
    for (path, status, body) in CASES {
        let reply = dev.get(path);
        if (reply.status, reply.body.as_str()) != (*status, *body) {
            wrong.push(format!("{path}: {} {}", reply.status, reply.body));
        }
        assert!(
            reply.header("server-timing").is_some(),
            "{path}: no Server-Timing in {reply:?}"
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", dev.log());
    let log = dev.stop();
    assert!(log.contains("expected an object at line 1"), "{log}");
}

#[test]
fn server_timing_tells_the_gateway_the_queue_the_init_and_the_handler_apart() {
    let slow = "exports.echo = () => new Promise((done) => setTimeout(() => done({ statusCode: 200 }), 200));\nexports.binary = exports.echo;\n";
    let folder = project(&[("serverless.yml", ECHO_MANIFEST), ("handler.js", slow)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let part = |timing: &str, name: &str| -> Option<f64> {
        let entry = timing
            .split(',')
            .find(|entry| entry.trim().split(';').next() == Some(name))?;
        entry.split("dur=").nth(1)?.trim().parse().ok()
    };
    for (is_cold, path) in [
        (true, "/http/x"),
        (false, "/http/x"),
        (false, "/dev/rest/x"),
    ] {
        let reply = dev.get(path);
        let timing = reply.header("server-timing").unwrap().to_owned();
        for name in ["gateway", "handler"] {
            assert!(part(&timing, name).is_some(), "{name} in {timing}");
        }
        let handler = part(&timing, "handler").unwrap();
        assert!((199.0..2_000.0).contains(&handler), "{timing}");
        assert_eq!(
            part(&timing, "init").is_some_and(|init| init > 0.0),
            is_cold,
            "{timing}"
        );
    }
    dev.stop();
}

#[test]
fn twenty_requests_at_once_get_an_instance_each_and_keep_them() {
    const MANIFEST: &str = "
service: parallel
provider: { name: aws, runtime: nodejs20.x, timeout: 20 }
functions:
  node: { handler: handler.slow, events: [{ httpApi: GET /node }] }
  python: { runtime: python3.11, handler: snake.slow, events: [{ httpApi: GET /python }] }
";
    let folder = project(&[
        ("serverless.yml", MANIFEST),
        (
            "handler.js",
            "let busy = 0;\nexports.slow = () => new Promise((done) => { busy++; setTimeout(() => { done(`${process.pid} ${busy}`); busy--; }, 1500); });\n",
        ),
        (
            "snake.py",
            "import os, time\ndef slow(event, context):\n    time.sleep(1.5)\n    return f'{os.getpid()} 1'\n",
        ),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    for path in ["/node", "/python"] {
        let began = Instant::now();
        let bodies: Vec<String> = std::thread::scope(|scope| {
            let requests: Vec<_> = (0..20).map(|_| scope.spawn(|| dev.get(path))).collect();
            requests
                .into_iter()
                .map(|request| request.join().unwrap())
                .inspect(|reply| assert_eq!(reply.status, 200, "{reply:?}"))
                .map(|reply| reply.body)
                .collect()
        });
        assert!(
            began.elapsed() < Duration::from_secs(18),
            "{:?}",
            began.elapsed()
        );
        let mut processes: Vec<&str> = bodies
            .iter()
            .map(|body| {
                let (process, busy) = body.split_once(' ').unwrap();
                assert_eq!(busy, "1", "an instance has one event at a time");
                process
            })
            .collect();
        processes.sort_unstable();
        processes.dedup();
        assert!(processes.len() >= 10, "{path}: {processes:?}");
        let again = dev.get(path).body;
        assert!(
            processes.contains(&again.split(' ').next().unwrap()),
            "{path}: an idle instance is used again"
        );
    }
    dev.stop();
}

const STYLES_MANIFEST: &str = "
service: styles
provider: { name: aws, runtime: nodejs20.x, timeout: 7, memorySize: 256, environment: { OWN: mine } }
functions:
  async: { handler: styles.async, events: [{ httpApi: GET /async }] }
  callback: { handler: styles.callback, events: [{ httpApi: GET /callback }] }
  promise: { handler: styles.promise, events: [{ httpApi: GET /promise }] }
  nested: { handler: folder/more.deep.er, events: [{ httpApi: GET /nested }] }
  module: { handler: esm.handler, events: [{ httpApi: GET /module }] }
  context: { handler: styles.context, events: [{ httpApi: GET /context }] }
  pythoncontext: { runtime: python3.11, handler: folder/snake.context, events: [{ httpApi: GET /python }] }
";
const STYLES: &str = "
exports.async = async () => 'async';
exports.callback = (event, context, callback) => { setTimeout(() => callback(null, 'callback'), 10); };
exports.promise = () => Promise.resolve('promise');
exports.context = async (event, context) => ({
  function_name: context.functionName, memory: context.memoryLimitInMB, version: context.functionVersion,
  arn: context.invokedFunctionArn, request_id: context.awsRequestId, group: context.logGroupName,
  stream: context.logStreamName, remaining: context.getRemainingTimeInMillis(), environment: process.env,
});
";
const STYLES_PYTHON: &str = "
import os

def context(event, context):
    return {
        'function_name': context.function_name, 'memory': str(context.memory_limit_in_mb),
        'version': context.function_version, 'arn': context.invoked_function_arn,
        'request_id': context.aws_request_id, 'group': context.log_group_name,
        'stream': context.log_stream_name, 'remaining': context.get_remaining_time_in_millis(),
        'environment': dict(os.environ),
    }
";

fn styles_server() -> (tempfile::TempDir, Dev) {
    let folder = project(&[
        ("serverless.yml", STYLES_MANIFEST),
        ("styles.js", STYLES),
        (
            "folder/more.js",
            "exports.deep = { er: async () => 'nested' };\n",
        ),
        ("folder/snake.py", STYLES_PYTHON),
        (
            "esm.mjs",
            "import { basename } from 'node:path';\nconst told = await Promise.resolve('module');\nexport const handler = async () => basename(told);\n",
        ),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    (folder, dev)
}

#[test]
fn handlers_may_be_async_take_a_callback_return_a_promise_nest_or_be_modules() {
    let (_folder, dev) = styles_server();
    let missing = dev.get("/none");
    assert_eq!(
        (missing.status, missing.body.as_str()),
        (404, r#"{"message":"Not Found"}"#)
    );
    for name in ["async", "callback", "promise", "nested", "module"] {
        let reply = dev.get(&format!("/{name}"));
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (200, name),
            "{}",
            dev.log()
        );
    }
    dev.stop();
}

#[test]
fn context_and_environment_are_complete_in_both_languages() {
    let (_folder, dev) = styles_server();
    for (path, function, handler, runtime) in [
        (
            "/context",
            "styles-dev-context",
            "styles.context",
            "AWS_Lambda_nodejs20.x",
        ),
        (
            "/python",
            "styles-dev-pythoncontext",
            "folder/snake.context",
            "AWS_Lambda_python3.11",
        ),
    ] {
        let seen = dev.get(path).json();
        let environment = &seen["environment"];
        let cases: &[(&Value, Value)] = &[
            (&seen["function_name"], json!(function)),
            (&seen["memory"], json!("256")),
            (&seen["version"], json!("$LATEST")),
            (&seen["group"], json!(format!("/aws/lambda/{function}"))),
            (&environment["AWS_LAMBDA_FUNCTION_NAME"], json!(function)),
            (
                &environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
                json!("256"),
            ),
            (
                &environment["AWS_LAMBDA_FUNCTION_VERSION"],
                json!("$LATEST"),
            ),
            (
                &environment["AWS_LAMBDA_LOG_GROUP_NAME"],
                json!(format!("/aws/lambda/{function}")),
            ),
            (&environment["_HANDLER"], json!(handler)),
            (&environment["AWS_REGION"], json!("us-east-1")),
            (&environment["AWS_DEFAULT_REGION"], json!("us-east-1")),
            (&environment["AWS_EXECUTION_ENV"], json!(runtime)),
            (&environment["OWN"], json!("mine")),
        ];
        for (found, expected) in cases {
            assert_eq!(*found, expected, "{path}: {seen:#}");
        }
        let arn = seen["arn"].as_str().unwrap();
        assert!(
            arn.starts_with("arn:aws:lambda:us-east-1:")
                && arn.ends_with(&format!(":function:{function}")),
            "{arn}"
        );
        assert_eq!(seen["request_id"].as_str().unwrap().len(), 36, "{seen:#}");
        let remaining = seen["remaining"].as_f64().unwrap();
        assert!((1_000.0..=7_000.0).contains(&remaining), "{remaining}");
        for name in [
            "LAMBDA_TASK_ROOT",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "AWS_ENDPOINT_URL",
            "TZ",
        ] {
            assert!(
                environment[name].is_string(),
                "{path}: no {name} in {environment:#}"
            );
        }
        // The developer's own environment stays outside.
        assert_eq!(environment["CARGO_MANIFEST_DIR"], Value::Null, "{path}");
    }
    dev.stop();
}

const PACKAGES_MANIFEST: &str = "
service: packages
provider: { name: aws, runtime: nodejs20.x, timeout: 20 }
layers:
  both: { path: layer }
functions:
  layered: { handler: handler.layered, layers: [{ Ref: BothLambdaLayer }], events: [{ httpApi: GET /node/layer }] }
  pinned: { handler: handler.pinned, events: [{ httpApi: GET /node/pinned }] }
  pythonlayered: { runtime: python3.11, handler: snake.layered, layers: [{ Ref: BothLambdaLayer }], events: [{ httpApi: GET /python/layer }] }
  pythonpinned: { runtime: python3.11, handler: snake.pinned, events: [{ httpApi: GET /python/pinned }] }
";

#[test]
fn layers_are_found_and_a_projects_own_sdk_wins_over_the_built_in_one() {
    let folder = project(&[
        ("serverless.yml", PACKAGES_MANIFEST),
        (
            "handler.js",
            "exports.layered = async () => require('shared-by-layer').told;\nexports.pinned = async () => require('@aws-sdk/client-dynamodb').told;\n",
        ),
        (
            "snake.py",
            "def layered(event, context):\n    import shared_by_layer\n    return shared_by_layer.told\n\ndef pinned(event, context):\n    import boto3\n    return boto3.told\n",
        ),
        (
            "node_modules/@aws-sdk/client-dynamodb/package.json",
            r#"{"name": "@aws-sdk/client-dynamodb", "version": "0.0.1", "main": "index.js"}"#,
        ),
        (
            "node_modules/@aws-sdk/client-dynamodb/index.js",
            "exports.told = 'the project\\'s own';\n",
        ),
        ("boto3/__init__.py", "told = \"the project's own\"\n"),
        (
            "layer/nodejs/node_modules/shared-by-layer/index.js",
            "exports.told = 'from the layer';\n",
        ),
        (
            "layer/python/shared_by_layer.py",
            "told = 'from the layer'\n",
        ),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    for (path, told) in [
        ("/node/layer", "from the layer"),
        ("/python/layer", "from the layer"),
        ("/node/pinned", "the project's own"),
        ("/python/pinned", "the project's own"),
    ] {
        let reply = dev.get(path);
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (200, told),
            "{path}: {}",
            dev.log()
        );
    }
    dev.stop();
}

const DEPENDENCIES_MANIFEST: &str = "
service: dependencies
provider: { name: aws, timeout: 20 }
functions:
  node: { runtime: nodejs20.x, handler: handler.odd, events: [{ httpApi: GET /node }] }
  python: { runtime: python3.11, handler: snake.where, events: [{ httpApi: GET /python }] }
";
const LOCK: &str = r#"{
  "name": "dependencies", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
  "packages": {
    "": { "name": "dependencies", "version": "1.0.0", "dependencies": { "is-number": "7.0.0" } },
    "node_modules/is-number": {
      "version": "7.0.0",
      "integrity": "sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng==",
      "license": "MIT", "engines": { "node": ">=0.12.0" }
    }
  }
}
"#;

#[test]
fn declared_dependencies_are_installed_once_and_not_into_the_project() {
    let files: &[(&str, &str)] = &[
        ("serverless.yml", DEPENDENCIES_MANIFEST),
        (
            "handler.js",
            "exports.odd = async () => String(require('is-number')('7'));\n",
        ),
        (
            "package.json",
            r#"{"name": "dependencies", "version": "1.0.0", "dependencies": {"is-number": "7.0.0"}}"#,
        ),
        ("package-lock.json", LOCK),
        (
            "snake.py",
            "import iniconfig\ndef where(event, context):\n    return iniconfig.__file__\n",
        ),
        ("requirements.txt", "iniconfig==2.0.0\n"),
    ];
    let mut places = Vec::new();
    for _ in 0..2 {
        let folder = project(files);
        let dev = Dev::start(folder.path(), &folder.path().join("state"));
        assert_eq!(dev.get("/node").body, "true", "{}", dev.log());
        let python = dev.get("/python");
        assert_eq!(python.status, 200, "{}", dev.log());
        assert!(!folder.path().join("node_modules").exists());
        assert!(!folder.path().join("iniconfig").exists());
        places.push((python.body, dev.stop().contains("installing")));
    }
    assert!(
        !places[1].1,
        "the second project installs nothing: {places:?}"
    );
    assert_eq!(places[0].0, places[1].0, "both use the same copy");
}

#[test]
fn a_package_that_does_not_exist_is_named() {
    let folder = project(&[
        ("serverless.yml", DEPENDENCIES_MANIFEST),
        ("handler.js", "exports.odd = async () => 'odd';\n"),
        (
            "snake.py",
            "import iniconfig\ndef where(event, context):\n    return 'here'\n",
        ),
        ("requirements.txt", "iniconfig==999.0.0\n"),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    assert_eq!(
        dev.get("/node").body,
        "odd",
        "what does not depend on it runs"
    );
    assert_eq!(dev.get("/python").status, 500);
    let log = dev.stop();
    assert!(log.contains("No module named 'iniconfig'"), "{log}");
    assert!(
        log.contains("iniconfig==999.0.0") && log.contains("error["),
        "{log}"
    );
}
