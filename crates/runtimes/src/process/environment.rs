//! What an instance's process is started with: its command line, its variables, where it finds modules.
//!
//! Lives here: pure decisions, from a function to a [`Launch`].
//! Does not live here: starting it (`launch`).
//!
//! Contract: AWS Lambda Developer Guide, "Working with Lambda environment variables"; the paths of layers:
//! "Packaging your layer content".

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use interfaces::runtime::Initialization;
use model::function::{Function, Language, Starts};
use model::ids::InstanceId;
use model::principal::Credentials;
use model::time::Timestamp;
use serde::Serialize;

use super::launch::{Connection, Launch};
use super::report;
use super::walls::Trust;
use super::zygote::{self, Way};

const LANG: (&str, &str) = ("LANG", "en_US.UTF-8");
const TZ: (&str, &str) = ("TZ", ":UTC");
/// A variable of the function's own.
const EXEC_WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";
const INITIALIZATION_TYPE: &str = "AWS_LAMBDA_INITIALIZATION_TYPE";

/// What the environment names besides the function.
pub(super) struct Names<'a> {
    /// The instance; its log stream is named after it.
    pub(super) instance: &'a InstanceId,
    /// When it is started.
    pub(super) now: Timestamp,
    /// Why it is started.
    pub(super) initialization: Initialization,
    /// Where the cloud's services answer.
    pub(super) services_endpoint: &'a str,
    /// The keys of the function's role.
    pub(super) credentials: &'a Credentials,
    /// The folder of the bootstrap; none for code that needs none.
    pub(super) bootstrap: Option<&'a Path>,
    /// Where the Runtime API answers, for an instance that has one.
    pub(super) runtime_api: Option<&'a str>,
    /// What it trusts besides what it brings along; none outside of sandboxes.
    pub(super) trust: Option<&'a Trust>,
}

/// The first frame: what the bootstrap is to load.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Order<'a> {
    kind: &'static str,
    handler: &'a str,
    code_root: &'a Path,
    /// Searched after the code and before what the runtime brings along.
    module_paths: Vec<PathBuf>,
    sdk_paths: &'a [PathBuf],
    runtime_major: u32,
    runtime_minor: u32,
    /// Whatever its init leaves behind.
    is_forked_anyway: bool,
    /// Of a template, which was not started with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<BTreeMap<String, String>>,
    /// Of a template in a sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    inside: Option<Inside>,
}

/// By what a fork of a template becomes an instance in its sandbox.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inside {
    /// What its Landlock domain keeps in, as the kernel's bits.
    pub(super) scopes: u64,
    /// The processes and threads that it may have.
    pub(super) processes_max: u64,
}

/// The first frame of a base.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BaseOrder<'a> {
    kind: &'static str,
    sdk_paths: &'a [PathBuf],
    /// Without what is preloaded its forks would hang, so it is to make sure of that.
    is_preloaded: bool,
}

/// The first frame of a fork of a template: what it does not share with the others.
#[derive(Debug, Serialize)]
struct InstanceOrder<'a> {
    variables: BTreeMap<&'static str, &'a str>,
}

/// What a new process is to be told cannot be said in JSON: the name of a folder is not UTF-8.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("a folder of the function cannot be named")]
    Path(#[from] serde_json::Error),
    #[error("the value of `{}` cannot be named", name.display())]
    Variable { name: OsString },
}

/// Decides how a function's process is started.
///
/// # Errors
/// When a folder's name is not UTF-8: then neither language could be told of it.
pub(super) fn launch(function: &Function, names: &Names<'_>) -> Result<Launch, OrderError> {
    Ok(Launch {
        program: function.toolchain.interpreter.clone(),
        arguments: arguments(function, names.bootstrap.unwrap_or(Path::new(""))),
        variables: variables(function, names),
        directory: function.code_root.clone(),
        connection: Connection::Channel(serde_json::to_vec(&order("function", function, None))?),
    })
}

/// What a fork of a base is told, to become the template of a function.
///
/// # Errors
/// As [`launch`].
pub(super) fn template(
    function: &Function,
    names: &Names<'_>,
    inside: Option<Inside>,
) -> Result<Vec<u8>, OrderError> {
    let mut sayable = BTreeMap::new();
    for (name, value) in variables(function, names) {
        match (name.to_str(), value.into_string()) {
            (Some(text), Ok(value)) => sayable.insert(text.to_owned(), value),
            (Some(_) | None, Ok(_) | Err(_)) => return Err(OrderError::Variable { name }),
        };
    }
    Ok(serde_json::to_vec(&Order {
        inside,
        ..order("template", function, Some(sayable))
    })?)
}

