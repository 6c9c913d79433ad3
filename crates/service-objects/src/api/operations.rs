//! The operations of Amazon S3, and how a request names each.
//!
//! Lives here: the table.
//! Does not live here: reading requests (`request`), what an operation does (a file each).
//!
//! Contract: the service model of botocore, `s3`; Service Authorization Reference, "Actions, resources, and condition keys for
//! Amazon S3".

use http::Method;

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Service,
    Bucket,
    Object,
}

/// What becomes of an operation here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    CarriedOut,
    /// Answered as of a bucket that has no such setting: none can be given one.
    NeverSet,
    Refused,
}

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    /// As botocore has it.
    pub(crate) name: &'static str,
    pub(crate) method: &'static Method,
    pub(crate) level: Level,
    /// What the query holds; several joined by `&`.
    pub(crate) marker: &'static str,
    /// A header that must be there.
    pub(crate) header: &'static str,
    /// What IAM calls it; a version's own action has `Version` behind `Object`.
    pub(crate) action: &'static str,
    pub(crate) fate: Fate,
}

use Level::{Bucket, Object, Service};

const GET: &Method = &Method::GET;
const HEAD: &Method = &Method::HEAD;
const PUT: &Method = &Method::PUT;
const POST: &Method = &Method::POST;
const DELETE: &Method = &Method::DELETE;
const COPY_SOURCE: &str = "x-amz-copy-source";

const fn done(
    name: &'static str,
    method: &'static Method,
    level: Level,
    marker: &'static str,
    action: &'static str,
) -> Operation {
    Operation {
        name,
        method,
        level,
        marker,
        header: "",
        action,
        fate: Fate::CarriedOut,
    }
}

const fn refused(
    name: &'static str,
    method: &'static Method,
    level: Level,
    marker: &'static str,
) -> Operation {
    Operation {
        name,
        method,
        level,
        marker,
        header: "",
        action: "",
        fate: Fate::Refused,
    }
}

const fn never_set(
    name: &'static str,
    method: &'static Method,
    marker: &'static str,
    action: &'static str,
) -> Operation {
    Operation {
        fate: Fate::NeverSet,
        ..done(name, method, Bucket, marker, action)
    }
}

const fn with(header: &'static str, operation: Operation) -> Operation {
    Operation {
        header,
        ..operation
    }
}

