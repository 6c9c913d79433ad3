//! Users.
//!
//! Lives here: making, showing, renaming and deleting them, their boundaries.
//! Does not live here: their keys (`keys`), groups (`groups`) and policies (`grants`).

use std::sync::Arc;

use super::entities::{self, Shown, find_user, missing};
use super::pages::page;
use super::policies::attachable;
use super::{NAME_CHARS_MAX, Request};
use crate::resources::Whose;
use crate::state::{Grants, SessionOf, User};
use crate::wire::{Answer, Fault, Node, name, required, tags};
use model::principal::Principal;

/// IAM and AWS STS quotas: users of an account.
const USERS_MAX: usize = 5_000;

pub(super) async fn create(request: Request<'_>) -> Result<Answer, Fault> {
    let form = request.form;
    let name = name(form, "UserName", NAME_CHARS_MAX)?;
    let path = request.path()?;
    let boundary = form.text("PermissionsBoundary").map(str::to_owned);
    let user = User {
        name: name.to_owned(),
        id: request.unique_id("AIDA"),
        arn: request.arn("user", &path, name),
        path,
        created_at: request.now,
        tags: tags(form),
        grants: Grants {
            boundary,
            ..Grants::default()
        },
        groups: Default::default(),
        owner: None,
    };
    let made = entities::user(&user, Shown::Made);
    request
        .change_to(|account| {
            if account.users.keys().any(|it| it.eq_ignore_ascii_case(name)) {
                return Err(Fault::exists(format!(
                    "User with name {name} already exists."
                )));
            }
            if USERS_MAX <= account.users.len() {
                return Err(quota("UsersPerAccount", USERS_MAX));
            }
            if let Some(arn) = &user.grants.boundary {
                attachable(account, arn)?;
            }
            account.users.insert(name.to_owned(), Arc::new(user));
            Ok(Some(Node::Structure(vec![("User", made)])))
        })
        .await
}

pub(super) async fn get(request: Request<'_>) -> Result<Answer, Fault> {
    let is_root = matches!(request.caller, Principal::Root { .. });
    if is_root && request.form.text("UserName").is_none() {
        return Ok(Some(Node::Structure(vec![("User", root(request))])));
    }
    let name = request.user_name()?;
    let snapshot = request.snapshot();
    let user = find_user(&snapshot.account, &name)?;
    let shown = entities::user(&user, Shown::Whole);
    Ok(Some(Node::Structure(vec![("User", shown)])))
}

pub(super) async fn list(request: Request<'_>) -> Result<Answer, Fault> {
    let prefix = request.form.text("PathPrefix").unwrap_or("/");
    let snapshot = request.snapshot();
    let users = snapshot.account.users.values();
    let users = users.filter(|user| user.path.starts_with(prefix));
    let users = users.map(|user| (user.name.clone(), entities::user(user, Shown::Listed)));
    Ok(Some(Node::Structure(page(request, "Users", users)?)))
}

pub(super) async fn update(request: Request<'_>) -> Result<Answer, Fault> {
    let form = request.form;
    let old = required(form, "UserName")?;
    let new = match form.text("NewUserName") {
        Some(_) => Some(name(form, "NewUserName", NAME_CHARS_MAX)?),
        None => None,
    };
    let path = request.path_in("NewPath")?;
    request
        .change(|account| {
            let mut user = User::clone(&*find_user(account, old)?);
            if let Some(path) = path {
                user.path = path;
            }
            if let Some(new) = new.filter(|new| *new != old) {
                let mut others = account.users.keys().filter(|it| *it != old);
                if others.any(|it| it.eq_ignore_ascii_case(new)) {
                    return Err(Fault::exists(format!(
                        "User with name {new} already exists."
                    )));
                }
                account.users.remove(old);
                for key in account.keys.values_mut().filter(|key| key.user == old) {
                    Arc::make_mut(key).user = new.to_owned();
                }
                for session in account.sessions.values_mut() {
                    if matches!(&session.of, SessionOf::User(name) if name == old) {
                        Arc::make_mut(session).of = SessionOf::User(new.to_owned());
                    }
                }
                user.name = new.to_owned();
            }
            user.arn = request.arn("user", &user.path, &user.name);
            account.users.insert(user.name.clone(), Arc::new(user));
            Ok(())
        })
        .await
}

pub(super) async fn delete(request: Request<'_>) -> Result<Answer, Fault> {
    let name = required(request.form, "UserName")?;
    request
        .change(|account| {
            let user = find_user(account, name)?;
            let left = if account.keys.values().any(|key| key.user == name) {
                Some("must delete access keys first.")
            } else if !user.groups.is_empty() {
                Some("must remove users from group first.")
            } else if !user.grants.attached.is_empty() {
                Some("must detach all policies first.")
            } else if !user.grants.inline.is_empty() {
                Some("must delete policies first.")
            } else {
                None
            };
            if let Some(left) = left {
                return Err(Fault::conflict(format!("Cannot delete entity, {left}")));
            }
            account.users.remove(name);
            Ok(())
        })
        .await
}

pub(super) async fn put_boundary(request: Request<'_>) -> Result<Answer, Fault> {
    let name = required(request.form, "UserName")?;
    let arn = required(request.form, "PermissionsBoundary")?;
    set_boundary(request, name, Some(arn)).await
}

pub(super) async fn delete_boundary(request: Request<'_>) -> Result<Answer, Fault> {
    let name = required(request.form, "UserName")?;
    set_boundary(request, name, None).await
}

async fn set_boundary(
    request: Request<'_>,
    name: &str,
    arn: Option<&str>,
) -> Result<Answer, Fault> {
    request
        .change(|account| {
            if let Some(arn) = arn {
                attachable(account, arn)?;
            }
            let user = account.users.get_mut(name);
            let user = user.ok_or_else(|| missing(Whose::User, name))?;
            Arc::make_mut(user).grants.boundary = arn.map(str::to_owned);
            Ok(())
        })
        .await
}

/// The root of an account, as `GetUser` shows it to itself.
fn root(request: Request<'_>) -> Node {
    Node::Structure(vec![
        ("UserId", Node::text(request.account)),
        ("Arn", Node::text(request.caller.arn())),
        ("CreateDate", Node::time(request.now)),
        ("PasswordLastUsed", Node::time(request.now)),
    ])
}

pub(super) fn quota(of: &str, most: usize) -> Fault {
    Fault::limit(format!("Cannot exceed quota for {of}: {most}"))
}
