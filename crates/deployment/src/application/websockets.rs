//! WebSocket APIs of an application, from deployed resources.
//!
//! Lives here: routes, their integrations and responses, by stage.
//! Does not live here: connections and messages (`gateway`), HTTP APIs (`http`).
//!
//! Contract: AWS CloudFormation Template Reference, "AWS::ApiGatewayV2::Api", "…Route", "…RouteResponse", "…Integration" and
//! "…IntegrationResponse"; Amazon API Gateway Developer Guide, "Set up a WebSocket API route response".

use std::collections::BTreeSet;

use model::door::{ApiKeySource, Authorization, Guard};
use model::ids::ApiId;
use model::limits::WEBSOCKET_INTEGRATION_TIMEOUT;
use model::problem::Problem;
use model::websocket_api::{
    CONNECT, DEFAULT, Replies, Selection, WebSocketApi, WebSocketIntegration, WebSocketRoute,
};
use regex_lite::Regex;
use serde_json::Value;

use super::authorizers::{Authorizers, Of, Surroundings};
use super::integration::{Integration, Refusal};
use super::mock::fixed_status;
use super::refusals::{guarded, not_served, without_stage};
use super::stages::{self, Stage};
use super::versions::Callable;
use super::view::{Resource, View, texts_of, unread_definition};

/// The protocol of these APIs.
pub(super) const PROTOCOL: &str = "WEBSOCKET";

/// Where API keys are looked for.
const KEY_SOURCES: [(&str, ApiKeySource); 2] = [
    ("$request.header.x-api-key", ApiKeySource::Header),
    (
        "$context.authorizer.usageIdentifierKey",
        ApiKeySource::Authorizer,
    ),
];

/// The status of a mock integration whose template names none.
const MOCK_STATUS: u16 = 200;

/// The WebSocket APIs, one for each stage.
pub(super) fn apis(
    view: &View<'_>,
    callable: &Callable,
    problems: &mut Vec<Problem>,
) -> Vec<WebSocketApi> {
    let mut apis = Vec::new();
    for resource in view.of_type("AWS::ApiGatewayV2::Api") {
        if resource.text("ProtocolType").as_deref() != Some(PROTOCOL) {
            continue;
        }
        let selection = match selection(resource) {
            Ok(selection) => selection,
            Err(refusal) => {
                let what = format!("API `{}`", resource.logical_id);
                let place = resource.place_of(&["RouteSelectionExpression"]);
                problems.push(not_served(&what, &refusal, &place));
                continue;
            }
        };
        let stages = stages::of_http_api(view, resource);
        if stages.is_empty() {
            problems.push(without_stage(resource));
        }
        for (place, stage) in stages.into_iter().enumerate() {
            let mut found = Vec::new();
            apis.push(api(
                view,
                resource,
                (stage, &selection),
                callable,
                &mut found,
            ));
            // What is wrong with a route is so in each stage, and said once.
            if place == 0 {
                problems.extend(found);
            }
        }
    }
    apis
}

fn selection(api: &Resource<'_>) -> Result<Selection, Refusal> {
    if let Some(reason) = unread_definition(api) {
        return Err(Refusal::new(reason));
    }
    for property in ["Body", "Target", "RouteKey"] {
        if api.properties.contains_key(property) {
            return Err(Refusal::new(format!(
                "`{property}` is for HTTP APIs: a WebSocket API has its routes as resources"
            ))
            .help("declare its `AWS::ApiGatewayV2::Route`s"));
        }
    }
    let text = api.text("RouteSelectionExpression").ok_or_else(|| {
        Refusal::new("it has no `RouteSelectionExpression`")
            .help("set it, as `$request.body.action`")
    })?;
    Selection::parse(&text).map_err(|bad| {
        Refusal::new(format!("its `RouteSelectionExpression` is no such: {bad}"))
            .help("name a part of the message, as `$request.body.action`")
    })
}

