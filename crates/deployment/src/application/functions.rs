//! Functions of an application, from deployed resources and built code.
//!
//! Lives here: `AWS::Lambda::Function` and the layers that it names.
//! Does not live here: building code (`build`), running it (`invoker`, `runtimes`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::arn::Arn;
use model::artefact::{Built, CodeSource};
use model::function::{Function, LATEST, RuntimeName, Starts, Toolchain};
use model::ids::{AccountId, FunctionName, LogicalId, Region, RevisionId};
use model::limits;
use model::problem::Problem;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::concurrency::Granted;
use super::view::{Resource, View, list_of, texts_of};
use crate::records::text_of;

/// AWS Lambda, "Lambda quotas": function layers.
const LAYERS_MAX: usize = limits::LAMBDA_LAYERS_MAX;
/// In the attributes of a version that keeps a state of its own: the properties of its function when it was published.
const SNAPSHOT: &str = "(function)";

/// What functions have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) revision: &'a RevisionId,
    pub(super) account: &'a AccountId,
    pub(super) region: &'a Region,
    pub(super) built: &'a BTreeMap<LogicalId, Built>,
    /// Of the account: events that may run at once, of all functions together.
    pub(super) concurrency: usize,
}

/// All functions that were built and can run. What keeps one that was built from running is added to the problems.
pub(super) fn functions(
    view: &View<'_>,
    surroundings: Surroundings<'_>,
    granted: &Granted,
    problems: &mut Vec<Problem>,
) -> BTreeMap<FunctionName, Arc<Function>> {
    view.of_type("AWS::Lambda::Function")
        .filter_map(|resource| function(view, resource, surroundings, granted, problems))
        .map(|function| (function.name.clone(), Arc::new(function)))
        .collect()
}

/// Versions that keep the code and the configuration with which they were published, by function and number. All others run
/// what is deployed now.
pub(super) fn snapshots(
    view: &View<'_>,
    surroundings: Surroundings<'_>,
    granted: &Granted,
    problems: &mut Vec<Problem>,
) -> BTreeMap<(FunctionName, String), Arc<Function>> {
    let mut snapshots = BTreeMap::new();
    for version in view.of_type("AWS::Lambda::Version") {
        let properties = version.attributes.get(SNAPSHOT).and_then(Value::as_object);
        let number = version.attributes.get("Version").and_then(text_of);
        let (Some(properties), Some(number)) = (properties, number) else {
            continue;
        };
        let name = version.text("FunctionName").unwrap_or_default();
        let resource = Resource {
            resource_type: "AWS::Lambda::Function",
            physical_id: &name,
            properties,
            ..*version
        };
        if let Some(mut function) = function(view, &resource, surroundings, granted, problems) {
            function.version.clone_from(&number);
            let mut hash = Sha256::new();
            hash.update(function.fingerprint.as_bytes());
            hash.update(number.as_bytes());
            function.fingerprint = hex::encode(hash.finalize());
            function.provisioned_concurrency = granted.provisioned(&function.name, &number);
            snapshots.insert((function.name.clone(), number), Arc::new(function));
        }
    }
    snapshots
}

fn function(
    view: &View<'_>,
    resource: &Resource<'_>,
    surroundings: Surroundings<'_>,
    granted: &Granted,
    problems: &mut Vec<Problem>,
) -> Option<Function> {
    // Whoever read the manifest, or could not build the code, has said why there is none.
    let code = surroundings.built.get(resource.logical_id)?;
    let toolchain = code.toolchain.as_ref()?;
    let (runtime, role) = runtime_and_role(resource, problems)?;
    let layers = layers(view, resource, surroundings.built, problems);
    let environment = resource.properties.get("Environment");
    let name = FunctionName::new(resource.physical_id);
    let mut function = Function {
        logical_id: resource.logical_id.clone(),
        arn: Arn::of_function(surroundings.region, surroundings.account, &name),
        version: LATEST.to_owned(),
        account: surroundings.account.clone(),
        region: surroundings.region.clone(),
        runtime,
        handler: resource.text("Handler").unwrap_or_default(),
        code_root: code.code_root.clone(),
        layers: layers.iter().map(|layer| layer.code_root.clone()).collect(),
        toolchain: toolchain.clone(),
        environment: texts_of(environment.and_then(|environment| environment.get("Variables"))),
        memory_mb: megabytes(
            resource.whole("MemorySize"),
            limits::LAMBDA_MEMORY_MB_DEFAULT,
        ),
        timeout: resource
            .whole("Timeout")
            .map_or(limits::LAMBDA_TIMEOUT_DEFAULT, Duration::from_secs)
            .min(limits::LAMBDA_TIMEOUT_MAX),
        ephemeral_storage_mb: megabytes(
            storage_of(resource),
            limits::LAMBDA_EPHEMERAL_STORAGE_MB_DEFAULT,
        ),
        role,
        reserved_concurrency: granted.reserved(&name),
        // Only published versions have one.
        provisioned_concurrency: 0,
        log_group: log_group_of(resource),
        starts: Starts::default(),
        fingerprint: String::new(),
        revision: surroundings.revision.clone(),
        place: Some(resource.place.clone()),
        name,
    };
    let layer_digests: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    function.fingerprint = fingerprint(&function, &code.digest, &layer_digests);
    Some(function)
}

