//! Load balancers as a developer meets them: an example, a manifest of the Serverless Framework, reloads, prefixes.
//!
//! Lives here: from a manifest to bytes on a socket.
//! Does not live here: conditions, events and replies one by one (`gateway`), what templates say (`deployment`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking"
)]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::{Dev, Reply, eventually, example, project, run, text, try_request};

const LISTENER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2";

const APP: &str = "
exports.echo = async (event) => ({ statusCode: 200, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(event) });
exports.broken = async () => { throw new Error('no'); };
";

fn manifest(path: &str) -> String {
    format!(
        "
service: shop
provider: {{ name: aws, runtime: nodejs20.x }}
functions:
  echo:
    handler: app.echo
    events:
      - alb: {{ listenerArn: '{LISTENER}', priority: 2, conditions: {{ path: '{path}' }} }}
      - http: GET /rest
  broken:
    handler: app.broken
    events:
      - alb: {{ listenerArn: '{LISTENER}', priority: 1, conditions: {{ path: /echo/broken, method: POST }} }}
"
    )
}

/// The port of each listener, as the banner says it.
fn ports(dev: &Dev) -> Vec<u16> {
    let log = dev.log();
    let lines = log.lines().filter(|line| line.contains("  ALB       "));
    let port = |line: &str| {
        let rest = line.split("localhost:").nth(1)?;
        rest.split(|it: char| !it.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    };
    lines.filter_map(port).collect()
}

fn send(port: u16, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    try_request(port, method, path, headers, b"").unwrap()
}

#[test]
fn the_example_redirects_shares_out_and_answers_by_itself() {
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start_with(
        &example("load-balancer"),
        state.path(),
        &["--alb-port", "0"],
    );
    let [plain, secure] = ports(&dev)[..] else {
        panic!("{}", dev.log())
    };
    let redirect = send(plain, "GET", "/orders?page=2", &[]);
    assert_eq!(redirect.status, 301);
    let expected = format!("http://localhost:{secure}/orders?page=2");
    assert_eq!(redirect.header("location"), Some(expected.as_str()));
    let canary = send(secure, "GET", "/orders?page=2", &[("x-canary", "YES")]);
    assert_eq!(
        canary.json(),
        json!({"by": "canary", "path": "/orders", "page": ["2"]})
    );
    let shared = send(secure, "GET", "/orders?page=2", &[]);
    assert!(["stable", "canary"].contains(&shared.json()["by"].as_str().unwrap()));
    let other = send(secure, "GET", "/", &[]);
    assert_eq!(
        (other.status, other.body.as_str()),
        (404, "There is nothing here.")
    );
    dev.stop();
}

#[test]
fn an_alb_event_is_served_below_its_base_path_and_reloaded() {
    let text_of = manifest("/echo/*");
    let folder = project(&[("serverless.yml", &text_of), ("app.js", APP)]);
    let state = tempfile::tempdir().unwrap();
    let options = [
        "--alb-port",
        "0",
        "--base-path",
        "shop",
        "--alb-base-path",
        "/dev",
    ];
    let dev = Dev::start_with(folder.path(), state.path(), &options);
    let port = ports(&dev)[0];
    let event = send(port, "GET", "/dev/echo/a%20b?x=%20y", &[]).json();
    assert_eq!(event["path"], "/echo/a%20b");
    assert_eq!(event["queryStringParameters"], json!({"x": "%20y"}));
    let group = event["requestContext"]["elb"]["targetGroupArn"]
        .as_str()
        .unwrap();
    assert!(group.contains(":targetgroup/"), "{group}");
    assert_eq!(send(port, "GET", "/echo/a", &[]).status, 200);
    assert_eq!(send(port, "POST", "/echo/broken", &[]).status, 502);
    assert_eq!(send(port, "GET", "/other", &[]).status, 404);
    dev.wait_for_log("function `shop-dev-broken` threw Error: no");
    assert_eq!(dev.get("/shop/dev/rest").json()["path"], "/rest");
    std::fs::write(folder.path().join("serverless.yml"), manifest("/moved/*")).unwrap();
    let moved = eventually(|| (send(port, "GET", "/moved/a", &[]).status == 200).then_some(()));
    assert!(moved.is_some(), "{}", dev.log());
    dev.stop();
}

#[test]
fn curl_speaks_http_2_with_a_load_balancer() {
    let text_of = manifest("/echo/*");
    let folder = project(&[("serverless.yml", &text_of), ("app.js", APP)]);
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start_with(folder.path(), state.path(), &["--alb-port", "0"]);
    let address = format!("http://localhost:{}/echo/x", ports(&dev)[0]);
    let asked = Command::new("curl")
        .args([
            "--silent",
            "--http2-prior-knowledge",
            "--data",
            "a=1",
            &address,
        ])
        .output()
        .unwrap();
    let event: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(event["body"], "YT0x");
    assert_eq!(event["isBase64Encoded"], true);
    assert_eq!(event["httpMethod"], "POST");
    dev.stop();
}

#[test]
fn rules_are_listed_and_what_the_cloud_refuses_is_warned_of() {
    let clash = manifest("bare").replace("priority: 2", "priority: 1");
    let folder = project(&[("serverless.yml", &clash), ("app.js", APP)]);
    let listed = run(&["routes", "--json"], folder.path());
    let rows: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let balanced: Vec<&Value> = rows.iter().filter(|row| row["api"] == "ALB").collect();
    assert_eq!(balanced.len(), 2, "{rows:?}");
    let broken = balanced
        .iter()
        .find(|row| row["path"] == "/echo/broken")
        .unwrap();
    assert_eq!(broken["method"], "POST");
    assert_eq!(broken["conditions"], "ALB shop:80, 1");
    let checked = run(&["check", "--json"], folder.path());
    let said = text(&checked.stdout);
    for code in [
        "deployment::priority-in-use",
        "deployment::path-without-slash",
    ] {
        assert!(said.contains(code), "{said}");
    }
    assert!(checked.status.success(), "{said}");
}
