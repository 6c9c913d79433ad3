//! `Metadata` of functions and layers: how their code is made.
//!
//! Lives here: `BuildMethod`, and `BuildProperties` as options of esbuild.
//! Does not live here: making the code (`build::compile`), where it is (`code`).
//!
//! Contract: AWS SAM Developer Guide, "Building Node.js Lambda functions with esbuild", "Building custom runtimes".

use cloudformation::node::Node;
use model::artefact::{CodeSource, Compiler, Recipe, Surroundings, When};
use model::problem::Problem;
use serde_json::{Map, Value, json};

use super::context::{Context, Declared};

/// Properties that are lists of `name=value` or `name:value`.
const PAIRS: [&str; 6] = [
    "Alias",
    "Banner",
    "Define",
    "Footer",
    "Loader",
    "OutExtension",
];
/// Properties that are lists, in one text.
const LISTS: [&str; 3] = ["Conditions", "MainFields", "ResolveExtensions"];
/// Properties that are no options of esbuild: they are read here, or concern how packages are installed.
const OTHERS: [&str; 3] = ["EntryPoints", "External", "UseNpmCi"];

/// The source, made by what `Metadata` names.
pub(super) fn source(
    declared: &Declared<'_>,
    source: CodeSource,
    context: &mut Context<'_>,
) -> CodeSource {
    let metadata = declared.resource.get("Metadata");
    let Some(method) = metadata.and_then(|metadata| metadata.get("BuildMethod")) else {
        return source;
    };
    let properties = metadata.and_then(|metadata| metadata.get("BuildProperties"));
    let CodeSource::Folder(folder) = source else {
        return source;
    };
    let compiler = match method.as_str() {
        Some("esbuild") => esbuild(properties, context),
        Some("makefile") => Compiler::Make {
            target: format!("build-{}", declared.logical_id),
        },
        Some(_) | None => return CodeSource::Folder(folder),
    };
    let recipe = Recipe {
        compiler,
        when: When::Always,
        assets: Vec::new(),
        surroundings: Surroundings::default(),
    };
    CodeSource::Compiled { folder, recipe }
}

fn esbuild(properties: Option<&Node>, context: &mut Context<'_>) -> Compiler {
    let mut options = Map::from_iter([
        ("bundle".to_owned(), json!(true)),
        ("format".to_owned(), json!("cjs")),
        ("minify".to_owned(), json!(true)),
        ("target".to_owned(), json!("es2020")),
    ]);
    let (mut inputs, mut exclude) = (Vec::new(), Vec::new());
    for entry in properties.and_then(Node::as_mapping).into_iter().flatten() {
        let (name, value) = (entry.key.as_str(), &entry.value);
        match name {
            "EntryPoints" => inputs = texts(value),
            "External" => exclude = texts(value),
            _ if OTHERS.contains(&name) => {}
            _ => match option(name, value, context) {
                Some(option) => {
                    options.insert(in_camel_case(name), option);
                }
                None => context.problems.push(
                    Problem::warning(
                        "manifest::invalid-build-property",
                        format!("`{name}` of `BuildProperties` is not understood"),
                    )
                    .at(&value.place)
                    .because("esbuild runs without it"),
                ),
            },
        }
    }
    Compiler::Esbuild {
        inputs,
        options: Value::Object(options).to_string(),
        plugins: None,
        exclude,
    }
}

fn option(name: &str, value: &Node, context: &Context<'_>) -> Option<Value> {
    if PAIRS.contains(&name) {
        let pair = |text: &String| {
            let (key, value) = text.split_once('=').or_else(|| text.split_once(':'))?;
            Some((key.to_owned(), Value::String(value.to_owned())))
        };
        return texts(value)
            .iter()
            .map(pair)
            .collect::<Option<Map<_, _>>>()
            .map(Value::Object);
    }
    if LISTS.contains(&name) {
        let text = value.as_str().map(str::to_owned);
        let list = text.unwrap_or_else(|| texts(value).join(","));
        return Some(json!(list.split(',').map(str::trim).collect::<Vec<_>>()));
    }
    match context.resolved(value).to_json() {
        // Templates write `Minify: "true"` as often as not.
        Value::String(text) => Some(match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ if name == "Target" => json!(text.split(',').collect::<Vec<_>>()),
            _ => Value::String(text),
        }),
        flag @ (Value::Bool(_) | Value::Number(_) | Value::Array(_)) => Some(flag),
        Value::Null | Value::Object(_) => None,
    }
}

fn texts(node: &Node) -> Vec<String> {
    match node.as_sequence() {
        Some(items) => items.iter().filter_map(Node::scalar_text).collect(),
        None => node.scalar_text().into_iter().collect(),
    }
}

/// `OutExtension` is `outExtension`.
fn in_camel_case(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