fn log_group_of(resource: &Resource<'_>) -> Option<String> {
    let logging = resource.properties.get("LoggingConfig")?;
    let group = logging.get("LogGroup").and_then(text_of);
    group.filter(|group| !group.is_empty())
}

/// What a function cannot run without; a problem when it is not there.
fn runtime_and_role(
    resource: &Resource<'_>,
    problems: &mut Vec<Problem>,
) -> Option<(RuntimeName, Arn)> {
    if resource.text("PackageType").as_deref() == Some("Image") {
        problems.push(
            does_not_run(resource)
                .at(&resource.place_of(&["PackageType"]))
                .because("functions in container images are not built yet"),
        );
        return None;
    }
    let runtime_text = resource.text("Runtime").unwrap_or_default();
    let runtime = match RuntimeName::parse(&runtime_text) {
        Ok(runtime) => runtime,
        Err(error) => {
            let help = error.meant().map_or_else(
                || "Python (`python3.N`), Node.js (`nodejsN.x`) and executables (`provided.al2023`) are".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            problems.push(
                does_not_run(resource)
                    .at(&resource.place_of(&["Runtime"]))
                    .because(error.to_string())
                    .help(help),
            );
            return None;
        }
    };
    let role_text = resource.text("Role").unwrap_or_default();
    match Arn::parse(&role_text) {
        Ok(role) => Some((runtime, role)),
        Err(_) => {
            problems.push(
                does_not_run(resource)
                    .at(&resource.place_of(&["Role"]))
                    .because(format!("its role `{role_text}` is not an ARN")),
            );
            None
        }
    }
}

fn does_not_run(resource: &Resource<'_>) -> Problem {
    let name = resource.logical_id;
    Problem::error(
        "deployment::function-not-run",
        format!("function `{name}` does not run"),
    )
}

fn megabytes(given: Option<u64>, default: u32) -> u32 {
    given
        .and_then(|size| u32::try_from(size).ok())
        .unwrap_or(default)
}

fn storage_of(resource: &Resource<'_>) -> Option<u64> {
    let size = resource.properties.get("EphemeralStorage")?.get("Size")?;
    crate::records::text_of(size)?.parse().ok()
}

fn layers<'b>(
    view: &View<'_>,
    resource: &Resource<'_>,
    built: &'b BTreeMap<LogicalId, Built>,
    problems: &mut Vec<Problem>,
) -> Vec<&'b Built> {
    let names = list_of(resource.properties.get("Layers"));
    if LAYERS_MAX < names.len() {
        problems.push(
            Problem::error(
                "deployment::too-many-layers",
                format!(
                    "function `{}` has {} layers",
                    resource.logical_id,
                    names.len()
                ),
            )
            .at(&resource.place_of(&["Layers"]))
            .because(format!(
                "a function has at most {LAYERS_MAX}; the first ones are used"
            )),
        );
    }
    let mut found = Vec::new();
    for (index, name) in names.iter().take(LAYERS_MAX).enumerate() {
        let layer = view
            .of_type("AWS::Lambda::LayerVersion")
            .find(|layer| layer.physical_id == name)
            .and_then(|layer| built.get(layer.logical_id))
            .or_else(|| {
                let runtime = resource.text("Runtime").unwrap_or_default();
                built.get(&CodeSource::public_layer(name, &runtime))
            });
        match layer {
            Some(layer) => found.push(layer),
            None => problems.push(
                Problem::error(
                    "deployment::layer-not-found",
                    format!("layer `{name}` is not there"),
                )
                .at(&resource.place_of(&["Layers", &index.to_string()]))
                .because("only layers of this project, and public ones of which it is known what is in them, can be used: others are not fetched from the cloud")
                .help("declare the layer in this project, or put its modules into the function's own dependencies"),
            ),
        }
    }
    found
}

/// Everything that an instance could notice, and nothing else: who has the same fingerprint may keep its instances.
fn fingerprint(function: &Function, code_digest: &str, layer_digests: &[&str]) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        // Lengths keep two neighbouring texts from being read as one.
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    };
    add(function.name.as_str());
    add(&function.arn.to_string());
    add(&function.version);
    add(&function.runtime.to_string());
    add(&function.handler);
    add(&function.code_root.to_string_lossy());
    add(code_digest);
    for (layer, digest) in function.layers.iter().zip(layer_digests) {
        add(&layer.to_string_lossy());
        add(digest);
    }
    let Toolchain {
        interpreter,
        version,
        dependency_paths,
        sdk_paths,
    } = &function.toolchain;
    add(&interpreter.to_string_lossy());
    add(version);
    for paths in [dependency_paths, sdk_paths] {
        add(&paths.len().to_string());
        for path in paths {
            add(&path.to_string_lossy());
        }
    }
    for (name, value) in &function.environment {
        add(name);
        add(value);
    }
    add(&function.memory_mb.to_string());
    add(&function.timeout.as_millis().to_string());
    add(&function.ephemeral_storage_mb.to_string());
    add(&function.role.to_string());
    add(function.log_group.as_deref().unwrap_or_default());
    hex::encode(hash.finalize())
}