/// What a fork of a template is told.
///
/// # Errors
/// As [`launch`].
pub(super) fn instance(
    function: &Function,
    instance: &InstanceId,
    now: Timestamp,
    initialization: Initialization,
) -> Result<Vec<u8>, OrderError> {
    let log_stream = log_stream_name(&function.version, instance, now);
    let variables = BTreeMap::from([
        ("AWS_LAMBDA_LOG_STREAM_NAME", log_stream.as_str()),
        (INITIALIZATION_TYPE, initialization.as_str()),
    ]);
    Ok(serde_json::to_vec(&InstanceOrder { variables })?)
}

/// How the interpreter is started from which templates are forked. Its environment is as good as empty: a fork shows it as
/// its own in `/proc/self/environ`.
///
/// # Errors
/// As [`launch`].
pub(super) fn base(
    function: &Function,
    sdk_paths: &[PathBuf],
    bootstrap: &Path,
    trust: Option<&Trust>,
) -> Result<Launch, OrderError> {
    let mut arguments = arguments(function, bootstrap);
    let mut variables = Vec::new();
    let mut is_preloaded = false;
    match function.runtime.language {
        Language::Python | Language::Provided | Language::Go => {}
        Language::Node => {
            // Read when it starts, and the same for all functions that are forked.
            variables.extend([LANG, TZ].map(|(name, value)| (name.into(), value.into())));
            variables.extend(trust.map(node_trust));
            arguments.insert(0, "--single-threaded".into());
            // It would collect garbage eight seconds after the start: by then that is a task which every fork inherits as
            // one that is due, and which copies all of its heap.
            arguments.insert(1, "--no-memory-reducer".into());
            // A function whose version has no way is never forked.
            is_preloaded = zygote::way_of(&function.toolchain.version) == Ok(Way::Preloaded);
            if is_preloaded {
                let library = bootstrap.join("cloudless.node");
                variables.push(("LD_PRELOAD".into(), library.into()));
            }
        }
    }
    Ok(Launch {
        program: function.toolchain.interpreter.clone(),
        arguments,
        variables,
        directory: bootstrap.to_owned(),
        connection: Connection::Channel(serde_json::to_vec(&BaseOrder {
            kind: "base",
            sdk_paths,
            is_preloaded,
        })?),
    })
}

fn order<'a>(
    kind: &'static str,
    function: &'a Function,
    variables: Option<BTreeMap<String, String>>,
) -> Order<'a> {
    Order {
        kind,
        handler: &function.handler,
        code_root: &function.code_root,
        module_paths: module_paths(function),
        sdk_paths: &function.toolchain.sdk_paths,
        runtime_major: function.runtime.major,
        runtime_minor: function.runtime.minor,
        is_forked_anyway: function.starts == Starts::Forked,
        variables,
        inside: None,
    }
}

/// `$LATEST` in a log stream's name stands in brackets, after the day.
pub(super) fn log_stream_name(version: &str, instance: &InstanceId, now: Timestamp) -> String {
    format!("{}/[{version}]{instance}", report::day(now))
}

fn arguments(function: &Function, bootstrap: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    match function.runtime.language {
        // No site folders: the cloud has no modules of this machine. No bytecode is written into people's projects.
        Language::Python => {
            arguments.extend(["-s", "-S", "-B"].map(OsString::from));
            arguments.push(bootstrap.into());
        }
        Language::Node => {
            arguments.extend(["--expose-gc", "--max-http-header-size=81920"].map(OsString::from));
            if finds_modules_by_internals(&function.toolchain.version) {
                arguments.push("--expose-internals".into());
            }
            arguments.extend(heap_options(function).into_iter().map(OsString::from));
            arguments.push(bootstrap.join("main.cjs").into());
        }
        // The program is the function's own.
        Language::Provided | Language::Go => {}
    }
    arguments
}

/// Has the function's wrapper started in place of its interpreter: it is given the interpreter's command line, and goes on
/// with that.
///
/// Contract: AWS Lambda Developer Guide, "Modifying the runtime environment", "Wrapper scripts".
pub(super) fn wrapped(launch: Launch, seen: &Function) -> Launch {
    let Some(wrapper) = seen.environment.get(EXEC_WRAPPER) else {
        return launch;
    };
    let mut arguments = vec![launch.program.into_os_string()];
    arguments.extend(launch.arguments);
    Launch {
        program: own_file(seen, wrapper),
        arguments,
        ..launch
    }
}

