//! Clients of Amazon SNS from outside, against topics and queues of a template.
//!
//! Lives here: boto3 with an HTTP endpoint of its own, the AWS SDK for JavaScript v3 and v2, the `aws` command line.
//! Does not live here: operations one by one (`service-topics`), what AWS answered (`conformance/sns.md`).

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and read the environment"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use support::{Dev, project, text};

const TEMPLATE: &str = "
Resources:
  Orders: { Type: AWS::SNS::Topic }
  Parcels: { Type: AWS::SQS::Queue }
  ParcelsOfOrders:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref Orders
      Protocol: sqs
      Endpoint: !GetAtt Parcels.Arn
      RawMessageDelivery: true
      FilterPolicy: { kind: [parcel, { prefix: big- }] }
  MayDeliver:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Parcels]
      PolicyDocument:
        Statement:
          - { Effect: Allow, Principal: { Service: sns.amazonaws.com }, Action: sqs:SendMessage, Resource: !GetAtt Parcels.Arn }
";
const PACKAGES: [&str; 2] = ["@aws-sdk/client-sns@3", "aws-sdk@2"];

#[test]
fn boto3_publishes_to_queues_and_endpoints() {
    let seen = with_server(|dev, folder| {
        let script = folder.join("topics.py");
        std::fs::write(&script, include_str!("clients/topics.py")).unwrap();
        let endpoint = format!("http://localhost:{}", dev.services_port);
        let mut command = tool(&python(), "bin/python3");
        command.arg(script).arg(endpoint).output().unwrap()
    });
    let expected = json!({
        "filtered": [["big-parcel", "big-parcel"]],
        "confirmed": ["SubscriptionConfirmation", true],
        "notified": ["Notification", "hello", "s", true],
        "certificate": true,
        "left": ["UnsubscribeConfirmation", false],
        "batch": 10,
        "ordered": ["0", "1", "2", "3", "4"],
        "missing": ["NotFoundException", "Topic does not exist"],
        "policy": [
            "InvalidParameterException",
            "Invalid parameter: Attributes Reason: Filter policy scope MessageAttributes does not support nested filter policy",
        ],
    });
    assert_eq!(seen, expected);
}

#[test]
fn sdk_version_3_for_node_uses_topics() {
    let seen = with_server(|dev, _| {
        node(
            dev,
            "topics_three.mjs",
            include_str!("clients/topics_three.mjs"),
        )
    });
    let expected = json!({
        "filter": ["{\"a\":[\"b\"]}", "MessageAttributes"],
        "published": 36,
        "batch": [1, "InvalidParameter"],
        "tags": [{"Key": "team", "Value": "blue"}],
        "missing": ["NotFoundException", "Topic does not exist"],
        "refused": "NotImplemented",
    });
    assert_eq!(seen, expected);
}

#[test]
fn sdk_version_2_for_node_uses_topics() {
    let seen = with_server(|dev, _| {
        node(
            dev,
            "topics_two.cjs",
            include_str!("clients/topics_two.cjs"),
        )
    });
    let expected = json!({
        "pending": "pending confirmation",
        "published": 36,
        "wrong": [
            "InvalidParameter",
            "Invalid parameter: Message Structure - No default entry in JSON message body",
        ],
        "listed": "PendingConfirmation",
        "gone": ["NotFound", 404],
    });
    assert_eq!(seen, expected);
}

#[test]
fn the_aws_command_line_uses_topics() {
    let aws = |dev: &Dev, arguments: &str| {
        let mut command = tool(&python(), "bin/aws");
        let output = command
            .args(arguments.split_whitespace())
            .env(
                "AWS_ENDPOINT_URL",
                format!("http://localhost:{}", dev.services_port),
            )
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "anything")
            .env("AWS_SECRET_ACCESS_KEY", "at-all")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        output
    };
    let seen = with_server(|dev, _| {
        let topic = "arn:aws:sns:us-east-1:000000000000:line";
        aws(dev, "sns create-topic --name line");
        aws(
            dev,
            &format!("sns publish --topic-arn {topic} --message hello"),
        );
        aws(
            dev,
            &format!("sns list-tags-for-resource --resource-arn {topic}"),
        )
    });
    assert_eq!(seen, json!({"Tags": []}));
}

/// What a client of a running server prints.
fn with_server(run: impl FnOnce(&Dev, &Path) -> Output) -> Value {
    let folder = project(&[("template.yaml", TEMPLATE)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let output = run(&dev, folder.path());
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", dev.log());
    dev.stop();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A script in Node.js, beside the packages.
fn node(dev: &Dev, name: &str, script: &str) -> Output {
    let file = packages().join(name);
    std::fs::write(&file, script).unwrap();
    Command::new("node")
        .arg(&file)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env(
            "AWS_ENDPOINT_URL",
            format!("http://localhost:{}", dev.services_port),
        )
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "anything")
        .env("AWS_SECRET_ACCESS_KEY", "at-all")
        .env("AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE", "1")
        .output()
        .unwrap()
}

/// A tool with an environment of its own: no configuration of the developer's.
fn tool(folder: &Path, name: &str) -> Command {
    let mut command = Command::new(folder.join(name));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder);
    command
}

/// The folder with Python's tools; the first of all tests installs them.
fn python() -> PathBuf {
    static ONCE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let install = || {
        installed("topics-python", "", |folder| {
            succeed(
                Command::new("python3")
                    .args(["-m", "venv", "--clear"])
                    .arg(folder),
            );
            let mut pip = Command::new(folder.join("bin/pip"));
            succeed(pip.args([
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "awscli",
                "boto3",
            ]));
        })
    };
    ONCE.get_or_init(install).clone()
}

/// The folder with Node's packages.
fn packages() -> PathBuf {
    static ONCE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let install = || {
        installed("topics-node", &PACKAGES.join(" "), |folder| {
            let mut npm = Command::new("npm");
            let npm = npm
                .args(["install", "--no-audit", "--no-fund", "--prefix"])
                .arg(folder);
            succeed(npm.args(PACKAGES));
        })
    };
    ONCE.get_or_init(install).clone()
}

fn installed(name: &str, wanted: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let complete = folder.join("complete");
    if !std::fs::read_to_string(&complete).is_ok_and(|done| done == wanted) {
        std::fs::create_dir_all(&folder).unwrap();
        install(&folder);
        std::fs::write(complete, wanted).unwrap();
    }
    folder
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}
