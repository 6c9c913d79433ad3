//! The routes of an application, as people are shown them.
//!
//! Lives here: one row a route, in the order of the manifest.
//! Does not live here: drawing the table (`cloudless::commands`), matching (`tree`).

use std::fmt;

use model::application::Application;
use model::function_url::FunctionUrl;
use model::http_api::{HttpIntegration, RouteKey};
use model::ids::FunctionName;
use model::problem::Place;
use model::rest_api::{Backend, RestIntegration};
use model::websocket_api::{WebSocketApi, WebSocketIntegration};

use super::{URL_PATH, balanced, conditions};

/// The sort of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiKind {
    /// A REST API.
    Rest,
    /// An HTTP API.
    Http,
    /// A function URL.
    FunctionUrl,
    /// A load balancer.
    LoadBalancer,
    /// A WebSocket API.
    WebSocket,
}

/// Who answers a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnsweredBy {
    /// A function.
    Function(FunctionName),
    /// The gateway itself: a CORS preflight.
    Gateway,
    /// The gateway itself: an event of a WebSocket API, of which nobody else hears.
    Mock,
    /// Another server, to which requests are handed on.
    Server {
        /// Its address, with the variables in it.
        uri: String,
    },
    /// A load balancer, by itself or by several functions.
    LoadBalancer {
        /// What it does.
        does: String,
    },
    /// Nobody: its requests fail.
    Nobody {
        /// Why.
        reason: String,
    },
}

/// One route, for `cloudless routes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRow {
    /// `GET`, …, or `ANY`.
    pub method: String,
    /// The path with its stage, as `/dev/pets/{id}`; or `$default`.
    pub path: String,
    /// Who answers.
    pub answered_by: AnsweredBy,
    /// The sort of its API.
    pub kind: ApiKind,
    /// Who may call, as `JWT users`; none: anybody.
    pub authorizer: Option<String>,
    /// How often the stage lets it be called, as `10/s, burst 20`.
    pub throttle: Option<String>,
    /// How long its replies are kept, as `300 s`.
    pub cache: Option<String>,
    /// What else a request must be like, as `ALB shop:443, 1, host a.example`; none: nothing.
    pub conditions: Option<String>,
    /// Where the manifest declares it.
    pub place: Option<Place>,
}

impl fmt::Display for AnsweredBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(function) => function.fmt(formatter),
            Self::Gateway => formatter.write_str("(CORS preflight)"),
            Self::Mock => formatter.write_str("(the gateway itself)"),
            Self::Server { uri } => formatter.write_str(uri),
            Self::LoadBalancer { does } => formatter.write_str(does),
            Self::Nobody { reason } => write!(formatter, "not served: {reason}"),
        }
    }
}

impl ApiKind {
    /// As people know it: `REST` or `HTTP`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "REST",
            Self::Http => "HTTP",
            Self::FunctionUrl => "URL",
            Self::LoadBalancer => "ALB",
            Self::WebSocket => "WebSocket",
        }
    }
}

fn answered_by(backend: &Backend) -> AnsweredBy {
    match backend {
        Backend::Function(callee) => AnsweredBy::Function(callee.function.clone()),
        Backend::Server { uri, .. } => AnsweredBy::Server { uri: uri.clone() },
        Backend::Service(called) => AnsweredBy::Server {
            uri: match &called.action {
                Some(action) => format!("{}:{action}", called.service),
                None => format!("{}{}", called.service, called.path),
            },
        },
        Backend::Mock => AnsweredBy::Server {
            uri: "(mock)".to_owned(),
        },
    }
}

