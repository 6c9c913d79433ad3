//! What requests would do, and to what.
//!
//! Lives here: actions, resources, condition keys, what lists and blocks add to the policy of a bucket.
//! Does not live here: judging (`Authorize`).
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3"; Amazon S3 User Guide,
//! "Required permissions for Amazon S3 API operations".

use std::sync::Arc;

use http::Method;
use interfaces::authorize::{Check, Denied};
use interfaces::service::ServiceCall;
use model::ids::AccountId;
use model::principal::Principal;
use policy::{Context, Policy};

use super::copy::Source;
use super::delete::Doomed;
use super::older_signature;
use super::operations::{Fate, Level, Operation};
use super::request::{Ask, Named, header_or_query};
use super::service::Inner;
use super::unasked::OPEN;
use crate::engine::access::{
    Acl, Asking, Permission, Public, bucket_permission, object_permission,
};
use crate::engine::bucket::Bucket;
use crate::engine::fault::{self, Fault};
use crate::engine::version::Version;

/// Headers that are condition keys: `s3:` and their name.
const HEADER_KEYS: [&str; 18] = [
    "x-amz-acl",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "x-amz-content-sha256",
    "if-match",
    "if-none-match",
    "x-amz-object-lock-mode",
];
/// Those of them that may stand in the query instead.
const IN_QUERY_TOO: [&str; 3] = ["x-amz-acl", "x-amz-object-lock-mode", "x-amz-storage-class"];
/// Parameters that are condition keys.
const QUERY_KEYS: [(&str, &str); 4] = [
    ("prefix", "s3:prefix"),
    ("delimiter", "s3:delimiter"),
    ("max-keys", "s3:max-keys"),
    ("versionId", "s3:VersionId"),
];

/// What one check is about.
pub(super) struct About<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) key: Option<&'a str>,
    /// The version that is there, where it matters whose it is.
    pub(super) version: Option<&'a Version>,
    /// Whether the object is about to be made: who may make it may say what it is like.
    pub(super) is_new: bool,
}

impl Inner {
    pub(super) async fn checks(&self, call: &ServiceCall) -> Vec<Check> {
        // Who presigned a URL by an older signature is nobody to the door: it is asked about them when that has been read.
        let is_nobody = matches!(call.caller, Principal::Anonymous { .. });
        match Named::read(&call.path_and_query, &call.headers) {
            Ok(named) if is_nobody && older_signature::is_signed(&named) => Vec::new(),
            Ok(_) | Err(_) => self.checks_of(call).await,
        }
    }

    pub(super) async fn checks_of(&self, call: &ServiceCall) -> Vec<Check> {
        let Ok(named) = Named::read(&call.path_and_query, &call.headers) else {
            return Vec::new();
        };
        let Some(operation) = named.operation(&call.method, &call.headers) else {
            return Vec::new();
        };
        if operation.fate == Fate::Refused {
            return Vec::new();
        }
        let context = context(call, &named);
        if operation.level == Level::Service {
            let account = call.caller.account();
            return vec![Check {
                context,
                ..Check::new(operation.action, "*", account)
            }];
        }
        let name = named.bucket.clone().unwrap_or_default();
        if operation.name == "CreateBucket" {
            let resource = format!("arn:aws:s3:::{name}");
            return vec![Check {
                context,
                ..Check::new(operation.action, resource, call.caller.account())
            }];
        }
        // A form says in its body what it is about, and a list of keys too: they are asked about when they are read.
        if matches!(operation.name, "PostObject" | "DeleteObjects") {
            return Vec::new();
        }
        match self.catalogue.find(&name).await {
            Ok(Some(bucket)) => {
                self.on_bucket(call, &named, operation, &bucket, context)
                    .await
            }
            // Whoever only looks is told that it is not there.
            Ok(None) if matches!(call.method, Method::GET | Method::HEAD) => {
                let resource = format!("arn:aws:s3:::{name}");
                let check = Check::new(operation.action, resource, call.caller.account());
                vec![check.with_policy(Some(Arc::clone(&OPEN)))]
            }
            // Its policy is not known: whoever is let in by their own policies alone is told of the fault.
            Ok(None) | Err(_) => {
                let key = named.key.as_deref().map(|key| format!("/{key}"));
                let resource = format!("arn:aws:s3:::{name}{}", key.unwrap_or_default());
                vec![Check {
                    context,
                    ..Check::new(operation.action, resource, call.caller.account())
                }]
            }
        }
    }

