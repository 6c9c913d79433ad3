//! The properties of log groups, what belongs to them, and alarms.
//!
//! Contract: AWS CloudFormation Template Reference, `AWS::Logs` and `AWS::CloudWatch`.

use model::coverage::Coverage;
use resource_types::{OF_THE_CLOUD, Property, Shape, TypeTable, carried, idle, missing};

pub(super) const GROUP: &str = "AWS::Logs::LogGroup";
pub(super) const STREAM: &str = "AWS::Logs::LogStream";
pub(super) const SUBSCRIPTION: &str = "AWS::Logs::SubscriptionFilter";
pub(super) const METRIC_FILTER: &str = "AWS::Logs::MetricFilter";
pub(super) const POLICY: &str = "AWS::Logs::ResourcePolicy";
pub(super) const ALARM: &str = "AWS::CloudWatch::Alarm";

pub(super) const TYPES: &[&str] = &[GROUP, STREAM, SUBSCRIPTION, METRIC_FILTER, POLICY, ALARM];

const NOT_TRANSFORMED: &str = "logs are not transformed";
const NEVER: &str = "kept and shown: an alarm never fires here";

const TAGS: Property = carried(
    "Tags",
    Shape::List(&Shape::Object(&[
        carried("Key", Shape::Text).required(),
        carried("Value", Shape::Text).required(),
    ])),
);

static TABLES: &[TypeTable] = &[
    TypeTable {
        name: GROUP,
        properties: &[
            missing("DataProtectionPolicy", "nothing is masked in logs"),
            carried("DeletionProtectionEnabled", Shape::Text),
            idle(
                "FieldIndexPolicies",
                "there is no Insights whose queries it would make fast",
            ),
            idle(
                "KmsKeyId",
                "kept and shown: logs are not kept encrypted on this machine",
            ),
            idle("LogGroupClass", OF_THE_CLOUD).replaces(),
            carried("LogGroupName", Shape::Text).replaces(),
            missing(
                "ResourcePolicyDocument",
                "policies are those of the account: `AWS::Logs::ResourcePolicy`",
            ),
            carried("RetentionInDays", Shape::Text),
            TAGS,
        ],
    },
    TypeTable {
        name: STREAM,
        properties: &[
            carried("LogGroupName", Shape::Text).replaces().required(),
            carried("LogStreamName", Shape::Text).replaces(),
        ],
    },
    TypeTable {
        name: SUBSCRIPTION,
        properties: &[
            carried("LogGroupName", Shape::Text).replaces().required(),
            carried("FilterName", Shape::Text).replaces(),
            carried("FilterPattern", Shape::Text).required(),
            carried("DestinationArn", Shape::Text).required(),
            carried("RoleArn", Shape::Text),
            idle(
                "Distribution",
                "kept and shown: streams get events by their log stream",
            ),
            missing("ApplyOnTransformedLogs", NOT_TRANSFORMED),
            missing("EmitSystemFields", NOT_TRANSFORMED),
            missing("FieldSelectionCriteria", NOT_TRANSFORMED),
        ],
    },
    TypeTable {
        name: METRIC_FILTER,
        properties: &[
            carried("LogGroupName", Shape::Text).replaces().required(),
            carried("FilterName", Shape::Text).replaces(),
            carried("FilterPattern", Shape::Text).required(),
            carried("MetricTransformations", Shape::Any).required(),
            missing("ApplyOnTransformedLogs", NOT_TRANSFORMED),
            missing("EmitSystemFieldDimensions", NOT_TRANSFORMED),
            missing("FieldSelectionCriteria", NOT_TRANSFORMED),
        ],
    },
    TypeTable {
        name: POLICY,
        properties: &[
            carried("PolicyName", Shape::Text).replaces().required(),
            carried("PolicyDocument", Shape::Any).required(),
        ],
    },
    TypeTable {
        name: ALARM,
        properties: &[
            carried("AlarmName", Shape::Text).replaces(),
            idle("ActionsEnabled", NEVER),
            idle("AlarmActions", NEVER),
            idle("AlarmDescription", NEVER),
            idle("ComparisonOperator", NEVER),
            idle("DatapointsToAlarm", NEVER),
            idle("Dimensions", NEVER),
            idle("EvaluateLowSampleCountPercentile", NEVER),
            idle("EvaluationCriteria", NEVER),
            idle("EvaluationInterval", NEVER),
            idle("EvaluationPeriods", NEVER),
            idle("ExtendedStatistic", NEVER),
            idle("InsufficientDataActions", NEVER),
            idle("MetricName", NEVER),
            idle("Metrics", NEVER),
            idle("Namespace", NEVER),
            idle("OKActions", NEVER),
            idle("Period", NEVER),
            idle("Statistic", NEVER),
            carried("Tags", Shape::Any),
            idle("Threshold", NEVER),
            idle("ThresholdMetricId", NEVER),
            idle("TreatMissingData", NEVER),
            idle("Unit", NEVER),
        ],
    },
];

/// What becomes of each property of logs and alarms, for the reference.
#[must_use]
pub fn coverage() -> Vec<Coverage> {
    resource_types::coverage(TABLES)
}

pub(super) fn table(resource_type: &str) -> Option<&'static TypeTable> {
    TABLES.iter().find(|table| table.name == resource_type)
}
