//! `CopyObject` and the sources of copies.
//!
//! Lives here: where a copy comes from, what it takes over, copying bytes by a second name for the same file.
//! Does not live here: parts that are copied (`multipart`).

use aws_wire::xml::Xml;
use interfaces::service::ServiceAnswer;
use percent_encoding::percent_decode_str;

use super::answers;
use super::request::Ask;
use super::service::Inner;
use super::{checksums, conditions, encryption, parts};
use crate::engine::blobs::{Blobs, failed};
use crate::engine::bucket::{Bucket, Versioning};
use crate::engine::checksum::{Algorithm, Checksum, Extent};
use crate::engine::dates;
use crate::engine::fault::{self, Fault};
use crate::engine::keys;
use crate::engine::objects::New;
use crate::engine::receiving::{Received, Wanted, receive};
use crate::engine::tags::header_tags;
use crate::engine::version::{About, Body, Version};

/// Where a copy comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version: Option<String>,
}

impl Source {
    /// Reads `x-amz-copy-source`.
    pub(crate) fn read(header: &str) -> Result<Self, Fault> {
        let refused = || {
            Fault::argument(
                "Invalid copy source object key",
                "x-amz-copy-source",
                header,
            )
        };
        let (path, version) = match header.split_once("?versionId=") {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (header, None),
        };
        let path = percent_decode_str(path)
            .decode_utf8()
            .map_err(|_| refused())?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').ok_or_else(refused)?;
        if bucket.is_empty() || key.is_empty() {
            return Err(refused());
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: version.filter(|version| !version.is_empty()),
        })
    }

    pub(crate) fn of(ask: &Ask) -> Result<Self, Fault> {
        Self::read(ask.header("x-amz-copy-source").unwrap_or_default())
    }
}

impl Inner {
    /// The version that is copied, once its conditions hold.
    pub(super) async fn source(
        &self,
        ask: &Ask,
        source: &Source,
    ) -> Result<(std::sync::Arc<Bucket>, Version), Fault> {
        let bucket = self.catalogue.get(&source.bucket).await?;
        if let Some(expected) = ask.header("x-amz-source-expected-bucket-owner")
            && bucket.row.account != expected
        {
            return Err(fault::ACCESS_DENIED.into());
        }
        let found = self
            .objects
            .find(&bucket, &source.key, source.version.as_deref())
            .await;
        let (version, _) = found.map_err(|fault| {
            if fault.kind == fault::METHOD_NOT_ALLOWED {
                Fault::saying(
                    fault::INVALID_REQUEST,
                    "The source of a copy request may not specifically refer to a delete marker by version id.",
                )
            } else {
                Fault {
                    headers: Vec::new(),
                    ..fault
                }
            }
        })?;
        conditions::check_source(ask, &version)?;
        Ok((bucket, version))
    }

    pub(super) async fn copy_object(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let source = Source::of(ask)?;
        let key = encryption::customer_key(ask)?;
        let (from, version) = self.source(ask, &source).await?;
        let now = self.objects.clock.now();
        let (mut about, owner) = parts::about(ask, &bucket, key.as_ref(), now)?;
        take_over(ask, &source, &version, &mut about)?;
        if version.size > super::put::PUT_BYTES_MAX {
            return Err(Fault::saying(
                fault::INVALID_REQUEST,
                "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
            ));
        }
        let algorithm = ask
            .header("x-amz-checksum-algorithm")
            .map(|name| {
                Algorithm::read(name).ok_or_else(|| {
                    Fault::saying(
                        fault::INVALID_REQUEST,
                        "Value for x-amz-checksum-algorithm header is invalid.",
                    )
                })
            })
            .transpose()?;
        let copied = self.copied(ask, &version, algorithm, key).await?;
        let new = New {
            occasion: self.occasion(ask, "CopyObject"),
            event: "ObjectCreated:Copy",
            ..super::put::new_object(copied, about, owner, now)
        };
        let condition = conditions::of_write(ask)?;
        let made = self.objects.put(&bucket, &ask.key, new, &condition).await?;
        let mut headers = Vec::new();
        if bucket.versioning == Versioning::Enabled {
            headers.push(("x-amz-version-id", made.id.clone()));
        }
        if from.versioning != Versioning::Never {
            headers.push(("x-amz-copy-source-version-id", version.id.clone()));
        }
        encryption::headers(made.about.encryption.as_ref(), &mut headers);
        Ok(answers::document("CopyObjectResult", headers, |xml| {
            write_result(
                xml,
                &made.quoted_etag(),
                made.modified_at,
                made.checksum.as_ref(),
            );
        }))
    }

