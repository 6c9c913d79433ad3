//! Functions that queues, topics, buckets and rules call, as a developer meets them.
//!
//! Lives here: one function that tells, and one that hears all of it, by `serverless.yml` and by a SAM template.
//! Does not live here: what the tools make of events (`manifest`), each service by itself (its crate).

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use serde_json::{Value, json};
use support::{Dev, eventually, project};

const SERVERLESS: &str = "
service: heard
provider:
  name: aws
  runtime: python3.11
  timeout: 20
  environment: { QUEUE: !Ref Jobs, TOPIC: !Ref News, TABLE: !Ref Heard, BUCKET: uploads-that-are-heard }
  iam:
    role:
      statements:
        - Effect: Allow
          Action: ['sqs:SendMessage', 'sns:Publish', 's3:PutObject', 'events:PutEvents', 'dynamodb:*']
          Resource: '*'
functions:
  tell: { handler: app.tell, events: [httpApi: POST /tell, httpApi: GET /heard] }
  hear:
    handler: app.hear
    events:
      - sqs: { arn: !GetAtt Jobs.Arn }
      - sns: { arn: !Ref News, topicName: news, filterPolicy: { kind: [loud] } }
      - s3: { bucket: uploads-that-are-heard, rules: [{ suffix: .txt }] }
      - eventBridge: { eventBus: own-bus, pattern: { source: [heard] }, inputPath: $.detail }
      - cloudwatchEvent:
          event: { source: [heard] }
          inputTransformer: { inputPathsMap: { word: $.detail-type }, inputTemplate: '{\"from\": <word>}' }
resources:
  Resources:
    Jobs: { Type: AWS::SQS::Queue }
    News: { Type: AWS::SNS::Topic }
    Heard:
      Type: AWS::DynamoDB::Table
      Properties:
        BillingMode: PAY_PER_REQUEST
        AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
        KeySchema: [{ AttributeName: id, KeyType: HASH }]
";

const SAM: &str = "
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Runtime: python3.11
    CodeUri: .
    Timeout: 20
    Environment:
      Variables: { QUEUE: !Ref Jobs, TOPIC: !Ref News, TABLE: !Ref Heard, BUCKET: uploads-that-are-heard }
Resources:
  Tell:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.tell
      Policies:
        - DynamoDBReadPolicy: { TableName: !Ref Heard }
        - SQSSendMessagePolicy: { QueueName: !GetAtt Jobs.QueueName }
        - SNSPublishMessagePolicy: { TopicName: !GetAtt News.TopicName }
        - S3WritePolicy: { BucketName: uploads-that-are-heard }
        - EventBridgePutEventsPolicy: { EventBusName: default }
        - EventBridgePutEventsPolicy: { EventBusName: own-bus }
      Events:
        Tell: { Type: HttpApi, Properties: { Method: POST, Path: /tell } }
        Heard: { Type: HttpApi, Properties: { Method: GET, Path: /heard } }
  Hear:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.hear
      Policies: [DynamoDBWritePolicy: { TableName: !Ref Heard }]
      Events:
        Jobs: { Type: SQS, Properties: { Queue: !GetAtt Jobs.Arn } }
        News: { Type: SNS, Properties: { Topic: !Ref News, FilterPolicy: { kind: [loud] } } }
        Uploads:
          Type: S3
          Properties:
            Bucket: !Ref Uploads
            Events: s3:ObjectCreated:*
            Filter: { S3Key: { Rules: [{ Name: suffix, Value: .txt }] } }
        Own:
          Type: EventBridgeRule
          Properties: { EventBusName: !Ref Bus, Pattern: { source: [heard] }, InputPath: $.detail }
        Default:
          Type: CloudWatchEvent
          Properties:
            Pattern: { source: [heard] }
            InputTransformer: { InputPathsMap: { word: $.detail-type }, InputTemplate: '{\"from\": <word>}' }
  Jobs: { Type: AWS::SQS::Queue }
  News: { Type: AWS::SNS::Topic }
  Heard: { Type: AWS::Serverless::SimpleTable }
  Uploads: { Type: AWS::S3::Bucket, Properties: { BucketName: uploads-that-are-heard } }
  Bus: { Type: AWS::Events::EventBus, Properties: { Name: own-bus } }
";

const CODE: &str = "
import json, os
import boto3

table = boto3.resource('dynamodb').Table(os.environ['TABLE'])

def tell(event, context):
    if event['requestContext']['http']['method'] == 'GET':
        return {'statusCode': 200, 'body': json.dumps(sorted(item['id'] for item in table.scan()['Items']))}
    boto3.client('sqs').send_message(QueueUrl=os.environ['QUEUE'], MessageBody='job')
    sns = boto3.client('sns')
    for text in ('loud', 'quiet'):
        kind = {'kind': {'DataType': 'String', 'StringValue': text}}
        sns.publish(TopicArn=os.environ['TOPIC'], Message=text, MessageAttributes=kind)
    s3 = boto3.client('s3')
    for key in ('a.bin', 'b.txt'):
        s3.put_object(Bucket=os.environ['BUCKET'], Key=key, Body=b'x')
    said = {'Source': 'heard', 'DetailType': 'said', 'Detail': json.dumps({'from': 'own-bus'})}
    sent = boto3.client('events').put_events(Entries=[said, dict(said, EventBusName='own-bus')])
    return {'statusCode': 200, 'body': json.dumps(sent['FailedEntryCount'])}

def hear(event, context):
    for record in event.get('Records', [event]):
        source = record.get('eventSource') or record.get('EventSource') or record.get('from')
        object = record.get('s3', {}).get('object', {}).get('key')
        what = record.get('body') or record.get('Sns', {}).get('Message') or object
        table.put_item(Item={'id': f'{source} {what}'})
";

fn hears_everything(manifest: &str, text: &str) {
    let folder = project(&[(manifest, text), ("app.py", CODE)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let told = dev.post("/tell", "");
    assert_eq!((told.status, told.json()), (200, json!(0)), "{}", dev.log());
    let expected = json!([
        "aws:s3 b.txt",
        "aws:sns loud",
        "aws:sqs job",
        "own-bus None",
        "said None"
    ]);
    let mut heard = Value::Null;
    let all = eventually(|| {
        heard = dev.get("/heard").json();
        (heard == expected).then_some(())
    });
    assert!(all.is_some(), "{heard}\n{}", dev.log());
    dev.stop();
}

#[test]
fn a_function_of_serverless_yml_hears_queues_topics_buckets_and_rules() {
    hears_everything("serverless.yml", SERVERLESS);
}

#[test]
fn a_function_of_sam_hears_them_too_with_policy_templates_alone() {
    hears_everything("template.yaml", SAM);
}
