//! What is known of the properties.
//!
//! Lives here: one table a type.
//! Does not live here: comparing properties with them (`resource-types`).

use model::coverage::Coverage;
use resource_types::{Shape, TypeTable, carried, idle, missing};

pub(super) const TOPIC: &str = "AWS::SNS::Topic";
pub(super) const SUBSCRIPTION: &str = "AWS::SNS::Subscription";
pub(super) const POLICY: &str = "AWS::SNS::TopicPolicy";
pub(super) const INLINE_POLICY: &str = "AWS::SNS::TopicInlinePolicy";

const TAG: Shape = Shape::Object(&[
    carried("Key", Shape::Text).required(),
    carried("Value", Shape::Text).required(),
]);
const INLINE_SUBSCRIPTION: Shape = Shape::Object(&[
    carried("Endpoint", Shape::Text).required(),
    carried("Protocol", Shape::Text).required(),
]);
const ARCHIVE: &str = "archives of messages, and replaying them";
const FIREHOSE: &str = "subscriptions of Amazon Data Firehose";

const TABLES: &[TypeTable] = &[
    TypeTable {
        name: TOPIC,
        properties: &[
            carried("TopicName", Shape::Text).replaces(),
            carried("FifoTopic", Shape::Flag).replaces(),
            carried("DisplayName", Shape::Text),
            carried("ContentBasedDeduplication", Shape::Flag),
            carried("FifoThroughputScope", Shape::Text),
            carried("SignatureVersion", Shape::Text),
            carried("Subscription", Shape::List(&INLINE_SUBSCRIPTION)),
            carried("Tags", Shape::List(&TAG)),
            idle("KmsMasterKeyId", "kept and shown; no message is encrypted"),
            idle(
                "TracingConfig",
                "kept and shown; trace headers are handed on, nothing is sent to X-Ray",
            ),
            idle(
                "DataProtectionPolicy",
                "kept and shown; no message is looked through",
            ),
            missing("DeliveryStatusLogging", "logs of deliveries"),
            missing("ArchivePolicy", ARCHIVE),
        ],
    },
    TypeTable {
        name: SUBSCRIPTION,
        properties: &[
            carried("TopicArn", Shape::Text).replaces().required(),
            carried("Protocol", Shape::Text).replaces().required(),
            carried("Endpoint", Shape::Text).replaces(),
            carried("FilterPolicy", Shape::Any),
            carried("FilterPolicyScope", Shape::Text),
            carried("RawMessageDelivery", Shape::Flag),
            carried("RedrivePolicy", Shape::Any),
            carried("DeliveryPolicy", Shape::Any),
            idle("Region", "the topic's ARN names its region"),
            missing("ReplayPolicy", ARCHIVE),
            missing("SubscriptionRoleArn", FIREHOSE),
        ],
    },
    TypeTable {
        name: POLICY,
        properties: &[
            carried("PolicyDocument", Shape::Any).required(),
            carried("Topics", Shape::List(&Shape::Text)).required(),
        ],
    },
    TypeTable {
        name: INLINE_POLICY,
        properties: &[
            carried("PolicyDocument", Shape::Any).required(),
            carried("TopicArn", Shape::Text).replaces().required(),
        ],
    },
];

pub(super) fn table(resource_type: &str) -> Option<&'static TypeTable> {
    TABLES.iter().find(|table| table.name == resource_type)
}

/// What becomes of each property of each type.
#[must_use]
pub fn coverage() -> Vec<Coverage> {
    resource_types::coverage(TABLES)
}
