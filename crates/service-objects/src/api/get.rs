//! `GetObject` and `HeadObject`.
//!
//! Lives here: which bytes are given, and what is said of them.
//! Does not live here: reading them (`engine::reading`), who may (`checks`).

use bytes::Bytes;
use http::Method;
use interfaces::authorize::Check;
use interfaces::objects::ObjectName;
use interfaces::service::ServiceAnswer;
use model::principal::Principal;

use super::answers::Headers;
use super::checks::{About, check};
use super::ranges::{self, Span};
use super::request::Ask;
use super::service::Inner;
use super::{checksums, conditions, encryption};
use crate::engine::bucket::{Bucket, Versioning};
use crate::engine::dates;
use crate::engine::fault::{self, Fault};
use crate::engine::lifecycle::expiration;
use crate::engine::version::{Body, Part, Version};

/// Times that a version is looked for again which was replaced while it was about to be read.
const TRIES_MAX: usize = 5;
/// Headers of answers that a query can set.
const OVERRIDES: [(&str, &str); 6] = [
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
    ("response-content-language", "content-language"),
    ("response-content-type", "content-type"),
    ("response-expires", "expires"),
];

impl Inner {
    pub(super) async fn get_object(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let key = encryption::customer_key(ask)?;
        if let Some(algorithm) = ask.header("x-amz-server-side-encryption") {
            return Err(Fault::argument(
                "x-amz-server-side-encryption header is not supported for this operation.",
                "x-amz-server-side-encryption",
                algorithm,
            ));
        }
        for _ in 0..TRIES_MAX {
            let (version, _) = self
                .objects
                .find(&bucket, &ask.key, ask.version_id())
                .await?;
            let key = encryption::check_key(&version, key.as_ref())?;
            conditions::check_read(ask, &version)?;
            let (span, part) = self.span(ask, &version).await?;
            let (start, length) = span.unwrap_or((0, version.size));
            let mut headers = headers(&bucket, ask, &version)?;
            headers.push(("content-length", length.to_string()));
            if span.is_some() {
                let last = (start + length).saturating_sub(1);
                let range = format!("bytes {start}-{last}/{}", version.size);
                headers.push(("content-range", range));
            }
            if let (Some(_), Some(count)) = (&part, version.parts) {
                headers.push(("x-amz-mp-parts-count", count.to_string()));
            }
            if ask
                .header("x-amz-checksum-mode")
                .is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"))
            {
                let read = (length == version.size).then_some(&version);
                push_checksum(&version, part.as_ref(), read, &mut headers);
            }
            let status = if span.is_some() { 206 } else { 200 };
            if ask.call.method == Method::HEAD {
                return Ok(ServiceAnswer {
                    status,
                    headers,
                    body: Bytes::new(),
                    rest: None,
                });
            }
            let contents = self.reader.read(&version.body, start, length, key).await?;
            if let Some(contents) = contents {
                let (body, rest) = contents.answer();
                return Ok(ServiceAnswer {
                    status,
                    headers,
                    body,
                    rest,
                });
            }
        }
        Err(fault::NO_SUCH_KEY.into())
    }

    /// The range that is asked for: by its bytes, or by the number of a part.
    async fn span(
        &self,
        ask: &Ask,
        version: &Version,
    ) -> Result<(Option<Span>, Option<Part>), Fault> {
        let range = ask.header("range");
        let Some(number) = ask.query("partNumber") else {
            return Ok((ranges::read(range, version.size)?, None));
        };
        if range.is_some() {
            return Err(Fault::saying(
                fault::INVALID_REQUEST,
                "Cannot specify both Range header and partNumber query parameter",
            ));
        }
        let number: u32 = match number.parse() {
            Ok(number) if 0 < number => number,
            Ok(_) | Err(_) => {
                return Err(Fault::argument(
                    "Part number must be an integer between 1 and 10000, inclusive",
                    "partNumber",
                    number,
                ));
            }
        };
        let missing = || {
            Fault::from(fault::INVALID_PART_NUMBER)
                .with("ActualPartCount", version.parts.unwrap_or(1).to_string())
                .with("PartNumberRequested", number.to_string())
        };
        match &version.body {
            Body::Parts(id) => {
                let mut start = 0;
                for part in self.reader.parts(id).await? {
                    if part.number == number {
                        return Ok((Some((start, part.size)), Some(part)));
                    }
                    start += part.size;
                }
                Err(missing())
            }
            Body::Empty | Body::Bytes(_) | Body::Slot(_) | Body::File(_) if number == 1 => {
                Ok(((0 < version.size).then_some((0, version.size)), None))
            }
            Body::Empty | Body::Bytes(_) | Body::Slot(_) | Body::File(_) => Err(missing()),
        }
    }

