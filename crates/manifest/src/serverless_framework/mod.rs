//! The Serverless Framework front end: `serverless.yml` as version 3 of the tool reads it.
//!
//! Lives here: the order of reading – parse, resolve variables, check keys, write the template, list the code.
//! Does not live here: the parts themselves (the modules below), I/O (the reader asks and is run again).

use cloudformation::node::{Kind, Mapping, Node};
use cloudformation::parse::{self, Dialect};
use cloudformation::template::Unbuilt;
use model::ids::{Region, StackName, StageName};
use model::problem::{Place, Problem, Severity};

use crate::reading::{Answers, Need, ReadRequest, Reading, Step};
use service::Service;

mod artefacts;
mod build;
mod compiling;
pub mod keys;
mod lift;
mod naming;
pub mod plugins;
mod script;
mod service;
mod suggestion;
mod template;
mod variables;

/// The stage when neither the command line nor the manifest names one.
pub(crate) const STAGE_DEFAULT: &str = "dev";
/// The region when neither the command line nor the manifest names one.
pub(crate) const REGION_DEFAULT: &str = "us-east-1";
/// How many problems one reading reports; a manifest with more is broken in a way that the first ones show.
const PROBLEMS_MAX: usize = 500;

/// The file names that the tool looks for.
///
/// Contract: Serverless Framework 3, Guide, "Services".
pub const FILE_NAMES: &[&str] = &[
    "serverless.yml",
    "serverless.yaml",
    "serverless.json",
    "serverless.js",
    "serverless.mjs",
    "serverless.cjs",
    "serverless.ts",
];

/// Reads a manifest into the template that the tool would deploy, and the code to build.
///
/// Asks for files and environment variables that variables refer to; run again with the answers, it goes on.
///
/// Contract: Serverless Framework 3.40, `serverless package`.
#[must_use]
pub fn read(request: &ReadRequest, answers: &Answers) -> Step {
    let (root, mut problems) = match manifest(request, answers) {
        Ok(parsed) => parsed,
        Err(need) => return Step::Needs(vec![need]),
    };
    let Some(root) = root else {
        return Step::Done(Box::new(nothing(request, problems)));
    };
    let resolved = variables::resolve(root, request, answers);
    let open: Vec<Need> = resolved
        .needs
        .into_iter()
        .filter(|need| answers.get(need).is_none())
        .collect();
    if !open.is_empty() {
        return Step::Needs(open);
    }
    problems.extend(resolved.problems);
    let mut root = resolved.root;
    merge_lists(&mut root, &mut problems);
    Step::Done(Box::new(reading(root, request, problems)))
}

/// The logical id of the function with this key of `functions`.
///
/// Contract: Serverless Framework 3, Guide, "Resources", "AWS CloudFormation Resource Reference".
#[must_use]
pub fn function_logical_id(key: &str) -> String {
    naming::function(key)
}

/// Whether a text holds well-formed variables, or none: an entry for fuzzing, which must never panic.
#[must_use]
pub fn has_well_formed_variables(text: &str) -> bool {
    variables::is_well_formed(text)
}

/// The manifest as a tree, or what it takes to get it.
fn manifest(
    request: &ReadRequest,
    answers: &Answers,
) -> Result<(Option<Node>, Vec<Problem>), Need> {
    let file = request.manifest.as_str();
    let extension = file.rsplit('.').next().unwrap_or_default();
    let parsed = if matches!(extension, "js" | "cjs" | "mjs" | "ts") {
        let need = Need::Module(file.to_owned());
        let text = answers.get(&need).ok_or(need)?;
        let Some(text) = text else {
            let problem = Problem::error(
                "manifest::module-without-value",
                "the manifest exports nothing",
            )
            .at(&Place::start_of(file))
            .help("export the manifest: `module.exports = {…}`");
            return Ok((None, vec![problem]));
        };
        // A module's values are computed: none of them has a place of its own.
        let mut parsed = parse::json(file, text);
        let start = Place::start_of(file);
        parsed.node = parsed
            .node
            .map(|node| Node::from_json(&node.to_json(), &start));
        parsed
    } else if extension == "json" {
        parse::json(file, &request.text)
    } else {
        parse::yaml(file, &request.text, Dialect::ServerlessFramework)
    };
    let mut problems = parsed.problems;
    let root = parsed.node.filter(|node| {
        let is_mapping = node.as_mapping().is_some();
        if !is_mapping {
            problems.push(
                Problem::error(
                    "manifest::not-a-mapping",
                    format!("the manifest is {}", node.kind_name()),
                )
                .at(&node.place)
                .help("begin it with `service:` and `provider:`"),
            );
        }
        is_mapping
    });
    Ok((root, problems))
}

