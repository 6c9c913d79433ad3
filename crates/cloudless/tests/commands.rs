//! The commands beside `dev`, and what they say when something is wrong.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{Dev, eventually, example, project, run, text};

const MANIFEST: &str = "
service: app
provider: { name: aws, runtime: nodejs20.x }
functions:
  greet:
    handler: handler.greet
  fail:
    handler: handler.fail
";
const HANDLER: &str = "
exports.greet = async (event) => { console.log('greeting'); return { hello: event.name }; };
exports.fail = async () => { throw new TypeError('no'); };
";

#[test]
fn a_folder_without_a_manifest_is_told_what_to_do() {
    let folder = project(&[]);
    let output = run(&["dev"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("error[project::no-manifest]"),
        "{}",
        text(&output.stderr)
    );
    assert!(text(&output.stderr).contains("help: go to the project's folder"));
}

/// All other tests read from pipes.
#[test]
fn a_terminal_has_colours_and_is_told_no_more_than_a_pipe() {
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.js", HANDLER)]);
    let in_terminal = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
    let output = Command::new("python3")
        .args(["-c", in_terminal, env!("CARGO_BIN_EXE_cloudless"), "check"])
        .current_dir(folder.path())
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert_eq!(said, "\u{1b}[32mall of it would run\u{1b}[0m\r\n");
}

#[test]
fn a_port_in_use_is_told_how_to_choose_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.js", HANDLER)]);
    let output = run(
        &["dev", "--port", &port, "--services-port", "0"],
        folder.path(),
    );
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains(&format!("port {port} is in use")) && said.contains("--port"),
        "{said}"
    );
}

