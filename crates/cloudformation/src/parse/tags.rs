//! Tags: CloudFormation's short forms, and those of YAML itself.
//!
//! Lives here: which tag stands for which function, and how a tagged value becomes a mapping.
//! Does not live here: whether the function's arguments make sense (`crate::intrinsics`).

use model::problem::Place;

use crate::node::{Kind, Mapping, Node};

/// Functions that have a short form `!Name`, besides `Ref` and `Condition`, which have no `Fn::` before them.
///
/// Contract: AWS CloudFormation Template Reference, "Intrinsic function reference" and "Rule-specific intrinsic
/// functions".
const FUNCTIONS: &[&str] = &[
    "And",
    "Base64",
    "Cidr",
    "Contains",
    "EachMemberEquals",
    "EachMemberIn",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "RefAll",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
    "Transform",
    "ValueOf",
    "ValueOfAll",
];

/// What a tag makes of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// No tag, or one that says what is so anyway.
    Itself,
    /// A short form: the key that it stands for.
    Function(String),
    /// `!!str` and its like.
    Scalar(ScalarTag),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScalarTag {
    Text,
    Null,
    Boolean,
    Integer,
    Float,
}

/// The key that a short form stands for.
pub(super) fn function_of(suffix: &str) -> Option<String> {
    match suffix {
        "Ref" | "Condition" => Some(suffix.to_owned()),
        name if FUNCTIONS.contains(&name) => Some(format!("Fn::{name}")),
        _other => None,
    }
}

/// A tag of the same letters in another case.
pub(super) fn meant(suffix: &str) -> Option<&'static str> {
    FUNCTIONS
        .iter()
        .chain(&["Ref", "Condition"])
        .find(|name| name.eq_ignore_ascii_case(suffix))
        .copied()
}

/// `!Sub x` as `{"Fn::Sub": x}`; `!GetAtt A.B.C` as `{"Fn::GetAtt": ["A", "B.C"]}`.
fn long_form(function: &str, value: Node, place: &Place) -> Node {
    let argument = match (function, &value.kind) {
        ("Fn::GetAtt", Kind::String(text)) => match text.split_once('.') {
            Some((resource, attribute)) => Node::new(
                Kind::Sequence(vec![
                    Node::string(resource, &value.place),
                    Node::string(attribute, &value.place),
                ]),
                &value.place,
            ),
            None => value,
        },
        _others => value,
    };
    let mut mapping = Mapping::default();
    mapping.set(function, place, argument);
    Node::new(Kind::Mapping(mapping), place)
}

/// What the tag makes of the value.
pub(super) fn wrapped(meaning: &Meaning, node: Node, place: &Place) -> Node {
    match meaning {
        Meaning::Function(function) => long_form(function, node, place),
        Meaning::Itself | Meaning::Scalar(_) => node,
    }
}

/// A short form puts at most two levels around its value: a mapping, and `GetAtt`'s list.
pub(super) fn wrap_height(meaning: &Meaning) -> usize {
    match meaning {
        Meaning::Function(_) => 2,
        Meaning::Itself | Meaning::Scalar(_) => 0,
    }
}
