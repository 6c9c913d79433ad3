//! ScyllaDB's Alternator suite, whose tests were validated on DynamoDB itself.
//!
//! Lives here: running it as if on AWS.
//! Does not live here: what makes it believe so (`conformance/dynamodb/target.py`), the ledger (`super`).

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Ledger, Setting, read_outcomes};

/// Seconds after which one test has failed.
const TEST_SECONDS_MAX: u32 = 60;

pub(super) fn run(setting: &Setting<'_>, checkout: &Path, python: &Path) -> Result<()> {
    let checkout = checkout.canonicalize()?;
    let dev = setting.start_with("")?;
    let (written, ini) = (
        setting.scratch.join("outcomes"),
        setting.scratch.join("pytest.ini"),
    );
    std::fs::write(&ini, "[pytest]\n")?;
    let plugin = setting.root.join("conformance/dynamodb");
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
    let ledger = Ledger {
        name: "dynamodb",
        opening: "# DynamoDB against ScyllaDB's Alternator suite\n\n\
             Written by `cargo xtask conformance dynamodb CHECKOUT`; not to be edited. The suite is public, and its tests were \
             validated on DynamoDB. It runs here as if on AWS: see `dynamodb/target.py`."
            .to_owned(),
        not_counted: "that skip themselves, since they need Scylla or hours",
        reasons: "dynamodb/reasons.json",
    };
    setting.record(&ledger, &read_outcomes(&written)?)
}
