//! Events of a function: `Api` and `HttpApi` here. Those that nobody writes are reported; the function is deployed without them.
//!
//! Lives here: what an event adds to its API's definition.
//! Does not live here: mappings from sources (`pull`), what other services call with (`push`), permissions (`permissions`), the APIs themselves (`apis`, `rest_api`, `http_api`).
//!
//! Contract: AWS SAM Developer Guide, "EventSource", "Api" and "HttpApi".

use cloudformation::node::{Mapping, Node};
use model::problem::Place;

use super::apis::{self, Api, ApiKind, Apis, Authorship};
use super::context::{Context, Declared};
use super::definition::{self, Added, Route};
use super::function::Target;
use super::nodes::{
    inner, json, list, mapping, only_if, reference, referred, single, substitution, text,
};
use super::{auth, door, permissions, pull, push};
use serde_json::json;

const INVALID: &str = "manifest::invalid-event";
pub(super) const DEFAULT_PATH: &str = "$default";

const OTHERS: [&str; 10] = [
    "AlexaSkill",
    "Cognito",
    "DocumentDB",
    "IoTRule",
    "MQ",
    "MSK",
    "SelfManagedKafka",
    "SelfManagedActiveMQ",
    "SelfManagedRabbitMQ",
    "StreamProcessor",
];

const API_PROPERTIES: [&str; 9] = [
    "Auth",
    "Method",
    "Path",
    "RequestModel",
    "RequestParameters",
    "ResponseTransferMode",
    "RestApiId",
    "Stage",
    "TimeoutInMillis",
];
const HTTP_API_PROPERTIES: [&str; 8] = [
    "ApiId",
    "Auth",
    "Method",
    "Path",
    "PayloadFormatVersion",
    "RouteSettings",
    "Stage",
    "TimeoutInMillis",
];

/// One `Api` or `HttpApi` event.
pub(super) struct Event<'e> {
    pub(super) name: &'e str,
    pub(super) kind: ApiKind,
    pub(super) properties: Mapping,
    pub(super) place: &'e Place,
    pub(super) path: String,
    pub(super) method: String,
}

/// Makes the implicit API of a kind, with the properties that `Globals` gives it.
pub(super) type MakeImplicit<'m, 'n> = dyn Fn(ApiKind) -> Api<'n> + 'm;

/// Adds all events of a function.
pub(super) fn transform<'n>(
    declared: &Declared<'_>,
    target: &Target,
    apis: &mut Apis<'n>,
    make_implicit: &MakeImplicit<'_, 'n>,
    context: &mut Context<'_>,
) {
    let Some(events) = declared.get("Events") else {
        return;
    };
    let Some(events) = events.as_mapping() else {
        context.invalid(INVALID, "`Events` is not a mapping", &events.place);
        return;
    };
    let mut read: Vec<Event<'_>> = Vec::new();
    for entry in events {
        let event_of = (entry.key.as_str(), &entry.value, &entry.key_place);
        if pull::write(declared, target, event_of, context)
            || push::write(declared, target, event_of, context)
        {
            continue;
        }
        if let Some(event) = event(
            declared,
            &entry.key,
            &entry.value,
            &entry.key_place,
            context,
        ) {
            read.push(event);
        }
    }
    // Paths stand in the definition in the order of the events.
    for event in &read {
        prepare(event, apis, make_implicit);
    }
    // `$default` sorts before every path: its permission covers the others of its function.
    read.sort_by(|left, right| left.path.cmp(&right.path));
    for event in read {
        add(declared, target, &event, apis, context);
    }
}

fn event<'e>(
    declared: &Declared<'_>,
    name: &'e str,
    node: &'e Node,
    place: &'e Place,
    context: &mut Context<'_>,
) -> Option<Event<'e>> {
    let kind = match node.get("Type").and_then(Node::as_str) {
        Some("Api") => ApiKind::Rest,
        Some("HttpApi") => ApiKind::Http,
        Some(other) if OTHERS.contains(&other) => {
            let what = format!("event `{name}` of type `{other}`");
            let because = format!("function `{}` is deployed without it", declared.logical_id);
            context.not_implemented("manifest::event-not-implemented", &what, &because, place);
            return None;
        }
        Some(other) => {
            context.invalid(
                INVALID,
                format!("there are no events of type `{other}`"),
                place,
            );
            return None;
        }
        None => {
            context.invalid(INVALID, format!("event `{name}` has no `Type`"), place);
            return None;
        }
    };
    let properties = super::nodes::members(node.get("Properties"));
    let known: &[&str] = match kind {
        ApiKind::Rest => &API_PROPERTIES,
        ApiKind::Http => &HTTP_API_PROPERTIES,
    };
    for entry in &properties {
        if !known.contains(&entry.key.as_str()) {
            let title = format!("an event of this type has no property `{}`", entry.key);
            context.invalid(INVALID, title, &entry.key_place);
        }
    }
    let text_of = |name: &str| {
        properties
            .get(name)
            .and_then(|node| context.resolved_text(node))
    };
    let (path, method) = match (kind, text_of("Path"), text_of("Method")) {
        (_, Some(path), Some(method)) => (path, method),
        (ApiKind::Http, None, None) => (DEFAULT_PATH.to_owned(), definition::ANY_METHOD.to_owned()),
        (ApiKind::Http, Some(path), None) => (path, "any".to_owned()),
        (ApiKind::Rest, _, _) | (ApiKind::Http, None, Some(_)) => {
            let title = format!("event `{name}` needs `Path` and `Method`");
            context.invalid(INVALID, title, place);
            return None;
        }
    };
    if path != DEFAULT_PATH && !path.starts_with('/') {
        let title = format!("`{path}` does not begin with a slash");
        context.invalid(INVALID, title, place);
        return None;
    }
    Some(Event {
        name,
        kind,
        properties,
        place,
        path,
        method,
    })
}

