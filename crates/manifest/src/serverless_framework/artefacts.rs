//! The code that has to be built before anything runs.
//!
//! Lives here: where each function's and layer's code is.
//! Does not live here: building it (`build`), packing archives: code runs where it lies.

use std::path::PathBuf;

use cloudformation::node::Node;
use model::artefact::{Artefact, ArtefactKind, CodeSource};
use model::function::{ParseRuntimeError, RuntimeName};
use model::ids::LogicalId;
use model::problem::{Place, Problem, push_of};

use super::compiling;
use super::script;
use super::service::{Function, Service};
use super::template::layers;

/// Lists all artefacts. A function that cannot run here is named in the problems.
pub(super) fn list(service: &Service<'_>, problems: &mut Vec<Problem>) -> Vec<Artefact> {
    report_functions_of_resources(service, problems);
    let mut artefacts = Vec::new();
    for function in service.functions() {
        artefacts.extend(of_function(service, function, problems));
    }
    for layer in service.layers() {
        let package = layer.value.at_path(["package", "artifact"]);
        let source = match (
            script::truthy(package),
            script::truthy(layer.value.get("path")),
        ) {
            (Some(archive), _) => source(archive, CodeSource::Archive, problems),
            (None, Some(path)) => source(path, CodeSource::Folder, problems),
            (None, None) => {
                problems.push(
                    Problem::error(
                        "manifest::layer-without-path",
                        format!("the layer `{}` has no `path`", layer.key),
                    )
                    .at(&layer.key_place)
                    .help("set `path` to the folder that becomes `/opt`"),
                );
                None
            }
        };
        artefacts.extend(source.map(|source| Artefact {
            logical_id: LogicalId::new(layers::logical_id(service, layer)),
            name: layer.key.clone(),
            kind: ArtefactKind::Layer,
            source,
            place: layer.key_place.clone(),
        }));
    }
    artefacts
}

/// Functions that are written as CloudFormation, below `resources`, are deployed, but nobody builds their code.
fn report_functions_of_resources(service: &Service<'_>, problems: &mut Vec<Problem>) {
    let resources = service.root.at_path(["resources", "Resources"]);
    for resource in resources.and_then(Node::as_mapping).into_iter().flatten() {
        let kind = resource.value.get("Type").and_then(Node::as_str);
        let is_override = service
            .functions()
            .any(|function| function.logical_id() == resource.key);
        if kind == Some("AWS::Lambda::Function") && !is_override {
            problems.push(
                Problem::error(
                    "manifest::key-not-implemented",
                    format!("`resources.Resources.{}` is not implemented yet", resource.key),
                )
                .at(&resource.key_place)
                .because("the code of functions below `resources` is not built: this one cannot be invoked")
                .help("declare it below `functions`"),
            );
        }
    }
}

fn of_function(
    service: &Service<'_>,
    function: Function<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Artefact> {
    let handler = script::truthy(function.node.get("handler")).and_then(script::text_of)?;
    let given = function.runtime(service);
    let name = script::text_of(&given).unwrap_or_default();
    let runtime = match RuntimeName::parse(&name) {
        Ok(runtime) => runtime,
        Err(error) => {
            push_of(
                problems,
                unknown_runtime(&error, &given.place),
                function.key,
            );
            return None;
        }
    };
    let own = script::truthy(function.node.at_path(["package", "artifact"]));
    let is_individual =
        script::truthy(function.node.at_path(["package", "individually"])).is_some();
    let general = script::truthy(service.root.at_path(["package", "artifact"]));
    let archive = own.or(general.filter(|_| !is_individual));
    let source = match archive {
        Some(archive) => source(archive, CodeSource::Archive, problems)?,
        None => match compiling::recipe(service, function, &runtime) {
            Some(recipe) => CodeSource::Compiled {
                folder: PathBuf::from("."),
                recipe,
            },
            None => CodeSource::Folder(PathBuf::from(".")),
        },
    };
    Some(Artefact {
        logical_id: LogicalId::new(function.logical_id()),
        name: function.key.to_owned(),
        kind: ArtefactKind::Function {
            runtime,
            runtime_place: given.place,
            handler,
        },
        source,
        place: function.place.clone(),
    })
}

fn source(
    node: &Node,
    kind: fn(PathBuf) -> CodeSource,
    problems: &mut Vec<Problem>,
) -> Option<CodeSource> {
    let path = script::text_of(node).unwrap_or_default();
    if path.contains("://") || path.starts_with(['/', '~']) {
        problems.push(
            Problem::error(
                "manifest::file-outside-project",
                format!("`{path}` is not a path relative to the project's folder"),
            )
            .at(&node.place)
            .because("a path of this machine alone is none on another one")
            .help("name it by a relative path; one that leads out of the project, as `../shared/code.zip`, is taken too"),
        );
        return None;
    }
    Some(kind(PathBuf::from(path)))
}

/// A managed runtime is its language's interface client with a `bootstrap` around it.
const OTHER_LANGUAGES: &str = "Python (`python3.N`), Node.js (`nodejsN.x`) and executables (`provided.al2023`) are; code in \
     Ruby, Java or .NET runs as `provided.al2023`, with a `bootstrap` that starts the language's runtime interface client";

/// The function's name follows.
fn unknown_runtime(error: &ParseRuntimeError, place: &Place) -> Problem {
    Problem::error(
        "manifest::runtime-not-implemented",
        format!("{error}, which is that of"),
    )
    .at(place)
    .because("nothing of this runtime can be invoked")
    .help(match error.meant() {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => OTHER_LANGUAGES.to_owned(),
    })
}
