//! The OpenAPI definition of an API, while events add to it.
//!
//! Lives here: skeletons, paths, integrations, what guards a method, preflights.
//! Does not live here: the resources around it (`rest_api`, `http_api`), which events there are (`events`).
//!
//! Contract: AWS SAM Developer Guide, "AWS::Serverless::Api" and "AWS::Serverless::HttpApi"; the SAM transform's output.

use cloudformation::node::{Kind, Mapping, Node};
use model::problem::Place;
use serde_json::json;

use super::nodes::{inner, is_intrinsic, json, mapping, only_if, reference, single, text};

pub(super) const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
pub(super) const INTEGRATION: &str = "x-amazon-apigateway-integration";
const METHODS: [&str; 8] = [
    "delete", "get", "head", "options", "patch", "post", "put", ANY_METHOD,
];

/// The definition of an API that events alone describe.
pub(super) fn skeleton(version_key: &str, version: &str, place: &Place) -> Node {
    let info = mapping(
        [
            ("version", text("1.0", place)),
            ("title", reference("AWS::StackName", place)),
        ],
        place,
    );
    mapping(
        [
            (version_key, text(version, place)),
            ("info", info),
            ("paths", mapping([], place)),
        ],
        place,
    )
}

/// A method's key in a definition.
pub(super) fn method_key(method: &str) -> String {
    let lower = method.to_ascii_lowercase();
    if lower == "any" {
        ANY_METHOD.to_owned()
    } else {
        lower
    }
}

/// The mapping at the top of a definition.
pub(super) fn top(definition: &mut Node) -> Option<&mut Mapping> {
    match &mut definition.kind {
        Kind::Mapping(mapping) => Some(mapping),
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Sequence(_) => {
            None
        }
    }
}

/// What an event adds to a definition.
pub(super) struct Route<'e> {
    pub(super) path: &'e str,
    /// As `method_key` gives it.
    pub(super) method: &'e str,
    /// The members of the integration.
    pub(super) integration: Node,
    /// What the method has besides.
    pub(super) extras: Vec<(&'e str, Node)>,
    pub(super) condition: Option<&'e str>,
}

/// Whether a route was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// It was added.
    New,
    /// The method has an integration of its own, which was kept.
    Kept,
}

/// Adds a route; a method that has an integration keeps it.
pub(super) fn add_route(definition: &mut Node, route: Route<'_>, place: &Place) -> Added {
    let Some(item) = top(definition)
        .and_then(|top| inner(top, "paths", place))
        .and_then(|paths| inner(paths, route.path, place))
    else {
        return Added::Kept;
    };
    if item.get(route.method).is_some_and(has_integration) {
        return Added::Kept;
    }
    let Some(method) = inner(item, route.method, place) else {
        return Added::Kept;
    };
    method.set(INTEGRATION, place, route.integration);
    if method.get("responses").is_none() {
        method.set("responses", place, mapping([], place));
    }
    for (name, value) in route.extras {
        method.set(name, place, value);
    }
    if let Some(condition) = route.condition
        && let Some(whole) = item.get_mut(route.method)
    {
        *whole = only_if(condition, whole.clone(), place);
    }
    Added::New
}

fn has_integration(method: &Node) -> bool {
    is_intrinsic(method) || method.get(INTEGRATION).is_some()
}

/// Calls `change` with each method of each path: path, key, and the method's mapping below its conditions.
pub(super) fn each_method(definition: &mut Node, change: &mut dyn FnMut(&str, &str, &mut Mapping)) {
    let Some(Kind::Mapping(paths)) = top(definition)
        .and_then(|top| top.get_mut("paths"))
        .map(|node| &mut node.kind)
    else {
        return;
    };
    let names: Vec<String> = paths.iter().map(|entry| entry.key.clone()).collect();
    for path in names {
        let Some(item) = paths.get_mut(&path) else {
            continue;
        };
        below_conditions(item, &mut |item| {
            for key in METHODS {
                if let Some(method) = item.get_mut(key) {
                    below_conditions(method, &mut |method| change(&path, key, method));
                }
            }
        });
    }
}

/// Calls `change` with the mapping, or with those in the branches of an `Fn::If`.
fn below_conditions(node: &mut Node, change: &mut dyn FnMut(&mut Mapping)) {
    let conditional = single(node).is_some_and(|(key, _)| key == "Fn::If");
    let Kind::Mapping(members) = &mut node.kind else {
        return;
    };
    if conditional {
        if let Some(Kind::Sequence(branches)) = members.get_mut("Fn::If").map(|node| &mut node.kind)
        {
            for branch in branches.iter_mut().skip(1) {
                if !is_intrinsic(branch) || single(branch).is_some_and(|(key, _)| key == "Fn::If") {
                    below_conditions(branch, change);
                }
            }
        }
    } else if !members.is_empty() && members.get("Ref").is_none() {
        change(members);
    }
}

