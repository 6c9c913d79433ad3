//! Real clients against the services' door: the SDKs inside of functions, and tools from outside with keys that nobody
//! issued.
//!
//! Lives here: boto3, the AWS SDK for JavaScript v3 and v2, the `aws` command line.
//! Does not live here: operations one by one (`service-tables`), signatures (`aws-wire`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use support::{Dev, project, text};

const MANIFEST: &str = "
service: clients
provider:
  name: aws
  runtime: nodejs20.x
  timeout: 25
  iam: { role: { statements: [{ Effect: Allow, Action: ['dynamodb:*', 'lambda:InvokeFunction'], Resource: '*' }] } }
functions:
  python: { runtime: python3.11, handler: inside.journey, events: [{ httpApi: GET /python }] }
  three: { handler: three.journey, events: [{ httpApi: GET /three }] }
  two: { runtime: nodejs16.x, handler: two.journey, events: [{ httpApi: GET /two }] }
  greet: { handler: greet.handler }
  fail: { handler: greet.fail }
  stream: { handler: greet.stream }
";
const GREET: &str = "
exports.handler = async (event) => ({ hello: event.name });
exports.stream = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('one');
  await new Promise((done) => setTimeout(done, 500));
  if (event.fails) throw new TypeError('late');
  stream.end('two');
});
exports.fail = async () => { throw new TypeError('no'); };
";

/// Every journey makes a table of its own, uses each operation once, and ends with what it saw.
const PYTHON: &str = include_str!("clients/journey.py");
const PYTHON_INSIDE: &str = include_str!("clients/inside.py");
const PYTHON_OUTSIDE: &str = include_str!("clients/outside.py");
const PYTHON_STREAM: &str = include_str!("clients/stream.py");
const PYTHON_IDENTITY: &str = include_str!("clients/identity.py");
const NODE_THREE: &str = include_str!("clients/three.js");
const NODE_TWO: &str = include_str!("clients/two.js");

