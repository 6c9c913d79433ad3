//! Events on their way to functions, as a developer meets them.
//!
//! Lives here: queues, asynchronous invocations, permissions, dead letters and how they go back, over the real binary.
//! Does not live here: retries and order (`event-delivery`), kill -9 (`cargo xtask crash --scenario deliveries`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use support::{Dev, Reply, eventually, project, run, text, try_request};

const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  JobsDead: { Type: AWS::SQS::Queue, Properties: { QueueName: jobs-dead } }
  WorkDead: { Type: AWS::SQS::Queue, Properties: { QueueName: work-dead } }
  Done: { Type: AWS::SQS::Queue, Properties: { QueueName: done } }
  Unnamed: { Type: AWS::SQS::Queue }
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: jobs
      VisibilityTimeout: 1
      RedrivePolicy: { deadLetterTargetArn: !GetAtt JobsDead.Arn, maxReceiveCount: 1 }
  Work:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: work
      Runtime: python3.11
      Handler: app.work
      CodeUri: .
      Timeout: 1
      DeadLetterQueue: { Type: SQS, TargetArn: !GetAtt WorkDead.Arn }
      EventInvokeConfig:
        MaximumRetryAttempts: 0
        DestinationConfig: { OnSuccess: { Type: SQS, Destination: !GetAtt Done.Arn } }
      Events:
        Jobs:
          Type: SQS
          Properties: { Queue: !GetAtt Jobs.Arn, BatchSize: 10, FunctionResponseTypes: [ReportBatchItemFailures] }
";

const CODE: &str = "
MENDED = False

def work(event, context):
    if 'Records' not in event:
        if event['bad'] and not MENDED:
            raise ValueError('not yet')
        return {'handled': event}
    failures = []
    for record in event['Records']:
        if record['body'] == 'bad' and not MENDED:
            failures.append({'itemIdentifier': record['messageId']})
        else:
            print('handled', record['body'])
    return {'batchItemFailures': failures}
";

#[test]
fn what_a_function_cannot_handle_waits_in_dead_letter_queues_until_it_is_mended_and_goes_back() {
    let folder = project(&[("template.yaml", TEMPLATE), ("app.py", CODE)]);
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), state.path());
    for body in ["good", "bad"] {
        let message = json!({"QueueUrl": url("jobs"), "MessageBody": body});
        assert_eq!(sqs(&dev, "SendMessage", &message).status, 200);
    }
    invoke(&dev, &json!({"bad": true}));
    dev.wait_for_log("handled good");
    wait_for_count(&dev, "jobs-dead", 1);
    wait_for_count(&dev, "work-dead", 1);
    dev.wait_for_log("given up after its last retry; sent to `work-dead`");

    let mended = CODE.replace("MENDED = False", "MENDED = True");
    std::fs::write(folder.path().join("app.py"), mended).unwrap();
    dev.wait_for_log("reloaded");
    let redriven = redrive("jobs-dead", folder.path(), state.path());
    assert!(redriven.status.success(), "{redriven:?}");
    assert!(text(&redriven.stdout).contains("1 message of `jobs-dead` went back"));
    dev.wait_for_log("handled bad");
    let redriven = redrive("work", folder.path(), state.path());
    let said: Value = serde_json::from_slice(&redriven.stdout).unwrap_or_default();
    assert_eq!(said, Value::Null, "without --json it is a sentence");
    wait_for_count(&dev, "done", 1);
    let received = sqs(&dev, "ReceiveMessage", &json!({"QueueUrl": url("done")}));
    let record = received.json()["Messages"][0]["Body"].clone();
    let record: Value = serde_json::from_str(record.as_str().unwrap()).unwrap();
    assert_eq!(record["requestPayload"], json!({"bad": true}));
    assert_eq!(record["responsePayload"], json!({"handled": {"bad": true}}));
    dev.stop();
}

