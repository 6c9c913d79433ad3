//! Clients of AWS Lambda from outside, on functions that they make themselves and on those of a template.
//!
//! Lives here: boto3, the AWS SDK for JavaScript v3, the `aws` command line.
//! Does not live here: operations one by one (`service-functions`), what AWS answered (`conformance/lambda.md`).

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and read the environment"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use support::clients::{self, aws, python_tools, tool};
use support::{Dev, project, text};

const TEMPLATE: &str = "
Resources:
  Declared:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: declared
      Runtime: python3.11
      Handler: index.handler
      Role: arn:aws:iam::000000000000:role/declared
      Environment: { Variables: { NAME: declared } }
      Code:
        ZipFile: |
          import os
          def handler(event, context):
              return {'name': os.environ['NAME'], 'event': event, 'version': context.function_version}
";
const PACKAGES: [&str; 1] = ["@aws-sdk/client-lambda@3"];

#[test]
fn boto3_makes_a_function_that_outlives_the_server() {
    let folder = project(&[("template.yaml", TEMPLATE)]);
    let state = folder.path().join("state");
    let script = folder.path().join("functions.py");
    std::fs::write(&script, include_str!("clients/functions.py")).unwrap();
    let run = |part: &str| {
        let dev = Dev::start(folder.path(), &state);
        let endpoint = format!("http://localhost:{}", dev.services_port);
        let mut command = tool(&python_tools(), "bin/python3");
        let output = command
            .arg(&script)
            .arg(endpoint)
            .arg(part)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}\n{}",
            text(&output.stderr),
            dev.log()
        );
        dev.stop();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let live = json!({"one": [], "version": "1"});
    let latest = json!({"two": "second", "version": "$LATEST"});
    let expected = json!({
        "state": ["Pending", "Active", {"team": "blue"}],
        "first": {"one": {"a": 1}, "version": "$LATEST"},
        "same code": true,
        "latest": latest,
        "live": live,
        "accepted": 202,
        "told": latest,
        "emptied": true,
        "mapping": "Enabled",
    });
    assert_eq!(run("make"), expected);
    let refused = [
        "ResourceNotFoundException",
        "InvalidParameterValueException",
        "InvalidParameterValueException",
        "InvalidParameterValueException",
    ];
    let expected =
        json!({"latest": latest, "live": live, "refused": refused, "left": ["declared"]});
    assert_eq!(run("end"), expected);
}

#[test]
fn sdk_version_3_for_node_changes_what_a_template_declares() {
    let script = include_str!("clients/functions_three.mjs");
    let seen = with_server(|dev, _| node(dev, "functions_three.mjs", script));
    let said = |name: &str, version: &str| json!({"name": name, "event": {}, "version": version});
    let expected = json!({
        "before": said("declared", "$LATEST"),
        "after": said("changed", "$LATEST"),
        "published": said("changed", "1"),
        "throttled": "TooManyRequestsException",
        "memory": 256,
        "tail": true,
        "url": "lambda-url.us-east-1.on.aws",
        "sid": "all",
        "listed": ["$LATEST", "1"],
    });
    assert_eq!(seen, expected);
}

#[test]
fn the_aws_command_line_calls_without_waiting() {
    let seen = with_server(|dev, folder| {
        let out = folder.join("out.json");
        let named = format!("--function-name declared {}", out.display());
        aws(dev, &format!("lambda invoke {named}"));
        let told: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
        assert_eq!(told["name"], "declared");
        let event = aws(
            dev,
            &format!("lambda invoke --invocation-type Event {named}"),
        );
        let began = std::time::Instant::now();
        while !dev.log().contains("ASYNC") {
            assert!(began.elapsed().as_secs() < 20, "{}", dev.log());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        event
    });
    assert_eq!(seen, json!({"StatusCode": 202}));
}

fn with_server(run: impl FnOnce(&Dev, &Path) -> Output) -> Value {
    clients::with_server(&[("template.yaml", TEMPLATE)], run)
}

fn node(dev: &Dev, name: &str, script: &str) -> Output {
    clients::node(dev, &packages(), name, script)
}

fn packages() -> PathBuf {
    clients::node_packages("functions-node", &PACKAGES)
}
