//! The routes of one revision, compiled: immutable, and swapped whole.
//!
//! Lives here: compiling every API, choosing the API that a request means, clashes between APIs.
//! Does not live here: matching inside one API (`tree`), swapping tables (`application`).

use std::borrow::Cow;
use std::time::Duration;

use model::application::Application;
use model::http_api::{CorsConfiguration, HttpApi, PayloadFormat, RouteKey};
use model::ids::{ApiId, FunctionName, RevisionId, StageName};
use model::problem::{Place, Problem};
use model::rest_api::{MockReply, RestApi, RestIntegration};

use super::target;
use super::template::Template;
use super::tree::{Precedence, Tree};
use crate::events::StageVariables;

/// The stage that has no prefix in the path.
const DEFAULT_STAGE: &str = "$default";

/// All APIs of one revision.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) revision: RevisionId,
    apis: Vec<Api>,
}

/// One API with its one stage.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) kind: Kind,
    pub(crate) id: ApiId,
    pub(crate) stage: StageName,
    pub(crate) stage_variables: StageVariables,
    routes: Vec<Route>,
    tree: Tree,
    /// The route `$default` of an HTTP API.
    fallback: Option<usize>,
}

/// What sort of API it is, with what only that sort has.
#[derive(Debug)]
pub(crate) enum Kind {
    Rest {
        binary_media_types: Vec<String>,
        deployment_id: String,
    },
    Http {
        cors: Option<CorsConfiguration>,
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
    pub(crate) answer: Answer,
    pub(crate) place: Option<Place>,
    template: Option<Template>,
    method: String,
}

/// What answers a route.
#[derive(Debug)]
pub(crate) enum Answer {
    Function {
        function: FunctionName,
        timeout: Duration,
        payload: Payload,
    },
    Mock(MockReply),
}

/// The shapes of event and reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    Rest,
    HttpV1,
    HttpV2,
}

/// What is known of a request when its route is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) host: Option<&'a str>,
    pub(crate) method: &'a str,
    /// As sent, its encodings checked.
    pub(crate) path: &'a str,
    /// The method that a CORS preflight asks for.
    pub(crate) preflight_for: Option<&'a str>,
}

/// What came of looking.
#[derive(Debug)]
pub(crate) enum Located<'a> {
    /// A route.
    Route(Hit<'a>),
    /// A preflight that this HTTP API answers by its CORS configuration.
    Preflight(&'a Api),
    /// Nothing.
    Missing(Missing<'a>),
}

/// A route and what it was found by.
#[derive(Debug)]
pub(crate) struct Hit<'a> {
    pub(crate) api: &'a Api,
    pub(crate) route: &'a Route,
    /// The path without the stage.
    pub(crate) path: String,
    /// The path with the stage.
    pub(crate) full_path: String,
}

/// No route, and how near the request was to one.
#[derive(Debug)]
pub(crate) struct Missing<'a> {
    /// The API whose answer it gets.
    pub(crate) api: Option<&'a Api>,
    /// A route with this path and another method.
    pub(crate) near: Option<&'a Route>,
}

/// An API that a request may mean, and the path that it asks it for.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    api: &'a Api,
    /// As sent, without the stage.
    path: &'a str,
    reach: Reach,
}

/// How a request means an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Its path begins with the API's stage, as in the cloud.
    Stage,
    /// It leaves the stage out.
    Whole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Specific,
    Fallback,
}