/// `functions` and `resources` may be lists of mappings, which are merged.
fn merge_lists(root: &mut Node, problems: &mut Vec<Problem>) {
    let Kind::Mapping(root) = &mut root.kind else {
        return;
    };
    for key in ["functions", "resources"] {
        let Some(node) = root.get_mut(key) else {
            continue;
        };
        let Kind::Sequence(items) = &node.kind else {
            continue;
        };
        let mut merged = Node::new(Kind::Mapping(Mapping::default()), &node.place);
        for item in items {
            match &item.kind {
                Kind::Mapping(_) => build::merge(&mut merged, item),
                Kind::Null => {}
                Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Sequence(_) => {
                    problems.push(
                        Problem::error(
                            "manifest::not-mergeable",
                            format!("{} cannot be merged into `{key}`", item.kind_name()),
                        )
                        .at(&item.place)
                        .help("each item of the list has to be a mapping"),
                    );
                }
            }
        }
        *node = merged;
    }
}

fn reading(mut root: Node, request: &ReadRequest, mut problems: Vec<Problem>) -> Reading {
    lift::expand(&mut root, &mut problems);
    keys::check(&mut root, &mut problems);
    plugins::check(&root, &mut problems);
    let Some(name) = service_name(&root, &mut problems) else {
        return nothing(request, problems);
    };
    if !is_cloud_known(&root, &mut problems) {
        return nothing(request, problems);
    }
    let service = Service::new(&root, name, request);
    let (template, template_problems) = template::write(&service);
    problems.extend(template_problems);
    let artefacts = artefacts::list(&service, &mut problems);
    Reading {
        stack: StackName::new(service.stack_name()),
        region: service.region.clone(),
        stage: Some(StageName::new(service.stage.clone())),
        template: Some(template),
        unbuilt: unbuilt(&problems).into_iter().collect(),
        parameters: stack_parameters(&service),
        artefacts,
        problems: in_order(problems, &request.manifest),
    }
}

/// What plugins, events and keys make that are not carried out could have any name.
fn unbuilt(problems: &[Problem]) -> Option<Unbuilt> {
    let codes = [
        "manifest::plugin-not-implemented",
        "manifest::event-not-implemented",
        "manifest::key-not-implemented",
    ];
    let mut found = codes
        .iter()
        .flat_map(|code| problems.iter().filter(move |it| it.code == *code));
    found.next().map(|problem| Unbuilt {
        prefix: String::new(),
        because: format!("it may belong to what is missing here: {}", problem.title),
        may_be_misspelt: true,
    })
}

/// A manifest from which nothing can be made.
fn nothing(request: &ReadRequest, problems: Vec<Problem>) -> Reading {
    let stage = request.stage.clone();
    let stage = stage.unwrap_or_else(|| STAGE_DEFAULT.to_owned());
    let region = request.region.clone();
    Reading {
        stack: StackName::new(format!("{}-{stage}", request.folder_name)),
        region: Region::new(region.unwrap_or_else(|| REGION_DEFAULT.to_owned())),
        stage: Some(StageName::new(stage)),
        template: None,
        unbuilt: Vec::new(),
        parameters: std::collections::BTreeMap::new(),
        artefacts: Vec::new(),
        problems: in_order(problems, &request.manifest),
    }
}

