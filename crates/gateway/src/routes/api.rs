//! One API, compiled: its routes, and how its kind reads a path.
//!
//! Lives here: what the model says, in the form in which requests are matched.
//! Does not live here: the choice among APIs (`table`), matching (`tree`).

use std::borrow::Cow;
use std::time::Duration;

use model::application::Application;
use model::door::{ApiKeySource, Callee, Guard, MethodCache, Rate};
use model::function_url::{AuthType, FunctionUrl};
use model::http_api::{
    CorsConfiguration, HttpApi, HttpIntegration, HttpRoute, PayloadFormat, RouteKey,
};
use model::ids::{ApiId, Region, RevisionId, StageName};
use model::problem::{Place, Problem};
use model::rest_api::{MockReply, RestApi, RestIntegration, RestMethod};
use model::websocket_api::{Replies, Selection, WebSocketIntegration};

use super::function_url::{bare_url, url_route};
use super::problems;
use super::table::Asked;
use super::target;
use super::template::Template;
use super::tree::{ANY_METHODS, Precedence, Tree};
use crate::application::Landed;
use crate::cache::StageCache;
use crate::events::StageVariables;
use crate::gateway_responses::Customs;
use crate::http_proxy::{BadMapping, BadProxy, Called, Custom, Proxy, Style};
use crate::validate::Rules;

/// The stage that has no prefix in the path.
pub(crate) const DEFAULT_STAGE: &str = "$default";

/// One API with its one stage.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) kind: Kind,
    pub(crate) id: ApiId,
    pub(crate) stage: StageName,
    /// The region that its ARNs name.
    pub(crate) region: Region,
    pub(crate) stage_variables: StageVariables,
    /// What it says in its own words (REST APIs).
    pub(crate) customs: Customs,
    /// The format of a line of its access log; none: it keeps none.
    pub(crate) access_log: Option<String>,
    /// Replies of so many bytes and more are compressed, and bodies may be; none: neither is (REST APIs).
    pub(crate) compression_bytes_min: Option<u32>,
    /// The replies that its stage keeps (REST APIs).
    pub(crate) cache: Option<StageCache<Landed>>,
    pub(super) routes: Vec<Route>,
    pub(super) tree: Tree,
    /// The route `$default` of an HTTP API.
    pub(super) fallback: Option<usize>,
}

/// What sort of API it is, with what only that sort has.
#[derive(Debug)]
pub(crate) enum Kind {
    Rest {
        binary_media_types: Vec<String>,
        deployment_id: String,
        api_key_source: ApiKeySource,
    },
    Http {
        cors: Option<CorsConfiguration>,
    },
    /// Its routes take messages of connections, each by its key.
    WebSocket {
        selection: Selection,
        api_key_source: ApiKeySource,
    },
    /// A function's own address, which has one route.
    FunctionUrl {
        cors: Option<CorsConfiguration>,
        auth: AuthType,
    },
}

/// One route.
#[derive(Debug)]
pub(crate) struct Route {
    /// `GET /pets/{id}` or `$default`.
    pub(crate) key: String,
    /// `/pets/{id}`, or `$default`.
    pub(crate) resource: String,
    /// A REST API's resource id.
    pub(crate) resource_id: String,
    /// What a REST API calls the method.
    pub(crate) operation_name: Option<String>,
    pub(crate) answer: Answer,
    /// Who may call it.
    pub(crate) guard: Guard,
    /// How often it may be called.
    pub(crate) throttle: Option<Rate>,
    /// What its requests must bring.
    pub(crate) rules: Rules,
    /// How its replies are kept.
    pub(crate) cache: Option<MethodCache>,
    pub(crate) place: Option<Place>,
    pub(super) template: Option<Template>,
    pub(super) method: String,
}

