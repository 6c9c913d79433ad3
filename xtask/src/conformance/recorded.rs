//! The tests of LocalStack that were run on AWS itself: each compares every reply with the one that AWS gave.
//!
//! Lives here: running those of one service.
//! Does not live here: the suite (it is not ours to keep), the ledger (`super`), the reasons (`conformance/recorded`).
//!
//! Nothing of LocalStack is started: its package only brings what its tests are written with. Paths that its authors exempt
//! are exempt here too.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::server::free_port;

use super::{Ended, Ledger, Setting, failed, read_outcomes};

/// Where the tests of all services are.
const TESTS: &str = "tests/aws/services";
/// Where LocalStack listens.
const LOCALSTACK_PORT: u16 = 4566;
/// The account and the keys that the tests act with: those of a development server's root.
const ACCOUNT: &str = "000000000000";
const KEY: &str = "test";
const REGION: &str = "us-east-1";

/// What is run.
pub(super) struct Recorded<'a> {
    pub(super) service: &'a str,
    pub(super) checkout: &'a Path,
    pub(super) python: &'a Path,
    pub(super) test_seconds_max: u32,
    pub(super) only: Option<&'a str>,
}

pub(super) fn run(setting: &Setting<'_>, recorded: &Recorded<'_>) -> Result<()> {
    let checkout = recorded.checkout.canonicalize()?;
    let folder = format!("{TESTS}/{}", recorded.service);
    ensure!(
        checkout.join(&folder).is_dir(),
        "the checkout has no {folder}"
    );
    let dev = setting.start_on(port()?)?;
    let written = setting.scratch.join("outcomes");
    let place = format!("127.0.0.1:{}", dev.services_port);
    let plugin = setting.root.join("conformance/recorded");
    let search = [&checkout, &plugin].map(|path| path.display().to_string());
    let mut command = Command::new(recorded.python);
    command
        .args(["-m", "pytest", "--quiet", "--tb=line", "-W", "ignore"])
        .args(["-p", "target", "-p", "no:cacheprovider"])
        .args(["-p", "no:pytest_tinybird", "-o", "log_level=ERROR"])
        .args(["-m", "aws_validated"])
        .arg(format!("--timeout={}", recorded.test_seconds_max))
        .arg(&folder);
    if let Some(only) = recorded.only {
        command.args(["-k", only]);
    }
    // Tests that fail end it with an error, too: what counts is what it wrote.
    command
        .env("CONFORMANCE_OUTCOMES", &written)
        .env("CONFORMANCE_APIS", format!("127.0.0.1:{}", dev.port))
        .env("PYTHONPATH", search.join(":"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TEST_SKIP_LOCALSTACK_START", "1")
        .env("TEST_AWS_ENDPOINT_URL", format!("http://{place}"))
        .envs([("LOCALSTACK_HOST", &place), ("GATEWAY_LISTEN", &place)])
        .envs([
            ("TEST_AWS_ACCOUNT_ID", ACCOUNT),
            ("TEST_AWS_REGION_NAME", REGION),
        ])
        .envs([
            ("TEST_AWS_ACCESS_KEY_ID", KEY),
            ("TEST_AWS_SECRET_ACCESS_KEY", KEY),
        ])
        .envs([("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", KEY)])
        .envs([("AWS_DEFAULT_REGION", REGION), ("DISABLE_EVENTS", "1")])
        .envs([("SKIP_SSL_CERT_DOWNLOAD", "1"), ("DNS_ADDRESS", "0")])
        .env("BOTO_WAITER_MAX_ATTEMPTS", "10")
        .current_dir(&checkout)
        .status()
        .with_context(|| format!("cannot start {}", recorded.python.display()))?;
    let outcomes = read_outcomes(&written)?;
    if recorded.only.is_some() {
        let passed = outcomes.values().filter(|ended| **ended == Ended::Passed);
        eprintln!(
            "{} pass; these fail: {:#?}",
            passed.count(),
            failed(&outcomes)
        );
        return Ok(());
    }
    let name = recorded.service.trim_end_matches('_');
    let reasons = format!("recorded/{name}.json");
    let ledger = Ledger {
        name,
        opening: format!(
            "# `{name}` against recorded replies of AWS\n\n\
             Written by `cargo xtask conformance recorded {} CHECKOUT`; not to be edited. These are the public tests of \
             LocalStack that their authors have run on AWS: each compares every reply with the one recorded there.",
            recorded.service
        ),
        not_counted: "that skip themselves",
        reasons: &reasons,
    };
    setting.record(&ledger, &outcomes)
}

/// A few tests have the port written in them.
fn port() -> Result<u16> {
    match TcpListener::bind(("127.0.0.1", LOCALSTACK_PORT)) {
        Ok(_free) => Ok(LOCALSTACK_PORT),
        Err(_) => free_port(),
    }
}
