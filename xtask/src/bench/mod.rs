//! Benchmarks: ours and the peers, side by side in one run on one machine, as ratios.
//!
//! Lives here: which scenario runs, and the page that it is written into.
//! Does not live here: bringing the peers (`peers`), starting servers (`crate::server`), load (`load`).

mod cold;
mod dynamodb;
mod functions;
mod gateway;
mod goals;
mod hello;
mod load;
pub(crate) mod peers;
mod services;

use std::fmt::Write as _;
use std::path::PathBuf;
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
    /// How many cold starts of a forked function are measured.
    #[arg(long, default_value_t = 60)]
    rounds: usize,
    /// Measure the load from idle to full too, which waits a minute for instances to go; `--write` does so anyway.
    #[arg(long)]
    step: bool,
    /// Items of the large table of DynamoDB; 0 leaves it out.
    #[arg(long, default_value_t = 5_000_000)]
    items: usize,
    /// Of `cold` and `sandbox`, only the rows of warm calls.
    #[arg(long, conflicts_with_all = ["write", "starts", "crowded", "neighbours"])]
    warm: bool,
    /// Of `cold` and `sandbox`, only the rows of starts, up to 100 simultaneous calls.
    #[arg(long, conflicts_with_all = ["write", "crowded", "neighbours"])]
    starts: bool,
    /// Of `cold`, only 1,000 instances, and the step if it is asked for; of `sandbox`, only 100 sandboxes.
    #[arg(long, conflicts_with_all = ["write", "neighbours"])]
    crowded: bool,
    /// Of `sandbox`, only neighbours that misbehave: all of them, or this one.
    #[arg(long, value_name = "KIND", num_args = 0..=1, require_equals = true, conflicts_with = "write")]
    neighbours: Option<Option<cold::Misbehaviour>>,
    /// Of DynamoDB, measure the large table alone.
    #[arg(long, conflicts_with = "write")]
    large: bool,
    /// Of services, measure objects alone.
    #[arg(long, conflicts_with = "write")]
    objects: bool,
    /// Of DynamoDB and of queues, measure ours without the peers: before and after a change.
    #[arg(long, conflicts_with = "write")]
    alone: bool,
    /// How long the gateway's mixed load lasts, in seconds; its bar is meant for 600.
    #[arg(long, default_value_t = 40)]
    mixed: u64,
    /// Write the tables into `docs/benchmarks.md`.
    #[arg(long)]
    write: bool,
    /// A release build to measure, instead of building one.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// A hello function behind a gateway.
    Functions,
    /// Operations on items, and a table of millions of them.
    Dynamodb,
    /// Calls for which no instance is there.
    Cold,
    /// The gateway beside HAProxy and nginx.
    Gateway,
    /// What sandboxes cost: the same with and without.
    Sandbox,
    /// Queues and objects.
    Services,
}

const PAGE: &str = "docs/benchmarks.md";
const END: &str = "<!-- end -->";

impl Scenario {
    const ALL: [Self; 6] = [
        Self::Cold,
        Self::Sandbox,
        Self::Functions,
        Self::Gateway,
        Self::Dynamodb,
        Self::Services,
    ];

    /// The line of the page after which its tables are.
    fn begins(self) -> &'static str {
        match self {
            Self::Functions => "<!-- begin: cargo xtask bench functions --write -->",
            Self::Dynamodb => "<!-- begin: cargo xtask bench dynamodb --write -->",
            Self::Gateway => "<!-- begin: cargo xtask bench gateway --write -->",
            Self::Cold => "<!-- begin: cargo xtask bench cold --write -->",
            Self::Sandbox => "<!-- begin: cargo xtask bench sandbox --write -->",
            Self::Services => "<!-- begin: cargo xtask bench services --write -->",
        }
    }
}

