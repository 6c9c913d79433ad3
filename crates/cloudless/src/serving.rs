//! The threads that serve requests.
//!
//! Lives here: how many there are, starting and ending them.
//! Does not live here: which connection has which (`gateway::http`), threads for everything else (`crate::run`).

use gateway::http::Threads;
use tokio::runtime::{Builder, Runtime};

/// Threads on which what waits for files and disks is done, for each that serves.
const BLOCKING_MAX: usize = 128;

/// A runtime of its own for each thread: one that took tasks from another would take their memory from its cache as well.
pub(crate) struct Serving {
    runtimes: Vec<Runtime>,
    threads: Threads,
}

impl Serving {
    /// Starts as many as the machine has use for. When it has none left, requests are served by the threads that there are.
    pub(crate) fn start() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut runtimes = Vec::new();
        for _ in 0..threads(cores) {
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .max_blocking_threads(BLOCKING_MAX)
                .thread_name("serving")
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtimes.push(runtime),
                Err(error) => {
                    tracing::warn!(%error, "requests are served by fewer threads than there are processors for");
                    break;
                }
            }
        }
        let threads = Threads::new(runtimes.iter().map(|runtime| runtime.handle().clone()));
        Self { runtimes, threads }
    }

    /// What the connections of all listeners are spread over.
    pub(crate) fn threads(&self) -> Threads {
        self.threads.clone()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // To wait for their threads would block the one that drops them.
        for runtime in self.runtimes.drain(..) {
            runtime.shutdown_background();
        }
    }
}

/// For three of four cores. The others are left to functions, and to clients on the same machine.
fn threads(cores: usize) -> usize {
    (cores * 3 / 4).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_of_any_size_has_a_thread_that_serves_and_a_core_for_functions() {
        let counts = [1, 2, 3, 4, 8, 16].map(threads);
        assert_eq!(counts, [1, 1, 2, 3, 6, 12]);
    }
}
