//! Functions that are called with the changes of a table, as a developer meets them.
//!
//! Lives here: `stream` events of serverless.yml and `DynamoDB` events of SAM, changes of the mapping, kill -9.
//! Does not live here: decisions on failed batches (`event-delivery`), records one by one (`service-tables`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::{Dev, eventually, project};

const SERVERLESS: &str = "
service: shop
provider:
  name: aws
  runtime: python3.11
  stage: dev
  timeout: 20
  iam: { role: { statements: [{ Effect: Allow, Action: 'dynamodb:PutItem', Resource: '*' }] } }
functions:
  write: { handler: app.write, events: [{ httpApi: POST /orders }] }
  follow:
    handler: app.follow
    events:
      - stream:
          type: dynamodb
          arn: { Fn::GetAtt: [Orders, StreamArn] }
          batchSize: 10
          startingPosition: LATEST
          filterPatterns: FILTERS
resources:
  Resources:
    Orders:
      Type: AWS::DynamoDB::Table
      Properties:
        TableName: orders
        BillingMode: PAY_PER_REQUEST
        AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
        KeySchema: [{ AttributeName: id, KeyType: HASH }]
        StreamSpecification: { StreamViewType: NEW_AND_OLD_IMAGES }
    Seen:
      Type: AWS::DynamoDB::Table
      Properties:
        TableName: seen
        BillingMode: PAY_PER_REQUEST
        AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
        KeySchema: [{ AttributeName: id, KeyType: HASH }]
";

const SAM: &str = "
Transform: AWS::Serverless-2016-10-31
Globals: { Function: { Runtime: python3.11, CodeUri: ., Timeout: 20 } }
Resources:
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: orders
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
      KeySchema: [{ AttributeName: id, KeyType: HASH }]
      StreamSpecification: { StreamViewType: NEW_AND_OLD_IMAGES }
  Seen:
    Type: AWS::Serverless::SimpleTable
    Properties: { TableName: seen }
  Write:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.write
      Policies: [{ DynamoDBWritePolicy: { TableName: !Ref Orders } }]
      Events:
        Post: { Type: HttpApi, Properties: { Path: /orders, Method: post } }
  Follow:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.follow
      Policies: [{ DynamoDBWritePolicy: { TableName: !Ref Seen } }]
      Events:
        Changes:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Orders.StreamArn
            StartingPosition: TRIM_HORIZON
            BatchSize: 10
";

/// One function writes an order by boto3; the other notes what it was called with, by the order's id and the change.
const CODE: &str = r#"
import json
import boto3

client = boto3.client("dynamodb")


def write(event, context):
    body = json.loads(event["body"])
    client.put_item(TableName="orders", Item={"id": {"S": body["id"]}, "state": {"S": body["state"]}})
    return {"statusCode": 201}


def follow(event, context):
    for record in event["Records"]:
        change = record["dynamodb"]
        image = change.get("NewImage") or change["OldImage"]
        name = change["Keys"]["id"]["S"] + " " + image["state"]["S"]
        client.put_item(TableName="seen", Item={"id": {"S": name}, "record": {"S": json.dumps(record)}})
"#;

fn seen(dev: &Dev) -> Vec<Value> {
    let reply = dev.service("DynamoDB_20120810.Scan", r#"{"TableName": "seen"}"#);
    let items = reply.json()["Items"].as_array().cloned();
    items.unwrap_or_default()
}

fn names(dev: &Dev) -> Vec<String> {
    let mut names: Vec<String> = seen(dev)
        .iter()
        .map(|item| item["id"]["S"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn order(dev: &Dev, id: &str, state: &str) {
    let reply = dev.post("/orders", &json!({"id": id, "state": state}).to_string());
    assert_eq!(reply.status, 201, "{reply:?}\n{}", dev.log());
}

fn wait_for(dev: &Dev, expected: &[&str]) {
    let found = eventually(|| Some(()).filter(|()| names(dev) == expected));
    assert!(found.is_some(), "{:?}\n{}", names(dev), dev.log());
}

fn check_record(dev: &Dev, table: &str) {
    let items = seen(dev);
    let record: Value = serde_json::from_str(items[0]["record"]["S"].as_str().unwrap()).unwrap();
    assert_eq!(record["eventName"], "INSERT");
    assert_eq!(record["eventSource"], "aws:dynamodb");
    assert_eq!(record["awsRegion"], "us-east-1");
    let arn = record["eventSourceARN"].as_str().unwrap();
    assert!(
        arn.starts_with(&format!(
            "arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/"
        )),
        "{arn}"
    );
    assert_eq!(record["dynamodb"]["Keys"], json!({"id": {"S": "a"}}));
}

fn serverless(filters: &str) -> String {
    SERVERLESS.replace("FILTERS", filters)
}

fn state(folder: &Path) -> std::path::PathBuf {
    folder.join("state")
}

#[test]
fn a_stream_event_of_serverless_yml_calls_its_function_with_what_boto3_puts() {
    let everything = serverless("[{ eventName: [INSERT, MODIFY] }]");
    let folder = project(&[("serverless.yml", &everything), ("app.py", CODE)]);
    let dev = Dev::start(folder.path(), &state(folder.path()));
    order(&dev, "a", "new");
    wait_for(&dev, &["a new"]);
    check_record(&dev, "orders");

    // The running server takes up what changes in the mapping.
    let paid = r#"[{ dynamodb: { NewImage: { state: { S: [paid] } } } }]"#;
    std::fs::write(folder.path().join("serverless.yml"), serverless(paid)).unwrap();
    dev.wait_for_log("reloaded");
    order(&dev, "b", "new");
    order(&dev, "b", "paid");
    wait_for(&dev, &["a new", "b paid"]);
    dev.stop();
}

#[test]
fn a_stream_goes_on_where_it_was_when_the_server_is_killed() {
    let everything = serverless("[{ eventName: [INSERT, MODIFY] }]");
    let folder = project(&[("serverless.yml", &everything), ("app.py", CODE)]);
    let mut expected = Vec::new();
    for round in 0..3 {
        let dev = Dev::start(folder.path(), &state(folder.path()));
        for number in 0..5 {
            let id = format!("r{round}n{number}");
            order(&dev, &id, "new");
            expected.push(format!("{id} new"));
        }
        dev.kill();
    }
    let dev = Dev::start(folder.path(), &state(folder.path()));
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    wait_for(&dev, &expected);
    dev.stop();
}

#[test]
fn a_dynamodb_event_of_sam_calls_its_function_with_what_boto3_puts() {
    let folder = project(&[("template.yaml", SAM), ("app.py", CODE)]);
    let dev = Dev::start(folder.path(), &state(folder.path()));
    order(&dev, "a", "new");
    wait_for(&dev, &["a new"]);
    check_record(&dev, "orders");
    order(&dev, "a", "paid");
    wait_for(&dev, &["a new", "a paid"]);
    dev.stop();
}
