//! Taking resources of templates out of an account.
//!
//! Lives here: whether they are there, and what goes with each.
//! Does not live here: putting them in (`grants`).

use interfaces::resource_provider::ResourceRequest;
use resource_types::{text_in, texts_in};

use super::grants::{EVERYBODY, grants_of, leave, owner, single};
use crate::state::Account;

/// Whether a role or a policy of a template is there; of other types nobody kept records before.
pub(super) fn is_there(account: &Account, physical_id: &str, request: &ResourceRequest) -> bool {
    let properties = &request.properties;
    match request.resource_type.as_str() {
        "AWS::IAM::Role" => account.roles.contains_key(physical_id),
        "AWS::IAM::ManagedPolicy" => account.policies.contains_key(physical_id),
        "AWS::IAM::Policy" => {
            let policy = text_in(properties, "PolicyName").unwrap_or_default();
            texts_in(properties, "Roles").iter().all(|name| {
                let role = account.roles.get(name);
                role.is_some_and(|role| role.grants.inline.contains_key(&policy))
            })
        }
        _ => true,
    }
}

/// Removes a resource, and what it gave to others. What others gave it goes with it.
pub(super) fn remove(account: &mut Account, physical_id: &str, request: &ResourceRequest) {
    let owner = owner(request);
    let is_ours = |there: Option<&String>| there == Some(&owner);
    let properties = &request.properties;
    match request.resource_type.as_str() {
        "AWS::IAM::Role" | "AWS::IAM::ServiceLinkedRole" => {
            if account
                .roles
                .get(physical_id)
                .is_some_and(|role| is_ours(role.owner.as_ref()))
            {
                account.roles.remove(physical_id);
            }
        }
        "AWS::IAM::User" => {
            if account
                .users
                .get(physical_id)
                .is_some_and(|user| is_ours(user.owner.as_ref()))
            {
                account.users.remove(physical_id);
                account.keys.retain(|_, key| key.user != physical_id);
            }
        }
        "AWS::IAM::Group" => {
            let there = account.groups.get(physical_id);
            if there.is_some_and(|group| is_ours(group.owner.as_ref())) {
                account.groups.remove(physical_id);
                account.forget_group(physical_id);
            }
        }
        "AWS::IAM::ManagedPolicy" => {
            let there = account.policies.get(physical_id);
            if there.is_some_and(|policy| is_ours(policy.owner.as_ref())) {
                account.policies.remove(physical_id);
                account.detach_everywhere(physical_id);
            }
        }
        "AWS::IAM::InstanceProfile" => {
            account.profiles.remove(physical_id);
        }
        "AWS::IAM::AccessKey" => {
            account.keys.remove(physical_id);
        }
        "AWS::IAM::UserToGroupAddition" => leave(account, properties),
        "AWS::IAM::Policy" => {
            let policy = text_in(properties, "PolicyName").unwrap_or_default();
            for (property, whose) in EVERYBODY {
                for name in texts_in(properties, property) {
                    if let Some(grants) = grants_of(account, whose, &name) {
                        grants.inline.remove(&policy);
                    }
                }
            }
        }
        other => {
            if let Some((property, whose)) = single(other)
                && let Some(name) = text_in(properties, property)
                && let Some(policy) = text_in(properties, "PolicyName")
                && let Some(grants) = grants_of(account, whose, &name)
            {
                grants.inline.remove(&policy);
            }
        }
    }
}
