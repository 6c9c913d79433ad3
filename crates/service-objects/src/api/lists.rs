//! Lists of objects and versions, as documents.
//!
//! Lives here: both ways to list objects, versions, encoding of keys, tokens.
//! Does not live here: going through keys (`engine::listing`).

use aws_wire::xml::Xml;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE as TOKEN;
use interfaces::service::ServiceAnswer;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::answers;
use super::multipart::{number, truth};
use super::request::Ask;
use super::service::Inner;
use crate::engine::access::{self, Names};
use crate::engine::dates;
use crate::engine::fault::Fault;
use crate::engine::listing::{self, Entry, Listed, Query, VersionEntry};
use crate::engine::version::{NULL_VERSION, Version, sequence_of};

/// Amazon S3 API Reference, `ListObjects`.
const KEYS_MAX: usize = 1_000;
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/');

/// How keys are to be encoded.
pub(super) fn encoding(ask: &Ask) -> Result<Option<&'static str>, Fault> {
    match ask.query("encoding-type") {
        None | Some("") => Ok(None),
        Some("url") => Ok(Some("url")),
        Some(other) => Err(Fault::argument(
            "Invalid Encoding Method specified in Request",
            "encoding-type",
            other,
        )),
    }
}

pub(super) fn encode(encoding: Option<&str>, text: &str) -> String {
    match encoding {
        Some(_) => utf8_percent_encode(text, ENCODED).to_string(),
        None => text.to_owned(),
    }
}

struct Page<'a> {
    query: Query<'a>,
    /// As it was asked for.
    max: usize,
    encoding: Option<&'static str>,
}

fn page<'a>(ask: &'a Ask, after: &'a str) -> Result<Page<'a>, Fault> {
    let max = number(ask, "max-keys", KEYS_MAX)?.min(KEYS_MAX);
    Ok(Page {
        query: Query {
            prefix: ask.query("prefix").unwrap_or_default(),
            delimiter: ask
                .query("delimiter")
                .filter(|delimiter| !delimiter.is_empty()),
            after,
            max,
        },
        max,
        encoding: encoding(ask)?,
    })
}

impl Inner {
    pub(super) async fn list_objects(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let page = page(ask, ask.query("marker").unwrap_or_default())?;
        let listed = listing::objects(&*self.objects.store, bucket.id(), &page.query).await?;
        let shows = |text: &str| encode(page.encoding, text);
        Ok(answers::document("ListBucketResult", Vec::new(), |xml| {
            xml.text("Name", bucket.name());
            xml.text("Prefix", &shows(page.query.prefix));
            xml.text("Marker", &shows(page.query.after));
            if listed.is_truncated && page.query.delimiter.is_some() {
                let last = listed.entries.last().map_or("", Entry::name);
                xml.text("NextMarker", &shows(last));
            }
            xml.text("MaxKeys", &page.max.to_string());
            xml.optional("Delimiter", page.query.delimiter.map(&shows).as_deref());
            xml.optional("EncodingType", page.encoding);
            xml.text("IsTruncated", truth(&listed.is_truncated));
            write_entries(xml, &listed, page.encoding, Owners::Shown(self.names()));
        }))
    }

    pub(super) async fn list_objects_v2(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let token = ask.query("continuation-token");
        let from_token = match token {
            None | Some("") => None,
            Some(token) => Some(read_token(token)?),
        };
        let start_after = ask.query("start-after").unwrap_or_default();
        let page = page(ask, from_token.as_deref().unwrap_or(start_after))?;
        let listed = listing::objects(&*self.objects.store, bucket.id(), &page.query).await?;
        let owners = if ask.query("fetch-owner") == Some("true") {
            Owners::Shown(self.names())
        } else {
            Owners::Hidden
        };
        let shows = |text: &str| encode(page.encoding, text);
        Ok(answers::document("ListBucketResult", Vec::new(), |xml| {
            xml.text("Name", bucket.name());
            xml.text("Prefix", &shows(page.query.prefix));
            xml.optional("ContinuationToken", token);
            if listed.is_truncated {
                let last = listed.entries.last().map_or("", Entry::name);
                xml.text("NextContinuationToken", &TOKEN.encode(last));
            }
            if ask.query("start-after").is_some() {
                xml.text("StartAfter", &shows(start_after));
            }
            xml.text("KeyCount", &listed.entries.len().to_string());
            xml.text("MaxKeys", &page.max.to_string());
            xml.optional("Delimiter", page.query.delimiter.map(&shows).as_deref());
            xml.optional("EncodingType", page.encoding);
            xml.text("IsTruncated", truth(&listed.is_truncated));
            write_entries(xml, &listed, page.encoding, owners);
        }))
    }

