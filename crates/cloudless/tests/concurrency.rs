//! Provisioned and reserved concurrency, versions and aliases, through the real binary over HTTP.
//!
//! Lives here: what functions and their callers see of them.
//! Does not live here: all orders of events (the simulation in `invoker`), what a template may ask for (`deployment`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Dev, eventually, project};

const MANIFEST: &str = "
service: many
provider: { name: aws, runtime: python3.11 }
functions:
  ready: { handler: app.tell, provisionedConcurrency: 2, events: [{ http: GET /ready }, { httpApi: GET /ready }] }
  node: { runtime: nodejs20.x, handler: node.tell, provisionedConcurrency: 1, events: [{ httpApi: GET /node }] }
  plain: { handler: app.tell, events: [{ httpApi: GET /plain }] }
  one: { handler: app.slow, reservedConcurrency: 1, events: [{ http: GET /one }, { httpApi: GET /one }] }
  off: { handler: app.tell, reservedConcurrency: 0, events: [{ http: GET /off }, { httpApi: GET /off }] }
  broken: { handler: broken.tell, provisionedConcurrency: 1, events: [{ httpApi: GET /broken }] }
  cold: { handler: app.slow, timeout: 20, events: [{ httpApi: GET /cold }] }
";
const PYTHON: &str = "
import os, time

AT_INIT = os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']

def tell(event, context):
    return {'process': os.getpid(), 'namespace': os.readlink('/proc/self/ns/pid'), 'at_init': AT_INIT, 'now': os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'],
        'arn': context.invoked_function_arn, 'version': context.function_version,
        'stream': context.log_stream_name[10:14]}

def slow(event, context):
    time.sleep(1)
    return {'process': os.getpid()}

def gateway(handler):
    import json
    return lambda event, context: {'statusCode': 200, 'body': json.dumps(handler(event, context))}

tell, slow = gateway(tell), gateway(slow)
";
const BROKEN: &str = "raise RuntimeError('it never loads')\n";
const NODE: &str = "
const atInit = process.env.AWS_LAMBDA_INITIALIZATION_TYPE;
exports.tell = async (event, context) => ({
  process: process.pid, namespace: require('fs').readlinkSync('/proc/self/ns/pid'), at_init: atInit, now: process.env.AWS_LAMBDA_INITIALIZATION_TYPE,
  arn: context.invokedFunctionArn, version: context.functionVersion, stream: context.logStreamName.slice(10, 14),
});
";

fn server() -> (tempfile::TempDir, Dev) {
    let folder = project(&[
        ("serverless.yml", MANIFEST),
        ("app.py", PYTHON),
        ("node.js", NODE),
        ("broken.py", BROKEN),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    (folder, dev)
}

/// The events of so many callers at once: the bodies of those that were answered 200, and the others' statuses.
fn at_once(dev: &Dev, path: &str, callers: usize) -> (Vec<Value>, Vec<u16>) {
    let replies = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..callers)
            .map(|_| scope.spawn(|| dev.get(path)))
            .collect();
        calls
            .into_iter()
            .map(|call| call.join().unwrap())
            .collect::<Vec<_>>()
    });
    let (good, bad): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    (
        good.iter().map(support::Reply::json).collect(),
        bad.iter().map(|reply| reply.status).collect(),
    )
}

#[test]
fn events_of_a_provisioned_function_run_on_instances_that_are_there() {
    let (_folder, dev) = server();
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:many-dev";
    for (path, name) in [
        ("/dev/ready", "ready"),
        ("/ready", "ready"),
        ("/node", "node"),
    ] {
        let told = eventually(|| {
            let told = dev.get(path).json();
            (told["now"] == "provisioned-concurrency").then_some(told)
        });
        let told = told.unwrap_or_else(|| panic!("{path}: {}", dev.log()));
        let expected = json!({
            "process": told["process"], "namespace": told["namespace"], "at_init": "provisioned-concurrency", "now": "provisioned-concurrency",
            "arn": format!("{arn}-{name}:provisioned"), "version": "1", "stream": "/[1]",
        });
        assert_eq!(told, expected, "{path}");
    }
    let told = dev.get("/plain").json();
    let expected = json!({
        "process": told["process"], "namespace": told["namespace"], "at_init": "on-demand", "now": "on-demand",
        "arn": format!("{arn}-plain"), "version": "$LATEST", "stream": "/[$L",
    });
    assert_eq!(told, expected);
    dev.stop();
}

