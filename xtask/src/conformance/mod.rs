//! Suites of tests that others wrote, against the product.
//!
//! Lives here: building and starting the product for a suite, writing the ledger of what passes and why the rest does not.
//! Does not live here: how each suite is run (`dynamodb`, `recorded`, `s3`, `serverless_offline`), the suites (they are not
//! ours to keep), the reasons (`conformance/`).

mod dynamodb;
mod recorded;
mod s3;
mod serverless_offline;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use serde::Deserialize;

use crate::server::{Dev, free_port};
use crate::tidy;

/// `cargo xtask conformance`.
#[derive(Debug, Args)]
pub(crate) struct ConformanceArguments {
    #[command(subcommand)]
    suite: Suite,
    /// A build to run against, instead of building one.
    #[arg(long, value_name = "FILE", global = true)]
    binary: Option<PathBuf>,
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
    /// Runs ceph/s3-tests, and writes `conformance/s3.md`.
    S3 {
        /// A checkout of ceph/s3-tests.
        checkout: PathBuf,
        /// A Python with pytest (below 9), pytest-timeout, boto3, PyYAML, munch, gevent, isodate, requests, pytz, httplib2 and lxml.
        #[arg(long, default_value = "python3")]
        python: PathBuf,
    },
    /// Runs serverless-offline's own tests, and writes `conformance/serverless-offline.md`. It takes the ports 3000 to 3003.
    ServerlessOffline {
        /// A checkout of dherault/serverless-offline, after `npm install --ignore-scripts` in it.
        checkout: PathBuf,
        /// Only the files whose path has this in it. No ledger is written.
        #[arg(long)]
        only: Option<String>,
    },
    /// Runs the tests of LocalStack that compare replies with AWS's own, as recorded, and writes `conformance/SERVICE.md`.
    Recorded {
        /// The service, as the suite's folder is called: `sqs`, `sns`, `events`, `lambda_`.
        service: String,
        /// A checkout of localstack.
        checkout: PathBuf,
        /// A Python 3.13 with `localstack-core[test]`, `cbor2<5.9` and pytest-timeout.
        #[arg(long, default_value = "python3.13")]
        python: PathBuf,
        /// Seconds after which one test has failed.
        #[arg(long, default_value_t = 30)]
        test_seconds_max: u32,
        /// Only these tests, as pytest's `-k` selects them. No ledger is written.
        #[arg(long)]
        only: Option<String>,
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
    let root = tidy::root();
    if arguments.binary.is_none() {
        let built = Command::new("cargo")
            .args(["build", "--package", "cloudless"])
            .current_dir(&root)
            .status()?;
        ensure!(built.success(), "the product does not build");
    }
    let scratch = tempfile::tempdir()?;
    let built = || tidy::target().join("debug/cloudless");
    let setting = Setting {
        root: &root,
        binary: arguments.binary.clone().unwrap_or_else(built),
        scratch: scratch.path(),
    };
    match &arguments.suite {
        Suite::Dynamodb { checkout, python } => dynamodb::run(&setting, checkout, python),
        Suite::ServerlessOffline { checkout, only } => {
            serverless_offline::run(&setting, checkout, only.as_deref())
        }
        Suite::S3 { checkout, python } => s3::run(&setting, checkout, python),
        Suite::Recorded {
            service,
            checkout,
            python,
            test_seconds_max,
            only,
        } => recorded::run(
            &setting,
            &recorded::Recorded {
                service,
                checkout,
                python,
                test_seconds_max: *test_seconds_max,
                only: only.as_deref(),
            },
        ),
    }
}

/// Where a suite runs.
struct Setting<'a> {
    /// The repository.
    root: &'a Path,
    /// The product.
    binary: PathBuf,
    /// A folder that is removed afterwards.
    scratch: &'a Path,
}