#[test]
fn whoever_has_no_permission_does_not_reach_a_function_and_the_log_names_what_is_missing() {
    let without = "
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties: { AssumeRolePolicyDocument: { Statement: [] } }
  Work:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: work
      Runtime: python3.11
      Handler: index.work
      Role: !GetAtt Role.Arn
      Code: { ZipFile: \"def work(event, context): print('reached')\" }
  News: { Type: AWS::SNS::Topic, Properties: { TopicName: news } }
  Subscription:
    Type: AWS::SNS::Subscription
    Properties: { TopicArn: !Ref News, Protocol: lambda, Endpoint: !GetAtt Work.Arn }
";
    let folder = project(&[("template.yaml", without)]);
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), state.path());
    publish(&dev);
    let log = dev.wait_for_log("`AWS::Lambda::Permission`");
    assert!(log.contains("`Principal: sns.amazonaws.com`"), "{log}");
    let with = format!(
        "{without}  May:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: !Ref Work
      Principal: sns.amazonaws.com
      SourceArn: !Ref News
"
    );
    std::fs::write(folder.path().join("template.yaml"), with).unwrap();
    dev.wait_for_log("reloaded");
    publish(&dev);
    let log = dev.wait_for_log("reached");
    assert_eq!(log.matches("reached").count(), 1, "{log}");
    dev.stop();
}

#[test]
fn redrive_says_what_is_missing() {
    let folder = project(&[("template.yaml", TEMPLATE), ("app.py", CODE)]);
    let state = tempfile::tempdir().unwrap();
    let help = text(&run(&["redrive", "--help"], folder.path()).stdout);
    assert!(
        help.contains("Examples:") && help.contains("Exit codes:"),
        "{help}"
    );
    let refused = redrive("jobs-dead", folder.path(), state.path());
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("redrive::no-server"));
    let dev = Dev::start(folder.path(), state.path());
    for (name, said) in [
        ("jobs-ded", "did you mean `jobs-dead`?"),
        (
            "jobs",
            "Source queue must be configured as a Dead Letter Queue",
        ),
        // Found by its logical id: it has a name that was made up.
        (
            "Unnamed",
            "Source queue must be configured as a Dead Letter Queue",
        ),
    ] {
        let refused = redrive(name, folder.path(), state.path());
        assert_eq!(refused.status.code(), Some(1));
        let error = text(&refused.stderr);
        assert!(error.contains(said), "{error}");
    }
    dev.stop();
}

fn redrive(name: &str, folder: &Path, state: &Path) -> Output {
    let state = state.to_str().unwrap();
    run(&["redrive", name, ".", "--state", state], folder)
}

fn url(queue: &str) -> String {
    format!("http://localhost/000000000000/{queue}")
}

fn wait_for_count(dev: &Dev, queue: &str, wanted: u64) {
    let asked = json!({"QueueUrl": url(queue), "AttributeNames": ["ApproximateNumberOfMessages"]});
    let found = eventually(|| {
        let reply = sqs(dev, "GetQueueAttributes", &asked).json();
        let count = reply["Attributes"]["ApproximateNumberOfMessages"].as_str()?;
        (count == wanted.to_string()).then_some(())
    });
    assert!(found.is_some(), "{queue}:\n{}", dev.log());
}

fn sqs(dev: &Dev, operation: &str, body: &Value) -> Reply {
    let target = format!("AmazonSQS.{operation}");
    let headers = [
        ("Content-Type", "application/x-amz-json-1.0"),
        ("X-Amz-Target", target.as_str()),
    ];
    call(dev, ("sqs", "/"), &headers, &body.to_string())
}

fn invoke(dev: &Dev, event: &Value) {
    let path = "/2015-03-31/functions/work/invocations";
    let headers = [("X-Amz-Invocation-Type", "Event")];
    let reply = call(dev, ("lambda", path), &headers, &event.to_string());
    assert_eq!(reply.status, 202, "{reply:?}");
}

fn publish(dev: &Dev) {
    let body = "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3Anews&Message=m";
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let reply = call(dev, ("sns", "/"), &headers, body);
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// With keys that nobody issued.
fn call(dev: &Dev, (service, path): (&str, &str), headers: &[(&str, &str)], body: &str) -> Reply {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host;x-amz-date, Signature={}",
        "0".repeat(64)
    );
    let mut all = vec![
        ("X-Amz-Date", "20260101T000000Z"),
        ("Authorization", authorization.as_str()),
    ];
    all.extend_from_slice(headers);
    try_request(dev.services_port, "POST", path, &all, body.as_bytes()).unwrap()
}