    /// A check that another service makes on an object, with what its bucket says of it.
    pub(super) async fn completed(&self, caller: &Principal, asked: Check) -> Check {
        let name = asked.resource.strip_prefix("arn:aws:s3:::");
        let Some((bucket, key)) = name.and_then(|name| name.split_once('/')) else {
            return asked;
        };
        let Ok(Some(bucket)) = self.catalogue.find(bucket).await else {
            return asked;
        };
        // Of an older version only its own list could say otherwise: the newest speaks for it.
        let version = self.version_asked(&bucket, key, None).await.flatten();
        let about = About {
            bucket: &bucket,
            key: Some(key),
            version: version.as_ref(),
            is_new: false,
        };
        check(caller, &asked.action, &about, asked.context)
    }

    /// A whole object, for another service.
    pub(super) async fn read_whole(&self, object: &ObjectName) -> Result<Bytes, Fault> {
        let bucket = self.catalogue.get(&object.bucket).await?;
        for _ in 0..TRIES_MAX {
            let (version, _) = self
                .objects
                .find(&bucket, &object.key, object.version.as_deref())
                .await?;
            encryption::check_key(&version, None)?;
            if object.bytes_max < version.size {
                return Err(fault::ENTITY_TOO_LARGE.into());
            }
            let contents = self
                .reader
                .read(&version.body, 0, version.size, None)
                .await?;
            if let Some(contents) = contents {
                return contents.collect().await;
            }
        }
        Err(fault::NO_SUCH_KEY.into())
    }
}

/// The checksum of the part that is read, or of the version, if all of it is.
fn push_checksum(
    version: &Version,
    part: Option<&Part>,
    whole: Option<&Version>,
    headers: &mut Headers,
) {
    let Some(checksum) = &version.checksum else {
        return;
    };
    match part {
        Some(part) => {
            let mut sums = part.checksums.iter();
            if let Some((algorithm, value)) =
                sums.find(|(algorithm, _)| *algorithm == checksum.algorithm)
            {
                headers.push((algorithm.header(), value.clone()));
                headers.push(("x-amz-checksum-type", checksum.extent.name().to_owned()));
            }
        }
        None if whole.is_some() => checksums::headers(Some(checksum), headers),
        None => {}
    }
}

/// What is said of a version.
fn headers(bucket: &Bucket, ask: &Ask, version: &Version) -> Result<Headers, Fault> {
    let mut headers: Headers = vec![
        ("accept-ranges", "bytes".to_owned()),
        ("last-modified", dates::http(version.modified_at)),
        ("etag", version.quoted_etag()),
    ];
    let overrides: Vec<_> = OVERRIDES
        .iter()
        .filter_map(|(query, header)| Some((*header, ask.query(query)?)))
        .collect();
    if !overrides.is_empty() && matches!(ask.call.caller, Principal::Anonymous { .. }) {
        return Err(Fault::saying(
            fault::INVALID_REQUEST,
            "Request specific response headers cannot be used for anonymous GET requests.",
        ));
    }
    for name in super::parts::SYSTEM_HEADERS {
        let set = overrides.iter().find(|(header, _)| *header == name);
        let kept = version.about.headers.get(name).map(String::as_str);
        let usual = (name == "content-type").then_some("binary/octet-stream");
        if let Some(value) = set.map(|(_, value)| *value).or(kept).or(usual) {
            headers.push((name, value.to_owned()));
        }
    }
    push_metadata(version, &mut headers);
    if bucket.versioning != Versioning::Never {
        headers.push(("x-amz-version-id", version.id.clone()));
    }
    if let Some(class) = &version.about.storage_class {
        headers.push(("x-amz-storage-class", class.clone()));
    }
    if !version.about.tags.is_empty() {
        headers.push(("x-amz-tagging-count", version.about.tags.len().to_string()));
    }
    if let Some(retention) = &version.about.retention {
        headers.push(("x-amz-object-lock-mode", retention.mode.clone()));
        headers.push((
            "x-amz-object-lock-retain-until-date",
            dates::iso_millis(retention.until),
        ));
    }
    if let Some(is_held) = version.about.legal_hold {
        let hold = if is_held { "ON" } else { "OFF" };
        headers.push(("x-amz-object-lock-legal-hold", hold.to_owned()));
    }
    if ask.version_id().is_none()
        && let Some(expires) = expiration(bucket, &ask.key, version)
    {
        headers.push(("x-amz-expiration", expires));
    }
    encryption::headers(version.about.encryption.as_ref(), &mut headers);
    Ok(headers)
}

fn push_metadata(version: &Version, headers: &mut Headers) {
    for (name, value) in &version.about.metadata {
        // Their names are known to whoever uploaded the object alone: such headers are whole lines.
        headers.push(("", format!("x-amz-meta-{name}: {value}")));
    }
}
