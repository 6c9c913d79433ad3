//! HTTP APIs of an application, from deployed resources.
//!
//! Lives here: routes, integrations, stages, quick creation, and definitions given as `Body`.
//! Does not live here: matching requests (`gateway`), REST APIs (`rest`).

use std::collections::BTreeSet;

use model::door::{Authorization, Guard};
use model::http_api::{
    CorsConfiguration, HttpApi, HttpIntegration, HttpRoute, PayloadFormat, RouteKey,
};
use model::ids::ApiId;
use model::limits::HTTP_API_INTEGRATION_TIMEOUT;
use model::problem::{Place, Problem};
use serde_json::Value;

use super::authorizers::{Authorizers, Of, Surroundings};
use super::integration::{Integration, Mapping, Refusal, function_of_uri};
use super::refusals::{guarded, not_served, stray, without_stage};
use super::stages::{self, Stage};
use super::versions::Callable;
use super::view::{Resource, View, list_of, unread_definition};
use super::{openapi, proxy, services, websockets};
use crate::records::text_of;

const DEFAULT_STAGE: &str = "$default";

/// The HTTP APIs, one for each stage.
pub(super) fn apis(
    view: &View<'_>,
    callable: &Callable,
    problems: &mut Vec<Problem>,
) -> Vec<HttpApi> {
    report_strays(view, problems);
    let mut apis = Vec::new();
    for resource in view.of_type("AWS::ApiGatewayV2::Api") {
        if websockets::is_one(resource) {
            continue;
        }
        if let Some(reason) = unread_definition(resource) {
            let what = format!("API `{}`", resource.logical_id);
            problems.push(not_served(&what, &Refusal::new(reason), resource.place));
            continue;
        }
        let stages = stages::of_http_api(view, resource);
        if stages.is_empty() {
            problems.push(without_stage(resource));
        }
        for stage in stages {
            apis.push(api(view, resource, stage, callable, problems));
        }
    }
    apis
}

fn report_strays(view: &View<'_>, problems: &mut Vec<Problem>) {
    let known: BTreeSet<&str> = view
        .of_type("AWS::ApiGatewayV2::Api")
        .map(|api| api.physical_id)
        .collect();
    for route in view.of_type("AWS::ApiGatewayV2::Route") {
        let api = route.text("ApiId").unwrap_or_default();
        if !known.contains(api.as_str()) {
            let what = format!("route `{}`", route.logical_id);
            problems.push(stray(&what, &api, &route.place_of(&["ApiId"])));
        }
    }
}

fn api(
    view: &View<'_>,
    resource: &Resource<'_>,
    stage: Stage,
    callable: &Callable,
    problems: &mut Vec<Problem>,
) -> HttpApi {
    let authorizers = Authorizers::of_api(
        view,
        resource,
        Surroundings {
            of: Of::Http,
            callable,
            stage_variables: &stage.variables,
        },
    );
    let scope = Scope {
        callable,
        authorizers: &authorizers,
        stage: &stage,
    };
    let definition = resource.properties.get("Body");
    let mut routes = Vec::new();
    if let Some(definition) = definition {
        routes.extend(defined_routes(resource, definition, &scope, problems));
    }
    routes.extend(quick_route(resource, &scope, problems));
    routes.extend(declared_routes(view, resource, &scope, problems));
    let title = definition.and_then(|definition| definition.pointer("/info/title"));
    HttpApi {
        name: resource
            .text("Name")
            .or_else(|| title.and_then(Value::as_str).map(str::to_owned))
            .unwrap_or_else(|| resource.logical_id.to_string()),
        stage_variables: stage.variables,
        access_log: stage.access_log,
        routes,
        cors: cors(resource, definition),
        ..HttpApi::new(
            resource.logical_id.clone(),
            ApiId::new(resource.physical_id),
            stage.name,
        )
    }
}

/// What integrations are resolved with.
struct Scope<'a> {
    callable: &'a Callable,
    authorizers: &'a Authorizers,
    stage: &'a Stage,
}