impl Setting<'_> {
    /// The product, serving a project without anything in it.
    fn start_on(&self, services_port: u16) -> Result<Dev> {
        let manifest = "service: conformance\nprovider:\n  name: aws\n  runtime: nodejs22.x\n";
        self.serve(("serverless.yml", manifest), "", services_port)
    }

    /// The same on any port, with these settings, and without the bucket that the Serverless Framework makes.
    fn start_with(&self, settings: &str) -> Result<Dev> {
        let template = "Resources:\n  Logs:\n    Type: AWS::Logs::LogGroup\n";
        self.serve(("template.yaml", template), settings, free_port()?)
    }

    fn serve(
        &self,
        (file, manifest): (&str, &str),
        settings: &str,
        services_port: u16,
    ) -> Result<Dev> {
        let project = self.scratch.join("project");
        std::fs::create_dir(&project)?;
        std::fs::write(project.join("cloudless.toml"), settings)?;
        std::fs::write(project.join(file), manifest)?;
        let binary = Command::new(&self.binary);
        let log = self.scratch.join("server.log");
        Dev::start_on(services_port, binary, &project, &log)
    }

    /// Writes the ledger, and refuses what it cannot explain.
    fn record(&self, ledger: &Ledger<'_>, outcomes: &BTreeMap<String, Ended>) -> Result<()> {
        let folder = self.root.join("conformance");
        let reasons = std::fs::read_to_string(folder.join(ledger.reasons)).unwrap_or_default();
        let reasons = match reasons.as_str() {
            "" => BTreeMap::new(),
            text => serde_json::from_str(text)?,
        };
        let text = ledger.text(outcomes, &reasons);
        std::fs::write(folder.join(format!("{}.md", ledger.name)), text)?;
        judge(outcomes, &reasons)
    }
}

/// What is written down of a suite.
struct Ledger<'a> {
    /// The file's name, without its ending.
    name: &'a str,
    /// The first lines: a title, where it comes from.
    opening: String,
    /// What is not counted.
    not_counted: &'a str,
    /// The file of the reasons.
    reasons: &'a str,
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

impl Ledger<'_> {
    fn text(
        &self,
        outcomes: &BTreeMap<String, Ended>,
        reasons: &BTreeMap<String, String>,
    ) -> String {
        let count = |wanted| outcomes.values().filter(|ended| **ended == wanted).count();
        let (passed, lost) = (count(Ended::Passed), count(Ended::Failed));
        let mut text = format!(
            "{}\n\n**{passed} of {} pass.** Not counted: {} {}.\n\n\
             | file | passed | failed | skipped |\n| --- | ---: | ---: | ---: |\n",
            self.opening,
            passed + lost,
            count(Ended::Skipped),
            self.not_counted,
        );
        for (file, counts) in by_file(outcomes) {
            let of = |ended| counts.get(&ended).copied().unwrap_or(0);
            let row = (of(Ended::Passed), of(Ended::Failed), of(Ended::Skipped));
            // Writing to a text cannot fail.
            let _ = writeln!(text, "| `{file}` | {} | {} | {} |", row.0, row.1, row.2);
        }
        text.push_str("\n## What fails, and why\n\n| test | why |\n| --- | --- |\n");
        for test in failed(outcomes) {
            let why = reason(test, reasons).map_or("not known", |(_, why)| why);
            let _ = writeln!(text, "| `{test}` | {why} |");
        }
        text
    }
}

/// The reason for a failure, with the name that it stands under: the test's, or the beginning of it with a `*`.
fn reason<'a>(test: &str, reasons: &'a BTreeMap<String, String>) -> Option<(&'a str, &'a str)> {
    let is_about = |name: &str| match name.strip_suffix('*') {
        Some(beginning) => test.starts_with(beginning),
        None => test == name,
    };
    let exact = reasons.get_key_value(test);
    let found = exact.or_else(|| reasons.iter().find(|(name, _)| is_about(name)));
    found.map(|(name, why)| (name.as_str(), why.as_str()))
}

/// Refuses a failure without a reason, and a reason without a failure.
fn judge(outcomes: &BTreeMap<String, Ended>, reasons: &BTreeMap<String, String>) -> Result<()> {
    let failed = failed(outcomes);
    let unknown: Vec<_> = failed
        .iter()
        .filter(|test| reason(test, reasons).is_none())
        .collect();
    let used: BTreeSet<_> = failed
        .iter()
        .filter_map(|test| Some(reason(test, reasons)?.0))
        .collect();
    let stale: Vec<_> = reasons
        .keys()
        .filter(|name| !used.contains(name.as_str()))
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
        let reasons = BTreeMap::from([("a.py::t*".to_owned(), "because".to_owned())]);
        let ledger = Ledger {
            name: "a",
            opening: "# A".to_owned(),
            not_counted: "that are not",
            reasons: "a.json",
        };
        let text = ledger.text(&outcomes, &reasons);
        assert!(text.contains("**1 of 2 pass.**"));
        assert!(text.contains("| `a.py` | 1 | 1 | 0 |"));
        assert!(text.contains("| `a.py::two` | because |"));
        judge(&outcomes, &reasons)?;
        assert!(judge(&outcomes, &BTreeMap::new()).is_err());
        assert!(judge(&BTreeMap::new(), &reasons).is_err());
        Ok(())
    }
}
