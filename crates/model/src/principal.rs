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
}

impl Principal {
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
        }
    }
}

/// A role that was deployed, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Role {
    /// Its unique id, as `AROAEXAMPLEEXAMPLE123`.
    pub id: String,
    /// Its policies as JSON, its own and those attached to it.
    pub policies: Vec<Arc<str>>,
    /// What its policies can give it at most, as JSON.
    pub boundary: Option<Arc<str>>,
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
