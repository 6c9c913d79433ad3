//! `ListParts` and `ListMultipartUploads`.
//!
//! Lives here: both documents, going through uploads.
//! Does not live here: the other operations of uploads (`multipart`).

use interfaces::service::ServiceAnswer;

use super::answers::{self, Headers};
use super::lists::{encode, encoding};
use super::multipart::{abort_headers, number, write_checksums};
use super::request::Ask;
use super::service::Inner;
use crate::engine::access::{self, Names};
use crate::engine::bucket::Bucket;
use crate::engine::dates;
use crate::engine::fault::Fault;
use crate::engine::keys;
use crate::engine::listing::{Query, common_prefix};
use crate::engine::version::Upload;

/// Amazon S3 API Reference, `ListParts` and `ListMultipartUploads`.
const LIST_MAX: usize = 1_000;

impl Inner {
    pub(super) async fn list_parts(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let id = ask.query("uploadId").unwrap_or_default();
        let upload = self.objects.upload(&bucket, &ask.key, id).await?;
        let max = number(ask, "max-parts", LIST_MAX)?.min(LIST_MAX);
        let after = number(ask, "part-number-marker", 0)?;
        let after = u32::try_from(after).unwrap_or(u32::MAX);
        let (parts, is_truncated) = self.objects.parts(id, after, max).await?;
        let names = self.names();
        let mut headers: Headers = Vec::new();
        abort_headers(&bucket, &ask.key, &upload, &mut headers);
        Ok(answers::document("ListPartsResult", headers, |xml| {
            xml.text("Bucket", bucket.name());
            xml.text("Key", &ask.key);
            xml.text("UploadId", id);
            initiator(&upload, names).write(xml);
            access::owner("Owner", &upload.owner, names).write(xml);
            xml.text(
                "StorageClass",
                upload.about.storage_class.as_deref().unwrap_or("STANDARD"),
            );
            xml.text("PartNumberMarker", &after.to_string());
            let last = parts.last().map_or(0, |part| part.number);
            xml.text("NextPartNumberMarker", &last.to_string());
            xml.text("MaxParts", &max.to_string());
            xml.text("IsTruncated", if is_truncated { "true" } else { "false" });
            if let Some((algorithm, extent)) = upload.checksum {
                xml.text("ChecksumAlgorithm", algorithm.name());
                xml.text("ChecksumType", extent.name());
            }
            for part in &parts {
                xml.element("Part", |xml| {
                    xml.text("PartNumber", &part.number.to_string());
                    xml.text("LastModified", &dates::iso(part.modified_at));
                    xml.text("ETag", &format!("\"{}\"", part.etag));
                    xml.text("Size", &part.size.to_string());
                    if upload.checksum.is_some() {
                        write_checksums(xml, part);
                    }
                });
            }
        }))
    }

    pub(super) async fn list_multipart_uploads(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let max = number(ask, "max-uploads", LIST_MAX)?.min(LIST_MAX);
        let encoding = encoding(ask)?;
        let query = Query {
            prefix: ask.query("prefix").unwrap_or_default(),
            delimiter: ask.query("delimiter"),
            after: ask.query("key-marker").unwrap_or_default(),
            max,
        };
        let id_marker = ask.query("upload-id-marker").unwrap_or_default();
        let found = self.uploads_found(&bucket, &query, id_marker).await?;
        let names = self.names();
        Ok(answers::document(
            "ListMultipartUploadsResult",
            Vec::new(),
            |xml| {
                xml.text("Bucket", bucket.name());
                xml.text("KeyMarker", &encode(encoding, query.after));
                xml.text("UploadIdMarker", id_marker);
                if let Some((key, id)) = &found.next {
                    xml.text("NextKeyMarker", &encode(encoding, key));
                    xml.text("NextUploadIdMarker", id);
                }
                xml.text("Prefix", &encode(encoding, query.prefix));
                if let Some(delimiter) = query.delimiter {
                    xml.text("Delimiter", &encode(encoding, delimiter));
                }
                xml.optional("EncodingType", encoding);
                xml.text("MaxUploads", &max.to_string());
                xml.text(
                    "IsTruncated",
                    if found.next.is_some() {
                        "true"
                    } else {
                        "false"
                    },
                );
                for (key, id, upload) in &found.uploads {
                    xml.element("Upload", |xml| {
                        xml.text("Key", &encode(encoding, key));
                        xml.text("UploadId", id);
                        initiator(upload, names).write(xml);
                        access::owner("Owner", &upload.owner, names).write(xml);
                        xml.text(
                            "StorageClass",
                            upload.about.storage_class.as_deref().unwrap_or("STANDARD"),
                        );
                        xml.text("Initiated", &dates::iso(upload.initiated_at));
                        if let Some((algorithm, extent)) = upload.checksum {
                            xml.text("ChecksumAlgorithm", algorithm.name());
                            xml.text("ChecksumType", extent.name());
                        }
                    });
                }
                for prefix in &found.prefixes {
                    xml.element("CommonPrefixes", |xml| {
                        xml.text("Prefix", &encode(encoding, prefix))
                    });
                }
            },
        ))
    }

    async fn uploads_found(
        &self,
        bucket: &Bucket,
        query: &Query<'_>,
        id_marker: &str,
    ) -> Result<Uploads, Fault> {
        let mut range = keys::uploads(bucket.id(), query.prefix);
        if !query.after.is_empty() {
            let after = if id_marker.is_empty() { "~" } else { id_marker };
            range = range.after(&keys::upload(bucket.id(), query.after, after));
        }
        let mut found = Uploads::default();
        loop {
            let some = self.objects.uploads(&range, LIST_MAX).await?;
            let Some((key, id, _)) = some.last() else {
                return Ok(found);
            };
            range = range.after(&keys::upload(bucket.id(), key, id));
            for (key, id, upload) in some {
                let common = common_prefix(&key, query);
                if common
                    .as_ref()
                    .is_some_and(|common| found.prefixes.contains(common))
                {
                    found.last = Some((key, id));
                    continue;
                }
                if found.uploads.len() + found.prefixes.len() == query.max {
                    found.next = found.last.take();
                    return Ok(found);
                }
                found.last = Some((key.clone(), id.clone()));
                match common {
                    Some(common) => found.prefixes.push(common),
                    None => found.uploads.push((key, id, upload)),
                }
            }
        }
    }
}

#[derive(Default)]
struct Uploads {
    uploads: Vec<(String, String, Upload)>,
    prefixes: Vec<String>,
    last: Option<(String, String)>,
    next: Option<(String, String)>,
}

fn initiator(upload: &Upload, names: Names) -> crate::engine::node::Node {
    access::owner("Initiator", &upload.initiator, names)
}
