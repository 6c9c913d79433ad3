//! Clients of Amazon Kinesis from outside, and functions that are called with the records of a stream.
//!
//! Lives here: boto3 with an address of its own, the AWS SDK for JavaScript v3 and v2, the `aws` command line; mappings and rules.
//! Does not live here: operations one by one (`service-streams`), what AWS answered (`conformance/kinesis.md`).

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

const TEMPLATE: &str = r#"
Transform: AWS::Serverless-2016-10-31
Resources:
  Clicks:
    Type: AWS::Kinesis::Stream
    Properties: { Name: clicks, ShardCount: 1 }
  Seen:
    Type: AWS::Serverless::SimpleTable
    Properties: { TableName: seen }
  Letters: { Type: AWS::SQS::Queue, Properties: { QueueName: letters } }
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{ Effect: Allow, Principal: { Service: events.amazonaws.com }, Action: sts:AssumeRole }]
      Policies:
        - PolicyName: put
          PolicyDocument: { Statement: [{ Effect: Allow, Action: kinesis:PutRecord, Resource: !GetAtt Clicks.Arn }] }
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: { source: [shop] }
      Targets:
        - Id: clicks
          Arn: !GetAtt Clicks.Arn
          RoleArn: !GetAtt Role.Arn
          InputPath: $.detail
          KinesisParameters: { PartitionKeyPath: $.detail.id }
  Follow:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      CodeUri: .
      Timeout: 20
      Handler: app.follow
      Policies:
        - DynamoDBWritePolicy: { TableName: !Ref Seen }
        - SQSSendMessagePolicy: { QueueName: !GetAtt Letters.QueueName }
      Events:
        Clicks:
          Type: Kinesis
          Properties:
            Stream: !GetAtt Clicks.Arn
            StartingPosition: TRIM_HORIZON
            BatchSize: 10
            ParallelizationFactor: 2
            BisectBatchOnFunctionError: true
            MaximumRetryAttempts: 1
            FunctionResponseTypes: [ReportBatchItemFailures]
            FilterCriteria: { Filters: [{ Pattern: '{"data": {"kind": ["order"]}}' }] }
            DestinationConfig: { OnFailure: { Destination: !GetAtt Letters.Arn } }
"#;
const CODE: &str = r#"
import base64, json
import boto3

client = boto3.client("dynamodb")


def follow(event, context):
    for record in event["Records"]:
        data = json.loads(base64.b64decode(record["kinesis"]["data"]))
        if data["id"] == "bad":
            return {"batchItemFailures": [{"itemIdentifier": record["kinesis"]["sequenceNumber"]}]}
        client.put_item(TableName="seen", Item={"id": {"S": data["id"]}, "record": {"S": json.dumps(record)}})
    return {"batchItemFailures": []}
"#;
const PACKAGES: [&str; 2] = ["@aws-sdk/client-kinesis@3", "aws-sdk@2"];

#[test]
fn boto3_puts_records_and_functions_get_those_they_want() {
    let seen = with_server(|dev, folder| {
        let script = folder.join("kinesis.py");
        std::fs::write(&script, include_str!("clients/kinesis.py")).unwrap();
        let endpoint = format!("http://localhost:{}", dev.services_port);
        let mut command = tool(&python_tools(), "bin/python3");
        command.arg(script).arg(endpoint).output().unwrap()
    });
    let expected = json!({
        "failed": 0,
        "seen": ["after", "first", "ruled", "second"],
        "record": {
            "eventName": "aws:kinesis:record",
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/clicks",
            "role": "arn:aws:iam::000000000000:role/",
            "id": true,
            "schema": "1.0",
            "partition": "k",
        },
        "letter": ["RetryAttemptsExhausted", 1, "shardId-000000000000",
            "arn:aws:kinesis:us-east-1:000000000000:stream/clicks"],
        "shards": ["shardId-000000000001", "shardId-000000000002"],
        "missing": ["ResourceNotFoundException", "Stream none under account 000000000000 not found."],
        "refused": ["ValidationException", "the operation UpdateMaxRecordSize is not implemented by Cloudless yet"],
    });
    assert_eq!(seen, expected);
}

#[test]
fn sdk_version_3_for_node_uses_streams() {
    let script = include_str!("clients/kinesis_three.mjs");
    let seen = with_server(|dev, _| node(dev, "kinesis_three.mjs", script));
    let expected = json!({
        "status": "ACTIVE",
        "read": ["one", "two"],
        "behind": 0,
        "missing": ["ResourceNotFoundException", "Stream none under account 000000000000 not found."],
    });
    assert_eq!(seen, expected);
}

#[test]
fn sdk_version_2_for_node_uses_streams() {
    let script = include_str!("clients/kinesis_two.cjs");
    let seen = with_server(|dev, _| node(dev, "kinesis_two.cjs", script));
    assert_eq!(
        seen,
        json!({"read": ["one"], "key": "k", "is_date": true, "gone": "ResourceNotFoundException"})
    );
}

#[test]
fn the_aws_command_line_puts_a_record() {
    let seen = with_server(|dev, _| {
        let record = "--stream-name clicks --partition-key k --data aGVsbG8=";
        aws(dev, &format!("kinesis put-record {record} --query ShardId"))
    });
    assert_eq!(seen, json!("shardId-000000000000"));
}

fn with_server(run: impl FnOnce(&Dev, &Path) -> Output) -> Value {
    clients::with_server(&[("template.yaml", TEMPLATE), ("app.py", CODE)], run)
}

fn node(dev: &Dev, name: &str, script: &str) -> Output {
    clients::node(dev, &packages(), name, script)
}

fn packages() -> PathBuf {
    clients::node_packages("kinesis-node", &PACKAGES)
}
