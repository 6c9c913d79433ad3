//! Looking up parameters and secrets that manifests and templates refer to.
//!
//! Lives here: the seam between those who read manifests and the service that keeps the values.
//! Does not live here: how references are written (`manifest`, `deployment`), who may read values over the API (`authorize`).

use model::ids::{AccountId, Region};

use crate::BoxFuture;

/// Looks up values.
pub trait StoredValues: Send + Sync {
    /// A value, as it is now.
    ///
    /// # Errors
    /// [`NoValue`]
    fn look_up<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Found, NoValue>>;
}

/// What is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// Which one.
    pub reference: Reference,
}

/// Which value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A parameter of Systems Manager; its version or label may stand behind a colon.
    Parameter(String),
    /// A secret's text.
    Secret {
        /// Name or ARN.
        id: String,
        /// A stage, as `AWSCURRENT`.
        stage: Option<String>,
        /// A version.
        version: Option<String>,
    },
}

/// A value. It may be secret, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// The value, open.
    pub value: String,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// Texts with commas between them.
    List,
    /// Something that is kept sealed.
    Secret,
    /// Nobody knows: something stands in for the value, and for any part of it.
    StandIn,
}

/// There is no such value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NoValue {
    /// Why, in the words of whoever keeps it.
    pub reason: String,
}
