//! All that Lambda's API knows of: functions, versions, aliases, permissions, addresses, mappings, layers.
//!
//! Lives here: the entries, and finding them in a snapshot that never changes.
//! Does not live here: keeping them (`keeper`), taking over what a template declares (`adoption`), the API's shapes.
//!
//! An entry has the properties of its CloudFormation type, whoever made it: so there is one way from either to what runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use interfaces::resource_provider::Properties;
use model::arn::Arn;
use model::function::LATEST;
use model::ids::{AccountId, FunctionName, Region};
use model::time::Timestamp;
use policy::Policy;
use resource_types::text_of;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an entry is. The numbers are on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A function, which is its unpublished version. Its key is its name.
    Function,
    /// A published version: `name:0000000001`.
    Version,
    /// An alias: `name:alias`.
    Alias,
    /// A statement of a function's policy: `name:qualifier:statement`, where the qualifier may be empty.
    Permission,
    /// An address of a function: `name:qualifier`, where the qualifier may be empty.
    Url,
    /// How a function is called asynchronously: `name:qualifier`.
    EventInvoke,
    /// An event source mapping. Its key is its UUID.
    Mapping,
    /// A version of a layer: `name:0000000001`.
    Layer,
    /// A statement of a layer version's policy: `name:0000000001:statement`.
    LayerPermission,
}

/// All kinds, with the type of CloudFormation that has the same properties.
pub(crate) const KINDS: [(Kind, u8, &str); 9] = [
    (Kind::Function, 0x01, "AWS::Lambda::Function"),
    (Kind::Version, 0x02, "AWS::Lambda::Version"),
    (Kind::Alias, 0x03, "AWS::Lambda::Alias"),
    (Kind::Permission, 0x04, "AWS::Lambda::Permission"),
    (Kind::Url, 0x05, "AWS::Lambda::Url"),
    (Kind::EventInvoke, 0x06, "AWS::Lambda::EventInvokeConfig"),
    (Kind::Mapping, 0x07, "AWS::Lambda::EventSourceMapping"),
    (Kind::Layer, 0x08, "AWS::Lambda::LayerVersion"),
    (
        Kind::LayerPermission,
        0x09,
        "AWS::Lambda::LayerVersionPermission",
    ),
];

impl Kind {
    /// The type of CloudFormation.
    #[must_use]
    pub fn resource_type(self) -> &'static str {
        KINDS
            .iter()
            .find(|(kind, ..)| *kind == self)
            .map_or("", |(_, _, name)| name)
    }

    pub(crate) fn of_type(resource_type: &str) -> Option<Self> {
        let found = KINDS.iter().find(|(_, _, name)| *name == resource_type);
        found.map(|(kind, ..)| *kind)
    }

    pub(crate) fn byte(self) -> u8 {
        let found = KINDS.iter().find(|(kind, ..)| *kind == self);
        found.map_or(0, |(_, byte, _)| *byte)
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The properties of its type. Of a version: those of its function when it was published, and what was said of it.
    pub(crate) properties: Properties,
    /// What `Ref` gives.
    pub(crate) physical_id: String,
    /// What `GetAtt` gives.
    #[serde(default)]
    pub(crate) attributes: Properties,
    /// Who made it.
    pub(crate) origin: Origin,
    /// Whether the API has changed what a template declares.
    #[serde(default)]
    pub(crate) is_changed: bool,
    /// Whether the API has removed what a template declares: it stays away until the template says something else of it.
    #[serde(default)]
    pub(crate) is_removed: bool,
    /// Its code, for functions, versions and layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<Code>,
    /// `RevisionId`.
    pub(crate) revision: String,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it was last changed.
    pub(crate) modified_at: Timestamp,
    /// How far a change has come.
    #[serde(skip)]
    pub(crate) status: Status,
}

/// Who made an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Origin {
    /// The API.
    Api,
    /// A template.
    Template {
        /// Its name there.
        logical_id: String,
        /// A digest of what it says, by which a change is noticed.
        digest: String,
    },
}

/// Where code is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Code {
    /// In an archive that is kept.
    Package {
        /// Its SHA-256, in hexadecimal digits.
        digest: String,
        /// Bytes of the archive.
        bytes: u64,
        /// Folders of modules that the project's own dependencies were installed to, when a version of it was published.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        dependency_paths: Vec<PathBuf>,
    },
    /// In the project's folder, where it runs as it lies.
    Folder {
        /// The folder.
        root: PathBuf,
        /// Changes with its files.
        digest: String,
        /// Folders of modules that the project's own dependencies were installed to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        dependency_paths: Vec<PathBuf>,
    },
}

/// How far a change has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Status {
    /// It is served.
    #[default]
    Settled,
    /// It is being made, since this generation.
    Creating(u64),
    /// It is being changed, since this generation.
    Updating(u64),
    /// It cannot run.
    Failed(String),
}

