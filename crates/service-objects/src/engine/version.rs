//! One version of an object: what is kept of it besides its bytes.
//!
//! Lives here: the row, ids of versions, where the bytes are.
//! Does not live here: the bytes (`blobs`), which version is the newest (`objects`).

use std::collections::BTreeMap;

use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::access::Acl;
use super::checksum::{Algorithm, Checksum};
use super::slots::Slot;

/// The id of versions that were made without versioning.
pub(crate) const NULL_VERSION: &str = "null";

/// Where the bytes of something are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Body {
    /// There are none.
    Empty,
    /// In the store.
    Bytes(String),
    /// In a slot of a file.
    Slot(Slot),
    /// In a file of its own.
    File(String),
    /// In the parts of an upload, which a list of this id names.
    Parts(String),
}

/// A version, or the marker of a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    /// `null`, or 32 hexadecimal digits that begin with the sequence.
    #[serde(rename = "v")]
    pub(crate) id: String,
    /// Orders the versions of an object.
    #[serde(rename = "q")]
    pub(crate) sequence: u64,
    #[serde(rename = "m")]
    pub(crate) modified_at: Timestamp,
    #[serde(rename = "d", default, skip_serializing_if = "is_default")]
    pub(crate) is_delete_marker: bool,
    #[serde(rename = "s", default, skip_serializing_if = "is_default")]
    pub(crate) size: u64,
    /// Without quotes.
    #[serde(rename = "e", default, skip_serializing_if = "String::is_empty")]
    pub(crate) etag: String,
    /// The account.
    #[serde(rename = "o")]
    pub(crate) owner: String,
    #[serde(rename = "b")]
    pub(crate) body: Body,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(crate) parts: Option<u32>,
    #[serde(flatten)]
    pub(crate) about: About,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<Checksum>,
}

/// What whoever uploads an object says of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct About {
    /// `content-type` and its like.
    #[serde(rename = "h", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
    /// Names without `x-amz-meta-`.
    #[serde(rename = "u", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<(String, String)>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(crate) acl: Option<Acl>,
    #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
    pub(crate) storage_class: Option<String>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(crate) retention: Option<Retention>,
    #[serde(rename = "l", default, skip_serializing_if = "is_default")]
    pub(crate) legal_hold: Option<bool>,
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub(crate) encryption: Option<Encryption>,
}

/// Until when a version may not be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retention {
    /// `GOVERNANCE` or `COMPLIANCE`.
    pub(crate) mode: String,
    pub(crate) until: Timestamp,
}

/// How a version was asked to be encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Encryption {
    /// `AES256`, `aws:kms` and its like: shown, and nothing else.
    Service {
        algorithm: String,
        key: Option<String>,
        bucket_key: Option<bool>,
    },
    /// By a key of the customer's, of which the MD5 is kept: really done.
    Customer { key_md5: String },
}

/// A part of an upload, and of the object that comes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    #[serde(rename = "n")]
    pub(crate) number: u32,
    #[serde(rename = "s")]
    pub(crate) size: u64,
    #[serde(rename = "e")]
    pub(crate) etag: String,
    #[serde(rename = "b")]
    pub(crate) body: Body,
    #[serde(rename = "m")]
    pub(crate) modified_at: Timestamp,
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) checksums: Vec<(Algorithm, String)>,
}

/// An upload in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) initiated_at: Timestamp,
    /// The account that will own the object.
    pub(crate) owner: String,
    pub(crate) initiator: String,
    pub(crate) initiator_arn: String,
    pub(crate) about: About,
    pub(crate) checksum: Option<(Algorithm, super::checksum::Extent)>,
}

impl Version {
    pub(crate) fn storage_class(&self) -> &str {
        self.about.storage_class.as_deref().unwrap_or("STANDARD")
    }

    pub(crate) fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag)
    }

    /// The MD5 of the key that the customer encrypted it by.
    pub(crate) fn customer_key(&self) -> Option<&str> {
        match &self.about.encryption {
            Some(Encryption::Customer { key_md5 }) => Some(key_md5),
            Some(Encryption::Service { .. }) | None => None,
        }
    }
}

/// The id of a version with this sequence.
pub(crate) fn version_id(sequence: u64, random: u64) -> String {
    format!("{sequence:016x}{random:016x}")
}

/// The sequence in an id; none: it is no id.
pub(crate) fn sequence_of(id: &str) -> Option<u64> {
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(id.get(..16)?, 16).ok()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
