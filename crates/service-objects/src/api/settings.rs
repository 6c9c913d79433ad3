//! The settings of buckets that are documents.
//!
//! Lives here: putting, getting and deleting them.
//! Does not live here: which are valid (`engine::configuration`), lists (`acl`), policies (`policies`).

use std::collections::BTreeSet;

use interfaces::event_sink::Reception;
use interfaces::service::ServiceAnswer;
use model::arn::Arn;
use model::delivery::Target;

use super::answers;
use super::checksums;
use super::request::Ask;
use super::service::Inner;
use crate::engine::bucket::{Bucket, Row, Setting};
use crate::engine::configuration;
use crate::engine::fault::{self, Fault, Kind};
use crate::engine::node::Node;
use crate::engine::notification::{self, Told, test_delivery};

/// A setting, as its operations call it.
struct Named {
    /// Behind `Get`, `Put` and `Delete`.
    name: &'static str,
    setting: Setting,
    root: &'static str,
    /// What is said of a bucket that has none; none: an empty document.
    missing: Option<Kind>,
}

const SETTINGS: &[Named] = &[
    named(
        "BucketCors",
        Setting::Cors,
        "CORSConfiguration",
        Some(fault::NO_SUCH_CORS),
    ),
    named(
        "BucketEncryption",
        Setting::Encryption,
        "ServerSideEncryptionConfiguration",
        None,
    ),
    named(
        "BucketLifecycle",
        Setting::Lifecycle,
        "LifecycleConfiguration",
        Some(fault::NO_SUCH_LIFECYCLE),
    ),
    named(
        "BucketLifecycleConfiguration",
        Setting::Lifecycle,
        "LifecycleConfiguration",
        Some(fault::NO_SUCH_LIFECYCLE),
    ),
    named(
        "BucketLogging",
        Setting::Logging,
        "BucketLoggingStatus",
        None,
    ),
    named(
        "BucketNotificationConfiguration",
        Setting::Notification,
        "NotificationConfiguration",
        None,
    ),
    named(
        "ObjectLockConfiguration",
        Setting::ObjectLock,
        "ObjectLockConfiguration",
        Some(fault::NO_SUCH_LOCK),
    ),
    named(
        "BucketOwnershipControls",
        Setting::Ownership,
        "OwnershipControls",
        Some(fault::NO_SUCH_OWNERSHIP),
    ),
    named(
        "PublicAccessBlock",
        Setting::PublicAccessBlock,
        "PublicAccessBlockConfiguration",
        Some(fault::NO_SUCH_ACCESS_BLOCK),
    ),
    named(
        "BucketRequestPayment",
        Setting::RequestPayment,
        "RequestPaymentConfiguration",
        None,
    ),
    named(
        "BucketTagging",
        Setting::Tagging,
        "Tagging",
        Some(fault::NO_SUCH_TAGS),
    ),
    named(
        "BucketVersioning",
        Setting::Versioning,
        "VersioningConfiguration",
        None,
    ),
];

const fn named(
    name: &'static str,
    setting: Setting,
    root: &'static str,
    missing: Option<Kind>,
) -> Named {
    Named {
        name,
        setting,
        root,
        missing,
    }
}

impl Inner {
    pub(super) async fn of_settings(
        &self,
        name: &str,
        ask: &Ask,
    ) -> Result<Option<ServiceAnswer>, Fault> {
        let find = |start: &str| {
            let rest = name.strip_prefix(start)?;
            SETTINGS.iter().find(|setting| setting.name == rest)
        };
        if let Some(named) = find("Get") {
            return self.get_setting(ask, named).await.map(Some);
        }
        if let Some(named) = find("Put") {
            return self.put_setting(ask, named).await.map(Some);
        }
        let Some(named) = find("Delete") else {
            return Ok(None);
        };
        self.catalogue
            .alter(&ask.bucket, |row, _| {
                row.settings.remove(&named.setting);
                Ok(())
            })
            .await?;
        Ok(Some(answers::empty(204, Vec::new())))
    }

