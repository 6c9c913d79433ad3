//! Code of functions and layers: what the template says of it, and what has to be built.
//!
//! Lives here: `CodeUri`, `InlineCode`, `ContentUri`, and `Code` and `Content` of plain CloudFormation.
//! Does not live here: building (`build`).

use std::path::PathBuf;

use cloudformation::node::{Kind, Node};
use model::artefact::{Artefact, ArtefactKind, CodeSource};
use model::function::RuntimeName;
use model::ids::LogicalId;
use model::problem::{Place, Problem, push_of};

use super::context::Context;
use super::nodes::{mapping, text};

/// The bucket that stands in the template for the project's own folder, as one stands there for packaged code. Nothing
/// is ever put into it.
pub(super) const LOCAL_BUCKET: &str = "local-artefacts";

/// Where the code of one function or layer is.
pub(super) enum Location {
    /// In the project: what the template says, and what is built.
    Local(Node, CodeSource),
    /// Somewhere else; the template says so.
    Remote(Node),
}

/// `CodeUri` or `ContentUri`: a path, an `s3://` address, or a mapping of bucket and key.
pub(super) fn location(
    uri: &Node,
    logical_id: &str,
    context: &mut Context<'_>,
) -> Option<Location> {
    let place = &uri.place;
    match &uri.kind {
        Kind::Mapping(members)
            if members.get("Bucket").is_some() && members.get("Key").is_some() =>
        {
            let names = [
                ("Bucket", "S3Bucket"),
                ("Key", "S3Key"),
                ("Version", "S3ObjectVersion"),
            ];
            let entries = names
                .iter()
                .filter_map(|(given, written)| Some((*written, members.get(given)?.clone())));
            Some(Location::Remote(mapping(entries, place)))
        }
        Kind::Mapping(_) | Kind::String(_) => {
            let Some(path) = context.resolved_text(uri) else {
                context.invalid(
                    "manifest::invalid-code-location",
                    format!("the code of `{logical_id}` is neither a path nor a place in a bucket"),
                    place,
                );
                return None;
            };
            if path.starts_with("s3://") {
                return remote(&path, logical_id, place, context);
            }
            let path = context.path_of(&path);
            let source = source_of(&path);
            Some(Location::Local(local_code(&path, place), source))
        }
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::Sequence(_) => {
            context.invalid(
                "manifest::invalid-code-location",
                format!("the code of `{logical_id}` cannot be {}", uri.kind_name()),
                place,
            );
            None
        }
    }
}

fn remote(
    uri: &str,
    logical_id: &str,
    place: &Place,
    context: &mut Context<'_>,
) -> Option<Location> {
    let rest = uri.strip_prefix("s3://").unwrap_or_default();
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let Some((bucket, key)) = address
        .split_once('/')
        .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
    else {
        context.invalid(
            "manifest::invalid-code-location",
            format!("`{uri}` of `{logical_id}` is not of the form `s3://bucket/key`"),
            place,
        );
        return None;
    };
    let mut entries = vec![
        ("S3Bucket", text(bucket, place)),
        ("S3Key", text(key, place)),
    ];
    if let Some(version) = query.strip_prefix("versionId=") {
        entries.push(("S3ObjectVersion", text(version, place)));
    }
    Some(Location::Remote(mapping(entries, place)))
}

/// What the template says of code in the project.
pub(super) fn local_code(path: &str, place: &Place) -> Node {
    mapping(
        [
            ("S3Bucket", text(LOCAL_BUCKET, place)),
            ("S3Key", text(path, place)),
        ],
        place,
    )
}

/// A folder, or an archive when it is called like one.
pub(super) fn source_of(path: &str) -> CodeSource {
    let suffix = path.rsplit('.').next().unwrap_or_default();
    let archive = path.contains('.')
        && (suffix.eq_ignore_ascii_case("zip") || suffix.eq_ignore_ascii_case("jar"));
    if archive {
        CodeSource::Archive(PathBuf::from(path))
    } else {
        CodeSource::Folder(PathBuf::from(path))
    }
}

/// Adds a function to what is built. What cannot be built is reported, and stays in the template.
pub(super) fn add_function(
    logical_id: &str,
    runtime: Option<&Node>,
    handler: Option<&Node>,
    source: CodeSource,
    place: &Place,
    context: &mut Context<'_>,
) {
    let (Some(runtime), Some(handler)) = (runtime, handler) else {
        // The resource's own check names the missing property.
        return;
    };
    let name = context.resolved_text(runtime).unwrap_or_default();
    match RuntimeName::parse(&name) {
        Ok(parsed) => {
            let handler = context.resolved_text(handler).unwrap_or_default();
            context.artefacts.push(Artefact {
                logical_id: LogicalId::new(logical_id),
        name: logical_id.to_owned(),
                kind: ArtefactKind::Function {
                    runtime: parsed,
                    runtime_place: runtime.place.clone(),
                    handler,
                },
                source,
                place: place.clone(),
            });
        }
        Err(error) => push_of(
            &mut context.problems,
            Problem::error(
                "manifest::runtime-not-implemented",
                format!("{error}, which is that of"),
            )
            .at(&runtime.place)
            .because("nothing of this runtime can be invoked")
            .help(match error.meant() {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "Python (`python3.N`), Node.js (`nodejsN.x`) and executables (`provided.al2023`) are; \
                         code in Ruby, Java or .NET runs as `provided.al2023`, with a `bootstrap` that starts the \
                         language's runtime interface client"
                    .to_owned(),
            }),
            logical_id,
        ),
    }
}

/// Adds a layer to what is built.
pub(super) fn add_layer(
    logical_id: &str,
    source: CodeSource,
    place: &Place,
    context: &mut Context<'_>,
) {
    context.artefacts.push(Artefact {
        logical_id: LogicalId::new(logical_id),
        name: logical_id.to_owned(),
        kind: ArtefactKind::Layer,
        source,
        place: place.clone(),
    });
}

/// Says that code is put together by a function of the template, whose value nobody knows before it is deployed.
pub(super) fn report_computed(logical_id: &str, place: &Place, context: &mut Context<'_>) {
    context.problems.push(
        Problem::error(
            "manifest::computed-code-not-implemented",
            format!("the code of `{logical_id}` is not a plain text"),
        )
        .at(place)
        .because(
            "it is deployed, and cannot be invoked: code is read before the template is evaluated",
        )
        .help("write the text out, or put it into a file; hand it values by `Environment`"),
    );
}

/// Says that code is a container image.
pub(super) fn report_image(logical_id: &str, place: &Place, context: &mut Context<'_>) {
    context.not_implemented(
        "manifest::image-not-implemented",
        &format!("container image of function `{logical_id}`"),
        "the function cannot be invoked",
        place,
    );
}

/// Says that code cannot be had.
pub(super) fn report_remote(logical_id: &str, place: &Place, context: &mut Context<'_>) {
    context.problems.push(
        Problem::error(
            "manifest::code-in-bucket-not-implemented",
            format!("the code of `{logical_id}` is in a bucket, which is not fetched"),
        )
        .at(place)
        .because("it is deployed, and cannot be invoked")
        .help("give a path in the project instead"),
    );
}
