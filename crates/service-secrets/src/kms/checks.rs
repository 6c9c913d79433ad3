//! What a request would do, and to what.
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for AWS Key Management Service".

use std::sync::Arc;

use interfaces::authorize::Check;
use interfaces::service::ServiceCall;
use serde_json::Value;

use super::grants;
use crate::engine::catalogue::Catalogue;
use crate::engine::cipher::{Blob, Context as Belongs};
use crate::engine::guards::retiring_policy;
use crate::engine::keys::Place;
use crate::engine::lookup::KeyRef;
use crate::fields::Asked as Members;

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// No resource.
    Nothing,
    /// `KeyId`.
    Key,
    /// `AliasName`, and the keys that it led and will lead to.
    Alias,
    /// The key that a ciphertext names.
    Ciphertext,
    /// That, and `DestinationKeyId`.
    TwoKeys,
    /// The key of a grant.
    Grant,
}

pub(super) fn about(operation: &str) -> Option<About> {
    Some(match operation {
        "CreateKey" | "GenerateRandom" | "ListAliases" | "ListKeys" | "ListRetirableGrants" => {
            About::Nothing
        }
        "CreateAlias" | "UpdateAlias" | "DeleteAlias" => About::Alias,
        "Decrypt" => About::Ciphertext,
        "ReEncrypt" => About::TwoKeys,
        "RetireGrant" => About::Grant,
        name if super::SUPPORTED.contains(&name) => About::Key,
        _ => return None,
    })
}

pub(crate) async fn checks(
    catalogue: &Catalogue,
    place: &Place,
    operation: &str,
    call: &ServiceCall,
) -> Vec<Check> {
    let Some(about) = about(operation) else {
        return Vec::new();
    };
    let members = Members::read(&call.body);
    let asked = Asked {
        catalogue,
        place,
        members: &members,
        caller: call.caller.account().to_string(),
    };
    let action = format!("kms:{operation}");
    match about {
        About::Nothing => {
            let mut checks = vec![Check::new(action, "*", &place.account)];
            if operation == "CreateKey" && members.get("Tags").is_some() {
                checks.push(Check::new("kms:TagResource", "*", &place.account));
            }
            checks
        }
        About::Key => {
            let belongs = belongs(&members, "EncryptionContext");
            vec![asked.key(&action, &asked.member("KeyId"), &belongs).await]
        }
        About::Ciphertext => {
            let belongs = belongs(&members, "EncryptionContext");
            vec![asked.key(&action, &asked.source("KeyId"), &belongs).await]
        }
        About::TwoKeys => {
            let source = asked.source("SourceKeyId");
            let before = belongs(&members, "SourceEncryptionContext");
            let after = belongs(&members, "DestinationEncryptionContext");
            let target = asked.member("DestinationKeyId");
            vec![
                asked.key("kms:ReEncryptFrom", &source, &before).await,
                asked.key("kms:ReEncryptTo", &target, &after).await,
            ]
        }
        About::Alias => asked.alias(&action).await,
        About::Grant => asked.grant().await,
    }
}

/// A request, and where it was sent.
struct Asked<'a> {
    catalogue: &'a Catalogue,
    place: &'a Place,
    members: &'a Members,
    caller: String,
}

impl Asked<'_> {
    fn member(&self, name: &str) -> String {
        self.members.text(name).unwrap_or_default()
    }

    /// The key of the ciphertext; that which is named if it names none.
    fn source(&self, named: &str) -> String {
        let bytes = self.members.bytes("CiphertextBlob");
        let arn = Blob::read(&bytes).map(|blob| blob.arn.to_owned());
        arn.unwrap_or_else(|| self.member(named))
    }

    async fn key(&self, action: &str, given: &str, belongs: &Belongs) -> Check {
        if given.is_empty() {
            let everything = self.place.arn("kms", "*");
            return Check::new(action, everything, &self.place.account);
        }
        let wanted = KeyRef::read(given, self.place);
        let mut check = key_check(self.catalogue, &wanted, action, belongs).await;
        check.context.set("kms:CallerAccount", self.caller.as_str());
        if given.contains("alias/") {
            check.context.set("kms:RequestAlias", wanted.name.as_str());
        }
        check
    }

    async fn alias(&self, action: &str) -> Vec<Check> {
        let name = self.member("AliasName");
        if name.is_empty() {
            return vec![self.key(action, &name, &Belongs::new()).await];
        }
        let alias = KeyRef::read(&name, self.place);
        let mut checks = vec![Check::new(action, alias.arn(), &self.place.account)];
        let none = Belongs::new();
        let before = self.catalogue.key(&alias).await.ok().flatten();
        if let Some(before) = before.filter(|_| action != "kms:CreateAlias") {
            checks.push(self.key(action, &before.arn(), &none).await);
        }
        if action != "kms:DeleteAlias" {
            let target = self.member("TargetKeyId");
            checks.push(self.key(action, &target, &none).await);
        }
        checks
    }

    async fn grant(&self) -> Vec<Check> {
        let found = grants::retired(self.catalogue, self.place, self.members.members()).await;
        let Some((found, grant)) = found.ok().flatten() else {
            return vec![Check::new("kms:RetireGrant", "*", &self.place.account)];
        };
        let policy = Arc::new(retiring_policy(&found.key, &grant));
        vec![super::keys::check(&found, Some(policy), "kms:RetireGrant")]
    }
}

fn belongs(members: &Members, name: &str) -> Belongs {
    let members = members.get(name).and_then(Value::as_object);
    let pairs = members.into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Doing this with a key, on what belongs to this context.
pub(crate) async fn key_check(
    catalogue: &Catalogue,
    wanted: &KeyRef,
    action: &str,
    belongs: &Belongs,
) -> Check {
    let found = catalogue.key(wanted).await.ok().flatten();
    let Some(found) = found else {
        return Check::new(action, wanted.arn(), &wanted.place.account);
    };
    let shelf = catalogue.shelf(&found.place).await.ok();
    let policy =
        shelf.and_then(|shelf| shelf.look(|state| state.key_policies.get(&found.key.id).cloned()));
    let mut check = super::keys::check(&found, policy, action);
    for (key, value) in belongs {
        let name = format!("kms:EncryptionContext:{key}");
        check.context.set(&name, value.as_str());
    }
    let names = belongs.keys().cloned().collect();
    check.context.set_all("kms:EncryptionContextKeys", names);
    check.context.set("kms:KeySpec", found.key.spec.told());
    check.context.set("kms:KeyUsage", found.key.spec.usage());
    check.context.set("kms:KeyOrigin", "AWS_KMS");
    for (key, value) in &found.key.tags {
        check
            .context
            .set(&format!("aws:ResourceTag/{key}"), value.as_str());
    }
    check
}

/// Doing this with a key through another service.
pub(crate) async fn check_through(
    catalogue: &Catalogue,
    wanted: &KeyRef,
    action: &str,
    belongs: &Belongs,
    (service, place, call): (&str, &Place, &ServiceCall),
) -> Check {
    let mut check = key_check(catalogue, wanted, action, belongs).await;
    let through = format!("{service}.{}.amazonaws.com", place.region);
    check.context.set("kms:ViaService", through);
    check
        .context
        .set("kms:CallerAccount", call.caller.account().as_str());
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_names_what_it_is_about() {
        for operation in super::super::SUPPORTED {
            assert!(about(operation).is_some(), "{operation}");
        }
        assert_eq!(about("Encrypt"), Some(About::Key));
        assert_eq!(about("Sign"), None);
    }
}
