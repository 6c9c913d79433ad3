//! Access control lists, and what they let whom do.
//!
//! Lives here: owners and grants, canned lists, ids of owners, which policies are public.
//! Does not live here: policies of identities (`Authorize`), reading lists from requests (`api::acl`).
//!
//! Contract: Amazon S3 User Guide, "Access control list (ACL) overview" and "The meaning of \"public\"".

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::node::Node;

pub(crate) const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
pub(crate) const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
pub(crate) const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";
/// Grants of a list.
pub(crate) const GRANTS_MAX: usize = 100;
const HASH_DIGITS: usize = 40;

/// Who.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Grantee {
    Account(String),
    AllUsers,
    Authenticated,
    LogDelivery,
}

/// May do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Permission {
    FullControl,
    Read,
    Write,
    ReadAcp,
    WriteAcp,
}

/// An access control list; without grants, its owner alone has full control by being the owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Acl {
    /// The account.
    pub(crate) owner: String,
    pub(crate) grants: Vec<(Grantee, Permission)>,
}

/// Who asks, as lists see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking<'a> {
    Anybody,
    Account(&'a str),
}

impl Permission {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FullControl => "FULL_CONTROL",
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::ReadAcp => "READ_ACP",
            Self::WriteAcp => "WRITE_ACP",
        }
    }

    pub(crate) fn read(name: &str) -> Option<Self> {
        match name {
            "FULL_CONTROL" => Some(Self::FullControl),
            "READ" => Some(Self::Read),
            "WRITE" => Some(Self::Write),
            "READ_ACP" => Some(Self::ReadAcp),
            "WRITE_ACP" => Some(Self::WriteAcp),
            _ => None,
        }
    }
}

impl Grantee {
    pub(crate) fn of_group(uri: &str) -> Option<Self> {
        match uri {
            ALL_USERS => Some(Self::AllUsers),
            AUTHENTICATED => Some(Self::Authenticated),
            LOG_DELIVERY => Some(Self::LogDelivery),
            _ => None,
        }
    }

    fn is(&self, asking: Asking<'_>, ignores_public: Public) -> bool {
        match (self, asking) {
            (Self::Account(account), Asking::Account(asking)) => account == asking,
            (Self::AllUsers, _) | (Self::Authenticated, Asking::Account(_)) => {
                ignores_public == Public::Counts
            }
            (Self::Account(_) | Self::Authenticated, Asking::Anybody) | (Self::LogDelivery, _) => {
                false
            }
        }
    }
}

/// Whether grants to everybody count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Public {
    Counts,
    Ignored,
}

impl Acl {
    /// The owner alone.
    pub(crate) fn private(owner: &str) -> Self {
        Self {
            owner: owner.to_owned(),
            grants: vec![(Grantee::Account(owner.to_owned()), Permission::FullControl)],
        }
    }

    /// A list by its name; none: there is no such.
    pub(crate) fn canned(name: &str, owner: &str, bucket_owner: &str) -> Option<Self> {
        let mut list = Self::private(owner);
        let bucket_owner = Grantee::Account(bucket_owner.to_owned());
        let more = match name {
            "private" => vec![],
            "public-read" => vec![(Grantee::AllUsers, Permission::Read)],
            "public-read-write" => vec![
                (Grantee::AllUsers, Permission::Read),
                (Grantee::AllUsers, Permission::Write),
            ],
            "authenticated-read" => vec![(Grantee::Authenticated, Permission::Read)],
            "aws-exec-read" => vec![],
            "log-delivery-write" => vec![
                (Grantee::LogDelivery, Permission::Write),
                (Grantee::LogDelivery, Permission::ReadAcp),
            ],
            "bucket-owner-read" => vec![(bucket_owner, Permission::Read)],
            "bucket-owner-full-control" => vec![(bucket_owner, Permission::FullControl)],
            _ => return None,
        };
        for grant in more {
            if !list.grants.contains(&grant) {
                list.grants.push(grant);
            }
        }
        Some(list)
    }

    /// Whether it lets somebody do something of a kind.
    pub(crate) fn lets(&self, asking: Asking<'_>, wanted: Permission, public: Public) -> bool {
        self.grants.iter().any(|(grantee, permission)| {
            (*permission == wanted || *permission == Permission::FullControl)
                && grantee.is(asking, public)
        })
    }

    /// Whether it grants anything to everybody.
    pub(crate) fn is_public(&self) -> bool {
        self.grants
            .iter()
            .any(|(grantee, _)| matches!(grantee, Grantee::AllUsers | Grantee::Authenticated))
    }
}

