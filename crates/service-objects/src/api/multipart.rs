//! Uploads in parts, as requests speak of them.
//!
//! Lives here: the operations.
//! Does not live here: what is kept (`engine::multipart`).

use aws_wire::host;
use interfaces::service::ServiceAnswer;

use super::answers::{self, Headers};
use super::copy::{Source, write_result};
use super::request::Ask;
use super::service::Inner;
use super::{checksums, conditions, encryption, parts, ranges};
use crate::engine::bucket::{Bucket, Versioning};
use crate::engine::checksum::{Algorithm, Checksum, Extent};
use crate::engine::dates;
use crate::engine::fault::{self, Fault};
use crate::engine::lifecycle::upload_abort;
use crate::engine::multipart::{Named, PART_BYTES_MAX, PARTS_MAX};
use crate::engine::objects::New;
use crate::engine::receiving::{Wanted, receive};
use crate::engine::sealing::CustomerKey;
use crate::engine::version::{Encryption, Part, Upload, Version};

impl Inner {
    pub(super) async fn create_multipart_upload(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let key = encryption::customer_key(ask)?;
        let now = self.objects.clock.now();
        let (about, owner) = parts::about(ask, &bucket, key.as_ref(), now)?;
        let checksum = wanted_checksum(ask)?;
        let upload = Upload {
            initiated_at: now,
            owner,
            initiator: ask.account().to_owned(),
            initiator_arn: ask.call.caller.arn().to_string(),
            about,
            checksum,
        };
        let id = self
            .objects
            .begin_upload(&bucket, &ask.key, &upload)
            .await?;
        let mut headers: Headers = Vec::new();
        encryption::headers(upload.about.encryption.as_ref(), &mut headers);
        if let Some((algorithm, extent)) = checksum {
            headers.push(("x-amz-checksum-algorithm", algorithm.name().to_owned()));
            headers.push(("x-amz-checksum-type", extent.name().to_owned()));
        }
        abort_headers(&bucket, &ask.key, &upload, &mut headers);
        Ok(answers::document(
            "InitiateMultipartUploadResult",
            headers,
            |xml| {
                xml.text("Bucket", bucket.name());
                xml.text("Key", &ask.key);
                xml.text("UploadId", &id);
            },
        ))
    }

    pub(super) async fn upload_part(&self, mut ask: Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(&ask).await?;
        let (id, number) = part_of(&ask)?;
        let upload = self.objects.upload(&bucket, &ask.key, &id).await?;
        let key = upload_key(&upload, encryption::customer_key(&ask)?)?;
        let claims = checksums::claims(&ask)?;
        check_algorithm(&upload, claims.algorithm)?;
        let algorithms = algorithms(&upload, claims.algorithm);
        let mut body = ask.body();
        let wanted = Wanted {
            algorithms,
            bytes_max: PART_BYTES_MAX,
            key,
        };
        let received = receive(&self.blobs, &mut body, wanted).await?;
        claims.check(&received, &body)?;
        let part = self
            .objects
            .put_part(&bucket, &ask.key, &id, number, received)
            .await?;
        let mut headers: Headers = vec![("etag", format!("\"{}\"", part.etag))];
        let shown = claims
            .algorithm
            .or(upload.checksum.map(|(algorithm, _)| algorithm));
        for (algorithm, value) in &part.checksums {
            if shown.is_none_or(|shown| shown == *algorithm) {
                headers.push((algorithm.header(), value.clone()));
            }
        }
        encryption::headers(upload.about.encryption.as_ref(), &mut headers);
        Ok(answers::empty(200, headers))
    }

