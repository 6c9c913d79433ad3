//! Integrations that rewrite requests and replies: `lambda`, `http`, `mock`.
//!
//! Lives here: their templates and responses, those of the tool where the event has none.
//! Does not live here: methods (`methods`), reading events (`events`), rendering templates (`gateway`).
//!
//! Contract: `serverless package` of the Serverless Framework 3.40; the two default templates are what it writes, to the byte.

use cloudformation::node::{Kind, Mapping, Node};
use model::problem::Place;

use super::events::{Event, Integration};
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::script;

/// The request template of JSON bodies.
const JSON_TEMPLATE: &str = include_str!("request_json.vtl");
/// The request template of forms.
const FORM_TEMPLATE: &str = include_str!("request_form.vtl");
/// What stands in them for the claims that an authorizer names.
const CLAIMS: &str = "extraCognitoPoolClaims";
/// The statuses of a function's errors, by what stands in their messages.
const STATUS_CODES: [(&str, &str); 9] = [
    ("200", ""),
    ("400", r"[\s\S]*\[400\][\s\S]*"),
    ("401", r"[\s\S]*\[401\][\s\S]*"),
    ("403", r"[\s\S]*\[403\][\s\S]*"),
    ("404", r"[\s\S]*\[404\][\s\S]*"),
    ("422", r"[\s\S]*\[422\][\s\S]*"),
    (
        "500",
        r"[\s\S]*(Process\s?exited\s?before\s?completing\s?request|\[500\])[\s\S]*",
    ),
    ("502", r"[\s\S]*\[502\][\s\S]*"),
    (
        "504",
        r"([\s\S]*\[504\][\s\S]*)|(.*Task timed out after \d+\.\d+ seconds$)",
    ),
];

/// What such an integration has besides what it calls.
pub(super) fn complete(event: &Event<'_>, integration: Object) -> Object {
    let place = &event.place;
    let request = event.option("request");
    let part = |key: &str| script::truthy(request.and_then(|request| request.get(key)));
    let pass_through = part("passThrough").cloned().or_else(|| {
        let is_function = event.integration == Integration::Rewritten;
        is_function.then(|| Node::string("NEVER", place))
    });
    let templates = request_templates(event);
    integration
        .with_some("PassthroughBehavior", pass_through)
        .with_some("ContentHandling", part("contentHandling"))
        .with_some(
            "RequestTemplates",
            (!templates.is_empty()).then_some(templates),
        )
        .with("IntegrationResponses", responses(event))
}

/// The request parameters of any integration that maps them, and how a function is called.
pub(super) fn mapped(event: &Event<'_>, integration: Object) -> Object {
    let place = &event.place;
    let mut parameters = Object::new(place);
    for (name, setting) in event.request_parameters() {
        let mapped = script::truthy(setting.get("mappedValue")).cloned();
        let target = name.replacen("method.", "integration.", 1);
        parameters.set(&target, mapped.unwrap_or_else(|| Node::string(name, place)));
    }
    if event.option("async").is_some() {
        parameters.set(
            "integration.request.header.X-Amz-Invocation-Type",
            "'Event'",
        );
    }
    let is_mapped = !parameters.is_empty();
    integration.with_some("RequestParameters", is_mapped.then_some(parameters))
}

fn request_templates(event: &Event<'_>) -> Object {
    let place = &event.place;
    let mut templates: Vec<(String, Node)> = Vec::new();
    if event.integration == Integration::Rewritten {
        for (content_type, template) in [
            ("application/json", JSON_TEMPLATE),
            ("application/x-www-form-urlencoded", FORM_TEMPLATE),
        ] {
            templates.push((content_type.to_owned(), Node::string(template, place)));
        }
    }
    let own = event
        .option("request")
        .and_then(|request| request.get("template"));
    for entry in own.and_then(Node::as_mapping).into_iter().flatten() {
        templates.retain(|(content_type, _)| *content_type != entry.key);
        if entry.value.kind != Kind::Null {
            templates.push((entry.key.clone(), entry.value.clone()));
        }
    }
    let claims = claims(event);
    let mut written = Object::new(place);
    for (content_type, template) in templates {
        let template = match template.as_str() {
            Some(text) => Node::string(text.replacen(CLAIMS, &claims, 1), &template.place),
            None => template,
        };
        written.set(&content_type, template);
    }
    written
}

/// The claims of a user pool's token that a function is to see besides `sub`.
fn claims(event: &Event<'_>) -> String {
    let claims = event
        .option("authorizer")
        .and_then(|authorizer| authorizer.get("claims"));
    let claims = claims.and_then(Node::as_sequence).unwrap_or_default();
    let line = |claim: &Node| {
        let claim = script::text_of(claim).unwrap_or_default();
        match claim.split_once(':') {
            Some((_, name)) => format!("\"{name}\": \"$context.authorizer.claims['{claim}']\""),
            None => format!("\"{claim}\": \"$context.authorizer.claims.{claim}\""),
        }
    };
    if claims.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = claims.iter().map(line).collect();
    format!("{},", lines.join(","))
}

