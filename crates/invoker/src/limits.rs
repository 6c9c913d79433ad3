//! What bounds the invoker.
//!
//! Lives here: the limits, their defaults, and where each comes from.
//! Does not live here: what happens when one is met (`pool`).

use std::time::Duration;

use model::limits::{LAMBDA_CONCURRENT_EXECUTIONS, LAMBDA_SYNC_PAYLOAD_BYTES_MAX};

/// Starts that may run at once for each core: an init is mostly one busy core, so more of them at once only
/// makes each of them slower, and all of them run into the init's time limit together.
const STARTS_PER_CORE: usize = 2;

/// The bounds of an [`Invoker`](crate::Invoker).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvokerLimits {
    /// Events that may run or wait at once, of all functions together; also the number of instances.
    ///
    /// Contract: AWS Lambda, "Lambda quotas", concurrent executions.
    pub concurrency_max: usize,
    /// The largest event, in bytes.
    ///
    /// Contract: AWS Lambda, "Lambda quotas", invocation payload, synchronous.
    pub payload_bytes_max: usize,
    /// Instances that may be starting at once on this machine. The next event waits in line.
    pub starts_max: usize,
    /// Events that may wait in line for one function. The next one is throttled.
    pub line_length_max: usize,
    /// How long an event waits in line at most, when its caller names no time.
    pub wait_max: Duration,
    /// How long an instance stays without an event. The most recently used one is reused, so the others end first.
    pub idle_max: Duration,
    /// Failed starts in a row after which the next one is put off.
    pub failed_starts_before_delay: u32,
    /// The first delay of a start; it doubles with each further failure.
    pub start_delay_min: Duration,
    /// The longest delay of a start.
    pub start_delay_max: Duration,
    /// How long `stop` lets events finish before their instances are killed.
    pub drain_max: Duration,
    /// How long an instance may take to end in an orderly way before it is killed.
    pub instance_stop_max: Duration,
}

impl InvokerLimits {
    /// The defaults for a machine with this many cores.
    #[must_use]
    pub fn for_cores(cores: usize) -> Self {
        Self {
            concurrency_max: LAMBDA_CONCURRENT_EXECUTIONS,
            payload_bytes_max: LAMBDA_SYNC_PAYLOAD_BYTES_MAX,
            starts_max: cores.max(1).saturating_mul(STARTS_PER_CORE),
            line_length_max: LAMBDA_CONCURRENT_EXECUTIONS,
            wait_max: Duration::from_secs(60),
            idle_max: Duration::from_secs(5 * 60),
            failed_starts_before_delay: 3,
            start_delay_min: Duration::from_millis(50),
            start_delay_max: Duration::from_secs(2),
            drain_max: Duration::from_secs(30),
            instance_stop_max: Duration::from_secs(2),
        }
    }
}
