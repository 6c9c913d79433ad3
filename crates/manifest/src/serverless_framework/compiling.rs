//! Which functions' code is compiled, and by what.
//!
//! Lives here: the plugins that bundle or compile, `build` of version 4, and their options as recipes.
//! Does not live here: compiling (`build::compile`), where code is (`artefacts`).
//!
//! Contract: the plugins' own documentation: serverless-esbuild 1.55, serverless-webpack 5.15, serverless-bundle 6,
//! serverless-plugin-typescript 2.1; Serverless Framework 4, Guide, "Building".

use cloudformation::node::Node;
use model::artefact::{Compiler, Recipe, Surroundings, When};
use model::function::{Language, RuntimeName};
use serde_json::{Map, Value, json};

use super::service::{Function, Service};
use super::{plugins, script};

/// Options of serverless-esbuild and of `build.esbuild` that are not esbuild's own: they are about packing and watching, or are
/// read here.
const NOT_OF_ESBUILD: &[&str] = &[
    "buildConcurrency",
    "concurrency",
    "configFile",
    "disableIncremental",
    "entryPoints",
    "exclude",
    "incremental",
    "installExtraArgs",
    "keepOutputDirectory",
    "nativeZip",
    "outDir",
    "outdir",
    "outfile",
    "outputBuildFolder",
    "outputFileExtension",
    "outputWorkFolder",
    "packagePath",
    "packager",
    "packagerOptions",
    "plugins",
    "skipBuild",
    "skipBuildExcludeFns",
    "skipRebuild",
    "stripEntryResolveExtensions",
    "watch",
    "write",
    "zipConcurrency",
];
/// Which runtimes bring version 3 of the SDK.
const NODE_WITH_SDK_V3: u32 = 18;
const WEBPACK_CONFIG: &str = "webpack.config.js";

/// How a function's code is made.
pub(super) fn recipe(
    service: &Service<'_>,
    function: Function<'_>,
    runtime: &RuntimeName,
) -> Option<Recipe> {
    if runtime.language != Language::Node {
        return None;
    }
    let has = |plugin: &str| plugins::named(service.root).any(|name| name.as_str() == Some(plugin));
    let custom = |name| script::truthy(service.root.at_path(["custom", name]));
    let build = service.root.at_path(["build", "esbuild"]);
    let (compiler, when) = if has("serverless-webpack") {
        (webpack(custom("webpack")), When::Always)
    } else if has("serverless-esbuild") {
        if script::truthy(function.node.get("skipEsbuild")).is_some() {
            return None;
        }
        (esbuild(custom("esbuild"), runtime, &[]), When::Always)
    } else if has("serverless-bundle") {
        (bundle(custom("bundle"), runtime), When::Always)
    } else if has("serverless-plugin-typescript") {
        (Compiler::TypeScript, When::Always)
    } else if build.is_some_and(|node| !script::is_true(node)) {
        return None;
    } else {
        let when = if build.is_some() {
            When::Always
        } else {
            When::OfTypeScript
        };
        let defaults = [
            ("format", json!("as the package")),
            ("sourcemap", json!("linked")),
        ];
        (esbuild(build, runtime, &defaults), when)
    };
    let asks = match &compiler {
        Compiler::Esbuild {
            plugins, options, ..
        } => plugins.is_some() || options.contains("configPath"),
        Compiler::Webpack { .. } => true,
        Compiler::TypeScript | Compiler::Make { .. } => false,
    };
    Some(Recipe {
        compiler,
        when,
        assets: assets(service, function),
        surroundings: if asks {
            surroundings(service)
        } else {
            Surroundings::default()
        },
    })
}

fn webpack(custom: Option<&Node>) -> Compiler {
    let named = custom.and_then(|node| {
        node.as_str().map(str::to_owned).or_else(|| {
            let config = node.get("webpackConfig").and_then(Node::as_str);
            config.map(str::to_owned)
        })
    });
    Compiler::Webpack {
        config: named.unwrap_or_else(|| WEBPACK_CONFIG.to_owned()),
    }
}