    pub(super) async fn upload_part_copy(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let (id, number) = part_of(ask)?;
        let upload = self.objects.upload(&bucket, &ask.key, &id).await?;
        let key = upload_key(&upload, encryption::customer_key(ask)?)?;
        let (from, version) = self.source(ask, &Source::of(ask)?).await?;
        let source_key = encryption::source_key(ask)?;
        let source_key = encryption::check_key(&version, source_key.as_ref())?;
        let (start, length) = ranges::of_copy(ask.header("x-amz-copy-source-range"), version.size)?;
        let contents = self
            .reader
            .read(&version.body, start, length, source_key)
            .await?;
        let mut contents = contents.ok_or(fault::NO_SUCH_KEY)?;
        let wanted = Wanted {
            algorithms: algorithms(&upload, None),
            bytes_max: PART_BYTES_MAX,
            key,
        };
        let received = receive(&self.blobs, &mut contents, wanted).await?;
        let part = self
            .objects
            .put_part(&bucket, &ask.key, &id, number, received)
            .await?;
        let mut headers: Headers = Vec::new();
        if from.versioning != Versioning::Never {
            headers.push(("x-amz-copy-source-version-id", version.id));
        }
        encryption::headers(upload.about.encryption.as_ref(), &mut headers);
        Ok(answers::document("CopyPartResult", headers, |xml| {
            write_result(xml, &format!("\"{}\"", part.etag), part.modified_at, None);
            if upload.checksum.is_some() {
                write_checksums(xml, &part);
            }
        }))
    }

    pub(super) async fn complete_multipart_upload(
        &self,
        ask: &Ask,
    ) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let id = ask.query("uploadId").unwrap_or_default();
        let named = named_parts(ask)?;
        let upload = match self.objects.upload(&bucket, &ask.key, id).await {
            Err(fault) if fault.kind == fault::NO_SUCH_UPLOAD => {
                return self.completed_before(ask, &bucket, &named, fault).await;
            }
            found => found?,
        };
        let key = encryption::customer_key(ask)?;
        // Only checksums need the key once more.
        if key.is_some() || upload.checksum.is_some() {
            upload_key(&upload, key)?;
        }
        let joined = self
            .objects
            .join(&bucket, &ask.key, id, &upload, &named)
            .await?;
        check_wished(ask, joined.checksum.as_ref(), joined.size)?;
        let version = Version {
            id: String::new(),
            sequence: 0,
            modified_at: self.objects.clock.now(),
            is_delete_marker: false,
            size: joined.size,
            etag: joined.etag,
            owner: upload.owner,
            body: joined.body,
            parts: Some(joined.count),
            about: upload.about,
            checksum: joined.checksum,
        };
        let new = New {
            version,
            small: None,
            file: Vec::new(),
            rows: joined.rows,
            rubbish: Some(joined.rubbish),
            event: "ObjectCreated:CompleteMultipartUpload",
            occasion: self.occasion(ask, "CompleteMultipartUpload"),
        };
        let condition = conditions::of_write(ask)?;
        let made = self.objects.put(&bucket, &ask.key, new, &condition).await?;
        Ok(completed(ask, &bucket, &made))
    }

    /// A completion may be sent again: the object that it made is the answer.
    async fn completed_before(
        &self,
        ask: &Ask,
        bucket: &Bucket,
        named: &[Named],
        missing: Fault,
    ) -> Result<ServiceAnswer, Fault> {
        let newest = self.objects.newest(bucket, &ask.key).await?;
        let made = newest.filter(|newest| {
            let parts: Vec<Part> = named
                .iter()
                .map(|named| Part {
                    number: named.number,
                    size: 0,
                    etag: named.etag.clone(),
                    body: crate::engine::version::Body::Empty,
                    modified_at: newest.modified_at,
                    checksums: Vec::new(),
                })
                .collect();
            newest.etag == crate::engine::multipart::joined_etag(&parts)
        });
        made.map(|made| completed(ask, bucket, &made))
            .ok_or(missing)
    }

    pub(super) async fn abort_multipart_upload(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let id = ask.query("uploadId").unwrap_or_default();
        self.objects.abort_upload(&bucket, &ask.key, id).await?;
        Ok(answers::empty(204, Vec::new()))
    }
}

