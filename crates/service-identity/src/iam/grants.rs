//! Policies of users, groups and roles.
//!
//! Lives here: their own and those attached to them: putting, showing, listing and taking away.
//! Does not live here: policies that can be attached (`policies`).

use std::sync::Arc;

use super::entities::{document, missing};
use super::pages::page;
use super::policies::{attachable, malformed};
use super::roles::refuse_of_service;
use super::users::quota;
use super::{LONG_NAME_CHARS_MAX, Request};
use crate::documents::{self, Of};
use crate::resources::{Whose, grants_of};
use crate::state::{Account, Grants};
use crate::wire::{Answer, Fault, Node, name, required};

/// IAM and AWS STS quotas: attached policies.
const ATTACHED_MAX: usize = 10;

pub(super) async fn put(request: Request<'_>, whose: Whose) -> Result<Answer, Fault> {
    let policy = name(request.form, "PolicyName", LONG_NAME_CHARS_MAX)?;
    let text = required(request.form, "PolicyDocument")?;
    let document = documents::read(Of::Identity, text).map_err(malformed)?;
    change(request, whose, |grants, owner| {
        let others = grants.inline.iter().filter(|(name, _)| *name != policy);
        let others: usize = others.map(|(_, document)| weight(document)).sum();
        let most = bytes_max(whose);
        if most < others + weight(&document) {
            return Err(Fault::limit(format!(
                "Maximum policy size of {most} bytes exceeded for {} {owner}",
                super::no_such(whose)
            )));
        }
        grants.inline.insert(policy.to_owned(), document);
        Ok(())
    })
    .await
}

pub(super) async fn get(request: Request<'_>, whose: Whose) -> Result<Answer, Fault> {
    let policy = required(request.form, "PolicyName")?;
    let (owner, grants) = find(request, whose)?;
    let found = grants.inline.get(policy);
    let found = found.ok_or_else(|| no_policy(whose, policy))?;
    Ok(Some(Node::Structure(vec![
        (parameter(whose), Node::text(owner)),
        ("PolicyName", Node::text(policy)),
        ("PolicyDocument", document(found)),
    ])))
}

pub(super) async fn delete(request: Request<'_>, whose: Whose) -> Result<Answer, Fault> {
    let policy = required(request.form, "PolicyName")?;
    change(request, whose, |grants, _| {
        let removed = grants.inline.remove(policy);
        removed.map(drop).ok_or_else(|| no_policy(whose, policy))
    })
    .await
}

pub(super) async fn list(request: Request<'_>, whose: Whose) -> Result<Answer, Fault> {
    let (_, grants) = find(request, whose)?;
    let names = grants.inline.into_keys();
    let names = names.map(|name| (name.clone(), Node::Text(name)));
    Ok(Some(Node::Structure(page(request, "PolicyNames", names)?)))
}

pub(super) async fn attach(request: Request<'_>, whose: Whose) -> Result<Answer, Fault> {
    let arn = policy_arn(request)?;
    attachable(&request.snapshot().account, arn)?;
    change(request, whose, |grants, _| {
        let is_there = grants.attached.iter().any(|attached| attached == arn);
        if !is_there && ATTACHED_MAX <= grants.attached.len() {
            let of = match whose {
                Whose::User => "PoliciesPerUser",
                Whose::Group => "PoliciesPerGroup",
                Whose::Role => "PoliciesPerRole",
            };
            return Err(quota(of, ATTACHED_MAX));
        }
        grants.attach(arn);
        Ok(())
    })
    .await
}

pub(super) async fn detach(request: Request<'_>, whose: Whose) -> Result<Answer, Fault> {
    let arn = policy_arn(request)?;
    change(request, whose, |grants, _| {
        let before = grants.attached.len();
        grants.attached.retain(|attached| attached != arn);
        if grants.attached.len() == before {
            return Err(Fault::missing(format!("Policy {arn} was not found.")));
        }
        Ok(())
    })
    .await
}

pub(super) async fn list_attached(request: Request<'_>, whose: Whose) -> Result<Answer, Fault> {
    let prefix = request.form.text("PathPrefix").unwrap_or("/");
    let (_, mut grants) = find(request, whose)?;
    // What a page ends with is found again by its order.
    grants.attached.sort_unstable();
    let arns = grants.attached.into_iter();
    let arns = arns.filter(|arn| path_of(arn).starts_with(prefix));
    let shown = arns.map(|arn| {
        let name = arn.rsplit('/').next().unwrap_or_default();
        let node = Node::Structure(vec![
            ("PolicyName", Node::text(name)),
            ("PolicyArn", Node::text(&arn)),
        ]);
        (arn, node)
    });
    Ok(Some(Node::Structure(page(
        request,
        "AttachedPolicies",
        shown,
    )?)))
}

/// The path in a policy's ARN.
pub(super) fn path_of(arn: &str) -> &str {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let path = resource.strip_prefix("policy").unwrap_or_default();
    let name = path.rfind('/').map_or(0, |at| at + 1);
    path.get(..name).unwrap_or_default()
}

/// A policy's ARN, in its form.
pub(super) fn policy_arn<'a>(request: Request<'a>) -> Result<&'a str, Fault> {
    let arn = required(request.form, "PolicyArn")?;
    let is_arn = arn.starts_with("arn:") && model::arn::Arn::parse(arn).is_ok();
    if is_arn {
        Ok(arn)
    } else {
        Err(Fault::invalid("Invalid ARN:  Could not be parsed!"))
    }
}

pub(super) const fn parameter(whose: Whose) -> &'static str {
    match whose {
        Whose::User => "UserName",
        Whose::Group => "GroupName",
        Whose::Role => "RoleName",
    }
}

fn find(request: Request<'_>, whose: Whose) -> Result<(&str, Grants), Fault> {
    let owner = required(request.form, parameter(whose))?;
    let mut account = request.snapshot().account.clone();
    let grants = grants_of(&mut account, whose, owner);
    let grants = grants.ok_or_else(|| missing(whose, owner))?;
    Ok((owner, grants.clone()))
}

async fn change(
    request: Request<'_>,
    whose: Whose,
    change: impl FnOnce(&mut Grants, &str) -> Result<(), Fault>,
) -> Result<Answer, Fault> {
    let owner = required(request.form, parameter(whose))?;
    request
        .change(|account: &mut Account| {
            if whose == Whose::Role
                && let Some(role) = account.roles.get(owner)
            {
                refuse_of_service(role)?;
            }
            let grants = grants_of(account, whose, owner);
            change(grants.ok_or_else(|| missing(whose, owner))?, owner)
        })
        .await
}

fn no_policy(whose: Whose, policy: &str) -> Fault {
    let kind = super::no_such(whose);
    Fault::missing(format!(
        "The {kind} policy with name {policy} cannot be found."
    ))
}

/// IAM and AWS STS quotas: characters of all inline policies together, white space aside.
const fn bytes_max(whose: Whose) -> usize {
    match whose {
        Whose::User => 2_048,
        Whose::Group => 5_120,
        Whose::Role => 10_240,
    }
}

pub(super) fn weight(document: &Arc<str>) -> usize {
    document
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .count()
}