impl Scope<'_> {
    fn resolve(&self, integration: &Integration) -> Result<HttpIntegration, Refusal> {
        if integration.kind == "HTTP_PROXY" {
            let timeout = HTTP_API_INTEGRATION_TIMEOUT;
            let proxy = proxy::of(integration, &self.stage.variables, timeout);
            return proxy.map(HttpIntegration::HttpProxy);
        }
        if integration.subtype.is_some() {
            return services::of(integration, HTTP_API_INTEGRATION_TIMEOUT)
                .map(HttpIntegration::Service);
        }
        if integration.mapping == Mapping::Present {
            return Err(Refusal::new(
                "its integration maps parameters, which is not built yet",
            ));
        }
        let callee = integration.callee(self.callable, &self.stage.variables)?;
        let payload_format = match integration.payload_format.as_deref() {
            Some("1.0") => PayloadFormat::V1,
            Some("2.0") => PayloadFormat::V2,
            Some(other) => {
                return Err(
                    Refusal::new(format!("there is no payload format `{other}`"))
                        .help("use `1.0` or `2.0`"),
                );
            }
            None => {
                return Err(Refusal::new(
                    "PayloadFormatVersion is a required parameter for integration",
                )
                .help(
                    "add `PayloadFormatVersion: '2.0'` (or `payloadFormatVersion` in a definition)",
                ));
            }
        };
        Ok(HttpIntegration::Lambda {
            callee,
            payload_format,
            timeout: integration.timeout.unwrap_or(HTTP_API_INTEGRATION_TIMEOUT),
        })
    }
}

/// A route that cannot be served is reported, and stays in its place.
fn route(
    key: RouteKey,
    (authorization, resolved): (Authorization, Result<HttpIntegration, Refusal>),
    (stage, place): (&Stage, &Place),
    problems: &mut Vec<Problem>,
) -> HttpRoute {
    let integration = resolved.unwrap_or_else(|refusal| {
        problems.push(not_served(
            &format!("route `{}`", shown(&key)),
            &refusal,
            place,
        ));
        HttpIntegration::NotServed {
            reason: refusal.reason,
        }
    });
    HttpRoute {
        guard: Guard {
            authorization,
            ..Guard::default()
        },
        throttle: stage.rate_of_route(&shown(&key)),
        place: Some(place.clone()),
        ..HttpRoute::new(key, integration)
    }
}

fn shown(key: &RouteKey) -> String {
    match key {
        RouteKey::Default => DEFAULT_STAGE.to_owned(),
        RouteKey::Path { http_method, path } => format!("{http_method} {path}"),
    }
}

/// `$default`, or a method and a path.
fn route_key(text: &str) -> Option<RouteKey> {
    if text == "$default" {
        return Some(RouteKey::Default);
    }
    let (http_method, path) = text.split_once(' ')?;
    let path = path.trim();
    path.starts_with('/').then(|| RouteKey::Path {
        http_method: http_method.to_ascii_uppercase(),
        path: path.to_owned(),
    })
}

