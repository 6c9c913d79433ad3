//! Buckets of templates, and their policies.
//!
//! Lives here: making, changing and deleting them.
//! Does not live here: properties as settings (`documents`), which settings are valid (`engine::configuration`).
//!
//! Contract: AWS CloudFormation Template Reference, `AWS::S3::Bucket` and `AWS::S3::BucketPolicy`.

mod documents;
mod tables;

use interfaces::BoxFuture;
use interfaces::resource_provider::{
    Made, Properties, PropertyProblem, ProviderError, ResourceProvider, ResourceRequest, UpdatePlan,
};
use model::arn::PARTITION;
use model::time::Timestamp;
use resource_types::{Details, problem_at, text_of};
use serde_json::{Value, json};

use crate::api::buckets::{is_name, lock, usual_settings};
use crate::api::service::Service;
use crate::api::settings::apply;
use crate::engine::access::Acl;
use crate::engine::bucket::{BucketId, Row, Setting};
use crate::engine::fault::{self, Fault};
use crate::engine::keys;

use tables::{BUCKET, BUCKET_POLICY, TYPES};

pub use tables::coverage;

const NAME_BYTES_MAX: usize = 63;

/// The provider of buckets and their policies.
pub(crate) struct Buckets(Service);

impl Buckets {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    async fn create_bucket(&self, request: &ResourceRequest) -> Result<Made, ProviderError> {
        let inner = &self.0.inner;
        let name = name(request);
        let made_for = Some((request.stack.to_string(), request.logical_id.to_string()));
        let mut row = Row {
            name: name.clone(),
            id: BucketId(inner.objects.draw()),
            account: request.account.to_string(),
            region: request.region.to_string(),
            created_at: inner.objects.clock.now(),
            acl: Acl::private(request.account.as_str()),
            policy: None,
            settings: std::collections::BTreeMap::new(),
            made_for: made_for.clone(),
        };
        self.set_up(&mut row, &request.properties)?;
        match inner.catalogue.create(row).await.map_err(refused)? {
            Ok(bucket) => {
                let empty = Row {
                    settings: std::collections::BTreeMap::new(),
                    ..bucket.row.clone()
                };
                self.tell_targets(&crate::engine::bucket::Bucket::new(empty), &name)
                    .await?;
            }
            // Made before a crash, or kept when it left the template.
            Err(there)
                if there.row.made_for == made_for
                    && there.row.account == request.account.as_str() =>
            {
                self.change(&name, &request.properties).await?;
            }
            Err(_) => {
                return Err(ProviderError {
                    message: format!("{name} already exists"),
                });
            }
        }
        Ok(made(request, &name))
    }

    /// Gives a row what properties ask for, and nothing else.
    fn set_up(&self, row: &mut Row, properties: &Properties) -> Result<(), ProviderError> {
        let kind = self.0.inner.new_buckets;
        let has = |name: &str| properties.contains_key(name);
        row.settings = usual_settings(kind, None)
            .into_iter()
            .filter(|(setting, _)| {
                let given = if *setting == Setting::Ownership {
                    "OwnershipControls"
                } else {
                    "PublicAccessBlockConfiguration"
                };
                !has(given)
            })
            .collect();
        let is_locked = properties.get("ObjectLockEnabled").and_then(text_of);
        if is_locked.as_deref() == Some("true") {
            lock(row);
        }
        for (setting, node) in documents::settings(properties) {
            if let Some(node) = node {
                apply(row, setting, node).map_err(refused)?;
            }
        }
        if let Some(canned) = properties.get("AccessControl").and_then(Value::as_str) {
            let name = kebab(canned);
            let owner = row.account.clone();
            row.acl = Acl::canned(&name, &owner, &owner).ok_or_else(|| ProviderError {
                message: format!("`{canned}` is no value of AccessControl"),
            })?;
            let bucket = crate::engine::bucket::Bucket::new(row.clone());
            if !bucket.has_acls() && row.acl != Acl::private(&owner) {
                return Err(refused(fault::INVALID_ACL_OWNERSHIP.into()));
            }
        }
        Ok(())
    }

