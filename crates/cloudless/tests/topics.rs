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
use std::process::Output;

use serde_json::{Value, json};
use support::Dev;
use support::clients::{self, aws, python_tools, tool};

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
        let mut command = tool(&python_tools(), "bin/python3");
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

fn with_server(run: impl FnOnce(&Dev, &Path) -> Output) -> Value {
    clients::with_server(&[("template.yaml", TEMPLATE)], run)
}

fn node(dev: &Dev, name: &str, script: &str) -> Output {
    clients::node(dev, &packages(), name, script)
}

fn packages() -> PathBuf {
    clients::node_packages("topics-node", &PACKAGES)
}
