//! Giving back all that there is, as resources: what a template declares, and what the API made of it.
//!
//! Lives here: the resources of which an application is made, and how far their changes have come.
//! Does not live here: making the application (`deployment::application`), serving it.

use std::collections::BTreeSet;
use std::sync::Arc;

use interfaces::resource_provider::Properties;
use model::application::Application;
use model::function::LATEST;
use model::ids::{FunctionName, LogicalId};
use serde_json::Value;

use crate::catalogue::{Code, Entry, Kind, Origin, Status, number_in};
use crate::keeper::Settled;
use crate::rendering::SNAPSHOT;
use crate::service::Service;

/// A resource, as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// What it is.
    pub kind: Kind,
    /// Its name in the template, or one of our making, which no template can have.
    pub logical_id: LogicalId,
    /// What `Ref` gives.
    pub physical_id: String,
    /// Its properties.
    pub properties: Properties,
    /// What `GetAtt` gives. Of a version with a state of its own, `(function)` holds the properties of its function then.
    pub attributes: Properties,
    /// Its code, where it is not in the project.
    pub package: Option<Package>,
    /// Whether it is exactly what the template declares.
    pub is_as_declared: bool,
}

/// Code in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The archive's SHA-256, in hexadecimal digits.
    pub digest: String,
    /// Folders of modules besides.
    pub dependency_paths: Vec<std::path::PathBuf>,
}

/// All resources at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Everything {
    /// Counts changes.
    pub generation: u64,
    /// The resources. What a template declares and the API removed is not among them.
    pub resources: Vec<Standing>,
}

impl Service {
    /// All that there is.
    pub fn everything(&self) -> Everything {
        let Some(catalogue) = self.keeper.now() else {
            return Everything::default();
        };
        let entries = catalogue.entries.iter();
        let resources = entries
            .filter(|((kind, _), entry)| !entry.is_removed || is_still_used(*kind, entry))
            .map(|((kind, key), entry)| standing(*kind, key, entry));
        Everything {
            generation: catalogue.generation,
            resources: resources.collect(),
        }
    }

    /// Waits until something has changed that is not served. Cancel-safe.
    pub async fn changed(&self) {
        self.keeper.changed().await;
    }

    /// Says that all changes up to this generation are served by this application, or why some are not: `why` knows of a
    /// function that is not there.
    pub async fn set_served(
        &self,
        generation: u64,
        application: &Arc<Application>,
        why: &(dyn Fn(&str) -> Option<String> + Sync),
    ) {
        // Without a catalogue there is nothing to settle; what cannot be written is settled at the next change.
        if let Ok(turn) = self.keeper.turn().await {
            let mut settled = Vec::new();
            for ((kind, key), entry) in &turn.catalogue.entries {
                let since = match &entry.status {
                    Status::Creating(since) | Status::Updating(since) => *since,
                    Status::Settled | Status::Failed(_) => continue,
                };
                if generation < since {
                    continue;
                }
                let runs = runs(*kind, key, application);
                settled.push(Settled {
                    place: (*kind, key.clone()),
                    status: if runs {
                        Status::Settled
                    } else {
                        let name = key.split(':').next().unwrap_or_default();
                        Status::Failed(why(name).unwrap_or_else(|| NOT_RUN.to_owned()))
                    },
                    revision: match kind {
                        Kind::Function => self.draw_id(),
                        Kind::Version if matches!(entry.status, Status::Creating(_)) => {
                            self.draw_id()
                        }
                        Kind::Version
                        | Kind::Alias
                        | Kind::Permission
                        | Kind::Url
                        | Kind::EventInvoke
                        | Kind::Mapping
                        | Kind::Layer
                        | Kind::LayerPermission => entry.revision.clone(),
                    },
                });
            }
            if !settled.is_empty() {
                let _ = turn.note(settled).await;
            }
        }
        self.keeper.set_served(generation);
    }

    /// Removes the code that nobody has any more.
    pub async fn sweep(&self) {
        let Ok(turn) = self.keeper.turn().await else {
            return;
        };
        let kept: BTreeSet<String> = turn
            .catalogue
            .entries
            .values()
            .filter_map(|entry| match &entry.code {
                Some(Code::Package { digest, .. }) => Some(digest.clone()),
                Some(Code::Folder { .. }) | None => None,
            })
            .collect();
        self.packages.keep_only(&kept).await;
    }
}

const NOT_RUN: &str = "the function does not run here; `cloudless dev` has said why";

/// Functions keep the layers that they have, also when those are deleted.
fn is_still_used(kind: Kind, entry: &Entry) -> bool {
    kind == Kind::Layer && entry.code.is_some()
}

fn runs(kind: Kind, key: &str, application: &Application) -> bool {
    let name = key.split(':').next().unwrap_or_default();
    let function = FunctionName::new(name);
    match kind {
        Kind::Function => application.function(&function, Some(LATEST)).is_some(),
        Kind::Version => {
            let number = number_in(key).to_string();
            application.function(&function, Some(&number)).is_some()
        }
        Kind::Alias
        | Kind::Permission
        | Kind::Url
        | Kind::EventInvoke
        | Kind::Mapping
        | Kind::Layer
        | Kind::LayerPermission => true,
    }
}

fn standing(kind: Kind, key: &str, entry: &Entry) -> Standing {
    let logical_id = match &entry.origin {
        Origin::Template { logical_id, .. } => LogicalId::new(logical_id.as_str()),
        Origin::Api => LogicalId::new(format!("{}/{key}", kind.resource_type())),
    };
    let mut properties = entry.properties.clone();
    if entry.attributes.contains_key(SNAPSHOT) {
        // The function's own properties stand apart.
        properties.retain(|name, value| {
            !value.is_null()
                && [
                    "FunctionName",
                    "Description",
                    "ProvisionedConcurrencyConfig",
                ]
                .contains(&name.as_str())
        });
    }
    let package = match &entry.code {
        Some(Code::Package {
            digest,
            dependency_paths,
            ..
        }) => Some(Package {
            digest: digest.clone(),
            dependency_paths: dependency_paths.clone(),
        }),
        Some(Code::Folder { .. }) | None => None,
    };
    Standing {
        kind,
        logical_id,
        physical_id: entry.physical_id.clone(),
        properties,
        attributes: entry
            .attributes
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), Value::clone(value)))
            .collect(),
        package,
        is_as_declared: matches!(entry.origin, Origin::Template { .. }) && !entry.is_changed,
    }
}
