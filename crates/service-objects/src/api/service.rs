//! The service as the door sees it.
//!
//! Lives here: what it is made of, which operation answers a request, work that goes on by itself.
//! Does not live here: the operations (a file each), signatures (`gateway::service_door`).

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check};
use interfaces::clock::Clock;
use interfaces::event_sink::Receptions;
use interfaces::objects::{ObjectError, ObjectName, ReadObjects};
use interfaces::principals::Principals;
use interfaces::random::Random;
use interfaces::resource_provider::ResourceProvider;
use interfaces::service::{BodyWanted, CloudService, RequestHead, ServiceAnswer, ServiceCall};
use model::principal::Principal;
use outbox::Outbox;
use policy::Context;
use store::Store;

use super::answers;
use super::cors;
use super::older_signature;
use super::operations::Fate;
use super::request::{Ask, Named};
use super::unasked;
use crate::engine::access::Names;
use crate::engine::blobs::Blobs;
use crate::engine::bucket::Bucket;
use crate::engine::catalogue::Catalogue;
use crate::engine::fault::{self, Fault};
use crate::engine::lifecycle;
use crate::engine::notification::Occasion;
use crate::engine::objects::Objects;
use crate::engine::reading::Reader;
use crate::engine::trash::Trash;

/// After this long, clearing away that failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Where requests come from of which nobody says so: services here make some themselves.
const HERE: &str = "127.0.0.1";

/// What new buckets let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NewBuckets {
    /// No public access and no access control lists: as buckets have been made since April 2023.
    #[default]
    Guarded,
    /// Both, and owners have names: as buckets were before.
    Open,
}

/// What the service is made of.
pub struct Parts {
    /// Where rows are kept, and the bytes of small objects.
    pub store: Arc<dyn Store>,
    /// The folder of larger objects; none: there can be none.
    pub folder: Option<PathBuf>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Where events wait.
    pub outbox: Outbox,
    /// Who may do what: asked about forms, whose policies stand in their bodies.
    pub authorize: Arc<dyn Authorize>,
    /// Who holds which keys: forms are signed inside their bodies.
    pub principals: Arc<dyn Principals>,
    /// What new buckets let in.
    pub buckets: NewBuckets,
}

/// Amazon S3. Clones share everything.
#[derive(Clone)]
pub struct Service {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) objects: Objects,
    pub(crate) blobs: Blobs,
    pub(crate) reader: Reader,
    pub(crate) authorize: Arc<dyn Authorize>,
    pub(crate) principals: Arc<dyn Principals>,
    pub(crate) new_buckets: NewBuckets,
    /// Set once deliveries are there, which need this service; without them targets are judged when they are sent to.
    pub(crate) receptions: OnceLock<Arc<dyn Receptions>>,
}

