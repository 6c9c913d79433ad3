//! The properties of buses, rules, schedules and what belongs to them.
//!
//! Lives here: what becomes of each property.
//! Does not live here: making the resources (`super`).
//!
//! Contract: AWS CloudFormation Template Reference, `AWS::Events` and `AWS::Scheduler`.

use model::coverage::Coverage;
use resource_types::{Fate, Property, Shape, TypeTable, carried, idle, missing};

pub(super) const RULE: &str = "AWS::Events::Rule";
pub(super) const BUS: &str = "AWS::Events::EventBus";
pub(super) const BUS_POLICY: &str = "AWS::Events::EventBusPolicy";
pub(super) const CONNECTION: &str = "AWS::Events::Connection";
pub(super) const DESTINATION: &str = "AWS::Events::ApiDestination";
pub(super) const ARCHIVE: &str = "AWS::Events::Archive";
pub(super) const SCHEDULE: &str = "AWS::Scheduler::Schedule";
pub(super) const GROUP: &str = "AWS::Scheduler::ScheduleGroup";

pub(super) const TYPES: &[&str] = &[
    RULE,
    BUS,
    BUS_POLICY,
    CONNECTION,
    DESTINATION,
    ARCHIVE,
    SCHEDULE,
    GROUP,
];

const SHOWN: &str =
    "kept and shown: nothing is encrypted, logged or given up before it reaches a rule";
const NO_SERVICE: &str = "there is no such service here: a target of it is refused";
const NOT_LIMITED: &str = "kept and shown: events are sent as they come";
const STATES: &[(&str, Fate)] = &[
    ("ENABLED", Fate::CarriedOut),
    ("DISABLED", Fate::CarriedOut),
    (
        "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
        Fate::NothingToDo("as ENABLED: there is no CloudTrail whose events could come"),
    ),
];
const METHODS: &[(&str, Fate)] = &[
    ("HEAD", Fate::CarriedOut),
    ("POST", Fate::CarriedOut),
    ("PATCH", Fate::CarriedOut),
    ("DELETE", Fate::CarriedOut),
    ("PUT", Fate::CarriedOut),
    ("GET", Fate::CarriedOut),
    ("OPTIONS", Fate::CarriedOut),
];

const TAGS: Property = carried(
    "Tags",
    Shape::List(&Shape::Object(&[
        carried("Key", Shape::Text).required(),
        carried("Value", Shape::Text).required(),
    ])),
);
const DEAD_LETTERS: Property = carried(
    "DeadLetterConfig",
    Shape::Object(&[carried("Arn", Shape::Text)]),
);
const RETRIES: Property = carried(
    "RetryPolicy",
    Shape::Object(&[
        carried("MaximumEventAgeInSeconds", Shape::Whole(60, 86_400)),
        carried("MaximumRetryAttempts", Shape::Whole(0, 185)),
    ]),
);

const TARGET: &[Property] = &[
    carried("Id", Shape::Text).required(),
    carried("Arn", Shape::Text).required(),
    carried("RoleArn", Shape::Text),
    carried("Input", Shape::Text),
    carried("InputPath", Shape::Text),
    carried(
        "InputTransformer",
        Shape::Object(&[
            carried("InputPathsMap", Shape::TextMap),
            carried("InputTemplate", Shape::Text).required(),
        ]),
    ),
    carried(
        "KinesisParameters",
        Shape::Object(&[carried("PartitionKeyPath", Shape::Text).required()]),
    ),
    carried(
        "SqsParameters",
        Shape::Object(&[carried("MessageGroupId", Shape::Text)]),
    ),
    carried(
        "HttpParameters",
        Shape::Object(&[
            carried("HeaderParameters", Shape::TextMap),
            carried("PathParameterValues", Shape::List(&Shape::Text)),
            carried("QueryStringParameters", Shape::TextMap),
        ]),
    ),
    DEAD_LETTERS,
    RETRIES,
    missing("AppSyncParameters", NO_SERVICE),
    missing("BatchParameters", NO_SERVICE),
    missing("EcsParameters", NO_SERVICE),
    missing("RedshiftDataParameters", NO_SERVICE),
    missing("RunCommandParameters", NO_SERVICE),
    missing("SageMakerPipelineParameters", NO_SERVICE),
];

