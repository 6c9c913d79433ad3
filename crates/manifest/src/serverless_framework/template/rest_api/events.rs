//! `http` events in their short and long forms.
//!
//! Lives here: reading them, and what is wrong with them.
//! Does not live here: the resources that they become.

use cloudformation::node::Node;
use model::problem::{Place, Problem};

use crate::serverless_framework::script;
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::suggestion;

const METHODS: &[&str] = &[
    "GET", "POST", "PUT", "PATCH", "OPTIONS", "HEAD", "DELETE", "ANY",
];

/// Parts of one path. Each becomes a resource that is named after the whole way to it, so the template of a long path
/// would grow with its square. (API Gateway takes 300 resources in a whole API.)
const PATH_PARTS_MAX: usize = 100;

/// What to do about more.
pub(super) const SHORTER_PATH: &str =
    "use a shorter path: `{proxy+}` stands for all that may follow";

/// Whether a path can be written, or why not.
pub(super) fn check_length(path: &str) -> Result<(), String> {
    if PATH_PARTS_MAX < path.split('/').count() {
        return Err(format!("the path has more than {PATH_PARTS_MAX} parts"));
    }
    Ok(())
}

/// How API Gateway calls the function, or what else it calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integration {
    /// The function, with the whole request as its event.
    Function,
    /// The function, with an event that a template makes (`lambda`).
    Rewritten,
    /// Another server, with the request as it is.
    Server,
    /// Another server, with templates on the way.
    RewrittenServer,
    /// Nobody: templates alone answer.
    Mock,
}

/// One `http` event.
pub(super) struct Event<'a> {
    pub(super) function: Function<'a>,
    /// The long form; none if it was written in one line.
    options: Option<&'a Node>,
    /// Without slashes around it.
    pub(super) path: String,
    /// In upper case.
    pub(super) method: String,
    pub(super) integration: Integration,
    pub(super) place: Place,
}

impl<'a> Event<'a> {
    pub(super) fn option(&self, key: &str) -> Option<&'a Node> {
        script::truthy(self.options.and_then(|options| options.get(key)))
    }

    /// The event's request parameters, as API Gateway names them, each with its setting.
    pub(super) fn request_parameters(&self) -> Vec<(String, &'a Node)> {
        let all = self
            .option("request")
            .and_then(|request| request.get("parameters"));
        let mut parameters = Vec::new();
        for (group, name) in [
            ("querystrings", "querystring"),
            ("paths", "path"),
            ("headers", "header"),
        ] {
            let group = all
                .and_then(|all| all.get(group))
                .and_then(Node::as_mapping);
            for entry in group.into_iter().flatten() {
                parameters.push((format!("method.request.{name}.{}", entry.key), &entry.value));
            }
        }
        parameters
    }
}

/// Whether a request without the parameter is refused.
pub(super) fn is_required(setting: &Node) -> Node {
    if setting.as_mapping().is_none() {
        return setting.clone();
    }
    let required = script::present(setting.get("required")).cloned();
    required.unwrap_or_else(|| Node::new(cloudformation::node::Kind::Bool(true), &setting.place))
}

pub(super) fn read<'a>(service: &Service<'a>, problems: &mut Vec<Problem>) -> Vec<Event<'a>> {
    let mut events = Vec::new();
    for function in service.functions() {
        for event in function.events() {
            if let Some(http) = script::truthy(event.get("http")) {
                match one(function, http) {
                    Ok(event) => {
                        problems.extend(without_effect(&event));
                        events.push(event);
                    }
                    Err(problem) => problems.push(*problem),
                }
            }
        }
    }
    let is_fit = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if let (Some(first), false) = (events.first(), service.stage.chars().all(is_fit)) {
        let place = service
            .setting("stage")
            .map_or(&first.place, |node| &node.place);
        problems.push(
            Problem::error(
                "manifest::stage-name",
                format!("`{}` cannot be a stage's name", service.stage),
            )
            .at(place)
            .because("API Gateway takes letters, digits, `-` and `_`")
            .help("rename the stage"),
        );
    }
    check_unique(&events, problems);
    events
}