impl Service {
    /// Amazon S3 over these. It starts nothing and reads nothing.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let blobs = Blobs::new(parts.folder, &*parts.random);
        let catalogue = Arc::new(Catalogue::new(Arc::clone(&parts.store)));
        let trash = Trash {
            store: Arc::clone(&parts.store),
            blobs: blobs.clone(),
        };
        let reader = Reader {
            store: Arc::clone(&parts.store),
            blobs: blobs.clone(),
        };
        let objects = Objects::new(
            parts.store,
            Arc::clone(&catalogue),
            trash,
            parts.outbox,
            parts.clock,
            parts.random,
        );
        Self {
            inner: Arc::new(Inner {
                catalogue,
                objects,
                blobs,
                reader,
                authorize: parts.authorize,
                principals: parts.principals,
                new_buckets: parts.buckets,
                receptions: OnceLock::new(),
            }),
        }
    }

    /// Has requests refused that would send events to what does not let this service in.
    pub fn judge_targets_by(&self, receptions: Arc<dyn Receptions>) {
        // The first stays: there is one.
        let _ = self.inner.receptions.set(receptions);
    }

    /// Makes, changes and deletes the buckets of templates.
    #[must_use]
    pub fn provider(&self) -> Arc<dyn ResourceProvider> {
        Arc::new(crate::resources::Buckets::new(self.clone()))
    }

    /// Reads objects for other services.
    #[must_use]
    pub fn read_objects(&self) -> Arc<dyn ReadObjects> {
        Arc::new(self.clone())
    }

    /// Clears away what a crash left, and lets objects expire, until it is dropped.
    pub async fn keep(&self) -> Infallible {
        let trash = &self.inner.objects.trash;
        while let Err(fault) = trash.sweep().await {
            tracing::warn!(%fault, "files that no object refers to could not be looked for");
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        loop {
            if let Err(fault) = trash.empty().await {
                tracing::warn!(%fault, "deleted objects could not be cleared away yet");
            }
            if let Err(fault) = self.inner.objects.expire().await {
                tracing::warn!(%fault, "it could not be looked for objects that expire");
            }
            tokio::time::sleep(lifecycle::INTERVAL).await;
        }
    }

    async fn answer(&self, call: ServiceCall, known: Context) -> ServiceAnswer {
        let request_id = call.request_id.clone();
        let method = call.method.clone();
        if call.method == Method::OPTIONS {
            let answered = cors::preflight(&self.inner, &call).await;
            return answered.unwrap_or_else(|fault| {
                answers::refused(&fault, &path(&call), request_id.as_str(), &method)
            });
        }
        let call = match self.inner.proven_by_url(call, &known).await {
            Ok(call) => call,
            Err(refused) => {
                let (fault, resource) = *refused;
                return answers::refused(&fault, &resource, request_id.as_str(), &method);
            }
        };
        let origin = cors::Origin::of(&call);
        let resource = path(&call);
        let ask = match Ask::read(call, known) {
            Ok(ask) => ask,
            Err(refused) => {
                return answers::refused(&refused.0, &resource, request_id.as_str(), &method);
            }
        };
        let bucket = ask.bucket.clone();
        let mut answer = match self.inner.carry_out(ask).await {
            Ok(answer) => answer,
            Err(fault) => answers::refused(&fault, &resource, request_id.as_str(), &method),
        };
        if let Some(origin) = origin {
            cors::decorate(&self.inner, &bucket, &origin, &mut answer).await;
        }
        answer
    }
}

fn path(call: &ServiceCall) -> String {
    let path = call.path_and_query.split('?').next().unwrap_or_default();
    percent_encoding::percent_decode_str(path)
        .decode_utf8_lossy()
        .into_owned()
}

impl Inner {
    /// The call, as that of whoever presigned its URL by signature version 2: the door knows nothing of such, so who may is
    /// asked here.
    async fn proven_by_url(
        &self,
        mut call: ServiceCall,
        known: &Context,
    ) -> Result<ServiceCall, Box<(Fault, String)>> {
        let refused = |fault: Fault| Box::new((fault, path(&call)));
        let Some(caller) = self.older_caller(&call).map_err(refused)? else {
            return Ok(call);
        };
        call.account = caller.account().clone();
        call.caller = caller;
        let mut checks = self.checks_of(&call).await;
        for check in &mut checks {
            check.context.add(known);
        }
        match self.authorize.authorize(&call.caller, &checks) {
            Ok(()) => Ok(call),
            Err(denied) => {
                let fault = Fault::saying(fault::ACCESS_DENIED, denied.message);
                Err(Box::new((fault, path(&call))))
            }
        }
    }

    /// The same for a request that an engine elsewhere carries out. One that does not say what it is about is for nobody.
    async fn proven_for_elsewhere(
        &self,
        mut call: ServiceCall,
    ) -> Result<ServiceCall, Box<(Fault, String)>> {
        let refused = |fault: Fault| Box::new((fault, path(&call)));
        let Some(caller) = self.older_caller(&call).map_err(refused)? else {
            return Err(refused(fault::ACCESS_DENIED.into()));
        };
        call.account = caller.account().clone();
        call.caller = caller;
        let checks = self.checks_elsewhere(&call).await;
        if checks.is_empty() {
            return Err(Box::new((fault::ACCESS_DENIED.into(), path(&call))));
        }
        match self.authorize.authorize(&call.caller, &checks) {
            Ok(()) => Ok(call),
            Err(denied) => {
                let fault = Fault::saying(fault::ACCESS_DENIED, denied.message);
                Err(Box::new((fault, path(&call))))
            }
        }
    }