fn completed(ask: &Ask, bucket: &Bucket, made: &Version) -> ServiceAnswer {
    let mut headers: Headers = Vec::new();
    if bucket.versioning == Versioning::Enabled {
        headers.push(("x-amz-version-id", made.id.clone()));
    }
    if let Some(expires) = crate::engine::lifecycle::expiration(bucket, &ask.key, made) {
        headers.push(("x-amz-expiration", expires));
    }
    encryption::headers(made.about.encryption.as_ref(), &mut headers);
    let host = host::of(&ask.call.headers).unwrap_or("localhost");
    let location = format!("http://{host}/{}/{}", bucket.name(), ask.key);
    answers::document("CompleteMultipartUploadResult", headers, |xml| {
        xml.text("Location", &location);
        xml.text("Bucket", bucket.name());
        xml.text("Key", &ask.key);
        xml.text("ETag", &made.quoted_etag());
        if let Some(checksum) = &made.checksum {
            xml.text(checksum.algorithm.element(), &checksum.value);
            xml.text("ChecksumType", checksum.extent.name());
        }
    })
}

fn wanted_checksum(ask: &Ask) -> Result<Option<(Algorithm, Extent)>, Fault> {
    let algorithm = match ask.header_or_query("x-amz-checksum-algorithm") {
        None => None,
        Some(name) => Some(Algorithm::read(name).ok_or_else(|| {
            Fault::saying(
                fault::INVALID_REQUEST,
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
            )
        })?),
    };
    let extent = match ask.header("x-amz-checksum-type") {
        None => None,
        Some("FULL_OBJECT") => Some(Extent::FullObject),
        Some("COMPOSITE") => Some(Extent::Composite),
        Some(other) => {
            return Err(Fault::saying(
                fault::INVALID_REQUEST,
                format!("Value for x-amz-checksum-type header is invalid: {other}"),
            ));
        }
    };
    let Some(algorithm) = algorithm else {
        return if extent.is_some() {
            Err(Fault::saying(
                fault::INVALID_REQUEST,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            ))
        } else {
            Ok(None)
        };
    };
    let extent = extent.unwrap_or_else(|| algorithm.default_extent());
    let is_possible = match extent {
        Extent::FullObject => algorithm.is_joinable(),
        Extent::Composite => algorithm != Algorithm::Crc64Nvme,
    };
    if !is_possible {
        return Err(Fault::saying(
            fault::INVALID_REQUEST,
            format!(
                "The {} checksum type cannot be used with the {} checksum algorithm.",
                extent.name(),
                algorithm.name().to_ascii_lowercase()
            ),
        ));
    }
    Ok(Some((algorithm, extent)))
}

/// A part must come with the algorithm that its upload was begun with, or none.
fn check_algorithm(upload: &Upload, sent: Option<Algorithm>) -> Result<(), Fault> {
    match (upload.checksum, sent) {
        (Some((wanted, _)), Some(sent)) if wanted != sent => Err(Fault::saying(
            fault::INVALID_REQUEST,
            format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                wanted.name().to_ascii_lowercase(),
                sent.name().to_ascii_lowercase()
            ),
        )),
        _ => Ok(()),
    }
}

fn algorithms(upload: &Upload, sent: Option<Algorithm>) -> Vec<Algorithm> {
    let mut wanted: Vec<Algorithm> = upload
        .checksum
        .map(|(algorithm, _)| algorithm)
        .into_iter()
        .collect();
    if let Some(sent) = sent.filter(|sent| !wanted.contains(sent)) {
        wanted.push(sent);
    }
    wanted
}

/// The key that all parts of an upload are encrypted by.
fn upload_key(upload: &Upload, key: Option<CustomerKey>) -> Result<Option<CustomerKey>, Fault> {
    match (&upload.about.encryption, key) {
        (Some(Encryption::Customer { key_md5 }), Some(key)) if *key_md5 == key.md5 => Ok(Some(key)),
        (Some(Encryption::Customer { .. }), Some(_)) => Err(Fault::saying(
            fault::INVALID_REQUEST,
            "The provided encryption parameters did not match the ones used originally.",
        )),
        (Some(Encryption::Customer { .. }), None) => Err(Fault::saying(
            fault::INVALID_REQUEST,
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.",
        )),
        (_, Some(_)) => Err(Fault::saying(
            fault::INVALID_REQUEST,
            "The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters.",
        )),
        (_, None) => Ok(None),
    }
}

