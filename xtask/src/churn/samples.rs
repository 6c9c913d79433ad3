//! What a server holds over time, and whether that grows.
//!
//! Lives here: looking, medians, and how much more the end may hold than the beginning.
//! Does not live here: when to look (`churn`).

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::processes::{self, Process};

/// By how much the median of a run's last third may exceed that of its first: this share of it, and a few of the unit
/// ([`Measure::growth_max`]).
const GROWTH_SHARE_MAX: f64 = 0.15;
/// Samples in a third, at least, for its median to mean something.
const THIRD_MIN: usize = 3;

/// One thing that is counted.
struct Measure {
    name: &'static str,
    unit: &'static str,
    /// By how much it may grow beside [`GROWTH_SHARE_MAX`], so that little of something may double.
    growth_max: f64,
    of: fn(&Sample) -> f64,
}

const MEASURES: [Measure; 5] = [
    Measure {
        name: "server's memory",
        unit: " MiB",
        growth_max: 8.0,
        of: |sample| sample.server_mib,
    },
    Measure {
        name: "all memory, proportional",
        unit: " MiB",
        growth_max: 24.0,
        of: |sample| sample.proportional_mib,
    },
    Measure {
        name: "all memory, resident",
        unit: " MiB",
        growth_max: 150.0,
        of: |sample| sample.resident_mib,
    },
    Measure {
        name: "server's descriptors",
        unit: "",
        growth_max: 24.0,
        of: |sample| sample.descriptors,
    },
    Measure {
        name: "processes",
        unit: "",
        growth_max: 6.0,
        of: |sample| sample.processes,
    },
];

#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    server_mib: f64,
    proportional_mib: f64,
    resident_mib: f64,
    descriptors: f64,
    processes: f64,
}

/// All samples of a run.
pub(super) struct Samples {
    server: Process,
    all: Vec<Sample>,
}

impl Samples {
    pub(super) fn new(server: u32) -> Result<Self> {
        Ok(Self {
            server: processes::process(server).context("the server has gone")?,
            all: Vec::new(),
        })
    }

    /// Takes a sample; the processes that there are.
    pub(super) fn look(&mut self) -> Result<BTreeSet<Process>> {
        ensure!(self.server.lives(), "the server has ended");
        let tree = processes::tree(self.server.id);
        #[expect(clippy::cast_precision_loss, reason = "counts of processes and files")]
        self.all.push(Sample {
            server_mib: self.server.resident_mib(),
            proportional_mib: tree.iter().map(|process| process.proportional_mib()).sum(),
            resident_mib: tree.iter().map(|process| process.resident_mib()).sum(),
            descriptors: self.server.descriptors() as f64,
            processes: tree.len() as f64,
        });
        Ok(tree)
    }

    /// What was looked at so far does not count.
    pub(super) fn forget(&mut self) {
        self.all.clear();
    }

    /// Medians of the last minute.
    pub(super) fn last_minute(&self, each: Duration) -> String {
        let count = usize::try_from(60 / each.as_secs().max(1)).unwrap_or(1);
        let (_, last) = self.all.split_at(self.all.len().saturating_sub(count));
        let texts: Vec<String> = MEASURES
            .iter()
            .map(|measure| {
                let median = median(last, measure.of);
                format!("{} {median:.0}{}", measure.name, measure.unit)
            })
            .collect();
        texts.join(", ")
    }

    /// Fails when the last third holds more than the first.
    pub(super) fn check(&self) -> Result<()> {
        let third = self.all.len() / 3;
        ensure!(
            THIRD_MIN <= third,
            "too few samples to compare: let it run for longer"
        );
        let (first, rest) = self.all.split_at(third);
        let (_, last) = rest.split_at(rest.len() - third);
        let grown: Vec<String> = MEASURES
            .iter()
            .filter_map(|measure| {
                let (before, after) = (median(first, measure.of), median(last, measure.of));
                let most = before * (1.0 + GROWTH_SHARE_MAX) + measure.growth_max;
                (most < after).then(|| {
                    format!(
                        "{} from {before:.0} to {after:.0}{}",
                        measure.name, measure.unit
                    )
                })
            })
            .collect();
        if !grown.is_empty() {
            bail!(
                "between the first and the last third grew: {}",
                grown.join(", ")
            );
        }
        Ok(())
    }
}

fn median(samples: &[Sample], of: fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(descriptors: impl Iterator<Item = f64>) -> Samples {
        let mut samples = Samples::new(std::process::id()).unwrap();
        samples.all = descriptors
            .map(|descriptors| Sample {
                descriptors,
                ..Sample::default()
            })
            .collect();
        samples
    }

    #[test]
    fn what_comes_and_goes_is_flat() {
        let waves = (0..90).map(|index| 50.0 + f64::from(index % 7) * 10.0);
        assert!(samples(waves).check().is_ok());
    }

    #[test]
    fn what_leaks_is_named() {
        let leak = (0..90).map(|index| 50.0 + f64::from(index) * 2.0);
        let error = samples(leak).check().unwrap_err().to_string();
        assert!(
            error.contains("server's descriptors from 80 to 200"),
            "{error}"
        );
    }

    #[test]
    fn too_few_samples_prove_nothing() {
        assert!(samples([1.0, 1.0].into_iter()).check().is_err());
    }
}
