//! Services that an engine elsewhere carries out: a server of our own, behind another one.
//!
//! Lives here: `[services.NAME]` of `cloudless.toml`, with boto3 in front.
//! Does not live here: what the settings may say (`settings`), parts of requests (`engines`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and read the environment"
)]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::clients::python_tools;
use support::{Dev, project, run, text};

const EMPTY: &str = "Resources:\n  Logs:\n    Type: AWS::Logs::LogGroup\n";
const TABLE: &str = "Resources:
  Kept:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: kept
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
      KeySchema: [{ AttributeName: id, KeyType: HASH }]
";
const SCRIPT: &str = include_str!("clients/engines.py");

fn seen(front: &Dev, engine: &str) -> Value {
    let output = Command::new(python_tools().join("bin/python3"))
        .args(["-c", SCRIPT])
        .arg(format!("http://localhost:{}", front.services_port))
        .arg(engine)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap();
    let log = front.log();
    assert!(output.status.success(), "{}\n{log}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn requests_are_verified_judged_and_passed_on_to_an_engine() {
    let behind = project(&[("template.yaml", EMPTY)]);
    let engine = Dev::start(behind.path(), &behind.path().join("state"));
    let endpoint = format!("http://localhost:{}", engine.services_port);
    let settings = format!(
        "[services.s3]\nendpoint = \"{endpoint}\"\n\
         [services.dynamodb]\nendpoint = \"{endpoint}\"\ncredentials = \"environment\"\n"
    );
    let folder = project(&[("template.yaml", EMPTY), ("cloudless.toml", &settings)]);
    let mut command = support::cloudless();
    command
        .arg("dev")
        .arg(folder.path())
        .args(["--port", "0", "--services-port", "0", "--state"])
        .arg(folder.path().join("state"))
        .env("AWS_ACCESS_KEY_ID", "of-the-engine")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    let front = Dev::start_command(&mut command);
    let expected = json!({
        "objects": {
            "large": [30, true, "x/y", { "colour": "red" }],
            "there": true,
            "range": 4,
            "head": true,
            "missing": [404, "NoSuchKey"],
            "chunks": 200,
            "false": 400,
            "chunked": ["abc", true],
            "listed": ["a large/one", "chunked"],
            "presigned": ["abc", "abc"],
            "deleted": [404, "404"],
            "dots": [400, "InvalidArgument"],
        },
        "tables": {
            "item": { "id": { "S": "1" } },
            "there": 1,
            "none": [400, "ResourceNotFoundException"],
        },
        "judged": {
            "get": null,
            "other": [403, "AccessDenied"],
            "put": [403, "AccessDenied"],
            "many": [403, "AccessDenied"],
            "unknown": [403, "AccessDenied"],
            "presigned": [200, 403],
            "item": null,
            "delete": [400, "AccessDeniedException"],
            "forged": [403, "SignatureDoesNotMatch"],
        },
    });
    assert_eq!(seen(&front, &endpoint), expected);
    engine.stop();
    let away = json!({
        "s3": [503, "ServiceUnavailable"],
        "put": [503, "ServiceUnavailable"],
        "dynamodb": [503, "ServiceUnavailableException"],
    });
    assert_eq!(seen(&front, "away"), away);
    let log = front.log();
    let told = log.matches("the engine of a service gave no answer");
    assert_eq!(told.count(), 3, "{log}");
    front.stop();
}

#[test]
fn a_check_says_which_resources_an_engine_does_not_get() {
    let settings = "[services.dynamodb]\nendpoint = \"http://localhost:9\"\n";
    let folder = project(&[("template.yaml", TABLE), ("cloudless.toml", settings)]);
    let output = run(&["check"], folder.path());
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("settings::engine-resources"), "{told}");
    assert!(
        told.contains("the resources of `dynamodb` are not made at http://localhost:9"),
        "{told}"
    );
}

#[test]
fn keys_that_the_environment_does_not_have_are_missed_at_the_start() {
    let settings =
        "[services.s3]\nendpoint = \"http://localhost:9\"\ncredentials = \"environment\"\n";
    let folder = project(&[("template.yaml", EMPTY), ("cloudless.toml", settings)]);
    let output = support::cloudless()
        .args(["dev", "--port", "0", "--services-port", "0", "--state"])
        .arg(folder.path().join("state"))
        .current_dir(folder.path())
        .env_remove("AWS_ACCESS_KEY_ID")
        .output()
        .unwrap();
    let told = text(&output.stderr);
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("server::engine-keys"), "{told}");
}