    async fn on_bucket(
        &self,
        call: &ServiceCall,
        named: &Named,
        operation: &Operation,
        bucket: &Bucket,
        context: Context,
    ) -> Vec<Check> {
        let key = named.key.as_deref();
        let mut parameters = named.query.iter();
        let version_id = parameters
            .find(|(name, _)| name == "versionId")
            .map(|(_, value)| value.as_str())
            .filter(|id| !id.is_empty());
        let version = match key {
            Some(key) if matters(&call.caller, bucket) => {
                self.version_asked(bucket, key, version_id).await
            }
            Some(_) | None => Some(None),
        };
        let mut context = context;
        if let Some(Some(version)) = &version {
            for (tag, value) in &version.about.tags {
                context.set(&format!("s3:ExistingObjectTag/{tag}"), value.as_str());
            }
        }
        let is_read = object_permission(operation.action).is_some() && key.is_some();
        if is_read && version.is_none() {
            // Whoever may not list a bucket does not learn what is not in it.
            let about = About {
                bucket,
                key: None,
                version: None,
                is_new: false,
            };
            return vec![check(&call.caller, "s3:ListBucket", &about, context)];
        }
        let version = version.flatten();
        let about = About {
            bucket,
            key,
            version: version.as_ref(),
            is_new: operation.action == "s3:PutObject",
        };
        let mut checks: Vec<Check> = actions(call, named, operation, version_id)
            .into_iter()
            .map(|action| check(&call.caller, &action, &about, context.clone()))
            .collect();
        checks.extend(self.on_source(call, operation).await);
        checks
    }

    /// None: there is no such version.
    pub(super) async fn version_asked(
        &self,
        bucket: &Bucket,
        key: &str,
        id: Option<&str>,
    ) -> Option<Option<Version>> {
        let found = match id {
            None => self.objects.newest(bucket, key).await.ok()?,
            Some(id) => self
                .objects
                .version(bucket, key, id)
                .await
                .ok()?
                .map(|(version, _)| version),
        };
        found.filter(|version| !version.is_delete_marker).map(Some)
    }

    /// A copy reads its source.
    async fn on_source(&self, call: &ServiceCall, operation: &Operation) -> Option<Check> {
        if !matches!(operation.name, "CopyObject" | "UploadPartCopy") {
            return None;
        }
        let header = call.headers.get("x-amz-copy-source")?.to_str().ok()?;
        let source = Source::read(header).ok()?;
        let bucket = self.catalogue.find(&source.bucket).await.ok()??;
        let version = if matters(&call.caller, &bucket) {
            self.version_asked(&bucket, &source.key, source.version.as_deref())
                .await
                .flatten()
        } else {
            None
        };
        let action = if source.version.is_some() {
            "s3:GetObjectVersion"
        } else {
            "s3:GetObject"
        };
        let mut context = Context::default();
        if let Some(version) = &version {
            for (tag, value) in &version.about.tags {
                context.set(&format!("s3:ExistingObjectTag/{tag}"), value.as_str());
            }
        }
        let about = About {
            bucket: &bucket,
            key: Some(&source.key),
            version: version.as_ref(),
            is_new: false,
        };
        Some(check(&call.caller, action, &about, context))
    }

    /// Whether a caller may do one thing to an object, asked when the request has been read.
    pub(super) fn may(
        &self,
        caller: &Principal,
        action: &str,
        bucket: &Bucket,
        key: &str,
        context: Context,
    ) -> Result<(), Fault> {
        let about = About {
            bucket,
            key: Some(key),
            version: None,
            is_new: action.starts_with("s3:Put"),
        };
        let check = check(caller, action, &about, context);
        self.authorize
            .authorize(caller, &[check])
            .map_err(|denied| refused(&denied))
    }

    /// For each of many keys, why it may not be deleted.
    pub(super) async fn refusals(
        &self,
        ask: &Ask,
        bucket: &Bucket,
        doomed: &[Doomed],
    ) -> Result<Vec<Option<Fault>>, Fault> {
        let bypasses = ask
            .header_or_query("x-amz-bypass-governance-retention")
            .is_some();
        let mut refusals = Vec::with_capacity(doomed.len());
        for one in doomed {
            let action = if one.version.is_some() {
                "s3:DeleteObjectVersion"
            } else {
                "s3:DeleteObject"
            };
            let caller = &ask.call.caller;
            let known = || ask.known.clone();
            let mut may = self.may(caller, action, bucket, &one.key, known());
            if may.is_ok() && bypasses {
                let action = "s3:BypassGovernanceRetention";
                may = self.may(caller, action, bucket, &one.key, known());
            }
            refusals.push(may.err());
        }
        Ok(refusals)
    }
}

