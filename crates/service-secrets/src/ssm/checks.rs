//! What a request would do, and to what.
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for AWS Systems Manager".

use interfaces::authorize::Check;
use interfaces::service::ServiceCall;
use serde_json::Value;

use super::put::belongs;
use super::{OF_SECRET, ParameterRef, SECURE, SUPPORTED};
use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::engine::lookup::KeyRef;
use crate::kms::checks::check_through;
use crate::secretsmanager;

pub(crate) async fn checks(
    catalogue: &Catalogue,
    place: &Place,
    operation: &str,
    call: &ServiceCall,
) -> Vec<Check> {
    if !SUPPORTED.contains(&operation) {
        return Vec::new();
    }
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let member = |name: &str| body.get(name).and_then(Value::as_str);
    let action = format!("ssm:{operation}");
    let names: Vec<&str> = match operation {
        "DescribeParameters" => {
            let everything = place.arn("ssm", "*");
            return vec![Check::new(action, everything, &place.account)];
        }
        "GetParameters" | "DeleteParameters" => {
            let names = body.get("Names").and_then(Value::as_array);
            let names = names.into_iter().flatten();
            names.filter_map(Value::as_str).collect()
        }
        "GetParametersByPath" => member("Path").into_iter().collect(),
        "AddTagsToResource" | "RemoveTagsFromResource" | "ListTagsForResource" => {
            member("ResourceId").into_iter().collect()
        }
        _ => member("Name").into_iter().collect(),
    };
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
            if let Some(value) = body.get(name) {
                check.context.set(&format!("ssm:{name}"), value.to_string());
            }
        }
        checks.push(check);
    }
    if operation == "PutParameter" && body.get("Tags").is_some() {
        let arn = ParameterRef::read(member("Name").unwrap_or_default(), place).arn();
        checks.push(Check::new("ssm:AddTagsToResource", arn, &place.account));
    }
    let opens = body.get("WithDecryption") == Some(&Value::Bool(true));
    if opens {
        for name in &names {
            checks.extend(opening(catalogue, place, operation, name, call).await);
        }
    }
    if operation == "PutParameter" && member("Type") == Some(SECURE) {
        let name = member("Name").unwrap_or_default();
        if let Some(key) = member("KeyId") {
            let key = KeyRef::read(key, place);
            let through = ("ssm", place, call);
            let belongs = belongs(place, name);
            checks.push(check_through(catalogue, &key, "kms:Encrypt", &belongs, through).await);
        }
    }
    checks
}

/// Opening secret values: the key of each, and a secret that a name stands for.
async fn opening(
    catalogue: &Catalogue,
    place: &Place,
    operation: &str,
    name: &str,
    call: &ServiceCall,
) -> Vec<Check> {
    if let Some(secret) = name.strip_prefix(OF_SECRET) {
        let id = secret.split(':').next().unwrap_or_default();
        let action = "secretsmanager:GetSecretValue";
        let (check, _) = secretsmanager::of_secret(catalogue, place, action, id).await;
        return vec![check];
    }
    let wanted = ParameterRef::read(name, place);
    let Ok(shelf) = catalogue.shelf(&wanted.place).await else {
        return Vec::new();
    };
    let below = format!(
        "{}/",
        crate::engine::state::bare(name.trim_end_matches('/'))
    );
    let keys: Vec<(String, String)> = shelf.look(|state| {
        let named = |kept: &crate::engine::state::KeptParameter| {
            let key = kept.newest()?.key.clone()?;
            Some((kept.row.name.clone(), key))
        };
        if operation == "GetParametersByPath" {
            let all = state.parameters.iter();
            let inside = all.filter(|(name, _)| name.starts_with(&below) || below == "/");
            return inside.filter_map(|(_, kept)| named(kept)).collect();
        }
        wanted.find(state).and_then(named).into_iter().collect()
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
