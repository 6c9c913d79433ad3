//! Roles.
//!
//! Lives here: making, showing, changing and deleting them, who may assume them, their boundaries.
//! Does not live here: their policies (`grants`), assuming them (`sts`), those of services (`service_linked`).

use std::sync::Arc;

use http::StatusCode;

use super::entities::{self, Shown, find_role, missing};
use super::pages::page;
use super::policies::{attachable, malformed};
use super::users::quota;
use super::{NAME_CHARS_MAX, Request};
use crate::documents::{self, Of};
use crate::resources::Whose;
use crate::state::{Account, Grants, Role};
use crate::wire::{Answer, Fault, Node, name, required, tags};

/// IAM and AWS STS quotas: roles of an account.
const ROLES_MAX: usize = 1_000;
/// Seconds of a session: without a wish, and what may be wished.
const SESSION_S: u32 = 3_600;
const SESSION_S_MAX: u32 = 43_200;
/// Roles that services made for themselves stand below this.
const OF_SERVICES: &str = "/aws-service-role/";

pub(super) async fn create(request: Request<'_>) -> Result<Answer, Fault> {
    let form = request.form;
    let name = name(form, "RoleName", NAME_CHARS_MAX)?;
    let path = request.path()?;
    let trust = required(form, "AssumeRolePolicyDocument")?;
    let boundary = form.text("PermissionsBoundary").map(str::to_owned);
    let role = Role {
        name: name.to_owned(),
        id: request.unique_id("AROA"),
        arn: request.arn("role", &path, name),
        path,
        created_at: request.now,
        trust: documents::read(Of::Trust, trust).map_err(malformed)?,
        description: form.text("Description").map(str::to_owned),
        session_s_max: session_s_max(request)?.unwrap_or(SESSION_S),
        tags: tags(form),
        grants: Grants {
            boundary,
            ..Grants::default()
        },
        owner: None,
    };
    let made = entities::role(&role, Shown::Made);
    request
        .change_to(|account| {
            if account.roles.keys().any(|it| it.eq_ignore_ascii_case(name)) {
                return Err(Fault::exists(format!(
                    "Role with name {name} already exists."
                )));
            }
            if ROLES_MAX <= account.roles.len() {
                return Err(quota("RolesPerAccount", ROLES_MAX));
            }
            if let Some(arn) = &role.grants.boundary {
                attachable(account, arn)?;
            }
            account.roles.insert(name.to_owned(), Arc::new(role));
            Ok(Some(Node::Structure(vec![("Role", made)])))
        })
        .await
}

pub(super) async fn get(request: Request<'_>) -> Result<Answer, Fault> {
    let name = required(request.form, "RoleName")?;
    let snapshot = request.snapshot();
    let role = find_role(&snapshot.account, name)?;
    let shown = entities::role(&role, Shown::Whole);
    Ok(Some(Node::Structure(vec![("Role", shown)])))
}

pub(super) async fn list(request: Request<'_>) -> Result<Answer, Fault> {
    let prefix = request.form.text("PathPrefix").unwrap_or("/");
    let snapshot = request.snapshot();
    let roles = snapshot.account.roles.values();
    let roles = roles.filter(|role| role.path.starts_with(prefix));
    let roles = roles.map(|role| (role.name.clone(), entities::role(role, Shown::Listed)));
    Ok(Some(Node::Structure(page(request, "Roles", roles)?)))
}

pub(super) async fn update(request: Request<'_>) -> Result<Answer, Fault> {
    let seconds = session_s_max(request)?;
    let description = request.form.text("Description").map(str::to_owned);
    let done = change(request, |role| {
        role.session_s_max = seconds.unwrap_or(SESSION_S);
        role.description = description;
        Ok(())
    });
    done.await?;
    // Unlike other changes it answers with a result, which is empty.
    Ok(Some(Node::Structure(Vec::new())))
}

pub(super) async fn describe(request: Request<'_>) -> Result<Answer, Fault> {
    let description = required(request.form, "Description")?.to_owned();
    let name = required(request.form, "RoleName")?;
    let done = change(request, |role| {
        role.description = Some(description);
        Ok(())
    });
    done.await?;
    let role = find_role(&request.snapshot().account, name)?;
    let shown = entities::role(&role, Shown::Whole);
    Ok(Some(Node::Structure(vec![("Role", shown)])))
}

pub(super) async fn update_trust(request: Request<'_>) -> Result<Answer, Fault> {
    let trust = required(request.form, "PolicyDocument")?;
    let trust = documents::read(Of::Trust, trust).map_err(malformed)?;
    change(request, |role| {
        role.trust = trust;
        Ok(())
    })
    .await
}

pub(super) async fn delete(request: Request<'_>) -> Result<Answer, Fault> {
    let name = required(request.form, "RoleName")?;
    request
        .change(|account| {
            let role = find_role(account, name)?;
            refuse_of_service(&role)?;
            let mut profiles = account.profiles.values();
            let left = if profiles.any(|profile| profile.role.as_deref() == Some(name)) {
                Some("must remove roles from instance profile first.")
            } else if !role.grants.attached.is_empty() {
                Some("must detach all policies first.")
            } else if !role.grants.inline.is_empty() {
                Some("must delete policies first.")
            } else {
                None
            };
            if let Some(left) = left {
                return Err(Fault::conflict(format!("Cannot delete entity, {left}")));
            }
            account.roles.remove(name);
            Ok(())
        })
        .await
}

pub(super) async fn put_boundary(request: Request<'_>) -> Result<Answer, Fault> {
    let arn = required(request.form, "PermissionsBoundary")?;
    attachable(&request.snapshot().account, arn)?;
    change(request, |role| {
        role.grants.boundary = Some(arn.to_owned());
        Ok(())
    })
    .await
}

pub(super) async fn delete_boundary(request: Request<'_>) -> Result<Answer, Fault> {
    change(request, |role| {
        role.grants.boundary = None;
        Ok(())
    })
    .await
}

async fn change(
    request: Request<'_>,
    change: impl FnOnce(&mut Role) -> Result<(), Fault>,
) -> Result<Answer, Fault> {
    let name = required(request.form, "RoleName")?;
    request
        .change(|account: &mut Account| {
            let role = account.roles.get_mut(name);
            let role = role.ok_or_else(|| missing(Whose::Role, name))?;
            refuse_of_service(role)?;
            change(Arc::make_mut(role))
        })
        .await
}

/// Roles that services made for themselves are theirs to change.
pub(super) fn refuse_of_service(role: &Role) -> Result<(), Fault> {
    if !role.path.starts_with(OF_SERVICES) {
        return Ok(());
    }
    Err(Fault::new(
        StatusCode::BAD_REQUEST,
        "UnmodifiableEntity",
        format!(
            "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
            role.name
        ),
    ))
}

fn session_s_max(request: Request<'_>) -> Result<Option<u32>, Fault> {
    let Some(text) = request.form.text("MaxSessionDuration") else {
        return Ok(None);
    };
    let seconds = text.parse::<u32>().ok();
    match seconds.filter(|seconds| (SESSION_S..=SESSION_S_MAX).contains(seconds)) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(Fault::invalid(format!(
            "1 validation error detected: Value '{text}' at 'maxSessionDuration' failed to satisfy constraint: Member must \
             have value between {SESSION_S} and {SESSION_S_MAX}"
        ))),
    }
}
