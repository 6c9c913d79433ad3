//! Packages functions: interpreters, dependencies, the cloud's SDKs, archives; a content-addressed cache.
//!
//! Lives here: everything that has to be on disk before an instance of a function can start.
//! Does not live here: which functions there are (`manifest`), starting instances (`runtimes`), watching files.

mod archive;
mod builder;
mod cache;
mod code;
mod compile;
mod config;
mod dependencies;
mod digest;
mod executables;
mod homes;
mod interpreters;
mod node;
pub mod packages;
mod progress;
pub mod public_layers;
mod python;
mod requirements;
mod scan;
mod sdk;
mod survey;
mod tool;
mod wanted_sdk;

pub use builder::Builder;
pub use config::BuilderConfig;
pub use digest::of_folder as source_digest;
pub use interpreters::Origin;
pub use progress::{Progress, Silent};
pub use scan::NOT_SOURCES;
pub use survey::{Installed, Served};