fn part_of(ask: &Ask) -> Result<(String, u32), Fault> {
    let id = ask.query("uploadId").unwrap_or_default().to_owned();
    let sent = ask.query("partNumber").unwrap_or_default();
    match sent.parse::<u32>() {
        Ok(number) if (1..=PARTS_MAX).contains(&number) => Ok((id, number)),
        Ok(_) | Err(_) => Err(Fault::argument(
            "Part number must be an integer between 1 and 10000, inclusive",
            "partNumber",
            sent,
        )),
    }
}

fn named_parts(ask: &Ask) -> Result<Vec<Named>, Fault> {
    let node = ask.document("CompleteMultipartUpload")?;
    let named: Vec<Named> = node
        .all("Part")
        .map(|part| {
            let number = part
                .text_of("PartNumber")
                .and_then(|text| text.trim().parse().ok());
            let etag = part.text_of("ETag");
            let (Some(number), Some(etag)) = (number, etag) else {
                return Err(Fault::from(fault::MALFORMED_XML));
            };
            Ok(Named {
                number,
                etag: etag.trim().trim_matches('"').to_owned(),
                checksums: Algorithm::ALL
                    .into_iter()
                    .filter_map(|algorithm| {
                        Some((algorithm, part.text_of(algorithm.element())?.to_owned()))
                    })
                    .collect(),
            })
        })
        .collect::<Result<_, Fault>>()?;
    if named.is_empty() || PARTS_MAX as usize <= named.len().saturating_sub(1) {
        return Err(fault::MALFORMED_XML.into());
    }
    Ok(named)
}

/// What a completion says of the whole object.
fn check_wished(ask: &Ask, made: Option<&Checksum>, size: u64) -> Result<(), Fault> {
    for algorithm in Algorithm::ALL {
        let Some(wished) = ask.header(algorithm.header()) else {
            continue;
        };
        let of_made = made.filter(|made| made.algorithm == algorithm);
        // A composite one may come without the number of its parts.
        let is_same = of_made.is_some_and(|made| {
            made.value == wished
                || made
                    .value
                    .split_once('-')
                    .is_some_and(|(value, _)| value == wished)
        });
        if of_made.is_some() && !is_same {
            return Err(Fault::saying(
                fault::BAD_DIGEST,
                format!(
                    "The {} you specified did not match the calculated checksum.",
                    algorithm.name()
                ),
            ));
        }
    }
    match ask.header("x-amz-mp-object-size").map(str::parse::<u64>) {
        Some(Ok(wished)) if wished != size => Err(Fault::saying(
            fault::INVALID_REQUEST,
            format!(
                "The provided 'x-amz-mp-object-size' header value {wished} does not match what was computed: {size}"
            ),
        )),
        Some(Err(_)) => Err(Fault::saying(
            fault::INVALID_REQUEST,
            "Value for x-amz-mp-object-size header is invalid.",
        )),
        Some(Ok(_)) | None => Ok(()),
    }
}

pub(super) fn write_checksums(xml: &mut aws_wire::xml::Xml, part: &Part) {
    for (algorithm, value) in &part.checksums {
        xml.text(algorithm.element(), value);
    }
}

pub(super) fn abort_headers(bucket: &Bucket, key: &str, upload: &Upload, headers: &mut Headers) {
    if let Some((at, rule)) = upload_abort(bucket, key, upload.initiated_at) {
        headers.push(("x-amz-abort-date", dates::http(at)));
        headers.push(("x-amz-abort-rule-id", rule));
    }
}

pub(super) fn number(ask: &Ask, name: &str, usual: usize) -> Result<usize, Fault> {
    match ask.query(name) {
        None | Some("") => Ok(usual),
        Some(text) => match text.parse::<i64>() {
            Ok(number) if 0 <= number && number <= i64::from(i32::MAX) => {
                Ok(usize::try_from(number).unwrap_or_default())
            }
            Ok(_) => Err(Fault::argument(
                format!("Argument {name} must be an integer between 0 and 2147483647"),
                name,
                text,
            )),
            Err(_) => Err(Fault::argument(
                format!("Provided {name} not an integer or within integer range"),
                name,
                text,
            )),
        },
    }
}

pub(super) fn truth(is_so: &bool) -> &'static str {
    if *is_so { "true" } else { "false" }
}
