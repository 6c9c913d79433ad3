//! What is deployed, as OpenAPI 3.1: for Postman, client generators and tests of contracts.
//!
//! Lives here: the document of one API: its servers, paths, operations.
//! Does not live here: what a request must show (`security`), matching and carrying out (`routes`).
//!
//! Contract: OpenAPI Specification 3.1.0; Amazon API Gateway Developer Guide, "Export a REST API", for what is shown of an API.
//! Differs: an `ANY` is written as each method that no other route of its path has, since the specification has no such
//! operation, and a greedy variable (`{proxy+}`) as a variable whose description says so.

mod models;
mod operation;
mod security;

use std::collections::{BTreeMap, BTreeSet};

use model::door::{ApiKeySource, Guard, Validation};
use model::http_api::{HttpApi, HttpIntegration, RouteKey};
use model::rest_api::{Backend, RestApi, RestIntegration};
use serde_json::{Map, Value, json};

use models::Models;
use operation::Described;
use security::Schemes;

/// The methods that an operation can have, but `TRACE`, which no gateway hands on.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
const ANY: &str = "ANY";
/// The path of requests that no other route takes.
const REST_OF_PATHS: &str = "/{proxy+}";

/// An API, whichever sort.
#[derive(Debug, Clone, Copy)]
pub enum Api<'a> {
    /// A REST API.
    Rest(&'a RestApi),
    /// An HTTP API.
    Http(&'a HttpApi),
}

impl Api<'_> {
    /// Its display name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Rest(api) => &api.name,
            Self::Http(api) => &api.name,
        }
    }

    /// Its name in the template.
    #[must_use]
    pub fn logical_id(&self) -> &str {
        match self {
            Self::Rest(api) => api.logical_id.as_str(),
            Self::Http(api) => api.logical_id.as_str(),
        }
    }

    fn stage(&self) -> &str {
        match self {
            Self::Rest(api) => api.stage.as_str(),
            Self::Http(api) => api.stage.as_str(),
        }
    }
}

/// The document of an API that is reached at this origin, as `http://localhost:3000`.
#[must_use]
pub fn document(api: Api<'_>, origin: &str) -> Value {
    let nothing = Validation::default();
    let mut components = Components::default();
    let mut paths = Paths::default();
    match api {
        Api::Rest(rest) => {
            if rest.api_key_source == ApiKeySource::Header {
                components.security.keys_in_header();
            }
            for method in &rest.methods {
                if let Some(who) = answers_rest(&method.integration) {
                    paths.add(
                        &method.path,
                        &method.http_method,
                        &method.guard,
                        &method.validation,
                        who,
                    );
                }
            }
        }
        Api::Http(http) => {
            for route in &http.routes {
                let (method, path) = match &route.key {
                    RouteKey::Default => (ANY, REST_OF_PATHS),
                    RouteKey::Path { http_method, path } => (http_method.as_str(), path.as_str()),
                };
                if let Some(who) = answers_http(&route.integration) {
                    paths.add(path, method, &route.guard, &nothing, who);
                }
            }
        }
    }
    let written = paths.written(&mut components);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": api.name(), "version": api.stage() },
        "servers": [{ "url": format!("{origin}{}", prefix(api.stage())) }],
        "paths": written,
    });
    let components = components.written();
    if !components.is_empty()
        && let Some(members) = document.as_object_mut()
    {
        members.insert("components".to_owned(), Value::Object(components));
    }
    document
}

/// What operations refer to.
#[derive(Default)]
struct Components {
    security: Schemes,
    models: Models,
}

impl Components {
    /// Those that there are.
    fn written(self) -> Map<String, Value> {
        let schemes = self.security.written().into_iter().collect();
        let all = [
            ("schemas", self.models.written()),
            ("securitySchemes", schemes),
        ];
        all.into_iter()
            .filter(|(_, members)| !members.is_empty())
            .map(|(name, members)| (name.to_owned(), Value::Object(members)))
            .collect()
    }
}

fn prefix(stage: &str) -> String {
    match stage {
        "$default" => String::new(),
        _ => format!("/{stage}"),
    }
}

/// Who answers; none for what a client cannot call: preflights, which browsers make by themselves, and what is not served.
fn answers_rest(integration: &RestIntegration) -> Option<String> {
    match integration {
        RestIntegration::LambdaProxy { callee, .. } => Some(callee.function.to_string()),
        RestIntegration::HttpProxy(proxy) => Some(proxy.uri.clone()),
        RestIntegration::Custom(custom) => match &custom.backend {
            Backend::Function(callee) => Some(callee.function.to_string()),
            Backend::Server { uri, .. } => Some(uri.clone()),
            Backend::Service(called) => Some(called.service.clone()),
            Backend::Mock => None,
        },
        RestIntegration::Mock(_) | RestIntegration::NotServed { .. } => None,
    }
}

fn answers_http(integration: &HttpIntegration) -> Option<String> {
    match integration {
        HttpIntegration::Lambda { callee, .. } => Some(callee.function.to_string()),
        HttpIntegration::HttpProxy(proxy) => Some(proxy.uri.clone()),
        HttpIntegration::Service(called) => Some(called.action.name().to_owned()),
        HttpIntegration::NotServed { .. } => None,
    }
}

/// The operations of all paths.
#[derive(Default)]
struct Paths<'a> {
    by_path: BTreeMap<String, Vec<Described<'a>>>,
}

impl<'a> Paths<'a> {
    fn add(
        &mut self,
        path: &'a str,
        method: &'a str,
        guard: &'a Guard,
        validation: &'a Validation,
        answered_by: String,
    ) {
        let described = Described {
            path,
            method,
            guard,
            validation,
            answered_by,
        };
        let operations = self.by_path.entry(operation::template(path)).or_default();
        operations.push(described);
    }

    fn written(&self, components: &mut Components) -> Map<String, Value> {
        let mut ids = BTreeSet::new();
        let mut paths = Map::new();
        for (template, operations) in &self.by_path {
            let mut item = Map::new();
            let (any, single): (Vec<_>, Vec<_>) =
                operations.iter().partition(|one| one.method == ANY);
            for one in single {
                let method = one.method.to_ascii_lowercase();
                let written = one.written(&method, components, &mut ids);
                item.insert(method, written);
            }
            for one in any {
                for method in METHODS {
                    if !item.contains_key(method) {
                        let written = one.written(method, components, &mut ids);
                        item.insert(method.to_owned(), written);
                    }
                }
            }
            paths.insert(template.clone(), Value::Object(item));
        }
        paths
    }
}

#[cfg(test)]
mod tests;