/// The first row that fits a request is meant; those with markers stand before those without.
#[rustfmt::skip]
pub(crate) const OPERATIONS: &[Operation] = &[
    refused("ListDirectoryBuckets", GET, Service, "x-id=ListDirectoryBuckets"),
    done("ListBuckets", GET, Service, "", "s3:ListAllMyBuckets"),
    refused("CreateSession", GET, Bucket, "session"),
    refused("GetBucketAbac", GET, Bucket, "abac"),
    refused("PutBucketAbac", PUT, Bucket, "abac"),
    never_set("GetBucketAccelerateConfiguration", GET, "accelerate", "s3:GetAccelerateConfiguration"),
    refused("PutBucketAccelerateConfiguration", PUT, Bucket, "accelerate"),
    done("GetBucketAcl", GET, Bucket, "acl", "s3:GetBucketAcl"),
    done("PutBucketAcl", PUT, Bucket, "acl", "s3:PutBucketAcl"),
    refused("GetBucketAnalyticsConfiguration", GET, Bucket, "analytics&id"),
    refused("ListBucketAnalyticsConfigurations", GET, Bucket, "analytics"),
    refused("PutBucketAnalyticsConfiguration", PUT, Bucket, "analytics"),
    refused("DeleteBucketAnalyticsConfiguration", DELETE, Bucket, "analytics"),
    done("GetBucketCors", GET, Bucket, "cors", "s3:GetBucketCORS"),
    done("PutBucketCors", PUT, Bucket, "cors", "s3:PutBucketCORS"),
    done("DeleteBucketCors", DELETE, Bucket, "cors", "s3:PutBucketCORS"),
    done("GetBucketEncryption", GET, Bucket, "encryption", "s3:GetEncryptionConfiguration"),
    done("PutBucketEncryption", PUT, Bucket, "encryption", "s3:PutEncryptionConfiguration"),
    done("DeleteBucketEncryption", DELETE, Bucket, "encryption", "s3:PutEncryptionConfiguration"),
    refused("GetBucketIntelligentTieringConfiguration", GET, Bucket, "intelligent-tiering&id"),
    refused("ListBucketIntelligentTieringConfigurations", GET, Bucket, "intelligent-tiering"),
    refused("PutBucketIntelligentTieringConfiguration", PUT, Bucket, "intelligent-tiering"),
    refused("DeleteBucketIntelligentTieringConfiguration", DELETE, Bucket, "intelligent-tiering"),
    refused("GetBucketInventoryConfiguration", GET, Bucket, "inventory&id"),
    refused("ListBucketInventoryConfigurations", GET, Bucket, "inventory"),
    refused("PutBucketInventoryConfiguration", PUT, Bucket, "inventory"),
    refused("DeleteBucketInventoryConfiguration", DELETE, Bucket, "inventory"),
    done("GetBucketLifecycleConfiguration", GET, Bucket, "lifecycle", "s3:GetLifecycleConfiguration"),
    done("PutBucketLifecycleConfiguration", PUT, Bucket, "lifecycle", "s3:PutLifecycleConfiguration"),
    done("DeleteBucketLifecycle", DELETE, Bucket, "lifecycle", "s3:PutLifecycleConfiguration"),
    done("GetBucketLocation", GET, Bucket, "location", "s3:GetBucketLocation"),
    done("GetBucketLogging", GET, Bucket, "logging", "s3:GetBucketLogging"),
    done("PutBucketLogging", PUT, Bucket, "logging", "s3:PutBucketLogging"),
    refused("CreateBucketMetadataConfiguration", POST, Bucket, "metadataConfiguration"),
    refused("GetBucketMetadataConfiguration", GET, Bucket, "metadataConfiguration"),
    refused("DeleteBucketMetadataConfiguration", DELETE, Bucket, "metadataConfiguration"),
    refused("CreateBucketMetadataTableConfiguration", POST, Bucket, "metadataTable"),
    refused("GetBucketMetadataTableConfiguration", GET, Bucket, "metadataTable"),
    refused("DeleteBucketMetadataTableConfiguration", DELETE, Bucket, "metadataTable"),
    refused("UpdateBucketMetadataAnnotationTableConfiguration", PUT, Bucket, "metadataAnnotationTable"),
    refused("UpdateBucketMetadataInventoryTableConfiguration", PUT, Bucket, "metadataInventoryTable"),
    refused("UpdateBucketMetadataJournalTableConfiguration", PUT, Bucket, "metadataJournalTable"),
    refused("GetBucketMetricsConfiguration", GET, Bucket, "metrics&id"),
    refused("ListBucketMetricsConfigurations", GET, Bucket, "metrics"),
    refused("PutBucketMetricsConfiguration", PUT, Bucket, "metrics"),
    refused("DeleteBucketMetricsConfiguration", DELETE, Bucket, "metrics"),
    done("GetBucketNotificationConfiguration", GET, Bucket, "notification", "s3:GetBucketNotification"),
    done("PutBucketNotificationConfiguration", PUT, Bucket, "notification", "s3:PutBucketNotification"),
    done("GetObjectLockConfiguration", GET, Bucket, "object-lock", "s3:GetBucketObjectLockConfiguration"),
    done("PutObjectLockConfiguration", PUT, Bucket, "object-lock", "s3:PutBucketObjectLockConfiguration"),
    done("GetBucketOwnershipControls", GET, Bucket, "ownershipControls", "s3:GetBucketOwnershipControls"),
    done("PutBucketOwnershipControls", PUT, Bucket, "ownershipControls", "s3:PutBucketOwnershipControls"),
    done("DeleteBucketOwnershipControls", DELETE, Bucket, "ownershipControls", "s3:PutBucketOwnershipControls"),
    done("GetBucketPolicy", GET, Bucket, "policy", "s3:GetBucketPolicy"),
    done("PutBucketPolicy", PUT, Bucket, "policy", "s3:PutBucketPolicy"),
    done("DeleteBucketPolicy", DELETE, Bucket, "policy", "s3:DeleteBucketPolicy"),
    done("GetBucketPolicyStatus", GET, Bucket, "policyStatus", "s3:GetBucketPolicyStatus"),
    done("GetPublicAccessBlock", GET, Bucket, "publicAccessBlock", "s3:GetBucketPublicAccessBlock"),
    done("PutPublicAccessBlock", PUT, Bucket, "publicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    done("DeletePublicAccessBlock", DELETE, Bucket, "publicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    never_set("GetBucketReplication", GET, "replication", "s3:GetReplicationConfiguration"),
    refused("PutBucketReplication", PUT, Bucket, "replication"),
    never_set("DeleteBucketReplication", DELETE, "replication", "s3:PutReplicationConfiguration"),
    done("GetBucketRequestPayment", GET, Bucket, "requestPayment", "s3:GetBucketRequestPayment"),
    done("PutBucketRequestPayment", PUT, Bucket, "requestPayment", "s3:PutBucketRequestPayment"),
    done("GetBucketTagging", GET, Bucket, "tagging", "s3:GetBucketTagging"),
    done("PutBucketTagging", PUT, Bucket, "tagging", "s3:PutBucketTagging"),
    done("DeleteBucketTagging", DELETE, Bucket, "tagging", "s3:PutBucketTagging"),
    done("GetBucketVersioning", GET, Bucket, "versioning", "s3:GetBucketVersioning"),
    done("PutBucketVersioning", PUT, Bucket, "versioning", "s3:PutBucketVersioning"),
    never_set("GetBucketWebsite", GET, "website", "s3:GetBucketWebsite"),
    refused("PutBucketWebsite", PUT, Bucket, "website"),
    never_set("DeleteBucketWebsite", DELETE, "website", "s3:DeleteBucketWebsite"),
    done("ListObjectVersions", GET, Bucket, "versions", "s3:ListBucketVersions"),
    done("ListMultipartUploads", GET, Bucket, "uploads", "s3:ListBucketMultipartUploads"),
    done("DeleteObjects", POST, Bucket, "delete", "s3:DeleteObject"),
    done("ListObjectsV2", GET, Bucket, "list-type=2", "s3:ListBucket"),
    done("ListObjects", GET, Bucket, "", "s3:ListBucket"),
    done("HeadBucket", HEAD, Bucket, "", "s3:ListBucket"),
    done("CreateBucket", PUT, Bucket, "", "s3:CreateBucket"),
    done("DeleteBucket", DELETE, Bucket, "", "s3:DeleteBucket"),
    done("PostObject", POST, Bucket, "", "s3:PutObject"),
    done("GetObjectAcl", GET, Object, "acl", "s3:GetObjectAcl"),
    done("PutObjectAcl", PUT, Object, "acl", "s3:PutObjectAcl"),
    done("GetObjectAttributes", GET, Object, "attributes", "s3:GetObjectAttributes"),
    refused("UpdateObjectEncryption", PUT, Object, "encryption"),
    done("GetObjectLegalHold", GET, Object, "legal-hold", "s3:GetObjectLegalHold"),
    done("PutObjectLegalHold", PUT, Object, "legal-hold", "s3:PutObjectLegalHold"),
    refused("RenameObject", PUT, Object, "renameObject"),
    refused("RestoreObject", POST, Object, "restore"),
    done("GetObjectRetention", GET, Object, "retention", "s3:GetObjectRetention"),
    done("PutObjectRetention", PUT, Object, "retention", "s3:PutObjectRetention"),
    refused("SelectObjectContent", POST, Object, "select"),
    done("GetObjectTagging", GET, Object, "tagging", "s3:GetObjectTagging"),
    done("PutObjectTagging", PUT, Object, "tagging", "s3:PutObjectTagging"),
    done("DeleteObjectTagging", DELETE, Object, "tagging", "s3:DeleteObjectTagging"),
    refused("ListObjectAnnotations", GET, Object, "annotations"),
    refused("GetObjectAnnotation", GET, Object, "annotation"),
    refused("PutObjectAnnotation", PUT, Object, "annotation"),
    refused("DeleteObjectAnnotation", DELETE, Object, "annotation"),
    refused("GetObjectTorrent", GET, Object, "torrent"),
    refused("WriteGetObjectResponse", POST, Service, "x-id=WriteGetObjectResponse"),
    done("CreateMultipartUpload", POST, Object, "uploads", "s3:PutObject"),
    with(COPY_SOURCE, done("UploadPartCopy", PUT, Object, "partNumber&uploadId", "s3:PutObject")),
    done("UploadPart", PUT, Object, "partNumber&uploadId", "s3:PutObject"),
    done("CompleteMultipartUpload", POST, Object, "uploadId", "s3:PutObject"),
    done("AbortMultipartUpload", DELETE, Object, "uploadId", "s3:AbortMultipartUpload"),
    done("ListParts", GET, Object, "uploadId", "s3:ListMultipartUploadParts"),
    with(COPY_SOURCE, done("CopyObject", PUT, Object, "", "s3:PutObject")),
    done("GetObject", GET, Object, "", "s3:GetObject"),
    done("HeadObject", HEAD, Object, "", "s3:GetObject"),
    done("PutObject", PUT, Object, "", "s3:PutObject"),
    done("DeleteObject", DELETE, Object, "", "s3:DeleteObject"),
];

/// Every operation of the service by name, and whether it is carried out.
pub fn operations() -> impl Iterator<Item = (&'static str, bool)> {
    OPERATIONS
        .iter()
        // The upload of a form is no operation of the SDKs.
        .filter(|operation| operation.name != "PostObject")
        .map(|operation| (operation.name, operation.fate != Fate::Refused))
        .chain(OLDER_NAMES.iter().map(|name| (*name, true)))
}

/// Names by which SDKs call operations that are in the table under newer ones.
const OLDER_NAMES: &[&str] = &[
    "GetBucketLifecycle",
    "GetBucketNotification",
    "PutBucketLifecycle",
    "PutBucketNotification",
];

/// The operation that a request means.
pub(crate) fn find(
    method: &Method,
    level: Level,
    has_marker: impl Fn(&str, Option<&str>) -> bool,
    has_header: impl Fn(&str) -> bool,
) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| {
        operation.method == method
            && operation.level == level
            && operation
                .marker
                .split('&')
                .filter(|marker| !marker.is_empty())
                .all(|marker| match marker.split_once('=') {
                    Some((name, value)) => has_marker(name, Some(value)),
                    None => has_marker(marker, None),
                })
            && (operation.header.is_empty() || has_header(operation.header))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_that_is_carried_out_names_its_action() {
        for operation in OPERATIONS {
            let is_named = operation.action.starts_with("s3:");
            let is_refused = operation.fate == Fate::Refused;
            assert_ne!(is_named, is_refused, "{}", operation.name);
        }
    }

    #[test]
    fn no_operation_stands_behind_one_that_takes_all_its_requests() {
        for (index, operation) in OPERATIONS.iter().enumerate() {
            let markers: Vec<&str> = operation
                .marker
                .split('&')
                .filter(|marker| !marker.is_empty())
                .collect();
            let found = find(
                operation.method,
                operation.level,
                |name, value| {
                    markers
                        .iter()
                        .any(|marker| match (marker.split_once('='), value) {
                            (Some((sent, with)), Some(value)) => sent == name && with == value,
                            (Some((sent, _)), None) => sent == name,
                            (None, None) => *marker == name,
                            (None, Some(_)) => false,
                        })
                },
                |header| header == operation.header,
            );
            let meant = OPERATIONS.get(index);
            assert_eq!(found, meant, "{}", operation.name);
        }
    }
}