/// The logical id of the API that an event names.
fn api_id(event: &Event<'_>) -> Option<String> {
    let node = api_node(event);
    node.as_str().or_else(|| referred(&node)).map(str::to_owned)
}

/// The API as an event names it.
pub(super) fn api_node(event: &Event<'_>) -> Node {
    let property = match event.kind {
        ApiKind::Rest => "RestApiId",
        ApiKind::Http => "ApiId",
    };
    let given = event.properties.get(property).cloned();
    given.unwrap_or_else(|| reference(event.kind.implicit(), event.place))
}

/// Makes the implicit API when it is the first event of it, and the path when events write the definition.
fn prepare<'n>(event: &Event<'_>, all: &mut Apis<'n>, make_implicit: &MakeImplicit<'_, 'n>) {
    let id = api_id(event).unwrap_or_default();
    if id == event.kind.implicit() && !all.contains_key(&id) {
        all.insert(id.clone(), make_implicit(event.kind));
    }
    let by_events =
        |api: &&mut Api<'n>| api.kind == event.kind && api.authorship == Authorship::Events;
    if let Some(paths) = all
        .get_mut(&id)
        .filter(by_events)
        .and_then(|api| api.definition.as_mut())
        .and_then(definition::top)
        .and_then(|top| inner(top, "paths", event.place))
    {
        inner(paths, &event.path, event.place);
    }
}

fn add(
    declared: &Declared<'_>,
    target: &Target,
    event: &Event<'_>,
    all: &mut Apis<'_>,
    context: &mut Context<'_>,
) {
    let id = api_id(event).unwrap_or_default();
    let Some(api) = all.get_mut(&id).filter(|api| api.kind == event.kind) else {
        context.problems.push(
            model::problem::Problem::error(
                INVALID,
                format!(
                    "event `{}` does not refer to an API of this template",
                    event.name
                ),
            )
            .at(event.place)
            .because(format!(
                "it is a resource of type `{}`",
                event.kind.resource_type()
            )),
        );
        return;
    };
    apis::keep_with(api, declared);
    let covered = default_covers(api, target, event);
    add_to_definition(declared, target, event, api, context);
    if !covered {
        permissions::write(declared, target, event, api, context);
    }
}

/// Whether the function answers `$default` of this HTTP API, whose permission is for all paths.
fn default_covers(api: &Api<'_>, target: &Target, event: &Event<'_>) -> bool {
    if event.kind == ApiKind::Rest || event.path == DEFAULT_PATH {
        return false;
    }
    let way = [
        "paths",
        DEFAULT_PATH,
        definition::ANY_METHOD,
        definition::INTEGRATION,
        "uri",
        "Fn::Sub",
    ];
    api.definition
        .as_ref()
        .and_then(|definition| definition.at_path(way))
        .and_then(Node::as_str)
        .is_some_and(|uri| uri.contains(&format!("${{{}}}", target.uri_part)))
}

