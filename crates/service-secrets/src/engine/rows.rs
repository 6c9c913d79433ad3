//! What is kept.
//!
//! Lives here: the rows of the store, as data.
//! Does not live here: their keys (`keys`), what is derived from them (`state`).

use std::collections::{BTreeMap, BTreeSet};

use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Tags, sorted by their keys.
pub(crate) type Tags = BTreeMap<String, String>;
/// An object of the API, with its members in the order in which they came.
pub(crate) type Json = Map<String, Value>;

/// A key of KMS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) spec: Spec,
    /// Newest last: what was encrypted by an older one is still decrypted by it.
    pub(crate) materials: Vec<Material>,
    pub(crate) policy: String,
    pub(crate) tags: Tags,
    pub(crate) enabled: bool,
    pub(crate) multi_region: bool,
    pub(crate) created_at: Timestamp,
    /// When it is deleted; none: it is not to be.
    pub(crate) deleted_at: Option<Timestamp>,
    pub(crate) rotation: Option<Rotation>,
    /// The service whose own key it is.
    pub(crate) managed_by: Option<String>,
    pub(crate) grants: Vec<Grant>,
    /// The resource of a stack that it was made for.
    pub(crate) owner: Option<String>,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Spec {
    Symmetric,
    Hmac224,
    Hmac256,
    Hmac384,
    Hmac512,
}

/// The secret part of a key, sealed by the root key of the state.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Material {
    pub(crate) id: String,
    pub(crate) sealed: String,
    pub(crate) created_at: Timestamp,
    pub(crate) on_demand: bool,
}

impl std::fmt::Debug for Material {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Material")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A rotation by the calendar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rotation {
    pub(crate) days: i64,
    pub(crate) next_at: Timestamp,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) name: Option<String>,
    pub(crate) grantee: String,
    pub(crate) retiring: Option<String>,
    pub(crate) operations: Vec<String>,
    pub(crate) constraints: Option<Value>,
    pub(crate) issuer: String,
    pub(crate) created_at: Timestamp,
}

/// Another name of a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alias {
    /// With `alias/`.
    pub(crate) name: String,
    pub(crate) target: String,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
    pub(crate) owner: Option<String>,
}

/// A parameter; what changes with its versions stands with those.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) tags: Tags,
    /// The number of its newest version.
    pub(crate) newest: u64,
    /// The version that each label is on.
    pub(crate) labels: BTreeMap<String, u64>,
    pub(crate) owner: Option<String>,
}

/// A version of a parameter.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ParameterVersion {
    pub(crate) number: u64,
    /// As it is told; the ciphertext of one that is secret.
    pub(crate) value: String,
    pub(crate) key: Option<String>,
    pub(crate) tier: String,
    pub(crate) description: Option<String>,
    pub(crate) allowed_pattern: Option<String>,
    pub(crate) modified_at: Timestamp,
    pub(crate) modified_by: String,
}

impl std::fmt::Debug for ParameterVersion {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = out.debug_struct("ParameterVersion");
        shown.field("number", &self.number).finish_non_exhaustive()
    }
}

/// A secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Secret {
    pub(crate) name: String,
    /// The six characters at the end of its ARN.
    pub(crate) suffix: String,
    pub(crate) description: Option<String>,
    /// The key that was asked for; none: that of the service.
    pub(crate) key: Option<String>,
    pub(crate) tags: Option<Tags>,
    pub(crate) policy: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) changed_at: Timestamp,
    pub(crate) accessed_at: Option<Timestamp>,
    /// When somebody asked for it to be deleted, and when it is.
    pub(crate) deletion: Option<(Timestamp, Timestamp)>,
    pub(crate) owner: Option<String>,
}

/// A version of a secret.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecretVersion {
    pub(crate) id: String,
    pub(crate) value: String,
    pub(crate) is_binary: bool,
    /// The key that it was sealed by, as it is told.
    pub(crate) key: Option<String>,
    pub(crate) stages: BTreeSet<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) accessed_at: Option<Timestamp>,
}

impl std::fmt::Debug for SecretVersion {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = out.debug_struct("SecretVersion");
        shown.field("id", &self.id).finish_non_exhaustive()
    }
}