impl Table {
    /// Compiles the routes of a revision. Routes that clash keep the first; the others are problems.
    pub(crate) fn compile(application: &Application) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let rest = application
            .rest_apis
            .iter()
            .map(|api| (rest_api(api, &application.revision), rest_routes(api)));
        let http = application
            .http_apis
            .iter()
            .map(|api| (http_api(api), http_routes(api)));
        let mut apis: Vec<Api> = Vec::new();
        for (mut api, routes) in rest.chain(http) {
            for route in routes {
                api.add(route, &mut problems);
            }
            report_shadowed(&apis, &api, &mut problems);
            apis.push(api);
        }
        let revision = application.revision.clone();
        (Self { revision, apis }, problems)
    }

    /// Finds the API and route of a request.
    ///
    /// The host name chooses the API when it is one of the cloud's. Otherwise whoever's stage the path begins with
    /// is asked first, then everyone with the whole path, in the order of the template, REST APIs first; a
    /// `$default` route takes only what no other route of those asked with it does.
    pub(crate) fn locate<'a>(&'a self, asked: &Asked<'a>) -> Located<'a> {
        let candidates = self.candidates(asked);
        for reach in [Reach::Stage, Reach::Whole] {
            for pass in [Pass::Specific, Pass::Fallback] {
                let reached = candidates.iter().filter(|one| one.reach == reach);
                let mut located = reached.filter_map(|one| one.locate(asked, pass));
                if let Some(located) = located.next() {
                    return located;
                }
            }
        }
        if asked.preflight_for.is_some()
            && let Some(candidate) = candidates.iter().find(|one| one.api.cors().is_some())
        {
            return Located::Preflight(candidate.api);
        }
        Located::Missing(Missing {
            api: candidates.first().map(|candidate| candidate.api),
            near: candidates
                .iter()
                .find_map(|candidate| candidate.api.near(candidate.path)),
        })
    }

    fn candidates<'a>(&'a self, asked: &Asked<'a>) -> Vec<Candidate<'a>> {
        let named = asked
            .host
            .and_then(host_api_id)
            .and_then(|id| self.apis.iter().find(|api| api.id.as_str() == id));
        let asked_apis = match named {
            Some(api) => std::slice::from_ref(api),
            None => self.apis.as_slice(),
        };
        let prefixed = asked_apis.iter().filter_map(|api| {
            let path = target::behind_stage(asked.path, api.stage.as_str())?;
            Some(Candidate {
                api,
                path,
                reach: Reach::Stage,
            })
        });
        let whole = asked_apis.iter().map(|api| Candidate {
            api,
            path: asked.path,
            reach: Reach::Whole,
        });
        prefixed.chain(whole).collect()
    }
}

impl<'a> Located<'a> {
    /// The API that answers.
    pub(crate) fn api(&self) -> Option<&'a Api> {
        match self {
            Self::Route(hit) => Some(hit.api),
            Self::Preflight(api) => Some(api),
            Self::Missing(missing) => missing.api,
        }
    }

    /// The route that was hit.
    pub(crate) fn route(&self) -> Option<&'a Route> {
        match self {
            Self::Route(hit) => Some(hit.route),
            Self::Preflight(_) | Self::Missing(_) => None,
        }
    }
}

impl<'a> Candidate<'a> {
    fn locate(&self, asked: &Asked<'a>, pass: Pass) -> Option<Located<'a>> {
        let preflight_for = asked.preflight_for.filter(|_| self.api.cors().is_some());
        let method = preflight_for.unwrap_or(asked.method);
        let path = self.api.shown_path(self.path);
        let found = match pass {
            Pass::Specific => self.api.find(method, &path),
            Pass::Fallback => self.api.fallback,
        };
        let route = self.api.routes.get(found?)?;
        if preflight_for.is_some() {
            return Some(Located::Preflight(self.api));
        }
        Some(Located::Route(Hit {
            api: self.api,
            route,
            full_path: self.api.full_path(self.path, &path),
            path: path.into_owned(),
        }))
    }
}

impl Api {
    /// Its CORS configuration; REST APIs have none.
    pub(crate) fn cors(&self) -> Option<&CorsConfiguration> {
        match &self.kind {
            Kind::Rest { .. } => None,
            Kind::Http { cors } => cors.as_ref(),
        }
    }

    fn find(&self, method: &str, path: &str) -> Option<usize> {
        let segments = target::segments(self.matched(path));
        self.tree.find(self.precedence(), method, &segments)
    }

    fn near(&self, path: &str) -> Option<&Route> {
        let path = self.shown_path(path);
        let segments = target::segments(self.matched(&path));
        self.routes.get(self.tree.find_any_method(&segments)?)
    }

    fn precedence(&self) -> Precedence {
        match self.kind {
            Kind::Rest { .. } => Precedence::SegmentBySegment,
            Kind::Http { .. } => Precedence::FullMatchFirst,
        }
    }

    fn shown_path<'p>(&self, path: &'p str) -> Cow<'p, str> {
        match self.kind {
            Kind::Rest { .. } => target::rest_path(path),
            Kind::Http { .. } => target::http_path(path),
        }
    }

    fn matched<'p>(&self, shown_path: &'p str) -> &'p str {
        match self.kind {
            Kind::Rest { .. } => target::rest_match(shown_path),
            Kind::Http { .. } => target::http_match(shown_path),
        }
    }

    /// A REST API shows the slashes behind its stage as they were sent, here alone.
    fn full_path(&self, sent: &str, shown: &str) -> String {
        match self.kind {
            Kind::Rest { .. } => format!("/{}{sent}", self.stage),
            Kind::Http { .. } if self.stage.as_str() == DEFAULT_STAGE => shown.to_owned(),
            Kind::Http { .. } => format!("/{}{shown}", self.stage),
        }
    }

    fn add(&mut self, route: Route, problems: &mut Vec<Problem>) {
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
                problems.push(bad_path(&route));
                return;
            }
        };
        match taken {
            Ok(()) => self.routes.push(route),
            Err(existing) => problems.push(duplicate(&route, self.routes.get(existing))),
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

    /// `GET`, …, or `ANY`.
    pub(crate) fn method(&self) -> &str {
        &self.method
    }
}