/// Headers of all replies: those of CORS, and the event's.
fn headers(event: &Event<'_>) -> Mapping {
    let mut headers = Mapping::default();
    if let Some(cors) = event.option("cors") {
        let option = |key: &str| script::truthy(cors.get(key));
        let origins = option("origins").and_then(script::text_of);
        let origin = option("origin").and_then(script::text_of);
        let origin = origins.or(origin).unwrap_or_else(|| "*".to_owned());
        let place = &cors.place;
        let value = Node::string(format!("'{origin}'"), place);
        headers.set("Access-Control-Allow-Origin", place, value);
        if option("allowCredentials").is_some() {
            let value = Node::string("true", place);
            headers.set("Access-Control-Allow-Credentials", place, value);
        }
    }
    let own = event
        .option("response")
        .and_then(|response| response.get("headers"));
    for entry in own.and_then(Node::as_mapping).into_iter().flatten() {
        headers.set(&entry.key, &entry.key_place, entry.value.clone());
    }
    headers
}

/// A reply of the integration, with what the event says of it.
struct Reply<'a> {
    status: String,
    pattern: String,
    own: Option<&'a Node>,
}

/// The replies, by their status. Without one for all that goes well there is the tool's.
fn replies<'a>(event: &Event<'a>) -> Vec<Reply<'a>> {
    let tools = |(status, pattern): &(&str, &str)| Reply {
        status: (*status).to_owned(),
        pattern: (*pattern).to_owned(),
        own: None,
    };
    let response = event.option("response");
    if response.is_none() && event.integration != Integration::Rewritten {
        return Vec::new();
    }
    let codes = response.and_then(|response| script::truthy(response.get("statusCodes")));
    let Some(codes) = codes.and_then(Node::as_mapping) else {
        return STATUS_CODES.iter().map(tools).collect();
    };
    let own = codes.iter().map(|entry| Reply {
        status: entry.key.clone(),
        pattern: entry
            .value
            .get("pattern")
            .and_then(script::text_of)
            .unwrap_or_default(),
        own: Some(&entry.value),
    });
    let mut replies: Vec<Reply<'_>> = own.collect();
    let is_default = |reply: &Reply<'_>| {
        let pattern = reply.own.and_then(|own| own.get("pattern"));
        pattern.and_then(Node::as_str) == Some("")
    };
    // Of a mock, the tool takes what is there.
    if event.integration != Integration::Mock && !replies.iter().any(is_default) {
        replies.retain(|reply| reply.status != "200");
        replies.extend(STATUS_CODES.iter().take(1).map(tools));
    }
    replies.sort_by_key(|reply| reply.status.parse::<u32>().unwrap_or(u32::MAX));
    replies
}

fn responses(event: &Event<'_>) -> Vec<Node> {
    let place = &event.place;
    let response = event.option("response");
    let option = |key: &str| script::truthy(response.and_then(|response| response.get(key)));
    let shared = headers(event);
    let write = |reply: Reply<'_>| {
        let mut parameters = Object::new(place);
        for entry in shared.iter().chain(own_headers(&reply)) {
            let name = format!("method.response.header.{}", entry.key);
            parameters.set(&name, &entry.value);
        }
        let mut templates = Object::new(place);
        if let Some(template) = option("template") {
            templates.set("application/json", template);
        }
        let own = reply
            .own
            .and_then(|own| script::truthy(own.get("template")));
        match own.map(|own| (own, own.as_mapping())) {
            Some((_, Some(by_type))) => {
                for entry in by_type {
                    templates.set(&entry.key, &entry.value);
                }
            }
            Some((one, None)) => templates.set("application/json", one),
            None => {}
        }
        let is_success = reply.status.starts_with('2');
        Object::new(place)
            .with("StatusCode", &reply.status)
            .with("SelectionPattern", &reply.pattern)
            .with("ResponseParameters", parameters)
            .with("ResponseTemplates", templates)
            .with_some(
                "ContentHandling",
                option("contentHandling").filter(|_| is_success),
            )
            .node()
    };
    replies(event).into_iter().map(write).collect()
}

/// `MethodResponses`: which headers each status may have.
pub(super) fn method_responses(event: &Event<'_>) -> Vec<Node> {
    if matches!(
        event.integration,
        Integration::Function | Integration::Server
    ) {
        return Vec::new();
    }
    let place = &event.place;
    let shared = headers(event);
    let write = |reply: Reply<'_>| {
        let mut parameters = Object::new(place);
        for entry in shared.iter().chain(own_headers(&reply)) {
            parameters.set(&format!("method.response.header.{}", entry.key), true);
        }
        Object::new(place)
            .with("ResponseParameters", parameters)
            .with("ResponseModels", Object::new(place))
            .with("StatusCode", &reply.status)
            .node()
    };
    replies(event).into_iter().map(write).collect()
}

fn own_headers<'r>(reply: &Reply<'r>) -> impl Iterator<Item = &'r cloudformation::node::Entry> {
    let headers = reply.own.and_then(|own| own.get("headers"));
    headers.and_then(Node::as_mapping).into_iter().flatten()
}

/// The address of a function, as an integration names it.
pub(super) fn function_uri(event: &Event<'_>, place: &Place) -> Node {
    let arn = build::attribute(&event.function.logical_id(), "Arn", place);
    let mut target = vec![arn];
    if let Some(alias) = event.function.alias() {
        target.push(Node::string(":", place));
        target.push(Node::string(alias.name, place));
    }
    let response = event.option("response");
    let transfer = script::truthy(response.and_then(|response| response.get("transferMode")));
    match transfer.and_then(Node::as_str) {
        Some("STREAM") => build::streaming_uri(target, place),
        Some(_) | None => build::invocation_uri(target, place),
    }
}
