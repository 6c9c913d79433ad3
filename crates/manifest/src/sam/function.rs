//! `AWS::Serverless::Function`: the function, its version and alias.
//!
//! Lives here: everything of a function but its role and its events.
//! Does not live here: events (`events`), roles (`role`), code (`code`).
//!
//! Contract: AWS SAM Developer Guide, "AWS::Serverless::Function" and "Generated CloudFormation resources when
//! AWS::Serverless::Function is specified".

use cloudformation::node::{Kind, Mapping, Node};
use model::artefact::CodeSource;
use model::function::{Contact, RuntimeName};
use model::problem::Problem;
use serde_json::{Map, Value, json};

use super::code::{self, Location};
use super::context::{Context, Declared};
use super::nodes::{attribute, json, list, mapping, members, reference, text};
use super::{compiling, function_url, hash, invoke_config, properties, role};

/// Properties that become properties of `AWS::Lambda::Function` as they are.
const PASSED: [&str; 24] = [
    "Architectures",
    "CodeSigningConfigArn",
    "Description",
    "DurableConfig",
    "Environment",
    "EphemeralStorage",
    "FileSystemConfigs",
    "FunctionName",
    "FunctionScalingConfig",
    "Handler",
    "ImageConfig",
    "KmsKeyArn",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "PackageType",
    "PublishToLatestPublished",
    "RecursiveLoop",
    "ReservedConcurrentExecutions",
    "Role",
    "Runtime",
    "RuntimeManagementConfig",
    "SnapStart",
    "TenancyConfig",
];

/// What events need to know of the function that they lead to.
pub(super) struct Target {
    /// The function's logical id.
    pub(super) function: String,
    /// What permissions name: the function, or its alias.
    pub(super) invoked: String,
    /// What stands between `functions/` and `/invocations`.
    pub(super) uri_part: String,
}

/// Writes the function and what comes with it.
pub(super) fn transform(declared: &Declared<'_>, context: &mut Context<'_>) -> Target {
    let place = declared.place;
    properties::check(declared, properties::FUNCTION, context);
    report_unbuilt(declared, context);
    let mut written = Mapping::default();
    for name in PASSED.iter().chain(&["Timeout", "VpcConfig"]) {
        if let Some(entry) = declared.properties.entry(name) {
            written.set(name, &entry.key_place, entry.value.clone());
        }
    }
    let code = code_of(declared, context);
    if let Some(code) = &code {
        written.set("Code", place, code.clone());
    }
    written.set("Tags", place, tags(declared));
    let tracing = declared
        .get("Tracing")
        .filter(|node| context.resolved_text(node).as_deref() != Some("Disabled"))
        .cloned();
    if let Some(mode) = &tracing {
        written.set(
            "TracingConfig",
            &mode.place,
            mapping([("Mode", mode.clone())], &mode.place),
        );
    }
    if let Some(target) = declared
        .get("DeadLetterQueue")
        .and_then(|queue| queue.get("TargetArn"))
    {
        written.set(
            "DeadLetterConfig",
            place,
            mapping([("TargetArn", target.clone())], place),
        );
    }
    // A role that is made for the function is no reason for a new version: it is not there yet.
    let target = published(declared, code.as_ref(), &mut written, context);
    let destinations = invoke_config::write(declared, &target, context);
    let needs = role::Needs {
        tracing: tracing.as_ref(),
        destinations: &destinations,
    };
    role::apply(declared, &mut written, needs, context);
    context.write(
        declared,
        declared.logical_id,
        "AWS::Lambda::Function",
        written,
    );
    function_url::write(declared, &target, context);
    target
}

fn report_unbuilt(declared: &Declared<'_>, context: &mut Context<'_>) {
    let unbuilt = [
        (
            "DeploymentPreference",
            "the new code takes all traffic at once",
        ),
        ("CapacityProviderConfig", "functions run on this machine"),
    ];
    for (name, because) in unbuilt {
        if let Some(entry) = declared.properties.entry(name) {
            let what = format!("`{name}`");
            let place = entry.key_place.clone();
            context.not_implemented("manifest::property-not-implemented", &what, because, &place);
        }
    }
    report_build_method(declared, context);
}

