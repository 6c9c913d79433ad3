//! Functions.
//!
//! Lives here: one resource a function, and what its settings add to the shared role.
//! Does not live here: versions and aliases (`versions`), URLs and destinations (`invocations`), events.

use cloudformation::node::{Kind, Mapping, Node};
use model::problem::{Place, Problem};
use serde_json::json;

use super::{Draft, bucket, invocations, tag_list, versions};
use crate::serverless_framework::build::{self, Object, Part};
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::{naming, script};

/// Defaults of the Serverless Framework, not of Lambda.
const MEMORY_MB_DEFAULT: u32 = 1024;
const TIMEOUT_SECONDS_DEFAULT: u32 = 6;

pub(super) fn write(service: &Service<'_>, draft: &mut Draft) {
    for function in service.functions() {
        write_one(service, function, draft);
    }
    // Destinations add to the role after every function's own settings have.
    for function in service.functions() {
        invocations::write(service, function, draft);
    }
}

fn write_one(service: &Service<'_>, function: Function<'_>, draft: &mut Draft) {
    if script::truthy(function.node.get("handler")).is_none() {
        draft.problems.push(without_handler(function));
        if function.own("image").is_some() {
            return;
        }
    }
    let mut properties = basics(service, function);
    let mut depends_on: Vec<Node> = Vec::new();
    if script::truthy(function.node.get("disableLogs")).is_none() {
        depends_on.push(Node::string(
            naming::log_group(function.key),
            function.place,
        ));
    }
    match script::truthy(function.node.get("dependsOn")) {
        Some(Node {
            kind: Kind::Sequence(items),
            ..
        }) => depends_on.extend(items.iter().cloned()),
        Some(one) => depends_on.push(one.clone()),
        None => {}
    }
    role(service, function, &mut properties, &mut depends_on);
    failures(function, &mut properties, draft);
    keys_and_tracing(service, function, &mut properties, draft);
    network(service, function, &mut properties, draft);
    let properties = properties
        .with_some(
            "ReservedConcurrentExecutions",
            function.own("reservedConcurrency"),
        )
        .with_some("Layers", function.or_provider("layers", service));
    let for_version = properties.clone().node();
    let mut properties = properties;
    if script::truthy(function.node.get("snapStart")).is_some() {
        properties.set("SnapStart", json!({"ApplyOn": "PublishedVersions"}));
    }
    let mut resource = build::resource("AWS::Lambda::Function", properties)
        .with_some("Condition", script::truthy(function.node.get("condition")));
    if !depends_on.is_empty() {
        resource.set("DependsOn", depends_on);
    }
    draft.add(&function.logical_id(), resource);
    versions::write(service, function, &for_version, draft);
}

fn without_handler(function: Function<'_>) -> Problem {
    match function.own("image") {
        Some(image) => Problem::error(
            "manifest::image-not-implemented",
            format!("the function `{}` is a container image", function.key),
        )
        .at(&image.place)
        .because("container images are not run yet")
        .help("name a `handler` and a `runtime`"),
        None => Problem::error(
            "manifest::no-handler",
            format!("the function `{}` has no handler", function.key),
        )
        .at(function.place)
        .help("set `handler`, as `src/handler.handler`"),
    }
}

