//! Clients of DynamoDB from outside, on what an application's journey does not need: indexes, batches, transactions,
//! statements, streams.
//!
//! Lives here: the AWS SDK for JavaScript v3 and v2, `dynamodb-toolbox`.
//! Does not live here: the plain journeys of all clients (`clients`), operations one by one (`service-tables`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and read the environment"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{Dev, project, text};

const TEMPLATE: &str = "Resources:\n  Logs:\n    Type: AWS::Logs::LogGroup\n";
/// What the scripts import. The lines are those that projects use; a client's newest release must go on working.
const PACKAGES: [&str; 5] = [
    "@aws-sdk/client-dynamodb@3",
    "@aws-sdk/client-dynamodb-streams@3",
    "@aws-sdk/lib-dynamodb@3",
    "aws-sdk@2",
    "dynamodb-toolbox@2",
];

/// Runs a script with Node beside the packages, and checks what it prints.
fn check(name: &str, script: &str, expected: &Value) {
    let folder = project(&[("template.yaml", TEMPLATE)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let script_file = packages().join(name);
    std::fs::write(&script_file, script).unwrap();
    let output = Command::new("node")
        .arg(&script_file)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder.path())
        .env(
            "AWS_ENDPOINT_URL",
            format!("http://localhost:{}", dev.services_port),
        )
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "anything")
        .env("AWS_SECRET_ACCESS_KEY", "at-all")
        .env("AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{name}: {}\n{}",
        text(&output.stderr),
        dev.log()
    );
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(&seen, expected, "{name}");
    dev.stop();
}

#[test]
fn sdk_version_3_for_node_uses_all_kinds_of_operations() {
    let expected = json!({
        "unprocessed": 0,
        "got": [1],
        "index": [21, 23],
        "cancelled": ["TransactionCanceledException", ["None", "ConditionalCheckFailed"]],
        "read": [1, null],
        "stated": [[6, 5, 4], [3, 2, 1], [0]],
        "batch": [1, "ValidationError"],
        "duplicate": ["TransactionCanceledException", ["None", "DuplicateItem"]],
        "ttl": "until",
        "tags": [{"Key": "team", "Value": "blue"}],
        "stream": [26, 1, 1],
    });
    let script = include_str!("clients/wide_three.mjs");
    check("wide_three.mjs", script, &expected);
}

#[test]
fn sdk_version_2_for_node_uses_batches_transactions_and_statements() {
    let malformed = "Statement wasn't well formed, can't be processed: Expected data manipulation";
    let expected = json!({
        "got": ["a", "c"],
        "read": [2, 2, 1],
        "stated": ["2", "1"],
        "error": ["ValidationException", malformed],
    });
    check(
        "wide_two.cjs",
        include_str!("clients/wide_two.cjs"),
        &expected,
    );
}

#[test]
fn dynamodb_toolbox_keeps_an_entity_in_a_single_table() {
    let expected = json!({
        "twice": "ConditionalCheckFailedException",
        "updated": [3, ["ball", "bone"]],
        "found": ["zoe", "tom"],
        "lea": 7,
        "gone": true,
    });
    check(
        "toolbox.mjs",
        include_str!("clients/toolbox.mjs"),
        &expected,
    );
}

/// The folder with the packages, which all runs share; the first of all tests installs them.
fn packages() -> PathBuf {
    static ONCE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    ONCE.get_or_init(|| install(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("tables-clients")))
        .clone()
}

fn install(folder: &Path) -> PathBuf {
    let complete = folder.join("complete");
    let wanted = PACKAGES.join(" ");
    if std::fs::read_to_string(&complete).is_ok_and(|done| done == wanted) {
        return folder.to_owned();
    }
    std::fs::create_dir_all(folder).unwrap();
    let output = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--prefix"])
        .arg(folder)
        .args(PACKAGES)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    std::fs::write(complete, wanted).unwrap();
    folder.to_owned()
}