/// Where a file of the function is that it names as the cloud does: without a sandbox, its folders are elsewhere.
fn own_file(seen: &Function, named: &str) -> PathBuf {
    let path = Path::new(named);
    if let Ok(inside) = path.strip_prefix("/var/task") {
        return seen.code_root.join(inside);
    }
    let Ok(inside) = path.strip_prefix("/opt") else {
        return path.to_owned();
    };
    let mut in_layers = seen.layers.iter().rev().map(|layer| layer.join(inside));
    let found = in_layers.clone().find(|path| path.is_file());
    // In a sandbox, all layers are in one folder, which is not there outside.
    found
        .or_else(|| in_layers.next())
        .unwrap_or_else(|| path.to_owned())
}

/// Whether the bootstrap has to replace Node's resolver of ES modules to find the runtime's own: version 22.15 brought
/// a hook for that, and in versions before 18 the resolver is another.
fn finds_modules_by_internals(version: &str) -> bool {
    let mut numbers = version
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    ((18, 0)..(22, 15)).contains(&version)
}

/// The managed runtime gives a tenth of the memory to young objects and the rest to old ones, unless the function
/// sets either in `NODE_OPTIONS`.
fn heap_options(function: &Function) -> Vec<String> {
    let options = function
        .environment
        .get("NODE_OPTIONS")
        .map(|text| text.replace('-', "_"))
        .unwrap_or_default();
    if options.contains("max_semi_space_size") || options.contains("max_old_space_size") {
        return Vec::new();
    }
    let young_mb = function.memory_mb / 10;
    let old_mb = function.memory_mb - young_mb;
    vec![
        format!("--max-semi-space-size={}", young_mb / 2),
        format!("--max-old-space-size={old_mb}"),
    ]
}

/// The function's own variables over the defaults, and the reserved ones over both: the cloud refuses a function that
/// sets one of those, so a conflict here cannot be meant.
pub(super) fn variables(function: &Function, names: &Names<'_>) -> Vec<(OsString, OsString)> {
    let own = function
        .environment
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let mut variables: BTreeMap<OsString, OsString> =
        defaults(function, names).into_iter().collect();
    variables.extend(own);
    for name in ABSENT {
        variables.remove(&OsString::from(name));
    }
    variables.extend(reserved(function, names));
    variables.into_iter().collect()
}

/// What an extension finds: all but what belongs to the runtime.
///
/// Contract: AWS Lambda Developer Guide, "Using the Lambda Extensions API to create extensions", "Environment variables".
pub(super) fn of_extension(function: &Function, names: &Names<'_>) -> Vec<(OsString, OsString)> {
    let mut variables = variables(function, names);
    variables.retain(|(name, _)| !OF_RUNTIME.iter().any(|it| name == it));
    variables
}

/// Of the runtime's process alone.
const OF_RUNTIME: [&str; 7] = [
    "_HANDLER",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// Reserved too: set for an instance that has a Runtime API; and the trace id comes with each event.
const ABSENT: [&str; 2] = [RUNTIME_API, "_X_AMZN_TRACE_ID"];
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

fn defaults(function: &Function, names: &Names<'_>) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(OsString, OsString)> = [
        LANG,
        TZ,
        ("AWS_ENDPOINT_URL", names.services_endpoint),
        // The cloud names its tracing daemon here; without one, a missing segment must not fail the function.
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
    ]
    .map(|(name, value)| (OsString::from(name), OsString::from(value)))
    .into();
    variables.extend(names.trust.map(trusting).unwrap_or_default());
    let layers = |folder: &'static str| function.layers.iter().map(move |layer| layer.join(folder));
    let interpreter_folder = function.toolchain.interpreter.parent().map(Path::to_owned);
    let system = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
    let path = interpreter_folder
        .into_iter()
        .chain(system)
        .chain(layers("bin"));
    variables.push(("PATH".into(), joined(path)));
    let own_libraries = [function.code_root.clone(), function.code_root.join("lib")];
    let libraries = own_libraries.into_iter().chain(layers("lib"));
    variables.push(("LD_LIBRARY_PATH".into(), joined(libraries)));
    let sdk_paths = function.toolchain.sdk_paths.iter().cloned();
    let (name, modules) = match function.runtime.language {
        Language::Python => ("PYTHONPATH", joined(sdk_paths)),
        Language::Node => (
            "NODE_PATH",
            joined(module_paths(function).into_iter().chain(sdk_paths)),
        ),
        Language::Provided | Language::Go => return variables,
    };
    if !modules.is_empty() {
        variables.push((name.into(), modules));
    }
    variables
}

