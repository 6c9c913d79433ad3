//! What stands before functions, through the real binary over HTTP: keys, plans, validation, an API's own words, access
//! logs, rates and custom domains, from each kind of manifest.
//!
//! Lives here: what a user writes down, and what a client is told.
//! Does not live here: authorizers (`authorizers`), tokens (`tokens`), corner cases (their crates).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use std::fs;

use serde_json::json;
use support::{Dev, eventually, project, raw, text};

const HANDLER: &str = "
import json
def handler(event, context):
    return {'statusCode': 200, 'body': json.dumps({'path': event['path'], 'key': event['requestContext']['identity'].get('apiKeyId')})}
";

const SERVERLESS: &str = "
service: door
provider:
  name: aws
  runtime: python3.12
  apiGateway:
    apiKeys: [drawn, {name: given, value: given-key-0123456789abcdef}]
    usagePlan: {quota: {limit: 3, period: DAY}}
functions:
  f:
    handler: app.handler
    events:
      - http: {path: /private, method: get, private: true}
      - http:
          path: /pets
          method: post
          request:
            parameters: {querystrings: {q: true}, headers: {X-Tenant: true}}
            schemas: {application/json: {type: object, required: [name]}}
resources:
  Resources:
    Words:
      Type: AWS::ApiGateway::GatewayResponse
      Properties:
        RestApiId: !Ref ApiGatewayRestApi
        ResponseType: DEFAULT_4XX
        ResponseParameters: {gatewayresponse.header.Access-Control-Allow-Origin: \"'*'\"}
        ResponseTemplates: {application/json: '{\"oops\":$context.error.messageString,\"kind\":\"$context.error.responseType\"}'}
    Domain:
      Type: AWS::ApiGateway::DomainName
      Properties: {DomainName: api.example.com}
    Mapping:
      Type: AWS::ApiGateway::BasePathMapping
      DependsOn: Domain
      Properties: {DomainName: api.example.com, BasePath: v1, RestApiId: !Ref ApiGatewayRestApi, Stage: dev}
";

#[test]
fn keys_validation_words_and_domains_of_serverless_yml_hold() {
    let folder = project(&[("serverless.yml", SERVERLESS), ("app.py", HANDLER)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let refused = dev.get("/dev/private");
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.json(),
        json!({"oops": "Forbidden", "kind": "INVALID_API_KEY"})
    );
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    let log = dev.log();
    let drawn = log
        .lines()
        .find(|line| line.contains("  API key   ") && line.ends_with("drawn"));
    let drawn = drawn.unwrap_or_else(|| panic!("no key in {log}"));
    let drawn = drawn.split_whitespace().nth(2).unwrap().to_owned();
    for (key, statuses) in [
        ("given-key-0123456789abcdef", [200, 200, 200, 429]),
        (drawn.as_str(), [200, 200, 200, 429]),
    ] {
        for status in statuses {
            let reply = dev.send("GET", "/dev/private", &[("x-api-key", key)], "");
            assert_eq!(reply.status, status, "{key}");
        }
    }
    let json_type = ("Content-Type", "application/json");
    for (path, headers, body, kind) in [
        (
            "/dev/pets",
            vec![json_type],
            r#"{"name":"Rex"}"#,
            "Missing required request parameters: [X-Tenant, q]",
        ),
        (
            "/dev/pets?q=1",
            vec![json_type, ("X-Tenant", "t")],
            "{}",
            "Invalid request body",
        ),
    ] {
        let reply = dev.send("POST", path, &headers, body);
        assert_eq!((reply.status, &reply.json()["oops"]), (400, &json!(kind)));
    }
    let headers = [json_type, ("X-Tenant", "t")];
    let reply = dev.send("POST", "/dev/pets?q=1", &headers, r#"{"name":"Rex"}"#);
    assert_eq!(reply.status, 200);
    let by_domain = |path: &str| {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: api.example.com\r\nX-Tenant: t\r\nContent-Type: application/json\r\n\
             Content-Length: 14\r\nConnection: close\r\n\r\n{{\"name\":\"Rex\"}}"
        );
        text(&raw(dev.port, request.as_bytes()).unwrap())
    };
    let reply = by_domain("/v1/pets?q=1");
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    assert!(reply.contains(r#"{"path": "/v1/pets""#), "{reply}");
    let reply = by_domain("/dev/pets?q=1");
    assert!(reply.starts_with("HTTP/1.1 403"), "{reply}");
}

const SAM: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: dev
      Auth:
        ApiKeyRequired: true
        UsagePlan: {CreateUsagePlan: PER_API, Throttle: {BurstLimit: 2, RateLimit: 1}}
      Models: {Pet: {type: object, required: [name]}}
      GatewayResponses: {THROTTLED: {StatusCode: 420}}
      AccessLogSetting: {Format: '$context.httpMethod $context.status $context.error.responseType $context.identity.apiKeyId'}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.12
      Events:
        Make:
          Type: Api
          Properties:
            RestApiId: !Ref Api
            Path: /pets
            Method: post
            RequestModel: {Model: Pet, ValidateBody: true}
        Open:
          Type: Api
          Properties: {RestApiId: !Ref Api, Path: /open, Method: get, Auth: {ApiKeyRequired: false}}
";

#[test]
fn keys_plans_models_words_and_access_logs_of_sam_hold() {
    let folder = project(&[("template.yaml", SAM), ("app.py", HANDLER)]);
    let state = folder.path().join("state");
    let dev = Dev::start(folder.path(), &state);
    let log = dev.log();
    let line = log.lines().find(|line| line.contains("  API key   "));
    let key = line.unwrap_or_else(|| panic!("no key in {log}"));
    let key = key.split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(dev.get("/dev/open").status, 200);
    assert_eq!(dev.post("/dev/pets", "{}").status, 403);
    let keyed = [
        ("x-api-key", key.as_str()),
        ("Content-Type", "application/json"),
    ];
    let statuses = ["{}", r#"{"name":"Rex"}"#, r#"{"name":"Rex"}"#]
        .map(|body| dev.send("POST", "/dev/pets", &keyed, body).status);
    assert_eq!(statuses, [400, 200, 420]);
    let written = eventually(|| {
        let file = fs::read_dir(state.join("access-logs")).ok()?.next()?.ok()?;
        let text = fs::read_to_string(file.path()).ok()?;
        (text.lines().count() == 5).then_some(text)
    });
    let written = written.unwrap();
    let shown: Vec<&str> = written
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    assert_eq!(
        shown,
        [
            "GET 200 -",
            "POST 403 INVALID_API_KEY",
            "POST 400 BAD_REQUEST_BODY",
            "POST 200 -",
            "POST 420 THROTTLED",
        ]
    );
}

#[test]
fn the_accounts_rate_holds_when_it_is_set() {
    let manifest = "
service: rate
provider: { name: aws, runtime: python3.12 }
functions:
  f: { handler: app.handler, events: [{ http: GET /x }] }
";
    let folder = project(&[
        ("serverless.yml", manifest),
        ("app.py", HANDLER),
        (
            "cloudless.toml",
            "[limits]\naccount_requests_per_second = 1\naccount_requests_burst = 1\n",
        ),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let statuses = [dev.get("/dev/x").status, dev.get("/dev/x").status];
    assert_eq!(statuses, [200, 429]);
    let log = dev.wait_for_log("the account");
    assert!(log.contains("429"), "{log}");
}