    async fn change(&self, name: &str, properties: &Properties) -> Result<(), ProviderError> {
        let inner = &self.0.inner;
        let before = inner.catalogue.get(name).await.map_err(refused)?;
        let mut wished = before.row.clone();
        self.set_up(&mut wished, properties)?;
        let altered = inner
            .catalogue
            .alter(name, |row, _| {
                let was_locked = row.settings.get(&Setting::ObjectLock).cloned();
                let was_versioned = row.settings.contains_key(&Setting::Versioning);
                row.settings = wished.settings;
                row.acl = wished.acl;
                if let Some(lock) = was_locked {
                    row.settings.entry(Setting::ObjectLock).or_insert(lock);
                }
                // Versions that were kept once can only be suspended.
                if was_versioned && !row.settings.contains_key(&Setting::Versioning) {
                    let suspended = json!({"Status": "Suspended"});
                    let mut properties = Properties::new();
                    properties.insert("VersioningConfiguration".to_owned(), suspended);
                    for (setting, node) in documents::settings(&properties) {
                        if let Some(node) = node {
                            apply(row, setting, node)?;
                        }
                    }
                }
                Ok(())
            })
            .await;
        altered.map_err(refused)?;
        self.tell_targets(&before, name).await
    }

    async fn tell_targets(
        &self,
        before: &crate::engine::bucket::Bucket,
        name: &str,
    ) -> Result<(), ProviderError> {
        let inner = &self.0.inner;
        let bucket = inner.catalogue.get(name).await.map_err(refused)?;
        let id = inner.objects.random.request_id();
        let told = inner.test_targets(before, &bucket, id.as_str()).await;
        inner.objects.outbox.ring();
        told.map_err(refused)
    }

    async fn put_policy(&self, request: &ResourceRequest) -> Result<Made, ProviderError> {
        let bucket = text(request, "Bucket");
        let document = request
            .properties
            .get("PolicyDocument")
            .map(Value::to_string);
        let set = self.0.inner.set_policy(&bucket, document).await;
        set.map_err(refused)?;
        Ok(Made {
            physical_id: bucket,
            attributes: Properties::new(),
        })
    }

    async fn remove(&self, id: &str, request: &ResourceRequest) -> Result<(), ProviderError> {
        let inner = &self.0.inner;
        let removed = if request.resource_type == BUCKET_POLICY {
            inner.set_policy(id, None).await
        } else {
            inner.remove_bucket(id).await
        };
        match removed {
            Err(fault) if fault.kind == fault::NO_SUCH_BUCKET => Ok(()),
            removed => removed.map_err(refused),
        }
    }

    async fn count(&self, name: &str) -> Option<u64> {
        let inner = &self.0.inner;
        let bucket = inner.catalogue.find(name).await.ok()??;
        let mut count = 0_u64;
        for range in [
            keys::currents(bucket.id(), ""),
            keys::all_olders(bucket.id(), ""),
        ] {
            let mut range = range;
            loop {
                let limit = store::PageLimit::rows(1_000);
                let page = inner
                    .objects
                    .store
                    .scan(&range, store::Direction::Forward, limit)
                    .await
                    .ok()?;
                count += page.rows.len() as u64;
                match page.rows.last() {
                    Some(last) if page.more => range = range.after(&last.key),
                    Some(_) | None => break,
                }
            }
        }
        Some(count)
    }

    /// What S3 would say of these properties, asked of a bucket that nobody sees.
    fn judge(&self, properties: &Properties) -> Option<String> {
        let mut row = Row {
            name: "bucket".to_owned(),
            id: BucketId(0),
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            created_at: Timestamp::from_micros(0),
            acl: Acl::private("000000000000"),
            policy: None,
            settings: std::collections::BTreeMap::new(),
            made_for: None,
        };
        self.set_up(&mut row, properties)
            .err()
            .map(|error| error.message)
    }
}

impl ResourceProvider for Buckets {
    fn resource_types(&self) -> &[&'static str] {
        &[BUCKET, BUCKET_POLICY]
    }

