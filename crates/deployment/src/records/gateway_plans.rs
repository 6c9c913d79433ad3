//! What is known of the resource types of Amazon API Gateway: API keys and usage plans.
//!
//! Lives here: the tables, and what a value must be that no table can say.
//! Does not live here: joining keys with plans (`application::keys`), counting (`gateway`).
//!
//! Contract: AWS CloudFormation Template Reference, "AWS::ApiGateway::ApiKey", "… UsagePlan" and "… UsagePlanKey";
//! Amazon API Gateway Developer Guide, "API Gateway API key file format": a value has 20 to 128 characters.

use interfaces::resource_provider::{Properties, PropertyProblem};

use resource_types::{Details, problem_at, text_of};
use resource_types::{FOR_PEOPLE, Fate, Property, Shape, TypeTable, carried, idle};

/// The types that are only records here.
pub(super) const TYPES: &[TypeTable] = &[
    TypeTable {
        name: "AWS::ApiGateway::ApiKey",
        properties: API_KEY,
    },
    TypeTable {
        name: "AWS::ApiGateway::UsagePlan",
        properties: USAGE_PLAN,
    },
    TypeTable {
        name: "AWS::ApiGateway::UsagePlanKey",
        properties: USAGE_PLAN_KEY,
    },
];

/// The shortest value of an API key, in characters.
const KEY_VALUE_LENGTH_MIN: usize = 20;
/// The longest.
const KEY_VALUE_LENGTH_MAX: usize = 128;
/// Larger than any limit that the cloud takes: what a signed whole number of four bytes holds.
const COUNT_MAX: i64 = 2_147_483_647;

const API_KEY: &[Property] = &[
    idle("CustomerId", FOR_PEOPLE),
    idle("Description", FOR_PEOPLE),
    carried("Enabled", Shape::Flag),
    idle("GenerateDistinctId", "a key's id never is its value here").replaces(),
    carried("Name", Shape::Text).replaces(),
    idle("StageKeys", "a usage plan opens stages, not this list"),
    idle("Tags", FOR_PEOPLE),
    carried("Value", Shape::Text).replaces(),
];

const USAGE_PLAN: &[Property] = &[
    carried("ApiStages", Shape::List(&Shape::Object(API_STAGE))),
    idle("Description", FOR_PEOPLE),
    carried("Quota", Shape::Object(QUOTA)),
    idle("Tags", FOR_PEOPLE),
    carried("Throttle", Shape::Object(THROTTLE)),
    carried("UsagePlanName", Shape::Text),
];

const API_STAGE: &[Property] = &[
    carried("ApiId", Shape::Text),
    carried("Stage", Shape::Text),
    carried("Throttle", Shape::Map(&Shape::Object(THROTTLE))),
];

const QUOTA: &[Property] = &[
    carried("Limit", Shape::Whole(0, COUNT_MAX)),
    carried("Offset", Shape::Whole(0, COUNT_MAX)),
    carried(
        "Period",
        Shape::Choice(&[
            ("DAY", Fate::CarriedOut),
            ("WEEK", Fate::CarriedOut),
            ("MONTH", Fate::CarriedOut),
        ]),
    ),
];

const THROTTLE: &[Property] = &[
    carried("BurstLimit", Shape::Whole(0, COUNT_MAX)),
    carried("RateLimit", Shape::Number),
];

const USAGE_PLAN_KEY: &[Property] = &[
    carried("KeyId", Shape::Text).required().replaces(),
    carried("KeyType", Shape::Choice(&[("API_KEY", Fate::CarriedOut)]))
        .required()
        .replaces(),
    carried("UsagePlanId", Shape::Text).required().replaces(),
];

/// Refuses values that are too easily guessed, as the cloud does.
pub(super) fn check_key(properties: &Properties, problems: &mut Vec<PropertyProblem>) {
    let Some(value) = properties.get("Value").and_then(text_of) else {
        return;
    };
    let length = value.chars().count();
    if !(KEY_VALUE_LENGTH_MIN..=KEY_VALUE_LENGTH_MAX).contains(&length) {
        problems.push(
            problem_at(
                &["Value"],
                format!("the value of an API key has {length} characters"),
            )
            .because(format!(
                "it has {KEY_VALUE_LENGTH_MIN} to {KEY_VALUE_LENGTH_MAX} characters"
            )),
        );
    }
}
