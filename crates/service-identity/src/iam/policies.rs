//! Policies that can be attached.
//!
//! Lives here: making, showing and deleting them, their versions, whom they are attached to.
//! Does not live here: attaching them (`grants`).

use std::sync::Arc;

use http::StatusCode;

use super::entities::{self, Shown, document};
use super::grants::{policy_arn, weight};
use super::pages::page;
use super::users::quota;
use super::{LONG_NAME_CHARS_MAX, Request};
use crate::documents::{self, Of};
use crate::managed;
use crate::state::{Account, Grants, ManagedPolicy, Tags, VERSIONS_MAX};
use crate::wire::{Answer, Fault, Node, name, required, tags};

/// IAM and AWS STS quotas: policies of an account, characters of one.
const POLICIES_MAX: usize = 1_500;
const CHARS_MAX: usize = 6_144;

pub(super) async fn create(request: Request<'_>) -> Result<Answer, Fault> {
    let form = request.form;
    let name = name(form, "PolicyName", LONG_NAME_CHARS_MAX)?;
    let path = request.path()?;
    let text = required(form, "PolicyDocument")?;
    let document = documents::read(Of::Identity, text).map_err(malformed)?;
    if CHARS_MAX < weight(&document) {
        return Err(quota("PolicySize", CHARS_MAX));
    }
    let arn = request.arn("policy", &path, name);
    let mut policy = ManagedPolicy {
        name: name.to_owned(),
        path,
        id: request.unique_id("ANPA"),
        arn: arn.clone(),
        created_at: request.now,
        updated_at: request.now,
        description: form.text("Description").map(str::to_owned),
        versions: Vec::new(),
        default: 0,
        last: 0,
        tags: Tags::new(),
        owner: None,
    };
    policy.tags = tags(form);
    policy.add(document, request.now);
    request
        .change_to(|account| {
            let mut there = account.policies.values();
            if there.any(|policy| policy.name.eq_ignore_ascii_case(name)) {
                return Err(Fault::exists(format!(
                    "A policy called {name} already exists. Duplicate names are not allowed."
                )));
            }
            if POLICIES_MAX <= account.policies.len() {
                return Err(quota("PoliciesPerAccount", POLICIES_MAX));
            }
            let made = entities::policy(account, &policy, Shown::Made);
            account.policies.insert(arn, Arc::new(policy));
            Ok(Some(Node::Structure(vec![("Policy", made)])))
        })
        .await
}

pub(super) async fn get(request: Request<'_>) -> Result<Answer, Fault> {
    let arn = policy_arn(request)?;
    let snapshot = request.snapshot();
    let account = &snapshot.account;
    let shown = match managed::find(arn) {
        Some(policy) => entities::managed(account, policy),
        None => entities::policy(account, &*find(account, arn)?, Shown::Whole),
    };
    Ok(Some(Node::Structure(vec![("Policy", shown)])))
}

pub(super) async fn list(request: Request<'_>) -> Result<Answer, Fault> {
    let form = request.form;
    let scope = form.text("Scope").unwrap_or("All");
    let only_attached = form.text("OnlyAttached") == Some("true");
    let prefix = form.text("PathPrefix").unwrap_or("/");
    let snapshot = request.snapshot();
    let account = &snapshot.account;
    let usage = form.text("PolicyUsageFilter");
    let is_wanted = |arn: &str, path: &str| {
        let attached = account.attachments(arn);
        let bounding = account.boundaries(arn);
        let is_used = match usage {
            Some("PermissionsPolicy") => 0 < attached,
            Some("PermissionsBoundary") => 0 < bounding,
            Some(_) | None => true,
        };
        is_used && path.starts_with(prefix) && (!only_attached || 0 < attached + bounding)
    };
    let own = account.policies.values().filter(|_| scope != "AWS");
    let own = own.filter(|policy| is_wanted(&policy.arn, &policy.path));
    let own = own.map(|policy| {
        let shown = entities::policy(account, policy, Shown::Listed);
        (policy.arn.clone(), shown)
    });
    let clouds = managed::all().filter(|_| scope != "Local");
    let clouds = clouds.filter(|policy| is_wanted(&policy.arn(), &policy.path()));
    let clouds = clouds.map(|policy| (policy.arn(), entities::managed(account, policy)));
    let mut all: Vec<(String, Node)> = own.chain(clouds).collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(Some(Node::Structure(page(request, "Policies", all)?)))
}