    pub(super) async fn list_object_versions(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let key_marker = ask.query("key-marker").unwrap_or_default();
        let page = page(ask, key_marker)?;
        let version_marker = ask
            .query("version-id-marker")
            .filter(|marker| !marker.is_empty());
        if version_marker.is_some() && key_marker.is_empty() {
            return Err(Fault::argument(
                "A version-id marker cannot be specified without a key marker.",
                "version-id-marker",
                version_marker.unwrap_or_default(),
            ));
        }
        let after = match version_marker {
            None => None,
            Some(NULL_VERSION) => self
                .objects
                .version(&bucket, key_marker, NULL_VERSION)
                .await?
                .map(|(version, _)| version.sequence),
            Some(id) => sequence_of(id),
        };
        let listed =
            listing::versions(&*self.objects.store, bucket.id(), &page.query, after).await?;
        let shows = |text: &str| encode(page.encoding, text);
        Ok(answers::document("ListVersionsResult", Vec::new(), |xml| {
            xml.text("Name", bucket.name());
            xml.text("Prefix", &shows(page.query.prefix));
            xml.text("KeyMarker", &shows(key_marker));
            xml.text("VersionIdMarker", version_marker.unwrap_or_default());
            if let Some((key, version)) = &listed.next {
                xml.text("NextKeyMarker", &shows(key));
                xml.optional("NextVersionIdMarker", version.as_deref());
            }
            xml.text("MaxKeys", &page.max.to_string());
            xml.optional("Delimiter", page.query.delimiter.map(&shows).as_deref());
            xml.optional("EncodingType", page.encoding);
            xml.text("IsTruncated", truth(&listed.next.is_some()));
            for entry in &listed.entries {
                write_version(xml, entry, page.encoding, self.names());
            }
        }))
    }
}

fn read_token(token: &str) -> Result<String, Fault> {
    let decoded = TOKEN
        .decode(token)
        .ok()
        .filter(|decoded| !decoded.is_empty());
    decoded
        .and_then(|decoded| String::from_utf8(decoded).ok())
        .ok_or_else(|| {
            Fault::argument(
                "The continuation token provided is incorrect",
                "continuation-token",
                token,
            )
        })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owners {
    Shown(Names),
    Hidden,
}

fn write_entries(xml: &mut Xml, listed: &Listed, encoding: Option<&str>, owners: Owners) {
    for entry in &listed.entries {
        if let Entry::Object(key, version) = entry {
            xml.element("Contents", |xml| {
                xml.text("Key", &encode(encoding, key));
                xml.text("LastModified", &dates::iso(version.modified_at));
                xml.text("ETag", &version.quoted_etag());
                write_checksum(xml, version);
                xml.text("Size", &version.size.to_string());
                if let Owners::Shown(names) = owners {
                    access::owner("Owner", &version.owner, names).write(xml);
                }
                xml.text("StorageClass", version.storage_class());
            });
        }
    }
    for entry in &listed.entries {
        if let Entry::CommonPrefix(prefix) = entry {
            xml.element("CommonPrefixes", |xml| {
                xml.text("Prefix", &encode(encoding, prefix));
            });
        }
    }
}

fn write_checksum(xml: &mut Xml, version: &Version) {
    if let Some(checksum) = &version.checksum {
        xml.text("ChecksumAlgorithm", checksum.algorithm.name());
        xml.text("ChecksumType", checksum.extent.name());
    }
}

fn write_version(xml: &mut Xml, entry: &VersionEntry, encoding: Option<&str>, names: Names) {
    let (key, version, is_latest) = match entry {
        VersionEntry::CommonPrefix(prefix) => {
            xml.element("CommonPrefixes", |xml| {
                xml.text("Prefix", &encode(encoding, prefix));
            });
            return;
        }
        VersionEntry::Version {
            key,
            version,
            is_latest,
        } => (key, version, *is_latest),
    };
    let element = if version.is_delete_marker {
        "DeleteMarker"
    } else {
        "Version"
    };
    xml.element(element, |xml| {
        xml.text("Key", &encode(encoding, key));
        xml.text("VersionId", &version.id);
        xml.text("IsLatest", truth(&is_latest));
        xml.text("LastModified", &dates::iso(version.modified_at));
        if !version.is_delete_marker {
            xml.text("ETag", &version.quoted_etag());
            write_checksum(xml, version);
            xml.text("Size", &version.size.to_string());
            xml.text("StorageClass", version.storage_class());
        }
        access::owner("Owner", &version.owner, names).write(xml);
    });
}
