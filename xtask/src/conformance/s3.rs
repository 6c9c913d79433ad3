//! ceph/s3-tests, the usual suite of Amazon S3, less what its authors mark as failing on S3 itself.
//!
//! Lives here: running it.
//! Does not live here: its accounts and its clean-up (`conformance/s3/target.py`), the ledger (`super`).

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Ledger, Setting, read_outcomes};

/// Seconds after which one test has failed.
const TEST_SECONDS_MAX: u32 = 60;
/// What is left out: what fails on AWS, extensions of Ceph, lifecycles whose days last seconds, signature version 2, S3 Select.
const LEFT_OUT: &str = "not fails_on_aws and not appendobject and not cloud_transition and not cloud_restore and not \
    target_by_bucket and not bucket_logging and not bucket_logging_cleanup and not lifecycle_expiration and not \
    lifecycle_transition and not auth_aws2 and not s3select and not storage_class and not iam_tenant and not delete_marker";

pub(super) fn run(setting: &Setting<'_>, checkout: &Path, python: &Path) -> Result<()> {
    let checkout = checkout.canonicalize()?;
    // The suite was written for buckets as they were made before April 2023.
    let dev = setting.start_with("[server]\nbuckets = \"open\"\n")?;
    let written = setting.scratch.join("outcomes");
    let plugin = setting.root.join("conformance/s3");
    let search = [&checkout, &plugin].map(|path| path.display().to_string());
    // Tests that fail end it with an error, too: what counts is what it wrote.
    Command::new(python)
        .args(["-m", "pytest", "--quiet", "--tb=line", "-W", "ignore"])
        .args(["-p", "target", "-p", "no:cacheprovider"])
        .arg(format!("--timeout={TEST_SECONDS_MAX}"))
        .args(["-m", LEFT_OUT])
        .args([
            "s3tests/functional/test_s3.py",
            "s3tests/functional/test_headers.py",
        ])
        .env("CONFORMANCE_OUTCOMES", &written)
        .env("S3_PLACE", format!("127.0.0.1:{}", dev.services_port))
        .env("PYTHONPATH", search.join(":"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(&checkout)
        .status()
        .with_context(|| format!("cannot start {}", python.display()))?;
    let ledger = Ledger {
        name: "s3",
        opening: "# S3 against ceph/s3-tests\n\n\
             Written by `cargo xtask conformance s3 CHECKOUT`; not to be edited. The suite is public. What its authors mark as \
             failing on Amazon S3 itself is left out, and so are Ceph's extensions. New buckets are open, as Amazon S3 made them \
             until April 2023 (`[server] buckets = \"open\"`), since most tests of access control lists need such."
            .to_owned(),
        not_counted: "that skip themselves",
        reasons: "s3/reasons.json",
    };
    setting.record(&ledger, &read_outcomes(&written)?)
}