pub(super) async fn delete(request: Request<'_>) -> Result<Answer, Fault> {
    let arn = policy_arn(request)?;
    request
        .change(|account| {
            let policy = find(account, arn)?;
            if 0 < account.attachments(arn) + account.boundaries(arn) {
                return Err(Fault::conflict(
                    "Cannot delete a policy attached to entities.",
                ));
            }
            if 1 < policy.versions.len() {
                return Err(Fault::conflict(
                    "This policy has more than one version. Before you delete a policy, you must delete the policy's \
                     versions. The default version is deleted with the policy.",
                ));
            }
            account.policies.remove(arn);
            Ok(())
        })
        .await
}

pub(super) async fn create_version(request: Request<'_>) -> Result<Answer, Fault> {
    let arn = policy_arn(request)?;
    let text = required(request.form, "PolicyDocument")?;
    let document = documents::read(Of::Identity, text).map_err(malformed)?;
    if CHARS_MAX < weight(&document) {
        return Err(quota("PolicySize", CHARS_MAX));
    }
    let as_default = request.form.text("SetAsDefault") == Some("true");
    request
        .change_to(|account| {
            let mut policy = ManagedPolicy::clone(&*find(account, arn)?);
            if VERSIONS_MAX <= policy.versions.len() {
                return Err(Fault::limit(
                    "A managed policy can have up to 5 versions. Before you create a new version, you must delete an \
                     existing version.",
                ));
            }
            let held = policy.default;
            policy.add(document, request.now);
            let made = policy.last;
            if !as_default {
                policy.default = held;
            }
            let shown = version(&policy, made, Shown::Made)?;
            account.policies.insert(arn.to_owned(), Arc::new(policy));
            Ok(Some(Node::Structure(vec![("PolicyVersion", shown)])))
        })
        .await
}

pub(super) async fn get_version(request: Request<'_>) -> Result<Answer, Fault> {
    let arn = policy_arn(request)?;
    let id = required(request.form, "VersionId")?;
    let shown = match managed::find(arn) {
        Some(policy) if policy.version == id => Node::Structure(vec![
            ("Document", document(policy.document)),
            ("VersionId", Node::text(id)),
            ("IsDefaultVersion", Node::text(true)),
            ("CreateDate", Node::Text(format!("{}Z", policy.created))),
        ]),
        Some(_) => return Err(no_version(arn, id)),
        None => {
            let policy = find(&request.snapshot().account, arn)?;
            version(&policy, number(arn, id)?, Shown::Whole)?
        }
    };
    Ok(Some(Node::Structure(vec![("PolicyVersion", shown)])))
}

pub(super) async fn list_versions(request: Request<'_>) -> Result<Answer, Fault> {
    let arn = policy_arn(request)?;
    let versions = match managed::find(arn) {
        Some(policy) => {
            let shown = Node::Structure(vec![
                ("VersionId", Node::text(policy.version)),
                ("IsDefaultVersion", Node::text(true)),
                ("CreateDate", Node::Text(format!("{}Z", policy.created))),
            ]);
            vec![(policy.version.to_owned(), shown)]
        }
        None => {
            let policy = find(&request.snapshot().account, arn)?;
            // Newest first; their order is that of what is left to a large number.
            let shown = policy.versions.iter().rev().map(|it| {
                let shown = version(&policy, it.number, Shown::Listed)?;
                Ok((format!("{:010}", u32::MAX - it.number), shown))
            });
            shown.collect::<Result<_, Fault>>()?
        }
    };
    Ok(Some(Node::Structure(page(request, "Versions", versions)?)))
}

pub(super) async fn delete_version(request: Request<'_>) -> Result<Answer, Fault> {
    let arn = policy_arn(request)?;
    let id = required(request.form, "VersionId")?;
    let number = number(arn, id)?;
    request
        .change(|account| {
            let mut policy = ManagedPolicy::clone(&*find(account, arn)?);
            if policy.version(number).is_none() {
                return Err(no_version(arn, id));
            }
            if policy.default == number {
                return Err(Fault::conflict(
                    "Cannot delete the default version of a policy.",
                ));
            }
            policy.versions.retain(|version| version.number != number);
            account.policies.insert(arn.to_owned(), Arc::new(policy));
            Ok(())
        })
        .await
}

