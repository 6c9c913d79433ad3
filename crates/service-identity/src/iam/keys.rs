//! Lasting keys of users.
//!
//! Lives here: making, listing, switching and deleting them.
//! Does not live here: finding who holds a pair (`crate::keys`).

use std::sync::Arc;

use http::StatusCode;

use super::Request;
use super::entities::{find_user, missing};
use super::pages::page;
use super::users::quota;
use crate::keys::lasting;
use crate::resources::Whose;
use crate::state::{AccessKey, Account, KeyStatus};
use crate::wire::{Answer, Fault, Node, required};

/// IAM and AWS STS quotas: access keys of a user.
const KEYS_MAX: usize = 2;

pub(super) async fn create(request: Request<'_>) -> Result<Answer, Fault> {
    let user = request.user_name()?;
    let (id, secret) = lasting(&*request.service.random);
    let key = AccessKey {
        id,
        secret,
        user,
        status: KeyStatus::Active,
        created_at: request.now,
    };
    request
        .change_to(|account| {
            find_user(account, &key.user)?;
            let there = account.keys.values().filter(|it| it.user == key.user);
            if KEYS_MAX <= there.count() {
                return Err(quota("AccessKeysPerUser", KEYS_MAX));
            }
            let mut shown = shown(&key);
            shown.push(("SecretAccessKey", Node::text(&key.secret)));
            account.keys.insert(key.id.clone(), Arc::new(key));
            let made = ("AccessKey", Node::Structure(shown));
            Ok(Some(Node::Structure(vec![made])))
        })
        .await
}

pub(super) async fn list(request: Request<'_>) -> Result<Answer, Fault> {
    let user = request.user_name()?;
    let snapshot = request.snapshot();
    find_user(&snapshot.account, &user)?;
    let keys = snapshot.account.keys.values();
    let keys = keys.filter(|key| key.user == user);
    let keys = keys.map(|key| (key.id.clone(), Node::Structure(shown(key))));
    let answer = page(request, "AccessKeyMetadata", keys)?;
    Ok(Some(Node::Structure(answer)))
}

pub(super) async fn update(request: Request<'_>) -> Result<Answer, Fault> {
    let status = match required(request.form, "Status")? {
        "Active" => KeyStatus::Active,
        "Inactive" => KeyStatus::Inactive,
        other => {
            return Err(Fault::new(
                StatusCode::BAD_REQUEST,
                "ValidationError",
                format!(
                    "1 validation error detected: Value '{other}' at 'status' failed to satisfy constraint: Member must \
                     satisfy enum value set: [Active, Inactive, Expired]"
                ),
            ));
        }
    };
    let (user, id) = named(request)?;
    request
        .change(|account| {
            let key = find(account, &user, id)?;
            Arc::make_mut(key).status = status;
            Ok(())
        })
        .await
}

pub(super) async fn delete(request: Request<'_>) -> Result<Answer, Fault> {
    let (user, id) = named(request)?;
    request
        .change(|account| {
            find(account, &user, id)?;
            account.keys.remove(id);
            Ok(())
        })
        .await
}

/// Differs: when and where a key was used last is not kept.
pub(super) async fn last_used(request: Request<'_>) -> Result<Answer, Fault> {
    let id = required(request.form, "AccessKeyId")?;
    let snapshot = request.snapshot();
    let key = snapshot.account.keys.get(id).ok_or_else(|| {
        Fault::new(
            StatusCode::FORBIDDEN,
            "AccessDenied",
            format!("The access key {id} is none of this account."),
        )
    })?;
    let never = Node::Structure(vec![
        ("ServiceName", Node::text("N/A")),
        ("Region", Node::text("N/A")),
    ]);
    Ok(Some(Node::Structure(vec![
        ("UserName", Node::text(&key.user)),
        ("AccessKeyLastUsed", never),
    ])))
}

fn shown(key: &AccessKey) -> Vec<(&'static str, Node)> {
    let status = match key.status {
        KeyStatus::Active => "Active",
        KeyStatus::Inactive => "Inactive",
    };
    vec![
        ("UserName", Node::text(&key.user)),
        ("AccessKeyId", Node::text(&key.id)),
        ("Status", Node::text(status)),
        ("CreateDate", Node::time(key.created_at)),
    ]
}

/// Whoever names no user means that of the key; only a user can leave it out.
fn named<'a>(request: Request<'a>) -> Result<(String, &'a str), Fault> {
    let id = required(request.form, "AccessKeyId")?;
    Ok((request.user_name()?, id))
}

fn find<'a>(
    account: &'a mut Account,
    user: &str,
    id: &str,
) -> Result<&'a mut Arc<AccessKey>, Fault> {
    if !account.users.contains_key(user) {
        return Err(missing(Whose::User, user));
    }
    let key = account.keys.get_mut(id).filter(|key| key.user == user);
    key.ok_or_else(|| Fault::missing(format!("The Access Key with id {id} cannot be found.")))
}
