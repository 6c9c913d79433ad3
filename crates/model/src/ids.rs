//! Names of things, each a type of its own, so that two of them cannot be swapped.
//!
//! Lives here: the newtypes and the rules by which their text is accepted.
//! Does not live here: ARNs (`arn`), how ids are drawn (`interfaces::Random`).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is: for text that we made, or that was checked before.
            #[must_use]
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id! {
    /// A cloud account: twelve digits. In development it is [`AccountId::development`].
    AccountId
}
text_id! {
    /// A region, as `us-east-1`.
    Region
}
text_id! {
    /// The name of a resource inside its template, as `PetsTable`.
    LogicalId
}
text_id! {
    /// The name of a function as its API knows it, as `petstore-api-dev-api`.
    FunctionName
}
text_id! {
    /// A stack: one deployed template.
    StackName
}
text_id! {
    /// A gateway API's id: ten letters and digits, as the host name of its endpoint begins.
    ApiId
}
text_id! {
    /// A gateway stage, as `dev`, `Prod` or `$default`.
    StageName
}
text_id! {
    /// One request, as its caller is told: a UUID in lower case.
    RequestId
}
text_id! {
    /// One deployed state of an application; immutable. Every request, log line and record carries it.
    RevisionId
}
text_id! {
    /// One instance of a function: as long as its process lives.
    InstanceId
}

impl AccountId {
    /// The one account of a development server.
    #[must_use]
    pub fn development() -> Self {
        Self::new("000000000000")
    }
}