fn basics(service: &Service<'_>, function: Function<'_>) -> Object {
    let place = function.place;
    let own = |key: &str| script::truthy(function.node.get(key));
    let number = |key: &str, default: u32| {
        let node = function.or_provider(key, service).cloned();
        node.unwrap_or_else(|| default.into_node(place))
    };
    let code = Object::new(place)
        .with("S3Bucket", bucket::of_code(service, place))
        .with("S3Key", s3_key(service, function));
    let architecture = function.or_provider("architecture", service);
    let mut properties = Object::new(place)
        .with("Code", code)
        // One without a handler was reported; it stays, so that what leads to it is not taken for a mistake, too.
        .with(
            "Handler",
            own("handler")
                .cloned()
                .unwrap_or_else(|| Node::string("", place)),
        )
        .with("Runtime", function.runtime(service))
        .with("FunctionName", function.name(service))
        .with("MemorySize", number("memorySize", MEMORY_MB_DEFAULT))
        .with("Timeout", number("timeout", TIMEOUT_SECONDS_DEFAULT))
        .with_some("Architectures", architecture.map(|one| vec![one]))
        .with_some("Description", own("description"))
        .with_some("Environment", environment(service, function));
    let tags: Vec<&Node> = script::truthy(service.setting("tags"))
        .into_iter()
        .chain(own("tags"))
        .collect();
    if !tags.is_empty() {
        properties.set("Tags", tag_list(&tags, place));
    }
    if let Some(size) = own("ephemeralStorageSize") {
        properties.set(
            "EphemeralStorage",
            Object::new(&size.place).with("Size", size),
        );
    }
    if let Some(management) = runtime_management(service, function) {
        properties.set("RuntimeManagementConfig", management);
    }
    properties
}

fn s3_key(service: &Service<'_>, function: Function<'_>) -> String {
    let text = |node: Option<&Node>| script::truthy(node).and_then(script::text_of);
    let package = |key: &str| service.root.at_path(["package", key]);
    let own = |key: &str| function.node.at_path(["package", key]);
    let is_own_archive = script::truthy(own("individually")).is_some();
    let is_individual = is_own_archive || script::truthy(package("individually")).is_some();
    let general = text(package("artifact")).filter(|_| !is_own_archive);
    let file = text(own("artifact")).or(general).unwrap_or_else(|| {
        if is_individual {
            format!("{}.zip", function.key)
        } else {
            format!("{}.zip", service.name)
        }
    });
    let name = file.rsplit('/').next().unwrap_or_default();
    format!("{}/{name}", service.artefact_folder())
}

fn environment(service: &Service<'_>, function: Function<'_>) -> Option<Object> {
    let own = script::truthy(function.node.get("environment"));
    let general = script::truthy(service.setting("environment"));
    let place = &own.or(general)?.place;
    let mut variables = Node::new(Kind::Mapping(Mapping::default()), place);
    // A null takes a variable away: it replaces the provider's, and the template is stripped of nulls.
    for source in [general, own].into_iter().flatten() {
        if let (Kind::Mapping(target), Some(source)) = (&mut variables.kind, source.as_mapping()) {
            for entry in source {
                target.set(&entry.key, &entry.key_place, entry.value.clone());
            }
        }
    }
    Some(Object::new(place).with("Variables", variables))
}

/// When Lambda may take a newer patch of the runtime.
fn runtime_management(service: &Service<'_>, function: Function<'_>) -> Option<Object> {
    let setting = function
        .own("runtimeManagement")
        .or_else(|| service.setting("runtimeManagement"))?;
    let mode = setting.get("mode").unwrap_or(setting);
    let update = match mode.as_str()? {
        "onFunctionUpdate" => "FunctionUpdate",
        "manual" => "Manual",
        _automatically => return None,
    };
    Some(
        Object::new(&setting.place)
            .with("UpdateRuntimeOn", update)
            .with_some("RuntimeVersionArn", setting.get("arn")),
    )
}

fn role(
    service: &Service<'_>,
    function: Function<'_>,
    properties: &mut Object,
    depends_on: &mut Vec<Node>,
) {
    let Some(role) = function.role(service) else {
        let generated = build::attribute(super::roles::LOGICAL_ID, "Arn", function.place);
        properties.set("Role", generated);
        return;
    };
    let value = match role.as_str() {
        Some(arn) if arn.starts_with("arn:") => role.clone(),
        Some(id) => {
            if id != super::roles::LOGICAL_ID {
                depends_on.push(role.clone());
            }
            build::attribute(id, "Arn", &role.place)
        }
        None => {
            let resource = role.at_path(["Fn::GetAtt", "0"]);
            depends_on.extend(resource.cloned());
            role.clone()
        }
    };
    properties.set("Role", value);
}

