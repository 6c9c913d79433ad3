//! `AWS::Serverless::SimpleTable` and `AWS::Serverless::LayerVersion`.
//!
//! Lives here: the table and the layer that they become.
//! Does not live here: functions and APIs.
//!
//! Contract: AWS SAM Developer Guide, "AWS::Serverless::SimpleTable" and "AWS::Serverless::LayerVersion".

use cloudformation::node::{Kind, Mapping, Node};
use serde_json::{Map, Value, json};

use super::code::{self, Location};
use super::context::{Context, Declared};
use super::function::tag_list;
use super::nodes::{json, list, mapping, text};
use super::{compiling, hash, properties};

/// Writes the table.
pub(super) fn simple_table(declared: &Declared<'_>, context: &mut Context<'_>) {
    properties::check(declared, properties::SIMPLE_TABLE, context);
    let place = declared.place;
    let (name, kind) = match declared.get("PrimaryKey") {
        None => (text("id", place), "S"),
        Some(key) => {
            let kind = match key
                .get("Type")
                .and_then(|node| context.resolved_text(node))
                .as_deref()
            {
                Some("String") => "S",
                Some("Number") => "N",
                Some("Binary") => "B",
                Some(_) | None => {
                    context.invalid(
                        "manifest::invalid-table",
                        "the type of a primary key is `String`, `Number` or `Binary`",
                        &key.place,
                    );
                    "S"
                }
            };
            let Some(name) = key.get("Name").cloned() else {
                context.invalid(
                    "manifest::invalid-table",
                    "`PrimaryKey` has no `Name`",
                    &key.place,
                );
                return;
            };
            (name, kind)
        }
    };
    let definition = mapping(
        [
            ("AttributeName", name.clone()),
            ("AttributeType", text(kind, place)),
        ],
        place,
    );
    let key = mapping(
        [("AttributeName", name), ("KeyType", text("HASH", place))],
        place,
    );
    let mut written = Mapping::default();
    written.set("AttributeDefinitions", place, list(vec![definition], place));
    written.set("KeySchema", place, list(vec![key], place));
    for property in [
        "PointInTimeRecoverySpecification",
        "ProvisionedThroughput",
        "SSESpecification",
        "TableName",
    ] {
        if let Some(value) = declared.get(property) {
            written.set(property, &value.place, value.clone());
        }
    }
    if declared.get("ProvisionedThroughput").is_none() {
        written.set("BillingMode", place, text("PAY_PER_REQUEST", place));
    }
    let tags = tag_list(declared.get("Tags"), declared);
    if !tags.is_empty() {
        written.set("Tags", place, list(tags, place));
    }
    context.write(
        declared,
        declared.logical_id,
        "AWS::DynamoDB::Table",
        written,
    );
}

/// Writes the layer. It has a new name whenever it changes, so that the old version can stay.
pub(super) fn layer_version(declared: &Declared<'_>, context: &mut Context<'_>) {
    properties::check(declared, properties::LAYER_VERSION, context);
    let place = declared.place;
    let Some(uri) = declared.get("ContentUri") else {
        context.invalid(
            "manifest::invalid-layer",
            format!("layer `{}` has no `ContentUri`", declared.logical_id),
            place,
        );
        return;
    };
    let id = hash::logical_id(declared.logical_id, &hashed_layer(declared, context));
    let content = match code::location(uri, declared.logical_id, context) {
        None => return,
        Some(Location::Remote(content)) => {
            code::report_remote(declared.logical_id, &uri.place, context);
            content
        }
        Some(Location::Local(content, source)) => {
            let source = compiling::source(declared, source, context);
            code::add_layer(&id, source, &uri.place, context);
            content
        }
    };
    let mut written = Mapping::default();
    written.set("Content", place, content);
    for property in ["CompatibleArchitectures", "CompatibleRuntimes"] {
        if let Some(value) = declared.get(property) {
            written.set(property, &value.place, value.clone());
        }
    }
    for property in ["Description", "LicenseInfo", "LayerName"] {
        if let Some(value) = declared.get(property) {
            written.set(property, &value.place, context.resolved(value).clone());
        }
    }
    if written.get("LayerName").is_none() {
        written.set("LayerName", place, text(declared.logical_id, place));
    }
    let layer = Declared {
        logical_id: declared.logical_id,
        properties: Mapping::default(),
        resource: with_policy(declared, context),
        place,
    };
    context.write(&layer, &id, "AWS::Lambda::LayerVersion", written);
    context.renamed.insert(declared.logical_id.to_owned(), id);
}