fn server() -> (tempfile::TempDir, Dev) {
    let folder = project(&[
        ("serverless.yml", MANIFEST),
        ("greet.js", GREET),
        ("journey.py", PYTHON),
        ("inside.py", PYTHON_INSIDE),
        ("outside.py", PYTHON_OUTSIDE),
        ("stream.py", PYTHON_STREAM),
        ("identity.py", PYTHON_IDENTITY),
        ("three.js", NODE_THREE),
        ("two.js", NODE_TWO),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    (folder, dev)
}

/// What every journey sees, whatever its client.
fn check_journey(seen: &Value, client: &str) {
    let expected = json!({
        "item": ["odd", true, ["x", "y"], "0.1", [null, true]],
        "scanned": [30, 5],
        "queried": [9, 8, 7, 6, 5],
        "filtered": [15, 30],
        "updated": ["changed", 2],
        "gone": true,
        "listed": false,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&seen[name], value, "{name} with {client}: {seen:#}");
    }
}

/// The error as the client tells it: its kind, whatever the client adds, and the text.
fn check_error(seen: &Value, kind: &str, told: &[Value]) {
    assert_eq!(seen, &json!(told), "{kind}");
}

const NO_TABLE: &str = "Requested resource not found";
const NO_CONDITION: &str = "The conditional request failed";
const NO_KEY: &str = "One or more parameter values were invalid: Missing the key at in the item";

fn check_python(seen: &Value, client: &str) {
    check_journey(seen, client);
    let kinds = [
        (
            "no_table",
            "ResourceNotFoundException",
            "ResourceNotFoundException",
            NO_TABLE,
        ),
        (
            "condition",
            "ConditionalCheckFailedException",
            "ConditionalCheckFailedException",
            NO_CONDITION,
        ),
        // DynamoDB's model has no shape for it, so botocore has no class.
        ("no_key", "ClientError", "ValidationException", NO_KEY),
        (
            "twice",
            "ResourceInUseException",
            "ResourceInUseException",
            &format!("Table already exists: {client}"),
        ),
    ];
    for (name, class, code, message) in kinds {
        check_error(
            &seen[name],
            name,
            &[json!(class), json!(code), json!(message)],
        );
    }
}

#[test]
fn boto3_inside_of_a_function_finds_the_tables_by_itself() {
    let (_folder, dev) = server();
    let reply = dev.get("/python");
    assert_eq!(reply.status, 200, "{}", dev.log());
    check_python(&reply.json(), "python-inside");
    dev.stop();
}

#[test]
fn sdk_version_3_for_node_finds_the_tables_by_itself() {
    let (_folder, dev) = server();
    let reply = dev.get("/three");
    assert_eq!(reply.status, 200, "{}", dev.log());
    let seen = reply.json();
    check_journey(&seen, "SDK v3");
    for (name, class, is_typed, message) in [
        (
            "no_table",
            "ResourceNotFoundException",
            json!(true),
            NO_TABLE,
        ),
        (
            "condition",
            "ConditionalCheckFailedException",
            json!(true),
            NO_CONDITION,
        ),
        ("no_key", "ValidationException", json!(null), NO_KEY),
        (
            "twice",
            "ResourceInUseException",
            json!(true),
            "Table already exists: node-three",
        ),
    ] {
        check_error(&seen[name], name, &[json!(class), is_typed, json!(message)]);
    }
    dev.stop();
}

#[test]
fn sdk_version_2_for_node_finds_the_tables_by_itself() {
    let (_folder, dev) = server();
    let reply = dev.get("/two");
    assert_eq!(reply.status, 200, "{}", dev.log());
    let seen = reply.json();
    check_journey(&seen, "SDK v2");
    for (name, code, message) in [
        ("no_table", "ResourceNotFoundException", NO_TABLE),
        ("condition", "ConditionalCheckFailedException", NO_CONDITION),
        ("no_key", "ValidationException", NO_KEY),
        (
            "twice",
            "ResourceInUseException",
            "Table already exists: node-two",
        ),
    ] {
        check_error(
            &seen[name],
            name,
            &[json!(code), json!(400), json!(message)],
        );
    }
    dev.stop();
}

#[test]
fn boto3_from_outside_needs_an_endpoint_and_any_keys() {
    let tools = Tools::installed();
    let (folder, dev) = server();
    let endpoint = format!("http://localhost:{}", dev.services_port);
    let output = tools
        .command("python3")
        .arg(folder.path().join("outside.py"))
        .arg(&endpoint)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    check_python(
        &serde_json::from_slice(&output.stdout).unwrap(),
        "python-outside",
    );
    dev.stop();
}

#[test]
fn boto3_acts_as_users_roles_and_sessions_that_may_what_their_policies_say() {
    let tools = Tools::installed();
    let (folder, dev) = server();
    let endpoint = format!("http://localhost:{}", dev.services_port);
    let output = tools
        .command("python3")
        .arg(folder.path().join("identity.py"))
        .arg(&endpoint)
        .output()
        .unwrap();
    let seen = succeeded(&output);
    let expected = json!({
        "root": "arn:aws:iam::000000000000:root",
        "without": "AccessDeniedException",
        "own item": "allowed",
        "another's": "AccessDeniedException",
        "denied": "AccessDeniedException",
        "no external id": "AccessDenied",
        "session": "arn:aws:sts::000000000000:assumed-role/clerk/desk",
        "as role": "allowed",
        "identity": "desk",
        "limited": "AccessDeniedException",
        "wrong secret": "InvalidSignatureException",
        "inactive": "UnrecognizedClientException",
        "deleted": "UnrecognizedClientException",
        "presigned": 200,
        "pages": 1,
        "refused": "NotImplemented",
    });
    assert_eq!(seen, expected, "{seen:#}");
    let log = dev.log();
    assert!(log.contains(
        "refused  dynamodb:GetItem on arn:aws:dynamodb:us-east-1:000000000000:table/ledger"
    ));
    dev.stop();
}

#[test]
fn boto3_reads_a_response_stream_while_it_is_written() {
    let tools = Tools::installed();
    let (folder, dev) = server();
    let endpoint = format!("http://localhost:{}", dev.services_port);
    let output = tools
        .command("python3")
        .arg(folder.path().join("stream.py"))
        .arg(&endpoint)
        .output()
        .unwrap();
    let seen = succeeded(&output);
    let told = |chunks: &[&str], apart: bool, error: Option<&str>, details: Option<&str>| {
        json!({"chunks": chunks, "apart": apart, "error": error, "details": details,
            "logged": true, "version": "$LATEST"})
    };
    let expected = json!([
        told(&["one", "two"], true, None, None),
        told(&["one"], true, Some("Unhandled"), Some("late")),
        told(&[r#"{"hello":"Ada"}"#], false, None, None),
        told(&[], false, Some("Unhandled"), Some("no")),
        "ResourceNotFoundException",
    ]);
    assert_eq!(seen, expected, "{seen:#}");
    dev.stop();
}

#[test]
fn the_aws_command_line_uses_tables() {
    let tools = Tools::installed();
    let (_folder, dev) = server();
    let aws = |arguments: &str| tools.aws(&dev, arguments);
    let made = succeeded(&aws(
        "dynamodb create-table --table-name notes --billing-mode PAY_PER_REQUEST --attribute-definitions AttributeName=id,AttributeType=S AttributeName=at,AttributeType=N --key-schema AttributeName=id,KeyType=HASH AttributeName=at,KeyType=RANGE",
    ));
    assert_eq!(made["TableDescription"]["TableName"], json!("notes"));
    succeeded(&aws("dynamodb wait table-exists --table-name notes"));
    for at in 0..3 {
        succeeded(&aws(&format!(
            r#"dynamodb put-item --table-name notes --item {{"id":{{"S":"a"}},"at":{{"N":"{at}"}},"text":{{"S":"note"}}}}"#
        )));
    }
    let read = succeeded(&aws(
        r#"dynamodb get-item --table-name notes --key {"id":{"S":"a"},"at":{"N":"1"}}"#,
    ));
    assert_eq!(read["Item"]["text"]["S"], json!("note"));
    let queried = succeeded(&aws(
        r##"dynamodb query --table-name notes --key-condition-expression id=:id --expression-attribute-values {":id":{"S":"a"}} --page-size 2"##,
    ));
    assert_eq!(queried["Count"], json!(3));
    let scanned = succeeded(&aws("dynamodb scan --table-name notes --max-items 2"));
    assert_eq!(scanned["Items"].as_array().unwrap().len(), 2);
    succeeded(&aws("dynamodb delete-table --table-name notes"));
    let gone = aws("dynamodb describe-table --table-name notes");
    assert!(!gone.status.success());
    assert!(
        text(&gone.stderr).contains("An error occurred (ResourceNotFoundException) when calling the DescribeTable operation: Requested resource not found: Table: notes not found"),
        "{}",
        text(&gone.stderr)
    );
    dev.stop();
}

#[test]
fn the_aws_command_line_invokes_functions() {
    let tools = Tools::installed();
    let (folder, dev) = server();
    let reply = folder.path().join("reply.json");
    let invoke = |function: &str, name: &str| {
        tools.aws(&dev, &format!(
            r#"lambda invoke --function-name {function} {name} --payload {{"name":"Ada"}} --log-type Tail {}"#,
            reply.display()
        ))
    };
    let told = succeeded(&invoke("clients-dev-greet", ""));
    assert_eq!(told["StatusCode"], json!(200));
    assert_eq!(told["ExecutedVersion"], json!("$LATEST"));
    assert!(told["LogResult"].is_string(), "{told:#}");
    assert_eq!(
        std::fs::read_to_string(&reply).unwrap(),
        r#"{"hello":"Ada"}"#
    );
    let told = succeeded(&invoke("clients-dev-fail", ""));
    assert_eq!(told["FunctionError"], json!("Unhandled"));
    let error: Value = serde_json::from_slice(&std::fs::read(&reply).unwrap()).unwrap();
    assert_eq!(error["errorType"], json!("TypeError"));
    let missing = invoke("nobody", "");
    assert!(!missing.status.success());
    assert!(
        text(&missing.stderr).contains("ResourceNotFoundException")
            && text(&missing.stderr).contains("Function not found"),
        "{}",
        text(&missing.stderr)
    );
    dev.stop();
}

fn succeeded(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// boto3 and the command line, in a virtual environment that all runs share.
struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// The first of all tests installs them.
    fn installed() -> Self {
        static ONCE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
        let folder = ONCE
            .get_or_init(|| install(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients")))
            .clone();
        Self { folder }
    }

    /// A tool with an environment of its own: no configuration of the developer's.
    fn command(&self, tool: &str) -> Command {
        let mut command = Command::new(self.folder.join("bin").join(tool));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.folder);
        command
    }

    fn aws(&self, dev: &Dev, arguments: &str) -> Output {
        self.command("aws")
            .args(arguments.split_whitespace())
            .env(
                "AWS_ENDPOINT_URL",
                format!("http://localhost:{}", dev.services_port),
            )
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "anything")
            .env("AWS_SECRET_ACCESS_KEY", "at-all")
            .output()
            .unwrap()
    }
}

fn install(folder: &Path) -> PathBuf {
    let complete = folder.join("complete");
    if !complete.exists() {
        let succeed = |command: &mut Command| {
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
        };
        succeed(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(folder),
        );
        succeed(Command::new(folder.join("bin/pip")).args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "awscli",
            "boto3",
        ]));
        std::fs::write(complete, "").unwrap();
    }
    folder.to_owned()
}
