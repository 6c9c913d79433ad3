//! Clients of Amazon EventBridge and its Scheduler from outside, against buses, rules and queues of a template.
//!
//! Lives here: boto3 with an address of its own, the AWS SDK for JavaScript v3 and v2, the `aws` command line, `cloudless tick`.
//! Does not live here: operations one by one (`service-buses`), what AWS answered (`conformance/events.md`).

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
  Orders: { Type: AWS::Events::EventBus, Properties: { Name: orders } }
  Parcels: { Type: AWS::SQS::Queue }
  MayDeliver:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Parcels]
      PolicyDocument:
        Statement:
          - { Effect: Allow, Principal: { Service: events.amazonaws.com }, Action: sqs:SendMessage, Resource: !GetAtt Parcels.Arn }
  Clock:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{ Effect: Allow, Principal: { Service: scheduler.amazonaws.com }, Action: sts:AssumeRole }]
      Policies:
        - PolicyName: send
          PolicyDocument: { Statement: [{ Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Parcels.Arn }] }
  Large:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Orders
      EventPattern: { source: [shop], detail: { total: [{ numeric: ['>', 100] }] } }
      Targets:
        - Id: parcels
          Arn: !GetAtt Parcels.Arn
          InputTransformer: { InputPathsMap: { total: $.detail.total }, InputTemplate: '{\"total\": <total>}' }
  Nightly:
    Type: AWS::Events::Rule
    Properties:
      ScheduleExpression: cron(0 3 * * ? *)
      Targets: [{ Id: parcels, Arn: !GetAtt Parcels.Arn, Input: '{\"by\": \"hand\"}' }]
";
const PACKAGES: [&str; 2] = ["@aws-sdk/client-eventbridge@3", "aws-sdk@2"];

#[test]
fn boto3_sends_events_and_makes_schedules() {
    let seen = with_server(|dev, folder| {
        let script = folder.join("buses.py");
        std::fs::write(&script, include_str!("clients/buses.py")).unwrap();
        let endpoint = format!("http://localhost:{}", dev.services_port);
        let mut command = tool(&python(), "bin/python3");
        command.arg(script).arg(endpoint).output().unwrap()
    });
    let expected = json!({
        "small": 0,
        "large": 0,
        "transformed": [{"total": 150}],
        "hooked": ["/hook/x", "k", {"n": 1}],
        "scheduled": [{"by": "arn:aws:scheduler:us-east-1:000000000000:schedule/default/once"}],
        "schedule": ["Europe/Berlin", "ENABLED", true],
        "pattern": "InvalidEventPatternException",
        "expression": ["ValidationException", "Invalid Schedule Expression rate(5)."],
        "rules": 2,
    });
    assert_eq!(seen, expected);
}

#[test]
fn sdk_version_3_for_node_uses_buses() {
    let script = include_str!("clients/buses_three.mjs");
    let seen = with_server(|dev, _| node(dev, "buses_three.mjs", script));
    let expected = json!({
        "statements": 1,
        "failed": 0,
        "targets": ["t"],
        "sent": [1, 36, "MalformedDetail"],
        "matches": true,
        "missing": ["ResourceNotFoundException", "Rule none does not exist on EventBus default."],
        "refused": [
            "ValidationException",
            "the operation CreateArchive is not implemented by Cloudless yet",
        ],
    });
    assert_eq!(seen, expected);
}

#[test]
fn sdk_version_2_for_node_uses_rules_and_groups() {
    let script = include_str!("clients/buses_two.cjs");
    let seen = with_server(|dev, _| node(dev, "buses_two.cjs", script));
    let expected = json!({
        "rule": ["DISABLED", "arn:aws:events:us-east-1:000000000000:rule/two"],
        "sent": 36,
        "group": "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g",
        "wrong": ["ValidationException", "Parameter ScheduleExpression is not valid."],
        "gone": ["ResourceNotFoundException", 404],
    });
    assert_eq!(seen, expected);
}

#[test]
fn the_aws_command_line_sees_what_cloudless_tick_makes_fire() {
    let seen = with_server(|dev, folder| {
        let mut tick = support::cloudless();
        let ticked = tick
            .args(["tick", "Nightly"])
            .arg(folder)
            .arg("--state")
            .arg(folder.join("state"))
            .output()
            .unwrap();
        let said = text(&ticked.stdout);
        assert!(
            said.trim_end().ends_with("fired"),
            "{said}{}",
            text(&ticked.stderr)
        );
        let mut aws = tool(&python(), "bin/aws");
        let listed = aws
            .args([
                "events",
                "list-rules",
                "--query",
                "Rules[].ScheduleExpression",
            ])
            .env(
                "AWS_ENDPOINT_URL",
                format!("http://localhost:{}", dev.services_port),
            )
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "anything")
            .env("AWS_SECRET_ACCESS_KEY", "at-all")
            .output()
            .unwrap();
        dev.wait_for_log("Parcels");
        listed
    });
    assert_eq!(seen, json!(["cron(0 3 * * ? *)"]));
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
        installed("buses-node", &PACKAGES.join(" "), |folder| {
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
