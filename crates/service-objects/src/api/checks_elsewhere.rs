//! What requests would do to buckets and objects that an engine elsewhere keeps.
//!
//! Lives here: actions and resources by what a request itself says; the policy of a bucket of that name that is known here.
//! Does not live here: handing requests on, requests that are carried out here (`checks`).
//!
//! Who owns an object there, whether there is one, and how it is tagged is not known: lists and tags let nobody in.

use interfaces::authorize::Check;
use interfaces::service::ServiceCall;
use policy::Context;

use super::checks::{About, actions, check, context};
use super::copy::Source;
use super::operations::{Fate, Level, Operation};
use super::request::{Named, header_or_query};
use super::service::Inner;
use crate::engine::node::Node;

impl Inner {
    /// None where a request does not say what it is about.
    pub(super) async fn checks_elsewhere(&self, call: &ServiceCall) -> Vec<Check> {
        let Ok(named) = Named::read(&call.path_and_query, &call.headers) else {
            return Vec::new();
        };
        let Some(operation) = named.operation(&call.method, &call.headers) else {
            return Vec::new();
        };
        if operation.fate == Fate::Refused || operation.name == "PostObject" {
            return Vec::new();
        }
        let context = context(call, &named);
        if operation.level == Level::Service {
            let check = Check::new(operation.action, "*", &call.account);
            return vec![Check { context, ..check }];
        }
        let bucket = named.bucket.clone().unwrap_or_default();
        if operation.name == "DeleteObjects" {
            return self.on_doomed(call, &named, &context).await;
        }
        let query = named.query.iter();
        let version = query.filter(|(name, value)| name == "versionId" && !value.is_empty());
        let version = version.map(|(_, value)| value.as_str()).next();
        let key = named.key.as_deref();
        let mut checks = Vec::new();
        for action in actions(call, &named, operation, version) {
            let context = context.clone();
            checks.push(self.one(call, &action, &bucket, key, context).await);
        }
        match self.on_source_elsewhere(call, operation).await {
            Ok(source) => checks.extend(source),
            Err(Unreadable) => return Vec::new(),
        }
        checks
    }

    async fn one(
        &self,
        call: &ServiceCall,
        action: &str,
        bucket: &str,
        key: Option<&str>,
        context: Context,
    ) -> Check {
        if let Ok(Some(known)) = self.catalogue.find(bucket).await {
            let about = About {
                bucket: &known,
                key,
                version: None,
                is_new: false,
            };
            return check(&call.caller, action, &about, context);
        }
        let resource = match key {
            Some(key) => format!("arn:aws:s3:::{bucket}/{key}"),
            None => format!("arn:aws:s3:::{bucket}"),
        };
        let check = Check::new(action, resource, &call.account);
        Check { context, ..check }
    }

    /// Each key of a list is asked about by itself.
    async fn on_doomed(&self, call: &ServiceCall, named: &Named, context: &Context) -> Vec<Check> {
        let bucket = named.bucket.as_deref().unwrap_or_default();
        let Ok(list) = Node::read(&call.body) else {
            return Vec::new();
        };
        let bypass = "x-amz-bypass-governance-retention";
        let bypasses = header_or_query(&call.headers, &named.query, bypass).is_some();
        let mut checks = Vec::new();
        for object in &list.children {
            match object.name.as_str() {
                "Object" => {}
                "Quiet" => continue,
                _ => return Vec::new(),
            }
            // Of two keys, who knows which one the engine takes.
            let (Some(key), 1) = (object.text_of("Key"), object.all("Key").count()) else {
                return Vec::new();
            };
            let action = match object.text_of("VersionId") {
                Some(_) => "s3:DeleteObjectVersion",
                None => "s3:DeleteObject",
            };
            let more = bypasses.then_some("s3:BypassGovernanceRetention");
            for action in [Some(action), more].into_iter().flatten() {
                let context = context.clone();
                checks.push(self.one(call, action, bucket, Some(key), context).await);
            }
        }
        checks
    }

    /// A copy reads its source.
    async fn on_source_elsewhere(
        &self,
        call: &ServiceCall,
        operation: &Operation,
    ) -> Result<Option<Check>, Unreadable> {
        if !matches!(operation.name, "CopyObject" | "UploadPartCopy") {
            return Ok(None);
        }
        let header = call.headers.get("x-amz-copy-source").ok_or(Unreadable)?;
        let header = header.to_str().map_err(|_| Unreadable)?;
        let source = Source::read(header).map_err(|_| Unreadable)?;
        let action = match source.version {
            Some(_) => "s3:GetObjectVersion",
            None => "s3:GetObject",
        };
        let (bucket, key) = (&source.bucket, Some(source.key.as_str()));
        let check = self.one(call, action, bucket, key, Context::default());
        Ok(Some(check.await))
    }
}

/// A request does not say what it reads.
struct Unreadable;