/// What answers a route.
#[derive(Debug)]
pub(crate) enum Answer {
    Function {
        callee: Callee,
        timeout: Duration,
        payload: Payload,
        transfer: Transfer,
    },
    HttpProxy(Box<Proxy>),
    Service(Box<Called>),
    /// With mapping templates.
    Custom(Box<Custom>),
    Mock(MockReply),
    /// Events of a WebSocket API.
    Socket {
        integration: WebSocketIntegration,
        replies: Replies,
    },
    /// Nothing, for this reason: its requests fail.
    NotServed(String),
}

/// The shapes of event and reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    Rest,
    HttpV1,
    HttpV2,
}

/// How replies are handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// Whole.
    Buffered,
    /// While they are written.
    Streamed,
}

impl Api {
    /// Compiles a REST API.
    pub(super) fn rest(api: &RestApi, of: &Application, found: &mut Vec<Problem>) -> Self {
        bare_rest_api(api, &of.revision, &of.region).with(rest_routes(api, found), found)
    }

    /// Compiles an HTTP API.
    pub(super) fn http(api: &HttpApi, region: &Region, found: &mut Vec<Problem>) -> Self {
        bare_http_api(api, region).with(http_routes(api, found), found)
    }

    /// Compiles a function's own address.
    pub(super) fn url(url: &FunctionUrl, region: &Region, found: &mut Vec<Problem>) -> Self {
        bare_url(url, region).with(vec![url_route(url)], found)
    }

    /// The route of this key.
    pub(crate) fn route(&self, key: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.key == key)
    }

    /// Its CORS configuration; REST APIs have none.
    pub(crate) fn cors(&self) -> Option<&CorsConfiguration> {
        match &self.kind {
            Kind::Rest { .. } | Kind::WebSocket { .. } => None,
            Kind::Http { cors } | Kind::FunctionUrl { cors, .. } => cors.as_ref(),
        }
    }

    pub(super) fn find(&self, method: &str, path: &str) -> Option<usize> {
        let segments = target::segments(self.matched(path));
        self.tree.find(self.precedence(), method, &segments)
    }

    pub(super) fn near(&self, path: &str) -> Option<&Route> {
        let path = self.shown_path(path);
        let segments = target::segments(self.matched(&path));
        self.routes.get(self.tree.find_any_method(&segments)?)
    }

    /// The method that a request means here.
    ///
    /// Contract: Amazon API Gateway Developer Guide, "Important notes for REST APIs": the header
    /// `X-HTTP-Method-Override` overrides the method, and is not handed on.
    pub(super) fn method<'a>(&self, asked: &Asked<'a>) -> &'a str {
        match self.kind {
            Kind::Rest { .. } => asked
                .method_override
                .filter(|method| ANY_METHODS.contains(method))
                .unwrap_or(asked.method),
            Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => asked.method,
        }
    }

    fn precedence(&self) -> Precedence {
        match self.kind {
            Kind::Rest { .. } => Precedence::SegmentBySegment,
            Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => {
                Precedence::FullMatchFirst
            }
        }
    }

    pub(super) fn shown_path<'p>(&self, path: &'p str) -> Cow<'p, str> {
        match self.kind {
            Kind::Rest { .. } => target::rest_path(path),
            Kind::Http { .. } | Kind::WebSocket { .. } => target::http_path(path),
            // A function URL shows paths as they are sent, encodings and all.
            Kind::FunctionUrl { .. } => Cow::Borrowed(path),
        }
    }

    /// The part of it that is matched.
    pub(crate) fn matched<'p>(&self, shown_path: &'p str) -> &'p str {
        match self.kind {
            Kind::Rest { .. } => target::rest_match(shown_path),
            Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => {
                target::http_match(shown_path)
            }
        }
    }

    /// A REST API shows the slashes behind its stage as they were sent, here alone.
    pub(super) fn full_path(&self, sent: &str, shown: &str) -> String {
        match self.kind {
            Kind::Rest { .. } => format!("/{}{sent}", self.stage),
            Kind::FunctionUrl { .. } => shown.to_owned(),
            Kind::Http { .. } if self.stage.as_str() == DEFAULT_STAGE => shown.to_owned(),
            Kind::Http { .. } | Kind::WebSocket { .. } => format!("/{}{shown}", self.stage),
        }
    }

    fn with(mut self, routes: Vec<Route>, found: &mut Vec<Problem>) -> Self {
        for route in routes {
            self.add(route, found);
        }
        self
    }

    fn add(&mut self, route: Route, found: &mut Vec<Problem>) {
        let number = self.routes.len();
        let taken = match &route.template {
            Some(template) => self.tree.insert(template, &route.method, number),
            None if route.resource == DEFAULT_STAGE => match self.fallback {
                Some(existing) => Err(existing),
                None => {
                    self.fallback = Some(number);
                    Ok(())
                }
            },
            None => {
                found.push(problems::bad_path(&route));
                return;
            }
        };
        match taken {
            Ok(()) => self.routes.push(route),
            Err(existing) => found.push(problems::duplicate(&route, self.routes.get(existing))),
        }
    }
}

