//! Tags of objects and buckets.
//!
//! Lives here: reading them from documents and headers, which are valid.
//! Does not live here: the operations (`api::tags`).
//!
//! Contract: Amazon S3 User Guide, "Object tagging" and "Using cost allocation tags".

use super::fault::{self, Fault};
use super::node::Node;

const OBJECT_TAGS_MAX: usize = 10;
const BUCKET_TAGS_MAX: usize = 50;
const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;

fn malformed() -> Fault {
    fault::MALFORMED_XML.into()
}

/// The tags in a `TagSet`.
pub(crate) fn object_tags(node: &Node) -> Result<Vec<(String, String)>, Fault> {
    tags(node, OBJECT_TAGS_MAX)
}

/// The same, of a bucket.
pub(crate) fn bucket_tags(node: &Node) -> Result<Vec<(String, String)>, Fault> {
    tags(node, BUCKET_TAGS_MAX)
}

fn tags(node: &Node, count_max: usize) -> Result<Vec<(String, String)>, Fault> {
    let set = node.child("TagSet").ok_or_else(malformed)?;
    let mut tags = Vec::new();
    for tag in set.all("Tag") {
        let (Some(key), Some(value)) = (tag.text_of("Key"), tag.text_of("Value")) else {
            return Err(malformed());
        };
        tags.push((key.to_owned(), value.to_owned()));
    }
    check_tags(&tags, count_max)?;
    Ok(tags)
}

/// Tags in a header, as a query.
pub(crate) fn header_tags(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let decoded = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced)
            .decode_utf8_lossy()
            .into_owned()
    };
    let mut tags: Vec<(String, String)> = text
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect();
    check_tags(&tags, OBJECT_TAGS_MAX)?;
    tags.sort();
    Ok(tags)
}

fn check_tags(tags: &[(String, String)], count_max: usize) -> Result<(), Fault> {
    if count_max < tags.len() {
        return Err(if count_max == OBJECT_TAGS_MAX {
            Fault::saying(fault::BAD_REQUEST, "Object tags cannot be greater than 10")
        } else {
            Fault::saying(
                fault::BAD_REQUEST,
                "Bucket tag count cannot be greater than 50",
            )
        });
    }
    for (index, (key, value)) in tags.iter().enumerate() {
        let is_allowed = |text: &str| {
            text.chars()
                .all(|one| one.is_alphanumeric() || one.is_whitespace() || "+-=._:/@".contains(one))
        };
        if key.is_empty() || TAG_KEY_CHARS_MAX < key.chars().count() || !is_allowed(key) {
            return Err(Fault::saying(
                fault::INVALID_TAG,
                "The TagKey you have provided is invalid",
            )
            .with("TagKey", key.as_str()));
        }
        if TAG_VALUE_CHARS_MAX < value.chars().count() || !is_allowed(value) {
            return Err(Fault::saying(
                fault::INVALID_TAG,
                "The TagValue you have provided is invalid",
            )
            .with("TagKey", key.as_str())
            .with("TagValue", value.as_str()));
        }
        if key.starts_with("aws:") {
            return Err(Fault::saying(
                fault::INVALID_TAG,
                "System tags cannot be added/updated by requester",
            ));
        }
        if tags.iter().skip(index + 1).any(|(other, _)| other == key) {
            return Err(Fault::saying(
                fault::INVALID_TAG,
                "Cannot provide multiple Tags with the same key",
            )
            .with("TagKey", key.as_str()));
        }
    }
    Ok(())
}
