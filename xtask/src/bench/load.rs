//! Putting load on a server, and what came of it.
//!
//! Lives here: the threads of the load, rates and percentiles.
//! Does not live here: connections (`crate::http`).

use std::time::Duration;

use anyhow::{Result, bail};

use crate::http::{Swarm, milliseconds, now, percentile};

/// Threads that drive connections: what a load takes of the machine is bounded, and one does not suffice for the
/// fastest servers.
const THREADS_MAX: usize = 2;

/// What one load measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Load {
    /// Successes a second.
    pub(super) per_second: f64,
    /// Median latency, in milliseconds.
    pub(super) p50_ms: f64,
    /// 99th percentile, in milliseconds.
    pub(super) p99_ms: f64,
    /// How many succeeded.
    pub(super) successes: usize,
    /// How many did not, and what one of them was.
    pub(super) failures: (usize, Option<String>),
}

/// Loads the port from so many connections, which go through the requests in turn; every reply must be a success.
pub(super) fn load(
    port: u16,
    requests: &[Vec<u8>],
    connections: usize,
    duration: Duration,
) -> Result<Load> {
    let load = try_load(port, requests, connections, duration)?;
    if let (failed @ 1.., failure) = &load.failures {
        bail!(
            "{failed} of {} requests to port {port} failed, one with: {}",
            load.successes + failed,
            failure.as_deref().unwrap_or_default()
        );
    }
    Ok(load)
}

/// The same, failures counted.
pub(super) fn try_load(
    port: u16,
    requests: &[Vec<u8>],
    connections: usize,
    duration: Duration,
) -> Result<Load> {
    let threads = THREADS_MAX.min(connections.max(1));
    let mut swarms = Vec::new();
    for thread in 0..threads {
        // The first ones take what is left over.
        let share = (connections + threads - 1 - thread) / threads;
        swarms.push(Swarm::open(port, share)?);
    }
    let began = now();
    let until = began + duration;
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = swarms
            .into_iter()
            .enumerate()
            .map(|(thread, swarm)| {
                scope.spawn(move || swarm.load(&begun_at(requests, thread, threads), until))
            })
            .collect();
        running.into_iter().map(|thread| thread.join()).collect()
    });
    let took = began.elapsed();
    let (mut times, mut failed, mut failure) = (Vec::new(), 0, None);
    for outcome in outcomes {
        let answered = outcome.map_err(|_| anyhow::anyhow!("a thread of the load panicked"))??;
        times.extend(answered.times);
        failed += answered.failed;
        failure = failure.or(answered.failure);
    }
    times.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of requests is far below 2^52"
    )]
    let per_second = times.len() as f64 / took.as_secs_f64();
    Ok(Load {
        per_second,
        p50_ms: milliseconds(percentile(&times, 0.5)),
        p99_ms: milliseconds(percentile(&times, 0.99)),
        successes: times.len(),
        failures: (failed, failure),
    })
}

/// The requests as one of so many threads goes through them: each begins elsewhere, so that no two send the same at the same
/// time.
fn begun_at(requests: &[Vec<u8>], thread: usize, threads: usize) -> Vec<Vec<u8>> {
    let mut turned = requests.to_vec();
    turned.rotate_left(requests.len() * thread / threads.max(1));
    turned
}