fn rest_api(api: &RestApi, revision: &RevisionId) -> Api {
    Api {
        kind: Kind::Rest {
            binary_media_types: api.binary_media_types.clone(),
            deployment_id: deployment_id(revision),
        },
        id: api.id.clone(),
        stage: api.stage.clone(),
        stage_variables: StageVariables::new(&api.stage_variables),
        routes: Vec::new(),
        tree: Tree::new(),
        fallback: None,
    }
}

fn http_api(api: &HttpApi) -> Api {
    Api {
        kind: Kind::Http {
            cors: api.cors.clone(),
        },
        id: api.id.clone(),
        stage: api.stage.clone(),
        stage_variables: StageVariables::new(&api.stage_variables),
        routes: Vec::new(),
        tree: Tree::new(),
        fallback: None,
    }
}

fn rest_routes(api: &RestApi) -> Vec<Route> {
    let route = |method: &model::rest_api::RestMethod| Route {
        key: format!("{} {}", method.http_method, method.path),
        resource: method.path.clone(),
        resource_id: method.resource_id.clone(),
        answer: match &method.integration {
            RestIntegration::LambdaProxy { function, timeout } => Answer::Function {
                function: function.clone(),
                timeout: *timeout,
                payload: Payload::Rest,
            },
            RestIntegration::Mock(reply) => Answer::Mock(reply.clone()),
        },
        place: method.place.clone(),
        template: Template::parse(&method.path).ok(),
        method: method.http_method.clone(),
    };
    api.methods.iter().map(route).collect()
}

fn http_routes(api: &HttpApi) -> Vec<Route> {
    let route = |route: &model::http_api::HttpRoute| {
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
            answer: Answer::Function {
                function: route.function.clone(),
                timeout: route.timeout,
                payload: match route.payload_format {
                    PayloadFormat::V1 => Payload::HttpV1,
                    PayloadFormat::V2 => Payload::HttpV2,
                },
            },
            place: route.place.clone(),
            template,
            method,
        }
    };
    api.routes.iter().map(route).collect()
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

fn host_api_id(host: &str) -> Option<&str> {
    let (id, rest) = host.split_once('.')?;
    rest.starts_with("execute-api.").then_some(id)
}

fn bad_path(route: &Route) -> Problem {
    let reason = Template::parse(&route.resource)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    let problem = Problem::error("gateway::bad-path", reason)
        .because("API Gateway refuses to create such a route")
        .help("a variable is a whole segment, as `/pets/{id}`; a greedy one, as `{proxy+}`, is the last");
    at(problem, route)
}

fn duplicate(route: &Route, first: Option<&Route>) -> Problem {
    let cause = match first.and_then(|first| first.place.as_ref()) {
        Some(place) => format!("it is declared at {place} already"),
        None => "it is declared already".to_owned(),
    };
    let problem = Problem::error(
        "gateway::duplicate-route",
        format!("the route `{}` exists twice in one API", route.key),
    )
    .because(cause)
    .help("the first one answers; remove the other, or give it another path or method");
    at(problem, route)
}

/// Says which routes another API hides when the request names neither by its host name.
fn report_shadowed(before: &[Api], api: &Api, problems: &mut Vec<Problem>) {
    for route in &api.routes {
        let hidden_by = before.iter().find(|other| {
            let same = |known: &&Route| {
                known.template == route.template
                    && (known.method == route.method || known.method == "ANY")
            };
            other.routes.iter().any(|known| same(&known))
        });
        let Some(other) = hidden_by else { continue };
        let way_out = if other.stage == api.stage || api.stage.as_str() == DEFAULT_STAGE {
            format!(
                "send the header `Host: {}.execute-api.localhost` to reach it",
                api.id
            )
        } else {
            format!(
                "begin the path with `/{}` to reach it, or send the header `Host: {}.execute-api.localhost`",
                api.stage, api.id
            )
        };
        let problem = Problem::warning(
            "gateway::route-clash",
            format!("the route `{}` exists in two APIs", route.key),
        )
        .because(format!(
            "here all APIs share one port; the API `{}` answers, the API `{}` does not",
            other.id, api.id
        ))
        .help(way_out);
        problems.push(at(problem, route));
    }
}

fn at(problem: Problem, route: &Route) -> Problem {
    match &route.place {
        Some(place) => problem.at(place),
        None => problem,
    }
}
