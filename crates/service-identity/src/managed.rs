//! Policies of the cloud's own, by their ARNs.
//!
//! Lives here: those that applications use most, as the cloud publishes them (`managed.json`).
//! Does not live here: an account's own policies (`state`).
//!
//! Contract: AWS Managed Policy Reference. Differs: of the three policies that let one look at everything
//! (`ReadOnlyAccess`, `ViewOnlyAccess`, `SecurityAudit`), only the statements on services that are served here are kept.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::value::RawValue;

const ARN: &str = "arn:aws:iam::aws:policy/";

/// A policy of the cloud's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Managed {
    /// Without the first part of its path, as `service-role/AWSLambdaBasicExecutionRole`.
    pub(crate) path_and_name: &'static str,
    pub(crate) id: &'static str,
    /// As `v3`.
    pub(crate) version: &'static str,
    /// As `2015-02-06T18:39:46`.
    pub(crate) created: &'static str,
    /// As JSON.
    pub(crate) document: &'static str,
}

#[derive(Deserialize)]
struct Row {
    path: &'static str,
    id: &'static str,
    version: &'static str,
    created: &'static str,
    #[serde(borrow)]
    document: &'static RawValue,
}

static ALL: LazyLock<BTreeMap<&'static str, Managed>> = LazyLock::new(|| {
    let rows: Vec<Row> = serde_json::from_str(include_str!("managed.json")).unwrap_or_default();
    let row = |row: Row| Managed {
        path_and_name: row.path,
        id: row.id,
        version: row.version,
        created: row.created,
        document: row.document.get(),
    };
    rows.into_iter()
        .map(row)
        .map(|policy| (policy.path_and_name, policy))
        .collect()
});

/// The policy of this ARN; none: it is no policy of the cloud's, or none that is known here.
pub(crate) fn find(arn: &str) -> Option<&'static Managed> {
    ALL.get(arn.strip_prefix(ARN)?)
}

/// Whether an ARN is that of a policy of the cloud's own, known or not.
pub(crate) fn is_of_the_cloud(arn: &str) -> bool {
    arn.starts_with(ARN)
}

/// All that are known, by their names.
pub(crate) fn all() -> impl Iterator<Item = &'static Managed> {
    ALL.values()
}

impl Managed {
    pub(crate) fn arn(&self) -> String {
        format!("{ARN}{}", self.path_and_name)
    }

    pub(crate) fn name(&self) -> &'static str {
        let split = self.path_and_name.rsplit_once('/');
        split.map_or(self.path_and_name, |(_, name)| name)
    }

    pub(crate) fn path(&self) -> String {
        match self.path_and_name.rsplit_once('/') {
            Some((path, _)) => format!("/{path}/"),
            None => "/".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use policy::Policy;

    use super::*;

    #[test]
    fn every_policy_of_the_clouds_own_can_be_read() {
        assert!(80 < all().count());
        for policy in all() {
            assert!(
                Policy::read(policy.document).is_ok(),
                "{}",
                policy.path_and_name
            );
        }
        let role = find("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole");
        let role = role.map(|policy| (policy.name(), policy.path()));
        let expected = ("AWSLambdaBasicExecutionRole", "/service-role/".to_owned());
        assert_eq!(role, Some(expected));
        assert!(is_of_the_cloud("arn:aws:iam::aws:policy/Unknown"));
        assert_eq!(find("arn:aws:iam::aws:policy/Unknown"), None);
    }
}
