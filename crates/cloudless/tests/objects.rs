//! Clients of Amazon S3 from outside, against the buckets of a template and their own.
//!
//! Lives here: boto3, the AWS SDK for JavaScript v3 and v2, the `aws` command line; killing the server under load.
//! Does not live here: operations one by one (`conformance/s3.md`), lists against a model (`service-objects`).

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and read the environment"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use support::clients::{self, python_tools, tool};
use support::{Dev, project, text};

const TEMPLATE: &str = "
Resources:
  News: { Type: AWS::SQS::Queue, Properties: { QueueName: news } }
  MaySend:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref News]
      PolicyDocument:
        Statement:
          - { Effect: Allow, Principal: { Service: s3.amazonaws.com }, Action: sqs:SendMessage, Resource: !GetAtt News.Arn }
  Uploads:
    Type: AWS::S3::Bucket
    DependsOn: MaySend
    Properties:
      BucketName: uploads
      VersioningConfiguration: { Status: Enabled }
      CorsConfiguration: { CorsRules: [{ AllowedMethods: [GET], AllowedOrigins: ['https://example.com'] }] }
      LifecycleConfiguration: { Rules: [{ Id: old, Status: Enabled, Prefix: tmp/, ExpirationInDays: 1 }] }
      NotificationConfiguration:
        QueueConfigurations:
          - Event: s3:ObjectCreated:*
            Queue: !GetAtt News.Arn
            Filter: { S3Key: { Rules: [{ Name: prefix, Value: in/ }, { Name: suffix, Value: .txt }] } }
";
const PACKAGES: [&str; 4] = [
    "@aws-sdk/client-s3@3",
    "@aws-sdk/lib-storage@3",
    "@aws-sdk/s3-request-presigner@3",
    "aws-sdk@2",
];

#[test]
fn boto3_uses_buckets() {
    let seen = with_server(|dev, folder| {
        let script = folder.join("objects.py");
        std::fs::write(&script, include_str!("clients/objects.py")).unwrap();
        let mut command = tool(&python_tools(), "bin/python3");
        with_keys(&mut command, dev).arg(script).output().unwrap()
    });
    let expected = json!({
        "object": ["one", "text/plain", {"colour": "red"}, true],
        "by host": ["pictures", "one"],
        "range": "ne",
        "not modified": "304",
        "there already": "PreconditionFailed",
        "parts": [true, true, true],
        "copy": true,
        "folders": ["a/", "b/"],
        "pages": [["a/1", "a/large"], ["b/copy"]],
        "presigned": "one",
        "put by link": "by link",
        "presigned before": [false, "one"],
        "expired": 403,
        "by form": "by form",
        "unsigned": 403,
        "versions": ["NoSuchKey", "1", 2, 1],
        "customer key": [true, "InvalidRequest"],
        "public policy": "AccessDenied",
        "website": "NotImplemented",
        "not empty": "BucketNotEmpty",
        "gone": "404",
    });
    assert_eq!(seen, expected);
}

#[test]
fn buckets_of_a_template_tell_queues_of_their_objects() {
    let seen = with_server(|dev, folder| {
        let script = folder.join("objects_events.py");
        std::fs::write(&script, include_str!("clients/objects_events.py")).unwrap();
        let mut command = tool(&python_tools(), "bin/python3");
        with_keys(&mut command, dev).arg(script).output().unwrap()
    });
    let expected = json!({
        "test": ["s3:TestEvent", "uploads"],
        "event": ["ObjectCreated:Put", "uploads", "in/a+b.txt", 5, "aws:s3", true],
        "others": 0,
        "cors": "https://example.com",
        "lifecycle": "old",
    });
    assert_eq!(seen, expected);
}

#[test]
fn requests_and_the_targets_of_events_are_judged_by_their_policies() {
    let template = "Resources: { Any: { Type: AWS::SQS::Queue } }\n";
    let seen = clients::with_server(&[("template.yaml", template)], |dev, folder| {
        let script = folder.join("objects_asked.py");
        std::fs::write(&script, include_str!("clients/objects_asked.py")).unwrap();
        let mut command = tool(&python_tools(), "bin/python3");
        with_keys(&mut command, dev).arg(script).output().unwrap()
    });
    let (code, words) = (
        "InvalidArgument",
        "Unable to validate the following destination configurations",
    );
    let arn = |service: &str| format!("arn:aws:{service}:us-east-1:000000000000:told");
    let (queue, topic) = (arn("sqs"), arn("sns"));
    let function = "arn:aws:lambda:us-east-1:000000000000:function:told";
    let of_function = |name: &str| {
        (
            format!("{name}, null"),
            format!("Not authorized to invoke function [{name}]"),
        )
    };
    let (missing, barred) = (
        of_function(&format!("{function}-not")),
        of_function(function),
    );
    let not_let_in = |kind: &str| {
        format!(
            "Permissions on the destination {kind} do not allow S3 to publish notifications from this bucket"
        )
    };
    let expected = json!({
        "refused at the door": [[403, "https://example.com"], [403, null]],
        "no bucket": [404, 404, 404, 403],
        "preflights": [[200, "https://example.com"], [403, null]],
        "no preflight": [403, null],
        "from here": [["AccessDenied"], 403],
        "without TLS": [["AccessDenied"], 403],
        "from elsewhere": [["k"], 204],
        "code": ["AccessDeniedException", true],
        "missing": [
            code, words,
            missing.0, queue, topic,
            missing.1, "The destination queue does not exist", "The destination topic does not exist",
        ],
        "not let in": [
            code, words,
            barred.0, queue, topic,
            barred.1, not_let_in("queue"), not_let_in("topic"),
        ],
        "nothing kept": [],
        "skipped": "kept",
        "for another bucket": [barred.0, barred.1],
        "let in": "kept",
    });
    assert_eq!(seen, expected);
}