/// `RetentionPolicy` becomes `DeletionPolicy`; old versions stay when nothing is said.
fn with_policy(declared: &Declared<'_>, context: &mut Context<'_>) -> Mapping {
    let mut resource = declared.resource.clone();
    let given = declared.get("RetentionPolicy");
    let policy = match given.and_then(|node| context.resolved_text(node)) {
        Some(policy) if policy.eq_ignore_ascii_case("Retain") => Some("Retain"),
        Some(policy) if policy.eq_ignore_ascii_case("Delete") => Some("Delete"),
        Some(_) | None => None,
    };
    if let (Some(node), None) = (given, policy) {
        context.invalid(
            "manifest::invalid-layer",
            "`RetentionPolicy` is `Retain` or `Delete`",
            &node.place,
        );
    }
    let place = declared.place;
    match (policy, resource.get("DeletionPolicy").is_some()) {
        (Some(policy), _) => resource.set("DeletionPolicy", place, text(policy, place)),
        (None, false) => resource.set("DeletionPolicy", place, text("Retain", place)),
        (None, true) => {}
    }
    resource
}

/// The layer as its manifest has it, without what does not make another layer of it.
fn hashed_layer(declared: &Declared<'_>, context: &Context<'_>) -> String {
    let mut properties = Map::new();
    for entry in &declared.properties {
        let resolves = matches!(
            entry.key.as_str(),
            "Description" | "LayerName" | "LicenseInfo" | "RetentionPolicy"
        );
        let value = if resolves {
            context.resolved(&entry.value).to_json()
        } else if entry.key == "ContentUri" {
            packaged(&entry.value, context)
        } else {
            entry.value.to_json()
        };
        properties.insert(entry.key.clone(), value);
    }
    let mut layer = Map::new();
    layer.insert("Type".to_owned(), json!("AWS::Serverless::LayerVersion"));
    layer.insert("Properties".to_owned(), Value::Object(properties));
    for name in ["Condition", "DependsOn"] {
        if let Some(value) = declared.resource.get(name) {
            layer.insert(name.to_owned(), value.to_json());
        }
    }
    let mut whole = Map::new();
    whole.insert(declared.logical_id.to_owned(), Value::Object(layer));
    hash::canonical_json(&Value::Object(whole))
}

/// A path as it stands in a packaged template.
fn packaged(uri: &Node, context: &Context<'_>) -> Value {
    match uri.as_str() {
        Some(path) if !path.starts_with("s3://") => {
            json!({"Bucket": code::LOCAL_BUCKET, "Key": context.path_of(path)})
        }
        Some(_) | None => uri.to_json(),
    }
}

/// The `Code` of a plain function, or `Content` of a plain layer, when it is a path: as packaged code stands there.
pub(super) fn plain(resource: &mut Mapping, logical_id: &str, context: &mut Context<'_>) {
    let kind = resource
        .get("Type")
        .and_then(Node::as_str)
        .unwrap_or_default();
    let property = match kind {
        "AWS::Lambda::Function" => "Code",
        "AWS::Lambda::LayerVersion" => "Content",
        _ => return,
    };
    let is_function = property == "Code";
    let Some(Kind::Mapping(properties)) = resource.get_mut("Properties").map(|node| &mut node.kind)
    else {
        return;
    };
    let (runtime, handler) = (
        properties.get("Runtime").cloned(),
        properties.get("Handler").cloned(),
    );
    let Some(code) = properties.get_mut(property) else {
        return;
    };
    let place = code.place.clone();
    let source = match &code.kind {
        Kind::String(path) if !path.starts_with("s3://") => {
            let path = context.path_of(path);
            *code = code::local_code(&path, &place);
            code::source_of(&path)
        }
        Kind::Mapping(members) => match members
            .get("ZipFile")
            .map(|node| context.resolved_text(node))
        {
            Some(Some(text)) => model::artefact::CodeSource::Inline(text),
            Some(None) => {
                code::report_computed(logical_id, &place, context);
                return;
            }
            None if members.get("ImageUri").is_some() => {
                code::report_image(logical_id, &place, context);
                return;
            }
            None => {
                code::report_remote(logical_id, &place, context);
                return;
            }
        },
        Kind::String(_) => {
            code::report_remote(logical_id, &place, context);
            return;
        }
        // The resource's own check says what is wrong with it.
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::Sequence(_) => return,
    };
    if is_function {
        code::add_function(
            logical_id,
            runtime.as_ref(),
            handler.as_ref(),
            source,
            &place,
            context,
        );
    } else {
        code::add_layer(logical_id, source, &place, context);
    }
}

/// Types that SAM has and that are not transformed yet. They stay in the template as they are: the deployment reports
/// each, as every type that it does not know, and what refers to them still runs.
pub(super) const UNBUILT_TYPES: [&str; 6] = [
    "AWS::Serverless::Application",
    "AWS::Serverless::CapacityProvider",
    "AWS::Serverless::Connector",
    "AWS::Serverless::GraphQLApi",
    "AWS::Serverless::StateMachine",
    "AWS::Serverless::WebSocketApi",
];

/// The empty mapping, for places where a node is needed.
pub(super) fn empty(place: &model::problem::Place) -> Node {
    json(&json!({}), place)
}
