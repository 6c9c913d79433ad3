//! What a request of IAM would do, and to what.
//!
//! Lives here: the resource of each operation, the condition keys of IAM, handing roles over.
//! Does not live here: judging (`judge`).
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for AWS Identity and Access
//! Management (IAM)".

use interfaces::authorize::Check;
use model::arn::Arn;

use super::{OPERATIONS, Request};
use crate::state::Account;
use crate::wire::tags;

/// Machines act as roles through instance profiles.
const MACHINES: &str = "ec2.amazonaws.com";

pub(super) fn of(request: Request<'_>, operation: &str) -> Vec<Check> {
    let known = OPERATIONS.iter().find(|(name, _)| *name == operation);
    let Some((name, Some(_))) = known else {
        // It is refused for that.
        return Vec::new();
    };
    let snapshot = request.snapshot();
    let resource = resource(request, &snapshot.account, name);
    let mut check = Check::new(format!("iam:{name}"), resource, request.account);
    for (key, parameter) in [
        ("iam:PolicyARN", "PolicyArn"),
        ("iam:PermissionsBoundary", "PermissionsBoundary"),
        ("iam:AWSServiceName", "AWSServiceName"),
    ] {
        if let Some(value) = request.form.text(parameter) {
            check.context.set(key, value);
        }
    }
    // Where a boundary is not named, that of whoever is given something is meant.
    if request.form.text("PermissionsBoundary").is_none()
        && let Some(boundary) = boundary(request, &snapshot.account)
    {
        check.context.set("iam:PermissionsBoundary", boundary);
    }
    let wanted = tags(request.form);
    let mut keys: Vec<String> = wanted.keys().cloned().collect();
    keys.extend(request.form.texts("TagKeys"));
    if !keys.is_empty() {
        check.context.set_all("aws:TagKeys", keys);
    }
    for (key, value) in &wanted {
        let key = format!("aws:RequestTag/{key}");
        check.context.set(&key, value.as_str());
    }
    let mut checks = vec![check];
    // Contract: IAM API Reference, `UpdateUser` and `UpdateGroup`: "the requester must have appropriate permissions on both the
    // source object and the target object".
    for (parameter, kind) in [("UserName", "user"), ("GroupName", "group")] {
        if let Some(old) = request.form.text(parameter) {
            checks.extend(renamed(request, &snapshot.account, (kind, old), name));
        }
    }
    if *name == "AddRoleToInstanceProfile" {
        let role = request.form.text("RoleName").unwrap_or_default();
        let arn = role_arn(request, &snapshot.account, role);
        let arn = Arn::parse(&arn).ok();
        checks.extend(arn.map(|arn| Check::pass_role(&arn, MACHINES)));
    }
    checks
}

/// A user or a group of another name or path: what it becomes.
fn renamed(
    request: Request<'_>,
    account: &Account,
    (kind, old): (&str, &str),
    operation: &str,
) -> Option<Check> {
    let (there, new_name) = match (operation, kind) {
        ("UpdateUser", "user") => (
            account.users.get(old).map(|user| user.path.as_str()),
            request.form.text("NewUserName"),
        ),
        ("UpdateGroup", "group") => (
            account.groups.get(old).map(|group| group.path.as_str()),
            request.form.text("NewGroupName"),
        ),
        _ => return None,
    };
    let path = request.form.text("NewPath");
    if path.is_none() && new_name.is_none() {
        return None;
    }
    let arn = request.arn(kind, path.or(there).unwrap_or("/"), new_name.unwrap_or(old));
    Some(Check::new(format!("iam:{operation}"), arn, request.account))
}

/// What an operation is about: the first of these that it names.
fn resource(request: Request<'_>, account: &Account, operation: &str) -> String {
    let form = request.form;
    let path = form.text("Path").unwrap_or("/");
    if let Some(profile) = form.text("InstanceProfileName") {
        let there = account.profiles.get(profile);
        return there.map_or_else(
            || request.arn("instance-profile", path, profile),
            |profile| profile.arn.clone(),
        );
    }
    if let Some(group) = form.text("GroupName") {
        let there = account.groups.get(group);
        return there.map_or_else(|| request.arn("group", path, group), |it| it.arn.clone());
    }
    if let Some(role) = form.text("RoleName") {
        let there = account.roles.get(role);
        return there.map_or_else(|| request.arn("role", path, role), |it| it.arn.clone());
    }
    if let Some(user) = form.text("UserName") {
        let there = account.users.get(user);
        return there.map_or_else(|| request.arn("user", path, user), |it| it.arn.clone());
    }
    if let Some(arn) = form
        .text("PolicyArn")
        .or_else(|| form.text("PolicySourceArn"))
    {
        return arn.to_owned();
    }
    if let Some(policy) = form.text("PolicyName") {
        return request.arn("policy", path, policy);
    }
    if let Some(service) = form.text("AWSServiceName") {
        let path = format!("/aws-service-role/{service}/");
        return request.arn("role", &path, "*");
    }
    if OF_CALLERS.contains(&operation) {
        return request.caller.arn().to_string();
    }
    "*".to_owned()
}

/// Operations that are about the caller where they name no user.
const OF_CALLERS: [&str; 5] = [
    "CreateAccessKey",
    "DeleteAccessKey",
    "GetUser",
    "ListAccessKeys",
    "UpdateAccessKey",
];

fn boundary(request: Request<'_>, account: &Account) -> Option<String> {
    let user = request.form.text("UserName");
    let user = user.and_then(|name| account.users.get(name));
    let role = request.form.text("RoleName");
    let role = role.and_then(|name| account.roles.get(name));
    let grants = role
        .map(|role| &role.grants)
        .or(user.map(|user| &user.grants));
    grants?.boundary.clone()
}

fn role_arn(request: Request<'_>, account: &Account, name: &str) -> String {
    let there = account.roles.get(name);
    there.map_or_else(|| request.arn("role", "/", name), |role| role.arn.clone())
}