fn refused(denied: &Denied) -> Fault {
    Fault::saying(fault::ACCESS_DENIED, denied.message.clone())
}

/// Whether it matters whose an object is, and how it is tagged.
fn matters(caller: &Principal, bucket: &Bucket) -> bool {
    let is_own_root =
        matches!(caller, Principal::Root { account } if account.as_str() == bucket.row.account);
    !is_own_root || bucket.has_acls() || bucket.policy.is_some()
}

/// The actions of an operation: of a version, the version's own.
pub(super) fn actions(
    call: &ServiceCall,
    named: &Named,
    operation: &Operation,
    version: Option<&str>,
) -> Vec<String> {
    let is_versioned = version.is_some() && operation.level == Level::Object;
    let action = match operation.action {
        "s3:GetObject"
        | "s3:DeleteObject"
        | "s3:GetObjectAcl"
        | "s3:PutObjectAcl"
        | "s3:GetObjectTagging"
        | "s3:PutObjectTagging"
        | "s3:DeleteObjectTagging"
        | "s3:GetObjectAttributes"
            if is_versioned =>
        {
            operation.action.replacen("Object", "ObjectVersion", 1)
        }
        action => action.to_owned(),
    };
    let mut actions = vec![action];
    if operation.name == "GetObjectAttributes" {
        actions.push(
            if is_versioned {
                "s3:GetObjectVersion"
            } else {
                "s3:GetObject"
            }
            .to_owned(),
        );
    }
    let has = |name: &str| {
        call.headers.contains_key(name)
            || header_or_query(&call.headers, &named.query, name).is_some()
    };
    if operation.action == "s3:PutObject" && !operation.name.starts_with("UploadPart") {
        let gives_list = has("x-amz-acl")
            || call
                .headers
                .keys()
                .any(|name| name.as_str().starts_with("x-amz-grant-"));
        let more = [
            (gives_list, "s3:PutObjectAcl"),
            (has("x-amz-tagging"), "s3:PutObjectTagging"),
            (has("x-amz-object-lock-mode"), "s3:PutObjectRetention"),
            (has("x-amz-object-lock-legal-hold"), "s3:PutObjectLegalHold"),
        ];
        actions.extend(
            more.into_iter()
                .filter(|(is_asked, _)| *is_asked)
                .map(|(_, action)| action.to_owned()),
        );
    }
    if has("x-amz-bypass-governance-retention") {
        actions.push("s3:BypassGovernanceRetention".to_owned());
    }
    actions
}

pub(super) fn check(
    caller: &Principal,
    action: &str,
    about: &About<'_>,
    mut context: Context,
) -> Check {
    let bucket = about.bucket;
    let resource = match about.key {
        Some(key) => format!("{}/{key}", bucket.arn()),
        None => bucket.arn(),
    };
    context.set("s3:ResourceAccount", bucket.row.account.as_str());
    // Objects belong to who put them, where lists mean anything.
    let owner = match about.version {
        Some(version) if bucket.has_acls() && object_permission(action).is_some() => {
            AccountId::new(version.owner.as_str())
        }
        Some(_) | None => bucket.account.clone(),
    };
    Check {
        context,
        resource_policy: resource_policy(caller, action, about),
        ..Check::new(action, resource, &owner)
    }
}