fn declared_routes(
    view: &View<'_>,
    api: &Resource<'_>,
    scope: &Scope<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<HttpRoute> {
    let mut routes = Vec::new();
    for declared in view.of_api("AWS::ApiGatewayV2::Route", "ApiId", api.physical_id) {
        let text = declared.text("RouteKey").unwrap_or_default();
        let Some(key) = route_key(&text) else {
            problems.push(not_served(
                &format!("route `{text}`"),
                &Refusal::new("a route key is `$default`, or a method and a path, as `GET /pets`"),
                &declared.place_of(&["RouteKey"]),
            ));
            continue;
        };
        let target = declared.text("Target").unwrap_or_default();
        let integration = target.strip_prefix("integrations/").and_then(|id| {
            view.of_api("AWS::ApiGatewayV2::Integration", "ApiId", api.physical_id)
                .find(|integration| integration.physical_id == id)
        });
        let resolved = match integration {
            Some(integration) => scope.resolve(&Integration::of_route(integration.properties)),
            None => Err(Refusal::new(format!(
                "its target `{target}` is not an integration of its API"
            ))),
        };
        let asked = scope.authorizers.of_resource(declared);
        let guarded = guarded(asked, resolved);
        routes.push(route(key, guarded, (scope.stage, declared.place), problems));
    }
    routes
}

/// `Target` (and `RouteKey`) of an API: one route to one function.
fn quick_route(
    api: &Resource<'_>,
    scope: &Scope<'_>,
    problems: &mut Vec<Problem>,
) -> Option<HttpRoute> {
    let target = api.text("Target")?;
    let text = api
        .text("RouteKey")
        .unwrap_or_else(|| "$default".to_owned());
    let key = route_key(&text).unwrap_or(RouteKey::Default);
    let resolved = match function_of_uri(&target) {
        Some((name, qualifier)) => {
            let found = scope.callable.find(name, qualifier);
            found.map(|callee| HttpIntegration::Lambda {
                callee,
                payload_format: PayloadFormat::V2,
                timeout: HTTP_API_INTEGRATION_TIMEOUT,
            })
        }
        None => {
            let server = Integration {
                uri: target,
                ..Integration::default()
            };
            proxy::of(
                &server,
                &scope.stage.variables,
                HTTP_API_INTEGRATION_TIMEOUT,
            )
            .map(HttpIntegration::HttpProxy)
        }
    };
    let place = api.place_of(&["Target"]);
    let open = (Authorization::Open, resolved);
    Some(route(key, open, (scope.stage, &place), problems))
}

fn defined_routes(
    api: &Resource<'_>,
    definition: &Value,
    scope: &Scope<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<HttpRoute> {
    openapi::operations(definition)
        .into_iter()
        .map(|operation| {
            let keys = operation
                .api_key_required
                .then(|| Refusal::new("an API key guards it, which HTTP APIs do not have"));
            let resolved = match (keys, &operation.integration) {
                (Some(refusal), _) => Err(refusal),
                (None, Some(integration)) => scope.resolve(integration),
                (None, None) => Err(Refusal::new("it has no `x-amazon-apigateway-integration`")),
            };
            let asked = scope
                .authorizers
                .of_operation(definition, &operation.written);
            let guarded = guarded(asked, resolved);
            let [paths, path, key] = &operation.key_path;
            let place = api.place_of(&["Body", paths, path, key]);
            let route_key = if operation.path == "$default" {
                RouteKey::Default
            } else {
                RouteKey::Path {
                    http_method: operation.http_method,
                    path: operation.path,
                }
            };
            route(route_key, guarded, (scope.stage, &place), problems)
        })
        .collect()
}

/// `CorsConfiguration` of the API wins over `x-amazon-apigateway-cors` of its definition.
fn cors(api: &Resource<'_>, definition: Option<&Value>) -> Option<CorsConfiguration> {
    let (value, lower) = match api.properties.get("CorsConfiguration") {
        Some(value) => (value, false),
        None => (definition?.get("x-amazon-apigateway-cors")?, true),
    };
    let member = |name: &str| {
        let (first, rest) = name.split_at_checked(1)?;
        if lower {
            value.get(format!("{}{rest}", first.to_ascii_lowercase()))
        } else {
            value.get(name)
        }
    };
    Some(CorsConfiguration {
        allow_origins: list_of(member("AllowOrigins")),
        allow_methods: list_of(member("AllowMethods")),
        allow_headers: list_of(member("AllowHeaders")),
        expose_headers: list_of(member("ExposeHeaders")),
        max_age_s: member("MaxAge")
            .and_then(text_of)
            .and_then(|text| text.parse().ok()),
        allow_credentials: member("AllowCredentials").and_then(text_of).as_deref() == Some("true"),
    })
}