/// The tool lets the second event replace the first in silence; one of both functions would never be called.
fn check_unique(events: &[Event<'_>], problems: &mut Vec<Problem>) {
    let mut seen = std::collections::BTreeMap::new();
    for event in events {
        let key = (event.path.clone(), event.method.clone());
        if let Some(first) = seen.get(&key) {
            problems.push(
                Problem::error(
                    "manifest::duplicate-route",
                    format!(
                        "`{} /{}` stands here a second time",
                        event.method, event.path
                    ),
                )
                .at(&event.place)
                .because(format!("it is at {first} already, and the last one wins"))
                .help("remove one of them"),
            );
        } else {
            seen.insert(key, event.place.clone());
        }
    }
}

fn one<'a>(function: Function<'a>, http: &'a Node) -> Result<Event<'a>, Box<Problem>> {
    let wrong = |title: String, help: &str| {
        let problem = Problem::error("manifest::invalid-http-event", title);
        Box::new(problem.at(&http.place).help(help))
    };
    let (method, path, options) = match http.as_str() {
        Some(line) => {
            let (method, path) = line.split_once(' ').ok_or_else(|| {
                wrong(
                    format!("`{line}` is no method and path"),
                    "write it as `GET /pets/{id}`",
                )
            })?;
            let path = path.split(' ').next().unwrap_or_default();
            (method.to_owned(), path.to_owned(), None)
        }
        None => {
            let part = |key: &str| {
                let text = script::truthy(http.get(key)).and_then(script::text_of);
                text.ok_or_else(|| {
                    wrong(
                        format!("the `http` event has no `{key}`"),
                        "it needs both `path` and `method`",
                    )
                })
            };
            (part("method")?, part("path")?, Some(http))
        }
    };
    let method = method.to_uppercase();
    if !METHODS.contains(&method.as_str()) {
        return Err(wrong(
            format!("`{method}` is no method"),
            &suggestion::help(&method, METHODS),
        ));
    }
    let path = path.strip_prefix('/').unwrap_or(&path);
    let path = path.strip_suffix('/').unwrap_or(path);
    check_length(path).map_err(|title| wrong(title, SHORTER_PATH))?;
    let mut event = Event {
        function,
        options,
        path: path.to_owned(),
        method,
        integration: Integration::Function,
        place: http.place.clone(),
    };
    event.integration = integration(&event)?;
    Ok(event)
}

/// A proxy rewrites nothing: the tool takes out what an event says of it.
fn without_effect(event: &Event<'_>) -> Option<Problem> {
    if !matches!(
        event.integration,
        Integration::Function | Integration::Server
    ) {
        return None;
    }
    const REWRITES: [(&str, &[&str]); 2] = [
        (
            "request",
            &["template", "passThrough", "contentHandling", "method"],
        ),
        (
            "response",
            &["template", "headers", "statusCodes", "contentHandling"],
        ),
    ];
    let written = REWRITES.iter().find_map(|(of, keys)| {
        let of_node = event.option(of)?;
        keys.iter()
            .find_map(|key| Some((format!("{of}.{key}"), of_node.get(key)?)))
    });
    let (name, node) = written?;
    Some(
        Problem::warning(
            "manifest::template-without-effect",
            format!("`{name}` has no effect on this event"),
        )
        .at(&node.place)
        .because("a proxy hands requests and replies on as they are: the Serverless Framework takes this out, too")
        .help("remove it, or write `integration: lambda` (`http` for another server)"),
    )
}

fn integration(event: &Event<'_>) -> Result<Integration, Box<Problem>> {
    let Some(node) = event.option("integration") else {
        return Ok(match event.option("async") {
            None => Integration::Function,
            Some(_) => Integration::Rewritten,
        });
    };
    let wrong = |title: &str, help: &str| {
        let problem = Problem::error("manifest::invalid-http-event", title);
        Err(Box::new(problem.at(&node.place).help(help)))
    };
    let part = |of: &str, key: &str| {
        let part = event.option(of).and_then(|of| of.get(key));
        script::truthy(part).is_some()
    };
    let name = script::text_of(node).unwrap_or_default();
    match name.to_uppercase().replacen('-', "_", 1).as_str() {
        "LAMBDA_PROXY" | "AWS_PROXY" => Ok(Integration::Function),
        "LAMBDA" | "AWS" => Ok(Integration::Rewritten),
        "HTTP_PROXY" | "HTTP" if !part("request", "uri") => wrong(
            "an HTTP integration needs `request.uri`",
            "say where requests go",
        ),
        "HTTP_PROXY" => Ok(Integration::Server),
        "HTTP" if event.option("response").is_none() => wrong(
            "an HTTP integration that is no proxy needs `response`",
            "say what clients see of each status, or use `http-proxy`: the tool fails without it",
        ),
        "HTTP" => Ok(Integration::RewrittenServer),
        "MOCK" if !part("response", "statusCodes") => wrong(
            "a mock integration needs `response.statusCodes`",
            "say what clients see: the tool fails without it, or makes a method that never answers",
        ),
        "MOCK" => Ok(Integration::Mock),
        _unknown => wrong(
            &format!("no integration is called `{name}`"),
            &suggestion::help(
                &name,
                &["lambda-proxy", "lambda", "http", "http-proxy", "mock"],
            ),
        ),
    }
}