fn api(
    view: &View<'_>,
    resource: &Resource<'_>,
    (stage, selection): (Stage, &Selection),
    callable: &Callable,
    problems: &mut Vec<Problem>,
) -> WebSocketApi {
    let authorizers = Authorizers::of_api(
        view,
        resource,
        Surroundings {
            of: Of::WebSocket,
            callable,
            stage_variables: &stage.variables,
        },
    );
    let scope = Scope {
        view,
        api: resource,
        callable,
        authorizers: &authorizers,
        stage: &stage,
    };
    let mut keys = BTreeSet::new();
    let mut routes = Vec::new();
    for declared in view.of_api("AWS::ApiGatewayV2::Route", "ApiId", resource.physical_id) {
        let route = scope.route(declared, problems);
        if keys.insert(route.key.clone()) {
            routes.push(route);
        } else {
            let what = format!("route `{}`", route.key);
            let reason = Refusal::new("its API has another route of this key");
            problems.push(not_served(&what, &reason, declared.place));
        }
    }
    WebSocketApi {
        name: resource
            .text("Name")
            .unwrap_or_else(|| resource.logical_id.to_string()),
        stage_variables: stage.variables.clone(),
        access_log: stage.access_log.clone(),
        api_key_source: key_source(resource, problems),
        routes,
        ..WebSocketApi::new(
            resource.logical_id.clone(),
            ApiId::new(resource.physical_id),
            stage.name.clone(),
            selection.clone(),
        )
    }
}

fn key_source(api: &Resource<'_>, problems: &mut Vec<Problem>) -> ApiKeySource {
    let Some(text) = api.text("ApiKeySelectionExpression") else {
        return ApiKeySource::default();
    };
    let known = KEY_SOURCES.iter().find(|(name, _)| *name == text);
    if known.is_none() {
        let what = format!("`ApiKeySelectionExpression` of API `{}`", api.logical_id);
        let [(header, _), (authorizer, _)] = KEY_SOURCES;
        let reason = Refusal::new(format!("API keys are not looked for at `{text}`"))
            .help(format!("use `{header}` or `{authorizer}`"));
        let place = api.place_of(&["ApiKeySelectionExpression"]);
        problems.push(not_served(&what, &reason, &place));
    }
    known.map_or(ApiKeySource::default(), |(_, source)| *source)
}

/// What routes are read with.
struct Scope<'a> {
    view: &'a View<'a>,
    api: &'a Resource<'a>,
    callable: &'a Callable,
    authorizers: &'a Authorizers,
    stage: &'a Stage,
}

impl Scope<'_> {
    /// A route that cannot be served is reported, and stays in its place.
    fn route(&self, declared: &Resource<'_>, problems: &mut Vec<Problem>) -> WebSocketRoute {
        let key = declared.text("RouteKey").unwrap_or_default();
        let (authorization, resolved) = guarded(
            self.authorizers.of_resource(declared),
            self.integration(declared),
        );
        let api_key_required = declared.is_true("ApiKeyRequired");
        let is_guarded = api_key_required || authorization != Authorization::Open;
        let resolved = if is_guarded && key != CONNECT {
            Err(Refusal::new(format!(
                "it asks who calls, which a WebSocket API does on `{CONNECT}` alone"
            ))
            .help(format!("guard the route `{CONNECT}`")))
        } else {
            resolved
        };
        let integration = resolved.unwrap_or_else(|refusal| {
            problems.push(not_served(
                &format!("route `{key}`"),
                &refusal,
                declared.place,
            ));
            WebSocketIntegration::NotServed {
                reason: refusal.reason,
            }
        });
        WebSocketRoute {
            replies: self.replies(declared),
            guard: Guard {
                authorization,
                api_key_required,
            },
            throttle: self.stage.rate_of_route(&key),
            place: Some(declared.place.clone()),
            ..WebSocketRoute::new(&key, integration)
        }
    }

    /// A route answers its senders when it says so and has a response.
    fn replies(&self, route: &Resource<'_>) -> Replies {
        let asks = route.text("RouteResponseSelectionExpression");
        let asks = asks.is_some_and(|text| text.trim_start_matches('\\') == DEFAULT);
        let responses = self.view.of_type("AWS::ApiGatewayV2::RouteResponse");
        let mut own = responses
            .filter(|response| response.text("RouteId").as_deref() == Some(route.physical_id));
        let has = own.any(|response| {
            let key = response.text("RouteResponseKey").unwrap_or_default();
            key.trim_start_matches('\\') == DEFAULT
        });
        if asks && has {
            Replies::Sent
        } else {
            Replies::Dropped
        }
    }

    fn integration(&self, route: &Resource<'_>) -> Result<WebSocketIntegration, Refusal> {
        if let Some(text) = route.text("RouteResponseSelectionExpression")
            && text.trim_start_matches('\\') != DEFAULT
        {
            return Err(Refusal::new(format!(
                "its `RouteResponseSelectionExpression` is `{text}`; API Gateway knows `{DEFAULT}` alone"
            )));
        }
        let Some(target) = route.text("Target") else {
            return Ok(WebSocketIntegration::Nothing);
        };
        let id = target.strip_prefix("integrations/").unwrap_or_default();
        let api = self.api.physical_id;
        let mut all = self
            .view
            .of_api("AWS::ApiGatewayV2::Integration", "ApiId", api);
        let found = all.find(|integration| integration.physical_id == id);
        let found = found.ok_or_else(|| {
            Refusal::new(format!(
                "its target `{target}` is not an integration of its API"
            ))
        })?;
        let read = Integration::of_route(found.properties);
        if read.kind == "MOCK" {
            return self.mock(found);
        }
        if read.kind != "AWS_PROXY" {
            return Err(Refusal::new(format!(
                "integrations of type `{}` of WebSocket APIs are not built yet",
                read.kind
            ))
            .help("use a Lambda proxy integration, `AWS_PROXY`, or `MOCK`"));
        }
        if found.properties.contains_key("ContentHandlingStrategy") {
            return Err(
                Refusal::new("its integration converts contents, which is not built yet")
                    .help("leave `ContentHandlingStrategy` out: messages are texts"),
            );
        }
        let callee = read.callee(self.callable, &self.stage.variables)?;
        let timeout = read.timeout.unwrap_or(WEBSOCKET_INTEGRATION_TIMEOUT);
        Ok(WebSocketIntegration::Lambda {
            callee,
            timeout: timeout.min(WEBSOCKET_INTEGRATION_TIMEOUT),
        })
    }

    /// The status of its request template, and the text of the response that this status has.
    fn mock(&self, integration: &Resource<'_>) -> Result<WebSocketIntegration, Refusal> {
        let template = chosen(integration, "RequestTemplates", "request")?;
        let named = match &template {
            None => None,
            Some(template) => {
                fixed_status(template).ok_or_else(|| computed("request", template))?
            }
        };
        let status = match named {
            None => MOCK_STATUS,
            Some(text) => {
                let number = text.parse().ok();
                let number = number.filter(|status| (100..=599).contains(status));
                number.ok_or_else(|| Refusal::new(format!("`{text}` is not a status code")))?
            }
        };
        let responses = self
            .view
            .of_type("AWS::ApiGatewayV2::IntegrationResponse")
            .filter(|response| {
                response.text("IntegrationId").as_deref() == Some(integration.physical_id)
            });
        let mut default = None;
        let mut matching = None;
        for response in responses {
            let key = response.text("IntegrationResponseKey").unwrap_or_default();
            if key.trim_start_matches('\\') == DEFAULT {
                default = Some(response);
            } else if matches_status(&key, status)? {
                matching = matching.or(Some(response));
            }
        }
        let body = match matching.or(default) {
            None => None,
            Some(response) => chosen(response, "ResponseTemplates", "response")?,
        };
        match &body {
            Some(template) if template.contains(['#', '$']) => Err(computed("response", template)),
            Some(_) | None => Ok(WebSocketIntegration::Mock { status, body }),
        }
    }
}