    async fn get_setting(&self, ask: &Ask, named: &Named) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let node = match (bucket.setting(named.setting), named.missing) {
            (Some(node), _) => node.clone(),
            (None, Some(missing)) => {
                return Err(Fault::from(missing).with("BucketName", bucket.name()));
            }
            (None, None) => unset(named),
        };
        Ok(answers::bytes(
            "application/xml",
            Vec::new(),
            node.document(),
        ))
    }

    async fn put_setting(&self, ask: &Ask, named: &Named) -> Result<ServiceAnswer, Fault> {
        checksums::claims(ask)?.check_whole(&ask.call.body)?;
        self.bucket(ask).await?;
        let node = ask.document(named.root)?;
        if named.setting == Setting::Notification {
            self.put_notification(ask, node).await?;
        } else {
            self.set(&ask.bucket, named.setting, node).await?;
        }
        let status = if named.setting == Setting::Tagging {
            204
        } else {
            200
        };
        Ok(answers::empty(status, Vec::new()))
    }

    /// Gives a bucket a setting that is checked first.
    pub(crate) async fn set(
        &self,
        bucket: &str,
        setting: Setting,
        node: Node,
    ) -> Result<(), Fault> {
        self.catalogue
            .alter(bucket, |row, _| apply(row, setting, node))
            .await
    }

    async fn put_notification(&self, ask: &Ask, node: Node) -> Result<(), Fault> {
        let before = self.bucket(ask).await?;
        let is_skipped = ask
            .header("x-amz-skip-destination-validation")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"));
        if is_skipped {
            return self.set(&ask.bucket, Setting::Notification, node).await;
        }
        let node = configuration::check(Setting::Notification, node, &before.row)?;
        self.judge_targets(&before, &node).await?;
        self.set(&ask.bucket, Setting::Notification, node).await?;
        let bucket = self.bucket(ask).await?;
        self.test_targets(&before, &bucket, ask.call.request_id.as_str())
            .await
    }

    /// Whether all targets would take what the bucket sends, those too that had it before.
    async fn judge_targets(&self, bucket: &Bucket, node: &Node) -> Result<(), Fault> {
        let Some(receptions) = self.receptions.get() else {
            return Ok(());
        };
        let sender = notification::sender(bucket);
        let mut judged = BTreeSet::new();
        let mut barred = Vec::new();
        for rule in notification::read(node) {
            let Told::Resource(arn) = rule.told else {
                continue;
            };
            if !judged.insert(arn.to_string()) {
                continue;
            }
            let target = Target::Resource(arn.clone());
            let reception = receptions.reception(&target, &sender).await;
            let reception = reception.map_err(|error| {
                fault::internal(&error, "the target of events cannot be judged")
            })?;
            barred.extend(not_fit(&arn, reception));
        }
        if barred.is_empty() {
            return Ok(());
        }
        let refused = Fault::saying(fault::INVALID_ARGUMENT, configuration::UNFIT_TARGETS);
        let numbered = (1..).zip(barred);
        Err(numbered.fold(refused, |fault, (number, (name, why))| {
            fault
                .with(format!("ArgumentName{number}"), name)
                .with(format!("ArgumentValue{number}"), why)
        }))
    }

    /// Tells targets that are new, queues and topics, that they will get events.
    pub(crate) async fn test_targets(
        &self,
        before: &Bucket,
        bucket: &Bucket,
        request_id: &str,
    ) -> Result<(), Fault> {
        let is_new = |told: &Told| before.notifications.iter().all(|rule| rule.told != *told);
        let deliveries: Vec<_> = bucket
            .notifications
            .iter()
            .filter(|rule| is_new(&rule.told))
            .filter_map(|rule| match &rule.told {
                Told::Resource(arn) if arn.service != "lambda" => Some(test_delivery(
                    bucket,
                    arn.clone(),
                    request_id,
                    self.objects.clock.now(),
                    &*self.objects.random,
                )),
                Told::Resource(_) | Told::EventBridge => None,
            })
            .collect();
        Ok(self.objects.outbox.accept(&deliveries).await?)
    }

    /// What is said of settings that no bucket can have here.
    pub(super) async fn never_set(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let missing = match ask.operation.name {
            "GetBucketReplication" => fault::NO_SUCH_REPLICATION,
            "GetBucketWebsite" => fault::NO_SUCH_WEBSITE,
            "GetBucketAccelerateConfiguration" => {
                return Ok(answers::document(
                    "AccelerateConfiguration",
                    Vec::new(),
                    |_| {},
                ));
            }
            _ => return Ok(answers::empty(204, Vec::new())),
        };
        Err(Fault::from(missing).with("BucketName", bucket.name()))
    }
}

/// The name and the fault of a target that would not take events; none: it would.
///
/// Contract: answers recorded from the service for functions and queues, `null` included, and its words for permissions.
fn not_fit(arn: &Arn, reception: Reception) -> Option<(String, String)> {
    let kind = match arn.service.as_str() {
        "sns" => "topic",
        _ => "queue",
    };
    let why = match (arn.service.as_str(), reception) {
        (_, Reception::Taken) => return None,
        ("lambda", Reception::Missing | Reception::Denied) => {
            let why = format!("Not authorized to invoke function [{arn}]");
            return Some((format!("{arn}, null"), why));
        }
        (_, Reception::Missing) => format!("The destination {kind} does not exist"),
        (_, Reception::Denied) => format!(
            "Permissions on the destination {kind} do not allow S3 to publish notifications from this bucket"
        ),
    };
    Some((arn.to_string(), why))
}

/// Sets what was checked.
pub(crate) fn apply(row: &mut Row, setting: Setting, node: Node) -> Result<(), Fault> {
    let node = configuration::check(setting, node, row)?;
    row.settings.insert(setting, node);
    Ok(())
}

/// What a bucket has that was not told otherwise.
fn unset(named: &Named) -> Node {
    let root = Node::new(named.root);
    match named.setting {
        Setting::RequestPayment => root.with(Node::of_text("Payer", "BucketOwner")),
        Setting::Encryption => root.with(
            Node::new("Rule")
                .with(
                    Node::new("ApplyServerSideEncryptionByDefault")
                        .with(Node::of_text("SSEAlgorithm", "AES256")),
                )
                .with(Node::of_text("BucketKeyEnabled", "false")),
        ),
        Setting::Cors
        | Setting::Lifecycle
        | Setting::Logging
        | Setting::Notification
        | Setting::ObjectLock
        | Setting::Ownership
        | Setting::PublicAccessBlock
        | Setting::Tagging
        | Setting::Versioning => root,
    }
}
