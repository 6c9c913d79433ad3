//! Grants: kept with their key, and honoured wherever it is used.

use model::arn::Arn;
use serde_json::{Value, json};

use super::{
    KEY_ID, edit, end_dry_run, find, judge_use, not_found, page_wanted, paged, take_grant_tokens,
};
use crate::engine::lookup::FoundKey;
use crate::engine::rows::{Grant, Json, Key};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text, insert_some, page, seconds};
use crate::service::Context;

/// Grants of a key: fewer than in the cloud, since they lie with it.
const GRANTS_MAX: usize = 1_000;
const PRINCIPAL: Text = Text::long(1, 256);
const GRANT_ID: Text = Text::long(1, 128);
const OPERATIONS: &[&str] = &[
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "Sign",
    "Verify",
    "GetPublicKey",
    "CreateGrant",
    "RetireGrant",
    "DescribeKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
];

fn random_id(context: &Context<'_>) -> String {
    let mut bytes = [0; 32];
    context.catalogue.random.fill(&mut bytes);
    hex::encode(bytes)
}

#[expect(clippy::too_many_lines, reason = "the members of a grant, one by one")]
pub(super) async fn create_grant(context: &Context<'_>, mut fields: Fields) -> Answer {
    take_grant_tokens(&mut fields);
    let services = ["GranteeServicePrincipal", "RetiringServicePrincipal"];
    fields.refuse("CreateGrant", &services)?;
    let id = fields.required("KeyId", &KEY_ID);
    let grantee = fields.required("GranteePrincipal", &PRINCIPAL);
    let retiring = fields.text("RetiringPrincipal", &PRINCIPAL);
    let operations = fields.texts("Operations").unwrap_or_default();
    let constraints = fields.take("Constraints");
    let name = fields.text("Name", &Text::long(1, 256));
    let dry = fields.flag("DryRun");
    for operation in &operations {
        fields.judge(operation, "operations", &Text::one_of(OPERATIONS));
    }
    fields.finish()?;
    let known = ["EncryptionContextSubset", "EncryptionContextEquals"];
    let members = constraints.as_ref().and_then(Value::as_object);
    if let Some(other) =
        members.and_then(|all| all.keys().find(|key| !known.contains(&key.as_str())))
    {
        return Err(Fault::not_implemented(&format!(
            "CreateGrant with the constraint {other}"
        )));
    }
    let found = find(context, &id).await?;
    judge_use(&found, found.key.spec.usage(), "CreateGrant")?;
    for principal in retiring.iter().chain([&grantee]) {
        if Arn::parse(principal).is_err() {
            return Err(Fault::new(
                "InvalidArnException",
                format!("Invalid Arn {principal}"),
            ));
        }
    }
    end_dry_run(dry)?;
    let grant = Grant {
        id: random_id(context),
        token: random_id(context),
        name,
        grantee,
        retiring,
        operations,
        constraints,
        issuer: format!("arn:aws:iam::{}:root", context.call.caller.account()),
        created_at: context.catalogue.clock.now(),
    };
    let mut told = (grant.id.clone(), grant.token.clone());
    edit(context, &found, |key| {
        // One that has the name, and is the same otherwise, is the one that was asked for before.
        let is_same = |there: &&Grant| {
            grant.name.is_some()
                && (
                    &there.name,
                    &there.grantee,
                    &there.retiring,
                    &there.operations,
                    &there.constraints,
                ) == (
                    &grant.name,
                    &grant.grantee,
                    &grant.retiring,
                    &grant.operations,
                    &grant.constraints,
                )
        };
        if let Some(there) = key.grants.iter().find(is_same) {
            told = (there.id.clone(), there.token.clone());
        } else if GRANTS_MAX <= key.grants.len() {
            return Err(Fault::new("LimitExceededException", "Too many grants"));
        } else {
            key.grants.push(grant);
        }
        Ok(Vec::new())
    })
    .await?;
    Ok(json!({"GrantId": told.0, "GrantToken": told.1}))
}

fn told(found: &FoundKey, grant: &Grant) -> Value {
    let mut told = Json::new();
    told.insert("KeyId".to_owned(), found.arn().into());
    told.insert("GrantId".to_owned(), grant.id.as_str().into());
    told.insert(
        "Name".to_owned(),
        grant.name.as_deref().unwrap_or_default().into(),
    );
    told.insert("CreationDate".to_owned(), seconds(grant.created_at));
    told.insert("GranteePrincipal".to_owned(), grant.grantee.as_str().into());
    insert_some(&mut told, "RetiringPrincipal", grant.retiring.as_deref());
    told.insert("IssuingAccount".to_owned(), grant.issuer.as_str().into());
    told.insert("Operations".to_owned(), json!(grant.operations));
    insert_some(&mut told, "Constraints", grant.constraints.clone());
    Value::Object(told)
}

