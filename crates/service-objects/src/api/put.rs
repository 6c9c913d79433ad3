//! `PutObject`.
//!
//! Lives here: putting what a request carries.
//! Does not live here: what it says of the object (`parts`), uploads in parts (`multipart`), forms (`post`).

use interfaces::service::ServiceAnswer;
use store::Batch;

use super::answers::{self, Headers};
use super::request::Ask;
use super::service::Inner;
use super::{checksums, conditions, encryption, parts};
use crate::engine::bucket::{Bucket, Versioning};
use crate::engine::fault::{self, Fault};
use crate::engine::lifecycle::expiration;
use crate::engine::objects::New;
use crate::engine::receiving::{Received, Wanted, receive};
use crate::engine::version::{About, Version};

/// Amazon S3 User Guide, "Uploading objects": the most that one request uploads.
pub(crate) const PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

impl Inner {
    pub(super) async fn put_object(&self, mut ask: Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(&ask).await?;
        let key = encryption::customer_key(&ask)?;
        let claims = checksums::claims(&ask)?;
        let condition = conditions::of_write(&ask)?;
        let now = self.objects.clock.now();
        let (about, owner) = parts::about(&ask, &bucket, key.as_ref(), now)?;
        check_length(&ask)?;
        let mut body = ask.body();
        let wanted = Wanted {
            algorithms: vec![claims.algorithm.unwrap_or(checksums::DEFAULT)],
            bytes_max: PUT_BYTES_MAX,
            key,
        };
        let received = receive(&self.blobs, &mut body, wanted).await?;
        claims.check(&received, &body)?;
        let occasion = self.occasion(&ask, "PutObject");
        let new = New {
            occasion,
            ..new_object(received, about, owner, now)
        };
        let version = self.objects.put(&bucket, &ask.key, new, &condition).await?;
        Ok(answers::empty(
            200,
            put_headers(&bucket, &ask.key, &version),
        ))
    }
}

/// S3 takes no body of which it is not told how long it is.
fn check_length(ask: &Ask) -> Result<(), Fault> {
    let length = ask
        .header("x-amz-decoded-content-length")
        .or_else(|| ask.header("content-length"));
    match length {
        Some(length) => match length.parse::<u64>() {
            Ok(bytes) if bytes <= PUT_BYTES_MAX => Ok(()),
            Ok(bytes) => Err(Fault::from(fault::ENTITY_TOO_LARGE)
                .with("ProposedSize", bytes.to_string())
                .with("MaxSizeAllowed", PUT_BYTES_MAX.to_string())),
            Err(_) => Err(fault::MISSING_CONTENT_LENGTH.into()),
        },
        None => Err(fault::MISSING_CONTENT_LENGTH.into()),
    }
}

/// What is put of bytes that came in one piece.
pub(super) fn new_object(
    received: Received,
    about: About,
    owner: String,
    now: model::time::Timestamp,
) -> New {
    let checksum = checksums::of_received(&received);
    New {
        version: Version {
            id: String::new(),
            sequence: 0,
            modified_at: now,
            is_delete_marker: false,
            size: received.size,
            etag: hex::encode(received.md5),
            owner,
            body: received.body,
            parts: None,
            about,
            checksum,
        },
        small: received.small,
        file: received.file.into_iter().collect(),
        rows: Batch::new(),
        rubbish: None,
        event: "ObjectCreated:Put",
        occasion: crate::engine::notification::Occasion::default(),
    }
}

/// What answers say of an object that was just put.
pub(super) fn put_headers(bucket: &Bucket, key: &str, version: &Version) -> Headers {
    let mut headers = vec![("etag", version.quoted_etag())];
    if bucket.versioning == Versioning::Enabled {
        headers.push(("x-amz-version-id", version.id.clone()));
    }
    if let Some(expires) = expiration(bucket, key, version) {
        headers.push(("x-amz-expiration", expires));
    }
    checksums::headers(version.checksum.as_ref(), &mut headers);
    encryption::headers(version.about.encryption.as_ref(), &mut headers);
    headers
}
