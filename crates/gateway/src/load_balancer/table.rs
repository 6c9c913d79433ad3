//! The listeners of one revision, ready for requests.
//!
//! Lives here: which rule takes a request.
//! Does not live here: comparing (`patterns`), what is done then (`actions`).

use std::net::IpAddr;

use model::application::Application;
use model::ids::{ApiId, RevisionId};
use model::load_balancer::{
    Action, DefaultAction, FixedResponse, ForwardedFor, Listener, Protocol, Redirect, Rule,
    TargetGroup,
};

use super::patterns::Test;
use crate::application::Head;

/// All listeners.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) revision: RevisionId,
    pub(super) listeners: Vec<Compiled>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) name: ApiId,
    pub(super) forwarded_for: ForwardedFor,
    rules: Vec<CompiledRule>,
    default: Answer,
}

#[derive(Debug)]
struct CompiledRule {
    /// For the developer.
    name: String,
    tests: Vec<Test>,
    answer: Answer,
}

/// What is done with a request.
#[derive(Debug)]
pub(super) enum Answer {
    Forward(Vec<Share>),
    Redirect(Leads),
    FixedResponse(FixedResponse),
    NotServed(String),
    /// The listener is not of the project.
    Unknown,
}

/// A redirect, and the listener that it leads to if that is here.
#[derive(Debug)]
pub(super) struct Leads {
    pub(super) redirect: Redirect,
    /// Its number.
    pub(super) to: Option<usize>,
}

/// A target group, and its share of the requests.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) group: TargetGroup,
    pub(super) weight: u32,
}

/// What takes a request.
pub(super) struct Found<'a> {
    pub(super) answer: &'a Answer,
    /// For the developer.
    pub(super) rule: &'a str,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            revision: RevisionId::new("none"),
            listeners: Vec::new(),
        }
    }
}

impl Table {
    pub(super) fn compile(application: &Application) -> Self {
        let all = &application.listeners;
        Self {
            revision: application.revision.clone(),
            listeners: all.iter().map(|it| Compiled::new(it, all)).collect(),
        }
    }
}

impl Compiled {
    fn new(listener: &Listener, all: &[Listener]) -> Self {
        let rule = |rule: &Rule| CompiledRule {
            name: format!("rule {}", rule.priority),
            tests: rule.conditions.iter().map(Test::new).collect(),
            answer: Answer::new(&rule.action, listener, all),
        };
        Self {
            name: ApiId::new(listener.name.as_str()),
            forwarded_for: listener.forwarded_for,
            rules: listener.rules.iter().map(rule).collect(),
            default: match &listener.default {
                DefaultAction::Declared(action) => Answer::new(action, listener, all),
                DefaultAction::Unknown => Answer::Unknown,
            },
        }
    }

    /// The first rule whose conditions all hold, or else the default action.
    pub(super) fn find(&self, request: &Head, path: &str, source: IpAddr) -> Found<'_> {
        let holds = |rule: &&CompiledRule| {
            let mut tests = rule.tests.iter();
            tests.all(|test| test.holds(request, path, source))
        };
        match self.rules.iter().find(holds) {
            Some(rule) => Found {
                answer: &rule.answer,
                rule: &rule.name,
            },
            None => Found {
                answer: &self.default,
                rule: "default action",
            },
        }
    }
}

impl Answer {
    fn new(action: &Action, listener: &Listener, all: &[Listener]) -> Self {
        match action {
            Action::Forward(groups) => Self::Forward(
                groups
                    .iter()
                    .map(|it| Share {
                        group: it.group.clone(),
                        weight: it.weight,
                    })
                    .collect(),
            ),
            Action::Redirect(redirect) => Self::Redirect(Leads {
                redirect: redirect.clone(),
                to: led_to(redirect, listener, all),
            }),
            Action::FixedResponse(fixed) => Self::FixedResponse(fixed.clone()),
            Action::NotServed { reason } => Self::NotServed(reason.clone()),
        }
    }
}

/// The listener of the same load balancer that a redirect leads to.
fn led_to(redirect: &Redirect, from: &Listener, all: &[Listener]) -> Option<usize> {
    if redirect.host != "#{host}" || from.load_balancer.is_none() {
        return None;
    }
    let protocol = match redirect.protocol.as_str() {
        "HTTP" => Protocol::Http,
        "HTTPS" => Protocol::Https,
        _kept => from.protocol,
    };
    let port = redirect.port.parse().unwrap_or(from.port);
    all.iter().position(|it| {
        it.load_balancer == from.load_balancer && (it.protocol, it.port) == (protocol, port)
    })
}