/// Where events go that nobody could handle.
fn failures(function: Function<'_>, properties: &mut Object, draft: &mut Draft) {
    let Some(target) = script::truthy(function.node.get("onError")) else {
        return;
    };
    let place = &target.place;
    properties.set(
        "DeadLetterConfig",
        Object::new(place).with("TargetArn", target),
    );
    if target.as_str().is_some() {
        draft.allow(statement(
            json!(["sns:Publish"]),
            vec![target.clone()],
            place,
        ));
    }
}

fn keys_and_tracing(
    service: &Service<'_>,
    function: Function<'_>,
    properties: &mut Object,
    draft: &mut Draft,
) {
    if let Some(key) = function.or_provider("kmsKeyArn", service) {
        properties.set("KmsKeyArn", key);
        if key.as_str().is_some() {
            draft.allow_once(statement(
                json!(["kms:Decrypt"]),
                vec![key.clone()],
                &key.place,
            ));
        }
    }
    let general = service.setting_at(&["tracing", "lambda"]);
    let tracing = script::truthy(function.node.get("tracing")).or_else(|| script::truthy(general));
    if let Some(tracing) = tracing {
        let place = &tracing.place;
        let mode = match tracing.as_bool() {
            Some(_) => Node::string("Active", place),
            None => tracing.clone(),
        };
        properties.set("TracingConfig", Object::new(place).with("Mode", mode));
        draft.allow_once(statement(
            json!(["xray:PutTraceSegments", "xray:PutTelemetryRecords"]),
            vec![Node::string("*", place)],
            place,
        ));
    }
}

fn network(
    service: &Service<'_>,
    function: Function<'_>,
    properties: &mut Object,
    draft: &mut Draft,
) {
    let own = function.node.get("vpc");
    let is_left = own.is_some_and(|vpc| vpc.kind == Kind::Null || vpc.as_bool() == Some(false));
    let part = |key: &str| {
        script::truthy(own.and_then(|vpc| vpc.get(key)))
            .or_else(|| script::truthy(service.setting_at(&["vpc"]).and_then(|vpc| vpc.get(key))))
    };
    let parts = part("securityGroupIds").zip(part("subnetIds"));
    let is_inside = match parts.filter(|_| !is_left) {
        Some((groups, subnets)) => {
            let vpc = Object::new(&groups.place)
                .with("SecurityGroupIds", groups)
                .with("SubnetIds", subnets);
            properties.set("VpcConfig", vpc);
            true
        }
        None => false,
    };
    let Some(files) = function.own("fileSystemConfig") else {
        return;
    };
    let place = &files.place;
    if !is_inside {
        draft.problems.push(
            Problem::error(
                "manifest::file-system-without-vpc",
                format!(
                    "the function `{}` has a file system but no VPC",
                    function.key
                ),
            )
            .at(place)
            .because(
                "the Serverless Framework refuses this: file systems are reached through a VPC",
            )
            .help("set `vpc` for the function or the provider"),
        );
    }
    let arn = files.get("arn").cloned();
    let actions = json!([
        "elasticfilesystem:ClientMount",
        "elasticfilesystem:ClientWrite"
    ]);
    draft.allow(statement(actions, arn.into_iter().collect(), place));
    let config = Object::new(place)
        .with_some("Arn", files.get("arn"))
        .with_some("LocalMountPath", files.get("localMountPath"));
    properties.set("FileSystemConfigs", vec![config]);
}

fn statement(actions: serde_json::Value, resources: Vec<Node>, place: &Place) -> Node {
    Object::new(place)
        .with("Effect", "Allow")
        .with("Action", actions)
        .with("Resource", resources)
        .node()
}
