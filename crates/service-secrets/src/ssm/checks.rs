//! What a request would do, and to what.
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for AWS Systems Manager".

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::authorize::Check;
use interfaces::service::ServiceCall;

use super::get::Chosen;
use super::put::belongs;
use super::{OF_SECRET, ParameterRef, SUPPORTED};
use crate::engine::catalogue::Catalogue;
use crate::engine::cipher::Blob;
use crate::engine::keys::Place;
use crate::engine::lookup::KeyRef;
use crate::engine::rows::ParameterVersion;
use crate::engine::state::{KeptParameter, State, bare};
use crate::fields::Asked;
use crate::kms::checks::check_through;
use crate::secretsmanager;

/// What tells values.
const OPENING: &[&str] = &[
    "GetParameter",
    "GetParameterHistory",
    "GetParameters",
    "GetParametersByPath",
];

pub(crate) async fn checks(
    catalogue: &Catalogue,
    place: &Place,
    operation: &str,
    call: &ServiceCall,
) -> Vec<Check> {
    if !SUPPORTED.contains(&operation) {
        return Vec::new();
    }
    let asked = Asked::read(&call.body);
    let action = format!("ssm:{operation}");
    let names = names(operation, &asked);
    if names.is_empty() {
        let everything = place.arn("ssm", "*");
        return vec![Check::new(action, everything, &place.account)];
    }
    let mut checks = Vec::new();
    for name in &names {
        let wanted = ParameterRef::read(name, place);
        let mut check = Check::new(action.as_str(), wanted.arn(), &wanted.place.account);
        if let Ok(shelf) = catalogue.shelf(&wanted.place).await
            && let Some(tags) = shelf.look(|state| Some(wanted.find(state)?.row.tags.clone()))
        {
            for (key, value) in tags {
                check
                    .context
                    .set(&format!("aws:ResourceTag/{key}"), value.as_str());
                check.context.set(&format!("ssm:resourceTag/{key}"), value);
            }
        }
        for name in ["Overwrite", "Recursive"] {
            if let Some(value) = asked.flag(name) {
                check.context.set(&format!("ssm:{name}"), value.to_string());
            }
        }
        checks.push(check);
        if OPENING.contains(&operation) && asked.flag("WithDecryption") == Some(true) {
            checks.extend(opening(catalogue, place, (operation, name, &asked), call).await);
        }
        if operation == "PutParameter" && asked.get("Tags").is_some() {
            let tagging = "ssm:AddTagsToResource";
            checks.push(Check::new(tagging, wanted.arn(), &wanted.place.account));
        }
        if operation == "PutParameter"
            && let Some(key) = asked.text("KeyId")
        {
            let key = KeyRef::read(&key, place);
            let through = ("ssm", place, call);
            let belongs = belongs(place, name);
            checks.push(check_through(catalogue, &key, "kms:Encrypt", &belongs, through).await);
        }
    }
    checks
}

/// What an operation names; nothing when it is about all parameters, or does not say which.
fn names(operation: &str, asked: &Asked) -> Vec<String> {
    let one = match operation {
        "DescribeParameters" => None,
        "GetParameters" | "DeleteParameters" => return asked.texts("Names"),
        "GetParametersByPath" => asked.named("Path").map(|path| {
            let inner = path.trim_end_matches('/');
            if inner.is_empty() { "/" } else { inner }.to_owned()
        }),
        "AddTagsToResource" | "RemoveTagsFromResource" | "ListTagsForResource" => {
            asked.named("ResourceId")
        }
        _ => asked.named("Name"),
    };
    one.into_iter().collect()
}

/// Opening secret values: the key of each, and a secret that a name stands for.
async fn opening(
    catalogue: &Catalogue,
    place: &Place,
    (operation, name, asked): (&str, &str, &Asked),
    call: &ServiceCall,
) -> Vec<Check> {
    if let Some(secret) = name.strip_prefix(OF_SECRET) {
        let (id, stage) = match secret.split_once(':') {
            Some((id, stage)) => (id, Some(stage)),
            None => (secret, None),
        };
        return secretsmanager::reading(catalogue, place, (id, None, stage), call).await;
    }
    let wanted = ParameterRef::read(name, place);
    let Ok(shelf) = catalogue.shelf(&wanted.place).await else {
        return Vec::new();
    };
    let keys = shelf.look(|state| match operation {
        "GetParametersByPath" => below(state, name, asked),
        "GetParameterHistory" => {
            let kept = wanted.find(state).into_iter();
            kept.flat_map(|kept| sealing(kept, kept.versions.values()))
                .collect()
        }
        _ => {
            let chosen = Chosen::find(state, &wanted).ok();
            let key = chosen.and_then(|chosen| Some((chosen.name, sealed_by(&chosen.version)?)));
            key.into_iter().collect()
        }
    });
    let mut checks = Vec::new();
    for (name, key) in keys {
        let key = KeyRef::read(&key, &wanted.place);
        let belongs = belongs(&wanted.place, &name);
        let through = ("ssm", place, call);
        checks.push(check_through(catalogue, &key, "kms:Decrypt", &belongs, through).await);
    }
    checks
}

/// The parameters below a path that are opened, and their keys. A filter may ask for any version.
fn below(state: &State, path: &str, asked: &Asked) -> Vec<(String, String)> {
    let prefix = match bare(path) {
        "" => String::new(),
        path => format!("{path}/"),
    };
    let is_recursive = asked.flag("Recursive").unwrap_or(false);
    let is_filtered = asked.get("ParameterFilters").is_some();
    let all = state.parameters.iter();
    let inside = all.filter(|(name, _)| {
        let rest = name.strip_prefix(&prefix);
        rest.is_some_and(|rest| is_recursive || !rest.contains('/'))
    });
    inside
        .flat_map(|(_, kept)| match is_filtered {
            true => sealing(kept, kept.versions.values()),
            false => sealing(kept, kept.newest().into_iter()),
        })
        .collect()
}

/// The keys of these versions, with the name of their parameter.
fn sealing<'v>(
    kept: &KeptParameter,
    versions: impl Iterator<Item = &'v ParameterVersion>,
) -> Vec<(String, String)> {
    let keys: BTreeSet<String> = versions.filter_map(sealed_by).collect();
    let named = keys.into_iter().map(|key| (kept.row.name.clone(), key));
    named.collect()
}

/// The key that a version is opened with, whatever an alias has led to since.
fn sealed_by(version: &ParameterVersion) -> Option<String> {
    version.key.as_ref()?;
    let bytes = STANDARD.decode(&version.value).ok()?;
    Some(Blob::read(&bytes)?.arn.to_owned())
}

#[cfg(test)]
mod tests {
    use model::ids::{AccountId, Region};

    use super::*;

    #[test]
    fn a_parameter_is_named_by_its_path_its_arn_and_a_selector() {
        let place = Place {
            account: AccountId::development(),
            region: Region::new("us-east-1"),
        };
        let arn = "arn:aws:ssm:us-east-1:000000000000:parameter/a/b";
        for name in ["/a/b", "/a/b:3", arn, "a/b:label"] {
            assert_eq!(ParameterRef::read(name, &place).arn(), arn, "{name}");
        }
    }
}
