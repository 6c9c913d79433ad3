//! What requests say of new objects.
//!
//! Lives here: system headers, metadata, tags, lists, locks, storage classes: from headers, or the fields of a form.
//! Does not live here: encryption (`encryption`), checksums (`checksums`).

use std::collections::BTreeMap;

use http::HeaderMap;
use model::time::Timestamp;

use super::acl;
use super::encryption;
use super::request::Ask;
use crate::engine::access::Acl;
use crate::engine::bucket::{Bucket, Ownership};
use crate::engine::dates;
use crate::engine::fault::{self, Fault};
use crate::engine::sealing::CustomerKey;
use crate::engine::tags::header_tags;
use crate::engine::version::{About, Retention};

/// Bytes of all metadata: Amazon S3 User Guide, "Working with object metadata".
const METADATA_BYTES_MAX: usize = 2 * 1024;
const METADATA: &str = "x-amz-meta-";
/// Headers that are kept and given back.
pub(crate) const SYSTEM_HEADERS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
];
const STORAGE_CLASSES: [&str; 11] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
    "EXPRESS_ONEZONE",
    "OUTPOSTS",
    "SNOW",
];

/// Texts by their names.
type Texts = BTreeMap<String, String>;

/// System headers and metadata.
pub(crate) fn described(headers: &HeaderMap) -> Result<(Texts, Texts), Fault> {
    let mut system = BTreeMap::new();
    let mut metadata = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if SYSTEM_HEADERS.contains(&name.as_str()) {
            let text = if *name == http::header::CONTENT_ENCODING {
                without_chunks(&text)
            } else {
                text
            };
            if !text.is_empty() {
                system.insert(name.as_str().to_owned(), text);
            }
        } else if let Some(name) = name.as_str().strip_prefix(METADATA) {
            let joined = match metadata.remove(name) {
                Some(before) => format!("{before},{text}"),
                None => text,
            };
            metadata.insert(name.to_owned(), joined);
        }
    }
    let bytes: usize = metadata
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if METADATA_BYTES_MAX < bytes {
        return Err(Fault::from(fault::METADATA_TOO_LARGE)
            .with("Size", bytes.to_string())
            .with("MaxSizeAllowed", METADATA_BYTES_MAX.to_string()));
    }
    if let Some(location) = system.get("x-amz-website-redirect-location")
        && !location.starts_with('/')
        && !location.starts_with("http://")
        && !location.starts_with("https://")
    {
        return Err(Fault::saying(
            fault::INVALID_REDIRECT,
            "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
        ));
    }
    Ok((system, metadata))
}

/// `aws-chunked` is how the body came, not what it is.
fn without_chunks(text: &str) -> String {
    if !text.contains("aws-chunked") {
        return text.to_owned();
    }
    let codings: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && *coding != "aws-chunked")
        .collect();
    codings.join(", ")
}

/// Everything that a request says of a new object; the account that will own it besides.
pub(crate) fn about(
    ask: &Ask,
    bucket: &Bucket,
    key: Option<&CustomerKey>,
    now: Timestamp,
) -> Result<(About, String), Fault> {
    let (headers, metadata) = described(&ask.call.headers)?;
    let canned = ask.header_or_query("x-amz-acl");
    let owner = owner(ask, bucket, canned);
    let tags = match ask.header_or_query("x-amz-tagging") {
        Some(text) => header_tags(text)?,
        None => Vec::new(),
    };
    let about = About {
        headers,
        metadata,
        tags,
        acl: list(ask, bucket, &owner)?,
        storage_class: storage_class(ask.header_or_query("x-amz-storage-class"))?,
        retention: retention(ask, bucket, now)?,
        legal_hold: legal_hold(ask, bucket)?,
        encryption: encryption::of_new(ask, bucket, key)?,
    };
    Ok((about, owner))
}

