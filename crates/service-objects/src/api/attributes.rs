//! `GetObjectAttributes`.
//!
//! Lives here: the operation.
//! Does not live here: the parts of an object (`engine::reading`).

use interfaces::service::ServiceAnswer;

use super::multipart::{number, write_checksums};
use super::request::Ask;
use super::service::Inner;
use super::{answers, encryption};
use crate::engine::bucket::Versioning;
use crate::engine::checksum::Extent;
use crate::engine::dates;
use crate::engine::fault::Fault;
use crate::engine::version::{Body, Part, Version};

const PARTS_LISTED_MAX: usize = 1_000;

impl Inner {
    pub(super) async fn get_object_attributes(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let key = encryption::customer_key(ask)?;
        let wanted: Vec<String> = ask
            .call
            .headers
            .get_all("x-amz-object-attributes")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','))
            .map(|name| name.trim().to_owned())
            .collect();
        let known = [
            "ETag",
            "Checksum",
            "ObjectParts",
            "StorageClass",
            "ObjectSize",
        ];
        if wanted.is_empty() || wanted.iter().any(|name| !known.contains(&name.as_str())) {
            return Err(Fault::argument(
                "Invalid attribute name specified.",
                "x-amz-object-attributes",
                wanted.join(","),
            ));
        }
        let (version, _) = self
            .objects
            .find(&bucket, &ask.key, ask.version_id())
            .await?;
        encryption::check_key(&version, key.as_ref())?;
        let is_wanted = |name: &str| wanted.iter().any(|wanted| wanted == name);
        let parts = match &version.body {
            Body::Parts(id) if is_wanted("ObjectParts") => self.reader.parts(id).await?,
            Body::Parts(_) | Body::Empty | Body::Bytes(_) | Body::Slot(_) | Body::File(_) => {
                Vec::new()
            }
        };
        let page = page(ask, &parts)?;
        let mut headers = vec![("last-modified", dates::http(version.modified_at))];
        if bucket.versioning != Versioning::Never {
            headers.push(("x-amz-version-id", version.id.clone()));
        }
        Ok(answers::document(
            "GetObjectAttributesResponse",
            headers,
            |xml| {
                if is_wanted("ETag") {
                    xml.text("ETag", &version.etag);
                }
                if let Some(checksum) = version.checksum.as_ref().filter(|_| is_wanted("Checksum"))
                {
                    xml.element("Checksum", |xml| {
                        xml.text(checksum.algorithm.element(), &checksum.value);
                        xml.text("ChecksumType", checksum.extent.name());
                    });
                }
                if let Some(count) = version.parts.filter(|_| is_wanted("ObjectParts")) {
                    write_parts(xml, &version, count, &page);
                }
                if is_wanted("StorageClass") {
                    xml.text("StorageClass", version.storage_class());
                }
                if is_wanted("ObjectSize") {
                    xml.text("ObjectSize", &version.size.to_string());
                }
            },
        ))
    }
}

struct Page<'a> {
    after: usize,
    max: usize,
    parts: Vec<&'a Part>,
    is_truncated: bool,
}

fn page<'a>(ask: &Ask, parts: &'a [Part]) -> Result<Page<'a>, Fault> {
    let of_header = |name: &str, usual: usize| match ask.header(name) {
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| Fault::argument(format!("Provided {name} not an integer"), name, text)),
        None => number(ask, name, usual),
    };
    let max = of_header("x-amz-max-parts", PARTS_LISTED_MAX)?.min(PARTS_LISTED_MAX);
    let after = of_header("x-amz-part-number-marker", 0)?;
    let mut rest = parts.iter().filter(|part| after < part.number as usize);
    let some: Vec<_> = rest.by_ref().take(max).collect();
    Ok(Page {
        after,
        max,
        is_truncated: rest.next().is_some(),
        parts: some,
    })
}

fn write_parts(xml: &mut aws_wire::xml::Xml, version: &Version, count: u32, page: &Page<'_>) {
    // Parts are told apart only where each has a checksum of its own that counts.
    let has_parts = version
        .checksum
        .as_ref()
        .is_some_and(|checksum| checksum.extent == Extent::Composite)
        || page.parts.iter().any(|part| !part.checksums.is_empty());
    xml.element("ObjectParts", |xml| {
        xml.text("PartsCount", &count.to_string());
        if !has_parts {
            return;
        }
        xml.text("PartNumberMarker", &page.after.to_string());
        let last = page.parts.last().map_or(0, |part| part.number);
        xml.text("NextPartNumberMarker", &last.to_string());
        xml.text("MaxParts", &page.max.to_string());
        xml.text(
            "IsTruncated",
            if page.is_truncated { "true" } else { "false" },
        );
        for part in &page.parts {
            xml.element("Part", |xml| {
                xml.text("PartNumber", &part.number.to_string());
                xml.text("Size", &part.size.to_string());
                write_checksums(xml, part);
            });
        }
    });
}