#[test]
fn both_sdks_for_node_use_buckets() {
    for (name, script) in [
        (
            "objects_three.mjs",
            include_str!("clients/objects_three.mjs"),
        ),
        ("objects_two.cjs", include_str!("clients/objects_two.cjs")),
    ] {
        let seen = with_server(|dev, _| node(dev, name, script));
        let expected = json!({
            "small": "hello",
            "type": "text/plain",
            "large": true,
            "presigned": "hello",
            "keys": ["large", "small"],
            "missing": "NoSuchKey",
        });
        assert_eq!(seen, expected, "{name}");
    }
}

#[test]
fn the_aws_command_line_copies_and_synchronises() {
    let folder = project(&[("template.yaml", TEMPLATE)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    std::fs::create_dir_all(here.join("deep")).unwrap();
    std::fs::write(here.join("one"), "1").unwrap();
    std::fs::write(here.join("deep/two"), vec![7_u8; 9 * 1024 * 1024]).unwrap();
    aws(
        &dev,
        &["s3", "sync", &here.to_string_lossy(), "s3://uploads/site"],
    );
    aws(
        &dev,
        &[
            "s3",
            "cp",
            "s3://uploads/site/one",
            "s3://uploads/site/three",
        ],
    );
    aws(
        &dev,
        &["s3", "sync", "s3://uploads/site", &there.to_string_lossy()],
    );
    assert_eq!(std::fs::read(there.join("three")).unwrap(), b"1");
    assert_eq!(
        std::fs::read(there.join("deep/two")).unwrap(),
        std::fs::read(here.join("deep/two")).unwrap()
    );
    dev.stop();
}

#[test]
fn what_was_acknowledged_outlives_a_killed_server() {
    let folder = project(&[("template.yaml", TEMPLATE)]);
    let state = folder.path().join("state");
    let script = folder.path().join("crash.py");
    std::fs::write(&script, include_str!("clients/objects_crash.py")).unwrap();
    let ledger = folder.path().join("ledger");
    for round in 0..3 {
        let dev = Dev::start(folder.path(), &state);
        let mut command = tool(&python_tools(), "bin/python3");
        with_keys(&mut command, &dev)
            .arg(&script)
            .arg(&ledger)
            .arg("load");
        let mut load = command.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(900 + 300 * round));
        dev.kill();
        load.wait().unwrap();
        let dev = Dev::start(folder.path(), &state);
        let mut command = tool(&python_tools(), "bin/python3");
        with_keys(&mut command, &dev)
            .arg(&script)
            .arg(&ledger)
            .arg("check")
            .arg(state.join("objects"));
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert!(output.status.success(), "round {round}: {said}");
        dev.stop();
    }
}

fn with_keys<'a>(command: &'a mut Command, dev: &Dev) -> &'a mut Command {
    let port = dev.services_port;
    command
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .env("HOSTS_URL", format!("http://localhost:{port}"))
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "anything")
        .env("AWS_SECRET_ACCESS_KEY", "at-all")
}

fn aws(dev: &Dev, arguments: &[&str]) {
    let mut command = tool(&python_tools(), "bin/aws");
    let output = with_keys(&mut command, dev)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn with_server(run: impl FnOnce(&Dev, &Path) -> Output) -> Value {
    clients::with_server(&[("template.yaml", TEMPLATE)], run)
}

/// A script in Node.js, beside the packages.
fn node(dev: &Dev, name: &str, script: &str) -> Output {
    let file = packages().join(name);
    std::fs::write(&file, script).unwrap();
    let mut command = Command::new("node");
    command
        .arg(&file)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE", "1");
    with_keys(&mut command, dev).output().unwrap()
}

fn packages() -> PathBuf {
    clients::node_packages("objects-node", &PACKAGES)
}
