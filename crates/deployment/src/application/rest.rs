//! REST APIs of an application, from deployed resources.
//!
//! Lives here: the tree of resources, methods, stages, and definitions given as `Body`.
//! Does not live here: matching requests (`gateway`), integrations (`integration`, `mock`).
//!
//! Differs: when an API has stages of its own, the stage that its deployment makes besides is not served.

use std::collections::{BTreeMap, BTreeSet};

use model::door::{ApiKeySource, Guard, MethodCache, Passthrough, Validation};
use model::ids::ApiId;
use model::limits::REST_INTEGRATION_TIMEOUT;
use model::problem::{Place, Problem};
use model::rest_api::{RestApi, RestIntegration, RestMethod};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::authorizers::{Authorizers, Of, Surroundings};
use super::gateway_responses;
use super::integration::{Integration, Refusal};
use super::refusals::{guarded, not_served, stray, without_stage};
use super::stages::{self, Stage};
use super::validation;
use super::versions::Callable;
use super::view::{Resource, View, list_of, unread_definition};
use super::{custom, mock, openapi, policies, proxy};
use crate::records::text_of;

/// Amazon API Gateway, "Quotas for REST APIs": resources per API.
const RESOURCES_MAX: usize = 300;

/// The REST APIs, one for each stage.
pub(super) fn apis(
    view: &View<'_>,
    callable: &Callable,
    problems: &mut Vec<Problem>,
) -> Vec<RestApi> {
    report_strays(view, problems);
    let mut apis = Vec::new();
    for resource in view.of_type("AWS::ApiGateway::RestApi") {
        let policy = policies::of_api(resource);
        let policy = match unread_definition(resource) {
            Some(reason) => Err(Refusal::new(reason)),
            None => policy,
        };
        let policy = match policy {
            Ok(policy) => policy,
            Err(refusal) => {
                let what = format!("API `{}`", resource.logical_id);
                problems.push(not_served(&what, &refusal, resource.place));
                continue;
            }
        };
        let stages = stages::of_rest_api(view, resource.physical_id);
        if stages.is_empty() {
            problems.push(without_stage(resource));
        }
        for stage in stages {
            apis.push(RestApi {
                policy: policy.clone(),
                ..api(view, resource, stage, callable, problems)
            });
        }
    }
    apis
}

/// Methods that belong to an API which is not of this project.
fn report_strays(view: &View<'_>, problems: &mut Vec<Problem>) {
    let known: BTreeSet<&str> = view
        .of_type("AWS::ApiGateway::RestApi")
        .map(|api| api.physical_id)
        .collect();
    for method in view.of_type("AWS::ApiGateway::Method") {
        let api = method.text("RestApiId").unwrap_or_default();
        if !known.contains(api.as_str()) {
            let what = format!("method `{}`", method.logical_id);
            problems.push(stray(&what, &api, &method.place_of(&["RestApiId"])));
        }
    }
}

