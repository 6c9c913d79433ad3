//! Authorizers, signatures and resource policies, through the real binary, with functions in Node and Python.
//!
//! Lives here: who is let in and what the functions see of them, from `serverless.yml`, SAM and OpenAPI bodies.
//! Does not live here: the tables of every case (`gateway`), other limits before a route.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use serde_json::{Value, json};
use support::{Dev, Reply, project};

const FRAMEWORK: &str = "
service: guarded
provider:
  name: aws
  runtime: nodejs20.x
  httpApi:
    authorizers:
      simple:
        type: request
        functionName: simple
        identitySource: $request.header.Authorization
        enableSimpleResponses: true
        payloadVersion: '2.0'
        resultTtlInSeconds: 300
  iam:
    role:
      statements:
        - { Effect: Allow, Action: 'execute-api:Invoke', Resource: 'arn:aws:execute-api:*:*:*/*/GET/signed' }
functions:
  echo:
    handler: handler.echo
    events:
      - http:
          path: /token
          method: get
          authorizer: { name: guard, type: token, resultTtlInSeconds: 300, identityValidationExpression: '[a-z]+' }
      - http:
          path: /other
          method: get
          authorizer: { name: guard, type: token, resultTtlInSeconds: 300, identityValidationExpression: '[a-z]+' }
      - http:
          path: /request/{id}
          method: get
          authorizer:
            name: pythonguard
            type: request
            resultTtlInSeconds: 0
            identitySource: method.request.querystring.who
      - http: { path: /signed, method: get, authorizer: aws_iam }
      - http: { path: /signed-too, method: get, authorizer: aws_iam }
      - httpApi: { path: /simple, method: get, authorizer: { name: simple } }
      - httpApi: { path: /simple-too, method: get, authorizer: { name: simple } }
  guard:
    handler: handler.guard
  simple:
    handler: handler.simple
  pythonguard:
    handler: guards.guard
    runtime: python3.11
  signer:
    handler: guards.sign
    runtime: python3.11
    events:
      - httpApi: POST /sign
";

const NODE: &str = "
let calls = 0;
exports.echo = async (event) => ({ statusCode: 200, body: JSON.stringify(event) });
exports.guard = async (event) => {
  calls += 1;
  if (event.authorizationToken === 'nobody') throw new Error('Unauthorized');
  if (event.authorizationToken === 'broken') throw new Error('broken');
  return {
    principalId: event.authorizationToken,
    policyDocument: {
      Version: '2012-10-17',
      Statement: [{
        Action: 'execute-api:Invoke',
        Effect: event.authorizationToken === 'eve' ? 'Deny' : 'Allow',
        Resource: event.methodArn,
      }],
    },
    context: { calls, admin: true },
  };
};
exports.simple = async (event) => ({
  isAuthorized: event.headers.authorization === 'ada',
  context: { arn: event.routeArn, number: 7, list: [1] },
});
";

const PYTHON: &str = "
import json

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session


def guard(event, context):
    who = (event['queryStringParameters'] or {}).get('who')
    if not who:
        raise Exception('Unauthorized')
    return {
        'principalId': who,
        'policyDocument': {
            'Version': '2012-10-17',
            'Statement': [{'Action': 'execute-api:Invoke', 'Effect': 'Allow',
                           'Resource': event['methodArn'].split('/')[0] + '/*/GET/request/' + who}],
        },
        'context': {'keys': ','.join(event), 'number': 1},
    }


def sign(event, context):
    request = AWSRequest(method='GET', url=event['body'])
    SigV4Auth(Session().get_credentials(), 'execute-api', 'us-east-1').add_auth(request)
    return {'statusCode': 200, 'body': json.dumps(dict(request.prepare().headers))}
";

fn ask(dev: &Dev, path: &str, token: Option<&str>) -> Reply {
    let headers: Vec<(&str, &str)> = token
        .into_iter()
        .map(|one| ("Authorization", one))
        .collect();
    dev.send("GET", path, &headers, "")
}

fn authorizer_in(reply: &Reply) -> Value {
    reply.json()["requestContext"]["authorizer"].clone()
}

