//! What Lambda's API made, joined with what the template declares.
//!
//! Lives here: handing deployed resources to the API, and putting what stands in the end in their place.
//! Does not live here: the API (`service_functions`), deploying, building, assembling.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cloudformation::node::Node;
use deployment::{Deployed, DeployedResource};
use model::artefact::{Artefact, ArtefactKind, Built, CodeSource};
use model::function::RuntimeName;
use model::ids::{LogicalId, RevisionId};
use model::problem::{Place, Problem};
use serde_json::{Value, json};
use service_functions::{Declared, Everything, Kind, Standing, is_known};
use sha2::{Digest as _, Sha256};

/// The file that such resources seem to be written in: problems of theirs have no place.
const FILE: &str = "(Lambda API)";
/// Hexadecimal digits of a revision's id.
const DIGITS: usize = 16;

/// What a deployment declares to the API.
pub(crate) fn declared(deployed: &Deployed) -> Vec<Declared> {
    let known = deployed
        .resources
        .iter()
        .filter(|resource| is_known(&resource.resource_type));
    known
        .map(|resource| Declared {
            logical_id: resource.logical_id.clone(),
            resource_type: resource.resource_type.clone(),
            physical_id: resource.physical_id.clone(),
            properties: resource.properties.clone(),
            attributes: resource.attributes.clone(),
        })
        .collect()
}

/// The code that was built of a project, as the API shows it.
pub(crate) fn code(
    built: &BTreeMap<LogicalId, Built>,
) -> BTreeMap<LogicalId, service_functions::Built> {
    let shown = built.iter().map(|(id, built)| {
        let toolchain = built.toolchain.as_ref();
        let code = service_functions::Built {
            root: built.code_root.clone(),
            digest: built.digest.clone(),
            dependency_paths: toolchain
                .map(|toolchain| toolchain.dependency_paths.clone())
                .unwrap_or_default(),
        };
        (id.clone(), code)
    });
    shown.collect()
}

/// What has to be built for the API. `place` says where an archive is kept.
pub(crate) fn artefacts(everything: &Everything, place: impl Fn(&str) -> PathBuf) -> Vec<Artefact> {
    let packed = everything.resources.iter();
    packed
        .filter_map(|standing| {
            let package = standing.package.as_ref()?;
            Some(Artefact {
                logical_id: standing.logical_id.clone(),
                name: standing.physical_id.clone(),
                kind: kind(standing)?,
                source: CodeSource::Package {
                    archive: place(&package.digest),
                    digest: package.digest.clone(),
                    dependency_paths: package.dependency_paths.clone(),
                },
                place: Place::start_of(FILE),
            })
        })
        .collect()
}

/// A function whose runtime is not run here is reported when it is assembled.
fn kind(standing: &Standing) -> Option<ArtefactKind> {
    let properties = match standing.kind {
        Kind::Layer => return Some(ArtefactKind::Layer),
        Kind::Function => &standing.properties,
        Kind::Version => standing.attributes.get("(function)")?.as_object()?,
        Kind::Alias
        | Kind::Permission
        | Kind::Url
        | Kind::EventInvoke
        | Kind::Mapping
        | Kind::LayerPermission => return None,
    };
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    Some(ArtefactKind::Function {
        runtime: RuntimeName::parse(text("Runtime")?).ok()?,
        runtime_place: Place::start_of(FILE),
        handler: text("Handler").unwrap_or_default().to_owned(),
    })
}

/// A deployment with what stands in the end.
pub(crate) fn joined(deployed: &Deployed, everything: &Everything) -> Deployed {
    let standing: BTreeMap<&LogicalId, &Standing> = everything
        .resources
        .iter()
        .map(|standing| (&standing.logical_id, standing))
        .collect();
    let mut joined = deployed.clone();
    let mut seen = BTreeSet::new();
    let mut is_as_declared = true;
    joined.resources.retain_mut(|resource| {
        if !is_known(&resource.resource_type) {
            return true;
        }
        seen.insert(resource.logical_id.clone());
        match standing.get(&resource.logical_id) {
            Some(standing) if standing.is_as_declared => true,
            Some(standing) => {
                is_as_declared = false;
                resource.properties.clone_from(&standing.properties);
                resource.attributes.clone_from(&standing.attributes);
                true
            }
            None => {
                is_as_declared = false;
                false
            }
        }
    });
    for standing in &everything.resources {
        if !seen.contains(&standing.logical_id) && !standing.is_as_declared {
            is_as_declared = false;
            joined.resources.push(resource(standing));
        }
    }
    if !is_as_declared {
        joined.revision = revision(&deployed.revision, &joined.resources);
    }
    joined
}

fn resource(standing: &Standing) -> DeployedResource {
    let place = Place::start_of(FILE);
    DeployedResource {
        logical_id: standing.logical_id.clone(),
        resource_type: standing.kind.resource_type().to_owned(),
        physical_id: standing.physical_id.clone(),
        properties: standing.properties.clone(),
        attributes: standing.attributes.clone(),
        node: Node::from_json(&Value::Null, &place),
        place,
    }
}

fn revision(of_template: &RevisionId, resources: &[DeployedResource]) -> RevisionId {
    let mut hash = Sha256::new();
    hash.update(of_template.as_str());
    for resource in resources {
        let content = json!([
            resource.logical_id.as_str(),
            resource.physical_id,
            resource.properties,
            resource.attributes,
        ]);
        hash.update([0]);
        hash.update(content.to_string());
    }
    let mut digits = hex::encode(hash.finalize());
    digits.truncate(DIGITS);
    RevisionId::new(digits)
}

/// Problems of what the API made stand in no file.
pub(crate) fn without_places(problems: &mut [Problem]) {
    for problem in problems {
        if problem
            .place
            .as_ref()
            .is_some_and(|place| &*place.file == FILE)
        {
            problem.place = None;
        }
    }
}

/// Why a function does not run, as far as the problems say it.
pub(crate) fn why(problems: &[Problem], name: &str) -> Option<String> {
    let names =
        |text: &str| text.contains(&format!("`{name}`")) || text.contains(&format!("/{name}`"));
    let found = problems.iter().find(|problem| names(&problem.title))?;
    Some(match &found.cause {
        Some(cause) => format!("{}: {cause}", found.title),
        None => found.title.clone(),
    })
}