pub(super) async fn list_grants(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("ListGrants", &["GranteeServicePrincipal"])?;
    let id = fields.required("KeyId", &KEY_ID);
    let grant_id = fields.text("GrantId", &GRANT_ID);
    let grantee = fields.text("GranteePrincipal", &PRINCIPAL);
    let (marker, limit) = page_wanted(&mut fields, 50);
    fields.finish()?;
    let found = find(context, &id).await?;
    let mut grants: Vec<&Grant> = found.key.grants.iter().collect();
    grants.retain(|grant| {
        grant_id.as_ref().is_none_or(|id| *id == grant.id)
            && grantee.as_ref().is_none_or(|name| *name == grant.grantee)
    });
    grants.sort_by(|one, other| one.id.cmp(&other.id));
    let keyed = grants
        .into_iter()
        .map(|grant| (grant.id.clone(), told(&found, grant)));
    let (listed, next) = page(keyed, marker.as_deref(), limit);
    Ok(paged("Grants", listed, next))
}

pub(super) async fn list_retirable_grants(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("ListRetirableGrants", &["RetiringServicePrincipal"])?;
    let principal = fields.required("RetiringPrincipal", &PRINCIPAL);
    let (marker, limit) = page_wanted(&mut fields, 50);
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let mut all = Vec::new();
        for key in state.keys.values() {
            let found = FoundKey {
                place: context.place.clone(),
                key: std::sync::Arc::clone(key),
            };
            let grants = key.grants.iter();
            let wanted = grants.filter(|grant| grant.retiring.as_ref() == Some(&principal));
            all.extend(wanted.map(|grant| (grant.id.clone(), told(&found, grant))));
        }
        all.sort_by(|one, other| one.0.cmp(&other.0));
        let (listed, next) = page(all.into_iter(), marker.as_deref(), limit);
        Ok(paged("Grants", listed, next))
    })
}

/// The grant that a request to retire one means, and its key.
pub(super) async fn retired(
    catalogue: &crate::engine::catalogue::Catalogue,
    place: &crate::engine::keys::Place,
    body: &Json,
) -> Result<Option<(FoundKey, Grant)>, Fault> {
    let member = |name: &str| body.get(name).and_then(Value::as_str);
    let is_meant = |key: &Key| {
        let mut grants = key.grants.iter();
        grants
            .find(|grant| match member("GrantToken") {
                Some(token) => grant.token == token,
                None => member("GrantId") == Some(&grant.id),
            })
            .cloned()
    };
    if let (None, Some(id)) = (member("GrantToken"), member("KeyId")) {
        let wanted = crate::engine::lookup::KeyRef::read(id, place);
        let found = catalogue.key(&wanted).await?;
        return Ok(found
            .and_then(|found| Some((is_meant(&found.key)?, found)))
            .map(|(a, b)| (b, a)));
    }
    let shelf = catalogue.shelf(place).await?;
    Ok(shelf.look(|state| {
        let mut keys = state.keys.values();
        keys.find_map(|key| {
            let found = FoundKey {
                place: place.clone(),
                key: std::sync::Arc::clone(key),
            };
            Some((found, is_meant(key)?))
        })
    }))
}

pub(super) async fn retire_grant(context: &Context<'_>, mut fields: Fields) -> Answer {
    let mut body = Json::new();
    for name in ["GrantToken", "KeyId", "GrantId"] {
        insert_some(&mut body, name, fields.take(name));
    }
    let dry = fields.flag("DryRun");
    fields.finish()?;
    if let (None, Some(id)) = (
        body.get("GrantToken"),
        body.get("KeyId").and_then(Value::as_str),
    ) {
        find(context, id).await?;
    }
    let found = retired(context.catalogue, context.place, &body).await?;
    let Some((found, grant)) = found else {
        return Err(Fault::bare("InvalidGrantTokenException"));
    };
    end_dry_run(dry)?;
    remove(context, &found, &grant.id).await
}

pub(super) async fn revoke_grant(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    let grant = fields.required("GrantId", &GRANT_ID);
    let dry = fields.flag("DryRun");
    fields.finish()?;
    let found = find(context, &id).await?;
    end_dry_run(dry)?;
    remove(context, &found, &grant).await
}

async fn remove(context: &Context<'_>, found: &FoundKey, id: &str) -> Answer {
    edit(context, found, |key| {
        let before = key.grants.len();
        key.grants.retain(|grant| grant.id != id);
        if key.grants.len() == before {
            return Err(not_found(format!("Grant ID {id} not found")));
        }
        Ok(Vec::new())
    })
    .await?;
    Ok(Value::Null)
}
