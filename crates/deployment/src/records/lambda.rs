//! What is known of the resource types of AWS Lambda.
//!
//! Lives here: the tables, and what only Lambda asks of values.
//! Does not live here: running functions (`application`, `invoker`), event source mappings (`event_sources`).
//!
//! Contract: AWS CloudFormation Template Reference, "AWS Lambda resource type reference".

use interfaces::resource_provider::{Properties, PropertyProblem};
use model::function::RESERVED_VARIABLES;
use model::{asynchronous, limits};

use resource_types::{Details, problem_at, text_of};
use resource_types::{
    FOR_PEOPLE, Fate, OF_THE_CLOUD, Property, Shape, TypeTable, carried, idle, missing,
};

const VERSIONS: &str = "all versions of a function run the code that is deployed last";

/// The types of AWS Lambda that are only records here.
pub(super) const TYPES: &[TypeTable] = &[
    TypeTable {
        name: "AWS::Lambda::Function",
        properties: FUNCTION,
    },
    TypeTable {
        name: "AWS::Lambda::Version",
        properties: VERSION,
    },
    TypeTable {
        name: "AWS::Lambda::Alias",
        properties: ALIAS,
    },
    TypeTable {
        name: "AWS::Lambda::Permission",
        properties: PERMISSION,
    },
    TypeTable {
        name: "AWS::Lambda::EventInvokeConfig",
        properties: EVENT_INVOKE,
    },
    TypeTable {
        name: "AWS::Lambda::Url",
        properties: URL,
    },
    TypeTable {
        name: "AWS::Lambda::LayerVersion",
        properties: LAYER_VERSION,
    },
];

const FUNCTION: &[Property] = &[
    carried(
        "Architectures",
        Shape::List(&Shape::Choice(&[
            ("x86_64", Fate::NothingToDo(PROCESSOR)),
            ("arm64", Fate::NothingToDo(PROCESSOR)),
        ])),
    ),
    missing(
        "CapacityProviderConfig",
        "functions run on this machine, not on capacity providers",
    ),
    carried("Code", Shape::Object(CODE)).required(),
    missing(
        "CodeSigningConfigArn",
        "signatures of code are not verified",
    ),
    carried(
        "DeadLetterConfig",
        Shape::Object(&[carried("TargetArn", Shape::Text)]),
    ),
    idle("Description", FOR_PEOPLE),
    missing("DurableConfig", "durable functions are not built yet"),
    carried("Environment", Shape::Object(ENVIRONMENT)),
    carried(
        "EphemeralStorage",
        Shape::Object(&[carried("Size", Shape::Whole(512, 10_240)).required()]),
    ),
    missing(
        "FileSystemConfigs",
        "file systems are not mounted: the function finds no folder at `LocalMountPath`",
    ),
    carried("FunctionName", Shape::Text).replaces(),
    missing(
        "FunctionScalingConfig",
        "it belongs to capacity providers, which are not built",
    ),
    carried("Handler", Shape::Text),
    idle("ImageConfig", CONTAINER_IMAGES),
    idle(
        "KmsKeyArn",
        "variables are not kept encrypted on this machine",
    ),
    carried("Layers", Shape::List(&Shape::Text)),
    carried("LoggingConfig", Shape::Object(LOGGING)),
    carried("MemorySize", Shape::Any),
    carried(
        "PackageType",
        Shape::Choice(&[
            ("Zip", Fate::CarriedOut),
            ("Image", Fate::NothingToDo(CONTAINER_IMAGES)),
        ]),
    )
    .replaces(),
    idle("PublishToLatestPublished", VERSIONS),
    carried(
        "RecursiveLoop",
        Shape::Choice(&[("Allow", Fate::CarriedOut), ("Terminate", Fate::CarriedOut)]),
    ),
    carried(
        "ReservedConcurrentExecutions",
        Shape::Whole(0, CONCURRENCY_MAX),
    ),
    carried("Role", Shape::Text).required(),
    carried("Runtime", Shape::Text),
    idle("RuntimeManagementConfig", OF_THE_CLOUD),
    carried(
        "SnapStart",
        Shape::Object(&[carried(
            "ApplyOn",
            Shape::Choice(&[
                ("None", Fate::CarriedOut),
                ("PublishedVersions", Fate::NothingToDo(SNAPSHOTS)),
            ]),
        )
        .required()]),
    ),
    idle("Tags", FOR_PEOPLE),
    missing("TenancyConfig", "instances are not kept apart by tenant"),
    carried("Timeout", Shape::Any),
    carried(
        "TracingConfig",
        Shape::Object(&[carried(
            "Mode",
            Shape::Choice(&[
                ("PassThrough", Fate::CarriedOut),
                ("Active", Fate::Missing("traces are not sent to X-Ray")),
            ]),
        )]),
    ),
    missing(
        "VpcConfig",
        "there are no virtual networks: the function reaches whatever this machine reaches",
    ),
];

