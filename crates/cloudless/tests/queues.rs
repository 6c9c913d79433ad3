//! Clients of Amazon SQS from outside, against queues of a template.
//!
//! Lives here: boto3, the AWS SDK for JavaScript v3 and v2, the `aws` command line; killing the server under load.
//! Does not live here: operations one by one (`service-queues`), what AWS answered (`conformance/sqs.md`).

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and read the environment"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::clients::{self, python_tools, tool};
use support::{Dev, project, text, try_request};

const TEMPLATE: &str = "
Resources:
  Failed: { Type: AWS::SQS::Queue, Properties: { QueueName: failed } }
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: jobs
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Failed.Arn, maxReceiveCount: 2 }
  Lines:
    Type: AWS::SQS::Queue
    Properties: { QueueName: lines.fifo, FifoQueue: true, ContentBasedDeduplication: true }
  MaySend:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Jobs]
      PolicyDocument:
        Statement:
          - { Effect: Allow, Principal: { Service: sns.amazonaws.com }, Action: sqs:SendMessage, Resource: !GetAtt Jobs.Arn }
";
const PACKAGES: [&str; 2] = ["@aws-sdk/client-sqs@3", "aws-sdk@2"];

#[test]
fn boto3_uses_queues() {
    let seen = with_server(|dev, folder| {
        let script = folder.join("queues.py");
        std::fs::write(&script, include_str!("clients/queues.py")).unwrap();
        let endpoint = format!("http://localhost:{}", dev.services_port);
        let mut command = tool(&python_tools(), "bin/python3");
        command.arg(script).arg(endpoint).output().unwrap()
    });
    let expected = json!({
        "long": [1_048_562, "long"],
        "tooLong": [
            "InvalidParameterValue",
            "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
        ],
        "woken": true,
        "receives": [1, 1, 0],
        "dead": {"ApproximateNumberOfMessages": "1"},
        "back": ["poison", "1"],
        "batch": ["good", "InvalidMessageContents"],
        "blocked": ["1", "3", "5"],
        "ordered": ["0", "2", "4"],
        "missing": ["AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."],
        "known": true,
        "policy": "sqs:SendMessage",
    });
    assert_eq!(seen, expected);
}

#[test]
fn a_server_that_is_told_to_end_does_not_wait_for_whoever_waits_for_messages() {
    let folder = project(&[("template.yaml", TEMPLATE)]);
    let state = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), state.path());
    let port = dev.services_port;
    let polls = std::thread::spawn(move || {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature={}",
            "0".repeat(64)
        );
        let headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", "AmazonSQS.ReceiveMessage"),
            ("X-Amz-Date", "20260101T000000Z"),
            ("Authorization", authorization.as_str()),
        ];
        let body = json!({"QueueUrl": "http://localhost/000000000000/jobs", "WaitTimeSeconds": 20});
        try_request(port, "POST", "/", &headers, body.to_string().as_bytes())
    });
    // Nothing tells that a call waits. Were it too late, it would be refused, and the test show less.
    std::thread::sleep(Duration::from_millis(300));
    assert!(!polls.is_finished(), "it waits");
    let began = Instant::now();
    dev.terminate();
    assert!(dev.ended().success(), "{}", dev.log());
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}:\n{}", dev.log());
    if let Some(reply) = polls.join().unwrap() {
        assert_eq!((reply.status, reply.json()), (200, json!({})));
    }
}

#[test]
fn sdk_version_3_for_node_uses_queues() {
    let script = include_str!("clients/queues_three.mjs");
    let seen = with_server(|dev, _| node(dev, "queues_three.mjs", script));
    let expected = json!({
        "same": true,
        "bodies": ["hellö", "a"],
        "bytes": [1, 2],
        "again": "a",
        "tags": {"team": "blue"},
        "refused": "ReceiptHandleIsInvalid",
        "counts": ["0", "1", "1"],
    });
    assert_eq!(seen, expected);
}

#[test]
fn sdk_version_2_for_node_uses_queues() {
    let script = include_str!("clients/queues_two.cjs");
    let seen = with_server(|dev, _| node(dev, "queues_two.cjs", script));
    let expected = json!({
        "same": true,
        "received": 1,
        "group": "g",
        "twice": "AWS.SimpleQueueService.PurgeQueueInProgress",
        "gone": "AWS.SimpleQueueService.NonExistentQueue",
        "left": 0,
    });
    assert_eq!(seen, expected);
}

#[test]
fn the_aws_command_line_uses_queues() {
    let seen = with_server(|dev, _| {
        let url = format!("http://localhost:{}/000000000000/jobs", dev.services_port);
        aws(
            dev,
            &format!("sqs send-message --queue-url {url} --message-body hello"),
        );
        let asked = "--query Messages[].Body --wait-time-seconds 5";
        aws(
            dev,
            &format!("sqs receive-message --queue-url {url} {asked}"),
        )
    });
    assert_eq!(seen, json!(["hello"]));
}

#[test]
fn what_was_acknowledged_outlives_a_killed_server() {
    let folder = project(&[("template.yaml", TEMPLATE)]);
    let state = folder.path().join("state");
    for round in 0..3 {
        let dev = Dev::start(folder.path(), &state);
        let script = folder.path().join("crash.py");
        std::fs::write(&script, include_str!("clients/queues_crash.py")).unwrap();
        let endpoint = format!("http://localhost:{}", dev.services_port);
        let ledger = folder.path().join("ledger");
        let mut command = tool(&python_tools(), "bin/python3");
        command.arg(&script).arg(&endpoint).arg(&ledger).arg("load");
        let mut load = command.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(700 + 200 * round));
        dev.kill();
        load.wait().unwrap();
        let dev = Dev::start(folder.path(), &state);
        let endpoint = format!("http://localhost:{}", dev.services_port);
        let mut command = tool(&python_tools(), "bin/python3");
        command
            .arg(&script)
            .arg(&endpoint)
            .arg(&ledger)
            .arg("check");
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "round {round}: {}",
            text(&output.stderr)
        );
        dev.stop();
    }
}

fn aws(dev: &Dev, arguments: &str) -> Output {
    let mut command = tool(&python_tools(), "bin/aws");
    let output = command
        .arg("--endpoint-url")
        .arg(format!("http://localhost:{}", dev.services_port))
        .args(arguments.split_whitespace())
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "anything")
        .env("AWS_SECRET_ACCESS_KEY", "at-all")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

fn with_server(run: impl FnOnce(&Dev, &Path) -> Output) -> Value {
    clients::with_server(&[("template.yaml", TEMPLATE)], run)
}

fn node(dev: &Dev, name: &str, script: &str) -> Output {
    clients::node(dev, &packages(), name, script)
}

fn packages() -> PathBuf {
    clients::node_packages("queues-node", &PACKAGES)
}