    fn check(&self, resource_type: &str, properties: &Properties) -> Vec<PropertyProblem> {
        let Some(table) = TYPES.iter().find(|table| table.name == resource_type) else {
            return Vec::new();
        };
        let mut problems = table.check(properties);
        if resource_type == BUCKET {
            let given = properties.get("BucketName").and_then(Value::as_str);
            if let Some(bad) = given.filter(|name| !is_name(name)) {
                problems.push(problem_at(
                    &["BucketName"],
                    format!("`{bad}` is no name for a bucket"),
                ).because("names have 3 to 63 lower-case letters, digits, dots and hyphens, and begin and end with a letter or digit"));
            }
            if let Some(cause) = self.judge(properties) {
                let refused = "Amazon S3 would refuse this bucket".to_owned();
                problems.push(problem_at(&[], refused).because(cause));
            }
        } else if let Some(document) = properties.get("PolicyDocument")
            && let Err(error) = policy::Policy::from_value(document)
        {
            // Whose policy it is may not be known yet, so what it is about is judged when it is put.
            let refused = "Amazon S3 would refuse this policy".to_owned();
            problems.push(problem_at(&["PolicyDocument"], refused).because(error.to_string()));
        }
        problems
    }

    fn physical_id(&self, request: &ResourceRequest) -> String {
        if request.resource_type == BUCKET_POLICY {
            text(request, "Bucket")
        } else {
            name(request)
        }
    }

    fn plan_update(&self, resource_type: &str, old: &Properties, new: &Properties) -> UpdatePlan {
        let table = TYPES.iter().find(|table| table.name == resource_type);
        table.map_or(UpdatePlan::Nothing, |table| table.plan_update(old, new))
    }

    fn create<'a>(
        &'a self,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        if request.resource_type == BUCKET_POLICY {
            Box::pin(self.put_policy(request))
        } else {
            Box::pin(self.create_bucket(request))
        }
    }

    fn update<'a>(
        &'a self,
        physical_id: &'a str,
        _old: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move {
            if request.resource_type == BUCKET_POLICY {
                return self.put_policy(request).await;
            }
            self.change(physical_id, &request.properties).await?;
            Ok(made(request, physical_id))
        })
    }

    fn items<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Option<u64>> {
        Box::pin(async move {
            if request.resource_type == BUCKET_POLICY {
                return None;
            }
            self.count(physical_id).await
        })
    }

    fn delete<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.remove(physical_id, request))
    }
}

fn text(request: &ResourceRequest, name: &str) -> String {
    request
        .properties
        .get(name)
        .and_then(text_of)
        .unwrap_or_default()
}

/// The name that was given, or the one that is generated, as short and in lower case as buckets want it.
fn name(request: &ResourceRequest) -> String {
    let given = request.properties.get("BucketName").and_then(text_of);
    given.unwrap_or_else(|| {
        let generated = request.generated_name.to_ascii_lowercase();
        let (start, suffix) = generated.rsplit_once('-').unwrap_or((&generated, ""));
        let room = NAME_BYTES_MAX.saturating_sub(suffix.len() + 1);
        let start = start.get(..room.min(start.len())).unwrap_or(start);
        format!("{}-{suffix}", start.trim_end_matches('-'))
    })
}

fn made(request: &ResourceRequest, name: &str) -> Made {
    let region = &request.region;
    let attributes = json!({
        "Arn": format!("arn:{PARTITION}:s3:::{name}"),
        "DomainName": format!("{name}.s3.amazonaws.com"),
        "DualStackDomainName": format!("{name}.s3.dualstack.{region}.amazonaws.com"),
        "RegionalDomainName": format!("{name}.s3.{region}.amazonaws.com"),
        "WebsiteURL": format!("http://{name}.s3-website-{region}.amazonaws.com"),
    });
    Made {
        physical_id: name.to_owned(),
        attributes: attributes.as_object().cloned().unwrap_or_default(),
    }
}

/// `PublicRead` as `public-read`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}

/// As `ResourceStatusReason` shows what S3 said.
fn refused(fault: Fault) -> ProviderError {
    ProviderError {
        message: format!(
            "{} (Service: S3, Status Code: {})",
            fault.message.trim_end_matches('.'),
            fault.kind.status
        ),
    }
}
