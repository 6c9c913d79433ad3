//! A hundred people come at once to a function that nobody has called before.
//!
//! Lives here: the crowds, through the gateway.
//! Does not live here: crowds that stay (`thousand`).

use std::time::Duration;

use anyhow::Result;

use super::project::Language;
use crate::bench::goals::{Row, at_most};
use crate::http::{self, Swarm, milliseconds, percentile};

pub(super) const WHAT: &str = "100 simultaneous first calls to a cold function";

const CALLS: usize = 100;
/// Between two crowds.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) fn measure(port: u16) -> Result<Row> {
    let (mut texts, mut checks, mut failed) = (Vec::new(), Vec::new(), 0);
    for language in Language::ALL {
        let mut times = Vec::new();
        for path in language.crowd_paths() {
            let swarm = Swarm::open(port, CALLS)?;
            for (reply, took) in swarm.burst(&vec![http::get(&path); CALLS])? {
                failed += usize::from(!reply.is_success());
                times.push(took);
            }
            std::thread::sleep(PAUSE);
        }
        times.sort_unstable();
        let p99_ms = milliseconds(percentile(&times, 0.99));
        texts.push(format!(
            "{language} p50 / p99 {:.0} / {p99_ms:.0} ms",
            milliseconds(percentile(&times, 0.5)),
        ));
        checks.push((p99_ms, at_most("p99", Some(800.0), Some(400.0), " ms")));
    }
    let fault = (failed > 0).then(|| format!("{failed} were not answered with success"));
    Ok(Row::new(WHAT, texts.join(", "), checks).with_fault(fault))
}
