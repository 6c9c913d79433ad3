//! What it takes to ask policies.
//!
//! Lives here: the row.
//! Does not live here: the measurement, which is in the process that judges: an example of `service-identity`.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::Report;
use crate::bench::goals::{Row, at_most};
use crate::tidy;

const NANOSECONDS_A_MICROSECOND: f64 = 1_000.0;

pub(super) fn measure() -> Result<Report> {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--release", "--package"])
        .args(["service-identity", "--example", "judging"])
        .current_dir(tidy::root())
        .output()
        .context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "judging failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let nanoseconds: f64 = text.trim().parse().context("judging prints nanoseconds")?;
    let took = nanoseconds / NANOSECONDS_A_MICROSECOND;
    Ok(Report {
        figures: String::new(),
        rows: vec![Row::new(
            "judging one call by a role with 50 statements",
            format!("{took:.2} µs"),
            vec![(took, at_most("time", Some(10.0), None, " µs"))],
        )],
    })
}
