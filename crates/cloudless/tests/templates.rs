//! Integrations that are no proxies, through the real binary over HTTP: functions, services and mocks, with templates on the way.
//!
//! Lives here: what `serverless.yml` and CloudFormation say, and what a client is told.
//! Does not live here: the template language (`mapping-templates`), corner cases (`gateway`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use serde_json::json;
use support::{Dev, eventually, project};

const HANDLER: &str = "
def echo(event, context):
    if event.get('body', {}).get('fail'):
        raise Exception('[404] nobody')
    return event
def later(event, context):
    print('later ' + event['body']['x'])
def received(event, context):
    print('received ' + event['Records'][0]['body'])
";

const SERVERLESS: &str = r#"
service: templates
provider:
  name: aws
  runtime: python3.12
functions:
  echo:
    handler: app.echo
    events:
      - http: {path: 'echo/{id}', method: post, integration: lambda}
  fixed:
    handler: app.echo
    events:
      - http:
          path: fixed
          method: get
          integration: mock
          request: {template: {application/json: '#set($s = 201){"statusCode": $s}'}}
          response:
            template: "$context.stage #foreach($i in [1..3])$i#end"
            headers: {Content-Type: "'text/plain'"}
            statusCodes: {201: {pattern: ''}}
  later:
    handler: app.later
    events:
      - http: {path: later, method: post, async: true}
  received:
    handler: app.received
    events:
      - sqs: {arn: !GetAtt Letters.Arn}
resources:
  Resources:
    Letters: {Type: AWS::SQS::Queue, Properties: {QueueName: letters}}
    Files: {Type: AWS::S3::Bucket, Properties: {BucketName: template-files}}
    Things:
      Type: AWS::DynamoDB::Table
      Properties:
        TableName: things
        BillingMode: PAY_PER_REQUEST
        AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
        KeySchema: [{AttributeName: id, KeyType: HASH}]
    Door:
      Type: AWS::IAM::Role
      Properties:
        AssumeRolePolicyDocument:
          Statement: [{Effect: Allow, Principal: {Service: apigateway.amazonaws.com}, Action: sts:AssumeRole}]
        Policies:
          - PolicyName: door
            PolicyDocument:
              Statement: [{Effect: Allow, Action: ['sqs:SendMessage', 'dynamodb:PutItem', 's3:GetObject', 's3:PutObject', 's3:ListBucket'], Resource: '*'}]
    QueueResource: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref ApiGatewayRestApi, ParentId: !GetAtt ApiGatewayRestApi.RootResourceId, PathPart: letters}}
    QueueMethod:
      Type: AWS::ApiGateway::Method
      Properties:
        RestApiId: !Ref ApiGatewayRestApi
        ResourceId: !Ref QueueResource
        HttpMethod: POST
        AuthorizationType: NONE
        Integration:
          Type: AWS
          IntegrationHttpMethod: POST
          Uri: !Sub 'arn:aws:apigateway:${AWS::Region}:sqs:path/${AWS::AccountId}/letters'
          Credentials: !GetAtt Door.Arn
          PassthroughBehavior: NEVER
          RequestParameters: {integration.request.header.Content-Type: "'application/x-www-form-urlencoded'"}
          RequestTemplates: {application/json: 'Action=SendMessage&MessageBody=$util.urlEncode($input.body)'}
          IntegrationResponses:
            - StatusCode: 200
              ResponseTemplates: {application/json: '{"id": "$input.path(''$.SendMessageResponse.SendMessageResult.MessageId'')"}'}
    ThingResource: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref ApiGatewayRestApi, ParentId: !GetAtt ApiGatewayRestApi.RootResourceId, PathPart: things}}
    ThingMethod:
      Type: AWS::ApiGateway::Method
      Properties:
        RestApiId: !Ref ApiGatewayRestApi
        ResourceId: !Ref ThingResource
        HttpMethod: ANY
        AuthorizationType: NONE
        Integration:
          Type: AWS
          IntegrationHttpMethod: POST
          Uri: !Sub 'arn:aws:apigateway:${AWS::Region}:dynamodb:action/PutItem'
          Credentials: !GetAtt Door.Arn
          RequestTemplates:
            application/json: '{"TableName": "things", "Item": {"id": {"S": "$input.params(''id'')"}, "n": {"N": "$input.path(''$.n'')"}}}'
          IntegrationResponses:
            - StatusCode: 200
            - {StatusCode: 400, SelectionPattern: '4\d\d', ResponseTemplates: {application/json: '{"oops": $input.json(''$.__type'')}'}}
    ScanResource: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref ApiGatewayRestApi, ParentId: !GetAtt ApiGatewayRestApi.RootResourceId, PathPart: scan}}
    ScanMethod:
      Type: AWS::ApiGateway::Method
      Properties:
        RestApiId: !Ref ApiGatewayRestApi
        ResourceId: !Ref ScanResource
        HttpMethod: GET
        AuthorizationType: NONE
        Integration:
          Type: AWS
          IntegrationHttpMethod: POST
          Uri: !Sub 'arn:aws:apigateway:${AWS::Region}:dynamodb:action/Scan'
          Credentials: !GetAtt Door.Arn
          RequestTemplates: {application/json: '{"TableName": "things"}'}
          IntegrationResponses:
            - StatusCode: 200
            - {StatusCode: 403, SelectionPattern: '4\d\d', ResponseTemplates: {application/json: '{"denied": $input.json(''$.Message'')}'}}
    FileResource: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref ApiGatewayRestApi, ParentId: !GetAtt ApiGatewayRestApi.RootResourceId, PathPart: '{key+}'}}
    FileMethod:
      Type: AWS::ApiGateway::Method
      Properties:
        RestApiId: !Ref ApiGatewayRestApi
        ResourceId: !Ref FileResource
        HttpMethod: ANY
        AuthorizationType: NONE
        RequestParameters: {method.request.path.key: true}
        Integration:
          Type: AWS
          IntegrationHttpMethod: ANY
          Uri: !Sub 'arn:aws:apigateway:${AWS::Region}:s3:path/template-files/{key}'
          Credentials: !GetAtt Door.Arn
          RequestParameters: {integration.request.path.key: method.request.path.key}
          IntegrationResponses:
            - StatusCode: 200
              ResponseParameters: {method.response.header.ETag: integration.response.header.ETag}
            - {StatusCode: 404, SelectionPattern: '404'}
