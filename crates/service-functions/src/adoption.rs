//! Taking over what a template declares.
//!
//! Lives here: which entry a declared resource is, and when it replaces what the API made of it.
//! Does not live here: deploying templates (`deployment`), giving back what there is in the end (`emission`).
//!
//! A change by the API stays until the template says something else of that resource: as drift does in CloudFormation, which
//! touches no resource whose template has not changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use interfaces::resource_provider::Properties;
use model::arn::Arn;
use model::function::LATEST;
use model::ids::{AccountId, LogicalId, Region};
use resource_types::text_of;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::catalogue::{Catalogue, Code, Entry, Kind, Origin, numbered};
use crate::keeper::Change;
use crate::service::Service;

/// In the attributes of a function: the digest of the code in the project's folder.
const FOLDER: &str = "(folder)";

/// A resource of a template, as it was deployed.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// Its name in the template.
    pub logical_id: LogicalId,
    /// Its type.
    pub resource_type: String,
    /// What `Ref` gives.
    pub physical_id: String,
    /// Its properties, evaluated.
    pub properties: Properties,
    /// What `GetAtt` gives.
    pub attributes: Properties,
}

/// Code of a template's function or layer, as it was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The folder.
    pub root: PathBuf,
    /// Changes with its files.
    pub digest: String,
    /// Folders of modules that the project's own dependencies were installed to.
    pub dependency_paths: Vec<PathBuf>,
}

/// The resources that the API knows of.
#[must_use]
pub fn is_known(resource_type: &str) -> bool {
    Kind::of_type(resource_type).is_some()
}

impl Service {
    /// What is kept from now on is sealed: variables of functions hold secrets.
    pub fn note_secrets(&self) {
        self.keeper.sealing.note_secrets();
    }

    /// Takes over all that a template declares. What it no longer declares goes, and with a function all that was made of it.
    ///
    /// # Errors
    /// The state cannot be read or written, in words.
    pub async fn adopt(
        &self,
        account: &AccountId,
        region: &Region,
        declared: Vec<Declared>,
    ) -> Result<(), String> {
        let turn = self.keeper.turn_in(account, region).await?;
        let catalogue = &turn.catalogue;
        let mut change = Change::default();
        let mut wanted: BTreeSet<(Kind, String)> = BTreeSet::new();
        for resource in declared {
            let Some(place) = place_of(&resource) else {
                continue;
            };
            wanted.insert(place.clone());
            let digest = digest_of(&resource);
            let known = catalogue.entries.get(&place);
            let is_same = known.is_some_and(|known| matches!(&known.origin, Origin::Template { digest: known, .. } if *known == digest));
            if !is_same {
                let entry = self.adopted(resource, digest, known.map(AsRef::as_ref));
                change.put(place.0, place.1, entry);
            }
        }
        for (place, entry) in &catalogue.entries {
            let is_gone =
                matches!(entry.origin, Origin::Template { .. }) && !wanted.contains(place);
            if is_gone && place.0 == Kind::Function {
                forget_function(catalogue, &place.1, &mut change);
            } else if is_gone {
                change.forget(place.0, &place.1);
            }
        }
        if self.keeper.sealing.leaves_plain_rows() {
            // They may hold what was not known to be secret when they were written.
            turn.write_anew().await?;
        }
        if change.is_empty() {
            turn.install();
            return Ok(());
        }
        turn.write(change).await.map(drop)
    }

    fn adopted(&self, resource: Declared, digest: String, known: Option<&Entry>) -> Entry {
        let now = self.clock.now();
        let mut entry = Entry::new(
            resource.properties,
            resource.physical_id,
            self.draw_id(),
            now,
        );
        entry.attributes = resource.attributes;
        entry.origin = Origin::Template {
            logical_id: resource.logical_id.to_string(),
            digest,
        };
        if let Some(known) = known {
            entry.created_at = known.created_at;
        }
        // Code is not what the template says of the function: it is told by `take_code`.
        entry
    }

