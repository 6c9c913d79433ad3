//! Rules by which objects expire.
//!
//! Lives here: reading rules, what of a bucket a rule is about, carrying it out.
//! Does not live here: which rules are valid (`configuration`), when it is looked for (`api::service`).
//!
//! Contract: Amazon S3 User Guide, "Managing the lifecycle of objects".
//! Differs: transitions to other storage classes are kept and shown; no object changes its class.

use std::time::Duration;

use model::time::Timestamp;
use store::{Direction, PageLimit};

use super::bucket::{Bucket, Versioning};
use super::dates::{midnight_after, read_iso};
use super::fault::Fault;
use super::keys;
use super::node::Node;
use super::notification::DeleteEvents;
use super::notification::Occasion;
use super::objects::{Objects, read as read_version};
use super::preconditions::{Bypass, Precondition};
use super::version::Version;

/// How often it is looked for what has expired.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);
/// Rows that are read at a time.
const ROWS_MAX: usize = 500;

/// When something expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Days(i64),
    Date(Timestamp),
}

/// A rule that is enabled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LifecycleRule {
    pub(crate) id: String,
    prefix: String,
    tags: Vec<(String, String)>,
    larger_than: Option<u64>,
    smaller_than: Option<u64>,
    pub(crate) expires: Option<When>,
    removes_lone_markers: bool,
    older_days: Option<i64>,
    older_kept: usize,
    uploads_days: Option<i64>,
}

/// Reads the enabled rules of a document that was checked.
pub(crate) fn read(node: &Node) -> Vec<LifecycleRule> {
    node.all("Rule")
        .filter(|rule| rule.text_of("Status") == Some("Enabled"))
        .map(rule)
        .collect()
}

fn rule(node: &Node) -> LifecycleRule {
    let filter = node.child("Filter");
    let within = filter.and_then(|filter| filter.child("And")).or(filter);
    let number = |node: Option<&Node>, name: &str| -> Option<i64> {
        node?.text_of(name)?.trim().parse().ok()
    };
    let size = |name: &str| number(within, name).and_then(|size| u64::try_from(size).ok());
    let expiration = node.child("Expiration");
    let older = node.child("NoncurrentVersionExpiration");
    let date = expiration
        .and_then(|node| node.text_of("Date"))
        .and_then(read_iso);
    LifecycleRule {
        id: node.text_of("ID").unwrap_or_default().to_owned(),
        prefix: within
            .and_then(|node| node.text_of("Prefix"))
            .or_else(|| node.text_of("Prefix"))
            .unwrap_or_default()
            .to_owned(),
        tags: within
            .into_iter()
            .flat_map(|node| node.all("Tag"))
            .map(|tag| {
                let text = |name: &str| tag.text_of(name).unwrap_or_default().to_owned();
                (text("Key"), text("Value"))
            })
            .collect(),
        larger_than: size("ObjectSizeGreaterThan"),
        smaller_than: size("ObjectSizeLessThan"),
        expires: number(expiration, "Days")
            .map(When::Days)
            .or(date.map(When::Date)),
        removes_lone_markers: expiration
            .and_then(|node| node.text_of("ExpiredObjectDeleteMarker"))
            .is_some_and(|text| text == "true"),
        older_days: number(older, "NoncurrentDays"),
        older_kept: number(older, "NewerNoncurrentVersions")
            .and_then(|kept| usize::try_from(kept).ok())
            .unwrap_or_default(),
        uploads_days: number(
            node.child("AbortIncompleteMultipartUpload"),
            "DaysAfterInitiation",
        ),
    }
}

impl LifecycleRule {
    fn is_about(&self, key: &str, version: &Version) -> bool {
        key.starts_with(&self.prefix)
            && self.tags.iter().all(|tag| version.about.tags.contains(tag))
            && self.larger_than.is_none_or(|size| size < version.size)
            && self.smaller_than.is_none_or(|size| version.size < size)
    }

    /// When a newest version expires by this rule.
    fn expires_at(&self, version: &Version) -> Option<Timestamp> {
        match self.expires? {
            When::Days(days) => Some(midnight_after(version.modified_at, days)),
            When::Date(date) => Some(date),
        }
    }
}

/// What answers say in `x-amz-expiration`.
pub(crate) fn expiration(bucket: &Bucket, key: &str, version: &Version) -> Option<String> {
    bucket
        .lifecycle
        .iter()
        .filter(|rule| rule.is_about(key, version))
        .filter_map(|rule| Some((rule.expires_at(version)?, &rule.id)))
        .min()
        .map(|(at, id)| {
            format!(
                "expiry-date=\"{}\", rule-id=\"{id}\"",
                super::dates::http(at)
            )
        })
}

/// What answers say of when an upload is given up: the date and the rule.
pub(crate) fn upload_abort(
    bucket: &Bucket,
    key: &str,
    begun: Timestamp,
) -> Option<(Timestamp, String)> {
    bucket
        .lifecycle
        .iter()
        .filter(|rule| key.starts_with(&rule.prefix))
        .filter_map(|rule| Some((midnight_after(begun, rule.uploads_days?), rule.id.clone())))
        .min()
}

