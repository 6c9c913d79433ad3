//! A file in the state's folder that says where a running `cloudless dev` listens, for `cloudless invoke`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::application::Application;
use serde_json::{Value, json};

use crate::files;

const FILE: &str = "dev.json";

/// A running development server, as its marker describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The services' port.
    pub services_port: u16,
    /// The region of what it serves.
    pub region: String,
    /// Deployed function names, by logical id.
    pub functions: BTreeMap<String, String>,
}

/// Removes the marker when the server ends.
#[derive(Debug)]
pub struct Published {
    path: PathBuf,
}

impl Published {
    /// The marker of a state's folder.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        Self {
            path: state.join(FILE),
        }
    }

    /// Writes the marker anew. It is a convenience, so a failure is not one of the server's.
    pub fn write(&self, services_port: u16, application: &Application) {
        let functions: BTreeMap<&str, &str> = application
            .functions
            .values()
            .map(|function| (function.logical_id.as_str(), function.name.as_str()))
            .collect();
        let region = application.region.as_str();
        let marker =
            json!({ "services_port": services_port, "region": region, "functions": functions });
        let text = marker.to_string();
        // An `invoke` that reads half of it would look for no server, and find the state in use.
        if let Err(error) = files::replace(&self.path, &text) {
            tracing::warn!(%error, file = %self.path.display(), "the marker of the running server was not written");
        }
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_file(&self.path);
    }
}

/// Reads the marker of a state's folder; none when no server runs there, or it ended without removing it and nobody
/// can tell: whoever uses it asks the server first.
#[must_use]
pub fn read(state: &Path) -> Option<Marker> {
    let text = std::fs::read_to_string(state.join(FILE)).ok()?;
    let marker: Value = serde_json::from_str(&text).ok()?;
    let services_port = u16::try_from(marker.get("services_port")?.as_u64()?).ok()?;
    let region = marker.get("region")?.as_str()?.to_owned();
    let functions = marker.get("functions")?.as_object()?;
    let functions = functions
        .iter()
        .filter_map(|(id, name)| Some((id.clone(), name.as_str()?.to_owned())))
        .collect();
    Some(Marker {
        services_port,
        region,
        functions,
    })
}
