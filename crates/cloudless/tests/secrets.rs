//! Parameters, secrets and keys, as functions use them.
//!
//! Lives here: boto3 within a function whose role allows all of it, and within one whose role allows nothing.
//! Does not live here: what each operation asks for (`service-secrets`), judging case by case (`policy`).

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use serde_json::{Value, json};
use support::{Dev, project};

const SAM: &str = "
Transform: AWS::Serverless-2016-10-31
Globals: { Function: { Runtime: python3.11, CodeUri: ., Timeout: 20 } }
Resources:
  Uses:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.uses
      Policies:
        - Statement:
            - { Effect: Allow, Action: ['ssm:*', 'secretsmanager:*', 'kms:*'], Resource: '*' }
      Events:
        Get: { Type: HttpApi, Properties: { Path: /uses, Method: get } }
  Tries:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.tries
      Events:
        Get: { Type: HttpApi, Properties: { Path: /tries, Method: get } }
";
const CODE: &str = r#"
import json
import boto3
from botocore.exceptions import ClientError

ssm = boto3.client("ssm")
secrets = boto3.client("secretsmanager")
kms = boto3.client("kms")


def told(body):
    return {"statusCode": 200, "body": json.dumps(body)}


def uses(event, context):
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    ssm.put_parameter(Name="/app/password", Value="open", Type="SecureString", KeyId=key)
    closed = ssm.get_parameter(Name="/app/password")["Parameter"]["Value"]
    opened = ssm.get_parameter(Name="/app/password", WithDecryption=True)["Parameter"]["Value"]
    secrets.create_secret(Name="login", SecretString="first", KmsKeyId=key)
    secrets.put_secret_value(SecretId="login", SecretString="second")
    stages = ["AWSCURRENT", "AWSPREVIOUS"]
    values = [secrets.get_secret_value(SecretId="login", VersionStage=stage)["SecretString"] for stage in stages]
    blob = kms.encrypt(KeyId=key, Plaintext=b"bytes", EncryptionContext={"of": "app"})["CiphertextBlob"]
    plain = kms.decrypt(CiphertextBlob=blob, EncryptionContext={"of": "app"})["Plaintext"].decode()
    return told({"closed": closed != "open", "opened": opened, "values": values, "plain": plain})


def code(call):
    try:
        call()
        return "allowed"
    except ClientError as error:
        return error.response["Error"]["Code"]


def tries(event, context):
    return told([
        code(lambda: ssm.get_parameter(Name="/app/password", WithDecryption=True)),
        code(lambda: ssm.put_parameter(Name="/app/password", Value="mine", Overwrite=True)),
        code(lambda: secrets.get_secret_value(SecretId="login")),
        code(lambda: kms.create_key()),
    ])
"#;

fn seen(dev: &Dev, path: &str) -> Value {
    let reply = dev.get(path);
    assert_eq!(reply.status, 200, "{reply:?}\n{}", dev.log());
    reply.json()
}

#[test]
fn a_function_keeps_secrets_and_another_without_permission_reads_none() {
    let folder = project(&[("template.yaml", SAM), ("app.py", CODE)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let used = json!({
        "closed": true,
        "opened": "open",
        "values": ["second", "first"],
        "plain": "bytes",
    });
    assert_eq!(seen(&dev, "/uses"), used);
    assert_eq!(
        seen(&dev, "/tries"),
        json!(vec!["AccessDeniedException"; 4])
    );
    dev.stop();
}

fn put_parameter(dev: &Dev, parameter: &Value) {
    let headers = [
        ("Content-Type", "application/x-amz-json-1.1"),
        ("X-Amz-Target", "AmazonSSM.PutParameter"),
        ("X-Amz-Date", "20260101T000000Z"),
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ssm/aws4_request, SignedHeaders=host, Signature=00",
        ),
    ];
    let put = parameter.to_string();
    let put =
        support::try_request(dev.services_port, "POST", "/", &headers, put.as_bytes()).unwrap();
    assert_eq!(put.status, 200, "{}", dev.log());
}

#[test]
fn what_is_said_of_a_manifest_repeats_no_secret() {
    let manifest = |timeout: &str| {
        format!(
            "service: told\nprovider: {{name: aws, runtime: python3.11}}\nfunctions:\n  f: {{handler: app.f, timeout: {timeout}}}\n"
        )
    };
    let folder = project(&[
        ("serverless.yml", &manifest("3")),
        ("app.py", "def f(event, context):\n    return 1\n"),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join(".cloudless"));
    let sealed = json!({"Name": "/told", "Value": "top-secret", "Type": "SecureString"});
    put_parameter(&dev, &sealed);
    std::fs::write(
        folder.path().join("serverless.yml"),
        manifest("'${ssm:/told}'"),
    )
    .unwrap();
    let log = dev.wait_for_log("is not a whole number");
    assert!(log.contains("`****` is not a whole number"), "{log}");
    assert!(!log.contains("top-secret"), "{log}");
}

const BACKWARDS: &str =
    "import os\ndef f(event, context):\n    return os.environ['PASSWORD'][::-1]\n";

fn with_password(value: &str) -> String {
    format!(
        "service: told\nprovider: {{name: aws, runtime: python3.11}}\nfunctions:\n  f:\n    handler: app.f\n    \
         environment: {{PASSWORD: '{value}'}}\n    events: [{{httpApi: GET /}}]\n"
    )
}

#[test]
fn a_secret_of_a_functions_variables_lies_in_no_file_of_the_state() {
    let manifest = with_password("none");
    let folder = project(&[("serverless.yml", &manifest), ("app.py", BACKWARDS)]);
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), state.path());
    let sealed = json!({"Name": "/app/kept", "Value": "top-secret", "Type": "SecureString"});
    put_parameter(&dev, &sealed);
    let referring = with_password("{{resolve:ssm-secure:/app/kept}}");
    std::fs::write(folder.path().join("serverless.yml"), referring).unwrap();
    let is_seen = |dev: &Dev| dev.get("/").body == "terces-pot";
    let seen = support::eventually(|| is_seen(&dev).then_some(()));
    assert_eq!(seen, Some(()), "{}", dev.log());
    dev.stop();
    let dev = Dev::start(folder.path(), state.path());
    assert!(is_seen(&dev), "{}", dev.log());
    dev.stop();
    let mut files = 0;
    for entry in std::fs::read_dir(state.path()).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else {
            continue;
        };
        files += 1;
        let is_there = bytes.windows(10).any(|it| it == b"top-secret");
        assert!(!is_there, "{}", path.display());
    }
    assert!(1 < files, "there is a state");
}

#[test]
fn references_are_looked_up_where_an_engine_keeps_parameters() {
    let behind = project(&[(
        "template.yaml",
        "Resources:\n  Logs:\n    Type: AWS::Logs::LogGroup\n",
    )]);
    let engine = Dev::start(behind.path(), &behind.path().join("state"));
    let there = json!({"Name": "/app/there", "Value": "of-the-engine", "Type": "String"});
    put_parameter(&engine, &there);
    let settings = format!(
        "[services.ssm]\nendpoint = \"http://localhost:{}\"\n",
        engine.services_port
    );
    let folder = project(&[
        (
            "serverless.yml",
            &with_password("{{resolve:ssm:/app/there}}"),
        ),
        ("app.py", BACKWARDS),
        ("cloudless.toml", &settings),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    assert_eq!(dev.get("/").body, "enigne-eht-fo", "{}", dev.log());
    dev.stop();
    engine.stop();
}
