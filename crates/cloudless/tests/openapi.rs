//! The exported contract of an API, held against the API by a tool that we did not write.
//!
//! Lives here: schemathesis, where it can be installed: it sends what the document allows and what it forbids, and compares
//! the answers with it.
//! Does not live here: what a document says of each option (`gateway::openapi`), `cloudless openapi` as a command (`commands`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Dev, project, run, text};

const MANIFEST: &str = r#"
service: contract
provider: { name: aws, runtime: nodejs20.x, apiGateway: { apiKeys: [{ name: k, value: contract-key-0123456789 }] } }
functions:
  pets:
    handler: pets.handler
    events:
      - http:
          path: /pets
          method: post
          request:
            schemas:
              application/json:
                definitions: { species: { type: string, enum: [cat, dog] } }
                type: object
                required: [name, species]
                properties: { name: { type: string, minLength: 1 }, species: { $ref: '#/definitions/species' } }
      - http: { path: '/pets/{id}', method: get, request: { parameters: { querystrings: { view: true } } } }
      - http: { path: '/kept/{id}', method: any, private: true }
"#;
const HANDLER: &str = "exports.handler = async () => ({ statusCode: 200, body: '{}' });\n";

/// `unsupported_method` is left out: API Gateway answers methods that an API does not have with 403, not 405.
const CHECKS: &str =
    "not_a_server_error,negative_data_rejection,positive_data_acceptance,ignored_auth";

#[test]
fn an_api_does_what_its_exported_contract_says() {
    let Some(tool) = schemathesis() else {
        eprintln!("schemathesis cannot be installed here: the contract is not compared");
        return;
    };
    let folder = project(&[("serverless.yml", MANIFEST), ("pets.js", HANDLER)]);
    let exported = run(&["openapi"], folder.path());
    assert_eq!(
        exported.status.code(),
        Some(0),
        "{}",
        text(&exported.stderr)
    );
    let contract = folder.path().join("contract.json");
    std::fs::write(&contract, &exported.stdout).unwrap();
    let state = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), state.path());
    let output = Command::new(tool)
        .arg("run")
        .arg(&contract)
        .args(["--url", &format!("http://127.0.0.1:{}/dev", dev.port)])
        .args(["--header", "x-api-key: contract-key-0123456789"])
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", "40", "--seed", "1", "--no-color"])
        .current_dir(state.path())
        .output()
        .unwrap();
    let said = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{said}{}",
        text(&output.stderr)
    );
    assert!(said.contains("Tested: 9"), "{said}");
    dev.stop();
}

/// The tool, in an environment of its own; none where it cannot be installed, as without a network.
fn schemathesis() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis");
    let tool = folder.join("bin/schemathesis");
    let is_there = || {
        let asked = Command::new(&tool).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    };
    if !is_there() {
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&folder);
        make.output()
            .ok()
            .filter(|output| output.status.success())?;
        let mut install = Command::new(folder.join("bin/pip"));
        install.args(["install", "--quiet", "--disable-pip-version-check"]);
        install.arg("schemathesis==4.32.5").output().ok()?;
    }
    is_there().then_some(tool)
}