"#;

#[test]
fn functions_services_and_mocks_answer_by_templates() {
    let folder = project(&[("serverless.yml", SERVERLESS), ("app.py", HANDLER)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    functions_are_sent_the_tools_event(&dev);
    let fixed = dev.get("/dev/fixed");
    assert_eq!(
        (
            fixed.status,
            fixed.body.as_str(),
            fixed.header("content-type")
        ),
        (201, "dev 123", Some("text/plain"))
    );
    let later = dev.post("/dev/later", r#"{"x": "on"}"#);
    assert_eq!((later.status, later.body.as_str()), (200, ""));
    dev.wait_for_log("later on");
    services_are_called_as_the_role(&dev);
}

fn functions_are_sent_the_tools_event(dev: &Dev) {
    let echoed = dev.send(
        "POST",
        "/dev/echo/7?q=it%27s",
        &[("Content-Type", "application/json"), ("X-A", "\"b\"")],
        r#"{"a": [1, {"b": null}]}"#,
    );
    assert_eq!(echoed.status, 200, "{}", echoed.body);
    let event = echoed.json();
    let picked = |name: &str| event[name].clone();
    assert_eq!(picked("body"), json!({"a": [1, {"b": null}]}));
    assert_eq!(picked("method"), json!("POST"));
    assert_eq!(picked("stage"), json!("dev"));
    assert_eq!(picked("path"), json!({"id": "7"}));
    assert_eq!(picked("query"), json!({"q": "it's"}));
    assert_eq!(picked("principalId"), json!(""));
    assert_eq!(picked("enhancedAuthContext"), json!({}));
    assert_eq!(picked("requestPath"), json!("/echo/{id}"));
    assert_eq!(event["headers"]["X-A"], json!("\"b\""));
    assert_eq!(event["identity"]["sourceIp"], json!("127.0.0.1"));
    let form = dev.send(
        "POST",
        "/dev/echo/7",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        "a=b+c&d=%22",
    );
    assert_eq!(form.json()["body"], json!({"a": "b c", "d": "\""}));
    let failed = dev.post("/dev/echo/7", r#"{"fail": true}"#);
    assert_eq!(failed.status, 404);
    assert_eq!(failed.json()["errorMessage"], json!("[404] nobody"));
    let other = dev.send("POST", "/dev/echo/7", &[("Content-Type", "text/csv")], "a");
    assert_eq!(other.status, 415);
}

fn services_are_called_as_the_role(dev: &Dev) {
    let sent = dev.post("/dev/letters", r#"{"letter": "a & b"}"#);
    assert_eq!(sent.status, 200, "{}", sent.body);
    assert_eq!(
        sent.json()["id"].as_str().map(str::len),
        Some(36),
        "{}",
        sent.body
    );
    dev.wait_for_log(r#"received {"letter": "a & b"}"#);
    let put = dev.post("/dev/things?id=one", r#"{"n": 5}"#);
    assert_eq!((put.status, put.json()), (200, json!({})));
    let bad = dev.post("/dev/things?id=one", r#"{"n": "no number"}"#);
    assert_eq!(bad.status, 400);
    assert!(bad.body.contains("ValidationException"), "{}", bad.body);
    let denied = dev.get("/dev/scan");
    assert_eq!(denied.status, 403);
    assert!(
        denied
            .body
            .contains("is not authorized to perform: dynamodb:Scan"),
        "{}",
        denied.body
    );
    let stored = dev.send(
        "PUT",
        "/dev/a/b.json",
        &[("Content-Type", "application/json")],
        r#"{"a":1}"#,
    );
    assert_eq!(stored.status, 200, "{}", stored.body);
    assert!(stored.header("etag").is_some());
    let read = eventually(|| Some(dev.get("/dev/a/b.json")).filter(|read| read.status == 200));
    assert_eq!(read.map(|read| read.json()), Some(json!({"a": 1})));
    let missing = dev.get("/dev/none");
    assert_eq!(missing.status, 404);
    assert!(missing.body.contains("NoSuchKey"), "{}", missing.body);
}
