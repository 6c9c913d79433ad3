//! `cloudless doctor`, on machines that have this and that.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::{cloudless, project, text};

/// A machine with nothing but these programs of the real one.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new(programs: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        for name in programs {
            symlink(real(name), folder.path().join("bin").join(name)).unwrap();
        }
        Self { folder }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_in(self.folder.path(), arguments)
    }

    fn run_in(&self, folder: &Path, arguments: &[&str]) -> Output {
        let mut command = cloudless();
        command
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("PATH", self.folder.path().join("bin"))
            .env("HOME", self.folder.path().join("home"));
        command.output().unwrap()
    }

    fn doctor(&self) -> Value {
        let output = self.run(&["doctor", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            let (out, err) = (text(&output.stdout), text(&output.stderr));
            unreachable!("{error}: {out}{err}")
        })
    }
}

/// The binary behind a name, which may be a script that switches between versions.
fn real(name: &str) -> PathBuf {
    let (option, program) = match name {
        "node" => ("-e", "console.log(process.execPath)"),
        _ => ("-c", "import sys; print(sys.executable)"),
    };
    let output = Command::new(name).args([option, program]).output().unwrap();
    PathBuf::from(text(&output.stdout).trim())
}

fn findings<'a>(report: &'a Value, area: &str) -> Vec<&'a Value> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().filter(|it| it["area"] == area).collect()
}

#[test]
fn interpreters_are_forked_once_and_the_verdict_is_kept() {
    let machine = Machine::new(&["python3"]);
    let first = machine.doctor();
    let [python] = findings(&first, "interpreters")[..] else {
        unreachable!("one interpreter is there: {first:#}");
    };
    assert_eq!(python["facts"]["language"], "Python");
    assert_eq!(python["facts"]["origin"], "PATH");
    assert_eq!(python["facts"]["forks"], true, "{python:#}");
    assert_eq!(python["facts"]["probed_now"], true);
    let second = machine.doctor();
    let [python] = findings(&second, "interpreters")[..] else {
        unreachable!("one interpreter is there: {second:#}");
    };
    assert_eq!(python["facts"]["forks"], true);
    assert_eq!(python["facts"]["probed_now"], false);
}

#[test]
fn a_machine_is_described_for_people_with_what_to_do() {
    let machine = Machine::new(&["node"]);
    let output = machine.run(&["doctor"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for expected in [
        "\nmachine\n  ok       system ",
        "\ninterpreters\n",
        "\nruntimes\n",
        "nothing runs it",
        "help: install Python 3.13",
        "npm",
        "is not on PATH",
        "everything that is needed works here, with ",
    ] {
        assert!(said.contains(expected), "{expected} in\n{said}");
    }
}

#[test]
fn a_machine_without_any_interpreter_has_a_problem() {
    let machine = Machine::new(&[]);
    let output = machine.run(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(
        said.contains("problem  none") && said.contains("nothing can run"),
        "{said}"
    );
}

#[test]
fn check_says_what_the_first_start_would_install_and_installs_nothing() {
    let machine = Machine::new(&["node"]);
    let npm = machine.folder.path().join("bin/npm");
    std::fs::write(&npm, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&npm, std::fs::Permissions::from_mode(0o755)).unwrap();
    let app = project(&[
        (
            "serverless.yml",
            "service: app\nprovider: { name: aws, runtime: nodejs18.x }\nfunctions:\n  hello:\n    handler: handler.hello\n",
        ),
        (
            "handler.js",
            "exports.hello = require('@aws-sdk/client-s3');",
        ),
    ]);
    let output = machine.run_in(app.path(), &["check"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let installs = "the first start installs AWS SDK for JavaScript v3, Node.js 18\n";
    assert!(said.contains(installs), "{said}");
    let output = machine.run_in(app.path(), &["check", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["put_off"][1], "Node.js 18");
}

#[test]
fn its_help_has_examples() {
    let machine = Machine::new(&[]);
    let help = text(&machine.run(&["doctor", "--help"]).stdout);
    assert!(
        help.contains("Examples:") && help.contains("Exit codes:"),
        "{help}"
    );
}
