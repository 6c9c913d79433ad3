//! Instance profiles: roles for machines, which are not there.
//!
//! Lives here: making, showing and deleting them, and the role of each.
//! Does not live here: roles (`roles`).

use std::sync::Arc;

use super::entities::{self, Shown, find_profile, find_role};
use super::pages::page;
use super::users::quota;
use super::{LONG_NAME_CHARS_MAX, Request};
use crate::state::Profile;
use crate::wire::{Answer, Fault, Node, name, required, tags};

/// IAM and AWS STS quotas: profiles of an account.
const PROFILES_MAX: usize = 1_000;

pub(super) async fn create(request: Request<'_>) -> Result<Answer, Fault> {
    let name = name(request.form, "InstanceProfileName", LONG_NAME_CHARS_MAX)?;
    let path = request.path()?;
    let profile = Profile {
        name: name.to_owned(),
        id: request.unique_id("AIPA"),
        arn: request.arn("instance-profile", &path, name),
        path,
        created_at: request.now,
        role: None,
        tags: tags(request.form),
        owner: None,
    };
    request
        .change_to(|account| {
            if account.profiles.contains_key(name) {
                return Err(Fault::exists(format!(
                    "Instance Profile {name} already exists."
                )));
            }
            if PROFILES_MAX <= account.profiles.len() {
                return Err(quota("InstanceProfilesPerAccount", PROFILES_MAX));
            }
            let made = entities::profile(account, &profile, Shown::Made);
            account.profiles.insert(name.to_owned(), Arc::new(profile));
            Ok(Some(Node::Structure(vec![("InstanceProfile", made)])))
        })
        .await
}

pub(super) async fn get(request: Request<'_>) -> Result<Answer, Fault> {
    let name = required(request.form, "InstanceProfileName")?;
    let snapshot = request.snapshot();
    let profile = find_profile(&snapshot.account, name)?;
    let shown = entities::profile(&snapshot.account, &profile, Shown::Whole);
    Ok(Some(Node::Structure(vec![("InstanceProfile", shown)])))
}

pub(super) async fn list(request: Request<'_>) -> Result<Answer, Fault> {
    let prefix = request.form.text("PathPrefix").unwrap_or("/");
    listed(request, |profile| profile.path.starts_with(prefix))
}

pub(super) async fn of_role(request: Request<'_>) -> Result<Answer, Fault> {
    let role = required(request.form, "RoleName")?;
    find_role(&request.snapshot().account, role)?;
    listed(request, |profile| profile.role.as_deref() == Some(role))
}

fn listed(request: Request<'_>, is_wanted: impl Fn(&Profile) -> bool) -> Result<Answer, Fault> {
    let snapshot = request.snapshot();
    let profiles = snapshot.account.profiles.values();
    let profiles = profiles.filter(|profile| is_wanted(profile));
    let profiles = profiles.map(|profile| {
        let shown = entities::profile(&snapshot.account, profile, Shown::Listed);
        (profile.name.clone(), shown)
    });
    let answer = page(request, "InstanceProfiles", profiles)?;
    Ok(Some(Node::Structure(answer)))
}

pub(super) async fn delete(request: Request<'_>) -> Result<Answer, Fault> {
    let name = required(request.form, "InstanceProfileName")?;
    request
        .change(|account| {
            let profile = find_profile(account, name)?;
            if profile.role.is_some() {
                return Err(Fault::conflict(
                    "Cannot delete entity, must remove roles from instance profile first.",
                ));
            }
            account.profiles.remove(name);
            Ok(())
        })
        .await
}

pub(super) async fn add(request: Request<'_>) -> Result<Answer, Fault> {
    let name = required(request.form, "InstanceProfileName")?;
    let role = required(request.form, "RoleName")?;
    request
        .change(|account| {
            find_role(account, role)?;
            let mut profile = Profile::clone(&*find_profile(account, name)?);
            if profile.role.is_some() {
                return Err(quota("InstanceSessionsPerInstanceProfile", 1));
            }
            profile.role = Some(role.to_owned());
            account.profiles.insert(name.to_owned(), Arc::new(profile));
            Ok(())
        })
        .await
}

pub(super) async fn remove(request: Request<'_>) -> Result<Answer, Fault> {
    let name = required(request.form, "InstanceProfileName")?;
    let role = required(request.form, "RoleName")?;
    request
        .change(|account| {
            let mut profile = Profile::clone(&*find_profile(account, name)?);
            if profile.role.as_deref() != Some(role) {
                return Err(Fault::missing(format!(
                    "The role with name {role} cannot be found."
                )));
            }
            profile.role = None;
            account.profiles.insert(name.to_owned(), Arc::new(profile));
            Ok(())
        })
        .await
}
