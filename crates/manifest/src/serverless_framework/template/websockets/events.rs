//! `websocket` events in their short and long forms.
//!
//! Lives here: reading them, their authorizers, and what is wrong with them.
//! Does not live here: the resources that they become.

use cloudformation::node::{Kind, Node};
use model::problem::{Place, Problem};

use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::{script, suggestion};

/// By which part of a request an authorizer knows who connects, when the manifest does not say.
const SOURCE: &str = "route.request.header.Auth";

/// One route.
pub(super) struct Route<'a> {
    pub(super) function: Function<'a>,
    pub(super) key: String,
    /// Whether whoever sends a message gets what its function answers.
    pub(super) has_response: bool,
    pub(super) authorizer: Option<Authorizer<'a>>,
    /// Whether it names an authorizer that there is not.
    pub(super) is_shut: bool,
    pub(super) place: Place,
}

/// Who is asked about those who connect.
pub(super) struct Authorizer<'a> {
    pub(super) name: String,
    /// The function of this manifest, if it is one.
    pub(super) function: Option<Function<'a>>,
    pub(super) target: Node,
    pub(super) sources: Vec<Node>,
    pub(super) place: Place,
}

pub(super) fn read<'a>(service: &Service<'a>, problems: &mut Vec<Problem>) -> Vec<Route<'a>> {
    let mut routes: Vec<Route<'_>> = Vec::new();
    for function in service.functions() {
        for event in function.events() {
            let Some(event) = script::truthy(event.get("websocket")) else {
                continue;
            };
            let Some(route) = one(service, function, event, problems) else {
                continue;
            };
            // Of several of one key the tool keeps the last: what it writes has the same name.
            if let Some(index) = routes.iter().position(|known| known.key == route.key) {
                problems.push(duplicate(&route));
                routes.remove(index);
            }
            routes.push(route);
        }
    }
    routes
}

fn duplicate(route: &Route<'_>) -> Problem {
    Problem::warning(
        "manifest::duplicate-route",
        format!("the route `{}` stands here a second time", route.key),
    )
    .at(&route.place)
    .because("a WebSocket API has each route once: the Serverless Framework keeps the last")
    .help("remove one of them")
}

fn one<'a>(
    service: &Service<'a>,
    function: Function<'a>,
    event: &'a Node,
    problems: &mut Vec<Problem>,
) -> Option<Route<'a>> {
    let wrong = |title: &str, help: &str| {
        let problem = Problem::error("manifest::invalid-websocket-event", title);
        problem.at(&event.place).help(help)
    };
    let key = event.as_str().map(str::to_owned);
    let key = key.or_else(|| script::truthy(event.get("route")).and_then(script::text_of));
    let Some(key) = key else {
        problems.push(wrong(
            "the `websocket` event has no `route`",
            "set `route`, as `$connect`, `$default`, or the value that messages choose it by",
        ));
        return None;
    };
    let response = script::truthy(event.get("routeResponseSelectionExpression"));
    if response.is_some_and(|response| response.as_str() != Some("$default")) {
        problems.push(wrong(
            "`routeResponseSelectionExpression` is not `$default`",
            "API Gateway knows no other: write `$default`, or leave it out",
        ));
    }
    let mut is_shut = false;
    let authorizer = script::truthy(event.get("authorizer"));
    let authorizer = authorizer.and_then(|node| match authorizer_of(service, node) {
        Ok(authorizer) => Some(authorizer),
        Err(problem) => {
            problems.push(*problem);
            is_shut = true;
            None
        }
    });
    Some(Route {
        function,
        key,
        has_response: response.is_some(),
        authorizer,
        is_shut,
        place: event.place.clone(),
    })
}

fn authorizer_of<'a>(
    service: &Service<'a>,
    node: &'a Node,
) -> Result<Authorizer<'a>, Box<Problem>> {
    let place = &node.place;
    let wrong = |title: String, help: String| {
        let problem = Problem::error("manifest::invalid-authorizer", title);
        Box::new(problem.at(place).help(help))
    };
    let option = |key: &str| script::truthy(node.get(key));
    let sources = match option("identitySource") {
        Some(Node {
            kind: Kind::Sequence(items),
            ..
        }) => items.clone(),
        Some(one) => vec![one.clone()],
        None => vec![Node::string(SOURCE, place)],
    };
    let by_arn = |arn: &Node, name: String| Authorizer {
        name,
        function: None,
        target: arn.clone(),
        sources: sources.clone(),
        place: place.clone(),
    };
    let named = |name: &str| {
        let function = service.function(name).ok_or_else(|| {
            let known: Vec<&str> = service.functions().map(|function| function.key).collect();
            wrong(
                format!("no function is called `{name}`"),
                suggestion::help(name, &known),
            )
        })?;
        Ok(Authorizer {
            name: name.to_owned(),
            function: Some(function),
            target: function.target(place),
            sources: sources.clone(),
            place: place.clone(),
        })
    };
    match (node.as_str(), option("arn"), option("name")) {
        (Some(arn), _, _) if arn.contains(':') => Ok(by_arn(node, last_part(arn))),
        (Some(name), _, _) => named(name),
        (None, Some(arn), name) => match (arn.as_str(), name.and_then(script::text_of)) {
            (Some(text), _) => Ok(by_arn(arn, last_part(text))),
            (None, Some(name)) => Ok(by_arn(arn, name)),
            (None, None) => Err(wrong(
                "the authorizer's `arn` is computed, and it has no `name`".to_owned(),
                "set `name` besides".to_owned(),
            )),
        },
        (None, None, Some(name)) => named(&script::text_of(name).unwrap_or_default()),
        (None, None, None) => Err(wrong(
            "the authorizer names no function".to_owned(),
            "set `name` to a function of this manifest, or `arn`".to_owned(),
        )),
    }
}

/// The name of a function in its ARN.
fn last_part(arn: &str) -> String {
    arn.rsplit(':').next().unwrap_or(arn).to_owned()
}
