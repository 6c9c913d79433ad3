//! `DeleteObject` and `DeleteObjects`.
//!
//! Lives here: one deletion and many.
//! Does not live here: versions and markers (`engine::objects`).

use interfaces::service::ServiceAnswer;

use super::answers::{self, Headers};
use super::checksums;
use super::conditions;
use super::request::Ask;
use super::service::Inner;
use crate::engine::bucket::Bucket;
use crate::engine::dates;
use crate::engine::fault::{self, Fault};
use crate::engine::notification::DeleteEvents;
use crate::engine::objects::Deleted;
use crate::engine::preconditions::{Bypass, Precondition};

/// Amazon S3 API Reference, `DeleteObjects`.
const KEYS_MAX: usize = 1_000;

/// One object of many that are to be deleted.
pub(super) struct Doomed {
    pub(super) key: String,
    pub(super) version: Option<String>,
    condition: Precondition,
}

impl Inner {
    pub(super) async fn delete_object(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let doomed = Doomed {
            key: ask.key.clone(),
            version: ask.version_id().map(str::to_owned),
            condition: conditions::of_deletion(ask),
        };
        let deleted = self.delete_one(ask, &bucket, &doomed).await?;
        let mut headers: Headers = Vec::new();
        if let Some(version) = deleted.version {
            headers.push(("x-amz-version-id", version));
        }
        if deleted.is_delete_marker {
            headers.push(("x-amz-delete-marker", "true".to_owned()));
        }
        Ok(answers::empty(204, headers))
    }

    async fn delete_one(
        &self,
        ask: &Ask,
        bucket: &Bucket,
        doomed: &Doomed,
    ) -> Result<Deleted, Fault> {
        let occasion = self.occasion(ask, "DeleteObject");
        let events = DeleteEvents::requested(&occasion);
        let Doomed {
            key,
            version,
            condition,
        } = doomed;
        match version {
            None => self.objects.delete(bucket, key, condition, events).await,
            Some(version) => {
                let bypass = bypass(ask, bucket)?;
                self.objects
                    .delete_version(bucket, key, version, condition, bypass, events)
                    .await
            }
        }
    }

    pub(super) async fn delete_objects(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let claims = checksums::claims(ask)?;
        claims.check_whole(&ask.call.body)?;
        let (doomed, is_quiet) = read(ask)?;
        let refusals = self.refusals(ask, &bucket, &doomed).await?;
        let mut results = Vec::with_capacity(doomed.len());
        for (one, refused) in doomed.iter().zip(refusals) {
            let result = match refused {
                Some(fault) => Err(fault),
                None => self.delete_one(ask, &bucket, one).await,
            };
            results.push(result);
        }
        Ok(answers::document("DeleteResult", Vec::new(), |xml| {
            for (one, result) in doomed.iter().zip(results) {
                match result {
                    Ok(_) if is_quiet => {}
                    Ok(deleted) => xml.element("Deleted", |xml| {
                        xml.text("Key", &one.key);
                        xml.optional("VersionId", one.version.as_deref());
                        if deleted.is_delete_marker {
                            xml.text("DeleteMarker", "true");
                            xml.optional("DeleteMarkerVersionId", deleted.version.as_deref());
                        }
                    }),
                    Err(fault) => xml.element("Error", |xml| {
                        xml.text("Key", &one.key);
                        xml.optional("VersionId", one.version.as_deref());
                        xml.text("Code", fault.kind.code);
                        xml.text("Message", &fault.message);
                    }),
                }
            }
        }))
    }
}

/// Whether the caller wants to delete what is locked: that they may was checked.
pub(super) fn bypass(ask: &Ask, bucket: &Bucket) -> Result<Bypass, Fault> {
    let wished = ask
        .header_or_query("x-amz-bypass-governance-retention")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"));
    match wished {
        true if bucket.has_object_lock => Ok(Bypass::Governance),
        true => Err(Fault::saying(
            fault::INVALID_ARGUMENT,
            "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.",
        )),
        false => Ok(Bypass::Nothing),
    }
}

fn read(ask: &Ask) -> Result<(Vec<Doomed>, bool), Fault> {
    let node = ask.document("Delete")?;
    let is_quiet = node.text_of("Quiet") == Some("true");
    let objects: Vec<Doomed> = node
        .all("Object")
        .map(|object| {
            let key = object.text_of("Key").ok_or(fault::MALFORMED_XML)?;
            Ok(Doomed {
                key: key.to_owned(),
                version: object
                    .text_of("VersionId")
                    .filter(|id| !id.is_empty())
                    .map(str::to_owned),
                condition: Precondition {
                    matches: object.text_of("ETag").map(str::to_owned),
                    matches_none: None,
                    modified_at: object
                        .text_of("LastModifiedTime")
                        .and_then(dates::read_http),
                    size: object.text_of("Size").and_then(|size| size.parse().ok()),
                },
            })
        })
        .collect::<Result<_, Fault>>()?;
    if objects.is_empty() || KEYS_MAX < objects.len() {
        return Err(fault::MALFORMED_XML.into());
    }
    Ok((objects, is_quiet))
}