/// Whether the code of an executable is compiled already its folder shows, and `build` says so.
fn report_build_method(declared: &Declared<'_>, context: &mut Context<'_>) {
    let metadata = declared.resource.get("Metadata");
    let Some(method) = metadata.and_then(|metadata| metadata.get("BuildMethod")) else {
        return;
    };
    let Some(name) = method.as_str() else { return };
    let runtime = declared
        .get("Runtime")
        .and_then(|runtime| context.resolved_text(runtime))
        .and_then(|runtime| RuntimeName::parse(&runtime).ok());
    let is_executable =
        runtime.is_some_and(|runtime| runtime.language.contact() == Contact::RuntimeApi);
    let is_built = matches!(name, "esbuild" | "makefile");
    if is_built || is_executable || name.starts_with("python") || name.starts_with("nodejs") {
        return;
    }
    context.problems.push(
        Problem::error(
            "manifest::build-method-not-implemented",
            format!("build method `{name}` is not built yet"),
        )
        .at(&method.place)
        .because("the code is run as it lies in its folder")
        .help("build it before (`sam build`), and run what that made: `cloudless dev .aws-sam/build/template.yaml`"),
    );
}

/// `Code`, and the artefact that belongs to it.
fn code_of(declared: &Declared<'_>, context: &mut Context<'_>) -> Option<Node> {
    let logical_id = declared.logical_id;
    let place = declared.place;
    let add = |source: CodeSource, at: &model::problem::Place, context: &mut Context<'_>| {
        let (runtime, handler) = (declared.get("Runtime"), declared.get("Handler"));
        code::add_function(logical_id, runtime, handler, source, at, context);
    };
    if declared.get("PackageType").and_then(Node::as_str) == Some("Image") {
        code::report_image(logical_id, place, context);
        let image = declared.get("ImageUri").cloned();
        return Some(mapping(image.map(|image| ("ImageUri", image)), place));
    }
    let mut code = if let Some(inline) = declared.get("InlineCode") {
        if let Some(source) = context.resolved_text(inline) {
            add(CodeSource::Inline(source), &inline.place, context);
        } else {
            code::report_computed(logical_id, &inline.place, context);
        }
        mapping([("ZipFile", inline.clone())], &inline.place)
    } else {
        // The tools that package a template take the template's own folder when nothing is said.
        let here = text(".", place);
        let uri = declared.get("CodeUri").unwrap_or(&here);
        match code::location(uri, logical_id, context)? {
            Location::Local(code, source) => {
                let source = compiling::source(declared, source, context);
                add(source, &uri.place, context);
                code
            }
            Location::Remote(code) => {
                code::report_remote(logical_id, &uri.place, context);
                code
            }
        }
    };
    if let Some(key) = declared.get("SourceKMSKeyArn")
        && let Kind::Mapping(members) = &mut code.kind
    {
        members.set("SourceKMSKeyArn", &key.place, key.clone());
    }
    Some(code)
}

/// The given tags, and the one that says where the resource comes from.
pub(super) fn tags(declared: &Declared<'_>) -> Node {
    let mut tags = tag_list(declared.get("Tags"), declared);
    tags.push(json(
        &json!({"Key": "lambda:createdBy", "Value": "SAM"}),
        declared.place,
    ));
    list(tags, declared.place)
}

/// `Tags` as SAM takes them, as CloudFormation does.
pub(super) fn tag_list(tags: Option<&Node>, declared: &Declared<'_>) -> Vec<Node> {
    let place = declared.place;
    members(tags)
        .iter()
        .map(|entry| {
            mapping(
                [
                    ("Key", text(entry.key.clone(), place)),
                    ("Value", entry.value.clone()),
                ],
                place,
            )
        })
        .collect()
}

