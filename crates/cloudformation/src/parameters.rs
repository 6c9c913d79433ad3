//! The values of a template's parameters.
//!
//! Lives here: given values, defaults, stand-ins for what nobody gave, and the checks of each.
//! Does not live here: how parameters are declared (`template`), the parameters of other tools.
//!
//! Contract: AWS CloudFormation User Guide, "Parameters".

use std::collections::BTreeMap;

use model::problem::{Place, Problem, any_error};
use regex_lite::Regex;
use serde_json::Value;

use crate::intrinsics::{Environment, Lookup, Scope};
use crate::template::{Parameter, ParameterType, Scalar, Template};

/// "CloudFormation quotas": size of one parameter's value, in bytes.
pub const VALUE_BYTES_MAX: usize = 4_096;
/// How many values stand in for a list: templates pick subnets and zones one by one.
const LIST_STAND_INS: usize = 3;
/// The longest pattern that is compiled, in bytes.
const PATTERN_BYTES_MAX: usize = 4_096;

/// Finds a value for each parameter. One that cannot get a value is missing, and a problem says why.
pub(crate) fn values(
    template: &Template,
    environment: &Environment,
    given: &BTreeMap<String, String>,
    scope: &dyn Scope,
) -> (BTreeMap<String, Value>, Vec<Problem>) {
    let mut problems = Vec::new();
    for name in given.keys() {
        if !template.parameters.contains_key(name) {
            problems.push(
                Problem::error(
                    "parameters::unknown",
                    format!("the template has no parameter `{name}`"),
                )
                .because(format!(
                    "CloudFormation: parameters [{name}] do not exist in the template"
                ))
                .help("mend the name, or do not give it a value"),
            );
        }
    }
    let mut values = BTreeMap::new();
    for (name, parameter) in &template.parameters {
        let chosen = given.get(name).or(parameter.default.as_ref()).cloned();
        let (text, faults) = match chosen {
            Some(text) => {
                let faults = faults(name, parameter, &text);
                (text, faults)
            }
            // A stand-in need not match a pattern: that somebody must choose a value is said already.
            None => {
                let text = stand_in(name, parameter, environment);
                let warning = missing(name, parameter, &text);
                (text, vec![warning])
            }
        };
        if !any_error(&faults) {
            let value = typed(
                (name, parameter),
                &text,
                (environment, scope),
                &mut problems,
            );
            values.insert(name.clone(), value);
        }
        problems.extend(faults);
    }
    (values, problems)
}

fn missing(name: &str, parameter: &Parameter, text: &str) -> Problem {
    let shown = if parameter.is_secret { "…" } else { text };
    Problem::warning(
        "parameters::missing",
        format!("the parameter `{name}` has no value: `{shown}` stands in for it"),
    )
    .at(&parameter.place)
    .because("CloudFormation would ask for it")
    .help(format!(
        "give it a value by `--param {name}=…`, or a `Default`"
    ))
}

/// A value that fits the declaration: half of all templates have a parameter that somebody must fill in.
fn stand_in(name: &str, parameter: &Parameter, environment: &Environment) -> String {
    if let Some(first) = parameter.allowed_values.first() {
        return first.clone();
    }
    let (scalar, count) = match &parameter.parameter_type {
        ParameterType::Single(scalar) => (scalar, 1),
        ParameterType::List(scalar) => (scalar, LIST_STAND_INS),
        ParameterType::Stored(_) => return format!("/{name}"),
    };
    let text = match scalar {
        Scalar::Number => parameter
            .value_min
            .map_or_else(|| "1".to_owned(), |least| least.to_string()),
        Scalar::Aws(kind) => plausible(kind, environment),
        Scalar::String => name.to_lowercase(),
    };
    let length_min = parameter.length_min.unwrap_or(0).min(VALUE_BYTES_MAX);
    let length_max = parameter.length_max.unwrap_or(VALUE_BYTES_MAX);
    let mut characters: Vec<char> = text.chars().take(length_max).collect();
    if *scalar == Scalar::String && characters.len() < length_min {
        characters.resize(length_min, 'x');
    }
    let one: String = characters.into_iter().collect();
    vec![one; count].join(",")
}

/// An id of this kind that looks like one. Nothing of that id exists.
fn plausible(kind: &str, environment: &Environment) -> String {
    const DIGITS: &str = "0123456789abcdef0";
    match kind {
        "AWS::EC2::VPC::Id" => format!("vpc-{DIGITS}"),
        "AWS::EC2::Subnet::Id" => format!("subnet-{DIGITS}"),
        "AWS::EC2::SecurityGroup::Id" => format!("sg-{DIGITS}"),
        "AWS::EC2::Image::Id" => format!("ami-{DIGITS}"),
        "AWS::EC2::Instance::Id" => format!("i-{DIGITS}"),
        "AWS::EC2::Volume::Id" => format!("vol-{DIGITS}"),
        "AWS::EC2::AvailabilityZone::Name" => format!("{}a", environment.region),
        "AWS::Route53::HostedZone::Id" => "Z0123456789ABCDEFGHIJ".to_owned(),
        _others => "default".to_owned(),
    }
}

