//! Tokens of the development issuer, and what they open: manifests of every kind, served as a user does.
//!
//! Lives here: `cloudless token`, JWT authorizers and user pools from manifest to event, PyJWT as a second opinion.
//! Does not live here: tokens that are refused, one by one (`gateway::tokens`, `gateway::authorise`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::{Dev, Reply, cloudless, project, run, text};

const POOL: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pets";

const HANDLER: &str = "\
import json
def run(event, context):
    return {'statusCode': 200, 'body': json.dumps(event['requestContext'].get('authorizer'))}
";

const SERVERLESS: &str = "\
service: pets
provider:
  name: aws
  runtime: python3.11
  httpApi:
    authorizers:
      visitors:
        type: jwt
        identitySource: $request.header.Authorization
        issuerUrl: https://pets.eu.auth0.com/
        audience: [pets, toys]
functions:
  pets:
    handler: handler.run
    events:
      - httpApi: {path: /open, method: get}
      - httpApi: {path: /pets, method: get, authorizer: {name: visitors}}
      - httpApi: {path: /pets, method: post, authorizer: {name: visitors, scopes: [pets.write]}}
";

/// An HTTP API of an OpenAPI document, and a REST API of single resources.
const CLOUDFORMATION: &str = "\
Transform: AWS::Serverless-2016-10-31
Resources:
  Web:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefinitionBody:
        openapi: 3.0.1
        info: {title: pets, version: '1'}
        components:
          securitySchemes:
            visitors:
              type: oauth2
              flows: {}
              x-amazon-apigateway-authorizer:
                type: jwt
                identitySource: $request.querystring.token
                jwtConfiguration: {issuer: 'https://pets.eu.auth0.com/', audience: [pets]}
        paths:
          /pets:
            get:
              security: [{visitors: []}]
              x-amazon-apigateway-integration:
                type: aws_proxy
                httpMethod: POST
                payloadFormatVersion: '1.0'
                uri: !Sub arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Pets.Arn}/invocations
  Rest: {Type: AWS::ApiGateway::RestApi, Properties: {Name: rest}}
  Pool:
    Type: AWS::ApiGateway::Authorizer
    Properties:
      RestApiId: !Ref Rest
      Name: pool
      Type: COGNITO_USER_POOLS
      IdentitySource: method.request.header.Authorization
      ProviderARNs: ['arn:aws:cognito-idp:eu-west-1:000000000000:userpool/eu-west-1_pets']
  RestPets:
    Type: AWS::ApiGateway::Resource
    Properties: {RestApiId: !Ref Rest, ParentId: !GetAtt Rest.RootResourceId, PathPart: pets}
  RestGet:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Rest
      ResourceId: !Ref RestPets
      HttpMethod: GET
      AuthorizationType: COGNITO_USER_POOLS
      AuthorizerId: !Ref Pool
      Integration:
        Type: AWS_PROXY
        IntegrationHttpMethod: POST
        Uri: !Sub arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Pets.Arn}/invocations
  Deployment: {Type: AWS::ApiGateway::Deployment, DependsOn: RestGet, Properties: {RestApiId: !Ref Rest}}
  Live: {Type: AWS::ApiGateway::Stage, Properties: {RestApiId: !Ref Rest, DeploymentId: !Ref Deployment, StageName: live}}
  Pets:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.11, Handler: handler.run, CodeUri: .}
";

const SAM: &str = "\
Transform: AWS::Serverless-2016-10-31
Resources:
  Web:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: visitors
        Authorizers:
          visitors:
            IdentitySource: $request.header.Authorization
            JwtConfiguration: {issuer: 'https://pets.eu.auth0.com/', audience: [pets]}
  Rest:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      Auth:
        DefaultAuthorizer: pool
        Authorizers:
          pool: {UserPoolArn: 'arn:aws:cognito-idp:eu-west-1:000000000000:userpool/eu-west-1_pets'}
  Pets:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      Handler: handler.run
      CodeUri: .
      Events:
        Web: {Type: HttpApi, Properties: {ApiId: !Ref Web, Path: /pets, Method: get}}
        Rest: {Type: Api, Properties: {RestApiId: !Ref Rest, Path: /pets, Method: get}}
";

