//! `OPTIONS` methods that answer browsers, for events with `cors`.
//!
//! Lives here: merging the settings of a path's events, and the mock that replies.
//! Does not live here: headers of other replies, which functions set themselves.

use cloudformation::node::{Kind, Node};
use model::problem::Place;
use serde_json::json;

use super::events::Event;
use super::paths::Paths;
use super::service_proxies::Proxy;
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::Service;
use crate::serverless_framework::template::Draft;
use crate::serverless_framework::{naming, script};

/// Headers that browsers may send when the manifest names none.
const HEADERS_DEFAULT: &[&str] = &[
    "Content-Type",
    "X-Amz-Date",
    "Authorization",
    "X-Api-Key",
    "X-Amz-Security-Token",
    "X-Amz-User-Agent",
    TRACE_HEADER,
];

/// The newest of them, which not all plugins know.
const TRACE_HEADER: &str = "X-Amzn-Trace-Id";

/// What `ANY` stands for in a list of methods.
const METHODS_OF_ANY: &str = "DELETE,GET,HEAD,PATCH,POST,PUT";

/// The settings of one path.
struct Preflight {
    path: String,
    place: Place,
    origin: Option<String>,
    origins: Vec<String>,
    headers: Vec<String>,
    methods: Vec<String>,
    allows_credentials: bool,
    max_age: Option<String>,
    cache_control: Option<String>,
}