/// The template that its selection expression names; the only one, where nothing is said.
fn chosen(resource: &Resource<'_>, property: &str, which: &str) -> Result<Option<String>, Refusal> {
    let templates = texts_of(resource.properties.get(property));
    let asked = resource.text("TemplateSelectionExpression");
    match asked.as_deref() {
        None if templates.len() <= 1 => Ok(templates.into_values().next()),
        None => Err(Refusal::new(format!(
            "its mock integration has several {which} templates, and no `TemplateSelectionExpression`"
        ))),
        Some(key) if key.starts_with('$') && key != DEFAULT => Err(Refusal::new(format!(
            "its mock integration chooses a {which} template by `{key}`, which is not built yet"
        ))
        .help("name one by its key")),
        Some(key) => {
            let key = key.trim_start_matches('\\');
            let found = templates.get(key).or_else(|| templates.get(DEFAULT));
            Ok(found.cloned())
        }
    }
}

/// Whether the key of a response is a pattern, as `/2\d\d/`, that a status matches.
fn matches_status(key: &str, status: u16) -> Result<bool, Refusal> {
    let pattern = key
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix('/'));
    let Some(pattern) = pattern else {
        return Ok(key == status.to_string());
    };
    let pattern = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
        Refusal::new(format!(
            "its mock integration has a response for `{key}`, which cannot be read: {error}"
        ))
    })?;
    Ok(pattern.is_match(&status.to_string()))
}

fn computed(which: &str, template: &str) -> Refusal {
    let line = template.lines().next().unwrap_or_default();
    Refusal::new(format!(
        "its mock integration has a {which} template that is computed (`{line}`): such templates are not built yet"
    ))
}

/// Whether an API is one of these.
pub(super) fn is_one(api: &Resource<'_>) -> bool {
    api.properties.get("ProtocolType").and_then(Value::as_str) == Some(PROTOCOL)
}