/// The permission that lets somebody carry out an action, of the list of a bucket.
pub(crate) fn bucket_permission(action: &str) -> Option<Permission> {
    match action {
        "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads" => {
            Some(Permission::Read)
        }
        "s3:PutObject"
        | "s3:DeleteObject"
        | "s3:DeleteObjectVersion"
        | "s3:AbortMultipartUpload"
        | "s3:ListMultipartUploadParts" => Some(Permission::Write),
        "s3:GetBucketAcl" => Some(Permission::ReadAcp),
        "s3:PutBucketAcl" => Some(Permission::WriteAcp),
        _ => None,
    }
}

/// The same, of the list of an object.
pub(crate) fn object_permission(action: &str) -> Option<Permission> {
    match action {
        "s3:GetObject"
        | "s3:GetObjectVersion"
        | "s3:GetObjectAttributes"
        | "s3:GetObjectVersionAttributes" => Some(Permission::Read),
        "s3:GetObjectAcl" | "s3:GetObjectVersionAcl" => Some(Permission::ReadAcp),
        "s3:PutObjectAcl" | "s3:PutObjectVersionAcl" => Some(Permission::WriteAcp),
        _ => None,
    }
}

/// The id by which S3 calls an account: 64 hexadecimal digits, from which the account can be told again.
pub(crate) fn canonical_id(account: &str) -> String {
    let hash = hex::encode(Sha256::digest(format!("canonical id of {account}")));
    let start = hash.get(..HASH_DIGITS).unwrap_or_default();
    format!("{start}{}", hex::encode(account))
}

/// The account of such an id; none: nobody's.
pub(crate) fn account_of(canonical: &str) -> Option<String> {
    let account = hex::decode(canonical.get(HASH_DIGITS..)?).ok()?;
    let account = String::from_utf8(account).ok()?;
    (canonical_id(&account) == canonical).then_some(account)
}

/// Keys of conditions that keep a statement from being public, where their values are fixed.
const LIMITING_KEYS: [&str; 13] = [
    "aws:sourcearn",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourceowner",
    "aws:sourceaccount",
    "aws:sourceip",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalaccount",
    "aws:userid",
    "aws:principalarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:dataaccesspointaccount",
];

/// Whether a policy lets everybody do something.
pub(crate) fn is_public(document: &Value) -> bool {
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    statements.iter().any(is_statement_public)
}

fn is_statement_public(statement: &Value) -> bool {
    let is_allowing = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
    let is_everybody = |value: &Value| match value {
        Value::String(text) => text == "*",
        Value::Array(texts) => texts.iter().any(|text| text == "*"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    };
    let names_everybody = match statement.get("Principal") {
        Some(Value::Object(kinds)) => kinds.get("AWS").is_some_and(is_everybody),
        Some(other) => is_everybody(other),
        None => statement.get("NotPrincipal").is_some(),
    };
    is_allowing && names_everybody && !is_limited(statement)
}

fn is_limited(statement: &Value) -> bool {
    let Some(Value::Object(operators)) = statement.get("Condition") else {
        return false;
    };
    operators
        .iter()
        .filter(|(operator, _)| !operator.contains("Not"))
        .filter_map(|(_, keys)| keys.as_object())
        .flatten()
        .any(|(key, value)| {
            let is_fixed = match value {
                Value::String(text) => !is_open(text),
                Value::Array(texts) => texts
                    .iter()
                    .all(|text| text.as_str().is_some_and(|text| !is_open(text))),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
            };
            LIMITING_KEYS.contains(&key.to_ascii_lowercase().as_str()) && is_fixed
        })
}

fn is_open(text: &str) -> bool {
    text.contains('*') || text == "0.0.0.0/0" || text == "::/0"
}

/// Whether documents name owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// By their account, as S3 did until November 2025.
    Shown,
    /// They have an id, and that is all.
    Left,
}

/// An owner, as documents show them.
pub(crate) fn owner(element: &str, account: &str, names: Names) -> Node {
    let node = Node::new(element).with(Node::of_text("ID", canonical_id(account)));
    match names {
        Names::Shown => node.with(Node::of_text("DisplayName", account)),
        Names::Left => node,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_account_can_be_told_from_its_id() {
        let id = canonical_id("000000000000");
        assert_eq!(id.len(), 64);
        assert_eq!(account_of(&id).as_deref(), Some("000000000000"));
        assert_eq!(account_of(&id.replace('3', "4")), None);
        assert_eq!(account_of("x"), None);
    }

    #[test]
    fn policies_for_everybody_are_public_unless_something_fixed_limits_them() {
        let with = |principal: Value, condition: Value| json!({"Statement": {"Effect": "Allow", "Principal": principal, "Action": "s3:*", "Condition": condition}});
        let address = json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}});
        let open = json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}});
        assert!(is_public(&with(json!("*"), Value::Null)));
        assert!(is_public(&with(json!({"AWS": "*"}), open)));
        assert!(!is_public(&with(json!("*"), address)));
        assert!(!is_public(&with(
            json!({"AWS": "000000000000"}),
            Value::Null
        )));
    }
}
