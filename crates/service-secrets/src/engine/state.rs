//! What is there, in memory.
//!
//! Lives here: the resources of one place, and what a step of a change does to them.
//! Does not live here: deciding on changes (operations), making them durable (`catalogue`).

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::Policy;

use super::guards;
use super::keys::{DueKey, Place};
use super::rows::{Alias, Key, Parameter, ParameterVersion, Secret, SecretVersion};

/// The resources of a place.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) place: Place,
    pub(crate) keys: BTreeMap<String, Arc<Key>>,
    /// Of each key, with its grants.
    pub(crate) key_policies: BTreeMap<String, Arc<Policy>>,
    pub(crate) aliases: BTreeMap<String, Alias>,
    /// By their names without the first `/`.
    pub(crate) parameters: BTreeMap<String, KeptParameter>,
    pub(crate) secrets: BTreeMap<String, KeptSecret>,
}

/// A parameter with its versions.
#[derive(Debug, Clone)]
pub(crate) struct KeptParameter {
    pub(crate) row: Parameter,
    pub(crate) versions: BTreeMap<u64, ParameterVersion>,
}

/// A secret with its versions.
#[derive(Debug, Clone)]
pub(crate) struct KeptSecret {
    pub(crate) row: Secret,
    pub(crate) versions: BTreeMap<String, SecretVersion>,
    pub(crate) policy: Option<Arc<Policy>>,
}

/// One step of a change.
#[derive(Debug)]
pub(crate) enum Step {
    PutKey(Key),
    DropKey(String),
    PutAlias(Alias),
    DropAlias(String),
    PutParameter(Parameter),
    PutParameterVersion(String, ParameterVersion),
    DropParameterVersion(String, u64),
    /// With all of its versions.
    DropParameter(String, Vec<u64>),
    PutSecret(Secret),
    PutSecretVersion(String, SecretVersion),
    DropSecretVersion(String, String),
    /// With all of its versions.
    DropSecret(String, Vec<String>),
    SetDue(DueKey),
    DropDue(DueKey),
}

/// The name that `/x` and `x` share.
pub(crate) fn bare(name: &str) -> &str {
    name.strip_prefix('/').unwrap_or(name)
}

impl KeptParameter {
    /// The newest version.
    pub(crate) fn newest(&self) -> Option<&ParameterVersion> {
        self.versions.get(&self.row.newest)
    }

    /// The step that removes it.
    pub(crate) fn drop(&self) -> Step {
        let versions = self.versions.keys().copied().collect();
        Step::DropParameter(bare(&self.row.name).to_owned(), versions)
    }
}

impl KeptSecret {
    /// The ARN, with its six characters.
    pub(crate) fn arn(&self, place: &Place) -> String {
        self.row.arn(place)
    }

    /// The version that has this stage.
    pub(crate) fn staged(&self, stage: &str) -> Option<&SecretVersion> {
        self.versions
            .values()
            .find(|version| version.stages.contains(stage))
    }

    /// The step that removes it.
    pub(crate) fn drop(&self) -> Step {
        let versions = self.versions.keys().cloned().collect();
        Step::DropSecret(self.row.name.clone(), versions)
    }
}

impl Secret {
    /// The ARN, with its six characters.
    pub(crate) fn arn(&self, place: &Place) -> String {
        place.arn(
            "secretsmanager",
            format!("secret:{}-{}", self.name, self.suffix),
        )
    }
}

impl State {
    pub(crate) const fn new(place: Place) -> Self {
        Self {
            place,
            keys: BTreeMap::new(),
            key_policies: BTreeMap::new(),
            aliases: BTreeMap::new(),
            parameters: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }

    pub(crate) fn apply(&mut self, step: Step) {
        match step {
            Step::PutKey(key) => {
                let policy = Arc::new(guards::policy_of(&key));
                self.key_policies.insert(key.id.clone(), policy);
                self.keys.insert(key.id.clone(), Arc::new(key));
            }
            Step::DropKey(id) => {
                self.keys.remove(&id);
                self.key_policies.remove(&id);
            }
            Step::PutAlias(alias) => {
                self.aliases.insert(alias.name.clone(), alias);
            }
            Step::DropAlias(name) => {
                self.aliases.remove(&name);
            }
            Step::PutParameter(row) => self.put_parameter(row),
            Step::PutParameterVersion(name, version) => {
                if let Some(kept) = self.parameters.get_mut(&name) {
                    kept.versions.insert(version.number, version);
                }
            }
            Step::DropParameterVersion(name, number) => {
                if let Some(kept) = self.parameters.get_mut(&name) {
                    kept.versions.remove(&number);
                }
            }
            Step::DropParameter(name, _) => {
                self.parameters.remove(&name);
            }
            Step::PutSecret(row) => self.put_secret(row),
            Step::PutSecretVersion(name, version) => {
                if let Some(kept) = self.secrets.get_mut(&name) {
                    kept.versions.insert(version.id.clone(), version);
                }
            }
            Step::DropSecretVersion(name, id) => {
                if let Some(kept) = self.secrets.get_mut(&name) {
                    kept.versions.remove(&id);
                }
            }
            Step::DropSecret(name, _) => {
                self.secrets.remove(&name);
            }
            Step::SetDue(_) | Step::DropDue(_) => {}
        }
    }

    fn put_parameter(&mut self, row: Parameter) {
        let name = bare(&row.name).to_owned();
        if let Some(kept) = self.parameters.get_mut(&name) {
            kept.row = row;
        } else {
            let versions = BTreeMap::new();
            self.parameters
                .insert(name, KeptParameter { row, versions });
        }
    }

    fn put_secret(&mut self, row: Secret) {
        let read = row
            .policy
            .as_deref()
            .and_then(|text| Policy::read(text).ok());
        let policy = read.map(Arc::new);
        if let Some(kept) = self.secrets.get_mut(&row.name) {
            kept.row = row;
            kept.policy = policy;
        } else {
            let kept = KeptSecret {
                versions: BTreeMap::new(),
                policy,
                row,
            };
            self.secrets.insert(kept.row.name.clone(), kept);
        }
    }
}