/// The policy of the bucket, as lists and blocks change it for this caller.
fn resource_policy(caller: &Principal, action: &str, about: &About<'_>) -> Option<Arc<Policy>> {
    let bucket = about.bucket;
    let asking = match caller {
        Principal::Anonymous { .. } => Asking::Anybody,
        Principal::Root { account }
        | Principal::FunctionRole { account, .. }
        | Principal::User { account, .. }
        | Principal::Session { account, .. }
        | Principal::Acting { account, .. }
        | Principal::Service { account, .. } => Asking::Account(account.as_str()),
    };
    let is_own = asking == Asking::Account(&bucket.row.account);
    let public = if bucket.block.ignore_acls {
        Public::Ignored
    } else {
        Public::Counts
    };
    let lets = |list: &Acl, permission| list.lets(asking, permission, public);
    let by_bucket = || {
        let wanted = if about.is_new {
            Some(Permission::Write)
        } else {
            bucket_permission(action)
        };
        wanted.is_some_and(|permission| lets(&bucket.row.acl, permission))
    };
    let by_object = || {
        let permission = object_permission(action)?;
        let version = about.version?;
        let list = version.about.acl.as_ref();
        Some(match list {
            Some(list) => lets(list, permission),
            None => asking == Asking::Account(&version.owner),
        })
    };
    let is_service = matches!(caller, Principal::Service { .. });
    // Users and roles of the account itself need policies of their own: lists name accounts.
    let needs_own_policy = is_own && !matches!(caller, Principal::Root { .. });
    let is_granted =
        bucket.has_acls() && !needs_own_policy && (by_bucket() || by_object() == Some(true));
    let is_restricted = bucket.block.restrict && bucket.is_policy_public && !is_own && !is_service;
    match (is_granted, is_restricted) {
        (true, _) => Some(Arc::clone(&bucket.policy_for_granted)),
        (false, true) => None,
        (false, false) => bucket.policy.clone(),
    }
}

pub(super) fn context(call: &ServiceCall, named: &Named) -> Context {
    let mut context = Context::default();
    for name in HEADER_KEYS {
        let header = || call.headers.get(name)?.to_str().ok();
        let value = match IN_QUERY_TOO.contains(&name) {
            true => header_or_query(&call.headers, &named.query, name),
            false => header(),
        };
        if let Some(value) = value {
            let key = match name {
                "x-amz-object-lock-mode" => "s3:object-lock-mode".to_owned(),
                name => format!("s3:{name}"),
            };
            context.set(&key, value);
        }
    }
    for (name, key) in QUERY_KEYS {
        if let Some((_, value)) = named.query.iter().find(|(sent, _)| sent == name) {
            context.set(key, value.as_str());
        }
    }
    let tags = header_or_query(&call.headers, &named.query, "x-amz-tagging");
    let of_body = || {
        let is_tagging = named.query.iter().any(|(name, _)| name == "tagging");
        let node = crate::engine::node::Node::read(&call.body)
            .ok()
            .filter(|_| is_tagging)?;
        crate::engine::tags::object_tags(&node).ok()
    };
    let tags = match tags {
        Some(text) => crate::engine::tags::header_tags(text).ok(),
        None => of_body(),
    };
    if let Some(tags) = tags {
        for (tag, value) in &tags {
            context.set(&format!("s3:RequestObjectTag/{tag}"), value.as_str());
        }
        let names = tags.into_iter().map(|(tag, _)| tag).collect();
        context.set_all("s3:RequestObjectTagKeys", names);
    }
    context.set("s3:signatureversion", "AWS4-HMAC-SHA256");
    let is_presigned = named
        .query
        .iter()
        .any(|(name, _)| name == "X-Amz-Signature");
    let kind = if is_presigned {
        "REST-QUERY-STRING"
    } else {
        "REST-HEADER"
    };
    context.set("s3:authType", kind);
    context
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use model::ids::{Region, RequestId};

    use super::*;

    #[test]
    fn what_stands_in_the_query_is_asked_about_as_in_a_header() {
        for (method, query, expected) in [
            (Method::PUT, "x-amz-acl=public-read", "s3:PutObjectAcl"),
            (Method::PUT, "X-Amz-Tagging=a%3Db", "s3:PutObjectTagging"),
            (
                Method::PUT,
                "x-amz-object-lock-legal-hold=ON",
                "s3:PutObjectLegalHold",
            ),
            (
                Method::DELETE,
                "x-amz-bypass-governance-retention=true",
                "s3:BypassGovernanceRetention",
            ),
        ] {
            let call = call(method, &format!("/bucket/key?{query}"));
            let named = Named::read(&call.path_and_query, &call.headers).unwrap();
            let operation = named.operation(&call.method, &call.headers).unwrap();
            let asked = actions(&call, &named, operation, None);
            assert!(asked.iter().any(|action| action == expected), "{asked:?}");
        }
    }

    fn call(method: Method, path_and_query: &str) -> ServiceCall {
        let account = AccountId::development();
        ServiceCall {
            request_id: RequestId::new("1"),
            caller: Principal::Root {
                account: account.clone(),
            },
            account,
            region: Region::new("us-east-1"),
            method,
            path_and_query: path_and_query.to_owned(),
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
            stream: None,
        }
    }
}
