//! One statement of a policy.
//!
//! Lives here: what it is about (principal, action, resource, conditions), and what it says then.
//! Does not live here: reading documents (`document`), several policies at once (`evaluation`).

use std::borrow::Cow;

use crate::condition::Condition;
use crate::context::Context;
use crate::pattern::Pattern;
use crate::principal::{Caller, Named, Principals};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// As `dynamodb:GetItem`.
    pub action: &'a str,
    /// The ARN of what it would touch; `*` for actions that are about no resource.
    pub resource: &'a str,
    /// Who asks.
    pub caller: &'a Caller,
    /// The condition keys.
    pub context: &'a Context,
}

/// A request, as statements compare it: they are many, and it is one.
pub(crate) struct Asked<'a> {
    request: &'a Request<'a>,
    /// In lower case: actions have none.
    action: Cow<'a, str>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(request: &'a Request<'a>) -> Self {
        let has_upper = request.action.bytes().any(|byte| byte.is_ascii_uppercase());
        let action = if has_upper {
            Cow::Owned(request.action.to_ascii_lowercase())
        } else {
            Cow::Borrowed(request.action)
        };
        Self { request, action }
    }
}

/// `Allow` or `Deny`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is allowed.
    Allow,
    /// It is refused, whatever else allows it.
    Deny,
}

/// What a policy says of a request by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Nothing: no statement is about it.
    Nothing,
    /// It allows it.
    Allow,
    /// It refuses it.
    Deny,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) effect: Effect,
    pub(crate) principals: Option<Scope<Principals>>,
    pub(crate) actions: Scope<Vec<Pattern>>,
    /// None: trust policies name no resource.
    pub(crate) resources: Option<Scope<Vec<Pattern>>>,
    pub(crate) conditions: Vec<Condition>,
}

/// What a statement is about, or all but that (`NotAction`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope<T> {
    Only(T),
    AllBut(T),
}

impl Statement {
    /// How its caller is named, if the statement is about the request. Policies of identities name nobody, since
    /// they belong to somebody.
    pub(crate) fn is_about(&self, asked: &Asked<'_>) -> Option<Named> {
        let request = asked.request;
        let named = match &self.principals {
            None => Named::ByItself,
            Some(Scope::Only(principals)) => principals.name(request.caller)?,
            Some(Scope::AllBut(principals)) => match principals.name(request.caller) {
                Some(_) => return None,
                None => Named::AsEverybody,
            },
        };
        let is_about = self.actions.holds(&asked.action, request.context)
            && self
                .resources
                .as_ref()
                .is_none_or(|resources| resources.holds(request.resource, request.context))
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(request.context));
        is_about.then_some(named)
    }
}

impl Scope<Vec<Pattern>> {
    fn holds(&self, text: &str, context: &Context) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|one| one.matches(text, context));
        match self {
            Self::Only(patterns) => any(patterns),
            Self::AllBut(patterns) => !any(patterns),
        }
    }
}