/// Whether preflights are guarded, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preflights {
    /// They are.
    Guarded,
    /// They are not.
    Open,
}

/// `Cors` of a REST API: the values of its headers, quoted as API Gateway wants them.
#[derive(Debug, Default)]
pub(super) struct Cors {
    pub(super) origin: Option<Node>,
    pub(super) headers: Option<Node>,
    pub(super) methods: Option<Node>,
    pub(super) max_age: Option<Node>,
    pub(super) allow_credentials: bool,
}

/// Adds a preflight to each path that has none.
pub(super) fn add_preflights(definition: &mut Node, cors: &Cors, place: &Place) {
    let Some(Kind::Mapping(paths)) = top(definition)
        .and_then(|top| top.get_mut("paths"))
        .map(|node| &mut node.kind)
    else {
        return;
    };
    let names: Vec<String> = paths.iter().map(|entry| entry.key.clone()).collect();
    let mut done: Vec<String> = Vec::new();
    for path in names {
        // API Gateway takes a path with and one without a slash at its end for the same resource.
        let plain = path.trim_end_matches('/').to_owned();
        if done.contains(&plain) {
            continue;
        }
        done.push(plain);
        if let Some(item) = paths.get_mut(&path) {
            below_conditions(item, &mut |item| {
                if item.get("options").is_none() {
                    let preflight = preflight(item, cors, place);
                    item.set("options", place, preflight);
                }
            });
        }
    }
}

fn preflight(item: &Mapping, cors: &Cors, place: &Place) -> Node {
    let methods = cors
        .methods
        .clone()
        .unwrap_or_else(|| text(allowed_methods(item), place));
    let credentials = cors.allow_credentials.then(|| text("'true'", place));
    let headers = [
        ("Access-Control-Allow-Origin", cors.origin.clone(), "string"),
        (
            "Access-Control-Allow-Headers",
            cors.headers.clone(),
            "string",
        ),
        ("Access-Control-Allow-Methods", Some(methods), "string"),
        ("Access-Control-Max-Age", cors.max_age.clone(), "integer"),
        ("Access-Control-Allow-Credentials", credentials, "string"),
    ];
    let mut parameters = Mapping::default();
    let mut types = Mapping::default();
    for (name, value, kind) in headers {
        if let Some(value) = value {
            parameters.set(&format!("method.response.header.{name}"), place, value);
            types.set(name, place, json(&json!({"type": kind}), place));
        }
    }
    let reply = mapping(
        [
            ("statusCode", text("200", place)),
            (
                "responseParameters",
                Node::new(Kind::Mapping(parameters), place),
            ),
            (
                "responseTemplates",
                json(&json!({"application/json": "{}\n"}), place),
            ),
        ],
        place,
    );
    let templates = json!({"application/json": "{\n  \"statusCode\" : 200\n}\n"});
    let integration = mapping(
        [
            ("type", text("mock", place)),
            ("requestTemplates", json(&templates, place)),
            ("responses", mapping([("default", reply)], place)),
        ],
        place,
    );
    let described = mapping(
        [
            (
                "description",
                text("Default response for CORS method", place),
            ),
            ("headers", Node::new(Kind::Mapping(types), place)),
        ],
        place,
    );
    mapping(
        [
            ("summary", text("CORS support", place)),
            ("consumes", json(&json!(["application/json"]), place)),
            ("produces", json(&json!(["application/json"]), place)),
            (INTEGRATION, integration),
            ("responses", mapping([("200", described)], place)),
        ],
        place,
    )
}

/// Swagger 2.0 says in an operation what OpenAPI 3 says in its responses.
pub(super) fn modernise_preflights(definition: &mut Node, place: &Place) {
    if definition.get("openapi").is_none() {
        return;
    }
    each_method(definition, &mut |_, key, method| {
        if key != "options" {
            return;
        }
        method.remove("consumes");
        method.remove("produces");
        let Some(Kind::Mapping(replies)) = method.get_mut("responses").map(|node| &mut node.kind)
        else {
            return;
        };
        let Some(Kind::Mapping(reply)) = replies.get_mut("200").map(|node| &mut node.kind) else {
            return;
        };
        let Some(Kind::Mapping(headers)) = reply.get_mut("headers").map(|node| &mut node.kind)
        else {
            return;
        };
        let described = headers.clone();
        for header in &described {
            let schema = mapping([("schema", header.value.clone())], place);
            headers.set(&header.key, place, schema);
        }
    });
}

/// The methods of a path, `OPTIONS` among them; all that there are when it has `ANY`.
fn allowed_methods(item: &Mapping) -> String {
    if item.get(ANY_METHOD).is_some() {
        return "'DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT'".to_owned();
    }
    let mut methods: Vec<String> = item
        .iter()
        .map(|entry| entry.key.to_ascii_uppercase())
        .collect();
    methods.push("OPTIONS".to_owned());
    methods.sort();
    format!("'{}'", methods.join(","))
}
