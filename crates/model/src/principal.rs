//! Who calls.
//!
//! Lives here: principals and the credentials that prove them.
//! Does not live here: verifying signatures (`aws-wire`), what a principal may do (`policy`).

use std::fmt;
use std::sync::Arc;

use crate::arn::Arn;
use crate::ids::{AccountId, FunctionName};

/// Whoever signs a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The account itself: in development, keys that nobody issued.
    Root {
        /// The account.
        account: AccountId,
    },
    /// A function's execution role, as one session of it.
    FunctionRole {
        /// The account.
        account: AccountId,
        /// The role's ARN.
        role: Arn,
        /// The function whose code holds the keys.
        function: FunctionName,
    },
    /// A user of IAM.
    User {
        /// The account.
        account: AccountId,
        /// The user's ARN.
        arn: Arn,
    },
    /// A session of a role that somebody assumed.
    Session {
        /// The account.
        account: AccountId,
        /// The role's ARN.
        role: Arn,
        /// The session's name.
        name: String,
        /// Policies as JSON that the session was limited to; none: it was not.
        policies: Option<Arc<[Arc<str>]>>,
        /// Its tags, which policies see as `aws:PrincipalTag/KEY`.
        tags: Arc<[(String, String)]>,
    },
    /// A service of the cloud that acts as a role: for an API's integration, the target of a rule, a function's dead letters. It
    /// may nothing that the role may not, and nothing at all unless the role's trust policy lets it in.
    Acting {
        /// The account that it acts for: a role of any other is not for it.
        account: AccountId,
        /// The role's ARN.
        role: Arn,
        /// What the service calls its session of the role.
        name: String,
        /// The service's name, as `events.amazonaws.com`.
        service: String,
        /// What it acts for: trust policies see it as `aws:SourceArn`.
        source: Option<Box<Arn>>,
    },
    /// A service of the cloud that acts by itself.
    Service {
        /// Its name, as `sns.amazonaws.com`.
        name: String,
        /// What it acts for: a topic, a rule, a bucket.
        source: Option<Arn>,
        /// The account of that.
        account: AccountId,
    },
    /// Whoever sent a request without a signature, to a service that takes such.
    Anonymous {
        /// The account whose resources are asked for.
        account: AccountId,
    },
}

impl Principal {
    /// The account that it belongs to, or whose resources it asks for.
    #[must_use]
    pub fn account(&self) -> &AccountId {
        match self {
            Self::Root { account }
            | Self::FunctionRole { account, .. }
            | Self::User { account, .. }
            | Self::Session { account, .. }
            | Self::Acting { account, .. }
            | Self::Service { account, .. }
            | Self::Anonymous { account } => account,
        }
    }

    /// The ARN that `sts:GetCallerIdentity` and refusals show.
    #[must_use]
    pub fn arn(&self) -> Arn {
        let iam = |service: &str, account: &AccountId, resource: String| Arn {
            partition: crate::arn::PARTITION.to_owned(),
            service: service.to_owned(),
            region: String::new(),
            account: account.to_string(),
            resource,
        };
        match self {
            Self::Root { account } => iam("iam", account, "root".to_owned()),
            Self::FunctionRole {
                account,
                role,
                function,
            } => {
                let role_name = role.resource.rsplit('/').next().unwrap_or_default();
                iam(
                    "sts",
                    account,
                    format!("assumed-role/{role_name}/{function}"),
                )
            }
            Self::User { arn, .. } => arn.clone(),
            Self::Session {
                account,
                role,
                name,
                ..
            }
            | Self::Acting {
                account,
                role,
                name,
                ..
            } => {
                let role_name = role.resource.rsplit('/').next().unwrap_or_default();
                iam("sts", account, format!("assumed-role/{role_name}/{name}"))
            }
            Self::Service { name, account, .. } => iam("iam", account, format!("service/{name}")),
            Self::Anonymous { account } => iam("iam", account, "anonymous".to_owned()),
        }
    }
}

/// A pair of keys, with the token that belongs to temporary ones.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The public half.
    pub access_key_id: String,
    /// The secret half; never logged.
    pub secret_access_key: String,
    /// What temporary credentials send besides.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}