#[test]
fn a_provisioned_instance_that_is_killed_is_replaced() {
    let (_folder, dev) = server();
    let mut killed = BTreeSet::new();
    for _ in 0..3 {
        let told = eventually(|| {
            let told = dev.get("/ready").json();
            let is_new = !killed.contains(&told["process"].as_u64()?);
            (is_new && told["now"] == "provisioned-concurrency").then_some(told)
        });
        let told = told.unwrap();
        let number = told["process"].as_u64().unwrap();
        killed.insert(number);
        let namespace = told["namespace"].as_str().unwrap();
        let process = support::number_outside(namespace, number).unwrap();
        let done = std::process::Command::new("kill")
            .args(["-9", &process.to_string()])
            .status()
            .unwrap();
        assert!(done.success());
    }
    // A request that meets an instance while it dies may fail, and the next one does not.
    let answered = eventually(|| (dev.get("/ready").status == 200).then_some(()));
    assert!(answered.is_some(), "{}", dev.log());
    dev.stop();
}

#[test]
fn a_throttled_invocation_from_the_command_line_says_so_in_words() {
    let (folder, dev) = server();
    let state = folder.path().join("state");
    let output = support::cloudless()
        .args(["invoke", "off", "--state"])
        .arg(state)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    let cause = "TooManyRequestsException: Rate Exceeded. Reason: ReservedFunctionConcurrentInvocationLimitExceeded";
    assert!(said.contains(cause) && !said.contains('{'), "{said}");
    dev.stop();
}

#[test]
fn what_a_function_does_not_reserve_is_refused_as_each_kind_of_api_does() {
    let (_folder, dev) = server();
    for (path, status, words) in [
        ("/dev/off", 500, r#"{"message": "Internal server error"}"#),
        ("/off", 503, r#"{"message":"Service Unavailable"}"#),
    ] {
        let reply = dev.get(path);
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (status, words),
            "{path}"
        );
    }
    dev.wait_for_log(
        "its reserved concurrency is 0, so it never runs: to let it run, reserve more",
    );
    for (path, status) in [("/dev/one", 500), ("/one", 503)] {
        let (good, bad) = at_once(&dev, path, 4);
        assert_eq!((good.len(), bad), (1, vec![status; 3]), "{path}");
    }
    dev.stop();
}

#[test]
fn a_broken_function_is_not_provisioned_without_end_and_its_callers_are_told() {
    let (_folder, dev) = server();
    let reply = dev.get("/broken");
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (500, r#"{"message":"Internal Server Error"}"#)
    );
    dev.wait_for_log("it never loads");
    // Three tries ahead of events, one for this one: in no time.
    std::thread::sleep(Duration::from_secs(3));
    let tries = |log: &str| log.matches("it never loads").count();
    let before = tries(&dev.log());
    assert!(before < 15, "{}", dev.log());
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(tries(&dev.log()), before, "{}", dev.log());
    dev.stop();
}

#[test]
fn a_hundred_first_calls_at_once_are_all_answered() {
    let (_folder, dev) = server();
    let begun = Instant::now();
    let (good, bad) = at_once(&dev, "/cold", 100);
    assert_eq!((good.len(), bad), (100, Vec::new()), "{}", dev.log());
    let processes: BTreeSet<u64> = good
        .iter()
        .map(|told| told["process"].as_u64().unwrap())
        .collect();
    assert!(50 < processes.len(), "{} instances", processes.len());
    // A bound for a busy machine; the handler itself takes a second.
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    dev.stop();
}
