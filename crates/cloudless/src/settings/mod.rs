//! `cloudless.toml`: how a project is run here. It is optional, and says nothing of what the project is.
//!
//! Lives here: what can be set, and what a setting does to an application.
//! Does not live here: reading the file (`reading`), the table of its keys (`keys`), what limits bound (`invoker`).

mod functions;
pub mod keys;
mod reading;

use std::path::PathBuf;
use std::time::Duration;

use invoker::InvokerLimits;
use model::function::Starts;
use model::problem::Place;

pub use reading::read;

/// The file, beside the manifest.
pub const FILE: &str = "cloudless.toml";

/// What the file says; what it does not say is as it is without it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// `[functions]`: what functions have in common.
    pub starts: Option<Starts>,
    /// `[functions.NAME]`, in the order of the names.
    pub functions: Vec<OneFunction>,
    /// What takes effect when the server starts.
    pub server: Server,
}

/// The settings of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneFunction {
    /// The name that somebody gave it: any that it has.
    pub name: String,
    /// Where.
    pub place: Place,
    /// How its instances come to be.
    pub starts: Option<Starts>,
}

/// `[server]` and `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// The port of the application's APIs.
    pub port: Option<u16>,
    /// The port of the cloud services.
    pub services_port: Option<u16>,
    /// The folder of the state, relative to the file's.
    pub state: Option<PathBuf>,
    /// What bounds the running of functions.
    pub limits: Limits,
}

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
}

impl Limits {
    /// The limits with what is set here.
    #[must_use]
    pub fn over(self, mut limits: InvokerLimits) -> InvokerLimits {
        let Self {
            account_concurrency,
            function_scaling_instances,
            machine_instances,
            instance_idle,
        } = self;
        if let Some(count) = account_concurrency {
            limits.concurrency_max = count;
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