pub(crate) fn run(arguments: &BenchArguments) -> Result<()> {
    let duration = Duration::from_secs(arguments.seconds);
    let binary = arguments.binary.as_deref();
    let peers = match arguments.scenario {
        Some(Scenario::Gateway) => peers::Peers::without_packages(binary)?,
        Some(
            Scenario::Functions
            | Scenario::Dynamodb
            | Scenario::Cold
            | Scenario::Sandbox
            | Scenario::Services,
        )
        | None => peers::Peers::bring(binary)?,
    };
    for scenario in Scenario::ALL {
        if arguments.scenario.is_some_and(|asked| asked != scenario) {
            continue;
        }
        let mut report = String::new();
        writeln!(report, "{}\n", machine())?;
        report.push_str(&match scenario {
            Scenario::Functions => functions::measure(&peers, duration)?,
            Scenario::Dynamodb => {
                let items = arguments.items;
                let plan = dynamodb::Plan { duration, items };
                if arguments.large {
                    dynamodb::measure_large(&peers, &plan)?
                } else if arguments.alone {
                    dynamodb::measure_alone(&peers, &plan)?
                } else {
                    dynamodb::measure(&peers, &plan)?
                }
            }
            Scenario::Gateway => {
                let mixed = Duration::from_secs(arguments.mixed);
                gateway::measure(&peers, &gateway::Plan { duration, mixed })?
            }
            Scenario::Cold => cold::measure(&peers, &plan(arguments))?,
            Scenario::Sandbox => cold::measure_sandboxes(&peers, &plan(arguments))?,
            Scenario::Services if arguments.objects => services::measure_objects(&peers, duration)?,
            Scenario::Services if arguments.alone => services::measure_queues(&peers, duration)?,
            Scenario::Services => services::measure(&peers, duration)?,
        });
        print(&report);
        if arguments.write {
            write_page(scenario, &report)?;
        }
    }
    Ok(())
}

fn plan(arguments: &BenchArguments) -> cold::Plan {
    cold::Plan {
        duration: Duration::from_secs(arguments.seconds),
        rounds: arguments.rounds,
        rows: match arguments {
            BenchArguments { warm: true, .. } => cold::Rows::Warm,
            BenchArguments { starts: true, .. } => cold::Rows::Starts,
            BenchArguments { crowded: true, .. } => cold::Rows::Crowded,
            BenchArguments {
                neighbours: Some(which),
                ..
            } => cold::Rows::Neighbours(*which),
            _ => cold::Rows::All,
        },
        step: if arguments.step || arguments.write {
            cold::Step::Measured
        } else {
            cold::Step::LeftOut
        },
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the report is what this command is for"
)]
fn print(report: &str) {
    println!("{report}");
}

fn write_page(scenario: Scenario, report: &str) -> Result<()> {
    let path = tidy::root().join(PAGE);
    let page = std::fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    std::fs::write(&path, with_tables(&page, scenario, report)?)?;
    Ok(())
}

/// The page with this scenario's tables replaced.
fn with_tables(page: &str, scenario: Scenario, report: &str) -> Result<String> {
    let begin = scenario.begins();
    let Some((before, rest)) = page.split_once(begin) else {
        bail!("{PAGE} lacks the line {begin}")
    };
    let Some((_, after)) = rest.split_once(END) else {
        bail!("{PAGE} lacks the line {END}")
    };
    Ok(format!(
        "{before}{begin}\n{}\n{END}{after}",
        report.trim_end()
    ))
}

/// What the figures were measured on.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!(
        "{cores} cores, {}Linux {}, load before the run {load}; server, load generator and peers share the machine.",
        memory_of_machine(),
        kernel.trim()
    )
}

fn memory_of_machine() -> String {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: Option<f64> = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
    kib.map_or_else(String::new, |kib| {
        format!("{:.0} GiB, ", kib / 1024.0 / 1024.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_place_for_every_scenario() {
        let page = std::fs::read_to_string(tidy::root().join(PAGE)).unwrap();
        for scenario in Scenario::ALL {
            let written = with_tables(&page, scenario, "measured\n").unwrap();
            assert!(written.contains(&format!("{}\nmeasured\n{END}", scenario.begins())));
        }
    }
}
