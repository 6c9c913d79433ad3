//! Function URLs and replies that stream, as a developer meets them: hosts, paths, Server-Sent Events, curl, `fetch`.
//!
//! Lives here: from a manifest to bytes on a socket, and what happens when either end goes.
//! Does not live here: shapes of events and replies (`gateway`), frames and back-pressure (`runtimes`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Dev, eventually, project, run, text};

const SERVERLESS: &str = "
service: shop
provider: { name: aws, runtime: nodejs22.x, stage: dev, timeout: 20 }
functions:
  plain: { handler: app.plain, url: { cors: { allowedOrigins: ['https://a.example'] } } }
  events: { handler: app.events, url: { invokeMode: RESPONSE_STREAM } }
  signed: { handler: app.plain, url: { authorizer: aws_iam } }
";

const SAM: &str = "
Transform: AWS::Serverless-2016-10-31
Globals: { Function: { Runtime: nodejs22.x, CodeUri: ., Timeout: 20 } }
Resources:
  Plain:
    Type: AWS::Serverless::Function
    Properties: { Handler: app.plain, FunctionUrlConfig: { AuthType: NONE } }
  Events:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.events
      FunctionUrlConfig: { AuthType: NONE, InvokeMode: RESPONSE_STREAM }
      Events:
        Get: { Type: Api, Properties: { Path: /events, Method: get, ResponseTransferMode: RESPONSE_STREAM, TimeoutInMillis: 60000 } }
";

const APP: &str = "
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
exports.plain = async (event) => ({ statusCode: 201, cookies: ['a=b'], body: JSON.stringify(event) });
exports.events = awslambda.streamifyResponse(async (event, stream) => {
  const query = event.queryStringParameters ?? {};
  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 200, headers: { 'Content-Type': 'text/event-stream' } });
  stream.write('data: first\\n\\n');
  if (query.dies) { await sleep(300); process.exit(3); }
  if (query.floods) {
    for (let count = 0; count < 400; count += 1) {
      if (!stream.write(Buffer.alloc(64 * 1024))) await new Promise((done) => stream.once('drain', done));
    }
    console.log('flooded');
  } else {
    await sleep(Number(query.sleep ?? 1500));
  }
  stream.write('data: last\\n\\n');
  stream.end();
  console.log('ended');
});
";

fn start(manifest: (&str, &str)) -> (tempfile::TempDir, tempfile::TempDir, Dev) {
    let folder = project(&[manifest, ("app.js", APP)]);
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), state.path());
    (folder, state, dev)
}

/// The host name, without the port, under which the banner shows a function's URL.
fn host(dev: &Dev, function: &str) -> String {
    let log = dev.log();
    let line = log
        .lines()
        .find(|line| line.contains(".lambda-url.") && line.to_lowercase().contains(function));
    let line = line.unwrap_or_else(|| panic!("no URL of {function}:\n{log}"));
    let address = line.split("http://").nth(1).unwrap();
    address.split(':').next().unwrap().to_owned()
}

fn ask(dev: &Dev, host: &str, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", dev.port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Status and all of a whole reply.
fn get(dev: &Dev, host: &str, target: &str) -> (u16, String) {
    let mut seen = Vec::new();
    ask(dev, host, target).read_to_end(&mut seen).unwrap();
    let seen = text(&seen);
    let status = seen.split(' ').nth(1).unwrap().parse().unwrap();
    (status, seen)
}

/// Reads until the text is there; gives all that was read, and how long it took.
fn read_until(stream: &mut TcpStream, wanted: &str) -> (String, Duration) {
    let began = Instant::now();
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&seen).contains(wanted) {
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..count]);
    }
    (String::from_utf8_lossy(&seen).into_owned(), began.elapsed())
}