fn token(folder: &Path, arguments: &[&str]) -> String {
    let output = run(&[&["token"], arguments].concat(), folder);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

fn ask(dev: &Dev, method: &str, path: &str, token: &str) -> Reply {
    let authorization = format!("Bearer {token}");
    dev.send(method, path, &[("Authorization", &authorization)], "")
}

#[test]
fn a_token_of_the_development_issuer_opens_what_the_serverless_framework_guards() {
    let folder = project(&[("serverless.yml", SERVERLESS), ("handler.py", HANDLER)]);
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), state.path());
    assert_eq!(dev.get("/open").status, 200);
    let refused = dev.get("/pets");
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    assert_eq!(refused.json(), json!({"message": "Unauthorized"}));
    // Issuer and audience are the authorizer's.
    let good = token(
        folder.path(),
        &["--claims", r#"{"sub":"ada","groups":["a","b"]}"#],
    );
    let reply = ask(&dev, "GET", "/pets", &good);
    assert_eq!(reply.status, 200, "{reply:?}\n{}", dev.log());
    let claims = &reply.json()["jwt"]["claims"];
    assert_eq!(claims["iss"], "https://pets.eu.auth0.com/");
    assert_eq!(
        (&claims["sub"], &claims["aud"], &claims["groups"]),
        (&json!("ada"), &json!("pets"), &json!("[a b]"))
    );
    let lacking = ask(&dev, "POST", "/pets", &good);
    assert_eq!(
        (lacking.status, lacking.json()),
        (403, json!({"message": "Forbidden"}))
    );
    let scoped = token(
        folder.path(),
        &["--scope", "pets.write", "--audience", "toys"],
    );
    let reply = ask(&dev, "POST", "/pets", &scoped);
    assert_eq!(
        (reply.status, &reply.json()["jwt"]["scopes"]),
        (200, &json!(["pets.write"]))
    );
    for (arguments, description) in [
        (
            ["--audience", "others"],
            "the token does not have a valid audience",
        ),
        (["--claims", r#"{"exp":1}"#], "the token has expired"),
        (
            ["--issuer", "https://evil.example/"],
            "the token does not have a valid issuer",
        ),
    ] {
        let refused = ask(&dev, "GET", "/pets", &token(folder.path(), &arguments));
        assert_eq!(refused.status, 401);
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.contains(description), "{challenge}");
    }
    // The developer is told which rule refused, and where it stands.
    dev.wait_for_log("authorizer `visitors` (serverless.yml:");
    dev.wait_for_log("it is for `others`");
    assert_eq!(ask(&dev, "GET", "/pets", &format!("{good}x")).status, 401);
}

#[test]
fn cloudformation_guards_both_kinds_of_api() {
    let folder = project(&[("template.yaml", CLOUDFORMATION), ("handler.py", HANDLER)]);
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), state.path());
    // There are two issuers: one has to be named.
    let unclear = run(&["token"], folder.path());
    assert!(!unclear.status.success());
    assert!(
        text(&unclear.stderr).contains("--issuer"),
        "{}",
        text(&unclear.stderr)
    );
    let (visitor, user) = two_tokens(folder.path());
    let reply = dev.get(&format!("/pets?token={visitor}"));
    assert_eq!(reply.status, 200, "{reply:?}\n{}", dev.log());
    assert_eq!(reply.json()["claims"]["aud"], "pets");
    assert_eq!(dev.get(&format!("/pets?token={user}")).status, 401);
    assert_eq!(ask(&dev, "GET", "/pets", &visitor).status, 401);
    let reply = ask(&dev, "GET", "/live/pets", &user);
    assert_eq!(reply.status, 200, "{reply:?}\n{}", dev.log());
    assert_eq!(reply.json()["claims"]["cognito:groups"], "a,b");
    assert_eq!(ask(&dev, "GET", "/live/pets", &visitor).status, 401);
    let expired = token(
        folder.path(),
        &["--issuer", POOL, "--claims", r#"{"exp":1}"#],
    );
    let refused = ask(&dev, "GET", "/live/pets", &expired);
    assert_eq!(
        (refused.status, refused.json()),
        (401, json!({"message": "The incoming token has expired"}))
    );
}