impl Route {
    /// The variables of its path, with their values in the path of a request to this API.
    pub(crate) fn path_parameters<'a>(
        &'a self,
        api: &Api,
        shown_path: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        let matched = api.matched(shown_path);
        self.template
            .iter()
            .flat_map(move |template| template.values(matched))
    }

    fn hand_on(&mut self, compiled: Result<Proxy, BadProxy>, found: &mut Vec<Problem>) {
        match compiled {
            Ok(proxy) => self.answer = Answer::HttpProxy(Box::new(proxy)),
            Err(bad) => {
                found.push(problems::bad_proxy(self, &bad));
                self.answer = Answer::NotServed(bad.to_string());
            }
        }
    }

    fn call_service(&mut self, compiled: Result<Called, BadMapping>, found: &mut Vec<Problem>) {
        match compiled {
            Ok(called) => self.answer = Answer::Service(Box::new(called)),
            Err(bad) => {
                let bad = BadProxy::from(bad);
                found.push(problems::bad_proxy(self, &bad));
                self.answer = Answer::NotServed(bad.to_string());
            }
        }
    }

    /// `GET`, …, or `ANY`.
    pub(crate) fn method(&self) -> &str {
        &self.method
    }
}

fn bare_rest_api(api: &RestApi, revision: &RevisionId, region: &Region) -> Api {
    Api {
        kind: Kind::Rest {
            binary_media_types: api.binary_media_types.clone(),
            deployment_id: deployment_id(revision),
            api_key_source: api.api_key_source,
        },
        id: api.id.clone(),
        stage: api.stage.clone(),
        region: region.clone(),
        stage_variables: StageVariables::new(&api.stage_variables),
        customs: Customs::new(&api.gateway_responses),
        access_log: api.access_log.as_ref().map(|log| log.format.clone()),
        compression_bytes_min: api.minimum_compression_bytes,
        cache: api.cache_bytes.map(StageCache::new),
        routes: Vec::new(),
        tree: Tree::new(),
        fallback: None,
    }
}

fn bare_http_api(api: &HttpApi, region: &Region) -> Api {
    Api {
        kind: Kind::Http {
            cors: api.cors.clone(),
        },
        id: api.id.clone(),
        stage: api.stage.clone(),
        region: region.clone(),
        stage_variables: StageVariables::new(&api.stage_variables),
        customs: Customs::default(),
        access_log: api.access_log.as_ref().map(|log| log.format.clone()),
        compression_bytes_min: None,
        cache: None,
        routes: Vec::new(),
        tree: Tree::new(),
        fallback: None,
    }
}

fn rest_routes(api: &RestApi, found: &mut Vec<Problem>) -> Vec<Route> {
    let route = |method: &RestMethod| {
        let mut route = rest_route(method);
        if let RestIntegration::HttpProxy(proxy) = &method.integration {
            let compiled = Proxy::compile(proxy, Style::Rest, &api.stage_variables);
            route.hand_on(compiled, found);
        }
        if let RestIntegration::Custom(custom) = &method.integration {
            match Custom::compile(custom, &api.stage_variables) {
                Ok(custom) => route.answer = Answer::Custom(Box::new(custom)),
                Err(bad) => {
                    found.push(problems::bad_integration(&route, &bad));
                    route.answer = Answer::NotServed(bad.to_string());
                }
            }
        }
        match Rules::compile(&method.validation) {
            Ok(rules) => route.rules = rules,
            Err(bad) => {
                found.push(problems::bad_model(&route, &bad));
                route.answer = Answer::NotServed(bad.to_string());
            }
        }
        route
    };
    api.methods.iter().map(route).collect()
}