/// Writes the methods and returns their logical ids.
pub(super) fn write(
    service: &Service<'_>,
    events: &[Event<'_>],
    paths: &Paths,
    draft: &mut Draft,
) -> Vec<String> {
    let all = events
        .iter()
        .filter_map(|event| Some(preflight(event, event.option("cors")?)));
    write_united(service, all.collect(), paths, draft)
}

/// The same for service proxies, which have them apart from events: where both have one, both are merged.
pub(super) fn write_for_proxies(
    service: &Service<'_>,
    proxies: &[Proxy<'_>],
    paths: &Paths,
    draft: &mut Draft,
) -> Vec<String> {
    let all = proxies
        .iter()
        .filter_map(|proxy| Some(preflight_of_proxy(proxy, proxy.cors()?)));
    write_united(service, all.collect(), paths, draft)
}

fn write_united(
    service: &Service<'_>,
    all: Vec<Preflight>,
    paths: &Paths,
    draft: &mut Draft,
) -> Vec<String> {
    let mut preflights: Vec<Preflight> = Vec::new();
    for newer in all {
        match preflights.iter_mut().find(|older| older.path == newer.path) {
            Some(older) => combine(older, newer),
            None => preflights.push(newer),
        }
    }
    let mut ids = Vec::new();
    for preflight in preflights {
        let id = naming::rest_method(&preflight.path, "options");
        draft.merge(&id, method(service, &preflight, paths));
        ids.push(id);
    }
    ids
}

fn preflight(event: &Event<'_>, cors: &Node) -> Preflight {
    let text = |key: &str| script::truthy(cors.get(key)).and_then(script::text_of);
    let origins = script::truthy(cors.get("origins"));
    Preflight {
        origin: text("origin").or_else(|| origins.is_none().then(|| "*".to_owned())),
        origins: origins.map_or_else(Vec::new, texts),
        ..described(cors, HEADERS_DEFAULT, (&event.path, &event.method))
    }
}

/// The plugin falls back to all origins beside those of a list, and in the short form has them in a list, too.
fn preflight_of_proxy(proxy: &Proxy<'_>, cors: &Node) -> Preflight {
    let any = || "*".to_owned();
    let text = |key: &str| script::truthy(cors.get(key)).and_then(script::text_of);
    let origins = match cors.as_mapping() {
        Some(_) => script::truthy(cors.get("origins")).map_or_else(Vec::new, texts),
        None => vec![any()],
    };
    let headers: Vec<&str> = HEADERS_DEFAULT
        .iter()
        .filter(|name| **name != TRACE_HEADER)
        .copied()
        .collect();
    Preflight {
        origin: Some(text("origin").unwrap_or_else(any)),
        origins,
        ..described(cors, &headers, (&proxy.path, &proxy.method))
    }
}

/// All but the origins.
fn described(cors: &Node, headers: &[&str], (path, method): (&str, &str)) -> Preflight {
    let option = |key: &str| script::truthy(cors.get(key));
    let text = |key: &str| option(key).and_then(script::text_of);
    let default = headers.iter().map(ToString::to_string).collect();
    let mut methods = option("methods").map_or_else(Vec::new, texts);
    for method in ["OPTIONS", method] {
        if methods.iter().all(|known| known != method) {
            methods.push(method.to_owned());
        }
    }
    Preflight {
        path: path.to_owned(),
        place: cors.place.clone(),
        origin: None,
        origins: Vec::new(),
        headers: option("headers").map_or(default, texts),
        methods,
        allows_credentials: option("allowCredentials").is_some(),
        max_age: text("maxAge"),
        cache_control: text("cacheControl"),
    }
}

/// Several events of one path share one method: lists are united, of single values the last one wins.
fn combine(older: &mut Preflight, newer: Preflight) {
    let union = |first: Vec<String>, second: &mut Vec<String>| {
        let mut united: Vec<String> = Vec::new();
        for item in first.into_iter().chain(std::mem::take(second)) {
            if !united.contains(&item) {
                united.push(item);
            }
        }
        *second = united;
    };
    union(newer.headers, &mut older.headers);
    union(newer.methods, &mut older.methods);
    union(newer.origins, &mut older.origins);
    older.origin = newer.origin;
    older.allows_credentials |= newer.allows_credentials;
    older.max_age = newer.max_age.or(older.max_age.take());
    older.cache_control = newer.cache_control.or(older.cache_control.take());
}

fn method(service: &Service<'_>, preflight: &Preflight, paths: &Paths) -> Object {
    let place = &preflight.place;
    let origins = origins(preflight);
    let mut declared = Object::new(place);
    let mut values = Object::new(place);
    for (name, value) in headers(preflight, &origins) {
        let parameter = format!("method.response.header.{name}");
        declared.set(&parameter, true);
        values.set(&parameter, format!("'{value}'"));
    }
    let template = if origins.is_empty() {
        String::new()
    } else {
        origin_template(&origins)
    };
    let templates = Object::new(place).with("application/json", template);
    let reply = Object::new(place)
        .with("StatusCode", "200")
        .with("ResponseParameters", values)
        .with("ResponseTemplates", templates);
    let integration = Object::new(place)
        .with("Type", "MOCK")
        .with(
            "RequestTemplates",
            json!({"application/json": "{statusCode:200}"}),
        )
        .with("ContentHandling", "CONVERT_TO_TEXT")
        .with("IntegrationResponses", vec![reply]);
    let response = Object::new(place)
        .with("StatusCode", "200")
        .with("ResponseParameters", declared)
        .with("ResponseModels", json!({}));
    let properties = Object::new(place)
        .with("AuthorizationType", "NONE")
        .with("HttpMethod", "OPTIONS")
        .with("MethodResponses", vec![response])
        .with("RequestParameters", json!({}))
        .with("Integration", integration)
        .with("ResourceId", paths.id(&preflight.path))
        .with("RestApiId", service.rest_api_id(place));
    build::resource("AWS::ApiGateway::Method", properties)
}

/// Several origins: as a list, or as one text with commas.
fn origins(preflight: &Preflight) -> Vec<String> {
    match &preflight.origin {
        Some(origin) if origin.contains(',') => origin
            .split(',')
            .map(|part| part.trim().to_owned())
            .collect(),
        Some(_) | None => preflight.origins.clone(),
    }
}

fn headers(preflight: &Preflight, origins: &[String]) -> Vec<(&'static str, String)> {
    let origin = origins.first().or(preflight.origin.as_ref()).cloned();
    let methods = preflight.methods.join(",");
    let methods = if preflight.methods.iter().any(|method| method == "ANY") {
        methods.replacen("ANY", METHODS_OF_ANY, 1)
    } else {
        methods
    };
    let mut headers = vec![
        ("Access-Control-Allow-Origin", origin.unwrap_or_default()),
        ("Access-Control-Allow-Headers", preflight.headers.join(",")),
        ("Access-Control-Allow-Methods", methods),
    ];
    if preflight.allows_credentials {
        headers.push(("Access-Control-Allow-Credentials", "true".to_owned()));
    }
    let age = preflight.max_age.clone();
    let cache = preflight.cache_control.clone();
    headers.extend(age.map(|age| ("Access-Control-Max-Age", age)));
    headers.extend(cache.map(|value| ("Cache-Control", value)));
    headers
}

/// A template that names the origin of the request, if it is one of these; `*` stands for any letters.
///
/// Contract: API Gateway Developer Guide, "Mapping template reference", `$context.responseOverride`.
fn origin_template(origins: &[String]) -> String {
    let tests: Vec<String> = origins
        .iter()
        .map(|origin| {
            let pattern = origin.replace('.', "[.]").replacen('*', ".+", 1);
            format!("$origin.matches(\"{pattern}\")")
        })
        .collect();
    let take = "#set($origin = $input.params(\"Origin\"))";
    let take_lower = "#if($origin == \"\") #set($origin = $input.params(\"origin\")) #end";
    let answer = "#set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)";
    format!(
        "{take}\n{take_lower}\n#if({}) {answer} #end",
        tests.join(" || ")
    )
}

fn texts(node: &Node) -> Vec<String> {
    match &node.kind {
        Kind::Sequence(items) => items.iter().filter_map(script::text_of).collect(),
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Mapping(_) => {
            script::text_of(node).into_iter().collect()
        }
    }
}