pub(super) async fn set_default(request: Request<'_>) -> Result<Answer, Fault> {
    let arn = policy_arn(request)?;
    let id = required(request.form, "VersionId")?;
    let number = number(arn, id)?;
    request
        .change(|account| {
            let mut policy = ManagedPolicy::clone(&*find(account, arn)?);
            if policy.version(number).is_none() {
                return Err(no_version(arn, id));
            }
            policy.default = number;
            policy.updated_at = request.now;
            account.policies.insert(arn.to_owned(), Arc::new(policy));
            Ok(())
        })
        .await
}

/// Whom a policy is attached to. All stand on one page: there are a few thousand at most.
pub(super) async fn entities(request: Request<'_>) -> Result<Answer, Fault> {
    let form = request.form;
    let arn = policy_arn(request)?;
    let snapshot = request.snapshot();
    let account = &snapshot.account;
    if managed::find(arn).is_none() {
        find(account, arn)?;
    }
    let prefix = form.text("PathPrefix").unwrap_or("/");
    let is_wanted = |kind: &str, path: &str, grants: &Grants| {
        let attached = grants.attached.iter().any(|attached| attached == arn);
        let bounding = grants.boundary.as_deref() == Some(arn);
        let is_used = match form.text("PolicyUsageFilter") {
            Some("PermissionsBoundary") => bounding,
            Some("PermissionsPolicy") => attached,
            Some(_) | None => attached || bounding,
        };
        let is_kind = form.text("EntityFilter").is_none_or(|it| it == kind);
        is_kind && is_used && path.starts_with(prefix)
    };
    let users = account.users.values();
    let users = users.filter(|user| is_wanted("User", &user.path, &user.grants));
    let users = users.map(|user| entity(("UserName", &user.name), ("UserId", &user.id)));
    let groups = account.groups.values();
    let groups = groups.filter(|group| is_wanted("Group", &group.path, &group.grants));
    let groups = groups.map(|group| entity(("GroupName", &group.name), ("GroupId", &group.id)));
    let roles = account.roles.values();
    let roles = roles.filter(|role| is_wanted("Role", &role.path, &role.grants));
    let roles = roles.map(|role| entity(("RoleName", &role.name), ("RoleId", &role.id)));
    Ok(Some(Node::Structure(vec![
        ("PolicyGroups", Node::List(groups.collect())),
        ("PolicyUsers", Node::List(users.collect())),
        ("PolicyRoles", Node::List(roles.collect())),
        ("IsTruncated", Node::text(false)),
    ])))
}

fn entity(name: (&'static str, &String), id: (&'static str, &String)) -> Node {
    Node::Structure(vec![(name.0, Node::text(name.1)), (id.0, Node::text(id.1))])
}

/// Whether a policy can be attached, or be a boundary. Of those of the cloud's own that are not known here, nobody can say
/// what they give.
pub(super) fn attachable(account: &Account, arn: &str) -> Result<(), Fault> {
    if !arn.starts_with("arn:") {
        return Err(Fault::invalid("Invalid ARN:  Could not be parsed!"));
    }
    if managed::find(arn).is_some() || account.policies.contains_key(arn) {
        return Ok(());
    }
    Err(Fault::missing(format!(
        "Policy {arn} does not exist or is not attachable."
    )))
}

pub(super) fn malformed(why: String) -> Fault {
    Fault::new(StatusCode::BAD_REQUEST, "MalformedPolicyDocument", why)
}

fn find(account: &Account, arn: &str) -> Result<Arc<ManagedPolicy>, Fault> {
    let found = account.policies.get(arn).cloned();
    found.ok_or_else(|| Fault::missing(format!("Policy {arn} was not found.")))
}

fn version(policy: &ManagedPolicy, number: u32, shown: Shown) -> Result<Node, Fault> {
    let id = format!("v{number}");
    let found = policy.version(number);
    let found = found.ok_or_else(|| no_version(&policy.arn, &id))?;
    Ok(Node::structure([
        (
            "Document",
            (shown == Shown::Whole).then(|| document(&found.document)),
        ),
        ("VersionId", Some(Node::Text(id))),
        (
            "IsDefaultVersion",
            Some(Node::text(policy.default == number)),
        ),
        ("CreateDate", Some(Node::time(found.created_at))),
    ]))
}

fn number(arn: &str, id: &str) -> Result<u32, Fault> {
    let number = id.strip_prefix('v').and_then(|text| text.parse().ok());
    number.ok_or_else(|| no_version(arn, id))
}

fn no_version(arn: &str, id: &str) -> Fault {
    Fault::missing(format!(
        "Policy {arn} version {id} does not exist or is not attachable."
    ))
}