fn add_to_definition(
    declared: &Declared<'_>,
    target: &Target,
    event: &Event<'_>,
    api: &mut Api<'_>,
    context: &mut Context<'_>,
) {
    // A REST API whose definition the project wrote is left as it is; an HTTP API's is added to.
    if api.kind == ApiKind::Rest && api.authorship == Authorship::Project {
        return;
    }
    let place = event.place;
    let method = definition::method_key(&event.method);
    let mut extras = Vec::new();
    if api.kind == ApiKind::Http {
        if event.path == DEFAULT_PATH {
            extras.push(("isDefaultRoute", json(&json!(true), place)));
        }
        let parameters = path_parameters(&event.path, place);
        if !parameters.is_empty() {
            extras.push(("parameters", list(parameters, place)));
        }
    }
    let mut cache_keys = Vec::new();
    if api.kind == ApiKind::Rest {
        let version = door::version_of(&api.declared, context);
        let asked = door::of_event(&event.properties, version, context, place);
        extras.extend(asked.extras);
        cache_keys = asked.cache_keys;
    }
    let auth = event.properties.get("Auth");
    if let Some(security) = auth::of_event(auth, context, place) {
        extras.push(("security", security));
    }
    if opts_out_of_keys(event) {
        api.unkeyed.insert((event.path.clone(), method.clone()));
    }
    if let Some(policy) = auth.and_then(|auth| auth.get("ResourcePolicy")) {
        let entry = (event.path.clone(), method.clone(), policy.clone());
        api.policies.push(entry);
    }
    let credentials = match api.kind {
        ApiKind::Rest => auth::credentials(auth, api.declared.get("Auth"), context, place),
        ApiKind::Http => None,
    };
    let Some(definition) = &mut api.definition else {
        return;
    };
    let route = Route {
        path: &event.path,
        method: &method,
        integration: integration(declared, target, event, (credentials, cache_keys), context),
        extras,
        condition: declared.condition(),
    };
    let added = definition::add_route(definition, route, place);
    if added == Added::Kept && api.authorship == Authorship::Events {
        let title = format!(
            "method `{}` of path `{}` is defined twice",
            event.method, event.path
        );
        context.invalid(INVALID, title, place);
    }
    let condition = declared.condition().map(str::to_owned);
    api.conditions
        .entry(event.path.clone())
        .or_default()
        .push(condition);
    if let Some(settings) = event.properties.get("RouteSettings") {
        let key = if event.path == DEFAULT_PATH {
            DEFAULT_PATH.to_owned()
        } else {
            format!("{} {}", event.method.to_ascii_uppercase(), event.path)
        };
        if let Some(all) = inner(&mut api.declared.properties, "RouteSettings", place) {
            all.set(&key, place, settings.clone());
        }
    }
}

/// `ApiKeyRequired: false` of a method in an API that asks for keys.
fn opts_out_of_keys(event: &Event<'_>) -> bool {
    event
        .properties
        .get("Auth")
        .and_then(|auth| auth.get("ApiKeyRequired"))
        .is_some_and(|required| required.as_bool() == Some(false))
}

fn integration(
    declared: &Declared<'_>,
    target: &Target,
    event: &Event<'_>,
    (credentials, cache_keys): (Option<Node>, Vec<Node>),
    context: &Context<'_>,
) -> Node {
    let place = event.place;
    let partition = match event.kind {
        ApiKind::Rest => "aws",
        ApiKind::Http => "${AWS::Partition}",
    };
    // Contract: the transform knows this mode by the name that function URLs have for it.
    let mode = event.properties.get("ResponseTransferMode");
    let mode = mode.and_then(|mode| context.resolved_text(mode));
    let is_streamed = event.kind == ApiKind::Rest && mode.as_deref() == Some("RESPONSE_STREAM");
    let (version, action) = if is_streamed {
        ("2021-11-15", "response-streaming-invocations")
    } else {
        ("2015-03-31", "invocations")
    };
    let uri = format!(
        "arn:{partition}:apigateway:${{AWS::Region}}:lambda:path/{version}/functions/${{{}}}/{action}",
        target.uri_part
    );
    let uri = substitution(&uri, place);
    let uri = match declared.condition() {
        Some(condition) => only_if(condition, uri, place),
        None => uri,
    };
    let mut entries = vec![
        ("type", text("aws_proxy", place)),
        ("httpMethod", text("POST", place)),
        ("uri", uri),
    ];
    if let Some(credentials) = credentials {
        entries.push(("credentials", credentials));
    }
    if !cache_keys.is_empty() {
        entries.push(("cacheKeyParameters", list(cache_keys, place)));
    }
    if event.kind == ApiKind::Http {
        let given = event.properties.get("PayloadFormatVersion");
        let version = given.map_or_else(
            || text("2.0", place),
            |node| as_text(context.resolved(node), node),
        );
        entries.push(("payloadFormatVersion", version));
    }
    if is_streamed {
        entries.push(("responseTransferMode", text("STREAM", place)));
    }
    if let Some(timeout) = event.properties.get("TimeoutInMillis") {
        entries.push(("timeoutInMillis", timeout.clone()));
    }
    mapping(entries, place)
}

/// `2.0` is a number to YAML, and a text to API Gateway.
fn as_text(resolved: &Node, given: &Node) -> Node {
    match resolved.scalar_text() {
        Some(version) if single(given).is_none() => text(version, &given.place),
        Some(_) | None => given.clone(),
    }
}

fn path_parameters(path: &str, place: &Place) -> Vec<Node> {
    path.split('{')
        .skip(1)
        .filter_map(|part| part.split_once('}'))
        .map(|(name, _)| {
            json(
                &json!({"name": name, "in": "path", "required": true}),
                place,
            )
        })
        .collect()
}
