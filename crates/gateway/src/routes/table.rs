//! The routes of one revision, compiled: immutable, and swapped whole.
//!
//! Lives here: choosing the API that a request means.
//! Does not live here: one API (`api`), matching inside it (`tree`), swapping tables (`application`).

use model::application::Application;
use model::ids::{ApiId, Region, RevisionId, StageName};
use model::problem::Problem;

use super::api::{Api, DEFAULT_STAGE, Kind, Route};
use super::domains::{Domains, Mapped};
use super::{function_url, problems, target};
use crate::authorise::{self, Rules};

/// All APIs of one revision.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) revision: RevisionId,
    /// The region that its ARNs name.
    pub(crate) region: Region,
    /// What decides who may call.
    pub(crate) callers: Rules,
    apis: Vec<Api>,
    /// Reached by their own names alone.
    urls: Vec<Api>,
    /// Those whose clients stay connected.
    pub(super) sockets: Vec<Api>,
    pub(super) domains: Domains,
}

/// What is known of a request when its route is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) host: Option<&'a str>,
    pub(crate) method: &'a str,
    /// `X-HTTP-Method-Override`, which REST APIs alone obey.
    pub(crate) method_override: Option<&'a str>,
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
    /// The method that was matched.
    pub(crate) method: &'a str,
    /// The path without the stage.
    pub(crate) path: String,
    /// The path with the stage; by a custom domain, with the base path instead.
    pub(crate) full_path: String,
    reach: Reach,
}

/// No route, and how near the request was to one.
#[derive(Debug)]
pub(crate) struct Missing<'a> {
    /// The API whose answer it gets.
    pub(crate) api: Option<&'a Api>,
    /// A route with this path and another method.
    pub(crate) near: Option<&'a Route>,
    /// The custom domain of which no base path takes the request's.
    pub(crate) domain: Option<&'a str>,
}

/// An API that a request may mean, and the path that it asks it for.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    api: &'a Api,
    /// As sent, without the stage or the base path.
    path: &'a str,
    /// The base path of a custom domain, without slashes at its ends.
    base_path: &'a str,
    reach: Reach,
}

/// How a request means an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Its path begins with the API's stage, as in the cloud.
    Stage,
    /// It leaves the stage out.
    Whole,
    /// A custom domain leads to it.
    Domain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Specific,
    Fallback,
}

impl Table {
    /// Compiles the routes of a revision. Routes that clash keep the first; the others are problems.
    pub(crate) fn compile(application: &Application) -> (Self, Vec<Problem>) {
        let mut found = Vec::new();
        let mut apis: Vec<Api> = Vec::new();
        for api in &application.rest_apis {
            let api = Api::rest(api, application, &mut found);
            problems::report_shadowed(&apis, &api, &mut found);
            apis.push(api);
        }
        for api in &application.http_apis {
            let api = Api::http(api, &application.region, &mut found);
            problems::report_shadowed(&apis, &api, &mut found);
            apis.push(api);
        }
        let urls = application.function_urls.iter();
        let urls = urls.map(|url| Api::url(url, &application.region, &mut found));
        let urls = urls.collect();
        let sockets = application.websocket_apis.iter();
        let sockets = sockets.map(|api| Api::socket(api, &application.region));
        let sockets = sockets.collect();
        let revision = application.revision.clone();
        found.extend(authorise::problems(application));
        let callers = Rules::compile(application);
        let table = Self {
            revision,
            region: application.region.clone(),
            callers,
            apis,
            urls,
            sockets,
            domains: Domains::compile(application),
        };
        (table, found)
    }

    /// Bounds what the stages keep together: each gets an equal share, and no more than it was declared to have.
    pub(crate) fn share_cache_bytes(&self, bytes_max: u64) {
        let caches = || self.apis.iter().filter_map(|api| api.cache.as_ref());
        let share = bytes_max / (caches().count() as u64).max(1);
        for cache in caches() {
            cache.limit(cache.bytes_max().min(share));
        }
    }

    /// The API of this id and stage.
    pub(crate) fn api(&self, id: &ApiId, stage: &StageName) -> Option<&Api> {
        let mut apis = self.apis.iter();
        apis.find(|api| api.id == *id && api.stage == *stage)
    }

    /// Whether there are WebSocket APIs.
    pub(crate) fn has_sockets(&self) -> bool {
        !self.sockets.is_empty()
    }

    /// The WebSocket API of this id and stage.
    pub(crate) fn socket_api(&self, id: &ApiId, stage: &StageName) -> Option<&Api> {
        let mut sockets = self.sockets.iter();
        sockets.find(|api| api.id == *id && api.stage == *stage)
    }