impl Entry {
    /// A new entry of the API's.
    pub(crate) fn new(
        properties: Properties,
        physical_id: String,
        revision: String,
        now: Timestamp,
    ) -> Self {
        Self {
            properties,
            physical_id,
            attributes: Properties::new(),
            origin: Origin::Api,
            is_changed: false,
            is_removed: false,
            code: None,
            revision,
            created_at: now,
            modified_at: now,
            status: Status::Settled,
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.properties.get(name).and_then(text_of)
    }

    pub(crate) fn whole(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// A change by the API.
    pub(crate) fn change(&mut self, revision: String, now: Timestamp) {
        self.is_changed = true;
        self.revision = revision;
        self.modified_at = now;
    }

    /// The value of `Tags`, a list of keys and values, as a mapping.
    pub(crate) fn tags(&self) -> BTreeMap<String, String> {
        let listed = self.properties.get("Tags").and_then(Value::as_array);
        let pairs = listed.into_iter().flatten().filter_map(|tag| {
            Some((
                tag.get("Key").and_then(text_of)?,
                tag.get("Value").and_then(text_of)?,
            ))
        });
        pairs.collect()
    }
}

/// A moment of all that there is. It never changes: a change makes another.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) entries: BTreeMap<(Kind, String), Arc<Entry>>,
    /// Policies of functions, by name and qualifier as in the keys of their statements.
    pub(crate) policies: BTreeMap<String, Arc<Policy>>,
    /// Counts changes.
    pub(crate) generation: u64,
}

impl Catalogue {
    /// One entry that is there.
    pub(crate) fn get(&self, kind: Kind, key: &str) -> Option<&Arc<Entry>> {
        let found = self.entries.get(&(kind, key.to_owned()));
        found.filter(|entry| !entry.is_removed)
    }

    /// All entries of a kind whose keys begin so, in the order of their keys.
    pub(crate) fn with_prefix<'a, 'p>(
        &'a self,
        kind: Kind,
        prefix: &'p str,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<Entry>)> + use<'a, 'p> {
        self.entries
            .range((kind, prefix.to_owned())..)
            .take_while(move |((of, key), _)| *of == kind && key.starts_with(prefix))
            .filter(|(_, entry)| !entry.is_removed)
            .map(|((_, key), entry)| (key.as_str(), entry))
    }

    /// All entries of a kind.
    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = (&str, &Arc<Entry>)> {
        self.with_prefix(kind, "")
    }

    /// The function of this name.
    pub(crate) fn function(&self, name: &str) -> Option<&Arc<Entry>> {
        self.get(Kind::Function, name)
    }

    /// What a qualifier of a function means: its number, for a version and for what an alias stands on; [`LATEST`].
    pub(crate) fn version_of(&self, name: &str, qualifier: &str) -> Option<String> {
        if qualifier == LATEST {
            return self.function(name).map(|_| LATEST.to_owned());
        }
        if let Some(key) = version_key(name, qualifier) {
            return self.get(Kind::Version, &key).map(|_| qualifier.to_owned());
        }
        let alias = self.get(Kind::Alias, &format!("{name}:{qualifier}"))?;
        alias.text("FunctionVersion")
    }

    /// The function or version that a qualifier leads to.
    pub(crate) fn configured(&self, name: &str, qualifier: Option<&str>) -> Option<&Arc<Entry>> {
        let Some(qualifier) = qualifier else {
            return self.function(name);
        };
        let version = self.version_of(name, qualifier)?;
        match version_key(name, &version) {
            Some(key) => self.get(Kind::Version, &key),
            None => self.function(name),
        }
    }

    /// The ARN of a function, with a qualifier if there is one.
    pub(crate) fn arn(&self, name: &str, qualifier: Option<&str>) -> String {
        let arn = Arn::of_function(&self.region, &self.account, &FunctionName::new(name));
        match qualifier {
            Some(qualifier) if !qualifier.is_empty() => format!("{arn}:{qualifier}"),
            Some(_) | None => arn.to_string(),
        }
    }

    /// The ARN of something else of Lambda's.
    pub(crate) fn arn_of(&self, resource: impl Into<String>) -> String {
        Arn::new("lambda", &self.region, &self.account, resource).to_string()
    }
}

/// The key of a version, when this is the number of one.
pub(crate) fn version_key(name: &str, number: &str) -> Option<String> {
    let number: u64 = number.parse().ok()?;
    Some(numbered(name, number))
}

/// Numbers sort as their texts do.
pub(crate) fn numbered(name: &str, number: u64) -> String {
    format!("{name}:{number:010}")
}

/// The number at the end of such a key.
pub(crate) fn number_in(key: &str) -> u64 {
    let digits = key.rsplit(':').next().unwrap_or_default();
    digits.parse().unwrap_or_default()
}