impl Objects {
    /// Carries out the rules of all buckets.
    pub(crate) async fn expire(&self) -> Result<(), Fault> {
        for bucket in self.catalogue.all().await? {
            if !bucket.lifecycle.is_empty() {
                self.expire_current(&bucket).await?;
                self.expire_older(&bucket).await?;
                self.expire_uploads(&bucket).await?;
            }
        }
        Ok(())
    }

    async fn expire_current(&self, bucket: &Bucket) -> Result<(), Fault> {
        let now = self.clock.now();
        let mut range = keys::currents(bucket.id(), "");
        loop {
            let page = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(ROWS_MAX))
                .await?;
            for row in &page.rows {
                let Some(key) = keys::name_of_current(&row.key) else {
                    continue;
                };
                let version = read_version(&row.value)?;
                if version.is_delete_marker {
                    self.remove_lone_marker(bucket, &key, &version).await?;
                    continue;
                }
                let is_due = bucket.lifecycle.iter().any(|rule| {
                    rule.is_about(&key, &version)
                        && rule.expires_at(&version).is_some_and(|at| at <= now)
                });
                if is_due {
                    let as_it_was = Precondition {
                        matches: Some(version.etag.clone()),
                        ..Precondition::default()
                    };
                    let occasion = occasion();
                    let events = events(&occasion);
                    // One that was replaced, or is locked, stays.
                    let _ = self.delete(bucket, &key, &as_it_was, events).await;
                }
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// Removes the marker of a deletion below which nothing is left.
    async fn remove_lone_marker(
        &self,
        bucket: &Bucket,
        key: &str,
        marker: &Version,
    ) -> Result<(), Fault> {
        let is_wanted = bucket
            .lifecycle
            .iter()
            .any(|rule| rule.removes_lone_markers && key.starts_with(&rule.prefix));
        if !is_wanted {
            return Ok(());
        }
        let older = self
            .store
            .scan(
                &keys::olders(bucket.id(), key),
                Direction::Forward,
                PageLimit::rows(1),
            )
            .await?;
        if older.rows.is_empty() {
            self.delete_expired(bucket, key, marker).await;
        }
        Ok(())
    }

    async fn delete_expired(&self, bucket: &Bucket, key: &str, version: &Version) {
        let occasion = occasion();
        let events = events(&occasion);
        let nothing = Precondition::default();
        let deleted = self
            .delete_version(bucket, key, &version.id, &nothing, Bypass::Nothing, events)
            .await;
        // One that is locked stays until it is not.
        if let Err(fault) = deleted {
            tracing::debug!(%fault, key, "a version that expired could not be deleted");
        }
    }

    async fn expire_older(&self, bucket: &Bucket) -> Result<(), Fault> {
        let is_wanted = bucket
            .lifecycle
            .iter()
            .any(|rule| rule.older_days.is_some());
        if !is_wanted || bucket.versioning == Versioning::Never {
            return Ok(());
        }
        let now = self.clock.now();
        let mut range = keys::all_olders(bucket.id(), "");
        let (mut of_key, mut rank, mut replaced_at) = (String::new(), 0_usize, now);
        loop {
            let page = self
                .store
                .scan(&range, Direction::Forward, PageLimit::rows(ROWS_MAX))
                .await?;
            for row in &page.rows {
                let Some(key) = keys::name_of_older(&row.key) else {
                    continue;
                };
                if key != of_key {
                    let newest = self.newest(bucket, &key).await?;
                    replaced_at = newest.map_or(now, |newest| newest.modified_at);
                    of_key.clone_from(&key);
                    rank = 0;
                }
                let version = read_version(&row.value)?;
                rank += 1;
                let is_due = bucket.lifecycle.iter().any(|rule| {
                    rule.is_about(&key, &version)
                        && rule.older_kept < rank
                        && rule
                            .older_days
                            .is_some_and(|days| midnight_after(replaced_at, days) <= now)
                });
                if is_due {
                    self.delete_expired(bucket, &key, &version).await;
                }
                replaced_at = version.modified_at;
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                Some(_) | None => return Ok(()),
            }
        }
    }

    async fn expire_uploads(&self, bucket: &Bucket) -> Result<(), Fault> {
        let now = self.clock.now();
        let mut range = keys::uploads(bucket.id(), "");
        loop {
            let some = self.uploads(&range, ROWS_MAX).await?;
            let Some((key, id, _)) = some.last() else {
                return Ok(());
            };
            range = range.after(&keys::upload(bucket.id(), key, id));
            for (key, id, upload) in &some {
                let due = upload_abort(bucket, key, upload.initiated_at);
                if due.is_some_and(|(at, _)| at <= now) {
                    // It may have been completed meanwhile.
                    let _ = self.abort_upload(bucket, key, id).await;
                }
            }
        }
    }
}

fn occasion() -> Occasion {
    Occasion {
        principal: "s3.amazonaws.com".to_owned(),
        requester: "s3.amazonaws.com".to_owned(),
        reason: "Lifecycle Expiration",
        ..Occasion::default()
    }
}

fn events(occasion: &Occasion) -> DeleteEvents<'_> {
    DeleteEvents {
        deleted: "LifecycleExpiration:Delete",
        marked: "LifecycleExpiration:DeleteMarkerCreated",
        occasion,
    }
}
