//! The `Globals` section.
//!
//! Lives here: which properties it may hold, and how they are merged into resources.
//! Does not live here: what the properties mean.
//!
//! Contract: AWS SAM Developer Guide, "Globals section of the AWS SAM template".

use cloudformation::node::{Kind, Mapping, Node};
use model::problem::Problem;
use model::suggestion::nearest;

use super::context::Context;
use super::nodes::is_intrinsic;

const SECTIONS: &[(&str, &[&str])] = &[
    (
        "Function",
        &[
            "Handler",
            "Runtime",
            "CodeUri",
            "DeadLetterQueue",
            "Description",
            "MemorySize",
            "Timeout",
            "VpcConfig",
            "Environment",
            "Tags",
            "PropagateTags",
            "Tracing",
            "KmsKeyArn",
            "AutoPublishAlias",
            "AutoPublishAliasAllProperties",
            "Layers",
            "DeploymentPreference",
            "RolePath",
            "PermissionsBoundary",
            "ReservedConcurrentExecutions",
            "ProvisionedConcurrencyConfig",
            "AssumeRolePolicyDocument",
            "EventInvokeConfig",
            "FileSystemConfigs",
            "CodeSigningConfigArn",
            "Architectures",
            "SnapStart",
            "EphemeralStorage",
            "FunctionUrlConfig",
            "RuntimeManagementConfig",
            "LoggingConfig",
            "RecursiveLoop",
            "SourceKMSKeyArn",
            "TenancyConfig",
            "DurableConfig",
            "CapacityProviderConfig",
            "FunctionScalingConfig",
            "PublishToLatestPublished",
            "VersionDeletionPolicy",
        ],
    ),
    (
        "Api",
        &[
            "Auth",
            "Name",
            "DefinitionUri",
            "CacheClusterEnabled",
            "CacheClusterSize",
            "MergeDefinitions",
            "Variables",
            "EndpointConfiguration",
            "MethodSettings",
            "BinaryMediaTypes",
            "MinimumCompressionSize",
            "Cors",
            "GatewayResponses",
            "AccessLogSetting",
            "CanarySetting",
            "TracingEnabled",
            "OpenApiVersion",
            "Domain",
            "AlwaysDeploy",
            "PropagateTags",
            "SecurityPolicy",
            "EndpointAccessMode",
        ],
    ),
    (
        "HttpApi",
        &[
            "Auth",
            "AccessLogSettings",
            "StageVariables",
            "Tags",
            "CorsConfiguration",
            "DefaultRouteSettings",
            "Domain",
            "RouteSettings",
            "FailOnWarnings",
            "PropagateTags",
        ],
    ),
    ("SimpleTable", &["SSESpecification"]),
    ("StateMachine", &["PropagateTags"]),
    ("LayerVersion", &["PublishLambdaVersion"]),
    (
        "CapacityProvider",
        &[
            "VpcConfig",
            "OperatorRole",
            "Tags",
            "InstanceRequirements",
            "ScalingConfig",
            "KmsKeyArn",
            "PropagateTags",
        ],
    ),
    (
        "WebSocketApi",
        &[
            "AccessLogSettings",
            "ApiKeySelectionExpression",
            "DefaultRouteSettings",
            "DisableExecuteApiEndpoint",
            "DisableSchemaValidation",
            "Domain",
            "FailOnWarnings",
            "IpAddressType",
            "PropagateTags",
            "RouteSelectionExpression",
            "RouteSettings",
            "StageVariables",
            "Tags",
        ],
    ),
];

const INVALID: &str = "manifest::invalid-globals";

/// The section; what it may not hold is reported, here alone, and left out.
pub(super) fn read(template: &Mapping, context: &mut Context<'_>) -> Mapping {
    let Some(node) = template.get("Globals") else {
        return Mapping::default();
    };
    let Some(globals) = node.as_mapping() else {
        context.invalid(INVALID, "`Globals` is not a mapping", &node.place);
        return Mapping::default();
    };
    let mut read = Mapping::default();
    for section in globals {
        let Some((_, known)) = SECTIONS.iter().find(|(name, _)| *name == section.key) else {
            context.invalid(
                INVALID,
                format!("`Globals` has no section `{}`", section.key),
                &section.key_place,
            );
            continue;
        };
        let Some(properties) = section.value.as_mapping() else {
            let title = format!("`{}` in `Globals` is not a mapping", section.key);
            context.invalid(INVALID, title, &section.value.place);
            continue;
        };
        let mut kept = Mapping::default();
        for property in properties {
            if known.contains(&property.key.as_str()) {
                kept.set(&property.key, &property.key_place, property.value.clone());
                continue;
            }
            let title = format!(
                "`{}` cannot be set for all resources of type `{}`",
                property.key, section.key
            );
            let problem = Problem::error(INVALID, title).at(&property.key_place);
            context
                .problems
                .push(match nearest(&property.key, known.iter().copied()) {
                    Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                    None => problem,
                });
        }
        let kept = Node::new(Kind::Mapping(kept), &section.value.place);
        read.set(&section.key, &section.key_place, kept);
    }
    read
}

/// A resource's own properties over those of its section: mappings are merged, lists joined, all else replaced.
pub(super) fn merged(
    globals: &Mapping,
    section: &str,
    own: &Mapping,
    ignored: Option<&Node>,
) -> Mapping {
    let Some(global) = globals.get(section).and_then(Node::as_mapping) else {
        return own.clone();
    };
    let ignores = |name: &str| match ignored.map(|node| &node.kind) {
        Some(Kind::String(all)) => all == "*",
        Some(Kind::Sequence(names)) => names.iter().any(|item| item.as_str() == Some(name)),
        Some(Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::Mapping(_)) | None => false,
    };
    let mut kept = Mapping::default();
    for entry in global {
        if !ignores(&entry.key) {
            kept.set(&entry.key, &entry.key_place, entry.value.clone());
        }
    }
    merge_mappings(&kept, own)
}

fn merge_mappings(global: &Mapping, own: &Mapping) -> Mapping {
    let mut merged = global.clone();
    for entry in own {
        let value = match global.get(&entry.key) {
            Some(global) => merge_nodes(global, &entry.value),
            None => entry.value.clone(),
        };
        merged.set(&entry.key, &entry.key_place, value);
    }
    merged
}

fn merge_nodes(global: &Node, own: &Node) -> Node {
    match (&global.kind, &own.kind) {
        (Kind::Mapping(theirs), Kind::Mapping(ours))
            if !is_intrinsic(global) && !is_intrinsic(own) =>
        {
            Node::new(Kind::Mapping(merge_mappings(theirs, ours)), &own.place)
        }
        (Kind::Sequence(theirs), Kind::Sequence(ours)) => {
            let items = theirs.iter().chain(ours).cloned().collect();
            Node::new(Kind::Sequence(items), &own.place)
        }
        _ => own.clone(),
    }
}