    /// The bytes of a version once more, with their MD5 and checksum.
    async fn copied(
        &self,
        ask: &Ask,
        version: &Version,
        algorithm: Option<Algorithm>,
        key: Option<crate::engine::sealing::CustomerKey>,
    ) -> Result<Received, Fault> {
        let source_key = encryption::source_key(ask)?;
        let source_key = encryption::check_key(version, source_key.as_ref())?;
        let known = version.checksum.as_ref().filter(|checksum| {
            checksum.extent == Extent::FullObject
                && algorithm.is_none_or(|wanted| wanted == checksum.algorithm)
        });
        if let (Some(known), None, None) = (known, &key, source_key)
            && let Some(received) = self.linked(version, known).await?
        {
            return Ok(received);
        }
        let usual = version.checksum.as_ref().map(|checksum| checksum.algorithm);
        let wanted = Wanted {
            algorithms: vec![algorithm.or(usual).unwrap_or(checksums::DEFAULT)],
            bytes_max: u64::MAX,
            key,
        };
        let contents = self
            .reader
            .read(&version.body, 0, version.size, source_key)
            .await?;
        let mut contents = contents.ok_or(fault::NO_SUCH_KEY)?;
        receive(&self.blobs, &mut contents, wanted).await
    }

    /// A second name for a file; none: these bytes must be read.
    async fn linked(&self, version: &Version, known: &Checksum) -> Result<Option<Received>, Fault> {
        let Some(md5) = hex::decode(&version.etag)
            .ok()
            .and_then(|md5| md5.try_into().ok())
        else {
            return Ok(None);
        };
        let id = self.blobs.draw();
        let (body, small, file) = match &version.body {
            Body::Empty => (Body::Empty, None, None),
            Body::Bytes(there) => {
                let bytes = self.objects.store.get(&keys::bytes(there)).await?;
                (
                    Body::Bytes(id),
                    Some(bytes.ok_or(fault::NO_SUCH_KEY)?),
                    None,
                )
            }
            Body::File(there) => {
                let (from, to) = (self.blobs.path(there)?, self.blobs.path(&id)?);
                let linked = tokio::task::spawn_blocking(move || Blobs::link(&from, &to)).await;
                (Body::File(id), None, Some(linked.map_err(failed)??))
            }
            Body::Parts(_) | Body::Slot(_) => return Ok(None),
        };
        Ok(Some(Received {
            body,
            small,
            size: version.size,
            md5,
            checksums: vec![(known.algorithm, known.value.clone())],
            file,
        }))
    }
}

/// What the copy has of its source, as the directives say.
fn take_over(
    ask: &Ask,
    source: &Source,
    version: &Version,
    about: &mut About,
) -> Result<(), Fault> {
    let replaces = |header: &'static str| match ask.header(header) {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(Fault::argument(
            if header == "x-amz-metadata-directive" {
                "Unknown metadata directive."
            } else {
                "Unknown tagging directive."
            },
            header,
            other,
        )),
    };
    let replaces_metadata = replaces("x-amz-metadata-directive")?;
    let is_onto_itself =
        source.bucket == ask.bucket && source.key == ask.key && source.version.is_none();
    let changes = [
        "x-amz-storage-class",
        "x-amz-website-redirect-location",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-customer-algorithm",
    ]
    .iter()
    .any(|name| ask.call.headers.contains_key(*name));
    if is_onto_itself && !replaces_metadata && !changes {
        return Err(Fault::saying(
            fault::INVALID_REQUEST,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    if !replaces_metadata {
        let redirect = about.headers.remove("x-amz-website-redirect-location");
        about.headers.clone_from(&version.about.headers);
        about.headers.remove("x-amz-website-redirect-location");
        about
            .headers
            .extend(redirect.map(|to| ("x-amz-website-redirect-location".to_owned(), to)));
        about.metadata.clone_from(&version.about.metadata);
    }
    about.tags = if replaces("x-amz-tagging-directive")? {
        header_tags(ask.header("x-amz-tagging").unwrap_or_default())?
    } else {
        version.about.tags.clone()
    };
    Ok(())
}

pub(super) fn write_result(
    xml: &mut Xml,
    etag: &str,
    at: model::time::Timestamp,
    checksum: Option<&Checksum>,
) {
    xml.text("LastModified", &dates::iso(at));
    xml.text("ETag", etag);
    if let Some(checksum) = checksum {
        xml.text(checksum.algorithm.element(), &checksum.value);
        xml.text("ChecksumType", checksum.extent.name());
    }
}
