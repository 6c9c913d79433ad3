//! serverless-offline's own tests, from projects to replies over HTTP.
//!
//! Lives here: running them against the product.
//! Does not live here: what starts it for each test (`conformance/serverless-offline/setup.mjs`), the ledger (`super`).

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Ended, Ledger, Setting};

/// What is run of it: tests that talk to a server, but for those that need Docker, Ruby, Java or an account of its makers.
const PARTS: &[&str] = &[
    "tests/end-to-end",
    "tests/handler-module-formats",
    "tests/events",
    "tests/timeout",
    "tests/integration/alb-conditions",
    "tests/integration/alb-handler",
    "tests/integration/alb-headers",
    "tests/integration/authorizer",
    "tests/integration/custom-authentication",
    "tests/integration/handler",
    "tests/integration/httpApi-cors",
    "tests/integration/httpApi-cors-default",
    "tests/integration/httpApi-headers",
    "tests/integration/jwt-authorizer",
    "tests/integration/lambda-integration",
    "tests/integration/lambda-invoke-aws-sdk-v3",
    "tests/integration/no-identity-source-authorizer",
    "tests/integration/override-authorizer",
    "tests/integration/request-authorizer",
    "tests/integration/restApi-authorizers",
    "tests/integration/uncategorized",
    "tests/integration/websocket-authorizer",
    "tests/integration/websocket-oneway",
    "tests/integration/websocket-twoway",
];
/// What starts the emulator for each test.
const SETUP: &str = "tests/_testHelpers/setupTeardown.js";
/// Milliseconds after which one test has failed.
const TEST_MS_MAX: u32 = 60_000;

pub(super) fn run(setting: &Setting<'_>, checkout: &Path, only: Option<&str>) -> Result<()> {
    let checkout = checkout.canonicalize()?;
    let mocha = checkout.join("node_modules/.bin/mocha");
    ensure!(
        mocha.is_file(),
        "the checkout's packages are not installed: npm install --ignore-scripts"
    );
    let own = std::fs::read(
        setting
            .root
            .join("conformance/serverless-offline/setup.mjs"),
    )?;
    let replaced = Replaced::new(checkout.join(SETUP), &own)?;
    let mut files = Vec::new();
    for part in PARTS {
        tests_in(&checkout.join(part), &mut files)?;
    }
    files.sort();
    files.retain(|file| only.is_none_or(|only| file.to_string_lossy().contains(only)));
    let mut tests = Command::new(mocha)
        .args(["--no-config", "--exit", "--reporter", "json-stream"])
        .arg(format!("--timeout={TEST_MS_MAX}"))
        .args(&files)
        .env("CLOUDLESS", setting.binary.canonicalize()?)
        .env("PYTHON3_DETECTED", "1")
        .current_dir(&checkout)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start mocha")?;
    let written = tests.stdout.take().context("mocha writes nothing")?;
    let mut outcomes = BTreeMap::new();
    for line in BufReader::new(written).lines() {
        if let Some((test, ended)) = outcome(&line?, &checkout) {
            eprintln!("{ended:?} {test}");
            outcomes.insert(numbered(test, &outcomes), ended);
        }
    }
    // Tests that fail end it with an error, too: what counts is what it wrote.
    tests.wait()?;
    drop(replaced);
    if only.is_some() {
        return Ok(());
    }
    let ledger = Ledger {
        name: "serverless-offline",
        opening: "# serverless-offline's tests\n\n\
             Written by `cargo xtask conformance serverless-offline CHECKOUT`; not to be edited. The suite is public: it starts the \
             emulator in a project, and compares what comes back over HTTP. Here it starts Cloudless: see \
             `serverless-offline/setup.mjs`. Where the suite and the cloud differ, the cloud is followed."
            .to_owned(),
        not_counted: "that skip themselves",
        reasons: "serverless-offline/reasons.json",
    };
    setting.record(&ledger, &outcomes)
}

/// A file that is another one for a while.
struct Replaced {
    path: PathBuf,
    before: Vec<u8>,
}

impl Replaced {
    fn new(path: PathBuf, by: &[u8]) -> Result<Self> {
        let before = std::fs::read(&path)
            .with_context(|| format!("the checkout has no {}", path.display()))?;
        std::fs::write(&path, by)?;
        Ok(Self { path, before })
    }
}

impl Drop for Replaced {
    fn drop(&mut self) {
        if let Err(error) = std::fs::write(&self.path, &self.before) {
            eprintln!("{} is not as it was: {error}", self.path.display());
        }
    }
}

fn tests_in(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder);
    let entries = entries.with_context(|| format!("the checkout has no {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "node_modules" {
            tests_in(&path, files)?;
        } else if name.ends_with(".test.js") {
            files.push(path);
        }
    }
    Ok(())
}

/// A line of mocha's `json-stream`, if it tells how a test ended.
fn outcome(line: &str, checkout: &Path) -> Option<(String, Ended)> {
    let Ok(Value::Array(told)) = serde_json::from_str(line) else {
        return None;
    };
    let ended = match told.first()?.as_str()? {
        "pass" => Ended::Passed,
        "fail" => Ended::Failed,
        _other => return None,
    };
    let test = told.get(1)?;
    let file = Path::new(test.get("file")?.as_str()?);
    let file = file.strip_prefix(checkout).unwrap_or(file).display();
    // A bar would end the cell of a table.
    let title = test.get("fullTitle")?.as_str()?.replace('|', "/");
    Some((format!("{file}::{title}"), ended))
}

/// Tests may share a name.
fn numbered(test: String, known: &BTreeMap<String, Ended>) -> String {
    if !known.contains_key(&test) {
        return test;
    }
    let names = (2_u32..).map(|number| format!("{test} ({number})"));
    let mut free = names.filter(|name| !known.contains_key(name));
    free.next().unwrap_or(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_a_test_ended() {
        let line =
            r#"["fail",{"title":"b","fullTitle":"a | b","file":"/c/tests/x.test.js","err":"no"}]"#;
        let expected = ("tests/x.test.js::a / b".to_owned(), Ended::Failed);
        assert_eq!(outcome(line, Path::new("/c")), Some(expected));
        assert_eq!(outcome(r#"["start",{"total":1}]"#, Path::new("/c")), None);
        assert_eq!(outcome("the server is not ready", Path::new("/c")), None);
    }

    #[test]
    fn tests_of_one_name_are_numbered() {
        let mut known = BTreeMap::new();
        for expected in ["a", "a (2)", "a (3)"] {
            let name = numbered("a".to_owned(), &known);
            assert_eq!(name, expected);
            known.insert(name, Ended::Passed);
        }
    }
}