/// Who owns what a caller puts into a bucket.
pub(crate) fn owner(ask: &Ask, bucket: &Bucket, canned: Option<&str>) -> String {
    let is_handed_over = match bucket.ownership {
        Ownership::BucketOwnerEnforced => true,
        Ownership::BucketOwnerPreferred => canned == Some("bucket-owner-full-control"),
        Ownership::ObjectWriter => false,
    };
    let is_anonymous = matches!(
        ask.call.caller,
        model::principal::Principal::Anonymous { .. }
    );
    if is_handed_over || is_anonymous {
        bucket.row.account.clone()
    } else {
        ask.account().to_owned()
    }
}

/// The list that a request gives a new object; none: the owner alone has all rights.
fn list(ask: &Ask, bucket: &Bucket, owner: &str) -> Result<Option<Acl>, Fault> {
    let given = acl::of_headers(ask, owner, &bucket.row.account)?;
    if !bucket.has_acls() {
        let is_harmless = match ask.header_or_query("x-amz-acl") {
            Some(name) => name == "bucket-owner-full-control",
            None => given.is_none(),
        };
        return if is_harmless {
            Ok(None)
        } else {
            Err(fault::ACL_NOT_SUPPORTED.into())
        };
    }
    if bucket.block.acls && given.as_ref().is_some_and(Acl::is_public) {
        return Err(fault::ACCESS_DENIED.into());
    }
    Ok(given)
}

pub(crate) fn storage_class(class: Option<&str>) -> Result<Option<String>, Fault> {
    match class {
        None | Some("STANDARD") => Ok(None),
        Some(class) if STORAGE_CLASSES.contains(&class) => Ok(Some(class.to_owned())),
        Some(class) => {
            Err(Fault::from(fault::INVALID_STORAGE_CLASS).with("StorageClassRequested", class))
        }
    }
}

/// Until when a new object is locked: as the request says, or else the bucket.
pub(crate) fn retention(
    ask: &Ask,
    bucket: &Bucket,
    now: Timestamp,
) -> Result<Option<Retention>, Fault> {
    let mode = ask.header_or_query("x-amz-object-lock-mode");
    let until = ask.header_or_query("x-amz-object-lock-retain-until-date");
    match (mode, until) {
        (None, None) => Ok(bucket.default_lock.as_ref().map(|(mode, days)| {
            let days = u64::try_from(*days).unwrap_or_default();
            Retention {
                mode: mode.clone(),
                until: now.plus(std::time::Duration::from_secs(days * 86_400)),
            }
        })),
        (Some(_), Some(_)) if !bucket.has_object_lock => Err(no_lock()),
        (Some(mode), Some(until)) => {
            if mode != "GOVERNANCE" && mode != "COMPLIANCE" {
                return Err(Fault::argument(
                    "Unknown wormMode directive.",
                    "x-amz-object-lock-mode",
                    mode,
                ));
            }
            let until = dates::read_iso(until).ok_or_else(|| {
                Fault::argument(
                    "The retain until date must be provided in ISO 8601 format",
                    "x-amz-object-lock-retain-until-date",
                    until,
                )
            })?;
            if until <= now {
                return Err(Fault::argument(
                    "The retain until date must be in the future!",
                    "x-amz-object-lock-retain-until-date",
                    dates::iso(until),
                ));
            }
            Ok(Some(Retention {
                mode: mode.to_owned(),
                until,
            }))
        }
        (Some(_), None) | (None, Some(_)) => Err(Fault::saying(
            fault::INVALID_ARGUMENT,
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
        )),
    }
}

pub(crate) fn no_lock() -> Fault {
    Fault::saying(
        fault::INVALID_REQUEST,
        "Bucket is missing Object Lock Configuration",
    )
}

fn legal_hold(ask: &Ask, bucket: &Bucket) -> Result<Option<bool>, Fault> {
    match ask.header_or_query("x-amz-object-lock-legal-hold") {
        None => Ok(None),
        Some(_) if !bucket.has_object_lock => Err(no_lock()),
        Some("ON") => Ok(Some(true)),
        Some("OFF") => Ok(Some(false)),
        Some(other) => Err(Fault::argument(
            "Legal Hold must be either of 'ON' or 'OFF'",
            "x-amz-object-lock-legal-hold",
            other,
        )),
    }
}