#[test]
fn a_function_url_answers_at_its_host_and_at_its_path() {
    let (folder, _state, dev) = start(("serverless.yml", SERVERLESS));
    let host = host(&dev, "plain");
    let id = host.split('.').next().unwrap().to_owned();
    let (status, by_host) = get(&dev, &host, "/a/b?q=1");
    assert_eq!(status, 201, "{by_host}");
    assert!(by_host.contains(r#""rawPath":"/a/b""#), "{by_host}");
    let by_path = dev.post(&format!("/_cloudless/url/{id}/a/b?q=1"), "body");
    assert_eq!(by_path.status, 201, "{by_path:?}");
    assert_eq!(by_path.header("set-cookie"), Some("a=b"));
    let event = by_path.json();
    assert_eq!(
        (&event["rawPath"], &event["body"]),
        (&json!("/a/b"), &json!("body"))
    );
    assert_eq!(event["requestContext"]["domainPrefix"], id.as_str());
    let (status, signed) = get(&dev, &self::host(&dev, "signed"), "/");
    assert_eq!(status, 403, "{signed}");
    assert!(signed.ends_with(r#"{"Message":"Forbidden"}"#), "{signed}");
    // Keys that nobody issued act as the account's root.
    let address = format!("http://{}:{}/", self::host(&dev, "signed"), dev.port);
    let asked = |service: &str| {
        let service = format!("aws:amz:us-east-1:{service}");
        let arguments = ["-s", "--aws-sigv4", &service, "--user", "anything:at-all"];
        seen_by("curl", &[&arguments[..], &[&address]].concat()).unwrap()
    };
    let signed = asked("lambda");
    assert!(signed.contains(r#""userArn":"arn:aws:iam::"#), "{signed}");
    assert_eq!(asked("execute-api"), r#"{"Message":"Forbidden"}"#);
    let listed = run(&["routes", folder.path().to_str().unwrap()], folder.path());
    let listed = text(&listed.stdout);
    assert!(
        listed.contains(&format!("/_cloudless/url/{id}/")),
        "{listed}"
    );
    dev.stop();
}

fn first_event_comes_before_the_last(dev: &Dev, host: &str, target: &str) {
    // The first of all starts the function.
    let mut warming = ask(dev, host, target);
    read_until(&mut warming, "data: last");
    let mut stream = ask(dev, host, target);
    let (seen, took) = read_until(&mut stream, "data: first\n\n");
    assert!(took < Duration::from_millis(1_000), "{took:?} {seen}");
    assert!(seen.contains("text/event-stream"), "{seen}");
    assert!(!seen.contains("data: last"), "{seen}");
    let (seen, took) = read_until(&mut stream, "0\r\n\r\n");
    assert!(Duration::from_millis(1_000) < took, "{took:?} {seen}");
    assert!(seen.contains("data: last"), "{seen}");
}

#[test]
fn server_sent_events_arrive_one_by_one_from_serverless_yml_and_sam() {
    for manifest in [("serverless.yml", SERVERLESS), ("template.yaml", SAM)] {
        let (_folder, _state, dev) = start(manifest);
        first_event_comes_before_the_last(&dev, &host(&dev, "events"), "/");
        if manifest.0 == "template.yaml" {
            first_event_comes_before_the_last(&dev, "localhost", "/Prod/events");
        }
        dev.stop();
    }
}

#[test]
fn an_instance_that_dies_in_mid_stream_breaks_the_reply_off_and_the_next_one_works() {
    let (_folder, _state, dev) = start(("serverless.yml", SERVERLESS));
    let host = host(&dev, "events");
    let mut stream = ask(&dev, &host, "/?dies=1");
    let mut seen = Vec::new();
    stream.read_to_end(&mut seen).unwrap();
    let seen = text(&seen);
    assert!(seen.contains("data: first"), "{seen}");
    assert!(!seen.ends_with("0\r\n\r\n"), "{seen}");
    dev.wait_for_log("the reply broke off");
    let mut stream = ask(&dev, &host, "/?sleep=1");
    read_until(&mut stream, "data: last");
    dev.stop();
}

#[test]
fn a_client_that_goes_or_stops_reading_does_not_stop_the_function() {
    let (_folder, _state, dev) = start(("serverless.yml", SERVERLESS));
    let host = host(&dev, "events");
    let mut stream = ask(&dev, &host, "/?floods=1");
    read_until(&mut stream, "data: first");
    std::thread::sleep(Duration::from_millis(500));
    // 25 MB fit into no buffer on the way.
    assert!(!dev.log().contains("flooded"));
    drop(stream);
    dev.wait_for_log("flooded");
    dev.stop();
}

/// A client's first piece, and whether the last one came later.
fn seen_by(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{all}");
    Some(all)
}

#[test]
fn curl_and_fetch_see_what_is_streamed() {
    let (_folder, _state, dev) = start(("serverless.yml", SERVERLESS));
    let address = format!("http://{}:{}/?sleep=400", host(&dev, "events"), dev.port);
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        if let Some(seen) = seen_by("curl", &["-sSN", version, &address]) {
            assert_eq!(seen, "data: first\n\ndata: last\n\n", "{version}");
        }
    }
    let by_path = format!(
        "http://127.0.0.1:{}/_cloudless/url/{}/?sleep=400",
        dev.port,
        host(&dev, "events").split('.').next().unwrap()
    );
    let script = format!(
        "const began = performance.now(); const seen = [];\
         fetch('{by_path}').then(async (reply) => {{ for await (const piece of reply.body) \
         seen.push([Buffer.from(piece).toString().trim(), performance.now() - began]); \
         console.log(seen.map(([text]) => text).join(), seen[1][1] - seen[0][1] > 200); }});"
    );
    let seen = seen_by("node", &["-e", &script]).unwrap();
    assert_eq!(seen, "data: first,data: last true\n");
    dev.stop();
}

#[test]
fn an_edit_of_the_code_is_seen_at_the_same_address() {
    let (folder, _state, dev) = start(("serverless.yml", SERVERLESS));
    let host = host(&dev, "plain");
    assert_eq!(get(&dev, &host, "/").0, 201);
    write(
        folder.path(),
        &APP.replace("statusCode: 201", "statusCode: 202"),
    );
    let seen = eventually(|| (get(&dev, &host, "/").0 == 202).then_some(()));
    assert!(seen.is_some(), "{}", dev.log());
    dev.stop();
}

fn write(folder: &Path, app: &str) {
    std::fs::write(folder.join("app.js"), app).unwrap();
}
