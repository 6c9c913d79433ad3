//! Users, groups, roles, policies and profiles as answers show them.
//!
//! Lives here: one function a kind of entity; finding them, or saying that they are not there.
//! Does not live here: changing them.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::no_such;
use crate::managed::Managed;
use crate::resources::Whose;
use crate::state::{Account, Group, ManagedPolicy, Profile, Role, Tags, User};
use crate::wire::{Fault, Node};

/// RFC 3986's unreserved characters stay.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How much of an entity is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// When it was made.
    Made,
    /// All of it.
    Whole,
    /// In a list.
    Listed,
}

/// Contract: "the policy is URL-encoded compliant with RFC 3986".
pub(super) fn document(text: &str) -> Node {
    Node::Text(utf8_percent_encode(text, ENCODED).to_string())
}

pub(super) fn user(user: &User, shown: Shown) -> Node {
    Node::structure([
        ("Path", Some(Node::text(&user.path))),
        ("UserName", Some(Node::text(&user.name))),
        ("UserId", Some(Node::text(&user.id))),
        ("Arn", Some(Node::text(&user.arn))),
        ("CreateDate", Some(Node::time(user.created_at))),
        (
            "PermissionsBoundary",
            boundary(&user.grants.boundary, shown),
        ),
        ("Tags", tags(&user.tags, shown)),
    ])
}

pub(super) fn group(group: &Group) -> Node {
    Node::structure([
        ("Path", Some(Node::text(&group.path))),
        ("GroupName", Some(Node::text(&group.name))),
        ("GroupId", Some(Node::text(&group.id))),
        ("Arn", Some(Node::text(&group.arn))),
        ("CreateDate", Some(Node::time(group.created_at))),
    ])
}

pub(super) fn role(role: &Role, shown: Shown) -> Node {
    let is_made = shown == Shown::Made;
    let used = (shown == Shown::Whole).then(|| Node::Structure(Vec::new()));
    Node::structure([
        ("Path", Some(Node::text(&role.path))),
        ("RoleName", Some(Node::text(&role.name))),
        ("RoleId", Some(Node::text(&role.id))),
        ("Arn", Some(Node::text(&role.arn))),
        ("CreateDate", Some(Node::time(role.created_at))),
        ("AssumeRolePolicyDocument", Some(document(&role.trust))),
        ("Description", role.description.as_ref().map(Node::text)),
        (
            "MaxSessionDuration",
            (!is_made).then(|| Node::text(role.session_s_max)),
        ),
        (
            "PermissionsBoundary",
            boundary(&role.grants.boundary, shown),
        ),
        ("Tags", tags(&role.tags, shown)),
        ("RoleLastUsed", used),
    ])
}

pub(super) fn policy(account: &Account, policy: &ManagedPolicy, shown: Shown) -> Node {
    let description = policy.description.as_ref().map(Node::text);
    let no_tags = || Node::List(Vec::new());
    Node::structure([
        ("PolicyName", Some(Node::text(&policy.name))),
        ("PolicyId", Some(Node::text(&policy.id))),
        ("Arn", Some(Node::text(&policy.arn))),
        ("Path", Some(Node::text(&policy.path))),
        (
            "DefaultVersionId",
            Some(Node::Text(format!("v{}", policy.default))),
        ),
        (
            "AttachmentCount",
            Some(Node::text(account.attachments(&policy.arn))),
        ),
        (
            "PermissionsBoundaryUsageCount",
            Some(Node::text(account.boundaries(&policy.arn))),
        ),
        ("IsAttachable", Some(Node::text(true))),
        ("Description", description.filter(|_| shown == Shown::Whole)),
        ("CreateDate", Some(Node::time(policy.created_at))),
        ("UpdateDate", Some(Node::time(policy.updated_at))),
        (
            "Tags",
            tags(&policy.tags, shown).or_else(|| (shown == Shown::Whole).then(no_tags)),
        ),
    ])
}

/// A policy of the cloud's own.
pub(super) fn managed(account: &Account, policy: &Managed) -> Node {
    let arn = policy.arn();
    let created = Node::Text(format!("{}Z", policy.created));
    Node::structure([
        ("PolicyName", Some(Node::text(policy.name()))),
        ("PolicyId", Some(Node::text(policy.id))),
        ("Path", Some(Node::Text(policy.path()))),
        ("DefaultVersionId", Some(Node::text(policy.version))),
        (
            "AttachmentCount",
            Some(Node::text(account.attachments(&arn))),
        ),
        (
            "PermissionsBoundaryUsageCount",
            Some(Node::text(account.boundaries(&arn))),
        ),
        ("IsAttachable", Some(Node::text(true))),
        ("CreateDate", Some(created.clone())),
        ("UpdateDate", Some(created)),
        ("Arn", Some(Node::Text(arn))),
    ])
}

pub(super) fn profile(account: &Account, profile: &Profile, shown: Shown) -> Node {
    let name = profile.role.as_ref();
    let held = name.and_then(|name| account.roles.get(name));
    let roles = held.iter().map(|held| role(held, Shown::Made));
    Node::structure([
        ("Path", Some(Node::text(&profile.path))),
        ("InstanceProfileName", Some(Node::text(&profile.name))),
        ("InstanceProfileId", Some(Node::text(&profile.id))),
        ("Arn", Some(Node::text(&profile.arn))),
        ("CreateDate", Some(Node::time(profile.created_at))),
        ("Roles", Some(Node::List(roles.collect()))),
        ("Tags", tags(&profile.tags, shown)),
    ])
}

pub(super) fn find_user(account: &Account, name: &str) -> Result<Arc<User>, Fault> {
    let found = account.users.get(name).cloned();
    found.ok_or_else(|| missing(Whose::User, name))
}

pub(super) fn find_group(account: &Account, name: &str) -> Result<Arc<Group>, Fault> {
    let found = account.groups.get(name).cloned();
    found.ok_or_else(|| missing(Whose::Group, name))
}

pub(super) fn find_role(account: &Account, name: &str) -> Result<Arc<Role>, Fault> {
    let found = account.roles.get(name).cloned();
    found.ok_or_else(|| missing(Whose::Role, name))
}

pub(super) fn find_profile(account: &Account, name: &str) -> Result<Arc<Profile>, Fault> {
    let found = account.profiles.get(name).cloned();
    found.ok_or_else(|| Fault::missing(format!("Instance Profile {name} cannot be found.")))
}

pub(super) fn missing(whose: Whose, name: &str) -> Fault {
    let kind = no_such(whose);
    Fault::missing(format!("The {kind} with name {name} cannot be found."))
}

fn boundary(arn: &Option<String>, shown: Shown) -> Option<Node> {
    let arn = arn.as_ref().filter(|_| shown != Shown::Listed)?;
    Some(Node::Structure(vec![
        ("PermissionsBoundaryType", Node::text("Policy")),
        ("PermissionsBoundaryArn", Node::text(arn)),
    ]))
}

/// Lists do not show them.
fn tags(tags: &Tags, shown: Shown) -> Option<Node> {
    (shown != Shown::Listed && !tags.is_empty()).then(|| Node::tags(tags))
}