const SNAPSHOTS: &str = "instances of every version are forked after its init where it allows that, which is what snapshots do";
/// The largest Integer of Lambda's API. How much of it can be had depends on the account (`application::concurrency`).
const CONCURRENCY_MAX: i64 = i32::MAX as i64;
const PROCESSOR: &str = "functions run on the processor of this machine";
const CONTAINER_IMAGES: &str = "the function is reported, and cannot be invoked";

const CODE: &[Property] = &[
    idle("ImageUri", CONTAINER_IMAGES),
    carried("S3Bucket", Shape::Text),
    carried("S3Key", Shape::Text),
    missing("S3ObjectStorageMode", "code is always copied"),
    carried("S3ObjectVersion", Shape::Text),
    idle(
        "SourceKMSKeyArn",
        "code is not kept encrypted on this machine",
    ),
    carried("ZipFile", Shape::Text),
];

const ENVIRONMENT: &[Property] = &[carried("Variables", Shape::TextMap)];

const LOGGING: &[Property] = &[
    missing("ApplicationLogLevel", "logs are not filtered by level"),
    carried(
        "LogFormat",
        Shape::Choice(&[
            ("Text", Fate::CarriedOut),
            ("JSON", Fate::Missing("logs are written as text")),
        ]),
    ),
    idle("LogGroup", "logs are shown, whatever their group is called"),
    missing("SystemLogLevel", "logs are not filtered by level"),
];

const VERSION: &[Property] = &[
    idle("CodeSha256", VERSIONS).replaces(),
    idle("Description", FOR_PEOPLE).replaces(),
    carried("FunctionName", Shape::Text).required().replaces(),
    missing(
        "FunctionScalingConfig",
        "it belongs to capacity providers, which are not built",
    ),
    carried("ProvisionedConcurrencyConfig", PROVISIONED).replaces(),
    idle("RuntimePolicy", OF_THE_CLOUD).replaces(),
];

/// Contract: `PutProvisionedConcurrencyConfig`: at least 1.
const PROVISIONED: Shape = Shape::Object(&[carried(
    "ProvisionedConcurrentExecutions",
    Shape::Whole(1, CONCURRENCY_MAX),
)
.required()]);

const ALIAS: &[Property] = &[
    idle("Description", FOR_PEOPLE),
    carried("FunctionName", Shape::Text).required().replaces(),
    carried("FunctionVersion", Shape::Text).required(),
    carried("Name", Shape::Text).required().replaces(),
    carried("ProvisionedConcurrencyConfig", PROVISIONED),
    carried(
        "RoutingConfig",
        Shape::Object(&[carried(
            "AdditionalVersionWeights",
            Shape::List(&Shape::Object(&[
                carried("FunctionVersion", Shape::Text).required(),
                carried("FunctionWeight", Shape::Number).required(),
            ])),
        )]),
    ),
];

const PERMISSION: &[Property] = &[
    carried("Action", Shape::Text).required().replaces(),
    idle(
        "EventSourceToken",
        "only Alexa sends one, which calls nothing here",
    )
    .replaces(),
    carried("FunctionName", Shape::Text).required().replaces(),
    carried("FunctionUrlAuthType", Shape::Text).replaces(),
    idle(
        "InvokedViaFunctionUrl",
        "function URLs ask for `lambda:InvokeFunctionUrl` alone",
    )
    .replaces(),
    carried("Principal", Shape::Text).required().replaces(),
    carried("PrincipalOrgID", Shape::Text).replaces(),
    carried("SourceAccount", Shape::Text).replaces(),
    carried("SourceArn", Shape::Text).replaces(),
];

const EVENT_INVOKE: &[Property] = &[
    carried(
        "DestinationConfig",
        Shape::Object(&[
            carried("OnFailure", Shape::Object(DESTINATION)),
            carried("OnSuccess", Shape::Object(DESTINATION)),
        ]),
    ),
    carried("FunctionName", Shape::Text).required().replaces(),
    carried(
        "MaximumEventAgeInSeconds",
        Shape::Whole(
            asynchronous::AGE_MIN.as_secs() as i64,
            asynchronous::AGE_MAX.as_secs() as i64,
        ),
    ),
    carried(
        "MaximumRetryAttempts",
        Shape::Whole(0, asynchronous::RETRIES_MAX as i64),
    ),
    carried("Qualifier", Shape::Text).required().replaces(),
];

const DESTINATION: &[Property] = &[carried("Destination", Shape::Text).required()];

const URL: &[Property] = &[
    carried(
        "AuthType",
        Shape::Choice(&[("NONE", Fate::CarriedOut), ("AWS_IAM", Fate::CarriedOut)]),
    )
    .required(),
    carried("Cors", Shape::Object(URL_CORS)),
    carried(
        "InvokeMode",
        Shape::Choice(&[
            ("BUFFERED", Fate::CarriedOut),
            ("RESPONSE_STREAM", Fate::CarriedOut),
        ]),
    ),
    carried("Qualifier", Shape::Text).replaces(),
    carried("TargetFunctionArn", Shape::Text)
        .required()
        .replaces(),
];

