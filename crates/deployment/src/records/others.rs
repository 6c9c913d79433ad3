//! What is known of the resource types of CloudWatch Logs.
//!
//! Lives here: the tables.
//! Does not live here: keeping logs: that is not built yet.
//!
//! Contract: AWS CloudFormation Template Reference, "Amazon CloudWatch Logs".

use resource_types::{
    FOR_PEOPLE, OF_THE_CLOUD, Property, Shape, TypeTable, carried, idle, missing,
};

/// The types of these services that are only records here.
pub(super) const TYPES: &[TypeTable] = &[TypeTable {
    name: "AWS::Logs::LogGroup",
    properties: LOG_GROUP,
}];

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
