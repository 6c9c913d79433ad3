//! What is known of event source mappings.
//!
//! Lives here: the table of `AWS::Lambda::EventSourceMapping`.
//! Does not live here: which of them run (`application::event_sources`), running them (`event-delivery`).
//!
//! Contract: AWS CloudFormation Template Reference, "AWS::Lambda::EventSourceMapping".

use model::event_source as limits;

use resource_types::{FOR_PEOPLE, Property, Shape, TypeTable, carried, idle, missing};

/// The types of this file.
pub(super) const TYPES: &[TypeTable] = &[TypeTable {
    name: "AWS::Lambda::EventSourceMapping",
    properties: MAPPING,
}];

const OTHER_SOURCES: &str = "the mapping as a whole is reported: only queues, Kinesis streams and streams of tables are read";

const MAPPING: &[Property] = &[
    idle("AmazonManagedKafkaEventSourceConfig", OTHER_SOURCES).replaces(),
    carried(
        "BatchSize",
        Shape::Whole(1, limits::BATCH_RECORDS_MAX as i64),
    ),
    carried("BisectBatchOnFunctionError", Shape::Flag),
    carried(
        "DestinationConfig",
        Shape::Object(&[carried(
            "OnFailure",
            Shape::Object(&[carried("Destination", Shape::Text)]),
        )]),
    ),
    idle("DocumentDBEventSourceConfig", OTHER_SOURCES),
    carried("Enabled", Shape::Flag),
    carried("EventSourceArn", Shape::Text).replaces(),
    carried(
        "FilterCriteria",
        Shape::Object(&[carried(
            "Filters",
            Shape::List(&Shape::Object(&[carried("Pattern", Shape::Text)])),
        )]),
    ),
    carried("FunctionName", Shape::Text).required(),
    carried(
        "FunctionResponseTypes",
        Shape::List(&Shape::Choice(&[(
            "ReportBatchItemFailures",
            resource_types::Fate::CarriedOut,
        )])),
    ),
    idle(
        "KmsKeyArn",
        "filters are not kept encrypted on this machine",
    ),
    idle("LoggingConfig", OTHER_SOURCES),
    carried("MaximumBatchingWindowInSeconds", Shape::Whole(0, 300)),
    carried("MaximumRecordAgeInSeconds", Shape::Whole(-1, 604_800)),
    carried(
        "MaximumRetryAttempts",
        Shape::Whole(-1, limits::RETRIES_MAX as i64),
    ),
    missing("MetricsConfig", "deliveries are not counted in metrics"),
    carried(
        "ParallelizationFactor",
        Shape::Whole(1, limits::PARALLELIZATION_MAX as i64),
    ),
    idle(
        "ProvisionedPollerConfig",
        "the mapping as a whole is reported: pollers are not provisioned",
    ),
    idle("Queues", OTHER_SOURCES),
    carried(
        "ScalingConfig",
        Shape::Object(&[carried(
            "MaximumConcurrency",
            Shape::Whole(
                limits::QUEUE_CONCURRENCY_MIN as i64,
                limits::QUEUE_CONCURRENCY_MAX as i64,
            ),
        )]),
    ),
    idle("SelfManagedEventSource", OTHER_SOURCES).replaces(),
    idle("SelfManagedKafkaEventSourceConfig", OTHER_SOURCES).replaces(),
    idle("SourceAccessConfigurations", OTHER_SOURCES),
    carried("StartingPosition", Shape::Text).replaces(),
    carried("StartingPositionTimestamp", Shape::Any).replaces(),
    idle("Tags", FOR_PEOPLE),
    idle("Topics", OTHER_SOURCES),
    carried("TumblingWindowInSeconds", Shape::Whole(0, 900)),
];
