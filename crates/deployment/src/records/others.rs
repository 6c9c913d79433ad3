//! What is known of the resource types of CloudWatch Logs and Amazon S3.
//!
//! Lives here: the tables.
//! Does not live here: keeping logs, serving buckets: neither is built yet.
//!
//! Contract: AWS CloudFormation Template Reference, "Amazon CloudWatch Logs" and "Amazon S3".

use resource_types::{
    FOR_PEOPLE, OF_THE_CLOUD, Property, Shape, TypeTable, carried, idle, missing,
};

/// The types of these services that are only records here.
pub(super) const TYPES: &[TypeTable] = &[
    TypeTable {
        name: "AWS::Logs::LogGroup",
        properties: LOG_GROUP,
    },
    TypeTable {
        name: "AWS::S3::Bucket",
        properties: BUCKET,
    },
    TypeTable {
        name: "AWS::S3::BucketPolicy",
        properties: BUCKET_POLICY,
    },
];

const LOG_GROUP: &[Property] = &[
    missing("DataProtectionPolicy", "nothing is masked in logs"),
    idle("DeletionProtectionEnabled", NOT_KEPT),
    idle("FieldIndexPolicies", NOT_KEPT),
    idle("KmsKeyId", "logs are not kept encrypted on this machine"),
    idle("LogGroupClass", OF_THE_CLOUD).replaces(),
    carried("LogGroupName", Shape::Text).replaces(),
    missing("ResourcePolicyDocument", NOT_KEPT),
    idle("RetentionInDays", NOT_KEPT),
    idle("Tags", FOR_PEOPLE),
];

const NOT_KEPT: &str = "logs are shown, not kept";

const BUCKET: &[Property] = &[
    idle("AccelerateConfiguration", NO_BUCKETS),
    idle("AccessControl", NO_BUCKETS),
    idle("AnalyticsConfigurations", NO_BUCKETS),
    carried("BucketEncryption", Shape::Any),
    carried("BucketName", Shape::Text).replaces(),
    idle("CorsConfiguration", NO_BUCKETS),
    idle("IntelligentTieringConfigurations", NO_BUCKETS),
    idle("InventoryConfigurations", NO_BUCKETS),
    idle("LifecycleConfiguration", NO_BUCKETS),
    idle("LoggingConfiguration", NO_BUCKETS),
    idle("MetadataConfiguration", NO_BUCKETS),
    idle("MetadataTableConfiguration", NO_BUCKETS),
    idle("MetricsConfigurations", NO_BUCKETS),
    idle("NotificationConfiguration", NO_BUCKETS),
    idle("ObjectLockConfiguration", NO_BUCKETS),
    idle("ObjectLockEnabled", NO_BUCKETS).replaces(),
    idle("OwnershipControls", NO_BUCKETS),
    carried("PublicAccessBlockConfiguration", Shape::Any),
    idle("ReplicationConfiguration", NO_BUCKETS),
    idle("Tags", FOR_PEOPLE),
    idle("VersioningConfiguration", NO_BUCKETS),
    idle("WebsiteConfiguration", NO_BUCKETS),
];

const NO_BUCKETS: &str = "the bucket as a whole is reported: Amazon S3 is not served yet";

const BUCKET_POLICY: &[Property] = &[
    carried("Bucket", Shape::Text).required().replaces(),
    carried("PolicyDocument", Shape::Any).required(),
];