#[test]
fn check_passes_an_example() {
    let output = run(&["check"], &example("petstore"));
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn check_names_every_problem_with_its_place_and_exits_with_one() {
    let manifest = "service: app\nprovider: { name: aws, runtime: nodejs20.x }\nfuntions:\n  a: { handler: a.b }\nfunctions:\n  b:\n    handler: missing.b\n    memry: 128\n";
    let folder = project(&[("serverless.yml", manifest)]);
    let output = run(&["check", "--json"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines: Vec<(String, u64)> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| {
            (
                problem["code"].as_str().unwrap().to_owned(),
                problem["place"]["line"].as_u64().unwrap_or(0),
            )
        })
        .collect();
    for line in [3, 6, 8] {
        assert!(
            lines.iter().any(|(_, found)| *found == line),
            "line {line} is not named: {lines:?}"
        );
    }
}

#[test]
fn check_names_the_paths_that_the_gateway_would_not_serve() {
    let manifest = "service: app\nprovider: { name: aws, runtime: nodejs20.x }\nfunctions:\n  greet:\n    handler: handler.greet\n    events:\n      - http: 'GET /{a}-{b}'\n";
    let folder = project(&[("serverless.yml", manifest), ("handler.js", HANDLER)]);
    let output = run(&["check"], folder.path());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("gateway::bad-path") && said.contains("serverless.yml:7"),
        "{said}"
    );
}

#[test]
fn invoke_runs_a_function_by_itself() {
    let folder = project(&[
        ("serverless.yml", MANIFEST),
        ("handler.js", HANDLER),
        ("event.json", r#"{"name": "Ada"}"#),
    ]);
    let output = run(&["invoke", "greet", "--event", "event.json"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(
        serde_json::from_slice::<Value>(&output.stdout).unwrap(),
        json!({ "hello": "Ada" })
    );
    let log = text(&output.stderr);
    assert!(
        log.contains("greeting") && log.contains("REPORT RequestId:"),
        "{log}"
    );
}

#[test]
fn invoke_exits_with_one_when_the_function_throws() {
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.js", HANDLER)]);
    let output = run(&["invoke", "fail"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&error["errorType"], &error["errorMessage"]),
        (&json!("TypeError"), &json!("no"))
    );
}

#[test]
fn invoke_uses_the_server_that_runs() {
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.js", HANDLER)]);
    let dev = Dev::start(folder.path(), &folder.path().join(".cloudless"));
    let output = run(&["invoke", "greet"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    dev.wait_for_log("greeting");
    let output = run(&["invoke", "greet", "--stage", "prod"], folder.path());
    assert!(text(&output.stderr).contains("without effect on this run: `--stage`"));
    dev.stop();
}

#[test]
fn invoke_names_the_functions_that_there_are() {
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.js", HANDLER)]);
    let output = run(&["invoke", "great"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("no function is called `great`") && said.contains("greet"),
        "{said}"
    );
}

#[test]
fn a_manifest_that_is_a_module_sees_the_env_file() {
    let module = "module.exports = { service: 'app', provider: { name: 'aws', runtime: 'nodejs20.x' },
        functions: { hello: { handler: 'handler.hello', events: [{ httpApi: 'GET /' + process.env.WHERE }] } } };";
    let folder = project(&[
        ("serverless.js", module),
        ("handler.js", "exports.hello = async () => 'x';"),
        ("variables", "WHERE=there\n"),
    ]);
    let output = support::cloudless()
        .arg("routes")
        .arg(folder.path())
        .arg("--env-file")
        .arg(folder.path().join("variables"))
        .output()
        .unwrap();
    let listed = String::from_utf8_lossy(&output.stdout);
    assert!(listed.contains("/there"), "{output:?}");
}

#[test]
fn routes_are_listed_without_a_server() {
    let output = run(&["routes", "--json"], &example("petstore"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let routes: Value = serde_json::from_slice(&output.stdout).unwrap();
    let paths: Vec<&str> = routes
        .as_array()
        .unwrap()
        .iter()
        .map(|route| route["path"].as_str().unwrap())
        .collect();
    assert!(
        paths.contains(&"/dev/pets") && paths.contains(&"/dev/pets/{id}"),
        "{paths:?}"
    );
}

#[test]
fn an_api_is_exported_as_openapi_without_a_server() {
    let output = run(&["openapi"], &example("petstore"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(
        document["paths"]["/pets/{id}"]["get"].is_object(),
        "{document:#}"
    );
    let output = run(&["openapi", "--api", "Nothing"], &example("petstore"));
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("the project has no API `Nothing`"), "{said}");
}

#[test]
fn every_event_is_json() {
    let folder = project(&[]);
    for kind in [
        "apigateway",
        "http-api",
        "sqs",
        "s3",
        "dynamodb",
        "schedule",
    ] {
        let output = run(&["event", kind], folder.path());
        assert_eq!(output.status.code(), Some(0), "{kind}");
        let event: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(event.is_object(), "{kind}");
    }
}

#[test]
fn help_has_examples_and_version_is_printed() {
    let folder = project(&[]);
    assert!(text(&run(&["dev", "--help"], folder.path()).stdout).contains("Examples:"));
    assert!(text(&run(&["--version"], folder.path()).stdout).starts_with("cloudless 0."));
    assert_eq!(run(&["nonsense"], folder.path()).status.code(), Some(2));
}

/// In any language: here in that of the shell, as in the cloud's own tutorial.
const BOOTSTRAP: &str = r#"#!/bin/sh
API="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  ID=$(curl -sS -D - -o /dev/null "$API/next" | grep -Fi Lambda-Runtime-Aws-Request-Id | tr -d '[:space:]' | cut -d: -f2)
  curl -sS "$API/$ID/response" -d "{\"body\":\"$_HANDLER\"}" > /dev/null
done
"#;

#[test]
fn an_executable_is_checked_served_and_invoked() {
    use std::os::unix::fs::PermissionsExt as _;

    let manifest = "
service: app
provider: { name: aws, runtime: provided.al2023 }
functions:
  tea: { handler: served, events: [ { httpApi: 'GET /tea' } ] }
";
    let folder = project(&[("serverless.yml", manifest)]);
    let checked = run(&["check"], folder.path());
    let said = text(&[checked.stdout, checked.stderr].concat());
    assert!(said.contains("error[build::bootstrap-missing]"), "{said}");

    let path = folder.path().join("bootstrap");
    std::fs::write(&path, BOOTSTRAP).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let invoked = run(&["invoke", "tea"], folder.path());
    assert_eq!(text(&invoked.stdout).trim_end(), "{\"body\":\"served\"}");
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    for _ in 0..2 {
        assert_eq!(dev.get("/tea").json(), json!({"body": "served"}));
    }
    dev.stop();
}

#[test]
fn logs_are_those_of_the_projects_own_region() {
    let manifest = "
service: far
provider: { name: aws, runtime: nodejs20.x, region: eu-west-1, stage: dev }
functions:
  greet: { handler: handler.greet, events: [{ httpApi: GET /greet }] }
";
    let folder = project(&[("serverless.yml", manifest), ("handler.js", HANDLER)]);
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), state.path());
    assert_eq!(dev.get("/greet").status, 200);
    let logs = |name: &str| {
        let state = state.path().to_str().unwrap();
        run(&["logs", name, ".", "--state", state], folder.path())
    };
    let told = eventually(|| {
        text(&logs("greet").stdout)
            .contains("greeting")
            .then_some(())
    });
    assert!(told.is_some(), "{}", text(&logs("greet").stderr));
    let unknown = logs("great");
    assert_eq!(unknown.status.code(), Some(1));
    let said = text(&unknown.stderr);
    assert!(said.contains("did you mean `greet`?"), "{said}");
    dev.stop();
}
