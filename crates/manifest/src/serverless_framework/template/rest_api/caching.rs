//! The plug-in `serverless-api-gateway-caching`: replies that the API's stage keeps.
//!
//! Lives here: what `custom.apiGatewayCaching` and `caching` of events make of methods and of the stage.
//! Does not live here: what the stage's settings mean (`deployment`), keeping replies (`gateway`).
//!
//! Contract: the plug-in itself, 1.11. It changes methods before the deployment, and the stage by calls of `UpdateStage`
//! behind it; here the stage's part stands in the deployment's description of the stage.

use cloudformation::node::Node;
use model::problem::Problem;

use super::events::{self, Event};
use crate::serverless_framework::build::Object;
use crate::serverless_framework::naming;
use crate::serverless_framework::plugins;
use crate::serverless_framework::script;
use crate::serverless_framework::service::Service;
use crate::serverless_framework::template::Draft;

const PLUGIN: &str = "serverless-api-gateway-caching";
/// How long replies are kept when nobody says it, in seconds.
const TTL_S_DEFAULT: u32 = 3_600;
/// Methods whose replies are not kept where an event takes all methods.
const NOT_GET: [&str; 6] = ["DELETE", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// What `custom.apiGatewayCaching` says.
pub(super) fn settings<'a>(service: &Service<'a>) -> Option<&'a Node> {
    let mut named = plugins::named(service.root);
    let is_used = named.any(|plugin| plugin.as_str() == Some(PLUGIN));
    let settings = service.root.at_path(["custom", "apiGatewayCaching"]);
    script::present(settings).filter(|_| is_used)
}

/// Adds what tells the replies of a method apart, to its parameters and to its integration.
pub(super) fn key(
    service: &Service<'_>,
    event: &Event<'_>,
    parameters: &mut Object,
    integration: Object,
) -> Object {
    let caching = event
        .option("caching")
        .filter(|_| settings(service).is_some());
    let keys = caching.and_then(|caching| caching.get("cacheKeyParameters"));
    let Some(keys) = keys.and_then(Node::as_sequence) else {
        return integration;
    };
    let known: Vec<String> = event
        .request_parameters()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let mut declare = |name: &str| {
        if !known.iter().any(|known| known == name) {
            parameters.set(name, false);
        }
    };
    let mut names = Vec::new();
    let mut mapped = Object::new(&event.place);
    for key in keys {
        let text = |name: &str| script::truthy(key.get(name)).and_then(script::text_of);
        let Some(name) = text("name") else { continue };
        match text("mappedFrom") {
            None => {
                let name = format!("method.{name}");
                declare(&name);
                if event.integration != events::Integration::Function {
                    mapped.set(&name.replacen("method.", "integration.", 1), name.as_str());
                }
                names.push(name);
            }
            Some(from) => {
                let kinds = ["querystring", "header", "path"];
                if kinds
                    .iter()
                    .any(|kind| from.contains(&format!("method.request.{kind}")))
                {
                    declare(&from);
                }
                mapped.set(&name, from);
                names.push(name);
            }
        }
    }
    let namespace = format!("{}CacheNS", naming::rest_method(&event.path, &event.method));
    integration
        .with("CacheKeyParameters", names)
        .with("CacheNamespace", namespace)
        .joining("RequestParameters", mapped)
}

