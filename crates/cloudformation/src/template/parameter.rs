//! One of a template's parameters.
//!
//! Lives here: its type, default and constraints, as declared.
//! Does not live here: which value it gets (`crate::parameters`).
//!
//! Contract: AWS CloudFormation User Guide, "Parameters" and "CloudFormation-supplied parameter types".

use model::problem::{Place, Problem};

use super::wrong_kind;
use crate::node::{Entry, Kind, Node};

/// A parameter, as declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its type.
    pub parameter_type: ParameterType,
    /// Its default, as text.
    pub default: Option<String>,
    /// `AllowedValues`; empty: any.
    pub allowed_values: Vec<String>,
    /// `AllowedPattern`, with its place.
    pub allowed_pattern: Option<(String, Place)>,
    /// `ConstraintDescription`.
    pub constraint_description: Option<String>,
    /// `MinLength`, in characters.
    pub length_min: Option<usize>,
    /// `MaxLength`, in characters.
    pub length_max: Option<usize>,
    /// `MinValue`.
    pub value_min: Option<f64>,
    /// `MaxValue`.
    pub value_max: Option<f64>,
    /// `NoEcho`: the value is a secret, and not shown.
    pub is_secret: bool,
    /// Where it stands.
    pub place: Place,
}

/// What a parameter takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterType {
    /// One value.
    Single(Scalar),
    /// Several, with commas between them: `CommaDelimitedList`, `List<…>`.
    List(Scalar),
    /// `AWS::SSM::Parameter::Value<…>`: the name of a stored parameter, whose value it stands for.
    Stored(Box<ParameterType>),
}

/// What one value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// Any text.
    String,
    /// A number; `Ref` gives its text.
    Number,
    /// The id of something that exists: its type, as `AWS::EC2::VPC::Id`.
    Aws(String),
}

impl ParameterType {
    /// Reads `String`, `List<Number>`, `AWS::EC2::Image::Id` and so on.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text
            .strip_prefix("AWS::SSM::Parameter::Value<")
            .and_then(|rest| rest.strip_suffix('>'))
        {
            return match Self::parse(inner)? {
                Self::Stored(_) => None,
                stored @ (Self::Single(_) | Self::List(_)) => Some(Self::Stored(Box::new(stored))),
            };
        }
        if let Some(inner) = text
            .strip_prefix("List<")
            .and_then(|rest| rest.strip_suffix('>'))
        {
            return scalar(inner).map(Self::List);
        }
        match text {
            "CommaDelimitedList" => Some(Self::List(Scalar::String)),
            other => scalar(other).map(Self::Single),
        }
    }
}

fn scalar(text: &str) -> Option<Scalar> {
    match text {
        "String" => Some(Scalar::String),
        "Number" => Some(Scalar::Number),
        "AWS::SSM::Parameter::Name"
        | "AWS::EC2::AvailabilityZone::Name"
        | "AWS::EC2::Image::Id"
        | "AWS::EC2::Instance::Id"
        | "AWS::EC2::KeyPair::KeyName"
        | "AWS::EC2::SecurityGroup::GroupName"
        | "AWS::EC2::SecurityGroup::Id"
        | "AWS::EC2::Subnet::Id"
        | "AWS::EC2::VPC::Id"
        | "AWS::EC2::Volume::Id"
        | "AWS::Route53::HostedZone::Id" => Some(Scalar::Aws(text.to_owned())),
        _other => None,
    }
}