    async fn carry_out(&self, ask: Ask) -> Result<ServiceAnswer, Fault> {
        match ask.operation.fate {
            Fate::Refused => return Err(Fault::not_implemented(ask.operation.name)),
            Fate::NeverSet => return self.never_set(&ask).await,
            Fate::CarriedOut => {}
        }
        if let Some(expected) = ask.header_or_query("x-amz-expected-bucket-owner")
            && let Some(bucket) = self.catalogue.find(&ask.bucket).await?
            && bucket.row.account != expected
        {
            return Err(fault::ACCESS_DENIED.into());
        }
        let name = ask.operation.name;
        if let Some(answer) = Box::pin(self.of_objects(name, ask)).await? {
            return Ok(answer);
        }
        Err(fault::METHOD_NOT_ALLOWED.into())
    }

    async fn of_objects(&self, name: &str, ask: Ask) -> Result<Option<ServiceAnswer>, Fault> {
        Ok(Some(match name {
            "GetObject" | "HeadObject" => self.get_object(&ask).await?,
            "PutObject" => self.put_object(ask).await?,
            "UploadPart" => self.upload_part(ask).await?,
            "CopyObject" => self.copy_object(&ask).await?,
            "UploadPartCopy" => self.upload_part_copy(&ask).await?,
            "DeleteObject" => self.delete_object(&ask).await?,
            "DeleteObjects" => self.delete_objects(&ask).await?,
            "PostObject" => self.post_object(ask).await?,
            "CreateMultipartUpload" => self.create_multipart_upload(&ask).await?,
            "CompleteMultipartUpload" => self.complete_multipart_upload(&ask).await?,
            "AbortMultipartUpload" => self.abort_multipart_upload(&ask).await?,
            "ListParts" => self.list_parts(&ask).await?,
            "ListMultipartUploads" => self.list_multipart_uploads(&ask).await?,
            "GetObjectAttributes" => self.get_object_attributes(&ask).await?,
            "GetObjectAcl" => self.get_object_acl(&ask).await?,
            "PutObjectAcl" => self.put_object_acl(&ask).await?,
            "GetObjectTagging" => self.get_object_tagging(&ask).await?,
            "PutObjectTagging" => self.put_object_tagging(&ask).await?,
            "DeleteObjectTagging" => self.delete_object_tagging(&ask).await?,
            "GetObjectLegalHold" => self.get_legal_hold(&ask).await?,
            "PutObjectLegalHold" => self.put_legal_hold(&ask).await?,
            "GetObjectRetention" => self.get_retention(&ask).await?,
            "PutObjectRetention" => self.put_retention(&ask).await?,
            _ => return self.of_buckets(name, ask).await,
        }))
    }

    async fn of_buckets(&self, name: &str, ask: Ask) -> Result<Option<ServiceAnswer>, Fault> {
        Ok(Some(match name {
            "ListBuckets" => self.list_buckets(&ask).await?,
            "CreateBucket" => self.create_bucket(&ask).await?,
            "DeleteBucket" => self.delete_bucket(&ask).await?,
            "HeadBucket" => self.head_bucket(&ask).await?,
            "GetBucketLocation" => self.get_bucket_location(&ask).await?,
            "ListObjects" => self.list_objects(&ask).await?,
            "ListObjectsV2" => self.list_objects_v2(&ask).await?,
            "ListObjectVersions" => self.list_object_versions(&ask).await?,
            "GetBucketAcl" => self.get_bucket_acl(&ask).await?,
            "PutBucketAcl" => self.put_bucket_acl(&ask).await?,
            "GetBucketPolicy" => self.get_bucket_policy(&ask).await?,
            "PutBucketPolicy" => self.put_bucket_policy(&ask).await?,
            "DeleteBucketPolicy" => self.delete_bucket_policy(&ask).await?,
            "GetBucketPolicyStatus" => self.get_bucket_policy_status(&ask).await?,
            _ => return self.of_settings(name, &ask).await,
        }))
    }

    /// Owners have names where buckets are as they were when owners had some.
    pub(crate) fn names(&self) -> Names {
        match self.new_buckets {
            NewBuckets::Guarded => Names::Left,
            NewBuckets::Open => Names::Shown,
        }
    }

    pub(crate) async fn bucket(&self, ask: &Ask) -> Result<Arc<Bucket>, Fault> {
        self.catalogue.get(&ask.bucket).await
    }