/// What the plug-in makes of the stage, as the deployment describes it.
pub(super) fn stage(
    service: &Service<'_>,
    events: &[Event<'_>],
    draft: &mut Draft,
) -> Option<Object> {
    let settings = settings(service)?;
    let enabled = script::present(settings.get("enabled"))?;
    let is_enabled = script::is_true(enabled);
    let mut description = Object::new(&settings.place);
    if script::truthy(settings.get("apiGatewayIsShared")).is_none() {
        description.set("CacheClusterEnabled", is_enabled);
        if is_enabled {
            let size = script::truthy(settings.get("clusterSize")).and_then(script::text_of);
            description.set("CacheClusterSize", size.unwrap_or_else(|| "0.5".to_owned()));
            description.set("CacheTtlInSeconds", time_to_live(settings, None));
        }
    }
    let mut listed = Vec::new();
    for event in events {
        let path = match base_path(settings) {
            None => format!("/{}", event.path),
            Some(base) => format!("/{base}/{}", event.path),
        };
        let caching = event.option("caching");
        if event.method == "ANY" {
            let off = NOT_GET
                .iter()
                .map(|method| method_setting(settings, None, &path, method));
            listed.extend(off);
            listed.push(method_setting(settings, caching, &path, "GET"));
        } else {
            listed.push(method_setting(settings, caching, &path, &event.method));
        }
    }
    listed.extend(additional(settings, draft));
    Some(description.with("MethodSettings", listed))
}

/// Endpoints that events do not make.
fn additional(settings: &Node, draft: &mut Draft) -> Vec<Object> {
    let endpoints = settings
        .get("additionalEndpoints")
        .and_then(Node::as_sequence);
    let mut listed = Vec::new();
    for endpoint in endpoints.unwrap_or_default() {
        let text = |name: &str| script::truthy(endpoint.get(name)).and_then(script::text_of);
        let (Some(method), Some(path)) = (text("method"), text("path")) else {
            continue;
        };
        let caching = script::truthy(endpoint.get("caching"));
        if let Some(keys) = caching.and_then(|caching| caching.get("cacheKeyParameters")) {
            draft.problems.push(
                Problem::error(
                    "manifest::plugin-not-implemented",
                    format!("`cacheKeyParameters` of an additional endpoint of `{PLUGIN}` are not read"),
                )
                .at(&keys.place)
                .because("such endpoints are made by other plug-ins, which are not run")
                .help("write the method under `resources`, with `CacheKeyParameters` in its integration"),
            );
        }
        let path = format!("/{}", path.trim_start_matches('/'));
        listed.push(method_setting(
            settings,
            caching,
            &path,
            &method.to_uppercase(),
        ));
    }
    listed
}

fn base_path(settings: &Node) -> Option<String> {
    let written = script::truthy(settings.get("basePath")).and_then(script::text_of)?;
    Some(written.trim_matches('/').to_owned())
}

fn method_setting(settings: &Node, caching: Option<&Node>, path: &str, method: &str) -> Object {
    let place = caching.map_or(&settings.place, |caching| &caching.place);
    let is_on = |node: &Node| script::truthy(node.get("enabled")).is_some();
    let is_cached = is_on(settings) && caching.is_some_and(is_on);
    let mut setting = Object::new(place)
        .with(
            "ResourcePath",
            format!("/{}", path.replace('~', "~0").replace('/', "~1")),
        )
        .with("HttpMethod", method)
        .with("CachingEnabled", is_cached);
    if is_cached {
        setting.set("CacheTtlInSeconds", time_to_live(settings, caching));
    }
    let Some(caching) = caching else {
        return setting;
    };
    let own = script::truthy(caching.get("perKeyInvalidation"));
    let said = own.or_else(|| script::truthy(settings.get("perKeyInvalidation")));
    let required =
        said.is_none_or(|said| script::truthy(said.get("requireAuthorization")).is_some());
    setting.set("RequireAuthorizationForCacheControl", required);
    if required {
        let strategy = said.and_then(|said| said.get("handleUnauthorizedRequests"));
        let strategy = script::truthy(strategy).and_then(script::text_of);
        let strategy = match strategy.map(|text| text.to_lowercase()).as_deref() {
            Some("fail") => "FAIL_WITH_403",
            Some("ignore") => "SUCCEED_WITHOUT_RESPONSE_HEADER",
            Some(_) | None => "SUCCEED_WITH_RESPONSE_HEADER",
        };
        setting.set("UnauthorizedCacheControlHeaderStrategy", strategy);
    }
    setting
}

/// In seconds: the endpoint's own time, the stage's, or the plug-in's.
fn time_to_live(settings: &Node, caching: Option<&Node>) -> Node {
    let said = |node: &Node| script::present(node.get("ttlInSeconds")).cloned();
    let said = caching.and_then(said).or_else(|| said(settings));
    said.unwrap_or_else(|| {
        let default = serde_json::Value::from(TTL_S_DEFAULT);
        Node::from_json(&default, &settings.place)
    })
}
