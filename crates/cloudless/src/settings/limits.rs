//! What bounds the running of functions here.
//!
//! Lives here: what `[limits]` sets and the machine leaves, and whether an application finds room in it.
//! Does not live here: what each limit bounds, and its default (`invoker`).

use std::time::Duration;

use invoker::InvokerLimits;
use model::application::Application;
use model::door::Rate;
use model::problem::Problem;

use super::FILE;
use crate::machine::usable_memory;

/// `[limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Events that may run or wait at once, of all functions together.
    pub account_concurrency: Option<usize>,
    /// Instances that one function may gain within [`LAMBDA_SCALING_INTERVAL`](model::limits::LAMBDA_SCALING_INTERVAL).
    pub function_scaling_instances: Option<u32>,
    /// Instances that may exist at once, of all functions together.
    pub machine_instances: Option<usize>,
    /// How long an instance stays without an event.
    pub instance_idle: Option<Duration>,
    /// Requests a second that the APIs of all applications may get together.
    pub account_requests_per_second: Option<u32>,
    /// How many of them may come at once.
    pub account_requests_burst: Option<u32>,
    /// Bytes of replies that the stages of all REST APIs keep together.
    pub kept_replies_bytes: Option<u64>,
}

impl Limits {
    /// The limits of this machine, with what is set here.
    #[must_use]
    pub fn here(self) -> InvokerLimits {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let memory = usable_memory().unwrap_or(u64::MAX);
        self.over(InvokerLimits::for_cores(cores).within_memory(memory))
    }

    /// The rate to which all APIs together are held; none: they are not.
    ///
    /// An account of the cloud has 10,000 and a burst of 5,000, which a machine of one's own rarely takes at all: unless it
    /// is set, its own speed is the limit. A burst that is not set is half of what a second may bring, as there.
    #[must_use]
    pub fn account_rate(self) -> Option<Rate> {
        let per_second = self.account_requests_per_second?;
        let burst = self.account_requests_burst.unwrap_or(per_second / 2);
        Some(Rate {
            per_1000_s: u64::from(per_second) * 1_000,
            burst: burst.max(1).into(),
        })
    }

    /// The limits with what is set here.
    pub(super) fn over(self, mut limits: InvokerLimits) -> InvokerLimits {
        let Self {
            account_concurrency,
            function_scaling_instances,
            machine_instances,
            instance_idle,
            account_requests_per_second: _,
            account_requests_burst: _,
            kept_replies_bytes: _,
        } = self;
        if let Some(count) = account_concurrency {
            limits.concurrency_max = count;
            // All that may wait may wait for one function.
            limits.line_length_max = count;
        }
        if let Some(count) = function_scaling_instances {
            limits.scaling_instances = count;
        }
        if let Some(count) = machine_instances {
            limits.instances_max = count;
        }
        if let Some(duration) = instance_idle {
            limits.idle_max = duration;
        }
        limits
    }
}

/// A warning when an application provisions more instances than there may be: the invoker keeps as many as it can.
pub(crate) fn no_room(application: &Application, limits: &InvokerLimits) -> Option<Problem> {
    let versions = application.versions().into_iter();
    let provisioned: usize = versions
        .map(|function| function.provisioned_concurrency)
        .sum();
    let room = limits.instances_max;
    (room < provisioned).then(|| {
        let title = format!("{provisioned} instances are provisioned, and there is room for {room}");
        Problem::warning("functions::no-room-for-provisioned", title)
            .because(
                "that many instances of all functions together may exist on this machine, and events on demand need some, too",
            )
            .help(format!(
                "provision less, or set a larger `machine_instances` under `[limits]` in {FILE}, if the memory suffices"
            ))
    })
}