fn faults(name: &str, parameter: &Parameter, text: &str) -> Vec<Problem> {
    let shown = if parameter.is_secret { "…" } else { text };
    let mut faults = Vec::new();
    let mut fault = |what: String| {
        let cause = parameter
            .constraint_description
            .as_ref()
            .map(|description| format!("its template says: {description}"));
        let mut problem = Problem::error("parameters::invalid", what)
            .at(&parameter.place)
            .help(format!("give it another value by `--param {name}=…`"));
        problem.cause = cause;
        faults.push(problem);
    };
    if VALUE_BYTES_MAX < text.len() {
        fault(format!("`{name}` is longer than {VALUE_BYTES_MAX} bytes"));
        return faults;
    }
    let allowed = &parameter.allowed_values;
    let (items, scalar): (Vec<&str>, _) = match &parameter.parameter_type {
        ParameterType::List(scalar) => (text.split(',').map(str::trim).collect(), Some(scalar)),
        ParameterType::Single(scalar) => (vec![text], Some(scalar)),
        ParameterType::Stored(_) => (vec![text], None),
    };
    for item in items {
        if !allowed.is_empty() && !allowed.iter().any(|one| one == item) {
            let list = allowed.join(", ");
            fault(format!(
                "`{name}` is `{shown}`, which is not one of [{list}]"
            ));
        }
        if scalar == Some(&Scalar::Number) {
            match item.parse::<f64>() {
                Ok(number) => {
                    if parameter.value_min.is_some_and(|least| number < least)
                        || parameter.value_max.is_some_and(|most| most < number)
                    {
                        fault(format!("`{name}` is {shown}, which is out of its range"));
                    }
                }
                Err(_) => fault(format!("`{name}` is `{shown}`, which is not a number")),
            }
        }
    }
    let length = text.chars().count();
    if parameter.length_min.is_some_and(|least| length < least)
        || parameter.length_max.is_some_and(|most| most < length)
    {
        fault(format!(
            "`{name}` has {length} characters, which is out of its range"
        ));
    }
    if let Some((pattern, place)) = &parameter.allowed_pattern {
        match matches_pattern(pattern, text) {
            Some(true) => {}
            Some(false) => fault(format!(
                "`{name}` is `{shown}`, which does not match `{pattern}`"
            )),
            None => faults.push(pattern_not_checked(pattern, place)),
        }
    }
    faults
}

/// Whether the whole text matches, as Java's `matches` has it; none: the pattern cannot be read here.
fn matches_pattern(pattern: &str, text: &str) -> Option<bool> {
    if PATTERN_BYTES_MAX < pattern.len() {
        return None;
    }
    let whole = Regex::new(&format!("^(?:{pattern})$")).ok()?;
    Some(whole.is_match(text))
}

fn pattern_not_checked(pattern: &str, place: &Place) -> Problem {
    Problem::warning(
        "parameters::pattern",
        format!("the pattern `{pattern}` is not checked"),
    )
    .at(place)
    .because("it uses what only Java's regular expressions have, or is malformed")
}

/// The value that `Ref` gives: a text, or a list of texts. Numbers are texts to `Ref`.
fn typed(
    (name, parameter): (&str, &Parameter),
    text: &str,
    (environment, scope): (&Environment, &dyn Scope),
    problems: &mut Vec<Problem>,
) -> Value {
    match &parameter.parameter_type {
        ParameterType::Single(_) => Value::String(text.to_owned()),
        ParameterType::List(_) => list(text),
        ParameterType::Stored(inner) => {
            let value = match scope.dynamic("ssm", text) {
                Lookup::Found(Value::String(value)) => value,
                Lookup::Found(other) => other.to_string(),
                Lookup::Missing(cause) => {
                    let stand_in = match inner.as_ref() {
                        ParameterType::Single(Scalar::Aws(kind))
                        | ParameterType::List(Scalar::Aws(kind)) => plausible(kind, environment),
                        ParameterType::Single(_)
                        | ParameterType::List(_)
                        | ParameterType::Stored(_) => text.to_owned(),
                    };
                    problems.push(
                        Problem::warning(
                            "parameters::missing",
                            format!("`{name}` has the value of the stored parameter `{text}`, which does not exist: `{stand_in}` stands in for it"),
                        )
                        .at(&parameter.place)
                        .because(cause)
                        .help(crate::intrinsics::dynamic::remedy("ssm", text)),
                    );
                    stand_in
                }
                Lookup::Silent => text.to_owned(),
            };
            match inner.as_ref() {
                ParameterType::List(_) => list(&value),
                ParameterType::Single(_) | ParameterType::Stored(_) => Value::String(value),
            }
        }
    }
}

fn list(text: &str) -> Value {
    if text.is_empty() {
        return Value::Array(Vec::new());
    }
    let items = text
        .split(',')
        .map(|item| Value::String(item.trim().to_owned()));
    Value::Array(items.collect())
}
