//! What bounds the invoker.
//!
//! Lives here: the limits, their defaults, and where each comes from.
//! Does not live here: what happens when one is met (`pool`).
//!
//! Differs: Lambda also bounds requests by the second, to ten for each instance. A function that replies faster than in
//! 100 ms is held back by that and by nothing else, so it is not done here.

use std::time::Duration;

use model::limits::{
    LAMBDA_CONCURRENT_EXECUTIONS, LAMBDA_SCALING_INSTANCES, LAMBDA_SCALING_INTERVAL,
    LAMBDA_SYNC_PAYLOAD_BYTES_MAX,
};

/// Spawned starts that may run at once for each core: an init is mostly one busy core, so more of them at once only
/// makes each of them slower, and all of them run into the init's time limit together.
const SPAWNS_PER_CORE: usize = 2;
/// Forked starts that may run at once for each core: each is a millisecond's work, and waits for its turn otherwise.
const FORKS_PER_CORE: usize = 8;
/// Instances that work at once for a function whose events take next to no time, for each core but one, which the server itself
/// needs: while the others work, some wait to be given their next event. On two cores more of them take turns on the caches,
/// on four fewer leave cores idle.
const BRISK_PER_CORE: usize = 4;
/// The least of them.
const BRISK_MIN: usize = 2;
/// What an instance takes of the machine's memory for itself, estimated for one that holds a small application. Pages that
/// forks share are not in it.
const INSTANCE_BYTES: u64 = 8 << 20;
/// One part in so many of the machine's memory is for instances: the rest is for whatever else runs there.
const MEMORY_PARTS: u64 = 2;

/// The bounds of an [`Invoker`](crate::Invoker).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvokerLimits {
    /// Events that may run or wait at once, of all functions together. The next one is throttled.
    ///
    /// Contract: AWS Lambda, "Lambda quotas", concurrent executions.
    pub concurrency_max: usize,
    /// Instances that may exist at once on this machine, of all functions together. Where the next one is needed, the one
    /// that is free for longest ends; where all are busy, the event waits in line: it is the machine that is too small, and
    /// not the account, so its callers are not told that they ask too much.
    pub instances_max: usize,
    /// Instances that one function may gain within `scaling_interval`, beside its provisioned ones. An event that needs
    /// more is throttled. What is not used is not saved up.
    ///
    /// Contract: AWS Lambda Developer Guide, "Lambda scaling behavior", concurrency scaling rate.
    pub scaling_instances: u32,
    /// The interval of `scaling_instances`. It is gained back continuously, and not all at once.
    pub scaling_interval: Duration,
    /// The largest event, in bytes.
    ///
    /// Contract: AWS Lambda, "Lambda quotas", invocation payload, synchronous.
    pub payload_bytes_max: usize,
    /// Instances that may be starting at once as processes of their own, with an init to do. The next event waits in line.
    pub spawns_max: usize,
    /// Instances that may be starting at once as forks of a process that has done the init. The next event waits in line.
    pub forks_max: usize,
    /// Events that may wait in line for one version of a function. The next one is throttled.
    pub line_length_max: usize,
    /// Instances of one version that are at work at once, before the next of its events waits for one of them, where events
    /// take next to no time. So many keep all cores busy.
    pub brisk_busy_max: usize,
    /// How long an event waits in line at most, when its caller names no time.
    pub wait_max: Duration,
    /// How long an instance stays without an event, unless it is provisioned. The most recently used one is reused, so
    /// the others end first.
    pub idle_max: Duration,
    /// Failed starts in a row after which the next one is put off.
    pub failed_starts_before_delay: u32,
    /// The first delay of a start; it doubles with each further failure.
    pub start_delay_min: Duration,
    /// The longest delay of a start.
    pub start_delay_max: Duration,
    /// Failed starts in a row, by the function's own fault, after which no more instances are provisioned until one has
    /// started for an event.
    pub failed_provisionings_max: u32,
    /// An instance that ends within this time of its start and without an event counts as a start that failed.
    pub early_end_max: Duration,
    /// How long `stop` lets events finish before their instances are killed.
    pub drain_max: Duration,
    /// How long an instance may take to end in an orderly way before it is killed.
    pub instance_stop_max: Duration,
}

impl InvokerLimits {
    /// The defaults for a machine with this many cores, whatever its memory.
    #[must_use]
    pub fn for_cores(cores: usize) -> Self {
        let cores = cores.max(1);
        Self {
            concurrency_max: LAMBDA_CONCURRENT_EXECUTIONS,
            instances_max: LAMBDA_CONCURRENT_EXECUTIONS,
            scaling_instances: LAMBDA_SCALING_INSTANCES,
            scaling_interval: LAMBDA_SCALING_INTERVAL,
            payload_bytes_max: LAMBDA_SYNC_PAYLOAD_BYTES_MAX,
            spawns_max: cores.saturating_mul(SPAWNS_PER_CORE),
            forks_max: cores.saturating_mul(FORKS_PER_CORE),
            line_length_max: LAMBDA_CONCURRENT_EXECUTIONS,
            brisk_busy_max: (cores - 1).saturating_mul(BRISK_PER_CORE).max(BRISK_MIN),
            wait_max: Duration::from_secs(60),
            idle_max: Duration::from_secs(60),
            failed_starts_before_delay: 3,
            start_delay_min: Duration::from_millis(50),
            start_delay_max: Duration::from_secs(2),
            failed_provisionings_max: 3,
            early_end_max: Duration::from_secs(10),
            drain_max: Duration::from_secs(30),
            instance_stop_max: Duration::from_secs(2),
        }
    }

    /// The same, with no more instances than fit into half of a machine's memory, at 8 MiB each.
    #[must_use]
    pub fn within_memory(self, memory_bytes: u64) -> Self {
        let fit = memory_bytes / MEMORY_PARTS / INSTANCE_BYTES;
        let fit = usize::try_from(fit).unwrap_or(usize::MAX).max(1);
        Self {
            instances_max: self.instances_max.min(fit),
            ..self
        }
    }
}
