//! Who calls, and whether a policy of a resource names them.
//!
//! Lives here: callers as policies see them, the element `Principal`.
//! Does not live here: proving who calls (`aws-wire`, the gateway).
//!
//! Contract: IAM User Guide, "AWS JSON policy elements: Principal".

use serde_json::Value;

/// Who calls, as policies see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular.
    Anonymous,
    /// The root user of an account: it may do whatever its account may.
    Root {
        /// The account.
        account: String,
    },
    /// A user, or a session of a role.
    Identity {
        /// The account.
        account: String,
        /// Its own ARN: a user's, or `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
        arn: String,
        /// The ARN of the role whose session it is.
        role: Option<String>,
    },
    /// A service of the cloud, as `events.amazonaws.com`.
    Service {
        /// Its name.
        name: String,
    },
}

/// How a policy names a caller; the later, the closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    /// By its account, whose own policies must allow it besides.
    ByAccount,
    /// As everybody.
    AsEverybody,
    /// By its role.
    ByRole,
    /// By itself.
    ByItself,
}

/// The element `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Principals {
    Everybody,
    These(Vec<Name>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Aws(String),
    Service(String),
    /// A federated provider or a canonical user: nobody here is one.
    Other,
}

impl Caller {
    /// The account that it belongs to.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Root { account } | Self::Identity { account, .. } => Some(account),
            Self::Anonymous | Self::Service { .. } => None,
        }
    }
}

impl Principals {
    /// Reads `"*"` or `{"AWS": …, "Service": …}`; none when it is something else.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let kinds = match value {
            Value::String(text) if text == "*" => return Some(Self::Everybody),
            Value::Object(kinds) => kinds,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => return None,
        };
        let mut names = Vec::new();
        for (kind, value) in kinds {
            for text in crate::document::texts(value)? {
                match kind.as_str() {
                    "AWS" if text == "*" => return Some(Self::Everybody),
                    "AWS" => names.push(Name::Aws(text)),
                    "Service" => names.push(Name::Service(text)),
                    "Federated" | "CanonicalUser" => names.push(Name::Other),
                    _ => return None,
                }
            }
        }
        Some(Self::These(names))
    }

    /// How the caller is named; none when it is not.
    pub(crate) fn name(&self, caller: &Caller) -> Option<Named> {
        match self {
            Self::Everybody => Some(Named::AsEverybody),
            Self::These(names) => names.iter().filter_map(|name| name.names(caller)).max(),
        }
    }
}

impl Name {
    fn names(&self, caller: &Caller) -> Option<Named> {
        match (self, caller) {
            (Self::Service(wanted), Caller::Service { name }) => {
                is_service(wanted, name).then_some(Named::ByItself)
            }
            (Self::Aws(wanted), Caller::Root { account }) => {
                is_account(wanted, account).then_some(Named::ByItself)
            }
            (Self::Aws(wanted), Caller::Identity { account, arn, role }) => {
                if wanted == arn {
                    Some(Named::ByItself)
                } else if role.as_ref() == Some(wanted) {
                    Some(Named::ByRole)
                } else {
                    is_account(wanted, account).then_some(Named::ByAccount)
                }
            }
            (Self::Aws(_), Caller::Anonymous | Caller::Service { .. })
            | (
                Self::Service(_),
                Caller::Anonymous | Caller::Root { .. } | Caller::Identity { .. },
            )
            | (Self::Other, _) => None,
        }
    }
}

/// `logs.amazonaws.com`, or the same with a region: `logs.us-east-1.amazonaws.com`.
fn is_service(wanted: &str, name: &str) -> bool {
    if wanted == name {
        return true;
    }
    let label = |text: &str| text.strip_suffix(".amazonaws.com").map(str::to_owned);
    let (Some(wanted), Some(name)) = (label(wanted), label(name)) else {
        return false;
    };
    // Regions are the only labels with digits at their ends: `s3.replication` is a service of its own.
    let region = wanted
        .strip_prefix(name.as_str())
        .and_then(|rest| rest.strip_prefix('.'));
    region.is_some_and(|region| {
        region.ends_with(|letter: char| letter.is_ascii_digit()) && !region.contains('.')
    })
}

/// `000000000000` or `arn:aws:iam::000000000000:root`.
fn is_account(wanted: &str, account: &str) -> bool {
    let of_root = || {
        let mut parts = wanted.splitn(6, ':').skip(1);
        let rest = [parts.next(), parts.next(), parts.next()];
        rest.get(1) == Some(&Some("iam"))
            && parts.next() == Some(account)
            && parts.next() == Some("root")
    };
    wanted == account || of_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_may_be_named_with_a_region() {
        for (wanted, name, is) in [
            ("logs.amazonaws.com", "logs.amazonaws.com", true),
            ("logs.us-east-1.amazonaws.com", "logs.amazonaws.com", true),
            ("replication.s3.amazonaws.com", "s3.amazonaws.com", false),
            ("s3.replication.amazonaws.com", "s3.amazonaws.com", false),
            ("sns.amazonaws.com", "sqs.amazonaws.com", false),
        ] {
            assert_eq!(is_service(wanted, name), is, "{wanted}");
        }
    }
}
