//! What the transform refuses before it looks at what properties mean.
//!
//! Lives here: the form of resources, the kinds of values, properties that need or exclude one another.
//! Does not live here: which properties there are (`properties`), their meaning (the file of each type).
//!
//! Contract: the errors of the public SAM transform.

use cloudformation::node::{Entry, Kind, Mapping, Node};

use model::problem::Problem;
use model::suggestion::nearest;

use super::context::{Context, Declared, KEPT};
use super::nodes::is_intrinsic;

const INVALID: &str = "manifest::invalid-resource";
/// Attributes of a SAM resource that the transform reads; those of `KEPT` go on to CloudFormation.
const READ: [&str; 4] = ["Connectors", "IgnoreGlobals", "Properties", "Type"];
/// The tag that the transform adds itself.
const RESERVED_TAG: &str = "lambda:createdBy";

/// The kinds of values.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Flag,
    List,
    Map,
    Text,
}

/// Properties that take one kind of value alone; intrinsic functions are always taken.
const SHAPES: &[(&str, &str, Shape)] = &[
    ("Function", "AutoPublishAliasAllProperties", Shape::Flag),
    ("Function", "DeadLetterQueue", Shape::Map),
    ("Function", "Environment", Shape::Map),
    ("Function", "EventInvokeConfig", Shape::Map),
    ("Function", "Layers", Shape::List),
    ("Function", "Role", Shape::Text),
    ("Function", "SnapStart", Shape::Map),
    ("Function", "Tags", Shape::Map),
    ("Api", "Auth", Shape::Map),
    ("Api", "BinaryMediaTypes", Shape::List),
    ("Api", "DefinitionBody", Shape::Map),
    ("Api", "FailOnWarnings", Shape::Flag),
    ("Api", "Models", Shape::Map),
    ("Api", "Tags", Shape::Map),
    ("HttpApi", "Auth", Shape::Map),
    ("HttpApi", "DefinitionBody", Shape::Map),
    ("HttpApi", "DisableExecuteApiEndpoint", Shape::Flag),
    ("HttpApi", "RouteSettings", Shape::Map),
    ("HttpApi", "Tags", Shape::Map),
    ("LayerVersion", "CompatibleRuntimes", Shape::List),
    ("SimpleTable", "PrimaryKey", Shape::Map),
    ("SimpleTable", "SSESpecification", Shape::Map),
    ("SimpleTable", "Tags", Shape::Map),
];

/// What one property needs of others.
#[derive(Debug, Clone, Copy)]
enum Bond {
    /// The second must be there, too.
    Needs,
    /// The second must not be there.
    Excludes,
}

const BONDS: &[(&str, &str, Bond, &str)] = &[
    (
        "Function",
        "CapacityProviderConfig",
        Bond::Excludes,
        "ProvisionedConcurrencyConfig",
    ),
    (
        "Function",
        "CapacityProviderConfig",
        Bond::Excludes,
        "VpcConfig",
    ),
    (
        "Function",
        "FunctionScalingConfig",
        Bond::Needs,
        "CapacityProviderConfig",
    ),
    (
        "Function",
        "ProvisionedConcurrencyConfig",
        Bond::Needs,
        "AutoPublishAlias",
    ),
    (
        "Function",
        "TenancyConfig",
        Bond::Excludes,
        "FunctionUrlConfig",
    ),
    (
        "Function",
        "TenancyConfig",
        Bond::Excludes,
        "ProvisionedConcurrencyConfig",
    ),
    ("Function", "TenancyConfig", Bond::Excludes, "SnapStart"),
    (
        "Function",
        "VersionDeletionPolicy",
        Bond::Needs,
        "AutoPublishAlias",
    ),
    ("Api", "DefinitionBody", Bond::Excludes, "DefinitionUri"),
    ("HttpApi", "DefinitionBody", Bond::Excludes, "DefinitionUri"),
];

