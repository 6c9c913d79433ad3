//! Tags of users, roles, policies and instance profiles.
//!
//! Lives here: adding, removing and listing them.
//! Does not live here: tags that something is made with (its own file).

use std::sync::Arc;

use http::StatusCode;

use super::Request;
use super::entities::{find_profile, missing};
use super::grants::policy_arn;
use super::pages::page;
use crate::resources::Whose;
use crate::state::{Account, Tags};
use crate::wire::{Answer, Fault, Node, required, tags};

/// IAM and AWS STS quotas: tags of one thing.
const TAGS_MAX: usize = 50;

/// What has tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Role,
    Policy,
    InstanceProfile,
}

pub(super) async fn tag(request: Request<'_>, kind: Kind) -> Result<Answer, Fault> {
    let name = named(request, kind)?;
    let added = tags(request.form);
    request
        .change(|account| {
            let tags = of(account, kind, name)?;
            tags.extend(added);
            if TAGS_MAX < tags.len() {
                return Err(Fault::new(
                    StatusCode::CONFLICT,
                    "LimitExceeded",
                    "The number of tags has reached the maximum limit.",
                ));
            }
            Ok(())
        })
        .await
}

pub(super) async fn untag(request: Request<'_>, kind: Kind) -> Result<Answer, Fault> {
    let name = named(request, kind)?;
    let keys = request.form.texts("TagKeys");
    request
        .change(|account| {
            let tags = of(account, kind, name)?;
            tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
}

pub(super) async fn list(request: Request<'_>, kind: Kind) -> Result<Answer, Fault> {
    let name = named(request, kind)?;
    let mut account = request.snapshot().account.clone();
    let tags = of(&mut account, kind, name)?.clone();
    let tags = tags.into_iter().map(|(key, value)| {
        let pair = vec![("Key", Node::text(&key)), ("Value", Node::Text(value))];
        (key, Node::Structure(pair))
    });
    Ok(Some(Node::Structure(page(request, "Tags", tags)?)))
}

fn named<'a>(request: Request<'a>, kind: Kind) -> Result<&'a str, Fault> {
    match kind {
        Kind::User => required(request.form, "UserName"),
        Kind::Role => required(request.form, "RoleName"),
        Kind::Policy => policy_arn(request),
        Kind::InstanceProfile => required(request.form, "InstanceProfileName"),
    }
}

fn of<'a>(account: &'a mut Account, kind: Kind, name: &str) -> Result<&'a mut Tags, Fault> {
    match kind {
        Kind::User => {
            let user = account.users.get_mut(name);
            let user = user.ok_or_else(|| missing(Whose::User, name))?;
            Ok(&mut Arc::make_mut(user).tags)
        }
        Kind::Role => {
            let role = account.roles.get_mut(name);
            let role = role.ok_or_else(|| missing(Whose::Role, name))?;
            Ok(&mut Arc::make_mut(role).tags)
        }
        Kind::Policy => {
            let policy = account.policies.get_mut(name);
            let policy =
                policy.ok_or_else(|| Fault::missing(format!("Policy {name} was not found.")))?;
            Ok(&mut Arc::make_mut(policy).tags)
        }
        Kind::InstanceProfile => {
            find_profile(account, name)?;
            let profile = account.profiles.get_mut(name);
            let profile = profile.ok_or_else(|| {
                Fault::missing(format!("Instance Profile {name} cannot be found."))
            })?;
            Ok(&mut Arc::make_mut(profile).tags)
        }
    }
}