fn esbuild(given: Option<&Node>, runtime: &RuntimeName, defaults: &[(&str, Value)]) -> Compiler {
    let given = given.map(Node::to_json).unwrap_or_default();
    let given = given.as_object().cloned().unwrap_or_default();
    let mut options = defaults_of(runtime);
    options.extend(
        defaults
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone())),
    );
    for (name, value) in &given {
        if !NOT_OF_ESBUILD.contains(&name.as_str()) {
            options.insert(name.clone(), value.clone());
        }
    }
    if let Some(extension) = given.get("outputFileExtension").and_then(Value::as_str) {
        options.insert("outExtension".to_owned(), json!({".js": extension}));
    }
    if let Some(file) = given.get("configFile") {
        options.insert("configPath".to_owned(), file.clone());
    }
    // `sourcemap: {type: linked}` of version 4.
    if let Some(kind) = given.get("sourcemap").and_then(|map| map.get("type")) {
        options.insert("sourcemap".to_owned(), kind.clone());
    } else if given.get("sourcemap").is_some_and(Value::is_object) {
        options.insert("sourcemap".to_owned(), json!("linked"));
    }
    let exclude = match given.get("exclude") {
        Some(Value::Array(list)) => texts(list),
        Some(Value::String(all)) if all == "*" => {
            options.insert("packages".to_owned(), json!("external"));
            Vec::new()
        }
        Some(Value::String(one)) => vec![one.clone()],
        Some(_) | None => of_the_runtime(runtime),
    };
    Compiler::Esbuild {
        inputs: Vec::new(),
        options: Value::Object(options).to_string(),
        plugins: given
            .get("plugins")
            .and_then(Value::as_str)
            .map(str::to_owned),
        exclude,
    }
}

fn bundle(given: Option<&Node>, runtime: &RuntimeName) -> Compiler {
    let given = given.map(Node::to_json).unwrap_or_default();
    let list = |name: &str| {
        given
            .get(name)
            .and_then(Value::as_array)
            .map(|list| texts(list))
            .unwrap_or_default()
    };
    let mut options = defaults_of(runtime);
    if given.get("sourcemaps") != Some(&Value::Bool(false)) {
        options.insert("sourcemap".to_owned(), json!("linked"));
    }
    if given.get("externals").and_then(Value::as_str) == Some("all") {
        options.insert("packages".to_owned(), json!("external"));
    }
    let mut alias = Map::new();
    for one in given
        .get("aliases")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        alias.extend(one.as_object().cloned().unwrap_or_default());
    }
    if !alias.is_empty() {
        options.insert("alias".to_owned(), Value::Object(alias));
    }
    let mut loader = Map::new();
    for extension in list("rawFileExtensions") {
        loader.insert(
            format!(".{}", extension.trim_start_matches('.')),
            json!("text"),
        );
    }
    if !loader.is_empty() {
        options.insert("loader".to_owned(), Value::Object(loader));
    }
    let mut exclude = of_the_runtime(runtime);
    exclude.extend(
        ["externals", "forceExclude", "ignorePackages"]
            .into_iter()
            .flat_map(list),
    );
    Compiler::Esbuild {
        inputs: Vec::new(),
        options: Value::Object(options).to_string(),
        plugins: None,
        exclude,
    }
}

fn defaults_of(runtime: &RuntimeName) -> Map<String, Value> {
    Map::from_iter([
        ("bundle".to_owned(), json!(true)),
        ("platform".to_owned(), json!("node")),
        ("target".to_owned(), json!(format!("node{}", runtime.major))),
    ])
}

/// The SDK that the runtime brings along.
fn of_the_runtime(runtime: &RuntimeName) -> Vec<String> {
    let sdk = if NODE_WITH_SDK_V3 <= runtime.major {
        "@aws-sdk/*"
    } else {
        "aws-sdk"
    };
    vec![sdk.to_owned()]
}

fn texts(list: &[Value]) -> Vec<String> {
    list.iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// `package.patterns` of the service and of the function, and what it was before: `include` and `exclude`.
fn assets(service: &Service<'_>, function: Function<'_>) -> Vec<String> {
    let copied = service.root.at_path(["custom", "bundle", "copyFiles"]);
    let copied = copied
        .and_then(Node::as_sequence)
        .unwrap_or_default()
        .iter();
    let copied = copied.filter_map(|one| one.get("from").and_then(Node::as_str).map(str::to_owned));
    let packages = [service.root.get("package"), function.node.get("package")];
    let lists = packages.into_iter().flatten().flat_map(|package| {
        let list = |name: &str, mark: &'static str| {
            let list = package
                .get(name)
                .and_then(Node::as_sequence)
                .unwrap_or_default();
            let texts: Vec<String> = list
                .iter()
                .filter_map(|item| Some(format!("{mark}{}", item.as_str()?)))
                .collect();
            texts
        };
        [
            list("exclude", "!"),
            list("include", ""),
            list("patterns", ""),
        ]
        .concat()
    });
    let all: Vec<String> = lists.chain(copied).collect();
    // Patterns that only leave out leave out of nothing.
    if all.iter().all(|pattern| pattern.starts_with('!')) {
        return Vec::new();
    }
    all
}

/// What configurations in JavaScript see of the manifest.
fn surroundings(service: &Service<'_>) -> Surroundings {
    let mut manifest = service.root.to_json();
    if let Some(manifest) = manifest.as_object_mut() {
        manifest.insert("service".to_owned(), Value::String(service.name.clone()));
    }
    let text =
        json!({"service": manifest, "stage": service.stage, "region": service.region.as_str()});
    Surroundings(text.to_string().into())
}
