//! Benchmarks: ours and the peers, side by side in one run on one machine, as ratios.
//!
//! Lives here: which scenario runs, and the table that comes out.
//! Does not live here: bringing the peers (`peers`), starting servers (`crate::server`), load (`load`).

mod functions;
mod load;
mod peers;
mod tables;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::tidy;

/// `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// What to measure; everything when left out.
    scenario: Option<Scenario>,
    /// How long each load lasts, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Write the tables into `docs/benchmarks.md`.
    #[arg(long)]
    write: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// A hello function behind a gateway.
    Functions,
    /// `PutItem` and `GetItem`.
    Tables,
}

const PAGE: &str = "docs/benchmarks.md";
const BEGIN: &str = "<!-- begin: cargo xtask bench --write -->";
const END: &str = "<!-- end -->";

pub(crate) fn run(arguments: &BenchArguments) -> Result<()> {
    let duration = Duration::from_secs(arguments.seconds);
    let peers = peers::Peers::bring()?;
    let mut report = String::new();
    writeln!(report, "{}\n", machine())?;
    if arguments.scenario != Some(Scenario::Tables) {
        report.push_str(&functions::measure(&peers, duration)?);
    }
    if arguments.scenario != Some(Scenario::Functions) {
        report.push_str(&tables::measure(&peers, duration)?);
    }
    print(&report);
    if arguments.write {
        write_page(&report)
    } else {
        Ok(())
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the report is what this command is for"
)]
fn print(report: &str) {
    println!("{report}");
}

fn write_page(report: &str) -> Result<()> {
    let path = tidy::root().join(PAGE);
    let page = std::fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    let Some((before, rest)) = page.split_once(BEGIN) else {
        bail!("{PAGE} lacks the line {BEGIN}")
    };
    let Some((_, after)) = rest.split_once(END) else {
        bail!("{PAGE} lacks the line {END}")
    };
    std::fs::write(
        &path,
        format!("{before}{BEGIN}\n{}\n{END}{after}", report.trim_end()),
    )?;
    Ok(())
}

/// What the figures were measured on.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!(
        "{cores} cores, Linux {}, load before the run {load}; server, load generator and peers share the machine.",
        kernel.trim()
    )
}
