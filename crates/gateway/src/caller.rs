//! Who calls, as far as a request's steps have found out.
//!
//! Lives here: plain data that authorisation makes, and that limits, cache, events and logs read.
//! Does not live here: finding it out (`authorise`), how events show it (`events::authorizer`).

use std::sync::Arc;

use model::door::{ApiKey, UsagePlan};
use serde_json::{Map, Value};

use crate::cache::Permission;
use crate::tokens::Claims;

/// What is known of a caller.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// Who it is.
    pub(crate) identity: Identity,
    /// The API key that was shown, where the route asks for one.
    pub(crate) key: Option<KeyInUse>,
}

/// Who calls, by what the route asks for.
#[derive(Debug, Clone, Default)]
pub(crate) enum Identity {
    /// Nobody asked.
    #[default]
    Open,
    /// Whoever signed the request.
    Iam(Signer),
    /// Whoever a token is of.
    Token {
        /// What it claims.
        claims: Arc<Claims>,
        /// Its scopes, where the route asks for some.
        scopes: Option<Vec<String>>,
    },
    /// Whoever an authorizer's function says.
    Function {
        /// What it says of the caller.
        told: Arc<Told>,
        /// How long it took to say so; zero when its answer was kept.
        latency_ms: u64,
    },
}

/// What a Lambda authorizer tells of a caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Told {
    /// `principalId`.
    pub(crate) principal_id: Option<String>,
    /// `context`.
    pub(crate) context: Option<Map<String, Value>>,
}

/// The holder of the keys that signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signer {
    /// The public half of the keys.
    pub(crate) access_key_id: String,
    /// Its account.
    pub(crate) account: String,
    /// Its unique id: the account's, or `AROA…:SESSION`.
    pub(crate) unique_id: String,
    /// Its ARN.
    pub(crate) arn: String,
    /// Whether it may have a kept reply made anew; only looked up when it asks for that.
    pub(crate) renewal: Permission,
}

/// A key, and the plan by which it opens the stage that was called.
#[derive(Debug, Clone)]
pub(crate) struct KeyInUse {
    pub(crate) key: Arc<ApiKey>,
    pub(crate) plan: Arc<UsagePlan>,
}
