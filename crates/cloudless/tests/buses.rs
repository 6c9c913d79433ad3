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
use std::process::Output;

use serde_json::{Value, json};
use support::clients::{self, aws, python_tools, tool};
use support::{Dev, text};

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
        let mut command = tool(&python_tools(), "bin/python3");
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
            "the operation ListEndpoints is not implemented by Cloudless yet",
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
        let listed = aws(dev, "events list-rules --query Rules[].ScheduleExpression");
        dev.wait_for_log("Parcels");
        listed
    });
    assert_eq!(seen, json!(["cron(0 3 * * ? *)"]));
}

fn with_server(run: impl FnOnce(&Dev, &Path) -> Output) -> Value {
    clients::with_server(&[("template.yaml", TEMPLATE)], run)
}

fn node(dev: &Dev, name: &str, script: &str) -> Output {
    clients::node(dev, &packages(), name, script)
}

fn packages() -> PathBuf {
    clients::node_packages("buses-node", &PACKAGES)
}
