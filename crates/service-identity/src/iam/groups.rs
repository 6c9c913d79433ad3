//! Groups.
//!
//! Lives here: making, showing, renaming and deleting them, and who is in them.
//! Does not live here: their policies (`grants`).

use std::sync::Arc;

use super::entities::{self, Shown, find_group, find_user, missing};
use super::pages::page;
use super::users::quota;
use super::{LONG_NAME_CHARS_MAX, Request};
use crate::resources::Whose;
use crate::state::{Grants, Group};
use crate::wire::{Answer, Fault, Node, name, required};

/// IAM and AWS STS quotas: groups of an account, and of a user.
const GROUPS_MAX: usize = 300;
const GROUPS_OF_USER_MAX: usize = 10;

pub(super) async fn create(request: Request<'_>) -> Result<Answer, Fault> {
    let name = name(request.form, "GroupName", LONG_NAME_CHARS_MAX)?;
    let path = request.path()?;
    let group = Group {
        name: name.to_owned(),
        id: request.unique_id("AGPA"),
        arn: request.arn("group", &path, name),
        path,
        created_at: request.now,
        grants: Grants::default(),
        owner: None,
    };
    let made = entities::group(&group);
    request
        .change_to(|account| {
            if account
                .groups
                .keys()
                .any(|it| it.eq_ignore_ascii_case(name))
            {
                return Err(Fault::exists(format!(
                    "Group with name {name} already exists."
                )));
            }
            if GROUPS_MAX <= account.groups.len() {
                return Err(quota("GroupsPerAccount", GROUPS_MAX));
            }
            account.groups.insert(name.to_owned(), Arc::new(group));
            Ok(Some(Node::Structure(vec![("Group", made)])))
        })
        .await
}

pub(super) async fn get(request: Request<'_>) -> Result<Answer, Fault> {
    let name = required(request.form, "GroupName")?;
    let snapshot = request.snapshot();
    let group = find_group(&snapshot.account, name)?;
    let members = snapshot.account.members(name);
    let members = members.map(|user| (user.name.clone(), entities::user(user, Shown::Listed)));
    let mut answer = vec![("Group", entities::group(&group))];
    answer.extend(page(request, "Users", members)?);
    Ok(Some(Node::Structure(answer)))
}

pub(super) async fn list(request: Request<'_>) -> Result<Answer, Fault> {
    let prefix = request.form.text("PathPrefix").unwrap_or("/");
    let snapshot = request.snapshot();
    let groups = snapshot.account.groups.values();
    let groups = groups.filter(|group| group.path.starts_with(prefix));
    let groups = groups.map(|group| (group.name.clone(), entities::group(group)));
    Ok(Some(Node::Structure(page(request, "Groups", groups)?)))
}

pub(super) async fn of_user(request: Request<'_>) -> Result<Answer, Fault> {
    let name = required(request.form, "UserName")?;
    let snapshot = request.snapshot();
    let user = find_user(&snapshot.account, name)?;
    let groups = user.groups.iter();
    let groups = groups.filter_map(|name| snapshot.account.groups.get(name));
    let groups = groups.map(|group| (group.name.clone(), entities::group(group)));
    Ok(Some(Node::Structure(page(request, "Groups", groups)?)))
}

pub(super) async fn update(request: Request<'_>) -> Result<Answer, Fault> {
    let form = request.form;
    let old = required(form, "GroupName")?;
    let new = match form.text("NewGroupName") {
        Some(_) => Some(name(form, "NewGroupName", LONG_NAME_CHARS_MAX)?),
        None => None,
    };
    let path = request.path_in("NewPath")?;
    request
        .change(|account| {
            let mut group = Group::clone(&*find_group(account, old)?);
            if let Some(path) = path {
                group.path = path;
            }
            if let Some(new) = new.filter(|new| *new != old) {
                if account.groups.contains_key(new) {
                    return Err(Fault::exists(format!(
                        "Group with name {new} already exists."
                    )));
                }
                account.groups.remove(old);
                for user in account.users.values_mut() {
                    if user.groups.contains(old) {
                        let user = Arc::make_mut(user);
                        user.groups.remove(old);
                        user.groups.insert(new.to_owned());
                    }
                }
                group.name = new.to_owned();
            }
            group.arn = request.arn("group", &group.path, &group.name);
            account.groups.insert(group.name.clone(), Arc::new(group));
            Ok(())
        })
        .await
}

pub(super) async fn delete(request: Request<'_>) -> Result<Answer, Fault> {
    let name = required(request.form, "GroupName")?;
    request
        .change(|account| {
            let group = find_group(account, name)?;
            let left = if account.members(name).next().is_some() {
                Some("must remove users from group first.")
            } else if !group.grants.attached.is_empty() {
                Some("must detach all policies first.")
            } else if !group.grants.inline.is_empty() {
                Some("must delete policies first.")
            } else {
                None
            };
            if let Some(left) = left {
                return Err(Fault::conflict(format!("Cannot delete entity, {left}")));
            }
            account.groups.remove(name);
            Ok(())
        })
        .await
}

pub(super) async fn add(request: Request<'_>) -> Result<Answer, Fault> {
    let group = required(request.form, "GroupName")?;
    let name = required(request.form, "UserName")?;
    request
        .change(|account| {
            find_group(account, group)?;
            let user = account.users.get_mut(name);
            let user = user.ok_or_else(|| missing(Whose::User, name))?;
            if GROUPS_OF_USER_MAX <= user.groups.len() && !user.groups.contains(group) {
                return Err(quota("GroupsPerUser", GROUPS_OF_USER_MAX));
            }
            Arc::make_mut(user).groups.insert(group.to_owned());
            Ok(())
        })
        .await
}

pub(super) async fn remove(request: Request<'_>) -> Result<Answer, Fault> {
    let group = required(request.form, "GroupName")?;
    let name = required(request.form, "UserName")?;
    request
        .change(|account| {
            find_group(account, group)?;
            let user = account.users.get_mut(name);
            let user = user.ok_or_else(|| missing(Whose::User, name))?;
            if !Arc::make_mut(user).groups.remove(group) {
                return Err(Fault::missing(format!("User {name} not in group {group}")));
            }
            Ok(())
        })
        .await
}