/// Reads one parameter; what cannot be read of it is left out, with a problem.
pub(super) fn read(entry: &Entry, problems: &mut Vec<Problem>) -> Parameter {
    let mut parameter = Parameter {
        parameter_type: ParameterType::Single(Scalar::String),
        default: None,
        allowed_values: Vec::new(),
        allowed_pattern: None,
        constraint_description: None,
        length_min: None,
        length_max: None,
        value_min: None,
        value_max: None,
        is_secret: false,
        place: entry.key_place.clone(),
    };
    let name = &entry.key;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        problems.push(
            Problem::error(
                "template::name",
                format!("`{name}` cannot be the name of a parameter"),
            )
            .at(&entry.key_place)
            .because("CloudFormation: parameter names must be alphanumeric"),
        );
    }
    let Kind::Mapping(parts) = &entry.value.kind else {
        problems.push(wrong_kind(
            &format!("the parameter `{name}`"),
            "a mapping",
            &entry.value,
        ));
        return parameter;
    };
    for part in parts {
        read_part(&mut parameter, part, problems);
    }
    if parts.get("Type").is_none() {
        problems.push(
            Problem::error(
                "template::parameter-type",
                format!("the parameter `{name}` has no `Type`"),
            )
            .at(&entry.key_place)
            .because("CloudFormation: every Parameters object must contain a Type member")
            .help("add `Type: String`"),
        );
    }
    parameter
}

fn read_part(parameter: &mut Parameter, part: &Entry, problems: &mut Vec<Problem>) {
    let value = &part.value;
    let mut text = || {
        let text = value.scalar_text();
        if text.is_none() {
            problems.push(wrong_kind(&format!("`{}`", part.key), "a scalar", value));
        }
        text
    };
    match part.key.as_str() {
        "Type" => {
            let Some(name) = text() else { return };
            match ParameterType::parse(&name) {
                Some(parameter_type) => parameter.parameter_type = parameter_type,
                None => problems.push(
                    Problem::error(
                        "template::parameter-type",
                        format!("no parameter type is called `{name}`"),
                    )
                    .at(&value.place)
                    .help("use String, Number, List<Number>, CommaDelimitedList, an AWS-specific type or an SSM parameter type"),
                ),
            }
        }
        "Default" => parameter.default = default(value, problems),
        "AllowedValues" => match value.as_sequence() {
            Some(items) => {
                parameter.allowed_values = items.iter().filter_map(Node::scalar_text).collect();
            }
            None => problems.push(wrong_kind("`AllowedValues`", "a list", value)),
        },
        "AllowedPattern" => {
            parameter.allowed_pattern = text().map(|text| (text, value.place.clone()));
        }
        "ConstraintDescription" => parameter.constraint_description = text(),
        "Description" => {
            text();
        }
        "MinLength" => parameter.length_min = number(value, problems),
        "MaxLength" => parameter.length_max = number(value, problems),
        "MinValue" => parameter.value_min = number(value, problems),
        "MaxValue" => parameter.value_max = number(value, problems),
        "NoEcho" => parameter.is_secret = matches!(text().as_deref(), Some("true" | "True")),
        other => problems.push(
            Problem::error(
                "template::unknown-key",
                format!("a parameter has no `{other}`"),
            )
            .at(&part.key_place)
            .help("it has Type, Default, AllowedValues, AllowedPattern, ConstraintDescription, Description, MinLength, MaxLength, MinValue, MaxValue and NoEcho"),
        ),
    }
}

/// A default is a text. A list is one, too, when it is written out.
fn default(value: &Node, problems: &mut Vec<Problem>) -> Option<String> {
    if let Some(text) = value.scalar_text() {
        return Some(text);
    }
    match &value.kind {
        // The SAM tools and CloudFormation take a list of scalars for its text with commas.
        Kind::Sequence(items) => Some(
            items
                .iter()
                .filter_map(Node::scalar_text)
                .collect::<Vec<_>>()
                .join(","),
        ),
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Mapping(_) => {
            problems.push(
                wrong_kind("`Default`", "a text", value)
                    .because("CloudFormation: every Default member must be a string")
                    .help("for an empty text, write `''`"),
            );
            None
        }
    }
}

fn number<T: std::str::FromStr>(value: &Node, problems: &mut Vec<Problem>) -> Option<T> {
    let number = value.scalar_text().and_then(|text| text.parse().ok());
    if number.is_none() {
        problems.push(wrong_kind("this limit", "a number", value));
    }
    number
}