    /// What events say of a request.
    pub(crate) fn occasion(&self, ask: &Ask, reason: &'static str) -> Occasion {
        Occasion {
            request_id: ask.call.request_id.to_string(),
            principal: format!("AWS:{}", self.authorize.unique_id(&ask.call.caller)),
            requester: ask.account().to_owned(),
            address: ask.known.only("aws:sourceip").unwrap_or(HERE).to_owned(),
            reason,
            trace: Self::trace_of(ask),
        }
    }

    /// The trace that a request belongs to, by its header.
    fn trace_of(ask: &Ask) -> Option<String> {
        let header = ask.call.headers.get("x-amzn-trace-id");
        header?.to_str().ok().map(str::to_owned)
    }
}

impl CloudService for Service {
    fn signing_name(&self) -> &'static str {
        "s3"
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        Box::pin(self.inner.checks(call))
    }

    fn checks_elsewhere<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        Box::pin(self.inner.checks_elsewhere(call))
    }

    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        unasked::asks_nothing(call)
    }

    fn proves(&self, call: &ServiceCall) -> bool {
        let is_nobody = matches!(call.caller, Principal::Anonymous { .. });
        let is_preflight = call.method == Method::OPTIONS;
        let named = Named::read(&call.path_and_query, &call.headers);
        is_nobody && !is_preflight && named.is_ok_and(|named| older_signature::is_signed(&named))
    }

    fn proven(&self, call: ServiceCall) -> BoxFuture<'_, Result<ServiceCall, ServiceAnswer>> {
        Box::pin(async move {
            let (id, method) = (call.request_id.to_string(), call.method.clone());
            let proven = self.inner.proven_for_elsewhere(call).await;
            proven.map_err(|refused| {
                let (fault, resource) = *refused;
                answers::refused(&fault, &resource, &id, &method)
            })
        })
    }

    fn body_wanted(&self, head: &RequestHead<'_>) -> BodyWanted {
        match Named::of_head(head) {
            // With it comes what becomes of keys that nobody was issued.
            Some((named, _)) if older_signature::is_signed(&named) => BodyWanted::Streamed,
            Some((_, operation))
                if matches!(operation.name, "PutObject" | "UploadPart" | "PostObject") =>
            {
                BodyWanted::Streamed
            }
            Some(_) | None => BodyWanted::Whole,
        }
    }

    fn takes_unsigned(&self, head: &RequestHead<'_>) -> bool {
        // A door has one service of this kind: what speaks no other protocol is for it.
        let is_of_another = head.headers.contains_key("x-amz-target")
            || head
                .headers
                .get(http::header::CONTENT_TYPE)
                .is_some_and(|kind| {
                    kind.as_bytes()
                        .starts_with(b"application/x-www-form-urlencoded")
                })
                && *head.method == Method::POST;
        !is_of_another
    }

    /// A preflight of a presigned URL carries a signature that is for the method of the request behind it.
    fn takes_anybody(&self, head: &RequestHead<'_>) -> bool {
        *head.method == Method::OPTIONS
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(self.answer(call, Context::default()))
    }

    fn execute_known(&self, call: ServiceCall, known: Context) -> BoxFuture<'_, ServiceAnswer> {
        Box::pin(self.answer(call, known))
    }

    fn headers_of_refusal<'a>(
        &'a self,
        call: &'a ServiceCall,
    ) -> BoxFuture<'a, Vec<(&'static str, String)>> {
        Box::pin(cors::of_refusal(&self.inner, call))
    }

    fn instead_of_refusal<'a>(
        &'a self,
        call: &'a ServiceCall,
    ) -> BoxFuture<'a, Option<ServiceAnswer>> {
        Box::pin(async move {
            let fault = unasked::missing_bucket(&self.inner, call).await?;
            let id = call.request_id.as_str();
            Some(answers::refused(&fault, &path(call), id, &call.method))
        })
    }
}

impl ReadObjects for Service {
    fn complete<'a>(&'a self, caller: &'a Principal, check: Check) -> BoxFuture<'a, Check> {
        Box::pin(self.inner.completed(caller, check))
    }

    fn read<'a>(&'a self, object: &'a ObjectName) -> BoxFuture<'a, Result<Bytes, ObjectError>> {
        Box::pin(async move {
            self.inner
                .read_whole(object)
                .await
                .map_err(|fault| ObjectError {
                    code: fault.kind.code.to_owned(),
                    message: fault.message.into_owned(),
                })
        })
    }
}
