//! HTTP APIs of Amazon API Gateway (version 2), as deployed.
//!
//! Lives here: routes, integrations and options that the gateway compiles.
//! Does not live here: matching and events (`gateway`), REST APIs (`rest_api`), WebSocket APIs.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::door::{AccessLogSettings, CalledService, Callee, Guard, HttpProxy, Rate};
use crate::ids::{ApiId, LogicalId, StageName};
use crate::problem::Place;

/// An HTTP API with the one stage that is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpApi {
    /// Its name in the template.
    pub logical_id: LogicalId,
    /// Its id: the first label of its endpoint's host name.
    pub id: ApiId,
    /// Its display name.
    pub name: String,
    /// The deployed stage; `$default` has no prefix in the path.
    pub stage: StageName,
    /// The stage's variables.
    pub stage_variables: BTreeMap<String, String>,
    /// Its routes.
    pub routes: Vec<HttpRoute>,
    /// Its CORS configuration; none: the functions answer preflights themselves.
    pub cors: Option<CorsConfiguration>,
    /// How each request is written down.
    pub access_log: Option<AccessLogSettings>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRoute {
    /// The route's key.
    pub key: RouteKey,
    /// What answers it.
    pub integration: HttpIntegration,
    /// Who may call it; API keys are for REST APIs.
    pub guard: Guard,
    /// How often the stage lets it be called.
    pub throttle: Option<Rate>,
    /// Where the manifest declares it.
    pub place: Option<Place>,
}

/// What answers a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpIntegration {
    /// `AWS_PROXY` to a function.
    Lambda {
        /// The function.
        callee: Callee,
        /// The shape of event and reply.
        payload_format: PayloadFormat,
        /// How long the gateway waits for the function.
        timeout: Duration,
    },
    /// `HTTP_PROXY` to another server.
    HttpProxy(HttpProxy),
    /// A service of the cloud.
    Service(CalledService),
    /// Nothing, although the route is declared: its requests fail. It keeps its place, because a less specific route
    /// (`$default`) would otherwise take its requests, past whatever guards it.
    NotServed {
        /// Why, for the developer.
        reason: String,
    },
}

/// What a route answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteKey {
    /// `$default`: whatever no other route takes.
    Default,
    /// `GET /pets/{id}`, `ANY /{proxy+}`.
    Path {
        /// `GET`, …, or `ANY`.
        http_method: String,
        /// As `/pets/{id}`.
        path: String,
    },
}

/// The two shapes of a function's event and reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadFormat {
    /// `1.0`: as a REST API sends it.
    V1,
    /// `2.0`.
    V2,
}

/// `CorsConfiguration` of an HTTP API. An empty list sends no such header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorsConfiguration {
    /// `Access-Control-Allow-Origin`.
    pub allow_origins: Vec<String>,
    /// `Access-Control-Allow-Methods`.
    pub allow_methods: Vec<String>,
    /// `Access-Control-Allow-Headers`.
    pub allow_headers: Vec<String>,
    /// `Access-Control-Expose-Headers`.
    pub expose_headers: Vec<String>,
    /// `Access-Control-Max-Age`, in seconds.
    pub max_age_s: Option<u32>,
    /// Whether `Access-Control-Allow-Credentials: true` is sent.
    pub allow_credentials: bool,
}

impl HttpApi {
    /// An API without routes, and with nothing but the defaults.
    #[must_use]
    pub fn new(logical_id: LogicalId, id: ApiId, stage: StageName) -> Self {
        Self {
            name: logical_id.to_string(),
            logical_id,
            id,
            stage,
            stage_variables: BTreeMap::new(),
            routes: Vec::new(),
            cors: None,
            access_log: None,
        }
    }
}

impl HttpRoute {
    /// A route that anybody may call, with nothing but the defaults.
    #[must_use]
    pub fn new(key: RouteKey, integration: HttpIntegration) -> Self {
        Self {
            key,
            integration,
            guard: Guard::default(),
            throttle: None,
            place: None,
        }
    }
}