    /// Whether an API of another kind has this id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.apis.iter().any(|api| api.id.as_str() == id)
    }

    /// Finds the API and route of a request.
    ///
    /// A custom domain leads where its base paths say, and nowhere else.
    /// The host name chooses the API when it is one of the cloud's. Otherwise whoever's stage the path begins with
    /// is asked first, then everyone with the whole path: those without a stage in their path, whose own it is, then the
    /// others in the order of the template, REST APIs first; a `$default` route takes only what no other route of those asked with it does.
    pub(crate) fn locate<'a>(&'a self, asked: &Asked<'a>) -> Located<'a> {
        if let Some(located) = self.locate_url(asked) {
            return located;
        }
        let candidates = match self.domains.find(asked.host, asked.path) {
            Some(mapped) => match mapped.and_then(|mapped| self.candidate(mapped)) {
                Some(candidate) => vec![candidate],
                None => {
                    return Located::Missing(Missing {
                        api: None,
                        near: None,
                        domain: asked.host,
                    });
                }
            },
            None => self.candidates(asked),
        };
        for reach in [Reach::Domain, Reach::Stage, Reach::Whole] {
            for pass in [Pass::Specific, Pass::Fallback] {
                let reached = candidates.iter().filter(|one| one.reach == reach);
                let mut located = reached.filter_map(|one| one.locate(asked, pass));
                if let Some(located) = located.next() {
                    return located;
                }
            }
        }
        nothing(asked, &candidates)
    }

    /// The function URL that a host name or a path of ours names.
    fn locate_url<'a>(&'a self, asked: &Asked<'a>) -> Option<Located<'a>> {
        let by_host = asked.host.and_then(function_url::id_of_host);
        let (id, path) = match by_host {
            Some(id) => (id, asked.path),
            None => function_url::id_of_path(asked.path)?,
        };
        let nothing = Missing {
            api: None,
            near: None,
            domain: None,
        };
        let mut urls = self.urls.iter();
        let Some(api) = urls.find(|url| url.id.as_str() == id) else {
            return Some(Located::Missing(nothing));
        };
        let candidate = Candidate {
            api,
            path,
            base_path: "",
            reach: Reach::Whole,
        };
        let located = candidate.locate(asked, Pass::Fallback);
        Some(located.unwrap_or(Located::Missing(nothing)))
    }

    fn candidate<'a>(&'a self, mapped: Mapped<'a>) -> Option<Candidate<'a>> {
        let mapping = mapped.mapping;
        Some(Candidate {
            api: self.api(&mapping.api, &mapping.stage)?,
            path: mapped.path,
            base_path: &mapping.base_path,
            reach: Reach::Domain,
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
                base_path: "",
                reach: Reach::Stage,
            })
        });
        let whole = |api| Candidate {
            api,
            path: asked.path,
            base_path: "",
            reach: Reach::Whole,
        };
        let is_own = |api: &&Api| api.stage.as_str() == DEFAULT_STAGE;
        let own = asked_apis.iter().filter(is_own);
        let shortened = asked_apis.iter().filter(|api| !is_own(api));
        prefixed.chain(own.chain(shortened).map(whole)).collect()
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
        let method = self.api.method(asked);
        let path = self.api.shown_path(self.path);
        let found = match pass {
            Pass::Specific => self.api.find(preflight_for.unwrap_or(method), &path),
            Pass::Fallback => self.api.fallback,
        };
        let route = self.api.routes.get(found?)?;
        if preflight_for.is_some() {
            return Some(Located::Preflight(self.api));
        }
        Some(Located::Route(Hit {
            api: self.api,
            route,
            method,
            full_path: match self.reach {
                Reach::Domain => self.path_behind_domain(&path),
                Reach::Stage | Reach::Whole => self.api.full_path(self.path, &path),
            },
            path: path.into_owned(),
            reach: self.reach,
        }))
    }
}

impl Candidate<'_> {
    fn path_behind_domain(&self, shown: &str) -> String {
        let path = match self.api.kind {
            Kind::Rest { .. } => self.path,
            Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => shown,
        };
        match self.base_path {
            "" => path.to_owned(),
            base_path => format!("/{base_path}{path}"),
        }
    }
}

impl<'a> Hit<'a> {
    /// A route that no path leads to.
    pub(super) fn without_path(api: &'a Api, route: &'a Route) -> Self {
        Self {
            api,
            route,
            method: "",
            path: String::new(),
            full_path: format!("/{}", api.stage),
            reach: Reach::Whole,
        }
    }
}

impl Hit<'_> {
    /// The path as a REST API's event shows it: without the stage, but with the base path of a custom domain.
    pub(crate) fn shown_path(&self) -> &str {
        match self.reach {
            Reach::Domain => &self.full_path,
            Reach::Stage | Reach::Whole => &self.path,
        }
    }
}

/// Whose words a request gets that no route takes: those of the API that knows its path, else of the one whose stage
/// it begins with, else of the first; but a preflight would rather have an answer.
fn nothing<'a>(asked: &Asked<'a>, candidates: &[Candidate<'a>]) -> Located<'a> {
    let near = candidates
        .iter()
        .find_map(|one| Some((one.api, one.api.near(one.path)?)));
    let first = candidates.first();
    let with_cors = || candidates.iter().find(|one| one.api.cors().is_some());
    let api = match (near, first) {
        (Some((api, _)), _) => Some(api),
        (None, Some(one)) if one.reach != Reach::Whole => Some(one.api),
        (None, _) if asked.preflight_for.is_some() => with_cors().or(first).map(|one| one.api),
        (None, _) => first.map(|one| one.api),
    };
    match api {
        Some(api) if asked.preflight_for.is_some() && api.cors().is_some() => {
            Located::Preflight(api)
        }
        Some(_) | None => Located::Missing(Missing {
            api,
            near: near.map(|(_, route)| route),
            domain: None,
        }),
    }
}

pub(super) fn host_api_id(host: &str) -> Option<&str> {
    let (id, rest) = host.split_once('.')?;
    rest.starts_with("execute-api.").then_some(id)
}
