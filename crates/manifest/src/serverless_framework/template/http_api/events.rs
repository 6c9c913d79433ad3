//! `httpApi` events in their short and long forms.
//!
//! Lives here: reading them, and what is wrong with them.
//! Does not live here: the resources that they become.

use cloudformation::node::Node;
use model::problem::{Place, Problem};

use crate::serverless_framework::script;
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::suggestion;

const METHODS: &[&str] = &[
    "ANY", "GET", "POST", "PUT", "PATCH", "OPTIONS", "HEAD", "DELETE",
];

/// How long a function may take before its HTTP API gives up, in seconds.
const TIMEOUT_SECONDS_MAX: f64 = 30.0;

/// One route.
pub(super) struct Route<'a> {
    pub(super) function: Function<'a>,
    /// `GET /pets`, or `*` for all that no other route takes.
    pub(super) key: String,
    pub(super) authorizer: Option<&'a Node>,
    pub(super) place: Place,
}

pub(super) fn read<'a>(service: &Service<'a>, problems: &mut Vec<Problem>) -> Vec<Route<'a>> {
    let mut routes: Vec<Route<'_>> = Vec::new();
    for function in service.functions() {
        let mut is_called = false;
        for event in function.events() {
            let Some(event) = script::truthy(event.get("httpApi")) else {
                continue;
            };
            match one(function, event) {
                Err(problem) => problems.push(*problem),
                Ok(route) => match routes.iter().position(|known| known.key == route.key) {
                    Some(_) if route.key != "*" => problems.push(duplicate(&route)),
                    // Of several catch-alls the tool keeps the last.
                    Some(index) => {
                        problems.push(duplicate(&route));
                        routes.remove(index);
                        routes.push(route);
                    }
                    None => routes.push(route),
                },
            }
            is_called = true;
        }
        if is_called {
            problems.extend(slow(service, function));
        }
    }
    routes
}

/// The methods of all routes, as browsers may use them.
pub(super) fn methods(routes: &[Route<'_>]) -> Vec<&'static str> {
    let mut methods = vec!["OPTIONS"];
    for route in routes {
        let method = route.key.split(' ').next().unwrap_or_default();
        let is_any = matches!(method, "*" | "ANY");
        for known in METHODS {
            let is_meant = if is_any {
                *known != "ANY"
            } else {
                *known == method
            };
            if is_meant && !methods.contains(known) {
                methods.push(known);
            }
        }
    }
    methods
}

fn duplicate(route: &Route<'_>) -> Problem {
    Problem::error(
        "manifest::duplicate-route",
        format!("the route `{}` stands here a second time", route.key),
    )
    .at(&route.place)
    .because("an HTTP API has each route once, and the Serverless Framework refuses this")
    .help("remove one of them")
}

fn slow(service: &Service<'_>, function: Function<'_>) -> Option<Problem> {
    let timeout = function.or_provider("timeout", service)?;
    let seconds: f64 = script::text_of(timeout)?.parse().ok()?;
    (TIMEOUT_SECONDS_MAX <= seconds).then(|| {
        Problem::warning(
            "manifest::timeout-over-http-api",
            format!(
                "the function `{}` may run for {seconds} seconds",
                function.key
            ),
        )
        .at(&timeout.place)
        .because("its HTTP API answers 503 after 30 seconds, whatever the function does")
        .help("set a timeout below 30 seconds, or let the caller fetch the result later")
    })
}

fn one<'a>(function: Function<'a>, event: &'a Node) -> Result<Route<'a>, Box<Problem>> {
    let wrong = |title: String, help: &str| {
        let problem = Problem::error("manifest::invalid-http-api-event", title);
        Box::new(problem.at(&event.place).help(help))
    };
    let text = |key: &str| script::truthy(event.get(key)).and_then(script::text_of);
    let (method, path) = match event.as_str() {
        Some("*") => (None, "*".to_owned()),
        Some(line) => {
            let parts = line.split_once(' ');
            let fits = parts.filter(|(_, path)| path.starts_with('/') && !path.contains(' '));
            let (method, path) = fits.ok_or_else(|| {
                wrong(
                    format!("`{line}` is no method and path"),
                    "write it as `GET /pets/{id}`, or `*` for everything else",
                )
            })?;
            (Some(method.to_owned()), path.to_owned())
        }
        None => {
            let path = text("path").ok_or_else(|| {
                wrong(
                    "the `httpApi` event has no `path`".to_owned(),
                    "set `path`, as `/pets/{id}`",
                )
            })?;
            (text("method"), path)
        }
    };
    let key = match (method.as_deref(), path.as_str()) {
        (None | Some("*"), "*") => "*".to_owned(),
        (Some(_), "*") => {
            return Err(wrong(
                "the path `*` takes no method".to_owned(),
                "leave the method out, or write a path, as `/{proxy+}`",
            ));
        }
        (None, _) => {
            return Err(wrong(
                "the `httpApi` event has no `method`".to_owned(),
                "set `method`, as `GET` or `ANY`",
            ));
        }
        (Some("*"), path) => format!("ANY {path}"),
        (Some(method), path) => {
            let method = method.to_uppercase();
            if !METHODS.contains(&method.as_str()) {
                return Err(wrong(
                    format!("`{method}` is no method"),
                    &suggestion::help(&method, METHODS),
                ));
            }
            format!("{method} {path}")
        }
    };
    Ok(Route {
        function,
        key,
        authorizer: script::truthy(event.get("authorizer")),
        place: event.place.clone(),
    })
}