/// One that hands requests on is told whom to afterwards.
fn rest_route(method: &RestMethod) -> Route {
    Route {
        key: format!("{} {}", method.http_method, method.path),
        resource: method.path.clone(),
        resource_id: method.resource_id.clone(),
        operation_name: method.operation_name.clone(),
        answer: match &method.integration {
            RestIntegration::LambdaProxy {
                callee,
                timeout,
                is_streamed,
            } => Answer::Function {
                callee: callee.clone(),
                timeout: *timeout,
                payload: Payload::Rest,
                transfer: if *is_streamed {
                    Transfer::Streamed
                } else {
                    Transfer::Buffered
                },
            },
            RestIntegration::HttpProxy(proxy) => Answer::NotServed(proxy.uri.clone()),
            RestIntegration::Custom(_) => Answer::NotServed(String::new()),
            RestIntegration::Mock(reply) => Answer::Mock(reply.clone()),
            RestIntegration::NotServed { reason } => Answer::NotServed(reason.clone()),
        },
        guard: method.guard.clone(),
        throttle: method.throttle,
        rules: Rules::default(),
        cache: method.cache.clone(),
        place: method.place.clone(),
        template: Template::parse(&method.path).ok(),
        method: method.http_method.clone(),
    }
}

fn http_routes(api: &HttpApi, found: &mut Vec<Problem>) -> Vec<Route> {
    let route = |route: &HttpRoute| {
        let (key, resource, template, method) = match &route.key {
            RouteKey::Default => (
                DEFAULT_STAGE.to_owned(),
                DEFAULT_STAGE.to_owned(),
                None,
                "ANY".to_owned(),
            ),
            RouteKey::Path { http_method, path } => (
                format!("{http_method} {path}"),
                path.clone(),
                Template::parse(path).ok(),
                http_method.clone(),
            ),
        };
        Route {
            key,
            resource,
            resource_id: String::new(),
            operation_name: None,
            answer: match &route.integration {
                HttpIntegration::Lambda {
                    callee,
                    payload_format,
                    timeout,
                } => Answer::Function {
                    callee: callee.clone(),
                    timeout: *timeout,
                    payload: match payload_format {
                        PayloadFormat::V1 => Payload::HttpV1,
                        PayloadFormat::V2 => Payload::HttpV2,
                    },
                    transfer: Transfer::Buffered,
                },
                HttpIntegration::HttpProxy(proxy) => Answer::NotServed(proxy.uri.clone()),
                HttpIntegration::Service(_) => Answer::NotServed(String::new()),
                HttpIntegration::NotServed { reason } => Answer::NotServed(reason.clone()),
            },
            guard: route.guard.clone(),
            throttle: route.throttle,
            rules: Rules::default(),
            cache: None,
            place: route.place.clone(),
            template,
            method,
        }
    };
    let settled = |declared: &HttpRoute| {
        let mut route = route(declared);
        if let HttpIntegration::HttpProxy(proxy) = &declared.integration {
            let compiled = Proxy::compile(proxy, Style::Http, &api.stage_variables);
            route.hand_on(compiled, found);
        }
        if let HttpIntegration::Service(called) = &declared.integration {
            route.call_service(Called::compile(called, &api.stage_variables), found);
        }
        route
    };
    api.routes.iter().map(settled).collect()
}

/// Six letters and digits, as the cloud draws them for every deployment; here they come from the revision, so that
/// all nodes show the same.
fn deployment_id(revision: &RevisionId) -> String {
    let drawn = revision
        .as_str()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase());
    drawn.chain(std::iter::repeat('0')).take(6).collect()
}
