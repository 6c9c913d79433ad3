//! What is known of the resource types of Amazon S3.
//!
//! Lives here: the tables.
//! Does not live here: making buckets (`resources`), turning properties into settings (`documents`).
//!
//! Contract: AWS CloudFormation Template Reference, "Amazon S3".

use model::coverage::Coverage;
use resource_types::{OF_THE_CLOUD, Property, Shape, TypeTable, carried, idle, missing};

pub(super) const BUCKET: &str = "AWS::S3::Bucket";
pub(super) const BUCKET_POLICY: &str = "AWS::S3::BucketPolicy";

/// The types.
pub(super) const TYPES: &[TypeTable] = &[
    TypeTable {
        name: BUCKET,
        properties: BUCKET_PROPERTIES,
    },
    TypeTable {
        name: BUCKET_POLICY,
        properties: POLICY_PROPERTIES,
    },
];

/// What becomes of each property.
#[must_use]
pub fn coverage() -> Vec<Coverage> {
    resource_types::coverage(TYPES)
}

const BUCKET_PROPERTIES: &[Property] = &[
    idle(
        "AbacStatus",
        "tags of buckets are no condition of policies here",
    ),
    idle("AccelerateConfiguration", OF_THE_CLOUD),
    carried("AccessControl", Shape::Text),
    idle("AnalyticsConfigurations", OF_THE_CLOUD),
    carried("BucketEncryption", Shape::Any),
    carried("BucketName", Shape::Text).replaces(),
    carried("CorsConfiguration", Shape::Any),
    idle("IntelligentTieringConfigurations", OF_THE_CLOUD),
    missing("InventoryConfigurations", "no lists of objects are written"),
    carried("LifecycleConfiguration", Shape::Any),
    missing(
        "LoggingConfiguration",
        "calls of buckets are not logged into buckets",
    ),
    missing("MetadataConfiguration", "no tables of metadata are kept"),
    missing(
        "MetadataTableConfiguration",
        "no tables of metadata are kept",
    ),
    idle("MetricsConfigurations", OF_THE_CLOUD),
    carried("NotificationConfiguration", Shape::Any),
    carried("ObjectLockConfiguration", Shape::Any),
    carried("ObjectLockEnabled", Shape::Flag).replaces(),
    carried("OwnershipControls", Shape::Any),
    carried("PublicAccessBlockConfiguration", Shape::Any),
    missing(
        "ReplicationConfiguration",
        "objects are not replicated to other buckets",
    ),
    carried("Tags", Shape::Any),
    carried("VersioningConfiguration", Shape::Any),
    missing("WebsiteConfiguration", "buckets are not served as websites"),
];

const POLICY_PROPERTIES: &[Property] = &[
    carried("Bucket", Shape::Text).required().replaces(),
    carried("PolicyDocument", Shape::Any).required(),
];
