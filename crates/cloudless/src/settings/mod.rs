//! `cloudless.toml`: how a project is run here. It is optional, and says nothing of what the project is.
//!
//! Lives here: what can be set, and what a setting does to an application.
//! Does not live here: reading the file (`reading`), the table of its keys (`keys`), limits (`limits`), sandboxes (`sandbox`),
//! engines (`engines`).

mod engines;
mod functions;
pub mod keys;
mod limits;
mod reading;
mod sandbox;

use std::path::PathBuf;

use gateway::AddressRange;
use model::function::Starts;
use model::problem::Place;
pub use service_objects::NewBuckets;
pub use service_tables::Throughput;

pub use engines::{Engine, Keys, SERVICES};
pub use limits::Limits;
pub(crate) use limits::no_room;
pub use reading::read;
pub use sandbox::{Demands, Sandbox};

/// The file, beside the manifest.
pub const FILE: &str = "cloudless.toml";

/// What the file says; what it does not say is as it is without it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// `[functions]`: what functions have in common.
    pub starts: Option<Starts>,
    /// `[functions.NAME]`, in the order of the names.
    pub functions: Vec<OneFunction>,
    /// Where `[services.NAME]` of each of the server's engines stands.
    pub engine_places: Vec<Place>,
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

/// `[tls]`: files of PEM texts, relative to the file's folder; each certificate with the key of the same place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Certificates, each with those that lead to its authority.
    pub certificates: Vec<PathBuf>,
    /// Their keys.
    pub keys: Vec<PathBuf>,
}

/// `[server]`, `[services]`, `[limits]`, `[sandbox]` and `[tls]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// The port of the application's APIs.
    pub port: Option<u16>,
    /// The port of the cloud services.
    pub services_port: Option<u16>,
    /// The port of the first listener of load balancers.
    pub alb_port: Option<u16>,
    /// What clients put before each path.
    pub base_path: Option<PathBuf>,
    /// What clients of load balancers put there.
    pub alb_base_path: Option<PathBuf>,
    /// The folder of the state, relative to the file's.
    pub state: Option<PathBuf>,
    /// What bounds the running of functions.
    pub limits: Limits,
    /// How they are locked in.
    pub sandbox: Sandbox,
    /// What new buckets let in.
    pub buckets: NewBuckets,
    /// What becomes of the throughput that is provisioned for tables.
    pub throughput: Throughput,
    /// Proxies whose word on a request's source is believed.
    pub trusted_proxies: Vec<AddressRange>,
    /// What is carried out elsewhere, in the order of the services' names.
    pub engines: Vec<Engine>,
    /// What the APIs' listener shows.
    pub tls: Tls,
}