static TABLES: &[TypeTable] = &[
    TypeTable {
        name: RULE,
        properties: &[
            carried("Name", Shape::Text).replaces(),
            carried("Description", Shape::Text),
            carried("EventBusName", Shape::Text).replaces(),
            carried("EventPattern", Shape::Any),
            carried("RoleArn", Shape::Text),
            carried("ScheduleExpression", Shape::Text),
            carried("State", Shape::Choice(STATES)),
            TAGS,
            carried("Targets", Shape::List(&Shape::Object(TARGET))),
        ],
    },
    TypeTable {
        name: BUS,
        properties: &[
            carried("Name", Shape::Text).replaces().required(),
            carried("Description", Shape::Text),
            carried("Policy", Shape::Any),
            TAGS,
            idle("DeadLetterConfig", SHOWN),
            idle("KmsKeyIdentifier", SHOWN),
            idle("LogConfig", SHOWN),
            missing(
                "EventSourceName",
                "there are no partners whose events could come",
            ),
        ],
    },
    TypeTable {
        name: BUS_POLICY,
        properties: &[
            carried("EventBusName", Shape::Text).replaces(),
            carried("StatementId", Shape::Text).replaces().required(),
            carried("Statement", Shape::Any),
            carried("Action", Shape::Text),
            carried("Principal", Shape::Text),
            carried("Condition", Shape::Any),
        ],
    },
    TypeTable {
        name: CONNECTION,
        properties: &[
            carried("Name", Shape::Text).replaces(),
            carried("Description", Shape::Text),
            carried("AuthorizationType", Shape::Text),
            carried("AuthParameters", Shape::Any),
            idle("KmsKeyIdentifier", SHOWN),
            missing(
                "InvocationConnectivityParameters",
                "there are no private networks",
            ),
        ],
    },
    TypeTable {
        name: DESTINATION,
        properties: &[
            carried("Name", Shape::Text).replaces(),
            carried("Description", Shape::Text),
            carried("ConnectionArn", Shape::Text).required(),
            carried("InvocationEndpoint", Shape::Text).required(),
            carried("HttpMethod", Shape::Choice(METHODS)).required(),
            idle("InvocationRateLimitPerSecond", NOT_LIMITED),
        ],
    },
    TypeTable {
        name: ARCHIVE,
        properties: &[
            carried("ArchiveName", Shape::Text).replaces(),
            carried("Description", Shape::Text),
            carried("EventPattern", Shape::Any),
            idle("KmsKeyIdentifier", SHOWN),
            carried("RetentionDays", Shape::Whole(0, 36_500)),
            carried("SourceArn", Shape::Text).required().replaces(),
        ],
    },
    TypeTable {
        name: SCHEDULE,
        properties: &[
            carried("Name", Shape::Text).replaces(),
            carried("GroupName", Shape::Text).replaces(),
            carried("Description", Shape::Text),
            carried("ScheduleExpression", Shape::Text).required(),
            carried("ScheduleExpressionTimezone", Shape::Text),
            carried("State", Shape::Text),
            carried("StartDate", Shape::Text),
            carried("EndDate", Shape::Text),
            carried(
                "FlexibleTimeWindow",
                Shape::Object(&[
                    carried("Mode", Shape::Text).required(),
                    carried("MaximumWindowInMinutes", Shape::Whole(1, 1_440)),
                ]),
            )
            .required(),
            carried("Target", Shape::Object(SCHEDULE_TARGET)).required(),
            idle("KmsKeyArn", SHOWN),
        ],
    },
    TypeTable {
        name: GROUP,
        properties: &[carried("Name", Shape::Text).replaces(), TAGS],
    },
];

const SCHEDULE_TARGET: &[Property] = &[
    carried("Arn", Shape::Text).required(),
    carried("RoleArn", Shape::Text).required(),
    carried("Input", Shape::Text),
    carried(
        "EventBridgeParameters",
        Shape::Object(&[
            carried("DetailType", Shape::Text).required(),
            carried("Source", Shape::Text).required(),
        ]),
    ),
    carried(
        "KinesisParameters",
        Shape::Object(&[carried("PartitionKey", Shape::Text).required()]),
    ),
    carried(
        "SqsParameters",
        Shape::Object(&[carried("MessageGroupId", Shape::Text)]),
    ),
    DEAD_LETTERS,
    RETRIES,
    missing("EcsParameters", NO_SERVICE),
    missing("SageMakerPipelineParameters", NO_SERVICE),
];

/// What becomes of each property of buses, rules and schedules, for the reference.
#[must_use]
pub fn coverage() -> Vec<Coverage> {
    resource_types::coverage(TABLES)
}

pub(super) fn table(resource_type: &str) -> Option<&'static TypeTable> {
    TABLES.iter().find(|table| table.name == resource_type)
}