#[test]
fn sam_guards_both_kinds_of_api() {
    let folder = project(&[("template.yaml", SAM), ("handler.py", HANDLER)]);
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), state.path());
    let (visitor, user) = two_tokens(folder.path());
    let reply = ask(&dev, "GET", "/pets", &visitor);
    assert_eq!(reply.status, 200, "{reply:?}\n{}", dev.log());
    assert_eq!(ask(&dev, "GET", "/pets", &user).status, 401);
    let reply = ask(&dev, "GET", "/live/pets", &user);
    assert_eq!(reply.status, 200, "{reply:?}\n{}", dev.log());
    assert_eq!(ask(&dev, "GET", "/live/pets", &visitor).status, 401);
}

/// A token of each issuer of the templates.
fn two_tokens(folder: &Path) -> (String, String) {
    let visitor = [
        "--issuer",
        "https://pets.eu.auth0.com/",
        "--audience",
        "pets",
    ];
    let claims = r#"{"token_use":"id","cognito:groups":["a","b"]}"#;
    let user = ["--issuer", POOL, "--claims", claims];
    (token(folder, &visitor), token(folder, &user))
}

#[test]
fn others_verify_tokens_by_the_documents_of_the_issuer() {
    let folder = project(&[("serverless.yml", SERVERLESS), ("handler.py", HANDLER)]);
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), state.path());
    let port = dev.services_port;
    let page = |path: &str| {
        let reply = support::try_request(port, "GET", path, &[], b"").unwrap();
        assert_eq!(reply.status, 200);
        reply.json()
    };
    let configuration = page("/_cloudless/issuer/.well-known/openid-configuration");
    assert_eq!(
        configuration["issuer"],
        format!("http://localhost:{port}/_cloudless/issuer")
    );
    let keys = page("/_cloudless/issuer/.well-known/jwks.json");
    let signed = token(folder.path(), &["--claims", r#"{"sub":"ada"}"#]);
    let document = run(
        &["token", "--json", "--claims", r#"{"sub":"ada"}"#],
        folder.path(),
    );
    let document: Value = serde_json::from_slice(&document.stdout).unwrap();
    assert_eq!(document["claims"]["sub"], "ada");
    if let Some(python) = python_with_jwt() {
        let program = "\
import json, sys, jwt
keys, token = json.loads(sys.argv[1]), sys.argv[2]
header = jwt.get_unverified_header(token)
key = next(jwt.PyJWK(key) for key in keys['keys'] if key['kid'] == header['kid'])
print(jwt.decode(token, key.key, algorithms=['RS256'], audience='pets', issuer='https://pets.eu.auth0.com/')['sub'])
";
        let output = Command::new(python)
            .args(["-c", program, &keys.to_string(), &signed])
            .output()
            .unwrap();
        assert_eq!(
            text(&output.stdout).trim(),
            "ada",
            "{}",
            text(&output.stderr)
        );
    }
}

/// An interpreter with PyJWT and its cryptography; none where it cannot be installed, as without a network.
fn python_with_jwt() -> Option<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pyjwt");
    let python = folder.join("bin/python");
    let has_it = || {
        let found = Command::new(&python)
            .args(["-c", "import jwt, cryptography"])
            .output();
        found.is_ok_and(|output| output.status.success())
    };
    if !has_it() {
        let made = Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder)
            .output()
            .ok()?;
        if made.status.success() {
            let install = [
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "pyjwt[crypto]",
            ];
            let _installed = Command::new(&python).args(install).output().ok()?;
        }
    }
    has_it().then_some(python)
}

#[test]
fn the_call_is_explained_when_it_cannot_be_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, said) in [
        (["token", "--claims", "[1]"], "token::bad-claims"),
        (["token", "--claims", "{"], "token::bad-claims"),
    ] {
        let output = run(&arguments, folder.path());
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text(&output.stderr).contains(said),
            "{}",
            text(&output.stderr)
        );
    }
    // Without a project the token is from the development issuer itself.
    let own = run(&["token", "--json"], folder.path());
    let own: Value = serde_json::from_slice(&own.stdout).unwrap();
    assert_eq!(
        own["claims"]["iss"],
        "http://localhost:4566/_cloudless/issuer"
    );
    let help = cloudless().args(["token", "--help"]).output().unwrap();
    assert!(text(&help.stdout).contains("Examples:"));
}