/// The routes of an application, REST APIs first, each in its own order.
#[must_use]
pub fn routes_table(application: &Application) -> Vec<RouteRow> {
    let mut rows = Vec::new();
    for api in &application.rest_apis {
        rows.extend(api.methods.iter().map(|method| RouteRow {
            method: method.http_method.clone(),
            path: with_stage(api.stage.as_str(), &method.path),
            answered_by: match &method.integration {
                RestIntegration::LambdaProxy { callee, .. } => {
                    AnsweredBy::Function(callee.function.clone())
                }
                RestIntegration::HttpProxy(proxy) => AnsweredBy::Server {
                    uri: proxy.uri.clone(),
                },
                RestIntegration::Custom(custom) => answered_by(&custom.backend),
                RestIntegration::Mock(_) => AnsweredBy::Gateway,
                RestIntegration::NotServed { reason } => AnsweredBy::Nobody {
                    reason: reason.clone(),
                },
            },
            kind: ApiKind::Rest,
            authorizer: conditions::who(&method.guard),
            throttle: method.throttle.as_ref().map(conditions::how_often),
            cache: method.cache.as_ref().map(conditions::how_long),
            conditions: None,
            place: method.place.clone(),
        }));
    }
    for api in &application.http_apis {
        rows.extend(api.routes.iter().map(|route| {
            let (method, path) = match &route.key {
                RouteKey::Default => ("ANY".to_owned(), "$default".to_owned()),
                RouteKey::Path { http_method, path } => {
                    (http_method.clone(), with_stage(api.stage.as_str(), path))
                }
            };
            RouteRow {
                method,
                path,
                answered_by: match &route.integration {
                    HttpIntegration::Lambda { callee, .. } => {
                        AnsweredBy::Function(callee.function.clone())
                    }
                    HttpIntegration::HttpProxy(proxy) => AnsweredBy::Server {
                        uri: proxy.uri.clone(),
                    },
                    HttpIntegration::Service(called) => AnsweredBy::Server {
                        uri: called.action.name().to_owned(),
                    },
                    HttpIntegration::NotServed { reason } => AnsweredBy::Nobody {
                        reason: reason.clone(),
                    },
                },
                kind: ApiKind::Http,
                authorizer: conditions::who(&route.guard),
                throttle: route.throttle.as_ref().map(conditions::how_often),
                cache: None,
                conditions: None,
                place: route.place.clone(),
            }
        }));
    }
    rows.extend(application.websocket_apis.iter().flat_map(socket_rows));
    rows.extend(application.function_urls.iter().map(row_of_url));
    rows.extend(application.listeners.iter().flat_map(balanced::rows));
    rows
}

fn row_of_url(url: &FunctionUrl) -> RouteRow {
    RouteRow {
        method: "ANY".to_owned(),
        path: format!("{URL_PATH}{}/", url.id),
        answered_by: AnsweredBy::Function(url.callee.function.clone()),
        kind: ApiKind::FunctionUrl,
        authorizer: conditions::who_of_url(url.auth),
        throttle: None,
        cache: None,
        conditions: None,
        place: url.place.clone(),
    }
}

fn socket_rows(api: &WebSocketApi) -> impl Iterator<Item = RouteRow> + '_ {
    api.routes.iter().map(|route| RouteRow {
        method: "WS".to_owned(),
        path: format!("{} {}", with_stage(api.stage.as_str(), ""), route.key),
        answered_by: match &route.integration {
            WebSocketIntegration::Lambda { callee, .. } => {
                AnsweredBy::Function(callee.function.clone())
            }
            WebSocketIntegration::Mock { .. } | WebSocketIntegration::Nothing => AnsweredBy::Mock,
            WebSocketIntegration::NotServed { reason } => AnsweredBy::Nobody {
                reason: reason.clone(),
            },
        },
        kind: ApiKind::WebSocket,
        authorizer: conditions::who(&route.guard),
        throttle: route.throttle.as_ref().map(conditions::how_often),
        cache: None,
        conditions: None,
        place: route.place.clone(),
    })
}

fn with_stage(stage: &str, path: &str) -> String {
    match stage {
        "$default" => path.to_owned(),
        _ => format!("/{stage}{path}"),
    }
}
