//! What a request says of a function's configuration.
//!
//! Lives here: reading the members that creating and changing have in common, and their constraints in the provider's words.
//! Does not live here: code (`code`), layers that have to be there (`layers`).
//!
//! Contract: AWS Lambda API Reference, `CreateFunction`, `UpdateFunctionConfiguration`, and answers recorded from the service.

use interfaces::resource_provider::Properties;
use model::function::{RESERVED_VARIABLES, RuntimeName};
use model::limits;
use serde_json::{Value, json};

use crate::answers::Refusal;
use crate::request::{Body, broken};

/// The runtimes that functions can be made with now, in the provider's order.
const RUNTIMES: [&str; 25] = [
    "nodejs20.x",
    "python3.14",
    "provided.al2023",
    "python3.12",
    "python3.13",
    "nodejs24.x",
    "nodejs22.x",
    "java25",
    "python3.10",
    "python3.11",
    "java21",
    "ruby3.3",
    "ruby3.4",
    "ruby3.2",
    "python3.8",
    "python3.9",
    "java17",
    "nodejs16.x",
    "dotnet10",
    "dotnet8",
    "java11",
    "dotnet6",
    "nodejs18.x",
    "provided.al2",
    "java8.al2",
];
/// Those that were known once.
const FORMER: [&str; 17] = [
    "java8",
    "go1.x",
    "provided",
    "ruby2.7",
    "ruby2.5",
    "nodejs14.x",
    "nodejs12.x",
    "nodejs10.x",
    "nodejs8.10",
    "nodejs6.10",
    "nodejs4.3",
    "nodejs",
    "python3.7",
    "python3.6",
    "python2.7",
    "dotnetcore3.1",
    "dotnetcore2.1",
];
/// Members that are kept as they are, with the names of CloudFormation.
const KEPT: [(&str, &str); 10] = [
    ("Description", "Description"),
    ("Handler", "Handler"),
    ("Role", "Role"),
    ("Runtime", "Runtime"),
    ("Timeout", "Timeout"),
    ("MemorySize", "MemorySize"),
    ("KMSKeyArn", "KmsKeyArn"),
    ("EphemeralStorage", "EphemeralStorage"),
    ("Layers", "Layers"),
    ("SnapStart", "SnapStart"),
];
/// Members that ask for what is not carried out.
const REFUSED: [&str; 5] = [
    "CapacityProviderConfig",
    "CodeSigningConfigArn",
    "DurableConfig",
    "PublishTo",
    "TenancyConfig",
];
const ROLE_PATTERN: &str = "Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+";

/// Puts what a request says into the properties of a function.
///
/// # Errors
/// What is said breaks a constraint, or is not carried out.
pub(crate) fn apply(body: &Body, properties: &mut Properties) -> Result<(), Refusal> {
    check(body)?;
    refuse(body)?;
    for (name, kept_as) in KEPT {
        if let Some(value) = body.get(name) {
            properties.insert(kept_as.to_owned(), value.clone());
        }
    }
    if let Some(environment) = body.object("Environment")? {
        let variables = environment.object("Variables")?;
        let variables = variables.map(|variables| variables.0).unwrap_or_default();
        check_variables(&variables)?;
        properties.insert("Environment".to_owned(), json!({"Variables": variables}));
    }
    for name in ["DeadLetterConfig", "TracingConfig"] {
        if let Some(value) = body.object(name)? {
            properties.insert(name.to_owned(), Value::Object(value.0));
        }
    }
    if let Some(given) = body.object("LoggingConfig")? {
        properties.insert("LoggingConfig".to_owned(), logging(&given, properties)?);
    }
    Ok(())
}

/// A switch of the format forgets the levels, which texts have none of.
fn logging(given: &Body, properties: &Properties) -> Result<Value, Refusal> {
    let known = properties.get("LoggingConfig").and_then(Value::as_object);
    let mut logging = known.cloned().unwrap_or_default();
    logging.extend(given.0.clone());
    let is_text = logging
        .get("LogFormat")
        .is_none_or(|format| format == "Text");
    if is_text {
        for level in ["ApplicationLogLevel", "SystemLogLevel"] {
            if given.text(level)?.is_some() {
                return Err(Refusal::invalid_parameter(
                    "Log levels are only supported for JSON log format.",
                ));
            }
            logging.remove(level);
        }
    }
    Ok(Value::Object(logging))
}

fn refuse(body: &Body) -> Result<(), Refusal> {
    for name in REFUSED {
        if body.has(name) {
            return Err(Refusal::not_implemented(&format!("`{name}`")));
        }
    }
    if body.text("PackageType")? == Some("Image") || body.has("ImageConfig") {
        return Err(Refusal::not_implemented("functions in container images"));
    }
    let mounts = body.get("FileSystemConfigs").and_then(Value::as_array);
    if mounts.is_some_and(|mounts| !mounts.is_empty()) {
        return Err(Refusal::not_implemented("`FileSystemConfigs`"));
    }
    if let Some(network) = body.object("VpcConfig")? {
        let is_in_one = ["SubnetIds", "SecurityGroupIds"].iter().any(|name| {
            network
                .texts(name)
                .ok()
                .flatten()
                .is_some_and(|ids| !ids.is_empty())
        });
        if is_in_one {
            return Err(Refusal::not_implemented("`VpcConfig`"));
        }
    }
    Ok(())
}

