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
use std::process::{Command, Output};

use serde_json::{Value, json};
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
        let mut command = tool(&python(), "bin/python3");
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

fn aws(dev: &Dev, arguments: &str) -> Output {
    let mut command = tool(&python(), "bin/aws");
    let output = command
        .args(arguments.split_whitespace())
        .env(
            "AWS_ENDPOINT_URL",
            format!("http://localhost:{}", dev.services_port),
        )
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "anything")
        .env("AWS_SECRET_ACCESS_KEY", "at-all")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

/// What a client of a running server prints.
fn with_server(run: impl FnOnce(&Dev, &Path) -> Output) -> Value {
    let folder = project(&[("template.yaml", TEMPLATE)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let output = run(&dev, folder.path());
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", dev.log());
    dev.stop();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A script in Node.js, beside the packages.
fn node(dev: &Dev, name: &str, script: &str) -> Output {
    let file = packages().join(name);
    std::fs::write(&file, script).unwrap();
    Command::new("node")
        .arg(&file)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env(
            "AWS_ENDPOINT_URL",
            format!("http://localhost:{}", dev.services_port),
        )
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "anything")
        .env("AWS_SECRET_ACCESS_KEY", "at-all")
        .env("AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE", "1")
        .output()
        .unwrap()
}

/// A tool with an environment of its own: no configuration of the developer's.
fn tool(folder: &Path, name: &str) -> Command {
    let mut command = Command::new(folder.join(name));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder);
    command
}

/// The folder with Python's tools; the first of all tests installs them.
fn python() -> PathBuf {
    static ONCE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let install = || {
        installed("functions-python", "", |folder| {
            succeed(
                Command::new("python3")
                    .args(["-m", "venv", "--clear"])
                    .arg(folder),
            );
            let mut pip = Command::new(folder.join("bin/pip"));
            succeed(pip.args([
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "awscli",
                "boto3",
            ]));
        })
    };
    ONCE.get_or_init(install).clone()
}

/// The folder with Node's packages.
fn packages() -> PathBuf {
    static ONCE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let install = || {
        installed("functions-node", &PACKAGES.join(" "), |folder| {
            let mut npm = Command::new("npm");
            let npm = npm
                .args(["install", "--no-audit", "--no-fund", "--prefix"])
                .arg(folder);
            succeed(npm.args(PACKAGES));
        })
    };
    ONCE.get_or_init(install).clone()
}

fn installed(name: &str, wanted: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let complete = folder.join("complete");
    if !std::fs::read_to_string(&complete).is_ok_and(|done| done == wanted) {
        std::fs::create_dir_all(&folder).unwrap();
        install(&folder);
        std::fs::write(complete, wanted).unwrap();
    }
    folder
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}