/// Problems of the manifest first, each file in its own order.
fn in_order(mut problems: Vec<Problem>, manifest: &str) -> Vec<Problem> {
    problems.sort_by_key(|problem| {
        let place = problem.place.clone();
        let is_elsewhere = place.as_ref().is_some_and(|place| &*place.file != manifest);
        (is_elsewhere, place)
    });
    problems.dedup();
    if PROBLEMS_MAX < problems.len() {
        let left_out = problems.len() - PROBLEMS_MAX;
        problems.truncate(PROBLEMS_MAX);
        // An error, since one may be among those: what is told apart by whether there are any must not go on.
        problems.push(
            Problem::error(
                "manifest::more-problems",
                format!("the manifest has {left_out} more problems"),
            )
            .help("mend the first ones, and look again"),
        );
    }
    problems
}

fn service_name(root: &Node, problems: &mut Vec<Problem>) -> Option<String> {
    let node = script::truthy(root.get("service"));
    let Some(node) = node else {
        let written = root.get("service").map(|node| &node.place);
        if written.is_some() && problems.iter().any(|known| known.place.as_ref() == written) {
            // Its variable has no value, and that was said.
            return None;
        }
        problems.push(
            Problem::error("manifest::no-service", "the manifest has no `service`")
                .at(&root.place)
                .because("the stack, its functions and its APIs are named after it")
                .help("add `service: my-service`"),
        );
        return None;
    };
    let (name, is_object) = match node.as_mapping() {
        Some(mapping) => (mapping.get("name"), true),
        None => (Some(node), false),
    };
    let name = name.and_then(script::text_of).unwrap_or_default();
    if is_object {
        problems.push(
            Problem::warning("manifest::service-as-object", "`service` is a mapping")
                .at(&node.place)
                .because("version 3 of the Serverless Framework takes a name alone; here, its `name` is read")
                .help(format!("write `service: {name}`")),
        );
    }
    let is_fit = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if !is_fit {
        problems.push(
            Problem::error(
                "manifest::service-name",
                format!("`{name}` cannot be a service's name"),
            )
            .at(&node.place)
            .because("stacks are named after it, and their names have letters, digits and `-`")
            .help("begin with a letter, and use letters, digits and `-`"),
        );
        return None;
    }
    Some(name)
}

/// Whether the provider is one that this front end reads.
fn is_cloud_known(root: &Node, problems: &mut Vec<Problem>) -> bool {
    let provider = root.get("provider");
    let node = match provider.map(|node| &node.kind) {
        Some(Kind::Mapping(mapping)) => mapping.get("name"),
        Some(_) | None => provider,
    };
    let name = node.and_then(script::text_of);
    if name.as_deref() == Some("aws") {
        return true;
    }
    let place = node.or(provider).map_or(&root.place, |node| &node.place);
    let problem = match name {
        None => Problem::error(
            "manifest::no-provider",
            "the manifest has no `provider.name`",
        )
        .help("add `provider: { name: aws }`"),
        Some(name) => Problem::error(
            "manifest::provider-not-implemented",
            format!("the provider `{name}` is not implemented yet"),
        )
        .because("of the Serverless Framework's providers, `aws` alone is read")
        .help("run the project with its provider's own manifest"),
    };
    problems.push(problem.at(place));
    false
}

/// `provider.stackParameters`.
fn stack_parameters(service: &Service<'_>) -> std::collections::BTreeMap<String, String> {
    let list = service
        .setting("stackParameters")
        .and_then(Node::as_sequence);
    list.unwrap_or_default()
        .iter()
        .filter_map(|parameter| {
            let key = parameter.get("ParameterKey").and_then(script::text_of)?;
            let value = parameter.get("ParameterValue").and_then(script::text_of)?;
            Some((key, value))
        })
        .collect()
}

/// How much a key that the tool would warn of takes away: the manifest itself decides.
fn severity_of_schema(root: &Node) -> Option<Severity> {
    match root.get("configValidationMode").and_then(Node::as_str) {
        Some("error") => Some(Severity::Error),
        Some("off") => None,
        Some(_) | None => Some(Severity::Warning),
    }
}