fn api(
    view: &View<'_>,
    resource: &Resource<'_>,
    stage: Stage,
    callable: &Callable,
    problems: &mut Vec<Problem>,
) -> RestApi {
    let authorizers = Authorizers::of_api(
        view,
        resource,
        Surroundings {
            of: Of::Rest,
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
    // In this property, and there alone, slashes may be written `~1`.
    let mut binary_media_types: Vec<String> = list_of(resource.properties.get("BinaryMediaTypes"))
        .iter()
        .map(|media_type| media_type.replace("~1", "/"))
        .collect();
    let mut methods = Vec::new();
    if let Some(definition) = definition {
        for media_type in list_of(definition.get("x-amazon-apigateway-binary-media-types")) {
            if !binary_media_types.contains(&media_type) {
                binary_media_types.push(media_type);
            }
        }
        methods.extend(defined_methods(resource, definition, &scope, problems));
    }
    methods.extend(declared_methods(view, resource, &scope, problems));
    let title = definition.and_then(|definition| definition.pointer("/info/title"));
    let name = resource
        .text("Name")
        .or_else(|| title.and_then(Value::as_str).map(str::to_owned))
        .unwrap_or_else(|| resource.logical_id.to_string());
    RestApi {
        name,
        stage_variables: stage.variables,
        minimum_compression_bytes: compression(resource, definition),
        cache_bytes: stage.cache_bytes,
        access_log: stage.access_log,
        binary_media_types,
        methods,
        api_key_source: api_key_source(resource, definition),
        gateway_responses: gateway_responses::of_api(view, resource, problems),
        ..RestApi::new(
            resource.logical_id.clone(),
            ApiId::new(resource.physical_id),
            stage.name,
        )
    }
}

/// `MinimumCompressionSize` of the API wins over what its definition says.
fn compression(resource: &Resource<'_>, definition: Option<&Value>) -> Option<u32> {
    let written = definition.and_then(|it| it.get("x-amazon-apigateway-minimum-compression-size"));
    let said = resource.text("MinimumCompressionSize");
    said.or_else(|| written.and_then(text_of))?.parse().ok()
}

/// `ApiKeySourceType` of the API wins over what its definition says.
fn api_key_source(resource: &Resource<'_>, definition: Option<&Value>) -> ApiKeySource {
    let own = resource.text("ApiKeySourceType");
    let said = own.or_else(|| openapi::api_key_source(definition?));
    match said.as_deref() {
        Some("AUTHORIZER") => ApiKeySource::Authorizer,
        Some(_) | None => ApiKeySource::Header,
    }
}

/// What integrations are resolved with.
struct Scope<'a> {
    callable: &'a Callable,
    authorizers: &'a Authorizers,
    stage: &'a Stage,
}

impl Scope<'_> {
    fn resolve(&self, integration: &Integration) -> Result<RestIntegration, Refusal> {
        if integration.kind == "MOCK"
            && let Some(fixed) = mock::reply(integration)
        {
            return Ok(RestIntegration::Mock(fixed));
        }
        if integration.is_streamed() && integration.kind != "AWS_PROXY" {
            let reason = format!("replies of `{}` are not streamed yet", integration.kind);
            return Err(Refusal::new(reason)
                .help("leave `ResponseTransferMode` out: replies are then sent whole"));
        }
        if matches!(integration.kind.as_str(), "MOCK" | "AWS" | "HTTP") {
            let custom = custom::of(integration, self.callable, &self.stage.variables)?;
            return Ok(RestIntegration::Custom(Box::new(custom)));
        }
        if integration.kind == "HTTP_PROXY" {
            let timeout = REST_INTEGRATION_TIMEOUT;
            let proxy = proxy::of(integration, &self.stage.variables, timeout);
            return proxy.map(RestIntegration::HttpProxy);
        }
        let callee = integration.callee(self.callable, &self.stage.variables)?;
        let timeout = integration.timeout.unwrap_or(REST_INTEGRATION_TIMEOUT);
        Ok(RestIntegration::LambdaProxy {
            callee,
            timeout,
            is_streamed: integration.is_streamed(),
        })
    }

    /// How a method's replies are kept. That they are not, although they were meant to be, is told.
    fn cache(
        &self,
        (http_method, path): (&str, &str),
        integration: Option<&Integration>,
        place: &Place,
        problems: &mut Vec<Problem>,
    ) -> Option<MethodCache> {
        let kept = self.stage.cache_of(http_method, path, integration?);
        kept.unwrap_or_else(|key| {
            problems.push(
                Problem::warning(
                    "deployment::cache-key",
                    format!("replies of `{http_method} {path}` are not kept"),
                )
                .at(place)
                .because(format!(
                    "`{key}` of its `CacheKeyParameters` cannot be told from a request, and without it one caller \
                     would get another's reply"
                ))
                .help(
                    "map it from `method.request.path.…`, `querystring.…`, `multivaluequerystring.…`, `header.…` or \
                     `multivalueheader.…`",
                ),
            );
            None
        })
    }
}

/// A method whose validation is not known is not served.
fn validated(
    validation: Result<Validation, Refusal>,
    resolved: Result<RestIntegration, Refusal>,
    written: Option<&Integration>,
) -> (Validation, Result<RestIntegration, Refusal>) {
    let templates = match (&resolved, written) {
        (Ok(RestIntegration::Mock(_)), Some(written)) => Some(mock::templates(written)),
        (Ok(RestIntegration::Custom(_)), Some(written)) => {
            // What has no template is handed on as it is.
            let templates = mock::templates(written);
            (templates.passthrough == Passthrough::Refused).then_some(templates)
        }
        (Ok(_) | Err(_), _) => None,
    };
    match validation {
        Ok(validation) => {
            let validation = Validation {
                templates,
                ..validation
            };
            (validation, resolved)
        }
        Err(refusal) => (Validation::default(), Err(refusal)),
    }
}

/// A method that cannot be served is reported, and stays in its place.
fn settle(
    method: &str,
    resolved: Result<RestIntegration, Refusal>,
    place: &Place,
    problems: &mut Vec<Problem>,
) -> RestIntegration {
    resolved.unwrap_or_else(|refusal| {
        problems.push(not_served(&format!("method `{method}`"), &refusal, place));
        RestIntegration::NotServed {
            reason: refusal.reason,
        }
    })
}