const URL_CORS: &[Property] = &[
    carried("AllowCredentials", Shape::Flag),
    carried("AllowHeaders", Shape::List(&Shape::Text)),
    carried("AllowMethods", Shape::List(&Shape::Text)),
    carried("AllowOrigins", Shape::List(&Shape::Text)),
    carried("ExposeHeaders", Shape::List(&Shape::Text)),
    carried("MaxAge", Shape::Whole(0, 86_400)),
];

const LAYER_VERSION: &[Property] = &[
    idle("CompatibleArchitectures", PROCESSOR).replaces(),
    idle(
        "CompatibleRuntimes",
        "it only describes the layer: Lambda does not compare it with the function's runtime either",
    )
    .replaces(),
    carried(
        "Content",
        Shape::Object(&[
            carried("S3Bucket", Shape::Text).required(),
            carried("S3Key", Shape::Text).required(),
            missing("S3ObjectStorageMode", "code is always copied"),
            carried("S3ObjectVersion", Shape::Text),
        ]),
    )
    .required()
    .replaces(),
    idle("Description", FOR_PEOPLE).replaces(),
    carried("LayerName", Shape::Text).replaces(),
    idle("LicenseInfo", FOR_PEOPLE).replaces(),
];

/// What the tables cannot say of a function.
pub(super) fn check_function(properties: &Properties, problems: &mut Vec<PropertyProblem>) {
    check_name(properties, problems);
    check_range(
        properties,
        "MemorySize",
        "memorySize",
        i64::from(limits::LAMBDA_MEMORY_MB_MIN),
        i64::from(limits::LAMBDA_MEMORY_MB_MAX),
        problems,
    );
    check_range(
        properties,
        "Timeout",
        "timeout",
        1,
        i64::try_from(limits::LAMBDA_TIMEOUT_MAX.as_secs()).unwrap_or(i64::MAX),
        problems,
    );
    check_environment(properties, problems);
    if properties.get("PackageType").and_then(|kind| kind.as_str()) == Some("Image") {
        return;
    }
    for name in ["Runtime", "Handler"] {
        if !properties.contains_key(name) {
            problems.push(
                problem_at(&[], format!("the function has no `{name}`"))
                    .because("Runtime and Handler are mandatory parameters for functions created with deployment packages."),
            );
        }
    }
}

fn check_name(properties: &Properties, problems: &mut Vec<PropertyProblem>) {
    let Some(name) = properties.get("FunctionName").and_then(text_of) else {
        return;
    };
    let short = name.rsplit(':').next().unwrap_or_default();
    let letters = short
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if short.is_empty() || 64 < short.len() || !letters {
        problems.push(
            problem_at(
                &["FunctionName"],
                format!("`{name}` cannot be a function's name"),
            )
            .because("Lambda takes 1 to 64 letters, digits, hyphens and underscores"),
        );
    }
}

fn check_range(
    properties: &Properties,
    name: &str,
    member: &str,
    least: i64,
    most: i64,
    problems: &mut Vec<PropertyProblem>,
) {
    let Some(value) = properties.get(name) else {
        return;
    };
    let Some(text) = text_of(value) else {
        problems.push(problem_at(&[name], format!("`{name}` is not a number")));
        return;
    };
    let Ok(number) = text.parse::<i64>() else {
        problems.push(problem_at(
            &[name],
            format!("`{text}` is not a whole number"),
        ));
        return;
    };
    let bound = if number < least {
        format!("greater than or equal to {least}")
    } else if most < number {
        format!("less than or equal to {most}")
    } else {
        return;
    };
    problems.push(
        problem_at(&[name], format!("`{name}` is {number}, but may be {least} to {most}")).because(
            format!(
                "1 validation error detected: Value '{number}' at '{member}' failed to satisfy constraint: Member must have value {bound}"
            ),
        ),
    );
}

fn check_environment(properties: &Properties, problems: &mut Vec<PropertyProblem>) {
    let variables = properties
        .get("Environment")
        .and_then(|environment| environment.get("Variables"))
        .and_then(|variables| variables.as_object());
    let Some(variables) = variables else {
        return;
    };
    let mut bytes = 0_usize;
    for (name, value) in variables {
        let path = ["Environment", "Variables", name.as_str()];
        bytes = bytes
            .saturating_add(name.len())
            .saturating_add(text_of(value).map_or(0, |text| text.len()));
        if RESERVED_VARIABLES.contains(&name.as_str()) {
            problems.push(
                problem_at(&path, format!("the variable `{name}` is reserved")).because(format!(
                    "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {name}"
                )),
            );
        } else if !is_variable_name(name) {
            problems.push(
                problem_at(&path, format!("`{name}` cannot be a variable's name")).because(
                    "names begin with a letter and have at least two letters, digits or underscores",
                ),
            );
        }
    }
    if limits::LAMBDA_ENVIRONMENT_BYTES_MAX < bytes {
        problems.push(
            problem_at(
                &["Environment", "Variables"],
                format!("the variables have {bytes} bytes in all, over the limit of {}", limits::LAMBDA_ENVIRONMENT_BYTES_MAX),
            )
            .because("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit."),
        );
    }
}

/// Contract: AWS Lambda API Reference, `Environment`: `[a-zA-Z]([a-zA-Z0-9_])+`.
fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    1 < name.len()
        && bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
