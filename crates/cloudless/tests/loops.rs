//! Functions that call themselves by way of services, and weights of aliases, as clients meet them.
//!
//! Lives here: a loop through a queue, a topic and a bucket, over the real binary with boto3.
//! Does not live here: what a trace header says (`model::lineage`), telling calls off (`invoker`).

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and read the environment"
)]

mod support;

use serde_json::json;
use support::clients::{self, python_tools, tool};

const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Stopped: { Type: AWS::SQS::Queue, Properties: { QueueName: stopped } }
  Again: { Type: AWS::SQS::Queue, Properties: { QueueName: again } }
  News: { Type: AWS::SNS::Topic, Properties: { TopicName: news } }
  Round:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: round
      Runtime: python3.11
      Handler: app.round
      CodeUri: .
      Policies: [AdministratorAccess]
      Environment: { Variables: { TOPIC: !Ref News, QUEUE: !Ref Again } }
      EventInvokeConfig:
        DestinationConfig: { OnFailure: { Type: SQS, Destination: !GetAtt Stopped.Arn } }
      Events:
        Again: { Type: SQS, Properties: { Queue: !GetAtt Again.Arn } }
        News: { Type: SNS, Properties: { Topic: !Ref News } }
        Put: { Type: S3, Properties: { Bucket: !Ref Objects, Events: 's3:ObjectCreated:*' } }
  Objects: { Type: AWS::S3::Bucket, Properties: { BucketName: round-objects } }
";

const CODE: &str = "
import json, os, boto3

def round(event, context):
    record = event['Records'][0]
    source = record.get('eventSource') or record['EventSource']
    if source == 'aws:sqs':
        n = int(record['body'])
    elif source == 'aws:sns':
        n = int(record['Sns']['Message'])
    else:
        n = int(record['s3']['object']['key'])
    print('round', n)
    if n == 20:
        return
    following = str(n + 1)
    if source == 'aws:sqs':
        boto3.client('sns').publish(TopicArn=os.environ['TOPIC'], Message=following)
    elif source == 'aws:sns':
        boto3.client('s3').put_object(Bucket='round-objects', Key=following)
    else:
        boto3.client('sqs').send_message(QueueUrl=os.environ['QUEUE'], MessageBody=following)
";

#[test]
fn a_loop_through_a_queue_a_topic_and_a_bucket_ends_after_sixteen_calls_unless_it_may_go_on() {
    let files = [("template.yaml", TEMPLATE), ("app.py", CODE)];
    let seen = clients::with_server(&files, |dev, folder| {
        let script = folder.join("loops.py");
        std::fs::write(&script, include_str!("clients/loops.py")).unwrap();
        let mut command = tool(&python_tools(), "bin/python3");
        command.arg(script);
        command.arg(format!("http://localhost:{}", dev.services_port));
        let output = command.output().unwrap();
        let log = dev.log();
        assert!(
            log.contains("round 16") && log.contains("round 20"),
            "{log}"
        );
        let said =
            "called in a loop, which ends here: the same chain of requests has called it 16 times";
        assert!(log.contains(said), "{log}");
        output
    });
    let expected = json!({
        "before": "Terminate",
        "stopped": ["RecursiveInvocation", "17", 0],
        "dropped": 1.0,
        "now": "Allow",
        "weights": {"2": 0.25},
        "versions": {"1": 15, "2": 5},
    });
    assert_eq!(seen, expected);
}
