//! Suites of tests that others wrote, against the product.
//!
//! Lives here: running ScyllaDB's Alternator suite, whose tests were validated on DynamoDB itself, and writing the ledger of
//! what passes and why the rest does not.
//! Does not live here: the suite (it is not ours to keep), the reasons (`conformance/dynamodb/reasons.json`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use serde::Deserialize;

use crate::server::Dev;
use crate::tidy;

/// Seconds after which one test has failed.
const TEST_SECONDS_MAX: u32 = 60;

/// `cargo xtask conformance`.
#[derive(Debug, Args)]
pub(crate) struct ConformanceArguments {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Debug, Subcommand)]
enum Suite {
    /// Runs ScyllaDB's Alternator suite as if on AWS, and writes `conformance/dynamodb.md`.
    Dynamodb {
        /// A checkout of scylladb: `test/alternator`, `test/pylib`, `test/conftest.py` and `test/__init__.py` are enough.
        checkout: PathBuf,
        /// A Python with pytest (below 9), pytest-timeout, boto3, requests, packaging and allure-pytest.
        #[arg(long, default_value = "python3")]
        python: PathBuf,
    },
}

/// How one test ended, as the plugin of the suite writes it.
#[derive(Debug, Deserialize)]
struct Outcome {
    test: String,
    outcome: Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ended {
    Skipped,
    Passed,
    Failed,
}

pub(crate) fn run(arguments: &ConformanceArguments) -> Result<()> {
    let Suite::Dynamodb { checkout, python } = &arguments.suite;
    let root = tidy::root();
    let built = Command::new("cargo")
        .args(["build", "--package", "cloudless"])
        .current_dir(&root)
        .status()?;
    ensure!(built.success(), "the product does not build");
    let scratch = tempfile::tempdir()?;
    let outcomes = run_suite(&root, checkout, python, scratch.path())?;
    let reasons = std::fs::read_to_string(root.join("conformance/dynamodb/reasons.json"))?;
    let reasons: BTreeMap<String, String> = serde_json::from_str(&reasons)?;
    let ledger = ledger(&outcomes, &reasons);
    std::fs::write(root.join("conformance/dynamodb.md"), ledger)?;
    judge(&outcomes, &reasons)
}

fn run_suite(
    root: &Path,
    checkout: &Path,
    python: &Path,
    scratch: &Path,
) -> Result<BTreeMap<String, Ended>> {
    let checkout = checkout.canonicalize()?;
    let project = scratch.join("project");
    std::fs::create_dir(&project)?;
    std::fs::write(
        project.join("serverless.yml"),
        "service: conformance\nprovider:\n  name: aws\n  runtime: nodejs22.x\n",
    )?;
    let binary = Command::new(tidy::target().join("debug/cloudless"));
    let dev = Dev::start(binary, &project, &scratch.join("server.log"))?;
    let (written, ini) = (scratch.join("outcomes"), scratch.join("pytest.ini"));
    std::fs::write(&ini, "[pytest]\n")?;
    let plugin = root.join("conformance/dynamodb");
    let search = [&checkout, &plugin].map(|path| path.display().to_string());
    // Tests that fail end it with an error, too: what counts is what it wrote.
    Command::new(python)
        .args(["-m", "pytest", "--quiet", "--tb=line", "--runxfail"])
        .args(["-p", "target", "-p", "no:cacheprovider", "-W", "ignore"])
        .arg(format!("--timeout={TEST_SECONDS_MAX}"))
        .arg("-c")
        .arg(&ini)
        .arg(format!("--rootdir={}", checkout.display()))
        .arg(format!("--url=http://127.0.0.1:{}", dev.services_port))
        .arg("test/alternator")
        .env("CONFORMANCE_OUTCOMES", &written)
        .env("PYTHONPATH", search.join(":"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCYLLA_TEST_RUNNER", "runpy")
        .current_dir(&checkout)
        .status()
        .with_context(|| format!("cannot start {}", python.display()))?;
    read_outcomes(&written)
}

fn read_outcomes(written: &Path) -> Result<BTreeMap<String, Ended>> {
    let text = std::fs::read_to_string(written).context("the suite did not run")?;
    let mut outcomes = BTreeMap::new();
    for line in text.lines() {
        let Outcome { test, outcome } = serde_json::from_str(line)?;
        // A test that passes and then fails to clean up has failed.
        let worst = outcomes.entry(test).or_insert(outcome);
        *worst = outcome.max(*worst);
    }
    Ok(outcomes)
}

/// The tests that ended so, by file.
fn by_file(outcomes: &BTreeMap<String, Ended>) -> BTreeMap<&str, BTreeMap<Ended, usize>> {
    let mut files: BTreeMap<&str, BTreeMap<Ended, usize>> = BTreeMap::new();
    for (test, ended) in outcomes {
        let file = test.split("::").next().unwrap_or(test);
        *files.entry(file).or_default().entry(*ended).or_default() += 1;
    }
    files
}

fn failed(outcomes: &BTreeMap<String, Ended>) -> BTreeSet<&str> {
    let failed = outcomes
        .iter()
        .filter(|(_, ended)| **ended == Ended::Failed);
    failed.map(|(test, _)| test.as_str()).collect()
}

fn ledger(outcomes: &BTreeMap<String, Ended>, reasons: &BTreeMap<String, String>) -> String {
    let count = |wanted| outcomes.values().filter(|ended| **ended == wanted).count();
    let (passed, lost) = (count(Ended::Passed), count(Ended::Failed));
    let mut text = format!(
        "# DynamoDB against ScyllaDB's Alternator suite\n\n\
         Written by `cargo xtask conformance dynamodb CHECKOUT`; not to be edited. The suite is public, and its tests were \
         validated on DynamoDB. It runs here as if on AWS: see `dynamodb/target.py`.\n\n\
         **{passed} of {} pass.** Not counted: {} that skip themselves, since they need Scylla or hours.\n\n\
         | file | passed | failed | skipped |\n| --- | ---: | ---: | ---: |\n",
        passed + lost,
        count(Ended::Skipped)
    );
    for (file, counts) in by_file(outcomes) {
        let of = |ended| counts.get(&ended).copied().unwrap_or(0);
        let row = (of(Ended::Passed), of(Ended::Failed), of(Ended::Skipped));
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| `{file}` | {} | {} | {} |", row.0, row.1, row.2);
    }
    text.push_str("\n## What fails, and why\n\n| test | why |\n| --- | --- |\n");
    for test in failed(outcomes) {
        let why = reasons.get(test).map_or("not known", String::as_str);
        let _ = writeln!(text, "| `{test}` | {why} |");
    }
    text
}

/// Refuses a failure without a reason, and a reason without a failure.
fn judge(outcomes: &BTreeMap<String, Ended>, reasons: &BTreeMap<String, String>) -> Result<()> {
    let failed = failed(outcomes);
    let unknown: Vec<_> = failed
        .iter()
        .filter(|test| !reasons.contains_key(**test))
        .collect();
    let stale: Vec<_> = reasons
        .keys()
        .filter(|test| !failed.contains(test.as_str()))
        .collect();
    if unknown.is_empty() && stale.is_empty() {
        return Ok(());
    }
    bail!("failures without a reason: {unknown:?}; reasons without a failure: {stale:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_names_each_failure_with_its_reason() -> Result<()> {
        let outcomes = BTreeMap::from([
            ("a.py::one".to_owned(), Ended::Passed),
            ("a.py::two".to_owned(), Ended::Failed),
            ("b.py::three".to_owned(), Ended::Skipped),
        ]);
        let reasons = BTreeMap::from([("a.py::two".to_owned(), "because".to_owned())]);
        let text = ledger(&outcomes, &reasons);
        assert!(text.contains("**1 of 2 pass.**"));
        assert!(text.contains("| `a.py` | 1 | 1 | 0 |"));
        assert!(text.contains("| `a.py::two` | because |"));
        judge(&outcomes, &reasons)?;
        assert!(judge(&outcomes, &BTreeMap::new()).is_err());
        assert!(judge(&BTreeMap::new(), &reasons).is_err());
        Ok(())
    }
}
