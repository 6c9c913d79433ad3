//! `GetAccountSummary`.
//!
//! Lives here: how many of everything there are, and may be.
//! Does not live here: the quotas where they are kept (the file of each kind).

use super::Request;
use crate::wire::{Answer, Fault, Node};

pub(super) async fn get(request: Request<'_>) -> Result<Answer, Fault> {
    let snapshot = request.snapshot();
    let account = &snapshot.account;
    let entry = |(key, value): (&str, usize)| {
        Node::Structure(vec![("key", Node::text(key)), ("value", Node::text(value))])
    };
    let counts = [
        ("Users", account.users.len()),
        ("UsersQuota", 5_000),
        ("Groups", account.groups.len()),
        ("GroupsQuota", 300),
        ("Roles", account.roles.len()),
        ("RolesQuota", 1_000),
        ("Policies", account.policies.len()),
        ("PoliciesQuota", 1_500),
        ("InstanceProfiles", account.profiles.len()),
        ("InstanceProfilesQuota", 1_000),
        ("AccessKeysPerUserQuota", 2),
        ("AttachedPoliciesPerUserQuota", 10),
        ("AttachedPoliciesPerGroupQuota", 10),
        ("AttachedPoliciesPerRoleQuota", 10),
        ("GroupsPerUserQuota", 10),
        ("VersionsPerPolicyQuota", 5),
        ("PolicySizeQuota", 6_144),
        ("AccountAccessKeysPresent", 0),
        ("AccountMFAEnabled", 0),
        ("MFADevices", 0),
    ];
    let entries = counts.into_iter().map(entry).collect();
    Ok(Some(Node::Structure(vec![(
        "SummaryMap",
        Node::Map(entries),
    )])))
}