/// Checks the form of a resource of the template, whatever its type.
pub(super) fn check_form(entry: &Entry, context: &mut Context<'_>) {
    let id = &entry.key;
    let place = &entry.key_place;
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let title = format!("`{id}` has other than letters and digits");
        context.invalid(INVALID, title, place);
    }
    let Some(resource) = entry.value.as_mapping() else {
        let title = format!(
            "resource `{id}` is {}, not a mapping",
            entry.value.kind_name()
        );
        context.invalid(INVALID, title, &entry.value.place);
        return;
    };
    if let Some(connectors) = resource.entry("Connectors") {
        context.not_implemented(
            "manifest::property-not-implemented",
            &format!("`Connectors` of `{id}`"),
            "the permissions that they grant are not made; here no call is refused for want of any",
            &connectors.key_place,
        );
    }
    let sam = resource
        .get("Type")
        .and_then(Node::as_str)
        .is_some_and(|kind| kind.starts_with("AWS::Serverless::"));
    if !sam {
        return;
    }
    report_unknown_attributes(id, resource, context);
    let is_text = |node: &Node| node.as_str().is_some();
    let texts = |node: &Node| {
        node.as_sequence()
            .is_some_and(|all| all.iter().all(is_text))
    };
    for (name, fits) in [
        ("Condition", &is_text as &dyn Fn(&Node) -> bool),
        ("DependsOn", &|node| is_text(node) || texts(node)),
        ("Properties", &|node| {
            node.as_mapping().is_some() || matches!(node.kind, Kind::Null)
        }),
    ] {
        if let Some(node) = resource.get(name).filter(|node| !fits(node)) {
            let title = format!("`{name}` of `{id}` cannot be {}", node.kind_name());
            context.invalid(INVALID, title, &node.place);
        }
    }
}

/// The transform drops attributes that it does not know, without a word.
fn report_unknown_attributes(id: &str, resource: &Mapping, context: &mut Context<'_>) {
    let known = || KEPT.into_iter().chain(READ);
    for entry in resource {
        if known().any(|name| name == entry.key) {
            continue;
        }
        let title = format!("`{id}` has no attribute `{}`", entry.key);
        let problem = Problem::warning(INVALID, title)
            .at(&entry.key_place)
            .because("the SAM transform leaves it out");
        context.problems.push(match nearest(&entry.key, known()) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help("properties belong below `Properties`"),
        });
    }
}

/// Checks the properties of a SAM resource, `Globals` included.
pub(super) fn check_properties(section: &str, declared: &Declared<'_>, context: &mut Context<'_>) {
    let id = declared.logical_id;
    for (_, name, shape) in SHAPES.iter().filter(|(name, _, _)| *name == section) {
        let wrong = declared
            .get(name)
            .filter(|node| !is_intrinsic(node) && !fits(*shape, node));
        if let Some(node) = wrong {
            let title = format!("`{name}` of `{id}` cannot be {}", node.kind_name());
            context.invalid(INVALID, title, &node.place);
        }
    }
    for (_, name, bond, other) in BONDS.iter().filter(|(name, _, _, _)| *name == section) {
        let Some(node) = declared.get(name) else {
            continue;
        };
        let title = match (bond, declared.get(other)) {
            (Bond::Needs, None) => format!("`{name}` of `{id}` needs `{other}`"),
            (Bond::Excludes, Some(_)) => format!("`{id}` has both `{name}` and `{other}`"),
            (Bond::Needs, Some(_)) | (Bond::Excludes, None) => continue,
        };
        context.invalid(INVALID, title, &node.place);
    }
    if let Some(tag) = tags(declared).entry(RESERVED_TAG) {
        let title = format!("the tag `{RESERVED_TAG}` is the transform's own");
        context.invalid(INVALID, title, &tag.key_place);
    }
    // That `Handler` and `Runtime` are there is checked where functions are deployed, for every front end.
    let image = declared.get("PackageType").and_then(Node::as_str) == Some("Image");
    if section == "Function" && image && declared.get("ImageUri").is_none() {
        context.invalid(
            INVALID,
            format!("function `{id}` has no `ImageUri`"),
            declared.place,
        );
    }
}

fn tags(declared: &Declared<'_>) -> Mapping {
    super::nodes::members(declared.get("Tags"))
}

fn fits(shape: Shape, node: &Node) -> bool {
    match (shape, &node.kind) {
        (Shape::Flag, Kind::Bool(_))
        | (Shape::List, Kind::Sequence(_))
        | (Shape::Map, Kind::Mapping(_))
        | (Shape::Text, Kind::String(_)) => true,
        (
            Shape::Flag | Shape::List | Shape::Map | Shape::Text,
            Kind::Null
            | Kind::Bool(_)
            | Kind::Number { .. }
            | Kind::String(_)
            | Kind::Sequence(_)
            | Kind::Mapping(_),
        ) => false,
    }
}