/// Writes version and alias when the function is published, and says what events lead to.
fn published(
    declared: &Declared<'_>,
    code: Option<&Node>,
    written: &mut Mapping,
    context: &mut Context<'_>,
) -> Target {
    let id = declared.logical_id;
    let place = declared.place;
    let plain = Target {
        function: id.to_owned(),
        invoked: id.to_owned(),
        uri_part: format!("{id}.Arn"),
    };
    let Some(alias_node) = declared.get("AutoPublishAlias") else {
        return plain;
    };
    let is_name = |name: &String| {
        !name.is_empty()
            && !name.bytes().all(|byte| byte.is_ascii_digit())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let Some(name) = context.resolved_text(alias_node).filter(is_name) else {
        context.invalid(
            "manifest::invalid-alias",
            "`AutoPublishAlias` is a name, or a reference to a parameter that has one",
            &alias_node.place,
        );
        return plain;
    };
    let digest = declared
        .get("AutoPublishCodeSha256")
        .and_then(|node| context.resolved_text(node));
    if let Some(digest) = &digest {
        let described = declared.get("Description").map(|node| {
            let resolved = context.resolved_text(node);
            match resolved.as_deref() {
                Some("") => text(digest.clone(), place),
                Some(description) => text(format!("{description} {digest}"), place),
                None => {
                    let parts = vec![node.clone(), text(digest.clone(), place)];
                    let operands = list(vec![text(" ", place), list(parts, place)], place);
                    mapping([("Fn::Join", operands)], place)
                }
            }
        });
        let described = described.unwrap_or_else(|| text(digest.clone(), place));
        written.set("Description", place, described);
    }
    let version = version_id(declared, code, digest, written, context);
    let alias = format!("{id}Alias{}", name.replace('-', "D").replace('_', "U"));
    write_version(declared, &version, context);
    let mut properties = Mapping::default();
    properties.set("Name", &alias_node.place, text(name, &alias_node.place));
    properties.set("FunctionName", place, reference(id, place));
    properties.set(
        "FunctionVersion",
        place,
        attribute(&version, "Version", place),
    );
    if let Some(config) = declared.get("ProvisionedConcurrencyConfig") {
        properties.set(
            "ProvisionedConcurrencyConfig",
            &config.place,
            config.clone(),
        );
    }
    context.write_companion(declared, &alias, "AWS::Lambda::Alias", properties);
    context.renamed.insert(format!("{id}.Version"), version);
    context.renamed.insert(format!("{id}.Alias"), alias.clone());
    Target {
        function: id.to_owned(),
        invoked: alias.clone(),
        uri_part: alias,
    }
}

fn write_version(declared: &Declared<'_>, version: &str, context: &mut Context<'_>) {
    let place = declared.place;
    let mut properties = Mapping::default();
    properties.set("FunctionName", place, reference(declared.logical_id, place));
    if let Some(description) = declared.get("VersionDescription") {
        properties.set("Description", &description.place, description.clone());
    }
    let mut resource = declared.resource.clone();
    if resource.get("DeletionPolicy").is_none() {
        let policy = declared.get("VersionDeletionPolicy").cloned();
        let policy = policy.unwrap_or_else(|| text("Retain", place));
        resource.set("DeletionPolicy", place, policy);
    }
    let published = Declared {
        logical_id: declared.logical_id,
        properties: Mapping::default(),
        resource,
        place,
    };
    context.write_companion(&published, version, "AWS::Lambda::Version", properties);
}

/// A version has a new name whenever what it publishes changes.
fn version_id(
    declared: &Declared<'_>,
    code: Option<&Node>,
    digest: Option<String>,
    written: &Mapping,
    context: &Context<'_>,
) -> String {
    let prefix = format!("{}Version", declared.logical_id);
    if let Some(digest) = digest {
        let digits: String = digest.chars().take(hash::DIGITS).collect();
        return format!("{prefix}{digits}");
    }
    let all = declared
        .get("AutoPublishAliasAllProperties")
        .and_then(Node::as_bool)
        == Some(true);
    let mut published = Map::new();
    if all {
        for entry in written {
            published.insert(entry.key.clone(), entry.value.to_json());
        }
    } else {
        for entry in members(code).iter() {
            published.insert(entry.key.clone(), context.resolved(&entry.value).to_json());
        }
        for entry in members(declared.get("Environment")).iter() {
            published.insert(entry.key.clone(), entry.value.to_json());
        }
        if let Some(memory) = declared.get("MemorySize") {
            published.insert("MemorySize".to_owned(), memory.to_json());
        }
        let snapshots = declared.get("SnapStart").filter(|config| {
            config
                .get("ApplyOn")
                .and_then(Node::as_str)
                .is_some_and(|on| on != "None")
        });
        if let Some(config) = snapshots {
            published.insert("SnapStart".to_owned(), config.to_json());
        }
    }
    hash::logical_id(&prefix, &hash::canonical_json(&Value::Object(published)))
}