fn declared_methods(
    view: &View<'_>,
    api: &Resource<'_>,
    scope: &Scope<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<RestMethod> {
    let paths = paths(view, api);
    let mut methods = Vec::new();
    for method in view.of_api("AWS::ApiGateway::Method", "RestApiId", api.physical_id) {
        let resource_id = method.text("ResourceId").unwrap_or_default();
        let http_method = method
            .text("HttpMethod")
            .unwrap_or_default()
            .to_ascii_uppercase();
        let Some(path) = paths.get(&resource_id) else {
            problems.push(not_served(
                &format!("method `{}`", method.logical_id),
                &Refusal::new(format!(
                    "its resource `{resource_id}` is not one of its API"
                )),
                &method.place_of(&["ResourceId"]),
            ));
            continue;
        };
        let written = method.properties.get("Integration");
        let written = written.map(Integration::of_method);
        let resolved = match &written {
            Some(integration) => scope.resolve(integration),
            None => Err(Refusal::new("it has no integration")),
        };
        let authorization = scope.authorizers.of_resource(method);
        let (authorization, resolved) = guarded(authorization, resolved);
        let name = format!("{http_method} {path}");
        let validation = validation::of_method(view, api.physical_id, method);
        let (validation, resolved) = validated(validation, resolved, written.as_ref());
        let integration = settle(&name, resolved, method.place, problems);
        methods.push(RestMethod {
            resource_id,
            operation_name: method.text("OperationName"),
            validation,
            guard: Guard {
                authorization,
                api_key_required: method.is_true("ApiKeyRequired"),
            },
            throttle: scope.stage.rate_of_method(&http_method, path),
            cache: scope.cache(
                (&http_method, path),
                written.as_ref(),
                method.place,
                problems,
            ),
            place: Some(method.place.clone()),
            ..RestMethod::new(path, &http_method, integration)
        });
    }
    methods
}

/// The path of each resource of an API, by its id.
fn paths(view: &View<'_>, api: &Resource<'_>) -> BTreeMap<String, String> {
    let root = api.attributes.get("RootResourceId").and_then(Value::as_str);
    let mut paths = BTreeMap::new();
    if let Some(root) = root {
        paths.insert(root.to_owned(), "/".to_owned());
    }
    let resources: Vec<(&str, String, String)> = view
        .of_api("AWS::ApiGateway::Resource", "RestApiId", api.physical_id)
        .take(RESOURCES_MAX)
        .map(|resource| {
            let parent = resource.text("ParentId").unwrap_or_default();
            let part = resource.text("PathPart").unwrap_or_default();
            (resource.physical_id, parent, part)
        })
        .collect();
    // Each round finds at least one more, so that parents that go in a circle end it.
    loop {
        let found = paths.len();
        for (id, parent, part) in &resources {
            if let Some(above) = paths.get(parent.as_str()) {
                let path = format!("{}/{part}", above.trim_end_matches('/'));
                paths.insert((*id).to_owned(), path);
            }
        }
        if paths.len() == found {
            return paths;
        }
    }
}

fn defined_methods(
    api: &Resource<'_>,
    definition: &Value,
    scope: &Scope<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<RestMethod> {
    for (name, becomes) in openapi::unbuilt_parts(definition) {
        problems.push(
            Problem::warning(
                "deployment::definition-part-not-carried-out",
                format!("`{name}` is not carried out"),
            )
            .at(&api.place_of(&["Body", name]))
            .because(becomes),
        );
    }
    openapi::operations(definition)
        .into_iter()
        .map(|operation| {
            let resolved = match &operation.integration {
                Some(integration) => scope.resolve(integration),
                None => Err(Refusal::new("it has no `x-amazon-apigateway-integration`")),
            };
            let asked = scope
                .authorizers
                .of_operation(definition, &operation.written);
            let (authorization, resolved) = guarded(asked, resolved);
            let [paths, path, key] = &operation.key_path;
            let place = api.place_of(&["Body", paths, path, key]);
            let name = format!("{} {}", operation.http_method, operation.path);
            // API Gateway makes one resource of a path with and one without a slash at its end.
            let path = match operation.path.trim_end_matches('/') {
                "" => "/".to_owned(),
                path => path.to_owned(),
            };
            let (validation, resolved) = validated(
                operation.validation,
                resolved,
                operation.integration.as_ref(),
            );
            let integration = settle(&name, resolved, &place, problems);
            let http_method = operation.http_method.as_str();
            let written = operation.integration.as_ref();
            RestMethod {
                validation,
                throttle: scope.stage.rate_of_method(http_method, &path),
                cache: scope.cache((http_method, &path), written, &place, problems),
                place: Some(place),
                guard: Guard {
                    authorization,
                    api_key_required: operation.api_key_required,
                },
                operation_name: operation.written.get("operationId").and_then(text_of),
                resource_id: resource_id_of(api.physical_id, &path),
                ..RestMethod::new(&path, http_method, integration)
            }
        })
        .collect()
}

/// Resources of a definition have no resource in the template: their ids come from API and path.
fn resource_id_of(api: &str, path: &str) -> String {
    let digest = Sha256::digest(format!("{api}\0{path}"));
    hex::encode(digest).chars().take(6).collect()
}