/// How clients are told what to trust: those of Python, OpenSSL and Go know one file, with all that is trusted.
///
/// Contract: AWS SDKs and Tools Reference Guide, "General configuration settings" (`ca_bundle`); Python Requests, "SSL Cert
/// Verification"; OpenSSL, `SSL_CTX_set_default_verify_paths`.
fn trusting(trust: &Trust) -> Vec<(OsString, OsString)> {
    let roots = trust.roots.iter();
    let of_roots = roots.flat_map(|roots| {
        ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"]
            .map(|name| (name.into(), roots.into()))
    });
    of_roots.chain([node_trust(trust)]).collect()
}

/// Contract: Node.js, "Command-line API", `NODE_EXTRA_CA_CERTS`: it is read when Node starts, and comes on top of what
/// Node brings along.
fn node_trust(trust: &Trust) -> (OsString, OsString) {
    ("NODE_EXTRA_CA_CERTS".into(), (&trust.authority).into())
}

fn reserved(function: &Function, names: &Names<'_>) -> Vec<(OsString, OsString)> {
    let of_name = || format!("/aws/lambda/{}", function.name);
    let log_group = function.log_group.clone().unwrap_or_else(of_name);
    let log_stream = log_stream_name(&function.version, names.instance, names.now);
    let execution_environment = format!("AWS_Lambda_{}", function.runtime);
    let memory_mb = function.memory_mb.to_string();
    let credentials = names.credentials;
    let mut variables: Vec<(OsString, OsString)> = [
        ("_HANDLER", function.handler.as_str()),
        ("AWS_REGION", function.region.as_str()),
        ("AWS_DEFAULT_REGION", function.region.as_str()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.as_str()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory_mb),
        ("AWS_LAMBDA_FUNCTION_VERSION", &function.version),
        (INITIALIZATION_TYPE, names.initialization.as_str()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &log_group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", &log_stream),
        ("AWS_ACCESS_KEY_ID", &credentials.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key),
    ]
    .map(|(name, value)| (OsString::from(name), OsString::from(value)))
    .into();
    if let Some(token) = &credentials.session_token {
        variables.push(("AWS_SESSION_TOKEN".into(), token.into()));
    }
    // Of a runtime that the platform brings along.
    match function.runtime.language {
        Language::Python | Language::Node | Language::Go => {
            variables.push(("AWS_EXECUTION_ENV".into(), execution_environment.into()));
        }
        Language::Provided => {}
    }
    variables.push(("LAMBDA_TASK_ROOT".into(), function.code_root.clone().into()));
    if let Some(bootstrap) = names.bootstrap {
        variables.push(("LAMBDA_RUNTIME_DIR".into(), bootstrap.into()));
    }
    if let Some(address) = names.runtime_api {
        variables.push((RUNTIME_API.into(), address.into()));
    }
    variables
}

/// What the project asked for stands before the layers, since in the cloud it is part of the code. A later layer is
/// laid over an earlier one, so it is searched first.
pub(super) fn module_paths(function: &Function) -> Vec<PathBuf> {
    let runtime = &function.runtime;
    let inside_layer = match runtime.language {
        Language::Python => vec![
            format!(
                "python/lib/python{}.{}/site-packages",
                runtime.major, runtime.minor
            ),
            "python".to_owned(),
        ],
        Language::Node => vec![
            format!("nodejs/node{}/node_modules", runtime.major),
            "nodejs/node_modules".to_owned(),
        ],
        Language::Provided | Language::Go => Vec::new(),
    };
    let mut paths = function.toolchain.dependency_paths.clone();
    for folder in &inside_layer {
        paths.extend(function.layers.iter().rev().map(|layer| layer.join(folder)));
    }
    paths
}

/// Paths in the form of `PATH`. One that holds a colon cannot be said in it and is left out.
fn joined(paths: impl Iterator<Item = PathBuf>) -> OsString {
    let sayable = paths.filter(|path| !path.as_os_str().as_encoded_bytes().contains(&b':'));
    std::env::join_paths(sayable).unwrap_or_default()
}