fn check(body: &Body) -> Result<(), Refusal> {
    let mut errors = Vec::new();
    if let Some(role) = body.text("Role")? {
        errors.extend((!is_role(role)).then(|| broken(role, "role", ROLE_PATTERN)));
    }
    for (name, member, least, most) in [
        ("Timeout", "timeout", 1, 900),
        (
            "MemorySize",
            "memorySize",
            i64::from(limits::LAMBDA_MEMORY_MB_MIN),
            i64::from(limits::LAMBDA_MEMORY_MB_MAX),
        ),
    ] {
        errors.extend(out_of_range(body.whole(name)?, member, least, most));
    }
    if let Some(storage) = body.object("EphemeralStorage")? {
        errors.extend(out_of_range(
            storage.whole("Size")?,
            "ephemeralStorage.size",
            512,
            10_240,
        ));
    }
    if let Some(architectures) = body.texts("Architectures")? {
        errors.extend(architectures_error(&architectures));
    }
    if let Some(config) = body.object("SnapStart")?
        && let Some(apply) = config.text("ApplyOn")?
        && !["PublishedVersions", "None"].contains(&apply)
    {
        let constraint = "Member must satisfy enum value set: [PublishedVersions, None]";
        errors.push(broken(apply, "snapStart.applyOn", constraint));
    }
    if !errors.is_empty() {
        return Err(Refusal::validations(&errors));
    }
    match body.text("Runtime")? {
        Some(runtime) => check_runtime(runtime),
        None => Ok(()),
    }
}

pub(crate) fn architectures_error(architectures: &[String]) -> Option<String> {
    let listed = format!("[{}]", architectures.join(", "));
    if 1 < architectures.len() {
        let constraint = "Member must have length less than or equal to 1";
        return Some(broken(&listed, "architectures", constraint));
    }
    let is_known = |name: &String| ["x86_64", "arm64"].contains(&name.as_str());
    (!architectures.iter().all(is_known)).then(|| {
        let constraint = "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]";
        broken(&listed, "architectures", constraint)
    })
}

pub(crate) fn out_of_range(
    given: Option<i64>,
    member: &str,
    least: i64,
    most: i64,
) -> Option<String> {
    let number = given?;
    let bound = if number < least {
        format!("greater than or equal to {least}")
    } else if most < number {
        format!("less than or equal to {most}")
    } else {
        return None;
    };
    Some(broken(
        &number.to_string(),
        member,
        &format!("Member must have value {bound}"),
    ))
}

fn is_role(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let mut part = || parts.next().unwrap_or_default();
    let is_start =
        part() == "arn" && part().starts_with("aws") && part() == "iam" && part().is_empty();
    let account = part();
    let role = part();
    is_start
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && role.starts_with("role")
        && role.len() > "role".len()
}

/// # Errors
/// The cloud does not know it (any more), or it is not run here.
fn check_runtime(runtime: &str) -> Result<(), Refusal> {
    if FORMER.contains(&runtime) {
        return Err(Refusal::invalid_parameter(&format!(
            "The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
        )));
    }
    if !RUNTIMES.contains(&runtime) {
        return Err(Refusal::invalid_parameter(&format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be a valid ARN",
            RUNTIMES.join(", ")
        )));
    }
    match RuntimeName::parse(runtime) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::not_implemented(&format!(
            "the runtime `{runtime}`"
        ))),
    }
}

/// The runtimes that layers can name.
pub(crate) fn runtimes() -> String {
    RUNTIMES.join(", ")
}

pub(crate) fn is_runtime(name: &str) -> bool {
    RUNTIMES.contains(&name) || FORMER.contains(&name)
}

fn check_variables(variables: &Properties) -> Result<(), Refusal> {
    let reserved: Vec<&str> = variables
        .keys()
        .map(String::as_str)
        .filter(|name| RESERVED_VARIABLES.contains(name))
        .collect();
    if !reserved.is_empty() {
        return Err(Refusal::invalid_parameter(&format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    if let Some((name, _)) = variables.iter().find(|(_, value)| !value.is_string()) {
        return Err(Refusal::serialization(&format!(
            "the variable `{name}` is not a text"
        )));
    }
    let measured = Value::Object(variables.clone()).to_string();
    if limits::LAMBDA_ENVIRONMENT_BYTES_MAX < measured.len() {
        return Err(Refusal::invalid_parameter(&format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {measured}"
        )));
    }
    Ok(())
}
