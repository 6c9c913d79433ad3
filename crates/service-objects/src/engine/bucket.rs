//! One bucket: what is kept of it, and what its settings mean.
//!
//! Lives here: the row, and the settings read from it once.
//! Does not live here: which settings are valid (`configuration`), where buckets are found (`catalogue`).

use std::collections::BTreeMap;
use std::sync::Arc;

use model::ids::AccountId;
use model::time::Timestamp;
use policy::Policy;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::{Acl, is_public};
use super::lifecycle::{self, LifecycleRule};
use super::node::Node;
use super::notification::{self, NotificationRule};

/// Unique among all buckets that ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct BucketId(pub(crate) u64);

/// Settings that are kept as the documents that they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Setting {
    Cors,
    Encryption,
    Lifecycle,
    Logging,
    Notification,
    ObjectLock,
    Ownership,
    PublicAccessBlock,
    RequestPayment,
    Tagging,
    Versioning,
}

/// What is kept of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) id: BucketId,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) created_at: Timestamp,
    pub(crate) acl: Acl,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) settings: BTreeMap<Setting, Node>,
    /// The stack and the resource of a template that it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) made_for: Option<(String, String)>,
}

/// Whether versions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versioning {
    Never,
    Enabled,
    Suspended,
}

/// Whose objects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    BucketOwnerEnforced,
    BucketOwnerPreferred,
    ObjectWriter,
}

/// What public access is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Block {
    pub(crate) acls: bool,
    pub(crate) ignore_acls: bool,
    pub(crate) policy: bool,
    pub(crate) restrict: bool,
}

/// A rule of cross-origin resource sharing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CorsRule {
    pub(crate) origins: Vec<String>,
    pub(crate) methods: Vec<String>,
    pub(crate) headers: Vec<String>,
    pub(crate) exposed: Vec<String>,
    pub(crate) max_age_s: Option<String>,
}

/// What locks objects that do not say so themselves: mode and days.
pub(crate) type DefaultLock = (String, i64);

/// A bucket, its settings read.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) row: Row,
    pub(crate) account: AccountId,
    pub(crate) policy: Option<Arc<Policy>>,
    /// The policy, and besides everybody may do everything that it does not refuse: for whom an access control list lets in.
    pub(crate) policy_for_granted: Arc<Policy>,
    pub(crate) is_policy_public: bool,
    pub(crate) versioning: Versioning,
    pub(crate) ownership: Ownership,
    pub(crate) block: Block,
    pub(crate) cors: Vec<CorsRule>,
    pub(crate) lifecycle: Vec<LifecycleRule>,
    pub(crate) notifications: Vec<NotificationRule>,
    pub(crate) has_object_lock: bool,
    pub(crate) default_lock: Option<DefaultLock>,
}

impl Bucket {
    pub(crate) fn new(row: Row) -> Self {
        let document: Option<Value> = row
            .policy
            .as_deref()
            .and_then(|policy| serde_json::from_str(policy).ok());
        let policy = document
            .as_ref()
            .and_then(|document| Policy::from_value(document).ok());
        let setting = |setting: Setting| row.settings.get(&setting);
        let lock = setting(Setting::ObjectLock);
        Self {
            account: AccountId::new(row.account.as_str()),
            policy: policy.map(Arc::new),
            policy_for_granted: Arc::new(granting(document.as_ref())),
            is_policy_public: document.as_ref().is_some_and(is_public),
            versioning: versioning(setting(Setting::Versioning)),
            ownership: setting(Setting::Ownership)
                .and_then(ownership)
                .unwrap_or(Ownership::ObjectWriter),
            block: setting(Setting::PublicAccessBlock)
                .map(block)
                .unwrap_or_default(),
            cors: setting(Setting::Cors).map(cors).unwrap_or_default(),
            lifecycle: setting(Setting::Lifecycle)
                .map(lifecycle::read)
                .unwrap_or_default(),
            notifications: setting(Setting::Notification)
                .map(notification::read)
                .unwrap_or_default(),
            has_object_lock: lock.is_some(),
            default_lock: lock.and_then(default_lock),
            row,
        }
    }

    pub(crate) fn id(&self) -> BucketId {
        self.row.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.row.name
    }

    /// Whether access control lists mean anything.
    pub(crate) fn has_acls(&self) -> bool {
        self.ownership != Ownership::BucketOwnerEnforced
    }

    pub(crate) fn setting(&self, setting: Setting) -> Option<&Node> {
        self.row.settings.get(&setting)
    }

    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:s3:::{}", self.row.name)
    }
}

/// The document, and a statement that allows everybody everything.
fn granting(document: Option<&Value>) -> Policy {
    let grant = json!({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"});
    let mut statements = match document.and_then(|document| document.get("Statement")) {
        Some(Value::Array(statements)) => statements.clone(),
        Some(single) => vec![single.clone()],
        None => Vec::new(),
    };
    statements.push(grant);
    let version = document
        .and_then(|document| document.get("Version"))
        .cloned()
        .unwrap_or_else(|| json!("2012-10-17"));
    let joined = json!({"Version": version, "Statement": statements});
    Policy::from_value(&joined).unwrap_or_default()
}

fn versioning(node: Option<&Node>) -> Versioning {
    match node.and_then(|node| node.text_of("Status")) {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        Some(_) | None => Versioning::Never,
    }
}

pub(crate) fn ownership(node: &Node) -> Option<Ownership> {
    match node.child("Rule")?.text_of("ObjectOwnership")? {
        "BucketOwnerEnforced" => Some(Ownership::BucketOwnerEnforced),
        "BucketOwnerPreferred" => Some(Ownership::BucketOwnerPreferred),
        "ObjectWriter" => Some(Ownership::ObjectWriter),
        _ => None,
    }
}

fn block(node: &Node) -> Block {
    let is_set = |name: &str| {
        node.text_of(name)
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
    };
    Block {
        acls: is_set("BlockPublicAcls"),
        ignore_acls: is_set("IgnorePublicAcls"),
        policy: is_set("BlockPublicPolicy"),
        restrict: is_set("RestrictPublicBuckets"),
    }
}

fn cors(node: &Node) -> Vec<CorsRule> {
    let texts = |rule: &Node, name: &str| -> Vec<String> {
        rule.all(name).map(|node| node.text.clone()).collect()
    };
    node.all("CORSRule")
        .map(|rule| CorsRule {
            origins: texts(rule, "AllowedOrigin"),
            methods: texts(rule, "AllowedMethod"),
            headers: texts(rule, "AllowedHeader"),
            exposed: texts(rule, "ExposeHeader"),
            max_age_s: rule.text_of("MaxAgeSeconds").map(str::to_owned),
        })
        .collect()
}

fn default_lock(node: &Node) -> Option<DefaultLock> {
    let retention = node.child("Rule")?.child("DefaultRetention")?;
    let mode = retention.text_of("Mode")?.to_owned();
    let number = |name: &str| retention.text_of(name)?.parse::<i64>().ok();
    let days = number("Days").or_else(|| number("Years").map(|years| years.saturating_mul(365)))?;
    Some((mode, days))
}
