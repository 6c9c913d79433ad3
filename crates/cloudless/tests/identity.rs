//! Functions may what their roles allow, and no more.
//!
//! Lives here: calls of services from functions, refused and allowed, with what the developer is told.
//! Does not live here: users, roles and sessions by other clients (`clients`), judging case by case (`policy`,
//! `service-identity`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use serde_json::{Value, json};
use support::{Dev, eventually, project};

const SAM: &str = "
Transform: AWS::Serverless-2016-10-31
Globals: { Function: { Runtime: python3.11, CodeUri: ., Timeout: 20 } }
Resources:
  Pets:
    Type: AWS::Serverless::SimpleTable
    Properties: { TableName: pets }
  Read:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: read
      Handler: app.read
      POLICIES
      Events:
        Get: { Type: HttpApi, Properties: { Path: /read, Method: get } }
";
const READS: &str = "Policies: [{ DynamoDBReadPolicy: { TableName: !Ref Pets } }]";
const CODE: &str = r#"
import json
import boto3
from botocore.exceptions import ClientError

table = boto3.client("dynamodb")
sts = boto3.client("sts")


def code(call):
    try:
        call()
        return "allowed"
    except ClientError as error:
        return error.response["Error"]["Message"]


def read(event, context):
    key = {"id": {"S": "a"}}
    return {"statusCode": 200, "body": json.dumps({
        "get": code(lambda: table.get_item(TableName="pets", Key=key)),
        "put": code(lambda: table.put_item(TableName="pets", Item=key)),
        "who": sts.get_caller_identity()["Arn"],
    })}
"#;

fn seen(dev: &Dev) -> Value {
    let reply = dev.get("/read");
    assert_eq!(reply.status, 200, "{reply:?}\n{}", dev.log());
    reply.json()
}

fn refused(dev: &Dev, action: &str) -> Value {
    let seen = seen(dev);
    let table = "arn:aws:dynamodb:us-east-1:000000000000:table/pets";
    json!(format!(
        "User: {} is not authorized to perform: {action} on resource: {table} because no identity-based policy allows the \
         {action} action",
        seen.get("who").and_then(Value::as_str).unwrap()
    ))
}

#[test]
fn a_function_is_refused_what_its_role_does_not_allow_until_its_manifest_does() {
    let folder = project(&[
        (
            "template.yaml",
            &SAM.replace("POLICIES", "Description: reads"),
        ),
        ("app.py", CODE),
    ]);
    let state = folder.path().join("state");
    let dev = Dev::start(folder.path(), &state);
    let before = seen(&dev);
    assert!(before["who"].as_str().unwrap().ends_with("/read"));
    assert_eq!(before["get"], refused(&dev, "dynamodb:GetItem"));
    assert_eq!(before["put"], refused(&dev, "dynamodb:PutItem"));
    let log = dev.wait_for_log("refused  dynamodb:PutItem");
    for line in [
        "this would allow it, in the template, under `Properties` of the function `read`",
        "                   Action: dynamodb:PutItem",
        "                   Resource: 'arn:aws:dynamodb:us-east-1:000000000000:table/pets'",
    ] {
        assert!(log.contains(line), "{line}\n{log}");
    }
    let manifest = SAM.replace("POLICIES", READS);
    std::fs::write(folder.path().join("template.yaml"), manifest).unwrap();
    let after = eventually(|| Some(seen(&dev)).filter(|seen| seen["get"] == "allowed"));
    let after = after.unwrap_or_else(|| panic!("still refused\n{}", dev.log()));
    assert_eq!(after["put"], refused(&dev, "dynamodb:PutItem"));
    // What was deployed holds after a restart, too.
    dev.kill();
    let dev = Dev::start(folder.path(), &state);
    assert_eq!(seen(&dev)["get"], "allowed");
    dev.stop();
}