    /// Takes over the code that was built of a template. Code of the API's goes when that of the project changes.
    ///
    /// # Errors
    /// The state cannot be written, in words.
    pub async fn take_code(
        &self,
        account: &AccountId,
        region: &Region,
        built: &BTreeMap<LogicalId, Built>,
    ) -> Result<(), String> {
        let turn = self.keeper.turn_in(account, region).await?;
        let mut change = Change::default();
        for ((kind, key), entry) in &turn.catalogue.entries {
            let Origin::Template { logical_id, .. } = &entry.origin else {
                continue;
            };
            let is_code = matches!(kind, Kind::Function | Kind::Layer) && !entry.is_removed;
            let Some(code) = built
                .get(&LogicalId::new(logical_id.as_str()))
                .filter(|_| is_code)
            else {
                continue;
            };
            let known = entry.attributes.get(FOLDER).and_then(Value::as_str);
            if known == Some(code.digest.as_str()) && entry.code.is_some() {
                continue;
            }
            let mut entry = entry.as_ref().clone();
            if known.is_some() {
                entry.revision = self.draw_id();
                entry.modified_at = self.clock.now();
            }
            entry
                .attributes
                .insert(FOLDER.to_owned(), json!(code.digest));
            entry.code = Some(Code::Folder {
                root: code.root.clone(),
                digest: code.digest.clone(),
                dependency_paths: code.dependency_paths.clone(),
            });
            change.put(*kind, key.clone(), entry);
        }
        if change.is_empty() {
            return Ok(());
        }
        turn.write(change).await.map(drop)
    }
}

/// Removes a function with all that was made of it.
pub(crate) fn forget_function(catalogue: &Catalogue, name: &str, change: &mut Change) {
    change.forget(Kind::Function, name);
    let prefix = format!("{name}:");
    for kind in OF_FUNCTIONS {
        let keys = catalogue.entries.range((kind, prefix.clone())..);
        let keys = keys.take_while(|((of, key), _)| *of == kind && key.starts_with(&prefix));
        for ((_, key), _) in keys {
            change.forget(kind, key);
        }
    }
}

/// What goes with a function. Mappings stay, as in the cloud.
pub(crate) const OF_FUNCTIONS: [Kind; 5] = [
    Kind::Version,
    Kind::Alias,
    Kind::Permission,
    Kind::Url,
    Kind::EventInvoke,
];

fn place_of(resource: &Declared) -> Option<(Kind, String)> {
    let kind = Kind::of_type(&resource.resource_type)?;
    let text = |name: &str| resource.properties.get(name).and_then(text_of);
    let (name, qualifier) = named(&text("FunctionName").unwrap_or_default());
    let key = match kind {
        Kind::Function | Kind::Mapping => resource.physical_id.clone(),
        Kind::Version => {
            let number = resource.attributes.get("Version").and_then(text_of)?;
            numbered(&name, number.parse().ok()?)
        }
        Kind::Alias => format!("{name}:{}", text("Name")?),
        Kind::Permission => format!("{name}:{qualifier}:{}", resource.physical_id),
        Kind::Url => {
            let (name, qualifier) = named(&resource.physical_id);
            format!("{name}:{qualifier}")
        }
        Kind::EventInvoke => {
            let qualifier = text("Qualifier").unwrap_or_else(|| LATEST.to_owned());
            format!("{name}:{qualifier}")
        }
        Kind::Layer => {
            let (_, named) = resource.physical_id.split_once(":layer:")?;
            let (name, number) = named.split_once(':')?;
            numbered(name, number.parse().ok()?)
        }
        Kind::LayerPermission => return None,
    };
    Some((kind, key))
}

/// Function and qualifier of a name, a partial ARN or an ARN; no qualifier is an empty one.
pub(crate) fn named(text: &str) -> (String, String) {
    if let Some((name, qualifier)) = Arn::parse(text).ok().and_then(|arn| arn.function()) {
        return (name.to_string(), qualifier.unwrap_or_default());
    }
    let after = text.split_once("function:").map_or(text, |(_, rest)| rest);
    match after.split_once(':') {
        Some((name, qualifier)) => (name.to_owned(), qualifier.to_owned()),
        None => (after.to_owned(), String::new()),
    }
}

fn digest_of(resource: &Declared) -> String {
    let said = json!([
        resource.logical_id.as_str(),
        resource.physical_id,
        resource.properties,
    ]);
    hex::encode(Sha256::digest(said.to_string().as_bytes()))
}