#[test]
fn functions_of_a_framework_project_say_who_may_call() {
    let folder = project(&[
        ("serverless.yml", FRAMEWORK),
        ("handler.js", NODE),
        ("guards.py", PYTHON),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    a_token_is_asked_about_once_and_opens_one_path(&dev);
    a_python_function_is_given_the_request(&dev);
    a_simple_answer_opens_every_route(&dev);
    a_role_may_call_what_its_policy_names(&dev);
    let log = dev.log();
    assert!(log.contains("serverless.yml:"), "{log}");
    assert!(log.contains("guard"), "{log}");
    dev.stop();
}

fn a_token_is_asked_about_once_and_opens_one_path(dev: &Dev) {
    for _ in 0..2 {
        let reply = ask(dev, "/dev/token", Some("ada"));
        assert_eq!(reply.status, 200, "{}", reply.body);
        let told = authorizer_in(&reply);
        assert_eq!(told["principalId"], "ada");
        assert_eq!(told["calls"], "1");
        assert_eq!(told["admin"], "true");
    }
    for (path, token, status, body) in [
        ("/dev/token", None, 401, r#"{"message":"Unauthorized"}"#),
        (
            "/dev/token",
            Some("A1"),
            401,
            r#"{"message":"Unauthorized"}"#,
        ),
        (
            "/dev/token",
            Some("nobody"),
            401,
            r#"{"message":"Unauthorized"}"#,
        ),
        ("/dev/token", Some("broken"), 500, r#"{"message":null}"#),
        (
            "/dev/token",
            Some("eve"),
            403,
            r#"{"Message":"User is not authorized to access this resource with an explicit deny"}"#,
        ),
        // What is kept for `ada` is a policy of another path.
        (
            "/dev/other",
            Some("ada"),
            403,
            r#"{"Message":"User is not authorized to access this resource"}"#,
        ),
    ] {
        let reply = ask(dev, path, token);
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (status, body),
            "{path} {token:?}"
        );
    }
}

fn a_python_function_is_given_the_request(dev: &Dev) {
    let reply = ask(dev, "/dev/request/bob?who=bob", None);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let told = authorizer_in(&reply);
    assert_eq!(told["principalId"], "bob");
    assert_eq!(told["number"], "1");
    let keys = told["keys"].as_str().unwrap();
    assert!(
        keys.starts_with("type,methodArn,resource,path,httpMethod,headers"),
        "{keys}"
    );
    assert_eq!(ask(dev, "/dev/request/ada?who=bob", None).status, 403);
    assert_eq!(ask(dev, "/dev/request/bob", None).status, 401);
}

fn a_simple_answer_opens_every_route(dev: &Dev) {
    for path in ["/simple", "/simple-too"] {
        let reply = ask(dev, path, Some("ada"));
        assert_eq!(reply.status, 200, "{}", reply.body);
        let told = authorizer_in(&reply);
        assert_eq!(told["lambda"]["number"], 7);
        assert_eq!(told["lambda"]["list"], json!([1]));
        let arn = told["lambda"]["arn"].as_str().unwrap();
        assert!(arn.ends_with("/$default/GET/simple"), "{arn}");
    }
    let refused = ask(dev, "/simple", Some("eve"));
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (403, r#"{"message":"Forbidden"}"#)
    );
    assert_eq!(ask(dev, "/simple", None).status, 401);
}

fn a_role_may_call_what_its_policy_names(dev: &Dev) {
    // botocore signs inside of a function, with the keys of its role.
    let called = |path: &str| {
        let target = format!("/dev{path}?b=2&a=%20x");
        let url = format!("http://localhost:{}{target}", dev.port);
        let signed = dev.send("POST", "/sign", &[("Content-Type", "text/plain")], &url);
        assert_eq!(signed.status, 200, "{}\n{}", signed.body, dev.log());
        let headers = signed.json();
        let headers: Vec<(&str, &str)> = headers
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let reply = dev.send("GET", &target, &headers, "");
        (reply.status, reply.body)
    };
    let (status, body) = called("/signed");
    assert_eq!(status, 200, "{body}");
    let event: Value = serde_json::from_str(&body).unwrap();
    let user = event["requestContext"]["identity"]["userArn"]
        .as_str()
        .unwrap();
    assert!(
        user.starts_with("arn:aws:sts::000000000000:assumed-role/"),
        "{user}"
    );
    let (status, body) = called("/signed-too");
    assert_eq!(status, 403, "{body}");
    assert!(
        body.starts_with(r#"{"Message":"User: arn:aws:sts::000000000000:assumed-role/"#)
            && body.contains("is not authorized to perform: execute-api:Invoke on resource: ")
            && body.contains("********0000"),
        "{body}"
    );
    let unsigned = dev.get("/dev/signed");
    assert_eq!(
        (unsigned.status, unsigned.body.as_str()),
        (403, r#"{"message":"Missing Authentication Token"}"#)
    );
}

const BY_ADDRESS: &str = "
service: addresses
provider:
  name: aws
  runtime: nodejs20.x
  apiGateway:
    resourcePolicy:
      - Effect: Allow
        Principal: '*'
        Action: execute-api:Invoke
        Resource: [execute-api:/*/GET/echo]
        Condition: { IpAddress: { 'aws:SourceIp': [127.0.0.0/8] } }
functions:
  echo:
    handler: handler.echo
    events:
      - http: GET /echo
      - http: GET /not-named
";

#[test]
fn a_framework_projects_resource_policy_names_addresses_and_paths() {
    let folder = project(&[("serverless.yml", BY_ADDRESS), ("handler.js", NODE)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    assert_eq!(dev.get("/dev/echo").status, 200);
    let refused = dev.get("/dev/not-named");
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(
        refused
            .body
            .contains("User: anonymous is not authorized to perform: execute-api:Invoke"),
        "{}",
        refused.body
    );
    let told = dev.wait_for_log("resource policy");
    assert!(
        told.contains("`GET /not-named` (declared at serverless.yml:"),
        "{told}"
    );
    dev.stop();
}

const SAM: &str = r#"
Transform: AWS::Serverless-2016-10-31
Globals: { Function: { CodeUri: ., Runtime: python3.11 } }
Resources:
  Guarded:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      Auth:
        DefaultAuthorizer: Token
        Authorizers:
          Token:
            FunctionArn: !GetAtt Guard.Arn
            Identity: { Header: X-Token, ReauthorizeEvery: 0 }
  Here:
    Type: AWS::Serverless::Api
    Properties:
      StageName: here
      Auth: { ResourcePolicy: { IpRangeWhitelist: [127.0.0.0/8] } }
  Elsewhere:
    Type: AWS::Serverless::Api
    Properties:
      StageName: elsewhere
      Auth: { ResourcePolicy: { IpRangeWhitelist: [192.0.2.0/24] } }
  Web:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Policy
        Authorizers:
          Policy:
            FunctionArn: !GetAtt Guard.Arn
            AuthorizerPayloadFormatVersion: "1.0"
            Identity: { Headers: [X-Token] }
  Guard:
    Type: AWS::Serverless::Function
    Properties: { Handler: app.guard }
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.echo
      Events:
        Shut: { Type: Api, Properties: { RestApiId: !Ref Guarded, Path: /shut, Method: get } }
        Open: { Type: Api, Properties: { RestApiId: !Ref Guarded, Path: /open, Method: get, Auth: { Authorizer: NONE } } }
        Here: { Type: Api, Properties: { RestApiId: !Ref Here, Path: /by-address, Method: get } }
        Elsewhere: { Type: Api, Properties: { RestApiId: !Ref Elsewhere, Path: /by-address, Method: get } }
        Web: { Type: HttpApi, Properties: { ApiId: !Ref Web, Path: /web, Method: get, PayloadFormatVersion: "1.0" } }
"#;

const SAM_PYTHON: &str = "
import json


def guard(event, context):
    token = event['authorizationToken']
    return {
        'principalId': token,
        'policyDocument': {
            'Version': '2012-10-17',
            'Statement': [{'Action': 'execute-api:Invoke', 'Effect': 'Allow' if token == 'ada' else 'Deny',
                           'Resource': event['methodArn']}],
        },
        'context': {'age': 36},
    }


def echo(event, context):
    return {'statusCode': 200, 'body': json.dumps(event)}
";

#[test]
fn a_sam_templates_auth_is_enforced() {
    let folder = project(&[("template.yaml", SAM), ("app.py", SAM_PYTHON)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    for (path, token, status) in [
        ("/prod/shut", Some("ada"), 200),
        ("/prod/shut", Some("eve"), 403),
        ("/prod/shut", None, 401),
        ("/prod/open", None, 200),
        ("/web", Some("ada"), 200),
        ("/web", Some("eve"), 403),
        ("/web", None, 401),
        ("/here/by-address", None, 200),
        ("/elsewhere/by-address", None, 403),
    ] {
        let headers: Vec<(&str, &str)> = token.into_iter().map(|one| ("X-Token", one)).collect();
        let reply = dev.send("GET", path, &headers, "");
        assert_eq!(reply.status, status, "{path} {token:?}: {}", reply.body);
    }
    let shown = |path: &str| authorizer_in(&dev.send("GET", path, &[("X-Token", "ada")], ""));
    assert_eq!(shown("/prod/shut")["age"], "36");
    assert_eq!(shown("/web")["age"], 36);
    assert_eq!(shown("/web")["principalId"], "ada");
    let refused = dev.get("/elsewhere/by-address");
    assert!(
        refused.body.starts_with(
            r#"{"Message":"User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********0000:"#
        ),
        "{}",
        refused.body
    );
    dev.stop();
}
